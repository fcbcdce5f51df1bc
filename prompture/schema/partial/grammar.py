"""JSON (RFC 8259), and the prose before it, as states of the machine.

Each state reads one token, or as much of it as came.

Numbers are shown once their end is known, literals and keys once they are whole; strings grow.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TypeAlias, cast

from prompture.types import JSONValue

from .machine import Expect, Machine, PartialJSONError, State

# The tokens, as expressions matched at a position of a buffer. Repeated groups stay greedy rather
# than possessive: nothing that can fail follows them, so they never backtrack, and Python 3.11.0
# to 3.11.4 mismatch possessive groups (python/cpython#106052).
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
_CONVERTED = 640
"""Digits that `int` always converts: the lowest limit that Python can be set to."""


def root(m: Machine, text: str, at: int) -> int:
    """The whole text is JSON: its value may follow white space."""
    if text[at] in WHITESPACE:
        return skip_space(text, at).end()
    m.start = m.base + at
    return value(m, text, at)


def value(m: Machine, text: str, at: int) -> int:
    """Any value, where one must stand."""
    first = text[at]
    if first == '"':
        whole = plain_string(text, at + 1)
        if whole:
            m.settle(whole[1])
            return whole.end()
        m.open_string()
        m.state = in_string
        return at + 1
    if first in NUMBER_START:
        whole = whole_number(text, at)
        if whole and whole.end() - at < _CONVERTED:
            m.settle(m.real(whole[0]) if whole[1] else int(whole[0]))
            return whole.end()
        m.token = []
        m.state = in_number
        return at
    if first == "{" or first == "[":
        return _open(m, text, at)
    if first in WHITESPACE:
        return skip_space(text, at).end()
    return _literal(m, text, at)


def _literal(m: Machine, text: str, at: int) -> int:
    word, found = LITERALS.get(text[at], ("", None))
    if word and text.startswith(word, at):
        m.settle(found)
        return at + len(word)
    if word.startswith(text[at:]):
        return m.hold(text, at)
    raise m.fault(text, at, "expected a value")


def _open(m: Machine, text: str, at: int) -> int:
    if len(m.stack) > m.max_depth:
        raise m.fault(text, at, f"nested deeper than {m.max_depth} levels")
    if text[at] == "{":
        m.push({})
        m.after = after_member
        m.state = first_key
    else:
        m.push([])
        m.after = after_item
        m.state = first_item if m.on_array is None else m.on_array(m, first_item)
    return at + 1


def close(m: Machine) -> None:
    """Leave the innermost container."""
    m.pop()
    if len(m.stack) == 1:
        m.after = ended
    else:
        m.after = after_item if type(m.top) is list else after_member
    m.state = m.after


def first_item(m: Machine, text: str, at: int) -> int:
    if text[at] == "]":
        close(m)
        return at + 1
    if text[at] in WHITESPACE:
        return skip_space(text, at).end()
    return value(m, text, at)


def after_item(m: Machine, text: str, at: int) -> int:
    mark = text[at]
    if mark == ",":
        m.state = value
        return at + 1
    if mark == "]":
        close(m)
        return at + 1
    return _space_before(m, text, at, "',' or ']'")


def first_key(m: Machine, text: str, at: int) -> int:
    mark = text[at]
    if mark == '"':
        return _key(m, text, at + 1)
    if mark == "}":
        close(m)
        return at + 1
    return _space_before(m, text, at, "a key or '}'")


def next_key(m: Machine, text: str, at: int) -> int:
    if text[at] == '"':
        return _key(m, text, at + 1)
    return _space_before(m, text, at, "a key")


def after_member(m: Machine, text: str, at: int) -> int:
    mark = text[at]
    if mark == ",":
        if text[at + 1 : at + 2] == '"':
            return _key(m, text, at + 2)
        m.state = next_key
        return at + 1
    if mark == "}":
        close(m)
        return at + 1
    return _space_before(m, text, at, "',' or '}'")


def colon(m: Machine, text: str, at: int) -> int:
    if text[at] == ":":
        m.state = value
        return at + 1
    return _space_before(m, text, at, "':'")


def _space_before(m: Machine, text: str, at: int, expected: str) -> int:
    if text[at] in WHITESPACE:
        return skip_space(text, at).end()
    raise m.fault(text, at, f"expected {expected}")


def _key(m: Machine, text: str, at: int) -> int:
    """A key, from behind its quote."""
    whole = plain_key(text, at)
    if whole is None:
        m.token = []
        m.state = in_key
        return at
    m.key = whole[1]
    m.state = value if whole.lastindex == 2 else colon
    return whole.end()


def in_key(m: Machine, text: str, at: int) -> int:
    run = string_run(text, at)
    m.token.append(unescape(run[1]))
    end = run.end()
    if run.lastindex == 2:
        m.key = "".join(m.token)
        m.state = colon
        return end
    return end if end == len(text) else _cut(m, text, end)


def in_string(m: Machine, text: str, at: int) -> int:
    run = string_run(text, at)
    piece = run[1]
    if "\\" in piece:
        piece = unescape(piece)
    end = run.end()
    if run.lastindex == 2:
        m.close_string(piece)
        return end
    if piece:
        m.grow(piece)
    return end if end == len(text) else _cut(m, text, end)


def _cut(m: Machine, text: str, at: int) -> int:
    """A string that its run of characters leaves neither at its quote nor at the end of the text."""
    if text[at] != "\\":
        raise m.fault(text, at, "a control character in a string must be escaped")
    if cut_escape(text, at):
        return m.hold(text, at)
    raise m.fault(text, at, "invalid escape in a string")


def in_number(m: Machine, text: str, at: int) -> int:
    end = number_run(text, at).end()
    if end == len(text):
        m.token.append(text[at:])
        return end
    raw = "".join(m.token) + text[at:end] if m.token else text[at:end]
    m.settle(read_number(m, text, end, raw))
    return end


def read_number(m: Machine, text: str, end: int, raw: str) -> JSONValue:
    """The number that ends at `end`; it may have begun in an earlier feed."""
    try:
        found = number(raw, m.real)
    except ValueError:
        raise m.fault(text, end - len(raw), "a number with too many digits") from None
    if found is None:
        raise m.fault(text, end - len(raw) + number_fault(raw), "invalid number")
    return found


def ended(m: Machine, text: str, at: int) -> int:
    """Right behind the value."""
    m.end = m.base + at
    m.state = done
    return done(m, text, at)


def done(m: Machine, text: str, at: int) -> int:
    if m.tolerate:
        return len(text)
    end = skip_space(text, at).end()
    if end < len(text):
        raise m.fault(text, end, "more text after the value")
    return end


def finish(m: Machine, inner: str = "") -> PartialJSONError | None:
    """The text has ended: complete a number at the root, or tell what is missing.

    `inner` would close what is open beyond the machine's own containers.
    """
    if m.state is in_number and len(m.stack) == 1:
        try:
            m.settle(read_number(m, "", 0, "".join(m.token)))
        except PartialJSONError as error:
            return error
    if m.state is ended:
        m.end = m.base
    if m.end is not None:
        return None
    return m.fault("", 0, _where(m), missing=inner + _missing(m), incomplete=True)


def _where(m: Machine) -> str:
    if not m.holder:
        return "the text ends before any JSON"
    inside: dict[State, str] = {in_string: "a string", in_key: "a key", in_number: "a number"}
    return f"the text ends inside {inside.get(m.state, 'the JSON')}"


def _missing(m: Machine) -> str:
    quote = '"' if m.state is in_string or m.state is in_key else ""
    return quote + "".join("]" if type(node) is list else "}" for node in m.stack[:0:-1])


def unescape(raw: str) -> str:
    """The characters that the inside of a JSON string stands for."""
    return str(json.loads(f'"{raw}"')) if "\\" in raw else raw


def number(raw: str, real: Callable[[str], JSONValue] = float) -> JSONValue:
    """The number `raw` spells, as `json.loads` reads it; None when it spells none. `real` makes
    those that are no integers.

    Raises ValueError when it has more digits than Python converts (`sys.set_int_max_str_digits`).
    """
    match = _number(raw)
    if match is None:
        return None
    return real(raw) if match[1] else int(raw)


def number_fault(raw: str) -> int:
    """How many characters of `raw` may begin a number."""
    return _number_start(raw, 0).end()


# What may stand before the JSON: prose, a code fence, a block of reasoning

_opening = re.compile(r"<(think|thinking|thought|reasoning)>|[{\[]").search
_cut_tag = re.compile(
    r"<(?:t(?:h(?:i(?:n(?:k(?:i(?:ng?)?)?)?)?|o(?:u(?:g(?:ht?)?)?)?)?)?"
    r"|r(?:e(?:a(?:s(?:o(?:n(?:i(?:ng?)?)?)?)?)?)?)?)?"
).fullmatch
_LONGEST_TAG = len("<reasoning>")

_WHITE = r"[ \t\n\r]"
_SPACE = f"{_WHITE}{{0,63}}+"
_LOOKAHEAD = rf"[{{\[]{_WHITE}{{64}}"
_OBJECT = rf'\{{{_SPACE}["}}]'
_ARRAY = rf'\[{_SPACE}(?:[\[{{"\]]|-?[0-9]|true|false|null)'
_ARRAY_OF_OBJECTS = rf"\[{_SPACE}\{{"
_any_start = re.compile(f"{_OBJECT}|{_ARRAY}|{_LOOKAHEAD}").match
_object_start = re.compile(f"{_OBJECT}|{_ARRAY_OF_OBJECTS}|{_LOOKAHEAD}").match
_cut_start = re.compile(
    rf"[{{\[]{_SPACE}|\[{_SPACE}(?:-|t(?:ru?)?|f(?:a(?:ls?)?)?|n(?:ul?)?)"
).fullmatch


def before(m: Machine, text: str, at: int) -> int:
    """Prose, up to a block of reasoning or a bracket that begins JSON."""
    found = _opening(text, at)
    if found is None:
        tag = text.rfind("<", max(at, len(text) - _LONGEST_TAG))
        return m.hold(text, tag) if tag >= 0 and _cut_tag(text, tag) else len(text)
    if found[1]:
        m.closing_tag = f"</{found[1]}>"
        m.state = thinking
        return found.end()
    index = found.start()
    begins = _begins(text, index, expect=m.expect)
    if begins is None:
        return m.hold(text, index)
    if not begins:
        return index + 1
    m.start = m.base + index
    return value(m, text, index)


def thinking(m: Machine, text: str, at: int) -> int:
    """A block of reasoning, whose braces mean nothing, up to its closing tag."""
    tag = m.closing_tag
    end = text.find(tag, at)
    if end >= 0:
        m.state = before
        return end + len(tag)
    # The tag itself may be cut: hold back from its first character on.
    cut = text.rfind("<", max(at, len(text) - len(tag) + 1))
    return m.hold(text, cut) if cut >= 0 and tag.startswith(text[cut:]) else len(text)


def _begins(text: str, index: int, *, expect: Expect | None) -> bool | None:
    """Whether the bracket at `index` begins JSON rather than prose such as "[sic]" or "{name}".

    None while the text is too short to tell; 64 characters of white space settle it for JSON.
    Where an object is expected, a list counts only if it holds objects: "[1]" is a footnote.
    """
    if (_object_start if expect == "object" else _any_start)(text, index):
        return True
    return None if _cut_start(text, index) else False
