#!/usr/bin/env bash
# A command in QEMU with Debian's stock kernel, as stock.sh has laid it out in STOCK_KERNEL: see boot.sh.
# Without KVM, so a twentieth as fast as User-Mode Linux; but with all of an address space, which the
# sanitizers want, with two processors, and with modules.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
. "$here/boot.sh"
stock=$(realpath "$STOCK_KERNEL")
readonly here stock

# It boots wherever there is a QEMU: what does not has died. Two file systems of the host's: one that
# nobody writes, and the window, of which nothing is cached. no_timer_check: on a busy host the first
# interrupts of the timer are so late that the kernel would give up. What it does not know in its
# command line goes to the environment of its init.
qemu() {
	: >"$boot_run/booted"
	exec setsid setpriv --pdeathsig KILL qemu-system-x86_64 -accel tcg,thread=multi,tb-size=256 \
		-cpu max -smp 2 -m "$boot_memory" -nodefaults -no-user-config -display none -no-reboot \
		-kernel "$stock/vmlinuz" -initrd "$stock/initramfs" \
		-append "console=ttyS0 quiet panic=-1 no_timer_check mitigations=off LAB=$here RUN=$boot_run \
WINDOW=$boot_window MODULES=$stock/lib/modules" \
		-chardev stdio,id=console,signal=off -serial chardev:console \
		-virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap \
		-virtfs "local,path=$boot_window,mount_tag=window,security_model=none"
}

boot_options "$@"
[[ -e $stock/initramfs ]] || boot_skip "no kernel in $stock"
boot_guest qemu
