"""The parts of a turn (texts, pictures, files), read alike for every dialect.

Nothing that a turn holds is left out silently.
"""

from __future__ import annotations

import base64
from typing import overload

from prompture.errors import UnsupportedError
from prompture.media import settled
from prompture.types import Document, File, Image, Message, Text


def part_text(part: Text | Document) -> str:
    """A text as the model is shown it: a document under its name, where it has one."""
    name = part.name if isinstance(part, Document) else ""
    return f"{name}\n\n{part.text}" if name else part.text


def text_of(message: Message) -> str:
    """The texts of a turn, joined by blank lines. What is no text is left to the caller."""
    if isinstance(message.content, str):
        return message.content
    return "\n\n".join(part_text(p) for p in message.content if isinstance(p, (Text, Document)))


def text_only(message: Message) -> str:
    """The texts of a turn that may hold nothing else. Raises UnsupportedError for an image or a
    file in it, which would otherwise be lost."""
    if is_plain(message):
        return text_of(message)
    article = "an" if message.role == "assistant" else "a"
    raise UnsupportedError(
        f"{article} {message.role} turn holds text only here; put images and files into a user's"
    )


def is_plain(message: Message) -> bool:
    """Whether the turn is text and nothing else."""
    return isinstance(message.content, str) or all(
        isinstance(part, (Text, Document)) for part in message.content
    )


def result_text(message: Message) -> str:
    """A tool's result as text, for APIs that cannot mark a failed one."""
    text = text_of(message)
    return f"Error: {text}" if message.is_error else text


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
