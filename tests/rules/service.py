#!/usr/bin/env python3
"""The service's exposure, as systemd-analyze scores it, is at most 2.5 of 10."""
import pathlib
import re
import subprocess
import tempfile

import rule

THRESHOLD = 25  # tenths


def check(source):
    with tempfile.TemporaryDirectory() as folder:
        unit = pathlib.Path(folder) / pathlib.Path(source.path).name.removesuffix(".in")
        unit.write_text(re.sub(r"@\w+@", "/usr/sbin", source.text))  # as `cmake --install` fills it in
        command = ["systemd-analyze", "security", "--offline=yes", "--no-pager", f"--threshold={THRESHOLD}", unit]
        run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        yield 1, (run.stdout.strip().splitlines() or run.stderr.strip().splitlines() or ["no verdict"])[-1]


BARE = "[Service]\nExecStart=/usr/sbin/vpnd\nCapabilityBoundingSet=CAP_NET_ADMIN\n"
CONFINED = BARE + "\n".join(f"{key}=yes" for key in """
    NoNewPrivileges ProtectHome PrivateTmp PrivateDevices PrivateUsers ProtectKernelTunables
    ProtectKernelModules ProtectKernelLogs ProtectControlGroups ProtectClock ProtectHostname
    LockPersonality MemoryDenyWriteExecute RestrictRealtime RestrictSUIDSGID RestrictNamespaces
    RemoveIPC PrivateMounts DynamicUser
    """.split()) + """
ProtectSystem=strict
ProtectProc=invisible
UMask=0077
RestrictAddressFamilies=AF_UNIX
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
"""

BAD = [rule.Source("dist/vpnd.service", BARE), rule.Source("dist/vpnd.service", "not a unit\n")]
GOOD = [rule.Source("dist/vpnd.service", CONFINED)]

if __name__ == "__main__":
    rule.main(check, BAD, GOOD, (".service", ".service.in"))
