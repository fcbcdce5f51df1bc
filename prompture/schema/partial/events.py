"""What a parser of growing JSON reports: events, places and the one error."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias

from prompture.copying import Portable

Path: TypeAlias = tuple[str | int, ...]
"""Keys and list indexes from the root; the root itself is `()`."""

Expect: TypeAlias = Literal["object", "array"]


def pointer(path: Path) -> str:
    """The JSON pointer (RFC 6901) of a path; the root is the empty string."""
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in path)


@dataclass(frozen=True, slots=True)
class Opened:
    """An object or array began at `path`. Strings announce themselves with `Grown`."""

    path: Path
    kind: Literal["object", "array"]

    @property
    def pointer(self) -> str:
        return pointer(self.path)


@dataclass(frozen=True, slots=True)
class Grown:
    """The string at `path` is still open and gained the characters `added` in this feed.

    The last characters of a string come with its `Completed`, whose value is the whole of it.
    """

    path: Path
    added: str

    @property
    def pointer(self) -> str:
        return pointer(self.path)


@dataclass(frozen=True, slots=True)
class Completed:
    """The value at `path` is final. A duplicate key completes its path once more."""

    path: Path
    value: Any

    @property
    def pointer(self) -> str:
        return pointer(self.path)


@dataclass(frozen=True, slots=True)
class ItemCompleted(Completed):
    """A `Completed` whose parent is a list: `path[-1]` is its index."""

    @property
    def index(self) -> int:
        return int(self.path[-1])


Event: TypeAlias = Opened | Grown | Completed


class PartialJSONError(Portable, ValueError):
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
        return pointer(self.path)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), **self.__dict__), ()
