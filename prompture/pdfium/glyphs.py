"""The characters of a page as they are drawn: which they are, and where they stand as shown."""

from __future__ import annotations

import ctypes
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from math import hypot
from typing import Any, NamedTuple

import pypdfium2.raw as pdfium

from prompture.pdfium.opened import OpenPage, Place, drawn

UNREADABLE = "\ufffd"
_HYPHENS = frozenset("\x02\ufffe\u00ad")
"""What the library gives for a hyphen at a line's end, and the soft one, which is drawn there."""
_LIGATURES = frozenset(
    map(chr, (*range(0xFB00, 0xFB07), *range(0xFB1D, 0xFE00), *range(0xFE70, 0xFEFD)))
)
"""Latin ones, and letters in the form that they have within a word."""
_SAME = 0.12
"""Of its size: so near, the same character is drawn twice, to look bold."""
_SQUARE = 4.0
_WHITE = 235
_CONTRAST = 24
"""Of 255: less is not seen."""
_LOOKED_AT = 2_000_000
"""Pixels of the picture in which hidden text is looked for."""


class Glyph(NamedTuple):
    """A character. ``u`` runs along its line and ``v`` across, downwards; ``box`` is as shown."""

    text: str
    u0: float
    v0: float
    u1: float
    v1: float
    box: Place


@dataclass(slots=True)
class Run:
    """What one operator of the page draws: characters of one size, on one line."""

    way: int
    """Where its line runs to, in quarters clockwise: 0 to the right, 1 down, 2 left, 3 up."""
    size: float
    base: float
    """``v`` of the line on which the letters stand."""
    is_doubtful: bool
    """Whether it may not be seen: white, transparent, or drawn without ink."""
    glyphs: list[Glyph] = field(default_factory=list)
    is_column: bool = False
    """Whether its characters stand one below the other, upright."""


class PageGlyphs:
    """A page's characters in runs, in the order in which they are drawn."""

    def __init__(self, page: OpenPage) -> None:
        self._page, self._frame = page.handle, page.frame
        self.unmapped = self.hidden = 0
        text = pdfium.FPDFText_LoadPage(self._page)
        try:
            runs = list(self._runs(text)) if text else []
        finally:
            pdfium.FPDFText_ClosePage(text)
        seen = _Seen()
        runs = [seen.once(_apart(run, *self._frame.size)) for run in runs]
        self.runs = self._visible(_upright(run for run in runs if run.glyphs))
        for run in self.runs:
            if run.is_column:
                _turn(run, *self._frame.size)
        for mark, box in page.ticks:
            self._tick(mark, box)

    def _runs(self, text: Any) -> Iterator[Run]:
        rect, last, run, high = pdfium.FS_RECTF(), None, None, 0
        width, height = self._frame.size
        unicode_at, box_at = pdfium.FPDFText_GetUnicode, pdfium.FPDFText_GetLooseCharBox
        object_at, by_ref = pdfium.FPDFText_GetTextObject, ctypes.byref(rect)
        shown, address_of = self._frame.box, ctypes.addressof
        for index in range(pdfium.FPDFText_CountChars(text)):
            drawn_by = object_at(text, index)
            # What no operator has drawn, the library has put in: white space, by its own guess.
            if not drawn_by:
                continue
            key = address_of(drawn_by.contents)
            if key != last or run is None:
                if run is not None:
                    yield run
                last, run = key, self._run_at(text, index, drawn_by)
            if not box_at(text, index, by_ref):
                continue
            code, box = unicode_at(text, index), shown(rect)
            if 0xD800 <= code < 0xDC00:  # the first half of a character
                high = code
                continue
            if high and 0xDC00 <= code < 0xE000:
                code = 0x10000 + ((high - 0xD800) << 10) + code - 0xDC00
            high = 0
            char = chr(code) if 0x20 <= code < 0x7F else self._character(code)
            if not char or box[2] <= 0 or box[3] <= 0 or box[0] >= width or box[1] >= height:
                continue
            if code >= 0x300 and run.glyphs and unicodedata.combining(char[0]):
                _add_mark(run, char)
                continue
            for each, place in _parts(char, box, run.way) if len(char) > 1 else ((char, box),):
                across = turned(place, run.way, width, height) if run.way else place
                run.glyphs.append(Glyph(each, *across, place))
        if run is not None:
            yield run

    def _character(self, code: int) -> str:
        if code == 0 or code > 0x10FFFF or 0xD800 <= code < 0xE000:
            self.unmapped += 1
            return UNREADABLE
        char = chr(code)
        if char in _HYPHENS:
            return "-"
        if char < " " or char == "\x7f":
            return " " if char in "\t\n\r\v\f" else ""
        if 0xE000 <= code < 0xF900 or code >= 0xF0000 or code == 0xFFFD:
            self.unmapped += 1
            return UNREADABLE if code == 0xFFFD else char
        return unicodedata.normalize("NFKC", char) if char in _LIGATURES else char

    def _run_at(self, text: Any, index: int, drawn_by: Any) -> Run:
        matrix = pdfium.FS_MATRIX()
        pdfium.FPDFText_GetMatrix(text, index, matrix)
        across, down = self._frame.direction(matrix.a, matrix.b)
        if abs(across) >= abs(down):
            way = 0 if across >= 0 else 2
        else:
            way = 1 if down > 0 else 3
        size = pdfium.FPDFText_GetFontSize(text, index) * hypot(matrix.c, matrix.d)
        x, y = self._frame.shown(matrix.e, matrix.f)
        base = turned((x, y, x, y), way, *self._frame.size)[1]
        return Run(way, abs(size) * self._frame.unit or 1.0, base, _is_doubtful(drawn_by))

    def _tick(self, mark: str, box: Place) -> None:
        """A box to tick as text, in the place of a tick that is a letter of some font."""
        for run in self.runs:
            run.glyphs = [glyph for glyph in run.glyphs if not _is_within(glyph.box, box)]
        self.runs = [run for run in self.runs if run.glyphs]
        way = max((run.way for run in self.runs), key=[r.way for r in self.runs].count, default=0)
        across = turned(box, way, *self._frame.size)
        size = across[3] - across[1]
        run = Run(way, size, across[3] - 0.2 * size, False)
        run.glyphs.append(Glyph(mark, *across, box))
        self.runs.append(run)

    def _visible(self, runs: list[Run]) -> list[Run]:
        """Without what nobody sees. A scan's text, without ink over its picture, is seen there."""
        if not any(run.is_doubtful for run in runs):
            return runs
        pixels, wide, high = drawn(self._page, self._frame, 72, _LOOKED_AT)
        scale = wide / self._frame.size[0]
        kept = []
        for run in runs:
            if run.is_doubtful and not _is_seen(run, pixels, wide, high, scale):
                self.hidden += sum(not glyph.text.isspace() for glyph in run.glyphs)
            else:
                kept.append(run)
        return kept


