"""An idle connection that the server has closed, and a request that comes too late on it."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from prompture import async_driver_for, driver_for
from prompture.drivers import asyncio_network, sync_network
from prompture.drivers.connections import is_reset, is_unread
from prompture.errors import ConnectionLost
from prompture.types import Completion, Message, Request
from prompture.wire.retry import Retry

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="as Linux reports it")
End = Callable[[socket.socket], None]
ANSWER = b'{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


@dataclass
class Served:
    url: str
    connections: int = 0
    requests: int = 0


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
    while len(body) < length:
        body += sock.recv(65536)
    return True


@contextmanager
def serving(end: End, *, good: int = 1) -> Iterator[Served]:
    """A server that answers the first ``good`` requests of its first connection, waits for the
    next, and ends the connection by ``end``; on others it answers all."""
    listener = socket.create_server(("127.0.0.1", 0))
    found = Served(f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
    held: list[socket.socket] = []

    def serve(sock: socket.socket, number: int) -> None:
        answered = 0
        while number > 1 or answered < good:
            try:
                if not read_request(sock):
                    return
            except OSError:
                return
            found.requests += 1
            answered += 1
            sock.sendall(HEAD % len(ANSWER) + ANSWER)
        sock.recv(1, socket.MSG_PEEK)  # the next request is there
        end(sock)

    def accept() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            held.append(sock)
            found.connections += 1
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


def unread(sock: socket.socket) -> None:
    """What http.server does: the end, and a reset for what lies unread."""
    sock.shutdown(socket.SHUT_WR)
    sock.close()


def after_reading(sock: socket.socket) -> None:
    read_request(sock)
    sock.shutdown(socket.SHUT_WR)
    sock.close()


def reset_after_reading(sock: socket.socket) -> None:
    read_request(sock)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()


def ask(colour: str, url: str, times: int, *, stream: bool = False) -> list[Completion]:
    settings = {"api_key": "k", "base_url": url, "retry": Retry(attempts=1)}
    request = Request(model="", messages=(Message(role="user", content="Hi"),))
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


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_what_was_not_read_is_sent_again_and_costs_nothing(colour: str, stream: bool) -> None:
    with serving(unread) as server:
        found = ask(colour, server.url, 3, stream=stream)
    assert [each.text for each in found] == ["hi"] * 3
    assert [each.retries for each in found] == [()] * 3
    assert (server.connections, server.requests) == (2, 3)


@pytest.mark.parametrize("end", [after_reading, reset_after_reading])
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_what_may_have_been_read_is_not_sent_again_unasked(colour: str, end: End) -> None:
    with serving(end) as server, pytest.raises(ConnectionLost) as caught:
        ask(colour, server.url, 2)
    assert not caught.value.unsent
    assert caught.value.bill is not None
    assert server.connections == 1


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_connection_that_ends_long_after_the_request_may_have_been_read(
    colour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A balancer may reset what it closes, whatever it has read.
    for module in (asyncio_network, sync_network):
        monkeypatch.setattr(module, "RACE_SECONDS", 0.0)
    with serving(unread) as server, pytest.raises(ConnectionLost) as caught:
        ask(colour, server.url, 2)
    assert not caught.value.unsent
    assert server.connections == 1


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_new_connection_that_is_closed_at_once_is_an_error(colour: str) -> None:
    with serving(unread, good=0) as server, pytest.raises(ConnectionLost):
        ask(colour, server.url, 1)
    assert server.connections == 1


def test_bytes_that_nobody_has_acknowledged_are_unread() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with socket.create_connection(listener.getsockname()) as ours:
            theirs, _ = listener.accept()
            assert not is_unread(ours.fileno(), 1)
            ours.setblocking(False)
            sent = 0
            with pytest.raises(BlockingIOError):
                while True:
                    sent += ours.send(bytes(65536))
            assert is_unread(ours.fileno(), 1)
            assert not is_unread(ours.fileno(), sent + 1)
            assert not is_unread(ours.fileno(), 0)
            assert not is_reset(ours.fileno())
            theirs.close()
            assert is_reset(ours.fileno(), 5.0)
    assert not is_unread(-1, 1)
