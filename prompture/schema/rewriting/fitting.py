"""Compile, measure, and compile again with less until the dialect's limits hold.

What is given up: what nests too deep; then the smallest part whose loss suffices, else the largest one; then the
last properties of the root. Each becomes JSON text, exact as before, but no longer enforced by the provider.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from prompture.errors import SchemaError
from prompture.schema.rewriting.change import Change
from prompture.schema.rewriting.codec import Codec
from prompture.schema.rewriting.compiler import Compiler
from prompture.schema.rewriting.cut import Crowded, Cut
from prompture.schema.rewriting.dialects import Dialect
from prompture.schema.rewriting.guard import Survey, survey
from prompture.schema.rewriting.limits import Excess, excesses, measure

_ROUNDS = 24
_LARGE = 5_000  # compiled parts, from which on a round is dear
_BUDGETED = (
    "enum values",
    "optional properties",
    "unions",
)  # the compiler keeps to these by itself


def fit(root: Any, dialect: Dialect, *, exact: bool) -> tuple[dict[str, Any], Codec, list[Change]]:
    """The rewritten schema, the codec, the changes.

    Raises:
        SchemaError: it does not fit.
    """
    found = survey(root)
    cut = Cut()
    compiler, schema, codec, over = _attempt(root, found, dialect, exact=exact, cut=cut)
    for _ in range(_ROUNDS):
        if not over:
            return schema, codec, compiler.changes
        cut = _less(compiler, compiler.cut, over, dialect)
        compiler, schema, codec, over = _attempt(root, found, dialect, exact=exact, cut=cut)
    if over:
        raise SchemaError(_too_large(dialect, over))
    return schema, codec, compiler.changes


def _too_large(dialect: Dialect, over: list[Excess]) -> str:
    return f"{dialect.name} {'; '.join(map(str, over))}: leave parts of it out, or ask for it in several calls"


def natural_excess(root: Any, dialect: Dialect, *, exact: bool) -> list[Excess]:
    """The limits that the schema exceeds when nothing is given up."""
    free = replace(dialect, limits=replace(dialect.limits, enum_values=None, chars=None))
    compiler, _, _, _ = _attempt(root, survey(root), free, exact=exact, cut=Cut())
    return excesses(measure(compiler.result), dialect)


def _attempt(
    root: Any, found: Survey, dialect: Dialect, *, exact: bool, cut: Cut
) -> tuple[Compiler, dict[str, Any], Codec, list[Excess]]:
    compiler = Compiler(root, found, dialect, exact=exact, cut=cut)
    try:
        schema, codec = compiler.compile()
    except Crowded:
        fewer = cut.less_written_out(dialect)
        assert fewer is not None
        return _attempt(root, found, dialect, exact=exact, cut=fewer)
    limits = dialect.limits
    if limits.depth is None and limits.properties is None and limits.chars is None:
        return compiler, schema, codec, []
    return compiler, schema, codec, excesses(measure(schema), dialect)


def _less(compiler: Compiler, cut: Cut, over: list[Excess], dialect: Dialect) -> Cut:
    """Give up a little more."""
    worst = over[0]
    said = f"takes at most {worst.most:,} {worst.limit}"
    if worst.limit == "levels of nesting":
        return replace(cut, depth=(cut.depth or worst.most + 1) - 1, limit=said)
    if compiler.spent > _LARGE and worst.found > 2 * worst.most and (cut.depth or 9) > 2:
        return replace(cut, depth=2, limit=said)
    sizes = {
        key: size
        for key, size in compiler.sizes.items()
        if key not in cut.texts and key != compiler.definitions.root_key
    }
    if not sizes or max(sizes.values()) < 2:
        room = dialect.limits.properties or 1_000
        return replace(cut, fields=room if cut.fields is None else cut.fields // 2, limit=said)
    missing = worst.found - worst.most if worst.limit == "properties" else max(sizes.values())
    return replace(cut, texts=cut.texts | _chosen(sizes, missing), limit=said)


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
