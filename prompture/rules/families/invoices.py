"""Invoices and receipts: their number and date in a title, and which of the printed amounts is the total."""

import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from prompture.rules import data
from prompture.rules.concepts import concept_labels
from prompture.rules.families import DocumentFamily
from prompture.rules.fields import SchemaField
from prompture.rules.forms import SECOND_IDENTIFIER
from prompture.rules.labelled import Index, labelled
from prompture.rules.numbers import amount_of, find_numbers, read_decimal
from prompture.rules.page import FieldCandidate, Page, ParsedValue, TextRange
from prompture.rules.render import candidates_of, render
from prompture.rules.unlabelled import DATE_KINDS, ISSUED, dates, days_by_start

TOTALS = frozenset({"total", "grand_total", "amount_due"})
SUMS = TOTALS | {"net_total", "tax_total"}
_TAX_TABLE = re.compile(data.alternatives("invoices", "tax_tables"), re.IGNORECASE)
_TAX_TABLE_LINES = 6
_FEW_CENTS = re.compile(r"[-+(]?(?:RM ?)?[-+]?(0[.,]0\d)\)?")


_INVOICE_TITLE = re.compile(
    rf"\b(?:{data.alternatives('invoices', 'titles')})"
    r"\b(?P<gap>(?:[^\n\d(]|\([^()\n]{1,40}\)){0,45}?)"
    r"(?:\b(?:nr|no|nummer|number)\b\.?|\bn\.|n°|#)\s?:?\s*(?P<id>[A-Z0-9][\w./-]{0,30})",
    re.IGNORECASE,
)
_OTHER_NUMBER = re.compile(data.alternatives("invoices", "other_numbers"), re.IGNORECASE)
_DATED_TITLE = re.compile(
    r"(?:\bn[ro]?\b|number|nummer|n°|#)\.?\s?:?\s?[\w./-]{2,30}\s+(?:vom|du|dated|of|del|from|issued (?:at|on))\s+",
    re.IGNORECASE,
)


class Invoices(DocumentFamily):
    """The number and the date in a document's title, and its sums."""

    def labels(self, field: SchemaField) -> Iterator[str]:
        """The labels of amounts that confirm a total: what was paid, what came back, what was rounded, net and tax."""
        if field.concept in SUMS:
            for concept in (*SUMS, "cash", "change", "rounding"):
                yield from concept_labels(concept)

    def candidates(
        self,
        field: SchemaField,
        page: Page,
        scope: TextRange,
        found: list[FieldCandidate],
        index: Index,
    ) -> list[FieldCandidate] | None:
        """Sums, the invoice's number, and its date."""
        if field.concept in SUMS:
            return _sums(field, page, scope, found, index)
        if field.kind in DATE_KINDS and field.concept in ISSUED:
            return [*dates(field, page, scope, found), *_dated_title(field, page, scope)]
        if field.concept == "invoice_number" and field.kind not in DATE_KINDS:
            return [*found, *_titled_number(field, page, scope)]
        return None


FAMILY = Invoices()


def _sums(
    field: SchemaField, page: Page, scope: TextRange, found: list[FieldCandidate], index: Index
) -> list[FieldCandidate]:
    """Rate the labelled amounts of a total, net or tax field by what else the document states.

    Amounts in a table of tax rates count less. What cash less change comes to, and net plus tax, confirm a value.
    """
    weighed = [_in_column(_in_summary(candidate, page), page) for candidate in found]
    if field.concept in TOTALS:
        weighed = _by_payment(
            [*weighed, *_rounded(field, weighed, page, scope, index)], page, scope, index
        )
    if field.concept in SUMS - {"total", "amount_due"}:
        weighed = _by_sum(field, weighed, page, scope, index)
    return _by_size(weighed) if field.concept in TOTALS else weighed


def _more(candidate: FieldCandidate, gain: float) -> FieldCandidate:
    return replace(candidate, score=round(candidate.score + gain, 4))


def _in_summary(candidate: FieldCandidate, page: Page) -> FieldCandidate:
    if candidate.label is None:
        return candidate
    lines = page.layout.lines
    # Once for the page: a line may hold the labels of thousands of candidates.
    heads = page.once(
        "tax tables",
        lambda: frozenset(at for at, line in enumerate(lines) if _TAX_TABLE.search(line.text)),
    )
    at = page.layout.line_at(candidate.label[0])
    above = range(at - _TAX_TABLE_LINES, at + 1)
    return candidate if heads.isdisjoint(above) else _more(candidate, -0.2)


def _in_column(candidate: FieldCandidate, page: Page) -> FieldCandidate:
    """An amount under one of several headings is as likely the first row of a list as a sum."""
    if candidate.label is None:
        return candidate
    lines = page.layout.lines
    label, value = (
        page.layout.line_at(candidate.label[0]),
        page.layout.line_at(candidate.spans[0].start),
    )
    return _more(candidate, -0.1) if label != value and len(lines[label].cells) >= 3 else candidate


def _values(concept: str, page: Page, scope: TextRange, index: Index) -> list[Decimal]:
    """The amounts that stand by the labels of a concept, best first."""
    key = ("amounts", concept, scope)
    return page.once(key, lambda: list(_amounts(concept, page, scope, index)))


def _amounts(concept: str, page: Page, scope: TextRange, index: Index) -> dict[Decimal, None]:
    probe = SchemaField(
        name=concept,
        schema={},
        types=frozenset({"number"}),
        nullable=True,
        required=False,
        kind="money",
        concept=concept,
        phrases=concept_labels(concept),
    )
    found = sorted(labelled(probe, index, page, scope), key=lambda candidate: -candidate.score)
    values = [amount_of(candidate.value) for candidate in found if candidate.score > 0.6]
    return dict.fromkeys(value for value in values if value is not None)


