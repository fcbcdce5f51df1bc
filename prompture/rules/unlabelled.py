"""Where a field's value may come from besides its labels: the form of the value, or what the field means."""

import re
from collections.abc import Iterator
from dataclasses import replace

from prompture.rules import data
from prompture.rules.concepts import QUALIFIERS, is_denied, normalise
from prompture.rules.dates import PrintedDate, is_other_day
from prompture.rules.fields import SchemaField
from prompture.rules.numbers import CURRENCY, currency_code
from prompture.rules.page import FieldCandidate, Page, ParsedValue, TextRange
from prompture.rules.parsers import read
from prompture.rules.render import candidates_of
from prompture.types import Span

# Kinds that cannot be mistaken: a text that holds one value of the kind states it.
_DISTINCT_KINDS = {
    "email": 0.85,
    "iban": 0.85,
    "doi": 0.9,
    "uuid": 0.85,
    "court_id": 0.9,
    "uri": 0.75,
    "vat_id": 0.8,
    "arxiv": 0.7,
}
DATE_KINDS = frozenset({"date", "datetime"})
ISSUED = frozenset({"date", "issue_date"})
_OTHER_DAY = re.compile(
    rf"(?:{data.alternatives('dates', 'other_days')})[^\d\n]{{0,25}}$", re.IGNORECASE
)
_OF_BUYER = re.compile(data.alternatives("invoices", "buyer_marks"), re.IGNORECASE)
_CLOCK = re.compile(r"\W{0,6}(?:\d{1,2}:\d{2}|time)", re.IGNORECASE)


def weigh(
    field: SchemaField, page: Page, scope: TextRange, found: list[FieldCandidate]
) -> list[FieldCandidate]:
    """The labelled candidates of a field, and those found by the form of the value."""
    if field.kind in DATE_KINDS:
        return dates(field, page, scope, found)
    if field.concept == "case_name":
        return _captions(field, found)
    if field.concept == "currency":
        return [*found, *_currency(field, page, scope)]
    if field.kind == "enum" and not found:
        return _only_choice(field, page, scope)
    if field.kind in _DISTINCT_KINDS:
        return [*found, *_distinct(field, page, scope)]
    return found


def dates(
    field: SchemaField, page: Page, scope: TextRange, found: list[FieldCandidate]
) -> list[FieldCandidate]:
    """The labelled dates, those that a sentence labels, and for some fields the only one of the document."""
    known = [*found, *_spoken(field, page, scope)]
    if field.concept == "publication_date":
        return [*known, *_own_line(field, page, scope)]
    if field.concept in ISSUED:
        return [*known, *_only_day(field, page, scope, known)]
    return known


def _distinct(field: SchemaField, page: Page, scope: TextRange) -> list[FieldCandidate]:
    reading = read(field.kind, page, scope.start, scope.end, field=field)
    if reading is None or reading.rivals:  # two addresses of mail: whose is meant is open
        return []
    begin = page.text.rfind("\n", 0, reading.start) + 1
    if _OF_BUYER.search(page.text[max(begin, reading.start - 60) : reading.start]):
        return []
    return candidates_of(field, reading, page, _DISTINCT_KINDS[field.kind])


def _spoken(field: SchemaField, page: Page, scope: TextRange) -> list[FieldCandidate]:
    """Dates right after a label inside a sentence: "... and filed on 8/12/2021"."""
    out: list[FieldCandidate] = []
    for day in page.dates:
        if not scope.holds(day.start, day.end):
            continue
        if is_other_day(page.text, day, scope.start, scope.end):
            continue
        begin = max(scope.start, day.start - 48, _sentence_start(page, day.start))
        words = page.text[begin : day.start].split()
        # The longest label first: "date of birth" is not "birth".
        for count in range(min(4, len(words)), 0, -1):
            fit = field.phrases.get(normalise(" ".join(words[-count:])), 0.0)
            if fit and (count > 1 or fit >= 0.9):
                # A "delivery date" is another day than the date.
                if _is_turned(words[:-count]):
                    break
                out += candidates_of(
                    field, ParsedValue(day, day.start, day.end), page, round(fit * 0.9, 4)
                )
                break
    return out


def _sentence_start(page: Page, offset: int) -> int:
    """Where the words before an offset begin to belong to it: with its cell, or with the line that its own goes on from."""
    place = page.layout.line_at(offset)
    line = page.layout.lines[place]
    cell = next((cell for cell in line.cells if cell.start <= offset < cell.end), None)
    if cell is None or cell is not line.cells[0]:
        return cell.start if cell else offset
    # Of a row of labels above, the last is not the label of what stands first below.
    above = page.layout.lines[place - 1].cells if place and not line.gap else ()
    goes_on = bool(above) and (len(above) == 1 or cell.start < offset)
    return above[-1].start if goes_on else line.start


def _is_turned(words: list[str]) -> bool:
    """Whether the word before a label makes another label of it."""
    return bool(words) and words[-1][-1:].isalpha() and normalise(words[-1]) in QUALIFIERS


def _own_line(field: SchemaField, page: Page, scope: TextRange) -> list[FieldCandidate]:
    """A date alone on one of the first lines."""
    for line in page.layout.within(scope.start, scope.end)[:20]:
        start = line.start + len(line.text) - len(line.text.lstrip())
        day = days_by_start(page).get(start)
        if day is not None and day.end == start + len(line.words):
            return candidates_of(field, ParsedValue(day, day.start, day.end), page, 0.75)
    return []


