#!/usr/bin/env bash
# A host that fails: full and read-only file systems, a log that nobody reads, no descriptors, no memory,
# a wall clock that jumps by 20 years. vpnd goes on, or says in one line why not; it never spins, and
# nothing is left. All mounts are made in a mount namespace of the script's own.
#
#   test_vpnd_host.sh [BIN [DESCRIPTORS...]]     with so few of them, each (8 14 16 18 20 22 24)
set -euo pipefail
if [[ ${VPND_OWN_MOUNTS:-} != yes && $EUID == 0 ]]; then
	VPND_OWN_MOUNTS=yes exec unshare --mount --propagation slave bash "$0" "$@"
fi
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
. "$here/netns.sh"
. "$here/vpnd.sh"
. "$here/gatewayd.sh"

# survived KIND TEXT...: these faults are over, and nothing bad has come of them.
survived() {
	printf "survived $1: %s\n" "${@:2}"
}

connect() {
	vpnctl "$client" connect corp >/dev/null || lab_fail "no connection: $1"
}

disconnect() {
	vpnctl "$client" disconnect corp >/dev/null || lab_fail "no disconnect: $1"
}

# goes_on WHAT: so does the tunnel.
goes_on() {
	vpnd_ping "$client" "$GATEWAYD_INSIDE" -i 0.02
	vpnd_is "$client" corp state up || lab_fail "$1: not up"
	vpnd_is "$client" corp reconnects 0 || lab_fail "$1: it was connected anew"
}

# renews WHAT: it goes on, with new keys.
renews() {
	local quick_modes
	quick_modes=$(vpnd_status "$client" corp ike.quick_modes)
	gatewayd_say "$gateway" rekey
	goes_on "$1"
	vpnd_until "$client" corp ike.quick_modes $((quick_modes + 1))
	goes_on "$1"
}

# refuses ID EVIDENCE: so ends connecting, and nothing of it is left.
refuses() {
	vpnd_refuses "$client" 4 "$1" connect corp
	[[ $(vpnd_error "$client" evidence) == *"$2"* ]] || lab_fail "$1: $(vpnd_error "$client" evidence)"
	vpnd_snapshot "$client" | diff "$home/before" - >&2 || lab_fail "$1: this was left"
}

# ends SAYING: vpnd does not start, and its last words say why.
ends() {
	local rc=0 options
	mapfile -t options < <(vpnd_options "$client")
	(vpnd_in "$client" "${VPND_UNDER[@]}" "$VPND_BIN/vpnd" "${options[@]}" --socket "$home/run/io.vpnd" \
		>"$home/last_words" 2>&1 </dev/null) || rc=$?
	((rc == 1)) || lab_fail "vpnd ended with $rc: $(cat "$home/last_words")"
	grep -q "^error .*$1" "$home/last_words" || lab_fail "it does not say why: $(cat "$home/last_words")"
}

# A spinning process has all of the processor; 5 % is nothing.
is_at_rest() {
	local before after
	before=$(processor_ticks)
	sleep 3
	after=$(processor_ticks)
	(((after - before) * 100 < 5 * 3 * $(getconf CLK_TCK))) ||
		lab_fail "$1: $((after - before)) ticks of the processor in 3 s"
}

processor_ticks() {
	awk '{ print $14 + $15 }' "/proc/${VPND_PID[$client]}/stat"
}

# ---- file systems -------------------------------------------------------------------------------

# small DIRECTORY...: each is a small file system of its own.
small() {
	local directory
	for directory in "$@"; do
		mount -t tmpfs -o size=64k,mode=755 none "$home/$directory"
	done
}

fill() {
	! head -c 1M /dev/zero >"$home/$1/fill" 2>/dev/null || lab_fail "$1 is not full"
}

drain() {
	rm "$home/$1/fill"
}

