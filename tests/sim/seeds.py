#!/usr/bin/env python3
"""Runs seeds of test_sim_faults on all cores: `seeds.py PROGRAM SEEDS [FIRST]`.

Shows how far it is, on a terminal in one line; each seed that fails, with the command that replays it;
at the end, or when it is interrupted, how the seeds ended and how to go on. Ends with 1 when one failed.
"""
import collections
import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import time

CHUNK = 500  # seeds that one process runs
PATIENCE = 600  # seconds, for what takes two
WRONG = re.compile(r"wrong: test_sim_faults --seed (\d+) -v: (.*)")
SUMMARY = re.compile(r"\d+ seeds: (.*)")
EVERY = 1 if sys.stdout.isatty() else 60  # seconds between signs of progress


class Campaign:
    def __init__(self, program, first, seeds):
        self.program, self.first, self.end = program, first, first + seeds
        self.outcomes, self.failed, self.done = collections.Counter(), 0, 0
        self.finished = set()  # chunks, by their first seed
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
        if summary:
            for part in summary[1].split(", "):
                count, what = part.split(" ", 1)
                self.outcomes[what] += int(count)
        self.finished.add(first)
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
        return next((first for first in range(self.first, self.end, CHUNK) if first not in self.finished), None)

    def sum_up(self):
        told = ", ".join(f"{count} {what}" for what, count in self.outcomes.most_common() if count)
        seconds = time.monotonic() - self.began
        self.say(f"figure: {self.failed} of {self.done} seeds failed (goal 0), from {self.first} on, "
                 f"in {seconds / 60:.1f} min: {told}")
        rest = self.unfinished()
        if rest is not None:
            self.say(f"go on with: ./dev sim {self.end - rest} {rest}")


def main():
    program, seeds, first = sys.argv[1], int(sys.argv[2]), int((sys.argv[3:] or ["1"])[0])
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    campaign = Campaign(program, first, seeds)
    campaign.run()
    campaign.sum_up()
    sys.exit(campaign.failed > 0 or campaign.unfinished() is not None)


main()
