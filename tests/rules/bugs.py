#!/usr/bin/env python3
"""Every test that docs/security.md names beside somebody's bug is in the tree.

A name in the last column of that table is a test function of C, or a script under tests/.
"""
import pathlib
import re
import sys
from typing import NamedTuple

import rule

SECTION = re.compile(r"^## Others' bugs.*?$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\|(?!\s*bug\s*\||[-|]+$)(.*)\|$")
TEST = re.compile(r"^static void (\w+)\(void \*\*state\)", re.MULTILINE)


class Doc(NamedTuple):
    path: str
    text: str
    tests: frozenset  # every name that a row may give


def check(doc):
    match = SECTION.search(doc.text)
    if not match:
        yield 1, "there is no section of others' bugs"
        return
    first, rows = doc.text.count("\n", 0, match.start(1)), 0
    for line, text in enumerate(match[1].splitlines(), first + 1):
        if not (row := ROW.match(text)):
            continue
        rows += 1
        names = re.findall(r"`([^`]+)`", row[1].rsplit("|", 1)[-1])
        if not names:
            yield line, "a bug without a test"
        yield from ((line, f"there is no test {name}") for name in names if name not in doc.tests)
    if not rows:
        yield first, "the table is empty"


def tests_of(root):
    for source in rule.sources(root / "tests", ".c"):
        yield from TEST.findall(source.text)
    for source in rule.sources(root / "tests", ".sh", ".py"):
        yield f"tests/{source.path}"


def table(*rows):
    head = "## Forged\n| x | `no` |\n\n## Others' bugs, and so on\n| bug | what went wrong | our rule | test |\n|---|---|---|---|\n"
    return Doc("doc", head + "".join(f"{r}\n" for r in rows) + "\n## What waits\n| a | b |\n", frozenset({"is_there", "tests/x.sh"}))


BAD = [table(), table("| a | b | c | `is_not_there` |"), table("| a | b | c | |"), table("| a | b | `is_there` | is_there |"),
       table("| a | b | c | `is_there`, `is_not_there` |"), Doc("doc", "## Others\n", frozenset())]
GOOD = [table("| a | b | c | `is_there` |"), table("| a | b | `x` | `is_there`, `tests/x.sh` |", "| a | b | c | `is_there` |")]

if __name__ == "__main__":
    if sys.argv[1] == "--self-test":
        rule.self_test(check, BAD, GOOD)
    root = pathlib.Path(sys.argv[1])
    path = "docs/security.md"
    rule.apply(check, [Doc(path, (root / path).read_text(encoding="utf-8"), frozenset(tests_of(root)))])
