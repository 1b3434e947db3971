#!/usr/bin/env bash
# ESP as IP protocol 50, by a raw socket of the user plane, over IPv4 and IPv6, under a full tunnel and a
# strict reverse-path filter: nothing of UDP 4500 is seen, nothing is cut into fragments, a renewal loses
# nothing, and what strangers send does not come in. Where protocol 50 is dropped, there or back, it fails
# by that name. With "auto", and without the right to a raw socket, it is UDP 4500.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
. "$here/netns.sh"
. "$here/vpnd.sh"
. "$here/gatewayd.sh"
. "$here/../interop/capture.sh"

readonly SERVER=198.51.100.1 SERVER6=2001:db8:1::1 STRANGER=198.51.100.77 STRANGER6=2001:db8:1::77
readonly PATH_MTU=1300

# over PLACE: client c$PLACE, gateway g$PLACE; PLACE ends with the outer family.
furnish() {
	gatewayd_pair "c$1" "g$1"
	lab_in "c$1" ip addr add 2001:db8:1::2/64 dev up0 nodad
	lab_in "g$1" ip addr add "$SERVER6/64" dev out0 nodad
	lab_in "g$1" ip addr add "$STRANGER/24" dev out0
	lab_in "g$1" ip addr add "$STRANGER6/64" dev out0 nodad preferred_lft 0
	lab_in "c$1" ip link set up0 mtu "$PATH_MTU"
	lab_in "g$1" ip link set out0 mtu "$PATH_MTU"
}

begin() {
	client=c$1 gateway=g$1 server=$SERVER stranger=$STRANGER
	trap 'vpnd_explain $?' EXIT
	[[ $1 != *6 ]] || server=$SERVER6 stranger=$STRANGER6
	lab_in "$client" sysctl -q net.ipv4.conf.{all,default,up0}.rp_filter=1
	vpnd_conf "$client" corp "gateway = $server" "encapsulation = off"
	gatewayd_start "$gateway" --listen "$server"
	vpnd_remember "$client"
	vpnd_start "$client"
}

end() {
	vpnctl "$client" disconnect corp >/dev/null
	vpnd_clean "$client"
	vpnd_stop "$client"
	gatewayd_stop "$gateway"
}

connects_over() {
	vpnctl "$client" connect corp >/dev/null
	vpnd_is "$client" corp data_plane user || lab_fail "not the user plane"
	vpnd_is "$client" corp encapsulation "$1" ||
		lab_fail "ESP over $(vpnd_status "$client" corp encapsulation), not $1"
	vpnctl "$client" status corp | grep -q ", over $1\$" || lab_fail "$(vpnctl "$client" status corp)"
}

# The largest packet, which must not be forced apart.
ping_large() {
	local mtu
	mtu=$(vpnd_status "$client" corp network.mtu)
	vpnd_ping "$client" "$GATEWAYD_INSIDE" -M do -s $((mtu - 28))
}

# esp FROM TO SPI: 20 packets on the pair that nobody has sealed.
esp() {
	lab_in "$gateway" python3 -c '
import socket, struct, sys
source, spi = sys.argv[1], int(sys.argv[3], 0)
family = socket.AF_INET6 if ":" in source else socket.AF_INET
raw = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_ESP)
raw.bind((source, 0))
for number in range(20):
    raw.sendto(struct.pack("!II", spi, 1000000 + number) + bytes(40), (sys.argv[2], 0))' "$@"
}

# The gateway's junk is read and counted, a stranger's is not even read.
junk() {
	local address=198.51.100.2 spi
	[[ $server == "$SERVER" ]] || address=2001:db8:1::2
	connects_over ESP
	spi=0x$(vpnd_status "$client" corp sas.0.spi_in)
	esp "$stranger" "$address" "$spi"
	esp "$server" "$address" "$spi"
	vpnd_ping "$client" "$GATEWAYD_INSIDE" # what comes later is behind it
	vpnd_is "$client" corp received.icv_bad 20 ||
		lab_fail "$(vpnd_status "$client" corp received.icv_bad) packets of junk have come, not 20"
}

