#!/usr/bin/env python3
"""Makes the fuzz targets' first inputs from the test vectors: `seed.py`, after which tests/fuzz/corpus
is to be committed. Inputs that once broke a target are kept beside them by hand, as found-WHAT. Records
are what fuzz.h says: length 16, octets.
"""
import hashlib
import json
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent
VECTORS = HERE.parent / "vectors"
CORPUS = HERE / "corpus"
RECORDINGS = ["recorded_softether.txt", "recorded_strongswan.txt"]
EXCHANGES = ["ikev1_psk_sha1_aes128_g2.txt", "ikev1_psk_sha256_aes256_g14_nat.txt"]
NON_ESP_MARKER = bytes(4)


def values(name):
    """(key, octets) of every line of a vector file whose value is hex."""
    for line in (VECTORS / name).read_text().splitlines():
        key, separator, text = line.partition(" = ")
        if separator:
            try:
                yield key, bytes.fromhex(text)
            except ValueError:
                pass


def sent(direction, port):
    """What went that way on that port in the recordings; 4500 with its marker."""
    for name in RECORDINGS:
        yield from (v for k, v in values(name) if k.endswith(f"_{direction}_{port}"))


def l2tp(direction):
    for name in RECORDINGS:
        yield from (v for k, v in values(name) if k.endswith(f"l2tp_{direction}"))


def records(items):
    return b"".join(struct.pack("!H", len(item)) + item for item in items)


def heard(packets):
    """Records for the session targets: nothing special, 16 ms later, the packet."""
    return records(b"\x00\x01" + p for p in packets)


def is_control(packet):
    return packet[0] & 0x80


def ppp_frames(direction):
    """PPP frames of the recorded data messages, which have L or no option at all."""
    for packet in l2tp(direction):
        if not is_control(packet):
            yield packet[8:] if packet[0] & 0x40 else packet[6:]


def clear_ike():
    yield from sent("in", 500)
    yield from sent("out", 500)
    for name in EXCHANGES:
        for _, value in values(name):
            if len(value) > 28 and value[17] == 0x10 and int.from_bytes(value[24:28], "big") == len(value):
                yield value


# ---- ISAKMP in the clear ----
def message(exchange, *payloads, flags=0, number=0):
    octets = chain(*payloads)
    return b"\1" * 8 + b"\2" * 8 + struct.pack("!BBBBII", octets[0], 0x10, exchange, flags, number, 27 + len(octets)) + octets[1:]


def attribute(kind, value):
    if isinstance(value, bytes):
        return struct.pack("!HH", kind, len(value)) + value
    return struct.pack("!HH", 0x8000 | kind, value)


def transforms(*items):
    for i, (number, attributes) in enumerate(items):
        more = 3 if i + 1 < len(items) else 0
        yield struct.pack("!BBHBBH", more, 0, 8 + len(attributes), i + 1, number, 0) + attributes


def proposals(*items):
    """(number, protocol, spi, transforms): an SA payload's body."""
    octets = struct.pack("!II", 1, 1)
    for i, (number, protocol, spi, each) in enumerate(items):
        inside, more = b"".join(transforms(*each)), 2 if i + 1 < len(items) else 0
        octets += struct.pack("!BBHBBBB", more, 0, 8 + len(spi) + len(inside), number, protocol, len(spi), len(each)) + spi + inside
    return octets


