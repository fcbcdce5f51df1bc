"""What both transports must bear, over real sockets: one table, two colours."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from prompture import errors
from prompture.drivers import meter
from prompture.drivers.hooks import Hooks
from prompture.money import Charge
from prompture.types import Completion, Delta, Request
from prompture.wire.http import HTTPRequest
from tests import server as on
from tests.drivers.colours import ASK, COLOURS, KEY, Colour, quick, text_of
from tests.server import EVENTS, WAIT, Step, serving


@pytest.fixture(params=COLOURS, ids=lambda c: c.name)
def colour(request: pytest.FixtureRequest) -> Iterator[Colour]:
    with request.param() as found:
        yield found


class Book:
    """A meter that writes down what it is told."""

    def __init__(self) -> None:
        self.charges: list[Charge] = []
        self.tries: list[Charge] = []
        self.open = 0

    def before(self, request: Request, driver: Any) -> tuple[Request, object]:
        self.open += 1
        return request, self

    def after(self, token: object, charge: Charge) -> None:
        if token is None:
            self.tries.append(charge)
            return
        self.open -= 1
        self.charges.append(charge)

    def again(self, token: object, charge: Charge) -> None:
        self.tries.append(charge)

    def withdraw(self, token: object) -> None:
        self.open -= 1


BIG = on.answer("x" * 200)
PAGE = b"<!doctype html><title>Sign in</title>"


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([on.good()], "hello"),
        ([on.zipped(on.answer("zip" * 9000))], "zip" * 9000),
        ([on.zipped(on.answer("zip")[:9], b"", on.answer("zip")[9:])], "zip"),
        ([on.zipped(on.answer("zip"), behind=b"\0\0")], "zip"),
        ([on.raw(b"no gzip", content_encoding="gzip"), on.good()], "hello"),
        ([on.raw(b"\n\n \n" + on.answer("blank lines first"))], "blank lines first"),
        ([on.fails(500), on.fails(503), on.good("third time")], "third time"),
        ([on.fails(429, retry_after="0"), on.good()], "hello"),
        ([on.fails(408), on.good()], "hello"),
        ([on.fails(409, x_should_retry="true"), on.good()], "hello"),
        ([on.cut(on.answer(), 20), on.good("sent again")], "sent again"),
        ([lambda x: x.drop(), on.good("sent again")], "sent again"),
        ([on.fails(500)], (errors.ServerError, 3)),
        ([on.fails(500, x_should_retry="false")], (errors.ServerError, 1)),
        ([on.fails(503)], (errors.Overloaded, 3)),
        ([on.fails(429, retry_after="3600")], (errors.RateLimitError, 1)),
        ([on.fails(401)], (errors.AuthenticationError, 1)),
        ([on.fails(402)], (errors.QuotaExhausted, 1)),
        ([on.fails(403)], (errors.PermissionDenied, 1)),
        ([on.fails(404)], (errors.ModelNotFound, 1)),
        ([on.fails(400)], (errors.InvalidRequest, 1)),
        ([on.fails(400, "maximum context length is 5")], (errors.ContextWindowExceeded, 1)),
        ([on.raw(PAGE, content_type="text/html")], (errors.ProtocolError, 1)),
        ([on.raw(PAGE, 502, content_type="text/html")], (errors.ServerError, 3)),
        ([on.raw(b"")], (errors.ProtocolError, 1)),
        ([on.raw(b"\xff\xfe{}")], (errors.ProtocolError, 1)),
        ([on.raw(b'{"error": "unexpected endpoint"}')], (errors.ServerError, 1)),
        ([on.raw(b'{"error": {"code": 503, "message": "full"}}')], (errors.Overloaded, 3)),
        (
            [on.raw(b'{"error": {"code": 503, "message": "full"}, "usage": {"cost": 0.01}}')],
            (errors.Overloaded, 1),
        ),
        ([on.cut(on.answer(), 20)], (errors.ConnectionLost, 3)),
    ],
)
def test_complete(colour: Colour, steps: list[Step], expected: Any) -> None:
    with serving(*steps) as server:
        driver = colour.driver(server.url)
        if isinstance(expected, str):
            assert colour.complete(driver).text == expected
            assert len(server.asked) == len(steps)
            return
        kind, times = expected
        with pytest.raises(kind) as caught:
            colour.complete(driver)
        assert type(caught.value) is kind
        assert len(server.asked) == times
        assert KEY not in f"{caught.value!r}{caught.value}{driver!r}{driver.endpoint!r}"


def test_headers_that_come_twice_are_joined(colour: Colour) -> None:
    with serving(on.good(X_A="1", x_a="2")) as server:
        sent = colour.driver(server.url)._transport.send(HTTPRequest("POST", server.url, {}, b"{}"))
        assert colour.run(sent).headers["x-a"] == "1, 2"


def test_retry_after_is_kept(colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("prompture.drivers.sync.time.sleep", waits.append)
    monkeypatch.setattr("prompture.drivers.aio.asyncio.sleep", sleep)
    with serving(
        on.fails(429, retry_after="1"), on.fails(529, retry_after_ms="50"), on.good()
    ) as s:
        found = colour.complete(colour.driver(s.url))
    assert waits == [1.0, 0.05]
    assert [c.note for c in found.retries] == ["RateLimitError", "Overloaded"]
    assert all(c.cost.usd == 0 for c in found.retries)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def test_nobody_there(colour: Colour) -> None:
    port = free_port()
    with pytest.raises(errors.ConnectionLost, match=f"127.0.0.1:{port}") as caught:
        colour.complete(colour.driver(f"http://127.0.0.1:{port}/v1"))
    assert caught.value.unsent
    assert all(c.cost.usd == 0 for c in (caught.value.bill.charges if caught.value.bill else ()))


def test_no_such_address(colour: Colour) -> None:
    for url in ("ftp://example.com/v1", "http://[", "//nowhere"):
        with pytest.raises(errors.PromptureError):
            colour.complete(colour.driver(url))


@pytest.mark.parametrize("step", [on.hangs, on.streams(EVENTS[0], then=on.hangs)])
def test_no_answer_in_time(colour: Colour, step: Step) -> None:
    with serving(on.good(), step, on.good(), step) as server:
        driver = colour.driver(server.url, retry=quick(1))
        colour.complete(driver)  # to connect takes its time, too, where the machine is busy
        with pytest.raises(errors.ReadTimeout, match=r"127\.0\.0\.1") as caught:
            colour.stream(driver, replace(ASK, timeout=0.2))
        assert caught.value.bill is not None
        colour.complete(driver)
        with pytest.raises(errors.ReadTimeout):
            colour.complete(driver, replace(ASK, timeout=0.1))


def test_stream(colour: Colour) -> None:
    for step in (on.streams(*EVENTS), on.zipped_stream(EVENTS), on.streams(*EVENTS[:-1])):
        with serving(step) as server:
            pieces = colour.stream(colour.driver(server.url))
            assert text_of(pieces) == "hello" == pieces[-1].text
            assert pieces[-1].usage.total_tokens == 1100
            assert server.asked[0][2]["stream"] is True


def test_a_piece_is_there_before_the_next_is_sent(colour: Colour) -> None:
    """No buffering: the server sends on only after the first delta has been told."""
    told: list[Delta] = []

    def see(delta: Delta) -> None:
        told.append(delta)

    def step(x: on.Exchange) -> None:
        x.head(**on.SSE)
        x.chunk(EVENTS[0])
        for _ in range(500):
            if told or x.state.ending.wait(0.01):
                break
        for piece in (*EVENTS[1:], b"") if told else ():
            x.chunk(piece)

    with serving(step) as server:
        driver = colour.driver(server.url, hooks=Hooks(on_delta=see), retry=quick(1))
        assert colour.stream(driver)[-1].text == "hello"


def test_stream_cut_off(colour: Colour) -> None:
    book = Book()
    usage = on.event("lo", usage=on.USAGE)
    with serving(on.streams(EVENTS[0], usage, ended=False)) as server, meter.metering(book):
        with pytest.raises(errors.ConnectionLost) as caught:
            colour.stream(colour.driver(server.url))
        assert len(server.asked) == 1
    assert caught.value.partial is not None
    assert caught.value.partial.text == "hello"
    assert caught.value.bill is not None
    (charge,) = caught.value.bill.charges
    assert charge.usage.total_tokens == 1100
    assert [c.status for c in book.charges] == ["error"]
    assert book.open == 0


def test_stream_that_only_ends(colour: Colour) -> None:
    """The HTTP body is whole, but the protocol's last event is missing."""
    with serving(on.streams(EVENTS[0])) as server, pytest.raises(errors.ConnectionLost) as caught:
        colour.stream(colour.driver(server.url))
    assert caught.value.partial is not None and caught.value.partial.text == "hel"


