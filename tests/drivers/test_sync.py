"""What only the sync transport has: threads, and a session of the caller's own."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import requests
import urllib3

from prompture.drivers.sync import RequestsTransport
from prompture.drivers.sync_network import skip_interim
from prompture.errors import ConfigurationError, ConnectionLost
from prompture.wire.deadline import within
from tests import server as on
from tests.drivers.colours import ASK, KEY, Sync, quick
from tests.server import EVENTS, serving


def test_threads_share_a_driver() -> None:
    with serving(on.good()) as server, Sync() as colour, ThreadPoolExecutor(8) as pool:
        driver = colour.driver(server.url)
        found = list(pool.map(lambda _: colour.complete(driver).text, range(80)))
        assert found == ["hello"] * 80
        assert len(server.asked) == 80
        assert server.most <= 8
        assert server.accepted <= 16


def test_a_session_of_ones_own() -> None:
    session = requests.Session()
    session.headers["x-mine"] = "yes"
    with serving(on.good(), on.streams(*EVENTS), on.good()) as server, Sync() as colour:
        driver = colour.driver(server.url, session=session)
        assert colour.complete(driver).text == "hello"
        assert colour.stream(driver)[-1].text == "hello"
        assert server.asked[0][1]["x-mine"] == "yes"
        driver.close()
        again = colour.driver(server.url, session=session)
        assert colour.complete(again).text == "hello"
        assert server.accepted == 1
    session.close()


def test_closing_closes() -> None:
    with serving(on.good()) as server, Sync() as colour:
        driver = colour.driver(server.url)
        for times in (1, 2):
            with driver:
                driver.complete(ASK)
            assert server.accepted == times
            for face in (driver.complete, lambda ask: next(iter(driver.stream(ask)))):
                with pytest.raises(ConfigurationError, match="closed"):
                    face(ASK)
            with pytest.raises(ConfigurationError, match="closed"):
                driver.list_models()
        assert len(server.asked) == 2


def test_closing_closes_also_while_an_error_is_kept() -> None:
    kept = []
    with serving(on.good(), lambda x: x.drop()) as server, Sync() as colour:
        driver = colour.driver(server.url, retry=quick(1))
        for _ in range(2):
            try:
                colour.complete(driver)
            except ConnectionLost as exc:
                kept.append(exc)
        pool = driver._transport._pools.copy()
        driver.close()
        assert all(each.pool is None for each in pool.values())
    assert len(kept) == 1


def test_a_session_with_a_retrying_adapter_is_the_callers_affair() -> None:
    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(max_retries=2))
    with serving(on.good()) as server, Sync() as colour:
        assert colour.complete(colour.driver(server.url, session=session)).text == "hello"
    session.close()


@pytest.mark.parametrize("place", ["requests.adapters.HTTPAdapter.send", "requests.Session.send"])
def test_a_response_that_a_test_made_by_hand(place: str) -> None:
    def send(_: Any, request: Any, **settings: Any) -> requests.Response:
        made = requests.Response()
        made.status_code, made._content = 200, on.answer("hello")
        made.headers["content-type"] = "application/json"
        return made

    with mock.patch(place, send), Sync() as colour:
        assert colour.complete(colour.driver("https://api.example.com/v1")).text == "hello"


def test_certificates_are_verified() -> None:
    transport = RequestsTransport()
    pool = transport._pool("https://api.example.com/v1/chat")
    assert pool is transport._pool("https://api.example.com/v1/models")
    context = pool.conn_kw["ssl_context"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    transport.close()


def test_a_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server stands for the proxy: it is asked for the whole URL."""
    with serving(on.good()) as server, Sync() as colour:
        monkeypatch.setenv("http_proxy", server.url.removesuffix("/v1"))
        assert colour.complete(colour.driver("http://nowhere.example/v1")).text == "hello"
        assert server.asked[0][0] == "http://nowhere.example/v1/chat/completions"


