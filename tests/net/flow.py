#!/usr/bin/env python3
"""What the user's programs send, in a form that is told from all else: UDP, TCP SYN and ICMP echo to 4747.

    flow.py SECONDS [--flood] [--from ADDRESS]... TARGET...     prints "SENT REFUSED"

A round goes to every target by every protocol, with a source of the kernel's choice and with each given one
that there is at that moment. Rounds come 20 ms apart; --flood: UDP only, without a pause, and "ready" when
it begins. Refused is what the kernel had no way for.
"""
import argparse
import errno
import ipaddress
import socket
import struct
import time

PORT = 4747  # and the identifier of the echos
PAUSE = 0.02
QUEUE = 64 << 20  # a flood waits for nobody: what a slow tunnel still holds counts as queued here
MARK = b"marked flow"
SO_SNDBUFFORCE = 32  # linux/socket.h


def checksum(octets):
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def echo(version, number):
    kind, content = 8 if version == 4 else 128, MARK + b"."
    head = struct.pack("!BBHHH", kind, 0, 0, PORT, number & 0xFFFF)
    if version == 4:  # the kernel does it for ICMPv6
        head = struct.pack("!BBHHH", kind, 0, checksum(head + content), PORT, number & 0xFFFF)
    return head + content


class Flow:
    def __init__(self, sources):
        self.sources, self.sent, self.refused = sources, 0, 0

    def socket(self, target, kind, source, protocol=0):
        family = socket.AF_INET if target.version == 4 else socket.AF_INET6
        new = socket.socket(family, kind, protocol)
        new.setblocking(False)
        if source:
            new.bind((str(source), 0))
        return new

    def attempt(self, send, target, source):
        try:
            send(target, source)
            self.sent += 1
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.EPERM):
                raise
            self.refused += 1

    def udp(self, target, source):
        with self.socket(target, socket.SOCK_DGRAM, source) as out:
            out.sendto(b"%s %d" % (MARK, self.sent), (str(target), PORT))

    def tcp(self, target, source):
        with self.socket(target, socket.SOCK_STREAM, source) as out:
            code = out.connect_ex((str(target), PORT))
            if code != errno.EINPROGRESS:
                raise OSError(code, "connect")

    def icmp(self, target, source):
        protocol = socket.IPPROTO_ICMP if target.version == 4 else socket.IPPROTO_ICMPV6
        with self.socket(target, socket.SOCK_RAW, source, protocol) as out:
            out.sendto(echo(target.version, self.sent), (str(target), 0))

    def flood(self, targets, end):
        ways = [(self.socket(target, socket.SOCK_DGRAM, None), (str(target), PORT)) for target in targets]
        for out, _ in ways:
            out.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, QUEUE)
        while time.monotonic() < end:
            for out, to in ways:
                try:
                    out.sendto(MARK, to)
                    self.sent += 1
                except OSError:
                    self.refused += 1

    def round(self, targets, protocols):
        for target in targets:
            for source in [None, *(s for s in self.sources if s.version == target.version)]:
                for send in protocols:
                    self.attempt(send, target, source)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flood", action="store_true")
    parser.add_argument("--from", action="append", default=[], type=ipaddress.ip_address, dest="sources")
    parser.add_argument("seconds", type=float)
    parser.add_argument("targets", nargs="+", type=ipaddress.ip_address)
    args = parser.parse_args()
    flow = Flow(args.sources)
    if args.flood:
        print("ready", flush=True)
    end = time.monotonic() + args.seconds
    if args.flood:
        flow.flood(args.targets, end)
    while time.monotonic() < end:
        flow.round(args.targets, [flow.udp, flow.tcp, flow.icmp])
        time.sleep(PAUSE)
    print(flow.sent, flow.refused)


main()
