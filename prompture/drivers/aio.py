"""The async transport, over httpx2. The only module that imports httpx2."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.request import getproxies, proxy_bypass
from weakref import WeakKeyDictionary

import httpcore2
import httpx2

from prompture.drivers import tls
from prompture.drivers.asyncio_network import LoopBackend
from prompture.drivers.threads import finish_in_thread
from prompture.errors import (
    ConfigurationError,
    ConnectionLost,
    ConnectTimeout,
    PromptureError,
    ProtocolError,
    ReadTimeout,
    TransportError,
)
from prompture.wire.http import (
    CONNECT_SECONDS,
    MAX_RESPONSE_BYTES,
    USER_AGENT,
    Exchange,
    HTTPRequest,
    HTTPResponse,
    Sleep,
    Work,
    bad_header,
    host_of,
    is_plain,
    shown,
    unsendable,
)
from prompture.wire.steps import Done, advance

T = TypeVar("T")
POOL_SIZE = 10
"""Requests in flight in one pool: a pool's work per request grows with its connections, so
many small pools carry a thousand requests where one large one does not."""


IDLE_SECONDS = 30.0
"""An idle connection is not used after this: something on the way may have forgotten it."""


@dataclass(slots=True)
class _Pool:
    """``opened`` is how many connections it may hold: the most that were in flight at once."""

    transport: Any
    in_flight: int = 0
    opened: int = 0

    def take(self) -> None:
        self.in_flight += 1
        self.opened = max(self.opened, self.in_flight)


@dataclass(slots=True)
class _Loop:
    """Pools by origin, and the generator that closes them."""

    pools: dict[str, list[_Pool]] = field(default_factory=dict)
    ending: AsyncGenerator[None, None] | None = None


class HttpxTransport:
    """Sends over pools of httpx2 connections, kept apart by event loop.

    A client of the caller's own (httpx2's or httpx's AsyncClient) is used as it is. Redirects
    are not followed: they would carry the key elsewhere. A response past ``max_bytes`` is a
    ProtocolError.
    """

    def __init__(self, client: Any = None, *, max_bytes: int = MAX_RESPONSE_BYTES) -> None:
        self._client = client
        self._max_bytes = max_bytes
        self._loops: WeakKeyDictionary[Any, _Loop] = WeakKeyDictionary()
        self._origins: dict[str, tuple[httpx2.URL, str]] = {}

    async def run(self, exchange: Exchange[T]) -> T:
        """Carry ``exchange`` to its end."""
        step = advance(exchange)
        while not isinstance(step, Done):
            if isinstance(step, Sleep):
                await asyncio.sleep(step.seconds)
                step = advance(exchange)
                continue
            if isinstance(step, Work):
                await finish_in_thread(step.do)
                step = advance(exchange)
                continue
            try:
                reply: HTTPResponse | TransportError = await self.send(step)
            except TransportError as exc:
                reply = exc
            step = advance(exchange, reply)
        return step.value

    async def send(self, request: HTTPRequest) -> HTTPResponse:
        """One request, one response. Raises TransportError and ProtocolError."""
        pool = None if self._client else _pool((await self._loop()).pools, request.url)
        if pool:
            pool.take()
        handed_on = False
        try:
            response = await self._open(pool, request)
            if request.stream and response.status_code < 400:
                chunks = self._chunks(response, pool)
                handed_on = True
                return HTTPResponse(response.status_code, _headers(response), achunks=chunks)
            try:
                body = await self._body(response)
            finally:
                await response.aclose()
            return HTTPResponse(response.status_code, _headers(response), body)
        except Exception as exc:
            if bad_header(request.headers) and not isinstance(exc, PromptureError):
                raise unsendable(request) from None  # httpx's words would quote the key
            raise _transport_error(exc, request.url) from (exc if is_plain(request.url) else None)
        finally:
            if pool and not handed_on:
                pool.in_flight -= 1

    async def _open(self, pool: _Pool | None, request: HTTPRequest) -> Any:
        timeout = request.timeout
        connect = min(timeout, CONNECT_SECONDS) if timeout else CONNECT_SECONDS
        limits = {"connect": connect, "read": timeout, "write": timeout, "pool": timeout}
        if pool is None:
            built = self._client.build_request(
                request.method,
                request.url,
                headers=dict(request.headers),
                content=request.body,
                extensions={"timeout": limits},
            )
            return await self._client.send(built, stream=True, follow_redirects=False)
        url, host = self._target(request.url)
        headers = {
            "host": host,
            "user-agent": USER_AGENT,
            "accept": "*/*",
            "accept-encoding": "gzip, deflate",
            "content-length": str(len(request.body)),
            **request.headers,
        }
        if isinstance(pool.transport, _Straight) and pool.transport.is_untouched:
            return await pool.transport.answer(request, url, headers, limits)
        # The body as a stream: httpx2 then adds and looks up nothing of its own.
        built = httpx2.Request(
            request.method,
            url,
            headers=headers,
            stream=httpx2.ByteStream(request.body),
            extensions={"timeout": limits},
        )
        response = await pool.transport.handle_async_request(built)
        response.request = built
        return response

    def _target(self, url: str) -> tuple[httpx2.URL, str]:
        # Parsing a URL costs as much as the rest of a request's making; endpoints repeat.
        found = self._origins.get(url)
        if found is None:
            parsed = httpx2.URL(url)
            if len(self._origins) > 100:
                self._origins.clear()
            found = self._origins[url] = (parsed, parsed.netloc.decode("ascii"))
        return found

    async def _loop(self) -> _Loop:
        """The connections of the running loop, which are closed before it ends."""
        loop = asyncio.get_running_loop()
        found = self._loops.get(loop)
        if found is None:
            found = self._loops[loop] = _Loop()
            found.ending = self._until_the_end(loop)
            await anext(found.ending)
        return found

    async def _until_the_end(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[None, None]:
        # asyncio.run closes every async generator that was begun before it closes the loop:
        # the last moment at which connections can be closed in it.
        try:
            yield
        finally:
            if found := self._loops.pop(loop, None):
                for pool in [pool for pools in found.pools.values() for pool in pools]:
                    await pool.transport.aclose()

    async def _body(self, response: Any) -> bytes:
        pieces, read = [], 0
        async for chunk in _raw(response, own=self._client is None):
            read += len(chunk)
            if read > self._max_bytes:
                raise ProtocolError(f"the response passes {self._max_bytes} bytes")
            pieces.append(chunk)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _chunks(self, response: Any, pool: _Pool | None) -> AsyncIterator[bytes]:
        read = 0
        try:
            async for chunk in _raw(response, own=self._client is None):
                read += len(chunk)
                if read > self._max_bytes:
                    raise ProtocolError(f"the response passes {self._max_bytes} bytes")
                yield chunk
        except Exception as exc:
            url = str(response.request.url)
            raise _transport_error(exc, url) from (exc if is_plain(url) else None)
        finally:
            try:
                await response.aclose()
            finally:
                if pool:
                    pool.in_flight -= 1

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


_HANDLE = httpx2.AsyncHTTPTransport.handle_async_request


class _Straight(httpx2.AsyncHTTPTransport):
    """httpx2's transport over asyncio's own connections, without a proxy."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=context,
            max_connections=None,
            max_keepalive_connections=None,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=LoopBackend(),
        )
        self._urls: dict[str, httpcore2.URL] = {}

    @property
    def is_untouched(self) -> bool:
        """Whether no recorder or mock has put itself into httpx2's place."""
        return httpx2.AsyncHTTPTransport.handle_async_request is _HANDLE

    async def answer(
        self, request: HTTPRequest, url: httpx2.URL, headers: dict[str, str], limits: Any
    ) -> Any:
        """Send over the pool itself: httpx2's own request and response cost as much as its work."""
        sent = httpcore2.Request(
            request.method,
            self._url(request.url, url),
            headers=[
                (name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()
            ],
            content=request.body,
            extensions={"timeout": limits},
        )
        found = await self._pool.handle_async_request(sent)
        if any(name.lower() == b"content-encoding" for name, _ in found.headers):
            return httpx2.Response(
                found.status,
                headers=found.headers,
                stream=_Stream(found),
                request=httpx2.Request(request.method, url),
            )
        return _Answer(found, url)

    def _url(self, given: str, url: httpx2.URL) -> httpcore2.URL:
        found = self._urls.get(given)
        if found is None:
            if len(self._urls) > 100:
                self._urls.clear()
            found = self._urls[given] = httpcore2.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            )
        return found