def ike_payloads():
    life = attribute(1, 1) + attribute(2, b"\0\0\x0e\x10")
    gcm, cbc = life + attribute(4, 2) + attribute(6, 256), life + attribute(4, 4) + attribute(5, 2) + attribute(6, 128)
    esp = [(20, gcm), (20, gcm + attribute(5, 2)), (12, cbc), (12, cbc + attribute(3, 14)), (12, life + attribute(5, 5) + attribute(6, 64)),
           (3, life + attribute(4, 1) + attribute(5, 1)), (3, life + attribute(4, 61444) + attribute(5, 2) + attribute(6, 192)),
           (11, life), (12, cbc + attribute(3, 99)), (12, cbc + attribute(7, 1)), (12, cbc + attribute(4, 2)),
           (12, life + attribute(4, b"\0\1\0\0") + attribute(5, 7) + attribute(6, 256)),
           (12, attribute(2, 5) + cbc), (12, attribute(1, 2) + attribute(2, 9) + attribute(4, 2) + attribute(5, 2) + attribute(6, 128)),
           (12, attribute(1, 1) + attribute(2, b"") + cbc[12:]), (12, attribute(1, 1) + attribute(2, bytes(9)) + cbc[12:]), (12, cbc + b"\0\4")]
    old = attribute(1, 5) + attribute(2, 2) + attribute(3, 1) + attribute(4, 2) + attribute(11, 1) + attribute(12, b"\0\1\x51\x80")
    ike = [(1, old), (1, old + attribute(14, 192)), (1, attribute(1, 7) + attribute(2, 4) + attribute(3, 1) + attribute(4, 14) + attribute(14, 256)),
           (1, attribute(1, 7) + attribute(2, 4) + attribute(3, 1) + attribute(4, 31) + attribute(14, 100)), (2, old),
           (1, old + attribute(1, 5)), (1, attribute(1, 1) + old[4:]), (1, old[:4] + attribute(2, 9) + old[8:]), (1, old[:12] + attribute(4, 77) + old[16:]),
           (1, old[:8] + attribute(3, b"\0\1\0\0\0") + old[12:]), (1, old[:8] + attribute(3, b"\0\1\0\1") + old[12:])]
    for items in ([(1, 3, b"\xc0\xff\xee\1", esp)], [(1, 1, b"", ike)], [(1, 3, b"1234", esp[:2]), (2, 3, b"1234", esp[2:4]), (2, 2, b"1234", esp[:1])],
                  [(1, 4, b"12", esp[:1])]):
        body = proposals(*items)
        yield message(2, (1, body))
        yield message(32, (8, bytes(20)), (1, body), (10, bytes(16)), (5, b"\1\x11\6\xa5\xc0\0\2\1"), flags=1, number=7)
        for cut in (9, 13, 21, 30):
            yield message(2, (1, body[:-cut]))
        yield message(2, (1, body[:11] + b"\xff" + body[12:]))
        yield message(2, (1, b"\0\0\0\2" + body[4:]))
    for kind in (14, 16, 18, 23, 24, 24576, 24578, 36136, 36137, 9999):
        yield message(5, (11, notify(1, 16, kind, b"1234")), (11, notify(3, 4, kind)))
    yield message(5, (12, delete(3, 4, 3)), (12, delete(1, 16)), (12, delete(3, 5)))
    identities = [b"\1\0\0\0\xc0\0\2\1", b"\5\x11\6\xa5" + bytes(16), b"\2\0\0\0name", b"\3\0\0\0a@b", b"\1\0\0\0\1"]
    yield message(5, *[(5, body) for body in identities])
    yield message(2, *[(13, bytes(4))] * 70)
    yield message(2, (13, b"x" * 3900))


# ---- L2TP and PPP ----
def avp(kind, value, bits=0x8000, vendor=0):
    return struct.pack("!HHH", bits | (6 + len(value)), vendor, kind) + value


def l2tp_message(kind, *avps, bits=0x8000):
    octets = avp(0, struct.pack("!H", kind), bits) + b"".join(avps)
    return struct.pack("!HHHHHH", 0xc802, 12 + len(octets), 1, 2, 3, 4) + octets


def l2tp_faults():
    sccrp = [avp(2, b"\1\0"), avp(3, bytes(4)), avp(7, b"lns"), avp(9, b"\0\5")]
    wrong = [avp(99, b"x"), avp(1, b"x", vendor=9), avp(99, b"x", 0), avp(9, b"xyz"), avp(9, b"xyz", 0), avp(7, b"x", 0xc000), avp(7, b"x", 0x4000),
             avp(7, b"x", 0xbc00), b"\x80\2", b"\x83\xff\0\0\0\7", avp(2, b"\1\0", 0xc000)]
    for each in wrong:
        yield l2tp_message(2, *sccrp, each)
    yield l2tp_message(2, avp(36, bytes(16)), *(avp(kind, b"\0\1" * 20, 0xc000) for kind in range(1, 46)))
    yield l2tp_message(2, avp(36, bytes(16)), *[avp(11, b"y" * 1000, 0xc000)] * 3)
    for kind in range(18):
        yield l2tp_message(kind, *sccrp, avp(1, b"\0\1\0\2busy"), avp(14, b"\0\7"))
    yield l2tp_message(4, avp(1, b"\0\2\0\x09"), avp(9, b"\0\5"))
    yield l2tp_message(99, *sccrp)
    yield l2tp_message(99, *sccrp, bits=0)
    yield l2tp_message(2, *sccrp)[:-3]
    yield b"\xc8\2\0\x0c" + bytes(8)


