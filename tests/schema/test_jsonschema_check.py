"""JSON Schemas and their values: agreement with jsonschema, problems with pointers, bounds."""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema.validators import validator_for

from prompture.errors import SchemaError
from prompture.schema.jsonschema_keywords import _divides, _frozen
from prompture.schema.problems import PROBLEM_LIMIT, InvalidValue
from prompture.schema.source import source

DRAFT_4 = "http://json-schema.org/draft-04/schema#"
RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def problems(schema: dict[str, Any], value: Any) -> dict[str, str]:
    try:
        source(schema).validate(value)
    except InvalidValue as error:
        return {problem.pointer: problem.message for problem in error.problems}
    return {}


TAGGED = {
    "oneOf": [
        {"properties": {"k": {"const": "a"}, "x": {"type": "integer"}}, "required": ["k", "x"]},
        {"properties": {"k": {"const": "b"}}, "required": ["k"]},
    ]
}


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"type": "integer"}, "a", {"": "must be an integer, not a string"}),
        ({"type": ["integer", "null"]}, True, {"": "must be an integer or null, not a boolean"}),
        ({"properties": {"a": {"enum": ["x", 1]}}}, {"a": 2}, {"/a": 'must be one of "x", 1'}),
        (
            {"enum": list(range(20))},
            99,
            {"": "must be one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 or 8 more"},
        ),
        ({"const": "x"}, "y", {"": 'must be "x"'}),
        ({"required": ["a", "b/c"]}, {}, {"/a": "is required", "/b~1c": "is required"}),
        (
            {"additionalProperties": False, "properties": {"a": {}}},
            {"a": 1, "b": 1, "c": 1},
            {"/b": "is not allowed", "/c": "is not allowed"},
        ),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, {"/b": "is required"}),
        (
            {"patternProperties": {"^x": {"type": "integer"}}},
            {"x1": "a"},
            {"/x1": "must be an integer, not a string"},
        ),
        ({"pattern": "^a+$"}, "b", {"": 'must match the pattern "^a+$"'}),
        ({"format": "date"}, "31/12/2024", {"": "must be a date as YYYY-MM-DD"}),
        ({"format": "ipv4"}, "300.1.1.1", {"": "must be in the format ipv4"}),
        ({"format": "made-up"}, "x", {}),
        ({"minLength": 1}, "", {"": "must have at least 1 character, not 0"}),
        ({"maxItems": 1}, [1, 2], {"": "must have at most 1 item, not 2"}),
        ({"minProperties": 1}, {}, {"": "must have at least 1 property, not 0"}),
        ({"minimum": 1, "multipleOf": 0.01}, 0.999, {"": "must be a multiple of 0.01"}),
        ({"multipleOf": 0.01}, 19.99, {}),
        ({"uniqueItems": True}, [1, True, "1", 1.0], {"": "must not hold the same item twice"}),
        ({"uniqueItems": True}, [{"a": [1]}, {"a": [True]}], {}),
        (
            {"items": {"items": {"type": "integer"}}},
            [[1], [1, "x"]],
            {"/1/1": "must be an integer, not a string"},
        ),
        (
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
            5,
            {"": "must be a string or null, not an integer"},
        ),
        (
            {"anyOf": [{"type": "object", "required": ["z"]}, {"type": "null"}]},
            {},
            {"/z": "is required"},
        ),
        (TAGGED, {"k": "a", "x": "q"}, {"/x": "must be an integer, not a string"}),
        (TAGGED, {"k": "c"}, {"": 'fits none of 2 forms; for the nearest, /k must be "b"'}),
        (
            {"oneOf": [{"type": "integer"}, {"minimum": 0}]},
            5,
            {"": "fits more than one of 2 forms, where one is asked for"},
        ),
        ({"not": {"type": "null"}}, None, {"": "has a form that is not allowed"}),
        ({"properties": {"a": False}}, {"a": 1}, {"/a": "is not allowed"}),
        (
            {"items": [{"type": "integer"}]},
            ["a"],
            {"/0": "must be an integer, not a string"},
        ),  # draft 7
        ({"exclusiveMinimum": True, "minimum": 1}, 1, {"": "must be at least 1"}),  # draft 4
        (
            {"allOf": [{"properties": {"a": {}}}], "unevaluatedProperties": False},
            {"b": 2},
            {"": "holds a property that is not allowed"},
        ),
        (
            {"$defs": {"n": {"$anchor": "n", "type": "integer"}}, "items": {"$ref": "#n"}},
            ["a"],
            {"/0": "must be an integer, not a string"},
        ),
        (
            {
                "$id": "https://a.example/b",
                "$defs": {"n": {"$id": "c", "type": "integer"}},
                "items": {"$ref": "https://a.example/c"},
            },
            ["a"],
            {"/0": "must be an integer, not a string"},
        ),
        # A subschema that declares another draft is still checked by us.
        (
            {
                "properties": {
                    "a": {"$schema": "http://json-schema.org/draft-04/schema#", "format": "date"}
                }
            },
            {"a": "x"},
            {"/a": "must be a date as YYYY-MM-DD"},
        ),
    ],
)
def test_problems(schema: dict[str, Any], value: Any, expected: dict[str, str]) -> None:
    assert problems(schema, value) == expected


