# shellcheck shell=bash
# Waiting in a guest of uml.sh. To begin a process takes 10 ms there, to begin python3 250: what is waited for
# is asked for less often, and between two times no process is begun. To be sourced after netns.sh and
# vpnd.sh of tests/net, of which it replaces lab_wait and json; slow_begin comes after lab_begin.
#
#   pause SECONDS

slow_begin() {
	mkfifo "$LAB_DIR/nothing"
	exec {nothing}<>"$LAB_DIR/nothing"
}

pause() {
	read -r -t "$1" -u "$nothing" || true
}

lab_wait() {
	local i
	for ((i = 0; i < $1 * 5; i++)); do
		"${@:3}" && return 0
		pause 0.2
	done
	lab_fail "$2: not within $1 s"
}

json() {
	"$VPND_BIN/json_at" "$1"
}
