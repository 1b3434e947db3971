#!/usr/bin/env python3
"""Bad company at vpnd's control socket.

    abuse.py SOCKET                 garbage, half messages and long ones, then hangs up
    abuse.py SOCKET hold COUNT      that many idle clients; says "ready", ends with its input
"""
import random
import socket
import sys

FRAMES = [
    b"\0", b"\0" * 1000, b"{\0", b"[]\0", b"null\0", b"{}\0", b'{"method": 5}\0', b'{"method": ""}\0',
    b'{"method": "io.vpnd.Status", "parameters": {"name": 7}}\0',
    b'{"method": "io.vpnd.Status", "parameters": {"name": "../../etc/passwd"}}\0',
    b'{"method": "io.vpnd.Connect", "parameters": {"name": "corp", "settings": {"gateway": "\\u0000"}}}\0',
    b'{"method": "io.vpnd.Cancel", "parameters": {"name": "nobody"}}\0',
    b'{"method": "io.vpnd.Answer", "parameters": {"id": 1, "value": "x"}}\0',
    b"\xff\xfe\xfd\0", b"[" * 60000 + b"\0", b"x" * 200000, b'{"method": "io.vpnd.Sta',
]


def connect(path):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(5)
    client.connect(path)
    return client


def try_frame(path, frame):
    with connect(path) as client:
        try:
            client.sendall(frame)
            if frame.endswith(b"\0"):
                client.recv(65536)
        except OSError:  # it hung up, or has nothing to say to this
            pass


def main():
    path = sys.argv[1]
    if len(sys.argv) > 2:
        crowd = [connect(path) for _ in range(int(sys.argv[3]))]
        print("ready", flush=True)
        sys.stdin.read()
        del crowd
        return
    for frame in FRAMES:
        try_frame(path, frame)
    dice = random.Random(2661)
    for _ in range(200):
        try_frame(path, dice.randbytes(dice.randrange(1, 300)) + dice.choice([b"", b"\0"]))


main()
