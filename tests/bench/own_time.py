#!/usr/bin/env python3
"""Whose time it was: own_time.py CAPTURE SERVER BEGAN ENDED, the times in seconds since 1970.

Prints "MS OWN WAITING TRIPS": all of it until the last packet from the server, what of it the client took, and
what it waited for the server and the way, in milliseconds. The client's is what passes between a packet of the
server's and the client's next, if nothing more comes in between; each time that the server has spoken after the
client is a round trip. Only IKE and ESP with the server count.
"""
import struct
import sys

UDP, ESP = 17, 50


def packets(octets, server):
    """(time, from the server?) of what counts, in order."""
    order = "<" if octets[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    scale = 1e-9 if octets[:4] in (b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d") else 1e-6
    at = 24
    while at + 16 <= len(octets):
        seconds, fraction, length, _ = struct.unpack_from(order + "4I", octets, at)
        frame = octets[at + 16 : at + 16 + length]
        at += 16 + length
        if len(frame) < 34 or frame[12:14] != b"\x08\x00" or frame[23] not in (UDP, ESP):
            continue
        source, target = frame[26:30], frame[30:34]
        if server in (source, target):
            yield seconds + fraction * scale, source == server


def main():
    path, server, began, ended = sys.argv[1], bytes(map(int, sys.argv[2].split("."))), *map(float, sys.argv[3:])
    with open(path, "rb") as capture:
        seen = [(when, back) for when, back in packets(capture.read(), server) if began <= when <= ended]
    if not seen:
        sys.exit(f"{path}: no packet between these times")
    ended = max(when for when, back in seen if back)
    own, trips, last, server_spoke = 0.0, 0, began, True
    for when, back in (packet for packet in seen if packet[0] <= ended):
        if server_spoke and not back:
            own += when - last
        trips += back and not server_spoke
        last, server_spoke = when, back
    total = 1000 * (ended - began)
    print(f"{total:.1f} {1000 * own:.1f} {total - 1000 * own:.1f} {trips}")


main()
