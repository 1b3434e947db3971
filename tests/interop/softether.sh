# shellcheck shell=bash
# A SoftEther VPN server from Debian's packages, in a namespace of tests/net/netns.sh. To be sourced
# after it. Its files live in $LAB_DIR/softether; the host's /var and /run are not touched.
#
# Hub VPN, user alice with password wonderland, PSK labpsk123. It hands out 192.168.30.10 to .200
# and answers itself at 192.168.30.1; its own NAT is off, so nothing leaves the hub.

SOFTETHER_PID=
readonly SOFTETHER_PSK=labpsk123
readonly SOFTETHER_USER=alice
readonly SOFTETHER_PASSWORD=wonderland
readonly SOFTETHER_INSIDE=192.168.30.1

# softether_lab: the namespaces client (interface up0, 198.51.100.2) and gw (198.51.100.1), a cable
# between them, and the server running in gw.
softether_lab() {
	lab_begin softether
	softether_spaces
}

# softether_spaces: the same in a lab that has begun.
softether_spaces() {
	lab_netns client gw
	lab_link client up0 198.51.100.2/24 gw out0 198.51.100.1/24
	softether_start gw
	softether_furnish
}

# softether_start SPACE: returns when UDP 500 and 4500 and the administration port are open.
softether_start() {
	local home=$LAB_DIR/softether
	[[ -x $(softether_program vpnserver) ]] || lab_skip "softether-vpnserver is not installed"
	[[ -x $(softether_program vpncmd) ]] || lab_skip "softether-vpncmd is not installed"
	mkdir -p "$home"/{lib,log,run}/softether
	[[ -e $home/lib/softether/vpn_server.config ]] ||
		softether_seed >"$home/lib/softether/vpn_server.config"
	# A client without a name is asked for its NetBIOS name, in the clear.
	printf '%s\n' "127.0.0.1 localhost" "198.51.100.2 client" "203.0.113.2 other" >"$home/hosts"
	# shellcheck disable=SC2016 # expanded by the inner shell
	ip netns exec "$(lab_ns "$1")" unshare --mount --propagation private sh -c '
		mount --bind "$1/lib" /var/lib && mount --bind "$1/log" /var/log &&
			mount --bind "$1/run" /run && mount --bind "$1/hosts" /etc/hosts &&
			exec "$2" execsvc' \
		sh "$home" "$(softether_program vpnserver)" >"$home/out" 2>&1 </dev/null &
	SOFTETHER_PID=$!
	lab_wait 30 "SoftEther opens its ports" softether_is_ready
}

softether_program() {
	echo "/usr/libexec/softether/$1/$1"
}

# Without a list of listeners the server listens nowhere, and without the rest it looks for its
# makers on the Internet.
softether_seed() {
	cat <<-'END'
		# Software Configuration File
		declare root
		{
			declare DDnsClient
			{
				bool Disabled true
			}
			declare ListenerList
			{
				declare Listener0
				{
					bool DisableDos false
					bool Enabled true
					uint Port 5555
				}
			}
			declare IPsec
			{
				string IPsec_Secret labpsk123
				bool L2TP_IPsec true
			}
			declare ServerConfiguration
			{
				bool DisableNatTraversal true
				bool DisableDeadLockCheck true
				bool DontBackupConfig true
				bool NoSendSignature true
			}
		}
	END
}

# In the kernel's tables: 01F4 is UDP port 500, 1194 is 4500, 15B3 is TCP port 5555.
softether_is_ready() {
	local net=/proc/$SOFTETHER_PID/net
	[[ -e $net/udp ]] || lab_fail "SoftEther ended: $(cat "$LAB_DIR/softether/out")"
	grep -q ':01F4 ' "$net/udp" && grep -q ':1194 ' "$net/udp" &&
		grep -qs ':15B3 .* 0A ' "$net/tcp" "$net/tcp6"
}

softether_is_deaf() {
	! grep -q -e ':01F4 ' -e ':1194 ' "/proc/$SOFTETHER_PID/net/udp"
}

