"""JSON's own notions, for all parts that read it: kinds, equality, pointers, how deep it may be.

Equality is that of JSON Schema: ``1 == 1.0``, but ``True != 1``; the order of keys does not count.
Pointers are those of RFC 6901; nothing else writes, reads or follows them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias
from urllib.parse import unquote

from prompture.types import JSONValue as JSONValue

JSONObject: TypeAlias = dict[str, Any]
"""A JSON object: a schema, or a value."""

Segment: TypeAlias = str | int
"""A key of an object, or the index of an item."""

DEPTH_LIMIT = 200
"""Objects and lists within each other in any JSON that is read, as in pydantic-core's parser."""
TOO_DEEP = f"it is nested more than {DEPTH_LIMIT} deep"
UNLIKE = "it gives a key twice, with unlike values"
NAN_BECAME_NULL = "NaN became null"
_NOTHING: Any = object()

KINDS = ("object", "array", "string", "number", "boolean", "null")
EVERY = frozenset(KINDS)


def kind_of(value: JSONValue) -> str:
    """One of :data:`KINDS`; what is not JSON at all answers ``"none"``."""
    if isinstance(value, str):
        return "string"
    if value is None:
        return "null"
    # Before the numbers: True is an int in Python.
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, dict):
        return "object"
    return "array" if isinstance(value, list) else "none"


def same(a: JSONValue, b: JSONValue) -> bool:
    """Equal as JSON values."""
    # What two values share needs no walk.
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


def escape(segment: Segment) -> str:
    """One segment, with its ``~`` and ``/`` escaped."""
    return str(segment).replace("~", "~0").replace("/", "~1")


def unescape(token: str) -> str:
    """The key that one token of a pointer stands for."""
    # In this order: "~01" stands for "~1" (RFC 6901, section 4).
    return token.replace("~1", "/").replace("~0", "~")


def pointer(segments: Iterable[Segment]) -> str:
    """The pointer of a path; the empty path is the root, ``""``."""
    return "".join(f"/{escape(segment)}" for segment in segments)


def segments_of(pointer: str) -> tuple[str, ...]:
    """The keys of a pointer. What stands before its first ``/`` (the ``#`` of a reference) is left out."""
    return tuple(unescape(token) for token in pointer.split("/")[1:])


def step(value: Any, segment: Segment, default: Any = None) -> Any:
    """The member or item under one segment, ``default`` where there is none.

    Digits are a key in an object and an index in a list, as RFC 6901 has it.
    """
    if isinstance(value, Mapping):
        return value.get(segment if segment in value else str(segment), default)
    if isinstance(value, list):
        # "²" is a digit to str.isdigit, but no number to int().
        index = int(segment) if isinstance(segment, int) or segment.isdecimal() else -1
        return value[index] if 0 <= index < len(value) else default
    return default


def value_at(root: Any, segments: Iterable[Segment], default: Any = None) -> Any:
    """The value at a path, ``default`` where there is none."""
    for segment in segments:
        root = step(root, segment, _NOTHING)
        if root is _NOTHING:
            return default
    return root


def referenced(root: Any, reference: str, default: Any = None) -> Any:
    """The part of a schema that ``#`` or ``#/a/b`` names, percent-decoded; ``default`` for other references."""
    if reference in ("", "#"):
        return root
    if not reference.startswith("#/"):
        return default
    return value_at(root, segments_of(unquote(reference)), default)


def is_too_deep(value: object) -> bool:
    """Whether the value is nested too deeply for those who walk it."""
    level = [value] if isinstance(value, (dict, list)) else []
    depth = 0
    while level:
        depth += 1
        if depth > DEPTH_LIMIT:
            return True
        level = [inner for each in level for inner in _containers_in(each)]
    return False


def _containers_in(value: Any) -> Iterator[Any]:
    """The objects and lists that are directly in one."""
    held = value.values() if isinstance(value, dict) else value
    return (each for each in held if isinstance(each, (dict, list)))
