"""extract() in both colours, with scripted models."""

from __future__ import annotations

import asyncio
import datetime
import enum
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, NotRequired, TypedDict

import pytest
from pydantic import BaseModel, Field, TypeAdapter

import prompture
from prompture import Completion, Extractor, ToolCall, Usage
from prompture.catalog import Rates
from prompture.drivers.provider import Features
from prompture.errors import (
    ConfigurationError,
    Invalid,
    RateLimitError,
    Refused,
    SchemaError,
    Truncated,
    UnknownModel,
    UnknownOption,
    UnsupportedError,
)
from prompture.testing import AsyncScriptedDriver, ScriptedDriver

TEXT = "ACME Ltd, 3 May 2024. Total: 12.50"
RATES = Rates(input=Decimal(1), output=Decimal(2))


class Receipt(BaseModel):
    company: str
    total: float
    date: datetime.date | None = None


GOOD = {"company": "ACME Ltd", "total": 12.5, "date": "2024-05-03"}
VALUE = Receipt(company="ACME Ltd", total=12.5, date=datetime.date(2024, 5, 3))


class Colour:
    """extract_result in one colour over a script."""

    def __init__(self, name: str) -> None:
        self.name = name

    def result(self, schema: Any, answers: list[Any], text: Any = TEXT, **options: Any) -> Any:
        settings = {k: options.pop(k) for k in ("features", "prices") if k in options}
        if self.name == "sync":
            self.driver: Any = ScriptedDriver(answers, **settings)
            return prompture.extract_result(schema, text, model=self.driver, **options)
        self.driver = AsyncScriptedDriver(answers, **settings)
        return asyncio.run(prompture.aextract_result(schema, text, model=self.driver, **options))


@pytest.fixture(params=["sync", "async"])
def colour(request: pytest.FixtureRequest) -> Colour:
    return Colour(request.param)


@dataclass
class Point:
    x: int
    y: int = 0


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


SCHEMAS: list[tuple[Any, Any, Any]] = [
    (Receipt, GOOD, VALUE),
    (Point, {"x": 1, "y": 2}, Point(1, 2)),
    (Movie, {"title": "Alien", "year": 1979}, {"title": "Alien", "year": 1979}),
    (list[Point], [{"x": 1, "y": 0}], [Point(1)]),
    (Literal["a", "b"], "b", "b"),
    (Size, "large", Size.LARGE),
    (int | None, 7, 7),
    (int, 7, 7),
    (bool, False, False),
    (list[str], [], []),
    (str, "", ""),
    (TypeAdapter(dict[str, int]), {"a": 1}, {"a": 1}),
    ({"type": "object", "properties": {"n": {"type": "integer"}}}, {"n": 0}, {"n": 0}),
]


@pytest.mark.parametrize("strategy", ["json_schema", "tool", "json_object", "prompt"])
@pytest.mark.parametrize(("schema", "plain", "value"), SCHEMAS)
def test_every_schema_by_every_strategy(
    colour: Colour, strategy: str, schema: Any, plain: Any, value: Any
) -> None:
    from prompture.extraction.strategy import plan
    from prompture.schema.source import source

    made = plan(
        source(schema),
        ScriptedDriver([]),
        strategy=strategy,
        base=prompture.Request(model="", messages=()),
    )
    answer = made.rewrite.forward(plain)
    if not isinstance(answer, dict):
        import json

        answer = json.dumps(answer)
    result = colour.result(schema, [answer], strategy=strategy)
    assert result.value == value
    assert type(result.value) is type(value)
    assert result.strategy == strategy
    assert len(result.attempts) == 1


FLAGS = [
    (Features(), "json_schema"),
    (Features(json_schema=False), "tool"),
    (Features(json_schema=False, forced_tool=False), "json_object"),
    (Features(json_schema=False, forced_tool=False, json_mode=False), "tool"),
    (Features(json_schema=False, tool_use=False), "json_object"),
    (Features(json_schema=False, tool_use=False, json_mode=False), "prompt"),
]


@pytest.mark.parametrize(("features", "strategy"), FLAGS)
def test_the_flags_pick_the_strategy(colour: Colour, features: Features, strategy: str) -> None:
    result = colour.result(Receipt, [GOOD], features=features)
    assert (result.value, result.strategy) == (VALUE, strategy)


def test_the_model_is_shown_its_answer_and_the_problems(colour: Colour) -> None:
    bad = {"company": "ACME Ltd", "total": "lots", "date": None}
    result = colour.result(Receipt, [bad, GOOD], prices=RATES)
    assert result.value == VALUE
    first, second = colour.driver.requests
    shown, complaint = second.messages[-2:]
    assert second.messages[: len(first.messages)] == first.messages
    assert (shown.role, '"lots"' in shown.text) == ("assistant", True)
    assert complaint.role == "user"
    assert "/total" in complaint.text
    assert [p.pointer for p in result.attempts[0].problems] == ["/total"]
    assert [c.status for c in result.cost.charges] == ["invalid", "ok"]


