"""AWS's binary event stream, out of bytes cut anywhere.

A message is: total length, length of the headers, CRC of those two, headers, payload, CRC of
all before it; numbers are big-endian. Source: https://smithy.io/2.0/aws/amazon-eventstream.html
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from zlib import crc32

from prompture.errors import ProtocolError

MAX_MESSAGE_BYTES = 24 * 1024 * 1024
"""A longer message is refused; AWS allows 16 MiB of payload and 128 KiB of headers."""
_PRELUDE = struct.Struct(">III")
_LEAST = _PRELUDE.size + 4


@dataclass(frozen=True, slots=True)
class EventMessage:
    """One message. ``headers`` has the text headers (``:event-type``, ``:message-type``...)."""

    headers: Mapping[str, str]
    payload: bytes


@dataclass(slots=True)
class EventStreamDecoder:
    """Feed it bytes; it gives back the messages they complete. Raises ProtocolError where a
    checksum or a length is wrong."""

    _held: bytearray = field(default_factory=bytearray)

    def feed(self, chunk: bytes) -> list[EventMessage]:
        self._held += chunk
        messages = []
        while (total := self._ready()) is not None:
            messages.append(_message(bytes(self._held[:total])))
            del self._held[:total]
        return messages

    def _ready(self) -> int | None:
        """Length of the message at the front, once it is all there."""
        if len(self._held) < _PRELUDE.size:
            return None
        total, headers, checksum = _PRELUDE.unpack_from(self._held)
        if crc32(self._held[:8]) != checksum:
            raise ProtocolError("an event stream message has a damaged prelude")
        if not _LEAST + headers <= total <= MAX_MESSAGE_BYTES:
            raise ProtocolError(f"an event stream message of {total} bytes cannot be")
        return total if len(self._held) >= total else None

    def pending(self) -> int:
        """How many bytes of an unfinished message are held."""
        return len(self._held)


def _message(frame: bytes) -> EventMessage:
    _, length, _ = _PRELUDE.unpack_from(frame)
    if crc32(frame[:-4]) != int.from_bytes(frame[-4:], "big"):
        raise ProtocolError("an event stream message is damaged: its checksum is wrong")
    end = _PRELUDE.size + length
    try:
        headers = _headers(frame[_PRELUDE.size : end])
    except (IndexError, struct.error, KeyError) as exc:
        raise ProtocolError("an event stream message has damaged headers") from exc
    return EventMessage(headers, frame[end:-4])


_FIXED = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of the header types of fixed length; 6 (bytes) and 7 (text) state theirs."""


def _headers(block: bytes) -> dict[str, str]:
    """The text headers of a block; headers of other types are passed over."""
    found = {}
    at = 0
    while at < len(block):
        name_end = at + 1 + block[at]
        name = block[at + 1 : name_end].decode("utf-8", "replace")
        kind = block[name_end]
        at = name_end + 1
        if kind not in (6, 7):
            at += _FIXED[kind]
            continue
        (length,) = struct.unpack_from(">H", block, at)
        at += 2
        if at + length > len(block):
            raise IndexError(name)
        if kind == 7:
            found[name] = block[at : at + length].decode("utf-8", "replace")
        at += length
    return found


def encode_message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """The inverse of the decoder, for text headers: what a stub server or a test sends."""
    block = b"".join(
        bytes([len(name.encode())])
        + name.encode()
        + b"\x07"
        + struct.pack(">H", len(value.encode()))
        + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", _LEAST + len(block) + len(payload), len(block))
    frame = prelude + struct.pack(">I", crc32(prelude)) + block + payload
    return frame + struct.pack(">I", crc32(frame))
