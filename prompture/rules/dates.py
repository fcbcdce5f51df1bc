"""Dates and times as documents print them, and what an ambiguous 03/04/2024 means in this document."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, time
from functools import cache

from prompture.quiet import without_warnings
from prompture.rules import data

_IN_ORDER = tuple(month for month in data.load("dates")["months"] if month != "source")
_SPELT = {
    word: _IN_ORDER.index(month) + 1 for word, month in data.by_word("dates", "months").items()
}
# Scans read "0ct" and "Apri1".
_MISREAD = str.maketrans("ol", "01")
_MONTHS = {
    **{word.translate(_MISREAD): number for word, number in _SPELT.items() if len(word) > 2},
    **_SPELT,
}
_FIRST = {
    name[0]: sorted((n for n in _MONTHS if n[0] == name[0]), key=len, reverse=True)
    for name in _MONTHS
}
# Grouped by first letters, so that at most places one comparison finds that no month is there.
_MONTH = "|".join(
    f"{letter}(?:{'|'.join(re.escape(name[1:]) for name in names)})"
    for letter, names in _FIRST.items()
)


def _plain(name: str) -> str:
    """A month's name as the table has it: re.IGNORECASE takes long s for s, dotless i for i."""
    return name.casefold().replace("i\u0307", "i").replace("ı", "i")


_NUMBERS = {_plain(name): number for name, number in _MONTHS.items()}
_WORD_ENDS = r"(?![^\W\d_])"

_ISO = r"(?P<iy>(?:19|20)\d\d)(?P<isep>[-/.])(?P<im>\d{1,2})(?P=isep)(?P<id>\d\d(?=[0-2]\d:[0-5]\d)|\d{1,2}(?!\d))"
_NUMERIC = (
    r"(?P<n1>\d{1,2})(?P<nsep>[./-]|\. )(?P<n2>\d{1,2})(?P=nsep)"
    # A scan runs the time into the year: 19-04-201813:43:54. In 17/05/2013:43 either may have lost a blank.
    r"(?P<ny>(?:19|20)\d\d(?=\d{1,2}:\d\d)|(?:(?:19|20)\d\d|\d\d)(?!\d)(?!:\d\d(?::\d\d)?(?![\d:]))"
    r"|(?!(?:19|20)\d\d:)\d\d(?=\d{1,2}:\d\d(?!\d)))"
    r"(?!/\d)(?!-\d{1,4}(?![\d:]))"
)
_DAY_MONTH = (
    r"(?P<td>\d{1,2})(?:st|nd|rd|th|er|º|\.)?(?:\s{1,3}day)?(?:[ \u00a0-]{0,2}|\s{1,3}(?=of\s))"
    rf"(?:of\s{{1,3}}|de )?(?P<tm>{_MONTH}){_WORD_ENDS}\.?,?"
    r"[ \u00a0-]{0,2}(?:del? )?(?P<ty>(?:19|20)\d\d|'?\d\d)(?![\d:])"
)
_MONTH_DAY = (
    rf"(?P<um>{_MONTH}){_WORD_ENDS}\.?[ \u00a0-]{{1,2}}(?P<ud>\d{{1,2}})(?:st|nd|rd|th)?,?[ \u00a0-]{{1,2}}"
    r"(?P<uy>(?:19|20)\d\d)(?!\d)"
)
_YEAR_MONTH_DAY = (
    rf"(?P<vy>(?:19|20)\d\d)[.,]?[ \u00a0-]{{1,2}}(?P<vm>{_MONTH}){_WORD_ENDS}\.?[ \u00a0-]{{1,2}}"
    r"(?P<vd>\d{1,2})(?!\d)"
)
_EAST = r"(?P<era>令和|平成|昭和)?(?P<ey>\d{1,4}|元)\s?[年년]\s?(?P<em>\d{1,2})\s?[月월]\s?(?P<ed>\d{1,2})\s?[日号號일]"
_VIET = r"(?P<xd>\d{1,2})\s{1,2}tháng\s{1,2}(?P<xm>\d{1,2}),?\s{1,2}năm\s{1,2}(?P<xy>(?:19|20)\d\d)(?!\d)"
_THAI_MONTHS = data.words("dates", "thai_months")
_THAI = (
    rf"(?P<hd>\d{{1,2}})\s?(?P<hm>{'|'.join(_THAI_MONTHS)})\s?(?:พ\.ศ\.\s?|ค\.ศ\.\s?)?"
    r"(?P<hy>(?:19|20|2[45])\d\d)(?!\d)"
)
_BUDDHIST = 543  # years that the calendar of Thailand is ahead
_ERAS = {"令和": 2018, "平成": 1988, "昭和": 1925}
# A word before a date ends it, but not where words are not parted by spaces.
_BEFORE = r"(?<![.,/\d_])(?<![^\W\d_\u0e00-\u0eff\u2e80-\u9fff\uac00-\ud7ff])"
_DATE = re.compile(
    rf"{_BEFORE}(?:{_EAST}|{_ISO}|{_NUMERIC}|{_VIET}|{_THAI}|{_DAY_MONTH}|{_MONTH_DAY}"
    rf"|{_YEAR_MONTH_DAY})",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"(?<![\d:.,/-])(?P<h>[01]?\d|2[0-3])(?:(?:[:h]|\.(?=[0-5]\d\s?(?:Uhr|uur)\b))(?P<m>[0-5]\d)(?::(?P<s>[0-5]\d))?|(?=\s?[ap]\.?m\b))"
    r"(?!\d)(?:\s?(?P<half>[ap])\.?m\b\.?)?"
    r"|(?P<east>午前|上午|오전|午後|下午|오후)?\s?(?<!\d)(?P<eh>\d{1,2})\s?[時时點点시]"
    r"(?:\s?(?P<em>\d{1,2})\s?[分분](?:\s?(?P<es>\d{1,2})\s?[秒초])?)?",
    re.IGNORECASE,
)
_AFTERNOON = frozenset({"午後", "下午", "오후"})
_MONTH_FIRST = re.compile(data.alternatives("dates", "month_first"))
_DAY_FIRST = re.compile(data.alternatives("dates", "day_first"))


