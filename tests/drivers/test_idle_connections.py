"""An idle connection that the server has closed, and a request that comes too late on it."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpcore2
import pytest
import urllib3.connectionpool
from urllib3.exceptions import ProtocolError
from urllib3.util.wait import wait_for_read

from prompture import async_driver_for, driver_for
from prompture.drivers.asyncio_network import LoopStream
from prompture.drivers.connections import ClosedUnread
from prompture.drivers.sync_network import _MOST_CLOSED, _FinalOnly, _Timed
from prompture.errors import ConnectionLost
from prompture.types import Completion, Message, Request
from prompture.wire.retry import Retry
from prompture.wire.steps import Cut, cutting, in_context

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="as Linux closes connections")
End = Callable[[socket.socket], bool]
"""How a server ends a connection; whether it has read the request before that."""
LARGE = "x" * 30_000_000
"""More than what lies between two sockets."""
ANSWER = b'{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


@dataclass
class Served:
    url: str
    connections: int = 0
    requests: int = 0
    """Those that were read whole."""
    has_ended: threading.Event = field(default_factory=threading.Event)
    """The first connection has ended, or its last request is read."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, *, connections: int = 0, requests: int = 0) -> None:
        with self.lock:
            self.connections += connections
            self.requests += requests


def read_request(sock: socket.socket) -> bool:
    """Read one request; whether there was one."""
    seen = b""
    while b"\r\n\r\n" not in seen:
        piece = sock.recv(65536)
        if not piece:
            return False
        seen += piece
    head, _, body = seen.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    left = length - len(body)
    while left:
        piece = sock.recv(min(left, 1_000_000))
        if not piece:
            return False
        left -= len(piece)
    return True


