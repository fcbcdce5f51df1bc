"""What a value holds, with the paths to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prompture.extraction.grounding.spans import Path
from prompture.types import JSONValue

MOST_DEEP = 500
"""Values nested deeper have no places: their pointers alone would take all memory."""


def leaves(value: JSONValue) -> Iterator[tuple[Path, JSONValue]]:
    """All of a value that is neither an object nor a list, in its order, down to ``MOST_DEEP``."""
    stack: list[tuple[Path, JSONValue]] = [((), value)]
    while stack:
        path, one = stack.pop()
        if len(path) > MOST_DEEP:
            continue
        if isinstance(one, Mapping):
            # Reversed, for a stack gives back the last one first.
            stack.extend(reversed([((*path, key), inner) for key, inner in one.items()]))
        elif isinstance(one, list):
            stack.extend(reversed([((*path, i), inner) for i, inner in enumerate(one)]))
        else:
            yield path, one
