#!/usr/bin/env python3
"""Holds every packet of a capture against the list of what a VPN client may show its provider.

    allowed.py FILE.pcap --server ADDRESS [--server ...] [--dns ADDRESS ...] [--dhcp] [--from MAC] [--moved PORT]
    allowed.py --self-test

Allowed are, with a server at one end: ISAKMP on UDP 500; ISAKMP, ESP and keepalives on UDP 4500;
protocol 50; ICMP errors that quote one of these. With anybody: ARP, router and neighbour
discovery, MLD. With an address of --dns: UDP and TCP port 53. With --dhcp: UDP 68 to 67. With a port --moved: what UDP 4500
may have, because a NAT gave the server that port. Anything else is a violation, and so are a capture
without packets and one that was cut short. --from: only what the station with this link address sent is
judged, where others on the same cable are no friends.
"""
import argparse
import collections
import ipaddress
import struct
import sys

ETHERNET = 1
ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
HOP_BY_HOP, ICMP, TCP, UDP, FRAGMENT, ESP, ICMPV6 = 0, 1, 6, 17, 44, 50, 58
ICMP_ERRORS = {3, 11, 12}
ICMPV6_ERRORS = {1, 2, 3, 4}
ND = {133: "rs", 134: "ra", 135: "ns", 136: "na"}
MLD = {130, 131, 132, 143}


class Violation(Exception):
    pass


class Packet:
    """An IP packet, or as much of one as an ICMP error quotes."""

    def __init__(self, octets):
        self.quoted = False
        if len(octets) >= 20 and octets[0] >> 4 == 4:
            self.parse_v4(octets)
        elif len(octets) >= 40 and octets[0] >> 4 == 6:
            self.parse_v6(octets)
        else:
            raise Violation("not an IP packet")

    def parse_v4(self, octets):
        header = 4 * (octets[0] & 0x0F)
        total = int.from_bytes(octets[2:4], "big")
        fragment = int.from_bytes(octets[6:8], "big") & 0x1FFF
        self.source, self.target = (str(ipaddress.ip_address(octets[i : i + 4])) for i in (12, 16))
        self.protocol = octets[9]
        self.later_fragment = fragment != 0
        self.id = (self.source, self.target, self.protocol, octets[4:6])
        self.payload = octets[header : max(total, header)]

    def parse_v6(self, octets):
        total = 40 + int.from_bytes(octets[4:6], "big")
        self.source, self.target = (str(ipaddress.ip_address(octets[i : i + 16])) for i in (8, 24))
        self.protocol, self.payload = octets[6], octets[40:total]
        self.later_fragment, self.id = False, None
        if self.protocol == HOP_BY_HOP and len(self.payload) >= 8:  # the router alert of MLD
            length = 8 * (1 + self.payload[1])
            self.protocol, self.payload = self.payload[0], self.payload[length:]
        if self.protocol == FRAGMENT and len(self.payload) >= 8:
            self.protocol = self.payload[0]
            self.later_fragment = int.from_bytes(self.payload[2:4], "big") >> 3 != 0
            self.id = (self.source, self.target, self.protocol, self.payload[4:8])
            self.payload = self.payload[8:]

    def ports(self):
        if len(self.payload) < 4:
            raise Violation(f"{self} without ports")
        return struct.unpack("!HH", self.payload[:4])

    def __str__(self):
        names = {ICMP: "ICMP", TCP: "TCP", UDP: "UDP", ESP: "ESP", ICMPV6: "ICMPv6"}
        text = f"{names.get(self.protocol, self.protocol)} {self.source} > {self.target}"
        if self.protocol in (TCP, UDP) and len(self.payload) >= 4 and not self.later_fragment:
            text += " ports {} > {}".format(*struct.unpack("!HH", self.payload[:4]))
        if self.protocol in (ICMP, ICMPV6) and self.payload:
            text += f" type {self.payload[0]}"
        return text


