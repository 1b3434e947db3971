#!/usr/bin/env bash
# `cmake --install` puts these files there and no others, with these modes, under any prefix, and
# systemd has nothing to say against the units.
set -euo pipefail
: "${VPND_BUILD:?the build directory}"

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

expected() {
	cat <<-END
		644 $1/lib/systemd/system/vpnd.service
		644 $1/lib/systemd/system/vpnd.socket
		644 $1/lib/sysusers.d/vpnd.conf
		644 $1/share/bash-completion/completions/vpnctl
		644 $1/share/fish/vendor_completions.d/vpnctl.fish
		644 $1/share/man/man1/vpnctl.1
		644 $1/share/man/man5/vpnd.conf.5
		644 $1/share/man/man8/vpnd.8
		644 $1/share/zsh/site-functions/_vpnctl
		755 $1/bin/vpnctl
		755 $1/sbin/vpnd
	END
}

# install_under PREFIX: look at everything that arrives.
install_under() {
	local root=$stage$1 unit=$stage$1$1/lib/systemd/system/vpnd.service
	DESTDIR=$root cmake --install "$VPND_BUILD" --prefix "$1" >"$stage/said"
	diff <(expected "$1" | LC_ALL=C sort) <(find "$root" -type f -printf '%m /%P\n' | LC_ALL=C sort) ||
		fail "under $1: not the expected files (<), but these (>)"
	grep -q "^ExecStart=$1/sbin/vpnd$" "$unit" || fail "under $1: another program is started"
	! grep -n '@[A-Z_]*@' "$unit" || fail "under $1: a name that was not filled in"
}

# For the prefixes that systemd searches.
systemd_is_content_with() {
	local root=$stage$1 units=$stage$1$1/lib/systemd/system
	systemd-analyze verify --root="$root" --man=no --recursive-errors=no \
		"$units/vpnd.service" "$units/vpnd.socket" || fail "under $1: systemd-analyze verify"
	mkdir "$root/etc"
	systemd-sysusers --root="$root" 2>"$stage/said" || fail "under $1: $(cat "$stage/said")"
	grep -q '^vpnd:' "$root/etc/group" || fail "under $1: there is no group vpnd"
}

install_under /usr
systemd_is_content_with /usr
install_under /usr/local
systemd_is_content_with /usr/local
install_under /opt/vpnd
