#!/usr/bin/env bash
# Inside a guest of uml.sh: plays scenarios, a few at a time. guest.sh JOBS WINDOW GROUND PLAY..., where the
# ground, warm.sh or masked.sh, is what is done before.
#
# A play is NAME/PLANE. For each one line "played PLAY STATUS SECONDS"; WINDOW/PLAY then holds what it
# said, its recording of the uplink, and all logs if it failed.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
readonly jobs=$1 window=$2
declare -A began=() play_of=()
. "$here/$3"
shift 3

begin() {
	mkdir -p "$window/$1"
	"$here/scenario.sh" "${1%/*}" "${1#*/}" "$window/$1" >"$window/$1/said" 2>&1 </dev/null &
	play_of[$!]=$1 began[$!]=$SECONDS
}

end_one() {
	local pid status=0
	wait -n -p pid "${!play_of[@]}" || status=$?
	echo "played ${play_of[$pid]} $status $((SECONDS - began[$pid]))"
	unset "play_of[$pid]"
}

for play in "$@"; do
	((${#play_of[@]} < jobs)) || end_one
	begin "$play"
done
while ((${#play_of[@]})); do
	end_one
done
