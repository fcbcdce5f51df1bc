"""ScriptedDriver and FunctionDriver: both colours behave alike, and like any other driver."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

import prompture
from prompture import errors
from prompture.catalog import Rates
from prompture.drivers import meter
from prompture.drivers.hooks import Hooks
from prompture.money import Charge
from prompture.testing import (
    AsyncFunctionDriver,
    AsyncScriptedDriver,
    FunctionDriver,
    ScriptedDriver,
    ScriptExhausted,
)
from prompture.types import Completion, Delta, Request, Tool, ToolCall, Usage, user

ASK = Request(model="", messages=(user("hi"),))
RATES = Rates(input=Decimal(1), output=Decimal(2))
CALL = ToolCall(id="1", name="weather", arguments={"city": "Oslo"}, raw_arguments='{"city":"Oslo"}')
USAGE = Usage(input_tokens=1000, output_tokens=100, requests=1, reported=True)
BUSY = errors.RateLimitError("busy", provider="scripted", status=429)


class Colour:
    """One colour of both drivers, called alike."""

    def __init__(self, name: str) -> None:
        self.sync = name == "sync"

    def scripted(self, answers: Any, **settings: Any) -> Any:
        return (ScriptedDriver if self.sync else AsyncScriptedDriver)(answers, **settings)

    def function(self, function: Callable[[Request], Any], **settings: Any) -> Any:
        return (FunctionDriver if self.sync else AsyncFunctionDriver)(function, **settings)

    def complete(self, driver: Any, request: Request = ASK) -> Completion:
        answer = driver.complete(request)
        found: Completion = answer if self.sync else asyncio.run(answer)
        return found

    def stream(self, driver: Any, *, leave: int | None = None) -> list[Delta | Completion]:
        """The pieces; after ``leave`` of them the iterator is closed."""
        pieces: list[Delta | Completion] = []
        if self.sync:
            stream = driver.stream(ASK)
            for piece in stream:
                pieces.append(piece)
                if len(pieces) == leave:
                    stream.close()
            return pieces

        async def run() -> None:
            stream = driver.stream(ASK)
            async for piece in stream:
                pieces.append(piece)
                if len(pieces) == leave:
                    await stream.aclose()

        asyncio.run(run())
        return pieces


@pytest.fixture(params=["sync", "async"])
def colour(request: pytest.FixtureRequest) -> Colour:
    return Colour(request.param)


class Book(meter.Meter):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.charges: list[Charge] = []
        self.open = 0

    def before(self, request: Request, driver: Any) -> tuple[Request, object]:
        self.open += 1
        return replace(request, max_tokens=7), self

    def after(self, token: object, charge: Charge) -> None:
        assert token is self
        self.open -= 1
        self.charges.append(charge)


ANSWERS: list[tuple[Any, str, list[str], str]] = [
    ("hello", "hello", [], "stop"),
    ({"a": 1}, '{"a": 1}', [], "stop"),
    ([1, 2], "[1, 2]", [], "stop"),
    ([], "[]", [], "stop"),
    ({"é": None}, '{"é": null}', [], "stop"),
    (CALL, "", ["weather"], "tool_calls"),
    ([CALL, CALL], "", ["weather"] * 2, "tool_calls"),
    (Completion(text="x", stop_reason="length"), "x", [], "length"),
]


@pytest.mark.parametrize(("answer", "text", "calls", "stop"), ANSWERS)
def test_what_an_answer_becomes(
    colour: Colour, answer: Any, text: str, calls: list[str], stop: str
) -> None:
    done = colour.complete(colour.scripted([answer]))
    assert (done.text, [c.name for c in done.tool_calls], done.stop_reason) == (text, calls, stop)
    assert done.model == "scripted"
    assert done.cost is not None
    assert done.cost.usd == 0


def test_a_forced_tool_is_called_with_a_value(colour: Colour) -> None:
    asked = replace(ASK, tools=(Tool(name="pick"),), tool_choice="pick")
    done = colour.complete(colour.scripted([{"n": 1}]), asked)
    assert [(c.name, c.arguments) for c in done.tool_calls] == [("pick", {"n": 1})]


def test_a_script_that_is_over_says_so(colour: Colour) -> None:
    driver = colour.scripted(["one"])
    colour.complete(driver)
    with pytest.raises(ScriptExhausted, match="call 2 was made; the script has 1"):
        colour.complete(driver)


def test_an_error_is_raised_with_its_bill_and_told_to_hooks_and_meters(colour: Colour) -> None:
    told: list[errors.PromptureError] = []
    driver = colour.scripted([BUSY, "ok"], hooks=Hooks(on_error=lambda _, e: told.append(e)))
    book = Book()
    with meter.metering(book), pytest.raises(errors.RateLimitError):
        colour.complete(driver)
    assert told == [BUSY]
    assert ([c.status for c in book.charges], book.open) == (["error"], 0)
    assert colour.complete(driver).text == "ok"


def test_requests_are_recorded_as_they_are_sent(colour: Colour) -> None:
    """After the hooks and the meters, which may change them, in both colours."""
    hooks = Hooks(before_request=lambda r: replace(r, temperature=0.5))
    seen: list[Request] = []

    def answer(request: Request) -> str:
        seen.append(request)
        return "ok"

    driver = colour.function(answer, model="mine", hooks=hooks)
    with meter.metering(Book()):
        colour.complete(driver)
    assert driver.requests == seen
    assert (seen[0].model, seen[0].temperature, seen[0].max_tokens) == ("mine", 0.5, 7)


def test_a_meter_that_says_no_stops_the_call_before_the_function(colour: Colour) -> None:
    class Miser(Book):
        def before(self, request: Request, driver: Any) -> tuple[Request, object]:
            raise errors.BudgetExceeded("no", spent=Decimal(1), asked=Decimal(1))

    driver = colour.scripted(["never"])
    with meter.metering(Miser()), pytest.raises(errors.BudgetExceeded):
        colour.complete(driver)
    assert driver.requests == []


def test_prices(colour: Colour) -> None:
    driver = colour.scripted([Completion(text="x", usage=USAGE)], prices=RATES)
    cost = colour.complete(driver).cost
    assert cost is not None
    assert cost.usd == Decimal("0.0012")


def test_a_stream_is_cut_and_adds_up(colour: Colour) -> None:
    answer = Completion(reasoning="because", text="a longer text", tool_calls=(CALL,))
    *deltas, done = colour.stream(colour.scripted([answer], chunk_chars=4))
    pieces = [d for d in deltas if isinstance(d, Delta)]
    assert isinstance(done, Completion)
    assert "".join(d.reasoning for d in pieces) == done.reasoning == "because"
    assert "".join(d.text for d in pieces) == done.text
    assert max(len(d.text) for d in pieces) == 4
    assert "".join(d.tool_arguments for d in pieces) == CALL.raw_arguments
    assert [d.tool_name for d in pieces if d.tool_name] == ["weather"]


def test_hooks_see_a_stream(colour: Colour) -> None:
    hooks = Hooks(
        on_delta=lambda d: replace(d, text=d.text.upper()),
        after_response=lambda _, c: replace(c, text=c.text.upper()),
    )
    *deltas, done = colour.stream(colour.scripted(["hello"], hooks=hooks, chunk_chars=2))
    assert [d.text for d in deltas if isinstance(d, Delta)] == ["HE", "LL", "O"]
    assert isinstance(done, Completion)
    assert done.text == "HELLO"


def test_a_stream_that_is_left_is_settled_as_cancelled(colour: Colour) -> None:
    book = Book()
    with meter.metering(book):
        assert len(colour.stream(colour.scripted(["hello there"], chunk_chars=2), leave=2)) == 2
    assert [c.status for c in book.charges] == ["cancelled"]
    assert book.open == 0


def test_a_stream_that_fails_is_settled_as_an_error(colour: Colour) -> None:
    book = Book()
    with meter.metering(book), pytest.raises(errors.RateLimitError):
        colour.stream(colour.scripted([BUSY]))
    assert [c.status for c in book.charges] == ["error"]
    assert book.open == 0


def test_an_error_of_the_function_itself_goes_through(colour: Colour) -> None:
    book = Book()
    with meter.metering(book), pytest.raises(ZeroDivisionError):
        colour.complete(colour.function(lambda _: 1 / 0))
    assert book.open == 0


def test_a_driver_that_was_closed_answers_on(colour: Colour) -> None:
    driver = colour.scripted(["one", "two"])
    colour.complete(driver)
    closed = driver.close()
    if not colour.sync:
        asyncio.run(closed)
    assert colour.complete(driver).text == "two"


def test_a_coroutine_function() -> None:
    async def answer(request: Request) -> str:
        await asyncio.sleep(0)
        return request.messages[0].text

    driver = AsyncFunctionDriver(answer)
    assert asyncio.run(driver.complete(ASK)).text == "hi"


def test_a_meter_that_holds_a_call_back_is_waited_for(colour: Colour) -> None:
    class Slow(Book):
        asked = 0

        def before(self, request: Request, driver: Any) -> tuple[Request, object]:
            self.asked += 1
            if self.asked < 3:
                raise meter.Busy(0.001)
            return super().before(request, driver)

    slow = Slow()
    with meter.metering(slow):
        assert colour.complete(colour.scripted(["ok"])).text == "ok"
    assert slow.asked == 3


class Receipt(BaseModel):
    company: str
    total: float


def test_as_the_docstring_says() -> None:
    text = "ACME Ltd. Total: 12.50"
    driver = ScriptedDriver(['{"company": "ACME Ltd", "total": 12.5}'])
    assert prompture.extract(Receipt, text, model=driver).total == 12.5
    assert driver.requests[0].messages[-1].text == text


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda cls: cls("hello"), "answers must be a list"),
        (lambda cls: cls({"a": 1}), "answers must be a list"),
        (lambda cls: cls(Completion(text="x")), "answers must be a list"),
        (lambda cls: cls(3), "answers must be a list"),
        (lambda cls: cls(["x"], chunk_chars=0), "chunk_chars must be"),
        (lambda cls: cls(["x"], prices=3), "prices must be"),
        (lambda cls: cls(["x"], featurs=None), "unknown setting 'featurs'; did you mean features"),
        (lambda cls: cls(["x"], retry=None, model=3), "model must be"),
    ],
)
@pytest.mark.parametrize("cls", [ScriptedDriver, AsyncScriptedDriver])
def test_what_a_scripted_driver_is_given(cls: Any, make: Any, words: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=words):
        make(cls)


@pytest.mark.parametrize("cls", [FunctionDriver, AsyncFunctionDriver])
def test_a_function_is_one(cls: Any) -> None:
    with pytest.raises(errors.ConfigurationError, match="function must be"):
        cls(["x"])


@pytest.mark.parametrize("strategy", ["tool", "json_schema", "prompt"])
def test_a_list_is_an_answer_by_every_strategy(strategy: Any) -> None:
    assert prompture.extract(
        list[int], "1 2", model=ScriptedDriver([[1, 2]]), strategy=strategy
    ) == [1, 2]
