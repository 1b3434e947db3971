# shellcheck shell=bash
# Waiting in a guest of uml.sh. To begin a process takes 10 ms there, to begin python3 250: what is waited for
# is asked for less often, and between two times no process is begun. To be sourced after netns.sh and
# vpnd.sh of tests/net, of which it replaces json and how lab_wait waits; slow_begin comes after lab_begin.
#
#   pause SECONDS

slow_begin() {
	mkfifo "$LAB_DIR/nothing"
	exec {nothing}<>"$LAB_DIR/nothing"
}

pause() {
	read -r -t "$1" -u "$nothing" || true
}

# shellcheck disable=SC2034 # lab_wait's
LAB_POLLS=5
lab_nap() {
	pause 0.2
}

json() {
	"$VPND_BIN/json_at" "$1"
}
