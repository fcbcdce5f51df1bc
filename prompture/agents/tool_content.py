"""What a model is sent of the value that a tool returned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from inspect import isasyncgen, isgenerator

from prompture.media import file, image, media_type_of
from prompture.types import Document, File, Image, Part, Text

MAX_MEDIA_BYTES = 20_000_000
MAX_MEDIA = 20
"""Pictures and files of one result."""


class UnserializableResult(ValueError):
    """A result that cannot be sent to a model; the message is the reason."""


@dataclass(frozen=True, slots=True)
class ToolContent:
    """``content`` for the turn; ``cut`` is the length in characters before it was cut, else 0."""

    content: str | tuple[Part, ...]
    cut: int = 0


def tool_content(value: object, *, max_chars: int) -> ToolContent:
    """Text as it is, parts and pictures as parts, anything else as JSON by Pydantic.

    Raises UnserializableResult for what is none of those.
    """
    if isinstance(value, str):
        return _text(value, max_chars)
    if _is_media(value):
        return _parts((value,), max_chars)
    if isinstance(value, (list, tuple)) and any(map(_is_media, value)):
        return _parts(value, max_chars)
    return _text(_json(value), max_chars)


def _text(text: str, limit: int) -> ToolContent:
    if len(text) <= limit:
        return ToolContent(text)
    note = f"\n[cut: the first {limit:,} of {len(text):,} characters]"
    return ToolContent(text[:limit] + note, len(text))


def _is_media(value: object) -> bool:
    if isinstance(value, (Text, Document, Image, File, bytes, bytearray, memoryview)):
        return True
    return hasattr(value, "save") and hasattr(value, "mode") and hasattr(value, "size")


def _parts(values: Iterable[object], limit: int) -> ToolContent:
    parts: list[Part] = []
    left, media, cut = limit, 0, 0
    for value in values:
        part = _part(value)
        if isinstance(part, (Image, File)):
            media += len(part.data or b"")
            if media > MAX_MEDIA_BYTES or len(parts) >= MAX_MEDIA:
                raise UnserializableResult(
                    f"it returned more pictures or files than {MAX_MEDIA} or {MAX_MEDIA_BYTES:,}"
                    f" bytes"
                )
            parts.append(part)
            continue
        text = _text(part.text, max(left, 0))
        left -= len(part.text)
        cut += text.cut
        parts.append(Text(str(text.content)))
    return ToolContent(tuple(parts), cut)


def _part(value: object) -> Text | Document | Image | File:
    if isinstance(value, (Text, Document, Image, File)):
        return value
    if isinstance(value, str):
        return Text(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _of_bytes(bytes(value))
    return image(value) if _is_media(value) else Text(_json(value))


def _of_bytes(data: bytes) -> Text | Image | File:
    kind = media_type_of(data)
    if kind and kind.startswith("image/"):
        return image(data)
    if kind:
        return file(data)
    try:
        return Text(data.decode())
    except UnicodeDecodeError:
        raise UnserializableResult(
            f"it returned {len(data):,} bytes that are no text and no picture"
        ) from None


def _json(value: object) -> str:
    from pydantic_core import PydanticSerializationError, to_json

    if isgenerator(value) or isasyncgen(value):
        raise UnserializableResult("it returned a generator; return a list")
    try:
        return to_json(value, by_alias=True, inf_nan_mode="strings").decode()
    except (PydanticSerializationError, ValueError, RecursionError) as exc:
        raise UnserializableResult(
            f"it returned a {type(value).__name__}, of which no JSON can be made"
        ) from exc
