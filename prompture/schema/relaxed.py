"""The relaxed form of a schema: what a part of a document may state of a value.

A part need not hold what the whole must: nothing is required, null stands for what is not there, and
lists may be short. Kinds, formats, patterns and bounds of the single values stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prompture.types import JSON, JSONValue

_OF_THE_WHOLE = frozenset(
    (
        "required",
        "minItems",
        "minProperties",
        "minContains",
        "contains",
        "uniqueItems",
        "dependentRequired",
        "dependencies",
        "default",
        "discriminator",
    )
)
"""Keywords that only the whole can satisfy."""
_BESIDE = ("title", "description", "examples", "deprecated")
"""What is written about a property stays beside its union with null, as Pydantic has it."""
_MAPS = ("$defs", "definitions")
_NULL = {"type": "null"}
_ROOTS = {"properties", "items", "additionalProperties", "$ref"}
_KINDS = ("object", "array")


def relaxed(schema: JSON) -> dict[str, Any]:
    """The schema for a part. The schema itself is left as it is."""
    found = _relaxed(schema)
    assert isinstance(found, dict)
    # A part without it gives an empty object or list; of anything else there would be no way to
    # give nothing.
    return found if _ROOTS & found.keys() or found.get("type") in _KINDS else _or_null(found)


def _relaxed(at: JSONValue) -> JSONValue:
    if isinstance(at, list):
        return [_relaxed(each) for each in at]
    if not isinstance(at, Mapping):
        return at
    found: dict[str, Any] = {}
    tags = _tags(at)
    for word, value in at.items():
        if word in _OF_THE_WHOLE:
            continue
        if word == "properties" and isinstance(value, Mapping):
            found[word] = {
                name: inner if name in tags else _or_null(_relaxed(inner))
                for name, inner in value.items()
            }
        elif word in _MAPS and isinstance(value, Mapping):
            found[word] = {name: _relaxed(inner) for name, inner in value.items()}
        # What was one of several by its required keys may now be more than one.
        elif word == "oneOf" and isinstance(value, list):
            found["anyOf"] = [_relaxed(each) for each in value]
        elif word in ("items", "prefixItems", "additionalProperties", "anyOf", "allOf"):
            found[word] = _relaxed(value)
        else:
            found[word] = value
    if tags:
        found["required"] = [name for name in at.get("required", ()) if name in tags]
    return found


def _tags(at: JSON) -> frozenset[str]:
    """The properties by which a branch of a union is known."""
    properties = at.get("properties")
    if not isinstance(properties, Mapping):
        return frozenset()
    required = at.get("required", ())
    return frozenset(
        name
        for name, inner in properties.items()
        if name in required and isinstance(inner, Mapping) and "const" in inner
    )


def _or_null(at: JSONValue) -> Any:
    if not isinstance(at, Mapping) or _takes_null(at):
        return at
    beside = {word: at[word] for word in _BESIDE if word in at}
    return {"anyOf": [{k: v for k, v in at.items() if k not in beside}, _NULL], **beside}


def _takes_null(at: JSON) -> bool:
    kind = at.get("type")
    if kind == "null" or (isinstance(kind, list) and "null" in kind):
        return True
    branches = at.get("anyOf")
    if not isinstance(branches, list):
        return False
    return any(isinstance(branch, Mapping) and _takes_null(branch) for branch in branches)
