"""What users give as text, checked: a string, or parts."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from prompture.errors import ConfigurationError
from prompture.types import Document, File, Image, Message, Part, Text

_BINARY = bytes(byte for byte in range(32) if byte not in b"\t\n\x0b\x0c\r\x1b")
_STRAY = 2
"""As many such characters are no sign of a binary file, in however short a text."""
_MAGIC = ("%PDF-", "PK\x03\x04", "\x89PNG", "\xff\xd8\xff", "GIF8")
NUL = "\x00"
UNREADABLE = "\ufffd"
"""Stands in the place of a NUL, one for one, so that places in the text stay what they are."""
_LONGEST_PATH = 1024


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
    for at, part in enumerate(parts):
        if not isinstance(part, (Text, Document, Image, File)):
            what = _advice(part) or f"text[{at}] is a {type(part).__name__}"
            raise ConfigurationError(
                f"a part must be a string, Text, Document, Image or File: {what}"
            )
    if not parts:
        raise ConfigurationError("text is empty: there is nothing to extract from")
    return tuple(_clean_part(part, alone=len(parts) == 1) for part in parts)


def _advice(text: Any) -> str:
    """What to give instead of this, "" for a sequence."""
    if isinstance(text, (bytes, bytearray, memoryview)):
        return "text is bytes: decode it first, or send it as prompture.File or prompture.Image"
    if isinstance(text, os.PathLike):
        return (
            "text is a path, and no file is opened by it: give path.read_text(),"
            " prompture.file(path) for a PDF or prompture.image(path) for a picture"
        )
    if hasattr(text, "read"):
        return "text is an open file: give what it holds, text.read()"
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


def notes_of(given: Any) -> tuple[str, ...]:
    """What ``content`` changes in a text that it takes, and what the caller may not have meant."""
    is_one = isinstance(given, (str, Text, Document, Image, File))
    parts = (given,) if is_one else tuple(given)
    notes = []
    if len(parts) > 1 and all(isinstance(part, str) for part in parts):
        notes.append(
            f"the {len(parts)} strings were read as one document;"
            " for one answer each, extract from each of them"
        )
    if found := sum(_text_of(part).count(NUL) for part in parts):
        notes.append(f"{found} NUL character{'s' * (found > 1)} of the text became U+FFFD")
    return tuple(notes)


def _text_of(part: Any) -> str:
    return part if isinstance(part, str) else getattr(part, "text", "")


def path_hint(document: Message) -> str:
    """What may be wrong where a text gave no value: it names a file, or is a URL."""
    text = document.content
    if not isinstance(text, str) or len(text) > _LONGEST_PATH or "\n" in text.strip():
        return ""
    text = text.strip()
    if re.fullmatch(r"https?://\S+", text):
        return "the text is a URL, and nothing was fetched: give what is behind it"
    try:
        is_file = os.path.isfile(text)
    except (OSError, ValueError):
        return ""
    if not is_file:
        return ""
    return (
        "the text is the name of a file, and no file was opened: give what it holds"
        " (Path(...).read_text(), prompture.file(...))"
    )


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
    # A look at the start is enough to tell a binary file read as text from a document.
    start = text[:4096]
    if start.startswith(_MAGIC) or _binary_in(start) > max(_STRAY, len(start) // 20):
        raise ConfigurationError(
            "text is binary, not words: extract its text first, or send it as prompture.File"
        )
    return text.replace(NUL, UNREADABLE) if NUL in text else text


def _binary_in(text: str) -> int:
    """How many control characters a text has. Bytes below 32 are in no other UTF-8 sequence."""
    data = text.encode("utf-8", "replace")
    return len(data) - len(data.translate(None, _BINARY))
