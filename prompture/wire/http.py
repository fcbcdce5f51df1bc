"""HTTP as plain values: what a codec writes and reads. No I/O here."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlsplit

from prompture.errors import ConfigurationError, ProtocolError
from prompture.types import JSON, LARGE_CHARS
from prompture.wire import deadline
from prompture.wire.framing import FIELD_NAME
from prompture.wire.loading import UnreadableJSON, load_json
from prompture.wire.secrets import excerpt, host_of, scrub, shown
from prompture.wire.steps import Wait

T = TypeVar("T")
MAX_RESPONSE_BYTES = 64 * 1024 * 1024
"""A response larger than this is refused; a transport may be given another limit."""
PAGE_BYTES = 16_384
"""Bytes of a body that is no JSON that are looked at for what it is."""
_TURNS = ("messages", "input", "contents", "prompt")
"""Where a body has its turns, in one dialect or another; long texts elsewhere are seldom."""
CONNECT_SECONDS = 10.0
"""The longest wait for a connection; ``timeout`` shortens it."""
USER_AGENT = "prompture"


@dataclass(frozen=True, slots=True)
class HTTPRequest:
    """A request to send. Header names are lower case.

    ``stream`` asks the transport to leave a good response's body unread. ``timeout`` is
    seconds to connect and between bytes; None leaves it to the transport. Its repr holds
    neither the key nor the document.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""
    stream: bool = False
    timeout: float | None = None

    def __repr__(self) -> str:
        return f"HTTPRequest({self.method} {shown(self.url)}, {len(self.body)} bytes)"


class TimeLimits:
    """The limits of one request, in seconds: to connect and between bytes; ``until`` is the moment
    (``time.monotonic``) at which the whole call must be over, None for no limit; ``unsent``: so far
    nothing has left for the provider, where the transport knows that."""

    __slots__ = ("connect", "read", "unsent", "until")

    def __init__(self, timeout: float | None) -> None:
        self.until = until = deadline.until()
        self.unsent = False
        self.read = timeout if until is None else deadline.sooner(timeout, until)
        self.connect = min(self.read, CONNECT_SECONDS) if self.read else CONNECT_SECONDS

    def check(self, url: str) -> None:
        """Raise DeadlineExceeded where the time is over before anything is sent."""
        if self.until is not None and time.monotonic() >= self.until:
            raise deadline.exceeded(self.until, f"before {host_of(url)} was asked", unsent=True)


@dataclass(frozen=True, slots=True)
class HTTPResponse:
    """A response. Header names are lower case.

    ``chunks`` (sync) or ``achunks`` (async) is the unread body where the request asked for a
    stream and the status is good; ``body`` is then empty.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    chunks: Iterator[bytes] | None = field(default=None, compare=False)
    achunks: AsyncIterator[bytes] | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        return f"HTTPResponse({self.status}, {len(self.body)} bytes)"

    def json(self, keys: Iterable[str] | None = None) -> Any:
        """The body parsed. Raises ProtocolError where it is not JSON, naming what it is.

        The start of a page is quoted where the ``keys`` are known that must not be in it.
        """
        try:
            return load_json(self.body)
        except UnreadableJSON as exc:
            if (text := self._stated()) is not None:
                with suppress(UnreadableJSON):
                    return load_json(text)
            raise ProtocolError(f"expected JSON, got {self.kind(keys)} ({exc})") from None

    def _stated(self) -> str | None:
        """The body in the character set that its headers state, where that is not UTF-8."""
        stated = _CHARSET(self.headers.get("content-type", ""))
        if stated is None or stated[1].lower().replace("_", "-") in ("utf-8", "utf8"):
            return None
        try:
            return self.body.decode(stated[1])
        except (LookupError, UnicodeDecodeError):
            return None

    def kind(self, keys: Iterable[str] | None = None) -> str:
        """A description of the body for an error: its type and length, and how a page begins."""
        stated = self.headers.get("content-type", "no content type").partition(";")[0]
        known = tuple(keys or ())
        # Where the keys are not known, any other word of the server's may be one of them.
        quotable = _MEDIA_TYPE(stated) if known else stated in _USUAL
        name = scrub(stated, known) if quotable else "an odd content type"
        kind = f"{name}, {len(self.body):,} bytes"
        start = self.body[:PAGE_BYTES].decode(errors="replace").strip()
        # How a page begins shows what went wrong; how an answer begins is the document's.
        if keys is None or start[:1] in ("", "{", "[", '"'):
            return kind
        return f"{kind}, starting {excerpt(start, known, 200)!r}"


_CHARSET = re.compile(r"charset=\"?([\w.:-]{1,40})", re.ASCII | re.IGNORECASE).search
_USUAL = ("no content type", "application/json", "text/html", "text/plain", "text/event-stream")
_MEDIA_TYPE = re.compile(r"[a-z]+/[\w.+-]{1,60}|no content type").fullmatch


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait before the next step."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Work:
    """Do this before the next step. It may wait for a disk or for another process, so an event
    loop does it in a thread; what it raises ends the exchange."""

    do: Callable[[], object]


Exchange: TypeAlias = Generator[HTTPRequest | Sleep | Work | Wait, HTTPResponse | None, T]
"""A conversation with a provider: yields requests to send, pauses to keep, work to do and turns to
wait for, is sent each response (or thrown a TransportError), and returns what it was for."""


_STATUS = re.compile(rb"HTTP/1\.1 ([2-9]\d\d)(?: ([^\x00\n-\r]*))?\r\n")
_BODILESS, _MOST_FIELDS, _LONGEST_LENGTH = (b"204", b"304"), 99, 18
# Blanks behind a value are no part of it: a library takes them off.
_FIELD = re.compile(rf"^({FIELD_NAME}):[ \t]*([^\x00\n-\r]*(?<![ \t]))?\r\n", re.MULTILINE)


@dataclass(slots=True)
class ResponseHead:
    """The head of a response. ``names`` has the first value of each field, its name in lower case;
    ``length`` is that of the body where it is stated and holds, ``size`` the head's own, in bytes."""

    status: int
    reason: str
    fields: list[tuple[str, str]]
    names: dict[str, str]
    chunked: bool
    length: int | None
    closing: bool
    size: int


