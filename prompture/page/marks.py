"""A text as HTML with its spans marked: cut at every end of a span, so that overlaps nest nothing."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from prompture.markup import attribute, label, text_html
from prompture.types import Span

CHUNK_CHARS = 3000
"""About so many characters make a block, which the browser lays out when it comes into sight."""
LONGEST_LINE = 16_000
"""A longer line is cut into several blocks: it is laid out as a whole otherwise."""
MOST_LISTED = 400_000
"""Where all marks together would name more pointers, each names the innermost few."""
_FEW = 20
_LINE_CHARS = 90
_COLUMNS = re.compile(r"\S(?: {3,}|\t+| *\|)\s*\S")
_CERTAINTY = {"exact": 0, "normalised": 1, "fuzzy": 2, "conflict": 3}


@dataclass(frozen=True, slots=True)
class Marking:
    """A span to be marked for a leaf. ``number`` is the leaf's own, for readers of paper.
    ``is_first``: the best place of its value."""

    span: Span
    pointer: str
    number: int
    is_first: bool = True
    is_conflict: bool = False
    at: int | None = None
    """Of a piece of a span, where that begins."""

    @property
    def start(self) -> int:
        """Where the whole span begins: the name of the place."""
        return self.span.start if self.at is None else self.at

    @property
    def kind(self) -> str:
        """How the text supports the value, in a word of the page's own."""
        if self.is_conflict:
            return "conflict"
        return self.span.kind if self.span.kind in _CERTAINTY else "fuzzy"

    @property
    def length(self) -> int:
        return self.span.end - self.span.start

    def pieces(self) -> Iterator[Marking]:
        """What is to be marked of it: of a span in fragments, these alone, the first of which
        has all the boxes."""
        for at, (start, end) in enumerate(self.span.fragments):
            regions = self.span.regions if at == 0 else ()
            span = replace(self.span, start=start, end=end, fragments=(), regions=regions)
            yield replace(self, span=span, at=self.span.start)
        if not self.span.fragments:
            yield self


def marked(
    text: str, markings: Sequence[Marking], labels: Mapping[int, str] | None = None
) -> Iterator[str]:
    """The text in blocks, with a ``<mark>`` wherever something stands. ``labels`` are words to be
    shown before what begins at a place: a page, a document.

    A mark's ``data-pointer`` is the JSON pointer of a leaf, or a JSON list of them, the innermost
    first. ``data-at`` has for each of them where the span begins whose piece the mark is.
    """
    labels = labels or {}
    opening, closing = _ends(markings, len(text))
    blocks = list(_blocks(text, labels))
    cuts = sorted({*opening, *closing, *(start for start, _ in blocks)})
    at, active = 0, dict[Marking, None]()
    few = _FEW if _listed(cuts, opening, closing) > MOST_LISTED else None
    for start, end in blocks:
        if start in labels:
            words = label(labels[start])
            yield f'<div class=brk role=separator aria-label="{words}" data-label="{words}"></div>'
        lines = 1 + sum(
            1 + len(line) // _LINE_CHARS for line in text[start:end].split("\n")[:-1]
        )  # an estimate: what is not laid out yet has some height, too
        yield f'<div class=c style="--n:{lines}">'
        while at < len(cuts) and cuts[at] < end:
            cut = cuts[at]
            at += 1
            for each in closing.get(cut, ()):
                active.pop(each, None)
            opened = opening.get(cut, ())
            active.update(dict.fromkeys(opened))
            until = min(end, cuts[at] if at < len(cuts) else end)
            piece = text_html(text[cut:until])
            if not active:
                yield piece
                continue
            inner = sorted(active, key=lambda each: each.length)
            listed = inner if few is None else list(dict.fromkeys((*inner[:few], *opened)))
            yield _mark(listed, piece, closing.get(until, ()))
        yield "</div>"


