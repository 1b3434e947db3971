#!/usr/bin/env python3
"""A name server that knows what it was told.

    names.py ADDRESS [NAME=ADDRESS...]      anything else does not exist
"""
import ipaddress
import socket
import struct
import sys

A, AAAA, NXDOMAIN = 1, 28, 3


def read_name(query):
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels).lower(), at + 1


def answer(query, known):
    name, end = read_name(query)
    (kind,) = struct.unpack("!H", query[end : end + 2])
    question = query[12 : end + 4]
    records = b""
    for address in known.get(name, []):
        if kind == (A if address.version == 4 else AAAA):
            octets = address.packed
            records += struct.pack("!HHHIH", 0xC00C, kind, 1, 1, len(octets)) + octets
    status = 0x8180 if name in known else 0x8180 | NXDOMAIN
    return struct.pack("!2sHHHHH", query[:2], status, 1, 1 if records else 0, 0, 0) + question + records


def main():
    known = {}
    for pair in sys.argv[2:]:
        name, address = pair.split("=")
        known.setdefault(name, []).append(ipaddress.ip_address(address))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind((sys.argv[1], 53))
        print("ready", flush=True)
        while True:
            query, peer = udp.recvfrom(512)
            udp.sendto(answer(query, known), peer)


main()
