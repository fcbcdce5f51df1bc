"""Connections by asyncio, as httpx2's pool uses them."""

from __future__ import annotations

import asyncio
import gzip
import select
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from unittest.mock import Mock

import httpcore2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompture.drivers.asyncio_network import LoopBackend, LoopStream
from prompture.drivers.asyncio_pool import unzipped

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Use = Callable[[LoopStream], Awaitable[None]]


def connected(serve: Serve, use: Use) -> None:
    served = asyncio.Event()

    async def handled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except OSError:  # the other side is gone, as it may be
            pass
        finally:
            writer.transport.abort()
            served.set()

    async def run() -> None:
        server = await asyncio.start_server(handled, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            stream = await LoopBackend().connect_tcp("127.0.0.1", port, timeout=5)
            assert isinstance(stream, LoopStream)
            try:
                await use(stream)
            finally:
                await stream.aclose()
                await served.wait()
                await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(run(), 10))


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65536):
        writer.write(piece)
        await writer.drain()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


def test_what_is_written_comes_back() -> None:
    async def use(stream: LoopStream) -> None:
        await stream.write(b"")
        await stream.write(b"hello", timeout=5)
        assert await stream.read(100, timeout=5) == b"hello"
        large = bytes(5_000_000)
        sending = asyncio.create_task(stream.write(large, timeout=5))
        read = 0
        while read < len(large):
            read += len(await stream.read(65536, timeout=5))
        await sending
        assert stream.get_extra_info("server_addr")[0] == "127.0.0.1"
        assert stream.get_extra_info("ssl_object") is None

    connected(echo, use)


def test_nothing_in_time() -> None:
    async def reads(stream: LoopStream) -> None:
        with pytest.raises(httpcore2.ReadTimeout):
            await stream.read(1, timeout=0.01)
        assert stream._transport.is_closing()

    async def writes(stream: LoopStream) -> None:
        with pytest.raises(httpcore2.WriteTimeout):
            await stream.write(bytes(50_000_000), timeout=0.01)

    connected(silent, reads)
    connected(silent, writes)


