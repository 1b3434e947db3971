#!/usr/bin/env bash
# vpnd as it is installed, under its unit, started by a real systemd: rights, stop, crash, watchdog.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
. "$here/../net/netns.sh"
. "$here/../interop/softether.sh"
. "$here/machine.sh"

: "${VPND_BUILD:?the build directory}"
prefix=$(sed -n 's/^CMAKE_INSTALL_PREFIX:PATH=//p' "$VPND_BUILD/CMakeCache.txt")
readonly prefix caps_of_networking=0000000000003400 # CAP_NET_BIND_SERVICE, _ADMIN and _RAW

# ---- the machine ------------------------------------------------------------------------------

# What the daemon is told to be quicker at; a build with the leak checker cannot trace itself here.
drop_in() {
	cat <<-'END'
		[Service]
		WatchdogSec=2s
		RestartSec=100ms
		Environment=ASAN_OPTIONS=detect_leaks=0
	END
}

four_lines() {
	cat <<-END
		gateway = 198.51.100.1
		psk = $SOFTETHER_PSK
		user = $SOFTETHER_USER
		password = $SOFTETHER_PASSWORD
	END
}

install_vpnd() {
	local root=/proc/$MACHINE_PID/root
	DESTDIR=$root cmake --install "$VPND_BUILD" >"$LAB_DIR/installed"
	install -d -m 700 "$root/etc/vpnd"
	install -D -m 644 <(drop_in) "$root/etc/systemd/system/vpnd.service.d/test.conf"
	install -m 600 <(four_lines) "$root/etc/vpnd/corp.conf"
	echo "nameserver 198.51.100.1" >"$root/etc/resolv.conf"
	machine systemd-sysusers 2>"$LAB_DIR/said" || lab_fail "sysusers: $(cat "$LAB_DIR/said")"
	machine useradd --no-create-home --groups vpnd member
	machine useradd --no-create-home stranger
	machine systemctl daemon-reload
}

# as USER COMMAND...: with that user's groups and nothing else. ctl USER ...: vpnctl so.
as() {
	machine setpriv --reuid "$1" --regid "$1" --init-groups --no-new-privs "${@:2}"
}

ctl() {
	as "$1" timeout 60 "$prefix/bin/vpnctl" "${@:2}"
}

# ---- what is looked at ------------------------------------------------------------------------

service() {
	machine systemctl show --property "$1" --value vpnd.service
}

status_field() {
	sed -n "s/^$1:\s*//p" "/proc/$(pid_outside)/status"
}

# The daemon's process id as this host sees it.
pid_outside() {
	local inside pid
	inside=$(service MainPID)
	for pid in $(ip netns pids "$(lab_ns client)"); do
		[[ $(sed -n 's/^NSpid:.*\s//p' "/proc/$pid/status" 2>/dev/null) != "$inside" ]] || echo "$pid"
	done
}

# Everything of the host that a connection changes.
host_state() {
	machine ip -o link show | sed 's/@.*//; s/.*: //'
	machine ip -4 rule show
	machine ip -6 rule show
	machine ip -4 route show table all
	machine ip -6 route show table all | grep -v -e fe80 -e ff00
	machine cat /etc/resolv.conf
}

host_is_as_before() {
	host_state >"$LAB_DIR/after"
	cmp -s "$LAB_DIR/before" "$LAB_DIR/after"
}

expect_host_as_before() {
	for ((i = 0; i < 100; i++)); do
		host_is_as_before && return 0
		sleep 0.05
	done
	diff "$LAB_DIR/before" "$LAB_DIR/after" >&2 || true
	lab_fail "$1 left something behind"
}

expect_code() {
	local code=0
	"${@:2}" >"$LAB_DIR/said" 2>&1 || code=$?
	((code == $1)) || lab_fail "${*:2}: exit code $code, not $1: $(cat "$LAB_DIR/said")"
}

nobody_is_connected() {
	[[ -z $(softether_sessions) ]]
}

restarted_to() {
	[[ $(service NRestarts) == "$1" && $(service ActiveState) == active ]]
}

# logged PATTERN: does the unit's log say so?
logged() {
	machine journalctl --quiet --unit vpnd.service --output cat >"$LAB_DIR/journal"
	grep -q "$1" "$LAB_DIR/journal"
}

