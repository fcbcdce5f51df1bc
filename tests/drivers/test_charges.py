"""What a failed call is charged: what it states, else nothing or unknown by how it failed."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import pytest

from prompture import Budget, async_driver_for, driver_for, track
from prompture.codecs.openai_chat import OpenAIChat
from prompture.drivers.cost import cost_of_failure
from prompture.drivers.meter import Meter, metering
from prompture.errors import ConfigurationError, ConnectionLost, PromptureError
from prompture.money import Bill, Charge
from prompture.types import Message, Request
from prompture.wire.retry import Retry
from tests.drivers.colours import quick
from tests.loopback import Reply, json_reply, serving

ONCE = Retry(attempts=1)
GPT = "openai/gpt-5-mini"
ROUTED = "openrouter/openai/gpt-5-mini"
USED = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}
ERROR = {"message": "upstream broke off", "code": 502}
PRICE = Decimal("0.00125")
MESSAGES = (Message(role="user", content="hi"),)


def asked(model: str, reply: Reply, *, colour: str, stream: bool = False, **settings: Any) -> Bill:
    """The bill of one call that fails."""
    request = Request(model="", messages=MESSAGES)
    with serving([reply]) as server:
        given = {"api_key": "k" * 20, "base_url": server.url, "retry": ONCE, **settings}
        with pytest.raises(PromptureError) as raised:
            if colour == "sync":
                with driver_for(model, **given) as driver:
                    driver.complete(request) if not stream else list(driver.stream(request))
            else:

                async def go() -> None:
                    async with async_driver_for(model, **given) as driver:
                        if not stream:
                            await driver.complete(request)
                        else:
                            async for _ in driver.stream(request):
                                pass

                asyncio.run(go())
    assert raised.value.bill is not None
    return raised.value.bill


def chat(**body: Any) -> Reply:
    return json_reply(body)


HALF = {"finish_reason": "error", "error": ERROR, "message": {"content": "half an ans"}}
FAILED = {"id": "r", "object": "response", "status": "failed", "model": "gpt-5-mini", "output": []}
STATED: dict[str, tuple[str, Reply, dict[str, Any], Decimal | None]] = {
    "beside a choice's error": (
        ROUTED, chat(model="m", choices=[HALF], usage={**USED, "cost": 0.05}), {}, Decimal("0.05"),
    ),
    "beside the error": (ROUTED, chat(error=ERROR, usage={**USED, "cost": 0.05}), {}, Decimal("0.05")),
    "in the error": (ROUTED, chat(error={**ERROR, "usage": {"cost": 0.05}}), {}, Decimal("0.05")),
    "tokens alone": (GPT, chat(error=ERROR, usage=USED, model="gpt-5-mini"), {"api": "chat"}, PRICE),
    "a failed response": (
        GPT,
        chat(**FAILED, error={"code": "server_error", "message": "boom"},
             usage={"input_tokens": 1000, "output_tokens": 500}),
        {"api": "responses"},
        PRICE,
    ),
    "a refusal that states its usage": (
        GPT, json_reply({"error": ERROR, "usage": USED}, status=500), {"api": "chat"}, PRICE,
    ),
    "anthropic": (
        "claude/claude-haiku-4-5",
        chat(type="error", error={"type": "api_error", "message": "x"},
             usage={"input_tokens": 1000, "output_tokens": 100}),
        {},
        Decimal("0.0015"),
    ),
    "gemini": (
        "google/gemini-2.5-flash",
        chat(error={"code": 500, "message": "x"},
             usageMetadata={"promptTokenCount": 1000, "candidatesTokenCount": 100}),
        {},
        Decimal("0.00055"),
    ),
    "an answer that is none": (GPT, chat(usage=USED, model="gpt-5-mini"), {"api": "chat"}, PRICE),
    "an error that cannot be counted": (
        GPT, chat(error=ERROR, usage={"prompt_tokens": -1}), {"api": "chat"}, None,
    ),
    "an error inside an answer": (GPT, chat(error=ERROR), {"api": "chat"}, None),
    "an error beside half an answer": (GPT, chat(choices=[HALF], model="m"), {"api": "chat"}, None),
}  # fmt: skip


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("name", STATED)
def test_an_error_is_charged_what_it_states(name: str, colour: str) -> None:
    model, reply, settings, usd = STATED[name]
    bill = asked(model, reply, colour=colour, **settings)
    assert bill.total == usd
    assert usd is not None or bill.unknown[0]


def events(*data: Any) -> Reply:
    body = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in data)
    return Reply(body=body, headers={"content-type": "text/event-stream"})


BEGUN = {"id": "x", "model": "gpt-5-mini", "choices": [{"index": 0, "delta": {"content": "half"}}]}


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize(
    ("last", "usd"),
    [
        ({"error": ERROR, "usage": USED}, PRICE),
        ({"error": ERROR, "usage": {**USED, "cost": 0.05}}, Decimal("0.05")),
        ({"error": ERROR}, None),
    ],
)
def test_a_streams_error_is_charged_what_it_states(
    last: Any, usd: Decimal | None, colour: str
) -> None:
    bill = asked(GPT, events(BEGUN, last), colour=colour, stream=True, api="chat")
    assert bill.total == usd


def test_a_failed_try_of_a_stream_keeps_its_usage() -> None:
    failed = events({"error": {**ERROR, "code": 503}, "usage": USED, "model": "gpt-5-mini"})
    choice = {"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}
    good = events({"model": "gpt-5-mini", "choices": [choice], "usage": USED})
    with serving([failed, good]) as server:
        retry = Retry(attempts=2, base=0.001)
        given: Any = {"api_key": "k" * 20, "base_url": server.url, "retry": retry, "api": "chat"}
        with driver_for(GPT, **given) as driver, track() as spent:
            list(driver.stream(Request(model="", messages=MESSAGES)))
    assert [c.cost.usd for c in spent.bill.charges] == [PRICE, PRICE]


REFUSED = {"error": {"message": "no"}}
GROQ = {"message": "x", "code": "tool_use_failed", "failed_generation": "<function=f>"}
BY_STATUS: list[tuple[str, int, Any, bool]] = [
    *((GPT, status, REFUSED, True) for status in (400, 401, 403, 404, 413, 422, 429, 500, 503)),
    *((GPT, status, "<html>timeout</html>", False) for status in (408, 499, 504, 522, 524, 598)),
    ("groq/llama-3.3-70b-versatile", 400, {"error": GROQ}, False),
    (GPT, 400, {"error": {"message": "x", "code": "context_length_exceeded"}}, True),
]


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize(("model", "status", "body", "free"), BY_STATUS)
def test_a_refusal_is_free_and_says_so_and_a_timeout_is_unknown(
    model: str, status: int, body: Any, free: bool, colour: str
) -> None:
    settings = {"api": "chat"} if model == GPT else {}
    reply = (
        json_reply(body, status=status)
        if isinstance(body, dict)
        else (Reply(status=status, body=body.encode(), headers={"content-type": "text/html"}))
    )
    for stream in (False, True):
        bill = asked(model, reply, colour=colour, stream=stream, **settings)
        assert bill.total == (0 if free else None)
        assert [line.bucket for line in bill.lines] == ["not billed" if free else "unknown"]
        assert "states" not in bill.table()


@pytest.mark.parametrize("code", ["content_filter", "context_length_exceeded"])
def test_azure_charges_for_what_it_read_before_it_refused(code: str) -> None:
    reply = json_reply({"error": {"message": "x", "code": code}}, status=400)
    settings = {"api_version": "2024-10-21", "api": "chat"}
    assert asked("azure/gpt-5-mini", reply, colour="sync", **settings).total is None


ZEROS = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


@pytest.mark.parametrize(
    ("text", "usage", "known"),
    [
        ("", ZEROS, False),
        ("an answer", ZEROS, False),
        ("an answer " * 20, {**ZEROS, "prompt_tokens": 9}, False),
        ("an answer", {**ZEROS, "completion_tokens": 9}, True),
        ("ok", {**ZEROS, "prompt_tokens": 9}, True),
        ("", {**ZEROS, "prompt_tokens": 9}, True),
        ("an answer", {**ZEROS, "cost": 0.02}, True),
        ("an answer", USED, True),
    ],
)
def test_zeros_that_cannot_be_are_unknown(text: str, usage: Any, known: bool) -> None:
    choice = {"index": 0, "finish_reason": "stop", "message": {"content": text}}
    whole = json_reply({"model": "gpt-5-mini", "choices": [choice], "usage": usage})
    delta = {"index": 0, "finish_reason": "stop", "delta": {"content": text}}
    streamed = events({"model": "gpt-5-mini", "choices": [delta], "usage": usage})
    with serving([whole, streamed]) as server:
        given: Any = {"api_key": "k" * 20, "base_url": server.url, "api": "chat"}
        with driver_for(GPT, **given) as driver:
            request = Request(model="", messages=MESSAGES)
            for completion in (driver.complete(request), [*driver.stream(request)][-1]):
                assert (completion.cost.usd is not None) is known  # type: ignore[union-attr]


class Broken(Meter):
    """Fails in one of its methods."""

    def __init__(self, name: str, error: Exception) -> None:
        self._name, self._error = name, error

    def _fail(self, name: str) -> None:
        if name == self._name:
            raise self._error

    def before(self, request: Request, driver: Any) -> tuple[Request, object]:
        return request, None

    def after(self, token: object, charge: Charge) -> None:
        self._fail("after")

    def again(self, token: object, charge: Charge) -> None:
        self._fail("again")

    def withdraw(self, token: object) -> None:
        self._fail("withdraw")


def good() -> Reply:
    choice = {"index": 0, "finish_reason": "stop", "message": {"content": "hi"}}
    return json_reply({"model": "gpt-5-mini", "choices": [choice], "usage": USED})


def calls(answers: list[Reply], work: Callable[[Any], Any]) -> Any:
    with serving(answers) as server:
        retry = Retry(attempts=2, base=0.001)
        given: Any = {"api_key": "k" * 20, "base_url": server.url, "api": "chat", "retry": retry}
        with driver_for(GPT, **given) as driver:
            return work(driver)


@pytest.mark.parametrize("name", ["after", "again"])
def test_a_meter_with_a_fault_loses_neither_answer_nor_the_others_figure(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    busy = json_reply({"error": {"message": "busy"}}, status=503)
    other, outer = Budget(usd=5), track()
    broken, level = Broken(name, OSError("the disk of someone")), logging.WARNING
    with outer, metering(broken), other, caplog.at_level(level, logger="prompture"):
        answer = calls([busy, good()], lambda driver: driver.generate("hi"))
    assert answer.text == "hi"
    assert outer.cost == other.spent == PRICE
    assert "Broken could not note" in caplog.text and "disk of someone" not in caplog.text


def test_an_error_of_ours_from_a_meter_carries_bill_and_answer() -> None:
    outer = track()
    broken = Broken("after", ConfigurationError("the books are shut"))
    with outer, metering(broken), pytest.raises(ConfigurationError) as raised:
        calls([good()], lambda driver: driver.generate("hi"))
    assert raised.value.partial is not None and raised.value.partial.text == "hi"
    assert raised.value.bill is not None and raised.value.bill.total == outer.cost == PRICE


def test_a_meter_that_fails_at_a_failed_call_does_not_hide_its_error() -> None:
    refused = json_reply({"error": {"message": "no such key"}}, status=401)
    outer = track()
    broken = Broken("after", ConfigurationError("the books are shut"))
    with outer, metering(broken), pytest.raises(PromptureError, match="no such key") as raised:
        calls([refused], lambda driver: driver.generate("hi"))
    assert raised.value.bill is not None and raised.value.bill.total == outer.cost == 0


# --- left between two tries ------------------------------------------------------------------

IN_STREAM = events({"error": {"message": "busy", "code": 503}})
REFUSED = json_reply({"error": {"message": "busy", "code": 503}}, status=503)


@pytest.mark.parametrize(
    ("stream", "reply", "usd"),
    [(False, REFUSED, 0), (True, REFUSED, 0), (True, IN_STREAM, None)],
    ids=["whole", "stream", "failed in the stream"],
)
def test_a_call_cancelled_between_two_tries_costs_what_was_sent(
    stream: bool, reply: Reply, usd: int | None
) -> None:
    """No request is out meanwhile: there is no line of unknown price, and what a budget had
    reserved for the next try is given back."""
    budget = Budget(calls=5)

    async def go() -> Bill:
        waiting = asyncio.Event()

        def jitter(low: float, high: float) -> float:
            waiting.set()
            return 60.0

        with serving([reply]) as server, budget:
            settings = {"api_key": "k" * 20, "retry": Retry(jitter=jitter)}
            async with async_driver_for(ROUTED, base_url=server.url, **settings) as driver:

                async def call() -> None:
                    request = Request(model="", messages=MESSAGES)
                    if not stream:
                        await driver.complete(request)
                    async for _ in driver.stream(request) if stream else nothing():
                        pass

                task = asyncio.create_task(call())
                await waiting.wait()
                task.cancel()
                with pytest.raises(asyncio.CancelledError) as left:
                    await task
        found: Bill = left.value.bill  # type: ignore[attr-defined]
        return found

    (charge,) = asyncio.run(asyncio.wait_for(go(), 30)).charges
    assert (charge.status, charge.cost.usd) == ("error", usd)
    assert not budget._accounts.look().holds


async def nothing() -> AsyncIterator[None]:
    for _ in ():
        yield


def test_a_stream_interrupted_between_two_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    budget = Budget(calls=5)
    with serving([IN_STREAM]) as server, budget:
        monkeypatch.setattr("prompture.drivers.base.time.sleep", interrupted)
        driver = driver_for(ROUTED, api_key="k" * 20, base_url=server.url)
        with driver, pytest.raises(KeyboardInterrupt) as left:
            list(driver.stream(Request(model="", messages=MESSAGES)))
    assert len(left.value.bill.charges) == 1  # type: ignore[attr-defined]
    assert not budget._accounts.look().holds


def test_a_codec_that_has_no_streams_leaves_nothing_reserved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(self: object, endpoint: object) -> object:
        raise TypeError("no streams here")

    monkeypatch.setattr(OpenAIChat, "stream_decoder", broken)
    budget = Budget(calls=5)
    with serving([]) as server, budget:
        driver = driver_for(ROUTED, api_key="k" * 20, base_url=server.url)
        with driver, pytest.raises(TypeError):
            list(driver.stream(Request(model="", messages=MESSAGES)))
        assert not server.asked
    assert (budget.calls_made, budget._accounts.look().holds) == (0, {})


def test_what_was_never_sent_is_said_to_be_so() -> None:
    """A refused connection is no refusal by the provider, which has seen nothing."""
    error = ConnectionLost("connection to x failed")
    error.unsent = True
    cost = cost_of_failure(error, driver_for(GPT, api_key="k" * 20).provider)
    assert (cost.usd, cost.reason) == (0, "not billed: nothing was sent")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("make", [driver_for, async_driver_for])
def test_each_refused_connection_stands_on_the_bill(make: Any, *, stream: bool) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and nobody listens
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        driver = make(ROUTED, api_key="k" * 20, base_url=url, retry=quick(3))
        request = Request(model="", messages=MESSAGES)

        async def awaited() -> None:
            async with driver:
                if stream:
                    async for _ in driver.stream(request):
                        pass
                else:
                    await driver.complete(request)

        def called() -> None:
            with driver:
                _ = list(driver.stream(request)) if stream else driver.complete(request)

        budget = Budget(calls=1, on_unknown="allow")
        with track() as spent, budget, pytest.raises(ConnectionLost, match="tried 3") as lost:
            asyncio.run(awaited()) if make is async_driver_for else called()
    assert lost.value.bill is not None
    assert len(lost.value.bill.charges) == spent.calls == 3
    assert lost.value.bill.total == spent.cost == 0
    # Nothing was sent: a limit of calls is not used up by it.
    assert (budget.calls_made, budget._accounts.look().holds) == (0, {})
