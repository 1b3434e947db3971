#!/usr/bin/env python3
"""Runs the fuzz targets of a build, for a while or until the goals of targets.txt are reached.

    run.py [--seconds 8] [--jobs 2] [--only NAME] BUILD
        each target for that long, from tests/fuzz/corpus/NAME and from what earlier runs found in
        BUILD/corpus/NAME
    run.py --record COVER [--jobs 2] [--only NAME] BUILD
        each until the executions in record.json are its goal: may be interrupted at any time and
        goes on where it was; then new inputs that reach new code are taken into tests/fuzz/corpus,
        and the figures are shown
    run.py --figures COVER [--missed] [--only NAME]
        replays the corpora in a build with source coverage, and shows lines "figure: TEXT" with what
        the record and the coverage say; fails where a goal is missed

What breaks a target is kept in BUILD/crashes, and the command that replays it is printed. The last
line is "N passed, N failed, N skipped", a target being one case.
"""
import argparse
import datetime
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CORPUS = HERE / "corpus"
RECORD = HERE / "record.json"
EXECUTIONS = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
PROGRESS = re.compile(r"(#\d+|\t?NEW_FUNC)")
EDGES = re.compile(r"cov: (\d+)")
GOALS = {"parser": 10**7, "stage": 10**6, "session": 10**6}
LINES_GOAL = 95.0  # per cent, of parsers
INPUT_MAX = {"parser": 1024, "stage": 1024, "session": 2048}  # octets: what still is quick
INTERRUPTED = 72  # how libFuzzer ends when it is told to
TURN = 120  # seconds of a campaign between two entries in the record
CORPORA_MAX = 1500 * 1000  # octets of all corpora in the repository
CORPUS_FILES_MAX = 200  # of a target's
# One input is over in a millisecond: short stacks and a small quarantine do, and are quick.
QUICK = os.environ | {"ASAN_OPTIONS":
                      "malloc_context_size=2:quarantine_size_mb=1:max_malloc_fill_size=64:" + os.environ.get("ASAN_OPTIONS", "")}


class Target:
    """A line of targets.txt."""

    def __init__(self, line):
        self.name, self.kind, files = (part.strip() for part in line.split("|"))
        self.files = files.split()
        self.goal = GOALS[self.kind]
        self.corpus = CORPUS / self.name

    def inputs(self):
        return sorted(self.corpus.iterdir()) if self.corpus.is_dir() else []


def read_targets(only):
    lines = (line.strip() for line in (HERE / "targets.txt").read_text().splitlines())
    targets = [Target(line) for line in lines if line and not line.startswith("#")]
    programs = {path.stem for path in HERE.glob("fuzz_*.c")}
    if programs != {target.name for target in targets}:
        sys.exit(f"targets.txt and fuzz_*.c differ in {programs ^ {target.name for target in targets}}")
    return [t for t in targets if t.name.startswith(f"fuzz_{only.removeprefix('fuzz_')}")]


class Record:
    """How often each target has run in all, over every campaign."""

    def __init__(self):
        self.of = json.loads(RECORD.read_text()) if RECORD.exists() else {}

    def executions(self, target):
        return self.of.get(target.name, {}).get("executions", 0)

    def left(self, target):
        return max(0, target.goal - self.executions(target))

    def add(self, target, executions, edges):
        self.of[target.name] = {"executions": self.executions(target) + executions, "edges": edges,
                                "date": datetime.date.today().isoformat()}
        RECORD.write_text(json.dumps(self.of, indent="\t", sort_keys=True) + "\n")


