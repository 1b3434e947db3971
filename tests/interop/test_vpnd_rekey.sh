#!/usr/bin/env bash
# Rekeys against SoftEther, which starts a quick mode of its own about a second after a life is over.
# Two clients at once: one with rekey = no lives on what the server starts, the other renews in
# time by itself. Neither loses a ping.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
. "$here/../net/netns.sh"
. "$here/../net/vpnd.sh"
. "$here/softether.sh"

readonly pairs=4 # the first, and three after it

vpnd_lab rekey
softether_spaces
lab_netns other
lab_link other up1 203.0.113.2/24 gw out1 203.0.113.1/24
vpnd_conf client corp "routes = 192.168.30.0/24" "esp-life = 12s" "rekey = no"
vpnd_conf other corp "gateway = 203.0.113.1" "routes = 192.168.30.0/24" "esp-life = 12s"
for space in client other; do
	vpnd_remember "$space"
	vpnd_start "$space" --log-level debug
	vpnctl "$space" connect corp >/dev/null
	vpnd_ping_on "$space" "$SOFTETHER_INSIDE"
done

# rekeyed SPACE
rekeyed() {
	(($(grep -c "sending on spi=" "$(vpnd_home "$1")/log") >= pairs))
}

for space in client other; do
	lab_wait 60 "$pairs quick modes of $space" rekeyed "$space"
done
for space in client other; do
	(($(vpnd_status "$space" corp ike.quick_modes) >= pairs)) || lab_fail "quick modes of $space"
	vpnd_is "$space" corp reconnects 0 || lab_fail "$space had to connect again"
	vpnd_ping_off "$space"
	vpnctl "$space" disconnect corp >/dev/null
	vpnd_clean "$space"
	vpnd_stop "$space"
done