def turned(box: Place, way: int, width: float, height: float) -> Place:
    """The box on a page that is turned so that lines of this way run to the right."""
    left, top, right, bottom = box
    match way:
        case 0:
            return box
        case 1:
            return top, width - right, bottom, width - left
        case 2:
            return width - right, height - bottom, width - left, height - top
        case _:
            return height - bottom, left, height - top, right


def _is_within(inner: Place, outer: Place) -> bool:
    x, y = (inner[0] + inner[2]) / 2, (inner[1] + inner[3]) / 2
    return outer[0] <= x <= outer[2] and outer[1] <= y <= outer[3]


def _add_mark(run: Run, mark: str) -> None:
    """An accent that is drawn apart belongs to the letter before it."""
    letter = run.glyphs[-1]
    run.glyphs[-1] = letter._replace(text=unicodedata.normalize("NFC", letter.text + mark))


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
    return abs(lower.u0 - upper.u0) < 0.3 * size and 0.5 * size < step < 1.7 * size


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


def _apart(run: Run, width: float, height: float) -> Run:
    """The run with a part of the box for each of the characters that have one together."""
    glyphs = run.glyphs
    if not any(a.box == b.box for a, b in pairwise(glyphs)):
        return run
    run.glyphs = []
    for box, group in groupby(glyphs, key=lambda glyph: glyph.box):
        chars = [glyph.text for glyph in group]
        for char, place in _parts(chars, box, run.way):
            run.glyphs.append(Glyph(char, *turned(place, run.way, width, height), place))
    return run


def _parts(chars: Sequence[str], box: Place, way: int) -> Iterator[tuple[str, Place]]:
    """Each character of a ligature, with its part of the box."""
    left, top, right, bottom = box
    for at in range(len(chars)):
        low, high = at / len(chars), (at + 1) / len(chars)
        char = chars[at if way < 2 else -1 - at]
        if way % 2:
            yield char, (left, top + low * (bottom - top), right, top + high * (bottom - top))
        else:
            yield char, (left + low * (right - left), top, left + high * (right - left), bottom)


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


def _is_doubtful(drawn_by: Any) -> bool:
    mode = pdfium.FPDFTextObj_GetTextRenderMode(drawn_by)
    if mode in (pdfium.FPDF_TEXTRENDERMODE_INVISIBLE, pdfium.FPDF_TEXTRENDERMODE_CLIP):
        return True
    if mode != pdfium.FPDF_TEXTRENDERMODE_FILL:
        return False
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    if not pdfium.FPDFPageObj_GetFillColor(drawn_by, red, green, blue, alpha):
        return False
    return alpha.value < 20 or min(red.value, green.value, blue.value) >= _WHITE


def _is_seen(run: Run, pixels: bytes, wide: int, high: int, scale: float) -> bool:
    """Whether the picture has light and dark where the run stands."""
    boxes = [glyph.box for glyph in run.glyphs]
    left = max(0, int(min(box[0] for box in boxes) * scale))
    right = min(wide, int(max(box[2] for box in boxes) * scale) + 1)
    top = max(0, int(min(box[1] for box in boxes) * scale))
    bottom = min(high, int(max(box[3] for box in boxes) * scale) + 1)
    darkest, lightest = 255, 0
    for row in range(top, bottom):
        # Green alone tells light from dark.
        part = pixels[3 * (row * wide + left) + 1 : 3 * (row * wide + right) : 3]
        if part:
            darkest, lightest = min(darkest, min(part)), max(lightest, max(part))
    return lightest - darkest >= _CONTRAST
