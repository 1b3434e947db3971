#!/usr/bin/env bash
# kill -9 at five points of a connection's life. A new vpnd, or vpnd --cleanup, gives the host back as
# it was: rules, routes, addresses, links, and resolv.conf with every byte, its inode and its mode.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
. "$here/netns.sh"
. "$here/vpnd.sh"
. "$here/gatewayd.sh"

begin_to_connect() {
	vpnctl client connect corp --no-wait >/dev/null
}

gateway_falls_asleep() {
	kill -STOP "${GATEWAYD_PID[gw]}"
}

# ---- the points: each returns when vpnd is there ----------------------------------------------

# The gateway hears message 1 and says nothing.
point_ike() {
	gateway_falls_asleep
	begin_to_connect
	lab_wait 10 "main mode" vpnd_logs client "main mode 1"
	[[ -n $(vpnd_pending client) ]] || lab_fail "nothing to undo: no rule for the flows?"
}

# The kernel tells of the interface; its addresses and routes are being made, or resolv.conf.
point_interface() {
	local monitor
	coproc MONITOR { exec ip -n "$(lab_ns client)" monitor link; }
	monitor=$MONITOR_PID
	begin_to_connect
	grep -q -m 1 vpn-corp <&"${MONITOR[0]}"
	kill -STOP "${VPND_PID[client]}"
	kill "$monitor"
	wait "$monitor" 2>/dev/null || true
}

point_up() {
	vpnctl client connect corp >/dev/null
	[[ -n $(vpnd_pending client) ]] || lab_fail "nothing to undo, and up?"
}

# Its message 1 of quick mode is out, or the answer is in.
point_rekey() {
	vpnctl client connect corp >/dev/null
	: >"$(vpnd_home client)/log"
	gatewayd_say gw rekey
	lab_wait 10 "the rekey" vpnd_logs client "quick mode 1"
}

# The goodbye is out and the gateway does not answer it.
point_goodbye() {
	vpnctl client connect corp >/dev/null
	gateway_falls_asleep
	vpnctl client disconnect corp >/dev/null 2>&1 &
	vpnd_until client corp state closing
}

# ---- all of them ----------------------------------------------------------------------------

vpnd_lab crash
gatewayd_pair client gw
vpnd_conf client corp
vpnd_resolv client $'nameserver 192.0.2.53\n# the last line'
gatewayd_start gw
vpnd_remember client
for point in ike interface up rekey goodbye; do
	for undo in start cleanup; do
		vpnd_start client --log-level debug
		"point_$point"
		vpnd_kill client
		kill -CONT "${GATEWAYD_PID[gw]}"
		[[ $undo == start ]] || vpnd_cleanup client 2>"$(vpnd_home client)/cleanup"
		[[ $undo == cleanup ]] || vpnd_start client
		vpnd_clean client
		[[ $undo == cleanup ]] || vpnd_stop client
	done
	echo "$point"
done

vpnd_start client
vpnctl client connect corp >/dev/null
vpnd_ping client "$GATEWAYD_INSIDE"
vpnctl client disconnect corp >/dev/null
vpnd_clean client
vpnd_stop client
