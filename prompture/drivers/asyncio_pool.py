"""Pools of httpcore2 over ``asyncio_network``'s connections, and a request and a response by way of one.

Only ``drivers/aio.py`` uses this.
"""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable
from operator import itemgetter, methodcaller
from typing import Any
from urllib.parse import unquote, urlsplit

import httpcore2

from prompture.compat import Untouched, has_unread
from prompture.drivers.asyncio_connection import NAMES, LoopConnection, joined
from prompture.drivers.asyncio_network import LoopBackend
from prompture.drivers.connections import Proxy, tls_context
from prompture.wire import deadline
from prompture.wire.http import HTTPRequest, TimeLimits


def connection_pool(
    context: ssl.SSLContext | None, proxy: Proxy | None, *, idle_seconds: float
) -> httpcore2.AsyncConnectionPool:
    """A pool of such connections, as many as are asked for, through a proxy or straight."""
    limits: dict[str, Any] = {
        "ssl_context": context,
        # The transport counts requests in flight by itself: see ``aio._pool``.
        "max_connections": None,
        "max_keepalive_connections": None,
        "keepalive_expiry": idle_seconds,
        "network_backend": LoopBackend(),
    }
    if proxy is None:
        return _quick(_DirectPool(**limits))
    parts, where = urlsplit(proxy.url), httpcore2.URL(proxy.url)
    who = (unquote(parts.username or ""), unquote(parts.password or ""))
    login = who if "@" in parts.netloc else None
    if proxy.is_socks:
        proxy.require("socksio", "socksio")
        return _quick(
            _without_leftovers(
                httpcore2.AsyncSOCKSProxy(proxy_url=where, proxy_auth=login, **limits)
            )
        )
    if parts.scheme == "https":
        # TLS within TLS, which asyncio's streams do not carry everywhere.
        limits = {**limits, "network_backend": None, "proxy_ssl_context": tls_context()}
    return _quick(
        _without_leftovers(httpcore2.AsyncHTTPProxy(proxy_url=where, proxy_auth=login, **limits))
    )


def _without_leftovers(pool: httpcore2.AsyncConnectionPool) -> httpcore2.AsyncConnectionPool:
    """The pool, which does not use a connection again where bytes lie behind its last response:
    httpcore2 keeps them, and would take them for the answer to the next request."""
    make = pool.create_connection

    def create_connection(origin: Any) -> Any:
        made: Any = make(origin)
        has_expired = made.has_expired
        made.has_expired = lambda: has_expired() or has_unread(made)
        return made

    setattr(pool, "create_connection", create_connection)  # noqa: B010 - mypy: a method
    return pool


def _quick(pool: httpcore2.AsyncConnectionPool) -> httpcore2.AsyncConnectionPool:
    """The pool, which sets no shield, twice a call, around the closing of no connection."""
    close = getattr(pool, "_close_connections", None)

    async def close_connections(closing: list[Any]) -> None:
        if closing and close is not None:
            await close(closing)

    setattr(pool, "_close_connections", close_connections)  # noqa: B010
    return pool


class _DirectPool(httpcore2.AsyncConnectionPool):
    """Connections to servers without a proxy."""

    def __init__(self, **limits: Any) -> None:
        super().__init__(**limits)
        self._made_by = limits

    def create_connection(self, origin: httpcore2.Origin) -> httpcore2.AsyncConnectionInterface:
        return LoopConnection(origin, **self._made_by)


def extensions(limits: TimeLimits) -> dict[str, Any]:
    """The limits in httpx2's words. Under a deadline it reports when it begins to send: what ends
    before costs nothing."""
    read = limits.read
    found: dict[str, Any] = {
        "timeout": {"connect": limits.connect, "read": read, "write": read, "pool": read}
    }
    if limits.until is not None:

        async def heard(event: str, info: dict[str, Any]) -> None:
            if event.startswith(("connection.", "socks.")) and event.endswith(".started"):
                limits.unsent = True
            elif event.endswith("send_request_headers.started"):
                # One to a proxy is not for the provider yet.
                limits.unsent = info["request"].method == b"CONNECT"

        found["trace"] = heard
    return found


