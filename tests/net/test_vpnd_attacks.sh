#!/usr/bin/env bash
# What the network around can do to a client with a full tunnel: push routes by DHCP and router
# advertisement, claim addresses, plug in an interface, remove the rules, probe the address inside. The
# users' packets stay inside and the address inside does not answer.
#
#   test_vpnd_attacks.sh [BIN [SECONDS [ROUNDS]]]   of flow for each attack, and of removed rules
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
. "$here/netns.sh"
. "$here/vpnd.sh"
. "$here/gatewayd.sh"
. "$here/lan.sh"
. "$here/../interop/capture.sh"

seconds=${2:-0.6} rounds=${3:-3}
sent_in_all=0 inside_in_all=0 outside_in_all=0 refused_in_all=0

# The Internet, the LAN, the server (ServerIP), the attacker, and what is inside.
readonly targets=(192.0.2.1 192.0.2.130 203.0.113.9 203.0.113.53 198.51.100.77 198.51.100.1 198.51.100.66
	10.99.0.1 10.99.0.53 10.1.2.3 192.168.7.9 2001:db8:9::1 2001:db8:bad::66)
readonly marked="((udp or tcp) and dst port 4747) or (icmp[icmptype] = 8 and icmp[4:2] = 4747) or
	(icmp6 and ip6[40] = 128 and ip6[44:2] = 4747)"

client() {
	lab_in client "$@"
}

# count FILE FILTER
count() {
	tcpdump -n -r "$1" --count "$2" 2>/dev/null | awk '{ print $1 }'
}

# ---- the flow under an attack -------------------------------------------------------------------

# attack NAME [PORT...]: the flow runs, and not one packet of it takes the cable at $LAN_PORT or at
# another PORT of the switch; nor does the client send there what is not on the list.
attack() {
	local name=$1 ports=("$LAN_PORT" "${@:2}") files=() port sent refused inside outside=0
	vpnd_until client corp state up
	for port in "${ports[@]}"; do
		files+=("$LAB_DIR/$port.pcap")
		capture_start lan "$port" "${files[-1]}"
	done
	capture_start gw inside "$LAB_DIR/inside.pcap"
	read -r sent refused < <(client python3 "$here/flow.py" "$seconds" --from 198.51.100.2 "${targets[@]}")
	capture_stop "${files[@]}" "$LAB_DIR/inside.pcap"
	inside=$(count "$LAB_DIR/inside.pcap" "$marked")
	for port in "${files[@]}"; do
		outside=$((outside + $(count "$port" "$marked")))
	done
	echo "$name: $sent sent, $inside inside, $outside outside, $refused refused"
	((sent > 0 && inside > 0)) || lab_fail "$name: the flow has stopped"
	((outside == 0)) || lab_fail "$name: $outside packets left by the LAN"
	capture_check "$LAB_DIR/$LAN_PORT.pcap" --server 198.51.100.1 --dhcp --from "$LAN_CLIENT" >/dev/null
	sent_in_all=$((sent_in_all + sent)) inside_in_all=$((inside_in_all + inside))
	outside_in_all=$((outside_in_all + outside)) refused_in_all=$((refused_in_all + refused))
}

# TunnelVision: routes to everything and to single addresses, really handed out, and a way to the server.
dhcp_routes() {
	lan_serve evil "--dhcp-option=121,0.0.0.0/0,198.51.100.1,0.0.0.0/1,$LAN_ATTACKER,128.0.0.0/1,$LAN_ATTACKER,192.0.2.128/25,$LAN_ATTACKER,203.0.113.9/32,$LAN_ATTACKER,10.99.0.0/24,$LAN_ATTACKER,198.51.100.1/32,198.51.100.1"
	lan_renew client 203.0.113.9 "$LAN_ATTACKER"
	attack "option 121"
	lan_serve evil "--dhcp-option=option:router,$LAN_ATTACKER"
	lan_renew client 0.0.0.0/0 "$LAN_ATTACKER"
	client ip route add default via "$LAN_ATTACKER" dev up0 metric 1
	attack "a new default route"
	lan_serve evil
	lan_renew client 0.0.0.0/0 198.51.100.1
	for route in 0.0.0.0/1 128.0.0.0/1 192.0.2.128/25 203.0.113.9 10.99.0.0/24 198.51.100.1 "default metric 1"; do
		# shellcheck disable=SC2086 # words
		client ip route del $route dev up0
	done
}