class Judge:
    def __init__(self, servers, dns=(), dhcp=False, station=None, moved=()):
        self.dhcp, self.station = dhcp, station
        self.natt = {4500, *moved}
        self.servers = {str(ipaddress.ip_address(a)) for a in servers}
        self.dns = {str(ipaddress.ip_address(a)) for a in dns}
        self.fragments = set()  # first fragments that were allowed

    def frame(self, frame):
        """What kind of allowed thing an Ethernet frame is; a Violation if none."""
        if len(frame) < 14:
            raise Violation("a frame without a header")
        if self.station and frame[6:12] != self.station:
            return "others'"
        kind = int.from_bytes(frame[12:14], "big")
        if kind == ARP:
            return "arp"
        if kind not in (IPV4, IPV6):
            raise Violation(f"Ethernet type {kind:#06x}")
        return self.packet(Packet(frame[14:]))

    def packet(self, packet):
        if packet.later_fragment:
            if packet.id not in self.fragments:
                raise Violation(f"{packet}, a fragment of nothing allowed")
            return "fragment"
        verdict = self.whole(packet)
        if packet.id:
            self.fragments.add(packet.id)
        return verdict

    def whole(self, packet):
        if packet.protocol == ICMP and packet.payload[:1]:
            return self.icmp(packet, ICMP_ERRORS)
        if packet.protocol == ICMPV6 and packet.payload[:1]:
            kind = packet.payload[0]
            if kind in ND:
                return ND[kind]
            return "mld" if kind in MLD else self.icmp(packet, ICMPV6_ERRORS)
        if packet.protocol in (UDP, TCP) and self.is_dns(packet):
            return "dns"
        if packet.protocol == UDP and self.dhcp and packet.ports() == (68, 67):
            return "dhcp"
        server_is_source = packet.source in self.servers
        if not server_is_source and packet.target not in self.servers:
            raise Violation(f"{packet}, not with the server")
        if packet.protocol == ESP:
            return "esp"
        if packet.protocol == UDP:
            return self.udp(packet, packet.ports()[0 if server_is_source else 1])
        raise Violation(str(packet))

    def is_dns(self, packet):
        source, target = packet.ports()
        return (packet.target in self.dns and target == 53) or (
            packet.source in self.dns and source == 53
        )

    def udp(self, packet, port):
        if port != 500 and port not in self.natt:
            raise Violation(str(packet))
        if packet.quoted:
            return "quoted"
        content = packet.payload[8:]
        if port == 500:
            return self.isakmp(packet, content)
        if content == b"\xff":
            return "keepalive"
        if content[:4] == bytes(4):
            return self.isakmp(packet, content[4:])
        if len(content) < 8 + 12:  # SPI, sequence number, and no ICV is shorter than 96 bits
            raise Violation(f"{packet}, neither ESP nor IKE nor a keepalive")
        return "natt"

    def isakmp(self, packet, message):
        if len(message) < 28 or message[17] != 0x10:
            raise Violation(f"{packet}, not ISAKMP 1.0")
        return "ike"

    def icmp(self, packet, errors):
        if packet.payload[0] not in errors:
            raise Violation(str(packet))
        try:
            quoted = Packet(packet.payload[8:])
            quoted.quoted = True
            self.whole(quoted)
        except Violation as inner:
            raise Violation(f"{packet} about {inner}") from None
        return "icmp"


def frames(data):
    """(seconds, frame) of a classic pcap file."""
    if len(data) < 24:
        raise Violation("no capture")
    orders = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">"}
    order = orders.get(data[:4])
    if not order:
        raise Violation("not a pcap file")
    if struct.unpack(order + "I", data[20:24])[0] != ETHERNET:
        raise Violation("not captured on Ethernet")
    at = 24
    while at < len(data):
        if at + 16 > len(data):
            raise Violation("cut short")
        seconds, micros, length, original = struct.unpack(order + "IIII", data[at : at + 16])
        at += 16
        if at + length > len(data) or length != original:
            raise Violation("cut short")
        yield seconds + micros / 1e6, data[at : at + length]
        at += length


