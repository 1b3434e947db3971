#!/usr/bin/env bash
# The lab itself: SoftEther runs in its namespace, can be administered, answers message 1, ends and
# comes back; nothing but IKE was on the cable.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
. "$here/../net/netns.sh"
. "$here/softether.sh"
. "$here/capture.sh"

softether_lab
capture_start client up0 "$LAB_DIR/uplink.pcap"

lab_in client python3 "$here/probe.py" 198.51.100.1
softether_user bob builder
softether_user bob another
[[ -z $(softether_sessions) ]] || lab_fail "a session that nobody opened"
softether_logged alice >/dev/null || lab_fail "the server's log does not name the user"

softether_ipsec no
if lab_in client python3 "$here/probe.py" 198.51.100.1 2 2>/dev/null; then
	lab_fail "answered with L2TP/IPsec switched off"
fi
softether_ipsec yes other-psk
lab_in client python3 "$here/probe.py" 198.51.100.1

softether_stop
softether_start gw
lab_in client python3 "$here/probe.py" 198.51.100.1

capture_stop
capture_check "$LAB_DIR/uplink.pcap" --server 198.51.100.1