def column_width(text: str) -> int:
    """Of a text that is laid out by spaces or bars, and so needs letters of one width, how many of
    them its lines need; 0 for any other."""
    lines = [line for line in text[:50_000].splitlines() if line.strip()]
    parted = sum(bool(_COLUMNS.search(line)) for line in lines)
    if parted <= len(lines) // 8:
        return 0
    widths = sorted(map(len, lines))
    return min(160, widths[len(widths) * 95 // 100])


def _ends(
    markings: Iterable[Marking], length: int
) -> tuple[dict[int, list[Marking]], dict[int, list[Marking]]]:
    """What begins, and what ends, at each place; nothing that lies outside of the text."""
    opening, closing = defaultdict[int, list[Marking]](list), defaultdict[int, list[Marking]](list)
    for each in markings:
        start, end = max(0, each.span.start), min(length, each.span.end)
        if start < end:
            opening[start].append(each)
            closing[end].append(each)
    return dict(opening), dict(closing)


def _listed(
    cuts: Sequence[int], opening: dict[int, list[Marking]], closing: dict[int, list[Marking]]
) -> int:
    active = total = 0
    for cut in cuts:
        active += len(opening.get(cut, ())) - len(closing.get(cut, ()))
        total += active
    return total


def _blocks(text: str, breaks: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Where blocks begin and end: at ends of lines, wherever a line is not too long."""
    stops = [*sorted({each for each in breaks if 0 < each < len(text)}), len(text)]
    start = 0
    for stop in stops:
        while start < stop:
            end = _end_of_block(text, start, stop)
            yield start, end
            start = end


def _end_of_block(text: str, start: int, stop: int) -> int:
    if stop - start <= CHUNK_CHARS:
        return stop
    line = text.find("\n", start + CHUNK_CHARS, min(stop, start + LONGEST_LINE))
    if line >= 0:
        return line + 1
    if stop - start <= LONGEST_LINE:
        return stop
    before = text.rfind("\n", start, start + CHUNK_CHARS)
    if before > start:
        return before + 1
    space = text.rfind(" ", start + CHUNK_CHARS, start + LONGEST_LINE)
    return space + 1 if space >= 0 else start + LONGEST_LINE


def _mark(found: Sequence[Marking], piece: str, ending: Sequence[Marking]) -> str:
    """One piece of text that all of ``found`` cover; ``ending`` are those that end with it."""
    return f"<mark {described(found)}{numbers_of(ending)}>{piece}</mark>"


def described(found: Sequence[Marking]) -> str:
    """The attributes of a mark for all of ``found``, the innermost first."""
    starts: dict[str, int] = {}
    for each in found:
        starts.setdefault(each.pointer, each.start)
    names = [*starts]
    pointers = names[0] if len(names) == 1 else json.dumps(names, ensure_ascii=False)
    places = " ".join(map(str, starts.values()))
    return (
        f'data-pointer="{attribute(pointers)}" data-at="{places}" '
        f"data-kind={_strongest(found)}{_classes(found)}"
    )


def _strongest(found: Sequence[Marking]) -> str:
    """The kind that asks for most attention, of the best places there."""
    best = [each for each in found if each.is_first] or found
    return max((each.kind for each in best), key=_CERTAINTY.__getitem__)


def _classes(found: Sequence[Marking]) -> str:
    """What else is to be seen of a mark: other places, doubtful ones, and how many overlap."""
    depth = min(3, len({each.pointer for each in found}))
    names = [
        *(["alt"] if not any(each.is_first for each in found) else []),
        *(["amb"] if any(each.span.ambiguous for each in found) else []),
        *([f"n{depth}"] if depth > 1 else []),
    ]
    return f' class="{" ".join(names)}"' if names else ""


def numbers_of(ending: Sequence[Marking]) -> str:
    """Of the leaves whose best place ends here, the numbers, for paper."""
    numbers = sorted({each.number for each in ending if each.is_first and each.number})
    return f' data-n="{",".join(map(str, numbers))}"' if numbers else ""
