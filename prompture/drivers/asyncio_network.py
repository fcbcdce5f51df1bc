"""Connections for httpx2 by asyncio's own streams.

httpx2 reaches the network through anyio, which serves other event loops, too, and takes a fifth
of the time of a call for it. Only ``drivers/aio.py`` uses this.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import httpcore2

_EYEBALLS = 0.25
"""Seconds after which the next of a host's addresses is tried beside the first (RFC 8305)."""
Failure = type[Exception]


class LoopStream(httpcore2.AsyncNetworkStream):
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            async with asyncio.timeout(timeout):
                return await self._reader.read(max_bytes)
        except TimeoutError as exc:
            raise httpcore2.ReadTimeout(str(exc)) from exc
        except OSError as exc:
            raise httpcore2.ReadError(str(exc)) from exc

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:
            return
        self._writer.write(buffer)
        if self._writer.transport.get_write_buffer_size() or self._writer.is_closing():
            async with _failing(timeout, httpcore2.WriteTimeout, httpcore2.WriteError):
                await self._writer.drain()

    async def aclose(self) -> None:
        self._writer.close()
        await asyncio.sleep(0)
        # Nobody waits for the other side to agree.
        self._writer.transport.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        async with _failing(timeout, httpcore2.ConnectTimeout, httpcore2.ConnectError):
            try:
                await self._writer.start_tls(ssl_context, server_hostname=server_hostname)
            except BaseException:
                self._writer.transport.abort()
                raise
        return self

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return self._is_readable()
        return self._writer.get_extra_info(
            {"client_addr": "sockname", "server_addr": "peername"}.get(info, info)
        )

    def _is_readable(self) -> bool:
        """Whether an idle connection has something to say: that it is closed, most likely."""
        if self._reader.at_eof() or self._writer.is_closing():
            return True
        descriptor = self._writer.get_extra_info("socket").fileno()
        if not hasattr(select, "poll"):  # Windows
            return bool(select.select([descriptor], [], [], 0)[0])
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(0))


class LoopBackend(httpcore2.AsyncNetworkBackend):
    """Opens connections on the running asyncio loop."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        async with _failing(timeout, httpcore2.ConnectTimeout, httpcore2.ConnectError):
            pair = await asyncio.open_connection(host, port, happy_eyeballs_delay=_EYEBALLS)
        return LoopStream(*pair)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@asynccontextmanager
async def _failing(seconds: float | None, late: Failure, lost: Failure) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as exc:
        raise late(str(exc)) from exc
    except OSError as exc:
        raise lost(str(exc)) from exc