def usual_head(there: bytes) -> ResponseHead | None:
    """A head that is there as a whole and is like nearly all; None for others, which a library
    reads: the common ones take a fifth of a call in it."""
    first, end = _STATUS.match(there), there.find(b"\r\n\r\n") + 2
    if first is None or end < first.end() or first[1] in _BODILESS:
        return None
    lines = there[first.end() : end].decode("latin-1")
    fields = _FIELD.findall(lines)
    names = {name.lower(): value for name, value in reversed(fields)}
    length = names.get("content-length", "0")
    odd = not length.isdecimal() or len(length) > _LONGEST_LENGTH
    if len(fields) != lines.count("\n") or len(fields) > _MOST_FIELDS or odd:
        return None
    chunked = names.get("transfer-encoding", "").lower() == "chunked"
    whole = "content-length" in names and not chunked
    closing = "close" in names.get("connection", "").lower() or not (whole or chunked)
    if len(names) != len(fields):  # any of several may have the word
        closing |= any("close" in v.lower() for name, v in fields if name.lower() == "connection")
    reason = (first[2] or b"").decode("latin-1").strip()
    stated = int(length) if whole else None
    return ResponseHead(int(first[1]), reason, fields, names, chunked, stated, closing, end + 2)


def may_hold_error(response: HTTPResponse) -> bool:
    """Whether a whole good response may hold an error in the place of an answer."""
    body = response.body
    # Most answers have neither word: finding that out is faster than the pattern.
    if b'"error"' not in body and b'"code"' not in body:
        return False
    # A long answer is not decoded twice to find out.
    is_short = response.chunks is None and len(body) <= LARGE_CHARS
    return is_short and _MAY_FAIL.search(body) is not None


_MAY_FAIL = re.compile(rb'"(?:error|code)"\s*:\s*["\[{0-9]')
"""What every error in a body of HTTP 200 has, and hardly any answer."""


def post_json(url: str, headers: Mapping[str, str], body: JSON) -> HTTPRequest:
    """A POST with a JSON body. Raises ValueError for NaN, infinities and what is no JSON."""
    return HTTPRequest("POST", url, {"content-type": "application/json", **headers}, dump(body))


def dump(body: object) -> bytes:
    """Compact UTF-8 JSON; what UTF-8 cannot encode (lone surrogates) becomes ``?``.

    Large texts are encoded piece by piece: another thread may run in between.
    """
    turns = [body[name] for name in _TURNS if name in body] if isinstance(body, dict) else []
    # Encoding holds the interpreter's lock: a large document would stop every other thread.
    if not _is_large(turns):
        return _json(body).encode("utf-8", errors="replace")
    for salt in count():
        large: list[str] = []
        mark = f"large-text-{salt}-"
        text = _json(_marked(body, mark, large))
        # A body that holds the mark itself gets another one.
        if text.count(f'"{mark}') == len(large):
            return b"".join(_unmarked(text, mark, large))
    raise AssertionError("unreachable")


_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def _is_large(value: Any) -> bool:
    """Whether a long text lies in a list of turns, in a part of one, or in a part's source."""
    for each in value.values() if isinstance(value, dict) else value:
        # By their types: every call comes here, with all of its turns.
        kind = type(each)
        if kind is str:
            if len(each) > LARGE_CHARS:
                return True
        elif (kind is dict or kind is list) and _is_large(each):
            return True
    return False


def _marked(value: Any, mark: str, large: list[str]) -> Any:
    """The same with a mark for each long text, which goes into ``large``."""
    if isinstance(value, str) and len(value) > LARGE_CHARS:
        large.append(value)
        return f"{mark}{len(large) - 1}"
    if isinstance(value, Mapping):
        return {key: _marked(each, mark, large) for key, each in value.items()}
    if isinstance(value, list):
        return [_marked(each, mark, large) for each in value]
    return value


