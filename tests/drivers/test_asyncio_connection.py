"""LoopConnection against httpcore2's own connection: the same bytes, the same answer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import httpcore2
import pytest

from prompture.drivers.asyncio_connection import NAMES, LoopConnection
from prompture.drivers.asyncio_network import LoopBackend
from prompture.drivers.asyncio_pool import lower_headers
from prompture.drivers.connections import MOST_INTERIM
from tests import server as on
from tests.drivers.colours import Async
from tests.server import serving

ORIGIN = httpcore2.Origin(b"http", b"host.test", 80)
BODY = b'{"a": 1}'
USUAL = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 8\r\n\r\n" + BODY
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'3;x=y\r\n{"a\r\n5\r\n": 1}\r\n0\r\nTrailer: t\r\n\r\n'
)
RESPONSES = [
    USUAL,
    CHUNKED,
    CHUNKED.replace(b"3;x=y", b"0003"),
    USUAL.replace(b"200 OK", b"429 Too Many Requests").replace(b"\r\n\r\n", b"\r\nX: \r\n\r\n", 1),
    USUAL.replace(b"200 OK", b"200"),
    USUAL.replace(b"application/json", b"application/json \t"),
    USUAL.replace(b"content-length", b"set-cookie: a\r\nSet-Cookie: b\r\nContent-Length"),
    USUAL.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1),
    b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + USUAL,
    b"HTTP/1.1 100 Continue\r\n\r\n" + CHUNKED,
    USUAL.replace(b"HTTP/1.1", b"HTTP/1.0"),
    USUAL.replace(b"\r\n", b"\n"),
    USUAL.replace(b"content-length: 8\r\n", b""),  # until the end
    b"HTTP/1.1 204 No Content\r\nx: y\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\ncontent-length: 8\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    USUAL.replace(b"content-length: 8", b"content-length: 8\r\ncontent-length: 8"),
    USUAL.replace(b"content-length: 8", b"content-length: 8\r\ncontent-length: 9"),
    USUAL.replace(b"content-length: 8", b"content-length: 8, 8"),
    USUAL.replace(b"content-length: 8", b"content-length: -8"),
    USUAL.replace(b"content-length: 8", b"content-length: +8"),
    CHUNKED.replace(b"\r\n\r\n", b"\r\ncontent-length: 3\r\n\r\n", 1),
    CHUNKED.replace(b"chunked", b"gzip, chunked"),
    CHUNKED.replace(b"5\r\n", b"nonsense\r\n", 1),
    CHUNKED.replace(b'{"a\r\n', b'{"a', 1),
    USUAL.replace(b"content-type", b"content type"),
    USUAL.replace(b"content-type: application/json", b"x: a\r\n b"),  # folded
    USUAL.replace(b"application/json", b"caf\xe9 \x01"),
    USUAL[:-3],
    CHUNKED[:-9],
    USUAL[:30],
    b"",
    b"SSH-2.0-OpenSSH\r\n",
    b"HTTP/1.1 2000 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 150 + b"content-length: 8\r\n\r\n" + BODY,
    b"HTTP/1.1 200 OK\r\nx: " + b"y" * 20_000 + b"\r\ncontent-length: 8\r\n\r\n" + BODY,
    b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000 + b"\r\ncontent-length: 8\r\n\r\n" + BODY,
]
RESPONSES += [
    *(USUAL.replace(b"OK", b"O" + each + b"K") for each in (b"\0", b"\x0b", b"\x0c", b"\x85")),
    *(USUAL.replace(b"application", b"a" + each) for each in (b"\0", b"\x0b", b"\x0c", b"\x7f")),
    *(
        USUAL.replace(b"content-type", b"content" + each)
        for each in (b"@", b"(c)", b'"', b"/", b"")
    ),
    USUAL.replace(b"application/json", b"a b \t"),
    USUAL.replace(b"application/json", b" "),
    USUAL.replace(b"content-length: 8", b"content-length: 8 "),
    CHUNKED.replace(b"chunked", b"chunked\t"),
    *(
        USUAL.replace(b"\r\n\r\n", b"\r\nConnection: " + each + b"\r\n\r\n", 1)
        for each in (
            b"Close",
            b"keep-alive, Upgrade",
            b"keep-alive,close",
            b"keep-alive\r\nconnection: close",
            b"TE\r\nconnection: keep-alive",
        )
    ),
    # Behind a chunk's data comes a line end, or the size was wrong.
    CHUNKED.replace(b"3;x=y", b"2;x=y"),
    CHUNKED.replace(b"3;x=y", b"4;x=y"),
    CHUNKED.replace(b'": 1}', b'": 1}\r\n\r\n'),
    CHUNKED.replace(b"chunked\r\n\r\n", b"chunked\r\n\r\n\r\n"),
    b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{a\r\n"b": "c"}}}\r\n0\r\n\r\n',
    CHUNKED.replace(b"Trailer: t", b"no trailer"),
    CHUNKED.replace(b"Trailer: t", b" folded"),
    CHUNKED.replace(b"Trailer: t", b"Trailer: t\r\n folded"),
    CHUNKED[:-2] + USUAL,
]
LEFTOVERS = [USUAL + b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx", CHUNKED + b"x"]
RESPONSES += LEFTOVERS


class Pieces(httpcore2.AsyncNetworkStream):
    """What a server sends, cut into pieces; then the end."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = [piece for piece in pieces if piece]
        self.written = b""
        self.is_open = True

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if not self.pieces:
            return b""
        piece = self.pieces.pop(0)
        if len(piece) > max_bytes:
            self.pieces.insert(0, piece[max_bytes:])
        return piece[:max_bytes]

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.written += buffer

    async def aclose(self) -> None:
        self.is_open = False

    def get_extra_info(self, info: str) -> Any:
        return bool(self.pieces) if info == "is_readable" else None


