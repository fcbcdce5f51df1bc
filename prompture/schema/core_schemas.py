"""Pydantic's core schemas, walked by their own structure.

A core schema is a dict whose ``type`` says which of its keys hold further schemas. A mapping of
fields is no schema: its keys are names that a user chose, and ``type`` may be one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Core = Mapping[str, Any]

_ONE = (
    "schema",
    "items_schema",
    "keys_schema",
    "values_schema",
    "extras_schema",
    "extras_keys_schema",
    "lax_schema",
    "strict_schema",
    "json_schema",
    "python_schema",
    "arguments_schema",
    "return_schema",
    "var_args_schema",
    "var_kwargs_schema",
)
"""Keys whose value is a schema, or where a type needs it (a tuple, a call), a list of them."""

_MANY = ("choices", "steps", "fields", "definitions")
"""Keys whose value is a list of schemas, or a mapping of names or tags to them."""


def parts_of(core: Core) -> Iterator[Core]:
    """The schemas right inside a schema. A field of an object counts as one: it has a
    ``schema``, and its ``type`` is that of a field, or it has none."""
    for key in _ONE + _MANY:
        held = core.get(key)
        if isinstance(held, Mapping) and key in _ONE:
            yield held
        elif held is not None:
            yield from _each(held)


def _each(held: Any) -> Iterator[Core]:
    for one in held.values() if isinstance(held, Mapping) else held:
        schema = one[0] if isinstance(one, tuple) else one  # a branch of a union and its label
        if isinstance(schema, Mapping):  # a dataclass also lists its fields' mere names
            yield schema


def nodes_of(root: Core) -> Iterator[Core]:
    """The schema and every one inside it, once each; references are not followed."""
    pending, seen = [root], set[int]()
    while pending:
        node = pending.pop()
        if id(node) not in seen:
            seen.add(id(node))
            yield node
            pending += parts_of(node)


def rebuilt(core: Core, change: Callable[[Core], Core]) -> dict[str, Any]:
    """A copy of the schema in which every schema right inside it is what ``change`` makes of it."""
    copy = dict(core)
    for key in _ONE + _MANY:
        held = core.get(key)
        if isinstance(held, Mapping):
            if key in _ONE:
                copy[key] = change(held)
            else:
                copy[key] = {name: _changed(one, change) for name, one in held.items()}
        elif isinstance(held, list):
            copy[key] = [_changed(one, change) for one in held]
    return copy


def _changed(one: object, change: Callable[[Core], Core]) -> Any:
    if isinstance(one, tuple):
        return (change(one[0]), *one[1:])
    return change(one) if isinstance(one, Mapping) else one
