"""What both parsers offer: limits, bytes or text, errors that lose nothing, the place reached."""

from __future__ import annotations

import codecs
from typing import Any

from . import grammar, prose
from .events import Expect, PartialJSONError
from .machine import Machine, closed
from .snapshot import Snapshot

MAX_DEPTH = 200
MAX_CHARS = 64 * 1024 * 1024


class Face:
    """A machine, fed. Subclasses say what a feed returns."""

    __slots__ = ("_decoder", "_machine")

    def __init__(
        self,
        *,
        max_depth: int,
        max_chars: int,
        tolerate: bool,
        expect: Expect | None,
        events: bool,
    ) -> None:
        self._machine = Machine(
            prose.before if tolerate else grammar.root,
            grammar.ended,
            max_depth=max_depth,
            max_chars=max_chars,
            tolerate=tolerate,
            expect=expect,
            events=events,
        )
        self._decoder: codecs.IncrementalDecoder | None = None

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
        """The value at this moment, for keeps. Taking one costs the depth of the open path."""
        return Snapshot(self._machine)

    def close(self) -> Any:
        """End the text and return the value.

        Raises PartialJSONError when it stopped being JSON, or is `incomplete`; `value` then
        still answers with what came.
        """
        machine = self._machine
        if machine.state is not closed:
            if self._decoder is not None and machine.error is None:
                self._run_bytes(b"", final=True)
            machine.error = machine.error or grammar.finish(machine, self._missing())
            machine.state = closed
        if machine.error is not None:
            raise machine.error
        return machine.root

    def _missing(self) -> str:
        """What would close things that the machine does not know to be open."""
        return ""

    def _run_bytes(self, data: bytes, *, final: bool = False) -> None:
        """Run what `data` spells in UTF-8, up to where it spells nothing."""
        machine = self._machine
        if self._decoder is None:
            self._decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            machine.run(self._decoder.decode(data, final))
        except UnicodeDecodeError as error:
            machine.run(error.object[: error.start].decode())
            machine.fail(machine.fault(machine.held, len(machine.held), "invalid UTF-8"))
