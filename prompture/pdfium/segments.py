"""Characters to words, and words to segments: what stands on one line without a wide gap in it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from prompture.pdfium.glyphs import Glyph, Run
from prompture.pdfium.opened import TICKS

_WORD_GAP = 0.13
"""Of its size: a gap between letters that is wider parts words, where no blank is drawn."""
_WORD_GAP_BESIDE_BLANKS = 0.25
"""The same, of a producer that draws its blanks."""
_NO_GAP = 0.04
"""Of its size: a blank that leaves less is none to the eye."""
_CELL_GAP = 1.0
"""Of its size: a wider gap parts cells, or columns."""
_FIGURE_GAP = 0.6
"""The same, of figures beside figures with no blank between them: columns of numbers are narrow."""
_EVEN = 0.06
"""Of its size: gaps that differ by no more are of one width."""
_LETTERS = 4
"""So many letters with even gaps are a word; fewer may be the cells of a row."""
_ARABIC_GAP = 0.25
"""Of its size: some letters of a word leave a gap where they do not join."""
_BAND = 6.0
"""Points: segments are looked for by where they stand, in bands of so many."""
_RTL = frozenset(("R", "AL"))


@dataclass(slots=True)
class Segment:
    """Words of one line, and where they stand."""

    u0: float
    v0: float
    u1: float
    v1: float
    base: float
    size: float
    tracking: float
    """The gap between its letters, where they are spaced out."""
    glyphs: list[Glyph | None] = field(default_factory=list)
    """None for a blank."""
    letters: list[tuple[int, float]] = field(default_factory=list)
    """Single letters at its end: where the blank before each is, and the gap."""

    @property
    def height(self) -> float:
        return self.v1 - self.v0

    @property
    def count(self) -> int:
        return len(self.glyphs)


@dataclass(slots=True)
class Word:
    """Letters without a gap, of one run. ``spaced``: a blank is drawn before them."""

    glyphs: list[Glyph]
    base: float
    size: float
    tracking: float
    spaced: bool

    @property
    def u0(self) -> float:
        return self.glyphs[0].u0

    @property
    def u1(self) -> float:
        return self.glyphs[-1].u1


def segments_of(runs: Sequence[Run]) -> list[Segment]:
    """The segments of all runs that go one way, in no order."""
    words = [word for run in runs for word in words_of(run)]
    words.sort(key=lambda word: word.u0)
    lines = _Lines()
    for word in words:
        lines.add(word)
    for segment in lines.segments:
        _join_letters(segment)
    return [_in_reading_order(segment) for segment in lines.segments]


def words_of(run: Run) -> Iterator[Word]:
    """The words of a run. Blanks that are drawn part them, and so do gaps."""
    glyphs = run.glyphs
    inked = [glyph for glyph in glyphs if not glyph.text.isspace()]
    if not inked:
        return
    if any(b.u0 < a.u0 for a, b in pairwise(inked)):
        glyphs = sorted(glyphs, key=lambda glyph: glyph.u0)
    tracking = _tracking(glyphs)
    least = tracking + run.size * (
        _WORD_GAP if len(inked) == len(glyphs) else _WORD_GAP_BESIDE_BLANKS
    )
    word: list[Glyph] = []
    spaced, is_blank = False, False
    for glyph in glyphs:
        if glyph.text.isspace():
            is_blank = True
            continue
        if is_blank and word and glyph.u0 - word[-1].u1 < _NO_GAP * run.size:
            is_blank = False  # drawn, and then drawn over
        if word and (is_blank or glyph.u0 - word[-1].u1 > least):
            yield Word(word, run.base, run.size, tracking, spaced)
            word, spaced = [], is_blank
        elif not word:
            spaced = is_blank
        is_blank = False
        word.append(glyph)
    yield Word(word, run.base, run.size, tracking, spaced)


def _tracking(glyphs: Sequence[Glyph]) -> float:
    """The gap that stands between all letters of a text that is spaced out."""
    gaps = sorted(
        b.u0 - a.u1 for a, b in pairwise(glyphs) if not a.text.isspace() and not b.text.isspace()
    )
    # Fewer do not show what is usual.
    if len(gaps) < 3:
        return 0.0
    return max(0.0, gaps[len(gaps) // 4])


class _Lines:
    """Segments while words are added to them, from left to right."""

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self._bands: dict[int, list[Segment]] = {}

    def add(self, word: Word) -> None:
        first, last = word.glyphs[0], word.glyphs[-1]
        v0 = min(glyph.v0 for glyph in word.glyphs)
        v1 = max(glyph.v1 for glyph in word.glyphs)
        before = self._before(word, v0, v1)
        if before is None:
            glyphs: list[Glyph | None] = [*word.glyphs]
            segment = Segment(
                first.u0, v0, last.u1, v1, word.base, word.size, word.tracking, glyphs
            )
            self.segments.append(segment)
            self._enter(segment)
            return
        is_apart = _parts(before, word) or _is_mark(before.glyphs[-1]) or _is_mark(first)
        is_letter = len(word.glyphs) == 1 and first.text.isalpha() and not word.spaced
        if not is_letter or not is_apart:
            _join_letters(before)
        if is_letter and is_apart and _ends_alone(before):
            gap = first.u0 - before.u1
            if before.letters and abs(gap - before.letters[-1][1]) > _EVEN * word.size:
                _join_letters(before)
            else:
                before.letters.append((len(before.glyphs), gap))
        if word.spaced or is_apart:
            before.glyphs.append(None)
        before.glyphs += word.glyphs
        before.u1 = max(before.u1, last.u1)
        if word.size > before.size:  # the first was a number above the line, say
            before.base, before.size, before.v0, before.v1 = word.base, word.size, v0, v1
            self._enter(before)

    def _enter(self, segment: Segment) -> None:
        band = int((segment.v0 + segment.v1) / 2 // _BAND)
        self._bands.setdefault(band, []).append(segment)

    def _before(self, word: Word, v0: float, v1: float) -> Segment | None:
        """The segment that the word goes on."""
        best, least = None, float("inf")
        middle = int((v0 + v1) / 2 // _BAND)
        reach = int(max(v1 - v0, word.size) // _BAND) + 1
        for band in range(middle - reach, middle + reach + 1):
            found = self._bands.get(band)
            if not found:
                continue
            # What ends far to the left is not gone on with.
            if len(found) > 8:
                found[:] = [s for s in found if word.u0 - s.u1 < 4 * max(s.size, word.size)]
            for segment in found:
                size = max(segment.size, word.size)
                gap = word.u0 - segment.u1
                tracking = 3 * max(segment.tracking, word.tracking)
                widest = (
                    _CELL_GAP if word.spaced or not _are_figures(segment, word) else _FIGURE_GAP
                )
                if not -0.5 * size < gap <= size * widest + tracking:
                    continue
                off = abs(segment.base - word.base)
                shared = min(v1, segment.v1) - max(v0, segment.v0)
                if off > 0.5 * size or shared < 0.4 * min(v1 - v0, segment.height):
                    continue
                # One that stands on the same line comes first, then the nearest.
                cost = off / size + abs(gap) / size * 0.2
                if cost < least:
                    best, least = segment, cost
        return best


def _are_figures(segment: Segment, word: Word) -> bool:
    last = segment.glyphs[-1]
    return last is not None and last.text[-1].isdigit() and word.glyphs[0].text[0].isdigit()


def _ends_alone(segment: Segment) -> bool:
    """Whether the last word of it is one letter."""
    last, before = segment.glyphs[-1], segment.glyphs[-2:-1]
    return last is not None and last.text.isalpha() and before in ([], [None])


def _join_letters(segment: Segment) -> None:
    """Letters at its end that even gaps part, and no blank, are a word that is spaced out."""
    if len(segment.letters) >= _LETTERS - 1:
        for at, _ in reversed(segment.letters):
            del segment.glyphs[at]
    segment.letters.clear()


def _is_mark(glyph: Glyph | None) -> bool:
    """Whether it is a box to tick, which is a word of its own: ``[x]``."""
    return glyph is not None and glyph.text in TICKS.values()


def _parts(segment: Segment, word: Word) -> bool:
    """Whether there is a gap of a blank's width, or letters over letters, before the word."""
    gap, size = word.u0 - segment.u1, min(segment.size, word.size)
    last = segment.glyphs[-1]
    if last is not None and _bidi(last) == _bidi(word.glyphs[0]) == "AL":
        return gap > _ARABIC_GAP * size + segment.tracking
    return gap > _WORD_GAP * size + segment.tracking or gap < -0.3 * size


