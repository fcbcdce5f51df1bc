"""A connection of HTTP/1.1 over ``asyncio_network``'s streams, for the pools of httpcore2."""

from __future__ import annotations

import math
import re
import ssl
import time
from collections.abc import AsyncGenerator, Iterable
from functools import lru_cache
from operator import itemgetter
from typing import Any

import httpcore2

from prompture.compat import has_unread
from prompture.drivers.asyncio_network import LoopBackend
from prompture.drivers.connections import MOST_INTERIM, tls_context
from prompture.errors import ProtocolError
from prompture.wire.framing import FIELD_NAME, ChunkedDecoder
from prompture.wire.http import ResponseHead, usual_head

_NAME = FIELD_NAME.encode()
_METHODS = frozenset({b"POST", b"GET", b"DELETE", b"PUT", b"PATCH"})
_VERSION = b"HTTP/1.1 "
_BLOCK = 65_536
_LONGEST_HEAD = 16_384
# 101 ends HTTP itself; those with a word on a body are left to a library.
_INTERIM = re.compile(
    rb"HTTP/1\.1 1(?!01)\d\d(?: [^\x00\n-\r]*)?\r\n"
    rb"(?:(?!(?i:content-length|transfer-encoding):)%b:[^\x00\n-\r]*\r\n)*\r\n" % _NAME
).match
_END = re.compile(rb"\n\r?\n").search
# A line break or a zero in a value would be another header, or the end of all.
_WRITABLE = re.compile(
    rb"[A-Z]+ [!-~]+ HTTP/1\.1\r\n"
    rb"(?:%b: (?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?\r\n)+\r\n" % _NAME
).fullmatch
_TOKEN = re.compile(_NAME).fullmatch
_FRAMING = frozenset({b"transfer-encoding", b"connection", b"upgrade"})
_name_of = itemgetter(0)
NAMES = "prompture.names"
"""Among the extensions of a response: its headers by their names in lower case. Who has it among those
of the request needs no other ones."""


