"""Leaves of a value that have no place in the text, and why: ``"inferred"`` or ``"absent"``.

Inferred is what the text need not print: true and false; a member of an enum, a constant or a
default, which the schema gives; a computed field, which your class gives; a string without a letter
or digit; and what the schema marks with ``"x-inferred": true``. Any other string or number is
absent: the text should hold it, and does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from prompture.given import unknown
from prompture.json_values import pointer, referenced, same
from prompture.types import JSON, JSONValue

Why: TypeAlias = Literal["inferred", "absent"]
Path: TypeAlias = tuple[str | int, ...]

MARK = "x-inferred"
"""Keyword of a schema for what a model makes itself: a summary, a class, a sum."""
_MOST_BRANCHES = 60
"""Of unions within unions, so many branches are looked at."""
_BRANCHES = ("anyOf", "oneOf", "allOf")
_WORD = re.compile(r"[^\W_]")


def ungrounded(
    value: JSONValue, found: Mapping[str, object], schema: JSON, *, typed: object = None
) -> dict[str, Why]:
    """Why each leaf without a place in ``found`` has none, by JSON pointer; null has no entry.

    ``typed`` is the value as its class, which may compute fields that the schema does not know.
    """
    look = Leaves(schema, typed)
    return {
        where: look.why(path, value, leaf)
        for path, leaf in leaves_of(value)
        if (where := pointer(path)) not in found
    }


def leaves_of(value: JSONValue) -> Iterator[tuple[Path, JSONValue]]:
    """The strings, numbers and booleans of a value, in its order."""
    stack: list[tuple[Path, JSONValue]] = [((), value)]
    while stack:
        path, one = stack.pop()
        if isinstance(one, Mapping):
            # Reversed, for a stack gives back the last one first.
            stack += reversed([((*path, key), inner) for key, inner in one.items()])
        elif isinstance(one, list):
            stack += reversed([((*path, i), inner) for i, inner in enumerate(one)])
        elif one is not None:
            yield path, one


class Leaves:
    """What a schema says of the leaves of a value."""

    def __init__(self, schema: JSON, typed: object = None) -> None:
        self._schema = schema
        self._typed = typed
        self._computed: frozenset[str] | None = None
        # Rows of a list are alike: their schema is looked up once.
        self._step = lru_cache(4096)(self._member)
        self._root = _branches([schema], schema)
        self._known: dict[tuple[int, ...], list[JSON]] = {}

    def why(self, path: Path, value: JSONValue, leaf: JSONValue) -> Why:
        """Why the leaf at ``path`` of ``value`` may have no place."""
        if isinstance(leaf, bool) or (isinstance(leaf, str) and not _WORD.search(leaf)):
            return "inferred"
        return "inferred" if self._is_given(path, value) else "absent"

    def takes_null(self, path: Path) -> bool:
        """Whether null may stand there."""
        return any(_takes_null(each) for each in self._at(path))

    def _is_given(self, path: Path, value: JSONValue) -> bool:
        """Whether the schema or the class gives the leaf, or says that it is the model's own."""
        at: JSONValue = value
        for depth in range(len(path) + 1):
            found = self._at(path[:depth])
            if any(each.get(MARK) is True or _states(each, at) for each in found):
                return True
            if depth == len(path):
                return False
            step = path[depth]
            if not self._at(path[: depth + 1]) and step in self._computed_names():
                return True
            at = at[step]
        return False

    def _at(self, path: Path) -> list[JSON]:
        found = self._root
        for step in path:
            # A list has one schema for its rows, but for those of a tuple.
            key = tuple(map(id, found))
            self._known[key] = found
            found = self._step(key, step if isinstance(step, str) else _place(found, step))
            if not found:
                break
        return found

    def _member(self, key: tuple[int, ...], step: str | int) -> list[JSON]:
        inner = [found for each in self._known[key] for found in _members(each, step)]
        return _branches(inner, self._schema)

    def _computed_names(self) -> frozenset[str]:
        if self._computed is None:
            self._computed = frozenset(_computed_in(self._typed))
        return self._computed