case_disk_full() {
	small run state
	fill run
	vpnd_start "$client"
	refuses LOCAL-ROUTES "No space left"
	survived file "runtime directory full at start" "runtime directory full when connecting"
	drain run
	connect "there is room again"
	fill run
	renews "runtime directory full"
	disconnect "runtime directory full"
	vpnd_clean "$client"
	survived file "runtime directory full while up" "runtime directory full when disconnecting"
	drain run
	fill state
	refuses LOCAL-DNS "No space left"
	survived file "state directory full when connecting"
	drain state
	connect "there is room again"
	fill run
	fill state
	vpnd_kill "$client"
	vpnd_cleanup "$client" 2>"$home/cleanup"
	drain run
	drain state
	vpnd_clean "$client"
	survived file "both full when cleaning up after a crash"
	vpnd_start "$client"
	connect "there is room again"
	disconnect "there is room again"
}

# Nothing can be made in it, not even an empty file.
case_no_inodes() {
	mount -t tmpfs -o nr_inodes=1,mode=755 none "$home/run"
	ends "No space left"
	umount "$home/run"
	survived file "no inode in the runtime directory"
	vpnd_start "$client"
}

case_read_only() {
	small run
	mount -o remount,ro "$home/run"
	ends "Read-only file system"
	survived file "runtime directory read-only at start"

	# As under systemd, which made the socket.
	mount -o remount,rw "$home/run"
	ln -s ../io.vpnd "$home/run/io.vpnd"
	mount -o remount,ro "$home/run"
	vpnd_start "$client" --socket "$home/io.vpnd"
	refuses LOCAL-ROUTES "Read-only file system"
	vpnd_stop "$client"
	survived file "runtime directory read-only when connecting"

	mount -o remount,rw "$home/run"
	vpnd_start "$client" --socket "$home/io.vpnd"
	connect "it can be written"
	vpnd_kill "$client"
	mount -o remount,ro "$home/run"
	vpnd_cleanup "$client" 2>"$home/cleanup"
	vpnd_snapshot "$client" | diff "$home/before" - >&2 || lab_fail "this was left"
	survived file "runtime directory read-only when cleaning up after a crash"
	mount -o remount,rw "$home/run"
	vpnd_start "$client" --socket "$home/io.vpnd"
	connect "it can be written"
	disconnect "it can be written"
}

# An error of the disk makes file systems read-only under an open file.
case_read_only_later() {
	local tracer
	strace -o /dev/null true 2>/dev/null || lab_skip "no strace, or ptrace is forbidden"
	vpnd_start "$client"
	connect "all is well"
	strace -qq --attach="${VPND_PID[$client]}" --output="$home/trace" --trace-path="$home/run/journal" \
		--trace=pwrite64,ftruncate --inject=pwrite64,ftruncate:error=EROFS &
	tracer=$!
	lab_wait 10 "strace is attached" grep -q "^TracerPid:.*$tracer\$" "/proc/${VPND_PID[$client]}/status"
	renews "journal read-only"
	disconnect "journal read-only"
	vpnd_snapshot "$client" | diff "$home/before" - >&2 || lab_fail "this was left"
	grep -q EROFS "$home/trace" || lab_fail "nothing was injected"
	survived file "journal read-only while up" "journal read-only when disconnecting"
	refuses LOCAL-ROUTES "Read-only file system"
	survived file "journal read-only when connecting"
	kill -INT "$tracer"
	wait "$tracer" || true
	vpnd_stop "$client"
	vpnd_start "$client"
	connect "it can be written"
	disconnect "it can be written"
}

# ---- the log ------------------------------------------------------------------------------------

pipe_size() {
	python3 -c 'import fcntl, sys; fcntl.fcntl(0, 1031, int(sys.argv[1]))' "$1" # F_SETPIPE_SZ
}

