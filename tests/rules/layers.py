#!/usr/bin/env python3
"""Which folder may include what: the direction of the arrows in the house."""
import re
from fnmatch import fnmatchcase

import rule

# folder: what of our own it may include, as patterns.
INSIDE = {
    "base": ["base/*"],
    "mppe": ["base/*", "mppe/*"],
    "esp": ["base/*", "esp/*"],
    "ike": ["base/*", "ike/*"],
    "l2tp": ["base/*", "l2tp/*"],
    "ppp": ["base/*", "mppe/*", "ppp/*"],
    "daemon": ["base/*", "mppe/*", "esp/*", "ike/*", "l2tp/*", "ppp/*", "daemon/*", "cli/varlink.h"],
    "cli": ["base/*", "cli/*"],
    "nm": ["base/*", "nm/*", "cli/varlink.h"],
    # The gateway of the tests shares codecs, crypto and the ESP plane with the client, never its logic.
    "tests/peer": [
        "base/*", "tests/*", "mppe/*", "esp/esp.h",
        "ike/ike_msg.h", "ike/ike_natt.h", "ike/ike_prop.h", "ike/ike_keys.h", "ike/ike_sa.h", "ike/ike_vid.h",
        "l2tp/l2tp_avp.h", "l2tp/l2tp_msg.h", "l2tp/l2tp_data.h",
        "ppp/ppp_frame.h", "ppp/opts.h", "ppp/mschapv2.h",
    ],
}

# Its process stands on the daemon's sockets and devices.
GATEWAYD = ["tests/peer/gatewayd*"]
GATEWAYD_INSIDE = [
    "base/*", "ppp/ppp_frame.h", "daemon/hostenv.h", "daemon/loop.h", "daemon/tun.h", "daemon/udp.h", "tests/peer/*",
]

# The pure top of the house sees the protocols and itself, not the effects around it.
CORE = ["daemon/stack*", "daemon/conn*"]
CORE_INSIDE = [p for p in INSIDE["daemon"] if p not in ("daemon/*", "cli/varlink.h")] + CORE

# What a protocol may have of the C library; no clock, no socket, no file, no thread.
PURE = ["base", "mppe", "esp", "ike", "l2tp", "ppp"]
PURE_SYSTEM = {
    "assert.h", "ctype.h", "errno.h", "inttypes.h", "limits.h", "stdalign.h", "stdarg.h", "stdbool.h",
    "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "string.h", "strings.h",
    "arpa/inet.h",  # inet_ntop() and inet_pton(): text
    "sanitizer/asan_interface.h",
}

