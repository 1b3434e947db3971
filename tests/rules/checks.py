#!/usr/bin/env python3
"""Marks of security checks: each stands behind what `./dev mutate` can remove, each name is there once."""
import pathlib
import sys

import rule

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "mutate"))
import marks  # noqa: E402

seen = {}  # name -> (path, line)


def check(source):
    for found in marks.checks_of(source.text):
        if not isinstance(found, marks.Check):
            yield found
            continue
        place = source.path, found.line
        first = seen.setdefault(found.name, place)
        if first != place:
            yield found.line, f"check {found.name} is also at {first[0]}:{first[1]}"
        if source.path.startswith("tests/"):
            yield found.line, f"check {found.name}: tests have none"


def sample(line, path="base/x.c"):
    return rule.Source(path, f"void f(void)\n{{\n\tx = 1;\n{line}\n}}\n")


BAD = [sample(line) for line in (
    "\tint n = wipe(); /* check: a-declaration */",
    "\treturn false; /* check: a-return */",
    "\tif (a + /* check: half-an-operand */ b)\n\t\tc();",
    "\tif (a /* check: before-an-operator */ == b)\n\t\tc();",
    "\tif (a) /* check: Capital-Letters */\n\t\tb();",
    "\tif (a) /* check: word */\n\t\tb();",
    "\tif (a) /* check: twice-here */\n\t\tb();\n\tif (b) /* check: twice-here */\n\t\tc();",
)] + [sample("\tif (a) /* check: of-a-test */\n\t\tb();", "tests/x.c")]
GOOD = [sample(line) for line in (
    "\tif (a(b) || c[d(e)]) /* check: whole-condition */\n\t\tb();",
    "\t} else if (a) { /* check: with-brace */\n\t\tb();",
    "\tif (a /* check: first-operand */ ||\n\t\tb(c) /* check: last-operand */)\n\t\tb();",
    "\treturn a == b /* check: returned-operand */;",
    "\treturn /* check: returned-whole */ a || (b && c);",
    "\tok = a <= b /* check: assigned-operand */ && c;",
    "\tfor (i = 0; i < n /* check: of-a-loop */; i++)\n\t\tb();",
    "\tif (a)\n\t\twipe(b, (c)); /* check: left-out */",
    "\topen(a, B | C /* check: a-flag */ | D);",
    '\tf("/* check: in a text */", a);',
)]

if __name__ == "__main__":
    rule.main(check, BAD, GOOD, (".c", ".h"))
