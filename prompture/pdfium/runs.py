"""A page's runs of characters as a reader sees them: without what nobody sees, or what is drawn
twice; accents on their letters, upright columns together, ticks in their boxes."""

from __future__ import annotations

import ctypes
import time
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import Any

import pypdfium2.raw as pdfium

from prompture.pdfium.glyphs import DrawnText, Glyph, Run, apart, turned
from prompture.pdfium.opened import OpenPage, Place, drawn

_ACCENTS = dict(
    zip(
        "`´^ˆ~˜¯˘˙¨˚˝ˇ¸˛",
        "\u0300\u0301\u0302\u0302\u0303\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327\u0328",
        strict=True,
    )
)
"""Accents that are characters of their own, and those that go on a letter."""
_NEAR = 200
"""Characters drawn before and after an accent among which its letter is looked for."""
_SAME = 0.12
"""Of its size: so near, the same character is drawn twice, to look bold."""
_SQUARE = 4.0
_WHITE = 235
_CONTRAST = 24
"""Of 255: less is not seen, of white text and of a picture below text without colour."""
_BLACK = 64
_LOOKED_AT = 2_000_000
"""Pixels of the picture in which hidden text is looked for."""
_TINIEST = 0.5
"""Points: nobody reads what is set smaller."""
_INKLESS = (pdfium.FPDF_TEXTRENDERMODE_INVISIBLE, pdfium.FPDF_TEXTRENDERMODE_CLIP)
_SUBSTITUTED = "\u0250"
"""Letters below it are drawn in another font where theirs is not in the file; others may not be."""


class PageRuns:
    """A page's characters in runs. ``is_scan``: a picture covers most of it. ``seconds`` of computing
    are given to look for what is hidden; ``took`` is what it took, and ``is_unsure`` is set where
    it was not enough."""

    def __init__(self, page: OpenPage, is_scan: bool, seconds: float) -> None:
        self._frame = page.frame
        read = DrawnText(page)
        self.unmapped, self.missing, self.hidden = read.unmapped, read.missing, 0
        before = time.process_time()
        pictures = _pictures(page, read.runs, seconds) if read.runs else None
        self.is_unsure = bool(read.runs) and pictures is None
        # Before what is drawn twice goes: one of the two may be hidden.
        runs = read.runs if pictures is None else list(self._visible(read.runs, pictures, is_scan))
        self.took = time.process_time() - before
        _join_accents(runs)
        seen = _Seen()
        runs = [seen.once(apart(run, *self._frame.size)) for run in runs]
        self.runs = _upright(run for run in runs if run.glyphs)
        for run in self.runs:
            if run.is_column:
                _turn(run, *self._frame.size)
        for mark, box in page.ticks:
            self._tick(mark, box)

    def _visible(self, runs: Sequence[Run], pictures: _Pictures, is_scan: bool) -> Iterator[Run]:
        for run in runs:
            glyphs = list(pictures.seen_of(run, is_scan))
            if len(glyphs) < len(run.glyphs):
                whole = sum(not glyph.text.isspace() for glyph in run.glyphs)
                self.hidden += whole - sum(not glyph.text.isspace() for glyph in glyphs)
                run.glyphs = glyphs
            if run.glyphs:
                yield run

    def _tick(self, mark: str, box: Place) -> None:
        """A box to tick as text, in the place of a tick that is a letter of some font."""
        for run in self.runs:
            run.glyphs = [glyph for glyph in run.glyphs if not _is_within(glyph.box, box)]
        self.runs = [run for run in self.runs if run.glyphs]
        way = next((way for way, _ in Counter(run.way for run in self.runs).most_common(1)), 0)
        across = turned(box, way, *self._frame.size)
        size = across[3] - across[1]
        run = Run(way, size, across[3] - 0.2 * size)
        run.glyphs.append(Glyph(mark, *across, box))
        self.runs.append(run)