class Tagged(BaseModel):
    tags: dict[str, int]


def test_problems_are_shown_where_the_answer_has_them(colour: Colour) -> None:
    from prompture.extraction.strategy import plan
    from prompture.schema.source import source

    base = prompture.Request(model="", messages=())
    made = plan(source(Tagged), ScriptedDriver([]), base=base)
    good = made.rewrite.forward({"tags": {"a": 1, "b": 2}})
    bad = json.loads(json.dumps(good).replace("2", '"two"'))
    result = colour.result(Tagged, [bad, good])
    assert result.value == Tagged(tags={"a": 1, "b": 2})
    assert result.attempts[0].problems[0].pointer == "/tags/b"
    assert "/tags/1/value" in colour.driver.requests[1].messages[-1].text


def test_a_tool_call_is_answered_as_one(colour: Colour) -> None:
    result = colour.result(Receipt, [{"company": "x"}, GOOD], strategy="tool")
    assert result.value == VALUE
    turns = colour.driver.requests[1].messages[-2:]
    assert [t.role for t in turns] == ["assistant", "tool"]
    assert turns[1].call_id == turns[0].calls[0].id
    assert turns[1].is_error


def test_arguments_that_are_no_json_are_asked_again(colour: Colour) -> None:
    broken = ToolCall(id="1", name="Receipt", arguments=None, raw_arguments="{nope", problem="x")
    assert colour.result(Receipt, [broken, GOOD], strategy="tool").value == VALUE


REPAIRABLE = [
    '```json\n{"company": "ACME Ltd", "total": 12.5, "date": "2024-05-03"}\n```',
    'Here you are: {"company": "ACME Ltd", "total": 12.5, "date": "2024-05-03"} Bye!',
    '{"company": "ACME Ltd", "total": 12.5, "date": "2024-05-03",}',
    '<think>{}</think>{"company": "ACME Ltd", "total": 12.5, "date": "2024-05-03"}',
]


@pytest.mark.parametrize("text", REPAIRABLE)
def test_wrapped_answers_are_read(colour: Colour, text: str) -> None:
    result = colour.result(Receipt, [text])
    assert result.value == VALUE
    assert result.attempts[0].repairs


def test_invalid_to_the_end_carries_the_bill(colour: Colour) -> None:
    usage = Usage(input_tokens=1000, output_tokens=100, requests=1, reported=True)
    answers = [Completion(text='{"company": 1}', usage=usage)] * 3
    with pytest.raises(Invalid) as caught:
        colour.result(Receipt, answers, prices=RATES)
    error = caught.value
    assert len(error.attempts) == 3
    assert error.bill is not None
    assert error.bill.total == Decimal("0.0036")
    assert {p.pointer for p in error.problems} == {"/company", "/total"}
    assert "3 times" in str(error)


STOPS = [("refusal", Refused), ("content_filter", Refused), ("length", Truncated)]


@pytest.mark.parametrize(("stop", "error"), STOPS)
def test_no_answer_is_no_invalid_json(colour: Colour, stop: Any, error: type[Exception]) -> None:
    usage = Usage(input_tokens=10, output_tokens=5, requests=1, reported=True)
    cut = Completion(text='{"company": "AC', stop_reason=stop, usage=usage)
    with pytest.raises(error) as caught:
        colour.result(Receipt, [cut], prices=RATES, on_truncation="raise")
    assert caught.value.bill.total == Decimal("0.00002")  # type: ignore[attr-defined]
    assert len(caught.value.attempts) == 1  # type: ignore[attr-defined]


def test_json_that_ends_in_the_middle_is_truncated(colour: Colour) -> None:
    cut = '{"company": "ACME Ltd", "total": 12'
    assert colour.result(Receipt, [cut, GOOD]).value == VALUE
    with pytest.raises(Truncated, match="cut off"):
        colour.result(Receipt, [cut], max_retries=0)


class Priced(BaseModel):
    name: str
    price: Decimal
    tags: dict[str, int] = {}


def test_decimals_keep_their_digits(colour: Colour) -> None:
    digits = "12345678901234567.123456789012345678"
    text = f'```json\n{{"name": "a", "price": {digits}, "tags": []}}\n```'
    assert colour.result(Priced, [text]).value.price == Decimal(digits)


