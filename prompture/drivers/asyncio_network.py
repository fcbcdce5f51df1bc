"""Connections for httpx2 by asyncio itself.

httpx2 reaches the network through anyio, which serves trio, too, and takes a fifth of the time
of a call for it. Any loop that keeps asyncio's contract will do (uvloop, winloop, ...): nothing
is asked of ``create_connection`` but a host and a port.
"""

from __future__ import annotations

import asyncio
import re
import select
import socket
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from itertools import zip_longest
from typing import Any

import httpcore2

_HEAD_BYTES = 16_384
_UNREAD_BYTES = 131_072
"""The loop stops reading where more lies unread: a server that floods fills no memory."""
_ROUNDS = 10
"""Rounds of a loop in which a connection that was broken off is lost: two, or three with TLS."""
_EYEBALLS = 0.25
"""Seconds after which the next of a host's addresses is tried beside the first (RFC 8305)."""
_REFUSED = re.compile(rb"HTTP/1\.[01] [3-5]").match
Failure = type[Exception]


class LoopStream(asyncio.Protocol, httpcore2.AsyncNetworkStream):
    """One connection, as its loop reports of it and as httpcore2 uses it.

    asyncio's own reader and writer do the same for a tenth of a call's time: they copy each piece
    twice, and a timeout around them makes four objects for each wait.
    """

    _transport: asyncio.Transport
    _socket: asyncio.Transport
    """The transport beneath TLS; the same one without TLS."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pieces: list[bytes] = []
        """What has arrived, and nobody has read."""
        self._size = 0
        self._held_up = False
        """The loop reads no more until somebody has read what is here."""
        self._ended = False
        """Nothing more arrives."""
        self._lost = False
        """Nothing can be sent any more."""
        self._error: Exception | None = None
        """What the connection ended with."""
        self._poll: Any = None
        self._unanswered = 0
        """Bytes of a request of which no answer has come yet."""
        self._is_used = False
        """An answer has come before."""
        self._is_cut_short = False
        """It ended before the whole of a request was taken."""
        self._full = False
        """What is written is not taken by the other side."""
        self._reading: asyncio.Future[bool] | None = None
        self._writing: asyncio.Future[None] | None = None
        self._head = b""
        """Written, and not sent yet: it goes out with what is written next, or before reading."""

    # What the loop reports.

    def connection_made(self, transport: Any) -> None:
        self._transport = self._socket = transport

    def data_received(self, data: bytes) -> None:
        self._pieces.append(data)
        self._size += len(data)
        self._unanswered = 0
        if not self._is_used:  # the words of a SOCKS proxy are no answer
            self._is_used = data.startswith(b"HTTP/")
        if self._size > _UNREAD_BYTES and not self._held_up:
            self._held_up = True
            self._transport.pause_reading()
        self._wake_reader()
        self._wake_writer()

    def eof_received(self) -> None:
        # The loop then closes the connection, sending what is still to be sent: an idle one that the
        # server has closed would hold its descriptor until the next request.
        self._ended = True
        self._wake_reader()
        self._wake_writer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = self._lost = True
        self._error = exc
        self._wake_reader()
        self._wake_writer()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._wake_writer()

    def _wake_reader(self) -> None:
        if (waiting := self._reading) is not None and not waiting.done():
            waiting.set_result(True)

    def _wake_writer(self) -> None:
        if (waiting := self._writing) is not None and not waiting.done():
            waiting.set_result(None)

    # What httpcore2 asks for.

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._head:
            with suppress(httpcore2.WriteError):  # the server may have answered all the same
                await self._sent(b"", timeout)
        if not self._pieces and not self._ended:
            self._reading = waiting = self._loop.create_future()
            timer = None if timeout is None else self._loop.call_later(timeout, _late, waiting)
            try:
                if not await waiting and not self._pieces:
                    raise httpcore2.ReadTimeout
            except BaseException:
                # Nobody reads on, and httpcore2 forgets, open, one whose SOCKS proxy does not answer.
                self._abort()
                raise
            finally:
                self._reading = None
                if timer is not None:
                    timer.cancel()
        if not self._pieces and self._unanswered and await self._was_cut_short():
            raise httpcore2.ConnectionNotAvailable
        return self._taken(max_bytes)

    async def _was_cut_short(self) -> bool:
        """Whether an idle connection ended before the system had taken the whole of the request,
        which then nobody can have read: httpcore2's pool sends it again, over another. Of a new one
        that is not asked: sending again would have no end."""
        if not self._is_used:
            return False
        if self._is_cut_short or not self._full:
            return self._is_cut_short
        # The rest must not leave now: one that ended its own side alone would read it.
        self._abort()
        for _ in range(_ROUNDS):
            if self._lost:
                break
            await asyncio.sleep(0)
        # uvloop may have sent all of it meanwhile.
        return self._lost and self._full and not self._pieces

    def _descriptor(self) -> int:
        found: int = self._transport.get_extra_info("socket").fileno()
        return found

    def _taken(self, max_bytes: int) -> bytes:
        if not self._pieces:
            if self._error is not None:
                raise httpcore2.ReadError(str(self._error)) from self._error
            return b""
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        rest = data[max_bytes:]
        self._pieces = [rest] if rest else []
        self._size = len(rest)
        if self._held_up and self._size <= _UNREAD_BYTES:
            self._held_up = False
            if not self._lost:
                self._transport.resume_reading()
        return data[:max_bytes] if rest else data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not self._head and len(buffer) <= _HEAD_BYTES:
            self._head = buffer
        elif buffer:
            await self._sent(buffer, timeout)

    async def _sent(self, buffer: bytes, timeout: float | None) -> None:
        # One packet for the head of a request and a short body, and not two that wake the server.
        head, self._head = self._head, b""
        # An idle one may have ended since the pool looked: of this request nothing has left yet.
        if self._is_used and not self._unanswered and self._is_readable():
            self._abort()
            raise httpcore2.ConnectionNotAvailable
        self._unanswered += len(head) + len(buffer)
        if self._transport.is_closing():  # uvloop raises
            pass
        elif len(buffer) <= _HEAD_BYTES:
            self._transport.write(head + buffer)
        else:
            self._transport.write(head)
            self._transport.write(buffer)
        # What the system does not take ends the connection.
        self._is_cut_short = self._transport.is_closing()
        # The socket usually takes it at once; a timeout is set only where it does not.
        if self._full or self._is_cut_short:
            async with _failing(timeout, httpcore2.WriteTimeout, httpcore2.WriteError):
                await self._drained()

    async def _drained(self) -> None:
        while self._full and not self._lost:
            # Who has refused the request may not read the rest of it.
            if self._ended or _REFUSED(b"".join(self._pieces)):
                raise ConnectionResetError("it answered before it had read the request")
            self._writing = waiting = self._loop.create_future()
            try:
                await waiting
            finally:
                self._writing = None
        if not self._lost and self._transport.is_closing():
            await asyncio.sleep(0)  # the loop says in its next round what it closes for
        if self._lost:
            raise ConnectionResetError("the connection is lost") from self._error

    def _abort(self) -> None:
        # asyncio fails to break off one that it has closed after sending what was left.
        if not self._lost:
            self._transport.abort()

    async def aclose(self) -> None:
        # Nobody waits for the other side to agree, nor for anything: a task that is cancelled in
        # here would leave its request in the pool for good.
        self._abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        async with _failing(timeout, httpcore2.ConnectTimeout, httpcore2.ConnectError):
            # A proxy has answered on it, and not the server: it is new.
            self._is_used = False
            try:
                # It is nobody's answer but the proxy's, which must not speak for the provider.
                if self._pieces:
                    raise ConnectionResetError("the proxy sent more than its answer")
                made = await self._loop.start_tls(
                    self._transport, self, ssl_context, server_hostname=server_hostname
                )
            except BaseException:  # cancelled as well: the socket is closed
                self._abort()
                raise
            if made is None:
                raise ConnectionResetError("the connection was closed during the TLS handshake")
            self._transport = made
            if self._held_up:  # before the transport was known that can let it go on
                made.pause_reading()
                self._socket.resume_reading()
        return self

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return self._is_readable()
        return self._transport.get_extra_info(
            {"client_addr": "sockname", "server_addr": "peername"}.get(info, info)
        )

    def _is_readable(self) -> bool:
        """Whether an idle connection has something to say: that it is closed, most likely. Or has
        not yet taken the last request, which was answered all the same."""
        if self._ended or self._pieces or self._transport.is_closing():
            return True
        if self._socket.get_write_buffer_size():
            return True
        if self._poll is None:
            descriptor = self._descriptor()
            if not hasattr(select, "poll"):  # Windows
                return bool(select.select([descriptor], [], [], 0)[0])
            # Not select(), which fails for descriptors from 1,024 on.
            self._poll = select.poll()
            self._poll.register(descriptor, select.POLLIN)
        return bool(self._poll.poll(0))


def _late(waiting: asyncio.Future[bool]) -> None:
    # No exception: nobody would fetch it where the task is cancelled at the same time.
    if not waiting.done():
        waiting.set_result(False)


async def _connected(address: str, port: int) -> LoopStream:
    loop = asyncio.get_running_loop()
    _, stream = await loop.create_connection(lambda: LoopStream(loop), address, port)
    return stream


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
            addresses = await _addresses(host, port)
            if len(addresses) == 1:
                return await _connected(addresses[0], port)
            return await _first(addresses, port)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def _addresses(host: str, port: int) -> list[str]:
    """The addresses of a host, those of the first one's family and others in turn."""
    try:
        # No look-up, which takes a thread, for what is an address already.
        return [str(ip_address(host))]
    except ValueError:
        pass
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    if not found:
        raise OSError(f"{host} has no address")
    first = found[0][0]
    same = [str(each[4][0]) for each in found if each[0] == first]
    other = [str(each[4][0]) for each in found if each[0] != first]
    turns = (each for pair in zip_longest(same, other) for each in pair if each)
    return list(dict.fromkeys(turns))


