#!/usr/bin/env python3
"""Runs seeds of test_sim_faults on all cores.

    seeds.py PROGRAM SEEDS [FIRST]       that many, from FIRST (1) on
    seeds.py --record PROGRAM SEEDS      until that many from 1 on have run clean, over all campaigns:
                                         goes on behind those in record.json, and adds to them

Shows how far it is, on a terminal in one line; each seed that fails, with the command that replays it;
at the end, or when it is interrupted, how the seeds ended and how to go on. Ends with 1 when one failed.
A seed that fails ends what the record has, until it is mended.
"""
import collections
import concurrent.futures
import datetime
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

RECORD = pathlib.Path(__file__).resolve().parent / "record.json"
CHUNK = 500  # seeds that one process runs
PATIENCE = 600  # seconds, for what takes two
WRONG = re.compile(r"wrong: test_sim_faults --seed (\d+) -v: (.*)")
SUMMARY = re.compile(r"\d+ seeds: (.*)")
EVERY = 1 if sys.stdout.isatty() else 60  # seconds between signs of progress


class Campaign:
    def __init__(self, program, first, seeds):
        self.program, self.first, self.end = program, first, first + seeds
        self.outcomes, self.failed, self.done = collections.Counter(), 0, 0
        self.finished = {}  # how the seeds of a chunk ended, by its first; clean ones only
        self.began = self.shown = time.monotonic()

    def run_chunk(self, first):
        command = ["timeout", str(PATIENCE), self.program, "--seeds", str(min(CHUNK, self.end - first)), str(first)]
        return first, command, subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def take(self, first, command, result):
        """What a chunk came to; one that died in the middle is replayed as a whole."""
        wrong, summary = WRONG.findall(result.stdout), SUMMARY.search(result.stdout)
        for seed, why in wrong:
            self.say(f"FAILED: {self.program} --seed {seed} -v: {why}")
        if result.returncode and not (wrong and summary):
            self.say(f"FAILED: {' '.join(command)}: ended with {result.returncode}\n{result.stdout[-2000:]}")
        self.failed += max(len(wrong), result.returncode != 0)
        parts = [part.split(" ", 1) for part in summary[1].split(", ")] if summary else []
        outcomes = collections.Counter({what: int(count) for count, what in parts})
        self.outcomes += outcomes
        if not result.returncode:
            self.finished[first] = outcomes
        self.done += min(CHUNK, self.end - first)

    def say(self, text):
        print(f"\r\033[K{text}" if sys.stdout.isatty() else text, flush=True)

    def show_progress(self):
        if time.monotonic() < self.shown + EVERY:
            return
        self.shown = time.monotonic()
        rate = self.done / (self.shown - self.began)
        left = (self.end - self.first - self.done) / rate / 60
        print(f"\r{self.done} of {self.end - self.first} seeds, {self.failed} failed, {rate:.0f} a second, "
              f"{left:.0f} minutes left ", end="" if sys.stdout.isatty() else "\n", flush=True)

    def run(self):
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            futures = [pool.submit(self.run_chunk, first) for first in range(self.first, self.end, CHUNK)]
            try:
                for future in concurrent.futures.as_completed(futures):
                    self.take(*future.result())
                    self.show_progress()
            except KeyboardInterrupt:
                pool.shutdown(cancel_futures=True)

    def unfinished(self):
        """The first seed that did not run, or not clean."""
        return next((first for first in range(self.first, self.end, CHUNK) if first not in self.finished), None)

    def sum_up(self):
        told = ", ".join(f"{count} {what}" for what, count in self.outcomes.most_common() if count)
        seconds = time.monotonic() - self.began
        self.say(f"figure: {self.failed} of {self.done} seeds failed (goal 0), from {self.first} on, "
                 f"in {seconds / 60:.1f} min: {told}")
        rest = self.unfinished()
        if rest is not None:
            self.say(f"go on with: ./dev sim {self.end - rest} {rest}")


class Record:
    """The seeds from 1 on that have run clean, and how they ended."""

    def __init__(self):
        of = json.loads(RECORD.read_text()) if RECORD.exists() else {"seeds": 0, "outcomes": {}}
        self.seeds, self.outcomes = of["seeds"], collections.Counter(of["outcomes"])

    def add(self, campaign):
        clean = campaign.unfinished() or campaign.end
        for first in range(campaign.first, clean, CHUNK):
            self.outcomes += campaign.finished[first]
        self.seeds = clean - 1
        RECORD.write_text(json.dumps({
            "seeds": self.seeds, "outcomes": dict(sorted(self.outcomes.items())),
            "date": datetime.date.today().isoformat()}, indent="\t") + "\n")

    def show(self, goal):
        told = ", ".join(f"{count} {what}" for what, count in self.outcomes.most_common())
        print(f"figure: {self.seeds} seeds from 1 on ran clean (goal {goal}): {told}", flush=True)


def until_recorded(program, goal):
    record, failed = Record(), 0
    if record.seeds < goal:
        campaign = Campaign(program, record.seeds + 1, goal - record.seeds)
        campaign.run()
        record.add(campaign)
        failed = campaign.failed
    record.show(goal)
    sys.exit(failed > 0 or record.seeds < goal)


def main():
    recorded = sys.argv[1] == "--record"
    program, seeds, *first = sys.argv[2:] if recorded else sys.argv[1:]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if recorded:
        until_recorded(program, int(seeds))
    campaign = Campaign(program, int(first[0]) if first else 1, int(seeds))
    campaign.run()
    campaign.sum_up()
    sys.exit(campaign.failed > 0 or campaign.unfinished() is not None)


main()
