"""Any schema becomes a Source once, and what is no schema says what to do."""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import enum
import json
import pickle
import re
import subprocess
import sys
import typing
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, Optional, TypeVar

import pytest
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    Json,
    PrivateAttr,
    RootModel,
    SecretStr,
    TypeAdapter,
    computed_field,
    model_validator,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import TypedDict

from prompture.errors import SchemaError
from prompture.schema.problems import InvalidValue
from prompture.schema.source import CACHE_SIZE, _Cache, source

T = TypeVar("T")


class Receipt(BaseModel):
    """A receipt."""

    vendor: str = Field(alias="vendorName")
    total: Decimal = Decimal(0)
    day: dt.date | None = None
    _seen: int = PrivateAttr(0)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def large(self) -> bool:
        return self.total > 100


class Page(BaseModel, Generic[T]):
    items: list[T]


class Colour(enum.Enum):
    RED = "red"
    ONE = 1


class Point(NamedTuple):
    x: int
    y: int = 0


class Pair(NamedTuple):
    x: int
    y: int
    z: int = 0


class Movie(TypedDict):
    """A film."""

    title: str
    year: NotRequired[int]


class OldMovie(typing.TypedDict, total=False):
    title: typing.Required[str]
    parts: list[OldMovie2]


class OldMovie2(typing.TypedDict):
    n: int
    note: typing.NotRequired[str | None]


@dataclasses.dataclass
class Line:
    qty: int
    tags: list[str] = dataclasses.field(default_factory=list)


@pydantic_dataclass
class Ratio:
    a: Annotated[float, Field(gt=0)]


class Node(BaseModel):
    """A node."""

    children: list[Node] = []


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    day: dt.date
    tag: uuid.UUID
    home: Path = Path()


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    good: bool


class Names(RootModel[list[str]]):
    pass


@pytest.mark.parametrize(
    ("schema", "name", "value", "expected"),
    [
        (Receipt, "Receipt", {"vendorName": "A"}, Receipt(vendorName="A")),
        (
            Receipt,
            "Receipt",
            {"vendor": "A", "total": 1.5},
            Receipt(vendorName="A", total=Decimal("1.5")),
        ),
        (list[Receipt], "list_of_Receipt", [], []),
        (Optional[Receipt], "Receipt", None, None),  # noqa: UP045
        (Receipt | None, "Receipt", None, None),
        (Page[int], "Page_int", {"items": [1]}, Page[int](items=[1])),
        (dict[str, int], "int_by_str", {"a": 1}, {"a": 1}),
        (dict[int, dt.date], "date_by_int", {"1": "2024-01-02"}, {1: dt.date(2024, 1, 2)}),
        (tuple[int, str], "tuple_of_int_and_str", [1, "a"], (1, "a")),
        (set[int], "set_of_int", [1, 1], {1}),
        (Literal["a", 1], "choice", 1, 1),
        (Colour, "Colour", "red", Colour.RED),
        (Point, "Point", {"x": 1}, Point(1)),
        (Point, "Point", [1, 2], Point(1, 2)),
        (Movie, "Movie", {"title": "M"}, {"title": "M"}),
        (
            OldMovie,
            "OldMovie",
            {"title": "M", "parts": [{"n": 1}]},
            {"title": "M", "parts": [{"n": 1}]},
        ),
        (list[OldMovie2], "list_of_OldMovie2", [{"n": 1, "note": None}], [{"n": 1, "note": None}]),
        (Line, "Line", {"qty": 1}, Line(1)),
        (Ratio, "Ratio", {"a": 0.5}, Ratio(0.5)),
        (Node, "Node", {"children": [{}]}, Node(children=[Node()])),
        (
            Strict,
            "Strict",
            {"day": "2024-01-02", "tag": str(uuid.UUID(int=1)), "home": "a/b"},
            Strict(day=dt.date(2024, 1, 2), tag=uuid.UUID(int=1), home=Path("a/b")),
        ),
        (Cat | Dog, "Cat_or_Dog", {"kind": "dog", "good": True}, Dog(kind="dog", good=True)),
        (Names, "Names", ["a"], Names(["a"])),
        (Json[list[int]], "list_of_int", "[1]", [1]),
        (Annotated[int, Field(gt=1)], "int", 2, 2),
        (int, "int", 3, 3),
        (dt.timedelta, "timedelta", "PT1H", dt.timedelta(hours=1)),
        (TypeAdapter(list[Receipt]), "list_of_Receipt", [], []),
        ({"type": "integer", "title": "Über: all!"}, "Uber_all", 3, 3),
        ({}, "extraction", {"a": 1}, {"a": 1}),
    ],
)
def test_reads(schema: Any, name: str, value: Any, expected: Any) -> None:
    made = source(schema)
    assert made.name == name
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", made.name)
    assert made.typed is not isinstance(schema, dict)
    assert made.validate(value) == expected
    assert made.validate_json(json.dumps(value)) == expected
    assert made.validate_json(json.dumps(value).encode()) == expected
    assert source(schema) is made
    json.dumps(made.json_schema)


