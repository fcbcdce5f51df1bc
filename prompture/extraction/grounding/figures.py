"""Find a number, however it is printed: 1.234,56; 1 234,56; 1'234.56; 1,23,456.78; ١٢٣; (5.00);
2.5 million; 1,200円."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation

from prompture.compat import cached_property
from prompture.extraction.grounding.spelled import SCALE_WORDS, spelled_number
from prompture.rules.numbers import (
    CURRENCY,
    FRACTIONS,
    POWERS,
    SCALE,
    currency_code,
    decimal_mark,
    plain_digits,
    read_decimal,
    scale_of,
)
from prompture.types import Span

_FIGURE = re.compile(
    r"(?<!\d)(?<!\d[.,])(?:(?<![\w.,])\.|(?<![\w.,)\]])[.,](?=\d\d))?\d+(?:[.,'\u00a0\u202f\u2009]\d+)*"
)
_GROUPED = re.compile(r"(?<![\d.,])(?<!\d )\d{1,3}(?: \d{3})+(?:[.,]\d+)?(?!\d)(?! \d)")
_OTHERWISE_GROUPED = re.compile(r"\d\.\d{3},\d|(?<!\d)\d{4,},\d\d(?!\d)")
_ACCOUNT = re.compile(r"(?<![^\W_])[A-Z]{2}\d\d(?: [\dA-Z]{4}){2,7}(?: [\dA-Z]{1,3})?(?![^\W_])")
"""What an IBAN looks like where it is printed in groups."""
_PART_OF_GROUPED = 0.7
"""The score of a number that is likely a part of a greater one."""
PERCENT = re.compile(
    r"\s?(?:[%٪％]|per\s?cent\b|pct\b|Prozent\b|procent\b|pour\scent\b|por\sciento\b|por\scento\b)",
    re.I,
)
_TEXT_NUMBER = re.compile(
    r"(?P<open>\()?\s?(?P<before>[^\s\d.,+(-]{1,4})?\s?(?P<sign>[+-])?\s?"
    r"(?P<body>\d[\d.,' ]{0,40})\s?(?P<after>[^\s\d.,+()-]{1,4})?(?P<close>\))?\Z"
)
_POWER_OF_TEN = re.compile(r"-?\d(?:\.\d{1,30})?E\+\d{1,2}")
_CODE_BEFORE = re.compile(r"[^\W\d_]+\Z")
_LAST_WORD = re.compile(r"([^\W\d_]+) ?\Z")
_MOST = 4000
"""So many places of one number are kept."""
_LONGEST = 400
"""More digits than this are no number that anyone printed."""


class Figures:
    """The numbers of a text that have the digits of the numbers looked for; all, where it is not
    known which these are."""

    def __init__(self, text: str, wanted: Iterable[Decimal] | None) -> None:
        self._printed = text
        self._text = plain_digits(text)
        self._bodies: dict[str, tuple[tuple[Decimal, float], ...]] = {}
        self._keys = None if wanted is None else frozenset(map(_key, wanted))

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
            if PERCENT.match(self._text, s.end)
        )

    @cached_property
    def _index(self) -> dict[Decimal, list[Span]]:
        index: dict[Decimal, list[Span]] = {}
        mark = decimal_mark(self._text)
        heads, tails = self._parts_of_grouped(mark)
        # No group of an IBAN is a number of its own.
        accounts = [m.span() for m in _ACCOUNT.finditer(self._text) if _is_iban(m.group())]
        for start, end in self._matches():
            at_account = bisect_right(accounts, (start, math.inf)) - 1
            if at_account >= 0 and start < accounts[at_account][1]:
                continue
            body = self._text[start:end]
            if not (values := self._values(body, mark)):
                continue
            part = _PART_OF_GROUPED if start in tails or (start, end) in heads else 1.0
            for value, at, stop, likely in self._readings(start, end, values):
                score = round(likely * part, 3)
                spans = index.setdefault(value, [])
                # Both patterns may find one number; its places come in the text's order.
                if len(spans) < _MOST and not any(s.start == at for s in spans[-4:]):
                    is_exact = score == likely and self._printed[at:stop] == str(value)
                    is_exact = is_exact and not is_glued(self._text, at)
                    kind = "exact" if is_exact else "normalised"
                    spans.append(Span(at, stop, kind, score))
        for spans in index.values():
            spans.sort(key=lambda span: span.start)
        return index

    def _parts_of_grouped(self, mark: str | None) -> tuple[set[tuple[int, int]], set[int]]:
        """Of numbers like 2 850,50, in a text that groups no thousands otherwise: the places of the
        first figures, and where the others begin. Each may be a number of its own: "4 250,00"."""
        heads, tails = set[tuple[int, int]](), set[int]()
        if mark != "," or _OTHERWISE_GROUPED.search(self._text):
            return heads, tails
        for found in _GROUPED.finditer(self._text):
            first = self._text.index(" ", found.start())
            heads.add((found.start(), first))
            tails.update(m.end() for m in re.compile(" ").finditer(self._text, first, found.end()))
        return heads, tails

    def _values(self, body: str, mark: str | None) -> tuple[tuple[Decimal, float], ...]:
        """What printed digits may mean, and how likely; none if no number looked for has them."""
        known = self._bodies.get(body)
        if known is None:
            found: dict[Decimal, float] = {}
            if len(body) <= _LONGEST and (self._keys is None or _key_of(body) in self._keys):
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
        name = scale_of(found[1])
        return (POWERS[name], found.start(1) + len(name)) if name else None

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


def _is_iban(printed: str) -> bool:
    """Whether its check digits are right (ISO 13616): FY20 2019 2020 is none."""
    code = printed.replace(" ", "")
    return int("".join(str(int(c, 36)) for c in code[4:] + code[:4])) % 97 == 1


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
        if _spells_number(text[max(0, start - 24) : start - 1]):
            return 1, start, end
        return -1, start - 1, end + 1
    at = start - 2 if before == " " and text[start - 2 : start - 1] == "-" else start - 1
    # The hyphen of 10-5 parts a range, and is no sign.
    if at >= 0 and text[at] == "-" and not (at and (text[at - 1].isalnum() or text[at - 1] == ")")):
        return -1, at, end
    if text[end : end + 1] == "-" and not (text[end + 1 : end + 2].strip("-")):
        return -1, start, end + 1
    return 1, start, end


def _spells_number(head: str) -> bool:
    """Whether a text ends with a number in words: "thirty (30)" is not negative."""
    word = _LAST_WORD.search(head)
    return word is not None and (
        word[1].lower() in SCALE_WORDS or spelled_number(word[1]) is not None
    )


def _key_of(body: str) -> str:
    """The digits of a printed number without zeros at either end: alike for all its readings."""
    # 1.50, 150 and 0.15 differ by zeros and marks, and have the same digits between them.
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
    if "E+" in words and _POWER_OF_TEN.fullmatch(words):
        return Decimal(words), "", 0  # as Decimal writes 1000
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
