"""Text read off pictures, here and offline, by the models that rapidocr's wheel brings along.

What rapidocr does between its models is done anew: it turns long lines upside down (its classifier
sees them squeezed), shrinks tall pictures twice, and runs words together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from prompture.documents.layout import LayoutWriter
from prompture.documents.letters import (
    ReadLine,
    bands,
    cut_out,
    is_of_unknown_script,
    letters,
    placed,
)
from prompture.documents.ocr_engine import LEAST, OcrEngine, loaded_engine
from prompture.documents.reading_order import (
    OcrLine,
    OcrLines,
    Piece,
    Quad,
    height_of,
    in_order,
    is_tall,
    length_of,
    turned,
)
from prompture.errors import MissingExtra

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

AREA = 1240 * 1754
"""A page of A4 at 150 dpi. There the models read best; more costs time and memory only."""
_SMALL, _GOOD = 14, 20
"""Lines lower than _SMALL pixels are looked for again in the picture enlarged, up to _GOOD."""
_LOWEST = 6
"""Pixels of a side: below it a picture has no letters."""
_SPARSE, _BANDS = 0.01, 4
"""Where less than this share of a picture is found to be lines, it is looked at in bands, so many
of which are of the good size."""
_SAMPLE = 6  # lines that show which way up a page is
_SURE = 0.85
_LEGIBLE = 0.5
"""Below it the recogniser guesses: what it takes for a line is a logo, a stamp, a shadow."""
_READ = 0.85
"""Of the writing in a line, so much is read where all is: a stain or a rule may be beside it."""
LOW = 0.8
"""A line of less confidence is in a note. Clean lines have 0.95 and more."""
_FAINT = 100
"""Where paper and letters are so few of 255 shades apart, or fewer, they are spread."""


def lines_of(picture: Picture) -> OcrLines:
    """The lines of text in a picture, in reading order; the cells of a row are one line.

    Their boxes are in pixels of the picture as given, whichever way up its text stands.
    Raises MissingExtra.
    """
    engine = loaded_engine()
    picture = legible(picture)
    quads = _found(engine, picture)
    if not quads:
        return OcrLines()
    turn, known = _turn(engine, picture, quads)
    usual = sorted(map(height_of, quads))[len(quads) // 2]
    aside = [q for q in quads if turn in (0, 2) and is_tall(q) and length_of(q) > 3 * usual]
    upright = [turned(quad, turn) for quad in quads if quad not in aside]
    pieces = list(_read(engine, picture, upright, known))
    lines = OcrLines(in_order(pieces), len(upright) - len(pieces))
    if aside:  # words along a margin, upwards or downwards
        ways = [[turned(quad, way) for quad in aside] for way in (1, 3)]
        tries = [list(_read(engine, picture, quads)) for quads in ways]
        best = max(tries, key=lambda read: sum(piece.confidence for piece in read))
        lines += in_order(best)
        lines.left_out += len(aside) - len(best)
    return lines


def is_installed() -> bool:
    """Whether pictures can be read here: the extra ``ocr``."""
    from importlib.util import find_spec

    return all(map(find_spec, ("rapidocr", "onnxruntime", "PIL")))


def write(writer: LayoutWriter, lines: Iterable[OcrLine], scale: float = 1.0) -> None:
    """The lines as text of the writer's page, their boxes multiplied by ``scale``."""
    for at, line in enumerate(lines):
        if at:
            writer.add("\n\n" if line.opens_block else "\n")
        scaled = [(b[0] * scale, b[1] * scale, b[2] * scale, b[3] * scale) for b in line.boxes]
        writer.add(line.text, scaled)


def notes_on(pages: Mapping[int, OcrLines]) -> tuple[str, ...]:
    """What a user is to know of the pages, by number, that were read by OCR."""
    if not pages:
        return ()
    notes = [f"{_listed(pages)} read by OCR"]
    for number, lines in pages.items():
        if low := sum(line.confidence < LOW for line in lines):
            notes.append(
                f"page {number}: {low} of {len(lines)} lines were hard to read"
                f" (confidence below {LOW})"
            )
        if out := lines.left_out:
            what = "1 piece of text was" if out == 1 else f"{out} pieces of text were"
            notes.append(f"page {number}: {what} not legible, and left out")
    return tuple(notes)


def _listed(pages: Iterable[int]) -> str:
    numbers = sorted(pages)
    if len(numbers) == 1:
        return f"page {numbers[0]} was"
    if len(numbers) == numbers[-1] - numbers[0] + 1:
        return f"pages {numbers[0]} to {numbers[-1]} were"
    return f"pages {', '.join(map(str, numbers[:-1]))} and {numbers[-1]} were"


# The picture.


def legible(picture: Picture) -> Picture:
    """The picture in colours, on paper where it is transparent, with letters that are not faint."""
    from PIL import Image, ImageOps

    picture = in_eight_bits(picture)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        # Light letters were written for a dark page.
        shades = picture.convert("L").histogram(picture.getchannel("A").point(lambda a: a and 255))
        light = sum(shade * count for shade, count in enumerate(shades)) > 160 * sum(shades)
        paper = Image.new("RGBA", picture.size, "black" if light else "white")
        picture = Image.alpha_composite(paper, picture)
    picture = picture.convert("RGB")
    shades = picture.convert("L").histogram()
    # Leave a thousandth out at each end: dust and dead pixels.
    few, seen, low, high = sum(shades) // 1000, 0, -1, 0
    for shade, count in enumerate(shades):
        if low < 0 and seen + count > few:
            low = shade
        if seen < sum(shades) - few:
            high = shade
        seen += count
    return ImageOps.autocontrast(picture, 0.1) if 8 < high - low < _FAINT else picture