def lcp(code, *options, number=1):
    octets = b"".join(bytes([kind, 2 + len(value)]) + value for kind, value in options)
    return b"\xff\3\xc0\x21" + struct.pack("!BBH", code, number, 4 + len(octets)) + octets


def ppp_options():
    for code in (1, 2, 3, 4):
        for number in (0, 1):
            for octet in (0, 1, 2):
                yield lcp(code, (1, bytes([octet, 0])), (3, bytes([octet, 1, 2])), (5, bytes([octet]) + bytes(3)), number=number)
            yield lcp(code, (1, bytes(2)), (5, bytes(4)), (7, bytes(1)), number=number)
            yield lcp(code, (1, b"123"), (7, b""), (9, b"?"), number=number)
    yield lcp(1, (1, bytes(2)))[:-1]
    yield lcp(1)[:-3]
    yield from (b"\x21", b"\xff\3", b"\0\x21x", b"\xc0\x21\1")


# ---- the stages: a choice, then steps: what (tests/fuzz/stage_ike.c), time, octets ----
GENUINE, EDIT, REPLACE, LOSE, REPLAY, INFORM, ACT, RAW = range(8)
MEND, TWICE, SAY_NO, LANE = 0x08, 0x10, 0x20, 0x40
LONG = 0xf0  # and so many times five minutes


def steps(choice, *items):
    return bytes([choice]) + records(bytes([what, after]) + octets for what, after, octets in items)


def chain(*payloads):
    """What takes the place of a message's payloads: the first one's type, then the chain."""
    octets = bytes([payloads[0][0]])
    for i, (_, body) in enumerate(payloads):
        following = payloads[i + 1][0] if i + 1 < len(payloads) else 0
        octets += struct.pack("!BBH", following, 0, 4 + len(body)) + body
    return octets


def informational(*payloads):
    return b"".join(bytes([kind, len(body)]) + body for kind, body in payloads)


def notify(protocol, spi, kind, data=b""):
    return struct.pack("!IBBH", 1, protocol, spi, kind) + bytes(spi) + data


def delete(protocol, spi, count=1):
    return struct.pack("!IBBH", 1, protocol, spi, count) + bytes(spi * count)


def ike_main_stage():
    own_id, good = b"\x01\0\0\0\xc6\x33\x64\x01", (GENUINE, 1, b"")
    for choice, hash_len in ((0, 32), (0x10, 20), (0x20, 20), (0x30, 48), (4, 32), (8, 32), (0x80, 32), (3, 32)):
        yield steps(choice, good, good, good, good, good)
        yield steps(choice, good, good, (REPLACE | MEND, 1, chain((5, own_id), (8, bytes(hash_len)))), good)
        yield steps(choice, good, good, (REPLACE, 1, chain((5, own_id), (8, bytes(hash_len)))), good)
    fqdn = b"\x02\0\0\0vpn.example.com"
    contact = notify(1, 16, 24578)
    yield steps(0, good, good, (REPLACE | MEND, 1, chain((5, fqdn), (8, bytes(32)), (11, contact), (13, bytes(16)))), good)
    yield steps(0, good, good, (REPLACE | MEND, 1, chain((11, notify(1, 0, 18)))), (GENUINE, 0x80, b""))
    yield steps(0, good, (EDIT, 1, b"\0\0\x40\1"), (LOSE, 0xf8, b""), (LOSE, 0xff, b""))
    yield steps(0, (EDIT, 1, b"\1\0\x50\1\1\0\x30\xff"), good, (LOSE, 0xff, b""))
    yield steps(0, good, good, (RAW, 1, bytes(16) + chain_header(5) + notify(1, 0, 24)), (LOSE, 0xff, b""))
    yield steps(0, good, (REPLAY, 1, b"\0"), (REPLAY, 1, b"\0\1\0\x50\1"), (LOSE, 0x20, b""), good)
    for kind in (14, 16, 18, 23, 24, 36136):
        clear = bytes(16) + struct.pack("!BBBBII", 11, 0x10, 5, 0, 77, 28 + 12) + b"\0\0\0\x0c" + notify(1, 0, kind)
        yield steps(0, good, (RAW, 1, clear), (RAW, 0x40, clear), (RAW, 0x40, clear), (LOSE, 0xff, b""), (RAW, 0, clear))


