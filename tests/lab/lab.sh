#!/usr/bin/env bash
# The lab: plays scenarios of scenarios.txt in a kernel of its own, with strongSwan, xl2tpd and pppd.
#
#   lab.sh [--bin DIR] [SCENARIO...]   these, or all; each on the first of its planes
#   lab.sh [--bin DIR] --all           on each of its planes
#   lab.sh --list
#   --jobs N: so many at a time in the one guest; they wait more than they work
# UML_KERNEL and UML_MODULES: another kernel, see uml.sh; STOCK_KERNEL: QEMU with that one, see qemu.sh.
#
# Of one that fails everything is kept in build/lab/SCENARIO/PLANE.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
root=$(realpath "$here/../..")
window=$root/build/lab
bin=${VPND_BIN:-$root/build/release/bin}
jobs=4
names=() plays=() planes=first guest=
machine=(uml.sh -m 1G) patience=1
[[ -z ${STOCK_KERNEL:-} ]] || machine=(qemu.sh -m 3G) patience=5 # with sanitizers, and slow
declare -A waiting=()
passed=0 failed=0 skipped=0

table() {
	grep -v -e '^#' -e '^$' "$here/scenarios.txt"
}

# choose NAME: its first plane, or each.
choose() {
	local of plane
	read -ra of < <(table | awk -F'|' -v name="$1" '{ gsub(/ /, "", $1) } $1 == name { print $2 }') || true
	((${#of[@]})) || { echo "lab: no scenario $1; lab.sh --list shows them" >&2 && exit 2; }
	for plane in "${of[@]}"; do
		plays+=("$1/$plane")
		waiting[$1/$plane]=yes
		[[ $planes == every ]] || break
	done
}

# judge PLAY STATUS WHY: that it ended well is not enough, the uplink must have been clean.
judge() {
	local kept=$window/$1 outcome=FAILED why=${3:-} moved=
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
	printf '[%10s ] %s: %s\n' "$outcome" "$1" "${why//$'\n'/; }"
}

close() {
	trap '' INT TERM HUP # a second signal would end the tidying up
	[[ -z $guest ]] || kill -TERM "$guest" 2>/dev/null || true
	wait "$guest" 2>/dev/null || true
}
trap close EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

while (($#)); do
	case $1 in
	--bin) bin=$2 && shift ;;
	--jobs) jobs=$2 && shift ;;
	--all) planes=every ;;
	--list) table && exit ;;
	-*) sed -n '2,/^set/{/^set/d; s/^# \{0,1\}//p}' "$0" >&2 && exit 2 ;;
	*) names+=("$1") ;;
	esac
	shift
done
((${#names[@]})) || mapfile -t names < <(table | awk '{ print $1 }')
for name in "${names[@]}"; do
	choose "$name"
done

rm -rf "$window"
mkdir -p "$window"
export VPND_BIN
VPND_BIN=$(realpath "$bin")
seconds=$((patience * (600 + 60 * ${#plays[@]})))
exec {said}< <(exec "$here/${machine[0]}" "${machine[@]:1}" -t $seconds "$window" \
	env "VPND_BIN=$VPND_BIN" "$here/guest.sh" "$jobs" "$window" "${plays[@]}")
guest=$!
while read -r -u "$said" word play status rest; do
	case $word in
	played) judge "$play" "$status" ;;
	skip:) echo "$word $play $status $rest" ;;
	*) echo "$word $play $status $rest" >>"$window/console" ;;
	esac
done
status=0
wait "$guest" || status=$?
guest=
if ((status == 77)); then
	exit 77
fi
for play in "${!waiting[@]}"; do
	mkdir -p "$window/$play"
	judge "$play" "$status" "the guest ended with $status before this did"
done
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0))
