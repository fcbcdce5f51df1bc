"""Connections of urllib3 that read past interim responses, and that end when a call must be over.

A socket's own timeout is for each read: a server that sends a byte a second could hold a call as
long as it likes. Where a deadline is set (``wire.deadline``), looking up a name, connecting, the
answer of a proxy, TLS, sending and each read have what is left, and no more. Only
``drivers/sync.py`` uses this.
"""

from __future__ import annotations

import io
import select
import socket
from collections.abc import Callable, Iterator
from functools import cache
from http.client import (
    HTTPException,
    HTTPMessage,
    HTTPResponse,
    NotConnected,
)
from queue import Empty, Full, LifoQueue
from typing import TYPE_CHECKING, Any

from urllib3.exceptions import ConnectTimeoutError, ProtocolError

from prompture.drivers.bounded import in_time
from prompture.drivers.connections import MOST_INTERIM, ClosedUnread
from prompture.wire import deadline
from prompture.wire.framing import ChunkedDecoder
from prompture.wire.http import usual_head
from prompture.wire.steps import Cut, cutting

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_MOST_CLOSED = 10
"""Idle connections that one request may find closed: other threads may fill the pool with more."""
_SENT_AT_ONCE = 16_384
"""As much as a TLS record holds: each has the time that is left, measured anew."""


class _TimedReader(io.RawIOBase):
    """What a socket sends, until a moment."""

    def __init__(self, raw: Any, sock: socket.socket, until: deadline.Moment) -> None:
        self._raw, self._sock, self._until = raw, sock, until
        self._usual = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        _give_what_is_left(self._sock, self._usual, self._until)
        count: int | None = self._raw.readinto(buffer)
        return count

    def fileno(self) -> int:
        number: int = self._raw.fileno()
        return number

    def close(self) -> None:
        self._raw.close()
        super().close()


def _give_what_is_left(sock: socket.socket, usual: float | None, until: deadline.Moment) -> None:
    left = deadline.left(until)
    if not left:
        raise TimeoutError
    sock.settimeout(left if usual is None else min(usual, left))


