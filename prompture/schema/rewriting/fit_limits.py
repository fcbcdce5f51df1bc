"""Compile, count what a provider limits, and compile again with less until the dialect's limits hold.

What is given up: what nests too deep; then the smallest part whose loss suffices, else the largest one; then the
last properties of the root. Each becomes JSON text, exact as before, but no longer enforced by the provider.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from prompture.errors import SchemaError
from prompture.json_values import JSONObject, JSONValue
from prompture.schema.document import Survey, survey
from prompture.schema.patterns import refuse_large
from prompture.schema.rewriting.codec import ValueCodec
from prompture.schema.rewriting.compilation import TooLarge, Trimming
from prompture.schema.rewriting.compiler import Compiler
from prompture.schema.rewriting.dialects import Dialect
from prompture.schema.rewriting.notes import Change

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


def measure(schema: JSONObject) -> Measure:
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


def parts(schema: JSONValue) -> Iterator[JSONObject]:
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


def _depth(
    root: JSONObject, part: JSONValue, known: dict[str, int], inside: tuple[str, ...]
) -> int:
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


_ROUNDS = 24
_LARGE = 5_000  # compiled parts, from which on a round is dear
_BUDGETED = (
    "enum values",
    "optional properties",
    "unions",
)  # the compiler keeps to these by itself


def fit(
    root: JSONValue, dialect: Dialect, *, exact: bool
) -> tuple[JSONObject, ValueCodec, list[Change]]:
    """The rewritten schema, the codec, the changes.

    Raises:
        SchemaError: it does not fit.
    """
    found = _surveyed(root)
    trimming = Trimming()
    compiler, schema, codec, over = _attempt(root, found, dialect, exact=exact, trimming=trimming)
    for _ in range(_ROUNDS):
        if not over:
            return schema, codec, compiler.changes
        trimming = _less(compiler, compiler.trimming, over, dialect)
        compiler, schema, codec, over = _attempt(
            root, found, dialect, exact=exact, trimming=trimming
        )
    if over:
        raise SchemaError(_too_large(dialect, over))
    return schema, codec, compiler.changes


def _surveyed(root: JSONValue) -> Survey:
    found = survey(root)
    for pattern in found.patterns:
        refuse_large(pattern)
    return found


def _too_large(dialect: Dialect, over: list[Excess]) -> str:
    return f"{dialect.name} {'; '.join(map(str, over))}: leave parts of it out, or ask for it in several calls"


def natural_excess(root: JSONValue, dialect: Dialect, *, exact: bool) -> list[Excess]:
    """The limits that the schema exceeds when nothing is given up."""
    # The compiler keeps to these limits by itself, so it would hide that they are exceeded.
    free = replace(dialect, limits=replace(dialect.limits, enum_values=None, chars=None))
    compiler, _, _, _ = _attempt(root, _surveyed(root), free, exact=exact, trimming=Trimming())
    return excesses(measure(compiler.result), dialect)


def _attempt(
    root: JSONValue, found: Survey, dialect: Dialect, *, exact: bool, trimming: Trimming
) -> tuple[Compiler, JSONObject, ValueCodec, list[Excess]]:
    compiler = Compiler(root, found, dialect, exact=exact, trimming=trimming)
    try:
        schema, codec = compiler.compile()
    except TooLarge:
        fewer = trimming.less_written_out(dialect)
        assert fewer is not None
        return _attempt(root, found, dialect, exact=exact, trimming=fewer)
    limits = dialect.limits
    if limits.depth is None and limits.properties is None and limits.chars is None:
        return compiler, schema, codec, []
    return compiler, schema, codec, excesses(measure(schema), dialect)


def _less(compiler: Compiler, trimming: Trimming, over: list[Excess], dialect: Dialect) -> Trimming:
    """Give up a little more."""
    worst = over[0]
    text = f"takes at most {worst.most:,} {worst.limit}"
    if worst.limit == "levels of nesting":
        return replace(trimming, depth=(trimming.depth or worst.most + 1) - 1, limit=text)
    # Far too large, and slow to compile: one drastic step instead of many small ones.
    if compiler.spent > _LARGE and worst.found > 2 * worst.most and (trimming.depth or 9) > 2:
        return replace(trimming, depth=2, limit=text)
    sizes = {
        key: size
        for key, size in compiler.sizes.items()
        if key not in trimming.texts and key != compiler.definitions.root_key
    }
    # No part is worth giving up alone: a root of many scalars.
    if not sizes or max(sizes.values()) < 2:
        most = dialect.limits.properties or 1_000
        return replace(
            trimming, fields=most if trimming.fields is None else trimming.fields // 2, limit=text
        )
    missing = worst.found - worst.most if worst.limit == "properties" else max(sizes.values())
    return replace(trimming, texts=trimming.texts | _chosen(sizes, missing), limit=text)


def _chosen(sizes: dict[tuple[int, ...], int], missing: int) -> frozenset[tuple[int, ...]]:
    """The smallest part whose loss suffices, else the largest parts until they do."""
    order = sorted(sizes, key=lambda key: sizes[key])
    for key in order:
        if sizes[key] >= missing:
            return frozenset({key})
    found = []
    for key in reversed(order):
        found.append(key)
        missing -= sizes[key]
        if missing <= 0:
            break
    return frozenset(found)
