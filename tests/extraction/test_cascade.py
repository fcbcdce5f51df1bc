"""When the next model of a cascade is asked, and for what."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, Field, model_validator

import prompture
from prompture import Breaker, Cascade, Completion, Extractor, MissingKey, Usage
from prompture.catalog import Rates
from prompture.drivers.openai_compatible import AsyncOpenAICompatible, OpenAICompatible
from prompture.errors import (
    BudgetExceeded,
    ConfigurationError,
    ConnectionLost,
    Invalid,
    PromptureError,
    RateLimitError,
    ReadTimeout,
    Refused,
    ServerError,
    Truncated,
    UnknownModel,
)
from prompture.testing import AsyncScriptedDriver, ScriptedDriver
from tests import server as on
from tests.drivers.colours import quick
from tests.extraction.streaming import Async, Colour, Sync

TEXT = "ACME Ltd, 3 May 2024. Total: 12.50 for two lines, paid by card"


class Receipt(BaseModel):
    company: str
    total: float
    paid_by: str | None = None


GOOD = {"company": "ACME Ltd", "total": 12.5, "paid_by": "card"}
REFUSED = Completion(text="", refusal="I will not", stop_reason="refusal")
DOWN = ServerError("down", provider="scripted", status=500)
BUSY = RateLimitError("busy", provider="scripted", status=429)


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """extract_result over scripts, one for each model; ``ask.drivers`` are those that it made."""

    def asked(
        scripts: list[Any], text: Any = TEXT, *, schema: Any = Receipt, **options: Any
    ) -> Any:
        made = AsyncScriptedDriver if request.param else ScriptedDriver
        own = {k: options.pop(k) for k in ("max_retries", "budget") if k in options}
        drivers = [s if hasattr(s, "complete") else made(s) for s in scripts]
        asked.drivers = drivers  # type: ignore[attr-defined]
        extractor = Extractor(schema, model=Cascade(drivers, **options), **own)
        if request.param:
            return asyncio.run(extractor.aextract_result(text))
        return extractor.extract_result(text)

    return asked


FAILURES: list[tuple[Any, str, type[PromptureError]]] = [
    ({"company": "ACME Ltd"}, "invalid", Invalid),
    (Completion(text='{"company": "AC', stop_reason="length"), "invalid", Truncated),
    (REFUSED, "refused", Refused),
    ({"company": "Umbrella", "total": 9.0}, "ungrounded", Invalid),
    (DOWN, "unavailable", ServerError),
    (BUSY, "unavailable", RateLimitError),
    (ReadTimeout("silent"), "unavailable", ReadTimeout),
    (MissingKey("no key"), "unavailable", MissingKey),
]


@pytest.mark.parametrize(("answer", "kind", "error"), FAILURES)
def test_it_goes_on_after_what_it_was_set_to(
    ask: Any, answer: Any, kind: str, error: type[PromptureError]
) -> None:
    result = ask([[answer], [GOOD]], escalate_on=(kind,), keep="nothing", max_retries=0)
    assert result.value == Receipt(**GOOD)
    assert [a.error != "" or a.problems != () for a in result.attempts] == [True, False]
    others = tuple(k for k in ("invalid", "refused", "ungrounded", "unavailable") if k != kind)
    if kind == "ungrounded":  # which nobody looks for then
        assert ask([[answer], [GOOD]], escalate_on=others).value.company == "Umbrella"
        return
    with pytest.raises(error) as caught:
        ask([[answer], [GOOD]], escalate_on=others, max_retries=0)
    assert len(caught.value.attempts) == 1
    assert not ask.drivers[1].requests


def test_what_you_must_change_is_raised(ask: Any) -> None:
    with pytest.raises(UnknownModel):
        ask([[UnknownModel("a slip")], [GOOD]])
    budget = prompture.Budget(usd="0.000001")
    priced = ScriptedDriver([GOOD], prices=Rates(input=Decimal(1), output=Decimal(2)))
    with pytest.raises(BudgetExceeded):
        Extractor(Receipt, model=Cascade([priced, "local/rules"]), budget=budget).extract(TEXT)


def test_only_the_failing_fields_are_asked_of_the_next_model(ask: Any) -> None:
    first = {"company": "ACME Ltd", "total": "a lot", "paid_by": "card"}
    result = ask([[first], [{"total": 12.5}]], max_retries=0)
    assert result.value == Receipt(**GOOD)
    request = ask.drivers[1].requests[0]
    assert list(request.schema["properties"]) == ["total"]
    assert request.messages[-1].text == TEXT
    assert "ACME" not in request.messages[0].text
    assert result.attempts[1].asked_for == ("total",)


def test_a_missing_field_is_asked_for_and_instructions_go_along(ask: Any) -> None:
    drivers = [ScriptedDriver([{"company": "ACME Ltd"}]), ScriptedDriver([{"total": 12.5}])]
    found = prompture.extract_result(
        Receipt, TEXT, model=Cascade(drivers), max_retries=0, instructions="In euros."
    )
    assert found.value.total == 12.5
    assert "In euros." in drivers[1].requests[0].messages[0].text


def test_with_nothing_kept_the_whole_is_asked_for(ask: Any) -> None:
    result = ask([[{"company": "ACME Ltd"}], [GOOD]], keep="nothing", max_retries=0)
    assert result.value == Receipt(**GOOD)
    assert len(ask.drivers[1].requests[0].schema["properties"]) == 3


def test_where_nothing_is_right_the_whole_is_asked_for(ask: Any) -> None:
    ask([[{"company": 5, "total": "x"}], [GOOD]], max_retries=0)
    assert len(ask.drivers[1].requests[0].schema["properties"]) == 3


class Line(BaseModel):
    name: str
    price: float


class Order(BaseModel):
    lines: list[Line]


def test_an_item_of_a_list_is_shown_with_what_is_known(ask: Any) -> None:
    text = "bolt 1.50, nut 2.50"
    first = {"lines": [{"name": "bolt", "price": 1.5}, {"name": "nut", "price": "?"}]}
    result = ask([[first], [{"lines_1_price": 2.5}]], text, schema=Order, max_retries=0)
    assert [line.price for line in result.value.lines] == [1.5, 2.5]
    turn = ask.drivers[1].requests[0].messages[-1]
    # Beside the document's fence, not in it.
    assert '"nut"' in turn.parts[-1].text and turn.text == text
    assert result.text == text
    assert result.sources["/lines/1/price"][0].start == text.index("2.50")


def test_the_next_model_may_give_the_whole_and_is_asked_again(ask: Any) -> None:
    first = {"company": "ACME Ltd", "total": "a lot"}
    # Of the whole, what was asked for is taken.
    found = ask([[first], [GOOD]], max_retries=0)
    assert found.value == Receipt(company="ACME Ltd", total=12.5)
    result = ask([[first] * 2, [{"total": "much"}, {"total": 12.5}]], max_retries=1)
    assert result.value.total == 12.5
    again = ask([[first] * 2, ["no JSON", GOOD]], max_retries=1)
    assert again.value == Receipt(company="ACME Ltd", total=12.5)
    assert list(ask.drivers[1].requests[-1].schema["properties"]) == ["total"]


def test_a_rule_about_the_whole_asks_for_the_whole(ask: Any) -> None:
    class Sum(BaseModel):
        net: float
        tax: float
        total: float

        @model_validator(mode="after")
        def adds_up(self) -> Sum:
            if self.net + self.tax != self.total:
                raise ValueError("must add up")
            return self

    first, second = {"net": 1, "tax": 2}, [{"total": 4}, {"net": 2, "tax": 2, "total": 4}]
    result = ask([[first] * 2, second], "1 2 4", schema=Sum, max_retries=1)
    assert result.value.net == 2
    last = ask.drivers[1].requests[-1]
    assert (len(last.messages), len(last.schema["properties"])) == (2, 3)


def test_three_models_and_one_bill() -> None:
    usage = Usage(input_tokens=1000, output_tokens=0, requests=1, reported=True)
    rates = Rates(input=Decimal(1), output=Decimal(2))
    texts = [{"company": "ACME Ltd"}, {"total": "x"}, {"total": 12.5}]
    drivers = [
        ScriptedDriver([Completion(text=json.dumps(t), usage=usage)], prices=rates) for t in texts
    ]
    result = prompture.extract_result(Receipt, TEXT, model=Cascade(drivers), max_retries=0)
    assert result.value.total == 12.5
    assert result.cost.total == Decimal("0.003")
    assert [a.charge.status for a in result.attempts] == ["invalid", "invalid", "ok"]


def test_rules_first_and_a_model_for_what_they_did_not_find() -> None:
    class Deal(BaseModel):
        total: float
        mood: str = Field(description="how the writer feels")

    model = ScriptedDriver([{"mood": "glad"}])
    text = "Total: 12.50. We are glad."
    result = prompture.extract_result(Deal, text, model=Cascade(["local/rules", model]))
    assert (result.value.total, result.value.mood) == (12.5, "glad")
    assert list(model.requests[0].schema["properties"]) == ["mood"]
    assert [a.model for a in result.attempts] == ["local/rules", "scripted/scripted"]


@pytest.mark.parametrize(
    ("evidence", "company", "goes_on"),
    [
        (1.0, "ACME Ltd", False),
        (1.0, "Umbrella", True),
        (0.5, "Umbrella", False),
        (0.0, "Umbrella", False),
        (("company",), "Umbrella", True),
        (("/total",), "Umbrella", False),
        ("total", "Umbrella", False),
        (("paid_by",), "ACME Ltd", True),
    ],
)
def test_evidence(ask: Any, evidence: Any, company: str, goes_on: bool) -> None:
    first = {"company": company, "total": 12.5}
    result = ask([[first], [GOOD]], evidence=evidence, keep="nothing", max_retries=0)
    assert len(result.attempts) == 1 + goes_on
    if goes_on:
        assert result.attempts[0].problems[0].kind == "ungrounded"


def test_what_is_not_in_the_text_is_asked_for_alone(ask: Any) -> None:
    first = {"company": "Umbrella", "total": 12.5, "paid_by": "card"}
    result = ask([[first, first], [{"company": "ACME Ltd"}]], evidence=1.0, max_retries=1)
    assert result.value == Receipt(**GOOD)
    # Its own model was asked again first, as after any invalid answer.
    assert "stands in the text" in ask.drivers[0].requests[1].messages[-1].text
    assert list(ask.drivers[1].requests[0].schema["properties"]) == ["company"]


def test_evidence_that_was_asked_for_and_is_missing_at_the_end_is_an_error(ask: Any) -> None:
    made_up = {"company": "Umbrella", "total": 9.0}
    with pytest.raises(Invalid, match="stands in the text") as caught:
        ask([[made_up], [made_up]], evidence=1.0, keep="nothing", max_retries=0)
    assert caught.value.value["company"] == "Umbrella"
    found = ask([[made_up], [made_up]], keep="nothing", max_retries=0)
    assert found.value.company == "Umbrella"
    assert found.notes == ("2 values not found in the text",)


def test_words_of_the_schema_need_no_evidence(ask: Any) -> None:
    from typing import Literal

    class Mood(BaseModel):
        mood: Literal["glad", "sad"]

    assert len(ask([[{"mood": "sad"}], [GOOD]], schema=Mood, evidence=1.0).attempts) == 1


def test_a_picture_gives_no_evidence(ask: Any) -> None:
    picture = prompture.Image(url="https://x.example/a.png")
    made_up = {"company": "Umbrella", "total": 9.0}
    assert len(ask([[made_up], [GOOD]], [picture, "a receipt"], evidence=1.0).attempts) == 1


BAD: list[tuple[dict[str, Any], str]] = [
    ({"models": []}, "empty"),
    ({"models": "openai/gpt-5-mini"}, "Cascade.models"),
    ({"models": [5]}, "provider/model"),
    ({"models": ["a/b", "a/b"]}, "the same"),
    ({"models": ["a/b"], "escalate_on": ("invald",)}, "invalid"),
    ({"models": ["a/b"], "keep": "all"}, "valid fields"),
    ({"models": ["a/b"], "evidence": 2.0}, "evidence"),
    ({"models": ["a/b"], "evidence": (1,)}, "evidence"),
]


@pytest.mark.parametrize(("given", "words"), BAD)
def test_a_wrong_cascade_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Cascade(**given)


class Bill(BaseModel):
    lines: list[Receipt]
    first: Receipt | None = None
    more: dict[str, int] = {}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("line", "did you mean lines"),
        ("/lines/0/totl", "did you mean total"),
        ("/first/company", ""),
        ("/first/firm", "firm"),
        ("/more/any", ""),
    ],
)
def test_evidence_that_no_answer_can_have_is_refused(name: str, words: str) -> None:
    policy = Cascade([ScriptedDriver([]), ScriptedDriver([])], evidence=name)
    if not words:
        Extractor(Bill, model=policy)
        return
    with pytest.raises(ConfigurationError, match=words):
        Extractor(Bill, model=policy)


def test_what_was_valid_stays_whatever_the_next_model_gives(ask: Any) -> None:
    wrong = {"company": "ACME Ltd", "total": "much"}
    whole = {"company": "Evil Corp", "total": 12.5, "paid_by": "cash"}
    found = ask([[wrong], [whole]], max_retries=0)
    assert found.value == Receipt(company="ACME Ltd", total=12.5)
    assert found.attempts[1].asked_for == ("total",)
    lines = [GOOD, {**GOOD, "total": "much"}]
    found = ask([[{"lines": lines}], [{"lines": [whole, whole]}]], schema=Bill, max_retries=0)
    assert found.value.lines == [Receipt(**GOOD), Receipt(**GOOD)]
    # Of a list with other items nobody knows which is which.
    with pytest.raises(Invalid):
        ask([[{"lines": lines}], [{"lines": [whole]}]], schema=Bill, max_retries=0)


def test_a_cascade_is_a_value() -> None:
    made = Cascade(["local/rules", "openai/gpt-5-mini"])
    assert pickle.loads(pickle.dumps(made)) == made
    assert Extractor(Receipt, model=made).model is made
    assert prompture.estimate(Receipt, TEXT, model=made).others


# Routes that are down.


class Pair:
    """Two drivers of one colour, on two servers, and extract_result of the cascade of both."""

    def __init__(self, colour: str, urls: list[str], **settings: Any) -> None:
        kind = AsyncOpenAICompatible if colour == "async" else OpenAICompatible
        given = {"api_key": "k", "timeout": 0.3, "retry": quick(3), **settings}
        self._runner = asyncio.Runner() if colour == "async" else None
        self.drivers: list[Any] = [kind("m", base_url=url, **given) for url in urls]
        self.extractor: Extractor[Receipt] = Extractor(Receipt, model=self.drivers)

    def __call__(self) -> Any:
        if self._runner:
            return self._runner.run(self.extractor.aextract_result(TEXT))
        return self.extractor.extract_result(TEXT)

    def __enter__(self) -> Pair:
        return self

    def __exit__(self, *exc: object) -> None:
        for driver in self.drivers:
            closed = driver.close()
            if self._runner:
                self._runner.run(closed)
        if self._runner:
            self._runner.close()


HEALTHY = on.good(json.dumps(GOOD))


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_long_wait_is_not_made_where_another_model_can_be_asked(colour: str) -> None:
    with on.serving(on.fails(429, retry_after="60")) as first, on.serving(HEALTHY) as second:
        with Pair(colour, [first.url, second.url]) as pair:
            for _ in range(2):  # the route pauses for the second
                found = pair()
                assert found.value == Receipt(**GOOD)
                assert [a.model.partition("/")[2] for a in found.attempts] == ["m", "m"]
        assert len(first.asked) == 1 and len(second.asked) == 2


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_when_all_have_been_asked_a_long_wait_is_made(
    colour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prompture.drivers.routes.NEXT_PATIENCE", 0.01)
    slow = on.fails(429, retry_after="0.05")
    with on.serving(slow, HEALTHY) as first, on.serving(on.fails(400)) as second:
        with Pair(colour, [first.url, second.url]) as pair:
            found = pair()
        assert found.value == Receipt(**GOOD)
        assert len(first.asked) == 2 and len(second.asked) == 1
        assert [a.error == "" for a in found.attempts] == [False, False, True]


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_route_that_was_silent_is_left_for_the_next(colour: str) -> None:
    with on.serving(on.hangs) as dead, on.serving(HEALTHY) as well:
        with Pair(colour, [dead.url, well.url]) as pair:
            assert pair().value == Receipt(**GOOD)
        assert (len(dead.asked), len(well.asked)) == (1, 1)


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_and_tried_once_more_where_the_next_gave_nothing(colour: str) -> None:
    with on.serving(on.hangs, HEALTHY) as slow, on.serving(on.fails(400)) as broken:
        with Pair(colour, [slow.url, broken.url]) as pair:
            found = pair()
        assert found.value == Receipt(**GOOD)
        assert (len(slow.asked), len(broken.asked)) == (2, 1)
        assert [bool(a.error) for a in found.attempts] == [True, True, False]


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_while_a_breaker_is_open_the_next_model_is_asked_at_once(
    colour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    with on.serving(*[on.fails(500)] * 6, HEALTHY) as dead, on.serving(HEALTHY) as well:
        breaker = Breaker(5, clock=lambda: now[0])
        with Pair(colour, [dead.url, well.url]) as pair:
            pair.drivers[0].own_breaker = breaker
            first = pair()
            assert len(dead.asked) == 3
            pair()  # two more tries open it, and the third is not made
            assert len(dead.asked) == 5
            refused = pair()
            assert len(dead.asked) == 5
            assert [a.error.partition(":")[0] for a in refused.attempts] == ["Unavailable", ""]
            assert len(refused.cost.charges) == 1
            now[0] += 2
            pair()  # the probe, which fails, and is not tried again
            pair()
            assert len(dead.asked) == 6
            now[0] += 2
            assert pair().model.startswith("openai-compatible")
            assert (len(dead.asked), breaker.state) == (7, "closed")
        assert len(first.attempts) == 2
        assert len(well.asked) == 5


# Streams.


@pytest.fixture(params=[Sync, Async])
def colour(request: pytest.FixtureRequest) -> Iterator[Colour]:
    yield request.param()


def _events(text: str) -> list[bytes]:
    pieces = [text[i : i + 8] for i in range(0, len(text), 8)]
    return [*map(on.event, pieces), on.event(finish="stop", usage=on.USAGE), on.DONE]


PREAMBLE = on.event("")
WHOLE = on.streams(*_events(json.dumps(GOOD)))


@pytest.mark.parametrize(
    "fault",
    [
        on.fails(500),
        on.raw(b"<html>", content_type="text/html"),
        on.streams(PREAMBLE, ended=False),
        on.streams(PREAMBLE, then=on.hangs),
        on.streams(PREAMBLE, b'data: {"error": {"message": "full", "code": 503}}\n\n'),
    ],
)
def test_before_its_first_content_a_stream_goes_on_with_the_next(colour: Any, fault: Any) -> None:
    settings = {"retry": quick(2), "timeout": 0.3}
    with (
        on.serving(fault) as dead,
        on.serving(WHOLE) as well,
        colour.driver(dead.url, **settings) as one,
    ):
        other = type(one)("m", base_url=well.url, api_key="k")
        shown = colour.stream(Receipt, [one, other])
        assert shown[-1].value == Receipt(**GOOD)
        assert len(well.asked) == 1


def test_after_it_nothing_is_tried_again_on_any_route(colour: Any) -> None:
    half = _events(json.dumps(GOOD))[:3]
    with (
        on.serving(on.streams(*half, ended=False)) as dead,
        on.serving(WHOLE) as well,
        colour.driver(dead.url, retry=quick(3)) as one,
    ):
        other = type(one)("m", base_url=well.url, api_key="k")
        with pytest.raises(ConnectionLost) as caught:
            colour.stream(Receipt, [one, other])
        assert colour.so_far
        assert (len(dead.asked), len(well.asked)) == (1, 0)
        assert len(caught.value.attempts) == 1


def test_an_answer_that_came_to_its_end_and_is_invalid_goes_on(colour: Any) -> None:
    models = Cascade([colour.script([{"company": "ACME Ltd"}]), colour.script([{"total": 12.5}])])
    shown = colour.stream(Receipt, models, max_retries=0)
    assert shown[-1].value.total == 12.5
    assert shown[-1].attempt == 2


def test_items_go_on_until_the_first_is_out(colour: Any) -> None:
    models = Cascade([colour.script([BUSY]), colour.script([{"items": [GOOD]}])])
    found = colour.items(Receipt, models)
    assert [item.value for item in found] == [Receipt(**GOOD)]


def test_what_happens_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="prompture")
    drivers = [ScriptedDriver([{"company": "ACME Ltd"}] * 2), ScriptedDriver([{"total": 12.5}])]
    prompture.extract(Receipt, TEXT, model=Cascade(drivers), max_retries=1)
    assert [r.event for r in caplog.records] == ["reask", "fallback", "model_chosen"]
    assert "ACME" not in caplog.text
