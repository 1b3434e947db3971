# shellcheck shell=bash
# strongSwan, xl2tpd and pppd in a namespace of tests/net/netns.sh, as the usual how-tos set them up.
# To be sourced after it. Each trio has a /run of its own, $LAB_DIR/trio-SPACE/run, and in it all of its
# files: etc/ and log/.
#
#   trio_new SPACE, trio_in SPACE COMMAND..., trio_end SPACE
#   trio_serve SPACE ["KEY=VALUE"...]   the files of a server: psk, password, or a key of ipsec.conf
#   trio_mute SPACE                     a server that never answers in clear text: charon gives its kernel the
#                                       SAs first and then the policies, and xl2tpd may be quicker
#   trio_dial SPACE ADDRESS ["KEY=VALUE"...]   the files of a client of that server, the same keys
#   trio_down SPACE                     what a user of those types to disconnect; TRIO_UP is how he connects,
#                                       what was said is in log/up
#   trio_start SPACE ipsec|l2tp|relay   returns when it listens. xl2tpd knows no IPv6: what comes to
#                                       2001:db8:2::1 is handed to it by a relay
#   trio_stop SPACE ipsec|l2tp          as an administrator does: with goodbyes
#   trio_kill SPACE PROGRAM...          as when the power fails

declare -A TRIO_PID=() # "SPACE ipsec", "SPACE l2tp", "SPACE relay"
readonly TRIO_INSIDE=192.168.42.1

# pppd alone has a file that no option names.
trio_new() {
	local home=$LAB_DIR/trio-$1
	mkdir -p "$home"/run/{etc,log,xl2tpd,lock}
	: >"$home/run/etc/chap-secrets"
	: >"$home/mounts"
	# shellcheck disable=SC2016 # expanded by the inner shell
	unshare --mount="$home/mounts" --propagation private sh -c '
		mount --bind "$0/run" /run && mount --bind /run/etc/chap-secrets /etc/ppp/chap-secrets' "$home"
}

trio_in() {
	nsenter --net="/run/netns/$LAB_NAME-$1" --mount="$LAB_DIR/trio-$1/mounts" -- "${@:2}"
}

trio_end() {
	umount "$LAB_DIR/trio-$1/mounts" 2>/dev/null || true
}

# ---- the files of a server ------------------------------------------------------------------