def in_eight_bits(picture: Picture) -> Picture:
    """The picture; one of 16 bits or of floats as one of 256 shades, from its darkest to white.

    Raises MissingExtra.
    """
    if not picture.mode.startswith(("I", "F")):
        return picture
    try:
        import numpy as np
    except ImportError as missing:
        raise MissingExtra(extra="ocr", package="numpy") from missing
    from PIL import Image

    values = np.nan_to_num(np.asarray(picture).astype("float64"), copy=False)
    # A few pixels that are dead or hot do not decide what is black and what is white.
    few = values.size // 50_000 + (values.size > 1000)
    ends = np.partition(values, (few, values.size - 1 - few), axis=None)
    low, high = ends[few], ends[values.size - 1 - few]
    shades = (np.clip(values, low, high) - low) * (255 / ((high - low) or 1))
    return Image.fromarray(shades.astype("uint8"))


def _found(engine: OcrEngine, picture: Picture) -> list[Quad]:
    """The corners of what may be lines, by a look at a picture of a good size."""
    scale = min(1.0, math.sqrt(AREA / _area(picture.size)), AREA / LEAST / max(picture.size))
    if min(picture.size) * scale < _LOWEST:
        return []
    quads = _looked_for(engine, picture, scale)
    if quads:
        usual = sorted(map(height_of, quads))[len(quads) // 2] * scale
        if usual < _SMALL:
            larger = min(scale * _GOOD / usual, math.sqrt(1.5 * AREA / _area(picture.size)))
            if larger > 1.2 * scale:
                quads = _larger(quads, _looked_for(engine, picture, larger))
    return quads


def _looked_for(engine: OcrEngine, picture: Picture, scale: float) -> list[Quad]:
    """What may be lines. The model weighs a picture by the mean of it, and so overlooks a few words
    on a sheet that is empty otherwise: where little is found, the parts are looked at alone."""
    quads = engine.found(picture, scale)
    if _written(quads) > _SPARSE * _area(picture.size):
        return quads
    alone = list[Quad]()
    for top, bottom in bands(picture, round(AREA / (_BANDS * picture.width * scale**2))):
        band = picture.crop((0, top, picture.width, bottom))
        for quad in engine.found(band, scale):
            a, b, c, d = ((x, y + top) for x, y in quad)
            alone.append((a, b, c, d))
    return _larger(quads, alone)


def _larger(one: list[Quad], other: list[Quad]) -> list[Quad]:
    """Of two looks the one that found more, and the first if there is no difference to speak of."""
    return other if _written(other) > 1.1 * _written(one) else one


def _written(quads: Sequence[Quad]) -> float:
    return sum(length_of(quad) * height_of(quad) for quad in quads)


def _area(size: tuple[int, int]) -> int:
    return size[0] * size[1]


def _turn(
    engine: OcrEngine, picture: Picture, quads: Sequence[Quad]
) -> tuple[int, dict[Quad, ReadLine]]:
    """At which corner, clockwise from the top left one, the lines of the picture begin; and those
    lines that were read for it."""
    tall = sum(length_of(quad) for quad in quads if is_tall(quad))
    ways = (1, 3) if 2 * tall > sum(map(length_of, quads)) else (0, 2)
    longest = sorted(quads, key=length_of, reverse=True)[:_SAMPLE]
    best, way, known = -1.0, 0, dict[Quad, ReadLine]()
    for each in ways:
        sample = [turned(quad, each) for quad in longest]
        read = engine.read([cut_out(picture, quad) for quad in sample])
        sure = sum(one.confidence for one in read) / len(read)
        if sure > best:
            best, way, known = sure, each, dict(zip(sample, read, strict=True))
        if sure >= _SURE:
            break
    return way, known


def _read(
    engine: OcrEngine,
    picture: Picture,
    quads: Sequence[Quad],
    known: Mapping[Quad, ReadLine] = MappingProxyType({}),
) -> Iterator[Piece]:
    """What is written between the corners, each character with its box."""
    crops = {quad: cut_out(picture, quad) for quad in quads}
    missing = [quad for quad in crops if quad not in known]
    read = engine.read([crops[quad] for quad in missing])
    all_read = {**known, **dict(zip(missing, read, strict=True))}
    for quad, crop in crops.items():
        one = all_read[quad]
        if one.confidence >= _LEGIBLE and one.text.strip():
            text, boxes, share = letters(one, crop)
            at = [placed(box, quad, crop.size) for box in boxes]
            # A word that is left out is no less a fault than a letter that is taken for another.
            sure = one.confidence * (1.0 if share > _READ else share)
            if not engine.is_own_model and is_of_unknown_script(text):
                sure = min(sure, LOW - 0.01)
            yield Piece(text, at, quad, sure)
