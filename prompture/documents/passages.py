"""Cutting a long text into passages that a model can read one by one.

A passage ends where the text itself does: before a heading, a page, a paragraph, a line, behind a
sentence; in the middle of a line only where that is longer than a passage. It begins inside the one
before it (the overlap), so that what stands across a seam is whole in one of the two. What a reader
would have to look up further above (headings, the first row of a table) is repeated in front of it.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from prompture.documents.outline import (
    CHAPTER,
    LINE,
    PAGE,
    PARAGRAPH,
    SECTION,
    Outline,
    Range,
)

Count = Callable[[str], float]
"""Tokens of a text."""
_WITHIN = ((CHAPTER, 0.5), (SECTION, 0.45), (PAGE, 0.4), (PARAGRAPH, 0.35), (LINE, 0.25))
"""A cut of that kind is taken where it leaves unused at most this share of a passage."""
_MOST_ABOVE = 6
"""Headings and the head of a table get one part in so many of a passage."""
_WINDOW = 2000
"""Characters between two points at which tokens are counted; between them they are spread evenly."""
_SENTENCE = re.compile(r"[.!?…؟।]+[\"'”’)\]]*(?=\s)|[。！？；｡]+[」』”’）]*")
_CLAUSE = re.compile(r"[,;:，、：]\s*|\s+")


@dataclass(frozen=True, slots=True)
class Passage:
    """``[start, end)`` of a text, and the ranges above it that are repeated in front: ``headings``,
    outermost first, and the ``head`` of the table that it begins in."""

    start: int
    end: int
    headings: tuple[Range, ...] = ()
    head: Range | None = None

    def text_of(self, whole: str) -> str:
        """What a model reads."""
        return "".join(gap + whole[a:b] for gap, a, b in self._pieces())

    def is_blank(self, whole: str) -> bool:
        """Whether nothing but white space stands in it, what is repeated aside."""
        return not whole[self.start : self.end].strip()

    def shown_heading(self, whole: str) -> str:
        """The innermost heading above, on one line."""
        return " ".join(whole[slice(*self.headings[-1])].split()) if self.headings else ""

    def place(self, start: int, end: int) -> Range | None:
        """Where a place in ``text_of`` stands in the whole text; None for what stands nowhere."""
        at = 0
        for gap, begin, stop in self._pieces():
            at += len(gap)
            length = stop - begin
            if start < at + length:
                inside = max(start, at)
                return None if end <= at else (begin + inside - at, begin + min(end - at, length))
            at += length
        return None

    def _pieces(self) -> Iterator[tuple[str, int, int]]:
        gap = ""
        for begin, stop in self.headings:
            yield gap, begin, stop
            gap = "\n\n"
        if self.head is not None:
            yield gap, *self.head
            gap = "\n"
        yield gap, self.start, self.end


def passages(
    text: str,
    *,
    tokens: int,
    overlap: int,
    count: Count,
    pages: Sequence[int] = (),
    first: int | None = None,
) -> list[Passage]:
    """The passages of a text, each of at most ``tokens`` by ``count``, what is repeated included.

    ``overlap`` are the tokens, at least, that a passage shares with the one before it; ``pages``
    where pages begin; ``first`` the tokens of the first passage, for seams at other places.
    """
    cutter = _Cutter(_Scale(text, tokens, count), Outline(text, pages), tokens, overlap)
    found: list[Passage] = []
    start = done = 0
    while done < len(text):
        passage = cutter.next(start, done, first if first and not found else tokens)
        found.append(passage)
        done = passage.end
        start = max(cutter.overlapping(done), start + 1) if done < len(text) else done
    return found


class _Scale:
    """Tokens up to any character of a text."""

    def __init__(self, text: str, tokens: int, count: Count) -> None:
        self.text, self.count = text, count
        # Small passages need a finer scale.
        self._step = step = min(_WINDOW, max(32, tokens // 2))
        windows = (text[at : at + step] for at in range(0, len(text), step))
        self._sums = [0.0, *accumulate(max(count(each), 1e-3) for each in windows)]

    def tokens(self, at: int) -> float:
        number, rest = divmod(at, self._step)
        before = self._sums[number]
        if not rest:
            return before
        length = min(self._step, len(self.text) - number * self._step)
        return before + (self._sums[number + 1] - before) * rest / length

    def offset(self, tokens: float) -> int:
        """The character that so many tokens reach to."""
        if tokens <= 0:
            return 0
        if tokens >= self._sums[-1]:
            return len(self.text)
        number = bisect_right(self._sums, tokens) - 1
        before, after = self._sums[number], self._sums[number + 1]
        length = min(self._step, len(self.text) - number * self._step)
        return number * self._step + int(length * (tokens - before) / (after - before))


@dataclass(slots=True)
class _Cutter:
    scale: _Scale
    outline: Outline
    tokens: int
    overlap: int

    def next(self, start: int, done: int, tokens: int) -> Passage:
        """The passage that begins at ``start``, and goes on behind ``done``."""
        scale, text = self.scale, self.scale.text
        headings, head = self._above(start)
        passage = Passage(start, start, headings, head)
        repeated = scale.count(passage.text_of(text)) if headings or head else 0.0
        reach = scale.offset(scale.tokens(start) + tokens - repeated)
        while True:
            reach = max(reach, done + 1)
            end = len(text) if reach >= len(text) else self._cut(max(start, done), reach)
            passage = Passage(start, end, headings, head)
            found = scale.count(passage.text_of(text))
            # The scale is even between its points, and the text is not.
            if found <= tokens or end <= done + 1:
                return passage
            line = self._line_before(end)
            # A whole line says more than the headings above it.
            if (headings or head) and found - repeated <= tokens and line <= max(start, done):
                headings, head, repeated = (), None, 0.0
                continue
            share = max(0.5, 0.98 * (tokens - repeated) / max(found - repeated, 1.0))
            shorter = start + int((end - start) * min(share, 0.98))
            if shorter <= done + 1:
                shorter = done + max(1, (end - done) // 2)
            reach = min(max(shorter, line), end - 1)

    def _above(self, start: int) -> tuple[tuple[Range, ...], Range | None]:
        headings, head = self.outline.above(start)
        left = self.tokens / _MOST_ABOVE
        cost = self._cost
        if head is not None:
            left -= cost(head)
            if left < 0:
                head, left = None, left + cost(self.outline.above(start)[1] or (0, 0))
        kept: list[Range] = []
        # The innermost says most.
        for each in reversed(headings):
            left -= cost(each)
            if left < 0:
                break
            kept.append(each)
        return tuple(reversed(kept)), head

    def _cost(self, part: Range) -> float:
        return self.scale.count(self.scale.text[slice(*part)]) + 1

    def _cut(self, low: int, high: int) -> int:
        """The best end in ``(low, high]``."""
        starts, grades = self.outline.starts, self.outline.grades
        last = bisect_right(starts, high) - 1
        span = high - low
        for wanted, share in _WITHIN:
            at, limit = last, high - share * span
            while at >= 0 and starts[at] > max(low, limit):
                if grades[at] >= wanted:
                    return starts[at]
                at -= 1
        at = last
        while at >= 0 and starts[at] > low:
            if grades[at] >= LINE:
                return starts[at]
            at -= 1
        return self._within_line(low, high)

    def _line_before(self, end: int) -> int:
        """The last start of a line before an end."""
        starts, grades = self.outline.starts, self.outline.grades
        at = bisect_left(starts, end) - 1
        while at > 0 and grades[at] < LINE:
            at -= 1
        return starts[at] if at >= 0 else 0

    def _within_line(self, low: int, high: int) -> int:
        text = self.scale.text
        for pattern, share in ((_SENTENCE, 0.6), (_CLAUSE, 0.9)):
            begin = max(low, int(high - share * (high - low)) - 1)
            ends = [m.end() for m in pattern.finditer(text, begin, high) if low < m.end() <= high]
            if ends:
                return ends[-1]
        return self._whole(low, high)

    def _whole(self, low: int, high: int) -> int:
        """An end that parts no character from its marks."""
        text, at = self.scale.text, high
        while low + 1 < at < len(text) and _is_joined(text, at):
            at -= 1
        return at if at > low else high

    def overlapping(self, end: int) -> int:
        """Where the passage behind this end begins."""
        if not self.overlap:
            return end
        scale = self.scale
        upto = scale.tokens(end)
        most = max(self.overlap, min(2 * self.overlap, self.tokens // 2))
        nearest, furthest = scale.offset(upto - self.overlap), scale.offset(upto - most)
        nearest = min(nearest, end)
        starts, grades = self.outline.starts, self.outline.grades
        at = bisect_right(starts, nearest) - 1
        line = -1
        while at >= 0 and starts[at] >= furthest:
            if grades[at] >= PARAGRAPH:
                return starts[at]
            line = starts[at] if line < 0 and grades[at] >= LINE else line
            at -= 1
        if line >= 0:
            return line
        text = scale.text
        for pattern in (_SENTENCE, _CLAUSE):
            if ends := [m.end() for m in pattern.finditer(text, furthest, nearest)]:
                return ends[-1]
        return self._whole(max(furthest - 1, 0), nearest) if nearest else 0


def _is_joined(text: str, at: int) -> bool:
    """Whether the character there belongs to the one before it."""
    here, before = text[at], text[at - 1]
    if before == "\r" and here == "\n":
        return True
    if (
        before == "\u200d"
        or here in "\u200d\ufe0e\ufe0f\u20e3"
        or "\U0001f3fb" <= here <= "\U0001f3ff"
    ):
        return True
    return unicodedata.combining(here) != 0
