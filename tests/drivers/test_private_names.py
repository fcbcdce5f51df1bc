"""The private names of other packages that we use: still there, and not needed."""

from __future__ import annotations

import http.client
import io
import socket
from queue import Queue
from typing import Any

import httpx2
import pytest
import urllib3

from prompture import compat
from prompture.drivers import aio, sync, sync_network
from tests import server as served
from tests.drivers.colours import COLOURS


def test_http_client_reads_its_body_from_fp() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
        original = http.client.HTTPResponse(ours)
        original.begin()
        raw = urllib3.HTTPResponse(original, preload_content=False, original_response=original)
        assert compat.chunked_reader(raw) == (original, original.fp)
        original.close()


def test_another_response_has_no_chunked_reader() -> None:
    assert (
        compat.chunked_reader(urllib3.HTTPResponse(io.BytesIO(b"hi"), preload_content=False))
        is None
    )
    assert compat.chunked_reader(object()) is None


def test_urllib3_keeps_pools_in_a_container_with_queues() -> None:
    manager = urllib3.PoolManager()
    pool = manager.connection_from_url("http://127.0.0.1:1")
    assert list(manager.pools._container.values()) == [pool]  # type: ignore[attr-defined]
    assert isinstance(pool.pool, Queue)
    pool.pool.mutex.acquire()
    compat.free_queues(manager)
    assert not pool.pool.mutex.locked()


def test_httpx2_has_the_functions_that_tracers_replace() -> None:
    assert len(compat.client_functions(httpx2.AsyncClient)) == 4
    assert compat.Untouched("httpx2")(compat.client_functions(httpx2.AsyncClient))
    assert compat.client_functions(object) == () and not compat.Untouched("httpx2")(())


def test_httpx2_keeps_connections_in_pool() -> None:
    assert compat.keeps_pool(httpx2.AsyncHTTPTransport)
    assert not compat.keeps_pool(object)


@pytest.mark.parametrize("kind", COLOURS, ids=lambda kind: kind.name)
def test_calls_and_streams_without_any_of_them(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "chunked_reader", lambda raw: None)
    monkeypatch.setattr(aio, "client_functions", lambda client: ())
    monkeypatch.setattr(aio, "keeps_pool", lambda transport: False)
    events = (served.event("hel"), served.event("lo", finish="stop"))
    with served.serving(served.good(), served.streams(*events)) as server, kind() as colour:
        driver = colour.driver(server.url)
        assert colour.complete(driver).text == "hello"
        assert colour.stream(driver)[-1].text == "hello"


HEADS = {
    "usual": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\ncontent-length:2\r\nX-A: \r\n",
    "twice": b"HTTP/1.1 429 Too Many Requests\r\nSet-Cookie: a\r\nset-cookie: b\r\nConnection: Close\r\n",
    "chunked": b"HTTP/1.1 200\r\nTransfer-Encoding: Chunked\r\nContent-Length: 9\r\n",
    "latin-1": b"HTTP/1.1 200 sch\xf6n \r\nx-name: \tM\xfcller = 1: 2\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n",
}
ODD_HEADS = {
    "folded": b"HTTP/1.1 200 OK\r\nx-a: 1\r\n 2\r\ncontent-length: 2\r\n",
    "no colon": b"HTTP/1.1 200 OK\r\nx-a 1\r\ncontent-length: 2\r\n",
    "blank in a name": b"HTTP/1.1 200 OK\r\nx a: 1\r\ncontent-length: 2\r\n",
    "no name": b"HTTP/1.1 200 OK\r\n: 1\r\ncontent-length: 2\r\n",
    "bare line ends": b"HTTP/1.1 200 OK\nx-a: 1\ncontent-length: 2\n",
    "bare return": b"HTTP/1.1 200 OK\r\nx-a: 1\rx-b: 2\r\ncontent-length: 2\r\n",
    "older": b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n",
    "no headers": b"HTTP/1.1 200 OK\r\n",
    "no content": b"HTTP/1.1 204 No Content\r\nx-a: 1\r\n",
    "blank behind a value": b"HTTP/1.1 200 OK\r\nx-a: 1 \r\ncontent-length: 2\r\n",
    "zero": b"HTTP/1.1 200 OK\r\nx-a: 1\0\r\ncontent-length: 2\r\n",
    "no token": b"HTTP/1.1 200 OK\r\nx@a: 1\r\ncontent-length: 2\r\n",
    "odd length": b"HTTP/1.1 200 OK\r\ncontent-length: 2 \r\n",
    "signed length": b"HTTP/1.1 200 OK\r\ncontent-length: +2\r\n",
    "no number": b"HTTP/1.1 200 OK\r\ncontent-length: two\r\n",
    "huge length": b"HTTP/1.1 200 OK\r\ncontent-length: " + b"9" * 5000 + b"\r\n",
    "interim": b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n",
}


def _begun(kind: type[http.client.HTTPResponse], head: bytes, **settings: str) -> Any:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(head + b"\r\nhi")
        response = kind(ours, **settings)
        response.begin()
        response.close()
        return response


def _read(kind: type[http.client.HTTPResponse], head: bytes) -> dict[str, Any]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(head + b"\r\nhi")
        theirs.shutdown(socket.SHUT_WR)
        response = kind(ours)
        response.begin()
        if response.status == 103:  # the standard library's takes it for the answer
            return _read(kind, head.partition(b"\r\n\r\n")[2])
        names = ("status", "reason", "version", "chunked", "length", "will_close")
        found = {name: getattr(response, name) for name in names}
        msg = response.msg
        found["fields"] = msg.items(), msg.keys(), msg.get_all("set-cookie"), msg["X-A"], str(msg)
        found["gotten"] = [msg.get(name.title()) for name in msg], msg.get("none", 1)
        found["body"] = b"" if response.chunked else response.read()
        return found


@pytest.mark.parametrize("head", [*HEADS.values(), *ODD_HEADS.values()], ids=[*HEADS, *ODD_HEADS])
def test_a_head_is_read_as_the_standard_library_reads_it(head: bytes) -> None:
    assert _read(sync_network.FinalResponse, head) == _read(http.client.HTTPResponse, head)


def test_a_head_may_be_changed_like_any_message() -> None:
    msg = _begun(sync_network.FinalResponse, HEADS["usual"]).msg
    del msg["x-a"]
    msg["X-New"] = "1"
    msg.replace_header("content-type", "text/plain")
    assert (msg.get("X-A"), msg.get("x-new")) == (None, "1")
    assert msg.single() == {"content-length": "2", "x-new": "1", "content-type": "text/plain"}


def test_the_answer_to_head_has_no_body() -> None:
    assert _begun(sync_network.FinalResponse, HEADS["usual"], method="HEAD").length == 0


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_the_usual_head_is_not_read_as_e_mail(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(*_: Any) -> Any:
        raise AssertionError("read by the standard library")

    expected = _read(http.client.HTTPResponse, head)
    monkeypatch.setattr(http.client, "parse_headers", parse)
    assert _read(sync_network.FinalResponse, head) == expected


def test_too_many_headers_are_refused() -> None:
    head = b"HTTP/1.1 200 OK\r\n" + b"x: 1\r\n" * 100  # to the standard library their end is one
    with pytest.raises(http.client.HTTPException, match="more than 100 headers"):
        _read(sync_network.FinalResponse, head)
