"""JSON's own notions, for all parts that read it: kinds, equality, how deep it may be.

Equality is that of JSON Schema: ``1 == 1.0``, but ``True != 1``; the order of keys does not count.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from prompture.types import JSONValue as JSONValue

JSONObject: TypeAlias = dict[str, Any]
"""A JSON object: a schema, or a value."""

DEPTH_LIMIT = 200
"""Objects and lists within each other in any JSON that is read, as in pydantic-core's parser."""
UNLIKE = "it gives a key twice, with unlike values"
NAN_BECAME_NULL = "NaN became null"

KINDS = ("object", "array", "string", "number", "boolean", "null")
EVERY = frozenset(KINDS)


def kind_of(value: JSONValue) -> str:
    """One of :data:`KINDS`; what is not JSON at all answers ``"none"``."""
    if isinstance(value, str):
        return "string"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, dict):
        return "object"
    return "array" if isinstance(value, list) else "none"


def same(a: JSONValue, b: JSONValue) -> bool:
    """Equal as JSON values."""
    if a is b:
        return True
    kind = kind_of(a)
    if kind != kind_of(b):
        return False
    if kind == "object":
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if kind == "array":
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def family(word: str) -> str:
    """The kind of a ``type`` word: an integer is a number."""
    return "number" if word == "integer" else word


def unlike_key(pairs: list[tuple[str, JSONValue]], made: JSONObject) -> bool:
    """Whether some key has unlike values; ``made`` is the dict of the pairs, with the last ones."""
    return len(made) != len(pairs) and any(not same(made[key], value) for key, value in pairs)
