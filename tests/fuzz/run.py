#!/usr/bin/env python3
"""Runs every fuzz target of a build: `run.py [--seconds 20] [--jobs 2] [--only NAME] BUILD`.

Each target starts from tests/fuzz/corpus/NAME and what earlier runs found in BUILD/corpus/NAME.
What breaks one is kept in BUILD/crashes, and the command that replays it is printed. The last line
is "N passed, N failed, N skipped", a target being one case.
"""
import argparse
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
EXECUTIONS = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
PROGRESS = re.compile(r"(#\d+|\t?NEW_FUNC)")
COVERAGE = re.compile(r"cov: (\d+)")
INPUT_MAX = 4096  # octets; the longest that any parser here takes in one go and still is quick


class Run:
    """One target, running."""

    def __init__(self, program, build, seconds):
        self.name = program.name
        found = build / "corpus" / self.name
        self.crashes = build / "crashes"
        self.log = build / f"{self.name}.log"
        found.mkdir(parents=True, exist_ok=True)
        self.crashes.mkdir(exist_ok=True)
        seeds = HERE / "corpus" / self.name
        command = [
            program, f"-max_total_time={seconds}", f"-max_len={INPUT_MAX}", "-timeout=5",
            "-rss_limit_mb=2048", "-print_final_stats=1", "-reload=0",
            f"-artifact_prefix={self.crashes}/{self.name}-", found,
        ] + ([seeds] if seeds.is_dir() else [])
        self.began = time.time()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def report(self):
        """One line, and for a failure the way to see it again. Did it pass?"""
        text = self.log.read_text(errors="replace")
        executions, coverage = EXECUTIONS.search(text), COVERAGE.findall(text)
        passed = self.process.returncode == 0 and executions is not None
        print(f"{self.name:22} {int(executions[1]) if executions else 0:>10} runs"
              f" {coverage[-1] if coverage else 0:>6} edges  {'ok' if passed else 'FAILED'}", flush=True)
        if not passed:
            told = [line for line in text.splitlines() if not PROGRESS.match(line)]
            print(*told[-40:], sep="\n")
            for path in sorted(self.crashes.glob(f"{self.name}-*")):
                if path.stat().st_mtime >= self.began:
                    print(f"replay: {self.process.args[0]} {path}", flush=True)
        return passed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    programs = sorted(p for p in (args.build / "bin").glob(f"fuzz_{args.only.removeprefix('fuzz_')}*")
                      if (HERE / f"{p.name}.c").exists())
    running, passed, failed = [], 0, 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        while programs or running:
            while programs and len(running) < args.jobs:
                running.append(Run(programs.pop(0), args.build, args.seconds))
            time.sleep(0.1)
            for run in [r for r in running if r.process.poll() is not None]:
                running.remove(run)
                if run.report():
                    passed += 1
                else:
                    failed += 1
    finally:
        for run in running:
            run.process.kill()
            run.process.wait()
    print(f"{passed} passed, {failed} failed, 0 skipped")
    sys.exit(1 if failed or not passed else 0)


main()
