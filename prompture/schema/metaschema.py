"""JSON Schema's keywords and the values they may have, as in the metaschemas of drafts 4 to 2020-12.

Values are checked here, and not with ``jsonschema``: that takes most of a second for a schema of
5,000 lines, knows no limits, and has to be imported. More is allowed than drafts 4 and 6 do (an
empty ``required``, a boolean for a schema), where the meaning is clear.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import SequenceMatcher
from functools import lru_cache

from prompture.errors import SchemaError
from prompture.schema.formats import FORMATS
from prompture.schema.problems import kind_in_words
from prompture.types import JSON, JSONValue

Rule = Callable[[JSONValue], str]
"""What is wrong with a keyword's value ("must be ..."); empty where nothing is."""

ONE = [
    "not",
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
    "additionalProperties",
    "additionalItems",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
]
LISTS = ["allOf", "anyOf", "oneOf", "prefixItems"]
MAPS = ["properties", "patternProperties", "definitions", "$defs", "dependentSchemas"]
REFERENCES = ["$ref", "$dynamicRef", "$recursiveRef"]

SINCE = {
    **dict.fromkeys(["const", "contains", "propertyNames"], 6),
    **dict.fromkeys(["if", "then", "else"], 7),
    **dict.fromkeys(
        [
            "$defs",
            "dependentSchemas",
            "dependentRequired",
            "unevaluatedItems",
            "unevaluatedProperties",
            "contentSchema",
            "minContains",
            "maxContains",
            "$recursiveRef",
        ],
        2019,
    ),
    **dict.fromkeys(["prefixItems", "$dynamicRef"], 2020),
}
"""The draft that brought a keyword; before it, the keyword means nothing."""

TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")


def _a_string(value: object) -> str:
    return "" if isinstance(value, str) else f"must be a string, not {kind_in_words(value)}"


def _a_boolean(value: object) -> str:
    return "" if isinstance(value, bool) else f"must be true or false, not {kind_in_words(value)}"


def _a_number(value: object) -> str:
    fits = isinstance(value, (int, float)) and not isinstance(value, bool)
    return "" if fits else f"must be a number, not {kind_in_words(value)}"


def _a_positive_number(value: JSONValue) -> str:
    return _a_number(value) or ("" if value > 0 else "must be greater than 0")


def _a_count(value: JSONValue) -> str:
    fault = _a_number(value)
    return fault or (
        "" if value >= 0 and value == int(value) else "must be a whole number, 0 or more"
    )


def _an_array(value: object) -> str:
    return "" if isinstance(value, list) else f"must be an array, not {kind_in_words(value)}"


def _an_object(value: object) -> str:
    return "" if isinstance(value, dict) else f"must be an object, not {kind_in_words(value)}"


def _names(value: object) -> str:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return "must be an array of strings"
    return "" if len(set(value)) == len(value) else "must not name the same twice"


def _name_lists(value: JSONValue) -> str:
    return _an_object(value) or next(filter(None, map(_names, value.values())), "")


_NEAR = {
    **{name.upper(): name for name in TYPES},
    "str": "string",
    "text": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "double": "number",
    "list": "array",
    "dict": "object",
    "none": "null",
    "date": "string",
}
"""Types by the names that they have elsewhere, in Python and at Gemini."""


def _near(name: str) -> str:
    found = _NEAR.get(name) or _NEAR.get(name.lower()) or _NEAR.get(name.upper())
    return f"{found!r} is meant" if found else f"there are {', '.join(TYPES)}"


def _a_type(value: object) -> str:
    known = ", ".join(TYPES)
    if isinstance(value, str):
        return "" if value in TYPES else f"is {value[:40]!r}, which is no type; {_near(value)}"
    if not isinstance(value, list) or not value:
        return f"must be a type or a list of types; there are {known}"
    for one in value:
        if not isinstance(one, str) or one not in TYPES:
            return f"names a type that is none; there are {known}"
    return "" if len(set(value)) == len(value) else "must not name the same type twice"


def _schemas(value: object) -> str:
    return _an_array(value) or ("" if value else "must not be empty")


def _a_schema(value: object) -> str:
    return (
        "" if isinstance(value, (dict, bool)) else f"must be a schema, not {kind_in_words(value)}"
    )


def _items_of_old(value: object) -> str:
    if isinstance(value, list):
        return _schemas(value)
    return "" if isinstance(value, (dict, bool)) else "must be a schema or an array of them"


_COUNTED = ("Length", "Items", "Properties", "Contains")

