"""JSON pointers (RFC 6901): the one place where they are written, read and followed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

Segment = str | int
"""A key of an object, or the index of an item."""


def escape(segment: Segment) -> str:
    """One segment, with its ``~`` and ``/`` escaped."""
    return str(segment).replace("~", "~0").replace("/", "~1")


def unescape(token: str) -> str:
    """The key that one token of a pointer stands for."""
    return token.replace("~1", "/").replace("~0", "~")


def pointer(segments: Iterable[Segment]) -> str:
    """The pointer of a path; the empty path is the root, ``""``."""
    return "".join(f"/{escape(segment)}" for segment in segments)


def segments_of(pointer: str) -> tuple[str, ...]:
    """The keys of a pointer. What stands before its first ``/`` (the ``#`` of a reference) is left out."""
    return tuple(unescape(token) for token in pointer.split("/")[1:])


def step(value: Any, segment: Segment, default: Any = None) -> Any:
    """The member or item under one segment, ``default`` where there is none.

    Digits are a key in an object and an index in a list, as RFC 6901 has it.
    """
    if isinstance(value, Mapping):
        return value.get(segment if segment in value else str(segment), default)
    if isinstance(value, list):
        # "²" is a digit to str.isdigit, but no number to int().
        index = int(segment) if isinstance(segment, int) or segment.isdecimal() else -1
        return value[index] if 0 <= index < len(value) else default
    return default


def value_at(root: Any, segments: Iterable[Segment], default: Any = None) -> Any:
    """The value at a path, ``default`` where there is none."""
    for segment in segments:
        root = step(root, segment, _NOTHING)
        if root is _NOTHING:
            return default
    return root


def referenced(root: Any, reference: str, default: Any = None) -> Any:
    """The part of a schema that ``#`` or ``#/a/b`` names, percent-decoded; ``default`` for other references."""
    if reference in ("", "#"):
        return root
    if not reference.startswith("#/"):
        return default
    return value_at(root, segments_of(unquote(reference)), default)


_NOTHING: Any = object()