trio_serve() {
	local etc=$LAB_DIR/trio-$1/run/etc word
	local -A key=([psk]=labpsk123 [password]=wonderland [keyexchange]=ikev1 [authby]=secret
		[type]=transport [left]=%defaultroute [leftprotoport]=17/1701 [right]=%any
		[rightprotoport]=17/%any [rekey]=no [dpddelay]=30s [dpdtimeout]=120s
		[dpdaction]=clear [auto]=add)
	for word in "${@:2}"; do
		key[${word%%=*}]=${word#*=}
	done
	umask 077
	printf ': PSK "%s"\n' "${key[psk]}" >"$etc/ipsec.secrets"
	printf 'alice l2tpd "%s" *\n' "${key[password]}" >"$etc/chap-secrets"
	unset 'key[psk]' 'key[password]'
	{
		printf '%s\n' "config setup" "	uniqueids=no" "conn l2tp"
		for word in "${!key[@]}"; do
			printf '\t%s=%s\n' "$word" "${key[$word]}"
		done
	} >"$etc/ipsec.conf"
	printf '%s\n' "charon {" "load_modular = yes" \
		"plugins {" "include /etc/strongswan.d/charon/*.conf" \
		"stroke {" "secrets_file = /run/etc/ipsec.secrets" "}" "}" \
		"filelog {" "lab {" "path = /run/log/charon" "time_format = %T" "time_add_ms = yes" \
		"flush_line = yes" "ike_name = yes" "}" "}" "}" \
		"starter {" "config_file = /run/etc/ipsec.conf" "}" >"$etc/strongswan.conf"
	printf '%s\n' "[global]" "port = 1701" "access control = no" \
		"[lns default]" "ip range = 192.168.42.10-192.168.42.250" "local ip = $TRIO_INSIDE" \
		"require chap = yes" "refuse pap = yes" "require authentication = yes" "name = l2tpd" \
		"pppoptfile = /run/etc/options.xl2tpd" "length bit = yes" >"$etc/xl2tpd.conf"
	printf '%s\n' "name l2tpd" auth refuse-pap refuse-chap refuse-mschap require-mschap-v2 \
		"ms-dns $TRIO_INSIDE" "mtu 1400" "mru 1400" noccp "lcp-echo-interval 30" \
		"lcp-echo-failure 4" "connect-delay 5000" debug "logfile /run/log/pppd" >"$etc/options.xl2tpd"
}

trio_mute() {
	lab_in "$1" iptables-legacy -A OUTPUT ! -o lo -p udp --sport 1701 -m policy --dir out --pol none -j DROP
}

# ---- the files of a client ------------------------------------------------------------------

trio_dial() {
	local etc=$LAB_DIR/trio-$1/run/etc
	trio_serve "$1" left=%defaultroute leftprotoport=17/1701 right="$2" rightid=%any \
		rightprotoport=17/1701 dpdtimeout=150s keyingtries=1 "${@:3}"
	printf '%s\n' "[global]" "port = 1701" "[lac l2tp]" "lns = $2" \
		"pppoptfile = /run/etc/options.l2tpd" "length bit = yes" >"$etc/xl2tpd.conf"
	printf '%s\n' nodetach noipdefault nodefaultroute noauth refuse-eap refuse-pap refuse-chap \
		refuse-mschap "name alice" "password $(sed -n 's/^alice l2tpd "\(.*\)".*/\1/p' "$etc/chap-secrets")" \
		usepeerdns "mtu 1400" "mru 1400" noccp "lcp-echo-interval 30" "lcp-echo-failure 5" \
		debug "logfile /run/log/pppd" >"$etc/options.l2tpd"
}

# It says that it is established, or not; its status is 0 either way.
# shellcheck disable=SC2016,SC2034 # expanded by the user's shell, by whoever sources us
readonly TRIO_UP='ipsec up l2tp >/run/log/up; [[ $(</run/log/up) == *"established successfully"* ]] &&
	echo "c l2tp" >/run/xl2tpd/control'

trio_down() {
	echo "d l2tp" >"$LAB_DIR/trio-$1/run/xl2tpd/control"
	lab_wait 30 "pppd of $1 has ended" trio_is_hung_up "$1"
	trio_in "$1" ipsec down l2tp >/dev/null
}

trio_is_hung_up() {
	! trio_in "$1" ip link show ppp0 >/dev/null 2>&1
}

# ---- the daemons ----------------------------------------------------------------------------

trio_start() {
	local home=$LAB_DIR/trio-$1 log=$LAB_DIR/trio-$1/run/log command
	case $2 in
	ipsec) command=(ipsec start --nofork) ;;
	l2tp) command=(xl2tpd -D -c /run/etc/xl2tpd.conf -p /run/xl2tpd/pid -C /run/xl2tpd/control) ;;
	relay) command=(socat UDP6-LISTEN:1701,bind=[2001:db8:2::1],fork UDP4:127.0.0.1:1701) ;;
	esac
	[[ ! -e $log/charon || $2 != ipsec ]] || mv "$log/charon" "$log/charon.before"
	STRONGSWAN_CONF=/run/etc/strongswan.conf nsenter --net="/run/netns/$LAB_NAME-$1" \
		--mount="$home/mounts" -- "${command[@]}" >>"$log/$2" 2>&1 </dev/null &
	TRIO_PID[$1 $2]=$!
	lab_wait 60 "$2 of $1 listens" "trio_${2}_listens" "$1"
}

trio_ipsec_listens() {
	kill -0 "${TRIO_PID[$1 ipsec]}" 2>/dev/null || lab_fail "starter has ended"
	grep -qs "added configuration 'l2tp'" "$LAB_DIR/trio-$1/run/log/charon"
}

# In the kernel's table: 06A5 is UDP port 1701.
trio_l2tp_listens() {
	kill -0 "${TRIO_PID[$1 l2tp]}" 2>/dev/null || lab_fail "xl2tpd has ended"
	grep -q ':06A5 ' "/proc/${TRIO_PID[$1 l2tp]}/net/udp"
}

trio_relay_listens() {
	grep -q ':06A5 ' "/proc/${TRIO_PID[$1 relay]}/net/udp6"
}

trio_stop() {
	case $2 in
	ipsec) trio_in "$1" ipsec stop >/dev/null ;;
	*) kill -TERM "${TRIO_PID[$1 $2]}" ;;
	esac
	wait "${TRIO_PID[$1 $2]}" 2>/dev/null || true
}

# trio_kill SPACE PROGRAM...: all that run there, charon also if its starter will notice.
trio_kill() {
	local pid
	for pid in $(ip netns pids "$(lab_ns "$1")"); do
		[[ " ${*:2} " == *" $(<"/proc/$pid/comm") "* ]] || continue
		kill -KILL "$pid" || [[ ! -e /proc/$pid ]]
	done
}
