"""A provider on loopback whose model names select its faults; a process of its own.

    python -m chaos.server          prints its two ports

``chaos-<fault>[.<argument>...][.x<N>]``: the fault (a function of ``faults.py``), with ``x2`` for
the first two requests of a document only; what follows is answered well. The dialect is known by
the path. The second port closes every connection as it comes.

It counts: every request is a line of its ledger, with what the model billed (every request that a
model began to answer, whether or not the answer went out), and ``/control/stats`` knows the
connections. Documents are named ``case-<run>-<number>``; ``/control/ledger?run=...`` gives a run's.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import socket
import struct
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from chaos import dialects
from chaos.dialects import Answer
from chaos.documents import CASE, value_of

LONGEST = 120.0
"""Seconds after which the server itself ends what would go on for ever."""
_ITEMS = re.compile(rb'\\?"properties\\?":\s*\{\s*\\?"items\\?"')
_SCHEMA = re.compile(rb'\\?"properties\\?":')


@dataclass(slots=True)
class Entry:
    """A request as the provider's books have it. Times are seconds on the server's clock."""

    serial: int
    case: str
    model: str
    dialect: str
    streamed: bool
    at: float
    fault: str = ""
    status: int = 0
    billed: tuple[int, int] | None = None
    content: int = 0
    """Events with content that went out."""
    ended: float = 0.0
    left: bool = False


@dataclass(slots=True)
class Provider:
    """What the process knows."""

    ledger: list[Entry] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    gates: dict[str, str] = field(default_factory=dict)
    """The fault of each model ``chaos-gate.NAME``, which a proof opens and closes."""
    open: set[Connection] = field(default_factory=set)
    most: int = 0
    busy: Counter[str] = field(default_factory=Counter)
    tries: Counter[str] = field(default_factory=Counter)
    draws: random.Random = field(default_factory=lambda: random.Random(7))


class Gone(Exception):
    """The client has left, or the fault has closed the connection."""


class Connection:
    """One client's connection, request after request."""

    def __init__(
        self, state: Provider, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.state, self.reader, self.writer = state, reader, writer
        self.is_doomed = False
        """The next request is met by a closed connection, unread."""

    async def serve(self) -> None:
        try:
            while await self._next():
                pass
        except (Gone, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self.state.open.discard(self)
            self.writer.close()

    async def _next(self) -> bool:
        head = await self.reader.readuntil(b"\r\n\r\n")
        if self.is_doomed:
            self.state.counts["unread"] += 1
            self.reset()
            raise Gone
        line, *lines = head.decode("latin-1").split("\r\n")
        _, path, _ = line.split(" ", 2)
        headers = {k.lower(): v.strip() for k, _, v in (at.partition(":") for at in lines if at)}
        body = await self.reader.readexactly(int(headers.get("content-length") or 0))
        if path.startswith("/control/"):
            self.state.open.discard(self)
            await self._control(path, body)
            return True
        if self not in self.state.open:
            self.state.open.add(self)
            self.state.counts["connections"] += 1
            self.state.most = max(self.state.most, len(self.state.open))
        await self._provide(path, body)
        return not self.writer.is_closing()

    async def _provide(self, path: str, body: bytes) -> None:
        state, path = self.state, path.partition("?")[0]
        asked = json.loads(body)
        dialect = dialects.dialect_of(path)
        model = asked.get("model") or path.rpartition("/")[2].partition(":")[0]
        found = CASE.search(body.decode("utf-8", "replace"))
        case = found[0] if found else ""
        entry = Entry(
            len(state.ledger) + 1,
            case,
            model,
            dialect,
            bool(asked.get("stream") or "streamGenerate" in path),
            time.monotonic(),
        )
        state.ledger.append(entry)
        fault, arguments = self._fault(model, case)
        entry.fault = ".".join((fault, *arguments))
        exchange = Exchange(self, entry, asked, body)
        state.busy[model] += 1
        try:
            await FAULTS[fault](exchange, *arguments)
        except (Gone, OSError):
            entry.left = True
            raise
        finally:
            state.busy[model] -= 1
            entry.ended = time.monotonic()

    def _fault(self, model: str, case: str) -> tuple[str, list[str]]:
        fault, *arguments = model.removeprefix("chaos-").split(".")
        if fault == "gate":
            fault, *arguments = self.state.gates.get(arguments[0], "ok").split(".")
        if arguments and re.fullmatch(r"x\d+", arguments[-1]):
            key = f"{model} {case}"
            self.state.tries[key] += 1
            if self.state.tries[key] > int(arguments.pop()[1:]):
                return "ok", []
        return (fault, arguments) if fault in FAULTS else ("unknown-model", [])

    async def _control(self, path: str, body: bytes) -> None:
        state = self.state
        what, _, query = path.removeprefix("/control/").partition("?")
        answer: Any = {}
        if what == "stats":
            counts = {**state.counts, "open": len(state.open), "most": state.most}
            answer = {"now": time.monotonic(), "requests": len(state.ledger), **counts}
        elif what == "ledger":
            prefix = f"case-{query.removeprefix('run=')}-"
            answer = [asdict(e) for e in state.ledger if e.case.startswith(prefix)]
        elif what == "gates":
            state.gates.update(json.loads(body))
        elif what == "forget":
            state.ledger.clear()
            state.tries.clear()
            state.most = len(state.open)
        text = json.dumps(answer).encode()
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        self.writer.write(head % len(text) + text)
        await self.writer.drain()

    def reset(self) -> None:
        """Close so that the client gets a reset, not an end."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Exchange:
    """One request being answered: what the faults are made of."""

    def __init__(
        self, connection: Connection, entry: Entry, asked: dict[str, Any], body: bytes
    ) -> None:
        self.connection, self.entry, self.asked = connection, entry, asked
        self.writer = connection.writer
        self.dialect = entry.dialect
        self.streamed = entry.streamed
        self._body = body
        self._is_chunked = False

    # What a model says.

    def answer(self, **fields: Any) -> Answer:
        """The right answer, which the model bills."""
        self.bill()
        tool = dialects.forced_tool(self.dialect, self.asked)
        value = value_of(self.entry.case)
        if _ITEMS.search(self._body):
            value = {"items": value["lines"]}
        is_text = not tool and not _SCHEMA.search(self._body)
        text = f"It is {self.entry.case}." if is_text else json.dumps(value)
        return Answer(
            **{"text": text, "tokens": self.tokens, "id": self.id, "tool": tool, **fields}
        )

    @property
    def id(self) -> str:
        return f"req_{self.entry.serial}"

    @property
    def tokens(self) -> tuple[int, int]:
        """No two requests have the same input tokens, so that charges can be told apart."""
        return 1000 + self.entry.serial, 100 + self.entry.serial % 50

    def bill(self) -> None:
        """The model has begun: this request costs."""
        self.entry.billed = self.tokens

    # What goes over the wire.

    async def head(
        self, status: int = 200, *, kind: str = "application/json", length: int | None = None,
        more: str = "",
    ) -> None:  # fmt: skip
        self.entry.status = status
        self._is_chunked = length is None
        size = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
        name = dialects.ID_HEADER[self.dialect]
        await self.raw(
            f"HTTP/1.1 {status} Chaos\r\ncontent-type: {kind}\r\n{size}\r\n"
            f"{name}: {self.id}\r\n{more}\r\n".encode()
        )

    async def raw(self, data: bytes) -> None:
        if self.writer.is_closing():
            raise Gone
        self.writer.write(data)
        await self.writer.drain()

    async def piece(self, data: bytes) -> None:
        """A part of the body."""
        await self.raw(b"%x\r\n%s\r\n" % (len(data), data) if self._is_chunked else data)

    async def end(self) -> None:
        if self._is_chunked:
            await self.raw(b"0\r\n\r\n")

    async def reply(
        self, body: bytes, status: int = 200, *, kind: str = "application/json", more: str = ""
    ) -> None:
        await self.head(status, kind=kind, length=len(body), more=more)
        if body:
            await self.raw(body)

    async def events(self, events: list[dialects.Event]) -> None:
        for each in events:
            await self.event(each)

    async def event(self, event: dialects.Event) -> None:
        self.entry.content += event.kind == "content"
        await self.piece(event.data)
        await asyncio.sleep(0)

    async def stream_head(self, **fields: Any) -> None:
        await self.head(kind="text/event-stream", **fields)

    async def ok(self, **fields: Any) -> None:
        """The right answer, whole or streamed as it was asked for."""
        answer = self.answer(**fields)
        if not self.streamed:
            await self.reply(dialects.dumps(dialects.whole(self.dialect, answer)))
            return
        await self.stream_head()
        await self.events(dialects.events(self.dialect, answer))
        await self.end()

    def drop(self) -> None:
        """Close the connection at an end of what was sent."""
        self.writer.close()
        raise Gone

    def reset(self) -> None:
        self.connection.reset()
        raise Gone

    async def until_left(self, seconds: float = LONGEST) -> None:
        """Wait until the client closes the connection."""
        try:
            async with asyncio.timeout(seconds):
                await self.connection.reader.read(1)
        except TimeoutError:
            pass
        self.drop()

    async def forever(self, say: Callable[[], Awaitable[None]], seconds: float) -> None:
        """Say something every few seconds until the client leaves."""
        end = time.monotonic() + LONGEST
        while time.monotonic() < end:
            await say()
            await asyncio.sleep(seconds)
        self.drop()


Fault = Callable[..., Awaitable[None]]
FAULTS: dict[str, Fault] = {}


async def main() -> None:
    from chaos import faults

    FAULTS.update(faults.FAULTS)
    state = Provider()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Connection(state, reader, writer).serve()

    async def refused(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        state.counts["refused"] += 1
        writer.transport.abort()

    servers = [
        await asyncio.start_server(each, "127.0.0.1", 0, backlog=2048, limit=1 << 20)
        for each in (connected, refused)
    ]
    print(*(s.sockets[0].getsockname()[1] for s in servers), flush=True)
    parent = os.getppid()
    while os.getppid() == parent:  # it does not outlive who started it
        await asyncio.sleep(1)


if __name__ == "__main__":
    try:
        import uvloop

        uvloop.install()
    except ImportError:
        pass
    asyncio.run(main())
