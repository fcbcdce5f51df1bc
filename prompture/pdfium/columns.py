"""The columns of a page: its segments in blocks, each to be read row by row, in reading order."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from statistics import median

from prompture.pdfium.segments import Segment

_MOST = 20_000
"""Segments of a page in which columns are looked for."""
_EDGES = 40
"""Left edges at which columns are looked for: those at which most segments begin."""
_PROSE = 18
"""Characters of a line, in the middle: below, it is a cell, not a line of a column."""
_FULL = 0.6
"""Of its column's width, a line of prose is."""
_ALIGNED = 0.5
"""Of the lines beside a gap: if more have a partner there, they may be rows."""


def blocks_of(segments: Sequence[Segment]) -> Iterator[list[Segment]]:
    """Blocks, each to be read row by row."""
    if not segments:
        return
    parts = _cut(segments) if len(segments) <= _MOST else None
    if parts is None:
        yield list(segments)
        return
    for part in parts:
        yield from blocks_of(part)


def _cut(segments: Sequence[Segment]) -> list[list[Segment]] | None:
    """The parts of a page with columns, in reading order; None where there are none."""
    best: tuple[float, list[list[Segment]]] | None = None
    for edge in _edges(segments):
        for top, bottom in _bands(segments, edge):
            inside = [s for s in segments if top <= _middle(s) <= bottom]
            if len(inside) < 6:
                continue
            top, bottom = _without_ends(inside)
            inside = [s for s in inside if top <= _middle(s) <= bottom]
            left = [s for s in inside if s.u1 <= edge]
            right = [s for s in inside if s.u0 >= edge - 1]
            if not _are_columns(left, right):
                continue
            height = min(_extent(left), _extent(right))
            if best is None or height > best[0]:
                above = [s for s in segments if _middle(s) < top]
                below = [s for s in segments if _middle(s) > bottom]
                best = height, [part for part in (above, left, right, below) if part]
    return None if best is None else best[1]


def _without_ends(inside: Sequence[Segment]) -> tuple[float, float]:
    """From where to where they stand, but for a line or two at an end that stand off: a page's
    number, or what runs above all its columns."""
    groups: list[list[Segment]] = []
    reached = float("-inf")
    for segment in sorted(inside, key=lambda s: s.v0):
        if not groups or segment.v0 - reached > 1.2 * segment.height:
            groups.append([])
        groups[-1].append(segment)
        reached = max(reached, segment.v1)
    while len(groups) > 1 and len(groups[-1]) <= 2:
        groups.pop()
    while len(groups) > 1 and len(groups[0]) <= 2:
        groups.pop(0)
    return _middle(groups[0][0]) - 0.01, max(map(_middle, groups[-1])) + 0.01


def _edges(segments: Sequence[Segment]) -> list[float]:
    """Where columns may begin: at which several segments do."""
    counts: dict[int, list[float]] = {}
    for segment in segments:
        counts.setdefault(int(segment.u0 // 3), []).append(segment.u0)
    often = sorted((v for v in counts.values() if len(v) >= 2), key=len, reverse=True)[:_EDGES]
    return sorted(min(found) - 0.5 for found in often)


def _bands(segments: Sequence[Segment], edge: float) -> Iterator[tuple[float, float]]:
    """The parts of the page, from top to bottom, in which no segment crosses the edge."""
    crossing = sorted(_middle(s) for s in segments if s.u0 < edge - 0.5 and s.u1 > edge + 0.5)
    tops = [float("-inf"), *crossing]
    bottoms = [*crossing, float("inf")]
    for top, bottom in zip(tops, bottoms, strict=True):
        if bottom - top > 20:
            # Just beside what crosses, which belongs to neither.
            yield top + 0.01, bottom - 0.01


def _are_columns(left: list[Segment], right: list[Segment]) -> bool:
    if len(left) < 3 or len(right) < 3:
        return False
    if min(s.u0 for s in right) - max(s.u1 for s in left) < 0.5 * median(s.size for s in left):
        return False
    # Beside each other, not one below the other.
    top = max(min(s.v0 for s in left), min(s.v0 for s in right))
    bottom = min(max(s.v1 for s in left), max(s.v1 for s in right))
    if bottom - top < 0.3 * min(_extent(left), _extent(right)):
        return False
    near = [s for s in left if not _has_right_of(s, left)]
    first = [s for s in right if not _has_left_of(s, right)]
    if min(len(near), len(first)) < 3:
        return False
    if _aligned(near, first) < _ALIGNED:
        # Lines of a list beside prose, say; but a few labels beside a long text are no column.
        return _extent(near) > 4 * median(s.height for s in near)
    return _are_prose(near) and _are_prose(first)


def _are_prose(lines: Sequence[Segment]) -> bool:
    widths = [s.u1 - s.u0 for s in lines]
    full = sum(width >= _FULL * max(widths) for width in widths)
    return median(s.count for s in lines) >= _PROSE and full >= 0.6 * len(lines)


def _aligned(left: Sequence[Segment], right: Sequence[Segment]) -> float:
    """The share of lines that have one beside them on the same line; of the side with fewer."""
    few, many = sorted((left, right), key=len)
    bases = sorted(s.base for s in many)

    def has_partner(segment: Segment) -> bool:
        at = bisect_left(bases, segment.base - 0.15 * segment.size)
        return at < len(bases) and bases[at] <= segment.base + 0.15 * segment.size

    return sum(map(has_partner, few)) / len(few)


def _has_right_of(segment: Segment, others: Sequence[Segment]) -> bool:
    return any(o.u0 >= segment.u1 and _is_level(o, segment) for o in others if o is not segment)


def _has_left_of(segment: Segment, others: Sequence[Segment]) -> bool:
    return any(o.u1 <= segment.u0 and _is_level(o, segment) for o in others if o is not segment)


def _is_level(one: Segment, other: Segment) -> bool:
    shared = min(one.v1, other.v1) - max(one.v0, other.v0)
    return shared > 0.5 * min(one.height, other.height)


def _middle(segment: Segment) -> float:
    return (segment.v0 + segment.v1) / 2


def _extent(segments: Sequence[Segment]) -> float:
    return max(s.v1 for s in segments) - min(s.v0 for s in segments)