# LocalNet: the Internet is called local, the address of a name server and of the server too; a public
# address is called the LAN's broadcast address; the addresses inside are on the link as well.
local_net() {
	local addresses=(203.0.113.2/24 "192.0.2.2/24 broadcast 192.0.2.1" 10.1.0.2/16) route address
	for address in "${addresses[@]}"; do
		# shellcheck disable=SC2086 # words
		client ip addr add $address dev up0
	done
	for route in 203.0.113.53 198.51.100.1 192.0.2.130; do
		client ip route add "$route" dev up0
	done
	attack "LocalNet"
	client ip addr add 10.99.0.1/24 dev up0
	attack "the peer's address on the LAN"
	client ip addr del 10.99.0.1/24 dev up0
	for route in 203.0.113.53 198.51.100.1 192.0.2.130; do
		client ip route del "$route" dev up0
	done
	for address in "${addresses[@]%% *}"; do
		client ip addr del "$address" dev up0
	done
}

has_address() {
	[[ $(client ip -6 addr show dev up0 -tentative 2>/dev/null) == *2001:db8:bad:* ]]
}

advertised() {
	local where
	for where in accept_ra=2 accept_ra_rt_info_max_plen=128 accept_ra_rtr_pref=1; do
		client sysctl -qw "net.ipv6.conf.up0.$where"
	done
	lab_in evil python3 "$here/advertise.py" evil0 2001:db8:bad::/64 2000::/3 2001:db8:9::1/128
	lab_wait 10 "the client has an IPv6 address" has_address
	[[ $(client ip -6 route show table main) == *2001:db8:9::1\ via*proto\ ra* ]] ||
		lab_fail "no route of the advertisement: $(client ip -6 route)"
	[[ $(vpnd_way client 2001:db8:9::1) == unreachable ]] || lab_fail "IPv6 has a way out"
	attack "router advertisement"
}

# With a default route better than all, and the targets on its link; then without a default route, as
# docker0 has none, and in the network of what is inside.
hot_plug() {
	lan_plug client usb0
	client ip addr add 203.0.113.3/24 dev usb0
	client ip addr add 192.0.2.3/24 dev usb0
	client ip route add default via 203.0.113.66 dev usb0 metric 1
	client ip route add 198.51.100.77 dev usb0
	attack "a new interface with a default route" port-usb0
	client ip addr flush dev usb0
	client ip addr add 10.99.0.250/24 dev usb0
	attack "a new interface without one" port-usb0
	client ip link del usb0
}

# In IPv4 the backstop holds while the tunnel's interface is down, in IPv6 always; it is set up again.
link_down() {
	client ip link set vpn-corp down
	attack "the tunnel's interface set down"
	client ip addr del 10.99.0.2 peer 10.99.0.1/32 dev vpn-corp
	attack "the tunnel's address removed"
}

# ---- removed rules ------------------------------------------------------------------------------

