#!/usr/bin/env python3
"""vpnd beside today's stack, strongSwan + xl2tpd + pppd: the same server, the same kernel, in turns.

    peers.py [--rounds 5] [--seconds 4] [--bin DIR] [connect] [memory] [throughput] [failures]

Prints a table of both, and their ratio. Each measurement has a guest of tests/lab/uml.sh to itself: of the
lab's own kernel where that is built (`./dev lab --kernel own`), and of Debian's. What counts are ratios:
client, router and server share one processor.
"""
import argparse
import collections
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OWN = ROOT / "build/kernels/own"
ROUND_TRIP = 50  # ms
FAILURES = {
    "psk-wrong": "wrong PSK",
    "udp500-dropped": "UDP 500 dropped",
    "password-wrong": "wrong password",
    "esp-dropped": "protocol 50 from the server dropped",
    "black-hole": "black hole in mid-session",
    "lns-killed": "LNS killed",
}


def guest(args, kernel, *measurement):
    """{(client or today, key): words} of one measurement."""
    environment = dict(os.environ)
    if kernel:
        environment |= {"UML_KERNEL": str(kernel / "linux"), "UML_MODULES": str(kernel / "lib/modules")}
    with tempfile.TemporaryDirectory(prefix="peers-") as window:
        command = [ROOT / "tests/lab/uml.sh", "-m", "1G", "-t", "1800", window, HERE / "peers_guest.sh",
                   args.bin.resolve(), str(args.rounds), str(args.seconds), *measurement]
        run = subprocess.run(command, env=environment, text=True, stdout=subprocess.PIPE)
    if run.returncode == 77:
        print(run.stdout.strip())
        sys.exit(77)
    if run.returncode:
        sys.exit(f"{' '.join(measurement)}: the guest ended with {run.returncode}\n{run.stdout}")
    said, prefix = {}, list(measurement)
    for line in run.stdout.splitlines():
        words = line.split()
        if words[: len(prefix)] == prefix and len(words) > len(prefix) + 1:
            said[words[len(prefix)], words[len(prefix) + 1]] = words[len(prefix) + 2 :]
    return said


def row(what, today, ours, ratio=""):
    print(f"| {what} | {today} | {ours} | {ratio} |", flush=True)


def spread(words, unit, scale=1.0, digits=0):
    least, median, most = (f"{float(word) * scale:.{digits}f}" for word in words)
    return f"{median} {unit} ({least}-{most})"


def ratio(ours, today):
    return f"{float(ours) / float(today):.2f}"


def beyond(said, who):
    """Of the medians."""
    return f"{float(said[who, 'waiting'][1]) - ROUND_TRIP * float(said[who, 'trips'][1]):.0f} ms"


def connect(args, kernel, name, *path):
    said = guest(args, kernel, "connect", *path)
    ours, today = said["client", "total"], said["today", "total"]
    row(f"connect to first ping, {name}", spread(today, "ms"), spread(ours, "ms"), ratio(ours[1], today[1]))
    row("  of it its own, without waiting for the server", spread(said["today", "own"], "ms"),
        spread(said["client", "own"], "ms"), ratio(said["client", "own"][1], said["today", "own"][1]))
    row("  round trips", spread(said["today", "trips"], ""), spread(said["client", "trips"], ""))
    if len(path) > 1:
        row(f"  what it waited for the server beyond {ROUND_TRIP} ms for each", *(beyond(said, who) for who in ("today", "client")))


def connects(args):
    if OWN.exists():
        connect(args, OWN, "0 ms, no NAT", "plain")
        connect(args, OWN, "50 ms, NAT", "nat", f"{ROUND_TRIP // 2}ms")
    connect(args, None, "Debian's modular kernel, 0 ms, no NAT", "plain")
    connect(args, None, "Debian's modular kernel, 50 ms, NAT", "nat", f"{ROUND_TRIP // 2}ms")


def memory(args):
    said = guest(args, OWN if OWN.exists() else None, "memory")
    ours, today = said["client", "memory"], said["today", "memory"]
    for i, what in enumerate(("memory while connected, USS", "memory while connected, PSS")):
        row(what, f"{float(today[i]) / 1024:.1f} MiB", f"{float(ours[i]) / 1024:.1f} MiB", ratio(ours[i], today[i]))
    row("processes", today[2], ours[2])


def throughput(args):
    for path in ("plain", "nat"):
        said = guest(args, OWN if OWN.exists() else None, "throughput", path)
        for way in ("up", "down"):
            ours, today = said["client", way], said["today", way]
            row(f"throughput {way}, {'UDP 4500' if path == 'nat' else 'protocol 50'}", spread(today, "Mbit/s"),
                spread(ours, "Mbit/s"), ratio(ours[1], today[1]))


def failures(args):
    for case, what in FAILURES.items():
        said = guest(args, None, "failure", case)
        words = collections.defaultdict(str, {who: f"{key} s: {' '.join(rest)}" for (who, key), rest in said.items()})
        row(what, words["today"], words["client"])
    said = guest(args, None, "failure", "sa-deleted")
    row("the server deletes the SA: packets in clear text in 10 s", said["today", "clear"][0], said["client", "clear"][0])


PARTS = {"connect": connects, "memory": memory, "throughput": throughput, "failures": failures}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []])
    args = parser.parse_args()
    print("| | strongSwan + xl2tpd + pppd | vpnd | ratio |\n|---|---|---|---|", flush=True)
    for part in args.parts or PARTS:
        PARTS[part](args)


main()
