"""Regular expressions of JSON Schema, matched in linear time.

They are ECMA-262's and need not match the whole string. The engine is Rust's, which Pydantic
brings along: it has no catastrophic patterns, and no look-around. Look-ahead at the beginning or
end of a pattern is taken apart into several patterns; what is left goes to ``re``, if it can be
seen to stay polynomial, with a bound on the length of the string.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from pydantic_core import SchemaError, SchemaValidator, core_schema

from prompture import errors

PATTERN_LENGTH = 5_000
WEIGHT_LIMIT = 100_000
"""Bound on the length of a pattern after its counted repeats are written out."""

_LARGE = frozenset({"\\p", "\\P"})  # many ranges of characters
_MANY = 1_000_000_000
_STEPS = 20_000_000  # rough bound on the steps of one search with ``re``

Matcher = Callable[[str], bool]


class BadPattern(ValueError):
    """The pattern is no regular expression, or one that cannot be run safely."""


@lru_cache(maxsize=1024)
def matcher(pattern: str) -> Matcher:
    """Whether the pattern is found in a string. Raises BadPattern."""
    if len(pattern) > PATTERN_LENGTH:
        raise BadPattern(f"it is longer than {PATTERN_LENGTH:,} characters")
    shape = _shape(pattern)
    if shape.weight > WEIGHT_LIMIT:
        raise BadPattern("its counted repeats make it too large")
    return _rust(translated(pattern)) or _taken_apart(pattern) or _backtracking(pattern, shape)


def backtracks(pattern: str) -> bool:
    """Whether ``re`` may take exponential time over it."""
    return _shape(pattern).nested


def weight(pattern: str) -> int:
    """About the length of the pattern with its counted repeats written out."""
    return _shape(pattern).weight


def _rust(pattern: str) -> Matcher | None:
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern)).isinstance_python
    except SchemaError:
        return None


_TOKEN = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|\\[pP]\{[^}]*\}|\\u\{[0-9a-fA-F]{1,6}\}|\\c[A-Za-z]|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|\\.|\{\d+(?:,\d*)?\}|&&|--|~~|\[\^?\]?|.",
    re.DOTALL,
)


def translated(pattern: str) -> str:
    """The ECMA-262 pattern in Rust's syntax; ``\\d`` and ``\\w`` are ASCII's, unlike in Python."""
    out: list[str] = []
    inside = False
    for found in _TOKEN.finditer(pattern):
        piece = found[0]
        if piece[0] == "\\":
            out.append(_escape(piece, inside=inside))
        elif inside:
            if piece[0] == "[":
                out.append("\\[" + (_in_class(piece[1:]) if len(piece) > 1 else ""))
                inside = not piece.endswith("]")
                if not inside:
                    out[-1] = out[-1].removesuffix("]") + "]"
            else:
                out.append(_in_class(piece))
                inside = piece != "]"
        elif piece[0] == "[":
            empty = {"[]": r"[^\s\S]", "[^]": r"[\s\S]"}.get(piece)
            out.append(empty or piece)
            inside = empty is None
        else:
            out.append("\\{" if piece == "{" else piece)
    return "".join(out)


def _in_class(piece: str) -> str:
    return f"{piece[0]}\\{piece[1]}" if piece in ("&&", "--", "~~") else piece


_BLANK = "\\t\\n\\v\\f\\r \\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff"
_CLASSES = {
    "\\d": "[0-9]",
    "\\D": "[^0-9]",
    "\\w": "[A-Za-z0-9_]",
    "\\W": "[^A-Za-z0-9_]",
    "\\s": f"[{_BLANK}]",
    "\\S": f"[^{_BLANK}]",
}
"""As ECMA-262 has them."""


def _escape(piece: str, *, inside: bool) -> str:
    name = piece[1:2]  # nothing after a backslash at the end, which no engine takes
    if len(piece) == 12:
        return chr(int(piece[2:6], 16) - 0xD800 << 10 | int(piece[8:], 16) - 0xDC00 + 0x10000)
    if piece in _CLASSES:
        return _CLASSES[piece]  # in brackets, so that a hyphen after it is one, as in ECMA-262
    if name == "c" and len(piece) == 3:
        return f"\\x{ord(piece[2]) % 32:02x}"
    plain = {"/": "/", "0": "\\x00", "Z": "\\z", "'": "'", '"': '"', "<": "<", ">": ">", " ": " "}
    if piece == "\\b":
        return "\\x08" if inside else "(?-u:\\b)"
    return plain.get(name, piece) if len(piece) == 2 else piece


def _taken_apart(pattern: str) -> Matcher | None:
    """``^(?=A)(?!B)C`` as three searches, ``X(?=Y)`` as one; None where it is neither."""
    if _alternatives(pattern):
        return None
    parts: list[tuple[bool, str]] = []
    rest = pattern
    while pattern.startswith("^") and (found := _leading_look_ahead(rest.removeprefix("^"))):
        wanted, inner, rest = found
        parts.append((wanted, f"^(?:{inner})"))
    rest = "^" + rest.removeprefix("^") if pattern.startswith("^") else rest
    parts.append((True, _without_last_look_ahead(rest)))
    tests: list[tuple[bool, Matcher]] = []
    for wanted, part in parts:
        test = _rust(translated(part))
        if test is None:
            return None
        tests.append((wanted, test))
    return lambda text: all(test(text) is wanted for wanted, test in tests)


def _leading_look_ahead(pattern: str) -> tuple[bool, str, str] | None:
    """Whether it must match, what it holds, and what follows it."""
    if not pattern.startswith(("(?=", "(?!")):
        return None
    end = _group_end(pattern, 0)
    if end is None or re.match(r"[*+?{]", pattern[end:]):
        return None
    return pattern[2] == "=", pattern[3 : end - 1], pattern[end:]


def _without_last_look_ahead(pattern: str) -> str:
    start = pattern.rfind("(?=")
    if start < 0 or _group_end(pattern, start) != len(pattern):
        return pattern
    return f"{pattern[:start]}(?:{pattern[start + 3 :]}"


def _group_end(pattern: str, start: int) -> int | None:
    depth = 0
    for at, piece, inside in _tokens(pattern, start):
        if not inside and piece == "(":
            depth += 1
        elif not inside and piece == ")":
            depth -= 1
            if depth == 0:
                return at + 1
    return None


def _alternatives(pattern: str) -> bool:
    """Whether there is a ``|`` outside every group."""
    depth = 0
    for _, piece, inside in _tokens(pattern, 0):
        if not inside:
            depth += {"(": 1, ")": -1}.get(piece, 0)
            if piece == "|" and depth == 0:
                return True
    return False


_PIECE = re.compile(r"\\[pP]\{[^}]*\}|\\.|\{\d+(?:,\d*)?\}|.", re.DOTALL)


def _tokens(pattern: str, start: int) -> list[tuple[int, str, bool]]:
    """Position, piece, and whether it stands inside a class."""
    found: list[tuple[int, str, bool]] = []
    inside = False
    for one in _PIECE.finditer(pattern, start):
        piece = one[0]
        found.append((one.start(), piece, inside))
        if piece == "[" and not inside:
            inside = True
        elif piece == "]" and inside and not pattern[: one.start()].endswith(("[^", "[")):
            inside = False
    return found


class _Shape(NamedTuple):
    weight: int
    nested: bool
    """A repeated group that repeats or has alternatives: exponential for a backtracking engine."""
    degree: int
    """Of the polynomial in the string's length, for a backtracking engine."""


