#!/usr/bin/env bash
# Every way to fail, through the real vpnd and vpnctl: the reason's id, the exit code, the number that
# Windows shows, the evidence; and nothing is left on the host. Each in two namespaces of its own,
# all at the same time, because silence takes long to be sure of.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
. "$here/netns.sh"
. "$here/vpnd.sh"
. "$here/gatewayd.sh"

# fails CODE ID WINDOWS [EVIDENCE]: so does `vpnctl connect corp`.
fails() {
	vpnd_refuses "$client" "$1" "$2" connect corp
	[[ $(vpnd_error "$client" windows) == "$3" ]] || lab_fail "$2 is not Windows' $3"
	[[ $(vpnd_error "$client" evidence) == *"${4:-}"* ]] ||
		lab_fail "$2 without $4: $(cat "$(vpnd_home "$client")/error")"
}

# lost ID: it was up; it ends for this reason.
lost() {
	vpnd_until "$client" corp state down
	vpnd_is "$client" corp failure.id "$1" || lab_fail "not $1: $(vpnctl "$client" status corp)"
}

names_start() {
	(exec ip netns exec "$(lab_ns "$gateway")" python3 "$here/names.py" 198.51.100.1 >"$LAB_DIR/names") &
	lab_wait 10 "the name server listens" grep -q ready "$LAB_DIR/names"
}

# ---- the cases: $client has a corp.conf, $gateway is empty ------------------------------------

case_net_dns_no_such_name() {
	names_start
	vpnd_conf "$client" corp "gateway = nowhere.lab.test"
	fails 4 NET-DNS 868 nowhere.lab.test
}

case_net_dns_no_server() {
	vpnd_conf "$client" corp "gateway = vpn.lab.test"
	fails 4 NET-DNS 868 vpn.lab.test
}

case_net_unreachable_no_route() {
	vpnd_conf "$client" corp "gateway = 2001:db8::1"
	fails 4 NET-UNREACHABLE 769 2001:db8::1
}

case_net_unreachable_on_the_way() {
	vpnd_conf "$client" corp "gateway = 203.0.113.1"
	lab_in "$gateway" sysctl -q net.ipv4.ip_forward=1
	fails 4 NET-UNREACHABLE 769 unreachable
}

case_ike_timeout() {
	gatewayd_start "$gateway" --silent
	fails 4 IKE-TIMEOUT 792 198.51.100.1
}

case_ike_port_closed() {
	fails 4 IKE-PORT-CLOSED 792
}

case_ike_no_proposal() {
	gatewayd_start "$gateway" --refuses-suites
	fails 4 IKE-NO-PROPOSAL 788 aes256-sha256-modp2048
}

case_ike_psk_wrong() {
	gatewayd_start "$gateway" --psk another
	fails 6 IKE-PSK-WRONG 789
}

case_ike_qm_refused() {
	gatewayd_start "$gateway" --refuses-quick
	fails 4 IKE-QM-REFUSED 791 NO-PROPOSAL-CHOSEN
}

case_esp_no_return() {
	gatewayd_start "$gateway" --drops-esp
	fails 4 ESP-NO-RETURN 809 "0 received"
}

case_esp_modified() {
	gatewayd_start "$gateway" --corrupts-esp
	fails 4 ESP-MODIFIED 809
}

case_l2tp_no_answer() {
	gatewayd_start "$gateway" --l2tp-silent
	fails 4 L2TP-NO-ANSWER 809
}

case_l2tp_refused_tunnel() {
	gatewayd_start "$gateway" --stop "no lines left"
	fails 4 L2TP-REFUSED 808 "no lines left"
}

case_l2tp_refused_call() {
	gatewayd_start "$gateway" --cdn "not at this hour"
	fails 4 L2TP-REFUSED 808 "not at this hour"
}

case_ppp_auth_refused() {
	gatewayd_start "$gateway" --password another
	fails 6 PPP-AUTH-REFUSED 691 E=691
}

case_ppp_account() {
	local number
	declare -A ids=([646]=PPP-ACCOUNT-HOURS [647]=PPP-ACCOUNT-DISABLED [648]=PPP-PASSWORD-EXPIRED
		[649]=PPP-ACCOUNT-NO-DIALIN)
	for number in "${!ids[@]}"; do
		gatewayd_start "$gateway" --refuses-login "$number"
		fails 6 "${ids[$number]}" "$number" "E=$number"
		gatewayd_stop "$gateway"
	done
}

