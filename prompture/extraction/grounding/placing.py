"""Choose one of its places for each value, for all values together.

The values of one object stand near each other. The items of a list stand in the order of the
text, each at a place of its own; the rows of a list of objects likewise, each with its values
around it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from prompture.extraction.grounding.labels import Labels
from prompture.extraction.grounding.leaves import MOST_DEEP
from prompture.extraction.grounding.place_costs import (
    BACKWARDS,
    HEADED,
    INSIDE_ANOTHER,
    LABEL_LEAST,
    LABELLED,
    LATER,
    LATER_ALONE,
    LATER_IN_LIST,
    OUTSIDE,
    SAME_CELL,
    UNORDERED,
    USED,
    WAIVED,
    Costs,
    is_within,
)
from prompture.extraction.grounding.spans import (
    ITEM_MARGIN,
    MARGIN,
    MOST_SPANS,
    Near,
    Path,
    Places,
    RankedSpans,
    cheapest,
    cheapest_path,
    is_ordered,
    narrowed_to,
    nth_mentions,
)
from prompture.types import JSONValue, Span

_DEEPEST = 40
"""Lists nested deeper are taken for parts of one object."""

_MOST_NEIGHBOURS = 5
"""Leaves that a place is weighed by, before any of its object is placed."""

_MOST_LABELLED = 200
"""So many places of a value are weighed, of one that stands in very many."""

Bounds = tuple[float, float]
"""First and last character of the stretch of text that a value is expected in."""


class Placing:
    """Chooses the places of a value's leaves.

    ``places`` are those of each leaf, in the order of the text. Leaves with equal values share
    one tuple of places, so its ``id`` is that of the value.
    """

    def __init__(
        self,
        text: str,
        places: Mapping[Path, Places],
        schema: Mapping[str, JSONValue] | None = None,
    ) -> None:
        self._labels = Labels(text, schema)
        self._places = places
        self._chosen: dict[Path, RankedSpans] = {}
        sole = (spans[0] for spans in places.values() if len(spans) == 1)
        self._costs = Costs(text, sole, self._labels.tables)

    def settled(self, value: JSONValue) -> dict[Path, Places]:
        """The places of every leaf, best first."""
        self._settle(value, (), near=(), within=None, used=None)
        return {path: self._chosen[path].marked() for path in self._places if path in self._chosen}

    def _settle(
        self,
        value: JSONValue,
        path: Path,
        *,
        near: Sequence[Span],
        within: Bounds | None,
        used: dict[int, set[int]] | None,
    ) -> None:
        """Place one value: an object, a list or a leaf. See ``_object`` for the arguments."""
        leaves, lists = self._parts(value, path)
        sure = [
            spans[0]
            for at, items in lists
            for i, item in enumerate(items)
            if not isinstance(item, (Mapping, list))
            and len(spans := self._places.get((*at, i), ())) == 1
        ]
        placed = self._object(leaves, near=near, sure=sure, within=within, used=used)
        for at, items in lists:
            context = Near(placed or near)
            chosen = self._list(items, at, near=context, within=within)
            placed.extend(chosen)

    def _parts(
        self, value: JSONValue, path: Path
    ) -> tuple[list[Path], list[tuple[Path, list[JSONValue]]]]:
        """The leaves that belong to one object, those of objects in it included, and its lists."""
        leaves: list[Path] = []
        lists: list[tuple[Path, list[JSONValue]]] = []
        stack = [(path, value)]
        while stack:
            at, inner = stack.pop()
            if len(at) > MOST_DEEP:
                continue
            if isinstance(inner, Mapping):
                stack.extend((((*at, key), below) for key, below in reversed([*inner.items()])))
            elif isinstance(inner, list):
                if len(path) < _DEEPEST:
                    lists.append((at, inner))
                else:
                    stack.extend(((*at, i), below) for i, below in reversed([*enumerate(inner)]))
            elif at in self._places:
                leaves.append(at)
        return leaves, lists

    def _object(
        self,
        leaves: list[Path],
        *,
        near: Sequence[Span],
        sure: list[Span],
        within: Bounds | None,
        used: dict[int, set[int]] | None,
    ) -> list[Span]:
        """Place the leaves of one object, the clearest first, each near those placed before.

        ``near`` is what the object itself is near to, ``sure`` are places of its lists' items.
        ``used`` are, for the rows of one list, the starts that earlier rows took, by the ``id`` of
        a value's places.
        """
        placed: list[Span] = []
        # The value in the fewest places is the surest, and the others are placed near it.
        order = sorted(
            (p for p in leaves if p not in self._chosen),
            key=lambda p: (len(self._places[p]), self._places[p][0].start),
        )
        known = [self._chosen[p].spans[0] for p in leaves if p in self._chosen]
        context = Near([*known, *sure])
        outer = Near(near)
        for path in order:
            spans = self._places[path]
            taken = used.get(id(spans), set()) if used is not None else set()
            # The last twelve: the work on an object of n leaves is to grow with n.
            candidates = self._around(spans, [*(placed or known)[-12:], *sure[:6]] or near)
            # Of the first few only: an object may have thousands of leaves.
            others = [p for p in order[: _MOST_NEIGHBOURS + 1] if p != path]
            neighbours = [self._places[p] for p in others[:_MOST_NEIGHBOURS]]

            candidates, labelled = self._labelled(path, candidates)
            # Of a row, any place will do; what an object states alone it states first.
            first = nth_mentions([spans])[0] if used is None else math.inf

            def cost(span: Span) -> float:
                share = labelled.get(span.start, 0.0)  # noqa: B023
                paid = self._costs.quality(span) + USED * (span.start in taken)  # noqa: B023
                paid += self._misplaced(span, within, placed) - LABELLED * share
                paid -= self._headed(path, span, placed)  # noqa: B023
                # Near what is placed; else what the object belongs to, and where others may be.
                rest = self._costs.behind(span, first)  # noqa: B023
                if context:
                    rest += self._costs.nearest(span, context)
                else:
                    paid += 0.5 * self._costs.nearest(span, outer) if outer else 0.0
                    paid += self._costs.support(span, neighbours)  # noqa: B023
                # A label says more than what stands near, or first.
                return paid + (1 - WAIVED * share) * rest

            choice = cheapest(candidates, cost, later=0.0 if near else LATER_ALONE)
            self._chosen[path] = choice
            placed.append(choice.spans[0])
            context.add(choice.spans[0])
            if used is not None:
                used.setdefault(id(spans), set()).add(choice.spans[0].start)
        return [*known, *placed]

    def _headed(self, path: Path, span: Span, placed: Sequence[Span] = ()) -> float:
        """What a place in a table is spared by the head of its column, if no sibling is there."""
        if not self._labels.tables or self._labels.tables.row(span.start) is None:
            return 0.0
        is_taken = any(span.start == other.start for other in placed[-12:])
        return HEADED * self._labels.heading(path, span) ** 2 - SAME_CELL * is_taken

    def _misplaced(self, span: Span, within: Bounds | None, placed: list[Span]) -> float:
        """What a place of a leaf costs outside its row, or as a part of a sibling's."""
        is_outside = within is not None and not within[0] <= span.start < within[1]
        is_part = any(is_within(span, other) for other in placed[-12:])
        return OUTSIDE * is_outside + INSIDE_ANOTHER * is_part

    def _around(self, spans: Places, context: Sequence[Span]) -> Places:
        """The places worth weighing: of many, the first ones and those next to the context."""
        if len(spans) <= 64:  # all of few
            return spans
        kept = dict.fromkeys(range(16))
        for other in context[-12:]:
            at = bisect_left(spans, other.start, key=lambda span: span.start)
            kept.update(dict.fromkeys(range(max(0, at - 3), min(len(spans), at + 4))))
        return tuple(spans[i] for i in sorted(kept))

    def _labelled(self, path: Path, candidates: Places) -> tuple[Places, dict[int, float]]:
        """The candidates for a leaf, with those that its label stands near; and by their starts
        how much of the label each has, against the place that has most."""
        spans = self._places[path]
        label = self._labels.of(path) if len(spans) > 1 else ()
        if not label:
            return candidates, {}
        if len(spans) > len(candidates):
            kept = {span.start: span for span in candidates}
            for index in self._labels.beside(spans, label):
                kept.setdefault(spans[index].start, spans[index])
                if len(kept) > _MOST_LABELLED:
                    break
            candidates = tuple(kept[start] for start in sorted(kept))
        nearness = {span.start: self._labels.nearness(span, label) for span in candidates}
        most = max(LABEL_LEAST, *nearness.values())
        return candidates, {start: near / most for start, near in nearness.items() if near}

    # Lists.

    def _list(
        self,
        items: list[JSONValue],
        path: Path,
        *,
        near: Near,
        within: Bounds | None,
    ) -> list[Span]:
        """Place the items in the order of the text, then what else the rows among them hold.
        Gives the places of the items' heads."""
        heads = self._heads(items, path)
        places = [self._places[h] if h is not None else () for h, _ in heads]
        support = [neighbours for _, neighbours in heads]

        # A row's number or common word may stand anywhere before it.
        plain = not any(isinstance(item, (Mapping, list)) for item in items)
        ordered = is_ordered(places, mentions=plain)
        narrowed = narrowed_to(places, within, ordered=ordered)
        backwards = BACKWARDS if ordered else UNORDERED

        firsts = nth_mentions(places)
        later = (LATER if ordered else LATER_IN_LIST) if plain else 0.0

        def is_later(index: int, span: Span) -> float:
            return later * (span.start > firsts[index])

        def cost(index: int, span: Span) -> float:
            paid = self._costs.quality(span) + self._costs.support(span, support[index])
            if (leaf := heads[index][0]) is not None:
                paid -= self._headed(leaf, span)
            paid += is_later(index, span)
            if near and index == 0:
                paid += (0.3 if len(items) > 1 else 1.0) * self._costs.nearest(span, near)
            return paid

        # The whole list is placed at once: an item placed alone would take the place of another.
        step = partial(self._costs.step, backwards=backwards)
        chosen = cheapest_path(narrowed, cost, step)
        taken = {span for span in chosen if span is not None}
        for index, (head, _) in enumerate(heads):
            span = chosen[index]
            if head is not None and span is not None:
                others = [s for s in narrowed[index] if s == span or s not in taken]
                around = (
                    chosen[index - 1] if index else None,
                    chosen[index + 1] if index + 1 < len(chosen) else None,
                )
                between = partial(
                    self._between, index=index, around=around, cost=cost, backwards=backwards
                )
                margin = MARGIN if support[index] else ITEM_MARGIN
                self._chosen[head] = self._weighed(
                    span, others, between, partial(is_later, index), margin=margin
                )
        self._rows(items, path, chosen, near=near.spans, within=within)
        return [span for span in chosen if span is not None]

    def _between(
        self,
        span: Span,
        *,
        index: int,
        around: tuple[Span | None, Span | None],
        cost: Callable[[int, Span], float],
        backwards: float,
    ) -> float:
        """What a place of an item costs between the places chosen for its neighbours."""
        before, after = around
        return (
            cost(index, span)
            + (self._costs.step(before, span, backwards) if before else 0.0)
            + (self._costs.step(span, after, backwards) if after else 0.0)
        )

    def _rows(
        self,
        items: list[JSONValue],
        path: Path,
        chosen: Sequence[Span | None],
        *,
        near: Sequence[Span],
        within: Bounds | None,
    ) -> None:
        """Place the other values of each item around its head, between the heads of the items
        before and after it."""
        used: dict[int, set[int]] = {}
        for index, item in enumerate(items):
            if not isinstance(item, (Mapping, list)):
                continue
            head = chosen[index]
            low, high = within or (0, math.inf)
            if index and (before := chosen[index - 1]) is not None:
                low = before.start
            if index + 1 < len(items) and (after := chosen[index + 1]) is not None:
                high = after.end
            bounds = (low, high) if low <= high else None
            self._settle(
                item,
                (*path, index),
                near=(head,) if head is not None else near,
                within=bounds,
                used=used,
            )

    def _heads(self, items: list[JSONValue], path: Path) -> list[tuple[Path | None, list[Places]]]:
        """For each item its head, and the places of some of its other leaves.

        The head is the leaf whose place stands for the item's: the same field in all items, if
        most have it, and the one that stands in the fewest places.
        """
        found: list[dict[Path, Path]] = []
        counts: dict[Path, float] = {}
        for index, item in enumerate(items):
            leaves, lists = self._parts(item, (*path, index))
            if not leaves:
                leaves = [
                    p for at, inner in lists for i in range(len(inner))
                    if (p := (*at, i)) in self._places
                ]  # fmt: skip
            depth = len(path) + 1
            found.append({p[depth:]: p for p in leaves})
            for p in leaves:
                key = p[depth:]
                # A field that most items have wins over a rare one: each counts at least 0.5.
                counts[key] = counts.get(key, 0.0) + 6.0 - min(5.5, math.log2(len(self._places[p])))
        heads: list[tuple[Path | None, list[Places]]] = []
        for leaves_of in found:
            if not leaves_of:
                heads.append((None, []))
                continue
            head = max(leaves_of, key=lambda key: counts[key])
            others = [self._places[p] for key, p in leaves_of.items() if key != head]
            heads.append((leaves_of[head], sorted(others, key=len)[:_MOST_NEIGHBOURS]))
        return heads

    def _weighed(
        self,
        best: Span,
        spans: Iterable[Span],
        cost: Callable[[Span], float],
        later: Callable[[Span], float],
        *,
        margin: float,
    ) -> RankedSpans:
        """The place that the list chose for an item, and the next best for that item alone.
        What a place pays for being ``later`` than another does not set the two apart."""
        rest = cheapest((s for s in spans if s != best), cost, most=MOST_SPANS - 1)
        own = cost(best) - later(best)
        # What is cheaper for this item alone is dearer for the list, so it counts as a tie.
        costs = (
            own,
            *(max(own, c - later(s)) for s, c in zip(rest.spans, rest.costs, strict=True)),
        )
        return RankedSpans((best, *rest.spans), costs, margin)
