#!/bin/sh
# Throughput of the data path without protocols: two namespaces joined by a veth pair, tun_pipe in
# each, iperf3 through them. Root and iperf3 are needed.
#   tun_pipe.sh BUILD/bin/tun_pipe [seconds] [plain]
set -eu
bin=$(realpath "$1")
seconds=${2:-5}
plain=${3:-}

if [ "${TUN_PIPE_INSIDE:-}" != yes ]; then
	exec env TUN_PIPE_INSIDE=yes unshare --net --mount --pid --fork --mount-proc "$0" "$@"
fi

# The far namespace lives as long as this sleeper; all processes end with the pid namespace.
unshare --net sleep 100000 &
far=$!
sleep 0.2
there() { nsenter -t "$far" -n "$@"; }

ip link add here type veth peer name there netns "$far"
ip addr add 203.0.113.1/24 dev here
ip link set here up
there ip addr add 203.0.113.2/24 dev there
there ip link set there up

"$bin" tun0 203.0.113.2 4500 $plain &
near_pid=$!
nsenter -t "$far" -n "$bin" tun0 203.0.113.1 4500 $plain &
far_pid=$!
sleep 0.3
ip addr add 192.0.2.1/24 dev tun0
ip link set tun0 up
there ip addr add 192.0.2.2/24 dev tun0
there ip link set tun0 up
there iperf3 -s -D >/dev/null
sleep 0.3

cpu() { awk '{print ($14 + $15) / 100}' "/proc/$1/stat"; }
memory() { awk '/^Private/ {n += $2} END {print n " kB private"}' "/proc/$1/smaps_rollup"; }
# From where, to where, what it takes: Gbit/s and the CPU seconds of both ends for each Gbit.
measure() {
	n0=$(cpu "$near_pid") f0=$(cpu "$far_pid")
	bits=$(iperf3 -c "$2" -t "$seconds" -J $3 | awk '
		/"sum_received"/ {on = 1} on && /"bytes"/ {gsub(/[^0-9]/, ""); print $0 * 8; exit}')
	n1=$(cpu "$near_pid") f1=$(cpu "$far_pid")
	awk -v what="$1" -v b="$bits" -v t="$seconds" -v n="$n0 $n1" -v f="$f0 $f1" 'BEGIN {
		split(n, N); split(f, F); g = b / 1e9
		printf "%-12s %6.2f Gbit/s   CPU-s/Gbit near %.3f far %.3f\n", what, g / t,
			(N[2] - N[1]) / g, (F[2] - F[1]) / g}'
}

echo "before: $(memory "$near_pid")"
measure "veth up" 203.0.113.2 ""
measure "tunnel up" 192.0.2.2 ""
measure "tunnel down" 192.0.2.2 -R
measure "4 streams" 192.0.2.2 "-P 4"
echo "after: $(memory "$near_pid")"
kill -TERM "$near_pid" "$far_pid"
wait "$near_pid" || true
