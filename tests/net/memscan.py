#!/usr/bin/env python3
"""Looks for secrets in the memory of a process, or in files.

    memscan.py SECRETS pid PID [NAME=MOST]...   every page that is not a file's, as it is
    memscan.py SECRETS files PATH...            files, and everything below directories

SECRETS has lines "NAME HEX"; a name that begins with "password" is a password, anything else a key.
A secret is looked for in every form that code might have of it: its octets, hex, base64; a password
also in UTF-16, as its NT hash and that hash's hash; a key also as HMAC mixes it (inner and outer pad),
and a long one by its first half, which is where a key schedule begins. Of a long form every piece is
looked for too: what is left of freed memory is seldom whole.

A hit is a line "NAME FORM PLACE ADDRESS"; places are heap (a chunk that somebody has), heap-free (one
that was freed), stack, stack-free (below the stack pointer), data, anonymous, or the file's name. The
last line is "SECRETS secrets, FORMS forms, PAGES pages: HITS hits (NAME COUNT, ...)".

Exit status 1 when there is a hit that is not allowed. NAME=MOST allows so many of that name, as octets
and in heap chunks that somebody has; nothing allows anything else. Needs root and glibc 2.32 or later.
"""
import base64
import collections
import os
import struct
import sys

PAGE = 4096
RED_ZONE = 128  # octets below the stack pointer that the ABI lets a function use
LEAST = 8       # octets of a form: shorter ones are found by chance
PIECE = 32
HALF, OF_IT = "first half", ", a piece"


# ---- forms of a secret ----------------------------------------------------------------------

def md4(message):
    """RFC 1320; OpenSSL may be without it."""
    def rotate(x, n):
        x &= 0xffffffff
        return (x << n | x >> 32 - n) & 0xffffffff

    rounds = (
        (lambda x, y, z: x & y | ~x & z, 0, (3, 7, 11, 19), range(16)),
        (lambda x, y, z: x & y | x & z | y & z, 0x5a827999, (3, 5, 9, 13),
         (0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)),
        (lambda x, y, z: x ^ y ^ z, 0x6ed9eba1, (3, 9, 11, 15), (0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15)),
    )
    state = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476]
    padded = message + b"\x80" + bytes(-(len(message) + 9) % 64) + struct.pack("<Q", 8 * len(message))
    for at in range(0, len(padded), 64):
        words, (a, b, c, d) = struct.unpack_from("<16I", padded, at), state
        for f, constant, shifts, order in rounds:
            for i, k in enumerate(order):
                a, b, c, d = d, rotate(a + f(b, c, d) + words[k] + constant, shifts[i % 4]), b, c
        state = [(x + y) & 0xffffffff for x, y in zip(state, (a, b, c, d))]
    return struct.pack("<4I", *state)


