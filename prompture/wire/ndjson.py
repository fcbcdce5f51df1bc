"""Newline-delimited JSON, out of bytes cut anywhere."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from prompture.errors import ProtocolError
from prompture.wire.lines import LineDecoder


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
    """One JSON value. Raises ProtocolError, with the start of what came instead."""
    try:
        return json.loads(text)
    except ValueError as exc:
        raise ProtocolError(f"expected JSON in the stream, got {text[:200]!r}") from exc