def chain_header(exchange):
    return struct.pack("!BBBBII", 11, 0x10, exchange, 0, 1, 28 + 8)


def ike_quick_stage():
    good = (GENUINE, 1, b"")
    nonce, ids = bytes(range(16)), b"\x01\x11\x06\xa5\xc6\x33\x64\x01"
    for choice in (0, 1, 2, 3, 4, 8, 9, 0x10, 0x20, 0x30):
        yield steps(choice, good, good, good)
        yield steps(choice, good, (ACT, 1, b"\0"), good, good, (LOSE, LONG | 12, b""), good, good)
        yield steps(choice, (EDIT | MEND, 1, b"\0\0\x3c\1"), (LOSE, 0xff, b""), (LOSE, LONG | 1, b""))
    for at in range(0, 120, 4):
        yield steps(1, (EDIT | MEND, 1, bytes([1, 0, at, 1])), good)
    yield steps(0, (EDIT, 1, bytes([1, 0, 6, 1])), good)
    yield steps(0, (ACT, 1, b"\4"), good, (ACT, 1, b"\4"), good, good)
    yield steps(0, good, (ACT, 1, b"\0\1\0\x40\2"), good, (ACT | MEND, 1, b"\0\1\0\x40\2"), good)
    yield steps(0, (REPLACE | MEND, 1, chain((8, bytes(32)), (10, nonce), (5, ids), (5, ids))), (LOSE, 0xff, b""))
    yield steps(0, (GENUINE | SAY_NO, 1, b""), (LOSE, 0xff, b""))
    yield steps(0, good, (ACT | SAY_NO, 1, b"\0"), good)


def ike_info_stage():
    good, wait = (GENUINE, 1, b""), (GENUINE, 0xff, b"")
    bodies = [
        [(11, notify(1, 16, 36136, b"\0\0\0\1"))], [(11, notify(1, 16, 36137, b"\0\0\0\1"))],
        [(11, notify(3, 4, 24576, b"\x80\1\0\1\x80\2\0\x3c"))], [(11, notify(1, 16, 24578))],
        [(11, notify(3, 4, 14))], [(11, notify(1, 0, 14))], [(11, notify(1, 16, 18))], [(11, notify(1, 0, 9999))],
        [(12, delete(3, 4))], [(12, delete(1, 16))], [(12, delete(3, 4, 2))], [(12, delete(1, 4))],
        [(12, delete(3, 4)), (12, delete(1, 16))], [(11, notify(1, 16, 24577)), (11, notify(1, 16, 36136, b"\0\0\0\2"))],
        [(13, b"vendor")], [(99, b"?")], [(8, bytes(32))], [(11, b"\0")],
    ]
    for body in bodies:
        yield steps(0, (INFORM | MEND, 1, informational(*body)), good, good, wait)
        yield steps(1, (INFORM, 1, informational(*body)), (LOSE, LONG | 1, b""), wait)
    for act in (1, 2, 3):
        yield steps(0, (ACT, 1, bytes([act])), good, good, good, good, wait, good, good)
    for lost in range(1, 16):
        yield steps(0, *[(LOSE, LONG | lost, b"")] * 3, good, good)
        yield steps(0, *[(GENUINE, LONG | lost, b"")] * 6)
    yield steps(2, *[(GENUINE | TWICE, LONG | 15, b"")] * 12)


CONF_FULL = """# all that a file may say
gateway = vpn.example.com
psk = "correct \\"horse\\" battery"
user = CORP\\alice
password = wonderland
routes = 10.0.0.0/8, 2001:db8::/32
dns = 192.0.2.53
lan = allow
proposals = compatible
ike = aes256-sha256-modp2048, 3des-sha1-modp1024!
esp = aes128gcm16, aes256-sha1
auth = mschapv2
mtu = 1400
ike-life = 8h
esp-life = 3600
rekey = no
encapsulation = force
data-plane = user
fwmark = 0x7670000/0xfff0000
interface = vpn0
"""
CONF_LEAST = "gateway = 198.51.100.1\npsk = labpsk123\nuser = alice\npassword = wonderland\n"
PACKET, SAME_ID = 5, 0x10  # tests/fuzz/stage_ppp.c