def inspect(data, judge):
    """(how often each allowed kind, [violations])"""
    kinds, violations, number, began = collections.Counter(), [], 0, 0
    try:
        for number, (when, frame) in enumerate(frames(data), 1):
            began = began or when
            try:
                kinds[judge.frame(frame)] += 1
            except Violation as violation:
                violations.append(f"packet {number} at {when - began:.3f} s: {violation}")
    except Violation as violation:
        violations.append(str(violation))
    if not number:
        violations.append("no packet was captured")
    return kinds, violations


# ---- the self-test: one bad packet of each sort, and one good one of each ---------------------

US, SERVER, OTHER, RESOLVER = "198.51.100.2", "198.51.100.1", "203.0.113.9", "192.0.2.53"
US6, SERVER6 = "2001:db8::2", "2001:db8::1"


def ip4(source, target, protocol, payload, fragment=0, ident=7):
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), ident, fragment, 64, protocol, 0)
    return head + ipaddress.ip_address(source).packed + ipaddress.ip_address(target).packed + payload


def ip6(source, target, protocol, payload):
    head = struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64)
    return head + ipaddress.ip_address(source).packed + ipaddress.ip_address(target).packed + payload


def udp(source, target, content):
    return struct.pack("!HHHH", source, target, 8 + len(content), 0) + content


def ethernet(packet):
    return bytes(12) + struct.pack("!H", IPV4 if packet[0] >> 4 == 4 else IPV6) + packet


def pcap(frame_list):
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, ETHERNET)
    for frame in frame_list:
        data += struct.pack("<IIII", 1, 0, len(frame), len(frame)) + frame
    return data


ISAKMP = bytes(16) + b"\x01\x10\x02\x00" + bytes(4) + struct.pack("!I", 28)
L2TP = bytes.fromhex("c802001400000000000000008008000000000001")
SEALED = b"\x12\x34\x56\x78" + bytes(40)

GOOD = {
    "arp": bytes(12) + b"\x08\x06" + bytes(28),
    "ike": ethernet(ip4(US, SERVER, UDP, udp(500, 500, ISAKMP))),
    "ike from an ephemeral port": ethernet(ip4(US, SERVER, UDP, udp(40000, 4500, bytes(4) + ISAKMP))),
    "esp in udp": ethernet(ip4(SERVER, US, UDP, udp(4500, 4500, SEALED))),
    "keepalive": ethernet(ip4(US, SERVER, UDP, udp(4500, 4500, b"\xff"))),
    "raw esp": ethernet(ip4(US, SERVER, ESP, SEALED)),
    "esp over ipv6": ethernet(ip6(US6, SERVER6, ESP, SEALED)),
    "icmp error": ethernet(ip4(OTHER, US, ICMP, b"\x03\x04" + bytes(6) + ip4(US, SERVER, ESP, SEALED[:8]))),
    "dns": ethernet(ip4(US, RESOLVER, UDP, udp(40000, 53, bytes(12)))),
    "router solicitation": ethernet(ip6(US6, "ff02::2", ICMPV6, b"\x85" + bytes(7))),
    "neighbour": ethernet(ip6(US6, "ff02::1", ICMPV6, b"\x87" + bytes(23))),
    "mld": ethernet(ip6("::", "ff02::16", HOP_BY_HOP, b"\x3a\x00\x05\x02\x00\x00\x01\x00\x8f" + bytes(7))),
}
BAD = {
    "clear l2tp": ethernet(ip4(US, SERVER, UDP, udp(1701, 1701, L2TP))),
    "clear l2tp inside 4500": ethernet(ip4(US, SERVER, UDP, udp(4500, 4500, bytes(4) + L2TP))),
    "clear l2tp on 500": ethernet(ip4(US, SERVER, UDP, udp(500, 500, L2TP + L2TP))),
    "server's clear l2tp": ethernet(ip4(SERVER, US, UDP, udp(1701, 1701, L2TP))),
    "inner packet": ethernet(ip4("192.168.30.10", "192.168.30.1", ICMP, b"\x08" + bytes(7))),
    "ping": ethernet(ip4(US, SERVER, ICMP, b"\x08" + bytes(7))),
    "tcp": ethernet(ip4(US, SERVER, TCP, struct.pack("!HH", 40000, 443) + bytes(16))),
    "ike with a stranger": ethernet(ip4(US, OTHER, UDP, udp(500, 500, ISAKMP))),
    "esp with a stranger": ethernet(ip4(US, OTHER, ESP, SEALED)),
    "our port 500 is not the server's": ethernet(ip4(US, SERVER, UDP, udp(500, 1701, ISAKMP))),
    "dns elsewhere": ethernet(ip4(US, OTHER, UDP, udp(40000, 53, bytes(12)))),
    "icmp error about something else": ethernet(
        ip4(OTHER, US, ICMP, b"\x03\x04" + bytes(6) + ip4(US, OTHER, TCP, bytes(8)))
    ),
    "fragment of nothing": ethernet(ip4(US, SERVER, UDP, bytes(64), fragment=100, ident=8)),
    "ipv6 outside": ethernet(ip6(US6, "2001:db8:9::1", ICMPV6, b"\x80" + bytes(7))),
    "gre": ethernet(ip4(US, SERVER, 47, bytes(16))),
    "spanning tree": bytes(12) + b"\x88\xcc" + bytes(28),
}


