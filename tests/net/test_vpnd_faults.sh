#!/usr/bin/env bash
# What the kernel is asked for fails, one call at a time, over connect and disconnect of the real vpnd
# (faults_preload.c): netlink requests refused or not sent, answers lost, cut short and torn, sockets,
# files and the TUN device not opened. After each: up and working, or a reason; rules, routes,
# addresses, links and resolv.conf as before; nothing in the journal; nothing in clear; the next
# connect works.
#
#	test_vpnd_faults.sh BIN [EACH]     each so many calls; 1: all (VPND_FAULTS_EACH)
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
. "$here/netns.sh"
. "$here/vpnd.sh"
. "$here/gatewayd.sh"
. "$here/../interop/capture.sh"
each=${2:-${VPND_FAULTS_EACH:-29}}

serial=0 struck=0 refused=0 starts=0 ended=0
declare -A reasons=()

# faults KIND N ERRNO: from now on.
faults() {
	serial=$((serial + 1))
	echo "$serial $1 $2 $3" >"$LAB_DIR/faults.new"
	mv "$LAB_DIR/faults.new" "$LAB_DIR/faults"
}

has_struck() {
	grep -q "^$serial " "$LAB_DIR/faults.hit" 2>/dev/null
}

is_alive() {
	kill -0 "${VPND_PID[client]}" 2>/dev/null || lab_fail "vpnd has ended: $what"
}

# The journal and the host, as vpnd_clean looks at them.
is_as_before() {
	[[ -z $(vpnd_pending client) ]] && vpnd_snapshot client | cmp -s "$(vpnd_home client)/before" -
}

is_clean() {
	is_alive
	is_as_before
}

# Up and working, or a reason; and down again. Prints the reason.
live() {
	local said id=
	said=$(vpnd_home client)/said
	if timeout 60 ip netns exec "$(lab_ns client)" "$VPND_BIN/vpnctl" \
		--socket "$(vpnd_home client)/run/io.vpnd" --json connect corp >"$said"; then
		ping_inside || ping_inside || lab_fail "up, and no ping passes: $what"
		vpnctl client disconnect corp >/dev/null || lab_fail "it does not disconnect: $what"
	else
		id=$(json error.id <"$said")
		[[ -n $id ]] || lab_fail "no reason: $what: $(cat "$said")"
	fi
	lab_wait 10 "the host is as before: $what" is_clean
	echo "$id"
}

ping_inside() {
	lab_in client ping -q -c 1 -W 5 "$GATEWAYD_INSIDE" >/dev/null
}

# one KIND N ERRNO: false when there is no such call any more.
one() {
	local id
	what="$1 $2 with errno $3"
	faults "$1" "$2" "$3"
	id=$(live) || exit 1 # we are behind an ||, where bash goes on
	has_struck || return 1
	struck=$((struck + 1))
	[[ -n $id ]] || return 0
	refused=$((refused + 1))
	reasons[$id]=$((${reasons[$id]:-0} + 1))
	what="$what, $(cut -d' ' -f2- "$LAB_DIR/faults.hit")"
	faults none 0 0
	id=$(live) || exit 1
	[[ -z $id ]] || lab_fail "the next connect ends with $id: $what"
}

# each_call KIND ERRNO...: every call of that kind, with every error, or with one of them in turn.
each_call() {
	local n=1 error turn=0
	while true; do
		for error in "${@:2}"; do
			turn=$((turn + 1))
			((each == 1 || turn % ($# - 1) == n % ($# - 1))) || continue
			one "$1" "$n" "$error" || return 0
		done
		n=$((n + each))
	done
}

# A sanitizer wants to be the first library, and need not be.
faulty() {
	LD_PRELOAD=$VPND_BIN/vpnd_faults.so VPND_FAULTS=$LAB_DIR/faults \
		ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0 "$@"
}

# A vpnd that starts with such a fault: it answers, or ends with an error and a word about it.
starts() {
	local home options rc=0 i
	home=$(vpnd_home client)
	mapfile -t options < <(vpnd_options client)
	what="vpnd starts, $1 $2 with errno $3"
	faults "$1" "$2" "$3"
	(faulty vpnd_in client "$VPND_BIN/vpnd" "${options[@]}" --socket "$home/run/io.vpnd" \
		>"$home/log" 2>&1 </dev/null) &
	VPND_PID[client]=$!
	for ((i = 0; i < 400; i++)); do
		kill -0 "${VPND_PID[client]}" 2>/dev/null || break
		! vpnctl client list >/dev/null 2>&1 || break
		sleep 0.05
	done
	((i < 400)) || lab_fail "neither up nor ended: $what"
	kill -TERM "${VPND_PID[client]}" 2>/dev/null || i=ended
	wait "${VPND_PID[client]}" || rc=$?
	[[ $i != ended || ($rc -gt 0 && $rc -lt 128 && -s $home/log) ]] ||
		lab_fail "ended with $rc and '$(cat "$home/log")': $what"
	[[ $i == ended || $rc == 0 ]] || lab_fail "ended with $rc when asked to: $what"
	lab_wait 10 "the host is as before: $what" is_as_before
	has_struck || return 1
	starts=$((starts + 1))
	[[ $i != ended ]] || ended=$((ended + 1))
}

each_start() {
	local n error
	for error in "${@:2}"; do
		for ((n = 1; ; n += (each + 4) / 5)); do
			starts "$1" "$n" "$error" || break
		done
	done
}

vpnd_lab faults
gatewayd_pair client gw
vpnd_conf client corp
vpnd_resolv client $'nameserver 192.0.2.53\n# the last line'
gatewayd_start gw
vpnd_remember client
capture_start client up0 "$LAB_DIR/up0.pcap"
readonly EPERM=1 EAGAIN=11 EBUSY=16 EEXIST=17 ENODEV=19 EMFILE=24 ENOBUFS=105
each_start refuse $EPERM
each_start send $ENOBUFS
each_start receive $ENOBUFS
each_start open $EMFILE
rm -f "$LAB_DIR/faults"
faulty vpnd_start client
each_call refuse $EPERM $ENOBUFS $EEXIST $EAGAIN $EBUSY
each_call lack $ENODEV
each_call send $ENOBUFS $EPERM
each_call receive $ENOBUFS $EAGAIN
each_call cut 0
each_call torn 0
each_call open $EMFILE $EPERM $EBUSY
what="the end"
vpnd_clean client
vpnd_stop client
gatewayd_stop gw
capture_stop
capture_check "$LAB_DIR/up0.pcap" --server 198.51.100.1
echo "figure: $starts calls to the kernel made to fail while vpnd starts: $((starts - ended)) started all the same," \
	"$ended ended with an error and a word about it"
echo "figure: $struck calls to the kernel made to fail while vpnd connects and disconnects:" \
	"$((struck - refused)) connected all the same, $refused ended with a reason" \
	"($(for id in "${!reasons[@]}"; do echo "$id ${reasons[$id]}"; done | paste -sd,))" \
	"and connected the next time; after all of them the host and the journal were as before;" \
	"0 packets in clear"
((struck > 0 && refused > 0)) || lab_fail "nothing was made to fail"