def options(*items):
    return b"".join(bytes([kind, 2 + len(value)]) + value for kind, value in items)


def ppp_stage(codes, bodies, choices=(0, 1, 2, 4, 8, 0x10, 0x20, 0x40)):
    good, wait = (GENUINE, 1, b""), (LOSE, 0xf1, b"")
    for choice in choices:
        yield steps(choice, *[good] * 14, (ACT, 1, b"\0ip"), wait, good, good, (ACT, 1, b"\1"), good, wait)
    for code in codes:
        for i, body in enumerate(bodies):
            yield steps(i % 3, (REPLACE | SAME_ID, 1, bytes([code, 1]) + body), good, good, good, (PACKET | SAME_ID, 1, bytes([code, 1]) + body), good, wait)
    for spoken in range(5):  # a Success that nobody has earned
        yield steps(2, *[good] * spoken, (PACKET | SAME_ID, 1, b"\3\1S=" + b"0123456789ABCDEF" * 2 + b"01234567"), good, wait)
    for at in (4, 5, 8, 10):
        yield steps(0, (EDIT, 1, bytes([1, 0, at, 1])), good, (REPLAY, 1, b"\0"), (REPLAY, 1, b"\1\1\0\5\1"), *[good] * 8)


def ppp_stages():
    lcp_bodies = [b"", options((1, b"\5\x78"), (5, bytes(4))), options((1, b"\0\x40"), (3, b"\xc2\x23\x81"), (2, bytes(4)), (7, b""), (8, b"")),
                  options((3, b"\xc2\x23\5")), options((3, b"\xc0\x23")), options((3, b"\xc2\x27")), bytes(4) + b"text", b"\x80\xfdrest", b"\x80\x21",
                  options((5, b"1234")), options((1, b"\5\x78"))]
    yield "fuzz_ppp_lcp", ppp_stage(range(1, 14), lcp_bodies[:5])
    proof = b"S=" + b"0123456789ABCDEF0123456789ABCDEF01234567"
    chap_bodies = [b"", b"\x10" + bytes(16) + b"server", b"\x08" + bytes(8), proof, proof + b" M=Welcome", b"M=hello", b"E=691 R=1 C=" + b"00" * 16 + b" V=3 M=no",
                   b"E=648 R=0 C=" + b"00" * 16 + b" V=3", b"E=x", b"S=12", b"\xff" + bytes(20)]
    yield "fuzz_ppp_chap", ppp_stage((1, 3, 4, 5), chap_bodies)
    yield "fuzz_ppp_pap", ppp_stage((1, 2, 3, 4), [b"", b"\0", b"\5hello", b"\xffx", b"\2\x1b["])
    ipcp_bodies = [b"", options((3, b"\x0a\x63\0\1")), options((3, bytes(4))), options((2, b"\0\x2d\x0f\1")), options((129, b"\x0a\0\0\1"), (131, bytes(4))),
                   options((129, bytes(4))), options((130, b"\x0a\0\0\1")), options((3, b"\xff\xff\xff\xff")), options((1, bytes(8)), (99, b"?"))]
    yield "fuzz_ppp_ipcp", ppp_stage((1, 2, 3, 4, 5, 7), ipcp_bodies[::2] + ipcp_bodies[1:2])


def hidden_tunnel():
    """tests/fuzz/fuzz_l2tp_hidden.c: AVPs are type, bits, length, value."""
    def avps(*items, first=b"\0"):
        return first + b"".join(bytes([kind, bits, len(value)]) + value for kind, bits, value in items)

    good, avps_step, stop, close, frame = (GENUINE, 1, b""), 2, 5, 6, 7
    sccrp = [(2, 0, b"\1\0"), (3, 0, bytes(4)), (7, 0, b"lns"), (9, 0, b"\0\5")]
    for choice in (0, 1, 2, 4):
        yield steps(choice, *[good] * 6, (frame, 1, b"\xff\3\xc0\x21"), (stop, 1, b""), good, (LOSE, 0xf1, b""))
        yield steps(choice, *[good] * 6, (stop | 8, 1, b""), good, (close, 1, b""), (LOSE, 0xf1, b""))
        for bits in (0, 1, 2, 3, 5) if choice == 0 else (1,):
            for extra in (11, 13, 26, 36):
                yield steps(choice, (avps_step, 1, avps(*sccrp[:3], (9, bits, b"\0\5"), (extra, bits, bytes(16)))), good, good, good)
            yield steps(choice, good, good, (avps_step, 1, avps((14, bits, b"\0\7"))), good, good)
        yield steps(choice, (avps_step, 1, avps((1, 1, b"\0\2\0\6no"), (9, 1, b"\0\5"), first=b"\x09")), good)
        yield steps(choice, good, good, (avps_step, 1, avps((1, 0, b"\0\2\0\6no"), (14, 1, b"\0\5"), first=b"\x1d")), good)
    for at in (3, 12, 20, 30, 60, 90):
        yield steps(0, (EDIT, 1, bytes([1, 0, at, 1])), good, (REPLAY, 1, b"\0"), (REPLAY, 1, b"\0\1\0\5\1"), (LOSE, 0x60, b""), *[good] * 5)