expect_up() {
	expect_code 0 ctl member connect corp
	machine ping -c 3 -i 0.2 -W 2 "$SOFTETHER_INSIDE" >"$LAB_DIR/said" || lab_fail "no ping through"
	machine grep -q "^nameserver $SOFTETHER_INSIDE" /etc/resolv.conf ||
		lab_fail "resolv.conf does not name the tunnel's server"
	[[ $(softether_sessions | wc -l) == 1 ]] || lab_fail "the server has not one session"
	[[ $(service StatusText) == "corp up" ]] || lab_fail "status says $(service StatusText)"
}

# ---- the cases --------------------------------------------------------------------------------

a_stranger_starts_it_by_asking_and_may_not_connect() {
	machine systemctl start vpnd.socket
	[[ $(machine stat -c '%a %U:%G' /run/vpnd/io.vpnd) == "666 root:vpnd" ]] || lab_fail "the socket"
	[[ $(service ActiveState) == inactive ]] || lab_fail "started by nobody"
	expect_code 0 ctl stranger status
	[[ $(service ActiveState) == active ]] || lab_fail "not started by the question"
	expect_code 77 ctl stranger connect corp
	expect_code 77 ctl stranger show corp
}

a_member_connects() {
	expect_up
	expect_code 0 ctl member status corp
	grep -q 198.51.100.1 "$LAB_DIR/said" || lab_fail "a member sees no addresses"
	expect_code 0 ctl stranger status corp
	! grep -q -e 198.51.100 -e 192.168.30 "$LAB_DIR/said" || lab_fail "a stranger sees addresses"
	expect_code 77 ctl stranger disconnect corp
}

it_is_confined() {
	[[ $(status_field CapEff) == "$caps_of_networking" ]] || lab_fail "CapEff $(status_field CapEff)"
	[[ $(status_field CapBnd) == "$caps_of_networking" ]] || lab_fail "CapBnd $(status_field CapBnd)"
	[[ $(status_field NoNewPrivs) == 1 ]] || lab_fail "new privileges are possible"
	[[ $(status_field Seccomp) == 2 ]] || lab_fail "no system call filter"
}

a_reload_leaves_the_tunnel_alone() {
	local pid
	pid=$(service MainPID)
	machine systemctl reload vpnd.service || lab_fail "reload"
	[[ $(service MainPID) == "$pid" ]] || lab_fail "reload restarted it"
	machine ping -c 1 -W 2 "$SOFTETHER_INSIDE" >"$LAB_DIR/said" || lab_fail "no ping after a reload"
}

a_stop_says_goodbye() {
	machine systemctl --quiet stop vpnd.service 2>"$LAB_DIR/said" || lab_fail "stop: $(cat "$LAB_DIR/said")"
	[[ $(service Result) == success ]] || lab_fail "stopped with $(service Result)"
	expect_host_as_before "a stop"
	lab_wait 3 "the server knows that we left" nobody_is_connected
	expect_code 0 ctl stranger status # the socket is still there, and starts it again
	expect_up
}

a_crash_is_cleaned_up_and_restarted() {
	local pid
	pid=$(service MainPID)
	machine kill -KILL "$pid"
	lab_wait 10 "systemd starts it again" restarted_to 1
	expect_host_as_before "a crash"
	logged "a vpnd that died left .* undone" || lab_fail "nobody cleaned up"
	[[ -z $(machine journalctl --quiet --grep "that died left" _PID="$(service MainPID)") ]] ||
		lab_fail "it was not vpnd --cleanup that cleaned up"
}

# SoftEther refuses for a minute to talk to somebody who left without a word.
the_server_forgets() {
	softether_stop
	softether_start gw
}

a_hang_is_noticed() {
	expect_up
	machine kill -STOP "$(service MainPID)"
	lab_wait 15 "the watchdog has it restarted" restarted_to 2
	logged "Watchdog timeout" || lab_fail "it was not the watchdog"
	expect_host_as_before "a hang"
}

softether_lab
ip -n "$(lab_ns client)" route add default via 198.51.100.1
machine_boot client
install_vpnd
host_state >"$LAB_DIR/before"
a_stranger_starts_it_by_asking_and_may_not_connect
a_member_connects
it_is_confined
a_reload_leaves_the_tunnel_alone
a_stop_says_goodbye
a_crash_is_cleaned_up_and_restarted
the_server_forgets
a_hang_is_noticed
