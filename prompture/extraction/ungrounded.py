"""Leaves of a value that have no place in the text, and why: ``"inferred"`` or ``"absent"``; and which
of them must have one.

Inferred is what the text need not print: true and false; a member of an enum, a constant or a
default, which the schema gives; a default or a computed field, which your class gives; a string
without a letter or digit; and what the schema marks with ``"x-inferred": true``. Any other string or
number is absent: the text should hold it, and does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from dataclasses import fields as fields_of
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from prompture import given
from prompture.errors import ConfigurationError
from prompture.given import unknown
from prompture.json_values import pointer, referenced, same, segments_of
from prompture.json_values import step as step_into
from prompture.schema.problems import UNGROUNDED, Problem
from prompture.types import JSON, JSONValue

Why: TypeAlias = Literal["inferred", "absent"]
Path: TypeAlias = tuple[str | int, ...]

MARK = "x-inferred"
"""Keyword of a schema for what a model makes itself: a summary, a class, a sum."""
ANY = "*"
"""In a pattern of a pointer: every key, and every item."""
_MOST_BRANCHES = 2_000
"""Of unions within unions, so many branches are looked at."""
_BRANCHES = ("anyOf", "oneOf", "allOf")
_TYPED = frozenset(("type", "$ref", *_BRANCHES))
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
        self._defaults: frozenset[Path] | None = None
        # Rows of a list are alike: their schema is looked up once.
        self._step = lru_cache(4096)(self._member)
        self._root = _branches([schema], schema)
        self._known: dict[tuple[int, ...], list[JSON]] = {}

    def why(self, path: Path, value: JSONValue, leaf: JSONValue) -> Why:
        """Why the leaf at ``path`` of ``value`` may have no place."""
        if isinstance(leaf, bool) or (isinstance(leaf, str) and not _WORD.search(leaf)):
            return "inferred"
        return "inferred" if self._is_given(path, value) else "absent"

    def knows(self, path: Path) -> bool:
        """Whether the schema has something for the place."""
        return bool(self._at(path))

    def takes_null(self, path: Path) -> bool:
        """Whether null may stand there."""
        return any(_takes_null(each) for each in self._at(path))

    def _is_given(self, path: Path, value: JSONValue) -> bool:
        """Whether the schema or the class gives the leaf, or says that it is the model's own."""
        at: JSONValue = value
        for depth in range(len(path) + 1):
            if path[:depth] in self._unset():
                return True
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

    def _unset(self) -> frozenset[Path]:
        if self._defaults is None:
            self._defaults = frozenset(_unset_in(self._typed))
        return self._defaults

    def _computed_names(self) -> frozenset[str]:
        if self._computed is None:
            self._computed = frozenset(_computed_in(self._typed))
        return self._computed


def _place(found: Sequence[JSON], step: int) -> int:
    return step if any("prefixItems" in each for each in found) else 0


def check_part(part: Sequence[str], schema: JSON) -> str:
    """What is wrong with a pattern of a pointer ("*" for every key and item), "" if nothing: it
    names what no value of the schema has, or what no text prints."""
    problem, kinds = kinds_at(part, schema)
    if "boolean" in kinds and kinds <= {"boolean", "null"}:
        return f"{pointer(part)} is true or false, which stands in no text"
    return problem


def kinds_at(part: Sequence[str], schema: JSON) -> tuple[str, set[str]]:
    """What is wrong with a pattern, as it names what no value of the schema has, "" if nothing;
    and the types of what it names, as far as they are known."""
    found = _branches([schema], schema)
    for depth, step in enumerate(part):
        inner = [each for at in found for each in _parts(at, step) if each is not None]
        if not inner or inner == [False]:
            known = dict.fromkeys(name for at in found for name in at.get("properties") or ())
            if known and step != ANY:
                return unknown("field", step, tuple(known)), set()
            return _no_parts(part[:depth], step, _kinds(found)), set()
        found = _branches(inner, schema)
    return "", _kinds(found)


def _no_parts(path: Sequence[str], step: str, kinds: set[str]) -> str:
    """What is wrong with a step into what has no part of this name, as far as that is known."""
    where, held = pointer(path) or "the value", kinds - {"null"}
    if held and held.isdisjoint(("object", "array")):
        return f"{where} has no parts: it is of the type {' or '.join(sorted(held))}"
    if held == {"array"} and step != ANY and not step.isdecimal():
        return f"{where} is a list: name its items by their numbers or by *, not {step[:80]!r}"
    return ""  # of an object that names no field, nothing is known


def _kinds(schemas: Sequence[JSON]) -> set[str]:
    """The types that the schemas of one place name; none where one of them names none."""
    if any(_TYPED.isdisjoint(at) for at in schemas):
        return set()
    words = [at["type"] for at in schemas if "type" in at]
    return {word for each in words for word in (each if isinstance(each, list) else [each])}


def _parts(at: JSON, step: str) -> Iterator[JSONValue]:
    """The schemas of what one step of a pattern names."""
    if step != ANY:
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
    for _, one in _objects_in(value):
        decorators = getattr(type(one), "__pydantic_decorators__", None)
        for name, field in (decorators.computed_fields if decorators else {}).items():
            yield name
            alias: Any = field.info.alias
            yield from (alias,) if isinstance(alias, str) else ()


