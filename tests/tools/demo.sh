#!/usr/bin/env bash
# The demonstration: two hosts made of network namespaces, a gateway on one, vpnd on the other, and
# traffic between them. Called by `./dev demo`, which builds and installs what is missing.
#
#   demo.sh             the project's own test gateway
#   demo.sh softether   SoftEther VPN Server, which nobody here wrote
#
# Nothing of the host is changed, and nothing stays behind, whenever it is interrupted.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
. tests/net/netns.sh
. tests/net/vpnd.sh "${VPND_BIN:-build/release/bin}"
. tests/net/gatewayd.sh
. tests/net/iperf.sh
. tests/interop/softether.sh

server=${1:-own}
plain='' bold='' dim='' color=never
if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
	plain=$'\e[0m' bold=$'\e[1m' dim=$'\e[2m' color=always
fi

# ---- how it looks -----------------------------------------------------------------------------

act=0

title() {
	act=$((act + 1))
	printf '\n%s%d. %s%s\n' "$bold" "$act" "$*" "$plain"
}

typed() {
	title "\$ $*"
}

indented() {
	sed -u 's/^/   /'
}

say() {
	printf '   %s\n' "$@"
}

# An interrupted command may have its output somewhere else.
exec {terminal}>&1

farewell() {
	local rc=$1
	trap '' INT TERM HUP
	exec >&"$terminal"
	if ((rc == 130 || rc == 143)); then
		printf '\n%s\n' "${dim}interrupted, tidying up${plain}"
	elif ((rc != 0)); then
		vpnd_explain "$rc"
	fi
	lab_end
	((rc != 0)) || printf '\n%s\n' "${bold}Done.${plain} The namespaces, interfaces, processes and files of this demo are gone."
}

# ---- the two servers --------------------------------------------------------------------------

start_own() {
	gatewayd_pair client gw
	gatewayd_start gw
	inside=$GATEWAYD_INSIDE host=$GATEWAYD_INSIDE
}

# The hub's own address answers pings but takes no TCP; so a host is plugged into the hub: a bridge
# to a TAP device in the server's namespace.
start_softether() {
	softether_spaces
	ip -n "$(lab_ns client)" route add default via 198.51.100.1
	softether_admin BridgeCreate VPN /DEVICE:demo /TAP:yes
	lab_wait 10 "the hub's bridge" ip -n "$(lab_ns gw)" link set tap_demo up 2>/dev/null
	ip -n "$(lab_ns gw)" addr add 192.168.30.2/24 dev tap_demo
	inside=$SOFTETHER_INSIDE host=192.168.30.2
}

# ---- the acts ---------------------------------------------------------------------------------

show_hosts() {
	local -A names=([own]="the project's own test gateway" [softether]="SoftEther VPN Server")
	title "Two hosts joined by a cable, in network namespaces of their own"
	say "client   198.51.100.2   vpnd"
	say "server   198.51.100.1   ${names[$server]}"
	vpnd_lab demo
	trap 'farewell $?' EXIT
	"start_$server"
}

show_conf() {
	title "/etc/vpnd/corp.conf of the client"
	vpnd_conf client corp
	indented <"$(vpnd_home client)/etc/corp.conf"
	vpnd_start client
}

# The time from the command to the answer of a ping, with nothing between the two but the shell.
connect() {
	typed vpnctl connect corp
	# shellcheck disable=SC2016 # expanded by the inner shell
	lab_in client bash -c '
		began=${EPOCHREALTIME/./}
		"$1" --socket "$2" --color="$3" connect corp || exit
		ping -q -n -c 1 -W 5 "$4" >/dev/null || exit
		printf "first ping answered %d ms after the command began\n" \
			$(((${EPOCHREALTIME/./} - began) / 1000))' \
		bash "$VPND_BIN/vpnctl" "$(vpnd_home client)/run/io.vpnd" "$color" "$inside" 2>&1 | indented
}

show_ping() {
	typed ping -c 4 -i 0.2 "$inside"
	lab_in client ping -n -c 4 -i 0.2 "$inside" | grep -e 'bytes from' -e 'packets transmitted' | indented
}

show_transfer() {
	title "100 MiB of TCP through the tunnel, each way"
	iperf_start gw
	transfer "client to server"
	transfer "server to client" --reverse
}

transfer() {
	iperf_rate client "$host" --bytes 100M "${@:2}"
	say "$(awk -v way="$1" -v mbits="$IPERF_MBITS" -v seconds="$IPERF_SECONDS" \
		'BEGIN { printf "%s   %5.2f Gbit/s   %.2f s", way, mbits / 1000, seconds }')"
}

show_status() {
	typed vpnctl status corp
	vpnctl client --color="$color" status corp | indented
}

disconnect() {
	typed vpnctl disconnect corp
	vpnctl client disconnect corp | indented
}

case $server in
own | softether) ;;
*) echo "usage: demo.sh [softether]" >&2 && exit 2 ;;
esac
((EUID == 0)) || lab_fail "network namespaces need root: sudo ./dev demo"
show_hosts
show_conf
connect
show_ping
show_transfer
show_status
disconnect
