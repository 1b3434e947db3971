# shellcheck shell=bash
# The hosts of a scenario, in namespaces: client - router - server. To be sourced after
# tests/net/netns.sh. The client is 192.0.2.2 at up0; the server is asked for at 198.51.100.1.
#
#   hosts_new plain|v6|nat|double-nat [server-nat] [delay TIME] [loss PERCENT]   (scenarios.txt: [masked])
#     plain         there is a route back to the client
#     v6            plain, and by IPv6 too: 2001:db8:1::2 and 2001:db8:2::1
#     nat           the router hides the client instead
#     double-nat    so does one more, "home", in front of the router
#     server-nat    the server is 203.0.113.130, behind "front" who forwards UDP 500 and 4500 to it
#     masked        the client's kernel may not load ESP and L2TP; the server is gatewayd, for it is the same kernel
#     delay, loss   each way, at the router, as netem has them
#   hosts_drop WHAT     from now on the router drops: udp500, all, and of ESP esp-out and esp-in in UDP,
#                       esp50-out and esp50-in as it is
#   hosts_pass          and drops nothing any more
#   hosts_moves PORT    the router has forgotten all flows and gives that port to the server's UDP 4500; no
#                       other leads there, nor may the client begin
#   hosts_nat_reboots   the router has forgotten all flows and gives them other ports

hosts_new() {
	hosts_near "$1"
	hosts_far "$1" "${2:-}"
	[[ $1 != v6 ]] || hosts_v6
	hosts_build
	[[ $1 == @(plain|v6) ]] || hosts_hide router
	[[ $1 != double-nat ]] || hosts_hide home
	shift
	if [[ ${1:-} == server-nat ]]; then
		lab_in front iptables-legacy -t nat -A PREROUTING -i in0 -p udp -m multiport \
			--dports 500,4500 -j DNAT --to-destination 203.0.113.130
		shift
	fi
	(($# == 0)) || hosts_netem "$@"
}

# ---- what there is --------------------------------------------------------------------------

# What ip(8) has to do in each space. To begin a process is slow in the guest, so each has one.
declare -A HOSTS_TODO=()
HOSTS_CABLES=""

# hosts_cable SPACE INTERFACE ADDRESS SPACE INTERFACE ADDRESS
hosts_cable() {
	HOSTS_CABLES+="link add $2 netns $LAB_NAME-$1 type veth peer name $5 netns $LAB_NAME-$4"$'\n'
	hosts_do "$1" "addr add $3 dev $2" "link set $2 up"
	hosts_do "$4" "addr add $6 dev $5" "link set $5 up"
}

# hosts_do SPACE LINE...: links before routes.
hosts_do() {
	local line
	for line in "${@:2}"; do
		HOSTS_TODO[$1]+=$line$'\n'
	done
}

hosts_build() {
	local space
	for space in "${!HOSTS_TODO[@]}"; do
		LAB_SPACES+=("$LAB_NAME-$space")
		HOSTS_CABLES="netns add $LAB_NAME-$space"$'\n'$HOSTS_CABLES
	done
	ip -batch - <<<"$HOSTS_CABLES"
	for space in "${!HOSTS_TODO[@]}"; do
		ip -n "$LAB_NAME-$space" -batch - <<<"link set lo up"$'\n'"${HOSTS_TODO[$space]}"
		[[ $space == @(client|server) ]] || lab_in "$space" sysctl -q net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	done
}

# From the client to the router.
hosts_near() {
	case $1 in
	plain | nat | v6) hosts_cable client up0 192.0.2.2/24 router in0 192.0.2.1/24 ;;
	double-nat)
		hosts_cable client up0 192.0.2.2/24 home in0 192.0.2.1/24
		hosts_cable home out0 203.0.113.2/25 router in0 203.0.113.1/25
		hosts_do home "route add default via 203.0.113.1"
		;;
	*) lab_fail "there is no way to the router called $1" ;;
	esac
	hosts_do client "route add default via 192.0.2.1"
}

hosts_v6() {
	hosts_do client "addr add 2001:db8:1::2/64 dev up0 nodad" "route add default via 2001:db8:1::1 dev up0 onlink"
	hosts_do router "addr add 2001:db8:1::1/64 dev in0 nodad" "addr add 2001:db8:2::fe/64 dev out0 nodad"
	hosts_do server "addr add 2001:db8:2::1/64 dev eth0 nodad" "route add default via 2001:db8:2::fe dev eth0 onlink"
}

# From the router to the server, and the way back.
hosts_far() {
	local end=server at=eth0
	if [[ $2 == server-nat ]]; then
		end=front at=in0
		hosts_cable front out0 203.0.113.129/25 server eth0 203.0.113.130/25
		hosts_do server "route add default via 203.0.113.129"
	fi
	hosts_cable router out0 198.51.100.254/24 "$end" "$at" 198.51.100.1/24
	[[ $1 != @(plain|v6) ]] || hosts_do "$end" "route add 192.0.2.0/24 via 198.51.100.254"
}

# ---- what they do to packets ----------------------------------------------------------------

# hosts_hide SPACE [OPTION...]: UDP leaves by out0 with an address and a port of SPACE's own.
hosts_hide() {
	lab_in "$1" iptables-legacy -t nat -A POSTROUTING -o out0 -p udp -j MASQUERADE "${@:2}"
}

hosts_netem() {
	lab_in router tc qdisc add dev in0 root netem limit 20000 "$@"
	lab_in router tc qdisc add dev out0 root netem limit 20000 "$@"
}

# In UDP 4500 ESP begins with an SPI, IKE with four zeros, and a keepalive is one octet.
readonly hosts_is_esp="4&0x1FFF=0 && 0>>22&0x3C@8=1:0xFFFFFFFF"

hosts_drop() {
	local rule=()
	case $1 in
	udp500) rule=(-p udp --dport 500) ;;
	esp-out) rule=(-i in0 -p udp --dport 4500 -m u32 --u32 "$hosts_is_esp") ;;
	esp-in) rule=(-i out0 -p udp --sport 4500 -m u32 --u32 "$hosts_is_esp") ;;
	esp50-out) rule=(-i in0 -p esp) ;;
	esp50-in) rule=(-i out0 -p esp) ;;
	all) ;;
	*) lab_fail "the router cannot drop $1" ;;
	esac
	lab_in router iptables-legacy -A FORWARD "${rule[@]}" -j DROP
}

hosts_pass() {
	lab_in router iptables-legacy -F FORWARD
}

hosts_nat_reboots() {
	lab_in router iptables-legacy -t nat -F POSTROUTING
	hosts_hide router --to-ports 20000-29999
	lab_in router conntrack --flush 2>/dev/null
}

hosts_moves() {
	lab_in router iptables-legacy -A FORWARD -i in0 -m conntrack --ctstate NEW -j DROP
	lab_in router iptables-legacy -t nat -A POSTROUTING -o in0 -p udp --sport 4500 -j SNAT \
		--to-source "198.51.100.1:$1"
	lab_in router conntrack --flush 2>/dev/null
}
