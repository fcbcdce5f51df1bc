"""Numbers that are none: NaN, Infinity, and those too large for a float."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from prompture.schema.check import InvalidValue, Problem
from prompture.schema.pointer import Segment, pointer

_SUSPECT = re.compile(r"NaN|Infinity|\d[eE]\+?\d{3}|\d{309}")
_MESSAGE = "must be a finite number"


def refuse_infinite(text: str | bytes) -> None:
    """Raise InvalidValue where JSON text, which was read as such, holds one."""
    plain = text.decode() if isinstance(text, bytes) else text
    if _SUSPECT.search(plain):
        refuse_infinite_in(json.loads(plain))


def refuse_infinite_in(value: Any) -> None:
    """Raise InvalidValue where a JSON value holds one."""
    found = [Problem(pointer(path), _MESSAGE, "finite_number") for path in _infinite((), value)]
    if found:
        raise InvalidValue(found)


def _infinite(path: tuple[Segment, ...], value: Any) -> Iterator[tuple[Segment, ...]]:
    pending = [(path, value)]
    while pending:
        path, node = pending.pop()
        if isinstance(node, float) and not math.isfinite(node):
            yield path
        elif isinstance(node, (dict, list)):
            inner = node.items() if isinstance(node, dict) else enumerate(node)
            pending += [((*path, key), one) for key, one in inner]