def texts(octets):
    """A few octets on either side shift base64; so its three forms are those without the edges."""
    yield "octets", octets
    yield "hex", octets.hex().encode()
    yield "HEX", octets.hex().upper().encode()
    for shift in range(3):
        whole = base64.b64encode(bytes(shift) + octets)
        first = -(-8 * shift // 6)
        yield f"base64+{shift}", whole[first:first + (8 * len(octets) - (-8 * shift) % 6) // 6]


def forms(name, octets):
    yield from texts(octets)
    if name.startswith("password"):
        utf16 = octets.decode().encode("utf-16-le")
        yield "UTF-16", utf16
        for label, digest in (("NT hash", md4(utf16)), ("hash of the NT hash", md4(md4(utf16)))):
            for form, text in texts(digest):
                yield f"{label}, {form}", text
        return
    block = 128 if len(octets) > 64 else 64
    for label, pad in (("inner pad", 0x36), ("outer pad", 0x5c)):
        if len(octets) <= block:
            yield label, bytes(b ^ pad for b in octets)
    if len(octets) >= 32:
        yield HALF, octets[:16]


def read_secrets(path):
    """Their number, and [(name, form, octets)], no octets twice."""
    needles, known = [], set()
    with open(path) as lines:
        secrets = [line.split() for line in lines if line.strip()]
    for name, text in secrets:
        for form, octets in forms(name, bytes.fromhex(text)):
            pieces = [octets[at:at + PIECE] for at in range(0, len(octets) - PIECE + 1, PIECE)]
            for needle, label in [(octets, form)] + [(piece, form + OF_IT) for piece in pieces]:
                if len(needle) >= LEAST and needle not in known:
                    known.add(needle)
                    needles.append((name, label, needle))
    return len(secrets), needles


def find_all(needle, memory):
    at = memory.find(needle)
    while at >= 0:
        yield at
        at = memory.find(needle, at + 1)


# ---- memory ---------------------------------------------------------------------------------

class Region:
    def __init__(self, line):
        span, self.rights, _, _, inode, *path = line.split(None, 5)
        self.start, self.end = (int(x, 16) for x in span.split("-"))
        self.path = path[0].strip() if path else ""
        self.octets = b""

    def read(self, memory):
        try:
            memory.seek(self.start)
            self.octets = memory.read(self.end - self.start)
        except (OSError, ValueError):  # [vvar] and its like
            self.octets = b""

    def may_differ(self):
        """From what lies in a file: programs and libraries are not searched."""
        return "r" in self.rights and ("w" in self.rights or not self.path.startswith("/"))

    def kind(self):
        if self.path == "[heap]":
            return "heap"
        if self.path == "[stack]":
            return "stack"
        if self.path.startswith("/"):
            return "data"
        return "anonymous"


def free_chunks(heap):
    """Spans of the freed chunks of glibc's main heap: those whose successor says so, and those in the
    thread's cache, whose lists begin in the heap's first chunk. Both are glibc 2.32's or later."""
    memory, base = heap.octets, heap.start

    def word(at):
        return struct.unpack_from("<Q", memory, at)[0] if 0 <= at <= len(memory) - 8 else 0

    spans, at = [], 0
    while at + 16 <= len(memory):
        size = word(at + 8) & ~7
        if size < 32 or at + size > len(memory):
            break
        if at + size + 16 > len(memory) or not word(at + size + 8) & 1:
            spans.append((base + at + 16, base + at + size + 8))
        at += size
    spans.append((base + at + 16, heap.end))  # the top
    for bin_ in range(64):
        chunk, seen = word(16 + 128 + 8 * bin_), set()
        while heap.start <= chunk < heap.end and chunk not in seen:
            seen.add(chunk)
            spans.append((chunk, chunk + 24 + 16 * bin_))
            chunk = word(chunk - base) ^ chunk >> 12
    return spans


def stack_pointer(pid):
    """Of a process that waits in a system call; 0 when it runs."""
    with open(f"/proc/{pid}/syscall") as text:
        words = text.read().split()
    return int(words[-2], 16) if len(words) > 2 else 0


def scan_process(pid, needles):
    with open(f"/proc/{pid}/maps") as maps:
        regions = [region for region in map(Region, maps) if region.may_differ()]
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for region in regions:
            region.read(memory)
    sp, free = stack_pointer(pid), []
    for region in regions:
        if region.kind() == "heap":
            free = free_chunks(region)
    hits, whole = [], []
    for region in regions:
        for name, form, octets in needles:
            for at in find_all(octets, region.octets):
                address, kind = region.start + at, region.kind()
                if form.endswith((HALF, OF_IT)) and any(start <= address < end for start, end in whole):
                    continue
                if not form.endswith((HALF, OF_IT)):
                    whole.append((address, address + len(octets)))
                if kind == "stack" and sp and address < sp - RED_ZONE:
                    kind = "stack-free"
                if kind == "heap" and any(start <= address < end for start, end in free):
                    kind = "heap-free"
                hits.append((name, form, kind, address))
    return hits, sum(len(region.octets) for region in regions) // PAGE


def scan_files(paths, needles):
    hits, pages = [], 0
    for path in paths:
        names = [os.path.join(d, f) for d, _, files in os.walk(path) for f in files] if os.path.isdir(path) else [path]
        for name in names:
            with open(name, "rb") as file:
                octets = file.read()
            pages += -(-len(octets) // PAGE)
            hits += [(n, form, name, at) for n, form, needle in needles for at in find_all(needle, octets)]
    return hits, pages


# ---- verdict --------------------------------------------------------------------------------

def judge(hits, allowed):
    """Shows what is wrong with them; is it nothing?"""
    most = {name: int(number) for name, number in (word.split("=") for word in allowed)}
    wrong = [hit for hit in hits if hit[2] != "heap" or hit[1] not in ("octets", HALF) or hit[0] not in most]
    counts = collections.Counter(hit[0] for hit in hits)
    for name, form, place, address in sorted(wrong):
        print(f"{name}\t{form}\t{place}\t{address:#x}")
    for name in most:
        if counts[name] > most[name]:
            print(f"{name}\t{counts[name]} times, allowed are {most[name]}")
    return counts, not wrong and all(counts[name] <= most[name] for name in most)


def main():
    secrets, what, *where = sys.argv[1:]
    count, needles = read_secrets(secrets)
    if not needles:
        sys.exit("memscan: there is nothing to look for")
    if what == "pid":
        hits, pages = scan_process(int(where[0]), needles)
        counts, good = judge(hits, where[1:])
    else:
        hits, pages = scan_files(where, needles)
        counts, good = judge(hits, [])
    what_was_found = ", ".join(f"{name} {n}" for name, n in sorted(counts.items()))
    print(f"{count} secrets, {len(needles)} forms, {pages} pages: {len(hits)} hits" +
          (f" ({what_was_found})" if hits else ""))
    sys.exit(0 if good else 1)


main()
