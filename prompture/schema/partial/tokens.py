"""The lexical side of JSON (RFC 8259) as expressions matched at a position of a buffer.

Repeated groups stay greedy rather than possessive: nothing that can fail follows them, so they
never backtrack, and Python 3.11.0 to 3.11.4 mismatch possessive groups (python/cpython#106052).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TypeAlias, cast

WHITESPACE = " \t\n\r"
_HEX = "[0-9a-fA-F]"
_HIGH = f"[dD][89abAB]{_HEX}{{2}}"
_LOW = f"[dD][c-fC-F]{_HEX}{{2}}"
_PLAIN = r'[^"\\\x00-\x1f]*+'
# A lone high surrogate is legal, but it is only known to be lone once a low one cannot follow.
_NOT_LOW = r"(?=[^\\]|\\[^u]|\\u[^dD]|\\u[dD][^c-fC-F])"
_ESCAPE = rf'\\(?:["\\/bfnrt]|u(?![dD][89abAB]){_HEX}{{4}}|u{_HIGH}\\u{_LOW}|u{_HIGH}{_NOT_LOW})'

Run: TypeAlias = Callable[[str, int], re.Match[str]]
"""Matches at a position; an empty match is one too, so there always is one."""

_INTEGER = "-?(?:0|[1-9][0-9]*+)"
_FRACTION = r"(?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?"

skip_space = cast(Run, re.compile(r"[ \t\n\r]*+").match)
plain_string = re.compile(rf'({_PLAIN})"').match
"""A string without escapes, from behind its first quote; group 1 is its text."""
plain_key = re.compile(rf'({_PLAIN})"(?:[ \t\n\r]*+(:))?').match
"""As `plain_string`; group 2 is there if the colon is."""
string_run = cast(Run, re.compile(rf'({_PLAIN}(?:{_ESCAPE}{_PLAIN})*)(")?').match)
"""All characters and whole escapes of a string (group 1), and its last quote (group 2)."""
cut_escape = re.compile(
    rf"\\(?:u{_HEX}{{0,3}}|u{_HIGH}(?:\\(?:u(?:[dD](?:[c-fC-F]{_HEX}?)?)?)?)?)?"
).fullmatch
"""An escape that more text may still complete: at most 11 characters."""
whole_number = re.compile(rf"{_INTEGER}({_FRACTION})(?=[ \t\n\r,\]}}])").match
"""A number that ends here; group 1 is empty in an integer."""
number_run = cast(Run, re.compile(r"[-+.0-9eE]*+").match)
_number = re.compile(rf"{_INTEGER}({_FRACTION})").fullmatch
_EXPONENT = "[eE][-+]?[0-9]*"
_number_start = cast(
    Run,
    re.compile(rf"-?(?:(?:0|[1-9][0-9]*)(?:\.(?:[0-9]+(?:{_EXPONENT})?)?|{_EXPONENT})?)?").match,
)

NUMBER_START = "-0123456789"
LITERALS = {"t": ("true", True), "f": ("false", False), "n": ("null", None)}


def unescape(raw: str) -> str:
    """The characters that the inside of a JSON string stands for."""
    return str(json.loads(f'"{raw}"')) if "\\" in raw else raw


def number(raw: str) -> int | float | None:
    """The number `raw` spells, as `json.loads` reads it; None when it spells none.

    Raises ValueError when it has more digits than Python converts (`sys.set_int_max_str_digits`).
    """
    match = _number(raw)
    if match is None:
        return None
    return float(raw) if match[1] else int(raw)


def number_fault(raw: str) -> int:
    """How many characters of `raw` may begin a number."""
    return _number_start(raw, 0).end()
