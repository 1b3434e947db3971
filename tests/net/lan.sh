# shellcheck shell=bash
# A LAN with bad company: a switch (space "lan") with the client, its gateway and an attacker who
# hands out the addresses. To be sourced after tests/net/gatewayd.sh.
#
#   lan_new CLIENT GATEWAY ATTACKER   their spaces and cables; the client's is recorded at $LAN_PORT of
#                                     "lan", its link address is $LAN_CLIENT
#   lan_plug SPACE INTERFACE          one more cable to the switch; its port is "port-INTERFACE"
#   lan_serve ATTACKER [OPTION...]    (again) the DHCP server: 198.51.100.2 for the client, and options
#                                     of dnsmasq
#   lan_ask CLIENT                    the client's DHCP client asks for the first time
#   lan_renew CLIENT ADDRESS DEVICE   it asks again, until ADDRESS leads to DEVICE in its main table

# shellcheck disable=SC2034 # for whoever sources this
readonly LAN_PORT=port-up0 LAN_CLIENT=02:00:5e:00:00:02 LAN_ATTACKER=198.51.100.66
LAN_SERVER_PID='' LAN_ASKER_PID=''
lan_here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")

lan_new() {
	lab_netns lan "$@"
	lab_in lan ip link add switch type bridge
	lab_in lan ip link set switch up
	lan_plug "$1" up0
	lan_plug "$2" out0
	lan_plug "$3" evil0
	lab_in "$1" ip link set up0 address "$LAN_CLIENT"
	lab_in "$2" ip addr add 198.51.100.1/24 dev out0
	lab_in "$3" ip addr add "$LAN_ATTACKER/24" dev evil0
}

lan_plug() {
	ip link add "$2" netns "$(lab_ns "$1")" type veth peer name "port-$2" netns "$(lab_ns lan)"
	lab_in lan ip link set "port-$2" master switch up
	lab_in "$1" ip link set "$2" up
}

lan_serve() {
	if [[ -n $LAN_SERVER_PID ]]; then
		kill -TERM "$LAN_SERVER_PID"
		wait "$LAN_SERVER_PID" 2>/dev/null || true
	fi
	ip netns exec "$(lab_ns "$1")" dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 \
		--interface=evil0 --bind-interfaces --leasefile-ro --dhcp-authoritative --log-facility=- \
		--dhcp-range=198.51.100.2,198.51.100.2,2m --dhcp-option=option:router,198.51.100.1 \
		"${@:2}" >"$LAB_DIR/dnsmasq" 2>&1 </dev/null &
	LAN_SERVER_PID=$!
	lab_wait 10 "the DHCP server listens" lan_serves "$1"
}

# In the kernel's table: 0043 is port 67.
lan_serves() {
	lab_in "$1" grep -q ':0043 ' /proc/net/udp
}

lan_ask() {
	ip netns exec "$(lab_ns "$1")" udhcpc -f -i up0 -s "$lan_here/dhcp.sh" -O staticroutes \
		-t 10 -T 1 >"$LAB_DIR/udhcpc" 2>&1 </dev/null &
	LAN_ASKER_PID=$!
	lab_wait 20 "the DHCP client has an address" grep -qs "lease of .* obtained" "$LAB_DIR/udhcpc"
}

lan_renew() {
	kill -USR1 "$LAN_ASKER_PID"
	lab_wait 20 "the lease is renewed" lan_leads "$@"
}

lan_leads() {
	[[ $(lab_in "$1" ip route show table main match "$2") == *"via $3 "* ]]
}
