"""A provider on loopback whose every byte is scripted: cut, held back, compressed, slow to end.

``tests/loopback.py`` gives plain replies in turn; this one is for what a transport must bear.
"""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WAIT = 10.0
"""Seconds after which an event that a test waits for has certainly failed to come."""


@dataclass(slots=True)
class Server:
    """A running server. ``asked`` are (path, headers, JSON body) of the requests so far,
    ``accepted`` how many connections were made, ``most`` how many were open at once."""

    url: str = ""
    asked: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    accepted: int = 0
    open: int = 0
    most: int = 0
    left: threading.Event = field(default_factory=threading.Event)
    ending: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Exchange(BaseHTTPRequestHandler):
    """One request being answered; the script's steps are its methods."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    state: Server
    script: Iterator[Step]

    def setup(self) -> None:
        super().setup()
        with self.state.lock:
            self.state.accepted += 1
            self.state.open += 1
            self.state.most = max(self.state.most, self.state.open)

    def finish(self) -> None:
        super().finish()
        with self.state.lock:
            self.state.open -= 1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.state.lock:
            self.state.asked.append((self.path, headers, json.loads(body) if body else None))
            step = next(self.script)
        step(self)

    do_GET = do_POST

    def head(self, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def reply(self, body: bytes, status: int = 200, **headers: str) -> None:
        """A whole answer."""
        self.head(status, content_length=str(len(body)), **headers)
        self.wfile.write(body)

    def chunk(self, piece: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.flush()

    def wait_until_left(self) -> None:
        """Until the client closes the connection, or the server is closed."""
        self.connection.settimeout(WAIT)
        try:
            gone = self.connection.recv(1) == b""
        except OSError:
            gone = True
        if gone:
            self.state.left.set()
        self.close_connection = True

    def hang(self) -> None:
        """Say nothing until the server is closed."""
        self.state.ending.wait(WAIT)
        self.close_connection = True

    def drop(self) -> None:
        """Close the connection in the middle."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        """Not on the tests' standard error."""


Step = Callable[[Exchange], None]


@contextmanager
def serving(*steps: Step) -> Iterator[Server]:
    """A server that answers each request with the next step; the last one is repeated."""

    def script() -> Iterator[Step]:
        yield from steps
        while True:
            yield steps[-1]

    state = Server()
    handler = type("Handler", (Exchange,), {"state": state, "script": script()})
    server = _Quiet(("127.0.0.1", 0), handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.ending.set()
        server.shutdown()
        server.server_close()
        thread.join(WAIT)


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 200

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is what many tests are about."""


# Bodies and steps of the chat dialect.

USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}


def answer(text: str = "hello") -> bytes:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": "stop",
    }
    return json.dumps({"model": "m", "choices": [choice], "usage": USAGE}).encode()


def event(text: str = "", *, finish: str | None = None, **top: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return b"data: " + json.dumps({"model": "m", "choices": [choice], **top}).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
EVENTS = (event("hel"), event("lo"), event(finish="stop", usage=USAGE), DONE)
JSON = {"content_type": "application/json"}
SSE = {"content_type": "text/event-stream", "transfer_encoding": "chunked"}


def good(text: str = "hello", **headers: str) -> Step:
    return lambda x: x.reply(answer(text), **JSON, **headers)


def fails(status: int, message: str = "no", **headers: str) -> Step:
    body = json.dumps({"error": {"message": message}}).encode()
    return lambda x: x.reply(body, status, **JSON, **headers)


def raw(body: bytes, status: int = 200, **headers: str) -> Step:
    return lambda x: x.reply(body, status, **headers)


def streams(*events: bytes, ended: bool = True, then: Step | None = None) -> Step:
    """A stream of chunks: ended well, cut off, or followed by a step."""

    def step(x: Exchange) -> None:
        x.head(**SSE)
        for piece in events:
            x.chunk(piece)
        if then:
            then(x)
        elif ended:
            x.chunk(b"")
        else:
            x.drop()

    return step


def zipped(body: bytes, *more: bytes, behind: bytes = b"") -> Step:
    """A compressed answer, in several members of gzip."""
    whole = b"".join(map(gzip.compress, (body, *more))) + behind
    return lambda x: x.reply(whole, content_encoding="gzip", **JSON)


def zipped_stream(events: Sequence[bytes]) -> Step:
    whole = gzip.compress(b"".join(events))
    pieces = [whole[i : i + 7] for i in range(0, len(whole), 7)]

    def step(x: Exchange) -> None:
        x.head(**SSE, content_encoding="gzip")
        for piece in (*pieces, b""):
            x.chunk(piece)

    return step


def cut(body: bytes, length: int) -> Step:
    """A whole answer of which only the first bytes come."""

    def step(x: Exchange) -> None:
        x.head(content_length=str(len(body)), **JSON)
        x.wfile.write(body[:length])
        x.wfile.flush()
        x.drop()

    return step


def hangs(x: Exchange) -> None:
    x.hang()


def waits_to_be_left(x: Exchange) -> None:
    x.wait_until_left()
