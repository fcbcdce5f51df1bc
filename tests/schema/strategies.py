"""Hypothesis strategies: schemas of the kinds people write, with values made for them, and values made to annoy."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

NAMES = [
    "a",
    "b",
    "c",
    "key",
    "value",
    "kind",
    "item1",
    "rest",
    "other_fields",
    "$ref",
    "required",
    "x y",
    "",
]
names = st.sampled_from(NAMES)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 1, -1, 2, 1.0, 0.5, 10**17]),
    st.sampled_from(
        ["", "a", "b", "null", "true", "1", '"a"', "{}", "[]", '{"a":1}', "abcdef", "Ä"]
    ),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(names, inner, max_size=3),
        st.lists(st.fixed_dictionaries({"key": names, "value": inner}), max_size=2),
        st.fixed_dictionaries({"kind": st.sampled_from(["object", "array", "a"]), "value": inner}),
    ),
    max_leaves=6,
)
Pair = tuple[Any, Any]


@st.composite
def pairs(draw: st.DrawFn, depth: int = 3) -> Pair:
    """A schema and a value that is likely, but not certain, to be valid under it."""
    makers = [scalar_pairs(), literal_pairs(), st.tuples(st.sampled_from([{}, True]), values)]
    if depth > 0:
        makers += [
            list_pairs(depth - 1),
            tuple_pairs(depth - 1),
            record_pairs(depth - 1),
            record_pairs(depth - 1),
            dict_pairs(depth - 1),
            union_pairs(depth - 1),
            all_pairs(depth - 1),
            recursive_pairs(),
        ]
    schema, value = draw(st.one_of(makers))
    if isinstance(schema, dict) and draw(st.integers(0, 5)) == 0:
        schema = {**schema, "title": draw(st.sampled_from(["T", "U"])), "description": "what it is"}
    if draw(st.integers(0, 11)) == 0:
        value = draw(values)
    return schema, value


@st.composite
def scalar_pairs(draw: st.DrawFn) -> Pair:
    return draw(
        st.sampled_from(
            [
                ({"type": "string"}, "a"),
                ({"type": "string", "minLength": 1, "maxLength": 4}, "b"),
                ({"type": "string", "pattern": "^[a-z]+$"}, "abcdef"),
                ({"type": "string", "pattern": "^(?!x)"}, "a"),
                ({"type": "string", "format": "date"}, "2026-01-01"),
                ({"type": "integer"}, 1),
                ({"type": "integer"}, 1.0),
                ({"type": "integer", "minimum": 0, "exclusiveMaximum": 3}, 2),
                ({"type": "number", "multipleOf": 0.5}, 0.5),
                ({"type": "number", "minimum": 0, "exclusiveMinimum": True}, 1),
                ({"type": "boolean"}, True),
                ({"type": "null"}, None),
                ({"type": ["string", "null"]}, None),
                ({"type": ["integer", "string", "array"]}, "1"),
                ({"type": ["object", "null"]}, None),
                ({"minLength": 2}, 5),
            ]
        )
    )


@st.composite
def literal_pairs(draw: st.DrawFn) -> Pair:
    members = draw(st.lists(values, min_size=1, max_size=4))
    chosen = draw(st.sampled_from(members))
    if draw(st.booleans()):
        return {"const": chosen}, chosen
    return {"enum": members}, chosen


@st.composite
def list_pairs(draw: st.DrawFn, depth: int) -> Pair:
    schema, value = draw(pairs(depth))
    found: dict[str, Any] = {"type": "array", "items": schema}
    if draw(st.booleans()):
        found["minItems"] = draw(st.integers(0, 2))
    if draw(st.integers(0, 3)) == 0:
        found["maxItems"] = draw(st.integers(0, 2))
    if draw(st.integers(0, 4)) == 0:
        found["uniqueItems"] = True
    return found, [value] * draw(st.integers(0, 2))


@st.composite
def tuple_pairs(draw: st.DrawFn, depth: int) -> Pair:
    parts = draw(st.lists(pairs(depth), min_size=1, max_size=3))
    found: dict[str, Any] = {"type": "array", "prefixItems": [schema for schema, _ in parts]}
    value = [item for _, item in parts][: draw(st.integers(0, 3))]
    rest = draw(st.sampled_from(["no", "any", "typed"]))
    if rest == "no":
        found["items"] = False
    if rest == "typed":
        found["items"] = {"type": "integer"}
        if len(value) == len(parts):
            value = value + [1] * draw(st.integers(0, 2))
    if draw(st.booleans()):
        found["minItems"] = draw(st.integers(0, len(parts)))
    return found, value


@st.composite
def record_pairs(draw: st.DrawFn, depth: int) -> Pair:
    parts = draw(st.dictionaries(names, pairs(depth), min_size=1, max_size=4))
    required = [name for name in parts if draw(st.booleans())]
    found: dict[str, Any] = {"properties": {name: schema for name, (schema, _) in parts.items()}}
    if draw(st.integers(0, 6)):
        found["type"] = "object"
    if required:
        found["required"] = required
    value = {
        name: item for name, (_, item) in parts.items() if name in required or draw(st.booleans())
    }
    match draw(st.sampled_from(["silent", "closed", "any", "typed", "pattern", "condition"])):
        case "closed":
            found["additionalProperties"] = False
        case "any":
            found["additionalProperties"] = True
        case "typed":
            found["additionalProperties"] = {"type": "integer"}
        case "pattern":
            found["patternProperties"] = {"^x": {"type": "integer"}, "y$": {"minimum": 1}}
        case "condition":
            found["if"] = {"required": ["a"]}
            found["then"] = {"required": ["b"]}
            if draw(st.booleans()):
                found["else"] = {"properties": {"c": {"type": "string"}}}
    if draw(st.booleans()):
        value[draw(names)] = draw(st.one_of(st.just(1), scalars))
    return found, value


@st.composite
def dict_pairs(draw: st.DrawFn, depth: int) -> Pair:
    schema, value = draw(pairs(depth))
    keys = draw(st.lists(names, max_size=2, unique=True))
    found: dict[str, Any] = {"type": "object", "additionalProperties": schema}
    if draw(st.integers(0, 4)) == 0:
        found = {"type": "object", "patternProperties": {"^[a-k]": schema}}
    if draw(st.integers(0, 4)) == 0:
        found["minProperties"] = 1
    if draw(st.integers(0, 4)) == 0:
        found["propertyNames"] = {"pattern": "^[a-z_0-9]*$"}
    return found, dict.fromkeys(keys, value)


@st.composite
def union_pairs(draw: st.DrawFn, depth: int) -> Pair:
    parts = draw(st.lists(pairs(depth), min_size=1, max_size=3))
    word = draw(st.sampled_from(["anyOf", "anyOf", "oneOf"]))
    found: dict[str, Any] = {word: [schema for schema, _ in parts]}
    if draw(st.integers(0, 5)) == 0:
        found["type"] = draw(st.sampled_from(["object", "array", "string"]))
    if draw(st.integers(0, 5)) == 0:
        found["not"] = {"const": "a"}
    return found, draw(st.sampled_from([value for _, value in parts]))


@st.composite
def all_pairs(draw: st.DrawFn, depth: int) -> Pair:
    one, value = draw(record_pairs(depth))
    other, more = draw(st.one_of(record_pairs(depth), union_pairs(depth)))
    if isinstance(more, dict):
        value = {**more, **value}
    found: dict[str, Any] = {"allOf": [one, other]}
    if draw(st.integers(0, 3)) == 0:
        found["unevaluatedProperties"] = False
    return found, value


@st.composite
def recursive_pairs(draw: st.DrawFn) -> Pair:
    """A reference to a definition of :data:`DEFINITIONS`, which the whole schema must carry."""
    return draw(
        st.sampled_from(
            [
                ({"$ref": "#/$defs/tree"}, {"v": 1, "kids": [{"v": 2, "kids": []}]}),
                (
                    {"$ref": "#/$defs/tree"},
                    {"v": 1, "kids": [{"kids": [{"kids": [{"kids": [{"v": 9}]}]}]}]},
                ),
                ({"$ref": "#/$defs/list"}, {"next": {"next": None, "x": 1}}),
                ({"$ref": "#/$defs/json"}, {"a": [1, {"b": None}]}),
                ({"$ref": "#/$defs/tree", "required": ["v"]}, {"v": 1}),
                ({"$ref": "#/$defs/name", "description": "a name"}, "a"),
            ]
        )
    )


DEFINITIONS: dict[str, Any] = {
    "tree": {
        "type": "object",
        "properties": {
            "v": {"type": "integer"},
            "kids": {"type": "array", "items": {"$ref": "#/$defs/tree"}},
        },
        "additionalProperties": False,
    },
    "list": {
        "type": "object",
        "properties": {"next": {"anyOf": [{"$ref": "#/$defs/list"}, {"type": "null"}]}},
    },
    "json": {
        "anyOf": [
            {"type": ["string", "integer", "null"]},
            {"type": "array", "items": {"$ref": "#/$defs/json"}},
            {"type": "object", "additionalProperties": {"$ref": "#/$defs/json"}},
        ]
    },
    "name": {"type": "string", "maxLength": 9},
}


@st.composite
def documents(draw: st.DrawFn) -> tuple[dict[str, Any], list[Any]]:
    """A whole schema and a few values."""
    schema, value = draw(pairs())
    if not isinstance(schema, dict):
        schema = {"not": {}} if schema is False else {}
    if draw(st.integers(0, 9)) == 0:
        schema = {"$schema": "http://json-schema.org/draft-07/schema#", **schema}
    return {**schema, "$defs": DEFINITIONS}, [value, draw(values), draw(values)]
