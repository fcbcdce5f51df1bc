"""The sync transport, over requests. The only module that imports requests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any, TypeVar

import requests
import urllib3
import urllib3.exceptions
from requests.adapters import HTTPAdapter

from prompture import forks
from prompture.compat import Untouched, chunked_reader, free_queues
from prompture.drivers.bounded import in_time
from prompture.drivers.connections import (
    Proxy,
    cause_of,
    failed_before,
    headers_of,
    proxy_for,
    tls_context,
    transport_error,
)
from prompture.drivers.sync_network import single_headers, skip_interim, unchunked
from prompture.errors import ConfigurationError, ConnectionLost, ProtocolError, TransportError
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
    stated_length,
)
from prompture.wire.secrets import keep_query_out_of_logs
from prompture.wire.steps import Done, advance

T = TypeVar("T")
POOL_SIZE = 64
"""Connections kept open to a host; more threads than this open short-lived ones."""


class _Adapter(HTTPAdapter):
    """Pools whose connections read past interim responses."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        skip_interim(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        return skip_interim(super().proxy_manager_for(*args, **kwargs))


class _TLSAdapter(_Adapter):
    """Pools that also share the process's one TLS context."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=tls_context(), **kwargs)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        return super().proxy_manager_for(*args, ssl_context=tls_context(), **kwargs)


class RequestsTransport:
    """Sends over a requests.Session, which threads may share.

    Proxies are looked up once a host, not once a call as requests does. A session of the
    caller's own is used by its ``request``, with its settings. Redirects are not followed: they
    would carry the key elsewhere. A response past ``max_bytes`` is a ProtocolError. A forked
    child opens connections of its own.
    """

    def __init__(
        self,
        session: requests.Session | None = None,
        *,
        max_bytes: int = MAX_RESPONSE_BYTES,
    ) -> None:
        self._own = session is None
        self._session = session or _session()
        self._max_bytes = max_bytes
        self._proxies: dict[str, Proxy | None] = {}
        self._pools: dict[str, Any] = {}
        self._stale: Exception | None = None
        forks.renewed_at_fork(self, "_renew")

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (self.given, self._max_bytes)

    def __copy__(self) -> RequestsTransport:
        return _made(self.given, self._max_bytes)

    @property
    def given(self) -> requests.Session | None:
        """The caller's own session, where there is one."""
        return None if self._own else self._session

    def _renew(self) -> None:
        """In a forked child: forget the parent's connections. They are closed here, which the
        parent does not feel: no goodbye is sent over them."""
        self._pools = {}
        try:
            for adapter in self._session.adapters.values():
                if isinstance(adapter, HTTPAdapter):
                    for manager in (adapter.poolmanager, *adapter.proxy_manager.values()):
                        free_queues(manager)
                    # What pickling does: the same settings, new pools.
                    renewed: Any = adapter
                    renewed.__setstate__(renewed.__getstate__())
        except Exception as exc:  # an adapter of the caller's may raise anything
            self._stale = exc

    def run(self, exchange: Exchange[T]) -> T:
        """Run ``exchange`` to its end."""
        step = advance(exchange)
        while not isinstance(step, Done):
            if isinstance(step, HTTPRequest):
                try:
                    reply: HTTPResponse | TransportError = self.send(step)
                except TransportError as exc:
                    reply = exc
                step = advance(exchange, reply)
                continue
            late: TransportError | None = None
            if isinstance(step, Sleep):
                if (late := deadline.too_long(step.seconds)) is None:
                    time.sleep(step.seconds)
            elif isinstance(step, Work):
                step.do()
            elif (late := deadline.over("waiting to be let in")) is None:
                # For a signal, which may come sooner.
                step.signal.wait(deadline.sooner(step.seconds, deadline.until()))
            step = advance(exchange, late)
        return step.value

    def send(self, request: HTTPRequest) -> HTTPResponse:
        """One request, one response. Raises TransportError and ProtocolError."""
        limits = _Limits(request.timeout)
        if limits.until is not None:
            limits.check(request.url)
        try:
            response = self._response(request, limits)
            if response.status_code < 200:
                response.close()  # or the next request would be given the answer to this one
                raise ProtocolError(f"HTTP {response.status_code}, and no answer after it")
            # A hook, or a tracer, may have changed those of requests' own response.
            single = single_headers(response.raw) if isinstance(response, _Straight) else None
            # Asked by name: ``items`` has those that come twice as two, of which one would be lost.
            headers = single or {name.lower(): response.headers[name] for name in response.headers}
            if request.stream and response.status_code < 300:
                chunks = self._chunks(response, request.url, limits)
                return HTTPResponse(response.status_code, headers, chunks=chunks)
            return HTTPResponse(
                response.status_code, headers, self._body(response, request.url, limits)
            )
        except (OSError, urllib3.exceptions.HTTPError, ValueError) as exc:
            error = failed_before(exc, request) or self._error(exc, request.url, limits)
            error.__cause__ = cause_of(exc, request.url)
        # Outside of the handler, or the failure would be the error's context.
        raise error

    def _response(self, request: HTTPRequest, limits: _Limits) -> requests.Response | _Straight:
        if self._stale is not None:
            raise ConfigurationError(
                "the session that was given cannot be used after a fork: make it, and the "
                "driver, in the child"
            ) from self._stale
        if "?" in request.url:
            keep_query_out_of_logs(request.url)
        straight = self._own and _is_untouched(self._session)
        pool = self._pool(request.url) if straight else None
        return (
            self._asked(request, limits) if pool is None else self._straight(pool, request, limits)
        )

    def _straight(self, pool: Any, request: HTTPRequest, limits: _Limits) -> _Straight:
        """Send over a pool of the session's. What requests would put around it (cookies, other
        kinds of headers, its own response) is not wanted, and costs as much again."""
        url = request.url
        raw = pool.urlopen(
            request.method,
            url[url.find("/", url.find("://") + 3) :],
            body=request.body or None,
            headers=self._headers(request),
            retries=False,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
            timeout=_timeout(limits.connect, limits.read),
        )
        return _Straight(raw)

    def _asked(self, request: HTTPRequest, limits: _Limits) -> requests.Response:
        """Send by the session's ``request``, where recorders, mocks, tracers and the caller's
        own classes may have put themselves."""
        own: dict[str, Any] = {}
        if self._own:
            proxy = self._proxy(request.url)
            own = {
                "verify": True,
                "proxies": {request.url.partition(":")[0].lower(): proxy.url} if proxy else {},
            }
        ask = partial(
            self._session.request,
            request.method,
            request.url,
            data=request.body or None,
            headers=self._headers(request),
            # A netrc file would replace the key.
            auth=self._session.auth or _as_it_is,
            stream=True,
            timeout=(limits.connect, limits.read),
            allow_redirects=False,
            **own,
        )
        if self._own or limits.until is None:
            return ask()
        # The connections are the caller's, and know of no deadline.
        return in_time(ask, limits.until, late=requests.Response.close)

    def _pool(self, url: str) -> Any:
        """The pool of a host that is reached without a proxy; None for others."""
        origin = "/".join(url.split("/", 3)[:3])
        if origin not in self._pools:
            usual = url.startswith((f"{origin}/", f"{origin}/".lower())) and "@" not in origin
            if not usual or self._proxy(url):
                self._pools[origin] = None
            else:
                adapter = self._session.get_adapter(url)
                self._pools[origin] = adapter.poolmanager.connection_from_url(origin)  # type: ignore[attr-defined]
        return self._pools[origin]

    def _headers(self, request: HTTPRequest) -> Headers:
        fixed = {"user-agent": USER_AGENT, "accept": "*/*", "accept-encoding": "gzip, deflate"}
        if request.body:
            fixed["content-length"] = str(len(request.body))
        if not self._own:
            fixed = headers_of(self._session, request.url) | fixed
        return Headers({**fixed, **request.headers})

    def _proxy(self, url: str) -> Proxy | None:
        origin = "/".join(url.split("/", 3)[:3])
        if origin not in self._proxies:
            found = proxy_for(url)
            if found:
                found.require("socks", "pysocks")
            if origin.lower().startswith("https"):
                self._secure()
            self._proxies[origin] = found
        return self._proxies[origin]

    def _secure(self) -> None:
        if not isinstance(self._session.adapters.get("https://"), _TLSAdapter):
            self._session.mount("https://", _TLSAdapter(pool_connections=8, pool_maxsize=POOL_SIZE))

    def _body(self, response: requests.Response | _Straight, url: str, limits: _Limits) -> bytes:
        """The whole body. Reading it to the end gives the connection back to the pool."""
        headers = response.headers
        length = stated_length(headers.get("content-length"))
        short = length is not None and length <= self._max_bytes
        if short and limits.until is None and "content-encoding" not in headers:
            return response.content
        return b"".join(self._chunks(response, url, limits))

    def _chunks(
        self, response: requests.Response | _Straight, url: str, limits: _Limits
    ) -> Iterator[bytes]:
        """The body as it arrives, each piece as soon as it is there."""
        read, born = 0, forks.count()
        error: TransportError | None = None
        try:
            for chunk in _pieces(response, limits):
                read += len(chunk)
                if read > self._max_bytes:
                    raise ProtocolError(f"the response passes {self._max_bytes} bytes")
                yield chunk
                if forks.count() != born:
                    raise ConnectionLost("a stream belongs to the process that began it")
        except (OSError, urllib3.exceptions.HTTPError, ValueError) as exc:
            error = self._error(exc, url, limits)
            error.__cause__ = cause_of(exc, url)
        finally:
            if response.raw is not None:  # a mock's Response, made by hand, has none
                response.close()
        if error is not None:
            raise error

    def _error(self, failure: Exception, url: str, limits: TimeLimits) -> TransportError:
        proxy = self._proxy(url) if self._own else None
        return transport_error(failure, url, proxy, limits, deep=True)

    def close(self) -> None:
        """Close the connections; a session of the caller's own is the caller's to close."""
        if self._own:
            # Whoever keeps an error may keep a pool with it.
            pools, self._pools = self._pools, {}
            for pool in pools.values():
                if pool is not None:
                    pool.close()
            self._session.close()


