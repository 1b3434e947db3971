#!/usr/bin/env bash
# A full tunnel under each mode of the reverse-path filter: traffic, dead peer detection over a silence,
# a rekey, and a reconnect while the tunnel's interface is gone and only the backstop stands.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
. "$here/netns.sh"
. "$here/vpnd.sh"
. "$here/gatewayd.sh"

# The gateway has forgotten the client's link address, as it does every minute: it asks, and must be
# answered.
forget_neighbours() {
	lab_in "$gateway" ip neigh flush all
}

# filter MODE-WAY: the server is on the link, or behind the router.
filter() {
	local mode=${1%-*} server=198.51.100.1 where
	client=c$1 gateway=g$1
	trap 'vpnd_explain $?' EXIT
	if [[ $1 == *-routed ]]; then
		server=203.0.113.1
		lab_in "$gateway" ip addr add "$server/32" dev lo
		lab_in "$gateway" ip route add 198.51.100.2 dev out0 src "$server"
	fi
	for where in all default up0; do
		lab_in "$client" sysctl -q "net.ipv4.conf.$where.rp_filter=$mode"
	done
	vpnd_conf "$client" corp "gateway = $server" "dpd = 1s"
	gatewayd_start "$gateway" --listen "$server"
	vpnd_remember "$client"
	vpnd_start "$client"
	vpnctl "$client" connect corp >/dev/null
	forget_neighbours
	vpnd_ping "$client" "$GATEWAYD_INSIDE"
	sleep 10 # unanswered, the probes give up sooner
	vpnd_is "$client" corp state up || lab_fail "not up after a silence"
	vpnd_is "$client" corp reconnects 0 || lab_fail "lost by a silence"
	gatewayd_say "$gateway" rekey
	vpnd_until "$client" corp ike.quick_modes 2
	vpnd_ping "$client" "$GATEWAYD_INSIDE"
	gatewayd_say "$gateway" stop "be right back"
	forget_neighbours
	vpnd_until "$client" corp reconnects 1
	vpnd_until "$client" corp state up
	vpnd_ping "$client" "$GATEWAYD_INSIDE"
	vpnctl "$client" disconnect corp >/dev/null
	vpnd_clean "$client"
	vpnd_stop "$client"
	gatewayd_stop "$gateway"
}

vpnd_lab rpfilter
each=(0-near 1-near 2-near 0-routed 1-routed 2-routed)
for one in "${each[@]}"; do
	gatewayd_pair "c$one" "g$one"
done
lab_each filter "${each[@]}"