# Its pipe holds one page of lines.
case_log_blocked() {
	local pipe=$home/pipe holder round lost
	mkfifo "$pipe"
	exec {holder}<>"$pipe"
	pipe_size 4096 <&"$holder"
	# shellcheck disable=SC2016 # expanded by the inner shell
	VPND_UNDER=(sh -c 'exec "$@" 2>"$0"' "$pipe")
	vpnd_start "$client" --log-level debug
	for round in 1 2 3 4; do
		connect "log blocked, round $round"
		goes_on "log blocked, round $round"
		disconnect "log blocked, round $round"
	done
	connect "log blocked"
	renews "log blocked"
	is_at_rest "log blocked"
	survived file "log pipe blocked while connecting, up and disconnecting"

	! timeout 1 cat <"$pipe" >"$home/read" || lab_fail "the pipe has ended"
	gatewayd_say "$gateway" rekey
	lost=$(timeout 20 grep -m 1 "lines were lost: nobody read them" <"$pipe") || lab_fail "it does not say what was lost"
	(($(grep -o '[0-9]*' <<<"$lost" | head -n 1) > 100)) || lab_fail "only these? $lost"
	exec {holder}>&-
	goes_on "log's reader gone"
	is_at_rest "log's reader gone"
	disconnect "log's reader gone"
	survived file "log pipe without a reader"
}

# ---- descriptors --------------------------------------------------------------------------------

readonly ENOUGH=40 # descriptors for one connection and its clients

# With so many descriptors vpnd does not start, or the connection does not come up, or vpnctl is not
# heard; whatever it is, it is said and does not spin, and with more descriptors all is well.
with_descriptors() {
	local rc=0 outcome
	VPND_UNDER=(prlimit --nofile="$1:$ENOUGH")
	if ! begins; then
		VPND_UNDER=()
		vpnd_start "$client"
		survived descriptors "$1: not started"
		return
	fi
	timeout 10 "$VPND_BIN/vpnctl" --socket "$home/run/io.vpnd" connect corp >"$home/said" 2>&1 || rc=$?
	is_at_rest "$1 descriptors"
	case $rc in
	0) outcome=up && goes_on "$1 descriptors" ;;
	1 | 4)
		outcome=refused
		grep -q ": .*Too many open files" "$home/said" || lab_fail "$1 descriptors: $(cat "$home/said")"
		;;
	124) outcome="not heard" ;;
	*) lab_fail "$1 descriptors: $rc $(cat "$home/said")" ;;
	esac
	prlimit --nofile="$ENOUGH:$ENOUGH" --pid "${VPND_PID[$client]}"
	((rc == 0)) || lab_wait 20 "vpnctl is heard" vpnd_answers "$client"
	((rc == 0)) || connect "more than $1 descriptors"
	goes_on "more than $1 descriptors"
	disconnect "more than $1 descriptors"
	survived descriptors "$1: $outcome"
}

# Whether it starts: then it listens, else it has said why not.
begins() {
	local options
	mapfile -t options < <(vpnd_options "$client")
	(vpnd_in "$client" "${VPND_UNDER[@]}" "$VPND_BIN/vpnd" "${options[@]}" --socket "$home/run/io.vpnd" \
		>"$home/log" 2>&1 </dev/null) &
	VPND_PID[$client]=$!
	lab_wait 20 "vpnd begins or ends" listens_or_ends
	kill -0 "${VPND_PID[$client]}" 2>/dev/null && return 0
	wait "${VPND_PID[$client]}" && lab_fail "it ended with success"
	grep -q -e "^error " -e "^\[err\]" "$home/log" || # of libevent, when it gets no descriptor
		 lab_fail "it does not say why: $(cat "$home/log")"
	return 1
}

# The socket is there before it listens: what counts is __SO_ACCEPTCON among its flags.
listens_or_ends() {
	lab_in "$client" grep -q " 00010000 .* $home/run/io.vpnd\$" /proc/net/unix ||
		! kill -0 "${VPND_PID[$client]}" 2>/dev/null
}

# ---- memory -------------------------------------------------------------------------------------

