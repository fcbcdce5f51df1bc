"""Readers of days and times: what stands at the start of a piece of text."""

import re
from datetime import UTC, date, datetime, time, timedelta, timezone

from prompture.rules.cells import stripped
from prompture.rules.dates import (
    PrintedMonth,
    find_dates,
    find_months,
    find_times,
    is_other_day,
    is_range,
    parse_rest,
    settle,
)
from prompture.rules.page import Page, ParsedValue


def read_date(page: Page, start: int, end: int) -> ParsedValue | None:
    """The first date of a window."""
    found = list(find_dates(page.text, start, min(end, start + 400)))
    if not found:
        if month := _month(page, start, end):
            return month
        rest = parse_rest(page.text[start:end])
        return ParsedValue(rest, *stripped(page.text, start, end)) if rest else None
    first = found[0]
    if is_other_day(page.text, first, start, end):
        return None
    return ParsedValue(first, first.start, first.end, len({other.value for other in found}) - 1)


def _month(page: Page, start: int, end: int) -> ParsedValue | None:
    """A month of a year that is all that stands in a window."""
    window = page.text[start:end]
    words = window.strip(" \t.,;")
    if not 6 <= len(words) <= 30:
        return None
    begin = start + window.index(words)
    for year, month, first, last in find_months(words):
        if (first, last) == (0, len(words)):
            return ParsedValue(PrintedMonth(year, month), begin, begin + len(words))
    return None


def read_datetime(page: Page, start: int, end: int) -> ParsedValue | None:
    """The first date of a window, and the time behind it."""
    day = read_date(page, start, end)
    if day is None or isinstance(day.value, PrintedMonth):
        return None
    value = settle(day.value, page.day_first) if not isinstance(day.value, date) else day.value
    if value is None:
        return None
    # A time further off belongs to something else.
    # A piece of its own, for a scan runs a time into the date before it.
    clock = next(find_times(page.text[day.end : min(end, day.end + 24)]), None)
    if clock is None:
        return ParsedValue(datetime.combine(value, time()), day.start, day.end, day.rivals)
    moment, stop = datetime.combine(value, clock.value), day.end + clock.end
    # 9:00-16:00 is a range; after seconds, or a T, it is an offset.
    exact = clock.has_seconds or page.text[day.end : day.end + 1] in {"T", "t"}
    if not exact and _TO_TIME.match(page.text, stop, end):
        return None
    zone = _OFFSET.match(page.text, stop, end)
    if zone is not None:
        moment, stop = moment.replace(tzinfo=_offset(zone)), zone.end()
    return ParsedValue(moment, day.start, stop, day.rivals)


_TO_TIME = re.compile(r"\s?[-–—]\s?\d{1,2}[:.h]\d\d(?!\d)")
# "+0100", "+01:00", "Z": letters for other zones mean different things in different countries.
_OFFSET = re.compile(
    r"(?:[.,]\d{1,9})?\s?(?:(?P<utc>Z|UTC|GMT)|(?P<sign>[+-])(?P<h>[01]\d):?(?P<m>[0-5]\d))(?![\w:+])"
)


def _offset(zone: re.Match[str]) -> timezone:
    if zone["utc"]:
        return UTC
    ahead = timedelta(hours=int(zone["h"]), minutes=int(zone["m"]))
    return timezone(-ahead if zone["sign"] == "-" else ahead)


def read_time(page: Page, start: int, end: int) -> ParsedValue | None:
    """The first time of a window."""
    found = list(find_times(page.text, start, min(end, start + 200)))
    # From nine to five: neither is the time.
    if not found or (len(found) > 1 and is_range(page.text[found[0].end : found[1].start])):
        return None
    return ParsedValue(found[0].value, found[0].start, found[0].end)
