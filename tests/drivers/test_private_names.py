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
from prompture.drivers import aio, sync
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
