#!/usr/bin/env bash
# The lab: plays scenarios of scenarios.txt in kernels of its own, with strongSwan, xl2tpd and pppd.
#
#   lab.sh [--bin DIR] [SCENARIO...]   these, or all; each on the first of its planes
#   lab.sh [--bin DIR] --all           on each of its planes
#   lab.sh --list
#   --guests N: so many kernels at the same time, one for each processor if nothing is said
#   --jobs N: so many at a time in each; they wait more than they work
# UML_KERNEL and UML_MODULES: another kernel, see uml.sh; STOCK_KERNEL: QEMU with that one, see qemu.sh.
#
# Of one that fails everything is kept in build/lab/SCENARIO/PLANE.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
root=$(realpath "$here/../..")
window=$root/build/lab
bin=${VPND_BIN:-$root/build/release/bin}
jobs=3 guests=$(nproc)
names=() plays=() masked=() planes=first
machine=(uml.sh -m 1G) patience=1
[[ -z ${STOCK_KERNEL:-} ]] || machine=(qemu.sh -m 3G) patience=5 guests=1 # with sanitizers, and slow
declare -A waiting=() place_of=() # by play
running=()                        # guests, by place
passed=0 failed=0 skipped=0

table() {
	grep -v -e '^#' -e '^$' "$here/scenarios.txt"
}

# choose NAME: its first plane, or each.
choose() {
	local of plane list=plays
	[[ $1 != *masked* ]] || list=masked
	local -n to=$list
	read -ra of < <(table | awk -F'|' -v name="$1" '{ gsub(/ /, "", $1) } $1 == name { sub(/all:/, "", $2); print $2 }') || true
	((${#of[@]})) || { echo "lab: no scenario $1; lab.sh --list shows them" >&2 && exit 2; }
	for plane in "${of[@]}"; do
		to+=("$1/$plane")
		waiting[$1/$plane]=yes
		[[ $planes == every ]] || break
	done
}

# judge PLAY STATUS SECONDS WHY: that it ended well is not enough, the uplink must have been clean.
judge() {
	local kept=$window/$1 outcome=FAILED why=${4:-} moved=
	unset "waiting[$1]"
	if (($2 == 77)); then
		outcome=SKIPPED why=$(sed -n 's/^skip: //p' "$kept/said")
	elif (($2)); then
		why=${why:-$(sed -n 's/^FAILED: //p' "$kept/said" | tail -n 1)}
	elif moved=$(<"$kept/moved") && why=$(python3 "$here/../interop/allowed.py" "$kept/uplink.pcap" \
		--server 198.51.100.1 --server 2001:db8:2::1 ${moved:+--moved "$moved"}); then
		outcome=OK
	fi
	case $outcome in
	OK) passed=$((passed + 1)) ;;
	SKIPPED) skipped=$((skipped + 1)) ;;
	FAILED) failed=$((failed + 1)) why="${why:-ended with $2} (see build/lab/$1)" ;;
	esac
	[[ $outcome == FAILED ]] || rm -r "$kept"
	rmdir --ignore-fail-on-non-empty "${kept%/*}"
	printf '[%10s ] %s: %s s, %s\n' "$outcome" "$1" "$3" "${why//$'\n'/; }"
}

close() {
	trap '' INT TERM HUP # a second signal would end the tidying up
	((${#running[@]} == 0)) || kill -TERM "${running[@]}" 2>/dev/null || true
	wait
}
trap close EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

while (($#)); do
	case $1 in
	--bin) bin=$2 && shift ;;
	--jobs) jobs=$2 && shift ;;
	--guests) guests=$2 && shift ;;
	--all) planes=every ;;
	--list) table && exit ;;
	-*) sed -n '2,/^set/{/^set/d; s/^# \{0,1\}//p}' "$0" >&2 && exit 2 ;;
	*) names+=("$1") ;;
	esac
	shift
done
((${#names[@]})) || mapfile -t names < <(table | awk -F'|' -v planes=$planes '
	planes == "every" || $2 !~ /all:/ { gsub(/ /, "", $1); print $1 }')
for name in "${names[@]}"; do
	choose "$name"
done

rm -rf "$window"
mkdir -p "$window"
export VPND_BIN
VPND_BIN=$(realpath "$bin")

# start GROUND PLAY...: a guest that plays them.
start() {
	local play place=${#running[@]}
	for play in "${@:2}"; do
		place_of[$play]=$place
	done
	"$here/${machine[0]}" "${machine[@]:1}" -p "$place" -t $((patience * (600 + 60 * ($# - 1)))) "$window" \
		env "VPND_BIN=$VPND_BIN" "$here/guest.sh" "$jobs" "$window" "$@" >"$window/pipe" {hold}>&- &
	running[place]=$!
}

# The plays of this ground go to so many guests at most. Those that wait longest come first in the table: each
# guest gets its share of them.
deal() {
	local share place i n=$2 dealt=("${@:3}")
	((n <= ${#dealt[@]})) || n=${#dealt[@]}
	for ((place = 0; place < n; place++)); do
		share=()
		for ((i = place; i < ${#dealt[@]}; i += n)); do
			share+=("${dealt[i]}")
		done
		start "$1" "${share[@]}"
	done
}

mkfifo "$window/pipe"
exec {hold}<>"$window/pipe"
deal warm.sh "$guests" "${plays[@]}"
deal masked.sh 1 "${masked[@]}"
exec {said}<"$window/pipe" {hold}>&-
while read -r -u "$said" word play status rest; do
	case $word in
	played) judge "$play" "$status" "$rest" ;;
	skip:) echo "$word $play $status $rest" ;;
	*) echo "$word $play $status $rest" >>"$window/console" ;;
	esac
done
ended=()
for place in "${!running[@]}"; do
	ended[place]=0
	wait "${running[place]}" || ended[place]=$?
done
running=()
[[ " ${ended[*]} " != *" 77 "* ]] || exit 77
for play in "${!waiting[@]}"; do
	status=${ended[place_of[$play]]}
	mkdir -p "$window/$play"
	judge "$play" "$status" "?" "the guest ended with $status before this did"
done
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0))
