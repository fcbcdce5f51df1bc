"""Of a value's places, those that stand in what a model quoted for it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence

from prompture.extraction.grounding.spans import Path, Places
from prompture.json_values import pointer
from prompture.types import Span

MOST_QUOTES = 20_000
"""So many are looked for; each costs a search of the text."""


def within_quotes(
    places: Mapping[Path, Places],
    quotes: Mapping[str, Sequence[str]],
    find: Callable[[str], Places],
) -> dict[Path, Places]:
    """The places of each leaf, only those in a quotation where some are.

    ``quotes`` are by the pointer of the leaf or of what holds it; the nearest one counts. ``find``
    gives the places of a quotation in the text.
    """
    known: dict[str, Places] = {}

    def stretches(where: str) -> list[Span]:
        found: list[Span] = []
        for quote in quotes[where]:
            if quote not in known and len(known) < MOST_QUOTES:
                known[quote] = find(quote) or _in_pieces(quote, find)
            found += known.get(quote, ())
        return sorted(found, key=_start)

    by_pointer = {where: found for where in quotes if (found := stretches(where))}
    chosen = dict(places)
    # Equal leaves without quotations go on sharing one tuple, by which their placing knows them.
    for path, spans in places.items():
        held = next((q for q in _holders(path) if q in by_pointer), None)
        if held is not None and len(spans) > 1:
            inside = tuple(s for s in spans if _is_inside(s, by_pointer[held]))
            chosen[path] = inside or spans
    return chosen


def _in_pieces(quote: str, find: Callable[[str], Places]) -> Places:
    """Where the pieces of a quotation stand that leaves something out ("the sum ... is due"); nowhere
    where one does not, or is too short to be meant."""
    pieces = [piece.strip(" []()") for piece in _LEFT_OUT.split(quote)]
    pieces = [piece for piece in pieces if piece]
    if len(pieces) < 2 or any(len(piece) < _SHORTEST for piece in pieces):
        return ()
    found = [find(piece) for piece in pieces]
    return tuple(span for spans in found for span in spans) if all(found) else ()


def _holders(path: Path) -> list[str]:
    """The pointers of a leaf and of what holds it, but for the whole: the nearest first."""
    return [pointer(path[:depth]) for depth in range(len(path), 0, -1)] or [""]


def _is_inside(span: Span, stretches: list[Span]) -> bool:
    """Whether a span lies in one of the stretches, which are in the order of their starts."""
    at = bisect_right(stretches, span.start, key=_start)
    return any(span.end <= each.end for each in stretches[max(0, at - _LOOKED) : at])


def _start(span: Span) -> int:
    return span.start


_LEFT_OUT = re.compile(r"\.{3,}|…")
_SHORTEST = 8
"""Characters of a piece of a quotation; shorter ones stand in many places."""
_LOOKED = 50
"""Stretches that begin before a place, of which one may hold it."""