def _in_reading_order(segment: Segment) -> Segment:
    """The segment with words from right to left turned to the order in which they are read."""
    glyphs = segment.glyphs
    kinds = [_direction(glyph) for glyph in glyphs]
    if "R" not in kinds:
        return segment
    strong = [kind for g in glyphs if g is not None and (kind := _bidi(g)) in ("L", *_RTL)]
    # Words of Latin at both ends hold the others between them.
    is_between = strong[0] == strong[-1] == "L"
    whole = "R" if len(strong) >= 2 * strong.count("L") and not is_between else "L"
    kinds = _without_neutral(kinds, whole)
    parts: list[tuple[str, list[Glyph | None]]] = []
    for kind, glyph in zip(kinds, glyphs, strict=True):
        # Figures run to the right, in any text.
        if parts and parts[-1][0] == kind:
            parts[-1][1].append(glyph)
        else:
            parts.append((kind, [glyph]))
    for kind, part in parts:
        if kind == "R":
            part.reverse()
    if whole == "R":
        parts.reverse()
    segment.glyphs = [glyph for _, part in parts for glyph in part]
    return segment


def _without_neutral(kinds: Sequence[str], whole: str) -> list[str]:
    """A neutral character between two of one direction has it; any other that of the whole."""
    after, last = list(kinds), whole
    for at in range(len(kinds) - 1, -1, -1):
        after[at] = last = last if kinds[at] == "N" else kinds[at]
    found, last = [], whole
    for kind, following in zip(kinds, after, strict=True):
        if kind == "N":
            found.append(last if last == following else whole)
        else:
            last = kind
            found.append(kind)
    return found


def _bidi(glyph: Glyph) -> str:
    return unicodedata.bidirectional(glyph.text[0])


def _direction(glyph: Glyph | None) -> str:
    if glyph is None:
        return "N"
    kind = _bidi(glyph)
    if kind in _RTL:
        return "R"
    return "L" if kind in ("L", "EN", "AN") else "N"
