"""Pictures and files of a turn, as every dialect reads them before it writes them its own way."""

from __future__ import annotations

import base64
from typing import overload

from prompture.media import settled
from prompture.types import File, Image


@overload
def media(part: Image, pictures: tuple[str, ...] = ...) -> Image: ...
@overload
def media(part: Image | File, pictures: tuple[str, ...] = ...) -> Image | File: ...
def media(part: Image | File, pictures: tuple[str, ...] = ("image/",)) -> Image | File:
    """The part as it goes out: bytes out of a data URL, with the type that they show; a file
    that is a picture (its type begins with one of ``pictures``) as an Image.

    Raises ConfigurationError where it is empty, or a data URL is broken.
    """
    part = settled(part)
    if isinstance(part, File) and part.id is None and part.media_type.startswith(pictures):
        return Image(data=part.data, url=part.url, media_type=part.media_type)
    return part


def base64_of(data: bytes | None) -> str:
    """Bytes as text for a JSON body."""
    return base64.b64encode(data or b"").decode()


def data_url(part: Image | File) -> str:
    """``data:<type>;base64,<bytes>``."""
    return f"data:{part.media_type};base64,{base64_of(part.data)}"