class Plain:
    """A response of httpcore2's pool, by the names that httpx2 has for it."""

    __slots__ = ("_response", "headers", "status_code")

    def __init__(self, response: httpcore2.Response) -> None:
        self._response = response
        self.status_code: int = response.status
        names: dict[str, str] | None = response.extensions.get(NAMES)
        self.headers = lower_headers(response.headers) if names is None else names

    def pieces(self) -> AsyncIterator[bytes]:
        """The body as it arrives."""
        stream: Any = self._response.stream
        pieces: AsyncIterator[bytes] = stream.__aiter__()
        return pieces

    async def aclose(self) -> None:
        await self._response.aclose()


_GZIP = 16 + zlib.MAX_WBITS
_UNZIPPED_AT_ONCE = 1 << 20
"""A few bytes may stand for gigabytes: no piece is larger."""


async def unzipped(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A gzip body: all of its members (RFC 1952), of which httpx2 reads the first alone. What
    follows them and is none is left out, as in sync."""
    reader, is_first = zlib.decompressobj(_GZIP), True
    async for piece in pieces:
        while piece:
            if reader.eof:
                reader, is_first = zlib.decompressobj(_GZIP), False
            try:
                found = reader.decompress(piece, _UNZIPPED_AT_ONCE)
                piece = reader.unconsumed_tail or reader.unused_data
                while found:  # it may hold more than it has given
                    yield found
                    found = reader.decompress(piece, _UNZIPPED_AT_ONCE) if not reader.eof else b""
                    piece = reader.unconsumed_tail or reader.unused_data
            except zlib.error as exc:
                if is_first:
                    raise httpcore2.RemoteProtocolError(str(exc)) from exc
                piece = b""


_untouched = Untouched("httpcore2")
_raw = methodcaller("encode", "latin-1")
_name_of, _value_of = itemgetter(0), itemgetter(1)


def core_url(url: Any) -> httpcore2.URL:
    """A URL of httpx2 as httpcore2 has them."""
    return httpcore2.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
    )


async def ask_pool(
    pool: httpcore2.AsyncConnectionPool,
    url: httpcore2.URL,
    request: HTTPRequest,
    headers: dict[str, str],
    limits: TimeLimits,
) -> Plain:
    """Send over the pool itself. What httpx2 would put around it (its own request, response and
    headers) is not wanted, and costs a tenth of a call."""
    raw = list(zip(map(_raw, headers), map(_raw, headers.values()), strict=True))
    # A recorder or a tracer in the pool's place reads the headers of the answer from itself.
    names = {NAMES: True} if _untouched((type(pool).handle_async_request,)) else {}
    asked = httpcore2.Request(
        request.method,
        url,
        headers=raw,
        content=request.body,
        extensions={**extensions(limits), **names},
    )
    return Plain(await pool.handle_async_request(asked))


async def ask_client(
    client: Any, request: HTTPRequest, headers: dict[str, str], limits: TimeLimits
) -> Any:
    """Send by a client of httpx2 or httpx, which tracers and mocks listen to."""
    built = client.build_request(
        request.method,
        request.url,
        headers=headers,
        content=request.body,
        extensions=extensions(limits),
    )
    return await client.send(built, stream=True, follow_redirects=False)


def lower_headers(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by their names in lower case; those that come twice are joined."""
    # Without a line of Python for each header, nor a call: every answer comes here.
    names = b"\n".join(map(_name_of, pairs)).decode("latin-1").lower().split("\n")
    values = b"\n".join(map(_value_of, pairs)).decode("latin-1").split("\n")
    if len(names) != len(pairs) or len(values) != len(pairs):  # one has a line break in it
        names = [name.decode("latin-1").lower() for name, _ in pairs]
        values = [value.decode("latin-1") for _, value in pairs]
    found = dict(zip(names, values, strict=True))
    return found if len(found) == len(names) else joined(zip(names, values, strict=True))


async def in_time_left(piece: Awaitable[bytes], limits: TimeLimits) -> bytes:
    """A piece of a body, before the call must be over. Raises TimeoutError."""
    # A piece that is there already is taken without a look at the clock: a server that floods
    # would go on for ever.
    async with asyncio.timeout(deadline.left(limits.until)):
        found = await piece
    if deadline.left(limits.until) == 0:
        raise TimeoutError
    return found
