#!/usr/bin/env bash
# Lays out Debian's stock kernel for qemu.sh in DIR, without installing it: vmlinuz, lib/modules, and an
# initramfs of busybox, the script `initramfs` and the modules by which it reaches the host's files.
#
#   stock.sh DIR
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
. "$here/steps.sh"
mkdir -p "$1"
dir=$(realpath "$1")
readonly here dir
readonly reach=(virtio_pci 9pnet_virtio 9p overlay)

fetch() {
	local image
	image=$(apt-cache depends --important linux-image-amd64 | sed -n 's/^ *Depends: //p')
	cd "$dir" && rm -f linux-image-*.deb || return
	apt-get -q download "$image" || { apt-get -q update && apt-get -q download "$image"; }
}

# vmlinuz comes last: it says that the rest is there.
unpack() {
	rm -rf "$dir/image" "$dir/lib" && dpkg -x "$dir"/linux-image-*.deb "$dir/image" &&
		mv "$dir/image/lib" "$dir/lib" && depmod --basedir "$dir" "$(version)" &&
		mv "$dir"/image/boot/vmlinuz-* "$dir/vmlinuz" &&
		rm -r "$dir"/linux-image-*.deb "$dir/image"
}

version() {
	basename "$dir"/lib/modules/*
}

pack() {
	local root=$dir/root libraries module
	rm -rf "$root" && mkdir -p "$root"/{modules,proc,dev} || return
	mapfile -t libraries < <(ldd /bin/busybox | grep -o '/lib[^ ]*')
	cp --parents -t "$root" /bin/busybox "${libraries[@]}" && ln -s busybox "$root/bin/sh" &&
		cp "$here/initramfs" "$root/init" || return
	for module in $(needed_modules); do
		cp "$module" "$root/modules/" && echo "${module##*/}" >>"$root/modules/list" || return
	done
	(cd "$root" && find . | busybox cpio -o -H newc | gzip -1) >"$dir/initramfs.part" &&
		rm -r "$root" && mv "$dir/initramfs.part" "$dir/initramfs"
}

# In the order in which they can be loaded.
needed_modules() {
	modprobe --dirname "$dir" --set-version "$(version)" --all --show-depends "${reach[@]}" |
		awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

if [[ ! -e $dir/vmlinuz ]]; then
	step fetch "fetching Debian's stock kernel"
	step unpack "unpacking it"
fi
step pack "packing an initramfs"