_COMMON: dict[str, Rule] = {
    **dict.fromkeys(REFERENCES, _a_string),
    "type": _a_type,
    "enum": _an_array,
    "required": _names,
    "pattern": _a_string,
    "format": _a_string,
    "title": _a_string,
    "description": _a_string,
    "multipleOf": _a_positive_number,
    "maximum": _a_number,
    "minimum": _a_number,
    "exclusiveMaximum": _a_number,
    "exclusiveMinimum": _a_number,
    "uniqueItems": _a_boolean,
    **dict.fromkeys(
        [f"{end}{what}" for end in ("min", "max") for what in _COUNTED],
        _a_count,
    ),
    **dict.fromkeys(ONE, _a_schema),
    **dict.fromkeys(LISTS, _schemas),
    **dict.fromkeys((*MAPS, "dependencies"), _an_object),
    "dependentRequired": _name_lists,
}


def rules_of(draft: int) -> dict[str, Rule]:
    rules = {word: rule for word, rule in _COMMON.items() if SINCE.get(word, 0) <= draft}
    rules["items"] = _a_schema if draft >= 2020 else _items_of_old
    rules["id" if draft == 4 else "$id"] = _a_string
    if draft == 4:
        rules |= {"exclusiveMaximum": _a_boolean, "exclusiveMinimum": _a_boolean}
    if draft == 2020:
        del rules["additionalItems"]
    return rules


# Dicts that are no JSON Schema, and what their authors most likely meant

_RESTRICTING = frozenset(
    {*rules_of(4), *rules_of(2020), *LISTS, *MAPS, *ONE, *REFERENCES, "const"}
) - {
    "title",
    "description",
    "id",
    "$id",
    "$defs",
    "definitions",
}
_ANNOTATIONS = frozenset(
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


def refuse_no_schema(schema: JSON) -> None:
    """Raise SchemaError for a dict without a keyword that restricts values, but with keys that
    JSON Schema does not have. ``{}``, annotations and extensions (``x-...``, ``$...``) are a schema
    that takes anything."""
    inner = _inner(schema)
    if inner and not _restricts(schema):
        raise SchemaError(
            f"the dict is an envelope around a JSON Schema: give what is under {inner!r}"
        )
    if not _restricts(schema) and (foreign := [*filter(_is_foreign, schema)]):
        raise SchemaError(f"the dict is no JSON Schema: {_advice(schema, foreign)}")


def _restricts(schema: JSON) -> bool:
    return any(key in _RESTRICTING and not _is_field_name(key, schema[key]) for key in schema)


def _is_field_name(key: str, value: object) -> bool:
    """Whether a keyword is more likely a field's name: a list of items, the format of a file, the
    ``type`` of OpenAI's envelopes."""
    if key == "items":
        return isinstance(value, list)
    if key == "format":
        return isinstance(value, str) and value not in FORMATS
    return key == "type" and value in ("json_schema", "function", "json_object")


def _is_foreign(key: object) -> bool:
    return key not in _ANNOTATIONS | _RESTRICTING and not str(key).startswith(("x-", "$"))


def _inner(schema: JSON) -> str:
    """The path to the schema in an envelope, as ``json_schema.schema``; empty where there is
    none."""
    for key in _INNER:
        held = schema.get(key)
        if isinstance(held, Mapping):
            deeper = _inner(held)
            if deeper:
                return f"{key}.{deeper}"
            if _restricts(held):
                return key
    return ""


def _advice(schema: JSON, foreign: list[JSONValue]) -> str:
    names = ", ".join(repr(str(key)[:40]) for key in foreign[:_SHOWN])
    more = f" and {len(foreign) - _SHOWN} more" if len(foreign) > _SHOWN else ""
    name = str(foreign[0])[:40]
    kind = schema[foreign[0]]
    shown = f'{{"type": "{kind if kind in _STRUCTURED else "string"}"}}'
    return (
        f"{names}{more} {'is' if len(foreign) == 1 else 'are'} no word of it. For an object with "
        f'fields of these names write {{"type": "object", "properties": {{"{name}": {shown}, ...}}'
        "}, or give a TypedDict or a Pydantic model"
    )


_STRUCTURED = ("array", "boolean", "integer", "number", "object", "string")


# Keywords that a slip of the pen, or another language's spelling, makes meaningless

_FOLDED = {word.lower(): word for word in sorted(_RESTRICTING)}


@lru_cache(maxsize=1024)
def misspelt(key: str) -> str:
    """The keyword that an unknown one most likely is (``propertys``, ``min_length``, ``anyof``);
    empty where it is a word of its own."""
    if key in _RESTRICTING or key in _ANNOTATIONS or key.startswith(("x-", "$")):
        return ""
    plain = key.replace("_", "").replace("-", "").lower()
    if plain in _FOLDED:
        return _FOLDED[plain]
    return next((word for folded, word in _FOLDED.items() if _is_slip(plain, folded)), "")


def _is_slip(word: str, known: str) -> bool:
    """One letter too many, missing, other or swapped; of a long word, two."""
    if len(known) < 4 or abs(len(word) - len(known)) > 1:
        return False
    if sorted(word) == sorted(known) or word in (f"{known}s", known[:-1]):
        return True
    return len(known) >= 8 and SequenceMatcher(None, word, known).ratio() >= 0.84
