"""Where a field's value may come from besides its labels: the form of the value, or what the field means."""

import re
from dataclasses import replace

from prompture.rules import amounts, longtext, papers, parties, storefront
from prompture.rules.candidates import Index
from prompture.rules.choices import choices
from prompture.rules.dates import PrintedDate
from prompture.rules.fields import Field
from prompture.rules.labels import normalise
from prompture.rules.page import Candidate, Page, Scope
from prompture.rules.render import render
from prompture.rules.values import Reading, read
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
_ISSUED = frozenset({"date", "issue_date"})
_DATED_TITLE = re.compile(
    r"(?:\bn[ro]?\b|number|nummer|n°|#)\.?\s?:?\s?[\w./-]{2,30}\s+(?:vom|du|dated|of|del|from|issued (?:at|on))\s+",
    re.IGNORECASE,
)
_INVOICE_TITLE = re.compile(
    r"\b(?:\w{0,30}rechnung|gutschrift|tax invoice|invoice|facture|avoir|fattura|nota di credito|credit note)\b(?P<gap>(?:[^\n\d(]|\([^()\n]{1,40}\)){0,45}?)"
    r"(?:\b(?:nr|no|nummer|number)\b\.?|\bn\.|n°|#)\s?:?\s*(?P<id>[A-Z0-9][\w./-]{0,30})",
    re.IGNORECASE,
)
_OTHER_NUMBER = re.compile(
    r"bestell|order|command|liefer|auftrag|kunde|client|customer|vertrag|contract", re.IGNORECASE
)
_OTHER_DAY = re.compile(
    r"(?:expir|valid|due|fällig|echeance|échéance|\bbis\b|until|birth|member|best before|version|stand|skonto|liefer|deliver|bestell|order|©)"
    r"[^\d\n]{0,25}$",
    re.IGNORECASE,
)
_OF_BUYER = re.compile(r"käufer|kunde|customer|buyer|client|debtor|payer|acheteur", re.IGNORECASE)
_CLOCK = re.compile(r"\W{0,6}(?:\d{1,2}:\d{2}|time)", re.IGNORECASE)


def weigh(
    name: Field, page: Page, scope: Scope, found: list[Candidate], index: Index
) -> list[Candidate]:
    """The candidates of a field: the labelled ones rated anew, and those found by form or meaning."""
    if name.kind == "longtext":
        return longtext.read_long(name, page, scope) or found
    if name.party:
        return parties.weigh(name, page, scope, found)
    if name.concept in amounts.SUMS:
        return amounts.weigh(name, page, scope, found, index)
    if name.concept in papers.CONCEPTS:
        return papers.weigh(name, page, scope, found)
    if name.kind in {"date", "datetime"}:
        return _dates(name, page, scope, found)
    return _others(name, page, scope, found)


def _dates(name: Field, page: Page, scope: Scope, found: list[Candidate]) -> list[Candidate]:
    known = [*found, *_spoken(name, page, scope)]
    if name.concept == "publication_date":
        return [*known, *_stamped(name, page), *_own_line(name, page, scope)]
    if name.concept in _ISSUED:
        return [*known, *_dated_title(name, page, scope), *_only_day(name, page, scope, known)]
    return known


def _others(name: Field, page: Page, scope: Scope, found: list[Candidate]) -> list[Candidate]:
    if name.concept == "case_name":
        return _captions(name, found)
    if name.concept == "invoice_number":
        return [*found, *_invoice_title(name, page, scope)]
    if name.concept == "currency":
        return [*found, *_currency(name, page, scope)]
    if name.concept == "address" and not scope.start and not found:
        shop = storefront.read_storefront(page).address
        return [shop] if shop else []
    if name.kind == "enum" and not found:
        return _only_choice(name, page, scope)
    if name.kind in _DISTINCT_KINDS:
        return [*found, *_distinct(name, page, scope)]
    return found


def candidate(name: Field, reading: Reading | None, page: Page, score: float) -> list[Candidate]:
    """A reading as a candidate, when the schema accepts it."""
    written = render(name, reading, page) if reading is not None else None
    return [] if written is None else [Candidate(written[0], (written[1],), score)]


def _distinct(name: Field, page: Page, scope: Scope) -> list[Candidate]:
    reading = read(name.kind, page, scope.start, scope.end, name=name)
    if reading is None or reading.rivals:
        return []
    begin = page.text.rfind("\n", 0, reading.start) + 1
    if _OF_BUYER.search(page.text[max(begin, reading.start - 60) : reading.start]):
        return []
    return candidate(name, reading, page, _DISTINCT_KINDS[name.kind])


