"""Sets of places: of one value by cost, near to others, inside others, and those of a list worth weighing."""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from prompture.types import Span

Path = tuple[str | int, ...]
Places = tuple[Span, ...]

MOST_SPANS = 5
MARGIN = 0.25
ITEM_MARGIN = 1.0
"""Two places whose costs differ by less are equally good: for a value among others of its object,
and for an item that may as well be another mention in the same stretch of the list."""


@dataclass(frozen=True, slots=True)
class RankedSpans:
    """A value's places, best first, with what each costs."""

    spans: Places
    costs: tuple[float, ...]
    margin: float = MARGIN

    def marked(self) -> Places:
        """The spans, those that nothing sets apart from the best marked as ambiguous."""
        bound = self.costs[0] + self.margin
        tied = [cost < bound and span.score == self.spans[0].score
                for span, cost in zip(self.spans, self.costs, strict=True)]  # fmt: skip
        if sum(tied) < 2:
            return self.spans
        return tuple(
            replace(span, ambiguous=True) if tie else span
            for span, tie in zip(self.spans, tied, strict=True)
        )


class Near:
    """Spans in the order of the text, to find those next to another."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self.spans = sorted(spans, key=_start)

    def __bool__(self) -> bool:
        return bool(self.spans)

    def add(self, span: Span) -> None:
        insort(self.spans, span, key=_start)

    def beside(self, span: Span) -> list[Span]:
        at = bisect_left(self.spans, span.start, key=_start)
        return self.spans[max(0, at - 1) : at + 1]


def _start(span: Span) -> int:
    return span.start


class Cover:
    """Spans, to ask which of them hold another."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._spans = sorted({(s.start, s.end) for s in spans})
        self._reach: list[int] = []
        for _, end in self._spans:
            self._reach.append(max(end, self._reach[-1]) if self._reach else end)

    def holds(self, span: Span) -> bool:
        """Whether one of the spans begins no later and ends no earlier, and is longer."""
        at = bisect_right(self._spans, (span.start, math.inf))
        while at:
            at -= 1
            if self._reach[at] < span.end:
                return False
            start, end = self._spans[at]
            if end >= span.end and end - start > span.end - span.start:
                return True
            if start < span.start - 4000:
                return False
        return False


def cheapest(
    spans: Iterable[Span],
    cost: Callable[[Span], float],
    *,
    most: int = MOST_SPANS,
    later: float = 0.0,
) -> RankedSpans:
    """The cheapest places. ``later`` is paid by all but the first, and is no reason to call a
    choice sure."""
    ranked = heapq.nsmallest(
        most,
        ((cost(span), i, span) for i, span in enumerate(spans)),
        key=lambda r: (r[0] + later * (r[1] > 0), r[1]),
    )
    return RankedSpans(tuple(s for _, _, s in ranked), tuple(c for c, _, _ in ranked))


def narrowed_to(places: Sequence[Places], within: tuple[int, int] | None) -> list[Places]:
    """For each item the candidates worth weighing: those between the items that have one place
    only, and of very many as many as the list's length allows."""
    most = max(6, min(48, 20_000 // max(1, len(places))))
    bounds = _bounds(places)
    seen: dict[int, int] = {}
    narrowed: list[Places] = []
    for spans, (low, high) in zip(places, bounds, strict=True):
        if len(spans) <= 1:
            narrowed.append(spans)
            continue
        if within is not None:
            low, high = max(low, within[0]), min(high, within[1])
        first = bisect_left(spans, low, key=lambda span: span.start)
        last = bisect_left(spans, high, key=lambda span: span.start)
        region = spans[first:last] or spans
        skip = seen.get(id(spans), 0)
        seen[id(spans)] = skip + 1
        if len(region) > most:
            begin = min(max(0, skip - first), len(region) - most)
            region = region[begin : begin + most]
        narrowed.append(region)
    return narrowed


def is_ordered(places: Sequence[Places]) -> bool:
    """Whether the items that stand in one place only are in the order of the text."""
    starts = [spans[0].start for spans in places if len(spans) == 1]
    return all(a <= b for a, b in pairwise(starts))


def _bounds(places: Sequence[Places]) -> list[tuple[float, float]]:
    """For each item the places of the items before and after it that stand in one place only;
    those out of order are left aside."""
    sole = [(i, spans[0].start) for i, spans in enumerate(places) if len(spans) == 1]
    tails: list[int] = []
    ends: list[int] = []
    links: list[int] = []
    for at, (_, start) in enumerate(sole):
        length = bisect_left(tails, start)
        if length == len(tails):
            tails.append(start)
            ends.append(at)
        else:
            tails[length] = start
            ends[length] = at
        links.append(ends[length - 1] if length else -1)
    kept: dict[int, int] = {}
    at = ends[-1] if ends else -1
    while at >= 0:
        kept[sole[at][0]] = sole[at][1]
        at = links[at]
    lows: list[float] = []
    low: float = -1
    for i in range(len(places)):
        lows.append(low)
        low = kept.get(i, low)
    highs: list[float] = []
    high = math.inf
    for i in range(len(places) - 1, -1, -1):
        highs.append(high)
        high = kept.get(i, high)
    return list(zip(lows, reversed(highs), strict=True))
