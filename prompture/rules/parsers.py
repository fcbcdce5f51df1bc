"""Typed readers: what a kind of value looks like at the start of a piece of text, and how it is written as JSON."""

import re
from collections.abc import Callable
from typing import Any

from prompture.errors import MissingExtra
from prompture.rules import forms
from prompture.rules.cells import stripped
from prompture.rules.concepts import best_choice
from prompture.rules.dates import find_dates
from prompture.rules.days import read_date, read_datetime, read_time
from prompture.rules.fields import SchemaField
from prompture.rules.numbers import (
    CURRENCY,
    Numeral,
    currency_code,
    find_numbers,
    is_currency,
    is_priced,
    read_decimal,
    scaled,
)
from prompture.rules.page import Page, ParsedValue

LONGEST_TEXT = 300
_UNIT_MARKS = frozenset("%‰°€$£¥")
_GROUPS = re.compile(
    r"\s*(?P<before>[^\s\d+,.-]{1,4})?\s?(?P<sign>[-−–]?)(?P<body>\d{1,3}(?: \d{3})+(?:[.,]\d{1,2})?)\s?(?P<after>[^\s\d,.]{1,4})?\.?\s*"
)
# "EUR 126, 68": a scan has put a blank behind the decimal mark.
_SPACED_CENTS = re.compile(
    r"\s*(?P<before>[^\s\d+,.-]{1,4})?\s?(?P<body>\d{1,6}(?P<mark>[.,]) \d{2})\s?(?P<after>[^\s\d,.]{1,4})?\s*"
)
_THREE_DECIMALS = re.compile(r"\D*[1-9]\d{0,2}\.\d{3}\D*")
_PERCENT = re.compile(r" ?%")
_EMPHASIS = re.compile(
    r"\*{1,3}\s+(?P<rest>[^*].*)|(?P<marks>\*{1,3}|__)(?P<inner>[^*_]+)(?P=marks)"
)


def read(
    kind: str, page: Page, start: int, end: int, *, field: SchemaField | None = None
) -> ParsedValue | None:
    """Read a value of a kind from `[start, end)` of the page's text; None when there is none."""
    if kind == "enum" and field is not None:
        return _enum(field, page, start, end)
    if kind == "case" and field is not None and field.as_printed:
        return _match(forms.CASE)(page, start, end) or _identifier(page, start, end)
    reader = _READERS.get(kind, _text)
    return reader(page, start, end)


def _match(
    pattern: re.Pattern[str], convert: Callable[[str], Any] = str
) -> Callable[[Page, int, int], ParsedValue | None]:
    def reader(page: Page, start: int, end: int) -> ParsedValue | None:
        found = list(_first(pattern, page.text, start, end))
        if not found:
            return None
        values = {convert(match.group()) for match in found}
        first = found[0]
        value = convert(first.group())
        if value is None:
            return None
        return ParsedValue(value, first.start(), first.end(), len(values) - 1)

    return reader


def _first(pattern: re.Pattern[str], text: str, start: int, end: int) -> list[re.Match[str]]:
    found = []
    for match in pattern.finditer(text, start, end):
        found.append(match)
        if len(found) == 4:  # enough to know that it is not alone
            break
    return found


def _text(page: Page, start: int, end: int) -> ParsedValue | None:
    piece = page.text[start:end]
    trimmed = piece.strip().rstrip(";|,").strip(" \t:")
    if not trimmed or len(trimmed) > LONGEST_TEXT:
        return None
    # "%" and "€" are units; other marks are no words.
    if trimmed not in _UNIT_MARKS and not any(c.isalnum() for c in trimmed):
        return None
    if trimmed.casefold().rstrip(".") in forms.ABSENT:
        return None
    # **Name:** Ann and **Name**: **Ann**
    if emphasis := _EMPHASIS.fullmatch(trimmed):
        trimmed = emphasis["inner"] or emphasis["rest"]
    begin = start + piece.index(trimmed)
    # A cell with quotes or bars of its own, which a written table marks.
    value = page.layout.words_of(begin, begin + len(trimmed)) or trimmed
    return ParsedValue(value, begin, begin + len(trimmed))


