"""Find a number, a date, a month or a time, however it is printed: 1.234,56; 1 234,56; 1'234.56;
1,23,456.78; ١٢٣; (5.00); 2.5 million; 1,200円."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal, InvalidOperation

from prompture.compat import cached_property
from prompture.rules.dates import day_first, find_dates, find_months, find_times
from prompture.rules.numbers import (
    CURRENCY,
    currency_code,
    decimal_mark,
    plain_digits,
    read_decimal,
)
from prompture.types import Span

_FIGURE = re.compile(r"(?<!\d)(?<!\d[.,])(?:[.,](?=\d\d))?\d+(?:[.,'\u00a0\u202f\u2009]\d+)*")
_GROUPED = re.compile(r"(?<![\d.,])(?<!\d )\d{1,3}(?: \d{3})+(?:[.,]\d+)?(?!\d)(?! \d)")
_TEXT_NUMBER = re.compile(
    r"(?P<open>\()?\s?(?P<before>[^\s\d.,+(-]{1,4})?\s?(?P<sign>[+-])?\s?"
    r"(?P<body>\d[\d.,' ]{0,40})\s?(?P<after>[^\s\d.,+()-]{1,4})?(?P<close>\))?\Z"
)
_SCALES = {
    3: "thousand tsd tausend mille mila mil k тыс тысяч 千",
    4: "万 萬 만",
    5: "lakh lakhs lac",
    6: "million millions mio millionen milioni millones milhões m mm mn mln млн",
    7: "crore crores cr",
    8: "億 亿 억",
    9: "billion billions bn b mrd milliarden milliard milliards miliardi млрд",
    12: "trillion trillions tn bio billionen 兆 조",
}
_POWERS = {word: power for power, words in _SCALES.items() for word in words.split()}
_SCALE = re.compile(r"[ \u00a0]?([^\W\d_]{1,11})")
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
                    kind = "exact" if self._printed[at:stop] == str(value) else "normalised"
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
        if standing == 0:
            return
        sign, at, stop = _signed(self._text, start, end)
        power = self._power(end)
        for value, weight in values:
            yield value * sign, at, stop, round(standing * weight, 3)
            if power:
                yield value.scaleb(power[0]) * sign, at, power[1], 0.9

    def _power(self, end: int) -> tuple[int, int] | None:
        found = _SCALE.match(self._text, end)
        if found is None:
            return None
        word = found[1].casefold()
        if word in _POWERS:
            return _POWERS[word], found.end()
        if word[:1] in _POWERS and not word[:1].isascii():
            return _POWERS[word[:1]], found.start(1) + 1
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
        if text[end : end + 1].isalpha() and text[end + 1 : end + 2].isdigit():
            return 0.0
        if before[-1:].isalpha() and before[-1:].isascii():
            word = _CODE_BEFORE.search(text[max(0, start - 12) : start])
            return 1.0 if word and currency_code(word.group()) else 0.7
        if before[-1:] in ("-", "/", "_", "#") and before[:1].isalpha():
            return 0.7
        return 1.0

    def _within(self, start: int, end: int) -> float:
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


def _signed(text: str, start: int, end: int) -> tuple[int, int, int]:
    """The sign of digits at a place, and the place with its sign: -5, (5), 5-."""
    before = text[start - 1 : start]
    if before == "(" and text[end : end + 1] == ")":
        return -1, start - 1, end + 1
    at = start - 2 if before == " " and text[start - 2 : start - 1] == "-" else start - 1
    if at >= 0 and text[at] == "-" and not (at and (text[at - 1].isalnum() or text[at - 1] == ")")):
        return -1, at, end
    if text[end : end + 1] == "-" and not (text[end + 1 : end + 2].strip("-")):
        return -1, start, end + 1
    return 1, start, end


def _key_of(body: str) -> str:
    """The digits of a printed number without zeros at either end: alike for all its readings."""
    return "".join(c for c in body if c.isdigit()).strip("0") or "0"


def _key(number: Decimal) -> str:
    return "".join(map(str, number.as_tuple().digits)).strip("0") or "0"


def number_of(value: int | float) -> Decimal | None:
    """A JSON number as the decimal that it is printed as; None for what is no number."""
    if isinstance(value, int):
        return Decimal(value)
    return Decimal(f"{value:.15g}") if math.isfinite(value) else None


def number_in(words: str) -> tuple[Decimal, str, int] | None:
    """The number that a string is, its currency code or unit ("" for none), and its decimal
    places; None for any other string, codes with leading zeros among them."""
    found = _TEXT_NUMBER.match(plain_digits(words))
    if found is None:
        return None
    body = found["body"].strip()
    if len(body) > 1 and body[0] == "0" and body[1].isdigit():
        return None
    try:
        plain = re.fullmatch(r"\d+(?:\.\d+)?", body)
        value = Decimal(body) if plain else read_decimal(body)
    except InvalidOperation:
        return None
    if value is None:
        return None
    unit = found["before"] or found["after"] or ""
    if (found["before"] and found["after"]) or (unit and not _unit(unit)):
        return None
    negative = found["sign"] == "-" or bool(found["open"] and found["close"])
    exponent = value.as_tuple().exponent
    places = -exponent if isinstance(exponent, int) and exponent < 0 else 0
    return -value if negative else value, _unit(unit), places


def _unit(words: str) -> str:
    if words in ("%", "٪", "％"):
        return "%"
    if words == "円":
        return "JPY"
    return currency_code(words) or ""


def beside(text: str, span: Span, unit: str) -> Span | None:
    """The span with the currency or percent sign that stands at it; None where that is not
    there."""
    after = re.compile(r"\s?(%|٪|％|円|[^\W\d_]{2,3}(?![^\W\d_])|[^\w\s.,;:]{1,3})").match(
        text, span.end
    )
    if after and _unit(after[1]) == unit:
        return Span(span.start, after.end(), "normalised", span.score)
    head = text[max(0, span.start - 5) : span.start].rstrip()
    for mark in CURRENCY.finditer(head):
        if mark.end() == len(head) and _unit(mark.group()) == unit:
            start = max(0, span.start - 5) + mark.start()
            return Span(start, span.end, "normalised", span.score)
    return None


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