class _Stream(httpx2.AsyncByteStream):
    def __init__(self, found: httpcore2.Response) -> None:
        self._found = found

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._found.aiter_stream()

    async def aclose(self) -> None:
        await self._found.aclose()


class _Answer:
    """As much of an httpx2.Response as is read here, of what httpcore2 gave."""

    __slots__ = ("aclose", "raw", "request", "status_code", "stream", "url")

    def __init__(self, found: httpcore2.Response, url: httpx2.URL) -> None:
        self.status_code = found.status
        self.raw = found.headers
        self.stream: Any = found.stream
        self.aclose = found.aclose
        self.url = url
        self.request = self


def _transport(origin: str) -> httpx2.AsyncHTTPTransport:
    scheme, _, host = origin.partition("://")
    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if proxy and proxy_bypass(host.partition(":")[0]):
        proxy = None
    if not proxy:
        return _Straight(tls.context() if scheme == "https" else None)
    return httpx2.AsyncHTTPTransport(
        verify=tls.context() if scheme == "https" or proxy else tls.bare(),
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None),
        proxy=proxy,
    )


def _raw(response: Any, *, own: bool) -> AsyncIterator[bytes]:
    """The body's pieces as they arrive, decoded where they are compressed."""
    if isinstance(response, _Answer):
        return response.stream.__aiter__()  # type: ignore[no-any-return]
    # A client of the caller's may have read the body already (a recorder, a mock transport).
    if "content-encoding" in response.headers or response.is_stream_consumed:
        pieces: AsyncIterator[bytes] = response.aiter_bytes()
    elif own:
        pieces = response.stream.__aiter__()
    else:
        pieces = response.aiter_raw()
    return pieces


def _headers(response: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    raw = response.raw if isinstance(response, _Answer) else response.headers.raw
    for raw_name, raw_value in raw:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


_OF_HTTPCORE = ("NetworkError", "ProtocolError", "TimeoutException", "ProxyError")


def _transport_error(exc: Exception, url: str) -> Exception:
    """Ours for theirs. httpx's errors have the same names as httpx2's, and are matched so."""
    if isinstance(exc, PromptureError):
        return exc
    host = host_of(url)
    names = {cls.__name__ for cls in type(exc).__mro__}
    if names & {"ConnectTimeout", "PoolTimeout"}:
        return ConnectTimeout(f"no connection to {host} in time")
    if names & {"ReadTimeout", "WriteTimeout"}:
        return ReadTimeout(f"{host} sent nothing in time")
    if names & {"InvalidURL", "UnsupportedProtocol"}:
        return ConfigurationError(f"cannot send to {shown(url)!r}: {type(exc).__name__}")
    if not names & {"TransportError", "HTTPError", "StreamError", "OSError", *_OF_HTTPCORE}:
        return exc
    lost = ConnectionLost(f"connection to {host} failed: {str(exc) or type(exc).__name__}")
    lost.unsent = "ConnectError" in names
    return lost
