"""Lines, server-sent events and chunks out of bytes cut anywhere, and the JSON of one line.

Lines are UTF-8 that LF, CRLF or CR ends; chunks are those of HTTP/1.1 (RFC 9112, section 7.1). A
provider sends a stream's events in a chunk each, so that taking many chunks out of one read is
what makes streams cheap. Source for the events:
https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from __future__ import annotations

import codecs
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from prompture.errors import ProtocolError
from prompture.wire.loading import UnreadableJSON, load_json, shape

MAX_LINE_CHARS = 32 * 1024 * 1024
"""A longer line is refused: no provider sends one, and it would fill the memory."""


@dataclass(slots=True)
class LineDecoder:
    """Feed it bytes; it gives back the lines they complete, without their ends.

    A byte order mark at the start is dropped.
    """

    _text: codecs.IncrementalDecoder = field(
        default_factory=codecs.getincrementaldecoder("utf-8-sig")
    )
    _pieces: list[str] = field(default_factory=list)
    _held: int = 0
    _after_cr: bool = False

    def feed(self, chunk: bytes) -> list[str]:
        """Raises ProtocolError for a line past MAX_LINE_CHARS, and for invalid UTF-8: a value with
        U+FFFD in the place of what was lost would look like one that the model wrote."""
        try:
            text = self._text.decode(chunk)
        except UnicodeDecodeError:
            raise ProtocolError("the stream is not UTF-8") from None
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
        text = "".join(self._pieces)
        with suppress(UnicodeDecodeError):  # half a character: so is its line
            text += self._text.decode(b"", final=True)
        self._pieces, self._held = [], 0
        return text


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


MAX_LINE_BYTES = 4096
"""A size line or trailer longer than this is refused."""
MAX_TRAILER_BYTES = 65_536
"""Trailers that are longer together are refused: else they could go on for ever."""

_size = re.compile(rb"([0-9a-fA-F]{1,16})[ \t]*(?:;.*)?").fullmatch
FIELD_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
"""A name of a header (RFC 9110, token)."""
_trailer = re.compile(FIELD_NAME.encode() + b":").match


class ChunkedDecoder:
    """Feed it bytes; it gives back the body that they hold. ``done`` once the body has ended."""

    __slots__ = ("_ends_chunk", "_held", "_left", "_trailed", "_trailing", "done", "passed")

    def __init__(self) -> None:
        self.done = False
        self.passed = False
        """Bytes came behind the end of the body."""
        self._held = b""
        self._left = 0
        self._ends_chunk = False
        """A line end comes next, behind a chunk's data."""
        self._trailing = False
        self._trailed = 0

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
                self._ends_chunk = not self._left
                continue
            if self._ends_chunk:
                if end - at == 1 and data.endswith(b"\r"):
                    self._held = b"\r"
                    break
                if not data.startswith(b"\r\n", at):
                    # What is left of one that is longer than stated may look like another's size.
                    raise ProtocolError("a chunk's data is longer than its size")
                self._ends_chunk = False
                at += 2
                continue
            line_end = data.find(b"\n", at)
            if line_end < 0:
                self._hold(data[at:])
                break
            self._line(data[at:line_end].rstrip(b"\r"))
            at = line_end + 1
        self.passed = self.passed or (at < end and self.done)
        return b"".join(pieces)

    def _hold(self, rest: bytes) -> None:
        if len(rest) > MAX_LINE_BYTES:
            raise ProtocolError("a chunk's size line never ends")
        self._held = rest

    def _line(self, line: bytes) -> None:
        """A chunk's size, or a trailer."""
        if self._trailing:
            self.done = not line
            self._trailed += len(line)
            # A line that begins with a blank goes on with the one before.
            if not (
                self.done or _trailer(line) or (self._trailed > len(line) and line[0] in b" \t")
            ):
                raise ProtocolError("expected a trailer, or the end of a chunked body")
            if self._trailed > MAX_TRAILER_BYTES:
                raise ProtocolError("the trailers of a chunked body never end")
            return
        # Extensions after a semicolon are allowed, and mean nothing to us.
        size = _size(line)
        if size is None:  # it may be of the document, or hold a key: it is not quoted
            raise ProtocolError("expected a chunk's size")
        self._left = int(size[1], 16)
        self._trailing = self._left == 0
