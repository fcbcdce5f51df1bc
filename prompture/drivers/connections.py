"""Connections: proxies of the environment, the TLS context, words of errors.

``http_proxy``, ``https_proxy``, ``all_proxy`` and ``no_proxy`` count in lower or upper case (lower
wins); else what the system is set to (Windows, macOS). Messages name the variable, never its
value, which may hold a password.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any
from urllib.parse import quote, unquote, urlsplit
from urllib.request import getproxies, getproxies_environment, proxy_bypass

from prompture.errors import (
    ConfigurationError,
    ConnectionLost,
    ConnectTimeout,
    PromptureError,
    ProtocolError,
    ReadTimeout,
    TransportError,
)
from prompture.wire import deadline
from prompture.wire.http import HTTPRequest, TimeLimits, bad_header, unsendable
from prompture.wire.secrets import host_of, is_plain, shown

_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_ALIASES = {"socks": "socks5"}
"""What desktops write into the environment; the proxy is then one of version 5."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """``url`` is whole, with user and password; ``shown`` may be printed: host, port, variable."""

    url: str = field(repr=False)
    shown: str

    @property
    def is_socks(self) -> bool:
        return self.url.startswith("socks")

    def require(self, module: str, package: str) -> None:
        """Raise ConfigurationError where this is a SOCKS proxy and a module is missing."""
        if self.is_socks and find_spec(module) is None:
            raise ConfigurationError(
                f"{self.shown} is a SOCKS proxy, which needs another package: pip install {package}"
            )


def proxy_for(url: str) -> Proxy | None:
    """The proxy on the way to a URL; None where there is none.

    Raises ConfigurationError for a variable that names no proxy.
    """
    parts = urlsplit(url)
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    named = getproxies_environment()
    # As urllib does: the system's settings count where the environment names no proxy at all.
    proxies = named or getproxies()
    key = next((key for key in (scheme, "all") if proxies.get(key)), None)
    if key is None or _is_excepted(host, parts.port or _PORTS.get(scheme), _exceptions()):
        return None
    if not named and proxy_bypass(host):
        return None
    return _parsed(proxies[key].strip(), _variable(key))


def _variable(key: str) -> str:
    names = (f"{key}_proxy", f"{key}_proxy".upper())
    return next((name for name in names if os.environ.get(name)), f"the system's {key} proxy")


def _parsed(value: str, variable: str) -> Proxy:
    scheme, mark, rest = value.partition("://")
    if not mark:
        scheme, rest = "http", value
    scheme = _ALIASES.get(scheme.lower(), scheme.lower())
    if scheme not in _PORTS:
        raise ConfigurationError(
            f"{variable}: a proxy's URL begins with one of {', '.join(_PORTS)} and ://"
        )
    # By hand: a password may hold what ends the authority of a URL (/, ?, #, @).
    who, at, where = rest.rpartition("@")
    where = re.split(r"[/?#]", where, maxsplit=1)[0]
    try:
        parts = urlsplit(f"//{where}")
        host, port = parts.hostname, parts.port or _PORTS[scheme]
    except ValueError:
        host, port = None, 0
    if not host or re.search(r"[\s\x00-\x1f]", where):
        raise ConfigurationError(f"{variable} names no proxy: write it as http://host:port")
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    user, colon, password = who.partition(":")
    login = f"{quote(unquote(user), safe='')}{colon}{quote(unquote(password), safe='')}{at}"
    return Proxy(url=f"{scheme}://{login}{place}", shown=f"the proxy {place} ({variable})")


def _exceptions() -> list[str]:
    value = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    return [each.lower() for each in re.split(r"[\s,;]+", value) if each]


def _is_excepted(host: str, port: int | None, exceptions: list[str]) -> bool:
    address = _address(host)
    return any(_matches(each, host.rstrip("."), address, port) for each in exceptions)


def _matches(
    entry: str, host: str, address: IPv4Address | IPv6Address | None, port: int | None
) -> bool:
    """Whether an entry of ``no_proxy`` is meant for a host: a name with those beneath it, an
    address, a network, each with a port or without; ``*`` is for all."""
    entry = entry.partition("://")[2] or entry
    if entry == "*":
        return True
    if address is not None:
        try:
            return address in ip_network(entry.strip("[]"), strict=False)
        except ValueError:
            pass
    name, only = entry, None
    if found := re.fullmatch(r"(\[[^\]]*\]|[^:]*):(\d+)", entry):
        name, only = found[1], int(found[2])
    if only is not None and only != port:
        return False
    if address is not None:
        return _address(name.strip("[]")) == address
    name = name.removeprefix("*").strip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None


_BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


MOST_INTERIM = 1000
"""Interim responses before one answer; a server that sends more is taken to be broken."""


class ClosedUnread(ConnectionError):
    """An idle connection had ended before the system took the whole of a request for it: it can be
    sent again over another, and costs nothing.

    Nothing less will do. One that was taken whole may have been read whole, whatever comes then: a
    server may read it and reset the connection, or may end its own side alone and read on.
    """


# One for the process: reading certifi's bundle takes 20 ms.
@cache
def tls_context() -> ssl.SSLContext:
    """Verifies against ``SSL_CERT_FILE`` (or requests' and curl's variables), else certifi.

    Raises ConfigurationError where the variable names no readable bundle.
    """
    for name in _BUNDLES:
        if path := os.environ.get(name):
            try:
                if os.path.isdir(path):
                    return ssl.create_default_context(capath=path)
                return ssl.create_default_context(cafile=path)
            except (OSError, ssl.SSLError) as exc:
                raise ConfigurationError(f"{name} names no readable CA bundle: {exc}") from exc
    import certifi

    return ssl.create_default_context(cafile=certifi.where())


_UNREADABLE = frozenset({"InvalidURL", "UnsupportedProtocol", "ValueError", "LocalProtocolError"})
_NO_CONNECTION_YET = frozenset({"ConnectTimeout", "ConnectTimeoutError", "PoolTimeout"})
_NO_BYTES = frozenset({"ReadTimeout", "ReadTimeoutError", "WriteTimeout"})
_UNSENT = frozenset({"ConnectError", "ProxyError", "SSLCertVerificationError", "ClosedUnread"})
"""What fails before a request has left for the provider."""


def failed_before(failure: Exception, request: HTTPRequest) -> PromptureError | None:
    """The error of a request that cannot be written, or of a head that cannot be read; None for
    what failed on the way. Neither quotes the failure's words, which may hold the key."""
    if error := unsendable(request):
        return error
    # Not of the request: the caller's own session or client has added it.
    if any(map(_is_about_header, causes(failure))):
        return _bad_own_header("", request.url)
    # Of HTTP/1.1, which has not sent the whole of it; HTTP/2 has one for its own states.
    is_local = type(failure).__name__ == "LocalProtocolError"
    if is_local and any(type(each).__module__.startswith("h11.") for each in causes(failure)):
        return ConfigurationError(
            f"cannot send to {shown(request.url)!r}: a header of it cannot be sent, or states "
            "another length than its body has"
        )
    if _names([failure]) & _UNREADABLE:
        return ProtocolError(f"the answer's head cannot be read: {type(failure).__name__}")
    return None


