#!/usr/bin/env bash
# Time to connect, throughput beside wireguard-go, memory and wakeups. Called by `./dev bench`, which
# builds and installs what is missing.
#
#   bench.sh [connect] [throughput] [memory] [idle]      all, or some of them
#
# Both ends and their users share this machine: what counts are the ratios within one run. ROUNDS
# and SECONDS_EACH (of one measurement) come from the environment.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
parts=("$@")
((${#parts[@]})) || parts=(connect throughput memory idle)
. tests/net/netns.sh
. tests/net/vpnd.sh "${VPND_BIN:-build/release/bin}"
. tests/net/gatewayd.sh
. tests/net/iperf.sh
. tests/interop/softether.sh
. tests/bench/spread.sh

readonly rounds=${ROUNDS:-5} seconds=${SECONDS_EACH:-4} idle_seconds=60
readonly wg_near=10.98.0.1 wg_far=10.98.0.2

heading() {
	printf '\n%s\n' "$1"
	printf '    $ %s\n' "${@:2}"
}

# ---- connect ----------------------------------------------------------------------------------

bench_connect() {
	heading "From the start of vpnctl to the first ping answered, ms" "vpnctl connect corp; ping -c 1 ADDRESS"
	printf '    %-22s %5s %9s %9s %9s\n' "" n min median max
	connect_row "test gateway" corp "$GATEWAYD_INSIDE" 20
	if [[ -x $(softether_program vpnserver) ]]; then
		plug_in_softether
		connect_row "SoftEther" softether "$SOFTETHER_INSIDE" 3
	fi
}

connect_row() {
	local min median max
	connect_times "${@:2}" >"$LAB_DIR/times"
	read -r min median max < <(spread <"$LAB_DIR/times")
	printf '    %-22s %5d %9.1f %9.1f %9.1f\n' "$1" "$4" "$min" "$median" "$max"
}

# connect_times CONNECTION ADDRESS N: one a line. The shell stands in the namespace already; what it
# costs to start two programs is part of the figure.
connect_times() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	lab_in client bash -c '
		for ((i = 0; i < $5; i++)); do
			began=${EPOCHREALTIME/./}
			"$1" --socket "$2" -q connect "$3" || exit
			ping -q -n -c 1 -W 5 "$4" >/dev/null || exit
			us=$((${EPOCHREALTIME/./} - began))
			printf "%d.%03d\n" $((us / 1000)) $((us % 1000))
			"$1" --socket "$2" -q disconnect "$3" || exit
		done' bash "$VPND_BIN/vpnctl" "$(vpnd_home client)/run/io.vpnd" "$@"
}

plug_in_softether() {
	lab_netns hub
	lab_link client up1 203.0.113.2/24 hub out1 203.0.113.1/24
	softether_start hub
	softether_furnish
	vpnd_conf client softether "gateway = 203.0.113.1"
}

# ---- throughput -------------------------------------------------------------------------------

readonly -A esp=([gcm]=aes256gcm16 [cbc]=aes256-sha1)
readonly -A label=([veth]="no tunnel" [wireguard]="wireguard-go" [gcm]="vpnd AES-256-GCM"
	[cbc]="vpnd AES-256-CBC/SHA1")

bench_throughput() {
	local round kind
	heading "TCP, one stream, Gbit/s: median of $rounds interleaved rounds of $seconds s (least to most)" \
		"iperf3 --client ADDRESS --time $seconds [--reverse]"
	plug_in_wireguard
	iperf_start gw
	for kind in "${!esp[@]}"; do
		vpnd_conf client "$kind" "esp = ${esp[$kind]}" "routes = $GATEWAYD_INSIDE/32"
	done
	for ((round = 1; round <= rounds; round++)); do
		[[ ! -t 2 ]] || printf '    round %d of %d\r' "$round" "$rounds" >&2
		measure veth "198.51.100.1"
		measure wireguard "$wg_far"
		for kind in gcm cbc; do
			vpnctl client -q connect "$kind"
			measure "$kind" "$GATEWAYD_INSIDE"
			vpnctl client -q disconnect "$kind"
		done
	done
	printf '    %-22s %20s %20s   %s\n' "" up down "times wireguard-go"
	for kind in veth wireguard gcm cbc; do
		throughput_row "$kind"
	done
}

# measure KIND ADDRESS: both ways, kept in files of Mbit/s.
measure() {
	iperf_rate client "$2" --time "$seconds"
	echo "$IPERF_MBITS" >>"$LAB_DIR/$1.up"
	iperf_rate client "$2" --time "$seconds" --reverse
	echo "$IPERF_MBITS" >>"$LAB_DIR/$1.down"
}

throughput_row() {
	local way min median max reference cells=() ratios=()
	for way in up down; do
		read -r min median max < <(spread <"$LAB_DIR/$1.$way")
		read -r _ reference _ < <(spread <"$LAB_DIR/wireguard.$way")
		cells+=("$(awk -v a="$min" -v b="$median" -v c="$max" \
			'BEGIN { printf "%.2f (%.2f-%.2f)", b / 1000, a / 1000, c / 1000 }')")
		ratios+=("$(awk -v a="$median" -v b="$reference" 'BEGIN { printf "%.1f", a / b }')")
	done
	printf '    %-22s %20s %20s   %s up, %s down\n' "${label[$1]}" "${cells[@]}" "${ratios[@]}"
}

# Userspace WireGuard beside the tunnel, between the same two namespaces. Its control socket lies in
# /run, of which each of the two has one of its own.
plug_in_wireguard() {
	local near far end
	wireguard_start client
	near=$!
	wireguard_start gw
	far=$!
	for end in near far; do
		wg genkey | tee "$LAB_DIR/$end.key" | wg pubkey >"$LAB_DIR/$end.pub"
	done
	lab_wait 10 "wireguard-go in client" wireguard_is_there "$near"
	lab_wait 10 "wireguard-go in gw" wireguard_is_there "$far"
	wireguard_furnish "$near" near far "$wg_near" "$wg_far" "198.51.100.1"
	wireguard_furnish "$far" far near "$wg_far" "$wg_near" 198.51.100.2
}

wireguard_start() {
	# ip netns exec gives each of them mounts of its own
	ip netns exec "$(lab_ns "$1")" sh -c 'mount -t tmpfs none /run && exec wireguard-go -f wg0' \
		>"$LAB_DIR/wireguard-$1" 2>&1 </dev/null &
}

wireguard_is_there() {
	nsenter --target "$1" --net --mount test -S /run/wireguard/wg0.sock
}

# wireguard_furnish PID NEAR FAR ITS-ADDRESS OTHER-ADDRESS ENDPOINT
wireguard_furnish() {
	local in=(nsenter --target "$1" --net --mount)
	"${in[@]}" wg set wg0 listen-port 51820 private-key "$LAB_DIR/$2.key" \
		peer "$(cat "$LAB_DIR/$3.pub")" allowed-ips "$5/32" endpoint "$6:51820"
	"${in[@]}" ip addr add "$4" peer "$5" dev wg0
	"${in[@]}" ip link set wg0 up
}

# ---- memory and wakeups -------------------------------------------------------------------------

bench_memory() {
	heading "Memory of vpnd, MiB" "cat /proc/PID/smaps_rollup"
	printf '    %-34s %6s %6s\n' "" USS PSS
	vpnctl client -q connect corp
	memory_row "connected"
	iperf_listens gw || iperf_start gw
	iperf_rate client "$GATEWAYD_INSIDE" --time 1
	iperf_rate client "$GATEWAYD_INSIDE" --time 1 --reverse
	memory_row "connected, after 2 s of full load"
	vpnctl client -q disconnect corp
}

memory_row() {
	awk -v what="$1" '/^Private_(Clean|Dirty|Hugetlb)/ { uss += $2 } /^Pss:/ { pss = $2 }
		END { printf "    %-34s %6.1f %6.1f\n", what, uss / 1024, pss / 1024 }' \
		"/proc/${VPND_PID[client]}/smaps_rollup"
}

bench_idle() {
	local before
	heading "Wakeups of an idle connection in $idle_seconds s" "grep voluntary /proc/PID/status"
	vpnctl client -q connect corp
	sleep 2
	before=$(wakeups)
	sleep "$idle_seconds"
	printf '    %d\n' "$(($(wakeups) - before))"
	cat <<-'END'
		    The protocols' own: an LCP echo and its reply after 18 s of silence, an L2TP Hello and
		    its acknowledgement after 60 s, R-U-THERE after 30 s without any authentic packet,
		    behind NAT a keepalive every 20 s, and what the gateway asks.
	END
	vpnctl client -q disconnect corp
}

wakeups() {
	awk '/^voluntary/ { print $2 }' "/proc/${VPND_PID[client]}/status"
}

# -----------------------------------------------------------------------------------------------

for part in "${parts[@]}"; do
	[[ " connect throughput memory idle " == *" $part "* ]] || lab_fail "no part $part"
done
((EUID == 0)) || lab_fail "network namespaces need root: sudo ./dev bench"
vpnd_lab bench
gatewayd_pair client gw
gatewayd_start gw
vpnd_conf client corp
vpnd_start client --log-level warn
for part in "${parts[@]}"; do
	"bench_$part"
done