def test_an_absent_value_is_null_and_a_required_one_fails(colour: Colour) -> None:
    nothing = {"company": "ACME Ltd", "total": None, "date": None}
    with pytest.raises(Invalid, match="/total"):
        colour.result(Receipt, [nothing], max_retries=0)
    absent = colour.result(Receipt, [{**GOOD, "date": None}])
    assert absent.value.date is None


def _busy() -> RateLimitError:
    return RateLimitError("busy", provider="scripted", status=429)


def test_a_cascade_goes_on_and_bills_all() -> None:
    usage = Usage(input_tokens=1000, output_tokens=0, requests=1, reported=True)
    first = ScriptedDriver([_busy()])
    second = ScriptedDriver([Completion(text="{}", usage=usage)] * 3, prices=RATES)
    third = ScriptedDriver([GOOD])
    result = prompture.extract_result(Receipt, TEXT, model=[first, second, third])
    assert result.value == VALUE
    assert len(result.attempts) == 5
    assert result.cost.total == Decimal("0.003")


def test_a_cascade_that_fails_raises_the_last_error_with_every_attempt() -> None:
    models = [ScriptedDriver([_busy()]), ScriptedDriver(["{}", "{}", "{}"])]
    with pytest.raises(Invalid) as caught:
        prompture.extract(Receipt, TEXT, model=models)
    assert len(caught.value.attempts) == 4


BAD_CALLS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"text": ""}, ConfigurationError, "empty"),
    ({"text": "  \n"}, ConfigurationError, "empty"),
    ({"text": []}, ConfigurationError, "empty"),
    ({"text": b""}, ConfigurationError, "0 bytes"),
    ({"text": "PK\x00\x01\x02"}, ConfigurationError, "binary"),
    ({"text": 5}, ConfigurationError, "string"),
    ({"schema": 5}, SchemaError, "5|int"),
    ({"schema": {"type": "strin"}}, SchemaError, "strin"),
    ({"model": "opnai/gpt-4o"}, UnknownModel, "openai"),
    ({"model": "gpt-4o"}, UnknownModel, "provider/model"),
    ({"model": 7}, ConfigurationError, "provider/model"),
    ({"model": []}, ConfigurationError, "empty"),
    ({"model": "openai/gpt-4o"}, prompture.MissingKey, "OPENAI_API_KEY"),
    ({"temprature": 1}, UnknownOption, "temprature"),
    ({"strategy": "magic"}, ConfigurationError, "json_object"),
    ({"max_retries": -1}, ConfigurationError, "max_retries"),
]


@pytest.mark.parametrize(("change", "error", "words"), BAD_CALLS)
def test_bad_calls_say_what_to_do(
    change: dict[str, Any], error: type[Exception], words: str
) -> None:
    call: dict[str, Any] = {"schema": Receipt, "text": TEXT, "model": ScriptedDriver([]), **change}
    with pytest.raises(error, match=words):
        prompture.extract(call.pop("schema"), call.pop("text"), **call)


def test_a_named_strategy_that_the_model_lacks_is_refused() -> None:
    driver = ScriptedDriver([], features=Features(tool_use=False))
    with pytest.raises(UnsupportedError, match="tool use"):
        prompture.extract(Receipt, TEXT, model=driver, strategy="tool")


def test_the_wrong_colour_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="driver_for"):
        prompture.extract(Receipt, TEXT, model=AsyncScriptedDriver([]))


def test_text_beyond_the_window_is_refused_before_sending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    text = "word " * 400_000
    with pytest.raises(prompture.ContextWindowExceeded, match="nothing was sent"):
        prompture.extract(Receipt, text, model="openai/gpt-4o", long=None)


def test_instructions_and_examples_reach_the_model() -> None:
    driver = ScriptedDriver([GOOD])
    extractor: Extractor[Receipt] = Extractor(
        Receipt, model=driver, instructions="Totals include tax.", examples=[("Shop 3.00", GOOD)]
    )
    extractor.extract(TEXT)
    system, question, answer, document = driver.requests[0].messages
    assert "Totals include tax." in system.text
    assert question.text == "Shop 3.00"
    assert '"ACME Ltd"' in answer.text
    assert document.text == TEXT


def test_nothing_is_sent_that_was_not_asked_for() -> None:
    driver = ScriptedDriver([GOOD])
    prompture.extract(Receipt, TEXT, model=driver)
    request = driver.requests[0]
    assert request.temperature is None
    assert request.max_tokens is None


def test_the_schema_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Thing(BaseModel):
        name: str = Field(description="its name")

    driver = ScriptedDriver([{"name": "a"}] * 3)
    prompture.extract(Thing, TEXT, model=driver)
    monkeypatch.setattr(Thing, "model_json_schema", None)
    monkeypatch.setattr("prompture.extraction.extractor.plan", None)
    assert prompture.extract(Thing, TEXT, model=driver) == Thing(name="a")
