"""What a picture costs in tokens, by each provider's rule, from its size in pixels.

Rules as published by the providers: OpenAI 512-pixel tiles (or 32-pixel patches for the small
newer models), Anthropic width x height / 750 after shrinking, Gemini 258 per 768-pixel tile.
The others' are guesses with a wide range. All were held against recorded calls with pictures.
"""

from __future__ import annotations

import struct
from math import ceil
from typing import TypeVar

from prompture.types import Image

T = TypeVar("T")
Range = tuple[int, int, int]
"""(likely, low, high) tokens."""

UNSEEN: Range = (1000, 85, 3200)
"""A picture behind a URL, or of a format whose size is not read."""
_TILES = {"gpt-4o-mini": (2833, 5667), "o1": (75, 150), "o3": (75, 150), "gpt-5": (70, 140)}
_PATCHES = {
    "gpt-5-mini": 1.62,
    "gpt-5-nano": 2.46,
    "gpt-4.1-mini": 1.62,
    "gpt-4.1-nano": 2.46,
    "gpt-5.4-mini": 1.62,
    "gpt-5.4-nano": 1.62,
    "o4-mini": 1.72,
}
_MOST_PATCHES = 1536
_PIXELS_A_TOKEN = {"qwen": 1024, "mistral": 256, "llama": 300}


def image_tokens(image: Image, *, family: str, model: str = "") -> Range:
    """Tokens of a picture for a tokenizer family (see ``tokens.family_of``)."""
    size = pixel_size(image.data) if image.data is not None else None
    if family in ("o200k", "cl100k"):
        if image.detail == "low" and not _patched(model):
            return _around(_tile_rates(model)[0], 0.0)
        return _openai(size, model) if size else UNSEEN
    if size is None:
        return UNSEEN
    if family.startswith("claude"):
        return _around(_claude(*size), 0.1)
    if family == "gemini":
        return _gemini(*size, fixed=model.startswith("gemini-3"))
    likely = ceil(size[0] * size[1] / _PIXELS_A_TOKEN.get(family, 784))
    return min(max(likely, 64), 4096), min(likely, 64), max(2 * likely, 1800)


def pixel_size(data: bytes) -> tuple[int, int] | None:
    """Width and height out of the header of a PNG, GIF, JPEG or WebP; None if it is none."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) >= 24:
        return _real(struct.unpack(">II", data[16:24]))
    if data[:6] in (b"GIF87a", b"GIF89a") and len(data) >= 10:
        return _real(struct.unpack("<HH", data[6:10]))
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    return _jpeg(data) if data.startswith(b"\xff\xd8") else None


def _real(size: tuple[int, ...]) -> tuple[int, int] | None:
    width, height = size
    return (width, height) if width > 0 and height > 0 else None


def _webp(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if kind == b"VP8X" and len(data) >= 30:
        width = int.from_bytes(data[24:27], "little") + 1
        return width, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8 " and len(data) >= 30:
        width, height = struct.unpack("<HH", data[26:30])
        return _real((width & 0x3FFF, height & 0x3FFF))
    if kind == b"VP8L" and len(data) >= 25:
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1
    return None


def _jpeg(data: bytes) -> tuple[int, int] | None:
    """Walk the segments to the frame header; each step goes forward, so it ends."""
    place = 2
    while place + 9 <= len(data):
        if data[place] != 0xFF:
            return None
        marker = data[place + 1]
        if marker == 0xFF:
            place += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[place + 5 : place + 9])
            return _real((width, height))
        elif 0xD0 <= marker <= 0xD8 or marker == 0x01:
            place += 2
        else:
            length = int.from_bytes(data[place + 2 : place + 4], "big")
            if length < 2:
                return None
            place += 2 + length
    return None


def _openai(size: tuple[int, int], model: str) -> Range:
    width, height = size
    if _patched(model):
        return _around(_patches(width, height, model), 0.25)
    base, tile = _tile_rates(model)
    shrink = min(1.0, 2048 / max(width, height))
    shrink *= min(1.0, 768 / (min(width, height) * shrink))
    tiles = ceil(width * shrink / 512) * ceil(height * shrink / 512)
    return _around(base + tile * tiles, 0.3)


def _patches(width: int, height: int, model: str) -> int:
    patches = ceil(width / 32) * ceil(height / 32)
    return ceil(min(patches, _MOST_PATCHES) * _longest(_PATCHES, model, 1.0))


def _patched(model: str) -> bool:
    return any(model.startswith(name) for name in _PATCHES)


def _tile_rates(model: str) -> tuple[int, int]:
    return _longest(_TILES, model, (85, 170))


def _longest(table: dict[str, T], model: str, default: T) -> T:
    names = [name for name in table if model.startswith(name)]
    return table[max(names, key=len)] if names else default


def _claude(width: int, height: int) -> int:
    shrink = min(1.0, 1568 / max(width, height))
    pixels = width * height * shrink * shrink
    return ceil(min(pixels / 750, 1600))


def _gemini(width: int, height: int, *, fixed: bool) -> Range:
    """Gemini 3 spends about 1,100 on any picture; before it, tiles and one overview of them."""
    if fixed:
        return 1100, 64, 1120
    tiles = ceil(width / 768) * ceil(height / 768)
    most = 258 * (tiles + 1 if tiles > 1 else 1)
    return most, 258, most


def _around(likely: int, spread: float) -> Range:
    return likely, int(likely * (1 - spread)), ceil(likely * (1 + spread))