def test_a_reference_to_the_root_keeps_our_rules() -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "properties": {"next": {"$ref": "#"}, "day": {"format": "date"}},
    }
    assert problems(schema, {"next": {"next": {"day": "x"}}}) == {
        "/next/next/day": "must be a date as YYYY-MM-DD"
    }


def test_problems_are_bounded() -> None:
    with pytest.raises(InvalidValue) as caught:
        source({"items": {"type": "integer"}}).validate(["x"] * 1000)
    assert len(caught.value.problems) == PROBLEM_LIMIT


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"properties": {"a": {"type": "strin"}}}, "at /properties/a/type: it is 'strin'"),
        ({"properties": []}, "at /properties: it must be an object, not an array"),
        ({"properties": {"a": 5}}, "at /properties/a: it must be a schema, not an integer"),
        ({"required": "a"}, "at /required: it must be an array of strings"),
        ({"items": 5}, "at /items: it must be a schema"),
        ({"anyOf": []}, "at /anyOf: it must not be empty"),
        ({"minLength": -1}, "at /minLength: it must be a whole number"),
        ({"multipleOf": 0}, "at /multipleOf: it must be greater than 0"),
        ({"pattern": "("}, "at /pattern: it is a pattern that cannot be used"),
        ({"patternProperties": {"[": {}}}, r"at /patternProperties/\["),
        ({"$schema": 5}, r"at /\$schema"),
        ({"$schema": "http://json-schema.org/draft-03/schema#"}, "draft 3"),
        ({"$defs": {"a": {"$anchor": "x"}}, "$ref": "#y"}, "points to '#y'"),
        (
            {
                "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}},
                "$ref": "#/$defs/a",
            },
            "refers to itself",
        ),
        ({"$ref": "#/x/y", "x": {"y": {"type": "no"}}}, "at /x/y/type"),
        ({"minimum": float("nan")}, "not made of JSON values"),
    ],
)
def test_a_schema_that_is_none(schema: dict[str, Any], says: str) -> None:
    with pytest.raises(SchemaError, match=says):
        source(schema)


JUNK = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        1.5,
        "",
        "x",
        "string",
        [],
        ["a"],
        ["a", "a"],
        {},
        {"a": {}},
        {"a": 1},
        [{}],
        "(",
    ]
)
KEYWORDS = st.sampled_from(
    [
        "type",
        "enum",
        "const",
        "required",
        "properties",
        "items",
        "anyOf",
        "allOf",
        "not",
        "minLength",
        "maximum",
        "multipleOf",
        "pattern",
        "patternProperties",
        "additionalProperties",
        "uniqueItems",
        "format",
        "$defs",
        "definitions",
        "minItems",
        "if",
        "exclusiveMinimum",
        "dependentRequired",
        "prefixItems",
        "contains",
        "propertyNames",
        "title",
    ]
)


