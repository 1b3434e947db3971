# shellcheck shell=bash
# A machine of its own with a real systemd as PID 1, in a namespace of tests/net/netns.sh. To be
# sourced after it. It sees this host's files through an overlay: what it writes, it alone sees, and
# it is gone with the machine. No device but the harmless ones and /dev/net/tun, no sysctl.
#
#   machine_boot SPACE      returns when systemd is up; its network is SPACE
#   machine COMMAND...      run inside, as root
#   machine_is_up, machine_halt

MACHINE_PID=
MACHINE_JOB=
MACHINE_GROUP=

machine_boot() {
	local root=$LAB_DIR/machine cgroups=/sys/fs/cgroup/unified
	[[ -x /lib/systemd/systemd ]] || lab_skip "systemd is not installed"
	[[ -d $cgroups ]] || cgroups=/sys/fs/cgroup
	[[ -e $cgroups/cgroup.procs ]] || lab_skip "no cgroup2 here"
	mkdir -p "$root/over" "$root/root"
	MACHINE_GROUP=$cgroups/$LAB_NAME
	mkdir "$MACHINE_GROUP" 2>/dev/null || lab_skip "no cgroup can be made here"
	trap 'machine_halt; lab_end' EXIT
	(
		echo "$BASHPID" >"$MACHINE_GROUP/cgroup.procs"
		exec ip netns exec "$(lab_ns "$1")" unshare --mount --pid --ipc --uts --cgroup --fork \
			--kill-child --propagation private bash -euc "$machine_inside" machine "$root"
	) >"$root/said" 2>&1 </dev/null &
	MACHINE_JOB=$!
	lab_wait 10 "the machine has a PID 1" machine_find
	lab_wait 30 "systemd is up" machine_is_up
}

# Expanded by the shell that becomes PID 1.
# shellcheck disable=SC2016
readonly machine_inside='
cd "$1"
mount -t tmpfs tmpfs over
mkdir over/upper over/work
mount -t overlay overlay -o lowerdir=/,upperdir=over/upper,workdir=over/work root
R=$1/root
mount -t proc proc $R/proc
mount --bind $R/proc/sys $R/proc/sys
mount --bind $R/proc/sys/net $R/proc/sys/net
mount -o remount,bind,ro $R/proc/sys
mount -t sysfs -o ro sysfs $R/sys
mount -t cgroup2 none $R/sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs $R/dev
mkdir -p $R/dev/pts $R/dev/shm $R/dev/net $R/dev/mqueue
for d in null zero full random urandom tty net/tun; do
	touch $R/dev/$d
	mount --bind /dev/$d $R/dev/$d
done
touch $R/dev/console
ln -s /proc/self/fd $R/dev/fd
mount -t devpts -o newinstance,ptmxmode=0666 devpts $R/dev/pts
ln -s pts/ptmx $R/dev/ptmx
mount -t tmpfs tmpfs $R/run
mount -t tmpfs tmpfs $R/tmp
rm -rf $R/etc/systemd/system $R/etc/resolv.conf
mkdir $R/etc/systemd/system
printf "%s\n" "[Unit]" "Requires=systemd-journald.service" "AllowIsolate=yes" \
	"After=systemd-journald.service" >$R/etc/systemd/system/lab.target
: >$R/etc/machine-id
: >$R/etc/fstab
: >$R/etc/resolv.conf
cd $R
mkdir .old
pivot_root . .old
umount -l /.old
mount --make-rshared /
exec env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system \
	--unit=lab.target --log-target=journal --show-status=no
'

# PID 1 of the machine is the child of unshare, which the job became.
machine_find() {
	kill -0 "$MACHINE_JOB" 2>/dev/null ||
		lab_skip "systemd cannot be booted in a namespace here: $(cat "$LAB_DIR/machine/said")"
	MACHINE_PID=$(pgrep -P "$MACHINE_JOB") && [[ $(<"/proc/$MACHINE_PID/comm") == systemd ]]
}

machine() {
	nsenter --target "$MACHINE_PID" --all "$@"
}

machine_is_up() {
	machine systemctl is-system-running 2>/dev/null | grep -qx -e running -e degraded
}

# The death of its PID 1 ends everything in it.
machine_halt() {
	[[ -z $MACHINE_PID ]] || kill -KILL "$MACHINE_PID" 2>/dev/null || true
	[[ -z $MACHINE_JOB ]] || wait "$MACHINE_JOB" 2>/dev/null || true
	[[ -n $MACHINE_GROUP ]] || return 0
	find "$MACHINE_GROUP" -depth -type d -exec rmdir {} + 2>/dev/null || true
	MACHINE_PID='' MACHINE_JOB='' MACHINE_GROUP=''
}
