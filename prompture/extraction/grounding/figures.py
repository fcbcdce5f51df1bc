"""Find a number, a date, a month or a time, however it is printed: 1.234,56; 1 234,56; 1'234.56;
1,23,456.78; ١٢٣; (5.00); 2.5 million; 1,200円."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal

from prompture.compat import cached_property
from prompture.rules.dates import day_first, find_dates, find_months, find_times
from prompture.rules.numbers import (
    FRACTIONS,
    POWERS,
    SCALE,
    currency_code,
    decimal_mark,
    plain_digits,
    read_decimal,
)
from prompture.types import Span

_FIGURE = re.compile(
    r"(?<!\d)(?<!\d[.,])(?:(?<![\w.,])\.|[.,](?=\d\d))?\d+(?:[.,'\u00a0\u202f\u2009]\d+)*"
)
_GROUPED = re.compile(r"(?<![\d.,])(?<!\d )\d{1,3}(?: \d{3})+(?:[.,]\d+)?(?!\d)(?! \d)")
_CODE_BEFORE = re.compile(r"[^\W\d_]+\Z")
_MOST = 4000
"""So many places of one number are kept."""
_LONGEST = 400
"""More digits than this are no number that anyone printed."""


class Figures:
    """The numbers of a text that have the digits of the numbers looked for."""

    def __init__(self, text: str, wanted: Iterable[Decimal]) -> None:
        self._printed = text
        self._text = plain_digits(text)
        self._bodies: dict[str, tuple[tuple[Decimal, float], ...]] = {}
        self._keys = frozenset(_key(number) for number in wanted)

    def of(self, number: Decimal) -> tuple[Span, ...]:
        """Where a number is printed: as it is, with the other sign (score 0.8), as a share of a
        hundred before a percent sign (0.8)."""
        if spans := self._index.get(number):
            return tuple(spans)
        if spans := self._index.get(-number):
            return tuple(Span(s.start, s.end, "normalised", 0.8) for s in spans)
        return tuple(
            Span(s.start, s.end, "normalised", 0.8)
            for s in self._index.get(number * 100, ())
            if self._text[s.end : s.end + 2].strip()[:1] in ("%", "٪", "％")
        )

    @cached_property
    def _index(self) -> dict[Decimal, list[Span]]:
        index: dict[Decimal, list[Span]] = {}
        mark = decimal_mark(self._text)
        for start, end in self._matches():
            body = self._text[start:end]
            if not (values := self._values(body, mark)):
                continue
            for value, at, stop, score in self._readings(start, end, values):
                spans = index.setdefault(value, [])
                # Both patterns may find one number; its places come in the text's order.
                if len(spans) < _MOST and not any(s.start == at for s in spans[-4:]):
                    is_exact = self._printed[at:stop] == str(value) and not is_glued(self._text, at)
                    kind = "exact" if is_exact else "normalised"
                    spans.append(Span(at, stop, kind, score))
        for spans in index.values():
            spans.sort(key=lambda span: span.start)
        return index

    def _values(self, body: str, mark: str | None) -> tuple[tuple[Decimal, float], ...]:
        """What printed digits may mean, and how likely; none if no number looked for has them."""
        known = self._bodies.get(body)
        if known is None:
            found: dict[Decimal, float] = {}
            if len(body) <= _LONGEST and _key_of(body) in self._keys:
                # The decimal mark of the text first; a table in another style may stand in it.
                for which, weight in ((mark, 1.0), (".", 0.9), (",", 0.9)):
                    value = read_decimal(body, mark=which)
                    if value is not None:
                        found.setdefault(value, weight)
            known = self._bodies[body] = tuple(found.items())
        return known

    def _matches(self) -> Iterator[tuple[int, int]]:
        for pattern in (_FIGURE, _GROUPED):
            for found in pattern.finditer(self._text):
                yield found.span()

    def _readings(
        self, start: int, end: int, values: tuple[tuple[Decimal, float], ...]
    ) -> Iterator[tuple[Decimal, int, int, float]]:
        """What digits at a place may mean: value, start, end, score."""
        standing = self._standing(start, end)
        # A day or a month within a date is no number of its own.
        if standing == 0:
            return
        sign, at, stop = _signed(self._text, start, end)
        power = self._power(end)
        for value, weight in values:
            yield value * sign, at, stop, round(standing * weight, 3)
            if power:
                yield value.scaleb(power[0]) * sign, at, power[1], 0.9

    def _power(self, end: int) -> tuple[int, int] | None:
        found = SCALE.match(self._text, end)
        if found is None:
            return None
        word = found[1].casefold()
        if word in POWERS:
            return POWERS[word], found.end()
        # 約2.5万円: other characters may follow the unit at once.
        if word[:1] in POWERS and not word[:1].isascii():
            return POWERS[word[:1]], found.start(1) + 1
        return None

    def _standing(self, start: int, end: int) -> float:
        """How surely digits at a place are a number: 1, less within a code, 0 within a date."""
        text = self._text
        before, after = text[max(0, start - 2) : start], text[end : end + 2]
        tied = (before[-1:] in _TIES and before[:1].isdigit() and len(before) == 2) + (
            after[:1] in _TIES and after[1:].isdigit()
        )
        if tied:
            return 0.7 if tied == 1 and self._is_pair(start, end) else self._within(start, end)
        # The 12 of 12A4 is a part of a code (m² is a unit), and 2½ is not 2.
        if text[end : end + 1].isalpha() and text[end + 1 : end + 2].isdecimal():
            return 0.0
        if text[end : end + 2].strip()[:1] in FRACTIONS:
            return 0.0
        if is_glued(text, start):
            return 0.7
        if before[-1:] in ("-", "/", "_", "#") and before[:1].isalpha():
            return 0.7
        return 1.0

    def _within(self, start: int, end: int) -> float:
        # The year of a date: 2015 in 2015-05-01.
        return 0.7 if end - start == 4 and self._text[start : start + 2] in ("19", "20") else 0.0

    def _is_pair(self, start: int, end: int) -> bool:
        """Whether digits are one of exactly two tied together: a range, a score, a time."""
        found = _TIED_RUN.search(self._text, max(0, start - 24), end + 24)
        while found and found.end() < end:
            found = _TIED_RUN.search(self._text, found.end(), end + 24)
        return found is not None and len(_TIE.split(found.group())) == 2


_TIES = ("-", "/", ":", "\u2013")
_TIE = re.compile(r"[-/:\u2013]")
_TIED_RUN = re.compile(r"[\d.,]+(?:[-/:\u2013][\d.,]+)+")


def is_glued(text: str, start: int) -> bool:
    """Whether digits stand right behind letters that are no currency's: S12, v2, but not EUR12.

    They may be a part of a code, so what is found there is never exact.
    """
    before = text[start - 1 : start]
    if not (before.isalpha() and before.isascii()):
        return False
    word = _CODE_BEFORE.search(text[max(0, start - 12) : start])
    return not (word and currency_code(word.group()))


def _signed(text: str, start: int, end: int) -> tuple[int, int, int]:
    """The sign of digits at a place, and the place with its sign: -5, (5), 5-."""
    before = text[start - 1 : start]
    if before == "(" and text[end : end + 1] == ")":
        return -1, start - 1, end + 1
    at = start - 2 if before == " " and text[start - 2 : start - 1] == "-" else start - 1
    # The hyphen of 10-5 parts a range, and is no sign.
    if at >= 0 and text[at] == "-" and not (at and (text[at - 1].isalnum() or text[at - 1] == ")")):
        return -1, at, end
    if text[end : end + 1] == "-" and not (text[end + 1 : end + 2].strip("-")):
        return -1, start, end + 1
    return 1, start, end


def _key_of(body: str) -> str:
    """The digits of a printed number without zeros at either end: alike for all its readings."""
    # 1.50, 150 and 0.15 differ by zeros and marks, and have the same digits between them.
    return "".join(c for c in body if c.isdigit()).strip("0") or "0"


def _key(number: Decimal) -> str:
    return "".join(map(str, number.as_tuple().digits)).strip("0") or "0"


_DATE = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?\s?(?:Z|[+-]\d\d:?\d\d)?)?\Z"
)
_MONTH = re.compile(r"(\d{4})-(\d\d)\Z")
_TIME = re.compile(r"(\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?\Z")
_COMPACT = re.compile(r"(?<!\d)(?:19|20)\d{6}(?!\d)")
_NEAR = 24
"""A time belongs to a date that ends or begins at most so many characters away."""

# Every printed date has one of these in it: figures tied together, a year, a word right before
# two figures. To look for dates around them alone spares most of a text.
_OF_DATE = re.compile(
    r"\d(?:[./-]|\. )\d|[年년]|(?:19|20|24|25)\d\d|[^\W\d_][.,]{0,2}[ \u00a0-]{0,2}'?\d\d(?!\d)"
)
_DATE_REACH = 60
_LINE_END = re.compile(r"[\n\r]")

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
        stretches = list(_with_dates(self._text))
        printed = [found for a, b in stretches for found in find_dates(self._text, a, b)]
        first = day_first(self._text, printed)
        # Scores of day first and of month first, by what the other dates of the text show.
        likely = {None: (0.9, 0.9), True: (0.95, 0.7), False: (0.7, 0.95)}[first]
        # The text is read twice, because a date may go on in the next line: as it is, and as one
        # line. Read as one line alone, the end of a line could seem to begin the next one's date.
        line = _one_line(self._text)
        broken = (
            found
            for a, b in _with_dates(line)
            if _LINE_END.search(self._text, a, b)
            for found in find_dates(line, a, b)
        )
        for found in (*printed, *broken):
            scores = (0.95, 0.0) if found.other is None else likely
            for score, day in zip(scores, (found.value, found.other), strict=True):
                if isinstance(day, date):
                    place = (found.start, found.end)
                    of_day = index.setdefault(day.isoformat(), {})
                    if place in of_day or len(of_day) >= _MOST:
                        continue
                    exact = self._text[slice(*place)] == day.isoformat()
                    of_day[place] = Span(
                        *place, *(("exact", 1.0) if exact else ("normalised", score))
                    )
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


def _with_dates(text: str) -> Iterator[tuple[int, int]]:
    """The stretches of a text that may hold dates, in order and apart."""
    start = end = -1
    for found in _OF_DATE.finditer(text):
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