class _Pictures:
    """A page drawn with its text, and without. What makes no difference is not seen: it is covered,
    cut off, or has the colour of what is below it."""

    def __init__(self, page: OpenPage, modes: dict[int, int], whole: bytes, bare: Any) -> None:
        self._modes, self._whole = modes, whole
        self._bare, self._wide, self._high = bare
        self._scale = self._wide / page.frame.size[0]
        difference = int.from_bytes(whole, "big") ^ int.from_bytes(self._bare, "big")
        self._changed = difference.to_bytes(len(whole), "big")

    def seen_of(self, run: Run, is_scan: bool) -> Iterator[Glyph]:
        """The characters of a run that are seen, word by word."""
        is_inkless = self._modes[id(run)] in _INKLESS
        # A scan's text, without ink over its picture, is seen there.
        if run.size < _TINIEST or (is_inkless and not self._is_pictured(run, is_scan)):
            return
        is_white, is_own = _is_white(run), _has_font(run)
        for is_blank, group in groupby(run.glyphs, key=lambda glyph: glyph.text.isspace()):
            word = list(group)
            # A letter that there is no font for here is drawn elsewhere.
            is_drawn = is_own or all(glyph.text < _SUBSTITUTED for glyph in word)
            if is_inkless:
                is_seen = is_blank or not self._is_black(word)
            else:
                is_seen = is_blank or not is_drawn or self._is_seen(word, run.size, is_white)
            if is_seen:
                yield from word

    def _is_seen(self, word: Sequence[Glyph], size: float, is_white: bool) -> bool:
        # A comma beside a black bar does not show the name below it.
        letters = [glyph for glyph in word if glyph.text.isalnum()] or word
        if any(self._is_changed(glyph.box, size, is_white) for glyph in letters):
            return True
        # White letters with a shadow: browsers make a picture of both, which shows each letter.
        return is_white and all(self._is_shaded(self._pixels(g.box, 0.0)) for g in letters)

    def _is_changed(self, box: Place, size: float, is_white: bool) -> bool:
        narrow = min(box[2] - box[0], box[3] - box[1])
        if narrow <= 0:  # a font that does not know its letters
            return True
        # Of some fonts the boxes are flat, and their letters stand out of them.
        more = 0.5 * size if narrow < 0.15 * size else 0.0
        left, top, right, bottom = self._pixels(box, more)
        for row in range(top, bottom):
            at = slice(3 * (row * self._wide + left), 3 * (row * self._wide + right))
            if not self._changed[at].strip(b"\0"):
                continue
            pairs = zip(self._whole[at], self._bare[at], strict=True)
            if not is_white or max(abs(a - b) for a, b in pairs) >= _CONTRAST:
                return True
        return False

    def _is_pictured(self, run: Run, is_scan: bool) -> bool:
        """Whether there is light and dark where the run stands, without any text."""
        left, top, right, bottom = self._pixels(_around(run.glyphs), 0.5 * run.size * is_scan)
        # The text of a scan may be put beside its letters; on a white line it does not belong.
        if is_scan and run.way % 2:
            top, bottom = 0, self._high
        elif is_scan:
            left, right = 0, self._wide
        return self._is_shaded((left, top, right, bottom))

    def _is_shaded(self, pixels: tuple[int, int, int, int]) -> bool:
        darkest, lightest = self._shades(*pixels)
        return lightest - darkest >= _CONTRAST

    def _is_black(self, word: Sequence[Glyph]) -> bool:
        """Whether a bar is drawn over a word of a scan."""
        darkest, lightest = self._shades(*self._pixels(_around(word), 0.0))
        return darkest <= lightest < _BLACK

    def _shades(self, left: int, top: int, right: int, bottom: int) -> tuple[int, int]:
        """The darkest and the lightest of the page without its text."""
        darkest, lightest = 255, 0
        for row in range(top, bottom):
            # Green alone tells light from dark.
            part = self._bare[
                3 * (row * self._wide + left) + 1 : 3 * (row * self._wide + right) : 3
            ]
            if part:
                darkest, lightest = min(darkest, min(part)), max(lightest, max(part))
        return darkest, lightest

    def _pixels(self, box: Place, more: float) -> tuple[int, int, int, int]:
        """Those of a box, and of so much more on all sides."""
        return (
            max(0, int((box[0] - more) * self._scale)),
            max(0, int((box[1] - more) * self._scale)),
            min(self._wide, int((box[2] + more) * self._scale) + 1),
            min(self._high, int((box[3] + more) * self._scale) + 1),
        )


def _pictures(page: OpenPage, runs: Sequence[Run], seconds: float) -> _Pictures | None:
    """The page with and without text; None where it takes too long to draw."""
    end = time.process_time() + seconds
    whole = drawn(page.handle, page.frame, 72, _LOOKED_AT, end)
    modes = {id(run): pdfium.FPDFTextObj_GetTextRenderMode(run.drawn_by) for run in runs}
    for run in runs if whole else ():
        pdfium.FPDFTextObj_SetTextRenderMode(run.drawn_by, pdfium.FPDF_TEXTRENDERMODE_INVISIBLE)
    bare = drawn(page.handle, page.frame, 72, _LOOKED_AT, end) if whole else None
    return _Pictures(page, modes, whole[0], bare) if whole and bare else None


def _is_white(run: Run) -> bool:
    """Whether it is nearly white, or nearly transparent."""
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    if not pdfium.FPDFPageObj_GetFillColor(run.drawn_by, red, green, blue, alpha):
        return False
    return alpha.value < 20 or min(red.value, green.value, blue.value) >= _WHITE


def _has_font(run: Run) -> bool:
    """Whether the file has the letters of its font."""
    font = pdfium.FPDFTextObj_GetFont(run.drawn_by)
    return bool(font) and pdfium.FPDFFont_GetIsEmbedded(font) == 1


def _around(glyphs: Sequence[Glyph]) -> Place:
    edges = list(zip(*(glyph.box for glyph in glyphs), strict=True))
    return min(edges[0]), min(edges[1]), max(edges[2]), max(edges[3])


def _is_within(inner: Place, outer: Place) -> bool:
    x, y = (inner[0] + inner[2]) / 2, (inner[1] + inner[3]) / 2
    return outer[0] <= x <= outer[2] and outer[1] <= y <= outer[3]


