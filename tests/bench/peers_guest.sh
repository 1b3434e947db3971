#!/usr/bin/env bash
# vpnd and today's stack, strongSwan + xl2tpd + pppd, as clients of one server, in a guest of
# tests/lab/uml.sh: peers_guest.sh BIN ROUNDS SECONDS_EACH MEASUREMENT... Prints what peers.sh reads, a
# line "MEASUREMENT client|today KEY VALUE..." for each.
#
#   connect plain|nat [DELAY]     ms from the command to the first ping, ROUNDS times in turns
#   memory                        of all processes while connected
#   throughput plain|nat          TCP both ways, ROUNDS times in turns
#   failure CASE                  s until each says so, and its words
#
# The spaces are "client", where vpnd is, and "today".
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
. "$here/spread.sh"
. "$here/../net/netns.sh"
. "$here/../net/vpnd.sh" "$1"
. "$here/../net/iperf.sh"
. "$here/../interop/capture.sh"
. "$here/../lab/warm.sh"
. "$here/../lab/hosts.sh"
. "$here/../lab/trio.sh"
. "$here/../lab/slow.sh"
readonly rounds=$2 seconds=$3 measurement="${*:4}" who=(client today)
readonly suite=(ike=aes256-sha1-modp2048! esp=aes256-sha1!)

say() {
	echo "$measurement" "$@"
}

# ---- hosts ------------------------------------------------------------------------------------

