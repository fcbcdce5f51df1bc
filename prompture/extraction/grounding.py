"""Grounding: where in the text each value of an extraction stands.

Strings are looked for verbatim, then after folding case, white space and typographic marks,
then (with rapidfuzz, extra ``local``) approximately. Numbers, dates and times are looked for by
value, however they are printed. Where a value stands in several places, those next to the other
values of the same object come first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, time
from decimal import Decimal, InvalidOperation
from typing import Any

from prompture.compat import cached_property
from prompture.schema.check import escape
from prompture.types import Span

MOST_SPANS = 5
FUZZY_CUTOFF = 88.0
FUZZY_CHARS = 200_000
"""Texts longer than this are not searched approximately: it would take seconds."""

_SAME = {"‐": "-", "‑": "-", "–": "-", "—": "-", "−": "-", "’": "'", "‘": "'", "“": '"', "”": '"'}
_ISO_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d))?.*)?$")
_ISO_TIME = re.compile(r"(\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?$")
_NUMERIC = re.compile(r"[+-]?\d[\d.,]*$")


def ground(value: Any, text: str) -> dict[str, tuple[Span, ...]]:
    """Spans in ``text`` (code points) by JSON pointer of ``value``'s leaves, best first.

    ``value`` is JSON, or anything Pydantic can make JSON of. A leaf that the text does not
    hold, and null, true and false, have no entry. At most five spans a leaf.
    """
    from pydantic_core import to_jsonable_python

    page = _Page(text)
    found = {
        path: spans
        for path, leaf in _leaves(to_jsonable_python(value, by_alias=True), ())
        if (spans := page.spans(leaf))
    }
    anchors = _anchors(found)
    return {
        "".join(f"/{escape(s)}" for s in path): _nearest(spans, _anchor(path, anchors))
        for path, spans in found.items()
    }


Path = tuple[str | int, ...]


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*path, index))
    elif value is not None and not isinstance(value, bool):
        yield path, value


@dataclass(frozen=True, slots=True)
class _Anchor:
    """The place that an object's clearest value gives the others."""

    at: int
    places: int


def _anchors(found: Mapping[Path, tuple[Span, ...]]) -> dict[Path, _Anchor]:
    """For each object, the value of it that stands in the fewest places."""
    anchors: dict[Path, _Anchor] = {}
    for path, spans in found.items():
        candidate = _Anchor(spans[0].start, len(spans))
        for depth in range(len(path)):
            known = anchors.get(path[:depth])
            if known is None or candidate.places < known.places:
                anchors[path[:depth]] = candidate
    return anchors


def _anchor(path: Path, anchors: Mapping[Path, _Anchor]) -> int | None:
    for depth in range(len(path) - 1, -1, -1):
        anchor = anchors.get(path[:depth])
        if anchor is not None and anchor.places == 1:
            return anchor.at
    return None


def _nearest(spans: tuple[Span, ...], anchor: int | None) -> tuple[Span, ...]:
    if anchor is None or len(spans) == 1:
        return spans[:MOST_SPANS]

    def rank(span: Span) -> tuple[float, int]:
        return -span.score, abs(span.start - anchor)

    return tuple(sorted(spans, key=rank))[:MOST_SPANS]


