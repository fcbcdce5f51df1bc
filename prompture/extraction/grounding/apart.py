"""Equal items of a list, each at a place of its own.

Items that are equal leave nothing to choose by but their order. Where several were placed at one
place of the text, and it holds the same words as often elsewhere, they are parted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from prompture.extraction.grounding.leaves import MOST_DEEP, leaves
from prompture.extraction.grounding.spans import Path, Places
from prompture.types import JSONValue, Span

MOST_FOUND = 20_000
"""Places of the same words that are looked at."""


def apart(value: JSONValue, found: Mapping[Path, Places], text: str) -> dict[Path, Places]:
    """The places, those of equal items apart."""
    whole = dict(found)
    for path, items in _lists(value):
        for members in _equal(items, path, whole):
            _part(members, whole, text)
    return whole


def _lists(value: JSONValue) -> Iterator[tuple[Path, list[JSONValue]]]:
    stack: list[tuple[Path, JSONValue]] = [((), value)]
    while stack:
        path, one = stack.pop()
        if len(path) > MOST_DEEP:  # nothing below was placed
            continue
        if isinstance(one, Mapping):
            stack += [((*path, key), inner) for key, inner in one.items()]
        elif isinstance(one, list):
            yield path, one
            stack += [((*path, i), inner) for i, inner in enumerate(one)]


def _equal(
    items: Sequence[JSONValue], path: Path, found: Mapping[Path, Places]
) -> Iterator[list[dict[Path, Path]]]:
    """The equal items of a list of which two stand at one place: of each, its leaves by their
    paths below the item."""
    groups: dict[tuple[tuple[Path, str], ...], list[dict[Path, Path]]] = {}
    if len(items) < 2:
        return
    for i, item in enumerate(items):
        stated = [(at, repr(leaf)) for at, leaf in leaves(item)]
        placed = {at: full for at, _ in stated if (full := (*path, i, *at)) in found}
        if placed:
            groups.setdefault(tuple(stated), []).append(placed)
    for group in groups.values():
        heads = [at for at in group[0] if all(at in placed for placed in group)]
        if any(len({found[placed[at]][0].start for placed in group}) < len(group) for at in heads):
            yield [{at: placed[at] for at in heads} for placed in group]


def _part(members: list[dict[Path, Path]], found: dict[Path, Places], text: str) -> None:
    """Give each member the next of the places that look as theirs do."""
    for reference in members:
        spans = {at: found[full][0] for at, full in reference.items()}
        head = max(spans, key=lambda at: (spans[at].end - spans[at].start, str(at)))
        starts = _alike(spans, head, text)
        if len(starts) == len(members):
            break
    else:
        return
    for start, placed in zip(starts, members, strict=True):
        shift = start - spans[head].start
        for at, full in placed.items():
            moved = replace(
                spans[at], start=spans[at].start + shift, end=spans[at].end + shift, ambiguous=False
            )
            others = (each for each in found[full] if each != moved)
            found[full] = (moved, *others)[: max(1, len(found[full]))]


def _alike(spans: Mapping[Path, Span], head: Path, text: str) -> list[int]:
    """Where the head stands with all the others around it just as here."""
    first = spans[head]
    words = text[first.start : first.end]
    around = [
        (span.start - first.start, text[span.start : span.end])
        for at, span in spans.items()
        if at != head
    ]
    return [
        at
        for at in islice(_finds(text, words), MOST_FOUND)
        if all(at + by >= 0 and text.startswith(other, at + by) for by, other in around)
        and _is_word(text, at, len(words))
        and all(_is_word(text, at + by, len(other)) for by, other in around)
    ]


def _finds(text: str, words: str) -> Iterator[int]:
    at = text.find(words)
    while at >= 0 and words:
        yield at
        at = text.find(words, at + len(words))


def _is_word(text: str, at: int, length: int) -> bool:
    """Whether no word goes on beyond either end. Scripts without spaces have no such ends."""
    end = at + length
    before = at > 0 and text[at - 1].isalnum() and text[at].isalnum() and text[at].isascii()
    after = end < len(text) and text[end].isalnum() and text[end - 1].isalnum()
    return not before and not (after and text[end - 1].isascii())
