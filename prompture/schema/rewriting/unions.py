"""Unions: several nodes as one, null beside a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prompture.schema.rewriting.alts import ANYTHING, Conj
from prompture.schema.rewriting.choice import Branch, Choice
from prompture.schema.rewriting.codec import SAME
from prompture.schema.rewriting.maybe import Maybe
from prompture.schema.rewriting.node import Node, Spot
from prompture.schema.rewriting.notes import annotate

if TYPE_CHECKING:
    from prompture.schema.rewriting.compiler import Compiler

_MOST_APART = 150


def choose(c: Compiler, nodes: list[Node], spot: Spot, conj: Conj = ANYTHING) -> Node:
    """One node for any of several, which are taken over; ``conj`` is what they come from."""
    nodes = _unlike(nodes)
    if len(nodes) == 1:
        return nodes[0]
    if not nodes:
        return c.never(spot)
    kinds: frozenset[str] = frozenset().union(*(node.kinds for node in nodes))
    if c.dialect.null == "nullable" and any(_is_null(node) for node in nodes):
        others = [node for node in nodes if not _is_null(node)]
        node = choose(c, others, spot, conj)
        return Node(
            nullable(c, node.schema), node.codec, kinds, null=True, label=node.label, branches=None
        )
    if not c.budget.union():
        others = [node for node in nodes if not _is_null(node)]
        if len(others) < len(nodes):
            return _maybe(c, choose(c, others, spot, conj), spot)
        return c.text(conj, spot, why=f"{c.dialect.name} takes only so many unions", kinds=kinds)
    branches = [branch for node in nodes for branch in _branches(c, node)]
    schema: dict[str, Any] = {
        "anyOf": _grouped([branch.schema for branch in branches], c.dialect.limits.branches)
    }
    null = any(node.null for node in nodes)
    if all(branch.codec is SAME for branch in branches):
        return Node(schema, SAME, kinds, null=null, label="value", branches=branches)
    if len(branches) > _MOST_APART:
        return c.text(
            conj, spot, why=f"{len(branches)} branches are too many to tell apart", kinds=kinds
        )
    choice = Choice(branches, c.wire)
    c.pending.append((choice, spot))
    return Node(schema, choice, kinds, null=null, label="value", branches=branches)


def _maybe(c: Compiler, node: Node, spot: Spot) -> Node:
    c.change(
        spot,
        "list",
        f"null or a value becomes a list of none or one: {c.dialect.name} takes no more unions",
    )
    schema: dict[str, Any] = {"type": "array", "items": node.schema}
    if "maxItems" in c.dialect.words:
        schema["maxItems"] = 1
    annotate(schema, None, ["empty for null, else the one value"])
    return Node(schema, Maybe(node.codec), node.kinds | {"null"}, label="array")


def nullable(c: Compiler, schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, or null; its description stays outside."""
    if c.dialect.null == "nullable":
        return {**schema, "nullable": True}
    inner = dict(schema)
    outer: dict[str, Any] = {}
    for word in ("title", "description"):
        if word in inner:
            outer[word] = inner.pop(word)
    if inner.keys() == {"anyOf"}:
        most = c.dialect.limits.branches
        if most is None or len(inner["anyOf"]) < most:
            return {"anyOf": [*inner["anyOf"], {"type": "null"}], **outer}
    return {"anyOf": [inner, {"type": "null"}], **outer}


def without_null(c: Compiler, schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without its branch for null, for a place that may be left out instead."""
    if schema.get("nullable"):
        return {word: value for word, value in schema.items() if word != "nullable"}
    branches = [part for part in schema.get("anyOf", ()) if part != {"type": "null"}]
    if "anyOf" not in schema or len(branches) == len(schema["anyOf"]) or not branches:
        return schema
    if len(branches) > 1:
        return {**schema, "anyOf": branches}
    outer = {word: value for word, value in schema.items() if word != "anyOf"}
    if "$ref" in branches[0] and "description" in outer and c.dialect.ref_note != "beside":
        return {c.dialect.ref_note: branches, **outer}
    if "$ref" in branches[0]:
        outer.pop("title", None)
    c.budget.refund_union()
    return {**branches[0], **outer}


def _is_null(node: Node) -> bool:
    return node.kinds == {"null"}


def _branches(c: Compiler, node: Node) -> list[Branch]:
    """A union within a union, not described on its own, gives its branches to the outer one."""
    if node.branches is not None and node.schema.keys() == {"anyOf"}:
        c.pending[:] = [(choice, spot) for choice, spot in c.pending if choice is not node.codec]
        return node.branches
    return [Branch(node.schema, node.codec, node.label, node.kinds)]


def _unlike(nodes: list[Node]) -> list[Node]:
    """Nodes that say the same once; written out, for ``1`` and ``true`` are equal in Python."""
    found: dict[tuple[int, str], Node] = {}
    for node in nodes:
        other = found.setdefault((id(node.codec), repr(node.schema)), node)
        other.kinds |= node.kinds
    return list(found.values())


def _grouped(schemas: list[dict[str, Any]], most: int | None) -> list[dict[str, Any]]:
    while most is not None and len(schemas) > most:
        schemas = [
            {"anyOf": schemas[i : i + most]} if len(schemas[i : i + most]) > 1 else schemas[i]
            for i in range(0, len(schemas), most)
        ]
    return schemas
