"""Pictures of text, drawn for the tests: with several fonts, skewed, blurred, noisy."""

from __future__ import annotations

import io
import random
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFilter, ImageFont

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
SANS, SERIF, MONO, BOLD = (
    f"DejaVu{kind}.ttf" for kind in ("Sans", "Serif", "SansMono", "Sans-Bold")
)


def drawn(
    lines: list[str | tuple[str, ...]],
    *,
    font: str = SANS,
    size: int = 24,
    width: int = 900,
    columns: tuple[int, ...] = (40, 480, 620, 760),
    leading: float = 1.6,
    letters: str = "black",
    paper: str = "white",
) -> Image.Image:
    """The lines, one below the other; the cells of a tuple stand in columns."""
    face = ImageFont.truetype(str(FONTS / font), size)
    picture = Image.new("RGB", (width, int(80 + len(lines) * size * leading)), paper)
    draw = ImageDraw.Draw(picture)
    for row, line in enumerate(lines):
        cells = (line,) if isinstance(line, str) else line
        for cell, left in zip(cells, columns, strict=False):
            draw.text((left, 40 + row * size * leading), cell, fill=letters, font=face)
    return picture


def scanned(
    picture: Image.Image, *, skew: float = 0.0, blur: float = 0.0, noise: int = 0, seed: int = 0
) -> Image.Image:
    """The picture as a scanner gives it: not quite level, soft, with grains."""
    if skew:
        picture = picture.rotate(
            skew, Image.Resampling.BICUBIC, expand=True, fillcolor=picture.getpixel((0, 0))
        )
    if blur:
        picture = picture.filter(ImageFilter.GaussianBlur(blur))
    if noise:
        grains = random.Random(seed).randbytes(picture.width * picture.height)
        shade = Image.frombytes("L", picture.size, grains).point(
            lambda value: 128 + (value - 128) * noise // 128
        )
        picture = Image.blend(picture, shade.convert("RGB"), 0.15)
    return picture


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()
