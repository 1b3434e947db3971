#!/usr/bin/env python3
"""Removes the marked security checks one at a time and expects the suite to fail each time.

    mutate.py [--jobs N] [NAME...]     all checks, or those of these names
    mutate.py --unit [NAME...]         by the unit programs alone: a quick look, with more survivors
    mutate.py --list                   name, place and form of every check

A copy of the tree is built once, in build/mutate, with a switch in each check (marks.py); a check is
removed by its name in VPND_MUTANT. By hand: VPND_MUTANT=NAME build/mutate/build/bin/test_PROGRAM.

Tests run in the order of what they cost: those nearest to the check's file, the other unit programs, the
simulation with few seeds, and, as root, the network tests for daemon/ and cli/; for what touches the
host these come before the simulation. What killed a check last time (killers.json) is tried first.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from typing import NamedTuple

import marks

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FOLDERS = ("base", "ike", "esp", "l2tp", "ppp", "daemon", "cli")
WORK = ROOT / "build" / "mutate"
SOURCE, BUILD = WORK / "src", WORK / "build"
KILLERS = HERE / "killers.json"
NOT_COPIED = shutil.ignore_patterns("build", ".git", "corpus", "__pycache__")
SEEDS = "200"
SKIPPED = 77
ENDLESS = "it does not end"
PATIENCE, PATIENCE_TIMES = 30, 20  # seconds; times what a program takes with every check in place
CASE = re.compile(r"\[  FAILED  \] (?:\w+: )?(\w+)|\[ RUN      \] (\w+)")
# A check less may mean memory without end; that is a failure, not the end of this machine.
SANITIZERS = {"ASAN_OPTIONS": "symbolize=0:hard_rss_limit_mb=2500", "UBSAN_OPTIONS": "symbolize=0"}


class Marked(NamedTuple):
    path: str
    check: marks.Check

    @property
    def name(self):
        return self.check.name


def marked_checks():
    found, wrong = [], []
    for path in sorted(p for folder in FOLDERS for p in (ROOT / folder).glob("*.[ch]")):
        name = path.relative_to(ROOT).as_posix()
        for check in marks.checks_of(path.read_text()):
            if isinstance(check, marks.Check):
                found.append(Marked(name, check))
            else:
                wrong.append(f"{name}:{check[0]}: {check[1]}")
    if wrong:
        sys.exit("\n".join(wrong))
    return found


# ---- the instrumented build ---------------------------------------------------------------------

def update(path, octets):
    """Write what has changed only, so that ninja builds no more than that."""
    if not path.exists() or path.read_bytes() != octets:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(octets)


def copy_if_changed(source, target):
    update(pathlib.Path(target), pathlib.Path(source).read_bytes())
    shutil.copymode(source, target)


def instrument(checks):
    by_path = {}
    for marked in checks:
        by_path.setdefault(marked.path, []).append(marked.check)

    def copy(source, target):
        path = pathlib.Path(source).relative_to(ROOT).as_posix()
        if path not in by_path:
            return copy_if_changed(source, target)
        text = marks.instrumented(pathlib.Path(source).read_text(), by_path[path])
        update(pathlib.Path(target), text.encode())

    shutil.copytree(ROOT, SOURCE, ignore=NOT_COPIED, copy_function=copy, dirs_exist_ok=True)
    for path in list(SOURCE.rglob("*")):  # what the tree has no more
        if path.is_file() and not (ROOT / path.relative_to(SOURCE)).exists():
            path.unlink()


def build(jobs):
    flags = f"-w -include {SOURCE / HERE.relative_to(ROOT) / 'mutant.h'}"
    commands = (["cmake", "--preset", "asan", "-B", str(BUILD), f"-DCMAKE_C_FLAGS={flags}"],
                ["ninja", "-C", str(BUILD), "-j", str(jobs), "-k", "0"])
    for command in commands:
        done = subprocess.run(command, cwd=SOURCE, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            print(*re.findall(r".*(?:error|FAILED|multiple definition|undefined).*", done.stdout)[:40], sep="\n")
            sys.exit("mutate: the instrumented tree does not build")


# ---- the programs of the suite ------------------------------------------------------------------

class Program:
    """One ctest test."""
    def __init__(self, described):
        properties = {p["name"]: p["value"] for p in described.get("properties", [])}
        self.name = described["name"]
        self.command = described["command"]
        self.tier = properties.get("LABELS", [""])[0]
        self.directory = properties.get("WORKING_DIRECTORY", str(BUILD))
        self.environment = dict(pair.split("=", 1) for pair in properties.get("ENVIRONMENT", []))
        self.seconds = None  # with every check in place

    def is_of_this_build(self):
        """One whose vpnd lies in another build has no switches."""
        return pathlib.Path(self.environment.get("VPND_BIN", BUILD)).is_relative_to(BUILD)

    def run(self, mutant=""):
        """None: it passes. Else the case that failed, as far as it said so. One network test at a time:
        they share what the kernel counts for all namespaces; the first run is with every check."""
        if self.tier != "net":
            return self.run_now(mutant)
        with network:
            if self.seconds is None and (case := self.run_now()) is not None:
                sys.exit(f"mutate: fails with every check in place: {self.name} {case}")
            return self.run_now(mutant)

    def run_now(self, mutant=""):
        environment = os.environ | SANITIZERS | self.environment | {
            "VPND_MUTANT": mutant, "VPND_SIM_SEEDS": SEEDS}
        limit = None if self.seconds is None else max(PATIENCE, PATIENCE_TIMES * self.seconds)
        began = time.monotonic()
        process = subprocess.Popen(
            self.command, cwd=self.directory, env=environment, stdin=subprocess.DEVNULL, text=True,
            errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        running.add(process)
        try:
            said, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return ENDLESS
        finally:
            running.discard(process)
        if process.returncode in (0, SKIPPED):
            self.seconds = self.seconds or time.monotonic() - began
            return None
        return failed_case(said)


running = set()
network = threading.Lock()


def end_all(*_):
    for process in list(running):
        try:
            os.killpg(process.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
    os._exit(143)


def failed_case(said):
    """The first that failed, or that was running at the crash."""
    last = ""
    for match in CASE.finditer(said):
        if match[1]:
            return match[1]
        last = match[2]
    return last


def programs_of(tiers):
    shown = subprocess.run(
        ["ctest", "--test-dir", str(BUILD), "--show-only=json-v1"], check=True, text=True, stdout=subprocess.PIPE)
    programs = [Program(test) for test in json.loads(shown.stdout)["tests"]]
    return [program for program in programs if program.tier in tiers and program.is_of_this_build()]


def expect_to_pass(programs, jobs):
    """A suite that fails anyway would kill every mutant."""
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        failed = [f"{program.name} {case}" for program, case in zip(programs, pool.map(Program.run, programs))
                  if case is not None]
    if failed:
        sys.exit("mutate: fails with every check in place: " + ", ".join(failed))


def nearness(marked, program):
    """How many words of their names a source file and a test have in common, from the first on."""
    ours = re.split(r"[/_.]", marked.path)
    if ours[0] == ours[1]:
        ours = ours[1:]  # ike/ike_main.c
    theirs = program.name.split("_")[1:]
    best = 0
    for words in (ours, ours[1:]):
        n = 0
        while n < min(len(words), len(theirs)) and words[n] == theirs[n]:
            n += 1
        best = max(best, n)
    return best


# ---- one mutant ---------------------------------------------------------------------------------

def tiers_of(path):
    """Which tests may notice, the likely ones first."""
    if not path.startswith(("daemon/", "cli/")):
        return ("unit", "sim")
    if path.startswith(("daemon/stack", "daemon/conn")):
        return ("unit", "sim", "net")
    return ("unit", "net", "sim")


# The folders whose code a unit program test_FOLDER_* is linked with; of others it may be all.
LINKED = {name: {"base", name} for name in ("base", "ike", "esp", "l2tp", "ppp")} | {
    "crypto": {"base"}, "xfrm": {"base", "esp"}, "core": {"base", "ike", "esp", "l2tp", "ppp", "daemon"}}


def has_code_of(program, path):
    linked = LINKED.get(program.name.split("_")[1]) if program.tier == "unit" else None
    return linked is None or path.split("/")[0] in linked


def kill(marked, programs, killers):
    """The program and the case that noticed, or None."""
    tiers = tiers_of(marked.path)

    def order(program):
        return (program.name != killers.get(marked.name), -nearness(marked, program),
                tiers.index(program.tier), program.seconds or 0)
    able = (p for p in programs if p.tier in tiers and has_code_of(p, marked.path))
    for program in sorted(able, key=order):
        case = program.run(marked.name)
        if case is not None:
            killers[marked.name] = program.name
            return program.name, case
    return None


def hunt(checks, programs, killers, jobs):
    """{name: (program, case) or None}, with a line for each as it comes."""
    results, lock = {}, threading.Lock()

    def one(marked):
        verdict = kill(marked, programs, killers)
        with lock:
            results[marked.name] = verdict
            print(f"{len(results):4} of {len(checks)}  {line_of(marked, verdict)}", flush=True)
            KILLERS.write_text(json.dumps(killers, indent="\t", sort_keys=True) + "\n")

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, checks))
    return results


def line_of(marked, verdict):
    killer = f"{verdict[0]}: {verdict[1]}".rstrip(": ") if verdict else "NOBODY NOTICED"
    return f"{marked.name:27} {marked.path}:{marked.check.line}  {killer}"


def chosen(checks, names):
    unknown = set(names) - {marked.name for marked in checks}
    if unknown:
        sys.exit(f"mutate: no check {sorted(unknown)[0]}")
    return [marked for marked in checks if not names or marked.name in names]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--unit", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, end_all)
    everything = marked_checks()
    checks = chosen(everything, args.names)
    if args.list:
        for marked in checks:
            print(f"{marked.name:27} {marked.check.form:13} {marked.path}:{marked.check.line}")
        return
    print(f"building {SOURCE.relative_to(ROOT)} with {len(everything)} switches", flush=True)
    instrument(everything)
    build(args.jobs)
    killers = json.loads(KILLERS.read_text()) if KILLERS.exists() else {}
    quick = programs_of(("unit",) if args.unit else ("unit", "sim"))
    net = [] if args.unit or os.geteuid() != 0 else programs_of(("net",))
    expect_to_pass(quick, args.jobs)
    results = hunt(checks, quick + net, killers, args.jobs)
    missed = [marked for marked in checks if not results[marked.name]]
    print(*(line_of(marked, results[marked.name]) for marked in checks), sep="\n")
    endless = sum(bool(verdict) and verdict[1] == ENDLESS for verdict in results.values())
    print(f"figure: {len(checks)} security checks, each removed once: the suite notices {len(checks) - len(missed)} "
          f"(goal: all), {endless} of them by a test that does not end")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
