"""What goes wrong, end to end through ``extract`` and ``aextract``: a typed error that says what
to do, and carries the bill so far. A stub server stands for the provider."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

import prompture
from prompture import errors
from prompture.types import Completion, Delta, user
from prompture.wire.retry import Retry
from tests.loopback import Reply, json_reply, serving

TEXT = "ACME Ltd, 3 May 2024. Total: 12.50"
KEY = "never-shown-0123456789abcdef"
MODEL = "openai/gpt-4o-mini"


class Receipt(BaseModel):
    company: str
    total: float


VALUE = Receipt(company="ACME Ltd", total=12.5)
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
COST = Decimal("0.00021")  # 1,000 tokens at $0.15 and 100 at $0.60 a million


def said(text: str, *, finish: str = "stop", usage: Any = USAGE) -> Reply:
    """A good answer of the chat dialect."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return json_reply({"model": "gpt-4o-mini", "choices": [choice], "usage": usage})


def refused(status: int, code: str, message: str, **headers: str) -> Reply:
    return json_reply({"error": {"message": message, "code": code}}, status=status, **headers)


GOOD = said(VALUE.model_dump_json())
WRONG = said('{"company": "ACME Ltd", "total": "lots"}')
BUSY = refused(429, "rate_limit_exceeded", "slow down", retry_after="0")
PAGE = {"content-type": "text/html"}
HTML = b"<!doctype html><html><body><h1>Sign in</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Outcome:
    result: Any
    error: Exception | None
    asked: int


def ask(colour: str, replies: Sequence[Reply], **options: Any) -> Outcome:
    """One extraction over a stub server that gives ``replies``."""
    with serving(replies) as server:
        url = options.pop("url", server.url + "/v1")
        name = options.pop("name", MODEL)
        call = {"text": TEXT, "schema": Receipt, **options}
        settings = {"model": name, "api_key": KEY, "base_url": url, "retry": Retry(base=0.0)}
        run = _sync if colour == "sync" else _async
        result, error = run(call, settings)
        return Outcome(result, error, len(server.asked))


def _sync(call: dict[str, Any], settings: dict[str, Any]) -> tuple[Any, Exception | None]:
    with prompture.driver_for(**settings) as driver:
        try:
            return prompture.extract_result(
                call.pop("schema"), call.pop("text"), **{"model": driver, **call}
            ), None
        except errors.PromptureError as exc:
            return None, exc


def _async(call: dict[str, Any], settings: dict[str, Any]) -> tuple[Any, Exception | None]:
    async def run() -> tuple[Any, Exception | None]:
        async with prompture.async_driver_for(**settings) as driver:
            try:
                return await prompture.aextract_result(
                    call.pop("schema"), call.pop("text"), **{"model": driver, **call}
                ), None
            except errors.PromptureError as exc:
                return None, exc

    return asyncio.run(run())


@pytest.fixture(params=["sync", "async"])
def colour(request: pytest.FixtureRequest) -> str:
    return str(request.param)


LONG = "word " * 200_000  # gpt-4o-mini reads 128,000 tokens

