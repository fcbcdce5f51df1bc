"""extract_stream in both colours."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

import prompture
from prompture import Completion, Usage
from prompture.catalog import Rates
from prompture.drivers.provider import Features
from prompture.errors import (
    BudgetExceeded,
    ConnectionLost,
    Invalid,
    RateLimitError,
    Refused,
    Truncated,
    UnknownOption,
)
from prompture.testing import ScriptedDriver
from tests.extraction.streaming import COLOURS, TEXT, Colour
from tests.server import DONE, event, serving, streams, waits_to_be_left

RATES = Rates(input=Decimal(1), output=Decimal(2))
USAGE = Usage(input_tokens=1000, output_tokens=100, requests=1, reported=True)


class Line(BaseModel):
    name: str
    quantity: int = 1


class Receipt(BaseModel):
    company: str
    date: datetime.date | None = None
    lines: list[Line] = []


GOOD = {
    "company": "ACME Ltd",
    "date": "2024-05-03",
    "lines": [{"name": "bolt", "quantity": 2}, {"name": "nut", "quantity": 3}],
}
BAD = {**GOOD, "lines": [{"name": "bolt", "quantity": "two"}]}
VALUE = Receipt.model_validate(GOOD)


@pytest.fixture(params=COLOURS, ids=lambda c: c.name)
def colour(request: pytest.FixtureRequest) -> Colour:
    made: Colour = request.param()
    return made


def events(*texts: str) -> list[bytes]:
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    return [*map(event, texts), event(finish="stop", usage=usage), DONE]


@pytest.mark.parametrize("strategy", ["json_schema", "tool", "json_object", "prompt"])
def test_it_grows_and_ends_with_the_result(colour: Colour, strategy: str) -> None:
    shown = colour.stream(Receipt, colour.script([GOOD], prices=RATES), strategy=strategy)
    *growing, last = shown
    assert len(growing) > 5
    assert not any(p.is_last for p in growing)
    assert last.is_last
    assert last.value == VALUE
    assert last.result is colour.live.result
    assert last.result.strategy == strategy
    assert [c.status for c in colour.live.cost.charges] == ["ok"]
    assert [p.value.company for p in growing][:3] != ["ACME Ltd"] * 3
    assert growing[-1].value == VALUE
    assert all(isinstance(p.value, Receipt) for p in growing)
    assert [len(p.value.lines or ()) for p in growing] == sorted(
        len(p.value.lines or ()) for p in growing
    )


def test_a_snapshot_says_what_is_final_and_what_is_open(colour: Colour) -> None:
    shown = colour.stream(Receipt, colour.script([GOOD], chunk_chars=1))
    middle = next(p for p in shown if p.open_path == "/lines/1/name" and p.get("/lines/1/name"))
    assert middle.value.lines[0] == Line(name="bolt", quantity=2)
    assert middle.value.lines[1].quantity is None
    assert middle.final == ("/company", "/date", "/lines/0")
    final = {where: middle.is_final(where) for where in WHERE}
    assert final == WHERE
    assert middle.get("/lines/0") == {"name": "bolt", "quantity": 2}
    assert middle.get("/lines/7", "none") == "none"
    assert middle.plain["lines"][1].keys() == {"name"}
    last = shown[-1]
    assert (last.final, last.open_path) == (("",), None)
    assert last.is_final("/lines/1/name")
    assert not last.is_final("/lines/2")
    with pytest.raises(ValueError, match="JSON pointer"):
        last.get("lines")


WHERE = {
    "": False,
    "/company": True,
    "/lines": False,
    "/lines/0": True,
    "/lines/0/name": True,
    "/lines/0/other": False,
    "/lines/1": False,
    "/lines/1/name": False,
    "/lines/1/quantity": False,
    "/lines/2": False,
    "/nowhere": False,
}


def test_an_invalid_answer_is_asked_again_and_starts_anew(colour: Colour) -> None:
    driver = colour.script([{**GOOD, "company": None}, GOOD], prices=RATES)
    shown = colour.stream(Receipt, driver)
    attempts = [p.attempt for p in shown]
    assert attempts == sorted(attempts)
    assert {*attempts} == {1, 2}
    first = [p for p in shown if p.attempt == 1][-1]
    assert [p.pointer for p in first.problems] == ["/company"]
    assert first.value.company is None
    assert shown[-1].value == VALUE
    assert [c.status for c in colour.live.cost.charges] == ["invalid", "ok"]
    assert len(shown[-1].result.attempts) == 2


def test_parts_that_are_asked_for_again_are_not_shown_by_themselves(colour: Colour) -> None:
    many = {**GOOD, "lines": [{"name": f"part {i}", "quantity": i} for i in range(40)]}
    wrong = {**many, "lines": [*many["lines"][:-1], {"name": "x", "quantity": "y"}]}  # type: ignore[index]
    patch = {"/lines/39/quantity": 39}
    driver = colour.script([wrong, lambda: None])
    asked: list[Any] = []

    def answer(request: Any) -> Any:
        asked.append(request)
        return wrong if len(asked) == 1 else _patched(request, patch)

    driver._function = answer
    shown = colour.stream(Receipt, driver)
    assert len(asked) == 2
    assert {p.attempt for p in shown if not p.is_last} == {1}
    assert shown[-1].value.lines[-1] == Line(name="x", quantity=39)


def _patched(request: Any, patch: dict[str, Any]) -> Any:
    """An answer to a request for parts, whatever the parts are called in it."""
    names = list(request.schema["properties"])
    assert len(names) == len(patch)
    return dict(zip(names, patch.values(), strict=True))


def test_invalid_to_the_end(colour: Colour) -> None:
    bad = Completion(text='{"company": null}', usage=USAGE)
    with pytest.raises(Invalid) as caught:
        colour.stream(Receipt, colour.script([bad] * 3, prices=RATES))
    assert len(colour.live.attempts) == 3
    assert colour.live.cost == caught.value.bill
    assert colour.live.cost.total == Decimal("0.0036")
    assert colour.live.usage.input_tokens == 3000
    assert colour.live.result is None


STOPS = [("refusal", Refused), ("content_filter", Refused), ("length", Truncated)]


@pytest.mark.parametrize(("stop", "error"), STOPS)
def test_no_answer_is_no_invalid_json(colour: Colour, stop: Any, error: type[Exception]) -> None:
    cut = Completion(text='{"company": "AC', stop_reason=stop, usage=USAGE)
    with pytest.raises(error):
        colour.stream(Receipt, colour.script([cut], prices=RATES), on_truncation="raise")
    assert [p.value.company for p in colour.so_far][-1] in ("AC", "")
    assert colour.live.cost.total == Decimal("0.0012")


WRAPPED = [
    f"```json\n{json.dumps(GOOD)}\n```",
    f"Here you are: {json.dumps(GOOD)} Bye!",
    f"<think>[1, {{}}]</think>{json.dumps(GOOD)}",
]


@pytest.mark.parametrize("text", WRAPPED)
def test_prose_around_the_json_is_not_shown(colour: Colour, text: str) -> None:
    shown = colour.stream(Receipt, colour.script([text]))
    assert len(shown) > 5
    assert shown[-2].value == VALUE
    assert shown[-1].value == VALUE


BROKEN = [json.dumps(GOOD).replace("}]", ",}]"), json.dumps(GOOD).replace('"', "'")]


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_nearly_json_is_repaired_at_the_end(colour: Colour, text: str) -> None:
    shown = colour.stream(Receipt, colour.script([text]))
    assert shown[-1].value == VALUE
    assert shown[-1].result.attempts[0].repairs


def test_a_model_that_does_not_stream_gives_one_snapshot(colour: Colour) -> None:
    shown = colour.stream(Receipt, colour.script([GOOD], features=Features(streaming=False)))
    assert [p.value for p in shown] == [VALUE]
    assert shown[0].is_last
    assert shown[0].plain["company"] == "ACME Ltd"


def test_a_scalar_has_but_its_end(colour: Colour) -> None:
    assert [p.value for p in colour.stream(int, colour.script(["7"]), strategy="prompt")] == [7]


def test_a_json_schema_gives_plain_json(colour: Colour) -> None:
    shown = colour.stream(Receipt.model_json_schema(), colour.script([GOOD]))
    assert shown[-2].value == GOOD
    assert shown[-1].value == GOOD


def test_snapshots_keep_their_distance(colour: Colour) -> None:
    ticks = iter(range(1000))
    shown = colour.stream(
        Receipt, colour.script([GOOD], chunk_chars=1), min_interval=10, clock=lambda: next(ticks)
    )
    length = len(json.dumps(GOOD))
    assert length // 10 - 2 <= len(shown) <= length // 10 + 3
    assert shown[-1].value == VALUE


def test_a_cascade_goes_on(colour: Colour) -> None:
    busy = RateLimitError("busy", provider="scripted", status=429)
    shown = colour.stream(Receipt, [colour.script([busy]), colour.script([GOOD])])
    assert shown[-1].value == VALUE
    assert len(shown[-1].result.attempts) == 2


TEXT_OF = json.dumps(GOOD)
HALF = [TEXT_OF[:20], TEXT_OF[20:60]]


def test_over_a_real_connection(colour: Colour) -> None:
    pieces = [TEXT_OF[i : i + 5] for i in range(0, len(TEXT_OF), 5)]
    with serving(streams(*events(*pieces))) as server, colour.driver(server.url) as driver:
        shown = colour.stream(Receipt, driver)
        again = colour.stream(Receipt, driver)
    assert len(shown) == len(again) == len(pieces) + 1
    assert shown[-1].value == VALUE
    assert shown[-1].result.usage.output_tokens == 100
    assert server.accepted == 1


def test_leaving_closes_the_connection_and_settles_the_bill(colour: Colour) -> None:
    with (
        serving(streams(*map(event, HALF), then=waits_to_be_left)) as server,
        colour.driver(server.url) as driver,
        prompture.track() as tracked,
    ):
        shown = colour.stream(Receipt, driver, leave=2)
        assert len(shown) == 2
        assert server.left.wait(10)
    assert [c.status for c in colour.live.cost.charges] == ["cancelled"]
    assert [a.error for a in colour.live.attempts] == ["left before its end"]
    assert colour.live.attempts[0].strategy
    assert tracked.calls == 1


def test_a_connection_that_breaks_is_an_error_with_its_bill(colour: Colour) -> None:
    with (
        serving(streams(*map(event, HALF), ended=False)) as server,
        colour.driver(server.url) as driver,
        pytest.raises(ConnectionLost) as caught,
    ):
        colour.stream(Receipt, driver)
    assert colour.so_far[-1].value.company == "ACME Ltd"
    assert caught.value.partial is not None
    assert [c.status for c in colour.live.cost.charges] == ["error"]


def test_what_the_caller_does_in_between_is_not_billed_here() -> None:
    """Neither to the stream, nor to the budget that watches it."""
    other = ScriptedDriver([Completion(text="{}", usage=USAGE)], prices=RATES)
    driver = ScriptedDriver([GOOD], prices=RATES)
    budget = prompture.Budget(usd=1)
    live = prompture.extract_stream(Receipt, TEXT, model=driver, budget=budget)
    for number, _ in enumerate(live):
        if number == 1:
            other.generate("hello")
    assert len(live.cost.charges) == 1
    assert live.cost.total == Decimal(0)


def test_a_budget_that_is_used_up_stops_it(colour: Colour) -> None:
    budget = prompture.Budget(usd=0.0000001, on_unknown="refuse")
    driver = colour.script([Completion(text="{}", usage=USAGE)] * 2, prices=RATES)
    with pytest.raises((BudgetExceeded, Invalid)):
        colour.stream(Receipt, driver, budget=budget)


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(UnknownOption, match="min_intervall"):
        prompture.extract_stream(Receipt, TEXT, model=ScriptedDriver([]), min_intervall=1)


def test_it_can_be_stepped_and_closed() -> None:
    with prompture.extract_stream(Receipt, TEXT, model=ScriptedDriver([GOOD])) as live:
        first = next(live)
        assert first.attempt == 1
        assert "open at" in repr(first)
    assert list(live) == []
    assert len(live.attempts) == 1
