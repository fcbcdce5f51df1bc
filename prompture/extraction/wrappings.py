"""What models put around a value: a key, the shape of the schema, a tool call written as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prompture.schema.keys import Vocabulary
from prompture.wire.loading import UnreadableJSON, load_json

_DEPTH = 3
_ARGUMENTS = ("arguments", "parameters", "args", "input", "tool_input", "action_input", "kwargs")
_OF_CALLS = frozenset(
    (
        *_ARGUMENTS,
        "name",
        "function",
        "type",
        "id",
        "call_id",
        "index",
        "tool",
        "tool_name",
        "recipient_name",
        "action",
    )
)
_OF_SCHEMAS = frozenset(
    [
        "properties",
        "type",
        "title",
        "description",
        "required",
        "$schema",
        "$defs",
        "definitions",
        "$id",
        "additionalProperties",
    ]
)
_SAYS_TYPE = frozenset({"type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const"})


def is_wrapping(answer: Any, keys: Vocabulary) -> bool:
    """Whether it is a call or a schema, of which no key may be read as data."""
    return _arguments_of(answer, keys) is not None or _properties_of(answer, keys) is not None


def inner_values(answer: Any, keys: Vocabulary) -> Iterator[Any]:
    """What may be the value inside of what is not: outermost first."""
    for _ in range(_DEPTH):
        answer = _inner(answer, keys)
        if answer is None:
            return
        if not is_wrapping(answer, keys):
            yield answer


def _inner(answer: Any, keys: Vocabulary) -> Any:
    if isinstance(answer, str):
        return _object_in(answer)
    if isinstance(answer, list):  # of one object: that is the object
        is_one = len(answer) == 1 and isinstance(answer[0], dict) and not keys.takes_lists
        return answer[0] if is_one else None
    if not isinstance(answer, dict):
        return None
    for inside in (_arguments_of(answer, keys), _properties_of(answer, keys)):
        if inside is not None:
            return inside
    if len(answer) != 1:
        return None
    ((key, inner),) = answer.items()
    if keys.knows(key):
        return None
    return inner if isinstance(inner, (dict, list)) else _object_in(inner)


def _object_in(text: Any) -> Any:
    """The object or list that a text is the JSON of: it was encoded twice."""
    if not isinstance(text, str) or text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return load_json(text)
    except UnreadableJSON:
        return None


def _arguments_of(answer: Any, keys: Vocabulary) -> Any:
    """The arguments of a tool call; None where the object is none."""
    if not isinstance(answer, dict) or not answer.keys() <= _OF_CALLS:
        return None
    function = answer.get("function")
    if isinstance(function, dict) and not keys.knows("function"):
        return _arguments_of(function, keys)
    for word in _ARGUMENTS:
        inner = answer.get(word)
        if inner is not None and not keys.knows(word):
            return inner if isinstance(inner, dict) else _object_in(inner)
    return None


def _properties_of(answer: Any, keys: Vocabulary) -> Any:
    """The data that was put in the place of a schema's properties; the properties themselves
    where it is a schema."""
    if not isinstance(answer, dict) or not answer.keys() <= _OF_SCHEMAS:
        return None
    inner = answer.get("properties")
    return inner if isinstance(inner, dict) and not keys.knows("properties") else None


def is_schema(properties: Mapping[str, Any]) -> bool:
    """Whether the values are schemas themselves."""
    return bool(properties) and all(
        isinstance(each, dict) and _SAYS_TYPE & each.keys() for each in properties.values()
    )