def _mail_name(page: Page, start: int, end: int) -> ParsedValue | None:
    """The one name of a line of a mail's head, before its address: "Ann Lee <ann@example.com>"."""
    match = forms.MAIL_NAME.fullmatch(page.text, start, end)
    if match is None:
        return None
    start, end = stripped(page.text, *match.span("quoted" if match["quoted"] else "plain"))
    return ParsedValue(page.text[start:end], start, end) if start < end else None


def _identifier(page: Page, start: int, end: int) -> ParsedValue | None:
    match = forms.IDENTIFIER.match(page.text, start, end)
    if match is None or not any(c.isdigit() for c in match["id"]):
        return None
    value = match["id"].rstrip(".,;")
    if next(find_dates(value), None) is not None:  # "Date 05.03.2018" below "No."
        return None
    stop = match.start("id") + len(value)
    # Of two numbers, "INV-1, INV-2", neither is the one; of one cut in two, "US-2024 / 55", no part is.
    if forms.SECOND_IDENTIFIER.match(page.text, stop, end):
        return None
    return ParsedValue(value, match.start("id"), stop)


def _case(page: Page, start: int, end: int) -> ParsedValue | None:
    """A docket number; in US federal courts without the initials of the judges, which are no part of it."""
    match = forms.CASE.search(page.text, start, end)
    if match is None:
        return _identifier(page, start, end)
    return ParsedValue(match["core"], match.start("core"), match.end("core"))


def _in_groups(page: Page, start: int, end: int) -> ParsedValue | None:
    """A number in groups parted by spaces, "1 234,56", where it is all that stands in the window."""
    match = _GROUPS.fullmatch(page.text, start, end)
    value = read_decimal(match["body"], mark=page.mark) if match else None
    if match is None or value is None:
        return None
    if any(match[side] and not is_currency(match[side]) for side in ("before", "after")):
        return None
    return ParsedValue(-value if match["sign"] else value, match.start("sign"), match.end("body"))


def _spaced_cents(page: Page, start: int, end: int) -> ParsedValue | None:
    """An amount with a blank behind the mark that the document's other amounts have, where no list can be meant."""
    match = _SPACED_CENTS.fullmatch(page.text, start, end)
    if match is None or match["mark"] != page.mark:
        return None
    sides = [match[side] for side in ("before", "after") if match[side]]
    if not all(map(is_currency, sides)) or (match["mark"] == "," and not sides):
        return None
    value = read_decimal(match["body"].replace(" ", ""), mark=page.mark)
    return ParsedValue(value, *match.span("body")) if value is not None else None


def _number(page: Page, start: int, end: int) -> ParsedValue | None:
    if grouped := _in_groups(page, start, end):
        return grouped
    found = list(find_numbers(page.text, start, min(end, start + 200), mark=page.mark))
    first = scaled(page.text, found[0], end) if found else None
    # A whole number in brackets may be a loss or a count: "Reviews (1,234)".
    if first is None or (page.text[first.start] == "(" and not first.decimals):
        return None
    return ParsedValue(first.value, first.start, first.end, len({n.value for n in found}) - 1)


def _money(page: Page, start: int, end: int) -> ParsedValue | None:
    """An amount: a number with decimals or a currency mark beside it, percentages and dates left out."""
    if grouped := _in_groups(page, start, end) or _spaced_cents(page, start, end):
        return grouped
    text = page.text
    stop = min(end, start + 200)
    days = [(day.start, day.end) for day in find_dates(text, start, stop)]
    found = [
        number
        for number in find_numbers(text, start, stop, mark=page.mark)
        if not re.match(r" ?[%:]", text[number.end : number.end + 2])
        and not any(s <= number.start < e for s, e in days)
        and not _coded(text, number, start)
    ]
    # Beside an amount with cents, or with a currency mark, a whole number is a count or a code.
    amounts = (
        [number for number in found if number.decimals >= 2]
        or [number for number in found if is_priced(text, number.start, number.end)]
        or found
    )
    if not amounts:
        return _price(page, start, end)
    first = scaled(text, amounts[0], end)
    # Nothing shows whether 1.234 are a thousand or one.
    unclear = page.mark is None and _THREE_DECIMALS.fullmatch(
        text, amounts[0].start, amounts[0].end
    )
    if first is None or (unclear and first.value == amounts[0].value):
        return None
    return ParsedValue(first.value, first.start, first.end, len({n.value for n in amounts}) - 1)


