"""Find numbers in words ("twelve" for 12), quantities ("five (5) years" for "5 years"), shares of a
hundred ("fifteen percent" for 0.15), and currencies by their marks ("€" for "EUR")."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

from prompture.compat import cached_property
from prompture.extraction.grounding.figures import PERCENT, Figures
from prompture.extraction.grounding.fold import Folded, fold_words
from prompture.extraction.grounding.spelled import SCALE_WORDS, languages, spelled_number, spellings
from prompture.rules.numbers import CURRENCY, CURRENCY_CODES, POWERS, currency_code
from prompture.types import Span

_MOST = 500
"""So many places of a number in words are kept."""
_NEXT = re.compile(r"(?:[ \u00a0-]|\s(?:and|und|et|y|e)\s)*([^\W\d_]+)")
_BEFORE = re.compile(r"([^\W\d_]+)(?:[ \u00a0-]|\s(?:and|und|et|y|e)\s)*\Z")
_ONE = frozenset(["one", "un", "uno", "um"])
"""Behind twenty, these make another number of it."""
_NO_COUNT = re.compile(
    r"\s+(?:of|or|another|who|that|which|may|must|should|is|has|can|day)\b", re.I
)
"""Behind these, "one" is no number."""
_QUANTITY = re.compile(
    r"(?P<count>\d[\d.,]{0,20}|[^\W\d_]{3,40})[ \u00a0-](?P<unit>[^\W\d_]{1,24})\.?\Z"
)
_UNIT = re.compile(
    r"\s?(?:\)|\(\s?[^()\n]{1,40}\))?[\s-]{0,2}(?:calendar |consecutive |successive |full )?"
    r"(?P<unit>[^\W\d_]{1,24})"
)
_IN_WORDS_BEFORE = re.compile(r"(?<![^\W_])(?P<word>[^\W\d_]+(?:[- ][^\W\d_]+){0,3})\s?\(\s?\Z")
_ENDINGS = ("", "s", "e", "n", "en", "es", "er")
_SHORT = {
    "yr": "year", "yrs": "year", "mo": "month", "mos": "month", "wk": "week", "wks": "week",
    "hr": "hour", "hrs": "hour", "h": "hour", "min": "minute", "mins": "minute", "sec": "second",
    "secs": "second", "kg": "kilogram", "g": "gram", "km": "kilometre", "m": "metre", "l": "litre",
    "kilometer": "kilometre", "meter": "metre", "liter": "litre",
}  # fmt: skip


class Quantities:
    """A text to look numbers up in that figures alone do not show."""

    def __init__(self, text: str, folded: Folded, figures: Callable[[], Figures]) -> None:
        self._text = text
        self._folded = folded
        self._figures = figures

    @cached_property
    def _languages(self) -> frozenset[str]:
        return languages(self._text)

    def in_words(self, number: Decimal) -> tuple[Span, ...]:
        """Where a number is spelled, as it is or as a share of a hundred."""
        found = self._spelled(number)
        if not found and 0 < number < 1:
            found = tuple(
                s for s in self._spelled(number * 100) if PERCENT.match(self._text, s.end)
            )
        return found

    def _spelled(self, number: Decimal) -> tuple[Span, ...]:
        whole = int(number)
        half = number - whole == Decimal("0.5")
        if (number != whole and not half) or number < 0:
            return ()
        found: dict[int, Span] = {}
        for language, word in spellings(whole):
            if language not in self._languages or (half and language != "en"):
                continue
            wanted = fold_words(f"{word} and a half" if half else word)
            for start, end in self._folded.places(wanted, most=_MOST):
                if self._is_whole(start, end) and not (
                    word == "one" and _NO_COUNT.match(self._text, end)
                ):
                    found.setdefault(start, Span(start, end, "normalised", 0.85))
        return tuple(found[start] for start in sorted(found))

    def _is_whole(self, start: int, end: int) -> bool:
        """Whether words of a number are no part of a greater one: the five of five hundred."""
        after = _NEXT.match(self._text, end, end + 40)
        if after and after[1].lower() in _ONE:
            return False
        before = _BEFORE.search(self._text[max(0, start - 40) : start])
        return not any(
            word and (word[1].lower() in SCALE_WORDS or (spelled_number(word[1]) or 0) > 1)
            for word in (before, after)
        )

    def of(self, words: str) -> tuple[Span, ...]:
        """Where a quantity like "5 years" or "twelve months" stands, its number in figures or in
        words, its unit in the singular or plural."""
        if (read := quantity(words)) is None:
            return ()
        number, wanted = read
        if (power := POWERS.get(wanted.casefold())) and len(wanted) > 1:
            number = number.scaleb(power)
            return self._figures().of(number) or self.in_words(number)
        found: dict[int, Span] = {}
        spans = self._figures().of(number) + self._spelled(number)
        for span in sorted(spans, key=lambda one: one.start):
            unit = _UNIT.match(self._text, span.end)
            if unit is None or not _same_unit(unit["unit"], wanted) or span.score < 0.85:
                continue
            start = self._with_words(span.start, number)
            found.setdefault(unit.end(), Span(start, unit.end(), "normalised", 0.85))
        return tuple(found.values())

    def _with_words(self, start: int, number: Decimal) -> int:
        """The start of "five (5)", at the figure's place."""
        head = self._text[max(0, start - 60) : start]
        before = _IN_WORDS_BEFORE.search(head)
        if before is None:
            return start
        words = before["word"].split(" ")
        # The words that spell the number, the longest first: "a period of twenty five (5)".
        for at in range(len(words)):
            folded = fold_words(" ".join(words[at:]))
            if any(folded == fold_words(word) for _, word in spellings(int(number))):
                return start - len(head) + before.end("word") - len(" ".join(words[at:]))
        return start

    def currency(self, words: str) -> tuple[Span, ...]:
        """Where another mark of a currency stands: € for EUR, US$ for USD."""
        if len(words) > 4 or not (words in CURRENCY_CODES or currency_code(words)):
            return ()
        code = currency_code(words)
        return tuple(
            Span(*found.span(), "normalised", 0.8)
            for found in CURRENCY.finditer(self._text)
            if currency_code(found.group()) == code
        )[:_MOST]


def quantity(words: str) -> tuple[Decimal, str] | None:
    """The number and the unit that a string is; None for any other string."""
    found = _QUANTITY.match(words) if len(words) <= 60 else None
    if found is None:
        return None
    count = found["count"]
    if not count[0].isdigit():
        number = spelled_number(count)
        return None if number is None else (Decimal(number), found["unit"])
    plain = re.fullmatch(r"\d{1,15}(?:\.\d{1,6})?", count)
    return (Decimal(count), found["unit"]) if plain else None


def _same_unit(one: str, other: str) -> bool:
    a, b = sorted((_unit(one), _unit(other)), key=len)
    return a == b or (len(a) >= 3 and b.startswith(a) and b[len(a) :] in _ENDINGS)


def _unit(word: str) -> str:
    word = word.casefold()
    return _SHORT.get(word, word)
