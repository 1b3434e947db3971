#!/usr/bin/env bash
# vpnd and vpnctl against SoftEther: connect, traffic both ways, every way to end, wrong PSK, wrong
# password, death and return; nothing in the clear on the uplink, nothing left on the host.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
. "$here/../net/netns.sh"
. "$here/../net/vpnd.sh"
. "$here/softether.sh"
. "$here/capture.sh"

# The server forgets a session a moment after the goodbye.
no_sessions() {
	[[ -z $(softether_sessions) ]]
}

server_is_left() {
	lab_wait 10 "the session list is empty" no_sessions
}

vpnd_lab softether
softether_spaces
lab_netns other
lab_link other up1 203.0.113.2/24 gw out1 203.0.113.1/24
for space in client other; do
	lab_in "$space" sysctl -q net.ipv4.conf.all.rp_filter=1
done
lab_in client ip route add default via 198.51.100.1
vpnd_conf client corp
vpnd_conf client two "routes = 192.168.30.0/24"
vpnd_conf other corp "gateway = 203.0.113.1" "routes = 192.168.30.0/24"
vpnd_remember client
vpnd_remember other
vpnd_start client
vpnd_start other
capture_start client up0 "$LAB_DIR/uplink.pcap"

echo "connect, traffic both ways, disconnect"
vpnctl client connect corp >"$LAB_DIR/stages"
for stage in "IKE main mode" "IPsec ESP" "L2TP tunnel" "PPP link" "PPP login" "IP address" "corp is up"; do
	grep -q "^$stage" "$LAB_DIR/stages" || lab_fail "no line for $stage: $(cat "$LAB_DIR/stages")"
done
vpnctl other connect corp >/dev/null
vpnd_ping client "$SOFTETHER_INSIDE"
vpnd_ping client "$SOFTETHER_INSIDE" -s 1372 -M "do"
address=$(vpnd_status other corp network.addresses.0)
vpnd_echo client other "$address" 4000000
vpnd_echo other client "$(vpnd_status client corp network.addresses.0)" 4000000
[[ $(vpnd_way client 192.0.2.1) == vpn-corp ]] || lab_fail "not a full tunnel"
[[ $(softether_sessions | wc -l) == 2 ]] || lab_fail "sessions: $(softether_sessions)"
vpnd_is client corp ike.peer_kind SoftEther || lab_fail "not recognised as SoftEther"
vpnctl client disconnect corp >/dev/null
vpnctl other disconnect corp >/dev/null
vpnd_clean client
vpnd_clean other
server_is_left

echo "one connection after another, and reconnect"
vpnctl client connect two >/dev/null
vpnctl client disconnect two >/dev/null
vpnctl client connect corp >/dev/null
vpnctl client reconnect corp >/dev/null
vpnd_ping client "$SOFTETHER_INSIDE"

echo "asked to end"
vpnd_stop client
vpnd_clean client
server_is_left

echo "wrong PSK, wrong password, password typed"
vpnd_conf client psk "psk = not the labs"
vpnd_conf client password "password = not alices"
vpnd_conf client typed -password
vpnd_start client
vpnd_refuses client 6 IKE-PSK-WRONG connect psk
vpnd_clean client
vpnd_refuses client 6 PPP-AUTH-REFUSED connect password
[[ $(vpnd_error client windows) == 691 ]] || lab_fail "not 691"
[[ $(vpnd_error client evidence) == *E=691* ]] || lab_fail "not the server's words"
vpnd_clean client
vpnd_refuses client 6 PPP-AUTH-REFUSED connect corp --password-file <(echo not alices)
vpnd_refuses client 6 PASSWORD-NEEDED connect typed </dev/null
vpnctl client connect typed --password-file <(echo "$SOFTETHER_PASSWORD") >/dev/null
vpnctl client disconnect typed >/dev/null
lab_in client python3 "$here/../net/type.py" "$SOFTETHER_PASSWORD" \
	"$VPND_BIN/vpnctl" --socket "$(vpnd_home client)/run/io.vpnd" connect typed --ask \
	>"$LAB_DIR/typed" || lab_fail "password typed: $(cat "$LAB_DIR/typed")"
! grep -q "$SOFTETHER_PASSWORD" "$LAB_DIR/typed" || lab_fail "the password was shown"
vpnctl client disconnect typed >/dev/null
vpnd_clean client
server_is_left

# The server keeps the session of the dead one for a minute.
echo "killed, and started again"
vpnctl client connect corp >/dev/null
vpnd_kill client
vpnd_start client
vpnd_clean client
vpnctl client connect corp >/dev/null
vpnd_ping client "$SOFTETHER_INSIDE"
vpnctl client disconnect corp >/dev/null
vpnd_clean client

capture_stop
capture_check "$LAB_DIR/uplink.pcap" --server 198.51.100.1
vpnd_stop client
vpnd_stop other