carries() {
	begin "$1"
	capture_start "$client" up0 "$LAB_DIR/$1.pcap"
	connects_over ESP
	vpnd_ping_on "$client" "$GATEWAYD_INSIDE"
	ping_large
	vpnd_echo "$client" "$gateway" "$GATEWAYD_INSIDE" 2000000
	gatewayd_say "$gateway" rekey
	vpnd_until "$client" corp ike.quick_modes 2
	ping_large
	vpnd_ping_off "$client"
	capture_stop
	capture_check "$LAB_DIR/$1.pcap" --server "$server" >"$LAB_DIR/$1.kinds"
	cat "$LAB_DIR/$1.kinds"
	grep -q "[(, ]esp [0-9]" "$LAB_DIR/$1.kinds" || lab_fail "no protocol 50 on the uplink"
	! grep -q -e natt -e fragment "$LAB_DIR/$1.kinds" || lab_fail "not protocol 50 in whole packets alone"
	vpnctl "$client" disconnect corp >/dev/null
	junk
	end
}

# mtu_of "KEY = VALUE"
mtu_of() {
	vpnd_conf "$client" corp "gateway = $server" "$@"
	vpnctl "$client" connect corp >/dev/null
	vpnd_status "$client" corp network.mtu
	vpnctl "$client" disconnect corp >/dev/null
}

# 8 octets of UDP are one block of the cipher's padding or two.
measures() {
	begin "$1"
	local raw natt
	raw=$(mtu_of "esp = aes256gcm16" "encapsulation = off")
	natt=$(mtu_of "esp = aes256gcm16" "encapsulation = force")
	((raw - natt == 8)) || lab_fail "MTU $raw over protocol 50, $natt over UDP 4500"
	vpnd_conf "$client" corp "gateway = $server" "encapsulation = force"
	connects_over "UDP 4500"
	ping_large
	end
}

# blocked PLACE HOOK: no protocol 50 there, or none back.
blocked() {
	begin "$1"
	lab_in "$gateway" nft -f - <<-RULES
		table inet middle {
			chain way {
				type filter hook $2 priority 0
				meta l4proto esp drop
			}
		}
	RULES
	vpnd_refuses "$client" 4 ESP-NO-RETURN connect corp
	[[ $(vpnd_error "$client" evidence) == *"by protocol 50, 0 received"* ]] || lab_fail "it does not say why"
	vpnd_conf "$client" corp "gateway = $server"
	connects_over "UDP 4500"
	(($(grep -c ESP-NO-RETURN "$(vpnd_home "$client")/log") == 1)) || lab_fail "it has tried protocol 50"
	ping_large
	vpnctl "$client" disconnect corp >/dev/null
	vpnd_conf "$client" corp "gateway = $server" "encapsulation = off"
	lab_in "$gateway" nft delete table inet middle
	connects_over ESP
	end
}

# As in a container.
unprivileged() {
	VPND_UNDER=(setpriv --bounding-set -net_raw --inh-caps -net_raw)
	begin "$1"
	connects_over "UDP 4500"
	vpnd_logs "$client" "in UDP 4500: protocol 50 to" || lab_fail "it does not say why"
	! vpnd_logs "$client" ESP-NO-RETURN || lab_fail "it has tried"
	vpnd_ping "$client" "$GATEWAYD_INSIDE"
	end
}

play() {
	case $1 in
	carries*) carries "$1" ;;
	measures*) measures "$1" ;;
	there*) blocked "$1" input ;;
	back*) blocked "$1" output ;;
	unprivileged*) unprivileged "$1" ;;
	esac
}

vpnd_lab raw
each=(carries4 carries6 measures4 measures6 there4 back4 there6 back6 unprivileged4)
for one in "${each[@]}"; do
	furnish "$one"
done
lab_each play "${each[@]}"