def test_stream_that_fails_before_it_says_anything_is_sent_again(colour: Colour) -> None:
    steps = (on.fails(500), on.streams(ended=False), on.streams(*EVENTS))
    with serving(*steps) as server:
        pieces = colour.stream(colour.driver(server.url))
        assert len(server.asked) == 3
    assert pieces[-1].text == "hello"
    assert [c.note for c in pieces[-1].retries] == ["ServerError", "ConnectionLost"]


def test_a_server_that_cannot_stream_is_shown_all_the_same(colour: Colour) -> None:
    """Who prints the pieces must see its answer, too."""
    calls = [
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"id": "c2", "type": "function", "function": {"name": "g", "arguments": '{"a": 1}'}},
    ]
    body = json.loads(on.answer("hello"))
    body["choices"][0]["message"]["tool_calls"] = calls
    with serving(on.raw(json.dumps(body).encode(), **on.JSON), on.good("hello")) as server:
        driver = colour.driver(server.url)
        *deltas, whole = colour.stream(driver)
        assert [d.text for d in deltas if d.text] == ["hello"] and whole.text == "hello"
        assert [(d.tool_index, d.tool_id, d.tool_arguments) for d in deltas if not d.text] == [
            (0, "c1", "{}"),
            (1, "c2", '{"a": 1}'),
        ]
        assert [p.text for p in colour.stream(driver)] == ["hello", "hello"]


