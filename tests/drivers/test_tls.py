"""Both transports over real TLS: a server on loopback with a certificate of its own authority."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from prompture import Completion, ConnectionLost, Retry, async_driver_for, driver_for
from prompture.drivers import connections
from prompture.drivers.connections import reason_of

trustme = pytest.importorskip("trustme")

CHUNKS = [{"choices": [{"index": 0, "delta": {"content": f"word{i} "}}]} for i in range(200)]
LAST = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
WHOLE = {
    "choices": [
        {"message": {"role": "assistant", "content": "x" * 200_000}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1},
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.connections.add(self.client_address)  # type: ignore[attr-defined]
        self.send_response(200)
        if not body.get("stream"):
            text = json.dumps(WHOLE).encode()
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
            return
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for each in (*CHUNKS, LAST):
            self._chunk(b"data: " + json.dumps(each).encode() + b"\n\n")
        self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def log_message(self, *args: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    connections: set[Any]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that breaks the handshake off is part of the test."""


@pytest.fixture(scope="module")
def authority() -> Any:
    return trustme.CA()


@pytest.fixture(scope="module")
def server(authority: Any) -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    running = Server(("127.0.0.1", 0), Handler)
    running.connections = set()
    running.socket = context.wrap_socket(
        running.socket, server_side=True, do_handshake_on_connect=False
    )
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture
def trusted(authority: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    connections.tls_context.cache_clear()
    yield
    connections.tls_context.cache_clear()


def _settings(server: Server) -> dict[str, Any]:
    url = f"https://localhost:{server.server_address[1]}/v1"
    return {"api_key": "k", "base_url": url, "retry": Retry(attempts=1), "timeout": 20}


def _sync(server: Server, calls: int) -> tuple[list[Completion], list[Any]]:
    with driver_for("openai/gpt-4o", **_settings(server)) as driver:
        answers = [driver.generate("hello") for _ in range(calls)]
        return answers, list(driver.generate_messages_stream([{"role": "user", "content": "x"}]))


def _async(server: Server, calls: int) -> tuple[list[Completion], list[Any]]:
    async def both() -> tuple[list[Completion], list[Any]]:
        async with async_driver_for("openai/gpt-4o", **_settings(server)) as driver:
            answers = [await driver.generate("hello") for _ in range(calls)]
            turns = [{"role": "user", "content": "x"}]
            return answers, [p async for p in driver.generate_messages_stream(turns)]

    return asyncio.run(both())


@pytest.mark.parametrize("colour", [_sync, _async], ids=["sync", "async"])
def test_answers_and_streams_over_one_connection(
    trusted: None, server: Server, colour: Any
) -> None:
    server.connections.clear()
    answers, pieces = colour(server, 3)
    assert [len(a.text) for a in answers] == [200_000] * 3
    done = pieces[-1]
    assert done.text == "".join(f"word{i} " for i in range(200))
    assert "".join(p.text for p in pieces[:-1]) == done.text
    assert len(server.connections) == 1


@pytest.mark.parametrize("colour", [_sync, _async], ids=["sync", "async"])
def test_an_unknown_authority_is_refused(server: Server, colour: Any) -> None:
    connections.tls_context.cache_clear()
    with pytest.raises(ConnectionLost, match=r"(?i)certificate"):
        colour(server, 1)


def test_the_numbers_of_tls_are_none_of_the_system() -> None:
    ended = ssl.SSLEOFError(8, "EOF occurred in violation of protocol")  # 8: Exec format error
    assert reason_of(ConnectionError(ended)) == "EOF occurred in violation of protocol"
