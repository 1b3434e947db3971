# shellcheck shell=bash
# The steps of which the stories in scenarios.txt are made: what the user does and sees, and what
# happens to the server and on the way. To be sourced by scenario.sh.

traffic=() # who sends on as if nothing happened

# ---- the user -------------------------------------------------------------------------------

verb_connects() {
	local rc=0
	vpnctl client --json connect corp >"$LAB_DIR/connect" || rc=$?
	((rc == 0)) || lab_fail "connect ended with $rc: $(json error.id <"$LAB_DIR/connect")" \
		"$(json error.evidence <"$LAB_DIR/connect")"
	verb_is state up
	verb_is data_plane "$play_plane"
}

# Who was inside has no tunnel any more, by the user's own will: traffic ends first.
verb_disconnects() {
	if ((${#traffic[@]})); then
		kill -TERM "${traffic[@]}"
		wait "${traffic[@]}" 2>/dev/null || traffic=()
	fi
	vpnctl client disconnect corp >/dev/null || lab_fail "disconnect ended with $?"
	verb_is state down
}

# fails CODE ID [EVIDENCE]: connect ends with that code and that reason, and the evidence has this.
verb_fails() {
	vpnd_refuses client "$1" "$2" connect corp
	[[ $(vpnd_error client evidence) == *"${*:3}"* ]] ||
		lab_fail "$2 does not say ${*:3}, but: $(vpnd_error client evidence)"
}

# is PATH VALUE: a value of the status, now.
verb_is() {
	local value
	value=$(vpnd_status client corp "$1")
	[[ $value == "${*:2}" ]] || lab_fail "$1 is $value, not ${*:2}"
}

# becomes PATH VALUE: the same, soon.
verb_becomes() {
	lab_wait 90 "$1 becomes ${*:2}" vpnd_is client corp "$1" "${*:2}"
}

# loses ID: the connection was up and is lost, for this reason. The status has another soon, if
# the next attempt fails too; so it is the log that is asked.
verb_loses() {
	lab_wait 90 "the connection is lost: $1" vpnd_logs client "^error conn  *corp: $1:"
}

# rekeys main_modes|quick_modes COUNT: until there have been so many, the first included.
verb_rekeys() {
	lab_wait 150 "$2 $1" has_had "$1" "$2"
}

has_had() {
	local count
	count=$(vpnd_status client corp "ike.$1")
	((${count:-0} >= $2))
}

# says TEXT: `vpnctl test ipsec` does.
verb_says() {
	local said
	said=$(vpnctl client test ipsec)
	[[ $said == *"$*"* ]] || lab_fail "vpnctl test ipsec does not say $*, but: $said"
}

verb_pings() {
	vpnd_ping client "$TRIO_INSIDE"
}

# reaches: a ping is answered again, soon.
verb_reaches() {
	lab_wait 60 "$TRIO_INSIDE answers" is_reached
}

is_reached() {
	lab_in client ping -q -c 1 -W 1 "$TRIO_INSIDE" >/dev/null
}

# pings-on, pings-off: 100 of them a second, and none is lost.
verb_pings-on() {
	ip netns exec "$(lab_ns client)" ping -q -i 0.01 "$TRIO_INSIDE" >"$LAB_DIR/ping.client" 2>&1 &
	VPND_PING[client]=$!
}

verb_pings-off() {
	vpnd_ping_off client
	tail -n 2 "$LAB_DIR/ping.client"
}

# traffic: packets want into the tunnel from now on, whether it is there or not.
verb_traffic() {
	local to
	for to in "$TRIO_INSIDE" 203.0.113.200; do
		ip netns exec "$(lab_ns client)" ping -O -i 0.2 "$to" >"$LAB_DIR/traffic.$to" 2>&1 &
		traffic+=($!)
		lab_wait 10 "traffic to $to" has_lines 2 "$LAB_DIR/traffic.$to"
	done
}

has_lines() {
	(($(wc -l <"$2") >= $1))
}

# nowhere: the tunnel is not there, and nothing takes another way.
verb_nowhere() {
	local to
	for to in "$TRIO_INSIDE" 203.0.113.200 2001:db8:9::1; do
		[[ $(vpnd_way client "$to") == unreachable ]] || lab_fail "there is a way to $to"
	done
}

# also KEY = VALUE: a second connection, other, to the same server, with a key of its own.
verb_also() {
	vpnd_conf client other "data-plane = $play_plane" "${client_keys[@]}" "$*"
	vpnctl client reload >/dev/null
	vpnctl client connect other >/dev/null || lab_fail "the other connection: connect ended with $?"
	vpnd_is client other data_plane "$play_plane" ||
		lab_fail "the other is on the plane $(vpnd_status client other data_plane)"
}

# also-pings: by the other's interface.
verb_also-pings() {
	vpnd_ping client "$TRIO_INSIDE" -I "$(vpnd_status client other network.interface)"
}

verb_also-ends() {
	vpnctl client disconnect other >/dev/null || lab_fail "the other connection: disconnect ended with $?"
}

# vpnd-dies: as when the power fails, and it is started again.
verb_vpnd-dies() {
	vpnd_kill client
	vpnd_is_back
}

vpnd_is_back() {
	vpnd_start client --log-level debug
	vpnd_clean client
}

# dies-in connect|disconnect|rekey TEXT: as soon as vpnd's log has that text, and it is started again.
verb_dies-in() {
	local log line
	log=$(vpnd_home client)/log
	[[ $1 == connect ]] || vpnctl client connect corp >/dev/null
	: >"$log"
	[[ $1 == rekey ]] || vpnctl client "$1" corp >/dev/null 2>&1 &
	while read -r -t 60 line; do
		[[ $line != *"${*:2}"* ]] || break
	done < <(exec tail -n +1 -f --pid="${VPND_PID[client]}" "$log")
	[[ $line == *"${*:2}"* ]] || lab_fail "vpnd never said: ${*:2}"
	vpnd_kill client
	vpnd_is_back
}

# ---- others on the client's host ------------------------------------------------------------

# here-starts, here-stops ipsec|l2tp: the client's host has strongSwan and xl2tpd, too.
verb_here-starts() {
	[[ -d $LAB_DIR/trio-client ]] || { trio_new client && trio_serve client; }
	trio_start client "$1"
}

verb_here-stops() {
	trio_stop client "$1"
}

# here-flushes: somebody removes all SAs, or all policies, that this host has.
verb_here-flushes() {
	lab_in client ip xfrm "$1" flush
}

# ---- the server and the way -----------------------------------------------------------------

verb_stops() {
	trio_stop server "$1"
}

verb_starts() {
	trio_start server "$1"
}

verb_kills() {
	trio_kill server "$@"
}

verb_drops() {
	hosts_drop "$1"
}

verb_passes() {
	hosts_pass
}

verb_nat-reboots() {
	hosts_nat_reboots
}

# server-moves PORT: the server's ESP comes from there, and the client's kernel follows. The server talks all
# the while: the client can learn of it from nothing else, and only as long as both still have a pair.
verb_server-moves() {
	local talker
	echo "$1" >"$LAB_DIR/moved"
	ip netns exec "$(lab_ns server)" ping -q -i 0.2 192.168.42.10 >"$LAB_DIR/ping.server" 2>&1 &
	talker=$!
	hosts_moves "$1"
	lab_wait 30 "the client follows to port $1" is_followed "$1"
	kill -INT "$talker"
	wait "$talker" || true
}

is_followed() {
	[[ $(ip -n "$(lab_ns client)" xfrm state) == *" dport $1 "* ]]
}
