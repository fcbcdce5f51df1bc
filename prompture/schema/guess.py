"""What ``json-repair`` makes of almost-JSON, taken only if it neither lost nor added anything."""

from __future__ import annotations

import json
import re
from typing import Any

GUESS_LIMIT = 8_000
"""Characters beyond which it is not tried: its time is quadratic at worst."""


def guess(text: str, start: int) -> tuple[Any, str, int] | None:
    """The value that begins at ``start``, its JSON text and its end; None where there is none."""
    end = _end_of_block(text, start)
    piece = text[start:end]
    if not piece or len(piece) > GUESS_LIMIT:
        return None
    import json_repair

    try:
        value = json_repair.loads(piece)
    except (ValueError, RecursionError, IndexError):
        return None
    written = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or not _conserved(piece, written):
        return None
    return value, written, end


def _end_of_block(text: str, start: int) -> int:
    """The end of the value's last bracket before the next fence, or ``start`` if it is cut off.

    ``json-repair`` would close a tail that was cut, and say nothing.
    """
    opened, closed = ("{", "}") if text[start] == "{" else ("[", "]")
    fence = _FENCE.search(text, start)
    stop = fence.start() if fence else len(text)
    end = text.rfind(closed, start, stop) + 1
    whole = text.count(opened, start, end) <= text.count(closed, start, end)
    return end if end and whole and not _VALUES.search(text, end, stop) else start


_FENCE = re.compile(r"\n[ \t]*(?:```|~~~)")
_VALUES = re.compile(r"[\[\]{}]|\"[^\"]*\"\s*:")
_UNKEPT = re.compile(r"[\s\"'“”„{}\[\],:;]+")
_ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)
_LAST_ZEROS = re.compile(r"(\d\.\d*?)0+(?!\d)")
_RENAMED = re.compile(r"\b(?:None|null|True|true|False|false)\b")


def _conserved(source: str, written: str) -> bool:
    return _essence(source) == _essence(written) and _empties(written) <= _empties(source)


def _essence(text: str) -> str:
    """All but space, quotes and JSON's own punctuation, in order: what a repair must leave."""
    plain = _ESCAPED.sub(lambda m: chr(int(m[1], 16)) if m[1] else " ", text)
    plain = _RENAMED.sub(lambda m: "null" if m[0] == "None" else m[0].lower(), plain)
    return _UNKEPT.sub("", _LAST_ZEROS.sub(r"\1", plain))


def _empties(text: str) -> int:
    return text.count('""') + text.count("''") + len(re.findall(r"\bnull\b|\bNone\b", text))
