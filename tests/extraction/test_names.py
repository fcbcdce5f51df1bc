"""What a user calls a field means nothing to us: any name, wherever a type may stand."""

from __future__ import annotations

import dataclasses
import json
import keyword
import warnings
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter, create_model
from pydantic_core import core_schema
from typing_extensions import TypedDict

from prompture import Agent, extract, extract_items, extract_stream, tool
from prompture.extraction.strategy import plan
from prompture.schema.exact_json import to_json
from prompture.schema.metaschema import LISTS, MAPS, ONE, REFERENCES, SINCE
from prompture.schema.repair import read_exactly
from prompture.schema.source import source
from prompture.testing import ScriptedDriver
from prompture.types import Message, Request, ToolCall


def _words(text: str) -> list[str]:
    return text.split()


_CORE = {
    word
    for made in vars(core_schema).values()
    for word in getattr(made, "__annotations__", ())
    if isinstance(made, type)
} | {*get_args(core_schema.CoreSchemaType), *get_args(core_schema.CoreSchemaFieldType)}
_JSON = {*LISTS, *MAPS, *ONE, *REFERENCES, *SINCE} | {
    *_words(
        "type enum const default examples title description format pattern required items minimum "
        "maximum multipleOf minLength uniqueItems readOnly nullable id $id $schema $anchor $comment "
        "dependencies discriminator propertyName mapping"
    )
}
_OURS = {
    *_words(
        "value key items kind root result rest other_fields answer arguments name text json_text page "
        "parts data extraction schema_name anything prefix item case index item1 item_1 self cls info "
        "context values pointer problems model_config model_fields __class__ __proto__ __init__ __dict__ "
        "__root__ __type__ a/b a~1b ~ / % {} {0} %s . .. * [0] [key] $ # #/ a.b a[0]"
    )
} | {"", " ", "a b", "\n", '"', "\\", "é", "日本", "\0"}
WORDS = sorted(_CORE | _JSON | _OURS)
IDENTIFIERS = [
    word
    for word in WORDS
    if word.isidentifier()
    and not keyword.iskeyword(word)
    and not word.startswith(("_", "model_"))
    and not hasattr(BaseModel, word)
]


@dataclasses.dataclass
class Kind:
    """A way of declaring an object of named fields: two texts and a Decimal."""

    make: Callable[[list[str]], Any]
    names: list[str]


def _model(names: list[str]) -> Any:
    text, other, number = names
    return create_model("Made", **{text: (str, ...), other: (str, ""), number: (Decimal, ...)})


def _aliased(names: list[str]) -> Any:
    kinds = zip("xyz", names, (str, str, Decimal), strict=True)
    fields: dict[str, Any] = {at: (of, Field(alias=name)) for at, name, of in kinds}
    return create_model("Made", **fields)


def _typed_dict(names: list[str]) -> Any:
    make: Any = TypedDict
    return make("Made", dict(zip(names, (str, str, Decimal), strict=True)))


def _dataclass(names: list[str]) -> Any:
    return dataclasses.make_dataclass("Made", zip(names, (str, str, Decimal), strict=True))


def _named_tuple(names: list[str]) -> Any:
    make: Any = NamedTuple
    return make("Made", list(zip(names, (str, str, Decimal), strict=True)))


KINDS = [
    Kind(_model, IDENTIFIERS),
    Kind(_aliased, WORDS),
    Kind(_typed_dict, WORDS),
    Kind(_dataclass, IDENTIFIERS),
    Kind(_named_tuple, IDENTIFIERS),
]


def _tagged(of: Any, value: Any, word: str) -> tuple[Any, Any]:
    """A union told apart by a field that is called so."""
    make: Any = TypedDict
    one = make("One", {word: Literal["one"], f"{word}_": of})
    two = make("Two", {word: Literal["two"], "type_": int})
    form: Any = Annotated[one | two, Field(discriminator=word)]
    return list[form], [{word: "one", f"{word}_": value}, {word: "two", "type_": 3}]


PLACES: dict[str, Callable[[Any, Any, str], tuple[Any, Any]]] = {
    "root": lambda of, value, _: (of, value),
    "list": lambda of, value, _: (list[of], [value, value]),
    "dict": lambda of, value, word: (dict[str, of], {word: value}),
    "optional": lambda of, value, _: (of | None, value),
    "union": lambda of, value, _: (of | list[int], value),
    "tuple": lambda of, value, _: (tuple[of, int], [value, 1]),
    "field": lambda of, value, word: (
        create_model("Outer", held=(of, Field(alias=word))),
        {word: value},
    ),
    "tagged": _tagged,
}


