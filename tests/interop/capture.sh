# shellcheck shell=bash
# The leak oracle: record everything on one interface of a namespace, then hold every packet against
# the list of what may be there. To be sourced after tests/net/netns.sh.

CAPTURE_PID=
CAPTURE_FILE=
capture_here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")

# capture_start SPACE INTERFACE FILE: returns when packets are being recorded.
capture_start() {
	CAPTURE_FILE=$3
	ip netns exec "$(lab_ns "$1")" tcpdump --interface "$2" --immediate-mode --buffer-size=65536 \
		-U -n -s 0 -Z root -w "$CAPTURE_FILE" 2>"$CAPTURE_FILE.said" </dev/null &
	CAPTURE_PID=$!
	lab_wait 10 "tcpdump listens" grep -qs "listening on" "$CAPTURE_FILE.said"
}

# Ends the recording once what is still on its way has been written.
capture_stop() {
	sleep 0.3
	kill -INT "$CAPTURE_PID" 2>/dev/null || true
	wait "$CAPTURE_PID" 2>/dev/null || true
	CAPTURE_PID=
	grep -q "^0 packets dropped by kernel" "$CAPTURE_FILE.said" ||
		lab_fail "the recording is not complete: $(cat "$CAPTURE_FILE.said")"
}

# capture_check FILE --server ADDRESS... [--dns ADDRESS...]: fails on the first thing that may not be.
capture_check() {
	python3 "$capture_here/allowed.py" "$@" || lab_fail "packets that may not be on the uplink"
}
