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
"""Below which pointer of an item, whether where it begins, and the character."""


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
                placed = dict(_placed(item))
                own = [p for b, s in placed.items() for p in _ends(b, s[0]) if p not in shared]
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
            uses = Counter(p for item in items for b, s in _placed(item) for p in _ends(b, s[0]))
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
        self, item: Seen, own: Sequence[Place], by_place: Mapping[Place, list[MergedItem]]
    ) -> MergedItem | None:
        """The row that another chunk gave of the same place of the text."""
        # What is repeated in front of a chunk may belong to all of its items.
        inside = [place for place in own if self._is_in(place, item)]
        places = inside or own
        votes = {(id(row), at[0]): row for at in places for row in by_place.get(at, ())}
        # A leaf that could as well be elsewhere says less.
        alike: dict[int, float] = {}
        for key, below in votes:
            alike[key] = alike.get(key, 0.0) + 1 / len(item.of.spans[item.at + below])
        rows = {id(row): row for row in votes.values()}
        for key in sorted(alike, key=alike.__getitem__, reverse=True):
            count = alike[key]
            row = rows[key]
            # Of one chunk, two items are two.
            if any(other.of is item.of for other in row.seen):
                continue
            # Most of it stands at the same place; what does not may be another row of a kind.
            unlike = max(_unlike(item, other, everywhere=not inside) for other in row.seen)
            if count > 2 * unlike if inside else not unlike:
                return row
        return None

    @staticmethod
    def _is_in(place: Place, item: Seen) -> bool:
        """Not in a heading that is repeated in front of the chunk."""
        return item.of.start <= place[2] <= item.of.end


def _order(placed: Mapping[str, tuple[Span, ...]], own: Sequence[Place], before: float) -> float:
    """Where an item stands among the others; ``before``: where the one before it in its list does."""
    mine = {below for below, _, _ in own}
    leaves_of = [spans for below, spans in placed.items() if below in mine] or [*placed.values()]
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
    ``everywhere``."""
    found = 0
    for below, leaf in leaves(one.value):
        its = value_at(other.value, segments_of(below))
        if its is None or folded(leaf) == folded(its):
            continue
        mine, theirs = one.of.spans.get(one.at + below), other.of.spans.get(other.at + below)
        if mine and theirs:
            here, there = mine[0], theirs[0]
            found += everywhere or (here.start != there.start and here.end != there.end)
        else:
            found += everywhere
    return found


def _placed(item: Seen) -> Iterator[tuple[str, tuple[Span, ...]]]:
    """The leaves that stand in the text, with their pointers below the item."""
    for below, _ in leaves(item.value):
        if spans := item.of.spans.get(item.at + below):
            yield below, spans


def _ends(below: str, span: Span) -> Iterator[Place]:
    # Either end will do: a seam may have cut off the other.
    yield below, True, span.start
    yield below, False, span.end


def leaves(value: JSONValue) -> Iterator[tuple[str, JSONValue]]:
    stack: list[tuple[str, JSONValue]] = [("", value)]
    while stack:
        at, one = stack.pop()
        if isinstance(one, dict):
            stack += reversed([(f"{at}/{escape(key)}", inner) for key, inner in one.items()])
        elif isinstance(one, list):
            stack += reversed([(f"{at}/{i}", inner) for i, inner in enumerate(one)])
        elif one is not None:
            yield at, one


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