NOT_SENT: list[tuple[str, dict[str, Any], type[Exception], str]] = [
    ("unknown provider", {"model": "opnai/gpt-4o"}, errors.UnknownModel, "openai"),
    ("no provider", {"model": "gpt-4o"}, errors.UnknownModel, "provider/model.*gpt-4o"),
    ("far from any", {"model": "qqq/x"}, errors.UnknownModel, "there are openai, claude"),
    ("missing key", {"model": "openai/gpt-4o"}, errors.MissingKey, "OPENAI_API_KEY"),
    ("two names", {"model": "google/x"}, errors.MissingKey, "GOOGLE_API_KEY or GEMINI_API_KEY"),
    ("no model at all", {"model": []}, errors.ConfigurationError, "at least one"),
    ("model no string", {"model": 7}, errors.ConfigurationError, "provider/model"),
    ("schema a number", {"schema": 5}, errors.SchemaError, "5|int"),
    ("schema false", {"schema": False}, errors.SchemaError, "takes no value"),
    ("no dollars", {"budget": "x"}, errors.ConfigurationError, "budget: 'x' is not an amount"),
    ("dollars of bytes", {"budget": b"1"}, errors.ConfigurationError, "budget"),
    ("schema a class", {"schema": socket.socket}, errors.SchemaError, "socket"),
    ("schema misspelt", {"schema": {"type": "strin"}}, errors.SchemaError, "strin"),
    ("properties no object", {"schema": {"properties": []}}, errors.SchemaError, "properties"),
    ("dangling $ref", {"schema": {"$ref": "#/$defs/No"}}, errors.SchemaError, r"\$defs/No"),
    ("empty", {"text": ""}, errors.ConfigurationError, "empty"),
    ("blank", {"text": " \n\t"}, errors.ConfigurationError, "empty"),
    ("no parts", {"text": []}, errors.ConfigurationError, "empty"),
    ("bytes", {"text": b"%PDF-1.7"}, errors.ConfigurationError, "cut off"),
    ("binary", {"text": "PK\x03\x04\x00\x00"}, errors.ConfigurationError, "binary"),
    ("null", {"text": None}, errors.ConfigurationError, "string"),
    ("too long", {"text": LONG, "long": None}, errors.ContextWindowExceeded, "nothing was sent"),
    ("unknown option", {"temprature": 1}, errors.UnknownOption, "temperature"),
]


@pytest.mark.parametrize(
    ("change", "error", "words"), [row[1:] for row in NOT_SENT], ids=[row[0] for row in NOT_SENT]
)
def test_refused_before_anything_is_sent(
    colour: str, change: dict[str, Any], error: type[Exception], words: str
) -> None:
    outcome = ask(colour, [GOOD], **change)
    with pytest.raises(error, match=words):
        raise outcome.error or AssertionError("it was sent")
    assert outcome.asked == 0
    assert getattr(outcome.error, "bill", None) is None


@dataclass(frozen=True, slots=True)
class Row:
    """What the provider answers, and what must come of it. ``bill`` is the status and the
    dollars of each charge (None: unknown)."""

    name: str
    replies: tuple[Reply, ...]
    error: type[errors.PromptureError]
    words: str
    bill: tuple[tuple[str, Decimal | None], ...]


FREE = ("error", Decimal(0))
PAID = ("invalid", COST)
UNREAD = ("error", None)
OVER = "This model's maximum context length is 128000 tokens, your messages have 130000"
ANSWERED = [
    Row("HTML, 200", (Reply(body=HTML, headers=PAGE),), errors.ProtocolError, "html", (UNREAD,)),
    Row("HTML, 502", (Reply(status=502, body=HTML, headers=PAGE),) * 3, errors.ServerError,
        "text/html", (FREE,) * 3),
    Row("empty, 200", (Reply(body=b""),), errors.ProtocolError, "JSON|empty", (UNREAD,)),
    Row("JSON of another kind, 200", (json_reply({"hello": 1}),), errors.ProtocolError,
        "choices", (UNREAD,)),
    Row("a list, 200", (json_reply([1]),), errors.ProtocolError, "object|list", (UNREAD,)),
    Row("an error, 200", (refused(200, "insufficient_quota", "no money"),),
        errors.QuotaExhausted, "no money", (UNREAD,)),
    Row("a server's error, 200", (refused(200, "server_error", "oh"),) * 3, errors.ServerError,
        "oh", (UNREAD,) * 3),
    Row("wrong key", (refused(401, "invalid_api_key", "wrong key"),), errors.AuthenticationError,
        "wrong key", (FREE,)),
    Row("no such model", (refused(404, "model_not_found", "no gpt-x"),), errors.ModelNotFound,
        "no gpt-x", (FREE,)),
    Row("too long for the provider", (refused(400, "context_length_exceeded", OVER),),
        errors.ContextWindowExceeded, "maximum context length", (FREE,)),
    Row("busy to the end", (BUSY,) * 3, errors.RateLimitError, "slow down", (FREE,) * 3),
    Row("busy for too long", (refused(429, "", "later", retry_after="3600"),),
        errors.RateLimitError, "later", (FREE,)),
    Row("no money", (refused(429, "insufficient_quota", "pay"),), errors.QuotaExhausted,
        "pay", (FREE,)),
    Row("cut answers", (Reply(body=GOOD.body, cut=40),) * 3, errors.ConnectionLost, "127.0.0.1",
        (UNREAD,) * 3),
    Row("paid, then busy", (WRONG, BUSY, BUSY, BUSY), errors.RateLimitError, "slow down",
        (PAID, FREE, FREE, FREE)),
    Row("paid, then HTML", (WRONG, Reply(body=HTML, headers=PAGE)), errors.ProtocolError,
        "html", (PAID, UNREAD)),
    Row("paid, then cut", (WRONG, *(Reply(body=GOOD.body, cut=9),) * 3), errors.ConnectionLost,
        "127.0.0.1", (PAID, *(UNREAD,) * 3)),
    Row("wrong to the end", (WRONG,) * 3, errors.Invalid, "/total", (PAID,) * 3),
    Row("cut off by its limit", (said('{"comp', finish="length"),) * 2, errors.Truncated,
        "max_tokens", (("truncated", COST),) * 2),
    Row("filtered", (said("", finish="content_filter"),), errors.Refused, "filter",
        (("refused", COST),)),
    Row("no usage stated", (said("{}", usage=None),) * 3, errors.Invalid, "/company",
        (("invalid", None),) * 3),
]  # fmt: skip