class Backend(LoopBackend):
    def __init__(self, stream: Pieces) -> None:
        self.stream = stream

    async def connect_tcp(self, *_: Any, **__: Any) -> httpcore2.AsyncNetworkStream:
        return self.stream


def quick(stream: Pieces) -> LoopConnection:
    return LoopConnection(
        ORIGIN, ssl_context=None, network_backend=Backend(stream), keepalive_expiry=30.0
    )


def library(stream: Pieces) -> httpcore2.AsyncHTTP11Connection:
    return httpcore2.AsyncHTTP11Connection(ORIGIN, stream, keepalive_expiry=30.0)


def request(method: str = "POST", **headers: str) -> httpcore2.Request:
    fields = {"host": "host.test", "content-length": "5", **headers}
    pairs = [(k.encode(), v.encode("latin-1")) for k, v in fields.items()]
    url = httpcore2.URL("http://host.test/v1/x?y=z")
    return httpcore2.Request(method, url, headers=pairs, content=b"hello")


async def ask(connection: Any, asked: httpcore2.Request) -> Any:
    """Status, headers and body, or the error's class; and whether the connection is used again."""
    try:
        response = await connection.handle_async_request(asked)
        headers = response.extensions.get(NAMES) or lower_headers(response.headers)
        try:
            body = await response.aread()
        finally:
            await response.aclose()
    except Exception as exc:  # whichever it is: both must have the same
        return type(exc).__name__
    return response.status, headers, body


def outcome(make: Any, pieces: list[bytes], asked: httpcore2.Request) -> tuple[Any, bool, bytes]:
    async def run() -> tuple[Any, bool, bytes]:
        stream = Pieces(pieces)
        connection = make(stream)
        found = await ask(connection, asked)
        usable = connection.is_available() and not connection.has_expired()
        return found, usable and stream.is_open, stream.written

    return asyncio.run(run())


def cuts(data: bytes) -> list[list[bytes]]:
    if len(data) > 1000:
        return [[data], [data[:700], data[700:]]]
    every = [[data[:at], data[at:]] for at in range(len(data) + 1)]
    return [*every, [data[at : at + 1] for at in range(len(data))]]