# furnish plain|nat [DELAY]
server_keys=() # that differ
declare -A typist=()
own_programs=  # the server has copies, so that nobody's share of a page is halved by its processes
furnish() {
	local link
	hosts_cable client up0 192.0.2.2/25 router in0 192.0.2.1/25
	hosts_cable today up0 192.0.2.130/25 router in1 192.0.2.129/25
	hosts_do client "route add default via 192.0.2.1"
	hosts_do today "route add default via 192.0.2.129"
	hosts_far "$1" ""
	hosts_build
	[[ $1 == plain ]] || hide
	for link in in0 in1 out0; do
		[[ $# == 1 ]] || lab_in router tc qdisc add dev "$link" root netem limit 20000 delay "$2"
	done
	trio_new server
	trio_serve server "${suite[@]}" "${server_keys[@]}"
	[[ -z $own_programs ]] || copy_programs
	trio_start server ipsec
	trio_start server l2tp
	trio_new today
	trio_dial today 198.51.100.1 "${suite[@]}"
	trio_start today ipsec
	trio_start today l2tp
	vpnd_conf client corp "data-plane = kernel" "ike = aes256-sha1-modp2048" "esp = aes256-sha1"
	vpnd_start client
	vpnctl client test ipsec >/dev/null # what it asks the kernel once
	hole client
	hole today
	sit_down client "'$VPND_BIN/vpnctl' --socket '$(vpnd_home client)/run/io.vpnd' -q connect corp" \
		ip netns exec "$(lab_ns client)"
	sit_down today "$TRIO_UP" trio_in today
}

# Two clients with one address, both on port 1701, are one tunnel to xl2tpd.
hide() {
	ip -n "$(lab_ns router)" addr add 198.51.100.253/24 dev out0
	lab_in router iptables-legacy -t nat -A POSTROUTING -o out0 -p udp -s 192.0.2.0/25 \
		-j SNAT --to-source 198.51.100.254
	lab_in router iptables-legacy -t nat -A POSTROUTING -o out0 -p udp -s 192.0.2.128/25 \
		-j SNAT --to-source 198.51.100.253
}

copy_programs() {
	local path
	for path in /usr/lib/ipsec /usr/sbin/xl2tpd /usr/sbin/pppd; do
		cp -a "$path" "$LAB_DIR/"
		trio_in server mount --bind "$LAB_DIR/${path##*/}" "$path"
	done
}

# Without the tunnel packets to its far end vanish without a word: a ping may be asked before.
hole() {
	ip -n "$(lab_ns "$1")" -batch - <<-END
		link add hole0 type veth peer name hole1
		link set hole0 arp off up
		link set hole1 arp off up
		route add 192.168.42.0/24 dev hole0 metric 9999
	END
}

# sit_down SPACE COMMAND ENTER...: a user sits at a shell there and has typed it but for the return key, so
# that what is timed is the command, and not how we get there.
sit_down() {
	local keys=$LAB_DIR/$1.keys
	mkfifo "$keys" "$LAB_DIR/$1.ended"
	"${@:3}" bash -c '
		while read -r _; do
			eval "$0"
			echo $? >"$1"
		done' "$2" "$LAB_DIR/$1.ended" <"$keys" &
	exec {typist[$1]}>"$keys"
}

press_return() {
	local status
	echo >&"${typist[$1]}"
	read -r status <"$LAB_DIR/$1.ended"
	return "$status"
}

client_connects() {
	press_return client
}

client_disconnects() {
	vpnctl client -q disconnect corp
}

today_connects() {
	press_return today
}

today_disconnects() {
	trio_down today
}

pings() {
	lab_in "$1" ping -q -n -c 1 -W 1 "$TRIO_INSIDE" >/dev/null 2>&1
}

both_connect() {
	local space
	for space in "${who[@]}"; do
		"${space}_connects"
		lab_wait 20 "a ping of $space is answered" pings "$space"
	done
}

# ---- time to connect ---------------------------------------------------------------------------

# timed SPACE: until a ping is answered that is asked every 5 ms.
timed() {
	local ping began ended
	capture_start "$1" up0 "$LAB_DIR/$1.pcap"
	lab_in "$1" ping -q -n -i 0.005 -c 1 -w 60 "$TRIO_INSIDE" >/dev/null &
	ping=$!
	pause 0.3
	began=$EPOCHREALTIME
	"$1_connects"
	wait "$ping" || lab_fail "no ping of $1 is answered"
	ended=$EPOCHREALTIME
	capture_stop "$LAB_DIR/$1.pcap"
	python3 "$here/own_time.py" "$LAB_DIR/$1.pcap" 198.51.100.1 "$began" "$ended" >>"$LAB_DIR/$1.times"
	"$1_disconnects"
}

# The first round is for what is done once, and does not count.
measure_connect() {
	local round space column
	furnish "$@"
	for ((round = 0; round <= rounds; round++)); do
		((round != 1)) || rm "$LAB_DIR"/*.times
		for space in "${who[@]}"; do
			timed "$space"
		done
	done
	for space in "${who[@]}"; do
		column=1
		for key in total own waiting trips; do
			say "$space" "$key" "$(cut -d ' ' -f "$column" "$LAB_DIR/$space.times" | spread)"
			column=$((column + 1))
		done
	done
}

# ---- memory and throughput ---------------------------------------------------------------------

# pids_of SPACE NAME...: the processes of these names.
pids_of() {
	local pid
	for pid in $(ip netns pids "$(lab_ns "$1")"); do
		[[ " ${*:2} " != *" $(<"/proc/$pid/comm") "* ]] || echo "$pid"
	done
}

measure_memory() {
	local space pids pid
	own_programs=yes
	furnish nat
	both_connect
	for space in "${who[@]}"; do
		mapfile -t pids < <(pids_of "$space" vpnd charon starter xl2tpd pppd)
		say "$space" memory "$(for pid in "${pids[@]}"; do
			cat "/proc/$pid/smaps_rollup"
		done | awk -v n=${#pids[@]} '/^Private_(Clean|Dirty)/ { uss += $2 } /^Pss:/ { pss += $2 }
			END { print uss, pss, n }')"
	done
}

measure_throughput() {
	local round space way
	furnish "$1"
	iperf_start server
	both_connect
	for ((round = 1; round <= rounds; round++)); do
		for space in "${who[@]}"; do
			iperf_rate "$space" "$TRIO_INSIDE" --time "$seconds"
			echo "$IPERF_MBITS" >>"$LAB_DIR/$space.up"
			iperf_rate "$space" "$TRIO_INSIDE" --time "$seconds" --reverse
			echo "$IPERF_MBITS" >>"$LAB_DIR/$space.down"
		done
	done
	for space in "${who[@]}"; do
		for way in up down; do
			say "$space" "$way" "$(spread <"$LAB_DIR/$space.$way")"
		done
	done
}

# ---- failures ----------------------------------------------------------------------------------

# since BEGAN: s, with tenths.
since() {
	local tenths=$(((${EPOCHREALTIME/./} - ${1/./} + 50000) / 100000))
	echo "$((tenths / 10)).$((tenths % 10))"
}

# until_said BEGAN SPACE WORDS COMMAND...: polls, at most 300 s.
until_said() {
	local i
	for ((i = 0; i < 1500; i++)); do
		"${@:4}" && break
		pause 0.2
	done
	say "$2" "$(since "$1")" "$3"
}

vpnd_ends() {
	local took rc=0
	vpnctl client --json connect corp >"$LAB_DIR/connect" || rc=$?
	took=$(since "$1")
	if ((rc)); then
		say client "$took" "$(json error.id <"$LAB_DIR/connect")"
	else
		say client "$took" "up: $(vpnd_status client corp encapsulation)"
	fi
}

# never_up [WORDS COMMAND...]: one after the other. Where ipsec up does well, they are what today's stack says,
# and how to see it.
never_up() {
	local began
	vpnd_ends "$EPOCHREALTIME"
	began=$EPOCHREALTIME
	if today_connects; then
		until_said "$began" today "$@"
	else
		say today "$(since "$began")" "$(tail -n 1 "$LAB_DIR/trio-today/run/log/up")"
	fi
}

today_log() {
	grep -qs "$2" "$LAB_DIR/trio-today/run/log/$1"
}

# Both are up, and then it happens.
gone() {
	local began=$EPOCHREALTIME
	(until_said "$began" client "$1" vpnd_logs client "^error conn  *corp: ") &
	until_said "$began" today "ppp0 is gone" trio_is_hung_up today
	wait $!
}

measure_failure() {
	case $1 in
	psk-wrong)
		server_keys=("psk=not the labs")
		furnish nat
		never_up
		;;
	udp500-dropped)
		furnish nat
		hosts_drop udp500
		never_up
		;;
	password-wrong)
		server_keys=("password=not alices")
		furnish nat
		never_up "authentication failed" today_log pppd "uthentication failed"
		;;
	esp-dropped)
		furnish plain
		hosts_drop esp50-in
		never_up "Maximum retries exceeded" today_log l2tp "Maximum retries exceeded"
		;;
	black-hole)
		furnish nat
		both_connect
		hosts_drop all
		gone LINK-LOST
		;;
	lns-killed)
		furnish nat
		both_connect
		trio_kill server xl2tpd pppd
		gone LINK-LOST
		;;
	sa-deleted)
		furnish plain
		both_connect
		for space in "${who[@]}"; do
			capture_start "$space" up0 "$LAB_DIR/$space.pcap"
			lab_in "$space" ping -q -n -i 0.2 -w 10 "$TRIO_INSIDE" >"$LAB_DIR/$space.ping" 2>&1 &
		done
		trio_stop server ipsec
		pause 10
		for space in "${who[@]}"; do
			capture_stop "$LAB_DIR/$space.pcap"
			say "$space" clear "$(lab_in "$space" tcpdump -nr "$LAB_DIR/$space.pcap" udp port 1701 2>/dev/null | wc -l)"
		done
		;;
	esac
}

vpnd_lab peers
trap 'status=$?; vpnd_explain $status; trio_end server; trio_end today; lab_end; exit $status' EXIT
slow_begin
"measure_$4" "${@:5}"
