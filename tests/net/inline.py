#!/usr/bin/env python3
"""Connects with settings and secrets that come with the call, and holds the call: its end is the
connection's.

    inline.py SOCKET PSK PASSWORD       prints each event's kind
"""
import json
import socket
import sys

path, psk, password = sys.argv[1:]
call = {
    "method": "io.vpnd.Connect", "more": True,
    "parameters": {
        "name": "inline", "owner": "caller",
        "settings": {"gateway": "198.51.100.1", "user": "alice", "auth": "chap-md5", "routes": "10.99.0.0/24", "dns": "none"},
        "secrets": {"psk": psk, "password": password},
    },
}
with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
    client.connect(path)
    client.sendall(json.dumps(call).encode() + b"\0")
    received = b""
    while octets := client.recv(65536):
        received += octets
        *messages, received = received.split(b"\0")
        for message in map(json.loads, messages):
            event = message.get("parameters", {}).get("event", message)
            print(event.get("kind", event), flush=True)