@dataclass(frozen=True, slots=True)
class PrintedDate:
    """A date and where it stood. `other` is the second reading when day and month could be swapped."""

    value: date
    start: int
    end: int
    other: date | None = None


@dataclass(frozen=True, slots=True)
class PrintedMonth:
    """A month of a year that stands without a day."""

    year: int
    month: int


@dataclass(frozen=True, slots=True)
class PrintedTime:
    """A time of day and where it stood."""

    value: time
    start: int
    end: int
    has_seconds: bool = False


def find_dates(
    text: str, start: int = 0, end: int | None = None, *, last_year: int = 2069
) -> Iterator[PrintedDate]:
    """The dates of `text[start:end]`; a year of two digits falls in the hundred years up to `last_year`."""
    for match in _DATE.finditer(text, start, len(text) if end is None else end):
        found = _read(match, last_year)
        if found is not None:
            yield found


def _read(match: re.Match[str], last_year: int) -> PrintedDate | None:
    start, end = match.span()
    if parts := _in_order(match):
        value = _date(*parts, last_year)
        # Small figures before 年, without an era, are no year.
        return PrintedDate(value, start, end) if value and value.year > 1000 else None
    day_first = _date(match["ny"], match["n2"], match["n1"], last_year)
    month_first = (
        None
        # Dates with points have the day first, everywhere.
        if match["nsep"].startswith(".")
        else _date(match["ny"], match["n1"], match["n2"], last_year)
    )
    if day_first is None or month_first is None or day_first == month_first:
        value = day_first or month_first
        return PrintedDate(value, start, end) if value else None
    return PrintedDate(day_first, start, end, month_first)


