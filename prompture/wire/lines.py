"""Lines out of bytes cut anywhere (UTF-8; LF, CRLF or CR as the end), and the JSON of one line."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field
from typing import Any

from prompture.errors import ProtocolError
from prompture.wire.loading import UnreadableJSON, load_json, shape

MAX_LINE_CHARS = 32 * 1024 * 1024
"""A longer line is refused: no provider sends one, and it would fill the memory."""


@dataclass(slots=True)
class LineDecoder:
    """Feed it bytes; it gives back the lines they complete, without their ends.

    Invalid UTF-8 becomes U+FFFD. A byte order mark at the start is dropped.
    """

    _text: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8-sig")("replace")
    )
    _pieces: list[str] = field(default_factory=list)
    _held: int = 0
    _after_cr: bool = False

    def feed(self, chunk: bytes) -> list[str]:
        """Raises ProtocolError for a line past MAX_LINE_CHARS."""
        text = self._text.decode(chunk)
        if not text:
            return []
        # A CRLF that the network cut in two is one line end.
        if self._after_cr and text[0] == "\n":
            text = text[1:]
            self._after_cr = False
            if not text:
                return []
        self._after_cr = text[-1] == "\r"
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        head, found, rest = text.partition("\n")
        if not found:
            self._hold(text)
            return []
        lines = [*("".join(self._pieces) + head, *rest.split("\n"))]
        self._pieces, self._held = [], 0
        self._hold(lines.pop())
        return lines

    def _hold(self, piece: str) -> None:
        self._held += len(piece)
        if self._held > MAX_LINE_CHARS:
            raise ProtocolError(f"a line of the stream passes {MAX_LINE_CHARS} characters")
        if piece:
            self._pieces.append(piece)

    def close(self) -> str:
        """What came after the last line end."""
        text = "".join(self._pieces) + self._text.decode(b"", final=True)
        self._pieces, self._held = [], 0
        return text


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
