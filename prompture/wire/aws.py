"""What AWS has of its own: Signature Version 4, and the binary event stream.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
and https://smithy.io/2.0/aws/amazon-eventstream.html

A message of the stream is: total length, length of the headers, CRC of those two, headers,
payload, CRC of all before it; numbers are big-endian.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlsplit
from zlib import crc32

from prompture.errors import ProtocolError
from prompture.wire.http import HTTPRequest

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Keys of an AWS identity; ``session_token`` belongs to temporary ones."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


def sign(
    request: HTTPRequest, credentials: Credentials, *, region: str, service: str, now: datetime
) -> HTTPRequest:
    """The request with its Authorization header. ``now`` must have a time zone."""
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    headers = {**request.headers, "host": urlsplit(request.url).netloc, "x-amz-date": stamp}
    # Before the names are listed: it has to be signed as well.
    if credentials.session_token:
        headers["x-amz-security-token"] = credentials.session_token
    names = ";".join(sorted(headers))
    digest = hashlib.sha256(_canonical(request, headers).encode()).hexdigest()
    text = "\n".join((_ALGORITHM, stamp, scope, digest))
    key = _signing_key(credentials.secret_access_key, scope)
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key_id}/{scope},"
        f" SignedHeaders={names}, Signature={signature}"
    )
    # The transport sets the host itself, out of the same URL.
    del headers["host"]
    return replace(request, headers=headers)


def _canonical(request: HTTPRequest, headers: Mapping[str, str]) -> str:
    url = urlsplit(request.url)
    pairs = sorted(
        (quote(k, safe="-_.~"), quote(v, safe="-_.~"))
        for k, v in parse_qsl(url.query, keep_blank_values=True)
    )
    return "\n".join(
        (
            request.method,
            # Every service but S3 encodes the path once more than it stands in the URL.
            quote(url.path or "/", safe="/-_.~"),
            "&".join(f"{k}={v}" for k, v in pairs),
            *(f"{name}:{' '.join(headers[name].split())}" for name in sorted(headers)),
            "",
            ";".join(sorted(headers)),
            hashlib.sha256(request.body).hexdigest(),
        )
    )


def _signing_key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


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
        # Before the length in it is believed.
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