@st.composite
def cases(draw: st.DrawFn) -> tuple[Any, Any]:
    """A type with such names, and a JSON value of it."""
    kind = draw(st.sampled_from(KINDS))
    names = draw(st.lists(st.sampled_from(kind.names), min_size=3, max_size=3, unique=True))
    word = draw(st.sampled_from(WORDS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a field that hides a method of BaseModel
        made = kind.make(names)
        digits = Decimal("1234567890.12345678901234567")
        value = dict(zip(names, ["a text", "b", digits], strict=True))
        given_value: Any = [*value.values()] if kind.make is _named_tuple else value
        place = draw(st.sampled_from(sorted(PLACES)))
        return PLACES[place](made, given_value, word)


def _shown(schema: Any, value: Any) -> Any:
    return TypeAdapter(schema).dump_python(value, mode="json", by_alias=True)


def _plain(value: Any) -> Any:
    """The same with Decimals as Pydantic writes them, digit by digit."""
    return json.loads(json.dumps(value, default=str))


def _wire(schema: Any, value: Any, strategy: str) -> Any:
    """The answer that says it, in the shape that is asked for."""
    base = Request(messages=(Message(role="user", content=""),), model="scripted")
    return plan(source(schema), ScriptedDriver([]), strategy=strategy, base=base).rewrite.forward(
        value
    )


fewer = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@fewer
@given(case=cases(), strategy=st.sampled_from(["json_schema", "tool", "json_object", "prompt"]))
def test_any_name_in_any_place(case: tuple[Any, Any], strategy: str) -> None:
    schema, value = case
    wire = to_json(_wire(schema, value, strategy))
    found = extract(schema, "x", model=ScriptedDriver([wire]), strategy=strategy, max_retries=0)
    assert _shown(schema, found) == _plain(value)


@fewer
@given(case=cases(), strategy=st.sampled_from(["json_schema", "prompt"]))
def test_any_name_in_a_stream(case: tuple[Any, Any], strategy: str) -> None:
    schema, value = case
    driver = ScriptedDriver([to_json(_wire(schema, value, strategy))], chunk_chars=3)
    *_, last = extract_stream(schema, "x", model=driver, strategy=strategy, max_retries=0)
    assert _shown(schema, last.value) == _plain(value)


@fewer
@given(case=cases())
def test_any_name_in_items_and_examples(case: tuple[Any, Any]) -> None:
    schema, value = case
    example = TypeAdapter(schema).validate_python(value)
    wire = to_json({"items": [value]})
    options: dict[str, Any] = {"strategy": "prompt", "max_retries": 0}
    extract(
        schema, "x", model=ScriptedDriver([to_json(value)]), examples=[("y", example)], **options
    )
    found = [*extract_items(schema, "x", model=ScriptedDriver([wire]), **options)]
    assert [_shown(schema, item.value) for item in found] == [_plain(value)]


@fewer
@given(
    names=st.lists(
        st.sampled_from([n for n in IDENTIFIERS if n not in ("self", "cls")]),
        min_size=2,
        max_size=2,
        unique=True,
    ),
    case=cases(),
)
def test_any_name_of_a_parameter(names: list[str], case: tuple[Any, Any]) -> None:
    schema, value = case
    taken: list[Any] = []
    scope: dict[str, Any] = {"taken": taken}
    exec(
        f"def look_up({names[0]}, {names[1]}='b'):\n taken.append(({names[0]}, {names[1]}))", scope
    )
    function = scope["look_up"]
    function.__annotations__ = {names[0]: schema, names[1]: str}
    arguments = {names[0]: value, names[1]: "c"}
    raw = to_json(arguments)
    call = ToolCall(id="1", name="look_up", arguments=read_exactly(raw), raw_arguments=raw)
    agent = Agent(ScriptedDriver([call, "done"]), tools=[tool(function)])
    assert agent.run("x").output == "done"
    assert [(_shown(schema, a), b) for a, b in taken] == [(_plain(value), "c")]


@fewer
@given(case=cases())
def test_any_name_in_the_output_of_an_agent(case: tuple[Any, Any]) -> None:
    schema, value = case
    answer = to_json(_wire(schema, value, "json_schema"))
    found = Agent(ScriptedDriver([answer]), output=schema).run("x").output
    assert _shown(schema, found) == _plain(value)


class Plain(TypedDict):
    type: str
    fields: list[str]


@pytest.mark.parametrize("word", ["type", "fields", "default", "$ref", "$defs", "properties"])
def test_a_json_schema_with_such_a_name(word: str) -> None:
    schema = {"type": "object", "properties": {word: {"type": "string"}}, "required": [word]}
    assert extract(schema, "x", model=ScriptedDriver([{word: "y"}])) == {word: "y"}


def test_the_names_are_those_that_annotations_give() -> None:
    assert set(get_type_hints(Plain)) == {"type", "fields"}
    found = extract(Plain, "x", model=ScriptedDriver(['{"type": "a", "fields": ["b"]}']))
    assert found == {"type": "a", "fields": ["b"]}