def _coded(text: str, number: Numeral, start: int) -> bool:
    """Whether a number is part of a code: letters that are no currency before it, or eight digits in a row."""
    printed = text[number.start : number.end]
    if len(printed) >= 8 and printed.lstrip("-−–+ ").isdigit():
        return True
    before = re.search(r"[A-Za-z]{1,4}$", text[max(start, number.start - 4) : number.start])
    return before is not None and CURRENCY.fullmatch(before.group()) is None


def _price(page: Page, start: int, end: int) -> ParsedValue | None:
    """What price-parser reads from a short window, for forms such as "12€50"."""
    window = page.text[start:end]
    if len(window) > 40 or not any(c.isdigit() for c in window) or not CURRENCY.search(window):
        return None
    try:
        from price_parser import Price
    except ImportError as missing:
        raise MissingExtra(extra="local", package="price-parser") from missing
    price = Price.fromstring(window)
    if price.amount is None or not price.amount_text or price.amount_text not in window:
        return None
    begin = start + window.index(price.amount_text)
    return ParsedValue(price.amount, begin, begin + len(price.amount_text))


def _percent(page: Page, start: int, end: int) -> ParsedValue | None:
    """The number before a percent sign; without a sign, any number."""
    numbers = find_numbers(page.text, start, min(end, start + 200), mark=page.mark)
    shares = [n for n in numbers if _PERCENT.match(page.text, n.end, end)]
    if not shares:
        return _number(page, start, end)
    first = shares[0]
    return ParsedValue(first.value, first.start, first.end, len({n.value for n in shares}) - 1)


def _uri(page: Page, start: int, end: int) -> ParsedValue | None:
    return _match(forms.URI, lambda text: text.rstrip(".,;:"))(page, start, end) or _match(
        forms.BARE_HOST
    )(page, start, end)


def _phone(page: Page, start: int, end: int) -> ParsedValue | None:
    """A telephone number as printed; phonenumbers decides where it ends when it can be placed in a country."""
    try:
        import phonenumbers
    except ImportError as missing:
        raise MissingExtra(extra="local", package="phonenumbers") from missing
    window = page.text[start : min(end, start + 80)]
    region = page.region.upper() if page.region else None
    for match in phonenumbers.PhoneNumberMatcher(
        window, region, leniency=phonenumbers.Leniency.POSSIBLE
    ):
        if next(find_dates(match.raw_string), None) is None:
            return ParsedValue(match.raw_string, start + match.start, start + match.end)
    printed = forms.PHONE.search(window)
    # E.164 has at most 15 digits; fewer than 7 are an extension or a code.
    if printed is None or not 7 <= sum(c.isdigit() for c in printed.group()) <= 15:
        return None
    if next(find_dates(printed.group()), None) is not None:  # 2024-05-06 has eight digits, too
        return None
    return ParsedValue(printed.group(), start + printed.start(), start + printed.end())


def _currency(page: Page, start: int, end: int) -> ParsedValue | None:
    match = CURRENCY.search(page.text, start, end)
    if match is None:
        return None
    return ParsedValue(currency_code(match.group()), match.start(), match.end())


def _boolean(page: Page, start: int, end: int) -> ParsedValue | None:
    """A yes or no that is all that stands there, an aside behind it excepted; or what the one ticked box says."""
    boxes = list(forms.BOX.finditer(page.text, start, end))
    if boxes and not page.text[start : boxes[0].start()].strip():
        return _ticked(boxes, page.text[boxes[-1].end() : end])
    match = forms.ANSWER.match(page.text, start, end)
    truth = _truth(match["word"]) if match else None
    return None if truth is None or match is None else ParsedValue(truth, *match.span("word"))


