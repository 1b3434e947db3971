#!/usr/bin/env python3
"""Runs the table of abuse, or some of its sections, and shows every figure under its command.

    abuse.py [--write DOC] [SECTION...]     --write: put the figures between DOC's markers as well
    abuse.py --presets [SECTION...]         which presets of the build these need

A figure is a line "figure: TEXT" that a command prints; one that prints none, or ends with another
code than 0, has failed. DOC marks a section's place with the lines "<!-- figures: SECTION -->" and
"<!-- /figures -->". The last line is "N passed, N failed, 0 skipped", a command being one case.
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
ROOT = HERE.parent.parent
TABLE = HERE / "table.txt"
FIGURE = re.compile(r"figure: (.*)")
TAIL = 40  # lines of a command that failed


class Row:
    def __init__(self, line):
        self.section, self.preset, self.command = (part.strip() for part in line.split("|", 2))
        self.figures = []

    def run(self):
        """Did it keep to its goals? Shows its figures as it goes."""
        print(f"    $ {self.command}", flush=True)
        began, said = time.monotonic(), []
        env = os.environ | {"VPND_BIN": f"build/{self.preset}/bin"}
        process = subprocess.Popen(
            ["bash", "-c", f"exec {self.command}"], cwd=ROOT, env=env, stdin=subprocess.DEVNULL, text=True, errors="replace",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            for line in process.stdout:
                said.append(line.rstrip("\n"))
                if match := FIGURE.match(said[-1]):
                    self.figures.append(match[1])
                    print(f"      {match[1]}", flush=True)
            code = process.wait()
        finally:
            process.terminate()  # when we were told to end; it tidies up after itself
        passed = code == 0 and bool(self.figures)
        print(f"      {'ok' if passed else f'FAILED (ended with {code})'}, {time.monotonic() - began:.1f} s", flush=True)
        if not passed:
            print(*(line for line in said[:-TAIL] if line.startswith("FAILED")), *said[-TAIL:], sep="\n", flush=True)
        return passed


def read_table():
    lines = (line.strip() for line in TABLE.read_text().splitlines())
    return [Row(line) for line in lines if line and not line.startswith("#")]


def chosen(rows, sections):
    known = dict.fromkeys(row.section for row in rows)
    unknown = [name for name in sections if name not in known]
    if unknown:
        sys.exit(f"abuse: no section {unknown[0]}; there are {' '.join(known)}")
    return [row for row in rows if not sections or row.section in sections]


def write_figures(path, rows):
    """Replace what stands between the markers of every section that ran."""
    text = path.read_text()
    for section in dict.fromkeys(row.section for row in rows):
        lines = []
        for row in (row for row in rows if row.section == section):
            lines += [f"$ {row.command}"] + [f"  {figure}" for figure in row.figures]
        block = "```\n" + "\n".join(lines) + "\n```\n"
        place = re.compile(rf"(<!-- figures: {section} -->\n).*?(<!-- /figures -->)", re.DOTALL)
        text, places = place.subn(lambda m: m[1] + block + m[2], text)
        if places != 1:
            sys.exit(f"abuse: {path} has {places} places for the figures of {section}")
    path.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--presets", action="store_true")
    parser.add_argument("--write", type=pathlib.Path)
    parser.add_argument("sections", nargs="*")
    args = parser.parse_args()
    rows = chosen(read_table(), args.sections)
    if args.presets:
        print(*dict.fromkeys(row.preset for row in rows))
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    results, section = [], None
    for row in rows:
        if row.section != section:
            print(f"\n{row.section}", flush=True)
            section = row.section
        results.append(row.run())
    if args.write and all(results):
        write_figures(args.write, rows)
    print(f"\n{sum(results)} passed, {len(results) - sum(results)} failed, 0 skipped")
    sys.exit(0 if all(results) else 1)


main()
