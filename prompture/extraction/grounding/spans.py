"""Sets of spans: ranked by cost, searched by nearness and containment, narrowed for a list or to what
a model quoted."""

from __future__ import annotations

import heapq
import math
import re
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from prompture.json_values import pointer
from prompture.types import Span

Path = tuple[str | int, ...]
Places = tuple[Span, ...]

MOST_SPANS = 5
"""Of a value, so many spans are given."""
MARGIN = 0.25
"""Two places of a value whose costs differ by less are equally good."""
ITEM_MARGIN = 4.0
"""The same for an item of a list, which may be another mention in the same stretch of text."""
ALIKE = 0.11
"""Spans whose scores differ by more are not equally good."""
_REACH = 4000
"""A longer value is not looked for around a span: it would make the search slow."""

MOST_QUOTES = 20_000
"""So many are looked for; each costs a search of the text."""
_LEFT_OUT = re.compile(r"\.{3,}|…")
_SHORTEST = 8
"""Characters of a piece of a quotation; shorter ones stand in many places."""
_LOOKED = 50
"""Stretches that begin before a place, of which one may hold it."""


@dataclass(frozen=True, slots=True)
class RankedSpans:
    """A value's places, best first, with what each costs."""

    spans: Places
    costs: tuple[float, ...]
    margin: float = MARGIN

    def marked(self) -> Places:
        """The spans, those that nothing sets apart from the best marked as ambiguous."""
        bound, best = self.costs[0] + self.margin, self.spans[0].score
        tied = [cost < bound and abs(span.score - best) <= ALIKE
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
        """The spans that begin last before this one, and first at or after it."""
        at = bisect_left(self.spans, span.start, key=_start)
        return self.spans[max(0, at - 1) : at + 1]


def _start(span: Span) -> int:
    return span.start


class Cover:
    """Spans, to ask which of them hold another."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._spans = sorted({(s.start, s.end) for s in spans})
        # The greatest end of each span and all before it: behind it, no search need go back.
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
            if start < span.start - _REACH:
                return False
        return False


def cheapest(
    spans: Iterable[Span],
    cost: Callable[[Span], float],
    *,
    most: int = MOST_SPANS,
    later: float = 0.0,
) -> RankedSpans:
    """The cheapest places. All but the first pay ``later``, in the ranking only: where nothing
    else sets two places apart, they stay ambiguous."""
    ranked = heapq.nsmallest(
        most,
        ((cost(span), i, span) for i, span in enumerate(spans)),
        key=lambda r: (r[0] + later * (r[1] > 0), r[1]),
    )
    return RankedSpans(tuple(s for _, _, s in ranked), tuple(c for c, _, _ in ranked))


def cheapest_path(
    candidates: Sequence[Places],
    cost: Callable[[int, Span], float],
    step: Callable[[Span, Span], float],
) -> list[Span | None]:
    """One candidate for each item so that the whole list is cheapest (None for an item that
    has none). ``cost`` is a candidate's own, ``step`` that of going from one to the next.

    A shortest path, layer by layer: items x candidates² steps, so narrow the candidates first.
    """
    # Of each layer: the item, the cost of the best path to each candidate, and where it
    # comes from in the layer before.
    layers: list[tuple[int, list[float], list[int]]] = []
    for index, spans in enumerate(candidates):
        if not spans:
            continue
        own = [cost(index, span) for span in spans]
        if not layers:
            # Of equal first places, the earliest in the text.
            layers.append((index, [c + i * 1e-4 for i, c in enumerate(own)], []))
            continue
        previous, totals, _ = layers[-1]
        sums: list[float] = []
        links: list[int] = []
        for span, paid in zip(spans, own, strict=True):
            best, link = math.inf, 0
            for at, other in enumerate(candidates[previous]):
                total = totals[at] + step(other, span)
                if total < best - 1e-9:  # not for a rounding error of the sum
                    best, link = total, at
            sums.append(best + paid)
            links.append(link)
        layers.append((index, sums, links))
    chosen: list[Span | None] = [None] * len(candidates)
    link = -1
    for index, sums, links in reversed(layers):
        if link < 0:
            link = min(range(len(sums)), key=sums.__getitem__)
        chosen[index] = candidates[index][link]
        link = links[link] if links else -1
    return chosen


def narrowed_to(
    places: Sequence[Places], within: tuple[float, float] | None, *, ordered: bool
) -> list[Places]:
    """For each item the candidates worth weighing: in an ordered list those between the items
    that have one place only, and of very many as many as the list's length allows."""
    # Weighing takes items x candidates² steps.
    # So many: a million steps at 416 items, fewer up to 3,333, and 36 an item beyond.
    most = max(6, min(48, 20_000 // max(1, len(places))))
    bounds = _bounds(places) if ordered else [(-1.0, math.inf)] * len(places)
    # The nth item of equal value begins at its nth place: the first ones are others' places.
    earlier: dict[int, int] = {}
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
        skip = earlier.get(id(spans), 0)
        earlier[id(spans)] = skip + 1
        if len(region) > most:
            begin = min(max(0, skip - first), len(region) - most)
            region = region[begin : begin + most]
        narrowed.append(region)
    return narrowed


def is_ordered(places: Sequence[Places], *, mentions: bool) -> bool:
    """Whether the items of a list are in the order of the text: those that stand in one place
    only and, with ``mentions``, most first mentions of the others."""
    sole = [spans[0].start for spans in places if len(spans) == 1]
    if not all(a <= b for a, b in pairwise(sole)):
        return False
    if not mentions:
        return True
    firsts = [at for at in nth_mentions(places) if at < math.inf]
    back = sum(a > b for a, b in pairwise(firsts))
    return back == 0 or 3 * back < len(firsts) - 1


def nth_mentions(places: Sequence[Places]) -> list[float]:
    """Where each item of a list would stand if the items of equal value were the first mentions
    of it, as it is written; infinite for an item that has no place."""
    seen: dict[int, int] = {}
    starts: list[float] = []
    for spans in places:
        at = seen.get(id(spans), 0)
        seen[id(spans)] = at + 1
        mentions = _mentions(spans)
        starts.append(mentions[min(at, len(mentions) - 1)].start if mentions else math.inf)
    return starts


def _mentions(spans: Places) -> Places:
    """The places as the value is written, if there are such; else all."""
    return tuple(s for s in spans if s.kind == "exact") or spans


def _bounds(places: Sequence[Places]) -> list[tuple[float, float]]:
    """For each item the start of the item before it, and of the item after it, that stand in one
    place only. Of these, the longest ascending run counts; those out of order are left aside."""
    sole = [(i, spans[0].start) for i, spans in enumerate(places) if len(spans) == 1]
    # Patience sorting: tails[n] is the least start that an ascending run of n + 1 items has at
    # its end, last_of[n] the item there, and links lead back through the run.
    tails: list[int] = []
    last_of: list[int] = []
    links: list[int] = []
    for at, (_, start) in enumerate(sole):
        length = bisect_left(tails, start)
        if length == len(tails):
            tails.append(start)
            last_of.append(at)
        else:
            tails[length] = start
            last_of[length] = at
        links.append(last_of[length - 1] if length else -1)
    kept: dict[int, int] = {}
    at = last_of[-1] if last_of else -1
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


def within_quotes(
    places: Mapping[Path, Places],
    quotes: Mapping[str, Sequence[str]],
    find: Callable[[str], Places],
) -> dict[Path, Places]:
    """The places of each leaf, only those in a quotation where some are.

    ``quotes`` are by the pointer of the leaf or of what holds it; the nearest one counts. ``find``
    gives the places of a quotation in the text.
    """
    known: dict[str, Places] = {}

    def stretches(where: str) -> list[Span]:
        found: list[Span] = []
        for quote in quotes[where]:
            if quote not in known and len(known) < MOST_QUOTES:
                known[quote] = find(quote) or _in_pieces(quote, find)
            found += known.get(quote, ())
        return sorted(found, key=_start)

    by_pointer = {where: found for where in quotes if (found := stretches(where))}
    chosen = dict(places)
    # Equal leaves without quotations go on sharing one tuple, by which their placing knows them.
    for path, spans in places.items():
        held = next((q for q in _holders(path) if q in by_pointer), None)
        if held is not None and len(spans) > 1:
            inside = tuple(s for s in spans if _is_inside(s, by_pointer[held]))
            chosen[path] = inside or spans
    return chosen


def _in_pieces(quote: str, find: Callable[[str], Places]) -> Places:
    """Where the pieces of a quotation stand that leaves something out ("the sum ... is due"); nowhere
    where one does not, or is too short to be meant."""
    pieces = [piece.strip(" []()") for piece in _LEFT_OUT.split(quote)]
    pieces = [piece for piece in pieces if piece]
    if len(pieces) < 2 or any(len(piece) < _SHORTEST for piece in pieces):
        return ()
    found = [find(piece) for piece in pieces]
    return tuple(span for spans in found for span in spans) if all(found) else ()


def _holders(path: Path) -> list[str]:
    """The pointers of a leaf and of what holds it, but for the whole: the nearest first."""
    return [pointer(path[:depth]) for depth in range(len(path), 0, -1)] or [""]


def _is_inside(span: Span, stretches: list[Span]) -> bool:
    """Whether a span lies in one of the stretches, which are in the order of their starts."""
    at = bisect_right(stretches, span.start, key=_start)
    return any(span.end <= each.end for each in stretches[max(0, at - _LOOKED) : at])
