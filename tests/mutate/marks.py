"""The marks of the security checks, and what a check is without its effect.

A mark is a comment `/* check: NAME */` right behind what it means (or, for
an accepting condition with ||, in front of all of it):

    if (CONDITION) /* check: x */              never entered
    A && B /* check: x */ && C                 B is taken for true
    A || B /* check: x */ || C                 B is taken for false
    ok = A /* check: x */;                     A is taken for true
    return /* check: x */ A || B;              all of it is taken for true; also behind ( and =
    O_A | O_B /* check: x */ | O_C             B is taken for 0
    wipe(key, sizeof(key)); /* check: x */     not executed

What stands there is still evaluated, only its result counts no more; a statement is left out. Names
are words with dashes, unique in the tree.
"""
import re
from typing import NamedTuple

MARK = re.compile(r"/\*\s*check:(.*?)\*/")
NAME = re.compile(r" [a-z0-9]+(-[a-z0-9]+)+ ")
COMMENT_OR_TEXT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
DECLARATION = re.compile(r"(?:(?:static|const|struct|enum|unsigned|bool|int|size_t|uint\w+|char|void|msec)\b|\w+ \**\w+ =)")
NOT_ALONE = re.compile(r"(?:case|default|return|break|continue|goto|switch|do)\b|#|\w+:")
OPENING, CLOSING = "([{", ")]}"


class Misplaced(ValueError):
    """A mark that stands behind nothing it could mean."""


class Check(NamedTuple):
    name: str
    line: int
    form: str  # of FORMS
    start: int  # of what it means, in the text
    end: int


def blank(text):
    """The same text with blanks for comments and the insides of literals: positions stay."""
    def stand_in(match):
        piece = match[0]
        inside = re.sub(r"[^\n]", " ", piece)
        return piece[0] + inside[1:-1].replace(" ", "_") + piece[-1] if piece[0] in "\"'" else inside
    return COMMENT_OR_TEXT.sub(stand_in, text)


def before(code, end):
    """Where the last thing before `end` ends."""
    return len(code[:end].rstrip())


def opening_of(code, closing):
    depth = 0
    for i in range(closing, -1, -1):
        depth += (code[i] in CLOSING) - (code[i] in OPENING)
        if depth == 0:
            return i
    raise Misplaced("no opening parenthesis")


def closing_of(code, opening):
    depth = 0
    for i in range(opening, len(code)):
        depth += (code[i] in OPENING) - (code[i] in CLOSING)
        if depth == 0:
            return i
    raise Misplaced("no closing parenthesis")


def if_condition(code, end):
    """(start, end) of the condition of the `if` whose head ends at `end`, or None."""
    if code[end - 1] == "{":
        end = before(code, end - 1)
    if not end or code[end - 1] != ")":
        return None
    opening = opening_of(code, end - 1)
    return (opening + 1, end - 1) if re.search(r"\bif\s*$", code[:opening]) else None


def statement_start(code, end):
    """Of the statement whose semicolon stands before `end`."""
    i, depth = end - 2, 0
    while i >= 0 and not (depth == 0 and code[i] in ";{}"):
        depth += (code[i] in CLOSING) - (code[i] in OPENING)
        i -= 1
    return skip_blank(code, i + 1, end)


HEAD = re.compile(r"(?:else\s+)?(?:if|for|while)\s*(?=\()|else\b")


def skip_blank(code, start, end):
    return end - len(code[start:end].lstrip())


def body_start(code, start, end):
    """Behind the heads (`if (...)`, `else`) whose only statement this is."""
    while head := HEAD.match(code, start, end):
        start = head.end()
        if code[start] == "(":
            start = closing_of(code, start) + 1
        start = skip_blank(code, start, end)
    return start


def operand_start(code, end):
    i, depth = end - 1, 0
    while i >= 0:
        if code[i] in CLOSING:
            depth += 1
        elif code[i] in OPENING:
            if depth == 0:
                return i + 1
            depth -= 1
        elif depth == 0:
            if code[i] in ";,?" or code[i - 1:i + 1] in ("&&", "||"):
                return i + 1
            if code[i] == "=" and code[i + 1] != "=" and code[i - 1] not in "=!<>":
                return i + 1
            if code[i - 5:i + 1] == "return" and not code[i + 1].isalnum():
                return i + 1
        i -= 1
    raise Misplaced("stands behind no operand")


def whole_end(code, start):
    """Of the expression that begins there: before the parenthesis, comma or semicolon behind it."""
    i = start
    while i < len(code) and code[i] not in CLOSING + ",;":
        i = closing_of(code, i) + 1 if code[i] in OPENING else i + 1
    return before(code, i)


def operand(code, end, behind):
    start = skip_blank(code, operand_start(code, end), end)
    if start >= end:
        raise Misplaced("stands behind no operand")
    sides = code[:start].rstrip()[-2:], code[behind:].lstrip()[:2]
    if sides[1][:1] == "|" and sides[1] != "||":
        start = skip_blank(code, max(start, code.rfind("|", 0, end) + 1), end)
        return start, "flag"
    if sides[1][:1] not in "&|);?,}" or sides[1] == "&=":
        raise Misplaced("stands in the middle of an operand")
    return start, "operand false" if "||" in sides and "&&" not in sides else "operand true"


def place(code, match):
    end = before(code, match.start())
    if code[end - 1:end] == ";":
        start = body_start(code, statement_start(code, end), end)
        if DECLARATION.match(code[start:end]) or NOT_ALONE.match(code[start:end]):
            raise Misplaced("stands behind a statement that cannot be left out")
        return "statement", start, end
    if re.search(r"(?:\(|\breturn|[^=!<>]=)$", code[:end]):
        start = match.end() + len(code[match.end():]) - len(code[match.end():].lstrip())
        return "operand true", start, whole_end(code, start)
    if condition := if_condition(code, end):
        return "if", *condition
    start, form = operand(code, end, match.end())
    return form, start, end


def checks_of(text):
    """Every mark of a file as a Check, or as (line, what is wrong with it)."""
    code = blank(text)
    for comment in COMMENT_OR_TEXT.finditer(text):
        match = MARK.match(text, comment.start())
        if not match:
            continue
        line = text.count("\n", 0, match.start()) + 1
        if not NAME.fullmatch(match[1]):
            yield line, f"a check's name is words with dashes, not \"{match[1].strip()}\""
            continue
        try:
            form, start, end = place(code, match)
            yield Check(match[1].strip(), line, form, start, end)
        except Misplaced as wrong:
            yield line, f"check {match[1].strip()} {wrong}"


def number_of(name):
    """What mutant.h knows a check by: FNV-1a, 32 bits."""
    h = 0x811c9dc5
    for octet in name.encode():
        h = (h ^ octet) * 0x01000193 & 0xffffffff
    return h


FORMS = {
    "if": ("(", ") && !MUTANT({})"),
    "operand true": ("((", ") || MUTANT({}))"),
    "operand false": ("((", ") && !MUTANT({}))"),
    "flag": ("(MUTANT({}) ? 0 : ", ")"),
    "statement": ("if (MUTANT({})) {{ }} else ", ""),  # an `else` behind it is not ours
}


def instrumented(text, checks):
    """The text in which each of the checks can be switched off; no line moves."""
    put = []
    for c in checks:
        head, tail = (part.format(hex(number_of(c.name))) for part in FORMS[c.form])
        put.append(((c.start, 1, -c.end), head))  # of two that begin together, the longer is outside
        put.append(((c.end, 0, -c.start), tail))
    for (at, *_), piece in sorted(put, reverse=True):
        text = text[:at] + piece + text[at:]
    return text
