#!/bin/sh
# What udhcpc is told becomes addresses and routes of its namespace, as a distribution's script has it.
# A server that gives classless static routes gives no other (RFC 3442).
# shellcheck disable=SC2154 # udhcpc's variables
case $1 in
bound | renew)
	ip addr replace "$ip/$mask" dev "$interface"
	if [ -n "$staticroutes" ]; then
		# shellcheck disable=SC2086 # pairs of prefix and router
		set -- $staticroutes
	else
		set -- 0.0.0.0/0 "${router%% *}"
	fi
	while [ $# -ge 2 ]; do
		ip route replace "$1" via "$2" dev "$interface" metric 100
		shift 2
	done
	;;
esac