class _Group:
    def __init__(self, *, look: bool) -> None:
        self.look = look
        self.weight = 0
        self.loops = 0
        self.choices = False
        self.last = (0, 0, False)  # weight, loops and choices of the latest item


def _shape(pattern: str) -> _Shape:
    stack = [_Group(look=False)]
    nested, degree, tokens = False, 0, _tokens(pattern, 0)
    for index, (at, piece, inside) in enumerate(tokens):
        top = stack[-1]
        if inside:
            continue
        if piece == "(":
            stack.append(_Group(look=pattern.startswith(("(?=", "(?!", "(?<=", "(?<!"), at)))
        elif piece == ")" and len(stack) > 1:
            done = stack.pop()
            degree = max(degree, done.loops) if done.look else degree
            stack[-1].last = (done.weight, 0 if done.look else done.loops, done.choices)
            stack[-1].weight += done.weight
            stack[-1].loops += 0 if done.look else done.loops
            stack[-1].choices |= done.choices
        elif piece == "|":
            top.choices = True
        elif repeat := _repeat(piece, after=tokens[index - 1][1] if index else ""):
            low, high = repeat
            size, loops, choices = top.last
            written = max(1, low if high == _MANY else high)
            top.weight += size * (written - 1)
            if high != low and high > 1:
                nested |= loops > 0 or choices
                top.loops += high > 10
                loops += 1
            top.last = (size * written, loops, choices)
        else:
            one = 50 if piece[:2] in _LARGE else 1
            top.last = (one, 0, False)
            top.weight += one
    root = stack[0]
    return _Shape(sum(group.weight for group in stack), nested, max(degree, root.loops) + 1)