def _unset_in(value: object) -> Iterator[Path]:
    """The places of fields that nobody gave: their classes' defaults, made by functions too."""
    for path, one in _objects_in(value):
        given_ones = getattr(one, "__pydantic_fields_set__", None)
        if given_ones is not None:
            fields = type(one).__pydantic_fields__  # type: ignore[attr-defined]
            yield from ((*path, _key(n, f)) for n, f in fields.items() if n not in given_ones)


def _objects_in(value: object) -> Iterator[tuple[Path, object]]:
    """The instances of models and dataclasses within a value, with their places in its JSON."""
    todo: list[tuple[Path, object]] = [((), value)]
    seen = set[int]()
    while todo:
        path, one = todo.pop()
        if id(one) in seen or isinstance(one, (str, int, float, bytes, type(None))):
            continue
        seen.add(id(one))
        if isinstance(one, Mapping):
            todo += [((*path, str(key)), inner) for key, inner in one.items()]
        elif isinstance(one, (list, tuple, set, frozenset)):
            todo += [((*path, at), inner) for at, inner in enumerate(one)]
        elif fields := getattr(type(one), "__pydantic_fields__", None):
            yield path, one
            is_root = getattr(type(one), "__pydantic_root_model__", False)
            for name, field in fields.items():
                inner = getattr(one, name, None)
                todo.append((path if is_root else (*path, _key(name, field)), inner))
        elif is_dataclass(one) and not isinstance(one, type):
            yield path, one
            todo += [((*path, f.name), getattr(one, f.name, None)) for f in fields_of(one)]


def _key(name: str, field: Any) -> str:
    """The key of a field in the value's JSON."""
    return getattr(field, "serialization_alias", None) or getattr(field, "alias", None) or name


# What must have a place.


@dataclass(frozen=True, slots=True)
class Required:
    """Which leaves must have a place: all that the text should print, or, of these and of what the
    schema gives, those at some pointers."""

    parts: tuple[tuple[str, ...], ...] = ()

    def wants(self, path: Path, why: str) -> bool:
        """Whether a leaf without a place, for this reason, is refused."""
        if why == "absent" and not self.parts:
            return True
        found = [part for part in self.parts if _is_at(path, part)]
        # A leaf that is named by itself must stand there, though the schema gives its words.
        return bool(found) and (why == "absent" or any(len(p) == len(path) for p in found))


def _is_at(path: Path, part: Sequence[str]) -> bool:
    if len(part) > len(path):
        return False
    return all(step in (ANY, str(own)) for own, step in zip(path, part, strict=False))


def part_of(name: str) -> tuple[str, ...]:
    """The steps of a pattern; a name without a slash is a field of the root."""
    return segments_of(name if name.startswith("/") or not name else pointer((name,)))


def paths_at(value: JSONValue, part: Sequence[str]) -> Iterator[tuple[Path, JSONValue]]:
    """The places in a value that a pattern names, with what is there: None where nothing is."""
    found: list[tuple[Path, JSONValue]] = [((), value)]
    for step in part:
        found = [((*path, key), inner) for path, at in found for key, inner in _under(at, step)]
    yield from found


def _under(at: JSONValue, step: str) -> Iterator[tuple[str | int, JSONValue]]:
    if step == ANY:
        if isinstance(at, Mapping):
            yield from at.items()
        elif isinstance(at, list):
            yield from enumerate(at)
        return
    key = int(step) if isinstance(at, list) and step.isdecimal() else step
    yield key, step_into(at, key)


def required_of(wanted: object, schema: JSON) -> Required | None:
    """What ``require_grounding`` asks for. Raises ConfigurationError for a part that no value can
    have, or that no text can print."""
    if isinstance(wanted, bool):
        return Required() if wanted else None
    if not isinstance(wanted, (str, list, tuple, set, frozenset)):
        raise given.wrong("require_grounding", "True or a list of JSON pointers", wanted)
    listed = sorted(wanted, key=str) if isinstance(wanted, (set, frozenset)) else wanted
    names = given.strings(listed, "require_grounding")
    parts = []
    for name in names:
        part = part_of(name)
        if problem := check_part(part, schema):
            raise ConfigurationError(f"require_grounding: {problem}")
        parts.append(part)
    if "" in names:
        return Required()
    return Required(tuple(parts)) if parts else None


MISSING = "must be a value that stands in the text; it was not found"


def not_there(where: str, message: str = MISSING) -> Problem:
    """The problem of a value that the text does not hold."""
    return Problem(where, message, UNGROUNDED)


def unproven(plain: JSONValue, name: str, found: Mapping[str, object]) -> list[Problem]:
    """What of a named part the text does not hold; the part itself where it has no value."""
    lacking = []
    for path, value in paths_at(plain, part_of(name)):
        # True and false stand in no text.
        printed = (at for at, leaf in leaves_of(value) if not isinstance(leaf, bool))
        leaves = [pointer((*path, *at)) for at in printed]
        lacking += [at for at in leaves if at not in found] if leaves else [pointer(path)]
    return [not_there(at) for at in lacking]
