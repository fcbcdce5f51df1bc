"""The state machine under the parsers: the position in the text and the value built so far."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from prompture.copying import PicklableError
from prompture.json_values import Segment
from prompture.json_values import pointer as pointer_of
from prompture.types import JSONValue

Path: TypeAlias = tuple[Segment, ...]
"""Keys and list indexes from the root; the root itself is ``()``."""
Container: TypeAlias = dict[str, JSONValue] | list[JSONValue]
Replaced: TypeAlias = list[tuple[Container, Segment, JSONValue]]
"""What duplicate keys have replaced: the object, the key, and its value before."""

Expect: TypeAlias = Literal["object", "array"]

State: TypeAlias = "Callable[[Machine, str, int], int]"
"""Reads at least one character of the buffer at a position, or holds back the rest of it;
returns the position after. What is held back is bounded (a cut escape, literal, tag or first
bracket), so that no character is read more than a few times."""

_PARTS = 512
"""Pieces of a growing string that are joined at a time."""
_BLOCK = 65_536
"""Characters matched at a time: ``re`` takes about 200 bytes for each round of a repeated group."""


class PartialJSONError(PicklableError, ValueError):
    """The text is not JSON (or not yet, when `incomplete`).

    `offset` counts characters from 0 over everything fed, `line` and `column` from 1. `path` is
    the open path at that place. `missing` are the closing characters that never came, innermost
    first; it is only set by `close()`. The message holds no text of the document.
    """

    def __init__(
        self,
        reason: str,
        offset: int,
        *,
        line: int = 1,
        column: int = 1,
        path: Path = (),
        missing: str = "",
        incomplete: bool = False,
    ) -> None:
        super().__init__(f"{reason} (line {line}, column {column}, character {offset})")
        self.reason = reason
        self.offset = offset
        self.line = line
        self.column = column
        self.path = path
        self.missing = missing
        self.incomplete = incomplete

    @property
    def pointer(self) -> str:
        return pointer_of(self.path)


class Machine:
    """Runs states over text cut anywhere. Its fields are for the states of this package.

    The bottom of `stack` is `holder`, a list that holds the root, so that the root needs no case of its
    own. `key` is the place in `top` of the value being read; `keys` are those of the containers
    below. `parts` are the pieces of the growing string, None outside of one; `token` are those of
    a cut key or number. `after` is the state that follows a value in `top`.
    """

    __slots__ = (
        "after",
        "base",
        "closing_tag",
        "end",
        "error",
        "expect",
        "fresh",
        "held",
        "holder",
        "key",
        "keys",
        "length",
        "line",
        "line_start",
        "max_chars",
        "max_depth",
        "on_array",
        "parts",
        "real",
        "replaced",
        "stack",
        "start",
        "state",
        "token",
        "tolerate",
        "top",
    )

    def __init__(
        self,
        state: State,
        after: State,
        *,
        max_depth: int,
        max_chars: int,
        tolerate: bool,
        expect: Expect | None,
        real: Callable[[str], JSONValue] = float,
    ) -> None:
        self.state = state
        self.real = real
        self.after = after
        self.tolerate = tolerate
        self.max_depth = max_depth
        self.max_chars = max_chars
        self.expect = expect
        self.on_array: Callable[[Machine, State], State] | None = None
        self.error: PartialJSONError | None = None
        self.base = 0
        self.line = 1
        self.line_start = 0
        self.held = ""
        self.start: int | None = None
        self.end: int | None = None
        self.closing_tag = ""
        self.holder: list[JSONValue] = []
        self.top: Container = self.holder
        self.stack: list[Container] = [self.holder]
        self.keys: list[Segment] = []
        self.key: Segment = 0
        self.parts: list[str] | None = None
        self.length = 0
        self.fresh = 0
        self.token: list[str] = []
        self.replaced: Replaced = []

    def run(self, text: str) -> None:
        """Read `text`. An error it meets is kept in `error`; nothing is read after one."""
        if len(text) > _BLOCK:
            for start in range(0, len(text), _BLOCK):
                self.run(text[start : start + _BLOCK])
            return
        if self.held:
            text = self.held + text
            self.held = ""
        end = len(text)
        position = 0
        try:
            if self.base + end > self.max_chars:
                over = self.max_chars - self.base
                raise self.fault(text, over, f"longer than {self.max_chars} characters")
            while position < end:
                position = self.state(self, text, position)
        except PartialJSONError as error:
            self.fail(error)
            return
        if self.held:
            end -= len(self.held)
        if "\n" in text:
            self.count_lines(text, end)
        self.base += end

    def fail(self, error: PartialJSONError) -> None:
        self.error = self.error or error
        self.state = failed

    def count_lines(self, text: str, end: int) -> None:
        lines = text.count("\n", 0, end)
        if lines:
            self.line += lines
            self.line_start = self.base + text.rindex("\n", 0, end) + 1

    def hold(self, text: str, position: int) -> int:
        """Keep what follows `position` for the next feed."""
        self.held = text[position:]
        return len(text)

    def fault(
        self, text: str, position: int, reason: str, *, missing: str = "", incomplete: bool = False
    ) -> PartialJSONError:
        """The error at a position of the buffer, placed in the whole text."""
        offset = self.base + position
        lines = text.count("\n", 0, max(0, position))
        start = self.base + text.rindex("\n", 0, position) + 1 if lines else self.line_start
        return PartialJSONError(
            reason,
            offset,
            line=self.line + lines,
            column=offset - start + 1,
            path=self.open_path,
            missing=missing,
            incomplete=incomplete,
        )

    @property
    def open_path(self) -> Path:
        """The path of the innermost open container, or of the growing string."""
        path = (*self.keys, self.key) if self.parts is not None else tuple(self.keys)
        return path[1:]  # without the holder's

    def put(self, value: object) -> None:
        """Set `value` where the machine stands."""
        top = self.top
        if type(top) is list:
            self.key = len(top)
            top.append(value)
            return
        key = self.key
        if key in top:
            # An earlier snapshot still shows the first value: remember it.
            self.replaced.append((top, key, top[key]))  # type: ignore[index]
        top[key] = value  # type: ignore[index]

    def settle(self, value: object) -> None:
        """Put a value that is final, and go on behind it."""
        top = self.top
        if type(top) is list:
            self.key = len(top)
            top.append(value)
        elif self.key in top:
            self.put(value)
        else:
            top[self.key] = value  # type: ignore[index]
        self.state = self.after

    def push(self, node: Container) -> None:
        """Open a container where the machine stands and step into it."""
        self.put(node)
        self.keys.append(self.key)
        self.stack.append(node)
        self.top = node

    def pop(self) -> None:
        """Step out of the innermost container, which is final."""
        self.stack.pop()
        self.top = self.stack[-1]
        self.key = self.keys.pop()

    def open_string(self) -> None:
        """Put an empty string, which `grow` lengthens and `close_string` makes final."""
        self.put("")
        self.parts = []
        self.length = 0
        self.fresh = 0

    def grow(self, piece: str) -> None:
        parts = self.parts
        assert parts is not None
        parts.append(piece)
        self.length += len(piece)
        self.fresh += 1
        if self.fresh == _PARTS:
            # Small pieces weigh ten times their characters. In place: snapshots hold this list.
            parts[-_PARTS:] = ["".join(parts[-_PARTS:])]
            self.fresh = 0

    def close_string(self, piece: str) -> None:
        parts = self.parts
        assert parts is not None
        value = "".join(parts) + piece if parts else piece
        self.parts = None
        # Snapshots taken before have the list of its pieces and a length, so they do not see this.
        self.top[self.key] = value  # type: ignore[index]
        self.state = self.after

    @property
    def root(self) -> JSONValue:
        """The value so far, with the growing string as long as it is now; None before it."""
        if self.parts is not None:
            self.top[self.key] = "".join(self.parts)  # type: ignore[index]
        return self.holder[0] if self.holder else None


def failed(m: Machine, text: str, at: int) -> int:
    raise m.error or m.fault(text, at, "failed")


def closed(m: Machine, text: str, at: int) -> int:
    raise ValueError("the parser is closed: it takes no more text")
