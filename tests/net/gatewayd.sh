# shellcheck shell=bash
# The project's own test gateway in a namespace. To be sourced after tests/net/vpnd.sh; it takes that
# script's account and gives 10.99.0.1 to the client.
#
#   gatewayd_lab NAME                 the namespaces client (up0, 198.51.100.2) and gw (198.51.100.1)
#   gatewayd_start SPACE [OPTION...]  returns when it listens; gatewayd --help lists the options
#   gatewayd_say COMMAND              rekey, delete-esp, delete-ike, restart, stop TEXT
#   gatewayd_status KEY               one value of its status

GATEWAYD_PID=
readonly GATEWAYD_OUTSIDE=198.51.100.1
readonly GATEWAYD_INSIDE=10.99.0.254

gatewayd_lab() {
	vpnd_lab "$1"
	lab_netns client gw
	lab_link client up0 198.51.100.2/24 gw out0 "$GATEWAYD_OUTSIDE/24"
	ip -n "$(lab_ns client)" route add default via "$GATEWAYD_OUTSIDE"
}

gatewayd_start() {
	local pipe=$LAB_DIR/gatewayd.in
	[[ -x $VPND_BIN/gatewayd ]] || lab_fail "no gatewayd in $VPND_BIN"
	[[ -p $pipe ]] || mkfifo "$pipe"
	ip netns exec "$(lab_ns "$1")" "$VPND_BIN/gatewayd" --listen "$GATEWAYD_OUTSIDE" \
		--psk labpsk123 --user alice --password wonderland \
		--own "$GATEWAYD_INSIDE" --pool 10.99.0.1 "${@:2}" \
		<>"$pipe" >"$LAB_DIR/gatewayd.out" 2>"$LAB_DIR/gatewayd.log" &
	GATEWAYD_PID=$!
	lab_wait 10 "the gateway listens" gatewayd_is_ready
}

gatewayd_is_ready() {
	kill -0 "$GATEWAYD_PID" 2>/dev/null ||
		lab_fail "gatewayd ended: $(cat "$LAB_DIR/gatewayd.log")"
	grep -qs '^ready$' "$LAB_DIR/gatewayd.out"
}

gatewayd_stop() {
	kill -TERM "$GATEWAYD_PID"
	wait "$GATEWAYD_PID" || lab_fail "gatewayd ended with $?"
}

gatewayd_say() {
	echo "$*" >"$LAB_DIR/gatewayd.in"
}

gatewayd_status() {
	local before
	before=$(wc -l <"$LAB_DIR/gatewayd.out")
	gatewayd_say status
	lab_wait 5 "status of the gateway" gatewayd_has_said "$before"
	tail -n 1 "$LAB_DIR/gatewayd.out" | json "$1"
}

gatewayd_has_said() {
	(($(wc -l <"$LAB_DIR/gatewayd.out") > $1))
}