def _place(found: Sequence[JSON], step: int) -> int:
    return step if any("prefixItems" in each for each in found) else 0


def check_part(part: Sequence[str], schema: JSON) -> str:
    """What is wrong with a pattern of a pointer ("*" for every key and item), "" if nothing: it
    names what no value of the schema has, or what no text prints."""
    found = _branches([schema], schema)
    for step in part:
        inner = [each for at in found for each in _parts(at, step) if each is not None]
        if not inner or inner == [False]:
            known = [name for at in found for name in at.get("properties") or ()]
            # Of an object that names no field, nothing is known.
            return unknown("field", step, known) if known and step != "*" else ""
        found = _branches(inner, schema)
    words = [at["type"] for at in found if "type" in at]
    kinds = {word for each in words for word in (each if isinstance(each, list) else [each])}
    if "boolean" in kinds and kinds <= {"boolean", "null"}:
        return f"{pointer(part)} is true or false, which stands in no text"
    return ""


def _parts(at: JSON, step: str) -> Iterator[JSONValue]:
    """The schemas of what one step of a pattern names."""
    if step != "*":
        yield from _members(at, step)
        if step.isdecimal():
            yield from _members(at, int(step))
        return
    for word in ("properties", "patternProperties"):
        named = at.get(word)
        yield from named.values() if isinstance(named, Mapping) else ()
    prefix = at.get("prefixItems")
    yield from prefix if isinstance(prefix, list) else ()
    yield at.get("items")
    others = at.get("additionalProperties")
    yield {} if others is True else others


def _branches(schemas: Sequence[JSONValue], root: JSON) -> list[JSON]:
    """The schemas, what they refer to, and the branches of their unions."""
    todo, found, seen = list(reversed(schemas)), list[JSON](), set[int]()
    while todo and len(found) < _MOST_BRANCHES:
        at = todo.pop()
        if not isinstance(at, Mapping) or id(at) in seen:
            continue
        seen.add(id(at))
        found.append(at)
        if isinstance(at.get("$ref"), str):
            todo.append(referenced(root, at["$ref"]))
        for word in _BRANCHES:
            branches = at.get(word)
            todo += reversed(branches) if isinstance(branches, list) else ()
    return found


def _members(at: JSON, step: str | int) -> Iterator[JSONValue]:
    """The schemas that an object or a list has for one of its parts."""
    if isinstance(step, int):
        prefix = at.get("prefixItems")
        if isinstance(prefix, list) and step < len(prefix):
            yield prefix[step]
        else:
            yield at.get("items")
        return
    properties = at.get("properties")
    if isinstance(properties, Mapping) and step in properties:
        yield properties[step]
        return
    patterns = at.get("patternProperties")
    yield from patterns.values() if isinstance(patterns, Mapping) else ()
    others = at.get("additionalProperties")
    # True is a schema that says nothing, and yet the part is none that a class computes.
    yield {} if others is True else others


def _states(schema: JSON, value: JSONValue) -> bool:
    """Whether a schema gives this very value."""
    members = schema.get("enum")
    if isinstance(members, list) and any(same(each, value) for each in members):
        return True
    return any(same(schema[word], value) for word in ("const", "default") if word in schema)


def _takes_null(schema: JSON) -> bool:
    kind = schema.get("type")
    nullable = schema.get("nullable") is True or kind == "null"
    return nullable or (isinstance(kind, list) and "null" in kind)


def _computed_in(value: object) -> Iterator[str]:
    """The names of the fields that the classes within a value compute."""
    todo, seen = [value], set[int]()
    while todo:
        one = todo.pop()
        if id(one) in seen or isinstance(one, (str, int, float, bytes, type(None))):
            continue
        seen.add(id(one))
        if isinstance(one, Mapping):
            todo += one.values()
        elif isinstance(one, (list, tuple, set, frozenset)):
            todo += one
        elif decorators := getattr(type(one), "__pydantic_decorators__", None):
            for name, field in decorators.computed_fields.items():
                yield name
                alias: Any = field.info.alias
                yield from (alias,) if isinstance(alias, str) else ()
            todo += getattr(one, "__dict__", {}).values()
