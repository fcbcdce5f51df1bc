"""HTTP/1.1's chunked framing, out of bytes cut anywhere.

Source: RFC 9112, section 7.1. A provider sends a stream's events in a chunk each, so that
taking many chunks out of one read is what makes streams cheap.
"""

from __future__ import annotations

import re

from prompture.errors import ProtocolError

MAX_LINE_BYTES = 4096
"""A size line or trailer longer than this is refused."""

_size = re.compile(rb"([0-9a-fA-F]{1,16})[ \t]*(?:;.*)?").fullmatch


class ChunkedDecoder:
    """Feed it bytes; it gives back the body that they hold. ``done`` once the body has ended."""

    __slots__ = ("_held", "_left", "_trailing", "done")

    def __init__(self) -> None:
        self.done = False
        self._held = b""
        self._left = 0
        self._trailing = False

    def feed(self, block: bytes) -> bytes:
        """Raises ProtocolError for what is no chunked body. Bytes after its end are dropped."""
        data = self._held + block if self._held else block
        self._held = b""
        pieces: list[bytes] = []
        at, end = 0, len(data)
        while at < end and not self.done:
            # Data first: a chunk may hold what looks like a size line.
            if self._left:
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                continue
            line_end = data.find(b"\n", at)
            if line_end < 0:
                self._hold(data[at:])
                break
            self._line(data[at:line_end].rstrip(b"\r"))
            at = line_end + 1
        return b"".join(pieces)

    def _hold(self, rest: bytes) -> None:
        if len(rest) > MAX_LINE_BYTES:
            raise ProtocolError("a chunk's size line never ends")
        self._held = rest

    def _line(self, line: bytes) -> None:
        """A chunk's size, the empty line after its data, or a trailer."""
        if self._trailing:
            self.done = not line
            return
        if not line:
            return
        size = _size(line)
        if size is None:
            raise ProtocolError(f"expected a chunk's size, got {line[:40]!r}")
        self._left = int(size[1], 16)
        self._trailing = self._left == 0