# ---- the whole client: a choice, good steps before, then steps: what (tests/fuzz/fuzz_client.c), time, octets ----
ACT_GATEWAY, ACT_CLIENT, ALL = 5, 6, 0x10


def client(choice, before, *items):
    return bytes([choice, before]) + records(bytes([what, after]) + octets for what, after, octets in items)


def whole_client():
    flip, all_good, edited = b"\1\0\x20\1", (GENUINE | ALL, 1, b""), EDIT | MEND | ALL
    for choice in (0, 1, 2, 4, 8, 0x10, 0x20, 0x40, 0x50, 0x42, 0x80):
        yield client(choice, 40, all_good, (ACT_CLIENT, 1, b"\4hello"), (ACT_GATEWAY | ALL, 1, b"\6hello"), all_good)
    for before in range(0, 30, 2):
        yield client(0, before, (edited, 1, flip), (LOSE | ALL, 0x20, b""), all_good, (LOSE | ALL, 0x80, b""))
        yield client(0, before, (EDIT | ALL, 1, flip), all_good)
        yield client(4, before, (LOSE, 1, b""), (GENUINE | ALL, 0x40, b""), all_good)
    for before in (0, 5, 14, 40):
        for what in range(8):
            yield client(0, before, (ACT_GATEWAY | ALL, 1, bytes([what])), all_good, (GENUINE | ALL, LONG | 2, b""), all_good)
            yield client(0, before, (ACT_CLIENT | ALL, 1, bytes([what])), all_good, (GENUINE | ALL, LONG | 1, b""), all_good)
        yield client(0, before, (RAW | LANE, 1, b"\xc8\2\0\x0c" + bytes(8)), (REPLAY, 1, b"\1"), (GENUINE | ALL | SAY_NO, 1, b""), all_good)


CONF_WRONG = r"""
gateway =
gateway = vpn..example.com
gateway = 198.51.100.300
user = "open
user = "x\n"
user = "x" y
user = \xff\xfe
user = zoe\xc3\xab \xe2\x82\xac \xf0\x9f\x98\x80
user = \xc0\x80
user = \xed\xa0\x80
psk-file = relative
psk-credential = a/b
psk-file = /etc/psk
psk-credential = good.name
routes = 10.0.0.0/8,,1.2.3.4/33
dns = 0.0.0.0
dns = 192.0.2.1,192.0.2.2,192.0.2.3,192.0.2.4,192.0.2.5
lan = perhaps
proposals = newest
ike = aes7-sha9
ike = aes256-sha256-modp2048,rot13
esp = nothing
auth = telepathy
mtu = 12
mtu = 99999999999999999999
mtu = auto
ike-life = 5x
ike-life = 2d
ike-life = 1
rekey = si
encapsulation = maybe
data-plane = astral
fwmark = 1/2/3
fwmark = 0x1
fwmark = 0x0/0x0
fwmark = 0xzz/0x1
interface = lo
interface = a b
local-id = me@example.com
gatewy = close
nonsense = far
= nothing
no equals sign
; a comment
\xa0 = x
"""
CONF_ENDS = [
    "\xef\xbb\xbfgateway = x\n", "user = a\r\n", "user = \0\n", "psk = " + "x" * 1030 + "\n", "y" * 4097, "user=a\nuser=b\n",
    "psk = x\npsk-file = /x\npsk-credential = x\npassword = y\npassword-file = /y\n", "password=hunter2", "psk=secret", "l2tp-secret=s",
    "psk-file=/etc/shadow", "password-credential=x", "unknown=1", "psk=", "routes=none", "dns=none", "dns = auto\nroutes = default\n",
] + [CONF_LEAST.replace("labpsk123", f"{psk}\npsk-encoding = {how}") for how, psk in (
    ("hex", "00ff"), ("hex", "0"), ("hex", "xy"), ("base64", "c2VjcmV0"), ("base64", "c2VjcmU="), ("base64", "c2VjcmB="), ("base64", "c2VjcQ=="),
    ("base64", "c2V?"), ("base64", "c2V"), ("text", "x"))]
