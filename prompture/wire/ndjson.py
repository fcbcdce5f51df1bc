"""Newline-delimited JSON, out of bytes cut anywhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from prompture.errors import ProtocolError
from prompture.wire.lines import LineDecoder
from prompture.wire.loading import UnreadableJSON, load_json, shape


@dataclass(slots=True)
class NDJSONDecoder:
    """Feed it bytes; it gives back the values they complete. Blank lines are dropped."""

    _lines: LineDecoder = field(default_factory=LineDecoder)

    def feed(self, chunk: bytes) -> list[Any]:
        return [parse_line(line) for line in self._lines.feed(chunk) if line.strip()]

    def close(self) -> list[Any]:
        """The last value, where its line end is missing."""
        line = self._lines.close()
        return [parse_line(line)] if line.strip() else []


def parse_line(text: str) -> Any:
    """One JSON value of a stream. Raises ProtocolError, which quotes none of it: a piece of the
    document may be in it."""
    try:
        return load_json(text, halves=True)
    except UnreadableJSON as exc:
        kind = "HTML" if text.lstrip().startswith("<") else f"{len(text):,} characters"
        raise ProtocolError(f"expected JSON in the stream, got {kind} ({exc})") from None


def parse_object(text: str) -> dict[str, Any]:
    """One JSON object of a stream. Raises ProtocolError for anything else."""
    value = parse_line(text)
    if not isinstance(value, dict):
        raise ProtocolError(f"expected an object in the stream, got {shape(value)}")
    return value
