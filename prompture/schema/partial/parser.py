"""`PartialParser`: a live value out of JSON that is still being written."""

from __future__ import annotations

from collections.abc import Iterator

from .base import MAX_CHARS, MAX_DEPTH, Face
from .events import Event, Expect, Path


class PartialParser(Face):
    """Builds a value from JSON text cut anywhere, at a cost proportional to the new text.

    `feed` returns what happened: `Opened` objects and arrays, `Grown` strings (while they are
    open), `Completed` values and `ItemCompleted` list items. Everything but `Grown` is
    the same however the text is cut. With `events=False` it returns nothing and is faster.

    A cut number, literal, key or escape is not shown until it is whole; strings are shown as they
    grow. Numbers are read as `json.loads` reads them; NaN and Infinity are refused; the last of
    duplicate keys wins.

    `tolerate` skips prose, fences and `<think>` blocks before the JSON, which must then be an
    object or an array, and anything behind it; without it the text must be JSON alone. `expect`
    tells which of the two is wanted, so that "[1]" in prose is not taken for an object's place.
    `max_depth` counts containers; `max_chars` all characters fed.

    When the text stops being JSON, a feed that has events to hand out does so first; the
    PartialJSONError is then raised by the next call.
    """

    __slots__ = ()

    def __init__(
        self,
        *,
        max_depth: int = MAX_DEPTH,
        max_chars: int = MAX_CHARS,
        tolerate: bool = True,
        expect: Expect | None = None,
        events: bool = True,
    ) -> None:
        super().__init__(
            max_depth=max_depth,
            max_chars=max_chars,
            tolerate=tolerate,
            expect=expect,
            events=events,
        )

    def feed(self, text: str) -> list[Event]:
        """Read more text. Raises PartialJSONError where it is not JSON, and on every later call."""
        machine = self._machine
        machine.run(text)
        events = machine.events
        if events:
            machine.events = []
            return events
        if machine.error is not None:
            raise machine.error
        return []

    def feed_bytes(self, data: bytes) -> list[Event]:
        """As `feed`, for UTF-8 cut anywhere, also inside a character."""
        self._run_bytes(data)
        return self.feed("")

    def is_complete(self, path: Path) -> bool:
        """Whether a value stands at `path` and is final (duplicate keys aside)."""
        return self.snapshot().is_complete(path)

    def completed(self) -> Iterator[Path]:
        """The paths of the largest final parts; all that lies under one is final too."""
        return self.snapshot().completed()
