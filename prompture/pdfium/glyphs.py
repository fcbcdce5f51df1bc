"""The characters of a page as they are drawn: which they are, and where they stand as shown."""

from __future__ import annotations

import ctypes
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from math import hypot
from typing import Any, NamedTuple

import pypdfium2.raw as pdfium

from prompture.pdfium.opened import OpenPage, Place

UNREADABLE = "\ufffd"
_HYPHENS = frozenset("\x02\ufffe\u00ad")
"""What the library gives for a hyphen at a line's end, and the soft one, which is drawn there."""
_LIGATURES = frozenset(
    map(chr, (*range(0xFB00, 0xFB07), *range(0xFB1D, 0xFE00), *range(0xFE70, 0xFEFD)))
)
"""Latin ones, and letters in the form that they have within a word."""
_SMALLEST = 2.0
"""Points: a font of less has no size of its own. It is made of pictures (Type 3), as dvips does."""
_SYMBOLIC = 4
"""A flag of fonts with letters that are not Latin: of others, each machine has some."""
_MOST_OBJECTS = 20_000
_TALL = 0.7
"""Of a font's size: how high its letters with a stem are."""


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
    drawn_by: Any = None
    """The page's object."""
    glyphs: list[Glyph] = field(default_factory=list)
    is_column: bool = False
    """Whether its characters stand one below the other, upright."""


class DrawnText:
    """A page's characters in runs, in the order in which they are drawn."""

    def __init__(self, page: OpenPage) -> None:
        self._frame = page.frame
        self.unmapped = 0
        text = pdfium.FPDFText_LoadPage(page.handle)
        try:
            self.runs = [run for run in self._runs(text) if run.glyphs] if text else []
        finally:
            pdfium.FPDFText_ClosePage(text)
        _set_sizes(self.runs)
        known = {ctypes.addressof(run.drawn_by.contents) for run in self.runs}
        self.missing = _missing(page.handle, known)
        """Pieces of text of which the library gives nothing."""

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
        return Run(way, abs(size) * self._frame.unit or 1.0, base, drawn_by)


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


def _add_mark(run: Run, mark: str) -> None:
    """An accent that is drawn apart belongs to the letter before it."""
    letter = run.glyphs[-1]
    run.glyphs[-1] = letter._replace(text=unicodedata.normalize("NFC", letter.text + mark))


def _missing(page: Any, known: set[int]) -> int:
    """How many pieces of text are not known, in fonts of which no letter can be drawn here: of a font
    that is neither in the file nor on this machine, the library leaves single characters out."""
    lost: dict[int, int] = {}
    drawn: set[int] = set()
    for at in range(min(pdfium.FPDFPage_CountObjects(page), _MOST_OBJECTS)):
        piece = pdfium.FPDFPage_GetObject(page, at)
        if pdfium.FPDFPageObj_GetType(piece) != pdfium.FPDF_PAGEOBJ_TEXT:
            continue
        is_known = ctypes.addressof(piece.contents) in known
        if is_known and not lost:
            continue
        font = pdfium.FPDFTextObj_GetFont(piece)
        if not font or pdfium.FPDFFont_GetIsEmbedded(font) == 1:
            continue
        number = ctypes.addressof(font.contents)
        if not is_known and pdfium.FPDFFont_GetFlags(font) & _SYMBOLIC:
            lost[number] = lost.get(number, 0) + 1
        elif is_known and number in lost and _has_height(piece):
            drawn.add(number)
    # Where others of the same font are drawn, what is not known was a blank.
    return sum(count for number, count in lost.items() if number not in drawn)


def _has_height(piece: Any) -> bool:
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    return bool(
        pdfium.FPDFPageObj_GetBounds(piece, left, bottom, right, top) and top.value > bottom.value
    )


def font_of(run: Run) -> int:
    """Which font it is: runs of one have one number."""
    font = pdfium.FPDFTextObj_GetFont(run.drawn_by)
    return ctypes.addressof(font.contents) if font else 0


def _set_sizes(runs: Sequence[Run]) -> None:
    """Give fonts without a size of their own that which their tall letters show."""
    heights: dict[int, list[float]] = {}
    small = [run for run in runs if run.size < _SMALLEST]
    for run in small:
        heights.setdefault(font_of(run), []).extend(
            glyph.v1 - glyph.v0 for glyph in run.glyphs if not glyph.text.isspace()
        )
    for run in small:
        found = sorted(heights[font_of(run)])
        if found and found[-1] > 3 * run.size:
            run.size = max(found[len(found) * 9 // 10] / _TALL, run.size)


def apart(run: Run, width: float, height: float) -> Run:
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