# The packets that find the gap until the rules are back: shown, not judged, for routing alone cannot
# close it. The addresses of the attacks before give IPv6 a way, too.
removed_rules() {
	local i leaked most longest sent_here=0 sent before after
	before=$(grep -c "somebody removed rule" "$(vpnd_home client)/log" || true)
	capture_start lan "$LAN_PORT" "$LAB_DIR/gap.pcap"
	for ((i = 0; i < rounds; i++)); do
		: >"$LAB_DIR/flood" # not what the round before said
		client python3 "$here/flow.py" 1 --flood 192.0.2.1 2001:db8:9::1 >"$LAB_DIR/flood" &
		lab_wait 10 "the flood begins" grep -qs ready "$LAB_DIR/flood"
		client ip rule flush protocol 178
		client ip -6 rule flush protocol 178
		wait $!
		read -r sent _ < <(tail -n 1 "$LAB_DIR/flood")
		sent_here=$((sent_here + sent))
		lab_wait 10 "the rules are back" rules_are_back
	done
	capture_stop
	# A gap's packets lie within 200 ms.
	read -r leaked most longest < <(tcpdump -tt -n -r "$LAB_DIR/gap.pcap" "$marked" 2>/dev/null | awk '
		function close_gap() { if (n > most) most = n; if (last - first > longest) longest = last - first; n = 0 }
		{ if (n && $1 - last > 0.2) close_gap(); if (!n) first = $1; last = $1; n++; all++ }
		END { close_gap(); printf "%d %d %.1f\n", all, most, longest * 1000 }')
	after=$(grep -c "somebody removed rule" "$(vpnd_home client)/log")
	((after - before >= rounds * 10)) || lab_fail "$((after - before)) rules put back in $rounds rounds"
	attack "after the rules were removed"
	gap="$rounds times all rules removed under a flood: $leaked of $sent_here packets left by the LAN, at most $most at \
a time, within $longest ms; $((after - before)) rules put back"
	echo "$gap"
}

rules_are_back() {
	[[ $(vpnd_way client 192.0.2.1) == vpn-corp && $(vpnd_way client 2001:db8:9::1) == unreachable ]]
}

# ---- probes -------------------------------------------------------------------------------------

# probe SOURCE: TCP, UDP and ICMP to the address inside, by the client's link address, and ARP for it.
probe() {
	lab_in evil python3 "$here/flow.py" 0.3 --from "$1" 10.99.0.2 >/dev/null
}

# Whoever asks for the address inside from the LAN hears nothing, neither on the LAN nor, sealed, from
# what goes into the tunnel.
probed() {
	local mode where asked=0 answers=0
	lab_in evil ip addr add 192.0.2.1/32 dev lo
	for mode in 0 1 2; do
		for where in all up0; do
			client sysctl -qw "net.ipv4.conf.$where.rp_filter=$mode"
		done
		capture_start lan "$LAN_PORT" "$LAB_DIR/probes.pcap"
		capture_start gw inside "$LAB_DIR/inside.pcap"
		lab_in evil ip route replace 10.99.0.2 via 198.51.100.2
		probe "$LAN_ATTACKER"
		probe 192.0.2.1
		lab_in evil ip route replace 10.99.0.2 dev evil0
		probe "$LAN_ATTACKER"
		capture_stop "$LAB_DIR/probes.pcap" "$LAB_DIR/inside.pcap"
		asked=$((asked + $(count "$LAB_DIR/probes.pcap" "dst host 10.99.0.2")))
		answers=$((answers + $(count "$LAB_DIR/probes.pcap" "src host 10.99.0.2 or arp src host 10.99.0.2")))
		answers=$((answers + $(count "$LAB_DIR/inside.pcap" "src host 10.99.0.2")))
	done
	echo "probes: $asked, answers: $answers"
	((asked > 100)) || lab_fail "only $asked probes"
	((answers == 0)) || lab_fail "$answers answers to probes"
	probes="$asked probes of the address inside by TCP, UDP, ICMP and ARP, rp_filter 0, 1 and 2: $answers answers (goal 0)"
	for where in all up0; do
		client sysctl -qw "net.ipv4.conf.$where.rp_filter=0"
	done
}

# ---- all of it ------------------------------------------------------------------------------------

vpnd_lab attacks
lan_new client gw evil
lan_serve evil
lan_ask client
vpnd_conf client corp
gatewayd_start gw
vpnd_start client
vpnctl client connect corp >/dev/null

attack "no attack"
dhcp_routes
local_net
hot_plug
link_down
advertised
removed_rules
probed

vpnctl client disconnect corp >/dev/null
vpnd_stop client
gatewayd_stop gw
echo "figure: $sent_in_all packets of users under attack (option 121, new default route, LocalNet, hot-plug, RA, addresses \
and rules taken away): $inside_in_all seen inside, $outside_in_all outside (goal 0), $refused_in_all refused"
echo "figure: $probes"
echo "figure: $gap"
