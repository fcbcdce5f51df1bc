"""Lists of parts that are streamed in pieces (thinking chunks, reasoning details)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prompture.types import JSON

_MERGED = ("text", "summary", "thinking")


def append_fragment(items: list[Any], item: Any) -> None:
    """Add a fragment of a list that is streamed: pieces of one part become that part."""
    last = items[-1] if items else None
    if not (isinstance(last, dict) and isinstance(item, Mapping) and _continues(last, item)):
        items.append(dict(item) if isinstance(item, Mapping) else item)
        return
    for key, value in item.items():
        if key in _MERGED and isinstance(value, str):
            last[key] = (last.get(key) or "") + value
        elif key in _MERGED and isinstance(value, list):
            merged = last[key] = list(last.get(key) or ())
            for piece in value:
                append_fragment(merged, piece)
        elif value is not None:
            last[key] = value


def _continues(last: JSON, item: JSON) -> bool:
    same = all(last.get(key) == item.get(key) for key in ("type", "index", "id"))
    return same and any(isinstance(item.get(key), (str, list)) for key in _MERGED)
