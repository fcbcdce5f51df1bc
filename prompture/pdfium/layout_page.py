"""A page as text with a box for each character: columns one after another, rows of tables together
with their cells apart, blank lines between blocks."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

import pypdfium2.raw as pdfium

from prompture.pdfium.columns import blocks_of
from prompture.pdfium.glyphs import UNREADABLE, Run
from prompture.pdfium.opened import OpenedFile, PageFrame
from prompture.pdfium.runs import PageRuns
from prompture.pdfium.segments import Segment, segments_of

_NOWHERE = array("f", (0.0, 0.0, 0.0, 0.0))
_LOOK = 1.0
"""Seconds of computing in which hidden text is looked for on one page, and of all the pages before
it so many more each: the process is given 4, and a quarter for each page."""
_LOOK_A_PAGE = 0.1
_SCAN = 0.5
"""Of a page that a picture covers: it is the picture that is read."""
_LOOKED_AT = 1000
_DEEP = 3
"""Objects of a page, and forms within forms, in which pictures are looked for."""
_OUTLINES = 60
"""Shapes on a page without text: so many may be letters."""
_BREAK = 1.35
"""Times the usual step from line to line: a wider one begins a block."""
_LARGER = 1.15
"""Times the size of the line beside it: a line of its own."""
_WIDE_BREAK = 2.2
"""Times the height of a line: a wider step begins a block, however regular the steps are."""


@dataclass(frozen=True, slots=True)
class PageText:
    """What a page says; ``boxes`` are four numbers a character. ``head`` is the rest, as JSON."""

    head: Mapping[str, Any]
    text: str
    boxes: array[float]


def page_of(opened: OpenedFile, index: int) -> PageText:
    """A page's text."""
    with opened.page(index) as page:
        frame = page.frame
        allowed = min(_LOOK, _LOOK + index * _LOOK_A_PAGE - opened.looked)
        pictured = _pictured(page.handle, frame)
        glyphs = PageRuns(page, pictured[0] > _SCAN, max(allowed, 0.0))
        opened.looked += glyphs.took
    writer = _Writer()
    for runs in _by_way(glyphs.runs):
        for block in blocks_of(segments_of(runs)):
            writer.add_block(block)
    for comment, box in page.comments:
        writer.add_comment(comment, box)
    width, height = frame.size
    head = {
        "page": index,
        "width": width,
        "height": height,
        "hidden": glyphs.hidden,
        "unsure": glyphs.is_unsure,
        "missing": glyphs.missing,
        "unmapped": glyphs.unmapped,
        "readable": sum(
            not g.text.isspace() and g.text != UNREADABLE for run in glyphs.runs for g in run.glyphs
        ),
        "picture": pictured[0],
        "outlined": pictured[1],
    }
    return PageText(head, writer.text(), writer.boxes)


