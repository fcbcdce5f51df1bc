"""Merging what the chunks of a document gave, by the schema.

Objects are merged member by member; null loses against a value. The items of lists are joined in the
order of the text, and two are one where they stand at the same place of it (or have the same key).
Single values are settled by agreement, and unlike ones are kept as claims.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from prompture.extraction.chunks import Claim
from prompture.extraction.merge_rows import ChunkValue as ChunkValue
from prompture.extraction.merge_rows import MergedItems, Seen, folded, leaves
from prompture.extraction.patch import member_of, resolved
from prompture.json_values import escape, kind_of, same, segments_of
from prompture.types import JSON, JSONValue, Span

MOST_SPANS = 5
_EDGE = 2
"""Characters between the end of a chunk and a value that is cut off by it."""


@dataclass(slots=True)
class Merged:
    """The value of the whole, where its parts stand, and what the chunks did not agree on."""

    plain: JSONValue = None
    spans: dict[str, tuple[Span, ...]] = field(default_factory=dict)
    conflicts: dict[str, tuple[Claim, ...]] = field(default_factory=dict)
    quotes: dict[str, tuple[str, ...]] = field(default_factory=dict)


def merged(
    values: Sequence[ChunkValue], schema: JSON, identity: Mapping[str, Sequence[str]]
) -> Merged:
    """One value of those of the chunks, which come in the order of the text."""
    merger = _Merger(schema, {segments_of(where): names for where, names in identity.items()})
    seen = [Seen(each.plain, "", each) for each in values]
    merger.found.plain = merger.value(seen, schema, (), "")
    return merger.found


class _Merger:
    def __init__(self, root: JSON, identity: Mapping[tuple[str, ...], Sequence[str]]) -> None:
        self.found = Merged()
        self._root = root
        self._identity = identity

    def value(
        self, seen: Sequence[Seen], schema: JSONValue, path: tuple[str, ...], where: str
    ) -> JSONValue:
        """``path`` are the segments of the pointer ``where``, ``*`` for those of items."""
        seen = [each for each in seen if each.value is not None]
        # Many a model gives "" for what a chunk does not state.
        seen = [each for each in seen if each.value != ""] or seen[:1]
        if not seen:
            return None
        at = resolved(schema, self._root)
        kinds = {kind_of(each.value) for each in seen}
        if kinds == {"object"} and (branch := self._branch(seen, at)) is not None:
            return self._object(seen, branch, path, where)
        if kinds == {"array"} and not (isinstance(at, Mapping) and "prefixItems" in at):
            return self._list(seen, at, path, where)
        return self._agreed(seen, where)

    def _branch(self, seen: Sequence[Seen], at: JSONValue) -> JSON | None:
        """The schema that objects have in common: of a union, the branch that all of them may be
        of. None where there is no such branch."""
        if not isinstance(at, Mapping):
            return {}
        branches = at.get("anyOf") or at.get("oneOf")
        if not branches:
            return at
        found = [b for each in branches if isinstance(b := resolved(each, self._root), Mapping)]
        fitting = [b for b in found if all(self._may_be(b, each.value) for each in seen)]
        if fitting:
            return fitting[0]
        return {} if len(seen) == 1 else None

    @staticmethod
    def _may_be(branch: JSON, value: JSON) -> bool:
        """Whether an object that may lack members is of a branch, so far as can be seen."""
        named = branch.get("properties", {})
        is_open = not named or bool(branch.get("additionalProperties"))
        for key, inner in value.items():
            own = named.get(key)
            if inner is not None and own is None and not is_open:
                return False
            if isinstance(own, Mapping) and "const" in own and not same(inner, own["const"]):
                return False
        return True

    def _object(
        self, seen: Sequence[Seen], at: JSONValue, path: tuple[str, ...], where: str
    ) -> JSONValue:
        named = at.get("properties", {}) if isinstance(at, Mapping) else {}
        given = dict.fromkeys(key for each in seen for key in each.value)
        order = [*(key for key in named if key in given), *(k for k in given if k not in named)]
        found: dict[str, JSONValue] = {}
        for key in order:
            inner = member_of(at, key)
            those = [each.member(key) for each in seen if key in each.value]
            value = self.value(those, inner, (*path, key), f"{where}/{escape(key)}")
            # What no chunk has is absent, unless the schema knows null.
            if value is not None or inner is None or self._takes_null(inner):
                found[key] = value
        required = at.get("required", ()) if isinstance(at, Mapping) else ()
        for key in [key for key in required if key in named and key not in found]:
            inner = named[key]
            # The chunks need not give what the whole must.
            if self._takes_null(inner):
                found[key] = None
            elif _is_list(resolved(inner, self._root)):
                found[key] = []
        return {key: found[key] for key in [*named, *found] if key in found}

    def _takes_null(self, schema: JSONValue) -> bool:
        for _ in range(20):
            if not isinstance(schema, Mapping):
                return True
            if "$ref" not in schema:
                break
            schema = resolved({"$ref": schema["$ref"]}, self._root)
        kind = schema.get("type")
        branches = schema.get("anyOf") or schema.get("oneOf")
        if isinstance(branches, list):
            return any(self._takes_null(branch) for branch in branches)
        if "enum" in schema or "const" in schema:
            return None in schema.get("enum", ()) or schema.get("const", "") is None
        return kind is None or kind == "null" or (isinstance(kind, list) and "null" in kind)

    # Single values.

    def _agreed(self, seen: Sequence[Seen], where: str) -> JSONValue:
        """The value on which most places of the text agree; where several do, the first."""
        groups: dict[str, list[Seen]] = {}
        for each in seen:
            groups.setdefault(folded(each.value), []).append(each)
        whole = [g for g in groups.values() if not self._is_cut_off(g, seen)] or [*groups.values()]
        # First what stands in the text, and what is so: a chunk that lacks a clause denies it.
        ranked = sorted(whole, key=lambda g: (not _stands(g), g[0].value is False, -_votes(g)))
        best = ranked[0]
        self._take_spans(best, where)
        if len(ranked) > 1:
            self.found.conflicts[where] = tuple(
                Claim(g[0].value, _spans_of(g, ""), tuple(dict.fromkeys(e.of.chunk for e in g)))
                for g in ranked
            )
        return best[0].value

    def _is_cut_off(self, group: Sequence[Seen], seen: Sequence[Seen]) -> bool:
        """Whether a seam has cut it, and another chunk has the whole."""
        return all(
            each.spans
            and _touches(each.spans[0], each.of)
            and any(
                other.spans
                and other.spans[0].start <= each.spans[0].start
                and other.spans[0].end >= each.spans[0].end
                and other.spans[0].end - other.spans[0].start
                > each.spans[0].end - each.spans[0].start
                for other in seen
            )
            for each in group
        )

    def _take_spans(self, group: Sequence[Seen], where: str) -> None:
        first = group[0]
        if quotes := first.of.quotes.get(first.at):
            self.found.quotes[where] = quotes
        if isinstance(first.value, (dict, list)):
            for below, _ in leaves(first.value):
                if spans := _spans_of(group, below):
                    self.found.spans[where + below] = spans
        elif spans := _spans_of(group, ""):
            self.found.spans[where] = spans

    # Lists.

    def _list(
        self, seen: Sequence[Seen], at: JSONValue, path: tuple[str, ...], where: str
    ) -> JSONValue:
        names = self._names(path)
        if names is None and isinstance(at, Mapping) and at.get("uniqueItems"):
            names = ()
        rows = MergedItems(names)
        for each in seen:
            items = [each.member(i) for i in range(len(each.value))]
            rows.add([item for item in items if item.value is not None])
        inner = member_of(at, 0)
        return [
            self.value(row.seen, inner, (*path, "*"), f"{where}/{i}")
            for i, row in enumerate(rows.in_order())
        ]

    def _names(self, path: tuple[str, ...]) -> Sequence[str] | None:
        for where, names in self._identity.items():
            if len(where) == len(path) and all(a in ("*", b) for a, b in zip(where, path)):  # noqa: B905
                return names
        return None


def _is_list(schema: JSONValue) -> bool:
    return isinstance(schema, Mapping) and schema.get("type") == "array"


def _spans_of(group: Sequence[Seen], below: str) -> tuple[Span, ...]:
    """The spans of the same value in several chunks: the best of each first."""
    lists = [each.of.spans.get(each.at + below, ()) for each in group]
    firsts = [spans[0] for spans in lists if spans]
    rest = [span for spans in lists for span in spans[1:]]
    found: dict[tuple[int, int], Span] = {}
    for span in (*firsts, *rest):
        found.setdefault((span.start, span.end), span)
    return tuple(found.values())[:MOST_SPANS]


def _stands(group: Sequence[Seen]) -> bool:
    return any(each.spans for each in group)


def _votes(group: Sequence[Seen]) -> int:
    """At how many places the value was read; what stands nowhere counts once a chunk."""
    places = {(s.start, s.end) for each in group for s in each.spans[:1]}
    return len(places) or len(group)


def _touches(span: Span, of: ChunkValue) -> bool:
    return span.end >= of.end - _EDGE or span.start <= of.start + _EDGE
