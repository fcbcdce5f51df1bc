"""`ItemScanner`: the raw text of each item of a list, at the character that completes it."""

from __future__ import annotations

import re
from typing import cast

from prompture.json_values import DEPTH_LIMIT, segments_of

from . import grammar
from .grammar import WHITESPACE, Run, skip_space
from .machine import Expect, Machine, Path, State
from .parser import MAX_CHARS, BaseParser

_IN_STRING = r'[^"\\]*+(?:\\.[^"\\]*+)*'
_NO_MARK = r'[^"{}\[\]]*+'
_OUTSIDE = rf'{_NO_MARK}(?:"{_IN_STRING}"{_NO_MARK})*(?:("){_IN_STRING})?'
# Both match up to a bracket, or to the end of the text (but for a backslash there). Group 2, or
# none at all, means that the text ends inside a string.
_outside = cast(Run, re.compile(rf"(){_OUTSIDE}", re.DOTALL).match)
_inside = cast(Run, re.compile(rf'{_IN_STRING}(?:("){_OUTSIDE})?', re.DOTALL).match)
_string_run = cast(Run, re.compile(_IN_STRING, re.DOTALL).match)
_bare_run = cast(Run, re.compile(r"[-+.0-9a-zA-Z]*+").match)
_CLOSING = {"{": "}", "[": "]"}


class ItemScanner(BaseParser):
    """Finds the items of one list in JSON text cut anywhere, without building them.

    `path` leads to the list: a JSON pointer ("" is the root, "/items" a property of it) or a tuple
    of keys. Items are split by their brackets and quotes alone, not validated: the caller reads
    the text of each. Everything around the list is parsed like `PartialParser` does:
    `value` and `close()` answer with the list empty, and what else there is.

    `found` is whether the list has begun; a document without it completes all the same.
    Errors and limits are those of `PartialParser`: items found before the error come first.
    """

    __slots__ = ("_scan",)

    def __init__(
        self,
        path: Path | str = "",
        *,
        max_depth: int = DEPTH_LIMIT,
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
        self._scan = _Scan(_keys(path) if isinstance(path, str) else path)
        self._machine.on_array = self._scan.on_array

    @property
    def found(self) -> bool:
        return self._scan.found

    @property
    def count(self) -> int:
        """How many items are complete."""
        return self._scan.count

    @property
    def tail(self) -> str:
        """The text of the item that is not complete, or "". It costs its length."""
        scan = self._scan
        return "".join(scan.parts) + self._machine.held if scan.parts else ""

    def _missing(self) -> str:
        return self._scan.missing()

    def feed(self, text: str) -> list[tuple[int, str]]:
        """Read more text; answers each item it completes as its index and its JSON text.

        Raises PartialJSONError where it is not JSON, and on every later call.
        """
        machine = self._machine
        machine.run(text)
        items = self._scan.items
        if items:
            self._scan.items = []
            return items
        if machine.error is not None:
            raise machine.error
        return []


class _Scan:
    """The states inside the list. `parts` is the text so far of an item that an end cut."""

    __slots__ = ("closing", "count", "found", "items", "parts", "path", "quoted")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found = False
        self.items: list[tuple[int, str]] = []
        self.count = 0
        self.parts: list[str] = []
        self.closing: list[str] = []
        self.quoted = False

    def on_array(self, m: Machine, first_item: State) -> State:
        """Where the machine goes on in the array that it has just opened."""
        if m.open_path != self.path:
            return first_item
        if self.found:
            return self.twice
        self.found = True
        return self.first

    def twice(self, m: Machine, text: str, at: int) -> int:
        # json.loads would drop the first list, but its items were returned already.
        raise m.fault(text, at, "the list stands twice in the document")

    def first(self, m: Machine, text: str, at: int) -> int:
        if text[at] == "]":
            grammar.close(m)
            return at + 1
        return self.item(m, text, at)

    def separator(self, m: Machine, text: str, at: int) -> int:
        mark = text[at]
        if mark == ",":
            m.state = self.item
            return at + 1
        if mark == "]":
            grammar.close(m)
            return at + 1
        if mark in WHITESPACE:
            return skip_space(text, at).end()
        raise m.fault(text, at, "expected ',' or ']'")

    def item(self, m: Machine, text: str, at: int) -> int:
        mark = text[at]
        if mark in _CLOSING:
            m.state = self.inside
            return self.inside(m, text, at)
        if mark == '"':
            self.parts = ['"']
            self.quoted = True
            m.state = self.string
            return at + 1
        if mark in WHITESPACE:
            return skip_space(text, at).end()
        if _bare_run(text, at).end() == at:
            raise m.fault(text, at, "expected a value")
        m.state = self.bare
        return at

    def inside(self, m: Machine, text: str, at: int) -> int:
        """An object or array, up to the bracket that closes it."""
        start = at
        closing = self.closing
        quoted = self.quoted
        while True:
            match = _inside(text, at) if quoted else _outside(text, at)
            quoted = match.lastindex != 1
            at = match.end()
            mark = text[at : at + 1]
            if mark == "" or mark == "\\":
                self.parts.append(text[start:at])
                self.quoted = quoted
                return m.hold(text, at) if mark else at
            if mark in _CLOSING:
                if len(closing) + len(m.stack) > m.max_depth:
                    raise m.fault(text, at, f"nested deeper than {m.max_depth} levels")
                closing.append(_CLOSING[mark])
            elif closing.pop() != mark:
                raise m.fault(text, at, "a bracket closes another kind of bracket")
            elif not closing:
                return self.emit(m, text, start, at + 1)
            at += 1

    def string(self, m: Machine, text: str, at: int) -> int:
        end = _string_run(text, at).end()
        mark = text[end : end + 1]
        if mark == '"':
            return self.emit(m, text, at, end + 1)
        self.parts.append(text[at:end])
        return m.hold(text, end) if mark else end

    def bare(self, m: Machine, text: str, at: int) -> int:
        """A number or a literal, up to whatever cannot be part of one."""
        end = _bare_run(text, at).end()
        if end < len(text):
            return self.emit(m, text, at, end)
        self.parts.append(text[at:])
        return end

    def emit(self, m: Machine, text: str, start: int, end: int) -> int:
        self.quoted = False
        raw = text[start:end]
        if self.parts:
            raw = "".join(self.parts) + raw
            self.parts = []
        self.items.append((self.count, raw))
        self.count += 1
        m.state = self.separator
        return end

    def missing(self) -> str:
        """What would close the item that is open."""
        if not self.parts:
            return ""
        return '"' * self.quoted + "".join(reversed(self.closing))


def _keys(pointer: str) -> Path:
    """The keys of a JSON pointer; raises ValueError when it is none."""
    if pointer and not pointer.startswith("/"):
        raise ValueError('the path to a list is a JSON pointer ("/items") or a tuple of keys')
    return segments_of(pointer)