def headers_of(session: Any, url: str) -> dict[str, str]:
    """The headers of a caller's own session. Raises ConfigurationError for one that cannot be
    sent: http.client would send a zero byte, in a header or in a cookie."""
    found = {name.lower(): str(value) for name, value in session.headers.items()}
    cookies = "".join(each.value or "" for each in session.cookies)
    # Blanks behind a value do no harm.
    seen = {name: value.strip() for name, value in {**found, "cookie": cookies}.items()}
    if name := bad_header(seen):
        raise _bad_own_header(name, url)
    return found


def _bad_own_header(name: str, url: str) -> ConfigurationError:
    """The error of a header that the caller's session or client adds, and that cannot be sent."""
    which = f"the header {name!r}" if name else "a header"
    return ConfigurationError(
        f"cannot send to {shown(url)!r}: {which} of the session or client that was given holds a"
        " character that cannot be sent (a line break, perhaps)"
    )


def _is_about_header(exc: BaseException) -> bool:
    """Whether requests, http.client or h11 refuse a header, which they quote."""
    if type(exc).__name__ == "InvalidHeader":  # urllib3's is about a header of the answer
        return type(exc).__module__.startswith("requests.")
    local = isinstance(exc, ValueError) or type(exc).__name__ == "LocalProtocolError"
    return local and "header value" in str(exc)


_OF_HTTPX = frozenset(
    {"TransportError", "HTTPError", "StreamError", "OSError", "NetworkError", "ProtocolError",
     "TimeoutException", "ProxyError", "PoolTimeout", "TimeoutError", "UnsupportedProtocol"}
)  # fmt: skip
"""Base classes of what httpx2, httpx, httpcore2 and the loop raise on the way."""


def is_of_httpx(failure: Exception) -> bool:
    """Whether a failure is one of the way: of httpx2, httpx, httpcore2 or the loop."""
    return not _names([failure]).isdisjoint(_OF_HTTPX)


