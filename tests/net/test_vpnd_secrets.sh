#!/usr/bin/env bash
# Where secrets are: a pre-shared key, passwords from a file, from a prompt and from a call, and every
# key of IKE and ESP (the gateway tells them), looked for in the memory of vpnd and of a waiting vpnctl,
# and in all that they write. While connected each is in memory once, where it is needed, and the keys
# where they are used; after a disconnect, a refusal or a failure nowhere, with vpnd alive.
#
# Runs on a build without sanitizer: ASan keeps what was freed and fills it with its own octets.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
. "$here/netns.sh"
. "$here/vpnd.sh"
. "$here/gatewayd.sh"

# Long ones: what is freed is soon overwritten, but seldom all of it.
canary() {
	printf "$1-%03d." $(seq "${2:-25}")
}

PSK=$(canary key 15) PASSWORD=$(canary file) TYPED=$(canary tapt) WRONG=$(canary fals)
readonly PSK PASSWORD TYPED WRONG

# How often each may be in vpnd's memory. A typed password is the connection's, for reconnecting, and the
# PPP link's, whose server may ask again. A pair's keys: OpenSSL's key schedules and, on x86-64, those of
# the multi-buffer library, both for a time after a rekey; of IKE what renewals and deletes need.
readonly SHARED=(psk=1 SKEYID_d=1 SKEYID_a=1 IKE=1 ESP_in=8 ESP_out=8 ESP_in_auth=2 ESP_out_auth=2)

hex_of() {
	printf %s "$1" | od -An -v -tx1 | tr -d ' \n'
}

note_secrets() {
	local word
	{
		echo "psk $(hex_of "$PSK")"
		echo "password $(hex_of "$PASSWORD")"
		echo "password-typed $(hex_of "$TYPED")"
		echo "password-wrong $(hex_of "$WRONG")"
		cat "$LAB_DIR/keys"
	} >"$LAB_DIR/secrets"
	for word in SKEYID SKEYID_d SKEYID_a SKEYID_e IKE ESP_in ESP_out; do
		grep -q "^$word " "$LAB_DIR/keys" || lab_fail "the gateway told no $word"
	done
}

# scan TITLE [NAME=MOST]...: vpnd's memory.
scan() {
	local said=$LAB_DIR/scan
	note_secrets
	python3 "$here/memscan.py" "$LAB_DIR/secrets" pid "${VPND_PID[client]}" "${@:2}" >"$said" ||
		lab_fail "$1: $(cat "$said")"
	echo "figure: vpnd, $1: $(tail -n 1 "$said")"
}

# The scanner is not blind: what is needed is found.
scan_sees() {
	[[ $(tail -n 1 "$LAB_DIR/scan") == *"psk 1"* && $(tail -n 1 "$LAB_DIR/scan") == *"$1"* ]] ||
		lab_fail "the scanner does not see $1: $(cat "$LAB_DIR/scan")"
}

gateway_with() {
	[[ -z ${GATEWAYD_PID[gateway]:-} ]] || gatewayd_stop gateway
	gatewayd_start gateway --psk "$PSK" --keylog "$LAB_DIR/keys" "$@"
}

# With 20 KiB of comment in front of the secrets: no allocation that follows reaches so far.
conf() {
	local comment
	mapfile -t comment < <(seq -f "# %.0f of 400, which is a line of a comment in a file" 400)
	vpnd_conf client "$1" "${comment[@]}" "routes = 10.99.0.0/24" "dns = none" "${@:2}"
}

typing() {
	lab_in client python3 "$here/type.py" "$1" "$VPND_BIN/vpnctl" --socket "$(vpnd_home client)/run/io.vpnd" \
		connect "$2" >>"$LAB_DIR/said" 2>&1
}

hang_up() {
	vpnctl client disconnect "$1" >>"$LAB_DIR/said"
	scan "$2"
}

vpnd_lab secrets
gatewayd_pair client gateway
: >"$LAB_DIR/keys"
vpnd_start client --log-level debug

# ---- a file that holds both ------------------------------------------------------------------

conf whole "psk = $PSK" "password = $PASSWORD"
gateway_with --password "$PASSWORD"
vpnctl client connect whole >>"$LAB_DIR/said"
vpnd_ping client "$GATEWAYD_INSIDE"
scan "connected, MS-CHAPv2, AES-GCM" "${SHARED[@]}" password=1
scan_sees "password 1"
cat "$(vpnd_home client)"/run/journal >"$LAB_DIR/journal"
for word in log status show; do
	vpnctl client "$word" whole >>"$LAB_DIR/said"
	vpnctl client --json "$word" whole >>"$LAB_DIR/said"
done
gatewayd_say gateway rekey
vpnd_until client whole ike.quick_modes 2
vpnd_ping client "$GATEWAYD_INSIDE"
scan "after a rekey" "${SHARED[@]}" password=1
vpnctl client reconnect whole >>"$LAB_DIR/said"
scan "after a reconnect" "${SHARED[@]}" password=1
hang_up whole "disconnected"
vpnctl client show whole >>"$LAB_DIR/said"
vpnctl client list >>"$LAB_DIR/said"
vpnctl client reload >>"$LAB_DIR/said"
scan "after show, list and reload"

