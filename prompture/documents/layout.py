"""Text that is written down together with the boxes of its characters, and spans that get them back."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from operator import attrgetter
from typing import Literal

from prompture.types import Box, Document, DocumentPage, FileDocument, PageRegion, Span, Text

NOWHERE: Box = (0.0, 0.0, 0.0, 0.0)
"""The box of a character that the reader has put in: white space, or the frame of a table."""
BETWEEN = 2
"""Message.text puts a blank line, two characters, between its texts."""


class LayoutWriter:
    """A document while it is read: its text, page by page, with a box for each character."""

    def __init__(self) -> None:
        self.pages: list[DocumentPage] = []
        self._pieces: list[str] = []
        self._length = self._page_start = 0
        self._boxes = array("f")

    def __len__(self) -> int:
        return self._length

    def add(self, text: str, boxes: Sequence[Box] = ()) -> None:
        """More text of the page: with one box a character, or with none at all."""
        if boxes and len(boxes) != len(text):
            raise ValueError(f"{len(text)} characters have {len(boxes)} boxes")
        self._pieces.append(text)
        self._length += len(text)
        if boxes:
            # What came without boxes before stands nowhere.
            self._fill(self._length - self._page_start - len(text))
            for box in boxes:
                self._boxes.extend(box)

    def add_placed(self, text: str, boxes: array[float]) -> None:
        """The same, with the boxes as one array: four numbers a character."""
        if len(boxes) != 4 * len(text):
            raise ValueError(f"{len(text)} characters have {len(boxes) / 4:g} boxes")
        self._fill(self._length - self._page_start)
        self._pieces.append(text)
        self._length += len(text)
        self._boxes.extend(boxes)

    def end_page(
        self,
        *,
        width: float = 0.0,
        height: float = 0.0,
        unit: Literal["pt", "px", ""] = "",
        name: str = "",
        by_ocr: bool = False,
        number: int | None = None,
    ) -> DocumentPage:
        """The page is whole; ``number`` is the one behind the last, unless it is given."""
        if self._boxes:
            self._fill(self._length - self._page_start)
        last = self.pages[-1].number if self.pages else 0
        page = DocumentPage(
            number=last + 1 if number is None else number,
            start=self._page_start,
            end=self._length,
            width=width,
            height=height,
            unit=unit,
            name=name,
            by_ocr=by_ocr,
            boxes=self._boxes,
        )
        self.pages.append(page)
        self._page_start, self._boxes = self._length, array("f")
        return page

    def text(self) -> str:
        return "".join(self._pieces)

    def _fill(self, chars: int) -> None:
        missing = 4 * chars - len(self._boxes)
        if missing > 0:
            self._boxes.extend(array("f", bytes(4 * missing)))


def starts_of(documents: Sequence[Text | Document]) -> list[int]:
    """Where each begins in the text that Message.text makes of them, in order."""
    lengths = (len(each.text) + BETWEEN for each in documents[:-1])
    return list(accumulate(lengths, initial=0)) if documents else []


def located(
    spans: Mapping[str, tuple[Span, ...]], documents: Sequence[Text | Document]
) -> dict[str, tuple[Span, ...]]:
    """The same spans, with the file, pages and boxes in which they stand.

    ``documents`` are those of which the text is made, in order, as Message.text joins them.
    """
    starts = starts_of(documents)

    def place(span: Span) -> Span:
        index = bisect_right(starts, span.start) - 1
        if index < 0 or not isinstance(one := documents[index], FileDocument):
            return span
        # Of a value in pieces, these alone: what stands between them is of other columns.
        pieces = span.fragments or ((span.start, span.end),)
        boxes: dict[int, list[Box]] = {}
        for start, end in pieces:
            for region in regions_of(one, start - starts[index], end - starts[index]):
                boxes.setdefault(region.page, []).extend(region.boxes)
        regions = tuple(PageRegion(number, tuple(found)) for number, found in boxes.items())
        return replace(span, document=one.name, regions=regions)

    return {where: tuple(map(place, found)) for where, found in spans.items()}


def regions_of(document: FileDocument, start: int, end: int) -> Iterator[PageRegion]:
    """Where ``[start, end)`` of a document's text stands, page by page."""
    pages = document.pages
    first = max(0, bisect_right(pages, start, key=attrgetter("start")) - 1)
    for page in pages[first:]:
        if page.start >= end:
            return
        low, high = max(start, page.start), min(end, page.end)
        if low < high:
            yield PageRegion(page.number, tuple(line_boxes(_boxes(page, low, high))))


def _boxes(page: DocumentPage, start: int, end: int) -> Iterator[Box]:
    values = page.boxes
    for at in range(4 * (start - page.start), min(4 * (end - page.start), len(values)), 4):
        yield values[at], values[at + 1], values[at + 2], values[at + 3]


def line_boxes(boxes: Iterable[Box]) -> Iterator[Box]:
    """The boxes of characters, joined into one a line; characters that stand nowhere have none.

    Of lines that run up or down the page, there is one for each word.
    """
    line: Box | None = None
    is_new_word = False
    for box in boxes:
        if box == NOWHERE:
            is_new_word = True
            continue
        if line is None:
            line = box
        elif _is_beside(line, box) or (not is_new_word and _is_below(line, box)):
            line = (
                min(line[0], box[0]),
                min(line[1], box[1]),
                max(line[2], box[2]),
                max(line[3], box[3]),
            )
        else:
            yield line
            line = box
        is_new_word = False
    if line is not None:
        yield line


def _is_below(line: Box, box: Box) -> bool:
    """Whether a character follows those of a line that runs down the page, or up."""
    wide = box[2] - box[0]
    shared = min(line[2], box[2]) - max(line[0], box[0])
    gap = max(box[1] - line[3], line[1] - box[3])
    return shared >= 0.5 * max(wide, line[2] - line[0]) and -0.5 * wide <= gap <= wide


def _is_beside(line: Box, box: Box) -> bool:
    """Whether a character is on the line: they share half of its height, and it is not far off."""
    height = box[3] - box[1]
    shared = min(line[3], box[3]) - max(line[1], box[1])
    far = 3 * max(height, line[3] - line[1])
    return shared >= 0.5 * height and box[0] <= line[2] + far and box[2] >= line[0] - far
