"""Connections by asyncio's streams, as httpx2's pool uses them."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Awaitable, Callable

import httpcore2
import pytest

from prompture.drivers.asyncio_network import LoopBackend, LoopStream

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
    async def use(stream: LoopStream) -> None:
        with pytest.raises(httpcore2.ReadTimeout):
            await stream.read(1, timeout=0.01)
        with pytest.raises(httpcore2.WriteTimeout):
            await stream.write(bytes(50_000_000), timeout=0.01)

    connected(silent, use)


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


def test_a_head_goes_out_with_its_body_or_before_reading() -> None:
    async def use(stream: LoopStream) -> None:
        sent: list[bytes] = []
        writer, large = stream._writer, bytes(50_000)
        real = writer.write
        setattr(writer, "write", lambda data: (sent.append(data), real(data)))  # noqa: B010
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
    import ssl

    async def use(stream: LoopStream) -> None:
        with pytest.raises((httpcore2.ConnectError, httpcore2.ConnectTimeout)):
            await stream.start_tls(ssl.create_default_context(), "localhost", timeout=1)

    connected(echo, use)


def test_closing_waits_for_nothing_so_nobody_can_be_cancelled_in_it() -> None:
    # httpcore2 would keep the request of one that was in its pool for good.
    async def use(stream: LoopStream) -> None:
        with pytest.raises(StopIteration):
            stream.aclose().send(None)
        assert stream._writer.is_closing()

    connected(echo, use)
