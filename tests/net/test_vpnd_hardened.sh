#!/usr/bin/env bash
# What vpnd gives up by itself before it serves anybody: capabilities, core files, new privileges.
# Under its unit the same is done by systemd (tests/dist).
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
. "$here/netns.sh"
. "$here/vpnd.sh"

# status FIELD WANT: a line of /proc/PID/status.
status() {
	local got
	got=$(awk -v field="$1:" '$1 == field { print $2 }' "/proc/${VPND_PID[client]}/status")
	[[ $got == "$2" ]] || lab_fail "$1 is $got, not $2"
}

vpnd_lab hardened
lab_netns client
vpnd_start client

# CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW: bits 10, 12 and 13
status CapEff 0000000000003400
status CapPrm 0000000000003400
status CapBnd 0000000000003400
status NoNewPrivs 1
status Umask 0077
grep -Eq '^Max core file size +0 +0 ' "/proc/${VPND_PID[client]}/limits" || lab_fail "it may leave a core file"

# Somebody with vpnd's own uid and capabilities reads any process like that, but one that is not dumpable.
equal=(setpriv --bounding-set "-all,+net_admin,+net_raw,+net_bind_service" --inh-caps -all)
"${equal[@]}" sleep 60 &
other=$!
lab_wait 10 "an equal process may be read" "${equal[@]}" head -c 1 "/proc/$other/environ" >/dev/null 2>&1
! "${equal[@]}" head -c 1 "/proc/${VPND_PID[client]}/environ" >/dev/null 2>&1 || lab_fail "vpnd is dumpable"
kill "$other"
vpnd_stop client

# A container may have no CAP_NET_RAW.
VPND_UNDER=(setpriv --bounding-set -net_raw --inh-caps -net_raw)
vpnd_start client
status CapEff 0000000000001400
status CapBnd 0000000000001400
vpnd_stop client
