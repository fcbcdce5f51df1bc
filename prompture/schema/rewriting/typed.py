"""One schema with a type, an enum or a const, as alternatives, in the spelling of draft 2020-12."""

from __future__ import annotations

from typing import Any

from prompture.errors import SchemaError
from prompture.schema.rewriting.alts import ANYTHING, WORDS, Alt, Conj, Rows, Shape, by_kind
from prompture.schema.rewriting.kinds import EVERY, family, same


def typed(word: str, schema: dict[str, Any], draft: int) -> Alt:
    """The alternative of one type, its words in the spelling of draft 2020-12."""
    alt = Alt(word, words_of(schema, WORDS[word]))
    if word in ("number", "integer"):
        modern_bounds(alt.words, draft)
    elif word == "object":
        alt.shape = _shape(schema)
    elif word == "array":
        alt.rows = _rows(schema, draft)
    return alt


def words_of(schema: dict[str, Any], wanted: tuple[str, ...]) -> dict[str, Any]:
    found = {word: schema[word] for word in wanted if schema.get(word) is not None}
    for word, value in found.items():
        expected = str if word in ("pattern", "format") else int | float
        if not isinstance(value, expected):
            raise SchemaError(f"{word} takes no {type(value).__name__}")
    return found


def modern_bounds(words: dict[str, Any], draft: int) -> None:
    """Draft 4 said ``exclusiveMinimum: true`` beside ``minimum``."""
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        value = words.get(exclusive)
        if value is True and bound in words:
            words[exclusive] = words.pop(bound)
        elif isinstance(value, bool) or (draft < 6 and value is not None):
            del words[exclusive]


def _shape(schema: dict[str, Any]) -> Shape:
    named = schema.get("properties")
    shape = Shape({name: (sub,) for name, sub in named.items()} if isinstance(named, dict) else {})
    patterns = schema.get("patternProperties")
    if isinstance(patterns, dict):
        shape.patterns = [(pattern, (sub,)) for pattern, sub in patterns.items()]
    if "additionalProperties" in schema:
        rest = schema["additionalProperties"]
        shape.rest = ANYTHING if rest is True or rest == {} else (rest,)
    required = schema.get("required")
    if isinstance(required, list):
        shape.required = tuple(dict.fromkeys(name for name in required if isinstance(name, str)))
    if isinstance(names := schema.get("propertyNames"), dict):
        shape.names = (names,)
    return shape


def _rows(schema: dict[str, Any], draft: int) -> Rows:
    items = schema.get("items")
    prefix = schema.get("prefixItems")
    if isinstance(prefix, list) and draft >= 2020:
        return Rows([_single(sub) for sub in prefix], _single(items), "items" in schema)
    if isinstance(items, list):
        return Rows(
            [_single(sub) for sub in items],
            _single(schema.get("additionalItems")),
            "additionalItems" in schema,
        )
    return Rows([], _single(items))


def _single(schema: Any) -> Conj:
    return ANYTHING if schema is None or schema is True or schema == {} else (schema,)


def literals(schema: dict[str, Any], types: list[str] | None, *, has_const: bool) -> list[Alt]:
    values = schema.get("enum", [])
    if not isinstance(values, list):
        raise SchemaError("enum is a list of values")
    if has_const and "const" in schema:
        values = [value for value in values or [schema["const"]] if same(value, schema["const"])]
    kinds = EVERY if types is None else {family(word) for word in types}
    return [
        Alt(kind, values=members)
        for kind, members in by_kind(distinct(values)).items()
        if kind in kinds
    ]


def distinct(values: list[Any]) -> list[Any]:
    seen: dict[Any, None] = {}
    kept = []
    for value in values:
        try:
            key = (type(value) is bool, value)
            if key in seen:
                continue
            seen[key] = None
        except TypeError:
            pass  # lists and objects are kept as they are
        kept.append(value)
    return kept
