"""Images and files out of what users have: paths, bytes, URLs, PIL images."""

from __future__ import annotations

import base64
import binascii
import mimetypes
import os
import re
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from prompture.errors import ConfigurationError
from prompture.given import why
from prompture.types import File, Image

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"\0\0\1\0", "image/x-icon"),
    (b"%PDF-", "application/pdf"),
)
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis"), "image/heic"),
    **dict.fromkeys((b"mif1", b"msf1", b"hevc"), "image/heif"),
    **dict.fromkeys((b"avif", b"avis"), "image/avif"),
}
_SHOWN = {kind for _, kind in _SIGNATURES} | {"image/webp", "image/bmp", *_BRANDS.values()}
"""Types that their bytes show: what claims one and does not is none."""
_DATA_URL = re.compile(
    r"data:([\w.+/-]*)((?:;[\w!#$&^.+-]+=(?:[\w!#$&^.+-]*|\"[^\"]*\"))*)(;base64)?,",
    re.ASCII | re.IGNORECASE,
)
_START = 1024
"""Bytes at a file's beginning in which a PDF may begin."""
_PNG_MODES = frozenset({"1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA"})
"""PIL's modes that PNG has; for any other its ``save`` raises."""


def image(source: object, *, media_type: str | None = None, detail: str | None = None) -> Image:
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
    kind = _kind(data, media_type, guessed)
    if not kind or not kind.startswith("image/"):
        raise ConfigurationError(f"not an image that is known ({kind or 'unknown type'})")
    return Image(data=data, media_type=kind, detail=detail)


def _kind(data: bytes, stated: str | None, guessed: str | None) -> str | None:
    """The type of a picture: what its bytes show, else what is stated, else a guess by name."""
    if not data:
        raise ConfigurationError("the image is empty (0 bytes)")
    # Before what the caller states: a type that the bytes are not is refused by the provider.
    shown = media_type_of(data)
    if shown is None and stated is None and guessed in _SHOWN:
        raise ConfigurationError(
            f"it is called {guessed}, and its bytes are not: unknown type"
            " (media_type=... if you know better)"
        )
    return shown or stated or guessed


def file(source: object, *, media_type: str | None = None, name: str | None = None) -> File:
    """A File out of a path, bytes, or an http(s) or data URL. Raises ConfigurationError."""
    if isinstance(source, File):
        return source
    if isinstance(source, str) and source.startswith(("http://", "https://")):
        tail = name or source.rpartition("/")[2].partition("?")[0] or "document"
        guessed = media_type or mimetypes.guess_type(tail)[0] or "application/pdf"
        return File(url=source, media_type=guessed, name=tail)
    data, guess = _read(source)
    if not data:
        raise ConfigurationError("the file is empty (0 bytes)")
    if not (media_type or guess):
        raise ConfigurationError("unknown type of file: pass media_type=...")
    title = name or "document"
    if not name and isinstance(source, (str, Path)) and not str(source).startswith("data:"):
        title = Path(source).name
    return File(data=data, media_type=media_type or guess or "", name=title)


def _read(source: object) -> tuple[bytes, str | None]:
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
        return data, media_type_of(data)
    if isinstance(source, str) and source[:5].lower() == "data:":
        kind, data = read_data_url(source)
        return data, media_type_of(data) or kind or None
    if isinstance(source, (str, Path)):
        try:
            if stat.S_ISCHR(os.stat(source).st_mode):  # /dev/zero has no end
                raise ConfigurationError(f"cannot read {Path(source).name!r}: it is a device")
            data = Path(source).read_bytes()
        except (OSError, ValueError) as exc:
            raise ConfigurationError(f"cannot read {Path(source).name!r}: {why(exc)}") from exc
        return data, media_type_of(data) or mimetypes.guess_type(str(source))[0]
    raise ConfigurationError(
        f"expected a path, bytes, a URL or a PIL image, got {type(source).__name__}"
    )


def read_data_url(url: str) -> tuple[str, bytes]:
    """The media type that a ``data:`` URL states (``""`` if none) and its bytes.

    Raises ConfigurationError. Line breaks in the base64 and missing padding are no fault.
    """
    found = _DATA_URL.match(url)
    if found is None or not found[3]:
        raise ConfigurationError("a data URL of an image or file must be base64")
    body = "".join(url[found.end() :].split())
    try:
        data = base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise ConfigurationError(f"a data URL that is not base64: {exc}") from exc
    return found[1].lower(), data


P = TypeVar("P", bound=Image | File)


def settled(part: P) -> P:
    """The picture or file as it is sent: bytes out of a data URL, with the type that they show.

    Raises ConfigurationError where it is empty, or a data URL is broken.
    """
    data, kind = part.data, part.media_type
    if data is None and part.url is not None and part.url[:5].lower() == "data:":
        stated, data = read_data_url(part.url)
        kind = stated or kind
    if data is None:
        return part
    if not data:
        raise ConfigurationError(f"the {type(part).__name__.lower()} is empty (0 bytes)")
    kind = media_type_of(data) or kind
    # Most parts are as they should be, and are not copied.
    if data is part.data and kind == part.media_type:
        return part
    return replace(part, data=data, url=None, media_type=kind)


def media_type_of(data: bytes) -> str | None:
    """The media type that the first bytes show, or None."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    # The two letters alone may begin a text.
    if data[:2] == b"BM" and data[6:10] == b"\0\0\0\0":
        return "image/bmp"
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12])
    if data[:1] != b"%" and b"%PDF-" in data[:_START]:
        # Readers take a PDF that begins a little further on; many scanners write such.
        return "application/pdf"
    return next((kind for start, kind in _SIGNATURES if data.startswith(start)), None)


def _pil_bytes(picture: Any) -> bytes:
    import io

    buffer = io.BytesIO()
    if picture.mode not in _PNG_MODES:  # CMYK, say, as printers' JPEGs are
        picture = picture.convert("RGB")
    picture.save(buffer, format="PNG")
    return buffer.getvalue()
