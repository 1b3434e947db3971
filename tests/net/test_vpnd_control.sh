#!/usr/bin/env bash
# The control socket of a real vpnd that is up: nonsense, half messages, a crowd and strangers do not
# disturb it; and a vpnd with nothing to do sleeps.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
. "$here/netns.sh"
. "$here/vpnd.sh"
. "$here/gatewayd.sh"

readonly nobody=65534 members=4242 # the group vpnd, for this vpnd
calls=0

# as_user GROUPS CODE ARGUMENT...: so ends vpnctl of a user who is not root, with these other groups.
as_user() {
	local rc=0
	lab_in client setpriv --reuid "$nobody" --regid "$nobody" "$1" \
		"$VPND_BIN/vpnctl" --socket "$socket" "${@:3}" >"$LAB_DIR/said" 2>&1 || rc=$?
	calls=$((calls + 1))
	((rc == $2)) || lab_fail "vpnctl ${*:3} with $1: $rc: $(cat "$LAB_DIR/said")"
}

# as_nobody CODE ARGUMENT...: of one who is in no group at all.
as_nobody() {
	as_user --clear-groups "$@"
}

unharmed() {
	vpnd_is client corp state up || lab_fail "not up after $1"
	vpnd_ping client "$GATEWAYD_INSIDE"
}

# crowd COUNT: so many clients that say nothing.
crowd() {
	exec {room}> >(exec python3 "$here/abuse.py" "$socket" hold "$1" >"$LAB_DIR/crowd")
	lab_wait 10 "the crowd is there" grep -qs ready "$LAB_DIR/crowd"
}

leave() {
	exec {room}>&-
	lab_wait 10 "there is room again" vpnd_answers client
}

# switches: how often vpnd has gone to sleep.
switches() {
	awk '$1 == "voluntary_ctxt_switches:" { print $2 }' "/proc/${VPND_PID[client]}/status"
}

vpnd_lab control
gatewayd_pair client gw
vpnd_conf client corp
gatewayd_start gw
vpnd_remember client
printf 'root:x:0:\nvpnd:x:%s:\n' "$members" >"$(vpnd_home client)/group"
vpnd_start client
socket=$(vpnd_home client)/run/io.vpnd

# sleeps MOST: it does not wake up more often than that in 6 s, once the news of the interface are
# read and its addresses settled.
sleeps() {
	local before after
	sleep 3
	before=$(switches)
	sleep 6
	after=$(switches)
	((after - before <= $1)) || lab_fail "vpnd woke up $((after - before)) times in 6 s"
}

echo "nothing to do, nothing done"
vpnctl client connect corp >/dev/null
sleeps 3 # an echo or a Hello may fall into this time
vpnctl client disconnect corp >/dev/null
sleeps 1
vpnctl client connect corp >/dev/null

echo "nonsense"
nonsense=$(python3 "$here/abuse.py" "$socket")
unharmed nonsense

echo "a second one"
mapfile -t options < <(vpnd_options client)
for option in --cleanup --socket="$LAB_DIR/another"; do
	! (vpnd_in client timeout 20 "$VPND_BIN/vpnd" "${options[@]}" "$option" >"$LAB_DIR/second" 2>&1) ||
		lab_fail "vpnd $option beside another vpnd"
	unharmed "vpnd $option"
done

echo "strangers"
chmod 711 "$LAB_DIR"
for verb in "connect corp" "disconnect corp" "reconnect corp" "log corp" "show corp" "list" "reload" \
	"monitor corp" "disconnect --all"; do
	# shellcheck disable=SC2086 # words
	as_nobody 77 $verb
done
as_nobody 0 status
as_nobody 0 status corp
! grep -q -e 10.99 -e 198.51.100 -e wonderland "$LAB_DIR/said" || lab_fail "a stranger sees addresses"
grep -q up "$LAB_DIR/said" || lab_fail "a stranger may see the state"
as_user --groups=4,24 77 list
as_user --groups=4,"$members",5000 0 list
as_user --groups="$members" 0 log corp
unharmed strangers

echo "a crowd"
crowd 16
vpnd_refuses client 1 TOO-MANY-CLIENTS list
lab_in client ping -q -c 3 -i 0.1 -W 5 "$GATEWAYD_INSIDE" >/dev/null || lab_fail "a crowd stops traffic"
leave
unharmed "the crowd"

vpnctl client disconnect --all >/dev/null
vpnd_clean client
vpnd_stop client

# decent FILE: no octet in it but printable ones and the ends of lines, and what the server said is there.
decent() {
	! LC_ALL=C grep -q -a "[^ -~]" "$1" || lab_fail "not escaped: $(LC_ALL=C grep -a "[^ -~]" "$1" | cat -v)"
	! grep -q "^forged" "$1" || lab_fail "a forged line"
	grep -q -F 'x\x1b[2J\x0aforged' "$1" || lab_fail "the server's words are lost: $(cat "$1")"
}

echo "a server's words"
gatewayd_stop gw
gatewayd_start gw --text $'x\e[2J\nforged \u2028\x9b$(id)%s%n'
vpnd_start client --log-level debug
vpnctl client connect corp >"$LAB_DIR/said"
decent "$LAB_DIR/said"
vpnctl client status corp >"$LAB_DIR/said"
decent "$LAB_DIR/said"
vpnctl client log corp >"$LAB_DIR/said"
decent "$LAB_DIR/said"
vpnctl client --json status corp | json connections.0.l2tp >"$LAB_DIR/said"
! LC_ALL=C grep -q -a "[^ -~]" "$LAB_DIR/said" || lab_fail "not escaped: $(cat -v "$LAB_DIR/said")"
gatewayd_say gw stop $'x\e[2J\vbye'
vpnd_until client corp reconnects 1
vpnctl client disconnect corp >/dev/null
vpnd_stop client
decent "$(vpnd_home client)/log"
grep -q -F 'x\x1b[2J\x0bbye' "$(vpnd_home client)/log" || lab_fail "the farewell is lost"
gatewayd_stop gw
echo "figure: $nonsense pieces of nonsense, 16 idle clients, $calls calls of users with and without the group, a server whose \
texts are escape sequences: up all the while, each call allowed or refused as it should be, no raw octet in output or log"
