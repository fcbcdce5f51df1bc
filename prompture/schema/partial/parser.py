"""`PartialParser`: a live value out of JSON that is still being written.

The JSON may come after prose, a code fence or a block of reasoning; `before` finds its start.
"""

from __future__ import annotations

import re
from typing import Any

from . import grammar
from .machine import Expect, Machine, PartialJSONError, closed
from .snapshot import Snapshot

MAX_DEPTH = 200
MAX_CHARS = 64 * 1024 * 1024


class BaseParser:
    """A machine that text is fed to. A subclass has ``feed`` and what it returns."""

    __slots__ = ("_machine",)

    def __init__(
        self,
        *,
        max_depth: int,
        max_chars: int,
        tolerate: bool,
        expect: Expect | None,
    ) -> None:
        self._machine = Machine(
            before if tolerate else grammar.root,
            grammar.ended,
            max_depth=max_depth,
            max_chars=max_chars,
            tolerate=tolerate,
            expect=expect,
        )

    @property
    def value(self) -> Any:
        """The live value, the very object that grows: O(1), or the length of a growing string.

        None before the JSON begins. Do not change it; `snapshot()` gives one that stays.
        """
        return self._machine.root

    @property
    def started(self) -> bool:
        """Whether the JSON has begun, or is prose all that came."""
        return bool(self._machine.holder)

    @property
    def complete(self) -> bool:
        """Whether the value is final. What follows it is skipped, or an error when strict."""
        machine = self._machine
        return machine.end is not None or machine.state is grammar.ended

    @property
    def error(self) -> PartialJSONError | None:
        """Why parsing stopped, if it did. It is raised by the next call that reads."""
        return self._machine.error

    @property
    def span(self) -> tuple[int | None, int | None]:
        """Where the JSON begins and ends in all that was fed, in characters."""
        machine = self._machine
        if machine.state is grammar.ended:
            return machine.start, machine.base
        return machine.start, machine.end

    def snapshot(self) -> Snapshot:
        """The value at this moment, which later text does not change. It costs the depth of the open path."""
        return self._machine.snapshot()

    def close(self) -> Any:
        """End the text and return the value.

        Raises PartialJSONError when it stopped being JSON, or is `incomplete`; `value` then
        still answers with what came.
        """
        machine = self._machine
        if machine.state is not closed:
            machine.error = machine.error or grammar.finish(machine, self._missing())
            machine.state = closed
        if machine.error is not None:
            raise machine.error
        return machine.root

    def _missing(self) -> str:
        """What would close things that the machine does not know to be open."""
        return ""


class PartialParser(BaseParser):
    """Builds a value from JSON text cut anywhere, at a cost proportional to the new text.

    A cut number, literal, key or escape is not shown until it is whole; strings are shown as they
    grow. Numbers are read as `json.loads` reads them; NaN and Infinity are refused; the last of
    duplicate keys wins.

    `tolerate` skips prose, fences and `<think>` blocks before the JSON, which must then be an
    object or an array, and anything behind it; without it the text must be JSON alone. `expect`
    tells which of the two is wanted, so that "[1]" in prose is not taken for an object's place.
    `max_depth` counts containers; `max_chars` all characters fed.
    """

    __slots__ = ()

    def __init__(
        self,
        *,
        max_depth: int = MAX_DEPTH,
        max_chars: int = MAX_CHARS,
        tolerate: bool = True,
        expect: Expect | None = None,
    ) -> None:
        super().__init__(
            max_depth=max_depth,
            max_chars=max_chars,
            tolerate=tolerate,
            expect=expect,
        )

    def feed(self, text: str) -> None:
        """Read more text. Raises PartialJSONError where it is not JSON, and on every later call."""
        machine = self._machine
        machine.run(text)
        if machine.error is not None:
            raise machine.error


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
