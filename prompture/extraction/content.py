"""What is extracted from: checked, and read where it is a file; for streams within their deadline, in a
thread if awaited."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any, TypeAlias, TypeVar

from prompture.errors import ConfigurationError
from prompture.types import Document, File, FileDocument, Image, Part, Text

if TYPE_CHECKING:
    from prompture.flows.run import Flow, LaterFlow
    from prompture.flows.stream import RunningBill

T = TypeVar("T")
OnePart: TypeAlias = (
    str | Text | Document | Image | File | os.PathLike[str] | bytes | bytearray | IO[bytes]
)
Content: TypeAlias = OnePart | Sequence[OnePart]
"""What can be extracted from: a string, a part, a file (a path, its bytes, or it open), or several
of these. A string is always text."""
_FILES = (os.PathLike, bytes, bytearray, memoryview)
_BINARY = bytes(byte for byte in range(32) if byte not in b"\t\n\x0b\x0c\r\x1b")
_STRAY = 2
"""As many such characters are no sign of a binary file, in however short a text."""
# PDF, ZIP (and so .docx, .xlsx), PNG, JPEG, GIF.
_MAGIC = ("%PDF-", "PK\x03\x04", "\x89PNG", "\xff\xd8\xff", "GIF8")
NUL = "\x00"
UNREADABLE = "\ufffd"
"""Stands in the place of a NUL, one for one, so that places in the text stay what they are."""


def has_files(text: Any) -> bool:
    """Whether a file is to be read before anything is sent."""
    if isinstance(text, (str, Text, Document, Image, File)):
        return False
    each = text if isinstance(text, (list, tuple)) else (text,)
    return any(isinstance(e, _FILES) or _is_open(e) for e in each)


def _is_open(value: object) -> bool:
    return callable(getattr(value, "read", None)) and not isinstance(value, type)


def files_read(text: Any) -> Any:
    """The same, each file in it read. Raises DocumentError and ConfigurationError."""
    if not has_files(text):
        return text
    from prompture.documents import document

    if isinstance(text, (list, tuple)):
        return [document(each) if has_files(each) else each for each in text]
    return document(text)


def content(text: Any) -> str | tuple[Part, ...]:
    """The content of the document's turn, without NULs.

    Raises ConfigurationError for empty or binary text, and for what is no text and no part.
    """
    if isinstance(text, str):
        return _clean(text)
    if isinstance(text, (Text, Document, Image, File)):
        return content((text,))
    if advice := _advice(text):
        raise ConfigurationError(advice)
    parts = tuple(Text(p) if isinstance(p, str) else p for p in text)
    if any(isinstance(part, FileDocument) for part in parts):
        from prompture.documents import shown

        parts = tuple(
            each
            for part in parts
            for each in (shown(part) if isinstance(part, FileDocument) else (part,))
        )
    for at, part in enumerate(parts):
        if not isinstance(part, (Text, Document, Image, File)):
            what = _advice(part) or f"text[{at}] is a {type(part).__name__}"
            raise ConfigurationError(
                f"a part must be a string, Text, Document, Image or File: {what}"
            )
    if not parts:
        raise ConfigurationError("text is empty: there is nothing to extract from")
    return tuple(_clean_part(part, alone=len(parts) == 1) for part in parts)


def _advice(text: object) -> str:
    """What to give instead of this, "" for a sequence."""
    if isinstance(text, (bytes, bytearray, memoryview)):
        return "text is bytes: give prompture.document(data), prompture.file or prompture.image"
    if isinstance(text, os.PathLike):
        return (
            "text is a path, and no file is opened by it here: give prompture.document(path),"
            " prompture.file(path) for a PDF or prompture.image(path) for a picture"
        )
    if hasattr(text, "read"):
        return "text is an open file: give prompture.document(file), or what it holds, text.read()"
    if isinstance(text, type):
        return f"text is the class {text.__name__}: the schema comes first, extract(schema, text)"
    if isinstance(text, Mapping):
        return (
            "text is a dict: give a document's text (json.dumps makes one of data); the schema"
            " comes first, extract(schema, text)"
        )
    if isinstance(text, Sequence) and not isinstance(text, str):
        return ""
    return f"text must be a string or a sequence of parts, not {type(text).__name__}"


def is_text(read: str | tuple[Part, ...]) -> bool:
    """Whether a content is words alone."""
    return isinstance(read, str) or all(isinstance(part, (Text, Document)) for part in read)


def notes_of(text: Any) -> tuple[str, ...]:
    """What ``content`` changes in a text that it takes, and what the caller may not have meant."""
    is_one = isinstance(text, (str, Text, Document, Image, File))
    parts = (text,) if is_one else tuple(text)
    notes = [note for part in parts if isinstance(part, FileDocument) for note in part.notes]
    if len(parts) > 1 and all(isinstance(part, str) for part in parts):
        notes.append(
            f"the {len(parts)} strings were read as one document;"
            " for one answer each, extract from each of them"
        )
    if found := sum(_text_of(part).count(NUL) for part in parts):
        notes.append(f"{found} NUL character{'s' * (found > 1)} of the text became U+FFFD")
    return tuple(notes)


def _text_of(part: object) -> str:
    return part if isinstance(part, str) else getattr(part, "text", "")


def _clean_part(part: Part, *, alone: bool) -> Part:
    if not isinstance(part, (Text, Document)):
        return part
    cleaned = _clean(part.text, allow_empty=not alone)
    return part if cleaned is part.text else replace(part, text=cleaned)


def _clean(text: str, *, allow_empty: bool = False) -> str:
    if not isinstance(text, str):
        raise ConfigurationError(f"the text of a part is a {type(text).__name__}, not a string")
    if (not text or text.isspace()) and not allow_empty:
        raise ConfigurationError("text is empty: there is nothing to extract from")
    # A look at the start is enough to tell a binary file read as text from a document. Bytes below
    # 32 are in no other UTF-8 sequence.
    start = text[:4096]
    data = start.encode("utf-8", "replace")
    stray = len(data) - len(data.translate(None, _BINARY))
    if start.startswith(_MAGIC) or stray > max(_STRAY, len(start) // 20):
        raise ConfigurationError(
            "text is binary, not words: extract its text first, or send it as prompture.File"
        )
    return text.replace(NUL, UNREADABLE) if NUL in text else text


# The files of a stream.


def read_within(text: Content, running: RunningBill) -> Any:
    """The text with its files read."""
    if type(text) is str or not has_files(text):
        return text
    with running.reading():
        return files_read(text)


def flow_of(
    text: Content, make: Callable[[Any], Flow[Any, T]], running: RunningBill
) -> LaterFlow[Any, T]:
    """The flow for a text; where files are to be read first, an awaitable's maker of it."""
    if type(text) is str or not has_files(text):
        return make(text)

    async def later() -> Flow[Any, T]:
        return make(await asyncio.to_thread(read_within, text, running))

    return later
