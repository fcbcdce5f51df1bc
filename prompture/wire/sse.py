"""Server-sent events, out of bytes cut anywhere.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from __future__ import annotations

from dataclasses import dataclass, field

from prompture.wire.framing import LineDecoder


@dataclass(slots=True)
class ServerEvent:
    """One event. ``name`` is ``"message"`` where the stream gives none."""

    name: str
    data: str


@dataclass(slots=True)
class SSEDecoder:
    """Feed it bytes; it gives back the events they complete. Comments are dropped, and events
    without data."""

    _lines: LineDecoder = field(default_factory=LineDecoder)
    _name: str = ""
    _data: list[str] = field(default_factory=list)

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        events = []
        for line in self._lines.feed(chunk):
            # Compared before startswith: nearly every line is one of these.
            if line[:6] == "data: ":
                self._data.append(line[6:])
            elif not line:
                if held := self._data:
                    data = held[0] if len(held) == 1 else "\n".join(held)
                    # A frame with nothing in it only keeps the connection alive.
                    if data and not data.isspace():
                        events.append(ServerEvent(self._name or "message", data))
                    self._data = []
                self._name = ""
            elif line.startswith("data:"):
                self._data.append(line[5:])
            elif line.startswith("event:"):
                self._name = line[6:].removeprefix(" ")
        return events

    def close(self) -> list[ServerEvent]:
        """The event that the stream ended in, where only its closing blank line is missing.

        Several providers leave that line out after their last event.
        """
        return self.feed(b"\n\n")
