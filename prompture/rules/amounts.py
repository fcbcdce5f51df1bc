"""Sums of money: which of the amounts printed by total-like labels is the one meant."""

import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from prompture.rules.candidates import Index, labelled
from prompture.rules.fields import Field, concept_labels
from prompture.rules.numbers import CURRENCY, currency_code, find_numbers, read_decimal
from prompture.rules.page import Candidate, Page, Scope
from prompture.rules.render import render
from prompture.rules.values import Reading

TOTALS = frozenset({"total", "grand_total", "amount_due"})
SUMS = TOTALS | {"net_total", "tax_total"}
_SUMMARY = re.compile(
    r"\b(?:gst|tax|vat|sst)\s{0,3}(?:/tax)?\s{0,3}(?:summary|analysis|breakdown|code)|steueraufschl|umsatzsteueraufschl|tax\s+rate\s+summary",
    re.IGNORECASE,
)
_SUMMARY_LINES = 6
_FEW_CENTS = re.compile(r"[-+(]?(?:RM ?)?[-+]?(0[.,]0\d)\)?")


def witnesses() -> set[str]:
    """The labels of amounts that confirm a total: what was paid, what came back, what was rounded, net and tax."""
    return {
        label
        for concept in (*sorted(SUMS), "cash", "change", "rounding")
        for label in concept_labels(concept)
    }


def weigh(
    name: Field, page: Page, scope: Scope, found: list[Candidate], index: Index
) -> list[Candidate]:
    """Rate the labelled amounts of a total, net or tax field by what else the document says.

    Amounts in a table of tax rates count less. What cash less change comes to, and net plus tax, confirm a value.
    """
    weighed = [_in_column(_in_summary(candidate, page), page) for candidate in found]
    if name.concept in TOTALS:
        weighed = _by_payment(
            [*weighed, *_rounded(name, weighed, page, scope, index)], page, scope, index
        )
    if name.concept in SUMS - {"total", "amount_due"}:
        weighed = _by_sum(name, weighed, page, scope, index)
    return _by_size(weighed) if name.concept in TOTALS else weighed


def amount(value: object) -> Decimal | None:
    """The amount of a candidate's value, however the schema wanted it written."""
    if isinstance(value, str):
        match = re.search(r"[\d.,'’]+", value)
        return (
            read_decimal(match.group())
            if match and any(c.isdigit() for c in match.group())
            else None
        )
    return Decimal(str(value)) if isinstance(value, int | float) else None


def _more(candidate: Candidate, gain: float) -> Candidate:
    return replace(candidate, score=round(candidate.score + gain, 4))


def _in_summary(candidate: Candidate, page: Page) -> Candidate:
    if candidate.label is None:
        return candidate
    at = page.layout.line_at(candidate.label[0])
    above = page.layout.lines[max(0, at - _SUMMARY_LINES) : at + 1]
    return (
        _more(candidate, -0.2) if any(_SUMMARY.search(line.text) for line in above) else candidate
    )


def _in_column(candidate: Candidate, page: Page) -> Candidate:
    """An amount under one of several headings is as likely the first row of a list as a sum."""
    if candidate.label is None:
        return candidate
    lines = page.layout.lines
    label, value = (
        page.layout.line_at(candidate.label[0]),
        page.layout.line_at(candidate.spans[0].start),
    )
    return _more(candidate, -0.1) if label != value and len(lines[label].cells) >= 3 else candidate


def _values(concept: str, page: Page, scope: Scope, index: Index) -> list[Decimal]:
    """The amounts that stand by the labels of a concept, best first."""
    key = f"amounts:{concept}:{scope.start}:{scope.end}"
    if key not in page.memo:
        probe = Field(
            concept,
            {},
            frozenset({"number"}),
            True,
            False,
            "money",
            concept=concept,
            phrases=concept_labels(concept),
        )
        found = sorted(labelled(probe, index, page, scope), key=lambda candidate: -candidate.score)
        values = [amount(candidate.value) for candidate in found if candidate.score > 0.6]
        page.memo[key] = [value for value in dict.fromkeys(values) if value is not None]
    listed: list[Decimal] = page.memo[key]
    return listed


def _by_payment(found: list[Candidate], page: Page, scope: Scope, index: Index) -> list[Candidate]:
    """Cash handed over less change is what was paid."""
    cash, change = _values("cash", page, scope, index), _values("change", page, scope, index)
    paid = {abs(given) - abs(back) for given in cash[:4] for back in change[:3]}
    paid.discard(Decimal(0))
    if not any(amount(candidate.value) in paid for candidate in found):
        return found
    return [
        _more(candidate, 0.05 if amount(candidate.value) in paid else -0.08) for candidate in found
    ]


def _rounded(
    name: Field, found: list[Candidate], page: Page, scope: Scope, index: Index
) -> list[Candidate]:
    """A total and its rounding adjustment, when the rounded amount is printed below: that is what was paid."""
    steps = {
        abs(step)
        for step in _values("rounding", page, scope, index)
        if 0 < abs(step) <= Decimal("0.5")
    }
    best = max(
        (candidate for candidate in found if amount(candidate.value)),
        key=lambda candidate: candidate.score,
        default=None,
    )
    if best is None or not best.spans:
        return []
    steps |= _steps_alone(page, best.spans[0].end)
    if not steps:
        return []
    size = amount(best.value) or Decimal(0)
    wanted = {size + step for step in steps} | {size - step for step in steps}
    for number in find_numbers(
        page.text, best.spans[0].end, min(scope.end, best.spans[0].end + 400), mark=page.mark
    ):
        if number.value in wanted and number.decimals >= 2:
            written = render(name, Reading(number.value, number.start, number.end), page)
            return (
                [Candidate(written[0], (written[1],), round(best.score + 0.03, 4))]
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
    name: Field, found: list[Candidate], page: Page, scope: Scope, index: Index
) -> list[Candidate]:
    """Net plus tax is gross: an amount that closes the sum is surer."""
    net, tax = _values("net_total", page, scope, index), _values("tax_total", page, scope, index)
    gross = _values("grand_total", page, scope, index)
    triples = {(a, b, a + b) for a in net[:6] for b in tax[:8] if b and a + b in gross}
    place = {"net_total": 0, "tax_total": 1, "grand_total": 2}[name.concept or ""]
    closing = {triple[place] for triple in triples}
    return [
        _more(candidate, 0.05) if amount(candidate.value) in closing else candidate
        for candidate in found
    ]


def _by_size(found: list[Candidate]) -> list[Candidate]:
    """Of amounts by equally good labels the largest is the total."""
    sizes = [
        abs(value)
        for value in (amount(candidate.value) for candidate in found)
        if value is not None
    ]
    if not sizes:
        return found
    largest = max(sizes)
    return [
        _more(candidate, 0.02) if _size(candidate) == largest else candidate for candidate in found
    ]


def _size(candidate: Candidate) -> Decimal | None:
    value = amount(candidate.value)
    return None if value is None else abs(value)


def currencies(page: Page, scope: Scope) -> Iterator[tuple[str, int, int]]:
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