def test_what_the_json_schema_holds() -> None:
    made = source(Receipt)
    assert made.description == "A receipt."
    assert set(made.json_schema["properties"]) == {"vendorName", "total", "day"}
    assert source(Node).description == "A node."
    assert source(OldMovie2).json_schema["required"] == ["n"]
    assert source({"description": 5 * "x"}).description == "xxxxx"


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        (None, "nothing to extract"),
        (5, "give its type"),
        (3, "give its type"),
        (("a",), "give its type"),
        ("abc", "as a dict"),
        (b"", "as a dict"),
        ([Receipt], r"list\[Receipt\]"),
        (Receipt(vendorName="a"), "is an instance"),
        (lambda x: x, "a function is no schema"),
        (json, "a module is no schema"),
        (object(), "is no schema"),
        (Annotated[str, Field(pattern="a(?=b)")], "look-ahead"),
        (Callable[[int], int], "no JSON Schema"),
        ({"type": "strin"}, "at /type: it is 'strin'"),
        ({"properties": {"a": {"type": {1, 2}}}}, "holds a set"),
        ({"$ref": "#/$defs/x"}, r"at /\$ref: it points to '#/\$defs/x'"),
        ({"$ref": "https://example.com/x"}, "never fetched"),
        ({"$ref": "#"}, "refers to itself"),
    ],
)
def test_what_is_no_schema_says_so(schema: Any, says: str) -> None:
    with pytest.raises(SchemaError, match=says):
        source(schema)


def test_a_field_without_json_schema_is_named() -> None:
    class Inner(BaseModel):
        fine: int
        hook: Callable[[], int]

    class Outer(BaseModel):
        inner: Inner

    with pytest.raises(SchemaError, match="at /inner/hook"):
        source(Outer)


def test_forward_references_are_found_at_the_caller() -> None:
    class Whole(BaseModel):
        part: Part

    class Part(BaseModel):
        n: int

    assert source(Whole).validate({"part": {"n": 1}}).part.n == 1
    assert source(list["Part"]).validate([{"n": 1}])[0] == Part(n=1)
    with pytest.raises(SchemaError, match="'Nowhere', which is not defined"):
        source(list["Nowhere"])  # type: ignore[name-defined]  # noqa: F821


def test_the_same_forward_name_elsewhere_is_another_type() -> None:
    def one() -> Any:
        class Thing(BaseModel):
            a: int

        return source(list["Thing"]).json_schema, Thing

    def other() -> Any:
        class Thing(BaseModel):
            b: int

        return source(list["Thing"]).json_schema, Thing

    assert one()[0] != other()[0]


def test_members_of_a_union_keep_their_order() -> None:
    assert source(list[int | str]).json_schema != source(list[str | int]).json_schema
    assert source(Literal["a", "b"]).json_schema != source(Literal["b", "a"]).json_schema


def test_a_dict_schema_is_known_by_its_content() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    made = source(schema)
    assert source(json.loads(json.dumps(schema))) is made
    schema["properties"]["a"]["type"] = "string"  # type: ignore[index]
    assert source(schema) is not made
    assert made.validate({"a": 1}) == {"a": 1}
    assert source({"maximum": 1}) is not source({"maximum": 1.0})


def test_the_cache_is_bounded() -> None:
    cache = _Cache(3)
    made = source(int)
    for key in range(10):
        assert cache.put(key, made) is made
    assert [key for key in range(10) if cache.get(key)] == [7, 8, 9]
    assert CACHE_SIZE <= 1000


