#!/usr/bin/env bash
# Plays one line of scenarios.txt, in a guest of uml.sh: scenario.sh NAME PLANE KEEP. The recording of
# the uplink is left in the directory KEEP, and everything else when it fails.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
. "$here/../net/netns.sh"
. "$here/../net/vpnd.sh" "$VPND_BIN"
. "$here/../net/gatewayd.sh"
. "$here/../interop/capture.sh"
. "$here/hosts.sh"
. "$here/trio.sh"
. "$here/verbs.sh"
. "$here/slow.sh"
readonly play=$1 play_plane=$2 play_keep=$3

# split TEXT INTO: what stands between the semicolons of TEXT, as an array.
split() {
	local -n into=$2
	local word list
	IFS=';' read -ra list <<<"$1"
	for word in "${list[@]}"; do
		read -r word <<<"$word"
		[[ -z $word ]] || into+=("$word")
	done
}

# The server's kernel knows the keys of what is in the recording.
play_ended() {
	local space
	trio_end server
	trio_end client
	if (($1 == 0)); then
		cp "$LAB_DIR/uplink.pcap" "$LAB_DIR/moved" "$play_keep/"
	elif (($1 != 77)) && cd "$LAB_DIR"; then
		for space in server client; do
			ip -n "$(lab_ns "$space")" xfrm state >"xfrm-state-$space" || true
			ip -n "$(lab_ns "$space")" xfrm policy >"xfrm-policy-$space" || true
		done
		find . -type f -exec cp --parents -t "$play_keep" {} +
	fi
	lab_end
}

steps=() server_keys=() client_keys=()
IFS='|' read -r _ _ hosts server connection story < <(grep "^$play *|" "$here/scenarios.txt")
split "$server" server_keys
split "$connection" client_keys
split "$story" steps
read -ra host_words <<<"$hosts"

vpnd_lab "$play"
trap 'play_ended $?' EXIT
mkfifo "$LAB_DIR/nothing"
: >"$LAB_DIR/moved" # the port that the server has got besides
exec {nothing}<>"$LAB_DIR/nothing"
if [[ ${host_words[-1]} == masked ]]; then
	hosts_new "${host_words[@]:0:${#host_words[@]}-1}"
	[[ $(modinfo -F filename esp4) != *builtin* ]] || lab_skip "this kernel has ESP built in"
	gatewayd_start server --own "$TRIO_INSIDE" --pool 192.168.42.10
	play_conf=auto # it finds out by itself
else
	hosts_new "${host_words[@]}"
	trio_new server
	trio_serve server "${server_keys[@]}"
	trio_mute server
	trio_start server ipsec
	trio_start server l2tp
	play_conf=$play_plane
fi
[[ ${host_words[0]} != v6 ]] || trio_start server relay
vpnd_conf client corp "data-plane = $play_conf" "${client_keys[@]}"
vpnd_resolv client $'nameserver 192.0.2.1\n'
vpnd_remember client
vpnd_start client --log-level debug
capture_start client up0 "$LAB_DIR/uplink.pcap"
for step in "${steps[@]}"; do
	echo "$SECONDS s: $step"
	read -ra words <<<"$step"
	"verb_${words[0]}" "${words[@]:1}"
done
capture_stop
vpnd_clean client
vpnd_stop client
