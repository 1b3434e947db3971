#!/usr/bin/env bash
# Another program holds UDP 500 and 4500: the connection comes up all the same, from other ports and on
# the gateway's UDP 4500 from the start; `vpnctl status NAME` and `vpnctl test ipsec` name the program.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
. "$here/netns.sh"
. "$here/vpnd.sh"
. "$here/gatewayd.sh"

# hold PROGRAM [COMMAND...]: a program of that name takes both ports, under COMMAND; for itself, unless
# `shares` is 1.
hold() {
	ln -sf "$python" "$LAB_DIR/$1"
	: >"$LAB_DIR/holds"
	(exec ip netns exec "$(lab_ns client)" "${@:2}" "$LAB_DIR/$1" -c '
import os, signal, socket
held = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in (500, 4500)]
for s, port in zip(held, (500, 4500)):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(os.environ["shares"]))
    s.bind(("", port))
print("holds", flush=True)
signal.pause()' >"$LAB_DIR/holds") &
	holder=$!
	lab_wait 10 "$1 holds the ports" grep -q holds "$LAB_DIR/holds"
}

let_go() {
	kill -TERM "$holder"
	wait "$holder" || true
}

# test_says PATH VALUE: of `vpnctl test ipsec`, which finds a tunnel possible.
test_says() {
	local said
	said=$(vpnctl client --json test ipsec) || lab_fail "test ipsec: $?: $said"
	[[ $(json "$1" <<<"$said") == "$2" ]] || lab_fail "$1 is not '$2': $said"
}

# named HOLDER: so do status, the table for people, and the object for programs.
named() {
	local note text
	lab_wait 10 "status names $1" note_says "UDP 500 is held by $1, we use"
	note=$(vpnd_status client corp ports_note)
	[[ $note == *"; UDP 4500 is held by $1, we use "* ]] || lab_fail "4500: $note"
	test_says ports.0.holder "$1"
	test_says ports.1.holder "$1"
	text=$(vpnctl client test ipsec)
	[[ $text == *"500                  $1"* ]] || lab_fail "the table does not name it: $text"
	[[ $text == *"A port that is held stops nothing"* ]] || lab_fail "no word of comfort: $text"
	text=$(vpnctl client status corp)
	[[ $text == *"  ports       UDP 500 is held by $1"* ]] || lab_fail "status: $text"
}

note_says() {
	[[ $(vpnd_status client corp ports_note) == *"$1"* ]]
}

connect() {
	vpnctl client connect corp >/dev/null || lab_fail "no connection: $1"
	vpnd_ping client "$GATEWAYD_INSIDE"
}

disconnect() {
	vpnctl client disconnect corp >/dev/null || lab_fail "it does not disconnect: $1"
}

# from_ports: those of vpnd's sockets to the gateway, sorted.
from_ports() {
	lab_in client ss --udp --numeric --no-header state established dst 198.51.100.1 |
		awk '{ sub(/.*:/, "", $3); print $3 }' | sort -n | paste -sd' '
}

export shares=0
vpnd_lab ports
python=$(python3 -c "import sys; print(sys.executable)") # itself: a script in between would have another name
gatewayd_pair client gw
gatewayd_start gw
vpnd_conf client corp
vpnd_start client

# ---- the ports are free ----
test_says ports.0.holder ""
test_says possible true
test_says parts.0.ok true
connect "the ports are free"
[[ $(from_ports) == "500 4500" ]] || lab_fail "not from 500 and 4500: $(from_ports)"
vpnd_is client corp ports_note "" || lab_fail "a note about free ports"
test_says ports.0.holder "vpnd itself"
disconnect "the ports are free"

# ---- a program that shows what it has: by its socket ----
# On 500 the gateway hears nothing: what comes up has begun on 4500.
lab_in gw nft -f - <<<'table ip no500 { chain in { type filter hook input priority 0; udp dport 500 drop; }; }'
hold keyd setpriv --inh-caps=-all --bounding-set=-all,+net_bind_service
connect "keyd has them"
named "keyd (pid $holder)"
[[ " $(from_ports) " != *" 500 "* && " $(from_ports) " != *" 4500 "* ]] || lab_fail "from $(from_ports)"
disconnect "keyd has them"
let_go

# ---- charon, which has more rights than vpnd and does not show it: by its name ----
hold charon
connect "charon has them"
named "probably charon (pid $holder)"
disconnect "charon has them"
let_go
lab_in gw nft delete table ip no500

# ---- as strongSwan and libreswan do it: they share ----
shares=1
hold charon
connect "charon shares them"
[[ $(from_ports) == "500 4500" ]] || lab_fail "not from 500 and 4500: $(from_ports)"
vpnd_is client corp ports_note "" || lab_fail "a note about ports that are shared"
test_says ports.0.holder "probably charon (pid $holder)"
disconnect "charon shares them"
let_go

# ---- and they are free again ----
connect "the ports are free again"
[[ $(from_ports) == "500 4500" ]] || lab_fail "not from 500 and 4500: $(from_ports)"
vpnd_is client corp ports_note "" || lab_fail "the note has stayed"
disconnect "the ports are free again"
vpnd_stop client
gatewayd_stop gw
