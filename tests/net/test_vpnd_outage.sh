#!/usr/bin/env bash
# The cable is cut while a full tunnel is up: the backstop keeps everything off the uplink until the
# connection has come back by itself, and so it does when the user reconnects. Traffic runs all the
# time, and nothing but the tunnel's own packets is ever seen outside.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
. "$here/netns.sh"
. "$here/vpnd.sh"
. "$here/gatewayd.sh"
. "$here/../interop/capture.sh"

nowhere() {
	local address
	for address in 192.0.2.1 198.51.100.77 198.51.100.1 "$GATEWAYD_INSIDE" 2001:db8:9::1; do
		[[ $(vpnd_way client "$address") == unreachable ]] ||
			lab_fail "during the outage packets to $address go to $(vpnd_way client "$address")"
		! lab_in client ping -q -c 1 -W 1 "$address" >/dev/null 2>&1 ||
			lab_fail "ping $address is answered during the outage"
	done
}

vpnd_lab outage
gatewayd_pair client gw
lab_in client ip -6 route add default via fe80::1 dev up0
vpnd_conf client corp "dpd = 1s"
gatewayd_start gw
vpnd_remember client
vpnd_start client
capture_start client up0 "$LAB_DIR/uplink.pcap"

vpnctl client connect corp >/dev/null
vpnd_echo client gw "$GATEWAYD_INSIDE" 3000000
vpnctl client --json monitor corp >"$LAB_DIR/events" &
monitor=$!

lab_in gw ip link set out0 down
vpnd_until client corp state waiting
vpnd_is client corp failure.id LINK-LOST || lab_fail "not LINK-LOST"
nowhere
[[ -z $(vpnd_status client corp network.interface) ]] || lab_fail "the interface is still there"

lab_in gw ip link set out0 up
lab_in client ip -6 route replace default via fe80::1 dev up0
vpnd_until client corp state up
vpnd_is client corp reconnects 1 || lab_fail "it did not come back by itself"
vpnd_echo client gw "$GATEWAYD_INSIDE" 3000000

# The user connects anew, with another file. A flow that runs meanwhile stays inside; a file that is
# wrong changes nothing.
(exec ip netns exec "$(lab_ns client)" ping -q -i 0.01 192.0.2.1 >/dev/null 2>&1) &
flow=$!
vpnd_conf client corp "dpd = 1s" "mtu = 1300"
vpnctl client reconnect corp >/dev/null
vpnd_is client corp network.mtu 1300 || lab_fail "the file was not read again"
vpnd_conf client corp "dpd = 1s" "mtu = 9"
vpnd_refuses client 1 CONFIG reconnect corp
vpnd_is client corp state up || lab_fail "a file that is wrong has ended the connection"
kill "$flow"
wait "$flow" 2>/dev/null || true
vpnd_conf client corp "dpd = 1s"

# The gateway loses its memory; the user does not want to wait for it to come back.
gatewayd_stop gw
vpnd_until client corp state waiting
nowhere
vpnctl client disconnect corp >/dev/null
[[ $(vpnd_way client 192.0.2.1) == up0 ]] || lab_fail "the host stays offline"
vpnd_clean client

kill "$monitor" 2>/dev/null || true
grep -q '"waiting"' "$LAB_DIR/events" || lab_fail "monitor: $(cat "$LAB_DIR/events")"
capture_stop
capture_check "$LAB_DIR/uplink.pcap" --server 198.51.100.1
vpnd_stop client
