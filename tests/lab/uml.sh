#!/usr/bin/env bash
# A command in User-Mode Linux: see boot.sh. UML_KERNEL is the kernel, UML_MODULES the folder with
# VERSION/ of its modules; without them they are those of Debian's package.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
. "$here/boot.sh"
readonly kernel=${UML_KERNEL:-/usr/bin/linux.uml}
readonly modules=${UML_MODULES:-/usr/lib/uml/modules}

# Those that we may use, one a line.
processors() {
	local range
	for range in $(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status | tr , ' '); do
		seq "${range%-*}" "${range#*-}"
	done
}

# TMPDIR: the guest's memory is a file without a name there, and must not lie on a disk.
# con0: nobody types; the console's other noise is cut by the two marks of the init. taskset: UML and the
# processes it traces take turns; on one processor a fork takes a third of the time. UML is PID 1 of a
# namespace: all its processes end with it, and it ends with this shell, also when there was no time for
# a trap.
uml() {
	local processors
	mapfile -t processors < <(processors)
	TMPDIR=/dev/shm exec setsid setpriv --pdeathsig KILL taskset -c "${processors[boot_place % ${#processors[@]}]}" \
		unshare --pid --fork --kill-child \
		"$kernel" "mem=$boot_memory" rootfstype=hostfs rootflags=/ rw quiet con=null con0=null,fd:1 \
		ssl=null "uml_dir=$boot_run" umid=guest \
		"init=$here/init" "RUN=$boot_run" "WINDOW=$boot_window" "MODULES=$modules"
}

boot_options "$@"
[[ -x $kernel ]] || boot_skip "no kernel $kernel: the package user-mode-linux"
boot_guest uml