# The hub, its user and its addresses; kept in the configuration file over a restart.
softether_furnish() {
	softether_admin HubCreate VPN /PASSWORD:none
	softether_user "$SOFTETHER_USER" "$SOFTETHER_PASSWORD"
	softether_hub SecureNatEnable
	softether_hub NatDisable
	softether_hub DhcpSet /START:192.168.30.10 /END:192.168.30.200 /MASK:255.255.255.0 \
		/EXPIRE:7200 "/GW:$SOFTETHER_INSIDE" "/DNS:$SOFTETHER_INSIDE" /DNS2:none \
		/DOMAIN:lab.test /LOG:no /PUSHROUTE:none
	softether_hub LogDisable packet
	softether_ipsec yes
}

# softether_admin COMMAND...: one command of vpncmd. Its output is shown only when it fails.
softether_admin() {
	softether_vpncmd /SERVER /CMD "$@" >"$LAB_DIR/softether/said" 2>&1 && return 0
	cat "$LAB_DIR/softether/said" >&2
	lab_fail "vpncmd $1"
}

# softether_hub COMMAND...: the same, inside the hub.
softether_hub() {
	softether_vpncmd /SERVER /ADMINHUB:VPN /CMD "$@" >"$LAB_DIR/softether/said" 2>&1 && return 0
	cat "$LAB_DIR/softether/said" >&2
	lab_fail "vpncmd $1"
}

softether_vpncmd() {
	nsenter --target "$SOFTETHER_PID" --net --mount timeout 30 \
		"$(softether_program vpncmd)" localhost:5555 "$@" </dev/null
}

# softether_user NAME PASSWORD: a new user, or a new password.
softether_user() {
	softether_vpncmd /SERVER /ADMINHUB:VPN /CMD UserGet "$1" >/dev/null 2>&1 ||
		softether_hub UserCreate "$1" /GROUP:none /REALNAME:none /NOTE:none
	softether_hub UserPasswordSet "$1" "/PASSWORD:$2"
}

# softether_ipsec yes|no [PSK]: L2TP/IPsec on or off; returns when it is so.
softether_ipsec() {
	softether_admin IPsecEnable "/L2TP:$1" /L2TPRAW:no /ETHERIP:no \
		"/PSK:${2:-$SOFTETHER_PSK}" /DEFAULTHUB:VPN
	if [[ $1 == yes ]]; then
		lab_wait 30 "SoftEther opens its ports" softether_is_ready
	else
		lab_wait 30 "SoftEther closes its ports" softether_is_deaf
	fi
}

# The names of the sessions that clients hold, one a line; the hub's own are left out.
softether_sessions() {
	softether_vpncmd /SERVER /ADMINHUB:VPN /CSV /CMD SessionList | cut -d, -f1 | grep '\[L2TP\]' || true
}

# softether_drop SESSION: the administrator throws somebody out.
softether_drop() {
	softether_hub SessionDisconnect "$1"
}

# softether_logged PATTERN: the lines of the hub's and the server's logs that match, if any do.
softether_logged() {
	grep -rh --include='*.log' -e "$1" "$LAB_DIR/softether"
}

# The server's main process starts one that serves; a TERM to that ends both.
softether_stop() {
	local pids
	mapfile -t pids < <(pgrep -P "$SOFTETHER_PID" || true)
	kill -TERM "${pids[@]}" "$SOFTETHER_PID" 2>/dev/null || true
	wait "$SOFTETHER_PID" 2>/dev/null || true
	lab_wait 30 "SoftEther ends" softether_is_gone "${pids[@]}"
}

# The one that serves outlives its parent for as long as sessions want to be closed.
softether_is_gone() {
	! kill -0 "$@" 2>/dev/null
}

# As when the power fails: no goodbye to anybody.
softether_kill() {
	local pids
	mapfile -t pids < <(pgrep -P "$SOFTETHER_PID" || true)
	kill -KILL "${pids[@]}" "$SOFTETHER_PID" 2>/dev/null || true
	wait "$SOFTETHER_PID" 2>/dev/null || true
}
