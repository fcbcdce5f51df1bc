"""One value from several calls: a schema too large for a dialect, as parts that fit.

Each part is the root with some of its properties (a large one with some of *its* properties), so that the values
of the parts, merged, are a value of the whole. Conditions over several properties are left to the local check.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prompture.errors import SchemaError
from prompture.schema.rewriting.alts import ANYTHING, NOTHING, Conj, Shape
from prompture.schema.rewriting.dialects import Dialect
from prompture.schema.rewriting.expand import Expander
from prompture.schema.rewriting.fitting import natural_excess
from prompture.schema.rewriting.guard import survey
from prompture.schema.rewriting.limits import Excess
from prompture.schema.rewriting.refs import Resolver

_PARTS = 64
_WHOLE = "whole"
_SPLITTABLE = ("properties", "enum values", "characters of names and enum values")


@dataclass(frozen=True, slots=True)
class Part:
    """One call's share: a schema to rewrite as any other, and the properties it asks for, as JSON Pointers."""

    schema: dict[str, Any]
    pointers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The parts, in the order of the schema. ``excess`` are the limits that made it necessary; empty if none."""

    parts: tuple[Part, ...]
    excess: tuple[Excess, ...] = ()

    def merge(self, values: Sequence[Any]) -> Any:
        """One value from the restored value of each part; objects are merged key by key."""
        if len(values) != len(self.parts):
            raise ValueError(f"{len(self.parts)} parts, but {len(values)} values")
        found = values[0]
        for value in values[1:]:
            found = _merged(found, value)
        return found


def plan(root: Any, dialect: Dialect, *, exact: bool) -> Plan:
    """A plan of as few parts as a greedy packing gives.

    Raises:
        SchemaError: a part cannot be made small enough, or there would be too many.
    """
    over = natural_excess(root, dialect, exact=exact)
    if not any(excess.limit in _SPLITTABLE for excess in over):
        return Plan((Part(root, ("",)),), tuple(over))
    splitter = _Splitter(root, dialect, exact=exact)
    leaves = splitter.leaves((root,), ())
    parts = tuple(splitter.part(group) for group in splitter.packed(leaves))
    if len(parts) > _PARTS:
        raise SchemaError(
            f"{dialect.name} {over[0]}; it would take {len(parts)} calls, the most is {_PARTS}"
        )
    return Plan(parts, tuple(over))


_Leaf = tuple[tuple[str, ...], Conj]


class _Splitter:
    def __init__(self, root: Any, dialect: Dialect, *, exact: bool) -> None:
        found = survey(root)
        self._root = root
        self._dialect = dialect
        self._exact = exact
        self._expander = Expander(Resolver(root, found), found, exact=exact)
        self._shapes: dict[tuple[str, ...], Shape] = {}
        self._base = found.base.partition("#")[0]
        self._refers_elsewhere = any(
            not str(node.get("$ref", "#/$defs/")).startswith(("#/$defs/", "#/definitions/"))
            for node in found.refs
        )
        if found.bases:
            raise SchemaError("a schema with several $id is not split; put it in one document")

    def leaves(self, conj: Conj, path: tuple[str, ...]) -> list[_Leaf]:
        """The properties to share out; one too large by itself gives its own properties."""
        shape = self._shape(conj)
        if shape is None or not shape.properties or len(path) > 8:
            pointer = "/".join(("", *path))
            raise SchemaError(
                f"{self._dialect.name} cannot take {pointer or 'the root'}, and it has no properties to share out"
            )
        self._shapes[path] = shape
        found: list[_Leaf] = []
        for name, sub in shape.properties.items():
            here = (*path, name)
            if sub == NOTHING:
                continue
            if self._fits([(here, sub)]):
                found.append((here, sub))
            else:
                found += self.leaves(sub, here)
        return found

    def _shape(self, conj: Conj) -> Shape | None:
        alts = [alt for alt in self._expander.conj(conj) if alt.kind != "null"]
        objects = [alt for alt in alts if alt.kind == "object" and alt.shape is not None]
        others = [alt for alt in alts if alt.kind not in ("object", "any")]
        return objects[0].shape if len(objects) == 1 and not others else None

    def packed(self, leaves: list[_Leaf]) -> list[list[_Leaf]]:
        """Neighbours together for as long as they fit: the bound is doubled, then halved."""
        found: list[list[_Leaf]] = []
        start = 0
        while start < len(leaves):
            low, high = 1, len(leaves) - start
            while low < high:
                middle = (low + high + 1) // 2
                if self._fits(leaves[start : start + middle]):
                    low = middle
                else:
                    high = middle - 1
            found.append(leaves[start : start + low])
            start += low
        return found

    def _fits(self, leaves: list[_Leaf]) -> bool:
        over = natural_excess(self._schema(leaves), self._dialect, exact=self._exact)
        return not any(excess.limit in _SPLITTABLE for excess in over)

    def part(self, leaves: list[_Leaf]) -> Part:
        pointers = tuple("".join("/" + _escaped(name) for name in path) for path, _ in leaves)
        return Part(self._schema(leaves, rest=leaves[0][0] == self._first), pointers)

    @property
    def _first(self) -> tuple[str, ...]:
        path: tuple[str, ...] = ()
        while path in self._shapes:
            path = (*path, next(iter(self._shapes[path].properties)))
        return path

    def _schema(self, leaves: list[_Leaf], *, rest: bool = False) -> dict[str, Any]:
        """The root with these properties only; keys that nobody named go with the first part."""
        top = self._node(leaves, (), rest=rest)
        if self._refers_elsewhere:
            base = self._base
            return {**_relocated(top, base), "$defs": {_WHOLE: _relocated(self._root, base)}}
        for word in ("$schema", "$id", "id", "title", "description", "$defs", "definitions"):
            if word in self._root:
                top[word] = self._root[word]
        return top

    def _node(self, leaves: list[_Leaf], path: tuple[str, ...], *, rest: bool) -> dict[str, Any]:
        shape = self._shapes.get(path, Shape())
        properties: dict[str, Any] = {}
        for here, conj in leaves:
            name = here[len(path)]
            if name in properties:
                continue
            if len(here) == len(path) + 1:
                properties[name] = _as_schema(conj)
            else:
                inner = [leaf for leaf in leaves if leaf[0][: len(path) + 1] == (*path, name)]
                properties[name] = self._node(inner, (*path, name), rest=rest)
        found: dict[str, Any] = {
            "type": "object",
            "properties": properties,
            "required": [name for name in shape.required if name in properties],
        }
        if not rest:
            found["additionalProperties"] = False
        elif shape.rest is not None:
            found["additionalProperties"] = _as_schema(shape.rest)
        if rest and shape.patterns:
            found["patternProperties"] = {
                pattern: _as_schema(conj) for pattern, conj in shape.patterns
            }
        return found


def _as_schema(conj: Conj) -> Any:
    if conj == ANYTHING:
        return True
    return conj[0] if len(conj) == 1 else {"allOf": list(conj)}


def _relocated(schema: Any, base: str) -> Any:
    """A copy whose references go to the whole schema, kept as a definition."""
    if isinstance(schema, list):
        return [_relocated(part, base) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _relocated(value, base) for key, value in schema.items()}
    ref = found.get("$ref")
    if isinstance(ref, str):
        ref = ref.removeprefix(base) if base else ref
        if ref in ("", "#") or ref.startswith("#/"):
            found["$ref"] = f"#/$defs/{_WHOLE}{ref[1:]}"
    return found


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _merged(a: Any, b: Any) -> Any:
    """Objects key by key; else the first that is there."""
    if isinstance(a, dict) and isinstance(b, dict):
        found = {key: _merged(a[key], b[key]) if key in b else a[key] for key in a}
        return found | {key: b[key] for key in b if key not in a}
    return b if a is None else a
