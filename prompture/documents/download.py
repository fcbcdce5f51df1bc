"""Files by their URL: only when asked, only from the public network, no more than a limit."""

from __future__ import annotations

import base64
import ipaddress
import os
import re
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

from prompture.document_errors import DocumentTooLarge, DocumentUnavailable
from prompture.documents.encodings import stated_name
from prompture.errors import ConfigurationError

MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_PIECE = 65_536
_BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What a URL gave: the bytes, the name in its path, and the type that the server stated."""

    data: bytes = field(repr=False)
    name: str
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadLimits:
    """Of a download: bytes, seconds for all of it, and whether it may come from this network."""

    max_bytes: int
    timeout: float
    allow_private: bool = False


def download(url: str, limits: DownloadLimits) -> Downloaded:
    """Fetch a file over http or https.

    Raises DocumentUnavailable, DocumentTooLarge, and ConfigurationError for a URL that is none. No
    message holds a user, a password or a query.
    """
    end = time.monotonic() + limits.timeout
    origin = _origin(url)
    login = _login_of(url)
    for _ in range(MOST_REDIRECTS + 1):
        # A login goes to the server that it was given for, and to no other.
        found = _fetched(url, limits, end, login if _origin(url) == origin else "")
        if isinstance(found, Downloaded):
            return found
        try:
            _origin(found)
        except ConfigurationError:
            raise DocumentUnavailable(
                "the server leads to what is no http or https URL", name=_shown(url)
            ) from None
        url = found
    raise DocumentUnavailable(f"more than {MOST_REDIRECTS} redirects", name=_shown(url))


def _origin(url: str) -> tuple[str, str, int]:
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        raise ConfigurationError("url is no URL") from None
    if (
        parts.scheme not in ("http", "https")
        or not host
        or re.search(r"[\s\x00-\x20]", url.strip())
    ):
        raise ConfigurationError("url must be http://... or https://...")
    return parts.scheme, host, port or (443 if parts.scheme == "https" else 80)


def _login_of(url: str) -> str:
    parts = urlsplit(url)
    if parts.username is None and parts.password is None:
        return ""
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _shown(url: str) -> str:
    """A URL without what may be secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _fetched(url: str, limits: DownloadLimits, end: float, login: str) -> Downloaded | str:
    """The file, or where the server says that it is."""
    scheme, host, port = _origin(url)
    name = _shown(url)
    headers = {"Accept": "*/*", "Accept-Encoding": "gzip", "User-Agent": "prompture"}
    if login:
        headers["Authorization"] = login
    try:
        connection = _connection(scheme, host, port, limits, end, name)
        with closing(connection), _ended_in_time(connection, end):
            target = urlunsplit(("", "", *urlsplit(url)[2:4], "")) or "/"
            target = target if target.startswith("/") else f"/{target}"
            if isinstance(connection, _ToProxy):
                target = f"http://{_authority(host, port)}{target}"
                headers |= connection.login
            connection.request("GET", target, headers=headers)
            with closing(connection.getresponse()) as response:
                if response.status in _REDIRECTS and (where := response.headers.get("Location")):
                    return urljoin(url, where)
                if response.status != 200:
                    reason = f"the server answered {response.status} {response.reason}"
                    raise DocumentUnavailable(reason[:200], name=name)
                data = _body(response, limits, end, name)
    except TimeoutError:
        raise DocumentUnavailable(f"no answer in {limits.timeout:g} s", name=name) from None
    except (OSError, HTTPException, UnicodeError, ValueError, zlib.error) as exc:
        if time.monotonic() >= end:
            raise DocumentUnavailable(f"no answer in {limits.timeout:g} s", name=name) from None
        raise DocumentUnavailable(f"{type(exc).__name__}: {_why(exc)}", name=name) from None
    return Downloaded(data, _name(response.headers, url), response.headers.get_content_type())


def _why(exc: BaseException) -> str:
    return (getattr(exc, "strerror", "") or getattr(exc, "verify_message", "") or "it failed")[:200]


def _connection(
    scheme: str, host: str, port: int, limits: DownloadLimits, end: float, name: str
) -> HTTPConnection:
    """A connection that is made: to an address that was looked at, or through the user's proxy."""
    proxy = "" if proxy_bypass(host) else getproxies().get(scheme, "")
    if proxy:
        _refuse_private_name(host, limits, name)
        at = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        if at.scheme not in ("http", "https") or not at.hostname:
            raise DocumentUnavailable(
                f"the {scheme}_proxy is of a kind that is not known", name=name
            )
        return _through_proxy(scheme, host, port, at.hostname, at.port or 8080, _left(end), proxy)
    addresses = _addresses(host, port, limits, name)
    failure: OSError = OSError("no address")
    for address in addresses:
        try:
            raw = socket.create_connection((address, port), timeout=_left(end))
        except OSError as exc:
            failure = exc
            continue
        made = HTTPConnection(host, port)
        # The Host header has no port that is usual: it is in the signature of signed URLs.
        made.default_port = 443 if scheme == "https" else 80
        # The name goes into the Host header and the certificate's check; what is connected to is
        # the address that was looked at: a second look-up may give another one.
        made.sock = _ready(raw, scheme, host, end)
        return made
    raise failure