class _Head(HTTPMessage):
    """The header lines of an answer, as they are: e-mail would look for its own codings in each."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        super().__init__()
        self._headers = fields

    def items(self) -> list[tuple[str, str]]:
        return self._headers.copy()

    def single(self) -> dict[str, str] | None:
        """All of them by their names in lower case, where no name comes twice."""
        found = {name.lower(): value for name, value in self._headers}
        return found if len(found) == len(self._headers) else None


class FinalResponse(HTTPResponse):
    """The response that follows all interim ones (102 Processing, 103 Early Hints).

    The standard library knows 100 alone. It takes another for the answer, and leaves the answer
    itself in the connection, where the next request finds it: one caller then gets what another
    asked for.
    """

    _cut: Cut | None = None

    def __init__(self, sock: Any, *args: Any, **settings: Any) -> None:
        super().__init__(sock, *args, **settings)
        if (until := deadline.until()) is not None:
            fp: Any = self.fp
            self.fp = io.BufferedReader(_TimedReader(fp.detach(), sock, until))
        if (cut := cutting.get()) is not None:
            self._cut = cut
            cut.waits_at(sock)

    def _close_conn(self) -> None:
        # http.client's own, at the end of the body, before urllib3 gives the connection back.
        if self._cut is not None:
            self._cut.leaves()
        above: Any = super()
        above._close_conn()

    def begin(self) -> None:
        """Read the head of the answer."""
        if vars(self)["headers"] is None and self._begun():
            return
        super().begin()
        for _ in range(MOST_INTERIM):
            if not 101 < self.status < 200:  # 101 ends HTTP itself
                return
            vars(self)["headers"] = None  # else ``begin`` takes the head for read
            super().begin()
        raise HTTPException(f"more than {MOST_INTERIM} interim responses")

    def _begun(self) -> bool:
        """Read a usual head; others are left as they are, for the standard library."""
        fp: Any = self.fp
        head = usual_head(fp.peek()) if type(fp) is io.BufferedReader else None
        if head is None or self.debuglevel or vars(self).get("_method") == "HEAD":
            return False
        fp.read(head.size)
        self.headers = self.msg = _Head(head.fields)
        self.code = self.status = head.status
        self.reason, self.version = head.reason, 11
        self.chunked, self.chunk_left = head.chunked, None
        self.length, self.will_close = head.length, head.closing
        return True


class _Timed:
    """Before a connection of urllib3, which is then made, and sent over, until a moment."""

    sock: Any
    timeout: Any
    auto_open: Any
    _looked_at: Any = None
    _look: Any = None
    _held = b""
    _is_used = False
    """An answer has come before."""
    _is_sending = True
    """Something of a request was sent, or no answer came before it."""
    _is_cut_short = False
    """It ended before the system took the whole of a request."""
    _asks = False
    _keeps = False

    @property
    def is_connected(self) -> bool:
        """As urllib3's, which makes a new poll each time, and is asked twice for each request."""
        if self.sock is None or not hasattr(select, "poll"):
            above: Any = super()
            return bool(above.is_connected)
        if self._looked_at is not self.sock:
            self._looked_at, self._look = self.sock, select.poll()
            self._look.register(self.sock, select.POLLIN)
        return not self._look.poll(0)

    def connect(self) -> None:
        above: Any = super()
        try:
            above.connect()
        except TimeoutError as exc:  # TLS, or a proxy's answer: nothing was sent to the provider
            raise ConnectTimeoutError(self, "the connection took too long") from exc

    def _new_conn(self) -> Any:
        above: Any = super()
        until = deadline.until()
        if until is None:
            return above._new_conn()
        # In a thread: a look-up of a name cannot be broken off, and each of a host's addresses has
        # a timeout of its own. ``connect`` gets the TimeoutError.
        made: Any = in_time(above._new_conn, until, late=lambda sock: sock.close())
        # TLS comes next, which has this for its whole handshake.
        made.settimeout(deadline.sooner(self.timeout, until))
        return made

    def _tunnel(self) -> None:
        above: Any = super()
        above._tunnel()
        if (until := deadline.until()) is not None:
            self.sock.settimeout(deadline.sooner(self.timeout, until))

    def request(self, *args: Any, **settings: Any) -> None:
        above: Any = super()
        self._asks, self._keeps = True, False
        self._is_sending, self._is_cut_short = not self._is_used, False
        try:
            above.request(*args, **settings)
        finally:
            self._asks = False
        if self._held:
            self.send(b"")

    def getresponse(self) -> Any:
        """Raises ClosedUnread where a connection that was used before ended before the request had
        left, and there is no answer all the same."""
        above: Any = super()
        try:
            response = above.getresponse()
        except ConnectionError as exc:
            if self._is_cut_short:
                raise ClosedUnread("the connection had been closed") from exc
            raise
        self._is_used = self.sock is not None  # it may have been the last one
        return response

    def close(self) -> None:
        above: Any = super()
        # What comes next is a new connection: to send again what that did not take would have no end.
        self._is_used, self._looked_at = False, None
        above.close()

    def endheaders(self, *args: Any, **settings: Any) -> None:
        """Keep the head: it leaves with a short body in one packet, and not in two that wake the
        server twice."""
        above: Any = super()
        # An interrupt may have left what belongs to another request.
        self._held = b""
        # It connects here, which may take a request to a proxy.
        self._open()
        # Whoever calls this himself may send nothing more.
        self._keeps = self._asks
        try:
            above.endheaders(*args, **settings)
        finally:
            self._keeps = False

    def send(self, data: Any) -> None:
        if isinstance(data, bytes) and len(data) <= _SENT_AT_ONCE:
            if self._keeps and not self._held:  # a body may come by ``endheaders``, too
                self._held = data
                return
            data, self._held = self._held + data, b""
        elif self._held:
            self.send(b"")
        if not self._is_sending:
            self._is_sending = True
            if not self.is_connected:  # it ended since the pool looked
                raise ClosedUnread("the connection had been closed")
        try:
            self._send(data)
        except ConnectionError:  # what a call of the system fails with, it has not taken
            self._is_cut_short = self._is_used
            raise

    def _send(self, data: Any) -> None:
        above: Any = super()
        until = deadline.until()
        if until is None or not isinstance(data, bytes):
            above.send(data)
            return
        self._open()
        rest = memoryview(data)
        while rest:
            _give_what_is_left(self.sock, None, until)
            rest = rest[self.sock.send(rest[:_SENT_AT_ONCE]) :]

    def _open(self) -> None:
        if self.sock is None:
            if not self.auto_open:
                raise NotConnected
            self.connect()


