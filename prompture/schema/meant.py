"""Dicts that say nothing in JSON Schema, and what their authors most likely meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prompture.errors import SchemaError
from prompture.schema.formats import FORMATS
from prompture.schema.shapes import LISTS, MAPS, ONE, REFERENCES, rules_of

_SAYING = frozenset({*rules_of(4), *rules_of(2020), *LISTS, *MAPS, *ONE, *REFERENCES, "const"}) - {
    "title",
    "description",
    "id",
    "$id",
    "$defs",
    "definitions",
}
_ASIDE = frozenset(
    {
        "id",
        "definitions",
        "title",
        "description",
        "default",
        "example",
        "examples",
        "deprecated",
        "readOnly",
        "writeOnly",
        "nullable",
        "discriminator",
        "xml",
        "externalDocs",
        "contentEncoding",
        "contentMediaType",
    }
)
"""Annotations, those of OpenAPI too: with nothing else, the schema takes any value."""

_INNER = ("schema", "json_schema", "parameters", "input_schema", "function", "response_format")
"""Where the envelopes of providers hold the schema itself."""
_SHOWN = 5


def refuse_what_says_nothing(schema: Mapping[str, Any]) -> None:
    """Raise SchemaError for a dict with keys of which none restricts a value and some are no
    words of JSON Schema. ``{}``, annotations and extensions (``x-...``, ``$...``) are a schema
    that takes anything."""
    inner = _inner(schema)
    if inner and not _says_something(schema):
        raise SchemaError(
            f"the dict is an envelope around a JSON Schema: give what is under {inner!r}"
        )
    if not _says_something(schema) and (foreign := [*filter(_is_foreign, schema)]):
        raise SchemaError(f"the dict is no JSON Schema: {_advice(schema, foreign)}")


def _says_something(schema: Mapping[str, Any]) -> bool:
    return any(key in _SAYING and not _only_looks_so(key, schema[key]) for key in schema)


def _only_looks_so(key: str, value: Any) -> bool:
    """Whether a keyword is more likely a field's name: a list of items, the format of a file, the
    ``type`` of OpenAI's envelopes."""
    if key == "items":
        return isinstance(value, list)
    if key == "format":
        return isinstance(value, str) and value not in FORMATS
    return key == "type" and value in ("json_schema", "function", "json_object")


def _is_foreign(key: Any) -> bool:
    return key not in _ASIDE | _SAYING and not str(key).startswith(("x-", "$"))


def _inner(schema: Mapping[str, Any]) -> str:
    """The path to the schema in an envelope, as ``json_schema.schema``; empty where there is
    none."""
    for key in _INNER:
        held = schema.get(key)
        if isinstance(held, Mapping):
            deeper = _inner(held)
            if deeper:
                return f"{key}.{deeper}"
            if _says_something(held):
                return key
    return ""


def _advice(schema: Mapping[str, Any], foreign: list[Any]) -> str:
    names = ", ".join(repr(str(key)[:40]) for key in foreign[:_SHOWN])
    more = f" and {len(foreign) - _SHOWN} more" if len(foreign) > _SHOWN else ""
    name = str(foreign[0])[:40]
    kind = schema[foreign[0]]
    shown = f'{{"type": "{kind if kind in _TYPES else "string"}"}}'
    return (
        f"{names}{more} {'is' if len(foreign) == 1 else 'are'} no word of it. For an object with "
        f'fields of these names write {{"type": "object", "properties": {{"{name}": {shown}, ...}}'
        "}, or give a TypedDict or a Pydantic model"
    )


_TYPES = ("array", "boolean", "integer", "number", "object", "string")
