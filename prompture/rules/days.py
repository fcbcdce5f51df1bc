"""Readers of days and times: what stands at the start of a piece of text."""

from datetime import date, datetime, time

from prompture.rules.dates import find_dates, find_times, is_other_day, is_range, parse_rest, settle
from prompture.rules.page import Page, ParsedValue


def read_date(page: Page, start: int, end: int) -> ParsedValue | None:
    """The first date of a window."""
    found = list(find_dates(page.text, start, min(end, start + 400)))
    if not found:
        rest = parse_rest(page.text[start:end])
        piece = page.text[start:end]
        begin = start + len(piece) - len(piece.lstrip())
        return ParsedValue(rest, begin, begin + len(piece.strip())) if rest else None
    first = found[0]
    if is_other_day(page.text, first, start, end):
        return None
    return ParsedValue(first, first.start, first.end, len({other.value for other in found}) - 1)


def read_datetime(page: Page, start: int, end: int) -> ParsedValue | None:
    """The first date of a window, and the time behind it."""
    day = read_date(page, start, end)
    if day is None:
        return None
    value = settle(day.value, page.day_first) if not isinstance(day.value, date) else day.value
    if value is None:
        return None
    # A time further off belongs to something else.
    # A piece of its own, for a scan runs a time into the date before it.
    clock = next(find_times(page.text[day.end : min(end, day.end + 24)]), None)
    moment = datetime.combine(value, clock.value if clock else time())
    return ParsedValue(moment, day.start, day.end + (clock.end if clock else 0), day.rivals)


def read_time(page: Page, start: int, end: int) -> ParsedValue | None:
    """The first time of a window."""
    found = list(find_times(page.text, start, min(end, start + 200)))
    # From nine to five: neither is the time.
    if not found or (len(found) > 1 and is_range(page.text[found[0].end : found[1].start])):
        return None
    return ParsedValue(found[0].value, found[0].start, found[0].end)