class LoopConnection(httpcore2.AsyncConnectionInterface):
    """One connection to a server. Requests and answers of the usual shape are written and read here;
    at the first other one it becomes httpcore2's.

    httpcore2 goes by h11, which takes a third of a call's time.
    """

    def __init__(
        self,
        origin: httpcore2.Origin,
        *,
        ssl_context: ssl.SSLContext | None,
        network_backend: LoopBackend,
        keepalive_expiry: float,
        **_: object,
    ) -> None:
        self._origin = origin
        self._context = ssl_context
        self._backend = network_backend
        self._idle_seconds = keepalive_expiry
        self._stream: httpcore2.AsyncNetworkStream | None = None
        self._library: httpcore2.AsyncHTTP11Connection | None = None
        """Has it now."""
        self._is_busy = False
        self._is_closed = False
        self._expires_at = math.inf

    async def handle_async_request(self, request: httpcore2.Request) -> httpcore2.Response:
        if self._is_busy or self._is_closed:
            raise httpcore2.ConnectionNotAvailable
        self._is_busy = True
        try:
            if self._stream is None:
                self._stream = await self._connected(request)
            if self._library is not None:
                return await self._library.handle_async_request(request)
            return await self._answer(self._stream, request)
        except BaseException:  # whatever it is: half of an answer may be on its way
            await self.aclose()
            raise

    async def _connected(self, request: httpcore2.Request) -> httpcore2.AsyncNetworkStream:
        host, timeout = self._origin.host.decode("ascii"), _seconds(request, "connect")
        await _report(request, "connection.connect_tcp.started")
        stream = await self._backend.connect_tcp(host, self._origin.port, timeout)
        if self._origin.scheme == b"https":
            context = self._context or tls_context()
            context.set_alpn_protocols(["http/1.1"])
            await _report(request, "connection.start_tls.started")
            stream = await stream.start_tls(context, host, timeout)
        return stream

    async def _answer(
        self, stream: httpcore2.AsyncNetworkStream, request: httpcore2.Request
    ) -> httpcore2.Response:
        pieces: Any = request.stream
        head, body = _head_of(request), b"".join([piece async for piece in pieces])
        if not _is_usual(request, head, body):
            return await self._by_library(stream, request, body)
        await _report(request, "http11.send_request_headers.started")
        lost: httpcore2.WriteError | None = None
        try:
            await stream.write(head, _seconds(request, "write"))
            if body:
                await stream.write(body, _seconds(request, "write"))
        except httpcore2.WriteError as exc:  # the server may have answered all the same
            lost = exc
        there, interim, seconds = b"", 0, _seconds(request, "read")
        while True:
            piece = await stream.read(_BLOCK, seconds)
            seen = max(0, len(there) - 2)  # an end may have been cut
            there += piece
            is_whole = _END(there, seen) is not None
            if is_whole and there.startswith(b"HTTP/1.1 1"):
                there, count = _past_interim(there)
                is_whole, interim = _END(there) is not None, interim + count
                if interim > MOST_INTERIM:
                    raise httpcore2.RemoteProtocolError(
                        f"more than {MOST_INTERIM} interim responses"
                    )
            if is_whole and (found := usual_head(there)) is not None and _has_usual_body(found):
                break
            is_http = there.startswith(_VERSION[: len(there)])
            if is_whole or not piece or not is_http or len(there) > _LONGEST_HEAD:
                return await self._by_library(_Replayed(stream, there, lost), request, body)
        # Half of a request lies before the next one.
        found.closing = found.closing or lost is not None
        given = NAMES in request.extensions
        names = found.names if len(found.names) == len(found.fields) else joined(found.fields)
        return httpcore2.Response(
            status=found.status,
            headers=None if given else [(k.encode(), v.encode("latin-1")) for k, v in found.fields],
            content=_Body(self, stream, found, there[found.size :], seconds),
            extensions={
                "http_version": b"HTTP/1.1",
                "reason_phrase": found.reason.encode("latin-1"),
                "network_stream": stream,
                NAMES: names if given else {},
            },
        )

    async def _by_library(
        self, stream: httpcore2.AsyncNetworkStream, request: httpcore2.Request, body: bytes
    ) -> httpcore2.Response:
        # Its own body has been read, which may be possible but once.
        request = httpcore2.Request(
            request.method,
            request.url,
            headers=request.headers,
            content=body,
            extensions=request.extensions,
        )
        self._library = httpcore2.AsyncHTTP11Connection(
            self._origin, stream, keepalive_expiry=self._idle_seconds
        )
        return await self._library.handle_async_request(request)

    async def done(self, *, usable: bool) -> None:
        """The answer has been read, or is left: the connection is idle, or closed."""
        # Closed meanwhile, by whoever closed the pool: it may not have been connected then.
        if usable and not self._is_closed:
            self._is_busy = False
            self._expires_at = time.monotonic() + self._idle_seconds
        else:
            await self.aclose()

    async def aclose(self) -> None:
        self._is_closed = True
        if self._stream is not None:
            await self._stream.aclose()

    def can_handle_request(self, origin: httpcore2.Origin) -> bool:
        return origin == self._origin

    def is_connected(self) -> bool:
        return self._stream is not None and not self.is_closed()

    def is_available(self) -> bool:
        return self.is_idle()

    def is_idle(self) -> bool:
        if self._library is not None and self._library.is_idle():
            self._is_busy = False
        return self._stream is not None and not (self._is_busy or self._is_closed)

    def is_closed(self) -> bool:
        return self._is_closed or (self._library is not None and self._library.is_closed())

    def has_expired(self) -> bool:
        if self._library is not None:
            return self._library.has_expired() or has_unread(self._library)
        if self._stream is None or self._is_busy:
            return False
        return time.monotonic() > self._expires_at or self._stream.get_extra_info("is_readable")

    def info(self) -> str:
        return repr(str(self._origin))


def _head_of(request: httpcore2.Request) -> bytes:
    target = request.url.target
    lines = [b"%s %s HTTP/1.1" % (request.method, target), *map(b": ".join, request.headers)]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _is_usual(request: httpcore2.Request, head: bytes, body: bytes) -> bool:
    """Whether a head says what was meant: no name or value of a header is more than that, and it
    has one host and the body's own length, once, and no other word on where it ends, or on what becomes of the
    connection. A server would take what is left over for the next request."""
    if head.count(b"\n") != len(request.headers) + 2 or request.method not in _METHODS:
        return False
    is_stated = (b"content-length", b"%d" % len(body)) in request.headers
    names = b"\n".join(map(_name_of, request.headers))
    return is_stated and _are_usual(names) and _WRITABLE(head) is not None