@pytest.mark.parametrize("data", RESPONSES)
def test_an_answer_is_that_of_the_library_wherever_it_is_cut(data: bytes) -> None:
    wanted, usable, _ = outcome(library, [data], request())
    for pieces in cuts(data):
        found, again, written = outcome(quick, pieces, request())
        assert found == wanted, pieces
        # Bytes behind an answer are nobody's: httpcore2 would take them for the next one.
        assert again == (usable and data not in LEFTOVERS), pieces
        assert written.startswith(b"POST /v1/x?y=z HTTP/1.1\r\nhost: host.test\r\n")


@pytest.mark.parametrize("more", [b"x", USUAL])
@pytest.mark.parametrize("data", [USUAL, CHUNKED])
def test_a_connection_with_bytes_behind_its_answer_is_not_used_again(
    data: bytes, more: bytes
) -> None:
    for at in range(len(data), len(data) + len(more)):
        whole = data + more
        found, again, _ = outcome(quick, [whole[:at], whole[at:]], request())
        assert found[2] == BODY
        assert not again


def test_what_is_written_is_what_the_library_writes() -> None:
    for asked in (
        request(),
        request("GET"),
        request("DELETE"),
        request(authorization="Bearer x y", accept="*/*"),
        request(note="caf\xe9\t!"),
    ):
        assert outcome(quick, [USUAL], asked)[2] == outcome(library, [USUAL], asked)[2]


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\nb", "a\0b", " a", "a ", "a\x7fb"])
def test_a_header_that_would_be_another_is_the_librarys_to_refuse(value: str) -> None:
    asked = request(note=value)
    wanted, _, written = outcome(library, [USUAL], asked)
    found = outcome(quick, [USUAL], asked)
    assert found[0] == wanted
    assert found[2] == written


@pytest.mark.parametrize(
    "headers",
    [
        {"content-length": "3"},
        {"content-length": "7"},
        {"content-length": "05"},
        {"Content-Length": "3"},
        {"Content-Length": "5"},
        {"transfer-encoding": "chunked"},
        {"Transfer-Encoding": "chunked"},
        {"connection": "close"},
        {"connection": "upgrade", "upgrade": "x"},
        {"Host": "other.test"},
    ],
)
def test_a_body_of_another_length_than_stated_is_the_librarys_to_refuse_or_to_write(
    headers: dict[str, str],
) -> None:
    # A server takes what is left over for the next request.
    asked = request(**headers)
    assert outcome(quick, [USUAL], asked)[::2] == outcome(library, [USUAL], asked)[::2]


class Deaf(Pieces):
    """A server that reads no body."""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self.written:
            raise httpcore2.WriteError
        await super().write(buffer)


@pytest.mark.parametrize("data", [USUAL, USUAL.replace(b"HTTP/1.1", b"HTTP/1.0"), CHUNKED])
def test_a_connection_that_took_half_of_a_request_is_not_used_again(data: bytes) -> None:
    async def run(make: Any) -> tuple[Any, bool]:
        connection = make(Deaf([data]))
        found = await ask(connection, request())
        return found, connection.is_available()

    assert asyncio.run(run(quick)) == asyncio.run(run(library))
    assert asyncio.run(run(quick))[0][2] == BODY


def test_a_body_that_can_be_read_but_once_is_the_librarys_too() -> None:
    async def once() -> AsyncIterator[bytes]:
        yield b"hello"

    for data in (USUAL, USUAL.replace(b"HTTP/1.1", b"HTTP/1.0")):
        asked = request()
        asked.stream = once()
        found, _, written = outcome(quick, [data], asked)
        assert found[2] == BODY
        assert written.endswith(b"\r\n\r\nhello")


@pytest.mark.parametrize("piece", [1, 50, 5000])
def test_interim_responses_end_and_leave_the_connection_ours(piece: int) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"

    async def run(count: int) -> tuple[Any, Any]:
        data = early * count + USUAL
        connection = quick(Pieces([data[at : at + piece] for at in range(0, len(data), piece)]))
        return await ask(connection, request()), connection._library

    found, by_library = asyncio.run(run(3))
    assert found[2] == BODY
    assert by_library is None
    assert asyncio.run(run(MOST_INTERIM))[0][2] == BODY
    assert asyncio.run(run(MOST_INTERIM + 1))[0] == "RemoteProtocolError"