def test_an_error_inside_a_stream(colour: Colour) -> None:
    failed = b'data: {"error": {"message": "too busy", "code": 503}}\n\n'
    raised = pytest.raises(errors.Overloaded, match="too busy")
    with serving(on.streams(EVENTS[0], failed)) as server, raised as caught:
        colour.stream(colour.driver(server.url))
    assert caught.value.partial is not None and caught.value.partial.text == "hel"


def test_leaving_a_stream_closes_the_connection(colour: Colour) -> None:
    book = Book()
    step = on.streams(EVENTS[0], then=on.waits_to_be_left)
    with serving(step) as server, meter.metering(book):
        assert text_of(colour.stream(colour.driver(server.url), leave=1)) == "hel"
        assert server.left.wait(WAIT)
    assert [c.status for c in book.charges] == ["cancelled"]
    assert book.open == 0


def test_redirects_are_not_followed(colour: Colour) -> None:
    with (
        serving(on.good("stolen")) as other,
        serving(on.raw(b"", 307, location=other.url + "/chat/completions")) as server,
    ):
        for ask in (colour.complete, colour.stream):
            with pytest.raises(errors.InvalidRequest, match=r"sends us on .*base_url") as caught:
                ask(colour.driver(server.url))
            assert caught.value.bill is not None
            assert caught.value.bill.total == 0
        assert not other.asked


@pytest.mark.parametrize("step", [on.raw(BIG), on.zipped(BIG), on.streams(*[on.event("x")] * 50)])
def test_too_large_an_answer(colour: Colour, step: Step) -> None:
    with serving(step) as server:
        driver = colour.driver(server.url)
        driver._transport._max_bytes = 100
        with pytest.raises(errors.ProtocolError, match="100 bytes"):
            (colour.stream if "stream" in step.__qualname__ else colour.complete)(driver)


def test_one_connection_for_many_calls(colour: Colour) -> None:
    steps = (on.good(), on.fails(400), on.streams(*EVENTS), on.good(), on.zipped(on.answer()))
    with serving(*steps) as server:
        driver = colour.driver(server.url)
        colour.complete(driver)
        with pytest.raises(errors.InvalidRequest):
            colour.complete(driver)
        colour.stream(driver)
        colour.complete(driver)
        colour.complete(driver)
        assert len(server.asked) == 5
        assert server.accepted <= 2  # one, unless the end of the stream was not awaited


