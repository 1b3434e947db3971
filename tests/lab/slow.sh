# shellcheck shell=bash
# Waiting in a guest of uml.sh. To begin a process takes 10 ms there, to begin python3 250: what is waited for
# is asked for less often, between two times no process is begun, and at the end nobody is waited for. To be
# sourced after netns.sh and vpnd.sh of tests/net, of which it replaces some; slow_begin comes after lab_begin.
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

# Its socket can be reached from anywhere.
vpnctl() {
	"$VPND_BIN/vpnctl" --socket "$LAB_DIR/vpnd-$1/run/io.vpnd" "${@:2}"
}

# What there was to see of them is on record, and the guest ends soon.
lab_kill_all() {
	local pids
	mapfile -t pids < <(ip netns pids "$1" 2>/dev/null || true)
	((${#pids[@]} == 0)) || kill -KILL "${pids[@]}" 2>/dev/null || true
}
