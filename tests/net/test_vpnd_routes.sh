#!/usr/bin/env bash
# Where packets go while a connection is wanted: full and split tunnel, the local networks, routes
# that others push, the SSH session that would be cut off, a gateway with an IPv6 address.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
. "$here/netns.sh"
. "$here/vpnd.sh"
. "$here/gatewayd.sh"
. "$here/../interop/capture.sh"

# goes WHERE ADDRESS [ARGUMENT...]: the client's packets to that address do.
goes() {
	local way
	way=$(vpnd_way client "${@:2}")
	[[ $way == "$1" ]] || lab_fail "packets to ${*:2} go to $way, not $1"
}

connect() {
	vpnctl client connect "$@" >/dev/null
}

disconnect() {
	vpnctl client disconnect "$@" >/dev/null
	vpnd_clean client
}

# Everything that a hostile network can push, while the tunnel is up: nobody asks the main table.
push_routes() {
	local route
	lab_in client ip addr add 203.0.113.2/24 dev up0 # LocalNet: public addresses as the LAN's
	for route in 0.0.0.0/1 128.0.0.0/1 192.0.2.128/25 198.51.100.0/25 10.99.0.0/25; do
		lab_in client ip route add "$route" via 198.51.100.1 dev up0 # TunnelVision
	done
	lab_in client ip -6 route add default via fe80::1 dev up0
	lab_in client ip -6 route add 2000::/3 via fe80::1 dev up0
}

pull_routes() {
	local route
	lab_in client ip -6 route del 2000::/3
	lab_in client ip -6 route del default
	for route in 0.0.0.0/1 128.0.0.0/1 192.0.2.128/25 198.51.100.0/25 10.99.0.0/25; do
		lab_in client ip route del "$route" via 198.51.100.1 dev up0
	done
	lab_in client ip addr del 203.0.113.2/24 dev up0
}

# Into the tunnel or nowhere; only the two flows of ours take the uplink.
all_inside() {
	local address
	for address in 192.0.2.1 192.0.2.130 203.0.113.9 198.51.100.77 198.51.100.1 10.99.0.7 192.168.7.9; do
		goes vpn-corp "$address"
	done
	goes vpn-corp 198.51.100.1 ipproto udp sport 5000 dport 500
	goes vpn-corp 198.51.100.1 ipproto tcp sport 500 dport 500
	goes vpn-corp 198.51.100.1 ipproto icmp
	goes up0 198.51.100.1 ipproto udp sport 500 dport 500
	goes up0 198.51.100.1 ipproto udp sport 4500 dport 4500
	goes up0 192.0.2.1 mark 0x7670000
	goes unreachable 2001:db8:9::1
	goes docker0 172.17.0.9
}

# What the user's programs try meanwhile must not be seen outside.
disturb() {
	local address
	for address in 192.0.2.1 192.0.2.130 203.0.113.9 198.51.100.77 198.51.100.1 2001:db8:9::1; do
		lab_in client ping -q -c 2 -i 0.1 -W 1 "$address" >/dev/null 2>&1 || true
	done
}

vpnd_lab routes
gatewayd_pair client gw
lab_in client ip addr add 192.168.7.2/24 dev up0
lab_netns near
lab_link client docker0 172.17.0.1/16 near eth0 172.17.0.9/16
vpnd_conf client corp
vpnd_conf client another
vpnd_conf client split "routes = 10.99.0.0/16, 192.0.2.0/24"
vpnd_conf client lan "lan = allow"
vpnd_conf client none "routes = none"
gatewayd_start gw
vpnd_remember client
vpnd_start client

echo "full tunnel"
capture_start client up0 "$LAB_DIR/uplink.pcap"
connect corp
vpnd_ping client "$GATEWAYD_INSIDE"
all_inside
push_routes
all_inside
disturb
vpnd_ping client "$GATEWAYD_INSIDE"
vpnd_refuses client 4 LOCAL-BUSY connect another
pull_routes
disconnect corp
capture_stop
capture_check "$LAB_DIR/uplink.pcap" --server 198.51.100.1

echo "split tunnel, local network, no routes"
connect split
goes vpn-split 10.99.0.7
goes vpn-split 192.0.2.1
goes up0 203.0.113.9
goes up0 198.51.100.77
vpnd_ping client "$GATEWAYD_INSIDE"
disconnect split
connect lan
goes up0 192.168.7.9
goes vpn-lan 198.51.100.77 # public addresses are no local network
goes vpn-lan 192.0.2.1
disconnect lan
connect none
goes up0 10.99.0.7
disconnect none

echo "SSH"
export SSH_CONNECTION="192.0.2.7 50000 198.51.100.2 22"
vpnd_refuses client 4 LOCAL-SSH-CUT connect corp
vpnd_clean client
connect corp --yes
disconnect corp
connect split --yes
disconnect split
export SSH_CONNECTION="192.168.7.9 50000 192.168.7.2 22"
vpnd_refuses client 4 LOCAL-SSH-CUT connect corp
connect lan
disconnect lan
vpnd_refuses client 10 NO-SUCH-CONNECTION disconnect nobody
unset SSH_CONNECTION
gatewayd_stop gw

echo "a gateway with an IPv6 address"
lab_in client ip -6 addr add 2001:db8::2/64 dev up0 nodad
lab_in gw ip -6 addr add 2001:db8::1/64 dev out0 nodad
vpnd_conf client six "gateway = 2001:db8::1"
gatewayd_start gw --listen 2001:db8::1
vpnd_remember client
capture_start client up0 "$LAB_DIR/six.pcap"
connect six
vpnd_ping client "$GATEWAYD_INSIDE" -s 1300
goes vpn-six 192.0.2.1
goes unreachable 2001:db8::77
disconnect six
capture_stop
capture_check "$LAB_DIR/six.pcap" --server 2001:db8::1

vpnd_stop client
gatewayd_stop gw
