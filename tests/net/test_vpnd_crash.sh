#!/usr/bin/env bash
# kill -9 at system calls of a connection's life: connect, rekey, reconnect, disconnect. A dry run lists
# the calls by which each of them acts on the host and the network; the points are spread evenly over
# that list, first and last included, and vpnd dies on entering the call. At each point, for both ways
# of undoing it (a new vpnd, and vpnd --cleanup):
#
#   - until it is undone, nothing in clear leaves the host: what the tunnel covered stays unreachable;
#   - the host is as it was: rules, routes, addresses, links, nft, and resolv.conf to the inode;
#   - a second connect works, pings pass, and its disconnect leaves nothing either.
#
#   test_vpnd_crash.sh [BIN [POINTS]]     so many POINTS of each phase (3), if it has as many calls
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
. "$here/netns.sh"
. "$here/vpnd.sh"
. "$here/gatewayd.sh"
. "$here/../interop/capture.sh"

readonly points=${2:-3} LEAST=8 # calls of each phase
readonly abroad=(192.0.2.9 2001:db8:9::1)

# What changes something outside of the process. Where a user's packets run, their sends are not to be
# told from ours: there the lines of the log show each step, and a rekey has random numbers besides.
readonly host='sendmsg,ioctl,socket,close,pwrite64,fsync,ftruncate,?rename,?renameat,?unlink,?unlinkat'
declare -A calls=([connect]="$host,sendmmsg" [rekey]="$host,write,getrandom" [reconnect]="$host,write"
	[disconnect]="$host,sendmmsg,write")

# ---- the phases: prepare, and act; neither minds when vpnd dies ---------------------------------

# vpnctl has its answer a moment before vpnd has nothing more to do.
prepare() {
	[[ $1 != connect ]] || return 0
	vpnctl client connect corp >/dev/null
	sleep 0.3
}

act() {
	: >"$(vpnd_home client)/log"
	case $1 in
	rekey)
		gatewayd_say gw rekey
		lab_wait 20 "the rekey" is_dead_or_says "sending on spi="
		;;
	reconnect) # it is thrown out, and comes back by itself
		gatewayd_say gw stop "closing time"
		lab_wait 20 "the reconnect" is_dead_or_says "linking > up"
		;;
	*) vpnctl client "$1" corp >/dev/null 2>&1 || lab_wait 5 "vpnctl $1 failed: vpnd is dead" is_dead ;;
	esac
}

is_dead_or_says() {
	is_dead || vpnd_logs client "$1"
}

is_dead() {
	! kill -0 "${VPND_PID[client]}" 2>/dev/null
}

# The last calls come when vpnctl has its answer.
dies_now() {
	local i
	for ((i = 0; i < 10; i++)); do
		is_dead && return 0
		sleep 0.05
	done
	return 1
}

# A user's flow, from before the crash until after it; none of it may ever be seen outside.
flow_on() {
	(exec ip netns exec "$(lab_ns client)" ping -O -i 0.05 "${abroad[0]}" >"$LAB_DIR/flow" 2>&1) &
	flow=$!
	lab_wait 10 "a user's flow" grep -q "no answer yet" "$LAB_DIR/flow"
}

flow_off() {
	kill "$flow" || lab_fail "the user's flow had ended: $(tail -n 1 "$LAB_DIR/flow")"
	wait "$flow" 2>/dev/null || true
}

# ---- tracing ------------------------------------------------------------------------------------

# trace_on FILE [OPTION...]: strace is attached to vpnd; what it sees goes into FILE.
trace_on() {
	strace -qq --attach="${VPND_PID[client]}" --output="$1" "${@:2}" 2>"$1.said" &
	tracer=$!
	lab_wait 10 "strace is attached" is_traced
}

# vpnd may meet its call before anything is done to it: what it does after a connect goes on for a moment.
is_traced() {
	if ! kill -0 "$tracer" 2>/dev/null; then
		is_dead || lab_fail "strace has ended"
		return 0
	fi
	grep -q "^TracerPid:.*$tracer\$" "/proc/${VPND_PID[client]}/status"
}

trace_off() {
	kill -INT "$tracer" 2>/dev/null || true
	wait "$tracer" 2>/dev/null || true
}

# dry_run PHASE: the phase's calls into the file PHASE, one "CALL NUMBER TEXT" a line.
dry_run() {
	prepare "$1"
	[[ $1 != re* ]] || flow_on
	trace_on "$LAB_DIR/$1.trace" --trace="${calls[$1]}"
	act "$1"
	trace_off
	[[ $1 != re* ]] || flow_off
	! is_dead || lab_fail "vpnd has died in a dry run"
	[[ $1 == disconnect ]] || vpnctl client disconnect corp >/dev/null
	awk -F '(' '/^[a-z0-9]+\(/ { print $1, ++number[$1], substr($0, 1, 120) }' "$LAB_DIR/$1.trace" >"$LAB_DIR/$1"
	(($(wc -l <"$LAB_DIR/$1") >= LEAST)) || lab_fail "too few calls: $(cat "$LAB_DIR/$1")"
}

# ---- one point ----------------------------------------------------------------------------------

declare -A was=() # the way to each address, at the point before
was_told=0        # as many messages had gone to the kernel there

