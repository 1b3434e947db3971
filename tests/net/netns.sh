# shellcheck shell=bash
# Network namespaces for one test: made, used, and removed without a trace. To be sourced.
#
#   lab_begin NAME            a directory $LAB_DIR; everything goes away when the script ends
#   lab_netns a b             namespaces; "$(lab_ns a)" is the real name, unique on the host
#   lab_link a up0 198.51.100.2/24 b out0 198.51.100.1/24    a cable between two of them
#   lab_in a COMMAND...       run in one of them; background jobs end with the script
#   lab_wait SECONDS WHAT COMMAND...   poll until COMMAND succeeds, or fail naming WHAT
#   lab_each COMMAND WORD...  COMMAND WORD for each word, all at the same time; fails if one does

LAB_DIR=
LAB_NAME=
LAB_SPACES=()

lab_skip() {
	echo "skip: $*"
	exit 77
}

lab_fail() {
	echo "FAILED: $*" >&2
	exit 1
}

lab_begin() {
	((EUID == 0)) || lab_skip "network namespaces need root"
	LAB_NAME=vpnd-$1-$$
	trap lab_end EXIT
	trap 'lab_signal 130' INT
	trap 'lab_signal 143' TERM HUP
	trap : PIPE # whoever reads our output may be gone before us; not ignored, children inherit that
	LAB_DIR=$(mktemp -d "/tmp/$LAB_NAME.XXXXXX")
}

# A second signal would end the tidying up: exit does not run the EXIT trap twice.
lab_signal() {
	trap '' INT TERM HUP
	exit "$1"
}

lab_end() {
	local space
	trap '' INT TERM HUP
	lab_end_jobs
	for space in "${LAB_SPACES[@]}"; do
		lab_kill_all "$space"
		ip netns del "$space" 2>/dev/null || true
	done
	LAB_SPACES=()
	[[ -z $LAB_DIR ]] || rm -rf "$LAB_DIR"
	LAB_DIR=
}

# A job that has not entered its namespace yet would be missed below.
lab_end_jobs() {
	local jobs
	mapfile -t jobs < <(jobs -p)
	((${#jobs[@]} == 0)) || kill -TERM "${jobs[@]}" 2>/dev/null || true
}

# Every process in a namespace of ours is ours: asked to end, and after 3 s made to.
lab_kill_all() {
	local pids i
	for ((i = 0; i < 40; i++)); do
		mapfile -t pids < <(ip netns pids "$1" 2>/dev/null || true)
		((${#pids[@]})) || return 0
		if ((i == 0)); then
			kill -TERM "${pids[@]}" 2>/dev/null || true
		elif ((i >= 30)); then
			kill -KILL "${pids[@]}" 2>/dev/null || true
		fi
		sleep 0.1
	done
}

lab_ns() {
	echo "$LAB_NAME-$1"
}

lab_netns() {
	local name space
	for name in "$@"; do
		space=$LAB_NAME-$name
		LAB_SPACES+=("$space")
		ip netns add "$space" || lab_skip "no network namespaces here"
		ip -n "$space" link set lo up
	done
}

lab_link() {
	local near=$LAB_NAME-$1 far=$LAB_NAME-$4
	ip link add "$2" netns "$near" type veth peer name "$5" netns "$far"
	ip -n "$near" addr add "$3" dev "$2"
	ip -n "$far" addr add "$6" dev "$5"
	ip -n "$near" link set "$2" up
	ip -n "$far" link set "$5" up
}

lab_in() {
	ip netns exec "$LAB_NAME-$1" "${@:2}"
}

LAB_POLLS=20 # a second
lab_nap() {
	sleep 0.05
}

lab_wait() {
	local i
	for ((i = 0; i < $1 * LAB_POLLS; i++)); do
		"${@:3}" && return 0
		lab_nap
	done
	lab_fail "$2: not within $1 s"
}

lab_each() {
	local command=$1 word failed=0 rc
	local -A running=()
	shift
	for word in "$@"; do
		("$command" "$word") >"$LAB_DIR/said.$word" 2>&1 &
		running[$word]=$!
	done
	for word in "$@"; do
		rc=0
		wait "${running[$word]}" || rc=$?
		((rc != 77)) || lab_skip "$(cat "$LAB_DIR/said.$word")"
		((rc == 0)) || echo "---- $word: $(cat "$LAB_DIR/said.$word")" >&2
		((rc == 0)) || failed=$((failed + 1))
	done
	((failed == 0)) || lab_fail "$failed of $#"
}
