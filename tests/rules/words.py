#!/usr/bin/env python3
"""Words that no file of the tree may hold: unsafe calls, dead code, notes instead of work."""
import re

import rule

UNSAFE = {
    r"\bstrcpy\s*\(": "strcpy: lengths are known here, use struct wr or snprintf",
    r"\bstpcpy\s*\(": "stpcpy: lengths are known here, use struct wr or snprintf",
    r"\bstrn?cat\s*\(": "strcat: lengths are known here, use struct wr or snprintf",
    r"\bv?sprintf\s*\(": "sprintf: use snprintf",
    r"\bgets\s*\(": "gets",
    r"\balloca\s*\(": "alloca: the stack is not the peer's to size",
    r"^\s*#\s*if\s+0\b": "dead code: git remembers",
}
SHELL = {r"\b(system|popen)\(": "nothing here runs a shell, but tests"}
# Put together, so that this file may be held against itself.
NOTES = {rf"\b{a}{b}\b": "a note instead of work" for a, b in (("TO", "DO"), ("FIX", "ME"), ("XX", "X"))}


def compiled(words):
    return [(re.compile(pattern, re.MULTILINE), why) for pattern, why in words.items()]


def words_for(path):
    if not path.endswith((".c", ".h")):
        return NOTES
    return UNSAFE | NOTES | ({} if path.startswith("tests/") else SHELL)


def check(source):
    for pattern, why in compiled(words_for(source.path)):
        for match in pattern.finditer(source.text):
            yield source.text.count("\n", 0, match.start()) + 1, why


BAD = [rule.Source("base/x.c", f"\t{line}\n") for line in (
    "strcpy(a, b);", "strcat(a, b);", "strncat(a, b, 2);", "sprintf(a, b);", "vsprintf (a, b);",
    "p = alloca(7);", "system(a);", "f = popen(a, b);", "#if 0", "# if 0",
    "/* TO" "DO */", "/* FIX" "ME: */", "x(); /* XX" "X */",
)] + [rule.Source("tests/x.sh", "# TO" "DO\n")]
GOOD = [rule.Source("base/x.c", text) for text in (
    "snprintf(a, 2, b);\n", "/* the system (kernel) */ file_system_name(a);\n", '"/tmp/vpnd.XX' 'XXXX"\n', "#if 01\n",
)] + [rule.Source("dev", "the shell's system(x)\n"), rule.Source("tests/net/x.c", "system(a);\n")]

if __name__ == "__main__":
    rule.main(check, BAD, GOOD, (".c", ".h", ".py", ".sh", ".md", ".txt", ".cmake", ".json", ".in", ".service", "dev"))
