"""What is drawn in a picture: empty rows that part it, the letters of a line, where words end.

The recogniser gives a point near the middle of each letter, and leaves spaces out; the ink of the
line shows both better.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING
from unicodedata import east_asian_width

from prompture.documents.layout import NOWHERE
from prompture.documents.reading_order import Point, Quad
from prompture.types import Box

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_HEIGHT = 48  # of what the recogniser is given
_SPACE = 0.26
"""The white between words, in heights of the ink, at the least; and how many times the usual step
from one letter to the next (in type of one width, much white is around an i)."""
_STEP = 1.18
# Digits are never parted for a little: 8:13 and 1,111.10 have white around their marks, too.
_SPACE_OF_DIGITS, _STEP_OF_DIGITS = 0.4, 1.3
_STEP_OF_ONE_WIDTH = 1.4
_REACH = 0.9
"""So many heights from its middle, and no further, is what belongs to a letter."""
_STROKE = 0.15
"""Columns with less ink than that many heights are rules and dots, no letters."""
_CELLS = 1.6
"""White of so many heights is no space between words: what stands there are cells of a row."""


_UNKNOWN = re.compile("[\u0386-\u03a8\u03aa-\u03bb\u03bd-\u03ff\u0400-\u052f]")
"""Letters of Greek and Cyrillic, but for those of ohm and micro."""


@dataclass(frozen=True, slots=True)
class ReadLine:
    """What the recogniser read: ``centres`` are those of the characters that are no spaces, from 0
    to 1 along the line."""

    text: str
    centres: list[float]
    confidence: float


def bands(picture: Picture, height: int) -> list[tuple[int, int]]:
    """Rows, from and to, that are about so high together; cut where least is drawn, without those
    that are of one shade."""
    import numpy as np

    if picture.height <= 1.5 * height:
        return []
    grey = np.asarray(picture.convert("L"))
    drawn = grey.max(axis=1).astype(int) - grey.min(axis=1)
    cuts = [0]
    while picture.height - cuts[-1] > 1.5 * height:
        # In the middle of the widest empty space: beside a letter, its edge would be lost.
        low, high = cuts[-1] + height // 2, cuts[-1] + 3 * height // 2
        among = drawn[low:high]
        empty = np.flatnonzero(among <= among.min() + 8)
        runs = np.split(empty, np.flatnonzero(np.diff(empty) > 1) + 1)
        widest = max(runs, key=len)
        cuts.append(low + int(widest[len(widest) // 2]))
    ends = [*cuts[1:], picture.height]
    return [(a, b) for a, b in zip(cuts, ends, strict=True) if drawn[a:b].max() > 8]


def cut_out(picture: Picture, quad: Quad) -> Picture:
    """The line between the corners, level, and not higher than the recogniser has it."""
    from PIL import Image

    start, end, below_end, below = quad
    width = max(math.dist(start, end), math.dist(below, below_end))
    height = max(math.dist(start, below), math.dist(end, below_end))
    size = max(1, round(width)), max(1, round(height))
    corners = (*start, *below, *below_end, *end)
    line = picture.transform(size, Image.Transform.QUAD, corners, Image.Resampling.BICUBIC)
    if size[1] > _HEIGHT:
        wide = max(1, round(size[0] * _HEIGHT / size[1]))
        line = line.resize((wide, _HEIGHT), Image.Resampling.LANCZOS)
    return line


def placed(box: Box, quad: Quad, size: tuple[int, int]) -> Box:
    """A box in a crop as one in the picture."""
    if box == NOWHERE:
        return box

    def point(x: float, y: float) -> Point:
        u, v = x / size[0], y / size[1]
        shares = (1 - u) * (1 - v), u * (1 - v), u * v, (1 - u) * v
        at = [sum(s * corner[i] for s, corner in zip(shares, quad, strict=True)) for i in (0, 1)]
        return at[0], at[1]

    left, top, right, bottom = box
    corners = point(left, top), point(right, top), point(right, bottom), point(left, bottom)
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return min(xs), min(ys), max(xs), max(ys)


def is_of_unknown_script(text: str) -> bool:
    """Whether there are words in Greek or Cyrillic. The models have a few of their letters, as signs
    of formulas, and are sure of them; the letters between are left out or taken for Latin ones."""
    return len(_UNKNOWN.findall(text)) > 1


def letters(read: ReadLine, line: Picture) -> tuple[str, list[Box], float]:
    """The text with its spaces put right, a box for each character in pixels of the line, and
    the share of the writing that was read: letters of an unknown script are left out."""
    width, height = line.size
    dark, top, bottom = _dark_columns(line)
    chars = [char for char in read.text if not char.isspace()]
    centres = [centre * width for centre in read.centres]
    tall = max(bottom - top, height / 3)
    cuts = [0, *(_cut(dark, a, b) for a, b in pairwise(centres)), width]
    reach = [(round(centre - _REACH * tall), round(centre + _REACH * tall)) for centre in centres]
    windows = [
        (max(low, least), min(high, most))
        for (low, high), (least, most) in zip(pairwise(cuts), reach, strict=True)
    ]
    sides = _sides(dark, windows)
    spaces = _spaces(read.text, chars, centres, sides, tall)
    text, boxes = "", list[Box]()
    for char, (left, right), space in zip(chars, sides, spaces, strict=True):
        text += space + char
        boxes += [NOWHERE] * len(space)
        boxes.append((left, top, right, bottom))
    written = [x for x, count in enumerate(dark) if count > _STROKE * tall]
    near = {x for low, high in reach for x in range(low, high)}
    return text, boxes, sum(x in near for x in written) / (len(written) or 1)


def _spaces(
    text: str,
    chars: list[str],
    centres: list[float],
    sides: list[tuple[int, int]],
    tall: float,
) -> list[str]:
    """What stands before each character."""
    read, at = [False] * len(chars), 0
    for char in text:
        if char.isspace():
            if at < len(chars):
                read[at] = True
        else:
            at += 1
    steps = [b - a for a, b in pairwise(centres)]
    inner = [step for step, space in zip(steps, read[1:], strict=True) if not space]
    usual = median(inner) if inner else tall / 2
    is_one_width = sum(abs(s - usual) < 0.12 * usual for s in inner) > 0.7 * len(inner)
    spaces = [""]
    for at in range(1, len(chars)):
        white = (sides[at][0] - sides[at - 1][1]) / tall
        step = steps[at - 1] / usual
        if white > _CELLS:
            spaces.append("  ")
        elif read[at] or _is_space(chars[at - 1], chars[at], white, step, is_one_width):
            spaces.append(" ")
        else:
            spaces.append("")
    return spaces


def _is_space(before: str, char: str, white: float, step: float, is_one_width: bool) -> bool:
    """Whether so much white between two characters parts words."""
    if east_asian_width(before) in "WF" and east_asian_width(char) in "WF":
        return False  # Chinese and Japanese have none
    if is_one_width and step < _STEP_OF_ONE_WIDTH:
        return False
    if ":" in (before, char):  # Date:03/04, and not 8:13
        return white > _SPACE_OF_DIGITS and step > 1.1
    if not before.isalpha() and not char.isalpha():
        return white > _SPACE_OF_DIGITS and step > _STEP_OF_DIGITS
    return white > _SPACE and step > (_STEP if before not in ",;" else 0.9)


def _dark_columns(line: Picture) -> tuple[list[int], int, int]:
    """How much ink each column has; the first row that the line has ink in, and the one below the
    last."""
    import numpy as np

    grey = np.asarray(line.convert("L")).astype("int16")
    paper = int(np.median(grey))
    away = np.abs(grey - paper)
    inked = away > max(0.4 * float(np.percentile(away, 97)), 12.0)
    rows = inked.sum(axis=1) > 0
    middle = len(rows) // 2
    top, bottom = middle, middle + 1
    # Out from the middle: ink above a white row is that of another line.
    while top > 0 and rows[top - 1 : top + 1].any():
        top -= 1
    while bottom < len(rows) and rows[bottom - 1 : bottom + 1].any():
        bottom += 1
    return [int(count) for count in inked[top:bottom].sum(axis=0)], top, bottom


def _cut(dark: list[int], start: float, end: float) -> int:
    """Between the middles of two letters, the column with the least ink; in the middle if all are
    alike."""
    low, high = int(start), max(int(start) + 1, round(end))
    middle = (start + end) / 2
    among = range(low + (high - low) // 5, max(high - (high - low) // 5, low + 1))
    return min(among, key=lambda x: (dark[x] if x < len(dark) else 0, abs(x - middle)), default=low)


def _sides(dark: list[int], windows: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Where the ink of each character begins and ends within its window."""
    runs = [_runs(dark, low, high) for low, high in windows]
    for at, own in enumerate(runs):
        # A point beside a thin letter leaves it on the wrong side of a cut.
        if not own and at + 1 < len(runs) and len(runs[at + 1]) > 1:
            own.append(runs[at + 1].pop(0))
        elif not own and at and len(runs[at - 1]) > 1:
            own.append(runs[at - 1].pop())
    return [
        (own[0][0], own[-1][1]) if own else (low, max(high, low + 1))
        for own, (low, high) in zip(runs, windows, strict=True)
    ]


def _runs(dark: list[int], low: int, high: int) -> list[tuple[int, int]]:
    """The columns with ink, from and to, without a white one between."""
    runs: list[tuple[int, int]] = []
    for x in range(max(low, 0), min(high, len(dark))):
        if dark[x]:
            runs.append((runs.pop()[0], x + 1) if runs and runs[-1][1] == x else (x, x + 1))
    return runs