def _ticked(boxes: list[re.Match[str]], rest: str) -> ParsedValue | None:
    """What the boxes of a question say: "[x] yes [ ] no", or one box alone."""
    if len(boxes) == 1 and not boxes[0]["word"] and not rest.strip():
        mark = boxes[0]["box"].casefold().replace(" ", "")
        return ParsedValue(mark in forms.TRUE, *boxes[0].span("box"))
    ticked = [box for box in boxes if box["box"].casefold().replace(" ", "") in forms.TRUE]
    # No box is ticked, or two are: nothing is answered.
    truth = _truth(ticked[0]["word"] or "") if len(ticked) == 1 else None
    return None if truth is None else ParsedValue(truth, *ticked[0].span())


def _truth(word: str) -> bool | None:
    folded = word.casefold()
    return True if folded in forms.TRUE else False if folded in forms.FALSE else None


def _iban(page: Page, start: int, end: int) -> ParsedValue | None:
    """An account number whose check digits are right; beside a label also one whose are not: so it is printed."""
    for match in forms.IBAN.finditer(page.text, start, end):
        value = match.group().replace(" ", "")
        # The pattern may run on into the next word; the country's length ends the number.
        length = forms.IBAN_LENGTHS.get(value[:2], len(value))
        if forms.valid_iban(value[:length]):
            return ParsedValue(
                value[:length], match.start(), match.start() + _printed(match.group(), length)
            )
    window = page.text[start:end]
    sole = forms.IBAN.fullmatch(window.strip()) if len(window) <= 60 else None
    if sole is None:
        return None
    begin = start + window.index(sole.group())
    return ParsedValue(sole.group().replace(" ", ""), begin, begin + len(sole.group()))


def _printed(text: str, length: int) -> int:
    """How many printed characters hold the first `length` that are not spaces."""
    count = 0
    for index, letter in enumerate(text):
        count += letter != " "
        if count == length:
            return index + 1
    return len(text)


def _duration(page: Page, start: int, end: int) -> ParsedValue | None:
    # "PT" alone fits the pattern and is no duration.
    iso = next(
        (m for m in forms.ISO_DURATION.finditer(page.text, start, end) if len(m.group()) > 2), None
    )
    if iso is not None:
        return ParsedValue(iso.group(), iso.start(), iso.end())
    parts = _first(forms.DURATION, page.text, start, end)
    if not parts:
        return None
    first = parts[0]
    return ParsedValue((int(first[1]), first[2]), first.start(), first.end(), len(parts) - 1)


def _court(page: Page, start: int, end: int) -> ParsedValue | None:
    found = {
        match[1].lower(): match
        for match in forms.COURT.finditer(page.text, start, end)
        # Hosts of the courts' common services.
        if match[1].lower() not in {"www", "ecf", "pacer"}
    }
    if len(found) != 1:  # of two courts nothing tells which is meant
        return None
    value, match = next(iter(found.items()))
    return ParsedValue(value, match.start(1), match.end(1))


def _enum(field: SchemaField, page: Page, start: int, end: int) -> ParsedValue | None:
    piece = page.text[start : min(end, start + 120)]
    best = best_choice(piece, field.choices)
    if best is None:
        return None
    begin = start + len(piece) - len(piece.lstrip())
    return ParsedValue(best, begin, begin + len(piece.strip()))


_READERS: dict[str, Callable[[Page, int, int], ParsedValue | None]] = {
    "text": _text,
    "title": _text,
    "keywords": _text,
    "address": _text,
    "longtext": _text,
    "identifier": _identifier,
    "postcode": _match(forms.POSTCODE),
    "case": _case,
    "date": read_date,
    "datetime": read_datetime,
    "time": read_time,
    "number": _number,
    "integer": _number,
    "money": _money,
    "percent": _percent,
    "email": _match(forms.EMAIL),
    "mail_name": _mail_name,
    "uri": _uri,
    "phone": _phone,
    "currency": _currency,
    "boolean": _boolean,
    "iban": _iban,
    "bic": _match(forms.BIC),
    "vat_id": _match(forms.VAT),
    "doi": _match(forms.DOI, lambda text: text.rstrip(".,;:)")),
    "arxiv": _match(forms.ARXIV),
    "uuid": _match(forms.UUID),
    "duration": _duration,
    "court_id": _court,
}