def test_trailers_end() -> None:
    class Endless(Pieces):
        async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            return await super().read(max_bytes) or b"Trailer: t\r\n" * 100

    async def run() -> Any:
        return await ask(quick(Endless([CHUNKED[:-2]])), request())

    assert asyncio.run(run()) == "RemoteProtocolError"


def test_a_connection_that_was_closed_while_it_was_made_is_closed_behind_its_answer() -> None:
    async def run() -> None:
        stream = Pieces([USUAL])
        connection = quick(stream)
        connect = connection._connected

        async def connected(asked: httpcore2.Request) -> httpcore2.AsyncNetworkStream:
            made = await connect(asked)
            await connection.aclose()
            return made

        connection._connected = connected  # type: ignore[method-assign]
        assert (await ask(connection, request()))[2] == BODY
        assert not stream.is_open

    asyncio.run(run())


def test_an_answer_that_is_closed_twice_closes_nobody_elses_connection() -> None:
    async def run() -> None:
        stream = Pieces([USUAL])
        connection = quick(stream)
        first = await connection.handle_async_request(request())
        await first.aread()
        await first.aclose()
        stream.pieces = [USUAL]
        second = await connection.handle_async_request(request())
        await first.aclose()
        assert stream.is_open
        assert await second.aread() == BODY

    asyncio.run(run())


def test_a_connection_serves_request_after_request_also_as_the_librarys() -> None:
    rng = random.Random(7)
    whole = [data for data in RESPONSES[:10] if outcome(library, [data], request())[1]]
    assert len(whole) > 5

    async def run() -> None:
        stream = Pieces([])
        connection = quick(stream)
        for _ in range(200):
            data = rng.choice(whole)
            at = rng.randrange(len(data))
            stream.pieces = [piece for piece in (data[:at], data[at:]) if piece]
            status, _, body = await ask(connection, request())
            assert (status in (200, 429), body) == (True, BODY)
            assert connection.is_idle()
            assert not connection.has_expired()

    asyncio.run(run())


def test_two_requests_never_share_a_connection() -> None:
    async def run() -> None:
        connection = quick(Pieces([USUAL]))
        response = await connection.handle_async_request(request())
        assert not connection.is_available()
        with pytest.raises(httpcore2.ConnectionNotAvailable):
            await connection.handle_async_request(request())
        await response.aread()
        await response.aclose()
        assert connection.is_available()
        await connection.aclose()
        assert connection.is_closed()
        with pytest.raises(httpcore2.ConnectionNotAvailable):
            await connection.handle_async_request(request())

    asyncio.run(run())


def test_an_answer_that_is_left_in_its_middle_closes_the_connection() -> None:
    async def run() -> None:
        stream = Pieces([USUAL[:-4], USUAL[-4:]])
        connection = quick(stream)
        response = await connection.handle_async_request(request())
        body: Any = response.stream
        assert await anext(aiter(body)) == BODY[:4]
        await response.aclose()
        assert connection.is_closed()
        assert not stream.is_open

    asyncio.run(run())


def test_a_connection_that_has_been_idle_for_long_is_not_used() -> None:
    async def run() -> None:
        connection = LoopConnection(
            ORIGIN, ssl_context=None, network_backend=Backend(Pieces([USUAL])), keepalive_expiry=-1
        )
        await ask(connection, request())
        assert connection.has_expired()

    asyncio.run(run())


def test_who_stands_in_the_pools_place_gets_the_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    kind, heard = httpcore2.AsyncConnectionPool, []
    own = kind.handle_async_request

    async def recorded(pool: Any, asked: httpcore2.Request) -> httpcore2.Response:
        response = await own(pool, asked)
        heard.append(lower_headers(response.headers)["content-type"])
        return response

    with serving(on.good("first"), on.good("second")) as server, Async() as colour:
        driver = colour.driver(server.url)
        assert colour.complete(driver).text == "first"
        monkeypatch.setattr(kind, "handle_async_request", recorded)
        assert colour.complete(driver).text == "second"
    assert heard == ["application/json"]