# The address space ends shortly above what vpnd has: allocations fail. A sanitizer's allocator cannot
# go on then.
case_address_space() {
	local above size rc refused=0
	vpnd_start "$client"
	if grep -q libasan "$VPND_BIN/vpnd"; then
		echo "not tried: an address space that ends, with a sanitizer"
		return
	fi
	for ((above = 0; above < 256; above += 32)); do
		size=$(awk '/^VmSize/ { print $2 }' "/proc/${VPND_PID[$client]}/status")
		prlimit --as=$(((size + above) * 1024)): --pid "${VPND_PID[$client]}"
		rc=0
		vpnctl "$client" connect corp >"$home/said" 2>&1 || rc=$?
		prlimit --as=unlimited: --pid "${VPND_PID[$client]}"
		if ((rc != 0)); then
			# It may lack the memory even for what the caller says.
			grep -q -e "out of memory" -e "LOCAL-.*annot allocate" -e "it hung up" "$home/said" ||
				lab_fail "$above KiB: $rc $(cat "$home/said")"
			refused=$((refused + 1))
			lab_wait 5 "the host is clean" is_clean
			connect "there is memory again"
		fi
		goes_on "there is memory again"
		disconnect "there is memory again"
		vpnd_clean "$client"
		survived allocation "$above KiB above what vpnd has: $( ((rc == 0)) && echo up || echo refused)"
	done
	((refused > 0)) || lab_fail "every allocation succeeded"
}

is_clean() {
	(vpnd_clean "$client") 2>/dev/null
}

# memory_group: makes a group of processes whose memory can be limited, $group; false: not here.
memory_group() {
	local root
	for root in /sys/fs/cgroup/memory /sys/fs/cgroup; do
		group=$root/vpnd-test-$$
		mkdir "$group" 2>/dev/null || continue
		[[ ! -e $group/memory.limit_in_bytes ]] || limit=memory.limit_in_bytes used=memory.usage_in_bytes
		[[ ! -e $group/memory.max ]] || limit=memory.max used=memory.current
		[[ ! -e $group/memory.max && ! -e $group/memory.limit_in_bytes ]] || return 0
		rmdir "$group"
	done
	return 1
}

is_killed() {
	! kill -0 "${VPND_PID[$client]}" 2>/dev/null
}

# The kernel takes vpnd's life when the memory of its group ends, wherever it just is.
case_memory_ends() {
	local group limit used share processes outcome killed=0
	if ! memory_group; then
		echo "not tried: there is no group of processes with a limit of memory"
		vpnd_start "$client"
		return
	fi
	exec {processes}>"$group/cgroup.procs" # now: `ip netns exec` has another /sys
	# shellcheck disable=SC2016 # expanded by the inner shell
	VPND_UNDER=(bash -c 'echo $$ >&"$0" && exec "$@"' "$processes")
	for share in 0 128 256 1024; do
		echo -1 >"$group/$limit" 2>/dev/null || echo max >"$group/$limit"
		vpnd_start "$client"
		echo $(($(cat "$group/$used") + share * 1024)) >"$group/$limit"
		if vpnctl "$client" connect corp >"$home/said" 2>&1; then
			disconnect "$share KiB left"
			vpnd_stop "$client"
			outcome=up
		elif ! is_killed && grep -q "LOCAL-.*annot allocate" "$home/said"; then
			vpnd_stop "$client"
			outcome=refused
		else
			lab_wait 5 "it is killed: $(cat "$home/said")" is_killed
			killed=$((killed + 1))
			outcome=killed
		fi
		vpnd_cleanup "$client" 2>"$home/cleanup"
		vpnd_clean "$client"
		survived group "$share KiB left: $outcome"
	done
	rmdir "$group"
	VPND_UNDER=()
	((killed > 0)) || lab_fail "it was never killed"
	vpnd_start "$client"
	connect "there is memory again"
	disconnect "there is memory again"
}

# ---- the wall clock -----------------------------------------------------------------------------

readonly years_20=631152000

# What time the connection's newest line has.
log_year() {
	vpnctl "$client" --json log corp | tail -n 1 | python3 -c '
import json, sys, time
print(time.gmtime(json.load(sys.stdin)["line"]["time"]).tm_year)'
}