def _join_accents(runs: Sequence[Run]) -> None:
    """Accents that are drawn over a letter, by an operator before it or after it, become a part of
    it, as TeX makes them."""
    if not any(glyph.text in _ACCENTS for run in runs for glyph in run.glyphs):
        return
    places = [(run, at) for run in runs for at in range(len(run.glyphs))]
    joined: list[tuple[Run, int]] = []
    for number, (run, at) in enumerate(places):
        if run.glyphs[at].text not in _ACCENTS:
            continue
        near = range(max(number - _NEAR, 0), min(number + _NEAR, len(places)))
        # Most are drawn just before their letter.
        for other in sorted(near, key=lambda other: abs(other - number - 0.5)):
            if _is_joined(run, run.glyphs[at], *places[other]):
                joined.append((run, at))
                break
    for run, at in reversed(joined):
        del run.glyphs[at]


def _is_joined(run: Run, accent: Glyph, other: Run, at: int) -> bool:
    """Whether the accent stands over a letter that there is with it; then it is put on it."""
    letter = other.glyphs[at]
    if (
        not letter.u0 <= (accent.u0 + accent.u1) / 2 <= letter.u1
        or abs(run.base - other.base) >= run.size
        or run.way != other.way
        or not letter.text.isalpha()
    ):
        return False
    plain = letter.text.replace("ı", "i").replace("ȷ", "j")
    text = unicodedata.normalize("NFC", plain + _ACCENTS[accent.text])
    if len(text) == 1:
        other.glyphs[at] = letter._replace(text=text)
    return len(text) == 1


def _upright(runs: Iterable[Run]) -> list[Run]:
    """The runs, those together that are a column of upright characters, as in Chinese books."""
    found: list[Run] = []
    column: list[Run] = []
    for run in runs:
        if column and not _is_next(column[-1], run):
            found += _column(column)
            column = []
        column.append(run)
    return [*found, *_column(column)]


def _is_next(above: Run, run: Run) -> bool:
    """Whether the first character of a run stands below the last one of the run before."""
    if above.way or run.way or above.size != run.size:
        return False
    upper, lower = above.glyphs[-1], run.glyphs[0]
    return _is_one_below(upper, lower, run.size) and all(
        unicodedata.east_asian_width(glyph.text[0]) in "WF" for glyph in (upper, lower)
    )


def _is_one_below(upper: Glyph, lower: Glyph, size: float) -> bool:
    step = lower.v0 - upper.v0
    # Latin letters of a font that is not in the file have their right edge where it should be only.
    aside = min(abs(lower.u0 - upper.u0), abs(lower.u1 - upper.u1))
    return aside < 0.3 * size and 0.5 * size < step < 1.7 * size


def _column(runs: Sequence[Run]) -> Sequence[Run]:
    glyphs = [glyph for run in runs for glyph in run.glyphs]
    # Two may be one line below the other.
    least = 2 if len(runs) == 1 else 3
    if len(glyphs) < least or not all(
        _is_one_below(a, b, runs[0].size) for a, b in pairwise(glyphs)
    ):
        return runs
    runs[0].glyphs, runs[0].is_column = glyphs, True
    return runs[:1]


def _turn(run: Run, width: float, height: float) -> None:
    """The column as a line that runs down the page."""
    run.way = 1
    run.glyphs = [Glyph(g.text, *turned(g.box, 1, width, height), g.box) for g in run.glyphs]
    # Characters of one column are not all as wide.
    v0, v1 = min(g.v0 for g in run.glyphs), max(g.v1 for g in run.glyphs)
    run.glyphs = [glyph._replace(v0=v0, v1=v1) for glyph in run.glyphs]
    run.base = v1


class _Seen:
    """Which characters are drawn where, in squares."""

    def __init__(self) -> None:
        self._at: dict[tuple[str, int, int], list[tuple[float, float, int]]] = {}
        self._runs = 0

    def once(self, run: Run) -> Run:
        """The run without the characters that earlier ones have drawn in the same place."""
        self._runs += 1
        near = min(max(_SAME * run.size, 0.3), _SQUARE)
        run.glyphs = [g for g in run.glyphs if g.text.isspace() or not self._is_known(g, near)]
        if all(glyph.text.isspace() for glyph in run.glyphs):
            run.glyphs = []
        return run

    def _is_known(self, glyph: Glyph, near: float) -> bool:
        x, y = glyph.box[:2]
        text, run, at = glyph.text, self._runs, self._at
        rows = range(int((y - near) // _SQUARE), int((y + near) // _SQUARE) + 1)
        for column in range(int((x - near) // _SQUARE), int((x + near) // _SQUARE) + 1):
            for row in rows:
                others = at.get((text, column, row))
                if others and any(
                    number != run and abs(x - left) <= near and abs(y - top) <= near
                    for left, top, number in others
                ):
                    return True
        at.setdefault((text, int(x // _SQUARE), int(y // _SQUARE)), []).append((x, y, run))
        return False
