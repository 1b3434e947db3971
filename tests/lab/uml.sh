#!/usr/bin/env bash
# Runs one command as root in a kernel of its own: User-Mode Linux. It sees this host's files through
# an overlay, what it writes is gone with the guest; DIR alone is shared with the host.
#
#   uml.sh [-m MEMORY] [-t SECONDS] DIR COMMAND...
#
# Prints what the command prints and ends as it ends, or with
#   77  no such kernel can run here, after a line "skip: WHY"
#   124 it was not through in time
#   125 the guest died
#
# UML_KERNEL is the kernel, UML_MODULES the folder with VERSION/ of its modules.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
kernel=${UML_KERNEL:-/usr/bin/linux.uml}
modules=${UML_MODULES:-/usr/lib/uml/modules}
memory=512M seconds=600

while getopts m:t: option; do
	case $option in
	m) memory=$OPTARG ;;
	t) seconds=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
window=$(realpath "$1")
shift

no_guest() {
	echo "skip: $*"
	exit 77
}

((EUID == 0)) || no_guest "a guest has the rights of its user here, and needs root's"
[[ -x $kernel ]] || no_guest "no kernel $kernel: the package user-mode-linux"

run=$(mktemp -d "$window/uml.XXXXXX")

# UML is PID 1 of a namespace: all its processes end with it, and it ends with this shell, also when
# there was no time for a trap.
put_away() {
	local jobs
	trap '' INT TERM HUP # a second signal would end the tidying up
	mapfile -t jobs < <(jobs -p)
	((${#jobs[@]} == 0)) || kill -KILL "${jobs[@]}" 2>/dev/null || true
	wait 2>/dev/null || true
	rm -rf "$run"
}
trap put_away EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

printf '%q ' "$@" >"$run/command"
pwd >"$run/cwd"

readonly between_marks='1,/^@@BEGIN@@$/d; /@@END@@$/,$ { s/@@END@@$//; T; /./p; d }; p'
# TMPDIR: the guest's memory is a file without a name there, and must not lie on a disk.
# con0: nobody types; the console's other noise is cut by the two marks of the init. taskset: UML and the
# processes it traces take turns; on one processor a fork takes a third of the time.
boot() {
	local processors
	processors=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)
	TMPDIR=/dev/shm exec setsid setpriv --pdeathsig KILL taskset -c "${processors##*[,-]}" \
		unshare --pid --fork --kill-child \
		"$kernel" "mem=$memory" rootfstype=hostfs rootflags=/ rw quiet con=null con0=null,fd:1 ssl=null \
		"uml_dir=$run" umid=guest "init=$here/init" "RUN=$run" "WINDOW=$window" "MODULES=$modules"
}
boot </dev/null 2>"$run/stderr" | stdbuf -o0 tr -d '\r' | sed -u -n "$between_marks" &
guest=$!
sleep "$seconds" &
clock=$!
wait -n -p over "$guest" "$clock" || true
if [[ $over == "$clock" ]]; then
	echo "uml.sh: not through in $seconds s" >&2
	exit 124
fi

if [[ -s $run/status ]]; then
	exit "$(<"$run/status")"
fi
[[ -e $run/booted ]] || no_guest "User-Mode Linux does not boot here: $(tail -n 1 "$run/stderr")"
echo "uml.sh: the guest died: $(tail -n 3 "$run/stderr")" >&2
exit 125
