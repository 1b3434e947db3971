# shellcheck shell=bash
# The leak oracle: record everything on one interface of a namespace, then hold every packet against
# the list of what may be there. To be sourced after tests/net/netns.sh.

declare -A CAPTURE_PID=() # by file
CAPTURE_FILE=             # of the last one
capture_here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")

# capture_start SPACE INTERFACE FILE: returns when packets are being recorded.
capture_start() {
	CAPTURE_FILE=$3
	ip netns exec "$(lab_ns "$1")" tcpdump --interface "$2" --immediate-mode --buffer-size=65536 \
		-U -n -s 0 -Z root -w "$CAPTURE_FILE" 2>"$CAPTURE_FILE.said" </dev/null &
	CAPTURE_PID[$3]=$!
	lab_wait 10 "tcpdump listens" grep -qs "listening on" "$CAPTURE_FILE.said"
}

# capture_stop [FILE...]: ends these recordings, or the last, once what is still on its way is written.
capture_stop() {
	local file
	sleep 0.3
	for file in "${@:-$CAPTURE_FILE}"; do
		kill -INT "${CAPTURE_PID[$file]}" 2>/dev/null || true
		wait "${CAPTURE_PID[$file]}" 2>/dev/null || true
		grep -q "^0 packets dropped by kernel" "$file.said" ||
			lab_fail "the recording is not complete: $(cat "$file.said")"
	done
}

# capture_check FILE --server ADDRESS... [--dns ADDRESS...]: fails on the first thing that may not be.
capture_check() {
	python3 "$capture_here/allowed.py" "$@" || lab_fail "packets that may not be on the uplink"
}