@given(st.dictionaries(KEYWORDS, JUNK, max_size=3), st.sampled_from([2020, 2019, 7]))
@RELAXED
def test_agrees_with_the_metaschemas(schema: dict[str, Any], draft: int) -> None:
    uri = {
        2020: "https://json-schema.org/draft/2020-12/schema",
        2019: "https://json-schema.org/draft/2019-09/schema",
        7: "http://json-schema.org/draft-07/schema#",
    }[draft]
    schema = {"$schema": uri, **schema}
    try:
        validator_for(schema).check_schema(schema)
        valid = True
    except jsonschema.SchemaError:
        valid = False
    try:
        source(schema)
        accepted = True
    except SchemaError:
        accepted = False
    assert accepted is valid


def chain(count: int, link: Any) -> dict[str, Any]:
    links = {f"a{i}": link({"$ref": f"#/$defs/a{i + 1}"}) for i in range(count)}
    return {"$defs": {**links, f"a{count}": {"type": "string"}}, "$ref": "#/$defs/a0"}


def nested(depth: int, leaf: Any) -> Any:
    value = leaf
    for _ in range(depth):
        value = {"p": value}
    return value


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (chain(40, lambda ref: {"allOf": [ref, ref]}), 1),
        (chain(40, lambda ref: {"properties": {"p": {"allOf": [ref, ref]}}}), nested(40, "x")),
        (chain(40, lambda ref: {"properties": {"p": {"anyOf": [ref, ref, ref]}}}), nested(40, 1)),
        (chain(5_000, lambda ref: ref), 1),
        ({"enum": list(range(1_000_000))}, 5),
        ({"$schema": "http://json-schema.org/draft-04/schema#", "enum": ["a", 1] * 50_000}, 5),
        ({"properties": {f"p{i}": {"type": "string"} for i in range(60_000)}}, {}),
        (
            {"anyOf": [{"type": "null"}, *[{"not": {"minItems": i}} for i in range(3_000)]]},
            ["x" * 100] * 20_000,
        ),
        ({"pattern": r"(?!x)(a+)+$"}, "a" * 100),
        ({"pattern": r"((a{100}){100}){100}"}, "a" * 100),
        ({"anyOf": [{"pattern": rf"\p{{L}}{{200}}{i}"} for i in range(2_000)]}, "a"),
        (
            {"patternProperties": {"^(a+)+$": {}}, "unevaluatedProperties": False},
            {"a" * 50 + "!": 1},
        ),
        ({"$ref": "#/" + "a/" * 50_000}, 1),
    ],
)
def test_a_hostile_schema_ends_in_an_error(schema: dict[str, Any], value: Any) -> None:
    started = time.process_time()
    with pytest.raises(SchemaError) as caught:
        source(schema).validate(value)
    assert len(str(caught.value)) < 500
    assert time.process_time() - started < 10  # 0.8 s at most, alone


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"pattern": "^(a+)+$"}, "a" * 100_000 + "!"),
        ({"pattern": "(?!x).*.*.*.*y"}, "a" * 100_000),
        ({"anyOf": [{"type": "array", "const": i} for i in range(3_000)]}, ["x" * 100] * 20_000),
        ({"items": {"$ref": "#"}}, json.loads("[" * 190 + "]" * 190)),
        ({"items": {"$ref": "#"}}, json.loads("[" * 900 + "]" * 900)),
        ({"uniqueItems": True}, [{"a": i % 49_999} for i in range(50_000)]),
        ({"multipleOf": 0.1}, 10**4000 + 1),
        ({"format": "email"}, "a" * 100_000 + "@"),
        ({"format": "uri"}, "a:" + "%" * 100_000),
        ({"format": "duration"}, "P" + "1" * 100_000),
        ({"format": "uri-template"}, "{" + "a," * 50_000),
    ],
)
def test_a_hostile_value_ends(schema: dict[str, Any], value: Any) -> None:
    started = time.process_time()
    if schema != {"multipleOf": 0.1}:
        with pytest.raises(InvalidValue):
            source(schema).validate(value)
    else:
        source(schema).validate(value)
    assert time.process_time() - started < 10


