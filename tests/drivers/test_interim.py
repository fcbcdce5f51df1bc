"""Interim responses (102, 103): read past, and never a reason to give one caller another's answer."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from prompture.drivers import sync_network
from prompture.errors import ConnectionLost, ProtocolError
from tests import server as on
from tests.drivers.colours import COLOURS, Colour, Sync, quick
from tests.server import EVENTS, Exchange, Step, serving

INTERIM = (b"HTTP/1.1 102 Processing\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")


def after(*heads: bytes, then: Step) -> Step:
    def step(x: Exchange) -> None:
        for head in heads:
            x.wfile.write(head)
        x.wfile.flush()
        then(x)

    return step


@pytest.mark.parametrize("make", COLOURS)
def test_the_answer_follows(make: type[Colour]) -> None:
    steps = [
        after(*INTERIM, then=on.good("first")),
        after(INTERIM[1], then=on.streams(*EVENTS)),
        after(INTERIM[0], then=on.fails(400, "too long")),
        on.good("last"),
    ]
    with serving(*steps) as server, make() as colour:
        driver = colour.driver(server.url)
        assert colour.complete(driver).text == "first"
        assert colour.stream(driver)[-1].text == "hello"
        with pytest.raises(Exception, match="too long"):
            colour.complete(driver)
        assert colour.complete(driver).text == "last"
        assert server.accepted == 1


def test_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = (after(*INTERIM, then=on.good("first")), on.good("second"))
    with serving(*steps) as server, Sync() as colour:
        monkeypatch.setenv("http_proxy", server.url.removesuffix("/v1"))
        monkeypatch.setenv("no_proxy", "")
        driver = colour.driver("http://provider.example/v1")
        assert [colour.complete(driver).text for _ in range(2)] == ["first", "second"]


@pytest.mark.parametrize("head", [*INTERIM, b"HTTP/1.1 101 Switching Protocols\r\n\r\n"])
def test_a_session_of_ones_own_gives_nobody_anothers_answer(head: bytes) -> None:
    session = requests.Session()
    silent = after(head, then=lambda x: x.wait_until_left())
    with serving(silent, on.good("second")) as server, Sync() as colour:
        driver = colour.driver(server.url, session=session, retry=quick(1))
        with pytest.raises(ProtocolError, match="no answer after it") as caught:
            colour.complete(driver)
        assert caught.value.bill is not None and caught.value.bill.total is None
        assert server.left.wait(on.WAIT)
        assert colour.complete(driver).text == "second"
        assert server.accepted == 2
    session.close()


def test_without_end(monkeypatch: Any) -> None:
    monkeypatch.setattr(sync_network, "MOST_INTERIM", 3)
    steps = after(*INTERIM * 2, then=on.good())
    with serving(steps) as server, Sync() as colour:
        driver = colour.driver(server.url, retry=quick(1))
        with pytest.raises(ConnectionLost, match="more than 3 interim responses"):
            colour.complete(driver)


def framed(text: str) -> bytes:
    body = on.answer(text)
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return f"{head}\r\n\r\n".encode() + body


@pytest.mark.parametrize("make", COLOURS)
def test_what_lies_behind_an_answer_is_no_answer_to_the_next_request(make: type[Colour]) -> None:
    def twice(x: Exchange) -> None:
        x.wfile.write(framed("first") + framed("nobody's"))
        x.wfile.flush()

    with serving(twice, on.good("second"), on.good("third")) as server, make() as colour:
        driver = colour.driver(server.url)
        assert colour.complete(driver).text == "first"
        assert colour.complete(driver).text == "second"
        assert colour.complete(driver).text == "third"