def test_a_repeated_call_makes_no_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [source(Receipt), source(list[Receipt]), source({"type": "object"})]

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a schema was generated again")

    monkeypatch.setattr(TypeAdapter, "__init__", refuse)
    monkeypatch.setattr(TypeAdapter, "json_schema", refuse)
    monkeypatch.setattr("prompture.schema.jsonschema_check.understand", refuse)
    assert [source(Receipt), source(list[Receipt]), source({"type": "object"})] == made


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, prompture.schema, prompture.schema.source as s, prompture.schema.repair as r\n"
        "s.source(int).validate(1); s.source({'$defs': {'a': {}}, '$ref': '#/$defs/a'})\n"
        "r.parse('{\"a\": 1,}')\n"
        "print([m for m in ('jsonschema', 'referencing') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


class Swapped(BaseModel):
    a: int = Field(0, alias="b")
    b: int = Field(0, alias="a")


class Pathed(BaseModel):
    n: int = Field(validation_alias=AliasChoices("m", AliasPath("ms", 0)))


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        (Swapped, {"a": 1}, {"a": 0, "b": 1}),  # by alias alone: the names would swap
        (Pathed, {"n": 1}, {"n": 1}),
        (Pathed, {"ms": [1]}, {"n": 1}),
    ],
)
def test_by_name_where_no_alias_says_otherwise(schema: Any, value: Any, expected: Any) -> None:
    assert source(schema).validate(value).model_dump() == expected


def test_decimals_keep_every_digit() -> None:
    digits = "12345678901234567890.123456789"
    made = source(Receipt)
    assert made.validate_json(f'{{"vendor": "a", "total": {digits}}}').total == Decimal(digits)
    assert made.validate({"vendor": "a", "total": Decimal(digits)}).total == Decimal(digits)
    # Text that looks like a long number stays text.
    assert made.validate({"vendor": digits, "total": 1}).vendor == digits


class Choosy(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    any_pet: Cat | Dog | None = None
    counts: dict[int, int] = {}
    mixed: list[int | list[int]] = []
    packed: Json[list[int]] = []
    low: int = 0
    high: int = 10

    @model_validator(mode="after")
    def _ordered(self) -> Choosy:
        if self.low > self.high:
            raise ValueError("low must not be above high")
        return self


CAT = {"kind": "cat", "lives": 9}


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        (Choosy, {}, {"/pet": "is required"}),
        (Choosy, {"pet": {"kind": "cat"}}, {"/pet/lives": "is required (as cat)"}),
        (
            Choosy,
            {"pet": {**CAT, "cat": {}, "lives": "x"}},
            {
                "/pet/lives": "must be a valid integer, unable to parse string as an integer (as cat)"
            },
        ),
        (Choosy, {"pet": {"kind": "cow"}}, {"/pet/kind": "must be one of 'cat', 'dog'"}),
        (Choosy, {"pet": {}}, {"/pet": "Unable to extract tag using discriminator 'kind'"}),
        (
            Choosy,
            {"pet": CAT, "any_pet": {"kind": "dog", "good": 5}},
            {
                "/any_pet/kind": "must be 'cat' (as Cat)",
                "/any_pet/lives": "is required (as Cat)",
                "/any_pet/good": "must be a valid boolean, not an integer (as Dog)",
            },
        ),
        (
            Choosy,
            {"pet": CAT, "counts": {"a": 1}},
            {"/counts/a": "must be a valid integer, unable to parse string as an integer"},
        ),
        (
            Choosy,
            {"pet": CAT, "mixed": [1, ["a"]]},
            {
                "/mixed/1": "must be a valid integer, not an array (as int)",
                "/mixed/1/0": "must be a valid integer, unable to parse string as an integer (as list[int])",
            },
        ),
        (
            Choosy,
            {"pet": CAT, "packed": '["a"]'},
            {"/packed": "must be a valid integer, unable to parse string as an integer"},
        ),
        (Choosy, {"pet": CAT, "low": 11}, {"": "low must not be above high"}),
        (
            Receipt,
            {"vendorName": 5, "day": "2024-13-01"},
            {
                "/vendorName": "must be a valid string, not an integer",
                "/day": "must be a valid date or datetime, month value is outside expected range of 1-12",
            },
        ),
        (Receipt, {"vendor": 5}, {"/vendor": "must be a valid string, not an integer"}),
        (
            Strict,
            {"day": "2024-01-02", "tag": str(uuid.UUID(int=1)), "a/b": 1},
            {"/a~1b": "is not allowed"},
        ),
        (OldMovie, {"title": "t", "parts": [{}]}, {"/parts/0/n": "is required"}),
        (Point, [], {"/0": "is required"}),
        (
            list[Pair],
            [[1], []],
            {"/0/1": "is required", "/1/0": "is required", "/1/1": "is required"},
        ),
        (Point, {"y": 1}, {"/x": "is required"}),
        (tuple[int, int], [1], {"/1": "is required"}),
        (Names, [1], {"/0": "must be a valid string, not an integer"}),
        (Line, {"qty": 1, "tags": ["a", None]}, {"/tags/1": "must be a valid string, not null"}),
        (dict[Literal["cat"], int], {"dog": 1}, {"/dog": "must be 'cat'"}),
    ],
)
def test_problems_of_types(schema: Any, value: Any, expected: dict[str, str]) -> None:
    for check, given in (
        (source(schema).validate, value),
        (source(schema).validate_json, json.dumps(value)),
    ):
        with pytest.raises(InvalidValue) as caught:
            check(given)  # type: ignore[operator]
        found = {problem.pointer: problem.message for problem in caught.value.problems}
        assert found == expected