@pytest.mark.parametrize("poll", [True, False])
def test_an_idle_connection_that_was_closed_is_noticed(
    poll: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not poll:
        monkeypatch.delattr(select, "poll")

    async def use(stream: LoopStream) -> None:
        assert not stream.get_extra_info("is_readable")
        for piece in (b"x", b"y"):  # the first goes out with the second
            await stream.write(piece)
        while not stream.get_extra_info("is_readable"):
            await asyncio.sleep(0)
        assert await stream.read(1, timeout=5) == b""
        assert stream.get_extra_info("is_readable")

    connected(rude, use)


def test_one_that_ended_while_the_rest_was_sent_can_be_closed() -> None:
    async def reads_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write_eof()
        while await reader.read(1_000_000):
            pass

    async def use(stream: LoopStream) -> None:
        with pytest.raises(httpcore2.WriteError):
            await stream.write(bytes(30_000_000), timeout=30)
        while not stream._lost:
            await asyncio.sleep(0)
        await stream.aclose()

    connected(reads_on, use)


def test_a_head_goes_out_with_its_body_or_before_reading() -> None:
    async def use(stream: LoopStream) -> None:
        sent: list[bytes] = []
        transport, large = stream._transport, bytes(50_000)
        stream._transport = mock = Mock(wraps=transport)
        mock.write = lambda data: (sent.append(data), transport.write(data))
        for piece in (b"head ", b"body", b""):
            await stream.write(piece)
        assert await stream.read(100, timeout=5) == b"head body"
        await stream.write(b"alone")
        assert await stream.read(100, timeout=5) == b"alone"
        for piece in (b"head ", large):
            await stream.write(piece)
        assert await stream.read(1, timeout=5) == b"h"
        assert sent == [b"head body", b"alone", b"head ", large]

    connected(echo, use)


def test_nobody_there() -> None:
    async def connect() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        with pytest.raises(httpcore2.ConnectError):
            await LoopBackend().connect_tcp("127.0.0.1", port, timeout=5)

    asyncio.run(connect())


def test_no_tls_where_none_is_spoken() -> None:
    async def use(stream: LoopStream) -> None:
        with pytest.raises((httpcore2.ConnectError, httpcore2.ConnectTimeout)):
            await stream.start_tls(ssl.create_default_context(), "localhost", timeout=1)

    connected(echo, use)


def test_closing_waits_for_nothing_so_nobody_can_be_cancelled_in_it() -> None:
    # httpcore2 would keep the request of one that was in its pool for good.
    async def use(stream: LoopStream) -> None:
        with pytest.raises(StopIteration):
            stream.aclose().send(None)
        assert stream._transport.is_closing()

    connected(echo, use)


def test_what_comes_before_the_end_is_read_and_then_the_end() -> None:
    async def last_words(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/")
        await writer.drain()
        writer.write_eof()
        await reader.read(1)

    async def use(stream: LoopStream) -> None:
        await stream.write(b"x")
        found = [await stream.read(3, timeout=5) for _ in range(4)]
        assert found == [b"HTT", b"P/", b"", b""]
        assert stream.get_extra_info("is_readable")
        assert stream._transport.is_closing()
        await stream.write(b"y")
        with pytest.raises(httpcore2.ConnectionNotAvailable):
            await stream.read(1, timeout=5)

    connected(last_words, use)


def test_a_connection_that_is_reset_says_so_after_its_last_words() -> None:
    class Transport(Mock):
        def is_closing(self) -> bool:
            return True

    async def run() -> None:
        stream = LoopStream(asyncio.get_running_loop())
        stream.connection_made(Transport())
        stream.data_received(b"words")
        stream.connection_lost(ConnectionResetError("reset by peer"))
        assert await stream.read(10, timeout=5) == b"words"
        for _ in range(2):
            with pytest.raises(httpcore2.ReadError, match="reset by peer"):
                await stream.read(10, timeout=5)
        await stream.write(b"head")
        with pytest.raises(httpcore2.WriteError, match="lost"):
            await stream.write(b"body", timeout=5)

    asyncio.run(run())


def test_a_server_that_floods_is_held_up_until_it_is_read() -> None:
    told: list[str] = []

    async def run() -> None:
        stream = LoopStream(asyncio.get_running_loop())
        transport = Mock()
        transport.pause_reading = lambda: told.append("pause")
        transport.resume_reading = lambda: told.append("resume")
        stream.connection_made(transport)
        for _ in range(4):
            stream.data_received(bytes(50_000))
        assert told == ["pause"]
        assert len(await stream.read(60_000)) == 60_000
        assert told == ["pause"]
        assert len(await stream.read(60_000)) == 60_000
        assert told == ["pause", "resume"]
        assert len(await stream.read(1_000_000)) == 80_000

    asyncio.run(run())


def test_what_is_not_taken_is_waited_for_and_a_lost_connection_ends_the_wait() -> None:
    async def run(end: Callable[[LoopStream], None], *, sent: bool) -> None:
        stream = LoopStream(asyncio.get_running_loop())
        transport = Mock()
        transport.is_closing = lambda: False
        stream.connection_made(transport)
        stream.pause_writing()
        await stream.write(b"head")
        writing = asyncio.create_task(stream.write(b"body", timeout=5))
        await asyncio.sleep(0)
        assert not writing.done()
        end(stream)
        if sent:
            await writing
        else:
            with pytest.raises(httpcore2.WriteError):
                await writing
        assert transport.write.call_args_list == [((b"headbody",),)]

    asyncio.run(run(LoopStream.resume_writing, sent=True))
    asyncio.run(run(lambda stream: stream.connection_lost(None), sent=False))


def test_data_that_comes_with_the_end_of_the_time_is_read() -> None:
    async def run() -> None:
        stream = LoopStream(asyncio.get_running_loop())
        stream.connection_made(Mock())
        reading = asyncio.create_task(stream.read(10, timeout=0))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(stream.data_received, b"words")
        assert await reading == b"words"

    asyncio.run(run())


def test_a_cancelled_read_closes_the_connection() -> None:
    # httpcore2 forgets, open, one whose SOCKS proxy does not answer.
    async def use(stream: LoopStream) -> None:
        reading = asyncio.create_task(stream.read(10, timeout=5))
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert stream._transport.is_closing()

    connected(echo, use)


def test_what_a_proxy_sends_behind_its_answer_is_no_answer_of_the_provider() -> None:
    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK")
        await reader.read(1)

    async def use(stream: LoopStream) -> None:
        assert await stream.read(19, timeout=5) == b"HTTP/1.1 200 OK\r\n\r\n"
        with pytest.raises(httpcore2.ConnectError, match="the proxy sent more than its answer"):
            await stream.start_tls(ssl.create_default_context(), "localhost", timeout=5)
        assert stream._transport.is_closing()

    connected(early, use)


def test_a_connection_that_is_closed_in_the_handshake_says_so() -> None:
    async def leaves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)

    async def use(stream: LoopStream) -> None:
        with pytest.raises(httpcore2.ConnectError, match=r"closed|reset"):
            await stream.start_tls(ssl.create_default_context(), "localhost", timeout=5)

    connected(leaves, use)


@pytest.mark.parametrize(
    ("answer", "reads_on"),
    [
        (b"HTTP/1.1 413 Too Large\r\n\r\n", False),
        (b"HTTP/1.1 102 Processing\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"", False),
    ],
)
def test_who_refuses_a_request_need_not_read_all_of_it(answer: bytes, reads_on: bool) -> None:
    async def run() -> None:
        stream = LoopStream(asyncio.get_running_loop())
        stream.connection_made(Mock(is_closing=lambda: False))
        stream.pause_writing()
        writing = asyncio.create_task(stream.write(bytes(50_000), timeout=5))
        await asyncio.sleep(0)
        stream.data_received(answer[:5])
        await asyncio.sleep(0)
        assert not writing.done()
        stream.data_received(answer[5:])
        if not answer:
            stream.eof_received()
        if reads_on:
            stream.resume_writing()
            await writing
        else:
            with pytest.raises(httpcore2.WriteError, match="before it had read"):
                await writing
        assert await stream.read(100, timeout=5) == answer

    asyncio.run(run())


def test_a_connection_with_something_still_to_be_sent_is_not_used_again() -> None:
    async def use(stream: LoopStream) -> None:
        assert not stream.get_extra_info("is_readable")
        stream._transport.write(bytes(50_000_000))
        assert stream.get_extra_info("is_readable")

    connected(silent, use)


def test_a_server_that_floods_before_tls_is_done_is_read_after_it() -> None:
    plain, secure = Mock(), Mock()

    async def run() -> None:
        loop = Mock(wraps=asyncio.get_running_loop())

        async def start_tls(*_: object, **__: object) -> Mock:
            stream.data_received(bytes(200_000))
            return secure

        loop.start_tls = start_tls
        stream = LoopStream(loop)
        stream.connection_made(plain)
        await stream.start_tls(ssl.create_default_context(), "localhost", timeout=5)
        assert [each[0] for each in plain.method_calls] == ["pause_reading", "resume_reading"]
        assert [each[0] for each in secure.method_calls] == ["pause_reading"]
        await stream.read(200_000)
        assert [each[0] for each in secure.method_calls] == ["pause_reading", "resume_reading"]

    asyncio.run(run())


def test_a_request_for_an_idle_connection_that_has_just_ended_is_sent_over_another() -> None:
    async def ask(*, used: bool) -> None:
        stream, transport = LoopStream(asyncio.get_running_loop()), Mock()
        transport.is_closing.return_value = False
        stream.connection_made(transport)
        if used:
            stream.data_received(b"HTTP/1.1 ")
            assert await stream.read(10) == b"HTTP/1.1 "
        await stream.write(b"head")
        stream.eof_received()
        transport.is_closing.return_value = True
        stream.connection_lost(None)
        try:
            with pytest.raises(httpcore2.WriteError):
                await stream.write(b"body")
            await stream.read(10)
        finally:
            assert not transport.write.called

    with pytest.raises(httpcore2.ConnectionNotAvailable):
        asyncio.run(ask(used=True))
    asyncio.run(ask(used=False))


@given(
    st.lists(st.sampled_from([b"", b"a", b"words " * 9, bytes(2_000_000)]), min_size=1, max_size=3),
    st.sampled_from([b"", b"\0\0", b"junk", gzip.compress(b"more")[:9]]),
    st.integers(1, 10_000),
)
@settings(max_examples=30, deadline=None)
def test_all_members_of_a_gzip_body_come_in_pieces_of_no_great_size(
    members: list[bytes], behind: bytes, size: int
) -> None:
    whole = b"".join(map(gzip.compress, members)) + behind

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(whole), size):
            yield whole[at : at + size]

    async def read() -> list[bytes]:
        return [piece async for piece in unzipped(pieces())]

    found = asyncio.run(read())
    assert b"".join(found) == b"".join(members)
    assert all(0 < len(piece) <= 1 << 20 for piece in found)