class Run:
    """One target, running."""

    def __init__(self, target, build, limits):
        self.target = target
        found = build / "corpus" / target.name
        self.crashes = build / "crashes"
        self.log = build / f"{target.name}.log"
        found.mkdir(parents=True, exist_ok=True)
        self.crashes.mkdir(exist_ok=True)
        command = [
            build / "bin" / target.name, *limits, f"-max_len={INPUT_MAX[target.kind]}", "-timeout=5",
            "-rss_limit_mb=2048", "-malloc_limit_mb=64", "-print_final_stats=1", "-print_funcs=0", "-reload=0",
            f"-entropic={int(target.kind == 'parser')}",  # with thousands of features it is half of the work
            f"-artifact_prefix={self.crashes}/{target.name}-", found,
        ] + ([target.corpus] if target.inputs() else [])
        self.began = time.time()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, env=QUICK, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def result(self):
        """(did it pass?, executions, edges); what a failure looks like is shown."""
        text = self.log.read_text(errors="replace")
        executions, edges = EXECUTIONS.search(text), EDGES.findall(text)
        passed = self.process.returncode in (0, INTERRUPTED) and executions is not None
        if not passed:
            told = [line for line in text.splitlines() if not PROGRESS.match(line)]
            print(*told[-40:], sep="\n")
            for path in sorted(self.crashes.glob(f"{self.target.name}-*")):
                if path.stat().st_mtime >= self.began:
                    print(f"replay: {self.process.args[0]} {path}", flush=True)
        return passed, int(executions[1]) if executions else 0, int(edges[-1]) if edges else 0


def run_all(targets, jobs, start, finish):
    """Runs that many at a time; finish(run) says whether it was good, or what to run next."""
    waiting, running, results = list(targets), [], []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(start(waiting.pop(0)))
            time.sleep(0.1)
            for run in [r for r in running if r.process.poll() is not None]:
                running.remove(run)
                verdict = finish(run)
                if isinstance(verdict, Target):
                    waiting.append(verdict)
                else:
                    results.append(verdict)
    finally:
        for run in running:  # interrupted: what they have done counts
            run.process.send_signal(signal.SIGINT)
            run.process.wait()
            finish(run)
    return results


def for_seconds(targets, args):
    def finish(run):
        passed, executions, edges = run.result()
        print(f"{run.target.name:22} {executions:>10} runs {edges:>6} edges  {'ok' if passed else 'FAILED'}", flush=True)
        return passed

    return run_all(targets, args.jobs, lambda t: Run(t, args.build, [f"-max_total_time={args.seconds}"]), finish)


def campaign(targets, args):
    """Until the record has every goal. One that breaks adds nothing to the record."""
    record = Record()

    def start(target):
        return Run(target, args.build, [f"-max_total_time={TURN}", f"-runs={record.left(target)}"])

    def finish(run):
        passed, executions, edges = run.result()
        if not passed:
            print(f"{run.target.name:22} FAILED", flush=True)
            return False
        record.add(run.target, executions, edges)
        print(f"{run.target.name:22} {record.executions(run.target):>10} of {run.target.goal} runs"
              f" {edges:>6} edges, {executions / (time.time() - run.began):.0f} a second", flush=True)
        return run.target if record.left(run.target) else True

    return run_all([t for t in targets if record.left(t)], args.jobs, start, finish)


def merge(target, build):
    """Take what reaches code that the repository's corpus does not, the smallest inputs first. What
    is too much goes again, the longest first; seeds and what once broke the target stay."""
    found = build / "corpus" / target.name
    if not found.is_dir():
        return
    target.corpus.mkdir(parents=True, exist_ok=True)
    with open(build / f"{target.name}.merge.log", "wb") as log:
        subprocess.run([build / "bin" / target.name, "-merge=1", "-use_counters=0", f"-max_len={INPUT_MAX[target.kind]}",
                        "-timeout=5", target.corpus, found], stdout=log, stderr=log, check=True)
    inputs = target.inputs()
    merged = [path for path in inputs if not path.name.startswith(("seed-", "found-"))]
    merged.sort(key=lambda path: path.stat().st_size, reverse=True)
    for path in merged[:max(0, len(inputs) - CORPUS_FILES_MAX)]:
        path.unlink()


