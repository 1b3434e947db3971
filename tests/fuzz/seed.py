#!/usr/bin/env python3
"""Makes the fuzz targets' first inputs from the test vectors: `seed.py`, after which tests/fuzz/corpus
is to be committed. Inputs that once broke a target are kept beside them by hand, as found-WHAT. Records
are what fuzz.h says: length 16, octets.
"""
import hashlib
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
VARLINK = [
    '{"method": "io.vpnd.Connect", "parameters": {"name": "corp", "settings": {"mtu": "1400"}}, "more": true}',
    '{"method": "org.varlink.service.GetInfo"}',
    '{"parameters": {"event": {"up": {}}}, "continues": true}',
    '{"error": "io.vpnd.NoSuchConnection", "parameters": {"name": "x"}}',
    '[1, 2.5, null, "\\u0041"]',
]


def inner_udp(payload):
    text = struct.pack("!HHHH", 1701, 1701, 8 + len(payload), 0) + payload
    padding = -(len(text) + 2) % 16
    return text + bytes(range(1, padding + 1)) + bytes([padding, 17])


def corpora():
    esp = [v for v in sent("in", 4500) if v[:4] != NON_ESP_MARKER]
    control = [p for way in ("in", "out") for p in l2tp(way) if is_control(p)]
    data = [p for way in ("in", "out") for p in l2tp(way) if not is_control(p)]
    yield "fuzz_ike_msg", clear_ike()
    yield "fuzz_ike_natt", [*sent("in", 4500)][:12] + [b"\xff", NON_ESP_MARKER]
    yield "fuzz_ike_session", [heard(sent("in", 500)), heard([*sent("in", 500)][:1])]
    yield "fuzz_l2tp_ctrl", [*control, *(v for k, v in values("l2tp.txt") if v[:1] == b"\xc8")]
    yield "fuzz_l2tp_data", [*data, b"\x4b\x02\x00\x15\0\1\0\2\0\3\0\0\0\2\0\0\xff\x03\xc0\x21\x09"]
    yield "fuzz_l2tp_session", [heard(l2tp("in"))[:4000], heard([p for p in l2tp("in") if is_control(p)])]
    yield "fuzz_ppp_frame", [*ppp_frames("in"), *ppp_frames("out")]
    yield "fuzz_ppp_session", [heard(ppp_frames("in"))[:4000]]
    yield "fuzz_esp_in", [
        *(bytes([suite]) + records(b"\x03" + inner_udp(p) for p in data[:6]) for suite in range(4)),
        b"\x00" + records(b"\x00" + p for p in esp[:4]),
    ]
    yield "fuzz_conf", [CONF_FULL.encode(), CONF_LEAST.encode(), b"mtu=1400"]
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