def _ready(raw: socket.socket, scheme: str, host: str, end: float) -> socket.socket:
    """A socket to ask on, closed where it does not come to that."""
    try:
        raw.settimeout(_left(end))  # to connect took some of the time
        return _tls().wrap_socket(raw, server_hostname=host) if scheme == "https" else raw
    except BaseException:
        raw.close()
        raise


def _tls() -> ssl.SSLContext:
    for variable in _BUNDLES:
        if path := os.environ.get(variable):
            if os.path.isdir(path):
                return ssl.create_default_context(capath=path)
            return ssl.create_default_context(cafile=path)
    import certifi

    return ssl.create_default_context(cafile=certifi.where())


def _through_proxy(
    scheme: str, host: str, port: int, proxy: str, proxy_port: int, seconds: float, url: str
) -> HTTPConnection:
    login = _login_of(url if "://" in url else f"http://{url}")
    extra = {"Proxy-Authorization": login} if login else {}
    if scheme == "http":  # many proxies tunnel to the port of https alone
        plain = _ToProxy(proxy, proxy_port, timeout=seconds)
        plain.login = extra
        return plain
    made = HTTPSConnection(proxy, proxy_port, timeout=seconds, context=_tls())
    made.set_tunnel(host, port, headers=extra)
    return made


class _ToProxy(HTTPConnection):
    """Asks a proxy for a whole URL."""

    login: dict[str, str]


def _authority(host: str, port: int) -> str:
    name = f"[{host}]" if ":" in host else host
    return name if port == 80 else f"{name}:{port}"


def _left(end: float) -> float:
    seconds = end - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def _addresses(host: str, port: int, limits: DownloadLimits, name: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise DocumentUnavailable("there is no such host", name=name) from None
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    if not limits.allow_private and any(map(is_private, addresses)):
        raise DocumentUnavailable(
            "it is an address of this network (allow_private=True allows them)", name=name
        )
    return addresses


def _refuse_private_name(host: str, limits: DownloadLimits, name: str) -> None:
    with suppress(ValueError):
        if not limits.allow_private and is_private(host):
            raise DocumentUnavailable(
                "it is an address of this network (allow_private=True allows them)", name=name
            )
    if not limits.allow_private and (
        host == "localhost" or host.endswith((".localhost", ".internal", ".local"))
    ):
        raise DocumentUnavailable(
            "it is a name of this network (allow_private=True allows them)", name=name
        )


def is_private(address: str) -> bool:
    """Whether an address is anything but a public one; addresses within addresses count, too."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        if inner is None and found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None and is_private(str(inner)):
            return True
    return not found.is_global or found.is_multicast


_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@contextmanager
def _ended_in_time(connection: HTTPConnection, end: float) -> Iterator[None]:
    """Shut the connection when the time is over: a server may send a byte now and then."""

    def shut() -> None:
        if connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(_left(end), shut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _body(response: HTTPResponse, limits: DownloadLimits, end: float, name: str) -> bytes:
    stated = response.headers.get("Content-Length", "")
    if stated.isdecimal() and int(stated) > limits.max_bytes:
        raise DocumentTooLarge(f"more than max_bytes={limits.max_bytes}", name=name)
    coding = (response.headers.get("Content-Encoding") or "identity").strip().lower()
    if coding not in ("identity", "gzip", "x-gzip", "deflate"):
        raise DocumentUnavailable("the server packed it in a way that is not known", name=name)
    unpack = None if coding == "identity" else _Unpacking()
    made = bytearray()
    while piece := response.read1(_PIECE):
        _left(end)
        left = limits.max_bytes + 1 - len(made)
        made += piece[:left] if unpack is None else unpack.bytes_of(piece, left)
        if len(made) > limits.max_bytes:
            raise DocumentTooLarge(f"more than max_bytes={limits.max_bytes}", name=name)
    if time.monotonic() >= end:
        raise TimeoutError
    if (response.length or 0) > 0 or (unpack is not None and made and not unpack.is_whole):
        raise DocumentUnavailable("the answer was cut off", name=name)
    return bytes(made)


class _Unpacking:
    """Bytes that are packed by gzip, in one piece or in several behind each other."""

    def __init__(self) -> None:
        self._piece = zlib.decompressobj(47)

    @property
    def is_whole(self) -> bool:
        return self._piece.eof

    def bytes_of(self, packed: bytes, most: int) -> bytes:
        """What some more of them hold, at most so many."""
        made = bytearray()
        while packed and len(made) < most:
            if self._piece.eof:
                if not packed.strip(b"\0"):
                    break  # what some servers fill up with
                self._piece = zlib.decompressobj(47)
            made += self._piece.decompress(packed, most - len(made))
            packed = self._piece.unused_data
        return bytes(made)


def _name(headers: Message, url: str) -> str:
    """The name that the server gives the file, else the last part of the path."""
    stated = stated_name(headers) or unquote(urlsplit(url).path)
    return re.split(r"[/\\]", stated.rstrip("/"))[-1][:200] or urlsplit(url).hostname or ""
