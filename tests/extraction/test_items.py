"""extract_items in both colours."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, TypedDict

import pytest
from pydantic import BaseModel, field_validator

import prompture
from prompture import Completion, Item, ToolCall, Usage
from prompture.catalog import Rates
from prompture.drivers.provider import Features
from prompture.errors import (
    ConfigurationError,
    ConnectionLost,
    Invalid,
    RateLimitError,
    Refused,
    Truncated,
)
from prompture.extraction.envelope import envelope_of, item_reader
from prompture.schema.rewriting import rewrite
from prompture.schema.source import source
from prompture.testing import ScriptedDriver
from tests.extraction.streaming import COLOURS, TEXT, Colour
from tests.server import DONE, event, serving, streams, waits_to_be_left

RATES = Rates(input=Decimal(1), output=Decimal(2))
USAGE = Usage(input_tokens=1000, output_tokens=100, requests=1, reported=True)


class Part(BaseModel):
    code: str = ""


class Line(BaseModel):
    name: str
    quantity: int = 1
    part: Part | None = None

    @field_validator("name")
    @classmethod
    def _named(cls, name: str) -> str:
        if not name:
            raise ValueError("must not be blank")
        return name.upper()


ROWS = [{"name": f"row {i}", "quantity": i, "part": None} for i in range(5)]
GOOD = {"items": ROWS}
VALUES = [Line(name=f"row {i}", quantity=i) for i in range(5)]


@pytest.fixture(params=COLOURS, ids=lambda c: c.name)
def colour(request: pytest.FixtureRequest) -> Colour:
    made: Colour = request.param()
    return made


def values(items: list[Item[Any]]) -> list[Any]:
    return [item.value for item in items]


@pytest.mark.parametrize("strategy", ["json_schema", "tool", "json_object", "prompt"])
def test_each_item_comes_in_order(colour: Colour, strategy: str) -> None:
    items = colour.items(Line, colour.script([GOOD]), strategy=strategy)
    assert values(items) == VALUES
    assert [item.index for item in items] == [0, 1, 2, 3, 4]
    assert json.loads(items[3].raw)["quantity"] == 3
    assert colour.live.attempts[0].strategy == strategy


class Movie(TypedDict):
    title: str


SCHEMAS: list[tuple[Any, list[Any], list[Any]]] = [
    (int, [1, 2], [1, 2]),
    (str, ["a", ""], ["a", ""]),
    (Movie, [{"title": "x"}], [{"title": "x"}]),
    (list[int], [[1], []], [[1], []]),
    (dict[str, int], [{"a": 1}, {}], [{"a": 1}, {}]),
    ({"type": "object", "properties": {"n": {"type": "integer"}}}, [{"n": 0}], [{"n": 0}]),
    (Line, [], []),
]


@pytest.mark.parametrize("strategy", ["json_schema", "tool", "prompt"])
@pytest.mark.parametrize(("schema", "plain", "found"), SCHEMAS)
def test_items_of_every_kind(
    colour: Colour, strategy: str, schema: Any, plain: list[Any], found: list[Any]
) -> None:
    envelope = envelope_of(source(schema))
    dialect = {"json_schema": "openai", "tool": "openai", "prompt": "plain"}[strategy]
    wire = rewrite(envelope.json_schema, dialect, exact=False).forward({"items": plain})
    items = colour.items(schema, colour.script([wire]), strategy=strategy)
    assert values(items) == found


DIALECTS = ["openai", "anthropic", "gemini", "moonshot", "plain"]
RECURSIVE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "inner": {"type": "array", "items": {"$ref": "#"}}},
    "required": ["name"],
    "additionalProperties": False,
}
TREE = {"name": "a", "inner": [{"name": "b", "inner": []}]}
LEGACY = {
    "definitions": {"n": {"type": "integer"}},
    "type": "object",
    "properties": {"n": {"$ref": "#/definitions/n"}},
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("schema", "value"), [(RECURSIVE, TREE), (Line, ROWS[1]), (LEGACY, {"n": 1})]
)
def test_the_envelope_keeps_what_the_schema_refers_to(
    dialect: str, schema: Any, value: Any
) -> None:
    one = source(schema)
    envelope = envelope_of(one)
    assert source(dict(envelope.json_schema)).validate({"items": [value]})
    rewritten = rewrite(envelope.json_schema, dialect, exact=False)
    wire = rewritten.forward({"items": [value, value]})
    how = item_reader(one, rewritten)
    assert how is not None
    assert [how.read(json.dumps(each)) for each in wire[how.path[0]]] == [one.validate(value)] * 2
    assert envelope_of(source(schema)) is envelope


def test_only_references_of_the_item_follow_it_into_the_envelope() -> None:
    data = {"$ref": "#/x"}
    inner = {"properties": {"b": {"$ref": "#/$defs/b"}}, "$defs": {"b": {"type": "string"}}}
    own = {"$id": "https://example.org/own", **inner}
    named = {"const": {"$ref": "#/properties/default"}, "default": {"type": "string"}}
    schema = {"type": "object", "properties": {"a": {"const": data}, "o": own} | named}
    there = envelope_of(source(schema)).json_schema["properties"]["items"]["items"]["properties"]
    assert (there["a"], there["o"]) == ({"const": data}, own)
    assert there["const"] == {"$ref": "#/properties/items/items/properties/default"}


MIXED = {"items": [ROWS[0], {"name": "x", "quantity": "?"}, ROWS[2], {"name": ""}]}


def test_bad_items_are_skipped(colour: Colour) -> None:
    items = colour.items(Line, colour.script([MIXED]), on_error="skip")
    assert [item.index for item in items] == [0, 2]
    assert [p.pointer for p in colour.live.attempts[0].problems] == ["/1/quantity", "/3/name"]


def test_bad_items_are_collected(colour: Colour) -> None:
    items = colour.items(Line, colour.script([MIXED]), on_error="collect")
    assert [(i.index, i.value is None) for i in items] == [(0, 0), (1, 1), (2, 0), (3, 1)]
    assert [p.pointer for p in items[1].problems] == ["/quantity"]
    assert json.loads(items[1].raw)["quantity"] == "?"


def test_a_bad_item_ends_it(colour: Colour) -> None:
    driver = colour.script([Completion(text=json.dumps(MIXED), usage=USAGE), GOOD], prices=RATES)
    with pytest.raises(Invalid, match="item 1") as caught:
        colour.items(Line, driver)
    assert values(colour.so_far) == [VALUES[0]]
    assert [p.pointer for p in caught.value.problems] == ["/1/quantity"]
    assert caught.value.bill == colour.live.cost
    assert len(caught.value.attempts) == 1
    assert len(driver.requests) == 1


def test_how_to_take_errors_is_checked(colour: Colour) -> None:
    with pytest.raises(ConfigurationError, match="collect"):
        colour.items(Line, colour.script([]), on_error="ignore")


def test_an_answer_that_is_no_list_is_asked_again(colour: Colour) -> None:
    items = colour.items(Line, colour.script(["I found five rows.", {"rows": 1}, GOOD]))
    assert values(items) == VALUES
    assert [a.problems != () for a in colour.live.attempts] == [True, True, False]


def test_it_is_not_asked_forever(colour: Colour) -> None:
    answers = [Completion(text="no", usage=USAGE)] * 3
    with pytest.raises(Invalid) as caught:
        colour.items(Line, colour.script(answers, prices=RATES))
    assert caught.value.bill is not None
    assert caught.value.bill.total == Decimal("0.0036")


REPAIRED = [
    f"```json\n{json.dumps(GOOD)}\n```",
    f"Here: {json.dumps(GOOD)} That is all.",
    json.dumps(ROWS),
    json.dumps(GOOD).replace('"', "'"),
    json.dumps(GOOD).replace("}]", "},]"),
    json.dumps(GOOD).replace('"row 3"', "'row 3'"),
]


@pytest.mark.parametrize("text", REPAIRED)
def test_what_is_nearly_json_is_repaired(colour: Colour, text: str) -> None:
    items = colour.items(Line, colour.script([text]))
    assert values(items) == VALUES
    assert [item.index for item in items] == [0, 1, 2, 3, 4]


STOPS = [("length", Truncated), ("content_filter", Refused), ("stop", Truncated)]


@pytest.mark.parametrize(("stop", "error"), STOPS)
def test_what_was_whole_is_out_before_the_list_is_cut(
    colour: Colour, stop: Any, error: type[Exception]
) -> None:
    text = json.dumps(GOOD)
    cut = Completion(text=text[: text.index("row 3")], stop_reason=stop, usage=USAGE)
    with pytest.raises(error) as caught:
        script = colour.script([cut, GOOD], prices=RATES)
        colour.items(Line, script, on_truncation="raise")
    assert values(colour.so_far) == VALUES[:3]
    assert caught.value.bill.total == Decimal("0.0012")  # type: ignore[attr-defined]
    assert colour.live.cost.total == Decimal("0.0012")


def test_a_model_that_does_not_stream(colour: Colour) -> None:
    items = colour.items(Line, colour.script([GOOD], features=Features(streaming=False)))
    assert values(items) == VALUES


def test_a_call_without_json_is_asked_again(colour: Colour) -> None:
    broken = ToolCall(id="1", name="Line_items", arguments=None, raw_arguments="{no", problem="x")
    assert values(colour.items(Line, colour.script([broken, GOOD]), strategy="tool")) == VALUES


def test_a_cascade_goes_on_until_the_first_item(colour: Colour) -> None:
    busy = RateLimitError("busy", provider="scripted", status=429)
    text = json.dumps(GOOD)
    cut = Completion(text=text[: text.index("row 3")], usage=USAGE)
    assert values(colour.items(Line, [colour.script([busy]), colour.script([GOOD])])) == VALUES
    spare = colour.script([GOOD])
    with pytest.raises(Truncated):
        colour.items(Line, [colour.script([cut], prices=RATES), spare])
    assert not spare.requests


def test_examples_are_lists() -> None:
    driver = ScriptedDriver([GOOD])
    made: prompture.Extractor[Line] = prompture.Extractor(
        Line, model=driver, examples=[("two bolts", [{"name": "bolt", "quantity": 2}])]
    )
    assert len(list(made.extract_items(TEXT))) == 5
    shown = driver.requests[0].messages[2].text
    assert json.loads(shown)["items"][0]["name"] == "bolt"


def test_the_envelope_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = ScriptedDriver([GOOD] * 2)
    assert values(list(prompture.extract_items(Line, TEXT, model=driver))) == VALUES
    monkeypatch.setattr("prompture.extraction.extractor.plan", None)
    assert values(list(prompture.extract_items(Line, TEXT, model=driver))) == VALUES


def events(text: str) -> list[bytes]:
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    pieces = [text[i : i + 8] for i in range(0, len(text), 8)]
    return [*map(event, pieces), event(finish="stop", usage=usage), DONE]


def test_an_item_is_out_before_the_next_has_come(colour: Colour) -> None:
    """The server says no more until it is left, which happens once the second item is out."""
    text = json.dumps(GOOD)
    two = text[: text.index('{"name": "row 2"')]
    step = streams(*events(two)[:-2], then=waits_to_be_left)
    with (
        serving(step) as server,
        colour.driver(server.url) as driver,
    ):
        items = colour.items(Line, driver, leave=2)
        assert server.left.wait(10)
    assert values(items) == VALUES[:2]
    assert [c.status for c in colour.live.cost.charges] == ["cancelled"]
    assert colour.live.cost.total is None
    assert len(colour.live.attempts) == 1


def test_a_bad_item_closes_the_connection(colour: Colour) -> None:
    text = json.dumps(MIXED)
    two = text[: text.index('{"name": "row 2"')]
    step = streams(*events(two)[:-2], then=waits_to_be_left)
    with serving(step) as server, colour.driver(server.url) as driver:
        with pytest.raises(Invalid) as caught:
            colour.items(Line, driver)
        assert server.left.wait(10)
    assert caught.value.bill is not None
    assert [c.status for c in caught.value.bill.charges] == ["cancelled"]
    assert colour.live.cost == caught.value.bill


def test_a_connection_that_breaks_is_not_tried_again(colour: Colour) -> None:
    text = json.dumps(GOOD)
    half = streams(*events(text[: text.index("row 3")])[:-2], ended=False)
    with (
        serving(half, streams(*events(text))) as server,
        colour.driver(server.url) as driver,
        pytest.raises(ConnectionLost) as caught,
    ):
        colour.items(Line, driver)
    assert values(colour.so_far) == VALUES[:3]
    assert len(server.asked) == 1
    assert caught.value.bill == colour.live.cost


def test_the_bill_while_it_goes_on() -> None:
    answer = Completion(text=json.dumps(GOOD), usage=USAGE)
    live = prompture.extract_items(Line, TEXT, model=ScriptedDriver([answer], prices=RATES))
    next(live)
    assert not live.cost
    rest = list(live)
    assert len(rest) == 4
    assert live.cost.total == Decimal("0.0012")
    assert live.usage.output_tokens == 100


class Tagged(BaseModel):
    name: str = ""
    tags: list[str] = []


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ('{"results": []}', []),
        ('{"results": [{"name": "x"}]}', [Tagged(name="x")]),
        ('{"tags": []}', None),
        (']{"tags": []}]', None),
        ('Here: {"tags": []}', None),
    ],
)
def test_one_item_is_no_wrapping_of_a_list(answer: str, wanted: Any) -> None:
    model = ScriptedDriver([answer])
    found = prompture.extract_items(Tagged, "text", model=model, strategy="prompt", max_retries=0)
    if wanted is None:
        with pytest.raises(Invalid):
            list(found)
    else:
        assert [item.value for item in found] == wanted


class Priced(BaseModel):
    pair: tuple[Decimal, str]


def test_readings_of_a_slip_that_are_one_typed_list_are_one_list() -> None:
    """The number as a number and as a text are the same Decimal, in items as in a whole."""
    answer = '[{"pair": ["99.99, "a"]}]'
    ways: Any = {"strategy": "prompt", "max_retries": 0}
    scripted = [ScriptedDriver([answer], features=Features()) for _ in range(2)]
    found = list(prompture.extract_items(Priced, TEXT, model=scripted[0], **ways))
    whole = prompture.extract(list[Priced], TEXT, model=scripted[1], **ways)
    assert [item.value for item in found] == whole == [Priced(pair=(Decimal("99.99"), "a"))]


class Order(BaseModel):
    notes: dict[str, Any]
    total: int = 0


@pytest.mark.parametrize("chars", [1, 7, 1000])
def test_a_list_inside_of_a_broken_value_is_not_the_list(chars: int) -> None:
    """A stray quote before the first brace: the inner object with a key "items" begins as JSON."""
    answer = '["{notes": {"allOf": [true], "items": [true, true]}, "total": 3}]'
    model = ScriptedDriver([answer], features=Features(), chunk_chars=chars)
    ways: Any = {"strategy": "prompt", "max_retries": 0}
    found = [item.value for item in prompture.extract_items(Order, TEXT, model=model, **ways)]
    assert found == [Order(notes={"allOf": [True], "items": [True, True]}, total=3)]


def test_items_come_early_behind_a_footnote() -> None:
    """A bracket in a sentence is no broken value: nothing waits for the end."""
    answer = 'As in [1]: {"items": [{"pair": [1, "a"]}, {"pair": [2, "b"]}]}'
    model = ScriptedDriver([answer], features=Features(), chunk_chars=1)
    items = prompture.extract_items(Priced, TEXT, model=model, strategy="prompt", max_retries=0)
    assert next(items).value.pair == (Decimal(1), "a")
    assert items.attempts == ()
    items.close()
