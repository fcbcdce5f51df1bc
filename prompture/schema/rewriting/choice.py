"""Rewrite: a union. Branches that a value tells apart stay as they are; the others are put under a tag.

Which branch restores a value is decided by the value alone. So two branches must either have no value in common,
or agree on what to do with those they share; else each is wrapped as ``{"kind": "name", "value": ...}``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from prompture.schema.rewriting.codec import (
    SAME,
    Codec,
    JSONText,
    Later,
    Step,
    is_identity,
    unfit,
)
from prompture.schema.rewriting.conform import Wire
from prompture.schema.rewriting.kinds import kind_of, same
from prompture.schema.rewriting.literals import Labels
from prompture.schema.rewriting.maybe import Maybe
from prompture.schema.rewriting.pairs import Pairs, Values
from prompture.schema.rewriting.record import Field, Record
from prompture.schema.rewriting.rows import List, Tuple

KIND, VALUE = "kind", "value"


@dataclass(slots=True)
class Branch:
    """One alternative: its rewritten schema (changed in place when tagged) and its codec."""

    schema: dict[str, Any]
    codec: Codec
    label: str
    kinds: frozenset[str]


class Tagged(Codec):
    """A value under a tag."""

    __slots__ = ("inner", "label")

    def __init__(self, inner: Codec, label: str) -> None:
        self.inner = inner
        self.label = label

    def parts(self) -> Iterable[Codec]:
        return (self.inner,)

    def is_plain(self) -> bool:
        return False

    def forward(self, value: Any) -> Any:
        return {KIND: self.label, VALUE: self.inner.forward(value)}

    def restore(self, value: Any) -> Any:
        return self.inner.restore(value[VALUE]) if self.has_tagged(value) else value

    def opened(self, wire: Any) -> Step:
        if not self.has_tagged(wire):
            return (), self, wire
        tokens, codec, inner = self.inner.opened(wire[VALUE])
        return (VALUE, *tokens), codec, inner

    def has_tagged(self, value: Any) -> bool:
        """The value stands under this tag; a forgotten tag is forgiven."""
        if not isinstance(value, dict) or VALUE not in value or not value.keys() <= {KIND, VALUE}:
            return False
        return bool(value.get(KIND, self.label) == self.label)


class Choice(Codec):
    """A union of branches."""

    __slots__ = ("_table", "branches", "kinds", "wire")

    def __init__(self, branches: list[Branch], wire: Wire) -> None:
        self.branches = branches
        self.wire = wire
        self.kinds: frozenset[str] = frozenset().union(*(branch.kinds for branch in branches))
        self._table: dict[str, list[Branch]] | None = None

    def parts(self) -> Iterable[Codec]:
        return [branch.codec for branch in self.branches]

    def forward(self, value: Any) -> Any:
        kind = kind_of(value)
        tried: list[tuple[Branch, Any]] = []
        for branch in self.branches:
            if kind in branch.kinds:
                moved = branch.codec.forward(value)
                if self.wire.takes(branch.schema, moved):
                    return moved
                tried.append((branch, moved))
        return self._misfit(value, tried)

    def _misfit(self, value: Any, tried: list[tuple[Branch, Any]]) -> Any:
        """What no branch takes: in a form that restores to it, or at least to what no branch takes either."""
        for moved in (*(moved for _, moved in tried), value):
            if same(self.restore(moved), value):
                return moved
        for branch, moved in tried:
            if same(self.restore(moved), branch.codec.restore(moved)):
                return moved
        return unfit(value, self.kinds, self.restore)

    def restore(self, value: Any) -> Any:
        branch = self._branch_of(value)
        return value if branch is None else branch.codec.restore(value)

    def opened(self, wire: Any) -> Step:
        branch = self._branch_of(wire)
        return ((), SAME, wire) if branch is None else branch.codec.opened(wire)

    def _branch_of(self, value: Any) -> Branch | None:
        """The branch that a rewritten value belongs to, or comes nearest to."""
        if self._table is None:
            self._table = self._by_kind()
        found = self._table.get(kind_of(value), [])
        if len(found) == 1:
            return found[0]
        for branch in found:
            if self.wire.takes(branch.schema, value):
                return branch
        return self._nearest(found, value) if found else None

    def _nearest(self, branches: list[Branch], value: Any) -> Branch:
        """The branch of a value that none of them takes: by its tag, else the one that knows most of its keys."""
        for branch in branches:
            if isinstance(branch.codec, Tagged) and branch.codec.has_tagged(value):
                return branch
        plain = [branch for branch in branches if not isinstance(branch.codec, Tagged)] or branches
        if not isinstance(value, dict):
            return plain[0]
        return max(plain, key=lambda branch: self._known_keys(branch, value))

    def _known_keys(self, branch: Branch, value: dict[str, Any]) -> int:
        named = self.wire.deref(branch.schema).get("properties", {})
        return sum(1 if key in named else -1 for key in value)

    def _by_kind(self) -> dict[str, list[Branch]]:
        table: dict[str, list[Branch]] = {}
        for branch in self.branches:
            for kind in self.wire.kinds(branch.schema):
                table.setdefault(kind, []).append(branch)
        return table

    def settle(self, *, const: bool, closing: dict[str, Any]) -> list[str]:
        """Tag the branches that could be taken for one another; the labels of those that were."""
        clash: set[int] = set()
        for i, a in enumerate(self.branches):
            for j in range(i):
                b = self.branches[j]
                if not agree(a.codec, b.codec) and not self.wire.apart(a.schema, b.schema):
                    clash |= {i, j}
        if not clash:
            return []
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


def _tag(branch: Branch, label: str, *, const: bool, closing: dict[str, Any]) -> None:
    inner = dict(branch.schema)
    tag: dict[str, Any] = {"type": "string"} | ({"const": label} if const else {"enum": [label]})
    branch.schema.clear()
    branch.schema.update(
        type="object",
        properties={KIND: tag, VALUE: inner},
        required=[KIND, VALUE],
        **closing,
    )
    branch.codec = Tagged(branch.codec, label)


def agree(a: Codec, b: Codec, seen: set[tuple[int, int]] | None = None) -> bool:
    """Both restore any value that both could be given to the same."""
    seen = set() if seen is None else seen
    while isinstance(a, Later):
        a = a.target
    while isinstance(b, Later):
        b = b.target
    if a is b or (id(a), id(b)) in seen:
        return True
    seen.add((id(a), id(b)))
    if is_identity(a) and is_identity(b):
        return True
    if type(a) is not type(b):
        return False
    return _agree_alike(a, b, seen)


def _agree_alike(a: Codec, b: Codec, seen: set[tuple[int, int]]) -> bool:
    if isinstance(a, JSONText):
        return True
    if isinstance(a, Labels) and isinstance(b, Labels):
        return all(same(a.restore(x), b.restore(x)) for x in {*a.labels()} & {*b.labels()})
    if isinstance(a, Maybe) and isinstance(b, Maybe):
        return agree(a.inner, b.inner, seen)
    if isinstance(a, Pairs | Values) and isinstance(b, Pairs | Values):
        return agree(a.value, b.value, seen)
    if isinstance(a, List) and isinstance(b, List):
        return len(a.prefix) == len(b.prefix) and all(
            agree(x, y, seen) for x, y in zip(a.parts(), b.parts(), strict=True)
        )
    if isinstance(a, Tuple) and isinstance(b, Tuple):
        return a.names == b.names and a.rest == b.rest and agree(a.record, b.record, seen)
    if isinstance(a, Record) and isinstance(b, Record):
        return _records_agree(a, b, seen)
    return False


def _records_agree(a: Record, b: Record, seen: set[tuple[int, int]]) -> bool:
    if a.apart != b.apart or not agree(a.rest, b.rest, seen):
        return False
    for wire in {**a.by_wire, **b.by_wire}:
        x, y = a.by_wire.get(wire), b.by_wire.get(wire)
        if x is None or y is None:
            only, rest = (x or y), (b.rest if y is None else a.rest)
            if only is None or not _field_agrees_with_rest(only, rest, seen):
                return False
        elif x.name != y.name or _absence(x) != _absence(y) or not agree(x.codec, y.codec, seen):
            return False
    return True


def _absence(field: Field) -> str:
    return "" if field.presence in ("required", "optional") else field.presence


def _field_agrees_with_rest(field: Field, rest: Codec, seen: set[tuple[int, int]]) -> bool:
    return field.name == field.wire and not _absence(field) and agree(field.codec, rest, seen)
