"""What a place of a value costs, by what stands around it.

A cost is the logarithm of a distance in characters, so that near is much better than far, and far
is about as bad as farther. The other costs are in the same unit. They were chosen by
``scripts/eval_grounding.py`` on half of the documents: change one only with its figures at hand.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence

from prompture.extraction.grounding.labels import PipeTables
from prompture.extraction.grounding.spans import Cover, Near, Places
from prompture.types import Span

BACKWARDS = 6.0
"""An item stands before the item that it follows in the list."""
UNORDERED = 2.0
"""The same, where the items that stand in one place only are out of order themselves."""
LATER = 1.0
"""Any place but the first, where nothing else speaks for one."""
LATER_IN_LIST = 4.0
"""The same, for an item of a list that is not in the order of the text."""
LATER_ALONE = 0.5
"""The same, for a value outside lists, in the ranking only."""
SAME_STRETCH = 6.0
"""A value outside lists pays for the distance to its first mention what that costs beyond this:
a contract gives its name and its parties at its head."""
LABELLED = 4.0
"""What a place is spared that has the label of its value beside it: the name of the field, or
words of its description."""
LABEL_LEAST = 0.5
"""Less than so much of a label is a part of one."""
WAIVED = 0.75
"""The share of its distance to others that such a place does not pay."""
SHARED = 8.0
"""Two items of a list stand at one place."""
WITHIN = 4.0
"""The same for two of different length, in a list that is not in the order of the text: a short
name may stand within the long one."""
USED = 3.0
"""Another row of the list has this place of the same value."""
OUTSIDE = 2.0
"""A value of a row stands outside the row."""
INSIDE_ANOTHER = 1.5
"""The place is a part of a longer value that stands nowhere else."""
NOT_VERBATIM = 25.0
"""For each whole point that the score lacks."""
HEADED = 4.0
"""What a place in a table is spared whose column has the name of the field at its head."""
ROW = 3.0
"""Two places in different lines of a table."""
SAME_ROW = 1.0
"""Two places in one line of a table, however far apart."""
SAME_CELL = 1.0
"""Another leaf of the object has this cell of a table."""
LINE = 0.7
"""For each line's end between two places, up to four."""
FAR = 8.0
"""A leaf has no place at all to be near to."""


class Costs:
    """The costs of places in one text; ``sole`` are the places of values that have no other."""

    def __init__(self, text: str, sole: Iterable[Span], tables: PipeTables) -> None:
        self._tables = tables
        self._line_ends = [found.start() for found in re.finditer("\n", text)]
        self._sole = Cover(sole)

    def step(self, span: Span, after: Span, backwards: float) -> float:
        """What it costs to go from one item of a list to the next."""
        if after.start >= span.end:
            return self._gap(span.end, after.start)
        if after.end <= span.start:
            return backwards + self._gap(after.end, span.start)
        # A short name stands within the long one; two of one value stand apart.
        equal = span.end - span.start == after.end - after.start
        return SHARED if equal or backwards == BACKWARDS else WITHIN

    def _distance(self, span: Span, other: Span) -> float:
        """The cost of the distance of two places, in whatever order. 0 where they overlap."""
        if other.start >= span.end:
            return self._apart(span.end, other.start)
        if other.end <= span.start:
            return self._apart(other.end, span.start)
        return 0.0

    def nearest(self, span: Span, near: Near) -> float:
        """The cost of the distance to the nearest of some places. There must be one."""
        return min(self._distance(span, other) for other in near.beside(span))

    def behind(self, span: Span, first: float) -> float:
        """What a place costs that stands far behind the first mention of the value."""
        return max(0.0, math.log1p(max(0.0, span.start - first)) - SAME_STRETCH)

    def _gap(self, start: int, end: int) -> float:
        """The cost of the text between two places."""
        lines = 0
        if self._line_ends and end > start:
            lines = bisect_left(self._line_ends, end) - bisect_left(self._line_ends, start)
        return math.log1p(end - start) + LINE * min(lines, 4)

    def _apart(self, start: int, end: int) -> float:
        """The same, where the cells of a table's line are one thing."""
        gap = self._gap(start, end)
        if self._tables and (row := self._tables.row(end)) is not None:
            before = self._tables.row(start)
            if row == before:
                return SAME_ROW
            if before is not None:
                gap += ROW
        return gap

    def support(self, span: Span, neighbours: Sequence[Places]) -> float:
        """How far the nearest places of other leaves are, which have not been chosen yet."""
        paid = 0.0
        for spans in neighbours:
            at = bisect_left(spans, span.start, key=lambda other: other.start)
            paid += min(
                (self._distance(span, other) for other in spans[max(0, at - 1) : at + 1]),
                default=FAR,
            )
        return 0.5 * paid

    def quality(self, span: Span) -> float:
        """What a place lacks: it is not verbatim, or it is a part of another value."""
        return NOT_VERBATIM * (1.0 - span.score) + INSIDE_ANOTHER * self._sole.holds(span)


def is_within(span: Span, other: Span) -> bool:
    """Whether a span is a part of another."""
    return other.start <= span.start and span.end <= other.end and span != other
