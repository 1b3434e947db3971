#!/usr/bin/env python3
"""Does an IKE responder answer? `probe.py SERVER [SECONDS]`.

Sends message 1 of the recorded session (it carries the vendor ID of RFC 3947, without which
SoftEther keeps silent) from UDP 500 with a fresh cookie, until message 2 comes with one of the
proposals. Exit code 0 is yes.
"""
import os
import pathlib
import socket
import sys
import time

RECORDING = pathlib.Path(__file__).resolve().parent.parent / "vectors" / "recorded_softether.txt"
MAIN_MODE, PAYLOAD_SA = 2, 1


def message_1():
    for line in RECORDING.read_text().splitlines():
        key, _, value = line.partition(" = ")
        if key.endswith("_out_500"):
            return bytes.fromhex(value)
    sys.exit(f"{RECORDING}: no message 1")


def is_message_2(answer, cookie):
    return (
        len(answer) > 28
        and answer[:8] == cookie
        and answer[8:16] != bytes(8)
        and answer[16] == PAYLOAD_SA
        and answer[18] == MAIN_MODE
        and int.from_bytes(answer[24:28], "big") == len(answer)
    )


def main():
    server, patience = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 10
    cookie = os.urandom(8)
    udp = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("", 500))
    udp.connect((server, 500))
    udp.settimeout(0.5)
    began = time.monotonic()
    while time.monotonic() - began < patience:
        try:
            udp.send(cookie + message_1()[8:])
            answer = udp.recv(4096)
        except (TimeoutError, ConnectionRefusedError):
            continue
        if is_message_2(answer, cookie):
            print(f"{server} answered after {1000 * (time.monotonic() - began):.0f} ms")
            return
        sys.exit(f"{server} answered something else: {answer.hex()}")
    sys.exit(f"{server}: no answer within {patience:.0f} s")


main()
