"""Pieces of text that stand somewhere on a picture, put into lines as a reader takes them.

The cells of a row come out on one line with two spaces or more between them, as text with columns
is written anywhere. Columns of prose are read one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TypeAlias

from prompture.documents.layout import NOWHERE
from prompture.types import Box

Point: TypeAlias = tuple[float, float]
Quad: TypeAlias = tuple[Point, Point, Point, Point]
"""The corners of a line as it is read: where it begins at the top, ends there, and below these."""

_CELL = 0.6
"""Pieces of a row that are this many heights apart, or more, are cells."""
_COLUMN = 4  # lines, at the least
_PROSE = 20  # letters of a line, on the mean


def length_of(quad: Quad) -> float:
    return max(math.dist(quad[0], quad[1]), math.dist(quad[0], quad[3]))


def height_of(quad: Quad) -> float:
    return min(math.dist(quad[0], quad[1]), math.dist(quad[0], quad[3]))


def is_tall(quad: Quad) -> bool:
    # A lone digit is taller than wide, too: it is no line that stands on its end.
    return math.dist(quad[0], quad[3]) > 2.2 * math.dist(quad[0], quad[1])


def turned(quad: Quad, quarters: int) -> Quad:
    """The corners of the same line, if it begins so many corners further, clockwise."""
    corners = quad[quarters:] + quad[:quarters]
    return corners[0], corners[1], corners[2], corners[3]


@dataclass(frozen=True, slots=True, kw_only=True)
class OcrLine:
    """A line as it was read: a box for each character of ``text``, all zero for a space.

    ``confidence`` is the recogniser's, 0 to 1. ``opens_block``: there is space above it.
    """

    text: str
    boxes: tuple[Box, ...] = field(repr=False)
    confidence: float
    opens_block: bool = False


class OcrLines(list[OcrLine]):
    """The lines of a picture, and how many beside them nobody could read: they are left out."""

    def __init__(self, lines: Iterable[OcrLine] = (), left_out: int = 0) -> None:
        super().__init__(lines)
        self.left_out = left_out


@dataclass(slots=True)
class Piece:
    """What the recogniser read within four corners."""

    text: str
    boxes: Sequence[Box]
    quad: Quad
    confidence: float
    # Along the line of reading, and across; set once it is known how the page stands.
    left: float = 0.0
    right: float = 0.0
    middle: float = 0.0
    height: float = 0.0


_Row: TypeAlias = list[Piece]


def in_order(pieces: Sequence[Piece]) -> list[OcrLine]:
    """The pieces as lines."""
    if not pieces:
        return []
    _level(pieces)
    usual = median(piece.height for piece in pieces)
    lines: list[OcrLine] = []
    for block in _blocks(_rows(pieces), usual):
        before: _Row = []
        for row in block:
            is_apart = bool(before) and _top(row) - _bottom(before) > 0.9 * usual
            lines.append(_line(row, bool(lines) and (is_apart or not before)))
            before = row
    return lines


def _level(pieces: Sequence[Piece]) -> None:
    """Set where the pieces stand along and across the direction in which most are read."""
    along = sum(piece.quad[1][0] - piece.quad[0][0] for piece in pieces)
    across = sum(piece.quad[1][1] - piece.quad[0][1] for piece in pieces)
    length = math.hypot(along, across) or 1.0
    cos, sin = along / length, across / length
    for piece in pieces:
        us = [x * cos + y * sin for x, y in piece.quad]
        vs = [y * cos - x * sin for x, y in piece.quad]
        piece.height = max((vs[2] + vs[3] - vs[0] - vs[1]) / 2, 1.0)
        piece.middle = sum(vs) / 4
        # The corners leave some space around the letters.
        inked = [box for box in piece.boxes if box != NOWHERE]
        ends = [_span(box, cos, sin) for box in (inked[0], inked[-1])] if inked else []
        piece.left = min((end[0] for end in ends), default=min(us))
        piece.right = max((end[1] for end in ends), default=max(us))


def _span(box: Box, cos: float, sin: float) -> tuple[float, float]:
    """From where to where a box stands along the line of reading."""
    centre = (box[0] + box[2]) / 2 * cos + (box[1] + box[3]) / 2 * sin
    half = (box[2] - box[0] if abs(cos) > abs(sin) else box[3] - box[1]) / 2
    return centre - half, centre + half


def _rows(pieces: Sequence[Piece]) -> list[_Row]:
    """The pieces that stand beside each other, from the top."""
    rows: list[_Row] = []
    for piece in sorted(pieces, key=lambda piece: piece.middle):
        best: _Row | None = None
        nearest = math.inf
        for row in rows[-4:]:
            # A page that is bent, or not quite level, leaves the nearest one the best to compare.
            beside = min(row, key=lambda other: _between(other, piece))
            apart = abs(beside.middle - piece.middle)
            overlaps = _between(beside, piece) < -0.5 * min(beside.height, piece.height)
            if apart < 0.5 * min(beside.height, piece.height) and not overlaps and apart < nearest:
                best, nearest = row, apart
        if best is None:
            rows.append([piece])
        else:
            best.append(piece)
    for row in rows:
        row.sort(key=lambda piece: piece.left)
    return sorted(rows, key=_middle)


def _between(one: Piece, other: Piece) -> float:
    """How far apart two pieces are along the line; less than nothing where they overlap."""
    return max(one.left, other.left) - min(one.right, other.right)


def _middle(row: _Row) -> float:
    return sum(piece.middle for piece in row) / len(row)


def _top(row: _Row) -> float:
    return min(piece.middle - piece.height / 2 for piece in row)


def _bottom(row: _Row) -> float:
    return max(piece.middle + piece.height / 2 for piece in row)


def _blocks(rows: list[_Row], usual: float) -> Iterator[list[_Row]]:
    """The rows in order: where prose stands in columns, one column after the other."""
    found = _gutter(rows, usual)
    if found is None:
        if rows:
            yield rows
        return
    first, last, at = found
    left = [[piece for piece in row if piece.right <= at] for row in rows[first:last]]
    right = [[piece for piece in row if piece.left >= at] for row in rows[first:last]]
    yield from _blocks(rows[:first], usual)
    yield from _blocks([row for row in left if row], usual)
    yield from _blocks([row for row in right if row], usual)
    yield from _blocks(rows[last:], usual)


def _gutter(rows: list[_Row], usual: float) -> tuple[int, int, float] | None:
    """The rows (from, to) that a white gutter parts into columns of prose, and where it stands."""
    best: tuple[int, int, float] | None = None
    most = 0
    edges = sorted({round(piece.right + usual / 4) for row in rows for piece in row})
    for at in edges:
        first = 0
        for last in range(len(rows) + 1):
            is_crossed = last < len(rows) and any(p.left < at < p.right for p in rows[last])
            if last < len(rows) and not is_crossed:
                continue
            start, end = _beside_each_other(rows, first, last, at, usual)
            run = [piece for row in rows[start:end] for piece in row]
            if len(run) > most and _are_columns(run, at, usual):
                best, most = (start, end, at), len(run)
            first = last + 1
    return best


def _beside_each_other(
    rows: list[_Row], first: int, last: int, at: float, usual: float
) -> tuple[int, int]:
    """The rows of these in which both columns stand, and what goes on above and below in one of
    them without a space between: a heading or a foot belongs to neither."""
    left = [i for i in range(first, last) if any(p.right <= at for p in rows[i])]
    right = [i for i in range(first, last) if any(p.left >= at for p in rows[i])]
    if not left or not right:
        return first, first
    start, end = max(left[0], right[0]), min(left[-1], right[-1]) + 1
    while start > first and _top(rows[start]) - _bottom(rows[start - 1]) < usual:
        start -= 1
    while end < last and _top(rows[end]) - _bottom(rows[end - 1]) < usual:
        end += 1
    return start, end


def _are_columns(run: Sequence[Piece], at: float, usual: float) -> bool:
    left = [piece for piece in run if piece.right <= at]
    right = [piece for piece in run if piece.left >= at]
    if min(len(left), len(right)) < _COLUMN:
        return False
    gap = min(p.left for p in right) - max(p.right for p in left)
    shared = min(max(p.middle for p in left), max(p.middle for p in right)) - max(
        min(p.middle for p in left), min(p.middle for p in right)
    )
    whole = max(p.middle for p in run) - min(p.middle for p in run)
    return gap > 0.8 * usual and shared > whole / 2 and _is_prose(left) and _is_prose(right)


def _is_prose(column: Sequence[Piece]) -> bool:
    """Whether most lines are long ones, and fill the column. The cells of a table do not."""
    width = max(piece.right for piece in column) - min(piece.left for piece in column)
    full = sum(piece.right - piece.left > 0.7 * width for piece in column)
    letters = sum(sum(map(str.isalpha, piece.text)) for piece in column)
    return full > 0.6 * len(column) and letters > _PROSE * len(column)


def _line(row: _Row, opens_block: bool) -> OcrLine:
    text, boxes = "", list[Box]()
    for at, piece in enumerate(row):
        if at:
            before = row[at - 1]
            height = (before.height + piece.height) / 2
            blank = "  " if piece.left - before.right >= _CELL * height else " "
            text += blank
            boxes += [NOWHERE] * len(blank)
        text += piece.text
        boxes += piece.boxes
    chars = sum(len(piece.text) for piece in row)
    sure = sum(piece.confidence * len(piece.text) for piece in row) / chars
    return OcrLine(text=text, boxes=tuple(boxes), confidence=sure, opens_block=opens_block)
