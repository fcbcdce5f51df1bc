"""Lines out of bytes cut anywhere: UTF-8, and LF, CRLF or CR as the end."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field

from prompture.errors import ProtocolError

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
