#!/usr/bin/env bash
# Builds the lab's own kernel: User-Mode Linux from Debian's linux-source-6.1, with kernel.config
# built in. DIR/linux is the kernel; DIR/lib/modules tells modprobe what it need not load.
# Once; it is made again only when kernel.config has changed. What was interrupted goes on where it
# was: the source stays in DIR/source until the kernel has booted.
#
#   kernel.sh DIR
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
. "$here/steps.sh"
mkdir -p "$1"
dir=$(realpath "$1")
source=$dir/source
readonly here dir source archive=/usr/src/linux-source-6.1.tar.xz
readonly objects=1100 # it consists of, about
progress=

unpack() {
	rm -rf "$source.part" && mkdir "$source.part" &&
		tar -xf "$archive" -C "$source.part" --strip-components 1 &&
		mv "$source.part" "$source"
}

# Of two lines about an option the later counts. What depends on something that is not there is
# dropped without a word, so it is looked at afterwards.
configure() {
	make -C "$source" ARCH=um defconfig &&
		cat "$here/kernel.config" >>"$source/.config" &&
		make -C "$source" ARCH=um olddefconfig &&
		is_configured "$source/.config" &&
		cp "$here/kernel.config" "$source/.asked"
}

is_configured() {
	local missing
	missing=$(grep -E '^(# )?CONFIG_' "$here/kernel.config" | grep -vxF -f "$1") || return 0
	echo "not in $1:"
	echo "$missing"
	return 1
}

compile() {
	make -C "$source" ARCH=um -j "$(nproc)" linux
}

# Tells every half minute how far compile() has come.
tell_progress() {
	local count
	while sleep 30 >/dev/null 2>&1; do
		count=$(find "$source" -name '*.o.cmd' 2>/dev/null | wc -l) || continue # what find saw is gone
		echo "kernel: $((count < objects ? 100 * count / objects : 99)) %"
	done
}

# So that what is built in can be asked for as if it were a module.
list_modules() {
	local version modules
	version=$(make -s -C "$source" ARCH=um kernelrelease) || return
	modules=$dir/lib/modules/$version
	rm -rf "$dir/lib" && mkdir -p "$modules" && : >"$modules/modules.order" &&
		cp "$source"/modules.builtin "$source"/modules.builtin.modinfo "$modules/" &&
		depmod --basedir "$dir" "$version"
}

boot() {
	list_modules && strip -o "$dir/linux.part" "$source/linux" &&
		UML_KERNEL=$dir/linux.part UML_MODULES=$dir/lib/modules "$here/uml.sh" "$dir" sh -c \
			'modprobe -a esp4 l2tp_ppp && uname -r'
}

trap '[[ -z $progress ]] || kill "$progress" 2>/dev/null || [[ ! -e /proc/$progress ]]' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

[[ ! -x $dir/linux ]] || ! cmp -s "$here/kernel.config" "$dir/kernel.config" || exit 0
[[ -e $archive ]] || { echo "kernel: no $archive: the package linux-source-6.1" >&2 && exit 1; }
[[ -d $source ]] || step unpack "unpacking $archive"
cmp -s "$here/kernel.config" "$source/.asked" || step configure "choosing what is in it"
tell_progress &
progress=$!
step compile "compiling; takes 10 minutes where nothing else runs, and can be interrupted"
kill "$progress" && progress=
step boot "booting it"
mv "$dir/linux.part" "$dir/linux"
cp "$here/kernel.config" "$dir/"
rm -rf "$source"
echo "kernel: $dir/linux is Linux $(<"$dir/boot.log")"
