"""Each rewrite on its own, by table; then what a Rewrite promises."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Annotated, Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError as NoSchema
from jsonschema.validators import validator_for
from pydantic import BaseModel, Field

from prompture.errors import SchemaError, UnsupportedError
from prompture.json_values import same
from prompture.schema import preflight, rewrite
from prompture.schema.rewriting.alternatives import WORDS
from prompture.schema.rewriting.dialects import DIALECTS, Dialect, DialectLimits, dialect_named
from prompture.schema.source import source
from tests.schema.dialect_rules import RULES, broken, native
from tests.schema.strategies import documents

STR, INT, NUL = {"type": "string"}, {"type": "integer"}, {"type": "null"}


def obj(required: tuple[str, ...] = (), rest: Any = False, **properties: Any) -> dict[str, Any]:
    found = {"type": "object", "properties": properties, "required": list(required)}
    return found if rest is None else {**found, "additionalProperties": rest}


PLACES = [
    # what, dialect, the schema of the field x (required), a value, the rewritten value
    (
        "dict",
        "openai",
        {"type": "object", "additionalProperties": INT},
        {"a": 1},
        [{"key": "a", "value": 1}],
    ),
    ("dict", "gemini", {"type": "object", "additionalProperties": INT}, {"a": 1}, {"a": 1}),
    (
        "free dict",
        "anthropic",
        {"type": "object"},
        {"a": [1, None]},
        [{"key": "a", "value": "[1,null]"}],
    ),
    (
        "patterns",
        "openai",
        {"type": "object", "patternProperties": {"^a": INT}, "additionalProperties": False},
        {"ab": 2},
        [{"key": "ab", "value": 2}],
    ),
    (
        "patterns",
        "moonshot",
        {"type": "object", "patternProperties": {"^a": INT}, "additionalProperties": False},
        {"ab": 2},
        {"ab": 2},
    ),
    ("optional", "openai", obj(a=STR), {}, {"a": None}),
    ("optional", "openai", obj(a=STR), {"a": "x"}, {"a": "x"}),
    ("optional", "anthropic", obj(a=STR), {}, {}),
    ("default", "openai", obj(a={**INT, "default": 3}), {}, {"a": None}),
    ("null and absent", "openai", obj(a={"type": ["string", "null"]}), {}, {"a": []}),
    ("null and absent", "openai", obj(a={"type": ["string", "null"]}), {"a": None}, {"a": [None]}),
    ("null and absent", "anthropic", obj(a={"type": ["string", "null"]}), {"a": None}, {"a": None}),
    (
        "other keys",
        "openai",
        obj(("a",), None, a=INT),
        {"a": 1, "b": 2},
        {"a": 1, "other_fields": '{"b":2}'},
    ),
    ("other keys", "moonshot", obj(("a",), None, a=INT), {"a": 1, "b": 2}, {"a": 1, "b": 2}),
    (
        "typed other keys",
        "openai",
        obj(("a",), INT, a=STR),
        {"a": "x", "b": 2},
        {"a": "x", "other_fields": [{"key": "b", "value": 2}]},
    ),
    (
        "tuple",
        "openai",
        {"type": "array", "prefixItems": [STR, INT], "minItems": 2, "items": False},
        ["a", 1],
        {"item1": "a", "item2": 1},
    ),
    (
        "tuple with a rest",
        "anthropic",
        {"type": "array", "prefixItems": [STR], "items": INT},
        ["a", 1, 2],
        {"item1": "a", "rest": [1, 2]},
    ),
    (
        "old tuple",
        "moonshot",
        {"type": "array", "items": [STR, INT], "additionalItems": False},
        ["a"],
        {"item1": "a"},
    ),
    (
        "tuple",
        "gemini",
        {"type": "array", "prefixItems": [STR, INT], "items": False},
        ["a", 1],
        ["a", 1],
    ),
    ("const", "gemini", {"const": 1}, 1, 1),
    ("const", "gemini-openapi", {"const": 1}, 1, "1"),
    ("mixed enum", "openai", {"enum": ["a", 1, None]}, 1, 1),
    ("mixed enum", "gemini-openapi", {"enum": [1, 2.5]}, 2.5, "2.5"),
    ("enum of objects", "openai", {"enum": [{"a": 1}, [2]]}, {"a": 1}, '{"a":1}'),
    ("any", "openai", {}, {"deep": [1]}, '{"deep":[1]}'),
    ("any", "openai", {}, "text", '"text"'),
    ("any", "openai-compatible", {}, {"deep": [1]}, {"deep": [1]}),
    ("oneOf", "openai", {"oneOf": [STR, INT]}, 3, 3),
    (
        "branches that look alike",
        "openai",
        {
            "anyOf": [
                {"type": "object", "additionalProperties": INT},
                {"type": "array", "items": INT},
            ]
        },
        {"a": 1},
        {"kind": "object", "value": [{"key": "a", "value": 1}]},
    ),
    (
        "allOf",
        "openai",
        {"allOf": [obj(("a",), None, a=INT), obj(rest=False, a={"maximum": 9})]},
        {"a": 1},
        {"a": 1},
    ),
    ("a name", "moonshot", obj(("$ref",), **{"$ref": STR}), {"$ref": "x"}, {"ref": "x"}),
    (
        "a name",
        "anthropic",
        obj(("naïve name",), **{"naïve name": STR}),
        {"naïve name": "x"},
        {"na_ve_name": "x"},
    ),
    ("null", "gemini-openapi", {"type": ["string", "null"]}, None, None),
]


@pytest.mark.parametrize(
    ("dialect", "schema", "value", "moved"),
    [row[1:] for row in PLACES],
    ids=[f"{what}-{dialect}" for what, dialect, *_ in PLACES],
)
def test_a_rewrite_and_its_inverse(dialect: str, schema: Any, value: Any, moved: Any) -> None:
    whole = obj(("x",), x=schema)
    found = rewrite(whole, dialect, exact=True)
    assert same(found.forward({"x": value}), {"x": moved})
    assert same(found.restore({"x": moved}), {"x": value})
    Draft202012Validator(native(found.schema)).validate({"x": moved})
    assert broken(found.schema, dialect) == []


@pytest.mark.parametrize(
    ("schema", "value", "moved"),
    [
        (INT, 3, {"value": 3}),
        ({"type": "array", "items": STR}, ["a"], {"items": ["a"]}),
        ({"anyOf": [STR, NUL]}, None, {"value": None}),
        (
            {"type": "object", "additionalProperties": INT},
            {"a": 1},
            {"items": [{"key": "a", "value": 1}]},
        ),
        ({"$ref": "#/$defs/A", "$defs": {"A": obj(("a",), a=INT)}}, {"a": 1}, {"a": 1}),
        (True, "x", {"value": '"x"'}),
    ],
)
def test_the_root_is_an_object(schema: Any, value: Any, moved: Any) -> None:
    found = rewrite(schema, "openai", exact=True)
    assert found.schema["type"] == "object"
    assert found.forward(value) == moved
    assert found.restore(moved) == value
    assert broken(found.schema, "openai") == []


def test_a_model_that_forgets_the_wrapping_is_understood() -> None:
    found = rewrite({"type": "array", "items": obj(a=INT)}, "openai", exact=True)
    assert found.restore([{"a": 1}]) == [{"a": 1}]


TREE = {
    "$ref": "#/$defs/Tree",
    "$defs": {
        "Tree": obj(("v",), v=INT, kids={"type": "array", "items": {"$ref": "#/$defs/Tree"}})
    },
}
DEEP = {
    "v": 1,
    "kids": [
        {"v": 2, "kids": [{"v": 3, "kids": [{"v": 4, "kids": [{"v": 5, "kids": [{"v": 6}]}]}]}]}
    ],
}


def test_recursion_is_kept_where_it_may_be() -> None:
    for dialect in ("openai", "moonshot", "ollama"):
        found = rewrite(TREE, dialect, exact=True)
        assert not any(change.rewrite == "text" for change in found.changes)
        assert found.restore(found.forward(DEEP)) == DEEP


@pytest.mark.parametrize("dialect", ["anthropic", "gemini", "gemini-openapi", "cohere"])
def test_recursion_is_unrolled_elsewhere_and_ends_in_text(dialect: str) -> None:
    found = rewrite(TREE, dialect, exact=True)
    moved = found.forward(DEEP)
    assert '{\\"v\\":' in json.dumps(moved)
    assert found.restore(moved) == DEEP
    assert broken(found.schema, dialect) == []


class Line(BaseModel):
    kind: Literal["line"]
    sku: str = Field(max_length=8, description="the stock number")
    quantity: int = Field(1, ge=1)


class Fee(BaseModel):
    kind: Literal["fee"]
    amounts: tuple[float, str]
    note: str | None = None


class Invoice(BaseModel):
    number: str
    paid: bool = False
    due: str | None = None
    rows: list[Annotated[Line | Fee, Field(discriminator="kind")]]
    labels: dict[str, int] = {}
    total: float | None = Field(gt=0)
    extra: Any = None


ANSWERS = [
    {"number": "1", "rows": [], "total": None},
    {
        "number": "2",
        "paid": True,
        "rows": [
            {"kind": "line", "sku": "a"},
            {"kind": "fee", "amounts": [1.5, "EUR"], "note": "n"},
        ],
        "labels": {"a": 1},
        "total": 2.5,
        "extra": {"x": [1]},
    },
]


@pytest.mark.parametrize("value", ANSWERS)
@pytest.mark.parametrize("dialect", RULES)
def test_pydantic_models_come_back_equal(dialect: str, value: dict[str, Any]) -> None:
    """In the intended reading null may stand for absent; the model does not see the difference."""
    found = rewrite(Invoice.model_json_schema(), dialect, exact=False)
    assert broken(found.schema, dialect) == []
    back = found.restore(json.loads(json.dumps(found.forward(value))))
    assert Invoice.model_validate(back) == Invoice.model_validate(value)
    assert not any(change.rewrite in ("others", "tag") for change in found.changes)


def test_the_intended_reading_asks_for_no_more_than_is_named() -> None:
    schema = Invoice.model_json_schema()
    assert "other_fields" in json.dumps(rewrite(schema, "openai", exact=True).schema)
    plain = rewrite(schema, "openai", exact=False).schema
    assert "other_fields" not in json.dumps(plain)
    assert plain["properties"]["due"]["anyOf"] == [STR, NUL]
    anthropic = rewrite(schema, "anthropic", exact=False).schema
    assert anthropic["properties"]["due"] == {"type": "string", "title": "Due"}
    assert "due" not in anthropic["required"]


def test_order_is_kept() -> None:
    schema = obj(("z",), z=STR, a=INT, m={"type": "object", "additionalProperties": STR})
    assert list(rewrite(schema, "openai", exact=True).schema["properties"]) == ["z", "a", "m"]
    assert rewrite(schema, "gemini", exact=True).schema["propertyOrdering"] == ["z", "a", "m"]


def test_constraints_move_into_the_description_and_the_report() -> None:
    schema = obj(
        ("a",),
        a={
            "type": "array",
            "items": STR,
            "maxItems": 5,
            "uniqueItems": True,
            "description": "Tags.",
        },
    )
    found = rewrite(schema, "anthropic", exact=True)
    assert (
        found.schema["properties"]["a"]["description"] == "Tags. (at most 5 items; no item twice)"
    )
    assert [(change.pointer, change.rewrite) for change in found.unenforced] == [
        ("/properties/a", "constraint")
    ] * 2
    assert "only checked locally" in str(found.unenforced[0])
    assert rewrite(schema, "openai-compatible", exact=True).changes == ()


@pytest.mark.parametrize(
    ("schema", "note"),
    [
        ({**STR, "minLength": 1}, "at least 1 character"),
        ({**STR, "pattern": "^(?=a)b"}, "matches ^(?=a)b"),
        ({**STR, "format": "iban"}, "format iban"),
        ({**INT, "not": {"const": 3}}, 'not: {"const":3}'),
        (obj(rest=False, a=STR, b=STR) | {"dependentRequired": {"a": ["b"]}}, "with a also b"),
        ({"type": "array", "items": INT, "contains": {"const": 1}}, 'contains: {"const":1}'),
    ],
)
def test_what_cannot_be_enforced_is_said(schema: dict[str, Any], note: str) -> None:
    found = rewrite(obj(("x",), x=schema), "openai", exact=True)
    assert note in found.schema["properties"]["x"]["description"]
    assert any(change.unenforced and change.pointer == "/properties/x" for change in found.changes)


def test_words_without_a_type_are_kept_where_a_type_is_found() -> None:
    schema = {"allOf": [INT, {"minimum": 12}, {"maximum": 14}]}
    assert rewrite(obj(("x",), x=schema), "openai", exact=True).schema["properties"]["x"] == {
        "type": "integer",
        "minimum": 12,
        "maximum": 14,
    }
    alone = rewrite(obj(("x",), x={"minLength": 3}), "openai-compatible", exact=True)
    assert alone.schema["properties"]["x"] == {"description": "at least 3 characters"}
    assert alone.unenforced


def test_the_drafts_are_read_by_the_letter() -> None:
    old = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "minimum": 3,
        "exclusiveMinimum": True,
        **INT,
    }
    assert rewrite(old, "openai", exact=True).schema["properties"]["value"]["exclusiveMinimum"] == 3
    hidden = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "definitions": {"A": STR},
        **obj(("x",), x={"$ref": "#/definitions/A", "maxLength": 0, "description": "d"}),
    }
    found = rewrite(hidden, "openai", exact=True)
    assert found.restore(found.forward({"x": "long"})) == {"x": "long"}
    assert found.schema["properties"]["x"] == {"anyOf": [{"$ref": "#/$defs/A"}], "description": "d"}


@pytest.mark.parametrize(
    "reference",
    [
        "#/$defs/a~1b",
        "#named",
        "other.json#/$defs/inner",
        "https://example.com/root.json#/$defs/a~1b",
    ],
)
def test_references_of_every_sort_resolve(reference: str) -> None:
    schema = {
        "$id": "https://example.com/root.json",
        **obj(("x",), x={"$ref": reference}),
        "$defs": {
            "a/b": INT,
            "n": {"$anchor": "named", **INT},
            "o": {"$id": "other.json", "$defs": {"inner": INT}},
        },
    }
    found = rewrite(schema, "openai", exact=True)
    (definition,) = found.schema["$defs"].values()
    assert definition == INT


def test_a_fragment_is_read_in_a_resource_that_is_named_by_a_urn() -> None:
    inner = {"$id": "urn:uuid:y", **obj(("x",), x={"$ref": "#/$defs/n"}), "$defs": {"n": INT}}
    found = rewrite(
        {"$defs": {"inner": inner}, **obj(("a",), a={"$ref": "urn:uuid:y"})}, "openai", exact=True
    )
    assert INT in found.schema["$defs"].values()


def test_before_2019_an_id_beside_a_reference_is_not_read() -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": "http://a.example/base/",
        "definitions": {
            "other": {"$id": "http://a.example/foo.json", "type": "string"},
            "meant": {"$id": "foo.json", **INT},
        },
        "allOf": [{"$id": "http://a.example/", "$ref": "foo.json"}],
    }
    (definition,) = rewrite(schema, "openai", exact=True).schema["$defs"].values()
    assert definition == INT
    assert source(schema).validate(1) == 1


def test_beyond_the_unions_of_a_dialect_null_is_an_empty_list() -> None:
    names = [f"f{i}" for i in range(20)]
    schema = obj(tuple(names), **{name: {"type": ["string", "null"]} for name in names})
    found = rewrite(schema, "anthropic", exact=True)
    assert broken(found.schema, "anthropic") == []
    assert not any(change.rewrite == "text" for change in found.changes)
    value = dict.fromkeys(names) | {"f19": "x"}
    moved = found.forward(value)
    assert (moved["f0"], moved["f18"], moved["f19"]) == (None, [], ["x"])
    assert found.restore(moved) == value
    assert found.forward_pointer("/f19", moved) == "/f19/0"


def test_an_identity_is_known_as_one() -> None:
    closed = obj(
        ("a", "b"),
        a=STR,
        b={"type": "array", "items": obj(("c",), c={"type": ["integer", "null"]})},
    )
    assert rewrite(closed, "openai", exact=True).identity
    assert rewrite(TREE, "ollama", exact=True).identity
    assert not rewrite(obj(a=STR), "openai", exact=True).identity
    plain = rewrite({"anything": 1}, "plain", exact=True)
    assert plain.identity
    assert plain.schema == {"anything": 1}


def test_it_is_cached_deterministic_and_leaves_the_schema_alone() -> None:
    schema = Invoice.model_json_schema()
    before = copy.deepcopy(schema)
    one = rewrite(schema, "openai", exact=True)
    assert rewrite(copy.deepcopy(schema), "openai_strict", exact=True) is one
    assert schema == before
    other = rewrite({**schema, "$comment": "not the same text"}, "openai", exact=True)
    assert other is not one
    assert json.dumps(other.schema) == json.dumps(one.schema)


MISFITS = [
    "text",
    None,
    3,
    [],
    {},
    {"a": "x"},
    {"a": [{"key": 1}], "t": {"item9": 1}, "u": {"kind": "nobody", "value": 1}, "j": "{not json"},
    {"a": [{"key": "k", "value": 1}, {"key": "k", "value": 2}], "unknown": {"x": 1}},
    {"a": {"k": 1}, "t": ["x", 1], "other_fields": "nonsense", "j": {"already": "parsed"}},
]


@pytest.mark.parametrize("answer", MISFITS)
@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini-openapi"])
def test_restore_never_raises(dialect: str, answer: Any) -> None:
    schema = obj(
        rest=None,
        a={"type": "object", "additionalProperties": INT},
        t={"type": "array", "prefixItems": [STR, INT]},
        u={"anyOf": [{"type": "object", "additionalProperties": INT}, {"type": "array"}]},
        j={},
    )
    rewrite(schema, dialect, exact=True).restore(answer)


def test_what_does_not_fit_is_carried_so_that_the_check_can_tell() -> None:
    schema = obj(
        ("a", "t"),
        a={"type": "object", "additionalProperties": INT},
        t={"type": "array", "prefixItems": [STR]},
    )
    found = rewrite(schema, "openai", exact=True)
    twice = [{"key": "k", "value": 1}, {"key": "k", "value": 2}]
    assert found.restore({"a": twice, "t": {"item1": "x", "rest": []}}) == {"a": twice, "t": ["x"]}
    assert found.restore({"a": {"k": 1}, "t": ["x"]}) == {"a": {"k": 1}, "t": ["x"]}
    assert found.restore({"a": [], "t": {"nonsense": 1}}) == {"a": {}, "t": {"nonsense": 1}}


def test_an_explicit_null_does_not_become_absent() -> None:
    found = rewrite(obj(a=STR), "openai", exact=True)
    back = found.restore(found.forward({"a": None}))
    assert "a" in back
    assert not isinstance(back["a"], str)


def test_what_no_branch_takes_goes_to_the_nearest() -> None:
    schema = {
        "anyOf": [
            {"type": "array", "prefixItems": [STR], "items": False},
            {"properties": {"a": STR}, "required": ["a"]},
        ]
    }
    found = rewrite(schema, "openai", exact=True)
    assert found.restore(found.forward({})) == {}
    assert found.restore({"value": {"a": 3, "other_fields": "{}"}}) == {"a": 3}


def test_pointers_into_the_answer() -> None:
    schema = {
        "type": "array",
        "items": obj(
            ("d", "t"),
            d={"type": "object", "additionalProperties": obj(n=INT)},
            t={"type": "array", "prefixItems": [STR, INT], "items": STR},
            m={"type": ["string", "null"]},
            j={},
        ),
    }
    found = rewrite(schema, "openai", exact=True)
    value = [{"d": {"a/b": {"n": 1}}, "t": ["x", 1, "y"], "m": None, "j": {"q": 1}}]
    answer = found.forward(value)
    table = {
        "": "/items",
        "/0/d": "/items/0/d",
        "/0/d/a~1b/n": "/items/0/d/0/value/n",
        "/0/t/1": "/items/0/t/item2",
        "/0/t/2": "/items/0/t/rest/0",
        "/0/m": "/items/0/m/0",
        "/0/j/q": "/items/0/j",
    }
    for pointer, place in table.items():
        assert found.forward_pointer(pointer, answer) == place
    assert rewrite(value[0] and STR, "plain", exact=True).forward_pointer("/a", {}) == "/a"


def test_a_branch_that_is_the_whole_union_leads_to_the_nearest_place() -> None:
    schema = {"anyOf": [obj(("a",), a=STR), {"$ref": "#"}]}
    found = rewrite(schema, "openai-compatible", exact=True)
    assert found.forward_pointer("/a", "text") == ""


def many(count: int, inner: Any = STR) -> dict[str, Any]:
    return obj(("p0",), **{f"p{i}": inner for i in range(count)})


@pytest.mark.parametrize(
    ("dialect", "schema", "limit"),
    [
        ("moonshot", many(130), "properties"),
        ("moonshot", obj(x=many(60), y=many(60)), "properties"),
        ("openai", many(60, many(100)), "properties"),
        ("openai", many(3, {"enum": [f"v{i}" for i in range(400)]}), "enum values"),
        ("openai", many(100, {"enum": ["x" * 1300]}), "characters of names and enum values"),
    ],
)
def test_of_a_schema_too_large_the_largest_parts_become_text(
    dialect: str, schema: Any, limit: str
) -> None:
    assert limit in [excess.limit for excess in preflight(schema, dialect, exact=True)]
    found = rewrite(schema, dialect, exact=True)
    assert broken(found.schema, dialect) == []
    assert any(change.unenforced for change in found.changes)


def test_dialects_go_by_many_names() -> None:
    assert dialect_named("OpenAI_Strict") is DIALECTS["openai"]
    assert dialect_named("llama.cpp") is DIALECTS["ollama"]
    with pytest.raises(UnsupportedError, match="no schema dialect 'cobol'"):
        rewrite({}, "cobol", exact=True)


# Dialects with next to no room, so that small schemas come to the limits too.
TIGHT = [
    replace(DIALECTS["anthropic"], limits=DialectLimits(optionals=1, unions=1)),
    replace(DIALECTS["anthropic"], limits=DialectLimits(optionals=0, unions=0)),
    replace(
        DIALECTS["openai"], limits=DialectLimits(properties=8, depth=4, enum_values=2, chars=300)
    ),
    replace(DIALECTS["moonshot"], limits=DialectLimits(properties=6, depth=3, branches=2)),
]


# A document takes longer to make and to check than to rewrite, so each goes through three dialects.
@settings(
    max_examples=90,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
    ],
)
@given(
    documents(),
    st.lists(st.sampled_from(sorted(RULES)), min_size=2, max_size=2, unique=True),
    st.sampled_from(TIGHT),
)
def test_any_schema_there_and_back(
    document: tuple[dict[str, Any], list[Any]], names: list[str], tight: Dialect
) -> None:
    schema, values = document
    cls = validator_for(schema, default=Draft202012Validator)
    try:
        cls.check_schema(schema)
    except NoSchema:
        return
    judged = [(value, cls(schema).is_valid(value)) for value in values]
    for dialect in (*names, tight):
        there_and_back(schema, cls(schema), judged, dialect)


def there_and_back(
    schema: dict[str, Any], validator: Any, judged: list[tuple[Any, bool]], dialect: str | Dialect
) -> None:
    try:
        found = rewrite(schema, dialect, exact=True)
    except SchemaError:
        assert isinstance(dialect, Dialect)  # nothing fits into so little
        return
    if isinstance(dialect, str):
        assert broken(found.schema, dialect) == []
    check = Draft202012Validator(native(found.schema))
    for value, is_valid in judged:
        moved = json.loads(json.dumps(found.forward(value)))
        back = found.restore(moved)
        if is_valid:
            assert same(back, value)
            assert check.is_valid(moved)
        else:
            assert not validator.is_valid(back)
        found.restore(value)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_a_dialect_takes_only_words_that_the_rewriting_knows(dialect: Dialect) -> None:
    """A word that no kind of value has would be dropped without a sign."""
    assert dialect.words <= {word for words in WORDS.values() for word in words}
