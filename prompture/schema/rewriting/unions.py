"""Unions: several nodes as one, and null beside a value.

Which branch restores a value is decided by the value alone. So two branches must either have no value in common,
or agree on what to do with those they share; else each is wrapped as ``{"kind": "name", "value": ...}``.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from prompture.json_values import JSONObject, JSONValue, kind_of, same
from prompture.schema.rewriting.alternatives import ANYTHING, Conj
from prompture.schema.rewriting.codec import (
    SAME,
    NullAsList,
    Step,
    ValueCodec,
    Wrapper,
    agree,
    unfit,
)
from prompture.schema.rewriting.compilation import Branch, Compilation, Node, Spot
from prompture.schema.rewriting.conform import Wire
from prompture.schema.rewriting.notes import annotate

KIND, VALUE = "kind", "value"


class TaggedCodec(Wrapper):
    """A value under a tag."""

    __slots__ = ("label",)
    written_as = dict

    def __init__(self, inner: ValueCodec, label: str) -> None:
        super().__init__(inner, VALUE)
        self.label = label

    def forward(self, value: JSONValue) -> JSONValue:
        return {KIND: self.label, VALUE: self.inner.forward(value)}

    def restore(self, value: JSONValue) -> JSONValue:
        return self.inner.restore(value[VALUE]) if self.has_tagged(value) else value

    def opened(self, wire: JSONValue) -> Step:
        if not self.has_tagged(wire):
            return (), self, wire
        tokens, codec, inner = self.inner.opened(wire[VALUE])
        return (VALUE, *tokens), codec, inner

    def has_tagged(self, value: JSONValue) -> bool:
        """The value stands under this tag; a forgotten tag is forgiven."""
        if not isinstance(value, dict) or VALUE not in value or not value.keys() <= {KIND, VALUE}:
            return False
        return bool(value.get(KIND, self.label) == self.label)


class UnionCodec(ValueCodec):
    """A union of branches."""

    __slots__ = ("_table", "branches", "kinds", "wire")
    partial = "opaque"

    def __init__(self, branches: list[Branch], wire: Wire) -> None:
        self.branches = branches
        self.wire = wire
        self.kinds: frozenset[str] = frozenset().union(*(branch.kinds for branch in branches))
        self._table: dict[str, list[Branch]] | None = None

    def parts(self) -> Iterable[ValueCodec]:
        return [branch.codec for branch in self.branches]

    def forward(self, value: JSONValue) -> JSONValue:
        kind = kind_of(value)
        tried: list[tuple[Branch, JSONValue]] = []
        for branch in self.branches:
            if kind in branch.kinds:
                moved = branch.codec.forward(value)
                if self.wire.takes(branch.schema, moved):
                    return moved
                tried.append((branch, moved))
        return self._misfit(value, tried)

    def _misfit(self, value: JSONValue, tried: list[tuple[Branch, JSONValue]]) -> JSONValue:
        """What no branch takes: in a form that restores to it, or at least to what no branch takes either."""
        # An invalid value must stay invalid after the way back, or the check would accept what was refused.
        for moved in (*(moved for _, moved in tried), value):
            if same(self.restore(moved), value):
                return moved
        for branch, moved in tried:
            if same(self.restore(moved), branch.codec.restore(moved)):
                return moved
        return unfit(value, self.kinds, self.restore)

    def restore(self, value: JSONValue) -> JSONValue:
        branch = self._branch_of(value)
        return value if branch is None else branch.codec.restore(value)

    def opened(self, wire: JSONValue) -> Step:
        branch = self._branch_of(wire)
        return ((), SAME, wire) if branch is None else branch.codec.opened(wire)

    def begun(self, node: JSONValue) -> ValueCodec:
        branch = self._certain_branch(node)
        return self if branch is None else branch.begun(node)

    def _certain_branch(self, node: JSONValue) -> ValueCodec | None:
        """The branch of a container that is not complete, where no other is possible."""
        kind = kind_of(node)
        fit = [b.codec for b in self.branches if kind in self.wire.kinds(b.schema)]
        if len(fit) == 1:
            return fit[0]
        label = node.get(KIND) if isinstance(node, dict) else None
        tagged = [c for c in fit if isinstance(c, TaggedCodec) and c.label == label]
        return tagged[0] if len(tagged) == 1 else None

    def _branch_of(self, value: JSONValue) -> Branch | None:
        """The branch that a rewritten value belongs to, or comes nearest to."""
        if self._table is None:
            self._table = self._by_kind()
        found = self._table.get(kind_of(value), [])
        # Most unions are told apart by kind; validating is only for those that are not.
        if len(found) == 1:
            return found[0]
        for branch in found:
            if self.wire.takes(branch.schema, value):
                return branch
        return self._nearest(found, value) if found else None

    def _nearest(self, branches: list[Branch], value: JSONValue) -> Branch:
        """Best guess for a value that no branch accepts: the tagged one, else the one that shares most keys."""
        for branch in branches:
            if isinstance(branch.codec, TaggedCodec) and branch.codec.has_tagged(value):
                return branch
        plain = [
            branch for branch in branches if not isinstance(branch.codec, TaggedCodec)
        ] or branches
        if not isinstance(value, dict):
            return plain[0]
        return max(plain, key=lambda branch: self._known_keys(branch, value))

    def _known_keys(self, branch: Branch, value: JSONObject) -> int:
        named = self.wire.deref(branch.schema).get("properties", {})
        return sum(1 if key in named else -1 for key in value)

    def _by_kind(self) -> dict[str, list[Branch]]:
        table: dict[str, list[Branch]] = {}
        for branch in self.branches:
            for kind in self.wire.kinds(branch.schema):
                table.setdefault(kind, []).append(branch)
        return table

    def settle(self, *, const: bool, closing: JSONObject) -> list[str]:
        """Tag the branches that could be taken for one another; the labels of those that were."""
        clash: set[int] = set()
        for i, a in enumerate(self.branches):
            for j in range(i):
                b = self.branches[j]
                if not agree(a.codec, b.codec) and not self.wire.apart(a.schema, b.schema):
                    clash |= {i, j}
        if not clash:
            return []
        # Once some are tagged, {"kind": ..., "value": ...} is taken: objects that look like it need a tag, too.
        clash |= self._like_tags(clash)
        taken: set[str] = set()
        for i in sorted(clash):
            label = self.branches[i].label
            count = 2
            while label in taken:
                label = f"{self.branches[i].label}_{count}"
                count += 1
            taken.add(label)
            _tag(self.branches[i], label, const=const, closing=closing)
        return sorted(taken)

    def _like_tags(self, clash: set[int]) -> set[int]:
        """Objects that could be taken for a tag itself."""
        probe = {
            "type": "object",
            "properties": {KIND: {"type": "string"}, VALUE: {}},
            "required": [KIND, VALUE],
            "additionalProperties": False,
        }
        return {
            i
            for i, branch in enumerate(self.branches)
            if i not in clash and not self.wire.apart(branch.schema, probe)
        }


def _tag(branch: Branch, label: str, *, const: bool, closing: JSONObject) -> None:
    inner = dict(branch.schema)
    tag: JSONObject = {"type": "string"} | ({"const": label} if const else {"enum": [label]})
    # In place: the schema already stands in the anyOf, and maybe in others.
    branch.schema.clear()
    branch.schema.update(
        type="object",
        properties={KIND: tag, VALUE: inner},
        required=[KIND, VALUE],
        **closing,
    )
    branch.codec = TaggedCodec(branch.codec, label)


_MOST_APART = 150


def choose(c: Compilation, nodes: list[Node], spot: Spot, conj: Conj = ANYTHING) -> Node:
    """One node for any of several, which are taken over; ``conj`` is what they come from."""
    nodes = _unlike(nodes)
    if len(nodes) == 1:
        return nodes[0]
    if not nodes:
        return c.never(spot)
    kinds: frozenset[str] = frozenset().union(*(node.kinds for node in nodes))
    # OpenAPI 3.0, which the older Gemini API speaks, has no type null.
    if c.dialect.null == "nullable" and any(_is_null(node) for node in nodes):
        others = [node for node in nodes if not _is_null(node)]
        node = choose(c, others, spot, conj)
        return Node(
            nullable(c, node.schema), node.codec, kinds, null=True, label=node.label, branches=None
        )
    if not c.allowance.union():
        others = [node for node in nodes if not _is_null(node)]
        if len(others) < len(nodes):
            return _maybe(c, choose(c, others, spot, conj), spot)
        return c.text(conj, spot, why=f"{c.dialect.name} takes only so many unions", kinds=kinds)
    branches = [branch for node in nodes for branch in _branches(c, node)]
    schema: JSONObject = {
        "anyOf": _grouped([branch.schema for branch in branches], c.dialect.limits.branches)
    }
    null = any(node.null for node in nodes)
    # Values are the same on both sides: nothing need be told apart.
    if all(branch.codec is SAME for branch in branches):
        return Node(schema, SAME, kinds, null=null, label="value", branches=branches)
    # Every pair of branches is compared.
    if len(branches) > _MOST_APART:
        return c.text(
            conj, spot, why=f"{len(branches)} branches are too many to tell apart", kinds=kinds
        )
    choice = UnionCodec(branches, c.wire)
    settle = partial(choice.settle, const=c.dialect.const, closing=c.closing())
    c.unsettled.append((choice, spot, settle))
    return Node(schema, choice, kinds, null=null, label="value", branches=branches)


def _maybe(c: Compilation, node: Node, spot: Spot) -> Node:
    c.change(
        spot,
        "list",
        f"null or a value becomes a list of none or one: {c.dialect.name} takes no more unions",
    )
    schema: JSONObject = {"type": "array", "items": node.schema}
    if "maxItems" in c.dialect.words:
        schema["maxItems"] = 1
    annotate(schema, None, ["empty for null, else the one value"])
    return Node(schema, NullAsList(node.codec), node.kinds | {"null"}, label="array")


def nullable(c: Compilation, schema: JSONObject) -> JSONObject:
    """The schema, or null; its description stays outside."""
    if c.dialect.null == "nullable":
        return {**schema, "nullable": True}
    inner = dict(schema)
    outer: JSONObject = {}
    for word in ("title", "description"):
        if word in inner:
            outer[word] = inner.pop(word)
    if inner.keys() == {"anyOf"}:
        most = c.dialect.limits.branches
        if most is None or len(inner["anyOf"]) < most:
            return {"anyOf": [*inner["anyOf"], {"type": "null"}], **outer}
    return {"anyOf": [inner, {"type": "null"}], **outer}


def without_null(c: Compilation, schema: JSONObject) -> JSONObject:
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
    c.allowance.refund_union()
    return {**branches[0], **outer}


def _is_null(node: Node) -> bool:
    return node.kinds == {"null"}


def _branches(c: Compilation, node: Node) -> list[Branch]:
    """A union within a union, not described on its own, gives its branches to the outer one."""
    if node.branches is not None and node.schema.keys() == {"anyOf"}:
        # They are told apart there, together with the others.
        c.unsettled = [union for union in c.unsettled if union[0] is not node.codec]
        return node.branches
    return [Branch(node.schema, node.codec, node.label, node.kinds)]


def _unlike(nodes: list[Node]) -> list[Node]:
    """Nodes that say the same once; written out, for ``1`` and ``true`` are equal in Python."""
    found: dict[tuple[int, str], Node] = {}
    for node in nodes:
        other = found.setdefault((id(node.codec), repr(node.schema)), node)
        other.kinds |= node.kinds
    return list(found.values())


def _grouped(schemas: list[JSONObject], most: int | None) -> list[JSONObject]:
    while most is not None and len(schemas) > most:
        schemas = [
            {"anyOf": schemas[i : i + most]} if len(schemas[i : i + most]) > 1 else schemas[i]
            for i in range(0, len(schemas), most)
        ]
    return schemas
