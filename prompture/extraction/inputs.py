"""What users give as text, checked: a string, or parts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from prompture.errors import ConfigurationError
from prompture.types import Document, File, Image, Part, Text

_BINARY = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def content(text: Any) -> str | tuple[Part, ...]:
    """The content of the document's turn.

    Raises ConfigurationError for empty or binary text, and for what is no text and no part.
    """
    if isinstance(text, str):
        _check_text(text)
        return text
    if isinstance(text, (Text, Document, Image, File)):
        return content((text,))
    if isinstance(text, (bytes, bytearray, memoryview)):
        raise ConfigurationError(
            "text is bytes: decode it first, or send it as prompture.File or prompture.Image"
        )
    if not isinstance(text, Sequence):
        raise ConfigurationError(
            f"text must be a string or a sequence of parts, not {type(text).__name__}"
        )
    parts = tuple(Text(p) if isinstance(p, str) else p for p in text)
    for part in parts:
        if isinstance(part, (Text, Document)):
            _check_text(part.text, allow_empty=len(parts) > 1)
        elif not isinstance(part, (Image, File)):
            raise ConfigurationError(
                f"a part must be a string, Text, Document, Image or File, not {type(part).__name__}"
            )
    if not parts:
        raise ConfigurationError("text is empty: there is nothing to extract from")
    return parts


def _check_text(text: str, *, allow_empty: bool = False) -> None:
    if (not text or text.isspace()) and not allow_empty:
        raise ConfigurationError("text is empty: there is nothing to extract from")
    # A look at the start is enough to tell a binary file read as text from a document.
    start = text[:4096]
    if "\x00" in start or len(_BINARY.findall(start)) > len(start) // 20:
        raise ConfigurationError(
            "text is binary, not words: extract its text first, or send it as prompture.File"
        )