def lines_of(target, lcov, cover):
    """{(file, line): was it reached?} of what targets.txt names: files, or some functions of a file."""
    chosen = {name: functions.split(",") if functions else None
              for name, _, functions in (part.partition(":") for part in target.files)}
    lines, name, starts = {}, None, []
    for key, _, value in (line.partition(":") for line in lcov.splitlines()):
        if key == "SF":
            name, starts = os.path.relpath(os.path.join(cover.resolve(), value), ROOT), []
        elif key == "FN":
            starts.append((int(value.split(",")[0]), value.split(":")[-1].split(",")[-1]))
        elif key == "DA" and name in chosen:
            line, count = (int(number) for number in value.split(",")[:2])
            function = max((start for start in starts if start[0] <= line), default=(0, ""))[1]
            if chosen[name] is None or function in chosen[name]:
                lines[name, line] = count > 0
    return lines


def coverage(target, cover, missed):
    """Replay the corpus: (did it pass?, lines reached, lines)."""
    program = cover / "bin" / target.name
    raw, data = cover / f"{target.name}.profraw", cover / f"{target.name}.profdata"
    replay = subprocess.run([program, "-timeout=5", *target.inputs()], stdin=subprocess.DEVNULL, text=True,
                            errors="replace", env=os.environ | {"LLVM_PROFILE_FILE": str(raw)},
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if replay.returncode or not target.inputs():
        print(replay.stdout[-4000:])
        return False, 0, 1
    subprocess.run(["llvm-profdata", "merge", "-sparse", raw, "-o", data], check=True)
    raw.unlink()
    report = subprocess.run(["llvm-cov", "export", "-format=lcov", f"-instr-profile={data}", program],
                            stdout=subprocess.PIPE, text=True, check=True)
    lines = lines_of(target, report.stdout, cover)
    for (name, line), reached in sorted(lines.items()):
        if missed and not reached:
            print(f"{name}:{line}: {(ROOT / name).read_text().splitlines()[line - 1]}")
    return True, sum(lines.values()), len(lines)


def figure(target, record, cover, missed):
    """One line of figures. Were the goals reached?"""
    passed, reached, lines = coverage(target, cover, missed)
    share, entry = 100 * reached / lines, record.of.get(target.name, {})
    found = sum(path.name.startswith("found-") for path in target.inputs())
    wrong = ([] if passed else ["the corpus breaks it"])
    wrong += [f"goal {target.goal} executions"] if record.left(target) else []
    wrong += [f"goal {LINES_GOAL:.0f} % of the lines"] if target.kind == "parser" and share < LINES_GOAL else []
    print(f"figure: {target.name.removeprefix('fuzz_'):12} {target.kind:7} {record.executions(target):>9} executions,"
          f" {entry.get('edges', 0):>4} edges, {share:5.1f} % of {lines} lines; {len(target.inputs())} inputs,"
          f" {found} once broke it{''.join(f'; MISSED: {w}' for w in wrong)}", flush=True)
    return not wrong


def figures(targets, cover, missed=False):
    record = Record()
    results = [figure(target, record, cover, missed) for target in targets]
    octets = sum(path.stat().st_size for path in CORPUS.glob("*/*"))
    most = max(len(target.inputs()) for target in targets)
    results.append(octets <= CORPORA_MAX and most <= CORPUS_FILES_MAX)
    print(f"figure: corpora of {octets} octets in the repository (goal: at most {CORPORA_MAX}),"
          f" of {most} inputs at most (goal: {CORPUS_FILES_MAX})", flush=True)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path, nargs="?")
    parser.add_argument("--record", type=pathlib.Path, metavar="COVER")
    parser.add_argument("--figures", type=pathlib.Path, metavar="COVER")
    parser.add_argument("--missed", action="store_true")
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    if not args.build and not args.figures:
        parser.error("which build?")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    targets = read_targets(args.only)
    if args.figures:
        results = figures(targets, args.figures, args.missed)
    elif args.record:
        results = campaign(targets, args)
        if all(results):
            for target in targets:
                merge(target, args.build)
            results = figures(targets, args.record)
    else:
        results = for_seconds(targets, args)
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed, 0 skipped")
    sys.exit(0 if results and all(results) else 1)


main()
