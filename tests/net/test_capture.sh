#!/usr/bin/env bash
# The leak oracle works on a real cable: sealed packets pass, one clear L2TP packet is found.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
. "$here/netns.sh"
. "$here/../interop/capture.sh"

# send PORT HEX: one datagram from the client to that port of the gateway.
send() {
	lab_in client python3 -c '
import socket, sys
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.sendto(bytes.fromhex(sys.argv[2]), ("198.51.100.1", int(sys.argv[1])))' "$@"
}

readonly clear_sccrq=c802001400000000000000008008000000000001
readonly sealed=1234567800000001$clear_sccrq

lab_begin capture
lab_netns client gw
lab_link client up0 198.51.100.2/24 gw out0 198.51.100.1/24

capture_start client up0 "$LAB_DIR/clean.pcap"
send 4500 "$sealed"
capture_stop
capture_check "$LAB_DIR/clean.pcap" --server 198.51.100.1

capture_start client up0 "$LAB_DIR/leak.pcap"
send 4500 "$sealed"
send 1701 "$clear_sccrq"
capture_stop
if (capture_check "$LAB_DIR/leak.pcap" --server 198.51.100.1 >"$LAB_DIR/verdict" 2>&1); then
	lab_fail "a clear L2TP packet was not noticed"
fi
# The packet itself and the ICMP error that quotes it.
grep -q "ports [0-9]* > 1701" "$LAB_DIR/verdict" || lab_fail "$(cat "$LAB_DIR/verdict")"