def _in_order(match: re.Match[str]) -> tuple[str, str, str] | None:
    """Year, month and day of a date whose form shows which is which; None for 03/04/2024."""
    if match["ey"]:
        # The first year of an era is written with a character of its own.
        count = 1 if match["ey"] == "元" else int(match["ey"])
        count += _ERAS.get(match["era"] or "", 0)
        return f"{count:04}", match["em"], match["ed"]
    if match["hy"]:
        count = int(match["hy"])
        # Thai documents use both calendars; the size of the year shows which.
        count -= _BUDDHIST if count >= 2400 else 0
        return f"{count:04}", str(_THAI_MONTHS.index(match["hm"]) + 1), match["hd"]
    for kind in "ix":
        if match[f"{kind}y"]:
            return match[f"{kind}y"], match[f"{kind}m"], match[f"{kind}d"]
    for kind in "tuv":
        if month := match[f"{kind}m"]:
            year = match[f"{kind}y"].lstrip("'")
            return year, str(_NUMBERS[_plain(month)]), match[f"{kind}d"]
    return None


def _date(year: str, month: str, day: str, last_year: int) -> date | None:
    number = int(year)
    if len(year) == 2:
        number += last_year // 100 * 100
        if number > last_year:
            number -= 100
    try:
        return date(number, int(month), int(day))
    except ValueError:
        return None


def day_first(text: str, dates: Iterable[PrintedDate], *, region: str | None = None) -> bool | None:
    """Whether 03/04/2024 is the third of April in this text; None when nothing shows it.

    What counts, in this order: numeric dates with only one reading, dates that the text also writes unambiguously,
    the caller's region ("US" or not), marks of a region (tax names, time zones, currencies).
    """
    printed = list(dates)
    # Each step only where the one before is silent or undecided.
    votes = _only_readings(text, printed)
    if votes:
        return votes > 0
    sure = {found.value for found in printed if found.other is None}
    # A date that is written out elsewhere ("4 March 2024") settles its numeric twin.
    votes = sum(
        (found.value in sure) - (found.other in sure)
        for found in printed
        if found.other is not None
    )
    if votes:
        return votes > 0
    if region is not None:
        return region.upper() not in {"US", "PH"}
    american = _MONTH_FIRST.search(text) is not None
    other = _DAY_FIRST.search(text) is not None
    # Marks of both kinds prove nothing.
    return None if american == other else other


def _only_readings(text: str, printed: list[PrintedDate]) -> int:
    votes = 0
    for found in printed:
        words = text[found.start : found.end]
        if (
            found.other is None
            and "/" in words
            and words[:3].rstrip("/").isdigit()
            and found.value.day > 12
        ):
            votes += 1 if int(words.split("/")[0]) == found.value.day else -1
    return votes


def settle(found: PrintedDate, day_first: bool | None) -> date | None:
    """The date meant, or None when it has two readings and nothing decides."""
    if found.other is None:
        return found.value
    if day_first is None:
        return None
    return found.value if day_first else found.other


_RANGE = re.compile(
    rf"\W{{0,3}}(?:[-–—]|\b(?:{data.alternatives('dates', 'ranges')})\b)\W{{0,3}}(?:[^\W\d_]{{2,10}}[,.]? )?",
    re.IGNORECASE,
)
# The 1 of "1-5 May 2024", "1. bis 5. Mai 2024".
_DAY_BEFORE = re.compile(
    rf"(?<!\d)\d{{1,2}}\.?(?:st|nd|rd|th)?(?:\s?[-–—/&]|\s(?:{data.alternatives('dates', 'ranges')}))\s?\Z",
    re.IGNORECASE,
)
_NOT_ON = re.compile(
    rf"\b(?:{data.alternatives('dates', 'not_on')})\s(?:[^\W\d_]{{1,10}}[,.]?\s){{0,2}}\Z",
    re.IGNORECASE,
)


def is_range(between: str) -> bool:
    """Whether what stands between two dates or times makes a range of them: "1 May to 5 May"."""
    return _RANGE.fullmatch(between) is not None