async def _first(addresses: list[str], port: int) -> LoopStream:
    """The first connection that comes about; each address is begun a moment after the one
    before it, or when that one has failed.

    asyncio has this as ``happy_eyeballs_delay``, which other loops do not take.
    """
    tries: set[asyncio.Task[LoopStream]] = set()
    failures: list[OSError] = []
    left = iter(addresses)
    try:
        while True:
            if address := next(left, None):
                # The one before goes on meanwhile: a slow address may still win.
                tries.add(asyncio.create_task(_connected(address, port)))
            elif not tries:
                raise failures[0]
            done, tries = await asyncio.wait(
                tries,
                timeout=_EYEBALLS if address else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if won := _won(done, failures):
                return won
    finally:
        for each in tries:
            each.cancel()
            each.add_done_callback(_close_late)


def _won(done: set[asyncio.Task[LoopStream]], failures: list[OSError]) -> LoopStream | None:
    """The connection of a task that has one; a second one is closed."""
    won: LoopStream | None = None
    for task in done:
        # Any other exception is a bug: ``result`` raises it.
        if isinstance(error := task.exception(), OSError):
            failures.append(error)
        elif won is None:
            won = task.result()
        else:
            _close_late(task)
    return won


def _close_late(task: asyncio.Task[LoopStream]) -> None:
    """Close what a try that nobody waits for any more has opened."""
    if not task.cancelled() and task.exception() is None:
        task.result()._abort()


@asynccontextmanager
async def _failing(seconds: float | None, late: Failure, lost: Failure) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as exc:
        raise late(str(exc)) from exc
    except (OSError, UnicodeError) as exc:  # a name that cannot be one of a host
        # asyncio ends a handshake whose other side has gone without a word.
        raise lost(str(exc) or "the connection was closed") from exc
