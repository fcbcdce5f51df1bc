"""Ask again for the wrong parts only: what to ask, and how to put the answer in.

An answer that is nearly right keeps its valid parts. The values that failed become the
properties of a small schema; what the model gives for them is put in place, and the whole is
validated again. Problems of the whole (a model-level validator) cannot be asked for in parts.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prompture.json_values import referenced, segments_of, value_at
from prompture.schema.problems import PROBLEM_LIMIT, Problem
from prompture.types import JSON, JSONValue

MOST_PARTS = 12
"""More parts than this are asked for as a whole."""
LEAST_CHARS = 600
"""An answer shorter than this is cheaper to ask for as a whole."""
MOST_SHARE = 0.34
"""The share of the answer's leaves beyond which asking for parts saves little."""
MOST_OF_REST = 100
"""More parts than this are asked of another model as a whole."""
_KEPT = ("$defs", "definitions", "$schema")


Target = tuple[tuple[str | int, ...], JSONValue]


_NOTHING = object()


@dataclass(frozen=True, slots=True)
class Patch:
    """The parts to ask for: a property of ``schema`` for each path into the value."""

    schema: JSON
    paths: Mapping[str, tuple[str | int, ...]]
    plain: JSONValue

    def merged(self, parts: JSONValue) -> JSONValue:
        """The value with the parts in place; the value itself is left as it is."""
        # The value that failed may yet be on an error, as far as it came.
        whole = copy.deepcopy(self.plain)
        for name, path in self.paths.items():
            if isinstance(parts, Mapping) and name in parts:
                whole = _put(whole, path, parts[name])
        return whole

    def taken_from(self, other: JSONValue) -> dict[str, JSONValue] | None:
        """The parts out of a whole value that was given in their place; None where it lacks one,
        or a list that one stands in has another length: then the items may be others."""
        found: dict[str, JSONValue] = {}
        for name, path in self.paths.items():
            if not _has_lists_alike(self.plain, other, path):
                return None
            if (part := value_at(other, path, _NOTHING)) is _NOTHING:
                return None
            found[name] = part
        return found


def patch_for(
    problems: Sequence[Problem], plain: JSONValue, schema: JSON, *, chars: int
) -> Patch | None:
    """What to ask for, or None where the whole has to be asked for again.

    ``plain`` is the JSON value that failed, ``chars`` the length of the answer it came in.
    """
    if chars < LEAST_CHARS:
        return None
    targets = _targets(problems, plain, schema)
    if len(targets) > MOST_PARTS or len(targets) > MOST_SHARE * _leaves(plain):
        return None
    return _patch(targets, plain, schema)


def rest_patch(problems: Sequence[Problem], plain: JSONValue, schema: JSON) -> Patch | None:
    """What to ask another model for, which has not seen the value: every part that is wrong. None
    where nothing of the value is right, or the whole is wrong."""
    targets = _targets(problems, plain, schema)
    failing = sum(_leaves_at(plain, path) for path, _ in targets)
    if len(targets) > MOST_OF_REST or failing >= _leaves(plain):
        return None
    return _patch(targets, plain, schema)


def _targets(problems: Sequence[Problem], plain: JSONValue, schema: JSON) -> list[Target]:
    """The parts that the problems are about; none where one is about the whole."""
    if not isinstance(plain, (dict, list)):
        return []
    if len(problems) >= PROBLEM_LIMIT:  # there may be more that are not listed
        return []
    found = [_target(p, plain, schema) for p in problems]
    if any(target is None for target in found):
        return []
    return _outermost([target for target in found if target is not None])


def _patch(targets: Sequence[Target], plain: JSONValue, schema: JSON) -> Patch | None:
    paths = {_name(path): path for path, _ in targets}
    if not paths or len(paths) < len(targets):  # two paths of one name: a/b and a_b
        return None
    return Patch(_schema(targets, schema), paths, plain)


def _target(problem: Problem, plain: JSONValue, schema: JSON) -> Target | None:
    """The path and sub-schema of what a problem is about. Where its own place has no schema of
    its own (a union's branch, a key too many), the place around it is taken, never the root."""
    path: tuple[str | int, ...] = ()
    at: JSONValue = schema
    value = plain
    best: Target | None = None
    for key in segments_of(problem.pointer):
        at = resolved(at, schema)
        step: str | int = int(key) if isinstance(value, list) and key.isdigit() else key
        at = member_of(at, step)
        if at is None:
            break
        path = (*path, step)
        best = (path, at)
        value = _get(value, step)
    return best