# ---- a key in hex, a password that is typed; vpnctl waits for the verdict -----------------------

conf typed "psk = $(hex_of "$PSK")" "psk-encoding = hex" -password "ike = aes128-sha1-ecp256" "esp = aes128-sha1"
gateway_with --password "$TYPED" --login-delay 3000
typing "$TYPED" typed &
typist=$!
lab_wait 20 "the password is typed" vpnd_logs client "typed: mschapv2 out code=2"
vpnctl_pid=$(pgrep -P "$(pgrep -P "$typist")")
note_secrets
tr '\0' '\n' <"/proc/$vpnctl_pid/cmdline" >"$LAB_DIR/argv.vpnctl"
tr '\0' '\n' <"/proc/$vpnctl_pid/environ" >>"$LAB_DIR/argv.vpnctl"
python3 "$here/memscan.py" "$LAB_DIR/secrets" pid "$vpnctl_pid" >"$LAB_DIR/scan" ||
	lab_fail "vpnctl, waiting: $(cat "$LAB_DIR/scan")"
echo "figure: vpnctl, waiting for the verdict: $(tail -n 1 "$LAB_DIR/scan")"
wait "$typist" || lab_fail "typed: $(cat "$LAB_DIR/said")"
scan "connected, typed, AES-CBC" "${SHARED[@]}" password-typed=2
scan_sees "password-typed 2"
hang_up typed "disconnected, typed"

# ---- from files of their own; PAP sends it in clear inside -------------------------------------

printf '%s\n' "$PSK" >"$LAB_DIR/psk"
printf '%s\n' "$TYPED" >"$LAB_DIR/password"
chmod 600 "$LAB_DIR/psk" "$LAB_DIR/password"
conf files -psk "psk-file = $LAB_DIR/psk" -password "auth = pap" "ike = 3des-sha1-modp1024" "esp = 3des-sha1"
gateway_with --password "$TYPED" --auth pap
vpnctl client connect files --password-file "$LAB_DIR/password" >>"$LAB_DIR/said"
scan "connected, --password-file, PAP, 3DES" "${SHARED[@]}" password-typed=1
hang_up files "disconnected, --password-file"

# ---- everything with the call; its end is the connection's -------------------------------------

gateway_with --password "$TYPED" --auth chap-md5
python3 "$here/inline.py" "$(vpnd_home client)/run/io.vpnd" "$PSK" "$TYPED" >"$LAB_DIR/inline" 2>&1 &
caller=$!
lab_wait 20 "the call's connection is up" grep -qsx up "$LAB_DIR/inline"
scan "connected, settings with the call, CHAP-MD5" "${SHARED[@]}" password-typed=1
kill "$caller"
vpnd_until client inline state down
scan "the caller is gone"

# ---- refused ---------------------------------------------------------------------------------

conf refused "psk = $PSK" "password = $WRONG"
gateway_with --password "$PASSWORD"
vpnd_refuses client 6 PPP-AUTH-REFUSED connect refused
scan "the password of the file refused"
conf asked "psk = $PSK" -password
! typing "$WRONG" asked || lab_fail "a wrong password was taken"
scan "the typed password refused"
conf otherpsk "psk = $WRONG" "password = $PASSWORD"
vpnd_refuses client 6 IKE-PSK-WRONG connect otherpsk
scan "the key refused"

# ---- what is written ---------------------------------------------------------------------------

home=$(vpnd_home client) pid=${VPND_PID[client]}
tr '\0' '\n' <"/proc/$pid/cmdline" >"$LAB_DIR/argv.vpnd"
tr '\0' '\n' <"/proc/$pid/environ" >>"$LAB_DIR/argv.vpnd"
[[ -s $LAB_DIR/argv.vpnctl && -s $LAB_DIR/journal ]] || lab_fail "there is nothing to look through"
python3 "$here/memscan.py" "$LAB_DIR/secrets" files "$home/log" "$home/state" "$home/error" \
	"$home/run/journal" "$LAB_DIR/journal" "$LAB_DIR/said" "$LAB_DIR/inline" "$LAB_DIR"/argv.* >"$LAB_DIR/scan" || lab_fail "$(cat "$LAB_DIR/scan")"
echo "figure: log at debug, journal, state, log/status/show, errors, argv and environ: $(tail -n 1 "$LAB_DIR/scan")"

grep -q '^Max core file size *0 *0 ' "/proc/$pid/limits" || lab_fail "vpnd may write a core file"
# Somebody with vpnd's own uid and capabilities reads any process like that, but one that is not dumpable.
equal=(setpriv --bounding-set "-all,+net_admin,+net_raw,+net_bind_service" --inh-caps -all)
"${equal[@]}" sleep 60 &
other=$!
lab_wait 10 "an equal process may be read" "${equal[@]}" head -c 1 "/proc/$other/environ" >/dev/null 2>&1
! "${equal[@]}" head -c 1 "/proc/$pid/environ" >/dev/null 2>&1 || lab_fail "vpnd is dumpable"
kill "$other"
grep -q '^LimitCORE=0$' "$here/../../dist/vpnd.service.in" || lab_fail "the unit allows core files"
echo "figure: no core file: RLIMIT_CORE 0, not dumpable, LimitCORE=0 in the unit"
vpnd_stop client