def days_by_start(page: Page) -> dict[int, PrintedDate]:
    """The dates of a page by the offset at which they begin."""
    return page.once("days", lambda: {day.start: day for day in page.dates})


def _captions(field: SchemaField, found: list[FieldCandidate]) -> list[FieldCandidate]:
    """Names of cases without "et al", which citation style leaves out, unless the schema asks for the printed form."""
    if field.as_printed:
        return found
    return [_without_others(one) for one in found]


def _without_others(one: FieldCandidate) -> FieldCandidate:
    value = re.sub(r",? et al\b\.?", "", str(one.value)).strip()
    if value == one.value or not value:
        return one
    span = one.spans[0]
    if str(one.value).startswith(value):
        return replace(
            one, value=value, spans=(Span(span.start, span.start + len(value), "exact"),)
        )
    return replace(one, value=value, spans=(Span(span.start, span.end, "normalised"),))


def _only_day(
    field: SchemaField, page: Page, scope: TextRange, found: list[FieldCandidate]
) -> list[FieldCandidate]:
    """Without a label: the day of a document that names one day, or one day with the time beside it."""
    # A date with a good label is the one, however many others there are.
    if any(labelled.score >= 0.8 for labelled in found):
        return []
    days = [
        day
        for day in page.dates
        if scope.holds(day.start, day.end)
        and not _other_day(page, day)
        and not _in_sentence(page, day)
    ]
    timed = [day for day in days if _CLOCK.match(page.text, day.end) or _time_before(page, day)]
    # A printed time marks the moment of the document itself, as on a receipt.
    for group, score in ((timed, 0.85), (days, 0.8)):
        if group and len({day.value for day in group}) == 1:
            return candidates_of(
                field, ParsedValue(group[0], group[0].start, group[0].end), page, score
            )
    return []


def _in_sentence(page: Page, day: PrintedDate) -> bool:
    """Whether words speak of a day: the day of a meeting that a letter mentions is not the letter's."""
    line = page.layout.lines[page.layout.line_at(day.start)]
    # Not the whole line, which may be all of the text.
    before = page.text[max(line.start, day.start - 120) : day.start]
    after = page.text[day.end : min(line.end, day.end + 120)]
    return len(before.split()) + len(after.split()) > _MOST_WORDS


_MOST_WORDS = 9  # a line with the day of a document has the place, the time, a label or two


def _time_before(page: Page, day: PrintedDate) -> bool:
    return (
        re.search(
            r"\d{1,2}:\d{2}(?::\d{2})?\s?(?:[AP]M)?\W{0,4}(?:\d{4,8}\s+)?$",
            page.text[max(0, day.start - 24) : day.start],
            re.IGNORECASE,
        )
        is not None
    )


def _other_day(page: Page, day: PrintedDate) -> bool:
    begin = page.text.rfind("\n", 0, day.start) + 1
    return _OTHER_DAY.search(page.text[max(begin, day.start - 40) : day.start]) is not None


def _currency(field: SchemaField, page: Page, scope: TextRange) -> list[FieldCandidate]:
    """The one currency that the amounts of a document are in."""
    marks = list(_currencies(page, scope))
    # Several currencies: which one is meant depends on the amount.
    if len({code for code, _, _ in marks}) != 1:
        return []
    code, start, end = marks[0]
    return candidates_of(field, ParsedValue(code, start, end), page, 0.85)


def _currencies(page: Page, scope: TextRange) -> Iterator[tuple[str, int, int]]:
    """Currency marks printed beside amounts: code, start, end."""
    for match in CURRENCY.finditer(page.text, scope.start, scope.end):
        before, after = (
            page.text[max(0, match.start() - 2) : match.start()],
            page.text[match.end() : match.end() + 3],
        )
        code = currency_code(match.group())
        if code and (
            re.match(r"\s?-?\d", after) or re.search(r"\d\s?$", before) or match.group().isupper()
        ):
            yield code, match.start(), match.end()


def _only_choice(field: SchemaField, page: Page, scope: TextRange) -> list[FieldCandidate]:
    """An enumeration without a label: the only one of its values that the text names as a word of its own."""
    named: list[tuple[object, re.Match[str]]] = []
    for value in field.choices:
        if isinstance(value, str) and value:
            words = re.escape(value.replace("_", " "))
            # Not as a label: "Smoker: ...".
            match = re.search(
                rf"(?<!\w){words}(?!\w|\s?[:=])", page.text[scope.start : scope.end], re.IGNORECASE
            )
            if match is not None:
                named.append((value, match))
    # One or two letters ("m", "no") stand in any text.
    if len(named) != 1 or len(str(named[0][0])) < 3:
        return []
    value, match = named[0]
    before = page.text[
        max(scope.start, scope.start + match.start() - 24) : scope.start + match.start()
    ]
    after = page.text[scope.start + match.end() : scope.start + match.end() + 16]
    # "not yet approved", "approved by no one"
    if is_denied(" ".join([*before.split()[-3:], "", *after.split()[:2]])):
        return []
    return candidates_of(
        field, ParsedValue(value, scope.start + match.start(), scope.start + match.end()), page, 0.7
    )