def _unmarked(text: str, mark: str, large: list[str]) -> Iterator[bytes]:
    before, *rest = text.split(f'"{mark}')
    yield before.encode("utf-8", errors="replace")
    for each in rest:
        number, _, after = each.partition('"')
        found = large[int(number)]
        yield b'"'
        for at in range(0, len(found), LARGE_CHARS):
            piece = json.dumps(found[at : at + LARGE_CHARS], ensure_ascii=False)
            yield piece[1:-1].encode("utf-8", errors="replace")
        yield b'"'
        yield after.encode("utf-8", errors="replace")


def bad_header(headers: Mapping[str, str]) -> str | None:
    """The name of the first header whose value cannot be sent: line breaks, control characters,
    blanks around it, letters outside Latin-1."""
    return next((name for name, value in headers.items() if not _is_sendable(value)), None)


def bad_url(url: str) -> str | None:
    """What is wrong with a URL, without quoting it; None where it can be sent to."""
    if re.search(r"[\s\x00-\x1f\x7f]", url):
        return "it holds a blank or a control character"
    if "://" not in url:
        return "it needs http:// or https:// in front"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "its host or port is none (a port is a number from 1 to 65535)"
    if parts.scheme not in ("http", "https"):
        return "it must begin with http:// or https://"
    if not host or len(host) > 253 or any(not 0 < len(p) < 64 for p in host.rstrip(".").split(".")):
        return "it names no host"
    if port == 0:
        return "its host or port is none (a port is a number from 1 to 65535)"
    if re.search(r"[{}<>\\^`|\"]", host):
        return "its host holds a character that no host has"
    return None


def unsendable(request: HTTPRequest) -> ConfigurationError | None:
    """The error of a request that no transport can write, whose message quotes no header; None
    where nothing is wrong with it."""
    if name := bad_header(request.headers):
        why = f"the header {name!r} holds a character that cannot be sent (a line break, perhaps)"
    elif not (why := bad_url(request.url) or ""):
        return None
    return ConfigurationError(f"cannot send to {shown(request.url)!r}: {why}")


def stated_length(value: str | None) -> int | None:
    """The number in a content-length header; None where there is none that can be read."""
    if value is None or not value.isascii() or not value.isdigit() or len(value) > 18:
        return None
    return int(value)


class Headers(dict[str, str]):
    """Headers whose repr holds their names only: they are locals of frames that viewers of
    tracebacks show."""

    def __repr__(self) -> str:
        return f"Headers({', '.join(self)})"


def _is_sendable(value: object) -> bool:
    return isinstance(value, str) and value == value.strip() and not _UNSENDABLE(value)


_UNSENDABLE = re.compile(r"[^\t\x20-\x7e\x80-\xff]").search


# Base URLs and headers as callers spell them, checked before anything is sent. Messages name what
# was given and where; of a URL they show no user, password or query.

# Another word on where a request ends would be another request to some servers.
_SET = frozenset({"content-length", "transfer-encoding"})
_BAD_IN_URL = re.compile(r"[\x00-\x20\x7f#{}<>\"\\^`|]")


def filled(url: str, settings: Mapping[str, str], label: str) -> str:
    """The URL with the settings that it names; other braces stay as they are."""
    for name, value in settings.items():
        if f"{{{name}}}" not in url:
            continue
        if "://" not in value and set(value) & set("/?#@ \\"):
            raise ConfigurationError(
                f"{label}: {name} is part of the host or path, and {value!r} cannot be"
            )
        url = url.replace(f"{{{name}}}", value)
    return url


def check_url(url: str, label: str) -> None:
    """Raise ConfigurationError where this is no http(s) URL with a host."""
    if not url.lower().startswith(("http://", "https://")):
        bare = shown(url if "://" in url else f"https://{url}").removeprefix("https://")
        near = "" if "://" in url else f"; did you mean 'https://{bare}'?"
        raise ConfigurationError(f"{label} needs http:// or https:// before {bare!r}{near}")
    if not is_url(url):
        raise ConfigurationError(f"{label} must be http(s)://host..., not {shown(url)!r}")


@lru_cache(64)
def is_url(url: str) -> bool:
    """Whether this is an http(s) URL with a host, and nothing in it that a URL cannot hold."""
    return bad_url(url) is None and not _BAD_IN_URL.search(url)


def printable(value: str, label: str) -> str:
    """A setting that goes into a URL or a header. It may be a secret, and is not quoted."""
    if not (bare := value.strip()).isprintable():
        raise ConfigurationError(f"{label} holds a character that cannot be sent")
    return bare


def checked_headers(given: object, label: str) -> Mapping[str, str]:
    """Headers of the caller's own; None gives none. Their values are not quoted."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"{label} must be a dict of texts, not {type(given).__name__}")
    for name, value in given.items():
        if not isinstance(name, str) or not re.fullmatch(FIELD_NAME, name):
            raise ConfigurationError(f"{label}: no header is called {name!r}")
        if name.lower() in _SET:
            raise ConfigurationError(f"{label}: {name!r} is set for each request by itself")
        if not isinstance(value, str):
            kind = type(value).__name__
            raise ConfigurationError(f"{label}: {name!r} must be a text, not {kind}")
    if name := bad_header(given):
        raise ConfigurationError(f"{label}: {name!r} holds a character that cannot be sent")
    return given