@lru_cache(256)  # nearly all requests of a program have the same
def _are_usual(names: bytes) -> bool:
    low = names.lower().split(b"\n")
    are_single = low.count(b"content-length") == low.count(b"host") == 1
    return are_single and all(map(_TOKEN, low)) and _FRAMING.isdisjoint(low)


def _seconds(request: httpcore2.Request, name: str) -> float | None:
    found: float | None = request.extensions.get("timeout", {}).get(name)
    return found


async def _report(request: httpcore2.Request, event: str) -> None:
    if (trace := request.extensions.get("trace")) is not None:
        await trace(event, {"request": request})


def _has_usual_body(head: ResponseHead) -> bool:
    """Whether one word says how long the body is."""
    coding = head.names.get("transfer-encoding")
    if head.length is None and not head.chunked:
        return False  # until the connection ends
    if coding is not None and (not head.chunked or "content-length" in head.names):
        return False
    if len(head.names) == len(head.fields):
        return True
    framing = ("content-length", "transfer-encoding")
    return sum(name.lower() in framing for name, _ in head.fields) == 1


def _past_interim(there: bytes) -> tuple[bytes, int]:
    """What lies behind whole interim responses, and how many these are."""
    at = count = 0
    while (found := _INTERIM(there, at)) is not None:
        at, count = found.end(), count + 1
    return there[at:], count


def joined(fields: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers by their names in lower case; those that come twice are joined."""
    found: dict[str, str] = {}
    for name, value in fields:
        low = name.lower()
        found[low] = f"{found[low]}, {value}" if low in found else value
    return found


class _Body:
    """The body of a response, as it arrives."""

    def __init__(
        self,
        connection: LoopConnection,
        stream: httpcore2.AsyncNetworkStream,
        head: ResponseHead,
        there: bytes,
        seconds: float | None,
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._head = head
        self._there = there
        self._seconds = seconds
        self._usable = False
        self._is_closed = False

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        block, self._there = self._there, b""
        if self._head.length is None:
            decoder = ChunkedDecoder()
            while True:
                try:
                    piece = decoder.feed(block)
                except ProtocolError as exc:
                    raise httpcore2.RemoteProtocolError(str(exc)) from None
                if piece:
                    yield piece
                if decoder.done:
                    break
                block = await self._next("incomplete chunked read")
            self._usable = not (decoder.passed or self._head.closing)
            return
        left = wanted = self._head.length
        while left:
            if block:
                yield block if len(block) <= left else block[:left]
                left -= len(block)
                if left <= 0:
                    break
            block = await self._next(f"received {wanted - left} bytes, expected {wanted}")
        # More than was stated is nobody's answer.
        self._usable = not (left < 0 or (not wanted and block) or self._head.closing)

    async def _next(self, so_far: str) -> bytes:
        if block := await self._stream.read(_BLOCK, self._seconds):
            return block
        raise httpcore2.RemoteProtocolError(
            f"peer closed connection without sending complete message body ({so_far})"
        )

    async def aclose(self) -> None:
        # Once: the connection may serve another request by now.
        if not self._is_closed:
            self._is_closed = True
            await self._connection.done(usable=self._usable)


class _Replayed(httpcore2.AsyncNetworkStream):
    """A stream over which the next request has been sent already, and whose answer has begun."""

    def __init__(
        self,
        stream: httpcore2.AsyncNetworkStream,
        there: bytes,
        lost: httpcore2.WriteError | None,
    ) -> None:
        self._stream = stream
        self._there = there
        self._lost = lost
        """What sending ended with."""
        self._has_sent = True

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._has_sent = False
        if there := self._there:
            self._there = there[max_bytes:]
            return there[:max_bytes]
        return await self._stream.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self._lost is not None:
            raise self._lost
        if not self._has_sent:
            await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