def test_a_schema_of_5000_lines_is_read_at_once() -> None:
    inner = {
        f"g{i}": {"type": ["string", "null"], "maxLength": 50, "pattern": "^[a-z]+$"}
        for i in range(10)
    }
    schema = {"properties": {f"f{i}": {"type": "object", "properties": inner} for i in range(80)}}
    assert len(json.dumps(schema, indent=1).splitlines()) > 5_000
    started = time.process_time()
    source(schema)
    assert time.process_time() - started < 5  # 0.1 s alone


NUMBERS = st.integers(-1000, 1000) | st.decimals(-100, 100, places=2).map(float)


@given(NUMBERS, st.decimals("0.01", 100, places=2).map(float))
def test_multiples_are_decimal(number: float, divisor: float) -> None:
    assert _divides(divisor, number) is (round(number * 100) % round(divisor * 100) == 0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 1.0, 0.5, "", "1"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(JSON, JSON)
@RELAXED
def test_equal_as_json_schema_says(one: Any, other: Any) -> None:
    validator = jsonschema.Draft202012Validator({"const": one})
    assert (_frozen(one) == _frozen(other)) is validator.is_valid(other)


def test_the_schema_given_is_not_changed() -> None:
    schema = {
        "properties": {"a": {"$schema": "http://json-schema.org/draft-04/schema#"}},
        "default": {"x": [1]},
    }
    before = copy.deepcopy(schema)
    made = source(schema)
    made.validate({})
    assert schema == before == made.json_schema


def test_agrees_with_the_labels_of_real_schemas(shared: Path) -> None:
    """All but two of the 418 schemas are read: one refers to nothing, one has a pattern that may
    take exponential time; every instance of the others is judged as its label says."""
    refused, wrong, count = [], [], 0
    for file in sorted((shared / "schemas").glob("*/*.json")):
        case = json.loads(file.read_text("utf-8"))
        try:
            made = source(case["schema"])
        except SchemaError:
            refused.append(file.name)
            continue
        for test in case["tests"]:
            count += 1
            if bool(problems(dict(made.json_schema), test["data"])) is test["valid"]:
                wrong.append((file.name, test["description"]))
    assert count > 1_600
    assert wrong == []
    assert refused == ["o65975.json", "aerleon-definitions.schema.json"]


def test_drafts_that_are_mixed_are_said() -> None:
    number = {"type": "number", "minimum": 0, "exclusiveMinimum": True}
    schema = {
        "type": "object",
        "properties": {"a": number, "b": {"type": "array", "items": True}},
    }
    with pytest.raises(SchemaError, match="draft"):
        source(schema).validate({"a": 1, "b": [1]})


def _applied(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = st.sampled_from(["anyOf", "oneOf", "allOf", "prefixItems"])
    ones = st.sampled_from(
        [
            *("not", "contains", "propertyNames", "items", "additionalProperties"),
            *("unevaluatedProperties", "unevaluatedItems"),
        ]
    )
    maps = st.sampled_from(["properties", "patternProperties", "dependentSchemas"])
    return st.one_of(
        st.builds(lambda k, v: {k: v}, lists, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda k, v: {k: v}, ones, inner),
        st.builds(lambda k, v: {k: {"a": v}}, maps, inner),
        st.builds(lambda a, b, c: {"if": a, "then": b, "else": c}, inner, inner, inner),
        st.builds(lambda a, b: {**a, **b} if isinstance(a, dict) else b, inner, _DICTS),
    )


_DICTS = st.sampled_from(
    [{}, {"type": "string"}, {"type": "integer"}, {"const": 1}, {"minimum": 1}]
)
_BOOLEAN_SCHEMAS = st.recursive(
    st.sampled_from([True, False, False]) | _DICTS, _applied, max_leaves=6
)
_FEW = st.recursive(
    st.sampled_from([None, 1, 0, "a", "", True, 1.5]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(RELAXED, max_examples=400)
@given(_BOOLEAN_SCHEMAS, _FEW)
def test_booleans_in_the_place_of_schemas(schema: Any, value: Any) -> None:
    """``false`` among the branches of a union, too: a verdict as jsonschema's, and problems."""
    wanted = jsonschema.Draft202012Validator(schema).is_valid(value)
    try:
        source(schema).validate(value)
    except InvalidValue as error:
        assert not wanted
        assert all(problem.message for problem in error.problems)
    else:
        assert wanted


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"oneOf": [{"type": "string"}, False]}, 1, {"": "must be a string, not an integer"}),
        ({"anyOf": [False, {"type": "string"}]}, 1, {"": "must be a string, not an integer"}),
        ({"anyOf": [False, False]}, 1, {"": "is not allowed"}),
        ({"properties": {"a": {"anyOf": [False]}}}, {"a": 1}, {"/a": "is not allowed"}),
        ({"type": "number"}, float("inf"), {"": "must be a finite number"}),
        ({}, {"a": [1, float("nan")]}, {"/a/1": "must be a finite number"}),
        (
            {"type": "object"},
            {"a": "é\ud800"},
            {"": "holds a string with half a character (a surrogate without its other half)"},
        ),
        (
            {"type": "object"},
            {"a": [{"\ud800": 1}]},
            {"": "holds a string with half a character (a surrogate without its other half)"},
        ),
    ],
)
def test_unions_with_false_and_numbers_that_are_none(
    schema: Any, value: Any, expected: dict[str, str]
) -> None:
    assert problems(schema, value) == expected


