"""Find a date, a month or a time, however it is printed: 5 March 2024; 05.03.24; 2024年3月5日;
二〇二四年三月五日; half past is not read, 10:30 p.m. is."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterator
from datetime import date

from prompture.compat import cached_property
from prompture.extraction.grounding.spelled import has_day_first
from prompture.rules.dates import day_first, find_dates, find_months, find_times
from prompture.rules.numbers import plain_digits
from prompture.types import Span

_MOST = 4000
"""So many places of one date are kept."""
_DATE = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?\s?(?:Z|[+-]\d\d:?\d\d)?)?\Z"
)
_MONTH = re.compile(r"(\d{4})-(\d\d)\Z")
_TIME = re.compile(r"(\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?\Z")
_COMPACT = re.compile(r"(?<!\d)(?:19|20)\d{6}(?!\d)")
_CHARACTERS = "〇一二三四五六七八九"
_IN_CHARACTERS = re.compile(
    r"([〇零○一二三四五六七八九]{4})年([一二三四五六七八九十]{1,2})月([一二三四五六七八九十]{1,3})[日号號]"
)
_NEAR = 24
"""A time belongs to a date that ends or begins at most so many characters away."""

# Every printed date has one of these in it: figures tied together, a year, a word right before
# two figures. To look for dates around them alone spares most of a text.
_OF_DATE = re.compile(
    r"\d(?:[./-]|\. )\d|[年년]|(?:19|20|24|25)\d\d|[^\W\d_][.,]{0,2}[ \u00a0-]{0,2}'?\d\d(?!\d)"
)
_DATE_REACH = 60
# A line's end with something of a date on both sides of it.
_SEAM = re.compile(
    r"[^\W\d_][.,]?[ \u00a0]?[\n\r]{1,2}[ \u00a0]?\d"
    r"|\d[.,]?[ \u00a0]?[\n\r]{1,2}[ \u00a0]?(?:[^\W\d_]|(?:19|20)\d\d)|[.,년年月월][\n\r]{1,2}\d"
)

Key = tuple[int, int, int | None]
"""Hour, minute, second; None for a time printed without seconds."""


def is_moment(words: str) -> bool:
    """Whether a string is a day, or a day and a time, in ISO form."""
    return _DATE.match(words) is not None


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
            spans = self._dates.get(day.isoformat(), ())
            return tuple(_as_read(s, s.start, s.end) for s in spans)
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
        by_date: dict[tuple[int, int], list[Span]] = {}
        for at in times:
            if at.start in self._owners:
                by_date.setdefault(self._owners[at.start], []).append(at)
        both = tuple(
            _as_read(day, min(day.start, at.start), max(day.end, at.end))
            for day in spans
            for at in by_date.get(self._stretch(day), ())
        )
        is_midnight = not (int(found[2]) or int(found[3]) or int(found[4] or 0))
        if both or not is_midnight:
            return both
        return tuple(Span(s.start, s.end, "normalised", min(s.score, 0.9)) for s in spans)

    @cached_property
    def _dates(self) -> dict[str, tuple[Span, ...]]:
        index: dict[str, dict[tuple[int, int], Span]] = {}
        stretches = list(_around(_OF_DATE, self._text))
        printed = [found for a, b in stretches for found in find_dates(self._text, a, b)]
        first = day_first(self._text, printed)
        # Scores of day first and of month first, by what the other dates of the text show.
        likely = {None: (0.9, 0.9), True: (0.95, 0.7), False: (0.7, 0.95)}[first]
        # What other dates of the text contradict is no reading; marks of a region may mislead.
        if first == day_first(self._text, printed, region="DE" if first is False else "US"):
            likely = (0.95, 0.0) if first else (0.0, 0.95)
        elif first is None and has_day_first(self._text):
            likely = (0.95, 0.0)
        # The text is read twice, because a date may go on in the next line: as it is, and as one
        # line. Read as one line alone, the end of a line could seem to begin the next one's date.
        line = _one_line(self._text)
        seams = (s for s in _around(_SEAM, self._text) if _OF_DATE.search(line, *s))
        broken = (found for seam in seams for found in find_dates(line, *seam))
        for found in (*printed, *broken):
            scores = (0.95, 0.0) if found.other is None else likely
            for score, day in zip(scores, (found.value, found.other), strict=True):
                if isinstance(day, date) and score:
                    place = (found.start, found.end)
                    of_day = index.setdefault(day.isoformat(), {})
                    if place in of_day or len(of_day) >= _MOST:
                        continue
                    exact = self._text[slice(*place)] == day.isoformat()
                    of_day[place] = Span(
                        *place, *(("exact", 1.0) if exact else ("normalised", score))
                    )
        for start, end, iso in _in_characters(self._text):
            index.setdefault(iso, {})[start, end] = Span(start, end, "normalised", 0.95)
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
    def _stretches(self) -> list[tuple[int, int]]:
        """Where dates stand, in order. Readings of one place that overlap are one stretch."""
        found: list[tuple[int, int]] = []
        for start, end in sorted((s.start, s.end) for one in self._dates.values() for s in one):
            if found and start < found[-1][1]:
                found[-1] = (found[-1][0], max(end, found[-1][1]))
            else:
                found.append((start, end))
        return found

    def _stretch(self, day: Span) -> tuple[int, int]:
        return self._stretches[bisect_right(self._stretches, (day.start, day.end)) - 1]

    @cached_property
    def _owners(self) -> dict[int, tuple[int, int]]:
        """The date that each time belongs to, by the time's start.

        One at most, or the time of one row would be found at the date of the next.
        """
        times = sorted((s.start, s.end) for spans in self._times.values() for s in spans)
        owners: dict[int, tuple[int, int]] = {}
        led: tuple[int, int] | None = None  # the last date that stands behind its time
        for time in times:
            after = bisect_right(self._stretches, time)
            beside = self._stretches[max(0, after - 1) : after + 1]
            near = [day for day in beside if _apart(day, time) <= _NEAR]
            if not near:
                continue
            first, last = near[0], near[-1]
            if first == last:
                owner = first
            elif first == led or self._on_new_line(first, time) > self._on_new_line(time, last):
                owner = last
            else:  # a time between two dates mostly follows its own
                owner = first
            owners[time[0]] = owner
            if owner[0] > time[0]:
                led = owner
        return owners

    def _on_new_line(self, one: tuple[int, int], other: tuple[int, int]) -> bool:
        return "\n" in self._text[one[1] : other[0]]

    @cached_property
    def _months(self) -> dict[str, tuple[Span, ...]]:
        index: dict[str, list[Span]] = {}
        for year, month, start, end in find_months(_one_line(self._text)):
            spans = index.setdefault(f"{year:04}-{month:02}", [])
            spans.append(Span(start, end, "normalised", 0.9))
        return {key: tuple(spans) for key, spans in index.items()}

    @cached_property
    def _times(self) -> dict[Key, tuple[Span, ...]]:
        index: dict[Key, list[Span]] = {}
        for printed in find_times(self._text):
            second = printed.value.second if printed.has_seconds else None
            key = (printed.value.hour, printed.value.minute, second)
            index.setdefault(key, []).append(Span(printed.start, printed.end, "normalised", 0.9))
        return {key: tuple(spans) for key, spans in index.items()}


def _in_characters(text: str) -> Iterator[tuple[int, int, str]]:
    """Dates whose figures are Chinese characters: place, and the date in ISO form."""
    for found in _IN_CHARACTERS.finditer(text):
        year = "".join(str(max(0, _CHARACTERS.find(c))) for c in found[1])
        try:
            day = date(int(year), _below_hundred(found[2]), _below_hundred(found[3]))
        except ValueError:
            continue
        yield found.start(), found.end(), day.isoformat()


def _below_hundred(characters: str) -> int:
    """The number that 五, 十二 or 二十一 is; 0 for none."""
    tens, ten, ones = characters.rpartition("十")
    if len(ones) > 1 or len(tens) > 1:
        return 0
    count = _CHARACTERS.find(tens) if tens else 1
    return (10 * count if ten else 0) + (_CHARACTERS.find(ones) if ones else 0)


def _around(mark: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    """The stretches of a text around its marks of dates, in order and apart."""
    start = end = -1
    for found in mark.finditer(text):
        if found.start() - _DATE_REACH > end:
            if end >= 0:
                yield start, end
            start = max(0, found.start() - _DATE_REACH)
        end = min(len(text), found.end() + _DATE_REACH)
    if end >= 0:
        yield start, end


def _as_read(day: Span, start: int, end: int) -> Span:
    """The place of a value that is printed otherwise than it is given, even where its date is not."""
    return Span(start, end, "normalised", min(day.score, 0.95))


def _apart(one: tuple[int, int], other: tuple[int, int]) -> float:
    """The characters between two places; infinite for places that overlap."""
    if one[1] <= other[0]:
        return other[0] - one[1]
    return one[0] - other[1] if other[1] <= one[0] else math.inf


def _one_line(text: str) -> str:
    return text.replace("\n", " ").replace("\r", " ")


def _only_date(words: str) -> date | None:
    """The date that a string is, where it has one reading."""
    plain = plain_digits(words.strip(" .,"))
    found = list(find_dates(plain))
    if len(found) != 1 or found[0].other is not None:
        return None
    return found[0].value if (found[0].start, found[0].end) == (0, len(plain)) else None