@contextmanager
def serving(end: End, *, good: int = 1, last: bool = False) -> Iterator[Served]:
    """A server that answers the first ``good`` requests of its first connection, and then ends it;
    on others it answers all. With ``last`` it says that each answer is the last one, and all others
    end at once."""
    head = HEAD.replace(b"\r\n", b"\r\nconnection: close\r\n", 1) if last else HEAD
    listener = socket.create_server(("127.0.0.1", 0))
    found = Served(f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
    held: list[socket.socket] = []

    def serve(sock: socket.socket, number: int) -> None:
        answered = 0
        while answered < good if number == 1 else not last:
            try:
                if not read_request(sock):
                    return
            except OSError:
                return
            found.add(requests=1)
            answered += 1
            sock.sendall(head % len(ANSWER) + ANSWER)
            if last:
                sock.close()
                return
        with suppress(OSError):
            was_read = end(sock)
            found.add(requests=was_read)
        found.has_ended.set()

    def accept() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            held.append(sock)
            found.add(connections=1)
            threading.Thread(target=serve, args=(sock, found.connections), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for sock in held:
            sock.close()


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()


def at_once(sock: socket.socket) -> bool:
    sock.close()
    return False


def unread(sock: socket.socket) -> bool:
    """What http.server does: the end, and a reset for what lies unread."""
    sock.recv(1, socket.MSG_PEEK)  # the next request is there
    sock.shutdown(socket.SHUT_WR)
    sock.close()
    return False


def reset_unread(sock: socket.socket) -> bool:
    sock.recv(1, socket.MSG_PEEK)
    reset(sock)
    return False


def after_reading(sock: socket.socket) -> bool:
    was_read = read_request(sock)
    sock.shutdown(socket.SHUT_WR)
    sock.close()
    return was_read


def reset_after_reading(sock: socket.socket) -> bool:
    was_read = read_request(sock)
    reset(sock)
    return was_read


def ended_and_reset_after_reading(sock: socket.socket) -> bool:
    """As some load balancers do."""
    was_read = read_request(sock)
    sock.shutdown(socket.SHUT_WR)
    reset(sock)
    return was_read


def ended_before_reading(sock: socket.socket) -> bool:
    """It ends its own side alone, and reads on."""
    sock.shutdown(socket.SHUT_WR)
    return read_request(sock)


def ended_while_reading(sock: socket.socket) -> bool:
    sock.recv(1, socket.MSG_PEEK)
    return ended_before_reading(sock)


def ended_while_reading_and_reset(sock: socket.socket) -> bool:
    sock.recv(1, socket.MSG_PEEK)
    return ended_before_reading_and_reset(sock)


def ended_before_reading_and_reset(sock: socket.socket) -> bool:
    sock.shutdown(socket.SHUT_WR)
    was_read = read_request(sock)
    reset(sock)
    return was_read


def ask(
    colour: str, url: str, times: int, *, stream: bool = False, text: str = "Hi"
) -> list[Completion]:
    settings = {"api_key": "k", "base_url": url, "retry": Retry(attempts=1)}
    request = Request(model="", messages=(Message(role="user", content=text),))
    if colour == "sync":
        with driver_for("openai/gpt-4o", **settings) as driver:
            if stream:
                return [list(driver.stream(request))[-1] for _ in range(times)]  # type: ignore[misc]
            return [driver.complete(request) for _ in range(times)]

    async def run() -> list[Completion]:
        async with async_driver_for("openai/gpt-4o", **settings) as driver:
            if stream:
                return [[d async for d in driver.stream(request)][-1] for _ in range(times)]  # type: ignore[misc]
            return [await driver.complete(request) for _ in range(times)]

    return asyncio.run(run())


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks whether an idle connection has ended: it does while the request is on its way."""
    monkeypatch.setattr(_Timed, "is_connected", True)
    monkeypatch.setattr(LoopStream, "_is_readable", lambda _: False)


@pytest.fixture
def ends_after_the_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle connection ends between the look of its pool and the request."""
    usual = LoopStream.get_extra_info
    first: list[LoopStream] = []

    def is_dropped(connection: Any) -> bool:
        return connection.sock is None or not wait_for_read(connection.sock, timeout=30)

    def extra_info(stream: LoopStream, info: str) -> Any:
        if info != "is_readable" or (first and first[0] is not stream):
            return usual(stream, info)
        first.append(stream)
        assert wait_for_read(stream._transport.get_extra_info("socket"), timeout=30)
        return False

    monkeypatch.setattr(urllib3.connectionpool, "is_connection_dropped", is_dropped)
    monkeypatch.setattr(LoopStream, "get_extra_info", extra_info)


@pytest.mark.usefixtures("ends_after_the_look")
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_what_was_not_sent_is_sent_over_another_and_costs_nothing(
    colour: str, stream: bool
) -> None:
    with serving(at_once) as server:
        found = ask(colour, server.url, 2, stream=stream)
    assert [each.text for each in found] == ["hi"] * 2
    assert [each.retries for each in found] == [()] * 2
    assert (server.connections, server.requests) == (2, 2)


@pytest.mark.usefixtures("blind")
@pytest.mark.parametrize(
    "end",
    [
        at_once,
        unread,
        reset_unread,
        after_reading,
        reset_after_reading,
        ended_and_reset_after_reading,
        ended_before_reading,
        ended_before_reading_and_reset,
    ],
)
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_what_was_sent_whole_is_not_sent_again_unasked(colour: str, end: End) -> None:
    with serving(end) as server:
        with pytest.raises(ConnectionLost) as caught:
            ask(colour, server.url, 2)
        assert server.has_ended.wait(30)
    assert not caught.value.unsent
    assert caught.value.bill is not None
    assert len(caught.value.bill.charges) == 1
    assert server.connections == 1


@pytest.mark.usefixtures("blind")
@pytest.mark.parametrize("end", [unread, reset_unread])
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_what_could_not_be_sent_whole_is_sent_over_another(colour: str, end: End) -> None:
    with serving(end) as server:
        found = ask(colour, server.url, 2, text=LARGE)
    assert [each.retries for each in found] == [()] * 2
    assert (server.connections, server.requests) == (2, 2)


@pytest.mark.usefixtures("blind")
@pytest.mark.parametrize("end", [ended_while_reading, ended_while_reading_and_reset])
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_what_is_read_by_one_that_has_ended_its_own_side_is_read_once(
    colour: str, end: End
) -> None:
    with serving(end) as server:
        try:
            ask(colour, server.url, 2, text=LARGE)
        except ConnectionLost as lost:
            assert lost.bill is not None
            assert len(lost.bill.charges) == 1
        assert server.has_ended.wait(30)
    assert server.requests == 2


@pytest.mark.parametrize("text", ["Hi", LARGE])
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_new_connection_that_is_closed_at_once_is_an_error(colour: str, text: str) -> None:
    with serving(unread, good=0) as server, pytest.raises(ConnectionLost):
        ask(colour, server.url, 1, text=text)
    assert server.connections == 1


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_connection_after_the_last_answer_of_another_is_a_new_one(colour: str) -> None:
    with serving(reset_unread, last=True) as server, pytest.raises(ConnectionLost):
        ask(colour, server.url, 2, text=LARGE)
    assert (server.connections, server.requests) == (2, 1)


class Closing:
    """A pool whose idle connections were all closed."""

    asked = 0

    def urlopen(self) -> None:
        self.asked += 1
        raise ProtocolError("Connection aborted.", ClosedUnread())


class Pool(_FinalOnly, Closing):
    pass


def test_a_request_is_not_sent_again_without_end() -> None:
    pool, cut = Pool(), Cut()
    with pytest.raises(ProtocolError):
        pool.urlopen()
    assert pool.asked == _MOST_CLOSED + 1
    pool, cut.is_cut = Pool(), True
    with in_context(cutting, cut), pytest.raises(ProtocolError):
        pool.urlopen()
    assert pool.asked == 1


@pytest.mark.parametrize(("first", "is_used"), [(b"\5\0", False), (b"HTTP/1.1 200 OK\r\n", True)])
def test_what_a_socks_proxy_says_is_no_answer(first: bytes, is_used: bool) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        await reader.read(1)
        reset(writer.get_extra_info("socket")._sock)
        writer.transport.abort()

    async def run() -> bytes:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        loop = asyncio.get_running_loop()
        port = server.sockets[0].getsockname()[1]
        _, stream = await loop.create_connection(lambda: LoopStream(loop), "127.0.0.1", port)
        try:
            assert await stream.read(100) == first
            with pytest.raises(httpcore2.WriteError):
                await stream.write(LARGE.encode())
            return await stream.read(100)
        finally:
            await stream.aclose()
            server.close()
            await server.wait_closed()

    expected = httpcore2.ConnectionNotAvailable if is_used else httpcore2.ReadError
    with pytest.raises(expected):
        asyncio.run(run())


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_is_cut_behind_its_answer_ends_no_connection_of_another(stream: bool) -> None:
    cut = Cut()
    request = Request(model="", messages=(Message(role="user", content="Hi"),))
    with (
        serving(at_once, good=2) as server,
        driver_for("openai/gpt-4o", api_key="k", base_url=server.url) as driver,
    ):
        with in_context(cutting, cut):
            whole = list(driver.stream(request))[-1] if stream else driver.complete(request)
        assert isinstance(whole, Completion)
        cut.cut()
        assert driver.complete(request).text == whole.text == "hi"
        assert (server.connections, server.requests) == (1, 2)
