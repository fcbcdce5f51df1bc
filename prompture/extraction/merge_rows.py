"""The items of a list that chunks gave of a document: which of them are one.

Two are where they stand at the same place of the text, or have the same key. Equal items at different
places are two.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from prompture.json_values import escape, segments_of, value_at
from prompture.schema.exact_json import to_json
from prompture.types import JSONValue, Span

Place: TypeAlias = tuple[str, bool, int]
"""Of which leaf of an item, ``*`` for the index in a list within it; whether where it begins, and
the character."""


@dataclass(frozen=True, slots=True)
class ChunkValue:
    """What one chunk gave: plain JSON, its spans in the whole text by pointer, and ``[start, end)``
    of the chunk itself."""

    plain: JSONValue
    spans: Mapping[str, tuple[Span, ...]]
    chunk: int
    start: int
    end: int
    quotes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seen:
    """A value as one chunk gave it, and its pointer there."""

    value: JSONValue
    at: str
    of: ChunkValue

    def member(self, key: str | int) -> Seen:
        return Seen(self.value[key], f"{self.at}/{escape(key)}", self.of)

    @property
    def spans(self) -> tuple[Span, ...]:
        return self.of.spans.get(self.at, ())


@dataclass(slots=True)
class MergedItem:
    """An item of the whole: what the chunks gave of it."""

    seen: list[Seen]
    order: float
    """Where it stands in the text."""


class MergedItems:
    """The items of one list of the whole. ``names`` are the fields of their key, None where they
    are known by their places."""

    def __init__(self, names: Sequence[str] | None) -> None:
        self._names = names
        self._lists: list[list[Seen]] = []

    def add(self, items: list[Seen]) -> None:
        """The items of one chunk."""
        self._lists.append(items)

    def in_order(self) -> list[MergedItem]:
        shared = self._shared()
        rows: list[MergedItem] = []
        by_place: dict[Place, list[MergedItem]] = {}
        by_key: dict[str, MergedItem] = {}
        by_value: dict[str, list[MergedItem]] = {}
        for items in self._lists:
            before = 0.0
            for item in items:
                placed = _placed(item)
                own = {p: leaf for leaf in placed for p in leaf.ends() if p not in shared}
                key = self._key(item)
                row = by_key.get(key) if key else self._at_same_place(item, own, by_place)
                value = folded(item.value) if not placed and not key else ""
                if row is None and value:
                    row = _of_another(by_value.get(value, ()), item)
                before = _order(placed, own, before)
                if row is None:
                    row = MergedItem([], before)
                    rows.append(row)
                row.order = min(row.order, before)
                row.seen.append(item)
                if key:
                    by_key[key] = row
                if value:
                    by_value.setdefault(value, []).append(row)
                for place in own:
                    by_place.setdefault(place, []).append(row)
        return sorted(rows, key=lambda row: row.order)

    def _shared(self) -> set[Place]:
        """Places that several items of one chunk have in common, as those of one order have its
        number: they say nothing about which item it is."""
        found: set[Place] = set()
        for items in self._lists:
            # One item may have a place twice: two leaves of a list within it.
            each = ({p for leaf in _placed(item) for p in leaf.ends()} for item in items)
            uses = Counter(p for places in each for p in places)
            found |= {place for place, uses_of in uses.items() if uses_of > 1}
        return found

    def _key(self, item: Seen) -> str:
        if self._names is None:
            return ""
        if not self._names:
            return folded(item.value)
        parts = [value_at(item.value, steps_of(name)) for name in self._names]
        return "" if all(part is None for part in parts) else "\n".join(map(folded, parts))

    def _at_same_place(
        self, item: Seen, own: Mapping[Place, _Leaf], by_place: Mapping[Place, list[MergedItem]]
    ) -> MergedItem | None:
        """The row that another chunk gave of the same place of the text."""
        # What is repeated in front of a chunk may belong to all of its items.
        inside = {place: leaf for place, leaf in own.items() if self._is_in(place, item)}
        above = {p: leaf for p, leaf in own.items() if p not in inside and not leaf.in_list}
        # But for an item that has only parts of its lists here: it began under that heading.
        goes_on = bool(above) and all(leaf.in_list for leaf in inside.values())
        places = {**inside, **above} if goes_on else inside or own
        # A leaf that could as well be elsewhere says less.
        votes: dict[tuple[int, str], float] = {}
        rows: dict[int, MergedItem] = {}
        for place, leaf in places.items():
            for row in by_place.get(place, ()):
                rows[id(row)] = row
                votes[id(row), leaf.below] = 1 / len(leaf.spans)
        alike: dict[int, float] = {}
        for (key, _), share in votes.items():
            alike[key] = alike.get(key, 0.0) + share
        is_sure = bool(inside) and not goes_on
        for key in sorted(alike, key=alike.__getitem__, reverse=True):
            row = rows[key]
            # Of one chunk, two items are two.
            if any(other.of is item.of for other in row.seen):
                continue
            # Most of it stands at the same place; what does not may be another row of a kind.
            unlike = max(_unlike(item, other, everywhere=not is_sure) for other in row.seen)
            if alike[key] > 2 * unlike if is_sure else not unlike:
                return row
        return None

    @staticmethod
    def _is_in(place: Place, item: Seen) -> bool:
        """Not in a heading that is repeated in front of the chunk."""
        return item.of.start <= place[2] <= item.of.end


def _order(placed: Sequence[_Leaf], own: Mapping[Place, _Leaf], before: float) -> float:
    """Where an item stands among the others; ``before``: where the one before it in its list does."""
    leaves_of = [leaf.spans for leaf in own.values()] or [leaf.spans for leaf in placed]
    if not leaves_of:
        # What stands nowhere stays behind what came before it.
        return before + 1e-6
    # The leaf that stands in the fewest places is the surest.
    surest = min(leaves_of, key=len)
    at = float(surest[0].start)
    return at if len(surest) == 1 else max(at, before + 1e-6)


def _of_another(rows: Sequence[MergedItem], item: Seen) -> MergedItem | None:
    """A row of the same value that no item of this chunk is in; neither stands in the text."""
    return next((row for row in rows if all(each.of is not item.of for each in row.seen)), None)


def _unlike(one: Seen, other: Seen, *, everywhere: bool) -> int:
    """In how many leaves two items differ: those that both have at places of their own, or
    ``everywhere``. Lists within them are no sign: each chunk has its part of them."""
    found = 0
    for below, leaf, kind in _leaves(one.value):
        its = None if kind != below else value_at(other.value, segments_of(below))
        if its is None or folded(leaf) == folded(its):
            continue
        mine, theirs = one.of.spans.get(one.at + below), other.of.spans.get(other.at + below)
        if mine and theirs:
            here, there = mine[0], theirs[0]
            found += everywhere or (here.start != there.start and here.end != there.end)
        else:
            found += everywhere
    return found


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A leaf that stands in the text: its pointer below the item, and with ``*`` for indexes."""

    below: str
    kind: str
    spans: tuple[Span, ...]

    @property
    def in_list(self) -> bool:
        """Whether it is in a list within the item."""
        return self.kind != self.below

    def ends(self) -> Iterator[Place]:
        # Either end will do: a seam may have cut off the other.
        yield self.kind, True, self.spans[0].start
        yield self.kind, False, self.spans[0].end