class Login(BaseModel):
    user: str
    password: Annotated[SecretStr, Field(min_length=40)]


class Quoting(BaseModel):
    n: int

    @model_validator(mode="before")
    @classmethod
    def _convert(cls, value: Any) -> Any:
        return {"n": int(value["n"])}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (Login, {"user": 5, "password": "hunter2"}),
        (Quoting, {"n": "hunter2"}),
        (dict[str, int], {"a": "hunter2"}),
        ({"additionalProperties": {"type": "integer"}}, {"a": "hunter2"}),
        ({"additionalProperties": {"anyOf": [{"const": 1}, {"maxLength": 1}]}}, {"a": "hunter2"}),
    ],
)
def test_no_message_quotes_the_document(schema: Any, value: Any) -> None:
    with pytest.raises(InvalidValue) as caught:
        source(schema).validate(value)
    error = caught.value
    shown = f"{error}{error!r}{error.problems}{[str(problem) for problem in error.problems]}"
    assert "hunter2" not in shown
    assert error.__cause__ is None
    if schema is Login:
        assert all(problem.value is None for problem in error.problems)


@pytest.mark.parametrize("schema", [int, {"type": "integer"}])
@pytest.mark.parametrize("text", ["", "{", "nope", b"\xff", "[" * 100_000, "1 2", "'a'"])
def test_text_that_is_no_json(schema: Any, text: str | bytes) -> None:
    with pytest.raises(InvalidValue) as caught:
        source(schema).validate_json(text)
    assert caught.value.not_json
    assert str(caught.value).startswith("(root): is not JSON")


@pytest.mark.parametrize("schema", [int, {"type": "integer"}])
def test_a_value_that_json_cannot_carry(schema: Any) -> None:
    loop: list[Any] = []
    loop.append(loop)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for value in (loop, deep, "\ud800"):
        with pytest.raises(InvalidValue):
            source(schema).validate(value)
    if schema is int:
        with pytest.raises(InvalidValue, match="is a set"):
            source(schema).validate({1})


@pytest.mark.parametrize(
    "schema", [Receipt, int, list[Receipt], Cat | Dog, {"type": "string"}, True], ids=str
)
def test_a_source_is_copied_and_pickled(schema: Any) -> None:
    made = source(schema)
    assert made.shape is not None  # with its validators made
    assert copy.copy(made) is made
    assert copy.deepcopy(made) is made
    assert pickle.loads(pickle.dumps(made)) is made
    bound = made.bound({"a": 1})
    again = pickle.loads(pickle.dumps(bound))
    assert again.json_schema == made.json_schema
    assert (again is made) is (bound is made)
