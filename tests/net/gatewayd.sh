# shellcheck shell=bash
# The project's own gateway as a process in a namespace of tests/net/netns.sh. To be sourced after
# tests/net/vpnd.sh. It knows that file's account, answers inside at 10.99.0.1, gives out 10.99.0.2
# and names 10.99.0.53 as its name server.

declare -A GATEWAYD_PID=()
readonly GATEWAYD_INSIDE=10.99.0.1

# gatewayd_pair CLIENT GATEWAY: two spaces with a cable: up0 198.51.100.2 - out0 198.51.100.1, which
# is the client's default gateway too.
gatewayd_pair() {
	lab_netns "$1" "$2"
	lab_link "$1" up0 198.51.100.2/24 "$2" out0 198.51.100.1/24
	lab_in "$1" ip route add default via 198.51.100.1
}

gatewayd_home() {
	local home=$LAB_DIR/gatewayd-$1
	[[ -d $home ]] || mkdir -p "$home"
	echo "$home"
}

# gatewayd_start SPACE [OPTION...]: returns when it listens.
gatewayd_start() {
	local home
	home=$(gatewayd_home "$1")
	[[ -x $VPND_BIN/gatewayd ]] || lab_skip "no gatewayd in $VPND_BIN"
	[[ -p $home/commands ]] || mkfifo "$home/commands"
	: >"$home/said" # not what the one before said
	(exec ip netns exec "$(lab_ns "$1")" "$VPND_BIN/gatewayd" --listen 198.51.100.1 --tun inside \
		--psk labpsk123 --user alice --password wonderland \
		--own "$GATEWAYD_INSIDE" --pool 10.99.0.2 --dns 10.99.0.53 "${@:2}" \
		<>"$home/commands" >"$home/said" 2>"$home/log") &
	GATEWAYD_PID[$1]=$!
	lab_wait 20 "gatewayd is ready" gatewayd_is_ready "$1"
}

gatewayd_is_ready() {
	kill -0 "${GATEWAYD_PID[$1]}" 2>/dev/null ||
		lab_fail "gatewayd has ended: $(cat "$(gatewayd_home "$1")/log")"
	grep -qs ready "$(gatewayd_home "$1")/said"
}

# gatewayd_say SPACE COMMAND: rekey, delete-esp, delete-ike, restart, stop TEXT.
gatewayd_say() {
	echo "${*:2}" >"$(gatewayd_home "$1")/commands"
}

gatewayd_stop() {
	kill -TERM "${GATEWAYD_PID[$1]}"
	wait "${GATEWAYD_PID[$1]}" || lab_fail "gatewayd: $(tail -n 40 "$(gatewayd_home "$1")/log")"
}