CONF_ENDS += ["\n".join(["?"] * 70)]


def conf_lines():
    """Each wrong line by itself and all together."""
    lines = CONF_WRONG.encode().decode("unicode_escape").encode("latin-1").splitlines()
    yield b"\n".join(lines)
    yield from lines
    yield from (text.encode("latin-1") for text in CONF_ENDS)


VARLINK = [
    '{"method": "io.vpnd.Connect", "parameters": {"name": "corp", "settings": {"mtu": "1400"}}, "more": true}',
    '{"method": "org.varlink.service.GetInfo"}',
    '{"parameters": {"event": {"up": {}}}, "continues": true}',
    '{"error": "io.vpnd.NoSuchConnection", "parameters": {"name": "x"}}',
    '{"method": "x", "parameters": null}', '{"method": "x", "parameters": 1}', '{"method": "x", "more": 1}',
    '{"method": "x", "upgrade": true}', '{"method": "x", "oneway": true, "more": true}',
    '{"method": "x", "oneway": true, "parameters": {"a": "' + "b" * 900 + '"}}',
    '{"method": "x", "parameters": {"a": ' + "[" * 40 + "]" * 40 + '}, "more": true}',
    '{"parameters": {"text": "' + "c" * 3500 + '"}}', '{"error": 5}',
    '[1, 2.5, null, "\\u0041"]',
]


def inner_udp(payload):
    text = struct.pack("!HHHH", 1701, 1701, 8 + len(payload), 0) + payload
    padding = -(len(text) + 2) % 16
    return text + bytes(range(1, padding + 1)) + bytes([padding, 17])


SAY, SAY_PART, TELL_EVENT, END_CALL, TELL_LINE, LEAVE, MUTE, OTHER = 0, 1, 2, 3, 4, 5, 6, 8  # tests/fuzz/fuzz_control.c


def control_socket():
    def call(method, more=False, **parameters):
        return json.dumps({"method": method, "parameters": parameters} | ({"more": True} if more else {})).encode()

    def talk(choice, *items):
        return bytes([choice]) + records(bytes([what]) + octets for what, octets in items)

    vpnd, service = "io.vpnd.", "org.varlink.service."
    calls = [
        call(service + "GetInfo"), call(service + "GetInterfaceDescription", interface="io.vpnd"), call(service + "GetInterfaceDescription", interface="x"),
        call(vpnd + "Status"), call(vpnd + "Status", name="corp"), call(vpnd + "Status", name="a/b"), call(vpnd + "Status", nam="x"), call(vpnd + "List"),
        call(vpnd + "Show", name="corp"), call(vpnd + "Show", name="corp", key="psk"), call(vpnd + "Show", name="corp", key="x"), call(vpnd + "Reload"),
        call(vpnd + "Explain", code="691"), call(vpnd + "Explain", code="IKE-PSK-WRONG"), call(vpnd + "Explain", code="?"), call(vpnd + "Disconnect", name="corp"),
        call(vpnd + "Disconnect", all=True), call(vpnd + "Disconnect"), call(vpnd + "Monitor", more=True), call(vpnd + "Monitor"), call(vpnd + "Log", name="corp"),
        call(vpnd + "Cancel", name="corp"), call(vpnd + "Answer", id=1, value="x"), call("nonsense"), b"{}", b"[1]", b"{", b'{"method": 5}',
    ]
    connects = [
        call(vpnd + "Connect", True, name="corp", interactive=True), call(vpnd + "Connect", True, name="corp", owner="caller", network="caller"),
        call(vpnd + "Connect", True, name="corp", settings={"mtu": "1400"}, secrets={"psk": "x"}, ssh_peer="192.0.2.7", insist=True),
        call(vpnd + "Connect", name="corp", settings={"mtu": 5}), call(vpnd + "Connect", settings={"gateway": "x"}), call(vpnd + "Log", True, name="corp", follow=True),
        call(vpnd + "Connect", name="x", ssh_peer="host"), call(vpnd + "Connect", True, name="corp", owner="me"),
    ]
    for each in calls:
        yield talk(0, (SAY, each), (SAY | OTHER, each))
    yield talk(12, *[(SAY, each) for each in calls[:20]])
    for each in connects:
        for choice in (0, 1, 2):
            yield talk(choice, (SAY, each), (TELL_EVENT, b"\0how"), (TELL_EVENT, b"\1word"), (SAY | OTHER, calls[22]), (LEAVE | OTHER, b""), (SAY, calls[3]),
                       (TELL_LINE, b"line"), (TELL_EVENT, b"\2note"), (TELL_EVENT, b"\4again"), (TELL_EVENT, b"\x83up"), (TELL_EVENT, b"\5\xff"))
        yield talk(0, (SAY, each), (LEAVE, b""), (SAY | OTHER, calls[18]), (TELL_EVENT, b"\x83"), (LEAVE | OTHER, b""))
        for how in range(6):
            yield talk(0, (SAY | OTHER, calls[18]), (SAY, each), (END_CALL, bytes([how]) + b"text"), (SAY, calls[0]))
    yield talk(0, (SAY_PART, calls[3][:10]), (SAY_PART, calls[3][10:]), (SAY, b""), (SAY_PART, calls[3] + b"\0" + calls[4] + b"\0" + calls[5]), (SAY, b""))
    yield talk(0, (MUTE, b""), *[(SAY, calls[1])] * 23)


