"""A dict without a word of JSON Schema is refused, and told what was likely meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from prompture.errors import SchemaError
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
