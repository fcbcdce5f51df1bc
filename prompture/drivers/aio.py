"""The async transport, over httpx2. No other module of ``drivers`` imports httpx2."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

import httpcore2
import httpx2

from prompture import forks
from prompture.compat import Untouched, client_functions, keeps_pool
from prompture.drivers.asyncio_pool import (
    Plain,
    ask_client,
    ask_pool,
    connection_pool,
    core_url,
    extensions,
    in_time_left,
    lower_headers,
    unzipped,
)
from prompture.drivers.bounded import finish_in_thread
from prompture.drivers.connections import (
    Proxy,
    cause_of,
    failed_before,
    is_of_httpx,
    proxy_for,
    tls_context,
    transport_error,
)
from prompture.errors import (
    ConfigurationError,
    ConnectionLost,
    PromptureError,
    ProtocolError,
    TransportError,
)
from prompture.wire import deadline
from prompture.wire.http import (
    MAX_RESPONSE_BYTES,
    USER_AGENT,
    Exchange,
    Headers,
    HTTPRequest,
    HTTPResponse,
    Sleep,
    TimeLimits,
    Work,
)
from prompture.wire.steps import Done, advance

T = TypeVar("T")
Pieces: TypeAlias = AsyncIterator[bytes]
POOL_SIZE = 10
"""Requests in flight in one pool: a pool's work per request grows with its connections, so
many small pools serve a thousand requests where one large one does not."""
IDLE_SECONDS = 30.0
"""An idle connection is not used after this: something on the way may have forgotten it."""


@dataclass(slots=True)
class _Pool:
    """``opened`` is how many connections it may hold: the most that were in flight at once."""

    transport: httpx2.AsyncHTTPTransport
    in_flight: int = 0
    opened: int = 0
    client: Any = None

    def take(self) -> None:
        self.in_flight += 1
        self.opened = max(self.opened, self.in_flight)


@dataclass(slots=True)
class _Loop:
    """Pools by origin, which may hold a password, and the generator that closes them."""

    pools: dict[str, list[_Pool]] = field(default_factory=dict, repr=False)
    ending: AsyncGenerator[None, None] | None = None


class HttpxTransport:
    """Sends over pools of httpx2 connections, kept apart by event loop.

    A client of the caller's own (httpx2's or httpx's AsyncClient) is used as it is. Redirects
    are not followed: they would carry the key elsewhere. A response past ``max_bytes`` is a
    ProtocolError. A forked child opens connections of its own.
    """

    def __init__(self, client: Any = None, *, max_bytes: int = MAX_RESPONSE_BYTES) -> None:
        self._client = client
        self._max_bytes = max_bytes
        self._loops: WeakKeyDictionary[Any, _Loop] = WeakKeyDictionary()
        self._origins: dict[str, tuple[httpx2.URL, httpcore2.URL, str]] = {}
        self._used = False
        self._stale = False
        forks.renewed_at_fork(self, "_renew")

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (self.given, self._max_bytes)

    def __copy__(self) -> HttpxTransport:
        return _made(self.given, self._max_bytes)

    @property
    def given(self) -> Any:
        """The caller's own client, where there is one."""
        return self._client

    def _renew(self) -> None:
        """In a forked child: forget the parent's connections. They are not closed, for that
        would go by the parent's loop, nor let go of, which would close them."""
        forks.left_to_parent(self._loops)
        self._loops = WeakKeyDictionary()
        self._stale = self._client is not None and self._used

    async def run(self, exchange: Exchange[T]) -> T:
        """Run ``exchange`` to its end."""
        step = advance(exchange)
        while not isinstance(step, Done):
            if isinstance(step, HTTPRequest):
                try:
                    reply: HTTPResponse | TransportError = await self.send(step)
                except TransportError as exc:
                    reply = exc
                step = advance(exchange, reply)
                continue
            late: TransportError | None = None
            if isinstance(step, Sleep):
                if (late := deadline.too_long(step.seconds)) is None:
                    await asyncio.sleep(step.seconds)
            elif isinstance(step, Work):
                await finish_in_thread(step.do)
            elif (late := deadline.over("waiting to be let in")) is None:
                # For a signal, which may come sooner.
                await step.signal.awaited(deadline.sooner(step.seconds, deadline.until()))
            step = advance(exchange, late)
        return step.value

    async def send(self, request: HTTPRequest) -> HTTPResponse:
        """One request, one response. Raises TransportError and ProtocolError."""
        limits = TimeLimits(request.timeout)
        if limits.until is not None:
            limits.check(request.url)
        pool: _Pool | None = None
        response: HTTPResponse | None = None
        try:
            if self._client is None:
                loop = self._loops.get(asyncio.get_running_loop()) or await self._opened()
                pool = _pool(loop.pools, request.url)
                pool.take()
            else:
                self._require_usable_client()
            if limits.until is None:  # a context of nothing costs more than a header
                response = await self._exchanged(pool, request, limits)
            else:
                async with asyncio.timeout(deadline.left(limits.until)):
                    response = await self._exchanged(pool, request, limits)
            return response
        except PromptureError:
            raise
        except Exception as exc:  # httpx2, httpcore2, ssl, the loop: each has its own errors
            error = failed_before(exc, request) or self._error(exc, request.url, limits)
            error.__cause__ = cause_of(exc, request.url)
        finally:
            # Whoever reads the pieces of a stream gives its place in the pool back.
            if pool and (response is None or response.achunks is None):
                pool.in_flight -= 1
        # Outside of the handler, or the failure would be the error's context.
        raise error

    async def _exchanged(
        self, pool: _Pool | None, request: HTTPRequest, limits: TimeLimits
    ) -> HTTPResponse:
        response = await self._open(pool, request, limits)
        status, headers = response.status_code, response.headers
        if not isinstance(response, Plain):
            headers = lower_headers(headers.raw)
        if request.stream and status < 300:
            pieces = _raw(response, headers, own=self._client is None)
            chunks = self._chunks(response, pieces, pool, request.url, limits)
            return HTTPResponse(status, headers, achunks=chunks)
        try:
            body = await self._body(_raw(response, headers, own=self._client is None))
        finally:
            await response.aclose()
        return HTTPResponse(status, headers, body)

    def _require_usable_client(self) -> None:
        if self._stale:
            raise ConfigurationError(
                "the client that was given was used before a fork, and its connections are "
                "the parent's: make it, and the driver, in the child"
            )
        self._used = True

    async def _open(self, pool: _Pool | None, request: HTTPRequest, limits: TimeLimits) -> Any:
        if pool is None:
            return await ask_client(self._client, request, dict(request.headers), limits)
        url, core, host = self._target(request.url)
        headers = Headers(
            {
                "host": host,
                "user-agent": USER_AGENT,
                "accept": "*/*",
                "accept-encoding": "gzip, deflate",
                "content-length": str(len(request.body)),
                **request.headers,
            }
        )
        if not _untouched(client_functions(httpx2.AsyncClient)):
            # A tracer or a mock listens to clients: let it hear one.
            if pool.client is None:
                pool.client = httpx2.AsyncClient(transport=pool.transport, trust_env=False)
            return await ask_client(pool.client, request, headers, limits)
        if isinstance(transport := pool.transport, _Transport) and transport.is_untouched():
            return await ask_pool(transport._pool, core, request, headers, limits)
        # The body as a stream: httpx2 then adds and looks up nothing of its own.
        built = httpx2.Request(
            request.method,
            url,
            headers=headers,
            stream=httpx2.ByteStream(request.body),
            extensions=extensions(limits),
        )
        return await pool.transport.handle_async_request(built)

    def _target(self, url: str) -> tuple[httpx2.URL, httpcore2.URL, str]:
        # Parsing a URL costs as much as the rest of a request's making; endpoints repeat.
        found = self._origins.get(url)
        if found is None:
            parsed = httpx2.URL(url)
            if len(self._origins) > 100:
                self._origins.clear()
            found = self._origins[url] = (parsed, core_url(parsed), parsed.netloc.decode("ascii"))
        return found

    async def _opened(self) -> _Loop:
        """Room for the connections of the running loop, which are closed before it ends."""
        loop = asyncio.get_running_loop()
        # One that was closed, and its generators were not: its connections would keep it here.
        for other in [
            each for ref in self._loops.keyrefs() if (each := ref()) and each.is_closed()
        ]:
            self._loops.pop(other, None)
        made = self._loops[loop] = _Loop()
        made.ending = self._until_the_end(loop)
        await anext(made.ending)
        return made

    async def _until_the_end(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[None, None]:
        # asyncio.run closes every async generator that was begun before it closes the loop:
        # the last moment at which connections can be closed in it.
        try:
            yield
        finally:
            if found := self._loops.pop(loop, None):
                for pool in [pool for pools in found.pools.values() for pool in pools]:
                    await pool.transport.aclose()

    async def _body(self, pieces: Pieces) -> bytes:
        found, read = [], 0
        async for chunk in pieces:
            read += len(chunk)
            if read > self._max_bytes:
                raise ProtocolError(f"the response passes {self._max_bytes} bytes")
            found.append(chunk)
        return found[0] if len(found) == 1 else b"".join(found)

    async def _chunks(
        self, response: Any, pieces: Pieces, pool: _Pool | None, url: str, limits: TimeLimits
    ) -> Pieces:
        read, born = 0, forks.count()
        error: Exception | None = None
        try:
            while True:
                try:
                    if limits.until is None:  # a context of nothing costs more than the piece
                        chunk = await anext(pieces)
                    else:
                        chunk = await in_time_left(anext(pieces), limits)
                except StopAsyncIteration:
                    break
                read += len(chunk)
                if read > self._max_bytes:
                    raise ProtocolError(f"the response passes {self._max_bytes} bytes")
                yield chunk
                if forks.count() != born:
                    raise ConnectionLost("a stream belongs to the process that began it")
        except PromptureError:
            raise
        except Exception as exc:  # httpx2, httpcore2, ssl, the loop: each has its own errors
            error = self._error(exc, url, limits)
            error.__cause__ = cause_of(exc, url)
        finally:
            try:
                if forks.count() == born:
                    await response.aclose()
                else:  # that would take the connection out of the parent's loop
                    forks.left_to_parent((response, pieces))
            finally:
                if pool:
                    pool.in_flight -= 1
        if error is not None:
            raise error

    def _error(self, failure: Exception, url: str, limits: TimeLimits) -> Exception:
        if not is_of_httpx(failure):  # a bug, or a recorder's own: it is raised as it is
            return failure
        proxy = None if self._client is not None else proxy_for(url)
        return transport_error(failure, url, proxy, limits, deep=False)

    async def close(self) -> None:
        """Close the connections of the running loop; a client of the caller's own is left."""
        found = self._loops.get(asyncio.get_running_loop())
        if found and found.ending:
            await found.ending.aclose()


def _pool(origins: dict[str, list[_Pool]], url: str) -> _Pool:
    """A pool of the origin: one that holds an idle connection, else one with room for another,
    else a new one. So there are never more connections than calls at once."""
    origin = "/".join(url.split("/", 3)[:3])
    pools = origins.setdefault(origin, [])
    for pool in pools:
        if pool.in_flight < pool.opened:
            return pool
    for pool in pools:
        if pool.in_flight < POOL_SIZE:
            return pool
    pools.append(_Pool(_transport(origin)))
    return pools[-1]


_untouched = Untouched("httpx2")
_untouched_transport = Untouched("httpx2")


def _made(client: Any, max_bytes: int) -> HttpxTransport:
    return HttpxTransport(client, max_bytes=max_bytes)


class _Transport(httpx2.AsyncHTTPTransport):
    """httpx2's transport over asyncio's own connections. Its ``handle_async_request`` is
    inherited, so that whoever puts himself into its place is asked."""

    def __init__(self, context: ssl.SSLContext | None, proxy: Proxy | None) -> None:
        self._pool = connection_pool(context, proxy, idle_seconds=IDLE_SECONDS)

    def is_untouched(self) -> bool:
        return _untouched_transport((type(self).handle_async_request,))


def _transport(origin: str) -> httpx2.AsyncHTTPTransport:
    proxy = proxy_for(origin)
    context = tls_context() if origin.lower().startswith("https://") else None
    if keeps_pool(httpx2.AsyncHTTPTransport):
        return _Transport(context, proxy)
    # Slower, and right: connections by httpx2's own backend.
    return httpx2.AsyncHTTPTransport(
        verify=context or True,
        trust_env=False,
        limits=httpx2.Limits(keepalive_expiry=IDLE_SECONDS),
        proxy=httpx2.Proxy(proxy.url) if proxy else None,
    )


class _Encoded(httpx2.AsyncByteStream):
    """A body that httpx2 knows how to decode."""

    def __init__(self, response: Plain) -> None:
        self._response = response

    def __aiter__(self) -> Pieces:
        return self._response.pieces()


def _raw(response: Any, headers: dict[str, str], *, own: bool) -> Pieces:
    """The body's pieces as they arrive, decoded where they are compressed."""
    if isinstance(response, Plain):
        if "content-encoding" not in headers:
            return response.pieces()
        if headers["content-encoding"].strip().lower() == "gzip":
            return unzipped(response.pieces())
        stream = _Encoded(response)
        response = httpx2.Response(response.status_code, headers=response.headers, stream=stream)
    # A client of the caller's may have read the body already (a recorder, a mock transport). Asked
    # for a header, httpx2 decodes them all.
    decoded = "content-encoding" in headers or response.is_stream_consumed
    raw = response.stream.__aiter__ if own else response.aiter_raw
    pieces: Pieces = response.aiter_bytes() if decoded else raw()
    return pieces