def transport_error(
    failure: Exception, url: str, proxy: Proxy | None, limits: TimeLimits, *, deep: bool
) -> TransportError:
    """Our error for what requests, urllib3, httpx2 or httpx raised.

    Their classes are matched by name: httpx and httpx2 have the same, and neither transport then
    imports the other's library. ``deep`` looks at the causes too, where urllib3 hides its own.
    """
    chain = list(causes(failure)) if deep else [failure]
    names = _names(chain)
    if limits.until is not None and deadline.has_passed(limits.until):
        unsent = limits.unsent or bool(names & (_NO_CONNECTION_YET | _UNSENT))
        doing = "connecting to" if unsent else "waiting for the answer of"
        return deadline.exceeded(limits.until, f"{doing} {_way(url, proxy)}", unsent=unsent)
    # To urllib3 a refused connection is a connection timeout as well.
    refused = "NewConnectionError" in names
    if names & _NO_CONNECTION_YET and not refused:
        within = (
            "the time that was given" if limits.connect is None else f"{limits.connect:.3g} seconds"
        )
        return ConnectTimeout(f"no connection to {_way(url, proxy)} within {within}")
    if names & _NO_BYTES or any(isinstance(each, TimeoutError) for each in chain):
        return _read_timeout(url, limits)
    error = ConnectionLost(f"connection to {_way(url, proxy)} failed: {reason_of(failure)}")
    # Only what surely never left costs nothing; a reset connection may have been read.
    error.unsent = refused or bool(names & _UNSENT)
    return error


def _names(chain: Iterable[BaseException]) -> set[str]:
    return {cls.__name__ for each in chain for cls in type(each).__mro__}


def _read_timeout(url: str, limits: TimeLimits) -> ReadTimeout:
    host, seconds = host_of(url), limits.read
    within = "the time that was given" if seconds is None else f"{seconds:.3g} seconds"
    return ReadTimeout(f"{host} sent nothing for {within} (timeout={seconds or 0:g})")


def cause_of(failure: Exception, url: str) -> BaseException | None:
    """The failure as the ``__cause__`` of an error, without its frames; None where its words may
    hold a secret: the URL has a query or a password, or a value of a header or what the server
    sent is quoted."""
    # A ValueError or TypeError of http.client quotes the header that it refuses.
    bare = stripped(failure)
    quotes = isinstance(failure, (ValueError, TypeError)) or any(map(_quotes, causes(failure)))
    return bare if is_plain(url) and not quotes else None


def _quotes(exc: BaseException) -> bool:
    """Whether the words of http.client or h11 are the server's (it may have sent back the key), or
    a header's."""
    is_answer = type(exc).__name__ == "BadStatusLine" or "bytearray(" in str(exc)
    return is_answer or _is_about_header(exc)


def _way(url: str, proxy: Proxy | None) -> str:
    return f"{host_of(url)} through {proxy.shown}" if proxy else host_of(url)


def reason_of(exc: BaseException) -> str:
    """The words of the cause beneath all others."""
    chain = list(causes(exc))
    for each in chain:
        if isinstance(each, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {each.verify_message}"
        if isinstance(each, socket.gaierror):
            return f"its name is not known: {each.strerror}"
        if isinstance(each, ssl.SSLError) and (reason := getattr(each, "reason", None)):
            return f"no TLS with it: {str(reason).replace('_', ' ').lower()}"
    for each in reversed(chain):
        is_tls = isinstance(each, ssl.SSLError)  # its numbers are its own
        if (
            isinstance(each, OSError)
            and not is_tls
            and isinstance(each.errno, int)
            and each.errno > 0
        ):
            return os.strerror(each.errno)
    if any(map(_quotes, chain)):
        return "what it sent is no answer in HTTP"
    words = [text for each in chain if (text := str(each).strip())]
    return words[-1][:200] if words else type(exc).__name__


def causes(exc: BaseException) -> Iterator[BaseException]:
    """An exception and all that it stands for: causes, contexts, reasons, arguments."""
    # A list, compared by identity: causes may form a circle, and foreign errors any ``__eq__``.
    seen: list[BaseException] = []
    left: list[object] = [exc]
    while left and len(seen) < 50:
        each = left.pop(0)
        if not isinstance(each, BaseException) or any(each is other for other in seen):
            continue
        seen.append(each)
        left += [*each.args, getattr(each, "reason", None), each.__cause__, each.__context__]
    yield from seen


def stripped(exc: BaseException) -> BaseException:
    """The exception, and those beneath it, without their frames.

    The frames of requests, urllib3 and httpcore2 hold the key (traceback viewers show locals),
    and their connections, which would stay open as long as somebody keeps the error.
    """
    for each in causes(exc):
        each.__traceback__ = None
        for name in ("request", "_request", "response", "pool", "conn"):
            if name in getattr(each, "__dict__", {}):
                setattr(each, name, None)
    return exc
