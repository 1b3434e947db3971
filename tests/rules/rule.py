"""What the rules share: the files they look at, and proof that each of them can fail.

A rule is a function check(source) that yields (line number, what is wrong) for one source, and two
lists of samples: BAD ones it must find something in, and GOOD ones it must find nothing in.
    rule.py is run as `layers.py ROOT` or `layers.py --self-test`.
"""
import os
import pathlib
import sys
from typing import NamedTuple

# Not ours to judge: what is built, and what git keeps.
OUTSIDE = {"build", ".git"}


class Source(NamedTuple):
    path: str  # relative to the root, with slashes
    text: str


def sources(root, *suffixes):
    """Every text file of the tree whose name ends so."""
    root = pathlib.Path(root)
    for folder, inside, names in os.walk(root):
        inside[:] = sorted(set(inside) - OUTSIDE)
        for name in sorted(names):
            path = pathlib.Path(folder, name)
            if name.endswith(suffixes):
                yield Source(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))


def self_test(check, bad, good):
    wrong = [f"nothing found in bad sample {s}" for s in bad if not list(check(s))]
    wrong += [f"{list(check(s))} found in good sample {s}" for s in good if list(check(s))]
    print(*wrong, f"{len(bad)} bad and {len(good)} good samples, {len(wrong)} judged wrongly", sep="\n")
    sys.exit(1 if wrong or not bad or not good else 0)


def apply(check, everything):
    count, found = 0, []
    for source in everything:
        count += 1
        found += [f"{source.path}:{line}: {text}" for line, text in check(source)]
    print(*found, f"{count} looked at, {len(found)} findings", sep="\n")
    sys.exit(1 if found or not count else 0)


def main(check, bad, good, suffixes):
    """For rules over the files of the tree."""
    if sys.argv[1] == "--self-test":
        self_test(check, bad, good)
    apply(check, sources(sys.argv[1], *suffixes))
