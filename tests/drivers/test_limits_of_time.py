"""A server that keeps talking, and says nothing, does not outlast the end of a call."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from prompture.errors import (
    DeadlineExceeded,
    PromptureError,
    ProtocolError,
    ReadTimeout,
    TransportError,
)
from prompture.wire.deadline import within
from tests import server as on
from tests.drivers.colours import ASK, COLOURS, Colour, quick
from tests.server import serving

HELD = 8.0


@pytest.fixture(params=COLOURS, ids=lambda kind: kind.name)
def colour(request: pytest.FixtureRequest) -> Iterator[Any]:
    with request.param() as made:
        yield made


def drips(piece: bytes, **headers: str) -> on.Step:
    """Says something every few milliseconds, for as long as somebody listens."""

    def step(x: on.Exchange) -> None:
        chunked = "transfer_encoding" in headers
        x.head(**headers)
        end = time.monotonic() + HELD
        try:
            while time.monotonic() < end and not x.state.ending.wait(0.02):
                x.chunk(piece) if chunked else x.wfile.write(piece)
                x.wfile.flush()
        except OSError:
            x.state.left.set()
        x.close_connection = True

    return step


CASES: list[tuple[bool, on.Step]] = [
    (True, drips(b": keep-alive\n\n", **on.SSE)),
    (True, drips(b": keep-alive\n\n", content_type="text/event-stream")),
    (True, drips(b": keep-alive\n\n", content_length="999999", content_type="text/event-stream")),
    (False, drips(b" ", **{**on.JSON, "transfer_encoding": "chunked"})),
    (False, drips(b" ", **on.JSON, content_length="999999")),
    (False, on.hangs),
    (True, on.hangs),
]


@pytest.mark.parametrize(("streamed", "step"), CASES)
def test_the_end_of_a_call(streamed: bool, step: on.Step, colour: Colour) -> None:
    ask: Callable[[Any], Any] = colour.stream if streamed else colour.complete
    with serving(step) as server:
        driver = colour.driver(server.url, timeout=5.0)
        begun = time.monotonic()
        with within(0.3), pytest.raises(DeadlineExceeded, match="whole call"):
            ask(driver)
        assert time.monotonic() - begun < 10
        assert len(server.asked) == 1


@pytest.mark.parametrize("streamed", [False, True])
def test_an_end_that_is_not_reached_changes_nothing(streamed: bool, colour: Colour) -> None:
    steps = [on.streams(*on.EVENTS)] if streamed else [on.good(), on.zipped(on.answer())]
    with serving(*steps) as server:
        driver = colour.driver(server.url)
        with within(30):
            for _ in range(2):
                found = colour.stream(driver)[-1] if streamed else colour.complete(driver)
                assert found.text == "hello"
        assert server.accepted == 1


def test_a_read_timeout_says_the_seconds_the_setting_and_the_tries(colour: Colour) -> None:
    with serving(on.hangs) as server:
        driver = colour.driver(server.url, timeout=0.3)
        with pytest.raises(ReadTimeout) as caught:
            colour.complete(driver)
        host = server.url.removeprefix("http://").removesuffix("/v1")
        assert str(caught.value) == (
            f"{host} sent nothing for 0.3 seconds (timeout=0.3) (tried 3 times)"
        )


def _raw(head: bytes) -> on.Step:
    def step(x: on.Exchange) -> None:
        x.wfile.write(head + on.answer())
        x.close_connection = True

    return step


@pytest.mark.parametrize(
    "length", [b"abc", b"-5", "²".encode("latin-1"), b"1" * 5000, b"5, 6", b"0x10"]
)
def test_a_content_length_that_is_none(length: bytes, colour: Colour) -> None:
    """The answer or an error of the answer, never of the settings; and it may have been billed."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %s\r\n\r\n"
    with serving(_raw(head % length)) as server:
        driver = colour.driver(server.url, retry=quick(1), timeout=1.0)
        try:
            assert colour.complete(driver, ASK).text == "hello"
        except PromptureError as exc:
            assert isinstance(exc, (ProtocolError, TransportError))
            assert exc.bill is not None and exc.bill.total is None
