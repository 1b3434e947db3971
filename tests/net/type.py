#!/usr/bin/env python3
"""Runs a command on a terminal of its own and types a line when it is asked for a password.

    type.py LINE COMMAND...         prints what the terminal showed; the command's exit status
"""
import os
import pty
import sys

line, command = sys.argv[1].encode() + b"\n", sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    os.execv(command[0], command)
shown = b""
asked = False
while True:
    try:
        octets = os.read(terminal, 4096)
    except OSError:  # the other end is closed
        break
    if not octets:
        break
    shown += octets
    if not asked and b"assword" in shown:
        asked = True
        os.write(terminal, line)
sys.stdout.write(shown.decode(errors="replace"))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