class _Page:
    """A text with the indexes that its values are looked up in, each made when first needed."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._known: dict[Any, tuple[Span, ...]] = {}

    def spans(self, leaf: Any) -> tuple[Span, ...]:
        key = (type(leaf), leaf)
        if key not in self._known:
            self._known[key] = self._search(leaf)
        return self._known[key]

    def _search(self, leaf: Any) -> tuple[Span, ...]:
        if isinstance(leaf, (int, float)):
            return self._number(leaf)
        words = str(leaf).strip()
        if not words:
            return ()
        ways: tuple[Callable[[str], tuple[Span, ...]], ...] = (
            self._verbatim,
            self._folded,
            self._moment,
            self._digits,
            self._fuzzy,
        )
        return next((found for way in ways if (found := way(words))), ())

    def _verbatim(self, words: str) -> tuple[Span, ...]:
        found = [Span(s, e) for s, e in _occurrences(self.text, words)]
        return tuple(found)

    def _folded(self, words: str) -> tuple[Span, ...]:
        folded, offsets = self._fold
        wanted = " ".join(_fold(words)[0].split())
        return tuple(
            Span(offsets[start], offsets[end - 1] + 1, "normalised", 0.95)
            for start, end in _occurrences(folded, wanted)
        )

    @cached_property
    def _fold(self) -> tuple[str, list[int]]:
        return _fold(self.text)

    def _moment(self, words: str) -> tuple[Span, ...]:
        """A date or time in ISO form, however the text prints it."""
        if found := _ISO_DATE.match(words):
            year, month, day, hour, minute, _ = found.groups()
            spans = self._dates.get(f"{year}-{month}-{day}", ())
            if hour is not None and spans:
                times = self._times.get(f"{hour}:{minute}", ())
                near = [t for s in spans for t in times if 0 <= t.start - s.end < 20]
                if near:
                    return (replace(spans[0], end=near[0].end), *spans[1:])
            return spans
        if found := _ISO_TIME.match(words):
            return self._times.get(f"{found[1]}:{found[2]}", ())
        return ()

    @cached_property
    def _dates(self) -> dict[str, tuple[Span, ...]]:
        from prompture.rules.dates import find_dates

        index: dict[str, tuple[Span, ...]] = {}
        for printed in find_dates(self.text):
            for score, day in ((0.95, printed.value), (0.9, printed.other)):
                if isinstance(day, date):
                    span = Span(printed.start, printed.end, "normalised", score)
                    index[day.isoformat()] = (*index.get(day.isoformat(), ()), span)
        return index

    @cached_property
    def _times(self) -> dict[str, tuple[Span, ...]]:
        from prompture.rules.dates import find_times

        index: dict[str, tuple[Span, ...]] = {}
        for printed in find_times(self.text):
            moment: time = printed.value
            key = f"{moment:%H:%M}"
            index[key] = (
                *index.get(key, ()),
                Span(printed.start, printed.end, "normalised", 0.9),
            )
        return index

    def _digits(self, words: str) -> tuple[Span, ...]:
        """A number given as a string, such as a Decimal."""
        if not _NUMERIC.match(words):
            return ()
        try:
            return self._numbers.get(Decimal(words), ())
        except InvalidOperation:
            return ()

    def _number(self, value: float) -> tuple[Span, ...]:
        exact = Decimal(repr(value))
        if spans := self._numbers.get(exact):
            return spans
        if negated := self._numbers.get(-exact):
            return tuple(replace(s, score=0.8) for s in negated)
        percent = self._numbers.get(exact * 100, ())
        return tuple(
            replace(s, kind="normalised", score=0.8)
            for s in percent
            if self.text[s.end : s.end + 2].strip()[:1] == "%"
        )

    @cached_property
    def _numbers(self) -> dict[Decimal, tuple[Span, ...]]:
        from prompture.rules.numbers import decimal_mark, find_numbers

        index: dict[Decimal, list[Span]] = {}
        for mark, score in ((decimal_mark(self.text), 1.0), (".", 0.9), (",", 0.9)):
            for printed in find_numbers(self.text, mark=mark):
                verbatim = self.text[printed.start : printed.end] == str(printed.value)
                kind = "exact" if verbatim else "normalised"
                spans = index.setdefault(printed.value, [])
                if all(s.start != printed.start for s in spans):
                    spans.append(Span(printed.start, printed.end, kind, score))
        return {value: tuple(spans) for value, spans in index.items()}

    def _fuzzy(self, words: str) -> tuple[Span, ...]:
        if not 8 <= len(words) <= 2000 or len(self.text) > FUZZY_CHARS:
            return ()
        try:
            from rapidfuzz.fuzz import partial_ratio_alignment
        except ImportError:
            return ()
        folded, offsets = self._fold
        best = partial_ratio_alignment(
            " ".join(_fold(words)[0].split()), folded, score_cutoff=FUZZY_CUTOFF
        )
        if best is None or best.dest_end <= best.dest_start:
            return ()
        start, end = offsets[best.dest_start], offsets[best.dest_end - 1] + 1
        return (Span(start, end, "fuzzy", round(best.score / 100, 3)),)


def _occurrences(text: str, words: str) -> Iterator[tuple[int, int]]:
    """Where ``words`` stands as words of its own, at most a few times more than is reported."""
    at, count = text.find(words), 0
    while at >= 0 and count < MOST_SPANS * 4:
        end = at + len(words)
        if _is_edge(text, at, words[0], -1) and _is_edge(text, end, words[-1], 0):
            count += 1
            yield at, end
        at = text.find(words, at + 1)


def _is_edge(text: str, at: int, inside: str, offset: int) -> bool:
    """Whether the character beyond an end does not continue the word or number inside."""
    beyond = at + offset
    if not 0 <= beyond < len(text) or not inside.isalnum():
        return True
    outside = text[beyond]
    if inside.isdigit() and outside.isdigit():
        return False
    return not (inside.isalpha() and outside.isalpha() and inside.isascii() == outside.isascii())


def _fold(text: str) -> tuple[str, list[int]]:
    """The text in lower case, with single spaces and plain marks, and where each character was."""
    folded: list[str] = []
    offsets: list[int] = []
    in_space = False
    for index, character in enumerate(text):
        if character.isspace():
            if not in_space:
                folded.append(" ")
                offsets.append(index)
            in_space = True
            continue
        in_space = False
        for lower in _SAME.get(character, character.casefold()):
            folded.append(lower)
            offsets.append(index)
    return "".join(folded), offsets