def _placed(item: Seen) -> list[_Leaf]:
    spans = item.of.spans
    return [
        _Leaf(below, kind, found)
        for below, _, kind in _leaves(item.value)
        if (found := spans.get(item.at + below))
    ]


def leaves(value: JSONValue) -> Iterator[tuple[str, JSONValue]]:
    """The leaves of a value, with their pointers."""
    return ((at, leaf) for at, leaf, _ in _leaves(value))


def _leaves(value: JSONValue) -> Iterator[tuple[str, JSONValue, str]]:
    """The same, and the pointers with ``*`` for the indexes of lists."""
    stack: list[tuple[str, JSONValue, str]] = [("", value, "")]
    while stack:
        at, one, kind = stack.pop()
        if isinstance(one, dict):
            steps = [(f"/{escape(key)}", inner) for key, inner in one.items()]
            stack += reversed([(at + step, inner, kind + step) for step, inner in steps])
        elif isinstance(one, list):
            stack += reversed([(f"{at}/{i}", inner, f"{kind}/*") for i, inner in enumerate(one)])
        elif one is not None:
            yield at, one, kind


def folded(value: Any) -> str:
    """Equal for values that differ in nothing but case, blanks and outer marks."""
    if isinstance(value, str):
        words = " ".join(unicodedata.normalize("NFKC", value).casefold().split())
        return "s" + (words.strip(" .,;:") or words)
    if isinstance(value, (dict, list)):
        return to_json(_plain(value))
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value == int(value):
        return f"n{int(value)}"
    return f"n{value}"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(value[key]) for key in sorted(value) if value[key] is not None}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return folded(value)


def steps_of(name: str) -> tuple[str, ...]:
    return segments_of(name) if name.startswith("/") else (name,)