def test_hooks(colour: Colour) -> None:
    seen: list[str] = []

    def asked(request: Request) -> Request:
        seen.append("before")
        return replace(request, temperature=0.5)

    def answered(request: Request, completion: Completion) -> Completion:
        seen.append(f"after {completion.text}")
        return replace(completion, text=completion.text.upper())

    first = Hooks(before_request=asked, after_response=answered)
    second = Hooks(
        after_response=lambda _, c: seen.append(f"then {c.text}"),  # type: ignore[func-returns-value]
        on_error=lambda _, e: seen.append(type(e).__name__),
        on_delta=lambda d: replace(d, text=d.text + "!") if d.text else None,
    )
    with serving(on.good(), on.streams(*EVENTS), on.fails(400)) as server:
        driver = colour.driver(server.url, hooks=(first, second))
        assert colour.complete(driver).text == "HELLO"
        assert server.asked[0][2]["temperature"] == 0.5
        pieces = colour.stream(driver)
        assert text_of(pieces) == "hel!lo!"
        with pytest.raises(errors.InvalidRequest):
            colour.complete(driver)
    assert seen == [*["before", "after hello", "then HELLO"] * 2, "before", "InvalidRequest"]


def test_meters(colour: Colour) -> None:
    book, inner = Book(), Book()
    with serving(on.good(), on.fails(500), on.good(), on.fails(401)) as server:
        driver = colour.driver(server.url)
        colour.complete(driver)
        with meter.metering(book):
            with meter.metering(inner):
                colour.complete(driver)
            with pytest.raises(errors.AuthenticationError):
                colour.complete(driver)
    assert [c.status for c in book.charges] == ["ok", "error"]
    assert [c.status for c in inner.charges] == ["ok"]
    assert [c.note for c in book.tries] == ["ServerError"]
    assert book.open == inner.open == 0


