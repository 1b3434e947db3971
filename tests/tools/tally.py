#!/usr/bin/env python3
"""Counts what ctest ran: `tally.py JUNIT.xml`; `tally.py --said JUNIT.xml` shows the end of what each
program said that did not pass.

The first line is "PASSED FAILED SKIPPED"; every further line names a case that did not pass. A
program that says so for each of its tests, as cmocka does, counts with each of them, any other program
as one case. Such a program that dies outside a test (a sanitizer, a crash) is one more failed case.
"""
import re
import sys
import xml.etree.ElementTree as ElementTree

SAID = 60  # lines
REASON = re.compile(r"^FAILED: (.*)", re.MULTILINE)  # how the scripts of tests/net and tests/interop end
TESTS = re.compile(r"\[\s+(OK|FAILED|SKIPPED)\s+\] (\w[\w/-]*)(?:: (.*))?$", re.MULTILINE)


def cases(program):
    """(name, outcome, note) of every case of one program."""
    name = program.get("name")
    status = program.get("status")
    output = program.findtext("system-out") or ""
    tests = {}  # cmocka repeats the failed ones at its end
    for outcome, test, note in TESTS.findall(output):
        tests[test] = (outcome, note or tests.get(test, ("", ""))[1])
    for test, (outcome, note) in tests.items():
        yield f"{name}: {test}", {"OK": "passed", "FAILED": "failed", "SKIPPED": "skipped"}[outcome], note
    if status == "run":
        if not tests:
            yield name, "passed", ""
    elif status == "notrun":
        said = output.strip().splitlines() or ["not run"]
        yield name, "skipped", said[-1].removeprefix("skip: ")
    elif "FAILED" not in (outcome for outcome, _ in tests.values()):
        reasons = REASON.findall(output) or ["timeout or crash" if tests else ""]
        yield name, "failed", reasons[0]


def show_said(programs):
    for program in programs:
        if program.get("status") == "fail":
            print(f"---- the end of what {program.get('name')} said")
            print(*(program.findtext("system-out") or "").splitlines()[-SAID:], sep="\n")


def main():
    try:
        programs = list(ElementTree.parse(sys.argv[-1]).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError):
        print("0 1 0\nctest left no result")
        return
    if sys.argv[1] == "--said":
        show_said(programs)
        return
    found = [case for program in programs for case in cases(program)]
    print(*(sum(outcome == want for _, outcome, _ in found) for want in ("passed", "failed", "skipped")))
    for name, outcome, note in found:
        if outcome != "passed":
            print(f"{outcome}: {name}" + (f" ({note})" if note else ""))


main()