@pytest.mark.parametrize("row", ANSWERED, ids=lambda row: row.name)
def test_what_the_provider_answers(colour: str, row: Row) -> None:
    outcome = ask(colour, row.replies)
    error = outcome.error
    with pytest.raises(row.error, match=row.words):
        raise error or AssertionError(f"it gave {outcome.result}")
    assert type(error) is row.error
    assert outcome.asked == len(row.replies)
    charges = error.bill.charges if error.bill else ()
    assert [(c.status, c.cost.usd) for c in charges] == list(row.bill)
    assert KEY not in f"{error} {error!r}"
    assert TEXT not in f"{error} {error!r}"


def test_provider_down(colour: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        error = ask(colour, [], url=url).error
    assert isinstance(error, errors.ConnectionLost)
    assert "127.0.0.1" in str(error)
    assert error.unsent
    assert error.bill is not None
    assert error.bill.total == 0


def test_busy_and_then_an_answer(colour: str) -> None:
    outcome = ask(colour, [BUSY, BUSY, GOOD])
    assert outcome.error is None
    assert outcome.result.value == VALUE
    assert outcome.asked == 3
    assert [c.status for c in outcome.result.cost.charges] == ["error", "error", "ok"]
    assert outcome.result.cost.total == COST


def test_retry_after_is_what_is_waited_for(colour: str) -> None:
    """0.05 seconds where the backoff would be none."""
    wait = refused(429, "rate_limit_exceeded", "wait", retry_after_ms="50")
    outcome = ask(colour, [wait, GOOD])
    assert outcome.result.raw.seconds >= 0.05
    error = ask(colour, [refused(429, "", "later", retry_after="3600")]).error
    assert isinstance(error, errors.RateLimitError)
    assert error.retry_after == 3600


def test_an_unknown_price_is_none_with_a_reason(colour: str) -> None:
    body = json.loads(GOOD.body) | {"model": "gpt-nobody-knows"}
    cost = ask(colour, [json_reply(body)], name="openai/gpt-nobody-knows").result.cost
    assert cost.total is None
    assert "gpt-nobody-knows" in cost.unknown[0]
    assert cost.usage.input_tokens == 1000


CHUNKS = [
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": '{"comp'}}]},
    {"choices": [{"index": 0, "delta": {"content": 'any": "A'}}]},
    {"choices": [], "usage": USAGE},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
]


def events(*chunks: Any, done: bool = False) -> bytes:
    head = {"id": "1", "model": "gpt-4o-mini", "object": "chat.completion.chunk"}
    lines = [f"data: {json.dumps({**head, **chunk})}\n\n" for chunk in chunks]
    return "".join([*lines, "data: [DONE]\n\n" if done else ""]).encode()


SSE = {"content-type": "text/event-stream"}
STREAMS = [
    ("ends early", Reply(body=events(*CHUNKS[:2]), headers=SSE), errors.ConnectionLost, "usage"),
    ("ends early, usage known", Reply(body=events(*CHUNKS[:3]), headers=SSE),
     errors.ConnectionLost, r"at least \$0\.00021"),
    ("connection lost", Reply(body=events(*CHUNKS), headers=SSE, cut=len(events(*CHUNKS[:2])) + 9),
     errors.ConnectionLost, "usage"),
    ("error inside", Reply(body=events(*CHUNKS[:2], {"error": {"message": "oh", "code": 503}}),
                           headers=SSE), errors.Overloaded, "usage"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("reply", "kind", "reason"), [row[1:] for row in STREAMS], ids=[row[0] for row in STREAMS]
)
def test_cut_streams(
    colour: str, reply: Reply, kind: type[errors.PromptureError], reason: str
) -> None:
    with serving([reply]) as server:
        url = server.url + "/v1"
        settings = {"model": MODEL, "api_key": KEY, "base_url": url, "retry": Retry(base=0.0)}
        pieces, error = _streamed(colour, settings)
        assert len(server.asked) == 1  # never again once something was shown
    assert type(error) is kind
    assert "".join(p.text for p in pieces if isinstance(p, Delta)) == '{"company": "A'
    assert error.partial is not None
    assert error.partial.text == '{"company": "A'
    assert error.bill is not None
    assert [(c.status, c.cost.usd) for c in error.bill.charges] == [("error", None)]
    assert re.search(reason, error.bill.unknown[0])


def _streamed(
    colour: str, settings: dict[str, Any]
) -> tuple[list[Delta | Completion], errors.PromptureError]:
    pieces: list[Delta | Completion] = []
    turn = [user(TEXT)]

    async def run() -> None:
        async with prompture.async_driver_for(**settings) as driver:
            async for piece in driver.generate_messages_stream(turn):
                pieces.append(piece)

    with pytest.raises(errors.PromptureError) as caught:
        if colour == "async":
            asyncio.run(run())
        with prompture.driver_for(**settings) as driver:
            pieces.extend(driver.generate_messages_stream(turn))
    return pieces, caught.value


@pytest.mark.parametrize(
    ("reply", "kind", "reason"), [row[1:] for row in STREAMS], ids=[row[0] for row in STREAMS]
)
def test_cut_streams_of_an_extraction(
    colour: str, reply: Reply, kind: type[errors.PromptureError], reason: str
) -> None:
    """``extract_stream`` shows what came, then raises; it asks no second time."""
    with serving([reply]) as server:
        url = server.url + "/v1"
        settings = {"model": MODEL, "api_key": KEY, "base_url": url, "retry": Retry(base=0.0)}
        shown, error = _snapshots(colour, settings)
        assert len(server.asked) == 1
    assert shown
    assert type(error) is kind
    assert error.bill is not None
    assert [(c.status, c.cost.usd) for c in error.bill.charges] == [("error", None)]
    assert re.search(reason, error.bill.unknown[0])
    assert TEXT not in f"{error} {error!r}"


def _snapshots(colour: str, settings: dict[str, Any]) -> tuple[list[Any], errors.PromptureError]:
    shown: list[Any] = []

    async def run() -> None:
        async with prompture.async_driver_for(**settings) as driver:
            async for snapshot in prompture.aextract_stream(Receipt, TEXT, model=driver):
                shown.append(snapshot)

    with pytest.raises(errors.PromptureError) as caught:
        if colour == "async":
            asyncio.run(run())
        with prompture.driver_for(**settings) as driver:
            shown.extend(prompture.extract_stream(Receipt, TEXT, model=driver))
    return shown, caught.value
