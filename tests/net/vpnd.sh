# shellcheck shell=bash
# The real vpnd and vpnctl in namespaces of tests/net/netns.sh, one vpnd in each. To be sourced after
# it; its functions take the space first. The programs lie in the script's first argument, or else
# in VPND_BIN. A script that fails shows what each vpnd said.
#
#   vpnd_lab NAME             lab_begin, and the programs are there
#   vpnd_conf SPACE NAME ["KEY = VALUE"...]   NAME.conf: the lab's account and these, "-KEY": without
#   vpnd_start SPACE [OPTION...], vpnd_stop SPACE, vpnd_kill SPACE
#   vpnctl SPACE ARGUMENT...  vpnctl of that space's vpnd
#   vpnd_remember SPACE       from now on vpnd_clean SPACE proves that nothing has changed since

VPND_BIN=${1:-${VPND_BIN:-}}
declare -A VPND_PID=() VPND_PING=()
VPND_UNDER=() # what vpnd_start runs vpnd under: a command that executes its arguments
vpnd_here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")

# What SoftEther's user and gatewayd's are made of.
readonly VPND_ACCOUNT=("gateway = 198.51.100.1" "psk = labpsk123" "user = alice" "password = wonderland")

vpnd_lab() {
	[[ -n $VPND_BIN ]] || lab_skip "no VPND_BIN and no argument says where vpnd lies"
	VPND_BIN=$(realpath "$VPND_BIN")
	[[ -x $VPND_BIN/vpnd && -x $VPND_BIN/vpnctl ]] || lab_fail "no vpnd and vpnctl in $VPND_BIN"
	[[ -c /dev/net/tun ]] || lab_skip "no /dev/net/tun"
	lab_begin "$1"
	trap 'vpnd_explain $?; lab_end' EXIT
}

vpnd_explain() {
	local space log
	(($1 != 0 && $1 != 77)) || return 0
	for space in "${!VPND_PID[@]}"; do
		log=$(vpnd_home "$space")/log
		echo "---- the end of $log" >&2
		tail -n 40 "$log" >&2
	done
}

vpnd_home() {
	local home=$LAB_DIR/vpnd-$1
	[[ -d $home ]] || mkdir -p "$home"/{etc,run,state}
	echo "$home"
}

# ---- the daemon -----------------------------------------------------------------------------

vpnd_conf() {
	local file line
	file=$(vpnd_home "$1")/etc/$2.conf
	(umask 077 && : >"$file")
	for line in "${VPND_ACCOUNT[@]}"; do
		[[ " ${*:3} " == *" ${line%% *} = "* || " ${*:3} " == *" -${line%% *} "* ]] || echo "$line"
	done >>"$file"
	for line in "${@:3}"; do
		[[ $line == -* ]] || echo "$line"
	done >>"$file"
}

# vpnd_resolv SPACE TEXT: the vpnd that is started next has this /etc/resolv.conf for itself.
vpnd_resolv() {
	printf '%s' "$2" >"$(vpnd_home "$1")/resolv.conf"
}

# Runs a command as vpnd is run: in the space, with its resolv.conf and group file if it has them.
vpnd_in() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	exec ip netns exec "$(lab_ns "$1")" unshare --mount --propagation private sh -c '
		for file in resolv.conf group; do
			[ ! -e "$0/$file" ] || mount --bind "$0/$file" "/etc/$file" || exit
		done
		exec "$@"' "$(vpnd_home "$1")" "${@:2}"
}

vpnd_options() {
	local home
	home=$(vpnd_home "$1")
	printf '%s\n' --config-dir "$home/etc" --runtime-dir "$home/run" --state-dir "$home/state"
}

