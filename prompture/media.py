"""Images and files out of what users have: paths, bytes, URLs, PIL images."""

from __future__ import annotations

import base64
import binascii
import mimetypes
import re
from pathlib import Path
from typing import Any

from prompture.errors import ConfigurationError
from prompture.types import File, Image

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
_DATA_URL = re.compile(r"data:([\w.+/-]*)(?:;[\w=.-]+)*?(;base64)?,", re.ASCII)


def image(source: Any, *, media_type: str | None = None, detail: str | None = None) -> Image:
    """An Image out of a path, bytes, an http(s) or data URL, or a PIL image.

    Raises ConfigurationError where there is no such file, or it holds no image. A path is read
    at once; a URL is left for the provider to fetch.
    """
    if isinstance(source, Image):
        return source
    if isinstance(source, str) and source.startswith(("http://", "https://")):
        return Image(url=source, detail=detail)
    if hasattr(source, "save") and hasattr(source, "mode"):
        return Image(data=_pil_bytes(source), media_type="image/png", detail=detail)
    data, guessed = _read(source)
    kind = media_type or guessed
    if not kind or not kind.startswith("image/"):
        raise ConfigurationError(f"not an image that is known ({kind or 'unknown type'})")
    return Image(data=data, media_type=kind, detail=detail)


def file(source: Any, *, media_type: str | None = None, name: str | None = None) -> File:
    """A File out of a path, bytes, or an http(s) or data URL. Raises ConfigurationError."""
    if isinstance(source, File):
        return source
    if isinstance(source, str) and source.startswith(("http://", "https://")):
        tail = name or source.rpartition("/")[2].partition("?")[0] or "document"
        guessed = media_type or mimetypes.guess_type(tail)[0] or "application/pdf"
        return File(url=source, media_type=guessed, name=tail)
    data, guess = _read(source)
    if not (media_type or guess):
        raise ConfigurationError("unknown type of file: pass media_type=...")
    is_path = isinstance(source, (str, Path)) and not str(source).startswith("data:")
    title = name or (Path(source).name if is_path else "document")
    return File(data=data, media_type=media_type or guess or "", name=title)


def _read(source: Any) -> tuple[bytes, str | None]:
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
        return data, media_type_of(data)
    if isinstance(source, str) and (found := _DATA_URL.match(source)):
        if not found.group(2):
            raise ConfigurationError("a data URL must be base64")
        try:
            data = base64.b64decode(source[found.end() :], validate=True)
        except binascii.Error as exc:
            raise ConfigurationError(f"a data URL that is not base64: {exc}") from exc
        return data, found.group(1) or media_type_of(data)
    if isinstance(source, (str, Path)):
        try:
            data = Path(source).read_bytes()
        except (OSError, ValueError) as exc:
            raise ConfigurationError(f"cannot read {Path(source).name!r}: {exc}") from exc
        return data, media_type_of(data) or mimetypes.guess_type(str(source))[0]
    raise ConfigurationError(
        f"expected a path, bytes, a URL or a PIL image, got {type(source).__name__}"
    )


def media_type_of(data: bytes) -> str | None:
    """The media type that the first bytes show, or None."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in _SIGNATURES if data.startswith(start)), None)


def _pil_bytes(picture: Any) -> bytes:
    import io

    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()
