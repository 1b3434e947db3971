# shellcheck shell=bash
# TCP between two namespaces by iperf3. To be sourced after tests/net/netns.sh.
#
#   iperf_start SPACE                         a server on all its addresses
#   iperf_rate SPACE ADDRESS [OPTION...]      from that space; sets IPERF_MBITS (a second, as received)
#                                             and IPERF_SECONDS

# shellcheck disable=SC2034 # for whoever sources this
IPERF_MBITS='' IPERF_SECONDS=''

iperf_start() {
	ip netns exec "$(lab_ns "$1")" iperf3 --server >/dev/null 2>&1 </dev/null &
	lab_wait 10 "iperf3 listens" iperf_listens "$1"
}

# In the kernel's table: 1451 is port 5201, 0A is LISTEN.
iperf_listens() {
	lab_in "$1" grep -qhs ':1451 .* 0A ' /proc/net/tcp /proc/net/tcp6
}

iperf_rate() {
	lab_in "$1" iperf3 --client "$2" --interval 0 --format m "${@:3}" >"$LAB_DIR/iperf" 2>&1 ||
		lab_fail "$(tail -n 1 "$LAB_DIR/iperf")"
	# shellcheck disable=SC2034
	read -r IPERF_MBITS IPERF_SECONDS < <(
		awk '/receiver/ { split($3, time, "-"); print $7, time[2] }' "$LAB_DIR/iperf")
}