# vpnd_start SPACE [OPTION...]: returns when it answers.
vpnd_start() {
	local home options
	home=$(vpnd_home "$1")
	mapfile -t options < <(vpnd_options "$1")
	[[ ! -e $home/log ]] || mv "$home/log" "$home/log.before"
	(vpnd_in "$1" "${VPND_UNDER[@]}" "$VPND_BIN/vpnd" "${options[@]}" \
		--socket "$home/run/io.vpnd" "${@:2}" >"$home/log" 2>&1 </dev/null) &
	VPND_PID[$1]=$!
	lab_wait 20 "vpnd answers" vpnd_answers "$1"
}

vpnd_answers() {
	kill -0 "${VPND_PID[$1]}" 2>/dev/null || lab_fail "vpnd has ended"
	vpnctl "$1" list >/dev/null 2>&1
}

vpnctl() {
	lab_in "$1" "$VPND_BIN/vpnctl" --socket "$LAB_DIR/vpnd-$1/run/io.vpnd" "${@:2}"
}

# By SIGTERM: it ends by itself, with success, and no sanitizer has found anything.
vpnd_stop() {
	kill -TERM "${VPND_PID[$1]}"
	wait "${VPND_PID[$1]}" || lab_fail "vpnd ended with $?"
	! grep -q -e "ERROR: .*Sanitizer" -e "runtime error" "$(vpnd_home "$1")/log" ||
		lab_fail "a sanitizer found something"
}

# As when the power fails.
vpnd_kill() {
	kill -KILL "${VPND_PID[$1]}"
	wait "${VPND_PID[$1]}" 2>/dev/null || true
}

# vpnd_cleanup SPACE: what systemd runs after a vpnd that died.
vpnd_cleanup() {
	local options
	mapfile -t options < <(vpnd_options "$1")
	(vpnd_in "$1" "$VPND_BIN/vpnd" "${options[@]}" --cleanup) || lab_fail "vpnd --cleanup: $?"
}

# ---- what it says ---------------------------------------------------------------------------

# json PATH: the value at connections.0.ike.quick_modes of what comes in; "" when there is none.
json() {
	python3 -c '
import json, sys
value = json.load(sys.stdin)
for step in sys.argv[1].split("."):
    value = value[int(step)] if isinstance(value, list) and int(step) < len(value) else (
        value.get(step) if isinstance(value, dict) else None)
print("" if value is None else value if isinstance(value, str) else json.dumps(value))' "$1"
}

# vpnd_status SPACE NAME PATH: one value of that connection's status.
vpnd_status() {
	{ vpnctl "$1" --json status "$2" || true; } | json "connections.0.$3"
}

vpnd_is() {
	[[ $(vpnd_status "$1" "$2" "$3") == "$4" ]]
}

# vpnd_until SPACE NAME PATH VALUE: polls until the status says so.
vpnd_until() {
	lab_wait 60 "status of $2: $3 = $4" vpnd_is "$@"
}

vpnd_logs() {
	grep -q -e "$2" "$(vpnd_home "$1")/log"
}

# vpnd_refuses SPACE CODE ID ARGUMENT...: vpnctl ends with that code and an error of that id, which
# has all its parts; vpnd_error SPACE PART shows one.
vpnd_refuses() {
	local said rc=0 part
	said=$(vpnd_home "$1")/error
	vpnctl "$1" --json "${@:4}" >"$said" || rc=$?
	((rc == $2)) || lab_fail "vpnctl ${*:4} ended with $rc instead of $2: $(cat "$said")"
	[[ $(vpnd_error "$1" id) == "$3" ]] || lab_fail "not $3: $(cat "$said")"
	for part in stage text; do
		[[ -n $(vpnd_error "$1" "$part") ]] || lab_fail "$3 without $part: $(cat "$said")"
	done
}

vpnd_error() {
	json "error.$2" <"$(vpnd_home "$1")/error"
}

# ---- what it leaves -------------------------------------------------------------------------

