"""Dates and times as documents print them, and what an ambiguous 03/04/2024 means in this document."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, time

_MONTHS: dict[str, int] = {}
for _number, _names in enumerate(
    (
        "january jan januar janvier janv gennaio gen enero ene jänner januari janeiro",
        "february feb februar février fevrier févr fevr febbraio febrero februari fev fevereiro",
        "march mar märz maerz mrz mär mars marzo maart março",
        "april apr avril avr aprile abril abr",
        "may mai maggio mag mayo mei maio",
        "june jun juni juin giugno giu junio junho",
        "july jul juli juillet juil luglio lug julio julho",
        "august aug août aout agosto ago augustus",
        "september sep sept septembre settembre set septiembre setembro",
        "october oct oktober okt octobre ottobre ott octubre outubro out",
        "november nov novembre noviembre novembro",
        "december dec dezember dez décembre decembre déc dicembre dic diciembre desember dezembro",
    ),
    start=1,
):
    for _name in _names.split():
        _MONTHS[_name] = _number
_MONTH = "|".join(sorted((re.escape(name) for name in _MONTHS), key=len, reverse=True))

_ISO = r"(?P<iy>(?:19|20)\d\d)(?P<isep>[-/.])(?P<im>\d{1,2})(?P=isep)(?P<id>\d{1,2})(?!\d)"
_NUMERIC = r"(?P<n1>\d{1,2})(?P<nsep>[./-])(?P<n2>\d{1,2})(?P=nsep)(?P<ny>(?:19|20)\d\d|\d\d)(?!\d)(?!/\d)(?!-\d{1,4}(?![\d:]))"
_DAY_MONTH = (
    rf"(?P<td>\d{{1,2}})(?:st|nd|rd|th|er|º|\.)?[ \u00a0-]{{0,2}}(?:of |de )?(?P<tm>{_MONTH})(?![a-z])\.?,?"
    r"[ \u00a0-]{0,2}(?:de )?(?P<ty>(?:19|20)\d\d|'?\d\d)(?![\d:])"
)
_MONTH_DAY = (
    rf"(?P<um>{_MONTH})(?![a-z])\.?[ \u00a0-]{{1,2}}(?P<ud>\d{{1,2}})(?:st|nd|rd|th)?,?[ \u00a0-]{{1,2}}"
    r"(?P<uy>(?:19|20)\d\d)(?!\d)"
)
_DATE = re.compile(rf"(?<![\w.,/])(?:{_ISO}|{_NUMERIC}|{_DAY_MONTH}|{_MONTH_DAY})", re.IGNORECASE)
_TIME = re.compile(
    r"(?<![\d:.,/-])(?P<h>[01]?\d|2[0-3])(?:[:h](?P<m>[0-5]\d)(?::(?P<s>[0-5]\d))?|(?=\s?[ap]\.?m\b))"
    r"(?!\d)(?:\s?(?P<half>[ap])\.?m\b\.?)?",
    re.IGNORECASE,
)
_MONTH_FIRST = re.compile(
    r"\b(?:E[DS]T|C[DS]T|P[DS]T|M[DS]T|USD|[A-Z]{2} \d{5}(?:-\d{4})?)\b|U\. ?S\. |United States"
)
_DAY_FIRST = re.compile(
    r"\b(?:RM|MYR|GST|EUR|GBP|VAT|MwSt|USt|TVA|IVA|AUD|SDN BHD|GmbH|SARL)\b|€|£"
)


@dataclass(frozen=True, slots=True)
class PrintedDate:
    """A date and where it stood. `other` is the second reading when day and month could be swapped."""

    value: date
    start: int
    end: int
    other: date | None = None


@dataclass(frozen=True, slots=True)
class PrintedTime:
    """A time of day and where it stood."""

    value: time
    start: int
    end: int


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
    if match["iy"]:
        value = _date(match["iy"], match["im"], match["id"], last_year)
        return PrintedDate(value, start, end) if value else None
    if match["tm"] or match["um"]:
        day, month, year = (
            (match["td"], match["tm"], match["ty"])
            if match["tm"]
            else (match["ud"], match["um"], match["uy"])
        )
        value = _date(year.lstrip("'"), str(_MONTHS[month.lower()]), day, last_year)
        return PrintedDate(value, start, end) if value else None
    day_first = _date(match["ny"], match["n2"], match["n1"], last_year)
    month_first = (
        None if match["nsep"] == "." else _date(match["ny"], match["n1"], match["n2"], last_year)
    )
    if day_first is None or month_first is None or day_first == month_first:
        value = day_first or month_first
        return PrintedDate(value, start, end) if value else None
    return PrintedDate(day_first, start, end, month_first)


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
    """Whether 03/04/2024 is the third of April in this text; None when nothing tells.

    What counts, in this order: numeric dates with only one reading, dates that the text also writes unambiguously,
    the caller's region ("US" or not), marks of a region (tax names, time zones, currencies).
    """
    printed = list(dates)
    votes = _only_readings(text, printed)
    if votes:
        return votes > 0
    sure = {found.value for found in printed if found.other is None}
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
    """The date meant, or None when it has two readings and nothing tells which."""
    if found.other is None:
        return found.value
    if day_first is None:
        return None
    return found.value if day_first else found.other


def find_times(text: str, start: int = 0, end: int | None = None) -> Iterator[PrintedTime]:
    """The times of day in `text[start:end]`, with seconds and am/pm where printed."""
    for match in _TIME.finditer(text, start, len(text) if end is None else end):
        hour, half = int(match["h"]), (match["half"] or "").lower()
        if half and hour > 12:
            continue
        if half:
            hour = hour % 12 + (12 if half == "p" else 0)
        yield PrintedTime(
            time(hour, int(match["m"] or 0), int(match["s"] or 0)), match.start(), match.end()
        )


def parse_rest(
    window: str, *, languages: tuple[str, ...] = ("en", "de", "fr", "it", "es", "nl", "pt")
) -> date | None:
    """What dateparser makes of a short piece of text that the expressions above do not read."""
    text = window.strip()
    if not 4 <= len(text) <= 40 or not any(c.isdigit() for c in text):
        return None
    try:
        import dateparser
    except ImportError as missing:
        from prompture.errors import MissingExtra

        raise MissingExtra(extra="local", package="dateparser") from missing
    import warnings

    settings = {
        "STRICT_PARSING": True,
        "REQUIRE_PARTS": ["day", "month", "year"],
        "PARSERS": ["absolute-time"],
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = dateparser.parse(text, languages=list(languages), settings=settings)
    return found.date() if found is not None else None