def _made(session: requests.Session | None, max_bytes: int) -> RequestsTransport:
    return RequestsTransport(session, max_bytes=max_bytes)


def _as_it_is(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    return prepared


_untouched = Untouched("requests")


def _is_untouched(session: requests.Session) -> bool:
    kind = type(session)
    functions = (
        kind.request,
        kind.prepare_request,
        kind.send,
        kind.get_adapter,
        HTTPAdapter.send,
        HTTPAdapter.build_response,
    )
    return functions == _untouched.known or _untouched(functions)


class _Limits(TimeLimits):
    __slots__ = ()

    def tick(self, raw: Any) -> None:
        """Before each piece: wait for it no longer than is left. Raises TimeoutError."""
        if self.until is None:
            return
        if not (left := deadline.left(self.until)):
            raise TimeoutError
        # None where the connection will be closed after this answer.
        if (sock := getattr(getattr(raw, "connection", None), "sock", None)) is not None:
            sock.settimeout(left if self.read is None else min(self.read, left))


@lru_cache(16)
def _timeout(connect: float | None, read: float | None) -> urllib3.Timeout:
    # urllib3 checks the numbers anew for each; it takes a copy for itself.
    return urllib3.Timeout(connect=connect, read=read)


class _Straight:
    """As much of a requests.Response as is read here, of what urllib3 gave."""

    __slots__ = ("headers", "raw", "status_code")

    def __init__(self, raw: urllib3.HTTPResponse) -> None:
        self.raw = raw
        self.status_code: int = raw.status
        self.headers = raw.headers

    @property
    def content(self) -> bytes:
        return self.raw.read()

    def close(self) -> None:
        self.raw.close()


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.headers.clear()
    session.mount("http://", _Adapter(pool_connections=8, pool_maxsize=POOL_SIZE))
    return session


def _pieces(response: requests.Response | _Straight, limits: _Limits) -> Iterator[bytes]:
    raw = response.raw
    if not isinstance(raw, urllib3.HTTPResponse):
        # A recorder's or a mock's stand-in, which has not all of the methods.
        if raw is None:
            yield response.content
        elif isinstance(response, requests.Response):
            yield from response.iter_content(65536)
        else:
            yield from raw.stream(65536, decode_content=True)
        return
    limits.tick(raw)
    if "content-encoding" not in raw.headers and (found := chunked_reader(raw)):
        yield from unchunked(raw, *found, partial(limits.tick, raw))
        return
    while chunk := raw.read1(65536, decode_content=True):
        yield chunk
        limits.tick(raw)