def _by_way(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs by where their lines go: those that make the page, and then what is at its sides."""
    ways: dict[int, list[Run]] = {}
    for run in runs:
        ways.setdefault(run.way, []).append(run)
    # A word to the right counts twice, as that is how most is read.
    return sorted(
        ways.values(), key=lambda some: -sum((1 + (run.way == 0)) * len(run.glyphs) for run in some)
    )


def _pictured(page: Any, frame: PageFrame) -> tuple[float, bool]:
    """The share of the page that a picture covers, and whether outlines may be letters."""
    objects = [
        pdfium.FPDFPage_GetObject(page, at)
        for at in range(min(pdfium.FPDFPage_CountObjects(page), _LOOKED_AT))
    ]
    outlines, share = 0, 0.0
    for _ in range(_DEEP):
        inner: list[Any] = []
        for one in objects:
            kind = pdfium.FPDFPageObj_GetType(one)
            if kind == pdfium.FPDF_PAGEOBJ_FORM:
                count = min(pdfium.FPDFFormObj_CountObjects(one), _LOOKED_AT - len(inner))
                inner += [pdfium.FPDFFormObj_GetObject(one, at) for at in range(count)]
            if kind == pdfium.FPDF_PAGEOBJ_PATH:
                outlines += 1
            elif kind == pdfium.FPDF_PAGEOBJ_IMAGE:
                share = max(share, _share(one, frame))
        objects = inner
    return share, outlines >= _OUTLINES


def _share(picture: Any, frame: PageFrame) -> float:
    sides = [ctypes.c_float() for _ in range(4)]
    if not pdfium.FPDFPageObj_GetBounds(picture, *sides):
        return 0.0
    left, bottom, right, top = (side.value for side in sides)
    wide = min(right, frame.right) - max(left, frame.left)
    high = min(top, frame.top) - max(bottom, frame.bottom)
    whole = (frame.right - frame.left) * (frame.top - frame.bottom)
    return max(wide, 0.0) * max(high, 0.0) / whole


class _Writer:
    """The page's text while it is put together."""

    def __init__(self) -> None:
        self.boxes = array("f")
        self._pieces: list[str] = []

    def text(self) -> str:
        return "".join(self._pieces)

    def add_block(self, block: Sequence[Segment]) -> None:
        for rows in _paragraphs(_rows_of(block)):
            self._between()
            self._add_rows(rows)

    def add_comment(self, comment: str, box: Sequence[float]) -> None:
        self._between()
        for char in comment:
            self._put(char, None if char.isspace() else box)

    def _between(self) -> None:
        if self._pieces:
            self._blank("\n\n")

    def _add_rows(self, rows: Sequence[Sequence[Segment]]) -> None:
        is_table = any(len(row) > 1 for row in rows)
        left = min(segment.u0 for row in rows for segment in row)
        wide = _char_width(rows) if is_table else 0.0
        for number, row in enumerate(rows):
            if number:
                self._blank("\n")
            column = 0
            for at, segment in enumerate(row):
                if is_table:
                    wanted = round((segment.u0 - left) / wide)
                    gap = max(wanted - column, 2 if at else 0)
                    self._blank(" " * gap)
                    column += gap
                column += self._add_segment(segment)

    def _add_segment(self, segment: Segment) -> int:
        for glyph in segment.glyphs:
            if glyph is None:
                self._blank(" ")
            else:
                for char in glyph.text:
                    self._put(char, glyph.box)
        return len(segment.glyphs)

    def _put(self, char: str, box: Sequence[float] | None) -> None:
        self._pieces.append(char)
        self.boxes.extend(_NOWHERE if box is None else box)

    def _blank(self, text: str) -> None:
        if text:
            self._pieces.append(text)
            self.boxes.extend(_NOWHERE * len(text))


def _rows_of(block: Sequence[Segment]) -> list[list[Segment]]:
    """The segments that stand beside each other, from top to bottom and from left to right."""
    rows: list[list[Segment]] = []
    for segment in sorted(block, key=lambda s: (s.base, s.u0)):
        # Rows overlap a little where a cell is set larger, or higher.
        for row in reversed(rows[-3:]):
            if _is_in_row(segment, row):
                row.append(segment)
                break
        else:
            rows.append([segment])
    for row in rows:
        row.sort(key=lambda s: s.u0)
    rows.sort(key=lambda row: min(s.base for s in row))
    return rows


def _is_in_row(segment: Segment, row: Sequence[Segment]) -> bool:
    first = max(row, key=lambda s: s.height)
    shared = min(segment.v1, first.v1) - max(segment.v0, first.v0)
    if shared < 0.6 * min(segment.height, first.height):
        return False
    return not any(s.u0 < segment.u1 - 0.5 and segment.u0 < s.u1 - 0.5 for s in row)


def _paragraphs(rows: Sequence[Sequence[Segment]]) -> Iterator[list[Sequence[Segment]]]:
    """The rows, cut where the step to the next is wider than is usual around it."""
    bases = [median(s.base for s in row) for row in rows]
    steps = [b - a for a, b in pairwise(bases)]
    part: list[Sequence[Segment]] = []
    for number, row in enumerate(rows):
        if part and _is_break(steps, number - 1, rows):
            yield part
            part = []
        part.append(row)
    if part:
        yield part


def _is_break(steps: Sequence[float], at: int, rows: Sequence[Sequence[Segment]]) -> bool:
    step = steps[at]
    sizes = [max(s.size for s in row) for row in (rows[at], rows[at + 1])]
    height = max(sizes)
    # A heading.
    if height > _LARGER * min(sizes) and step > height:
        return True
    around = [steps[i] for i in (at - 1, at + 1) if 0 <= i < len(steps)]
    if len(rows[at]) > 1 and len(rows[at + 1]) > 1:
        # Rows of a table may stand far apart, if all do.
        return step > _BREAK * min([*around, 3 * height])
    return step > _WIDE_BREAK * height or step > max(_BREAK * min([*around, step]), 1.3 * height)


def _char_width(rows: Sequence[Sequence[Segment]]) -> float:
    """The usual width of a character, by which columns are counted."""
    widths = [(s.u1 - s.u0) / s.count for row in rows for s in row if s.count]
    return max(median(widths), 0.5)