def _repeat(piece: str, after: str) -> tuple[int, int] | None:
    """The least and greatest count of a quantifier."""
    if piece in ("*", "+"):
        return (0 if piece == "*" else 1), _MANY
    if piece == "?":
        # A second one makes the quantifier before it lazy; `(?` opens a group.
        return (0, 1) if after not in ("(", "*", "+", "?") and after[:1] != "{" else None
    if piece[0] == "{" and len(piece) > 1:
        low, comma, high = piece[1:-1].partition(",")
        return int(low), int(high) if high else _MANY if comma else int(low)
    return None


def _backtracking(pattern: str, shape: _Shape) -> Matcher:
    try:
        compiled = re.compile(_for_re(pattern), re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise BadPattern(f"it is no regular expression: {error}") from None
    if shape.nested:
        raise BadPattern("it has look-around and nested repeats, which may take exponential time")
    # A pattern of n loops beside each other takes about the nth power of the length of the text.
    longest = int(_STEPS ** (1 / shape.degree))
    return lambda text: len(text) <= longest and compiled.search(text) is not None


def _for_re(pattern: str) -> str:
    out: list[str] = []
    for _, piece, inside in _tokens(pattern, 0):
        if inside and (piece in _SET_SIGNS or (piece == "-" and out[-1] == "-")):
            out.append("\\" + piece)  # which `re` warns may mean something else one day
        else:
            out.append("\\Z" if piece == "$" and not inside else piece)
    return "".join(out).replace("(?<", "(?P<").replace("(?P<=", "(?<=").replace("(?P<!", "(?<!")


_SET_SIGNS = frozenset("[&~|")


def finds(pattern: str, text: str) -> bool | None:
    """The pattern is found in the text; None where the pattern cannot be run."""
    try:
        return matcher(pattern)(text)
    except BadPattern:
        return None


@lru_cache(maxsize=4096)
def is_usable(pattern: str) -> bool:
    """It is a regular expression that can be run without hanging."""
    try:
        matcher(pattern)
    except BadPattern:
        return False
    return True


@lru_cache(maxsize=4096)
def refuse_large(pattern: str) -> None:
    """Refuse a pattern that is large, or becomes so when its repeats are written out.

    Raises:
        prompture.errors.SchemaError: it is too large.
    """
    if len(pattern) > PATTERN_LENGTH:
        raise errors.SchemaError(
            f"a pattern has {len(pattern):,} characters; the most is {PATTERN_LENGTH:,}"
        )
    if "{" in pattern and weight(pattern) > WEIGHT_LIMIT:
        raise errors.SchemaError("a pattern multiplies its counted repeats beyond measure")