def resolved(at: JSONValue, root: JSON) -> JSONValue:
    """The schema behind references, and the one branch of "this or null"."""
    # References may go round in a circle.
    for _ in range(20):
        if not isinstance(at, Mapping):
            return None
        if isinstance(at.get("$ref"), str):
            at = referenced(root, at["$ref"])
            continue
        branches = [b for b in at.get("anyOf", ()) if b != {"type": "null"}]
        if len(branches) == 1 and "properties" not in at:
            at = branches[0]
            continue
        return at
    return None


def member_of(at: JSONValue, step: str | int) -> JSONValue:
    """The schema of a property or an item, None where it has none of its own."""
    if not isinstance(at, Mapping):
        return None
    if isinstance(step, int):
        items = at.get("items")
        return items if isinstance(items, Mapping) and "prefixItems" not in at else None
    named = at.get("properties", {}).get(step)
    if named is not None:
        return named
    others = at.get("additionalProperties")
    return others if isinstance(others, Mapping) and others else None


def schema_at(path: tuple[str | int, ...], root: JSON) -> JSONValue:
    """The schema of the value at a path, None where it has none of its own."""
    at: JSONValue = root
    for step in path:
        at = member_of(resolved(at, root), step)
    return resolved(at, root)


def _outermost(targets: Sequence[Target]) -> list[Target]:
    """Each path once, without those that lie inside another."""
    by_path = dict(targets)
    return [
        (path, schema)
        for path, schema in by_path.items()
        if not any(path[:depth] in by_path for depth in range(len(path)))
    ]


def _leaves(value: JSONValue) -> int:
    if isinstance(value, Mapping):
        return sum(map(_leaves, value.values())) or 1
    if isinstance(value, list):
        return sum(map(_leaves, value)) or 1
    return 1


def _leaves_at(value: JSONValue, path: tuple[str | int, ...]) -> int:
    """How many leaves stand at a path; none where nothing does."""
    for step in path[:-1]:
        value = _get(value, step)
    last = path[-1]
    is_there = last in value if isinstance(value, Mapping) else isinstance(value, list)
    return _leaves(_get(value, last)) if is_there else 0


def _name(path: tuple[str | int, ...]) -> str:
    """A property's name for a path: ``items_3_price``."""
    text = "_".join(str(segment) for segment in path)
    return "".join(c if c.isalnum() else "_" for c in text)[:64]


def _schema(targets: Sequence[Target], root: JSON) -> dict[str, JSONValue]:
    properties = {_name(path): _described(path, inner) for path, inner in targets}
    kept = {key: root[key] for key in _KEPT if key in root}
    return {
        **kept,
        "title": "Corrections",
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _described(path: tuple[str | int, ...], inner: JSONValue) -> JSONValue:
    where = "/" + "/".join(map(str, path))
    if not isinstance(inner, Mapping):
        return inner
    # Up to draft 7 a $ref hides what stands beside it, the description too.
    if "$ref" in inner:
        return {"description": f"The value at {where}", "anyOf": [dict(inner)]}
    described = inner.get("description")
    text = f"The value at {where}. {described}" if described else f"The value at {where}"
    return {**{k: v for k, v in inner.items() if k != "default"}, "description": text}


def _get(value: JSONValue, step: str | int) -> JSONValue:
    if isinstance(value, Mapping):
        return value.get(step)
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    return None


def _has_lists_alike(one: JSONValue, other: JSONValue, path: tuple[str | int, ...]) -> bool:
    for step in path:
        lists = [each for each in (one, other) if isinstance(each, list)]
        if isinstance(step, int) and (len(lists) < 2 or len(lists[0]) != len(lists[1])):
            return False
        one, other = _get(one, step), _get(other, step)
    return True


def _put(whole: JSONValue, path: tuple[str | int, ...], part: JSONValue) -> JSONValue:
    """The value with ``part`` at ``path``; objects that are missing on the way are made."""
    if not path:
        return part
    step, rest = path[0], path[1:]
    if isinstance(whole, dict) and isinstance(step, str):
        whole[step] = _put(whole.get(step), rest, part)
    elif isinstance(whole, list) and isinstance(step, int) and step < len(whole):
        whole[step] = _put(whole[step], rest, part)
    elif isinstance(step, str):
        return {step: _put(None, rest, part)}
    return whole