def _dated_title(name: Field, page: Page, scope: Scope) -> list[Candidate]:
    """The date after the number of the document: "Rechnung Nr. 4711 vom 05.03.2018"."""
    by_start = _days(page)
    for match in _DATED_TITLE.finditer(page.text, scope.start, scope.end):
        line = page.text[page.text.rfind("\n", 0, match.start()) + 1 : match.start()]
        day = by_start.get(match.end())
        if day is not None and not _OTHER_NUMBER.search(line):
            return candidate(name, Reading(day, day.start, day.end), page, 0.97)
    return []


def _spoken(name: Field, page: Page, scope: Scope) -> list[Candidate]:
    """Dates right after a label inside a sentence: "... and filed on 8/12/2021"."""
    out: list[Candidate] = []
    for day in page.dates:
        if not scope.holds(day.start, day.end):
            continue
        words = page.text[max(scope.start, day.start - 48) : day.start].split()
        for count in range(min(4, len(words)), 0, -1):
            fit = name.phrases.get(normalise(" ".join(words[-count:])), 0.0)
            if fit and (count > 1 or fit >= 0.9):
                out += candidate(name, Reading(day, day.start, day.end), page, round(fit * 0.9, 4))
                break
    return out


def _stamped(name: Field, page: Page) -> list[Candidate]:
    """The date of an arXiv stamp."""
    day = _days(page).get(papers.stamped(page) or -1)
    return candidate(name, Reading(day, day.start, day.end), page, 0.88) if day else []


def _own_line(name: Field, page: Page, scope: Scope) -> list[Candidate]:
    """A date alone on one of the first lines."""
    for line in page.layout.within(scope.start, scope.end)[:20]:
        start = line.start + len(line.text) - len(line.text.lstrip())
        day = _days(page).get(start)
        if day is not None and day.end == start + len(line.words):
            return candidate(name, Reading(day, day.start, day.end), page, 0.75)
    return []


def _captions(name: Field, found: list[Candidate]) -> list[Candidate]:
    """Names of cases without "et al", which citation style leaves out, unless the schema asks for the printed form."""
    if "printed" in name.hint or "full" in name.hint:
        return found
    return [_without_others(one) for one in found]


def _without_others(one: Candidate) -> Candidate:
    value = re.sub(r",? et al\b\.?", "", str(one.value)).strip()
    if value == one.value or not value:
        return one
    span = one.spans[0]
    if str(one.value).startswith(value):
        return replace(
            one, value=value, spans=(Span(span.start, span.start + len(value), "exact"),)
        )
    return replace(one, value=value, spans=(Span(span.start, span.end, "normalised"),))


def _days(page: Page) -> dict[int, PrintedDate]:
    if "days" not in page.memo:
        page.memo["days"] = {day.start: day for day in page.dates}
    days: dict[int, PrintedDate] = page.memo["days"]
    return days


def _only_day(name: Field, page: Page, scope: Scope, found: list[Candidate]) -> list[Candidate]:
    """Without a label: the day of a document that names one day, or one day with the time beside it."""
    if any(labelled.score >= 0.8 for labelled in found):
        return []
    days = [
        day for day in page.dates if scope.holds(day.start, day.end) and not _other_day(page, day)
    ]
    timed = [day for day in days if _CLOCK.match(page.text, day.end) or _time_before(page, day)]
    for group, score in ((timed, 0.85), (days, 0.8)):
        if group and len({day.value for day in group}) == 1:
            return candidate(name, Reading(group[0], group[0].start, group[0].end), page, score)
    return []


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


def _invoice_title(name: Field, page: Page, scope: Scope) -> list[Candidate]:
    for match in _INVOICE_TITLE.finditer(page.text, scope.start, scope.end):
        value = match["id"].rstrip(".,;/-")
        if any(c.isdigit() for c in value) and not _OTHER_NUMBER.search(match["gap"]):
            start = match.start("id")
            return candidate(name, Reading(value, start, start + len(value)), page, 0.96)
    return []


def _currency(name: Field, page: Page, scope: Scope) -> list[Candidate]:
    """The one currency that the amounts of a document are in."""
    marks = list(amounts.currencies(page, scope))
    if len({code for code, _, _ in marks}) != 1:
        return []
    code, start, end = marks[0]
    return candidate(name, Reading(code, start, end), page, 0.85)


def _only_choice(name: Field, page: Page, scope: Scope) -> list[Candidate]:
    """An enumeration without a label: the only one of its values that the text names as a word of its own."""
    named: list[tuple[object, re.Match[str]]] = []
    for value in choices(name):
        if isinstance(value, str) and value:
            words = re.escape(value.replace("_", " "))
            match = re.search(
                rf"(?<!\w){words}(?!\w)", page.text[scope.start : scope.end], re.IGNORECASE
            )
            if match is not None:
                named.append((value, match))
    if len(named) != 1 or len(str(named[0][0])) < 3:
        return []
    value, match = named[0]
    return candidate(
        name, Reading(value, scope.start + match.start(), scope.start + match.end()), page, 0.7
    )
