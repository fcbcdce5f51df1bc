"""Find where the JSON begins in an answer with prose, a code fence or reasoning before it."""

from __future__ import annotations

import re

from . import grammar
from .machine import Expect, Machine

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
    return grammar.value(m, text, index)


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
