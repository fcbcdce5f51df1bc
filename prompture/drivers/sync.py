"""The sync transport, over requests. The only module that imports requests."""

from __future__ import annotations

import time
from collections.abc import Iterator, MutableMapping
from http.client import HTTPResponse as HTTPResponse11
from typing import Any, TypeVar

import requests
import urllib3
import urllib3.exceptions
from requests.adapters import HTTPAdapter

from prompture.drivers import tls
from prompture.errors import (
    ConfigurationError,
    ConnectionLost,
    ConnectTimeout,
    PromptureError,
    ProtocolError,
    ReadTimeout,
    TransportError,
)
from prompture.wire.chunked import ChunkedDecoder
from prompture.wire.http import (
    CONNECT_SECONDS,
    MAX_RESPONSE_BYTES,
    USER_AGENT,
    Exchange,
    HTTPRequest,
    HTTPResponse,
    Sleep,
    Work,
    host_of,
    is_plain,
    shown,
    unsendable,
)
from prompture.wire.steps import Done, advance

T = TypeVar("T")
POOL_SIZE = 64
"""Connections kept open to a host; more threads than this open short-lived ones."""


class _Adapter(HTTPAdapter):
    """Pools that share the process's one TLS context."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=tls.context(), **kwargs)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        return super().proxy_manager_for(*args, ssl_context=tls.context(), **kwargs)


class RequestsTransport:
    """Sends over a requests.Session, which threads may share.

    Proxies are looked up once a host, not once a call as requests does. A session of the
    caller's own is used as it is, with its settings. Redirects are not followed: they would
    carry the key elsewhere. A response past ``max_bytes`` is a ProtocolError.
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
        self._proxies: dict[str, MutableMapping[str, str]] = {}
        self._pools: dict[str, Any] = {}

    def run(self, exchange: Exchange[T]) -> T:
        """Carry ``exchange`` to its end."""
        step = advance(exchange)
        while not isinstance(step, Done):
            if isinstance(step, Sleep):
                time.sleep(step.seconds)
                step = advance(exchange)
                continue
            if isinstance(step, Work):
                step.do()
                step = advance(exchange)
                continue
            try:
                reply: HTTPResponse | TransportError = self.send(step)
            except TransportError as exc:
                reply = exc
            step = advance(exchange, reply)
        return step.value

    def send(self, request: HTTPRequest) -> HTTPResponse:
        """One request, one response. Raises TransportError and ProtocolError."""
        timeout = request.timeout
        connect = min(timeout, CONNECT_SECONDS) if timeout else CONNECT_SECONDS
        try:
            response = self._response(request, (connect, timeout))
            headers = {name.lower(): value for name, value in response.headers.items()}
            if request.stream and response.status_code < 400:
                return HTTPResponse(
                    response.status_code, headers, chunks=_chunks(response, self._max_bytes)
                )
            return HTTPResponse(response.status_code, headers, _body(response, self._max_bytes))
        except (requests.RequestException, urllib3.exceptions.HTTPError) as exc:
            raise _transport_error(exc, request.url) from (exc if is_plain(request.url) else None)
        except ValueError:
            # What is wrong is said without its words, which may quote the key.
            raise unsendable(request) from None

    def _response(
        self, request: HTTPRequest, timeout: tuple[float, float | None]
    ) -> requests.Response | _Straight:
        pool = self._pool(request.url) if self._own else None
        if pool is None:
            return self._send(self._prepared(request), timeout)
        return self._straight(pool, request, timeout)

    def _straight(
        self, pool: Any, request: HTTPRequest, timeout: tuple[float, float | None]
    ) -> _Straight:
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
            timeout=urllib3.Timeout(connect=timeout[0], read=timeout[1]),
        )
        return _Straight(raw, url)

    def _pool(self, url: str) -> Any:
        """The pool of a host that is reached without a proxy; None for others."""
        origin = "/".join(url.split("/", 3)[:3])
        if origin not in self._pools:
            usual = url.startswith((f"{origin}/", f"{origin}/".lower())) and "@" not in origin
            proxies = self._proxies_for(url)
            adapter = self._session.get_adapter(url)
            if not usual or requests.utils.select_proxy(url, proxies):
                self._pools[origin] = None
            else:
                self._pools[origin] = adapter.poolmanager.connection_from_url(origin)  # type: ignore[attr-defined]
        return self._pools[origin]

    def _prepared(self, request: HTTPRequest) -> requests.PreparedRequest:
        prepared = requests.PreparedRequest()
        prepared.method = request.method
        prepared.url = request.url
        prepared.headers = requests.structures.CaseInsensitiveDict(self._headers(request))
        prepared.body = request.body or None
        prepared.hooks = {"response": []}
        return prepared

    def _send(
        self, prepared: requests.PreparedRequest, timeout: tuple[float, float | None]
    ) -> requests.Response:
        url = prepared.url or ""
        if not self._own:
            return self._session.send(prepared, stream=True, timeout=timeout, allow_redirects=False)
        # The adapter itself: what a Session adds (cookies, redirects, look-ups) is not wanted.
        proxies = self._proxies_for(url)
        adapter = self._session.get_adapter(url)
        wait: Any = timeout
        return adapter.send(prepared, stream=True, timeout=wait, verify=True, proxies=proxies)

    def _headers(self, request: HTTPRequest) -> dict[str, str]:
        fixed = {"user-agent": USER_AGENT, "accept": "*/*", "accept-encoding": "gzip, deflate"}
        if request.body:
            fixed["content-length"] = str(len(request.body))
        if not self._own:
            fixed = {k.lower(): str(v) for k, v in self._session.headers.items()} | fixed
        return {**fixed, **request.headers}

    def _proxies_for(self, url: str) -> MutableMapping[str, str]:
        origin = "/".join(url.split("/", 3)[:3])
        found = self._proxies.get(origin)
        if found is None:
            found = self._proxies[origin] = requests.utils.get_environ_proxies(url)
            if origin.startswith("https"):
                self._secure()
        return found

    def _secure(self) -> None:
        if not isinstance(self._session.adapters.get("https://"), _Adapter):
            self._session.mount("https://", _Adapter(pool_connections=8, pool_maxsize=POOL_SIZE))

    def close(self) -> None:
        """Close the connections; a session of the caller's own is the caller's to close."""
        if self._own:
            self._pools.clear()
            self._session.close()


