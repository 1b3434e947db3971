#!/usr/bin/env python3
"""A file is one room: at most 700 lines, and a function of at most 80.

The format rule holds every function's braces in the first column, and nothing else's that follow a
closing parenthesis; so lines are all there is to count.
"""
import re

import rule

FILE_LINES, FUNCTION_LINES = 700, 80
C = (".c", ".h")
NAME = re.compile(r"(\w+)\s*\(")


def functions(lines):
    """(line of the signature, name, length in lines) of every function with a body."""
    for opening, line in enumerate(lines):
        if line != "{" or not opening or not lines[opening - 1].rstrip().endswith(")"):
            continue
        first = opening - 1
        while first and re.match(r"[\s)]", lines[first]):  # a signature of several lines
            first -= 1
        closing = next((i for i in range(opening, len(lines)) if lines[i] == "}"), len(lines))
        name = NAME.search(lines[first])
        yield first + 1, name[1] if name else lines[first], closing - first + 1


def check(source):
    lines = source.text.splitlines()
    if len(lines) > FILE_LINES:
        yield len(lines), f"{len(lines)} lines, at most {FILE_LINES}"
    if not source.path.endswith(C):
        return
    for first, name, length in functions(lines):
        if length > FUNCTION_LINES:
            yield first, f"{name}() has {length} lines, at most {FUNCTION_LINES}"


def function(head, body_lines):
    return rule.Source("base/x.c", "int y;\n\n" + head + "{\n" + "\ty++;\n" * body_lines + "}\n")


BAD = [
    function("void x(void)\n", 78),
    function("static int x(\n\tint a,\n\tint b)\n", 76),
    function("static struct pkt *x(int a, int b,\n\tint c)\n", 77),
    rule.Source("base/x.h", "int x;\n" * 701),
    rule.Source("tests/tools/x.py", "x = 1\n" * 701),
]
GOOD = [
    function("void x(void)\n", 77),
    function("static int x(\n\tint a,\n\tint b)\n", 75),
    rule.Source("base/x.c", "static const int x[] = {\n" + "\t1,\n" * 300 + "};\n"),
    rule.Source("base/x.h", "int x;\n" * 700),
]

if __name__ == "__main__":
    rule.main(check, BAD, GOOD, (".c", ".h", ".py", ".sh", "dev"))