# Rules, routes, addresses and links of both families, nftables, and resolv.conf down to its inode.
vpnd_snapshot() {
	local ns family resolv
	ns=$(lab_ns "$1") resolv=$(vpnd_home "$1")/resolv.conf
	for family in -4 -6; do
		ip "$family" -n "$ns" -batch - <<<$'rule\nroute show table all'
	done
	ip -n "$ns" -o -batch - <<<$'addr\nlink'
	lab_in "$1" nft list ruleset
	[[ ! -e $resolv ]] || stat -c '%i %a %u:%g %s' "$resolv"
	[[ ! -e $resolv ]] || sha256sum <"$resolv"
}

vpnd_remember() {
	lab_wait 10 "addresses are settled" vpnd_is_settled "$1"
	vpnd_snapshot "$1" >"$(vpnd_home "$1")/before"
}

# Only IPv6 has such; of all families ip would list what has no address, like a sit0 that is built in.
vpnd_is_settled() {
	[[ -z $(ip -6 -n "$(lab_ns "$1")" addr show tentative) ]]
}

# Entries of the journal that are not undone.
vpnd_pending() {
	awk '/^\+/ { pending[substr($1, 2)] = $0 }
		/^-/ { delete pending[substr($1, 2)] }
		END { for (id in pending) print pending[id] }' "$(vpnd_home "$1")/run/journal" 2>/dev/null
}

vpnd_clean() {
	local home
	home=$(vpnd_home "$1")
	vpnd_snapshot "$1" | diff "$home/before" - >&2 || lab_fail "this was left on the host"
	[[ -z $(vpnd_pending "$1") ]] || lab_fail "in the journal: $(vpnd_pending "$1")"
	[[ -z $(ls -A "$home/state") ]] || lab_fail "in the state directory: $(ls -A "$home/state")"
}

# vpnd_way SPACE ADDRESS [ARGUMENT...]: the interface that the host would send by, or "unreachable".
vpnd_way() {
	local way
	way=$(ip -n "$(lab_ns "$1")" route get "${@:2}" 2>&1) || true
	case $way in
	*"No route to host"* | *"Network is unreachable"* | unreachable*) echo unreachable ;;
	*" dev "*) sed -n 's/.* dev \([^ ]*\).*/\1/p' <<<"$way" ;;
	*) echo "$way" ;;
	esac
}

# ---- traffic --------------------------------------------------------------------------------

# vpnd_ping SPACE ADDRESS [OPTION...]: every one of a few pings is answered.
vpnd_ping() {
	lab_in "$1" ping -q -c 5 -i 0.1 -W 5 "${@:3}" "$2" >/dev/null || lab_fail "ping $2 from $1"
}

# vpnd_ping_on SPACE ADDRESS: pings 20 times a second until vpnd_ping_off SPACE, which wants every
# one answered.
vpnd_ping_on() {
	(exec ip netns exec "$(lab_ns "$1")" ping -q -i 0.05 -W 5 "$2" >"$LAB_DIR/ping.$1") &
	VPND_PING[$1]=$!
}

vpnd_ping_off() {
	kill -INT "${VPND_PING[$1]}"
	wait "${VPND_PING[$1]}" || true
	grep -q ' 0% packet loss' "$LAB_DIR/ping.$1" ||
		lab_fail "pings from $1 are lost: $(cat "$LAB_DIR/ping.$1")"
}

# vpnd_echo FROM TO ADDRESS OCTETS: TCP from the one space to ADDRESS in the other, and everything
# comes back as it was.
vpnd_echo() {
	local said=$LAB_DIR/echo.$1 rc=0
	: >"$said" # not what the one before said
	lab_in "$2" python3 "$vpnd_here/echo.py" listen "$3" >"$said" &
	lab_wait 10 "echo.py listens" grep -q ready "$said"
	lab_in "$1" timeout 60 python3 "$vpnd_here/echo.py" send "$3" "$4" || rc=$?
	((rc == 0)) || lab_fail "TCP from $1 to $2"
	wait $!
}