def _by_payment(
    found: list[FieldCandidate], page: Page, scope: TextRange, index: Index
) -> list[FieldCandidate]:
    """Cash less change is what was paid."""
    cash, change = _values("cash", page, scope, index), _values("change", page, scope, index)
    paid = {abs(given) - abs(back) for given in cash[:4] for back in change[:3]}
    paid.discard(Decimal(0))  # equal sums are one sum printed twice
    found = [one for one in found if not _is_torn(one, page, paid)]
    if not any(amount_of(candidate.value) in paid for candidate in found):
        return found
    return [
        _more(candidate, 0.05 if amount_of(candidate.value) in paid else -0.08)
        for candidate in found
    ]


def _is_torn(candidate: FieldCandidate, page: Page, paid: set[Decimal]) -> bool:
    """Whether an amount is the end of one that a scan has torn apart, "1 10.00" of 110.00, as what was paid shows."""
    span = candidate.spans[0] if candidate.spans else None
    head = _TORN.search(page.text, max(0, span.start - 8), span.start) if span else None
    size = amount_of(candidate.value)
    if span is None or head is None or size is None or size in paid:
        return False
    return read_decimal(head[1] + page.text[span.start : span.end], mark=page.mark) in paid


_TORN = re.compile(r"(?<![\d.,])(\d{1,3}) $")


def _rounded(
    field: SchemaField, found: list[FieldCandidate], page: Page, scope: TextRange, index: Index
) -> list[FieldCandidate]:
    """A total and its rounding adjustment, when the rounded amount is printed below: that is what was paid."""
    steps = {
        abs(step)
        for step in _values("rounding", page, scope, index)
        if 0 < abs(step) <= Decimal("0.5")  # coins: nothing is rounded by more
    }
    best = max(
        (candidate for candidate in found if amount_of(candidate.value)),
        key=lambda candidate: candidate.score,
        default=None,
    )
    if best is None or not best.spans:
        return []
    steps |= _steps_alone(page, best.spans[0].end)
    if not steps:
        return []
    size = amount_of(best.value) or Decimal(0)
    wanted = {size + step for step in steps} | {size - step for step in steps}
    for number in find_numbers(
        page.text, best.spans[0].end, min(scope.end, best.spans[0].end + 400), mark=page.mark
    ):
        if number.value in wanted and number.decimals >= 2:
            written = render(field, ParsedValue(number.value, number.start, number.end), page)
            return (
                [FieldCandidate(written[0], (written[1],), round(best.score + 0.03, 4))]
                if written
                else []
            )
    return []


def _steps_alone(page: Page, end: int) -> set[Decimal]:
    """Roundings that are printed without their word: an amount of a few cents alone on one of the next lines."""
    at = page.layout.line_at(end)
    below = page.layout.lines[at + 1 : at + 3]
    printed = {
        read_decimal(match[1]) for line in below if (match := _FEW_CENTS.fullmatch(line.words))
    }
    return {step for step in printed if step}


def _by_sum(
    field: SchemaField, found: list[FieldCandidate], page: Page, scope: TextRange, index: Index
) -> list[FieldCandidate]:
    """Net plus tax is gross: an amount that closes the sum is surer."""
    net, tax = _values("net_total", page, scope, index), _values("tax_total", page, scope, index)
    gross = _values("grand_total", page, scope, index)
    triples = {(a, b, a + b) for a in net[:6] for b in tax[:8] if b and a + b in gross}
    place = {"net_total": 0, "tax_total": 1, "grand_total": 2}[field.concept or ""]
    closing = {triple[place] for triple in triples}
    return [
        _more(candidate, 0.05) if amount_of(candidate.value) in closing else candidate
        for candidate in found
    ]


def _by_size(found: list[FieldCandidate]) -> list[FieldCandidate]:
    """Of amounts by equally good labels the largest is the total."""
    sizes = [
        abs(value)
        for value in (amount_of(candidate.value) for candidate in found)
        if value is not None
    ]
    if not sizes:
        return found
    largest = max(sizes)
    return [
        _more(candidate, 0.02) if _size(candidate) == largest else candidate for candidate in found
    ]


def _size(candidate: FieldCandidate) -> Decimal | None:
    value = amount_of(candidate.value)
    return None if value is None else abs(value)


def _titled_number(field: SchemaField, page: Page, scope: TextRange) -> list[FieldCandidate]:
    """The number in the title of the document: "Invoice No. 4711"."""
    for match in _INVOICE_TITLE.finditer(page.text, scope.start, scope.end):
        value = match["id"].rstrip(".,;/-")
        if any(c.isdigit() for c in value) and not _OTHER_NUMBER.search(match["gap"]):
            start = match.start("id")
            if SECOND_IDENTIFIER.match(page.text, start + len(value)):
                return []
            return candidates_of(field, ParsedValue(value, start, start + len(value)), page, 0.96)
    return []


def _dated_title(field: SchemaField, page: Page, scope: TextRange) -> list[FieldCandidate]:
    """The date after the number of the document: "Rechnung Nr. 4711 vom 05.03.2018"."""
    by_start = days_by_start(page)
    for match in _DATED_TITLE.finditer(page.text, scope.start, scope.end):
        line = page.text[page.text.rfind("\n", 0, match.start()) + 1 : match.start()]
        day = by_start.get(match.end())
        if day is not None and not _OTHER_NUMBER.search(line):
            return candidates_of(field, ParsedValue(day, day.start, day.end), page, 0.97)
    return []