def test_an_older_draft_does_not_hide_a_fault() -> None:
    schema = {"if": True, "then": {"$ref": "#/$defs/nowhere"}}
    with pytest.raises(SchemaError, match="/then/\\$ref"):
        source(schema)


def test_a_reference_beside_a_list_where_a_schema_belongs() -> None:
    with pytest.raises(SchemaError):
        source({"items": [-1, [True], {"$ref": "elsewhere"}]})


@pytest.mark.parametrize("value", [[], {}, 3, True, None])
def test_an_identifier_of_the_whole_that_is_no_text(value: object) -> None:
    named = {"$id": "https://a.example/n", "type": "integer"}
    schema = {
        "$id": value,
        "properties": {"n": {"$ref": "https://a.example/n"}},
        "$defs": {"n": named},
    }
    with pytest.raises(SchemaError, match=r"\$id.*must be a string"):
        source(schema)


@pytest.mark.parametrize("draft", ["draft-04", "draft/2020-12"])
@pytest.mark.parametrize("word", ["id", "$id"])
def test_an_identifier_that_is_no_text(draft: str, word: str) -> None:
    """Refused with its place where it identifies, also where references go by identifiers."""
    named = {"$id": "https://a.example/n", "id": "https://a.example/n", "type": "integer"}
    schema = {
        "$schema": f"https://json-schema.org/{draft}/schema" if "/" in draft else DRAFT_4,
        "type": "object",
        "properties": {"n": {"$ref": "https://a.example/n"}, "m": {word: {}, "type": "string"}},
        "definitions": {"n": named},
    }
    identifies = (word == "id") is ("draft-04" in draft)
    if identifies:
        with pytest.raises(SchemaError, match=r"/properties/m/\$?id"):
            source(schema)
    else:
        assert source(schema).name