def self_test():
    wrong = []

    def expect(name, data, violations, **options):
        _, found = inspect(data, Judge([SERVER, SERVER6], [RESOLVER], **options))
        if len(found) != violations:
            wrong.append(f"{name}: {len(found)} violations instead of {violations}: {found}")

    for name, frame in GOOD.items():
        expect(name, pcap([frame]), 0)
    for name, frame in BAD.items():
        expect(name, pcap([frame]), 1)
        expect(f"{name} among others", pcap([*GOOD.values(), frame]), 1)
    whole = pcap(GOOD.values())
    expect("fragments", pcap([ethernet(ip4(US, SERVER, ESP, SEALED, 0x2000)),
                              ethernet(ip4(US, SERVER, ESP, bytes(64), 100))]), 0)
    asked = ethernet(ip4("0.0.0.0", "255.255.255.255", UDP, udp(68, 67, bytes(240))))
    expect("dhcp unasked", pcap([asked]), 1)
    expect("dhcp", pcap([asked]), 0, dhcp=True)
    there = ethernet(ip4(SERVER, US, UDP, udp(4600, 4500, SEALED)))
    clear = ethernet(ip4(SERVER, US, UDP, udp(4600, 4500, bytes(4) + L2TP)))
    expect("a server that moved unasked", pcap([there]), 1)
    expect("a server that moved", pcap([there]), 0, moved=[4600])
    expect("clear l2tp of a server that moved", pcap([clear]), 1, moved=[4600])
    expect("another station", pcap([BAD["ping"]]), 0, station=b"\x02" + bytes(5))
    expect("this station", pcap([BAD["ping"]]), 1, station=bytes(6))
    expect("cut short", whole[:-1], 1)
    expect("empty", pcap([]), 1)
    expect("nothing", b"", 2)
    for line in wrong:
        print(line)
    print(f"{len(GOOD)} good and {len(BAD)} bad packets judged, {len(wrong)} wrongly")
    sys.exit(1 if wrong else 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?")
    parser.add_argument("--server", action="append", default=[])
    parser.add_argument("--dns", action="append", default=[])
    parser.add_argument("--dhcp", action="store_true")
    parser.add_argument("--from", dest="station", type=lambda mac: bytes.fromhex(mac.replace(":", "")))
    parser.add_argument("--moved", action="append", default=[], type=int)
    parser.add_argument("--self-test", action="store_true")
    args = parser.parse_args()
    if args.self_test:
        self_test()
    with open(args.file, "rb") as file:
        kinds, violations = inspect(file.read(), Judge(args.server, args.dns, args.dhcp, args.station, args.moved))
    for line in violations[:20]:
        print(line)
    detail = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
    print(f"{sum(kinds.values()) + len(violations)} packets inspected, {len(violations)} violations ({detail})")
    sys.exit(1 if violations else 0)


main()