# A library's headers: the only files that may include them.
DOORS = {
    "openssl/*": ["base/crypto*", "ike/ike_cert*"],
    "intel-ipsec-mb.h": ["base/crypto*"],
    "dlfcn.h": ["base/crypto_mb.c", "daemon/sdbus.c"],
    "systemd/*": ["daemon/sdbus.h"],
    "event2/*": ["daemon/loop.c"],
    "event.h": [],
    "netlink/*": ["daemon/*", "esp/xfrm*"],
    "linux/netlink.h": ["daemon/*", "esp/xfrm*"],
    "linux/rtnetlink.h": ["daemon/*", "esp/xfrm*"],
    "linux/genetlink.h": ["daemon/*", "esp/xfrm*"],
    "linux/xfrm.h": ["daemon/*", "esp/xfrm*"],
    "jansson.h": ["cli/*", "daemon/*", "nm/*"],
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def among(path, patterns):
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def is_core(path):
    return among(path, CORE)


def is_pure(path):
    return path.split("/")[0] in PURE and not path.startswith("esp/xfrm") or is_core(path)


def inside(path):
    """What of our own this file may include; None: anything."""
    if is_core(path):
        return CORE_INSIDE
    if among(path, GATEWAYD):
        return GATEWAYD_INSIDE
    for folder, allowed in INSIDE.items():
        if path.startswith(folder + "/"):
            return allowed
    return None


def judge(path, quote, header):
    """What is wrong with one include, or None."""
    if quote == '"':
        allowed = inside(path)
        return None if allowed is None or among(header, allowed) else f'may not include "{header}"'
    for pattern, doors in DOORS.items():
        if fnmatchcase(header, pattern):
            ok = among(path, doors) or path.startswith("tests/") and not path.startswith("tests/peer/")
            return None if ok else f"<{header}> is for {', '.join(doors) or 'nobody'}"
    if is_pure(path) and header not in PURE_SYSTEM:
        return f"<{header}> in pure code"
    return None


def check(source):
    for match in INCLUDE.finditer(source.text):
        wrong = judge(source.path, *match.groups())
        if wrong:
            yield source.text.count("\n", 0, match.start()) + 1, wrong


def sample(path, include):
    return rule.Source(path, f"/* */\n#include {include}\n")


BAD = [
    sample("base/pkt.c", '"ike/ike.h"'),
    sample("ike/ike.c", '"l2tp/l2tp.h"'),
    sample("ike/ike.c", '"esp/esp.h"'),
    sample("l2tp/l2tp.c", '"ppp/ppp.h"'),
    sample("mppe/mppe.c", '"ppp/ppp.h"'),
    sample("ppp/ppp.c", '"l2tp/l2tp.h"'),
    sample("ppp/ppp.c", '"daemon/conn.h"'),
    sample("cli/vpnctl.c", '"daemon/control.h"'),
    sample("cli/vpnctl.c", '"ike/ike.h"'),
    sample("daemon/main.c", '"cli/show.h"'),
    sample("daemon/stack.c", '"daemon/loop.h"'),
    sample("daemon/conn.c", "<time.h>"),
    sample("daemon/conn.c", "<event2/event.h>"),
    sample("daemon/tun.c", "<event2/event.h>"),
    sample("daemon/udp.c", "<openssl/evp.h>"),
    sample("base/secret.c", "<openssl/crypto.h>"),
    sample("ike/ike.c", "<sys/socket.h>"),
    sample("base/crypto.c", "<dlfcn.h>"),
    sample("daemon/dns_resolved.c", "<systemd/sd-bus.h>"),
    sample("ppp/ppp.c", "<time.h>"),
    sample("esp/esp_user.c", "<netlink/netlink.h>"),
    sample("cli/vpnctl.c", "<netlink/netlink.h>"),
    sample("ike/ike.c", "<jansson.h>"),
    sample("tests/peer/ike_peer.c", '"ike/ike.h"'),
    sample("tests/peer/l2tp_peer.c", '"l2tp/l2tp.h"'),
    sample("tests/peer/ppp_peer.c", '"ppp/ppp.h"'),
    sample("tests/peer/ppp_peer.c", '"ppp/fsm.h"'),
    sample("tests/peer/gatewayd.c", '"daemon/session.h"'),
    rule.Source("ike/ike.c", '  #  include "ppp/ppp.h"\n'),
]
GOOD = [
    sample("ppp/ccp.c", '"mppe/mppe.h"'),
    sample("base/crypto_dh.c", "<openssl/evp.h>"),
    sample("base/crypto_mb.c", "<dlfcn.h>"),
    sample("daemon/loop.c", "<event2/event.h>"),
    sample("esp/xfrm.c", "<linux/xfrm.h>"),
    sample("daemon/control.c", '"cli/varlink.h"'),
    sample("daemon/stack.c", '"ike/ike.h"'),
    sample("daemon/route.c", "<netlink/netlink.h>"),
    sample("ike/ike.c", "<string.h>"),
    sample("tests/peer/ike_peer.c", '"ike/ike_msg.h"'),
    sample("tests/peer/gatewayd.c", '"daemon/udp.h"'),
    sample("tests/unit/test_ike.c", '"ike/ike.h"'),
]

if __name__ == "__main__":
    rule.main(check, BAD, GOOD, (".c", ".h"))
