"""Schemas made to hurt end in a clear error, or in a bounded result; no clock is read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from prompture.errors import SchemaError
from prompture.schema import rewrite
from prompture.schema.document import DEPTH_LIMIT, ENUM_LIMIT
from prompture.schema.source import source
from tests.schema.dialect_rules import broken

STR = {"type": "string"}


def chain(count: int, link: Any) -> dict[str, Any]:
    """d0 to d<count>, each made of the next one by ``link``."""
    defs: dict[str, Any] = {f"d{i}": link({"$ref": f"#/$defs/d{i + 1}"}) for i in range(count)}
    return {"$ref": "#/$defs/d0", "$defs": {**defs, f"d{count}": STR}}


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = STR
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


REFUSED = [
    (
        "exponential references",
        chain(40, lambda ref: {"type": "object", "properties": {"a": ref, "b": ref}}),
        "multiply",
    ),
    ("exponential allOf", chain(40, lambda ref: {"allOf": [ref, ref]}), "multiply"),
    ("exponential anyOf", chain(40, lambda ref: {"anyOf": [ref, ref]}), "multiply"),
    (
        "a million members",
        {"type": "object", "properties": {"a": {"enum": list(range(1_000_000))}}},
        "1,000,000 members",
    ),
    ("a million strings", {"enum": [str(i) for i in range(1_000_000)]}, "1,000,000 members"),
    (
        "a hundred thousand names",
        {"type": "object", "required": [str(i) for i in range(100_000)]},
        "100,000 entries",
    ),
    ("deep", nested(300), "nested more than"),
    ("deeper than JSON", nested(3_000), "not JSON|nested more than"),
    ("a long pattern", {"type": "string", "pattern": "a" * 6_000}, "pattern"),
    ("a multiplying pattern", {"type": "string", "pattern": "(((a{99}){99}){99}){99}"}, "pattern"),
    ("remote", {"$ref": "https://example.com/schema.json"}, "remote references are not fetched"),
    ("a file", {"$ref": "file:///etc/passwd"}, "remote references"),
    ("nowhere", {"$ref": "#/$defs/nothing"}, "points at nothing"),
    ("itself", {"$ref": "#"}, "nothing but itself"),
    (
        "round and round",
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
        "nothing but itself",
    ),
    (
        "round and round within",
        {
            "type": "object",
            "properties": {"x": {"$ref": "#/$defs/a"}},
            "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}},
        },
        "nothing but itself",
    ),
    ("no schema", [], "an object or a boolean"),
    ("no names", {"type": "object", "properties": {1: STR}}, "strings"),
    ("no type", {"type": "strnig"}, "no such type"),
    ("not JSON", {"type": "object", "default": {1, 2}}, "not JSON"),
]


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini-openapi", "moonshot", "ollama"])
@pytest.mark.parametrize(
    ("schema", "reason"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_it_is_refused_with_a_reason(schema: Any, reason: str, dialect: str) -> None:
    with pytest.raises(SchemaError, match=reason) as caught:
        rewrite(schema, dialect, exact=True)
    assert len(str(caught.value)) < 400


def tree(count: int) -> dict[str, Any]:
    """``count`` types, each holding every other."""
    links = {f"c{j}": {"$ref": f"#/$defs/t{j}"} for j in range(count)}
    return {
        "$ref": "#/$defs/t0",
        "$defs": {f"t{i}": {"type": "object", "properties": links} for i in range(count)},
    }


def wide(count: int) -> dict[str, Any]:
    return {
        "anyOf": [
            {"type": "object", "properties": {f"k{i}": STR}, "required": [f"k{i}"]}
            for i in range(count)
        ]
    }


BOUNDED = [
    ("everything in everything", tree(20)),
    ("a thousand branches", wide(1_000)),
    ("a long chain", chain(200, lambda ref: {"type": "object", "properties": {"a": ref}})),
    ("a long chain of nothing", chain(1_000, lambda ref: ref)),
    ("itself or a string", {"anyOf": [{"$ref": "#"}, STR]}),
    ("a product of alternatives", {"allOf": [wide(10) for _ in range(30)]}),
    ("a long tuple", {"type": "array", "prefixItems": [STR] * 3_000}),
    ("no value at all", {"type": "object", "properties": {"a": False}, "required": ["a"]}),
    ("false", False),
]


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini-openapi", "moonshot", "ollama"])
@pytest.mark.parametrize("schema", [row[1] for row in BOUNDED], ids=[row[0] for row in BOUNDED])
def test_it_is_rewritten_within_bounds(schema: Any, dialect: str) -> None:
    found = rewrite(schema, dialect, exact=True)
    assert broken(found.schema, dialect) == []
    assert len(json.dumps(found.schema)) < 3_000_000
    assert len(found.changes) <= 5_000


@pytest.mark.parametrize("pattern", ["^(a+)+$", "(x+x+)+y", "^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_a_catastrophic_pattern_is_matched_in_linear_time(pattern: str) -> None:
    """Such patterns are common in real schemas. Matching them with ``re`` here would take years."""
    schema = {
        "anyOf": [
            {"type": "string", "pattern": pattern},
            {"type": "object", "additionalProperties": STR},
        ]
    }
    text = "a" * 5_000 + "!" + "x" * 5_000
    for dialect in ("openai", "ollama"):
        found = rewrite(schema, dialect, exact=True)
        assert found.restore(found.forward(text)) == text


def test_patterned_names_are_matched_in_linear_time() -> None:
    name = "a" * 200 + "!"
    schema = {"type": "object", "required": [name], "patternProperties": {"^(a+)+$": STR}}
    found = rewrite(schema, "openai", exact=True)
    assert found.restore(found.forward({name: 1})) == {name: 1}


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini-openapi", "moonshot", "ollama"])
def test_what_a_source_takes_is_rewritten_too(dialect: str) -> None:
    """One table of limits: a schema that is not too deep or large for one is not so for the other."""
    deep: Any = STR
    value: Any = "text"
    for _ in range(DEPTH_LIMIT - 1):
        deep, value = {"type": "array", "items": deep}, [value]
    long = {"type": "object", "properties": {"a": {"enum": list(range(ENUM_LIMIT))}}}
    for schema, instance in ((deep, value), (long, {"a": 7})):
        assert source(schema).validate(instance) == instance
        found = rewrite(schema, dialect)
        assert found.restore(found.forward(instance)) == instance


def test_what_is_too_large_is_named_by_its_place() -> None:
    schema = {"properties": {"a/b": {"enum": list(range(ENUM_LIMIT + 1))}}}
    with pytest.raises(SchemaError, match="/properties/a~1b/enum: it has 50,001 members"):
        source(schema)
