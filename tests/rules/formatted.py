#!/usr/bin/env python3
"""Every C file is as clang-format leaves it; `./dev format` makes it so."""
import pathlib
import re
import subprocess

import rule

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
COMPLAINT = re.compile(r"^[^\n:]*:(\d+):\d+: error: code should be clang-formatted", re.MULTILINE)


def check(source):
    command = ["clang-format", "--dry-run", "-Werror", "--ferror-limit=5", f"--assume-filename={source.path}"]
    run = subprocess.run(command, cwd=ROOT, input=source.text, capture_output=True, text=True)
    found = COMPLAINT.findall(run.stderr)
    yield from ((int(line), "not as clang-format leaves it") for line in found)
    if run.returncode and not found:
        yield 1, f"clang-format: {run.stderr.strip()}"


BAD = [
    rule.Source("base/x.c", "int x(void) { return 0; }\n"),
    rule.Source("base/x.c", "int x(void)\n{\n        return 0;\n}\n"),
    rule.Source("base/x.c", "int x(int a)\n{\n\tif (a) return 1;\n\treturn 0;\n}\n"),
    rule.Source("base/x.h", "int x(int aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, int bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb, "
                "int cccccccccccccccccccccccccccccc);\n"),
]
GOOD = [rule.Source("base/x.c", "int x(void)\n{\n\treturn 0;\n}\n")]

if __name__ == "__main__":
    rule.main(check, BAD, GOOD, (".c", ".h"))
