"""What a provider counts in a rewritten schema."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from prompture.schema.rewriting.dialects import Dialect

_SCALARS = frozenset({"string", "integer", "number", "boolean", "null"})


@dataclass(frozen=True, slots=True)
class Measure:
    """Counts over the whole rewritten schema, definitions once."""

    properties: int
    depth: int
    enum_values: int
    chars: int
    optionals: int
    unions: int


@dataclass(frozen=True, slots=True)
class Excess:
    """A limit that is exceeded."""

    limit: str
    found: int
    most: int

    def __str__(self) -> str:
        return f"takes at most {self.most:,} {self.limit}, this would be {self.found:,}"


def measure(schema: dict[str, Any]) -> Measure:
    """Count a rewritten schema."""
    properties = values = chars = optionals = unions = 0
    for part in parts(schema):
        named = part.get("properties", {})
        properties += len(named)
        optionals += len(named) - len(part.get("required", ()))
        unions += "anyOf" in part
        listed = part.get("enum", ())
        values += len(listed)
        chars += sum(len(str(value)) for value in listed) + sum(map(len, named))
        chars += len(str(part["const"])) if "const" in part else 0
    chars += sum(map(len, schema.get("$defs", ())))
    return Measure(properties, _depth(schema, schema, {}, ()), values, chars, optionals, unions)


def excesses(found: Measure, dialect: Dialect) -> list[Excess]:
    """The limits of the dialect that a measure exceeds."""
    limits = dialect.limits
    rows = (
        ("levels of nesting", found.depth, limits.depth),
        ("properties", found.properties, limits.properties),
        ("enum values", found.enum_values, limits.enum_values),
        ("characters of names and enum values", found.chars, limits.chars),
        ("optional properties", found.optionals, limits.optionals),
        ("unions", found.unions, limits.unions),
    )
    return [
        Excess(name, count, most) for name, count, most in rows if most is not None and count > most
    ]


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema within a rewritten schema, itself included."""
    stack = [schema]
    while stack:
        part = stack.pop()
        if not isinstance(part, dict):
            continue
        yield part
        for word in ("properties", "$defs"):
            if word in part:
                stack.extend(part[word].values())
        stack += [part.get("items"), part.get("additionalProperties")]
        for word in ("anyOf", "allOf", "prefixItems"):
            stack.extend(part.get(word, ()))


def _depth(root: dict[str, Any], part: Any, known: dict[str, int], inside: tuple[str, ...]) -> int:
    """Nested objects and arrays, references followed, a cycle gone round once."""
    if not isinstance(part, dict) or part.get("type") in _SCALARS:
        return 0
    ref = part.get("$ref")
    if ref is not None:
        if ref in inside or len(inside) > 60:
            return 0
        if ref not in known:
            target = root if ref == "#" else root.get("$defs", {}).get(ref.rpartition("/")[2], {})
            known[ref] = _depth(root, target, known, (*inside, ref))
        return known[ref]
    within = [*part.get("properties", {}).values(), *part.get("prefixItems", ())]
    within += [part.get("items"), part.get("additionalProperties")]
    deepest = max((_depth(root, sub, known, inside) for sub in within), default=0)
    beside = [*part.get("anyOf", ()), *part.get("allOf", ())]
    own = 1 if part.get("type") in ("object", "array") else 0
    return max([own + deepest, *(_depth(root, sub, known, inside) for sub in beside)])
