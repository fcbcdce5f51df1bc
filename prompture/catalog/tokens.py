"""How many tokens a text or a request is, before it is sent.

Exact with tiktoken where its vocabulary is on disk (see ``tokenizers.encoding``), else an estimate whose
error is stated (see ``tokenizers.estimate``). Estimates are for budgets and for refusing what cannot fit;
what a call cost is reckoned from the usage that the provider reports.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil, floor
from typing import TypeVar

from prompture.catalog.models import Entry
from prompture.catalog.tokenizers import FAMILIES, encoding, estimate, family_of
from prompture.types import Document, File, Image, Message, Part, Request, Text, Tool

_PIECE = 50_000
"""Characters that tiktoken gets at a time; one endless word would be slow otherwise."""
_FOREIGN = (0.45, 0.40)
"""Relative width of the range, down and up, for text in other scripts: a common Russian word is
one token of o200k and half of what the estimate says, a rare one twice that."""
_TOOL_PREAMBLE = {"claude": 350, "claude-5": 350}
"""Tokens of the instructions that a provider adds when there are tools."""
_PDF_PAGE: Range = (1500, 258, 3000)
_OTHER_FILE: Range = (2000, 100, 20_000)


@dataclass(frozen=True, slots=True)
class Count:
    """Tokens: the likely number, and the range that holds it about nine times in ten.

    ``method`` says how they were counted, ``exact`` that no estimate is in it.
    """

    tokens: int
    low: int
    high: int
    exact: bool
    method: str

    def __add__(self, other: Count) -> Count:
        methods = dict.fromkeys((*self.method.split(", "), *other.method.split(", ")))
        return Count(
            self.tokens + other.tokens,
            self.low + other.low,
            self.high + other.high,
            exact=self.exact and other.exact,
            method=", ".join(m for m in methods if m),
        )


NOTHING = Count(0, 0, 0, exact=True, method="")


def count(text: str, model: str, *, exact: bool = True) -> Count:
    """Tokens of a text for ``"provider/model"`` (or the model alone).

    Only OpenAI's tokenizers are published in a form that counts exactly; ``exact=False`` does
    without them, which saves the tenths of a second that loading a vocabulary takes.
    """
    family = family_of(model)
    if not text:
        return NOTHING
    if exact and family in ("o200k", "cl100k"):
        vocabulary = encoding(f"{family}_base")
        if vocabulary is not None:
            number = sum(len(vocabulary.encode_ordinary(piece)) for piece in _pieces(text))
            return Count(number, number, number, exact=True, method=f"tiktoken {vocabulary.name}")
    likely = estimate(text, family)
    down = up = FAMILIES[family].spread
    if not text.isascii() and _foreign(text):
        down, up = max(down, _FOREIGN[0]), max(up, _FOREIGN[1])
    low, high = floor(likely * (1 - down)), ceil(likely * (1 + up)) + 1
    return Count(round(likely), low, high, exact=False, method=f"estimate for {family}")


def count_request(request: Request, *, model: str | None = None, exact: bool = True) -> Count:
    """Tokens that a request's input will be billed as: messages, tools, schema, pictures, files.

    ``model`` is for the tokenizer, the request's own if not given. What providers wrap around
    it (roles, tool preambles, a schema's other form) is estimated, so the whole is never exact.
    """
    name = model or request.model
    family = family_of(name)
    wrapping = FAMILIES[family].overhead * len(request.messages) + 3
    if request.tools:
        # Others add a few words.
        wrapping += _TOOL_PREAMBLE.get(family, 12)
    total = Count(wrapping, wrapping // 2, wrapping * 2, exact=False, method="")
    for text in _texts(request.messages):
        total += count(text, name, exact=exact)
    for text in _json_texts(request):
        total += _wider(count(text, name, exact=exact))
    for part in _media(request.messages):
        likely, low, high = _media_tokens(part, family, name.rpartition("/")[2])
        total += Count(likely, low, high, exact=False, method="media by rule")
    return total


def fits(request: Request, entry: Entry | None, *, answer: int = 0) -> str | None:
    """Why a request is too long for the model; None where it fits, or that is not known.

    Only where even the low estimate passes the window: a provider's own refusal costs nothing,
    and a false one here would cost an answer. ``answer``: where there is another way to ask, the
    likely count must leave so many tokens of the window.
    """
    if entry is None:
        return None
    limit = entry.limits.input or entry.limits.context
    if limit is None or _certainly_short(request, limit - answer):
        return None
    counted = count_request(request, model=entry.key, exact=False)
    tight = answer and counted.tokens + answer > (entry.limits.context or limit + answer)
    if counted.low <= limit and not tight:
        return None
    return (
        f"about {counted.tokens:,} tokens (at least {counted.low:,}) for {entry.key}, "
        f"which reads at most {limit:,}"
        + (f", and {answer:,} are left for the answer" if answer else "")
    )


def _certainly_short(request: Request, limit: int) -> bool:
    """Whether a glance is enough: no text is more than 1.5 low-estimate tokens a character."""
    if any(True for _ in _media(request.messages)):
        return False
    characters = sum(map(len, _texts(request.messages))) + sum(map(len, _json_texts(request)))
    # Counting a long text takes a while, and nearly all requests are far below the window.
    return 1.5 * characters + 500 < limit


def _pieces(text: str) -> Iterator[str]:
    """The text in pieces that end before white space where there is some, so that they add up."""
    start = 0
    while len(text) - start > _PIECE:
        end = start + _PIECE
        cut = max(text.rfind(" ", start + 1, end), text.rfind("\n", start + 1, end))
        end = cut if cut > start else end
        yield text[start:end]
        start = end
    yield text[start:]


def _foreign(text: str) -> bool:
    """Whether more than 3 % of the text is beyond ASCII, by a sample."""
    sample = text if len(text) <= 20_000 else text[:: len(text) // 20_000]
    return len(sample.encode("ascii", "ignore")) < 0.97 * len(sample)


def _texts(messages: Iterable[Message]) -> Iterator[str]:
    for message in messages:
        yield message.reasoning
        if isinstance(message.content, str):
            yield message.content
        else:
            yield from (p.text for p in message.content if isinstance(p, (Text, Document)))
        for call in message.calls:
            yield f"{call.name} {call.raw_arguments or _packed(call.arguments)}"


def _json_texts(request: Request) -> Iterator[str]:
    yield from map(_tool_text, request.tools)
    if request.schema is not None:
        yield _packed(request.schema)


def _tool_text(tool: Tool) -> str:
    return f"{tool.name} {tool.description} {_packed(tool.parameters)}"


def _packed(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)


def _wider(counted: Count) -> Count:
    """A schema is rewritten by the provider before the model sees it, mostly to less."""
    low, high = counted.low // 2, ceil(counted.high * 1.3)
    return Count(counted.tokens, low, high, exact=False, method=counted.method)


def _media(messages: Iterable[Message]) -> Iterator[Image | File]:
    for message in messages:
        if not isinstance(message.content, str):
            yield from (p for p in message.content if isinstance(p, (Image, File)))


def _media_tokens(part: Part, family: str, model: str) -> Range:
    if isinstance(part, Image):
        return image_tokens(part, family=family, model=model)
    data = part.data if isinstance(part, File) else None
    if data is None or not data.startswith(b"%PDF"):
        return _OTHER_FILE
    # The page tree's nodes begin with the same letters, and are no pages.
    pages = max(1, data.count(b"/Type /Page") + data.count(b"/Type/Page") - _page_trees(data))
    likely, low, high = _PDF_PAGE
    return likely * pages, low, high * pages


def _page_trees(data: bytes) -> int:
    return data.count(b"/Type /Pages") + data.count(b"/Type/Pages")


# What a picture costs in tokens, from its size in pixels, by the providers' published rules:
# OpenAI 512-pixel tiles (32-pixel patches for the small newer models), Anthropic width x height /
# 750 after shrinking, Gemini 258 for each 768-pixel tile. The others' are guesses with a wide
# range. All were held against recorded calls with pictures.

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