class _Straight:
    """As much of a requests.Response as is read here, of what urllib3 gave."""

    __slots__ = ("headers", "raw", "status_code", "url")

    def __init__(self, raw: urllib3.HTTPResponse, url: str) -> None:
        self.raw = raw
        self.url = url
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
    session.mount("http://", HTTPAdapter(pool_connections=8, pool_maxsize=POOL_SIZE))
    return session


def _body(response: requests.Response | _Straight, max_bytes: int) -> bytes:
    """The whole body. Reading it to the end gives the connection back to the pool."""
    length = response.headers.get("content-length", "")
    if length.isdigit() and int(length) <= max_bytes and "content-encoding" not in response.headers:
        return response.content
    return b"".join(_chunks(response, max_bytes))


def _chunks(response: requests.Response | _Straight, max_bytes: int) -> Iterator[bytes]:
    """The body as it arrives, each piece as soon as it is there."""
    read = 0
    try:
        for chunk in _pieces(response):
            read += len(chunk)
            if read > max_bytes:
                raise ProtocolError(f"the response passes {max_bytes} bytes")
            yield chunk
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as exc:
        url = response.url or ""
        raise _transport_error(exc, url) from (exc if is_plain(url) else None)
    finally:
        response.close()


def _pieces(response: requests.Response | _Straight) -> Iterator[bytes]:
    raw = response.raw
    if not isinstance(raw, urllib3.HTTPResponse):
        # A recorder's or a mock's stand-in, which has not all of the methods.
        if isinstance(response, requests.Response):
            yield from response.iter_content(65536)
        else:
            yield from raw.stream(65536, decode_content=True)
        return
    if _is_plainly_chunked(raw):
        yield from _unchunked(raw)
        return
    while chunk := raw.read1(65536, decode_content=True):
        yield chunk


def _is_plainly_chunked(raw: urllib3.HTTPResponse) -> bool:
    original = raw._original_response
    return (
        type(original) is HTTPResponse11
        and bool(original.chunked)
        and original.fp is not None
        and "content-encoding" not in raw.headers
    )


def _unchunked(raw: Any) -> Iterator[bytes]:
    """Pieces of a chunked body, many chunks in one where they are there.

    urllib3 takes three microseconds for each chunk, and providers send an event in each.
    """
    original = raw._original_response
    decoder, reader = ChunkedDecoder(), original.fp
    while not decoder.done:
        block = reader.read1(65536)
        if not block:
            raise urllib3.exceptions.ProtocolError("the body ended inside a chunk")
        if piece := decoder.feed(block):
            yield piece
    # At the end of the message the connection goes back to its pool.
    original.close()
    raw.release_conn()


def _transport_error(exc: Exception, url: str) -> PromptureError:
    host = host_of(url)
    refused = isinstance(exc, urllib3.exceptions.NewConnectionError)  # it is a timeout to urllib3
    timeouts = (requests.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError)
    if isinstance(exc, timeouts) and not refused:
        return ConnectTimeout(f"no connection to {host} in time")
    if isinstance(
        exc, (requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError, TimeoutError)
    ) or "Read timed out" in str(exc):
        return ReadTimeout(f"{host} sent nothing in time")
    if isinstance(
        exc,
        (
            requests.exceptions.InvalidURL,
            requests.exceptions.MissingSchema,
            requests.exceptions.InvalidSchema,
            requests.exceptions.InvalidHeader,
        ),
    ):
        return ConfigurationError(f"cannot send to {shown(url)!r}: {type(exc).__name__}")
    lost = ConnectionLost(f"connection to {host} failed: {_reason(exc)}")
    lost.unsent = "NewConnectionError" in repr(exc) or "NameResolution" in repr(exc)
    return lost


def _reason(exc: BaseException) -> str:
    """The innermost cause, whose words are the plainest."""
    inner = exc.args[0] if exc.args else exc
    inner = getattr(inner, "reason", inner)
    text = str(inner) or type(exc).__name__
    return text.rpartition(">: ")[2].rpartition(": ")[2][:200]