def is_other_day(text: str, found: PrintedDate, start: int, end: int) -> bool:
    """Whether a date in `text[start:end]` is not the day that is stated, but an end of a range, or a day before or
    after it: "30 days after 5 May 2024", "n/a (was 5 May 2024)"."""
    before = text[max(start, found.start - 40) : found.start]
    if _DAY_BEFORE.search(before) or _NOT_ON.search(before):
        return True
    following = next(find_dates(text, found.end, min(end, found.end + 40)), None)
    return following is not None and is_range(text[found.end : following.start])


def find_times(text: str, start: int = 0, end: int | None = None) -> Iterator[PrintedTime]:
    """The times of day in `text[start:end]`, with seconds and am/pm where printed."""
    for match in _TIME.finditer(text, start, len(text) if end is None else end):
        if match["eh"]:
            if found := _eastern(match):
                yield found
            continue
        hour, half = int(match["h"]), (match["half"] or "").lower()
        # 13 pm is no time, and more likely no hour at all.
        if half and hour > 12:
            continue
        if half:
            hour = hour % 12 + (12 if half == "p" else 0)
        yield PrintedTime(
            time(hour, int(match["m"] or 0), int(match["s"] or 0)),
            *match.span(),
            match["s"] is not None,
        )


def _eastern(match: re.Match[str]) -> PrintedTime | None:
    hour, minute, second = (int(match[f"e{part}"] or 0) for part in "hms")
    if match["east"]:
        hour = hour % 12 + (12 if match["east"] in _AFTERNOON else 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    return PrintedTime(time(hour, minute, second), *match.span(), match["es"] is not None)


@cache
def _month_alone() -> re.Pattern[str]:
    """Compiled at first need, for grounding alone needs it."""
    return re.compile(
        rf"{_BEFORE}(?:(?P<m>{_MONTH}){_WORD_ENDS}\.?,?[ \u00a0/-]{{0,2}}(?:of |del? )?(?P<y>(?:19|20)\d\d)"
        r"|(?P<y2>(?:19|20)\d\d)(?:[-/.](?P<m2>0?[1-9]|1[0-2])(?![\d./-])|\s?[年년]\s?(?P<m3>\d{1,2})\s?[月월])"
        r"|(?P<m4>0?[1-9]|1[0-2])[-/.](?P<y4>(?:19|20)\d\d))(?!\d)",
        re.IGNORECASE,
    )


def find_months(text: str) -> Iterator[tuple[int, int, int, int]]:
    """The months of years that a text names: year, month, start, end."""
    for match in _month_alone().finditer(text):
        year = match["y"] or match["y2"] or match["y4"]
        month = match["m"]
        number = (
            _NUMBERS[_plain(month)] if month else int(match["m2"] or match["m3"] or match["m4"])
        )
        if 1 <= number <= 12:
            yield int(year), number, match.start(), match.end()


def parse_rest(
    window: str, *, languages: tuple[str, ...] = ("en", "de", "fr", "it", "es", "nl", "pt")
) -> date | None:
    """What dateparser makes of a short piece of text that the expressions above do not read."""
    text = window.strip()
    # dateparser is slow, and reads a date into nearly any words: only a short text with digits gets
    # there.
    if not 4 <= len(text) <= 40 or not any(c.isdigit() for c in text):
        return None
    # Digits alone are read above or are no date: 2024-13-01 has no thirteenth month.
    if not any(c.isalpha() for c in text):
        return None
    try:
        import dateparser
    except ImportError as missing:
        from prompture.errors import MissingExtra

        raise MissingExtra(extra="local", package="dateparser") from missing
    settings = {
        "STRICT_PARSING": True,
        "REQUIRE_PARTS": ["day", "month", "year"],
        "PARSERS": ["absolute-time"],
    }
    # dateparser warns of dates without a year; a user who makes warnings errors would lose the extraction.
    with without_warnings():
        found = dateparser.parse(text, languages=list(languages), settings=settings)
    return found.date() if found is not None else None
