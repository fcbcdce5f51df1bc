"""HTTP as plain values: what a codec writes and reads. No I/O here."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from prompture.errors import ProtocolError

T = TypeVar("T")
MAX_RESPONSE_BYTES = 64 * 1024 * 1024
"""A response larger than this is refused; a transport may be given another limit."""
CONNECT_SECONDS = 10.0
"""The longest wait for a connection; ``timeout`` shortens it."""
USER_AGENT = "prompture"


@dataclass(frozen=True, slots=True)
class HTTPRequest:
    """A request to send. Header names are lower case.

    ``stream`` asks the transport to leave a good response's body unread. ``timeout`` is
    seconds to connect and between bytes; None leaves it to the transport.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""
    stream: bool = False
    timeout: float | None = None


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

    def json(self) -> Any:
        """The body parsed. Raises ProtocolError where it is not JSON, naming what it is."""
        try:
            return json.loads(self.body)
        except ValueError as exc:
            kind = self.headers.get("content-type", "no content type")
            start = self.body[:200].decode(errors="replace").strip()
            raise ProtocolError(
                f"expected JSON, got {kind}, {len(self.body)} bytes, starting {start!r}"
            ) from exc


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait before the next step."""

    seconds: float


Exchange: TypeAlias = Generator[HTTPRequest | Sleep, HTTPResponse | None, T]
"""A conversation with a provider: yields requests to send and pauses to keep, is sent
each response (or thrown a TransportError), and returns what it was for."""


def post_json(url: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> HTTPRequest:
    """A POST with a JSON body. Raises ValueError for NaN, infinities and what JSON cannot say."""
    return HTTPRequest("POST", url, {"content-type": "application/json", **headers}, dump(body))


def dump(body: Any) -> bytes:
    """Compact UTF-8 JSON; lone surrogates become U+FFFD, as no provider accepts them."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", errors="replace")