case_clock() {
	local year
	year=$(date -u +%Y)
	echo 0 >"$home/wallclock"
	VPND_UNDER=(env LD_PRELOAD="$VPND_BIN/wallclock.so" VPND_WALLCLOCK="$home/wallclock"
		ASAN_OPTIONS=verify_asan_link_order=0)
	vpnd_start "$client"
	connect "the clock is right"
	vpnd_ping_on "$client" "$GATEWAYD_INSIDE"
	for jump in "$years_20" "-$years_20" 86400 -86400 0; do
		echo "$jump" >"$home/wallclock"
		renews "the clock jumped to $jump s"
		survived clock "wall clock jumped to $jump s"
		[[ $jump != "$years_20" ]] || (($(log_year) >= year + 19)) || lab_fail "it did not jump: $(log_year)"
	done
	vpnd_ping_off "$client"
	disconnect "the clock is right"
	for jump in "$years_20" "-$years_20"; do
		echo "$jump" >"$home/wallclock"
		connect "the clock is off by $jump s"
		goes_on "the clock is off by $jump s"
		disconnect "the clock is off by $jump s"
		survived clock "connect with a wall clock off by $jump s"
	done
}

# All that lab_end does not know of.
tidy_up() {
	local group
	awk -v under="$LAB_DIR/" 'index($2, under) == 1 { print $2 }' /proc/self/mounts | xargs -r umount --lazy
	lab_end
	for group in /sys/fs/cgroup{/memory,}/vpnd-test-$$; do
		[[ ! -d $group ]] || rmdir "$group"
	done
}

# ---- all of them --------------------------------------------------------------------------------

run_case() {
	client=c-$1 gateway=g-$1
	trap 'vpnd_explain $?' EXIT
	home=$(vpnd_home "$client")
	vpnd_conf "$client" corp
	vpnd_resolv "$client" $'nameserver 192.0.2.53\n'
	vpnd_remember "$client"
	gatewayd_start "$gateway"
	"case_$1"
	vpnd_clean "$client"
	vpnd_stop "$client"
	gatewayd_stop "$gateway"
}

vpnd_lab host
trap 'vpnd_explain $?; tidy_up' EXIT
mapfile -t cases < <(declare -F | sed -n 's/^declare -f case_//p')
descriptors=("${@:2}")
((${#descriptors[@]})) || descriptors=(8 14 16 18 20 22 24)
for n in "${descriptors[@]}"; do
	eval "case_descriptors_$n() { with_descriptors $n; }"
	cases+=("descriptors_$n")
done
for name in "${cases[@]}"; do
	gatewayd_pair "c-$name" "g-$name"
done
lab_each run_case "${cases[@]}"
for name in "${cases[@]}"; do
	grep -e '^survived ' -e '^not tried' "$LAB_DIR/said.$name"
done | tee "$LAB_DIR/survived"

# how_many PATTERN: of the lines above.
how_many() {
	grep -c "^survived $1" "$LAB_DIR/survived" || true
}

for outcome in "not started" refused up; do
	(($(how_many "descriptors: .*$outcome"))) || lab_fail "with none of these descriptors it was $outcome"
done
echo "figure: runtime and state directory full, without inodes, read-only; log pipe blocked, without reader:" \
	"$(how_many file) faults, $(how_many file) survived"
echo "figure: RLIMIT_NOFILE of ${descriptors[0]} to ${descriptors[-1]}, ${#descriptors[@]} values:" \
	"vpnd not started $(how_many "descriptors: .*started"), no client heard $(how_many "descriptors: .*heard")," \
	"connection refused $(how_many "descriptors: .*refused"), up $(how_many "descriptors: .*up");" \
	"each time said so or went on, below 5 % of a processor, and connected once it had more (goal: all)"
(($(how_many allocation) == 0)) || echo "figure: address space ending 0 to 224 KiB above what vpnd has: refused $(how_many "allocation: .*refused")," \
	"up $(how_many "allocation: .*up"); all hosts as before, all connected again"
(($(how_many group) == 0)) || echo "figure: memory of vpnd's group ending: killed $(how_many "group: .*killed")" \
	"of $(how_many group) times, all hosts as before, all connected again"
echo "figure: wall clock off by 20 years and a day, both ways, while up and when connecting:" \
	"$(how_many clock) jumps, 0 reconnects, 0 pings lost (goal: no effect)"