def test_a_session_brings_all_its_settings_and_no_netrc(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login who password from-netrc\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    heard: list[int] = []
    with serving(on.good()) as server, Sync() as colour, requests.Session() as session:
        session.hooks["response"].append(lambda reply, **_: heard.append(reply.status_code))
        session.cookies.set("of", "mine")
        session.params = {"tenant": "7"}
        colour.complete(colour.driver(server.url, session=session))
        path, headers, _ = server.asked[0]
        assert path == "/v1/chat/completions?tenant=7"
        assert headers["authorization"] == f"Bearer {KEY}"
        assert headers["cookie"] == "of=mine"
        assert heard == [200]
        session.auth = ("who", "asked")
        colour.complete(colour.driver(server.url, session=session))
        assert server.asked[1][1]["authorization"].startswith("Basic ")


class Recording(requests.Session):
    """A session whose own class puts itself before the calls."""

    def request(self, method: Any, url: Any, *args: Any, **given: Any) -> Any:
        self.headers["x-seen"] = "yes"
        return super().request(method, url, *args, **given)


def test_a_session_of_ones_own_class_sees_every_call() -> None:
    with serving(on.good(), on.streams(*EVENTS)) as server, Sync() as colour:
        with Recording() as session:
            driver = colour.driver(server.url, session=session)
            colour.complete(driver)
            colour.stream(driver)
        assert [headers["x-seen"] for _, headers, _ in server.asked] == ["yes", "yes"]


class Noting:
    """A socket that takes everything, until it is interrupted."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.is_interrupted = False

    def settimeout(self, seconds: float | None) -> None: ...

    def close(self) -> None: ...

    def sendall(self, data: Any) -> None:
        self.send(data)

    def send(self, data: Any) -> int:
        if self.is_interrupted:
            raise KeyboardInterrupt
        self.sent.append(bytes(data))
        return len(data)


@pytest.fixture(params=[None, 30.0], ids=["no deadline", "deadline"])
def connection(request: pytest.FixtureRequest) -> Iterator[Any]:
    with skip_interim(urllib3.PoolManager()) as manager, within(request.param):
        made = manager.connection_from_url("http://127.0.0.1:1")._new_conn()
        made.sock = Noting()
        yield made
        made.sock = None


def sent_by(connection: Any, *request: Any) -> list[bytes]:
    connection.close()
    connection.sock = sock = Noting()
    connection.request(*request)
    return sock.sent


def test_the_head_of_a_request_leaves_with_a_short_body(connection: Any) -> None:
    (whole,) = sent_by(connection, "POST", "/a", b"short")
    assert whole.startswith(b"POST /a") and whole.endswith(b"\r\n\r\nshort")
    (whole,) = sent_by(connection, "GET", "/b")
    assert whole.startswith(b"GET /b") and whole.endswith(b"\r\n\r\n")
    head, *body = sent_by(connection, "POST", "/c", bytes(20_000))
    assert head.endswith(b"\r\n\r\n") and b"".join(body) == bytes(20_000)


def test_what_an_interrupt_left_is_not_sent_with_the_next_request(connection: Any) -> None:
    connection.sock.is_interrupted = True
    with pytest.raises(KeyboardInterrupt):
        connection.request("POST", "/a", b"first")
    (whole,) = sent_by(connection, "POST", "/b", b"second")
    assert whole.startswith(b"POST /b") and whole.endswith(b"\r\n\r\nsecond")


def test_who_sends_by_the_parts_of_a_connection_sends_all_of_it(connection: Any) -> None:
    # What urllib3 1.26 and adapters of others do: a body by ``endheaders``, or nothing after it.
    connection.putrequest("GET", "/a")
    connection.endheaders()
    assert b"".join(connection.sock.sent).startswith(b"GET /a")
    for body in (b"short", bytes(20_000)):
        connection.close()
        connection.sock = Noting()
        http.client.HTTPConnection.request(connection, "POST", "/b", body)
        whole = b"".join(connection.sock.sent)
        assert whole.startswith(b"POST /b") and whole.endswith(b"\r\n\r\n" + body)
