#!/usr/bin/env bash
# /etc/resolv.conf: taken over where it is a mount of our own, given back with every byte, its inode
# and its mode; the gateway's name is asked of the servers from before, past the tunnel; and in a
# namespace that shares the file with the host it is not touched.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
. "$here/netns.sh"
. "$here/vpnd.sh"
. "$here/gatewayd.sh"
. "$here/../interop/capture.sh"

readonly original=$'# by hand\nnameserver 198.51.100.1\nsearch lab.test\noptions timeout:1   # no newline at the end'

# names_start ADDRESS NAME=ADDRESS...
names_start() {
	(exec ip netns exec "$(lab_ns gw)" python3 "$here/names.py" "$@" >"$LAB_DIR/names.$1") &
	lab_wait 10 "the name server listens" grep -qs ready "$LAB_DIR/names.$1"
}

# What a program on the host finds.
resolves() {
	nsenter --target "${VPND_PID[client]}" --net --mount timeout 20 getent ahostsv4 "$1"
}

taken_over() {
	grep -q "^nameserver 10.99.0.53" "$(vpnd_home client)/resolv.conf"
}

vpnd_lab dns
gatewayd_pair client gw
lab_netns plain
lab_link plain up0 198.51.100.6/30 gw out1 198.51.100.5/30
vpnd_conf client corp "gateway = vpn.lab.test"
vpnd_conf client own "gateway = vpn.lab.test" "dns = 10.99.0.54"
vpnd_conf client off "gateway = vpn.lab.test" "dns = none"
vpnd_conf client split "gateway = vpn.lab.test" "routes = 10.99.0.0/16"
vpnd_resolv client "$original"
chmod 640 "$(vpnd_home client)/resolv.conf"
gatewayd_start gw
lab_in gw ip addr add 10.99.0.53/32 dev lo
names_start 198.51.100.1 vpn.lab.test=198.51.100.1
names_start 10.99.0.53 files.lab.test=10.99.0.7
vpnd_remember client
vpnd_start client
capture_start client up0 "$LAB_DIR/uplink.pcap"

echo "taken over and given back"
vpnctl client connect corp >/dev/null
taken_over || lab_fail "resolv.conf: $(cat "$(vpnd_home client)/resolv.conf")"
[[ $(resolves files.lab.test) == "10.99.0.7 "* ]] || lab_fail "a name inside is not found"
! resolves vpn.lab.test >/dev/null || lab_fail "a name from outside is found"

echo "the gateway's name is found past the tunnel"
gatewayd_say gw stop "be right back"
vpnd_until client corp reconnects 1
vpnd_until client corp state up
taken_over || lab_fail "not taken over after the reconnect"
[[ $(resolves files.lab.test) == "10.99.0.7 "* ]] || lab_fail "a name inside is not found"
vpnctl client disconnect corp >/dev/null
vpnd_clean client
[[ $(resolves vpn.lab.test) == "198.51.100.1 "* ]] || lab_fail "the old server is not asked"

echo "servers of the file, and none"
vpnctl client connect own >/dev/null
grep -q "^nameserver 10.99.0.54" "$(vpnd_home client)/resolv.conf" || lab_fail "not the file's server"
vpnctl client disconnect own >/dev/null
vpnd_clean client
for name in off split; do
	vpnctl client connect "$name" >/dev/null
	[[ $(<"$(vpnd_home client)/resolv.conf") == "$original" ]] || lab_fail "$name: resolv.conf touched"
	vpnctl client disconnect "$name" >/dev/null
	vpnd_clean client
done

echo "killed"
for undo in start cleanup; do
	vpnctl client connect corp >/dev/null
	vpnd_kill client
	taken_over || lab_fail "killed, and given back?"
	[[ $undo == start ]] || vpnd_cleanup client
	[[ $undo == cleanup ]] || vpnd_start client
	vpnd_clean client
	[[ $undo == start ]] || vpnd_start client
done

capture_stop
capture_check "$LAB_DIR/uplink.pcap" --server 198.51.100.1 --dns 198.51.100.1
vpnd_stop client
gatewayd_stop gw

echo "not our file"
before=$(stat -Lc '%i %a %s %Y' /etc/resolv.conf && sha256sum </etc/resolv.conf)
gatewayd_start gw --listen 198.51.100.5
vpnd_conf plain corp "gateway = 198.51.100.5"
vpnd_remember plain
vpnd_start plain
vpnctl plain connect corp >/dev/null
vpnd_logs plain "not touched" || lab_fail "it does not say that it leaves DNS alone"
[[ $(stat -Lc '%i %a %s %Y' /etc/resolv.conf && sha256sum </etc/resolv.conf) == "$before" ]] ||
	lab_fail "the host's resolv.conf is another one"
vpnctl plain disconnect corp >/dev/null
vpnd_clean plain
vpnd_stop plain
