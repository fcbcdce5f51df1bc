"""Find a date, a month or a time, however it is printed."""

from __future__ import annotations

import re
from datetime import date

from prompture.compat import cached_property
from prompture.rules.dates import day_first, find_dates, find_months, find_times
from prompture.rules.numbers import plain_digits
from prompture.types import Span

_DATE = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?\s?(?:Z|[+-]\d\d:?\d\d)?)?\Z"
)
_MONTH = re.compile(r"(\d{4})-(\d\d)\Z")
_TIME = re.compile(r"(\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?\Z")
_COMPACT = re.compile(r"(?<!\d)(?:19|20)\d{6}(?!\d)")
_NEAR = 24
"""A time belongs to a date that ends or begins at most so many characters away."""

Key = tuple[int, int, int | None]
"""Hour, minute, second; None for a time printed without seconds."""


class Moments:
    """The dates and times of a text, each kind read when first asked for."""

    def __init__(self, text: str) -> None:
        self._text = plain_digits(text)

    def of(self, words: str) -> tuple[Span, ...]:
        """Where the date, date and time, month or time of an ISO string is printed, or the date
        of a string that is a date in another form."""
        if found := _DATE.match(words):
            spans = self._dates.get(found[1], ())
            return self._with_time(spans, found) if found[2] else spans
        if found := _MONTH.match(words):
            return self._months.get(words, ())
        if found := _TIME.match(words):
            return self._at(int(found[1]), int(found[2]), found[3])
        if 6 <= len(words) <= 40 and (day := _only_date(words)):
            return self._dates.get(day.isoformat(), ())
        return ()

    def _at(self, hour: int, minute: int, second: str | None) -> tuple[Span, ...]:
        """A time to the second where it is printed so; without seconds only for a full minute."""
        wanted = int(second or 0)
        spans = list(self._times.get((hour, minute, wanted), ()))
        if wanted == 0:
            spans += self._times.get((hour, minute, None), ())
        return tuple(sorted(spans, key=lambda span: span.start))

    def _with_time(self, spans: tuple[Span, ...], found: re.Match[str]) -> tuple[Span, ...]:
        times = self._at(int(found[2]), int(found[3]), found[4])
        both = tuple(
            Span(min(day.start, at.start), max(day.end, at.end), day.kind, day.score)
            for day in spans
            for at in times
            if 0 <= at.start - day.end <= _NEAR or 0 <= day.start - at.end <= _NEAR
        )
        is_midnight = not (int(found[2]) or int(found[3]) or int(found[4] or 0))
        if both or not is_midnight:
            return both
        return tuple(Span(s.start, s.end, s.kind, min(s.score, 0.9)) for s in spans)

    @cached_property
    def _dates(self) -> dict[str, tuple[Span, ...]]:
        index: dict[str, dict[tuple[int, int], Span]] = {}
        printed = list(find_dates(self._text))
        first = day_first(self._text, printed)
        # Scores of day first and of month first, by what the other dates of the text show.
        likely = {None: (0.9, 0.9), True: (0.95, 0.7), False: (0.7, 0.95)}[first]
        # The text is read twice, because a date may go on in the next line: as it is, and as one
        # line. Read as one line alone, the end of a line could seem to begin the next one's date.
        for found in (*printed, *find_dates(_one_line(self._text))):
            scores = (0.95, 0.0) if found.other is None else likely
            for score, day in zip(scores, (found.value, found.other), strict=True):
                if isinstance(day, date):
                    place = (found.start, found.end)
                    exact = self._text[slice(*place)] == day.isoformat()
                    span = Span(*place, *(("exact", 1.0) if exact else ("normalised", score)))
                    index.setdefault(day.isoformat(), {}).setdefault(place, span)
        for run in _COMPACT.finditer(self._text):
            digits = run.group()
            iso = f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"
            span = Span(*run.span(), "normalised", 0.8)
            index.setdefault(iso, {}).setdefault(run.span(), span)
        return {
            day: tuple(sorted(spans.values(), key=lambda span: span.start))
            for day, spans in index.items()
        }

    @cached_property
    def _months(self) -> dict[str, tuple[Span, ...]]:
        index: dict[str, tuple[Span, ...]] = {}
        for year, month, start, end in find_months(_one_line(self._text)):
            key = f"{year:04}-{month:02}"
            index[key] = (*index.get(key, ()), Span(start, end, "normalised", 0.9))
        return index

    @cached_property
    def _times(self) -> dict[Key, tuple[Span, ...]]:
        index: dict[Key, list[Span]] = {}
        for printed in find_times(self._text):
            second = printed.value.second if printed.has_seconds else None
            key = (printed.value.hour, printed.value.minute, second)
            index.setdefault(key, []).append(Span(printed.start, printed.end, "normalised", 0.9))
        return {key: tuple(spans) for key, spans in index.items()}


def _one_line(text: str) -> str:
    return text.replace("\n", " ").replace("\r", " ")


def _only_date(words: str) -> date | None:
    """The date that a string is, where it has one reading."""
    plain = plain_digits(words.strip(" .,"))
    found = list(find_dates(plain))
    if len(found) != 1 or found[0].other is not None:
        return None
    return found[0].value if (found[0].start, found[0].end) == (0, len(plain)) else None
