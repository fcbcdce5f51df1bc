"""Find a value that stands in pieces: wrapped within a column of a table, or cut in two by the
foot and head of a page.

A piece in a column begins where a cell begins, one to three lines under the piece before, in the
same columns of characters, in a line of fewer cells: a line of as many is the next row.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from prompture.compat import cached_property
from prompture.extraction.grounding.fold import Folded, fold_words
from prompture.extraction.grounding.nearly import NEGATIONS, Nearly, words_in
from prompture.types import Span

_MOST_PIECES = 4
_MOST_STARTS = 200
"""So many places of a value's first word are tried."""
_MOST_LINES = 3
"""A wrapped cell goes on at most so many lines further down."""
_MOST_PAGE_LINES = 12
"""The foot of a page and the head of the next take at most so many lines."""
_LEAST_BESIDE_BREAK = 12
"""Characters that a value has before and behind a break of pages."""
_SLACK = 3
_CELL = re.compile(r"[^\s|]+(?: [^\s|]+)*")
_WORD = re.compile(r"[^\W_]")
_LINE_END = re.compile(r"[\n\r]|\Z")
_LONGEST_LINE = 2000
"""A longer line is no row of a table."""
_BREAK = re.compile(r"[\f\d]")
"""A form feed, or the number of a page."""


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the source with the cells in it."""

    start: int
    cells: tuple[tuple[int, int], ...]

    def reaches(self, columns: tuple[int, int], cell: tuple[int, int] | None = None) -> bool:
        """Whether one of its cells, or the one given, stands in these columns of characters."""
        return any(
            max(columns[0], a - self.start) < min(columns[1], b - self.start) + _SLACK
            for a, b in ((cell,) if cell else self.cells)
        )

    def cell(self, at: int) -> tuple[int, int] | None:
        return next((cell for cell in self.cells if cell[0] <= at < cell[1]), None)


class Fragments:
    """A text by lines and cells, to find values in pieces."""

    def __init__(self, text: str, folded: Folded, nearly: Nearly) -> None:
        self._text = text
        self._offsets = folded.offsets
        self._nearly = nearly
        self._known: dict[int, _Line] = {}

    @cached_property
    def _starts(self) -> list[int]:
        """Where the lines begin that are not blank."""
        return [found.start() for found in re.finditer(r"(?m)^(?=[^\n\r]*\S)", self._text)]

    def of(self, words: str) -> tuple[Span, ...]:
        """The places of a value of two words or more, each with its pieces."""
        wanted = words_in(fold_words(words))
        if len(wanted) < 2 or not any(word[0].isalpha() and len(word) > 2 for word in wanted):
            return ()
        if any(word not in self._nearly.at for word in wanted):
            return ()
        found: list[Span] = []
        for first in self._nearly.at[wanted[0]][:_MOST_STARTS]:
            if pieces := self._pieces(wanted, first):
                places = tuple((self._source(a)[0], self._source(b)[1]) for a, b in pieces)
                start, end = min(a for a, _ in places), max(b for _, b in places)
                found.append(Span(start, end, "normalised", 0.8, fragments=places))
        return tuple(found)

    def _pieces(self, wanted: list[str], first: int) -> list[tuple[int, int]] | None:
        """First and last word of each piece of a value that begins with a word of the text."""
        # Depth first, with the nearest continuation first; each step takes a word or more.
        stack = [(0, first, [(first, first)])]
        steps = 0
        while stack and steps < 50:
            steps += 1
            index, at, pieces = stack.pop()
            words = self._nearly.words
            while index + 1 < len(wanted) and at + 1 < len(words):
                if words[at + 1] != wanted[index + 1]:
                    break
                index, at = index + 1, at + 1
            pieces = [*pieces[:-1], (pieces[-1][0], at)]
            if index + 1 == len(wanted):
                return pieces if len(pieces) > 1 else None
            if len(pieces) < _MOST_PIECES:
                left = sum(map(len, wanted[index + 1 :]))
                nexts = [*self._continued(wanted[index + 1], pieces[-1], left, first=first)]
                stack.extend((index + 1, after, [*pieces, (after, after)]) for after in nexts[::-1])
        return None

    def _continued(
        self, word: str, piece: tuple[int, int], left: int, *, first: int
    ) -> Iterator[int]:
        """Where a piece may go on with a word, the nearest place first. ``left`` are the letters
        to come, ``first`` is the value's first word."""
        start, end = self._source(piece[0])[0], self._source(piece[1])[1]
        most_cells = len(self._line(self._line_number(self._source(first)[0])).cells)
        number = self._line_number(end - 1)
        line = self._line(number)
        cell = line.cell(end - 1)
        if cell is None or _WORD.search(self._text, end, cell[1]):
            return  # the cell has more words than the piece
        places = self._nearly.at[word]
        for after in places[bisect_right(places, piece[1]) :][:8]:
            begin = self._source(after)[0]
            below = self._line_number(begin) - number
            if below > _MOST_PAGE_LINES:
                return
            other = self._line(number + below)
            its = other.cell(begin)
            if below < 1 or its is None or _WORD.search(self._text, its[0], begin):
                continue
            columns = (max(cell[0], start) - line.start, end - line.start)
            if below <= _MOST_LINES and len(other.cells) < most_cells:
                between = (self._line(n) for n in range(number + 1, number + below))
                # What stands between them in the same columns would be a part of the value.
                if not any(between_line.reaches(columns) for between_line in between) and (
                    other.reaches(columns, its)
                ):
                    yield after
            elif len(line.cells) == len(other.cells) == 1 and left >= _LEAST_BESIDE_BREAK:
                skipped = self._text[end:begin]
                if end - start >= _LEAST_BESIDE_BREAK and _is_page_break(skipped):
                    yield after

    def _source(self, word: int) -> tuple[int, int]:
        """Where a word of the folded text stands in the source."""
        return (
            self._offsets[self._nearly.start(word)],
            self._offsets[self._nearly.end(word) - 1] + 1,
        )

    def _line_number(self, at: int) -> int:
        return max(0, bisect_right(self._starts, at) - 1)

    def _line(self, number: int) -> _Line:
        if number not in self._known:
            start = self._starts[number]
            stop = _LINE_END.search(self._text, start)
            line = self._text[start : stop.start() if stop else None]
            cells = (
                tuple((start + m.start(), start + m.end()) for m in _CELL.finditer(line))
                if len(line) <= _LONGEST_LINE
                else ((start, start + len(line)),)
            )
            self._known[number] = _Line(start, cells)
        return self._known[number]


def _is_page_break(skipped: str) -> bool:
    """Whether the text between two pieces may be the foot of a page and the head of the next."""
    if not _BREAK.search(skipped):
        return False
    return not any(word in NEGATIONS for word in words_in(fold_words(skipped)))