class _Idle(LifoQueue[Any]):
    """The idle connections of a pool. A LifoQueue's lock is taken by Python code: an interrupt
    between its lines leaves it held, and every later call would wait for ever. It is one by its
    type alone: vcrpy drops, unclosed, the connections of a pool whose queue is none."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self._most = most
        self._free: list[Any] = []  # append and pop are atomic

    def qsize(self) -> int:
        return len(self._free)

    def empty(self) -> bool:
        return not self._free

    def full(self) -> bool:
        return len(self._free) >= self._most

    def get(self, block: bool = False, timeout: float | None = None) -> Any:
        try:
            return self._free.pop()
        except IndexError:
            raise Empty from None

    def put(self, item: Any, block: bool = False, timeout: float | None = None) -> None:
        if self.full():
            raise Full
        self._free.append(item)


class _FinalOnly:
    """Before a ConnectionPool of urllib3, whose connections then read past interim responses,
    and know of deadlines."""

    QueueCls = _Idle

    def urlopen(self, *args: Any, **settings: Any) -> Any:
        """Send again what an idle connection did not take any more."""
        above: Any = super()
        for _ in range(_MOST_CLOSED):
            try:
                return above.urlopen(*args, **settings)
            except ProtocolError as exc:
                closed = any(isinstance(each, ClosedUnread) for each in exc.args)
                if not closed or ((cut := cutting.get()) is not None and cut.is_cut):
                    raise
        return above.urlopen(*args, **settings)

    def _new_conn(self) -> Any:
        above: Any = super()
        made = above._new_conn()
        # Recorders and mocks may have put connections of their own there.
        if getattr(made, "response_class", None) is HTTPResponse:
            made.response_class = FinalResponse
            if type(made).__module__.startswith("urllib3."):
                kind: Any = type(made)
                made.__class__ = _timed(kind)
        return made


@cache
def _timed(kind: Any) -> type:
    return type(kind.__name__, (_Timed, kind), {"__module__": kind.__module__})


def skip_interim(manager: Any) -> Any:
    """Let the pools that a PoolManager of urllib3 makes read past interim responses; the same
    manager."""
    kinds = manager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {scheme: _final_only(kind) for scheme, kind in kinds.items()}
    return manager


@cache
def _final_only(kind: type) -> type:
    return kind if issubclass(kind, _FinalOnly) else type(kind.__name__, (_FinalOnly, kind), {})


def single_headers(raw: Any) -> dict[str, str] | None:
    """The headers of a response of urllib3 by their names in lower case; None where ``headers``
    must be asked, which joins those that come twice."""
    head = getattr(getattr(raw, "_original_response", None), "msg", None)
    return head.single() if type(head) is _Head else None


def unchunked(raw: Any, original: Any, reader: Any, tick: Callable[[], None]) -> Iterator[bytes]:
    """Pieces of a chunked body, many chunks in one where they are there; ``tick`` is called before
    each wait.

    urllib3 takes three microseconds for each chunk, and providers send an event in each.
    """
    decoder = ChunkedDecoder()
    while not decoder.done:
        block = reader.read1(65536)
        if not block:
            raise ProtocolError("the body ended inside a chunk")
        if piece := decoder.feed(block):
            yield piece
        tick()
    # At the end of the message the connection goes back to its pool.
    original.close()
    raw.release_conn()