def corpora():
    esp = [v for v in sent("in", 4500) if v[:4] != NON_ESP_MARKER]
    control = [p for way in ("in", "out") for p in l2tp(way) if is_control(p)]
    data = [p for way in ("in", "out") for p in l2tp(way) if not is_control(p)]
    yield "fuzz_ike_msg", [*clear_ike(), *ike_payloads()]
    yield "fuzz_ike_natt", [*sent("in", 4500)][:12] + [b"\xff", NON_ESP_MARKER]
    yield "fuzz_ike_session", [heard(sent("in", 500)), heard([*sent("in", 500)][:1])]
    yield "fuzz_ike_main", ike_main_stage()
    yield "fuzz_ike_quick", ike_quick_stage()
    yield "fuzz_ike_info", ike_info_stage()
    yield "fuzz_client", whole_client()
    yield from ppp_stages()
    yield "fuzz_control", control_socket()
    yield "fuzz_l2tp_hidden", hidden_tunnel()
    yield "fuzz_l2tp_ctrl", [*control, *(v for k, v in values("l2tp.txt") if v[:1] == b"\xc8"), *l2tp_faults()]
    yield "fuzz_l2tp_data", [*data, b"\x4b\x02\x00\x15\0\1\0\2\0\3\0\0\0\2\0\0\xff\x03\xc0\x21\x09", b"\0\3" + bytes(9),
                           b"\x40\2\0\xff" + bytes(9), b"\2\2\0\1\0\1\xff"]
    yield "fuzz_l2tp_session", [heard(l2tp("in"))[:4000], heard([p for p in l2tp("in") if is_control(p)])]
    yield "fuzz_ppp_frame", [*ppp_frames("in"), *ppp_frames("out"), *ppp_options()]
    yield "fuzz_ppp_session", [heard(ppp_frames("in"))[:4000]]
    yield "fuzz_esp_in", [
        *(bytes([suite]) + records(b"\x03" + inner_udp(p) for p in data[:6]) for suite in range(4)),
        b"\x00" + records(b"\x00" + p for p in esp[:4]),
    ]
    yield "fuzz_conf", [CONF_FULL.encode(), CONF_LEAST.encode(), b"mtu=1400", *conf_lines()]
    yield "fuzz_varlink", [text.encode() + b"\0" for text in VARLINK] + ["\0".join(VARLINK).encode() + b"\0"]


def main():
    for seed in CORPUS.glob("*/seed-*"):
        seed.unlink()
    files = octets = 0
    for name, inputs in corpora():
        (CORPUS / name).mkdir(parents=True, exist_ok=True)
        for content in set(inputs):
            (CORPUS / name / f"seed-{hashlib.sha1(content).hexdigest()[:12]}").write_bytes(content)
            files, octets = files + 1, octets + len(content)
    print(f"{files} inputs, {octets} octets")


main()
