"""An answer is held to the JSON Schema that was sent, wherever in a type the value stands."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json
import math
from collections import defaultdict, deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from decimal import Decimal
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    IPvAnyAddress,
    IPvAnyNetwork,
    RootModel,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)
from typing_extensions import TypedDict

from prompture.errors import SchemaError
from prompture.schema.partial import PartialParser
from prompture.schema.partial_typed import PartialReader
from prompture.schema.problems import InvalidValue
from prompture.schema.rewriting.codec import SAME
from prompture.schema.source import source


class One(enum.IntEnum):
    ONE = 1


class Half(enum.Enum):
    HALF = 0.5
    YES = True


class Open(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)
    count: int = 0


class Plain(enum.Enum):
    ONE = "one"
    TWO = 2


class First(BaseModel):
    kind: Literal[Plain.ONE]


class Second(BaseModel):
    kind: Literal[Plain.TWO]
    day: dt.date | None = None


class ByDay(BaseModel):
    when: dt.date


class ByWords(BaseModel):
    when: str


def _dataclass(of: Any) -> Any:
    return dataclasses.make_dataclass("Held", [("held", of)])


def _typed_dict(of: Any) -> Any:
    make: Any = TypedDict
    return make("Held", {"held": of})


def _named_tuple(of: Any) -> Any:
    make: Any = NamedTuple
    return make("Held", [("held", of)])


class Other(BaseModel):
    other: list[str]


def _own_init(of: Any) -> Any:
    def init(self: Any, **fields: Any) -> None:
        BaseModel.__init__(self, **fields)

    return type("Held", (create_model("Held", held=(of, ...)),), {"__init__": init})


PLACES = {
    "root": (lambda of: of, "%s"),
    "model": (lambda of: create_model("Held", held=(of, ...)), '{"held": %s}'),
    "optional": (lambda of: create_model("Held", held=(of | None, None)), '{"held": %s}'),
    "root model": (lambda of: RootModel[of], "%s"),
    "dataclass": (_dataclass, '{"held": %s}'),
    "TypedDict": (_typed_dict, '{"held": %s}'),
    "NamedTuple": (_named_tuple, "[%s]"),
    "list": (lambda of: list[of], "[%s]"),
    "set": (lambda of: set[of], "[%s]"),
    "tuple": (lambda of: tuple[str, of], '["a", %s]'),
    "deque": (lambda of: deque[of], "[%s]"),
    "Sequence": (lambda of: Sequence[of], "[%s]"),
    "Iterable": (lambda of: Iterable[of], "[%s]"),
    "dict": (lambda of: dict[str, of], '{"a": %s}'),
    "union of models": (lambda of: create_model("Held", held=(of, ...)) | Other, '{"held": %s}'),
    "nested": (lambda of: dict[str, list[create_model("Held", held=(of, ...))]], '{"a": [{"held": %s}]}'),
    "own init": (_own_init, '{"held": %s}'),
    "list of own init": (lambda of: list[_own_init(of)], '[{"held": %s}]'),
    "alias": (lambda of: create_model("Held", held=(of, Field(alias="a b"))), '{"a b": %s}'),
}  # fmt: skip

REFUSED: list[tuple[Any, list[str]]] = [
    (int, ["true", "false", "1.5", "NaN", "1e999", '"a"', '""', "null"]),
    (float, ["true", "NaN", "Infinity", "-Infinity", "1e999", '"NaN"', '"inf"', '"1e999"']),
    (Decimal, ["true", "NaN", '"NaN"', "-Infinity", '"Infinity"']),
    (complex, ["NaN", '"nan"', '"infj"', '"1e999"']),
    (bool, ["0", "1", "1.0", '"0"', '"1"', "null"]),
    (str, ["0", "true"]),
    (dt.date, ["0", "2023", '"0"', '"2023"', '"20240102"', '"86400"', "true", '"-86400"']),
    (dt.datetime, ["0", "2023", '"2023"', '"20240102"', "1.5", '"2023.5"', '"+5"', '" 5"']),
    (dt.time, ["0", "2023", '"2023"', "1.5", "true"]),
    (dt.timedelta, ["0", "90", "1.5", "true", '"90"']),
    (Literal[1, 2], ["true", '"1"']),
    (Literal[True], ["1", "1.0", '"true"']),
    (One, ["true"]),
    (Half, ["1", '"0.5"']),
    (Annotated[int, Field(ge=0)], ["true"]),
    (Annotated[dt.date, Field(gt=dt.date(1900, 1, 1))], ["0", '"0"']),
    (Any, ["NaN", "1e999", '{"a": [1, -Infinity]}']),
    (IPv4Address, ["true", "5", "1.5"]),
    (IPvAnyAddress, ["true", "5", "1.5"]),
    (IPvAnyNetwork, ["true", "5"]),
    (defaultdict[str, int], ['{"a": true}']),
    (Open, ['{"more": NaN}', '{"count": true}']),
    (int | dt.date, ["true", "0.5"]),
    (dt.datetime | None, ['"2023"', "2023"]),
    (float | Literal["unknown"], ["true", "NaN"]),
]

TAKEN: list[tuple[Any, str, Any]] = [
    (int, "12", 12),
    (int, "12.0", 12),
    (int, '"12"', 12),
    (int, str(10**30), 10**30),
    (float, "1", 1.0),
    (float, '"12.50"', 12.5),
    (Decimal, '"12.50"', Decimal("12.50")),
    (Decimal, "12.50", Decimal("12.50")),
    (bool, "true", True),
    (bool, '"true"', True),
    (bool, '"No"', False),
    (dt.date, '"2024-01-02"', dt.date(2024, 1, 2)),
    (dt.date, '"2024-01-02T00:00:00Z"', dt.date(2024, 1, 2)),
    (dt.datetime, '"2024-01-02T03:04:05"', dt.datetime(2024, 1, 2, 3, 4, 5)),
    (dt.datetime, '"2024-01-02"', dt.datetime(2024, 1, 2)),
    (dt.time, '"12:30"', dt.time(12, 30)),
    (dt.timedelta, '"PT90S"', dt.timedelta(seconds=90)),
    (Literal[1, True], "true", True),
    (Literal[1, True], "1", 1),
    (One, "1", One.ONE),
    (Half, "0.5", Half.HALF),
    (Half, "true", Half.YES),
    (int | str, '"12"', "12"),
    (dt.datetime | dt.date, '"2024-01-02"', dt.date(2024, 1, 2)),
    (dt.date | str, '"2024-01-02"', dt.date(2024, 1, 2)),
    (dt.date | str, '"2023"', "2023"),
    (str | dt.date, '"2024-01-02"', "2024-01-02"),
    (dt.time | str, '"12:30"', dt.time(12, 30)),
    (Literal[Plain.ONE], '"one"', Plain.ONE),
    (Literal[Plain.ONE, "two"], '"two"', "two"),
]


def cases_of(refused: list[tuple[Any, list[str]]]) -> list[Any]:
    return [
        pytest.param(of, text, id=f"{getattr(of, '__name__', of)} {text}")
        for of, texts in refused
        for text in texts
    ]


@pytest.mark.parametrize(("of", "text"), cases_of(REFUSED))
def test_what_the_schema_refuses_is_refused(of: Any, text: str) -> None:
    for place, (make, form) in PLACES.items():
        if of in (Any, defaultdict[str, int]) and place in ("set", "optional"):
            continue
        if text == "null" and place == "optional":
            continue
        schema: Any = make(of)  # type: ignore[no-untyped-call]
        with pytest.raises(InvalidValue) as caught:
            source(schema).validate_json(form % text)
        assert not caught.value.not_json, place
        assert [p for p in caught.value.problems if p.kind != "missing"], place


@pytest.mark.parametrize(("of", "text", "value"), TAKEN)
def test_what_has_one_reading_is_taken(of: Any, text: str, value: Any) -> None:
    for place in ("root", "model", "list", "dict", "TypedDict", "dataclass", "NamedTuple"):
        make, form = PLACES[place]
        found = source(make(of)).validate_json(form % text)  # type: ignore[no-untyped-call]
        if place != "root":
            inner = getattr(found, "held", None) if hasattr(found, "held") else found
            found = inner
        if isinstance(found, dict):
            (found,) = found.values()
        elif isinstance(found, list):
            (found,) = found
        assert (found, type(found)) == (value, type(value)), place


@pytest.mark.parametrize(
    ("of", "key"),
    [
        (dt.date, "2023"),
        (dt.date, "0"),
        (dt.datetime, "20240102"),
        (bool, "1"),
        (float, "nan"),
        (int, "a"),
    ],
)
def test_keys_are_held_to_it_too(of: Any, key: str) -> None:
    with pytest.raises(InvalidValue):
        source(dict[of, int]).validate_json(json.dumps({key: 1}))


@pytest.mark.parametrize(
    ("of", "key", "value"), [(int, "12", 12), (bool, "true", True), (float, "0.5", 0.5)]
)
def test_keys_that_are_right(of: Any, key: str, value: Any) -> None:
    assert source(dict[of, int]).validate_json(json.dumps({key: 1})) == {value: 1}


class Lenient(BaseModel):
    """Its author says how each is read."""

    when: Annotated[dt.datetime, BeforeValidator(lambda v: dt.datetime(int(v), 1, 1))]
    days: list[Annotated[dt.date, BeforeValidator(lambda v: v)]] = []
    count: int = 0
    seconds: float = 0

    @field_validator("count", "seconds", mode="before")
    @classmethod
    def _as_it_comes(cls, value: Any) -> Any:
        return value


def test_a_validator_of_the_field_decides() -> None:
    given = '{"when": "2023", "days": [0], "count": true, "seconds": true}'
    found = source(Lenient).validate_json(given)
    assert found.when.year == 2023
    assert found.days == [dt.date(1970, 1, 1)]
    assert (found.count, found.seconds) == (1, 1.0)


class Reshaped(BaseModel):
    when: dt.datetime
    count: int

    @model_validator(mode="before")
    @classmethod
    def _unwrap(cls, value: Any) -> Any:
        return value.get("inner", value)


def test_a_validator_of_the_whole_leaves_fields_held() -> None:
    right = {"inner": {"when": "2024-01-02T00:00:00", "count": 1}}
    assert source(Reshaped).validate(right).when == dt.datetime(2024, 1, 2)
    for wrong in ({"when": "2023", "count": 1}, {"when": "2024-01-02T00:00:00", "count": True}):
        with pytest.raises(InvalidValue):
            source(Reshaped).validate({"inner": wrong})


class Seconds(BaseModel):
    model_config = ConfigDict(ser_json_timedelta="float")
    wait: dt.timedelta


def test_a_duration_that_was_asked_for_as_a_number() -> None:
    if source(Seconds).json_schema["properties"]["wait"]["type"] == "number":
        assert source(Seconds).validate_json('{"wait": 90}').wait == dt.timedelta(seconds=90)


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    day: dt.date
    moment: dt.datetime
    count: int
    one: One = One.ONE


def test_a_strict_model_stays_strict() -> None:
    right = {"day": "2024-01-02", "moment": "2024-01-02T00:00:00", "count": 1, "one": 1}
    assert source(Strict).validate(right).day == dt.date(2024, 1, 2)
    for wrong in ({"count": "1"}, {"day": "2024-01-02T00:00:00"}, {"moment": "2024-01-02"}):
        with pytest.raises(InvalidValue):
            source(Strict).validate({**right, **wrong})


@pytest.mark.parametrize("lazy", [Iterable, Sequence, Generator])
def test_lazy_types_are_lists_of_checked_items(lazy: Any) -> None:
    args: Any = (int, None, None) if lazy is Generator else int
    field = create_model("M", held=(lazy[args], ...))
    for schema, form in ((lazy[args], "%s"), (field, '{"held": %s}')):
        found = source(schema).validate_json(form % "[1, 2]")
        held = getattr(found, "held", found)
        assert (list(held), list(held)) == ([1, 2], [1, 2])
        with pytest.raises(InvalidValue):
            source(schema).validate_json(form % '[1, "x"]')


def test_a_lazy_type_that_cannot_be_checked_is_refused() -> None:
    with pytest.raises(SchemaError, match="Iterator"):
        source(Iterator[int])


@pytest.mark.parametrize("tagged", [True, False])
def test_members_of_an_enum_as_the_tags_of_a_union(tagged: bool) -> None:
    form: Any = Annotated[First | Second, Field(discriminator="kind")] if tagged else First | Second
    found = source(list[form]).validate([{"kind": "one"}, {"kind": 2, "day": "2024-01-02"}])
    assert found == [
        First(kind=Plain.ONE),
        Second(kind=Plain.TWO, day=dt.date(2024, 1, 2)),
    ]
    with pytest.raises(InvalidValue) as caught:
        source(form).validate({"kind": "three"})
    if tagged:
        assert str(caught.value) == "/kind: must be one of 'one', 2"


def test_branches_of_a_union_are_weighed_as_ever() -> None:
    either = source(ByDay | ByWords)
    assert either.validate({"when": "2024-01-02"}) == ByDay(when=dt.date(2024, 1, 2))
    assert either.validate({"when": "2023"}) == ByWords(when="2023")
    assert source(ByWords | ByDay).validate({"when": "2024-01-02"}) == ByWords(when="2024-01-02")


leaves = st.sampled_from(
    [
        *(int, float, bool, str, Decimal, dt.date, dt.datetime, dt.time, dt.timedelta, One, Half),
        *(Literal[1, "a"], Literal[False, 2], None, Any),
    ]
)
types = st.recursive(
    leaves,
    lambda inner: st.one_of(
        inner.map(lambda of: list[of]),  # type: ignore[valid-type]
        inner.map(lambda of: dict[str, of]),  # type: ignore[valid-type]
        inner.map(lambda of: create_model("M", held=(of, ...))),
        inner.map(_typed_dict),
        st.tuples(inner, inner).map(lambda of: of[0] | of[1] if _may_join(of) else of[0]),
    ),
    max_leaves=4,
)


def _may_join(pair: Any) -> bool:
    return (
        Any not in pair and not any(isinstance(one, str) for one in pair) and pair != (None, None)
    )


scalars = st.sampled_from(
    [
        *(None, True, False, 0, 1, 1.0, 0.5, 2023, 10**20, math.inf, math.nan),
        *("", "a", "0", "1", "2023", "true", "12.5", "2024-01-02", "2024-01-02T03:04:05Z"),
        *("12:30:00Z", "P1D"),
    ]
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.sampled_from(["held", "a"]), inner, max_size=2),
    ),
    max_leaves=5,
)


@settings(max_examples=400, deadline=None)
@given(schema=types.filter(lambda of: of is not None), value=values)
def test_no_value_is_of_another_kind_than_was_sent(schema: Any, value: Any) -> None:
    """What is taken satisfies the JSON Schema, or does once it is written as Pydantic writes it;
    and each text, number and truth of the answer stays what it was."""
    one = source(schema)
    try:
        found = one.validate_json(json.dumps(value))
    except InvalidValue:
        return
    checker = Draft202012Validator(
        one.json_schema, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    if not checker.is_valid(value):
        written = json.loads(TypeAdapter(schema).dump_json(found))
        assert checker.is_valid(written)
        assert not _of_another_kind(value, written)


def _of_another_kind(given: Any, written: Any) -> bool:
    """Whether a truth became a number, a number a truth, or a number a text."""
    if isinstance(given, dict) and isinstance(written, dict):
        return any(_of_another_kind(given[k], written[k]) for k in given.keys() & written.keys())
    if isinstance(given, list) and isinstance(written, list):
        return any(map(_of_another_kind, given, written))
    if isinstance(given, bool) or isinstance(written, bool):
        return type(given) is not type(written) and not isinstance(given, str)
    return isinstance(given, (int, float)) and isinstance(written, str) and not _number(written)


def _number(text: str) -> bool:
    try:
        return math.isfinite(float(text))  # a Decimal is written as a text
    except ValueError:
        return False


@pytest.mark.parametrize(("of", "text"), cases_of(REFUSED[:10]))
def test_streams_are_held_to_it_too(of: Any, text: str) -> None:
    if text in ("NaN", "Infinity", "-Infinity") or text == "null":
        return
    schema = create_model("Held", first=(of, ...), last=(str, ""))
    view, parser = PartialReader(SAME, source(schema).shape), PartialParser()
    parser.feed('{"first": %s, "last": "x' % text)  # noqa: UP031
    value, problems = view.value(parser.snapshot())
    assert value.first is None
    assert [problem.pointer for problem in problems] == ["/first"]


class Fails(BaseModel):
    code: str

    @field_validator("code")
    @classmethod
    def _look_up(cls, value: str) -> str:
        return {"A1": "first"}[value]


@pytest.mark.parametrize("schema", [Fails, list[Fails], Fails | None])
def test_what_a_validator_raises_is_a_problem(schema: Any) -> None:
    given = {"code": "secret B2"}
    with pytest.raises(InvalidValue) as caught:
        source(schema).validate([given] if schema == list[Fails] else given)
    (problem,) = caught.value.problems
    assert problem.kind == "validator"
    assert "KeyError" in problem.message
    assert "B2" not in str(caught.value)
    assert isinstance(caught.value.__cause__, KeyError)


class Quote(BaseModel):
    words: str
    count: int = 0

    @field_validator("words")
    @classmethod
    def _stands_there(cls, value: str, info: ValidationInfo) -> str:
        if value not in info.context["text"]:
            raise ValueError("these words are not in the text")
        return value


def test_a_context_reaches_the_validators() -> None:
    bound = source(Quote).bound({"text": "not to be"})
    assert bound.validate({"words": "to be"}).words == "to be"
    assert bound.validate({"words": "to be", "count": "1"}).count == 1  # mended
    with pytest.raises(InvalidValue, match="not in the text"):
        bound.validate({"words": "to have"})
    with pytest.raises(InvalidValue) as caught:
        source(Quote).validate({"words": "to be"})
    assert caught.value.problems[0].kind == "validator_context"
    assert source(Quote).bound(None) is source(Quote)


def test_a_context_reaches_them_in_streams() -> None:
    view, parser = (
        PartialReader(SAME, source(Quote).bound({"text": "not to be"}).shape),
        PartialParser(),
    )
    parser.feed('{"words": "to be", "count": 1')
    value, problems = view.value(parser.snapshot())
    assert (value.words, problems) == ("to be", [])


def test_null_is_said() -> None:
    with pytest.raises(InvalidValue, match="/code: must be a valid string, not null"):
        source(Fails).validate({"code": None})


DIGITS = "12345678901234567890.123456789"


class Mixed(BaseModel):
    """A Decimal beside fields that are handed what stood in the JSON."""

    price: Decimal
    either: Decimal | str | None = None
    number: float = 0
    anything: Any = None
    seen: Any = None
    rows: list[Decimal | list[Decimal]] = []
    by_key: dict[str, Decimal] = {}

    @field_validator("seen", mode="before")
    @classmethod
    def _as_it_came(cls, value: Any) -> Any:
        assert "number:" not in repr(value)
        return value


def test_digits_are_kept_beside_what_reads_floats() -> None:
    text = (
        f'{{"price": {DIGITS}, "either": {DIGITS}, "number": {DIGITS}, "anything": [{DIGITS}],'
        f' "seen": {{"a": {DIGITS}}}, "rows": [{DIGITS}, [{DIGITS}]], "by_key": {{"a": {DIGITS}}}}}'
    )
    found = source(Mixed).validate_json(text)
    held = Decimal(DIGITS)
    assert (found.price, found.either, found.rows) == (held, held, [held, [held]])
    assert found.by_key == {"a": held}
    assert (found.number, found.anything, found.seen) == (
        float(DIGITS),
        [float(DIGITS)],
        {"a": float(DIGITS)},
    )


@pytest.mark.parametrize(
    "of", [Decimal, Decimal | None, Decimal | str, Annotated[Decimal, Field(ge=0)]]
)
def test_digits_are_kept_in_every_place(of: Any) -> None:
    for place in ("root", "model", "list", "dict", "TypedDict", "dataclass", "NamedTuple"):
        make, form = PLACES[place]
        found = source(make(of)).validate_json(form % DIGITS)  # type: ignore[no-untyped-call]
        assert DIGITS in repr(found), place
    whole = DIGITS.replace(".", "")
    assert source(of).validate_json(whole) == Decimal(whole)


class Node(BaseModel):
    name: str
    amount: Decimal | None = None
    ratio: float = 0.0
    kids: list[Node] = []

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)


class Named(BaseModel):
    anything: Any
    amount: Decimal | None = None


class Holder(BaseModel):
    held: Named
    model_config = ConfigDict(extra="allow")

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)


class Holders(BaseModel):
    inner: Holder

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)


@pytest.mark.parametrize("of", [Named, Holder, Holders])
def test_a_long_number_is_a_decimal_where_one_is_read(of: type[BaseModel]) -> None:
    """And a float in a field of type Any or without one, below an own ``__init__`` as elsewhere."""
    text = f'{{"anything": {DIGITS}, "amount": {DIGITS}}}'
    if of is not Named:
        text = f'{{"held": {text}, "beside": {DIGITS}}}'
    found: Any = source(of).validate_json(text if of is not Holders else f'{{"inner": {text}}}')
    found = found.inner if of is Holders else found
    named = found if of is Named else found.held
    assert type(named.anything) is float and named.anything == float(DIGITS)
    assert named.amount == Decimal(DIGITS)
    assert of is Named or type(found.beside) is float


def test_a_model_with_its_own_init() -> None:
    """Digits are kept; its fields are held, and shown as they grow."""
    text = (
        '{"name": "a", "kids": [{"name": "b", "amount": 12345678901234567.125,'
        ' "ratio": 0.12345678901234567}]}'
    )
    found = source(Node).validate_json(text)
    assert type(found.kids[0]) is Node
    assert found.kids[0].amount == Decimal("12345678901234567.125")
    assert type(found.kids[0].ratio) is float
    with pytest.raises(InvalidValue) as caught:
        source(Node).validate_json('{"name": "a", "kids": [{"name": "b", "ratio": true}]}')
    assert [problem.pointer for problem in caught.value.problems] == ["/kids/0/ratio"]
    parser = PartialParser()
    parser.feed('{"name": "a", "kids": [{"name": "b"')
    value, _ = PartialReader(SAME, source(Node).shape).value(parser.snapshot())
    assert value.kids[0].name == "b"


def test_a_text_that_looks_like_a_mark_stays_one() -> None:
    text = json.dumps({"price": 1, "either": "\ue000number:12", "anything": "\ue000number:x"})
    found = source(Mixed).validate_json(text.replace("1,", f"{DIGITS},"))
    assert (found.either, found.anything) == ("\ue000number:12", "\ue000number:x")


@settings(max_examples=400, deadline=None)
@given(schema=types.filter(lambda of: of is not None), value=values)
def test_nothing_that_the_schema_allows_is_refused(schema: Any, value: Any) -> None:
    """What is valid, and what Pydantic takes, is taken, and read alike but for truths that
    Pydantic takes for numbers."""
    one = source(schema)
    text = json.dumps(value)
    try:
        source(one.json_schema).validate(value)  # with all formats asserted
        wanted = TypeAdapter(schema).validate_json(text)
    except (ValidationError, InvalidValue):
        return
    found = one.validate_json(text)
    if repr(found) != repr(wanted):
        assert _of_another_kind(value, json.loads(TypeAdapter(schema).dump_json(wanted)))


class Tracer:
    """A plugin of Pydantic, as a tracer ships one."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def new_schema_validator(self, *_: Any) -> tuple[None, Any, None]:
        return None, self, None

    def on_enter(self, text: Any, **_: Any) -> None:
        self.seen.append(text)

    def on_success(self, result: Any) -> None:
        self.seen.append(result)


def test_plugins_of_pydantic_see_what_is_validated(monkeypatch: pytest.MonkeyPatch) -> None:
    tracer = Tracer()
    monkeypatch.setattr("pydantic.plugin._loader._plugins", {"tracer": tracer})
    monkeypatch.setattr("pydantic.plugin._loader._loading_plugins", False)

    class Traced(BaseModel):
        count: int

    found = source(Traced).validate_json('{"count": 1}')
    assert tracer.seen == ['{"count": 1}', found]
    with pytest.raises(InvalidValue):
        source(Traced).validate_json('{"count": true}')
