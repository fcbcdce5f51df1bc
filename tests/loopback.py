"""A provider on loopback that answers from a script, for tests that go over real sockets."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One response. ``cut`` bytes of the body are sent, then the connection is dropped."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    cut: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it arrived; header names are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


Answerer: TypeAlias = Callable[[Asked], Reply]


@dataclass(slots=True)
class Loopback:
    """A running server. ``asked`` are the requests so far."""

    url: str
    asked: list[Asked]


def json_reply(body: Any, *, status: int = 200, **headers: str) -> Reply:
    """A reply of JSON. Underscores in names of headers are hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    kind = {"content-type": "application/json"}
    return Reply(status=status, body=json.dumps(body).encode(), headers={**kind, **named})


@contextmanager
def serving(answers: Iterable[Reply] | Answerer) -> Iterator[Loopback]:
    """A server that gives the replies in turn (then 500 ``script exhausted``), or those of a
    function."""
    asked: list[Asked] = []
    lock = threading.Lock()
    script = iter(()) if callable(answers) else iter(answers)

    def answer(request: Asked) -> Reply:
        with lock:
            asked.append(request)
            if callable(answers):
                return answers(request)
            spent = json_reply({"error": {"message": "script exhausted"}}, status=500)
            return next(script, spent)

    class Handler(_Handler):
        reply_to = staticmethod(answer)

    server = _Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield Loopback(f"http://127.0.0.1:{server.server_address[1]}", asked)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Server(ThreadingHTTPServer):
    request_queue_size = 512  # hundreds of clients may come at once


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    reply_to: Callable[[Asked], Reply]

    def _handle(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        # One that came twice is joined, so that a test sees it.
        headers = {n.lower(): ", ".join(self.headers.get_all(n) or ()) for n in self.headers}
        asked = Asked(self.command, self.path, headers, self.rfile.read(length))
        reply = type(self).reply_to(asked)
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body[: reply.cut])
        if reply.cut is not None:
            self.wfile.flush()
            self.close_connection = True

    do_GET = do_POST = _handle

    def log_message(self, *_: object) -> None:
        """Not on the tests' standard error."""