# Dead, and nothing is undone. What a tunnel covered must be shut: always after it was up; while it
# is made each family gets shut once and stays so, and while it is taken down each opens once. The
# same call is not always as far: retransmissions and packets make calls too.
check_shut() {
	local address way closed=0 told
	told=$(grep -c 'AF_NETLINK.* = [0-9]' "$LAB_DIR/trace") || true
	((told >= was_told)) || was=()
	was_told=$told
	for address in "${abroad[@]}"; do
		way=$(vpnd_way client "$address")
		case $1:${was[$address]:-}:$way in
		connect:unreachable:up0) lab_fail "the way to $address was shut, and is open later on" ;;
		disconnect:up0:unreachable) lab_fail "the way to $address was open, and is shut later on" ;;
		connect:*:up0 | disconnect:*:up0) ;;
		*:unreachable) closed=$((closed + 1)) && check_silent "$address" ;;
		*) lab_fail "after a crash packets to $address leave by $way" ;;
		esac
		was[$address]=$way
	done
	((closed == 0)) || check_silent "$GATEWAYD_INSIDE"
	((closed == 0)) || shut=$((shut + 1))
}

check_silent() {
	! lab_in client ping -q -c 2 -i 0.02 -W 0.1 "$1" >/dev/null 2>&1 || lab_fail "$1 answers"
}

outlived() {
	behind=$((behind + 1))
	echo "it made fewer calls this time: $(grep -c "^$1(" "$LAB_DIR/trace") of $2"
	kill -KILL "${VPND_PID[client]}"
}

# crash PHASE CALL NUMBER: vpnd dies on entering that call, or, when there were fewer this time,
# behind the last.
crash() {
	local rc=0
	prepare "$1"
	[[ $1 != re* ]] || flow_on
	trace_on "$LAB_DIR/trace" --trace="${calls[$1]}" --inject="$2:signal=SIGKILL:when=$3"
	act "$1"
	dies_now || outlived "$2" "$3"
	wait "${VPND_PID[client]}" 2>/dev/null || rc=$?
	((rc == 128 + 9)) || lab_fail "vpnd was not killed, it ended with $rc"
	trace_off
	check_shut "$1"
	[[ $1 != re* ]] || flow_off
}

undo_by_start() {
	vpnd_start client --log-level debug
	vpnd_clean client
}

undo_by_cleanup() {
	vpnd_cleanup client 2>"$(vpnd_home client)/cleanup"
	vpnd_clean client
	vpnd_start client --log-level debug
}

# The vpnd that is left running meets the next point.
live_on() {
	vpnctl client connect corp >/dev/null
	vpnd_ping client "$GATEWAYD_INSIDE" -c 2
	vpnctl client disconnect corp >/dev/null
	vpnd_clean client
}

# chosen PHASE: that many lines of its list, evenly spread.
chosen() {
	awk -v want="$points" '{ line[NR] = $0 }
		END {
			if (want > NR)
				want = NR
			for (i = 0; i < want; i++)
				print line[1 + int(i * (NR - 1) / (want > 1 ? want - 1 : 1))]
		}' "$LAB_DIR/$1"
}

walk() {
	local call number text
	was=() was_told=0
	while read -r call number text <&3; do
		for undo in start cleanup; do
			echo "$1: $call $number, then $undo: $text"
			crash "$1" "$call" "$number"
			"undo_by_$undo"
			live_on
			kills=$((kills + 1))
		done
		killed=$((killed + 1))
	done 3< <(chosen "$1")
}

# ---- all of them --------------------------------------------------------------------------------

vpnd_lab crash
strace -o /dev/null true 2>/dev/null || lab_skip "no strace, or ptrace is forbidden"
gatewayd_pair client gw
lab_in client ip -6 route add default via fe80::1 dev up0
vpnd_conf client corp
vpnd_resolv client $'nameserver 192.0.2.53\n# the last line'
gatewayd_start gw
vpnd_remember client
vpnd_start client --log-level debug
live_on # as before every point: the first connection of a life asks the kernel what it can do
killed=0 kills=0 shut=0 behind=0
capture_start client up0 "$LAB_DIR/uplink.pcap"
for phase in connect rekey reconnect disconnect; do
	dry_run "$phase"
	walk "$phase"
done
capture_stop
vpnd_stop client
capture_check "$LAB_DIR/uplink.pcap" --server 198.51.100.1 | tee "$LAB_DIR/verdict"
((points < 16 || killed >= 40)) || lab_fail "only $killed system calls"
((behind * 10 <= kills)) || lab_fail "$behind of $kills kills came behind the last call"
((shut * 2 >= kills)) || lab_fail "only $shut of $kills kills found a tunnel to be shut"

echo "figure: kill -9 at $killed system calls of connect, rekey, reconnect and disconnect, each undone by a" \
	"new vpnd and by vpnd --cleanup: all $kills times the host was as before and connected again (goal: 40 calls)"
echo "$behind of $kills kills came behind the last call"
echo "figure: until that, $shut of $kills times with a tunnel to keep shut, on the uplink:" \
	"$(sed -n 's/ (.*//p' "$LAB_DIR/verdict") (goal: 0)"
