# shellcheck shell=bash
# One command as root in a kernel of its own: what uml.sh and qemu.sh have in common. They take
#
#   [-m MEMORY] [-t SECONDS] [-p PLACE] DIR COMMAND...
#
# The command sees this host's files through an overlay, what it writes is gone with the guest; DIR
# alone is shared with the host. Guests that run at the same time have places 0, 1... They print what the command prints and end as it ends, or with
#   77  no such guest can run here, after a line "skip: WHY"
#   124 it was not through in time
#   125 the guest died
#
# To be sourced. boot_options "$@" sets the variables below, boot_guest MACHINE does the rest, where
# MACHINE is a function that ends by becoming the machine, with its console as its output. The machine
# begins with the script `init`, and must die with the process that made it.

boot_memory=512M
boot_seconds=600
boot_place=0
boot_window=
boot_command=()
boot_run= # this run's folder in the window

boot_options() {
	local option
	while getopts m:t:p: option; do
		case $option in
		m) boot_memory=$OPTARG ;;
		t) boot_seconds=$OPTARG ;;
		p) boot_place=$OPTARG ;;
		*) exit 2 ;;
		esac
	done
	shift $((OPTIND - 1))
	boot_window=$(realpath "$1")
	boot_command=("${@:2}")
}

boot_skip() {
	echo "skip: $*"
	exit 77
}

boot_put_away() {
	local jobs
	trap '' INT TERM HUP # a second signal would end the tidying up
	mapfile -t jobs < <(jobs -p)
	((${#jobs[@]} == 0)) || kill -KILL "${jobs[@]}" 2>/dev/null || true
	wait 2>/dev/null || true
	rm -rf "$boot_run"
}

readonly boot_between_marks='1,/^@@BEGIN@@$/d; /@@END@@$/,$ { s/@@END@@$//; T; /./p; d }; p'

boot_guest() {
	local guest clock over
	((EUID == 0)) || boot_skip "a guest has the rights of its user here, and needs root's"
	boot_run=$(mktemp -d "$boot_window/guest.XXXXXX")
	trap boot_put_away EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	printf '%q ' "${boot_command[@]}" >"$boot_run/command"
	pwd >"$boot_run/cwd"

	"$1" </dev/null 2>"$boot_run/stderr" | stdbuf -o0 tr -d '\r' | tee "$boot_run/console" |
		sed -u -n "$boot_between_marks" &
	guest=$!
	sleep "$boot_seconds" &
	clock=$!
	wait -n -p over "$guest" "$clock" || true
	if [[ $over == "$clock" ]]; then
		echo "${0##*/}: not through in $boot_seconds s" >&2
		exit 124
	fi
	if [[ -s $boot_run/status ]]; then
		exit "$(<"$boot_run/status")"
	fi
	[[ -e $boot_run/booted ]] || boot_skip "no guest boots here: $(tail -n 1 "$boot_run/stderr")"
	echo "${0##*/}: the guest died: $(tail -q -n 5 "$boot_run/console" "$boot_run/stderr")" >&2
	exit 125
}
