"""A dict without a word of JSON Schema is refused, and told what was likely meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from prompture.errors import SchemaError
from prompture.extraction.extractor import Extractor
from prompture.schema.problems import InvalidValue
from prompture.schema.rewriting import rewrite
from prompture.schema.source import source

OBJECT = {"type": "object", "properties": {"vendor": {"type": "string"}}}


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"vendor": "", "total": 0}, '"properties": {"vendor": {"type": "string"}'),
        ({"vendor": "string"}, "'vendor' is no word of it"),
        ({"total": "number"}, '"total": {"type": "number"}'),
        ({"vendor": {"type": "string"}}, "'vendor' is no word of it"),
        ({"title": "string", "author": "string"}, "'author' is no word of it"),
        ({"description": "an invoice", "vendor": ""}, "'vendor'"),
        ({"id": 5, "name": "x"}, "'name'"),
        ({"items": [{"name": "a"}], "total": 1}, "'total'"),
        ({"format": "pdf", "pages": 3}, "'pages'"),
        ({f"f{n}": 0 for n in range(9)}, "and 4 more"),
        ({"name": "x", "schema": OBJECT}, "give what is under 'schema'"),
        ({"name": "x", "strict": True, "schema": OBJECT}, "give what is under 'schema'"),
        (
            {"type": "json_schema", "json_schema": {"name": "x", "schema": OBJECT}},
            "give what is under 'json_schema.schema'",
        ),
        (
            {"type": "function", "function": {"name": "f", "parameters": OBJECT}},
            "give what is under 'function.parameters'",
        ),
        ({"name": "f", "description": "d", "parameters": OBJECT}, "under 'parameters'"),
        ({"name": "f", "description": "d", "input_schema": OBJECT}, "under 'input_schema'"),
        ({"vendor": str}, "give a TypedDict"),
        ({"type": "OBJECT"}, "'object' is meant"),
        ({"type": "str"}, "'string' is meant"),
        ({"format": {}, "a": 1}, "/format: it must be a string"),
    ],
)
def test_what_was_meant_is_said(schema: Any, said: str) -> None:
    with pytest.raises(SchemaError) as caught:
        source(schema)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"$comment": "anything"},
        {"title": "A note", "description": "Any JSON"},
        {"x-kind": "note"},
        {"default": 1, "examples": [1]},
        {"nullable": True},
        {"$schema": "https://json-schema.org/draft/2020-12/schema"},
        {"definitions": {}},
        True,
    ],
)
def test_what_takes_anything_is_a_schema(schema: Any) -> None:
    for value in (None, 1, "a", [{}]):
        assert source(schema).validate(value) == value
    assert rewrite(schema, "plain").restore(rewrite(schema, "plain").forward(1)) == 1


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "name": "vendor", "schema": OBJECT},
        {"const": 1, "parameters": OBJECT},
        {"items": [{"type": "string"}]},
        {"properties": {"vendor": {"ui:widget": "text"}}},
        {"required": ["a"], "order": 3},
        {"if": True, "then": False, "name": "x"},
    ],
)
def test_words_of_others_beside_those_of_json_schema(schema: Any) -> None:
    assert dict(source(schema).json_schema) == schema


@pytest.mark.parametrize(
    ("schema", "pointer", "meant"),
    [
        ({"type": "object", "propertys": {"a": {"type": "string"}}}, "/propertys", "properties"),
        (
            {"type": "object", "properties": {"a": {"min_length": 2}}},
            "/properties/a/min_length",
            "",
        ),
        ({"type": "array", "itmes": {"type": "string"}}, "/itmes", "items"),
        ({"type": "array", "items": {"any_of": [{"type": "string"}]}}, "/items/any_of", "anyOf"),
        ({"type": "object", "requierd": ["a"]}, "/requierd", "required"),
        ({"type": "object", "additional_properties": False}, "/additional_properties", ""),
        ({"type": "string", "enums": ["a"]}, "/enums", "enum"),
    ],
)
def test_a_misspelt_keyword_is_refused_where_a_user_gives_it(
    schema: Any, pointer: str, meant: str
) -> None:
    with pytest.raises(SchemaError) as caught:
        Extractor(schema, model="local/rules")
    assert pointer in str(caught.value) and meant in str(caught.value)
    source(schema)  # the schema of an MCP server's tool may hold anything


@pytest.mark.parametrize(
    "word",
    ["enumNames", "propertyOrdering", "formatMinimum", "optional", "example", "x-items", "note",
     "unit", "minDate", "errorMessage", "order", "kind", "nullable", "$comment", "typeof"],
)  # fmt: skip
def test_words_of_others_are_no_misspelt_keywords(word: str) -> None:
    Extractor({"type": "string", word: "x"}, model="local/rules")


@pytest.mark.parametrize(
    ("anchor", "reference"),
    [("$anchor", "$ref"), ("$dynamicAnchor", "$dynamicRef"), ("$dynamicAnchor", "$ref")],
)
def test_an_anchor_of_the_root(anchor: str, reference: str) -> None:
    schema = {
        "$id": "http://example.org/tree",
        anchor: "node",
        "type": "object",
        "properties": {
            "v": {"type": "integer"},
            "k": {"type": "array", "items": {reference: "#node"}},
        },
        "required": ["v"],
    }
    tree = source(schema)
    assert tree.validate({"v": 1, "k": [{"v": 2}]})
    with pytest.raises(InvalidValue, match="/k/0/v"):
        tree.validate({"v": 1, "k": [{"v": "x"}]})
    # What a $dynamicRef means depends on the caller's schema: its value becomes text.
    inner = {"v": 2, "k": None} if reference == "$ref" else '{"v": 2}'
    value = {"v": 1, "k": [inner]}
    assert rewrite(schema, "openai").restore(value) == {"v": 1, "k": [{"v": 2}]}


def test_false_takes_nothing() -> None:
    with pytest.raises(InvalidValue):
        source(False).validate(1)


class Plain:
    def __init__(self, vendor: str) -> None:
        self.vendor = vendor


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (Plain, "make it a Pydantic model, a dataclass or a TypedDict"),
        (list[Plain], "Plain is a class whose fields"),
        (Plain | None, "Plain is a class whose fields"),
        (Iterator[int], "give list[...]"),
    ],
)
def test_a_class_without_fields(schema: Any, said: str) -> None:
    with pytest.raises(SchemaError) as caught:
        source(schema)
    assert said in str(caught.value)
    assert "arbitrary_types_allowed" not in str(caught.value)
