"""Growing values in the shape of their schema, at every prefix of an answer."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import enum
import json
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Literal, TypedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    RootModel,
    TypeAdapter,
    ValidationInfo,
    field_validator,
    model_validator,
)

from prompture.errors import SchemaError
from prompture.schema.partial import PartialParser, Snapshot
from prompture.schema.partial_typed import PLAIN, PartialReader
from prompture.schema.partial_typed import reader as partial_typed_reader
from prompture.schema.problems import InvalidValue
from prompture.schema.rewriting import Rewrite, rewrite
from prompture.schema.source import source
from tests.schema.strategies import pairs

DIALECTS = ["openai", "anthropic", "gemini", "plain"]


def snapshots(text: str, size: int = 1) -> Iterator[Snapshot]:
    """The state after each piece of the text, from where the JSON begins."""
    parser = PartialParser(tolerate=False)
    for at in range(0, len(text), size):
        parser.feed(text[at : at + size])
        if parser.started:
            yield parser.snapshot()
    parser.close()
    yield parser.snapshot()


def written(rewritten: Rewrite, value: Any) -> str:
    return json.dumps(rewritten.forward(value))


def is_valid(schema: Any, value: Any) -> bool:
    try:
        source({"$defs": {}, **schema} if isinstance(schema, dict) else {}).validate(value)
    except (InvalidValue, SchemaError, TypeError):  # TypeError: a mix of drafts, in jsonschema
        return False
    return True


@settings(max_examples=150, deadline=None)
@given(pairs(), st.sampled_from(DIALECTS), st.integers(1, 7))
def test_what_is_complete_is_what_the_rewriting_restores(
    pair: tuple[Any, Any], dialect: str, size: int
) -> None:
    schema, value = pair
    try:
        rewritten = rewrite(schema, dialect, exact=True)
    except SchemaError:
        return
    text = written(rewritten, value)
    view = PartialReader(rewritten.codec, PLAIN)
    shown = [(snap, view.plain(snap)) for snap in snapshots(text, size)]
    kept = copy.deepcopy([plain for _, plain in shown])
    whole = rewritten.restore(json.loads(text))
    assert shown[-1][1] == whole
    if is_valid(schema, value) and text[-1] in "}]":
        parser = PartialParser(tolerate=False)
        parser.feed(text[:-1] + " ")
        assert PartialReader(rewritten.codec, PLAIN).plain(parser.snapshot()) == whole
    # Later growth leaves what was seen as it was. Looking again shows the same, unless it is
    # certain only by now which branch of a union it was.
    assert [plain for _, plain in shown] == kept
    if rewritten.identity:
        assert [view.plain(snap) for snap, _ in shown] == kept


class Line(BaseModel):
    name: str
    quantity: int = 1
    due: datetime.date | None = None


class Invoice(BaseModel):
    number: str
    date: datetime.date | None = None
    currency: Literal["EUR", "USD"] = "EUR"
    total: Decimal = Field(alias="Total")
    lines: list[Line]
    tags: dict[str, int] = {}
    more: dict[str, Line] = {}


INVOICE = {
    "number": "A-1",
    "date": "2024-02-03",
    "currency": "USD",
    "Total": 12.5,
    "lines": [{"name": "bolt"}, {"name": "nut", "quantity": 2, "due": "2024-03-01"}],
    "tags": {"x": 1, "y": 2},
    "more": {"first": {"name": "gasket"}},
}


def looks(schema: Any, value: Any, dialect: str = "openai") -> list[tuple[Any, Any]]:
    """Typed value and problems after each character, repeats left out."""
    made = source(schema)
    rewritten = rewrite(made.json_schema, dialect, exact=False)
    view = PartialReader(rewritten.codec, made.shape)
    found: list[tuple[Any, Any]] = []
    for snap in snapshots(written(rewritten, value)):
        look = view.value(snap)
        if not found or look != found[-1]:
            found.append(look)
    return found


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_model_fills_up(dialect: str) -> None:
    seen = looks(Invoice, INVOICE, dialect)
    assert all(isinstance(value, Invoice) for value, _ in seen)
    assert not any(problems for _, problems in seen)
    assert seen[-1][0] == source(Invoice).validate(INVOICE)
    numbers = [value.number for value, _ in seen]
    assert numbers[:5] == [None, "", "A", "A-", "A-1"]
    # What means something only as a whole is not there before it is whole.
    assert {value.date for value, _ in seen} == {None, datetime.date(2024, 2, 3)}
    assert {value.currency for value, _ in seen} == {None, "USD"}
    assert {value.total for value, _ in seen} == {None, Decimal("12.5")}
    lines = [value.lines for value, _ in seen]
    assert Line.model_construct(name="bo", quantity=None, due=None) in [
        line for each in lines if each for line in each
    ]
    assert {0, 1, 2} == {len(each) for each in lines if each is not None}


def test_defaults_are_not_shown_before_the_field_has_come() -> None:
    class Choice(BaseModel):
        size: int = 7
        name: str

    seen = looks(Choice, {"size": 3, "name": "a"})
    assert seen[0][0].size is None
    assert seen[-1][0] == Choice(size=3, name="a")


def _even(number: int) -> int:
    if number % 2:
        raise ValueError("must be even")
    return number


class Checked(BaseModel):
    start: int
    end: Annotated[int, AfterValidator(_even)]
    name: str

    @field_validator("end")
    @classmethod
    def _after_start(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data["start"]:
            raise ValueError("must not be before the start")
        return value * 10

    @field_validator("name")
    @classmethod
    def _no_blank(cls, name: str) -> str:
        assert name, "must not be blank"
        return name.upper()

    @model_validator(mode="after")
    def _never(self) -> Checked:
        raise ValueError("the whole is validated at the end, by the reading of the answer")


FIELDS = [
    ({"start": 1, "end": 4, "name": "abc"}, (1, 40, "ABC"), []),
    ({"start": 1, "end": 3, "name": "abc"}, (1, None, "ABC"), ["/end"]),
    ({"start": 8, "end": 4, "name": "abc"}, (8, None, "ABC"), ["/end"]),
    ({"start": "x", "end": 4, "name": "abc"}, (None, None, "ABC"), ["/start", "/end"]),
    ({"start": 1, "end": 4, "name": ""}, (1, 40, None), ["/name"]),
]


@pytest.mark.parametrize(("plain", "typed", "wrong"), FIELDS)
def test_validators_see_complete_fields_alone(plain: Any, typed: Any, wrong: list[str]) -> None:
    seen = looks(Checked, plain, "plain")
    last, problems = seen[-1]
    assert (last.start, last.end, last.name) == typed
    assert [p.pointer for p in problems] == wrong
    if plain["name"]:
        assert "ab" in [value.name for value, _ in seen]


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    barks: list[str]


class Tagged(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]


class Untagged(BaseModel):
    pet: Cat | Dog


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 0


class Movie(TypedDict):
    title: str
    cast: list[str]


class Size(enum.Enum):
    SMALL = "small"


class Points(RootModel[list[Point]]):
    pass


class Node(BaseModel):
    name: str
    children: list[Node] = []


class Secret(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    name: str
    born: datetime.date
    _seen: int = PrivateAttr(default=3)


DOG = {"kind": "dog", "barks": ["a", "b"]}
TREE = {"name": "a", "children": [{"name": "b", "children": [{"name": "c", "children": []}]}]}
SHAPES: list[tuple[Any, Any]] = [
    (Tagged, {"pet": DOG}),
    (Untagged, {"pet": DOG}),
    (Point, {"x": 1, "y": 2}),
    (Movie, {"title": "Alien", "cast": ["x", "y"]}),
    (list[Point], [{"x": 1, "y": 2}, {"x": 3, "y": 0}]),
    (Points, [{"x": 1, "y": 2}]),
    (Node, TREE),
    (Secret, {"name": "a", "born": "2024-01-01", "other": [1]}),
    (dict[str, Point], {"a": {"x": 1, "y": 0}, "b": {"x": 2, "y": 0}}),
    (list[Size], ["small", "small"]),
    (list[tuple[int, str]], [[1, "a"], [2, "b"]]),
    (list[set[int]], [[1, 2], [3]]),
    (TypeAdapter(list[int | None]), [1, None]),
    (Size, "small"),
    (int, 7),
    (str, "abc"),
]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("schema", "plain"), SHAPES, ids=[str(s) for s, _ in SHAPES])
def test_every_shape_ends_as_the_validated_value(schema: Any, plain: Any, dialect: str) -> None:
    seen = looks(schema, plain, dialect)
    assert seen[-1] == (source(schema).validate(plain), [])
    assert not any(problems for _, problems in seen)


def test_a_branch_is_shown_once_it_is_certain() -> None:
    pets = [value.pet for value, _ in looks(Tagged, {"pet": DOG}, "plain")]
    assert [type(pet) for pet in pets[:2]] == [type(None), Dog]
    assert pets[1].barks is None
    assert [type(v.pet) for v, _ in looks(Untagged, {"pet": DOG}, "plain")] == [type(None), Dog]


def test_what_is_wrong_is_none_and_is_said() -> None:
    class Row(BaseModel):
        rows: list[Point]

    seen = looks(Row, {"rows": [{"x": 1}, {"x": "one"}, {"x": 3}]}, "plain")
    last, problems = seen[-2]
    assert last.rows[:2] == [Point(1), None]
    assert [p.pointer for p in problems] == ["/rows/1/x"]


def test_a_key_that_comes_twice_shows_what_it_was_then() -> None:
    text = '{"number": "old", "lines": [], "number": "new"'
    made = source(Invoice)
    view = PartialReader(rewrite(made.json_schema, "plain", exact=False).codec, made.shape)
    parser = PartialParser()
    shown = []
    for mark in text:
        parser.feed(mark)
        if parser.started:
            shown.append(parser.snapshot())
    numbers = [view.value(snap)[0].number for snap in shown]
    assert numbers[-1] == "new"
    assert "old" in numbers
    assert [view.value(snap)[0].number for snap in shown] == numbers


def test_a_long_list_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def count(value: int) -> int:
        nonlocal calls
        calls += 1
        return value

    class Numbers(BaseModel):
        rows: list[Annotated[int, AfterValidator(count)]]

    looks(Numbers, {"rows": list(range(50))}, "plain")
    assert calls <= 2 * 50  # each when it is complete, and all when the list is


def test_a_list_that_was_kept_stays_and_one_that_was_not_is_made_longer() -> None:
    view = PartialReader(rewrite({"type": "array", "items": {}}, "plain", exact=True).codec, PLAIN)
    parser = PartialParser()

    def look(more: str) -> Any:
        parser.feed(more)
        return view.plain(parser.snapshot())

    kept = look("[1, 2, [3")
    assert kept == [1, 2, []]
    dropped = id(look(", 4"))
    assert kept == [1, 2, []]
    again = look(", 5")
    assert id(again) == dropped
    assert look("") is not again
    assert again == [1, 2, [3, 4]]
    walk = iter(again)
    next(walk)
    del again
    assert look(" ], 6, 7") == [1, 2, [3, 4, 5], 6]
    assert list(walk) == [2, [3, 4]]


_GROWN = st.recursive(
    st.sampled_from([1, "abc", None, True]),
    lambda inner: (
        st.lists(inner, max_size=6) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=20,
)


def _parts(value: Any) -> Iterator[Any]:
    """The value, what it holds, and iterators over its lists that have begun."""
    yield value
    if isinstance(value, list):
        for inner in value:
            yield from _parts(inner)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _parts(inner)


def _watching(kept: list[Any]) -> Any:
    """A tracer that, like a debugger, keeps the local variables of every frame."""

    def trace(frame: Any, event: str, arg: Any) -> Any:
        if "partial_typed" in frame.f_code.co_filename:
            kept.append(dict(frame.f_locals))
            del kept[:-3]
        return trace

    return trace


@pytest.mark.parametrize("watched", [False, True])
@settings(max_examples=60, deadline=None)
@given(value=_GROWN, size=st.integers(1, 4), choices=st.randoms(use_true_random=False))
def test_what_was_handed_out_never_changes(
    watched: bool, value: Any, size: int, choices: Any
) -> None:
    """Whatever part of it is kept, and under a debugger that keeps things of its own."""
    view = PartialReader(rewrite({}, "plain", exact=True).codec, PLAIN)
    parser = PartialParser()
    text = json.dumps({"rows": [value, [value, value]]})
    kept: list[tuple[Any, Any]] = []
    before = sys.gettrace()
    if watched:
        sys.settrace(_watching([]))
    try:
        for start in range(0, len(text), size):
            parser.feed(text[start : start + size])
            shown = view.plain(parser.snapshot())
            for part in _parts(shown):
                if choices.random() < 0.2:
                    kept.append((part, copy.deepcopy(part)))
            del shown
    finally:
        sys.settrace(before)
    for part, was in kept:
        assert part == was


def test_lists_are_copied_where_references_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prompture.schema.partial_typed.reader._COUNTED", False)
    view = PartialReader(rewrite({"type": "array", "items": {}}, "plain", exact=True).codec, PLAIN)
    parser = PartialParser()
    shown = []
    for more in ("[1", ", 2", ", 3", ", 4"):
        parser.feed(more)
        view.plain(parser.snapshot())
        shown.append(view._plain._containers[0].lists[-1])
    assert shown == [[], [1], [1, 2], [1, 2, 3]]


def _seconds_a_look(items: int) -> float:
    reader = PartialReader(rewrite({}, "plain", exact=True).codec, PLAIN)
    parser = PartialParser()
    text = json.dumps([*range(items)])
    pieces = [text[at : at + 3] for at in range(0, len(text), 3)]
    began = time.process_time()
    for piece in pieces:
        parser.feed(piece)
        reader.plain(parser.snapshot())
    return (time.process_time() - began) / len(pieces)


@pytest.mark.skipif(not partial_typed_reader._COUNTED, reason="references are not counted")
def test_a_look_at_a_long_list_costs_what_is_new() -> None:
    """A copy of 20,000 items would take thirty times as long as a look takes."""
    assert _seconds_a_look(20_000) < 4 * _seconds_a_look(1_000)


class Entry(BaseModel):
    name: str
    tags: list[str] = []


class Register(BaseModel):
    entries: list[Entry]
    totals: dict[str, list[int]] = {}


@settings(max_examples=40, deadline=None)
@given(
    entries=st.lists(
        st.builds(dict, name=st.text(max_size=4), tags=st.lists(st.text(max_size=3), max_size=3)),
        max_size=5,
    ),
    dialect=st.sampled_from(DIALECTS),
    size=st.integers(1, 5),
    choices=st.randoms(use_true_random=False),
)
def test_no_typed_value_changes_once_it_was_returned(
    entries: list[Any], dialect: str, size: int, choices: Any
) -> None:
    """Whether the whole is kept, a list of it, an iterator, or a thread or closure that has it."""
    made = source(Register)
    rewritten = rewrite(made.json_schema, dialect)
    reader = PartialReader(rewritten.codec, made.shape)
    value = {"entries": entries, "totals": {"a": [1, 2, 3], "b": [4]}}
    kept: list[tuple[Any, Any]] = []
    for snapshot in snapshots(written(rewritten, value), size):
        look = reader.value(snapshot)[0]
        if look is None or choices.random() < 0.5:
            continue
        held = choices.choice([look, look.entries, look.totals, (look.entries,)])
        if choices.random() < 0.3 and look.entries:
            walk = iter(look.entries)
            kept.append(((lambda walk=walk: [*walk]), copy.deepcopy(look.entries)))
        kept.append(((lambda held=held: held), copy.deepcopy(held)))
        del look, held
    for find, was in kept:
        assert find() == was