def test_what_is_sent(colour: Colour) -> None:
    with serving(on.good(x_request_id="r-1", x_ratelimit_remaining_requests="7")) as server:
        driver = colour.driver(server.url, headers={"x-team": "a"})
        found = colour.complete(driver)
        path, headers, body = server.asked[0]
    assert path == "/v1/chat/completions"
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["content-type"] == "application/json"
    assert headers["x-team"] == "a"
    assert headers["user-agent"] == "prompture"
    assert body == {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    assert found.request_id == "r-1"
    assert found.rate_limits is not None and found.rate_limits.requests_remaining == 7
    assert found.seconds > 0
    assert found.cost is not None and found.cost.usd is None and found.cost.reason


def test_faces(colour: Colour) -> None:
    with serving(on.good()) as server:
        driver = colour.driver(server.url)
        found = colour.run(driver.generate("hi", {"temperature": 0.1, "stop": "END", "seed": None}))
        assert found["text"] == "hello"
        assert found["meta"]["total_tokens"] == 1100
        assert found["meta"]["raw_response"]["model"] == "m"
        assert found["stop_reason"] == "stop" and found["tool_calls"] == []
        assert server.asked[-1][2]["stop"] == ["END"]
        messages = [{"role": "developer", "content": "x"}, {"role": "user", "content": "y"}]
        colour.run(driver.generate_messages(messages, {"system": "s"}))
        sent = server.asked[-1][2]["messages"]
        assert [m["role"] for m in sent] == ["system", "system", "user"]
        tool = {"name": "f", "input_schema": {"type": "object", "properties": {}}}
        colour.run(driver.generate_messages_with_tools(messages, [tool]))
        assert server.asked[-1][2]["tools"][0]["function"]["name"] == "f"
        with pytest.raises(errors.UnknownOption, match=r"temprature.*temperature"):
            colour.run(driver.generate("hi", {"temprature": 1}))


def test_stream_face(colour: Colour) -> None:
    with serving(on.streams(*EVENTS)) as server:
        driver = colour.driver(server.url)

        def as_stream(_: Request) -> Any:
            return driver.generate_messages_stream([{"role": "user", "content": "x"}])

        face = type("Face", (), {"stream": staticmethod(as_stream)})()
        assert colour.stream(face)[-1].text == "hello"


def test_probes(colour: Colour) -> None:
    listed = json.dumps({"data": [{"id": "a", "context_length": 5}, {"id": "b"}]}).encode()
    with serving(on.raw(listed), on.raw(listed), on.raw(listed), on.fails(401), on.fails(401)) as s:
        driver = colour.driver(s.url)
        assert [m.id for m in colour.run(driver.list_models())] == ["a", "b"]
        assert colour.run(driver.check_credentials()) is True
        health = colour.run(driver.health())
        assert (health.reachable, health.authorised, health.models) == (True, True, 2)
        assert colour.run(driver.check_credentials()) is False
        assert colour.run(driver.health()).authorised is False
        assert s.asked[0][0] == "/v1/models"
    gone = colour.run(colour.driver(f"http://127.0.0.1:{free_port()}/v1").health())
    assert (gone.reachable, gone.authorised) == (False, None) and gone.problem


def test_is_current(colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_COMPATIBLE_API_KEY", "sk-one")
    driver = colour.driver("http://127.0.0.1:1/v1", api_key=None)
    assert driver.is_current()
    monkeypatch.setenv("OPENAI_COMPATIBLE_API_KEY", "sk-two")
    assert not driver.is_current()
    assert "sk-" not in repr(driver) + repr(driver.endpoint)


def test_features_are_required(colour: Colour) -> None:
    driver = colour.driver("http://127.0.0.1:1/v1")
    none = replace(driver.features, tool_use=False, streaming=False)
    driver = colour.driver("http://127.0.0.1:1/v1", features=none)
    assert not driver.supports_tool_use and driver.supports_vision
    with pytest.raises(errors.UnsupportedError, match="tool use"):
        colour.run(driver.generate_messages_with_tools([{"role": "user", "content": "x"}], []))
    with pytest.raises(errors.UnsupportedError, match="streaming"):
        colour.stream(driver)


@pytest.mark.parametrize("name", ["before_request", "after_response", "on_delta"])
def test_what_a_hook_returns_is_no_answer(colour: Colour, name: str) -> None:
    """It would else come out of the call as the answer."""
    hooks = Hooks(**{name: lambda *_: "Total: 999"})
    with serving(on.streams(*EVENTS)) as server:
        driver = colour.driver(server.url, hooks=hooks)
        with pytest.raises(
            errors.ConfigurationError, match=f"Hooks.{name} returned a str"
        ) as caught:
            colour.stream(driver)
    assert "999" not in str(caught.value)
    assert (caught.value.bill is None) is (name == "before_request")


def test_a_hook_of_an_error_that_raises_carries_the_bill(colour: Colour) -> None:
    def raises(request: Request, error: errors.PromptureError) -> None:
        raise ValueError("of a user's own")

    with serving(on.streams(EVENTS[0], ended=False)) as server:
        driver = colour.driver(server.url, hooks=Hooks(on_error=raises))
        with pytest.raises(ValueError, match="own") as caught:
            colour.stream(driver)
    assert len(caught.value.bill.charges) == 1  # type: ignore[attr-defined]


def test_a_hook_that_nobody_would_await_is_refused() -> None:
    async def look(*_: Any) -> None: ...

    for name in ("before_request", "after_response", "on_error", "on_delta"):
        with pytest.raises(errors.ConfigurationError, match=f"Hooks.{name} must be a plain"):
            Hooks(**{name: look})


FAILS = on.fails(503, "full")
FAILS_WITHIN = on.streams(b'data: {"error": {"code": 503, "message": "full"}}\n\n')


@pytest.mark.parametrize(
    "steps",
    [
        [FAILS],
        [FAILS_WITHIN],
        [FAILS, FAILS, FAILS_WITHIN],
        [FAILS_WITHIN, FAILS],
        [FAILS, FAILS_WITHIN, FAILS],
    ],
)
@pytest.mark.parametrize("attempts", [1, 3])
def test_tries_of_a_stream_are_counted_once(
    colour: Colour, steps: list[Step], attempts: int
) -> None:
    with serving(*steps) as server:
        driver = colour.driver(server.url, retry=quick(attempts))
        with pytest.raises(errors.Overloaded) as caught:
            colour.stream(driver)
        assert len(server.asked) == attempts
        assert caught.value.bill is not None
        assert len(caught.value.bill.charges) == attempts
        assert ("tried 3 times" in str(caught.value)) is (attempts == 3)