case_ppp_auth_method() {
	gatewayd_start "$gateway" --auth pap
	fails 6 PPP-AUTH-METHOD 812 pap
}

case_ppp_mutual_auth_forged() {
	gatewayd_start "$gateway" --forges-proof
	fails 6 PPP-MUTUAL-AUTH 778
}

case_ppp_mutual_auth_missing() {
	gatewayd_start "$gateway" --no-proof
	fails 6 PPP-MUTUAL-AUTH 778
}

case_ppp_no_auth() {
	gatewayd_start "$gateway" --no-auth
	fails 6 PPP-MUTUAL-AUTH 778 "did not ask"
}

case_ppp_no_address() {
	gatewayd_start "$gateway" --no-address
	fails 4 PPP-NO-ADDRESS 738
}

case_link_lost() {
	vpnd_conf "$client" corp "dpd = 1s" "reconnect = no"
	gatewayd_start "$gateway"
	vpnctl "$client" connect corp >/dev/null
	lab_in "$gateway" ip route add blackhole 198.51.100.2
	lost LINK-LOST
	lab_in "$gateway" ip route del blackhole 198.51.100.2
	vpnctl "$client" connect corp >/dev/null
	vpnctl "$client" disconnect corp >/dev/null
}

case_l2tp_closed_by_peer() {
	vpnd_conf "$client" corp "reconnect = no"
	gatewayd_start "$gateway"
	vpnctl "$client" connect corp >/dev/null
	gatewayd_say "$gateway" stop "closing time"
	lost L2TP-CLOSED-BY-PEER
	[[ $(vpnd_status "$client" corp failure.evidence) == *"closing time"* ]] ||
		lab_fail "without the server's words"
}

case_wait_over_and_cancelled() {
	local rc=0
	gatewayd_start "$gateway" --silent
	vpnd_refuses "$client" 3 WAIT-OVER connect corp --wait 1
	vpnd_clean "$client"
	lab_in "$client" timeout --preserve-status --signal INT 1 "$VPND_BIN/vpnctl" \
		--socket "$(vpnd_home "$client")/run/io.vpnd" connect corp >/dev/null 2>&1 || rc=$?
	((rc == 130)) || lab_fail "vpnctl interrupted: $rc"
	vpnd_is "$client" corp state down || lab_fail "an interrupted connect goes on"
}

case_not_even_tried() {
	local said rc=0
	vpnd_refuses "$client" 10 NO-SUCH-CONNECTION connect nothing
	vpnd_refuses "$client" 7 NOT-CONNECTED disconnect corp
	vpnd_refuses "$client" 2 USAGE connect
	vpnd_conf "$client" bad "mtu = 9"
	vpnd_refuses "$client" 1 CONFIG connect bad
	chmod 644 "$(vpnd_home "$client")/etc/corp.conf"
	vpnd_refuses "$client" 1 CONFIG connect corp
	chmod 600 "$(vpnd_home "$client")/etc/corp.conf"
	vpnd_conf "$client" corp "gateway = 2001:db8::1"
	said=$(vpnctl "$client" connect corp 2>&1 >/dev/null) || rc=$?
	[[ $rc == 4 && $said == "corp: NET-UNREACHABLE (Windows 769): "*"hint: "* ]] ||
		lab_fail "as text: $rc $said"
	vpnd_stop "$client"
	vpnd_refuses "$client" 8 DAEMON-DOWN status
	vpnd_start "$client"
}

# ---- all of them ----------------------------------------------------------------------------

run_case() {
	client=c-$1 gateway=g-$1
	trap 'vpnd_explain $?' EXIT
	vpnd_conf "$client" corp
	vpnd_resolv "$client" $'nameserver 198.51.100.1\noptions attempts:1 timeout:1\n'
	vpnd_remember "$client"
	vpnd_start "$client"
	"case_$1"
	vpnd_clean "$client"
	vpnd_stop "$client"
	[[ -z ${GATEWAYD_PID[$gateway]:-} ]] || kill -TERM "${GATEWAYD_PID[$gateway]}" 2>/dev/null || true
}

vpnd_lab failures
mapfile -t cases < <(declare -F | sed -n 's/^declare -f case_//p')
for name in "${cases[@]}"; do
	gatewayd_pair "c-$name" "g-$name"
done
lab_each run_case "${cases[@]}"
