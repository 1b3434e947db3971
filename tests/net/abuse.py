#!/usr/bin/env python3
"""Bad company at vpnd's control socket.

    abuse.py SOCKET                 garbage, half messages and long ones, then hangs up; prints how many
    abuse.py SOCKET hold COUNT      that many idle clients; says "ready", ends with its input
    abuse.py SOCKET pester SECONDS  who does not read, who does not finish, who sends as much as may be and more,
                                    who leaves while his connection "ghost" begins; prints "hung up on N"
"""
import random
import select
import socket
import sys
import time

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
    client.connect(path)  # waits while the backlog is full
    client.settimeout(5)
    return client


def try_frame(path, frame):
    with connect(path) as client:
        try:
            client.sendall(frame)
            if frame.endswith(b"\0"):
                client.recv(65536)
        except OSError:  # it hung up, or has nothing to say to this
            pass


MOST = 65536  # octets of a message, its NUL included
EXPLAIN = b'{"method":"io.vpnd.Explain","parameters":{"code":"1"}}\0'
ASK = b'{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":"io.vpnd"}}\0'
MONITOR = b'{"method":"io.vpnd.Monitor","more":true}\0'
GHOST = b'{"method":"io.vpnd.Connect","more":true,"parameters":{"name":"ghost","owner":"caller"}}\0'


def say(path, message):
    """A client that has said so and does not read."""
    client = connect(path)
    client.settimeout(0.2)
    try:
        client.sendall(message)
    except OSError:  # he does not read, so in the end nobody reads what he says
        pass
    return client


def padded(size):
    return EXPLAIN[:-1] + b" " * (size - len(EXPLAIN)) + b"\0"


def is_over(client):
    """Has the daemon hung up on him?"""
    poll = select.poll()
    poll.register(client, 0)
    return bool(poll.poll(0))


def pester(path, seconds):
    kinds = [ASK * 200, ASK[:40], padded(MOST), padded(MOST + 1), MONITOR]
    clients, over, end, ghost = [], 0, time.monotonic() + seconds, 0
    while time.monotonic() < end:
        if time.monotonic() >= ghost:
            say(path, GHOST).close()
            ghost = time.monotonic() + 0.5
        for kind in kinds:
            if len(clients) < 10:
                clients.append((say(path, kind), time.monotonic() + 6))
        gone = [pair for pair in clients if is_over(pair[0]) or time.monotonic() > pair[1]]
        for client, _ in gone:
            over += is_over(client)
            client.close()
        clients = [pair for pair in clients if pair not in gone]
        time.sleep(0.05)
    print(f"hung up on {over}")


def main():
    path = sys.argv[1]
    if sys.argv[2:3] == ["pester"]:
        pester(path, float(sys.argv[3]))
        return
    if len(sys.argv) > 2:
        crowd = [connect(path) for _ in range(int(sys.argv[3]))]
        print("ready", flush=True)
        sys.stdin.read()
        del crowd
        return
    for frame in FRAMES:
        try_frame(path, frame)
    dice, more = random.Random(2661), 200
    for _ in range(more):
        try_frame(path, dice.randbytes(dice.randrange(1, 300)) + dice.choice([b"", b"\0"]))
    print(len(FRAMES) + more)


main()
