"""Typed readers: what a kind of value looks like at the start of a piece of text, and how it is written as JSON."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from prompture.errors import MissingExtra
from prompture.rules.dates import find_dates, find_times, parse_rest, settle
from prompture.rules.fields import Field
from prompture.rules.labels import normalise
from prompture.rules.numbers import CURRENCY, currency_code, find_numbers
from prompture.rules.page import Page

LONGEST_TEXT = 300
# Of the registry of ISO 13616; other countries are taken at the length printed.
IBAN_LENGTHS = {
    **dict.fromkeys(("NO",), 15), **dict.fromkeys(("BE",), 16), **dict.fromkeys(("DK", "FI", "NL"), 18), **dict.fromkeys(("SI",), 19),
    **dict.fromkeys(("AT", "LU", "LT", "EE"), 20), **dict.fromkeys(("CH", "HR", "LI", "LV"), 21), **dict.fromkeys(("DE", "GB", "IE", "BG"), 22),
    **dict.fromkeys(("ES", "SE", "CZ", "SK", "RO"), 24), **dict.fromkeys(("PT",), 25), **dict.fromkeys(("FR", "IT", "GR", "SM"), 27),
    **dict.fromkeys(("PL", "HU"), 28),
}  # fmt: skip

_IDENTIFIER = re.compile(
    r"[\s:#.№*\[(-]*(?P<id>(?:[A-Z]{1,4} (?=\d))?[^\W_](?:[\w./#&*–-]*[\w*])?)"
)
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}(?<![.-])")
_URI = re.compile(r"(?:https?://|www\.)[^\s<>\"'|)\]]{3,500}", re.IGNORECASE)
_BARE_HOST = re.compile(
    r"(?<![@\w.-])(?:[\w-]{1,63}\.){1,4}(?:com|org|net|de|fr|uk|it|es|eu|my|io|ch|at|nl|edu|gov|info)(?:/[^\s|]{0,300})?\b"
)
_PHONE = re.compile(r"\+?\(?\d[\d \u00a0()./-]{5,22}\d")
_UUID = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{2,4}){3,8}(?: ?[A-Z0-9]{1,3})?\b")
_BIC = re.compile(r"\b[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?\b")
_VAT = re.compile(
    r"\b(?:ATU ?\d{8}|BE ?[01]?\d{9}|CHE[- ]?\d{3}[. ]?\d{3}[. ]?\d{3}|DE ?\d{9}|DE ?\d{3} ?\d{3} ?\d{3}|DK ?\d{8}|EL ?\d{9}|ES ?[A-Z0-9]\d{7}[A-Z0-9]"
    r"|FI ?\d{8}|FR ?[A-Z0-9]{2} ?\d{3} ?\d{3} ?\d{3}|GB ?\d{9}|GB ?\d{3} \d{4} \d{2}|HU ?\d{8}|IE ?\d[A-Z0-9]\d{5}[A-Z]{1,2}|IT ?\d{11}"
    r"|LU ?\d{8}|NL ?\d{9}B\d{2}|PL ?\d{10}|PT ?\d{9}|RO ?\d{2,10}|SE ?\d{12}|SI ?\d{8}|SK ?\d{10}|CZ ?\d{8,10}|BG ?\d{9,10}|HR ?\d{11})\b"
)
_DOI = re.compile(r"\b10\.\d{4,9}/[^\s\"<>,;|]{2,100}")
_ARXIV = re.compile(r"\b(?:\d{4}\.\d{4,5}|[a-z-]{2,12}/\d{7})(?:v\d+)?\b")
_POSTCODE = re.compile(
    r"\b(?:\d{4,6}(?:-\d{3,4})?|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|[A-Z]\d[A-Z] ?\d[A-Z]\d|\d{4} ?[A-Z]{2})\b"
)
_COURT = re.compile(r"\b(?:ecf\.)?([a-z]{2,5}\d{0,2})\.uscourts\.gov\b", re.IGNORECASE)
_CASE = re.compile(
    r"(?<![\w-])(?P<core>\d{1,2}:\d{2}-[a-z]{2,4}-\d{3,6})(?P<judges>(?:-[A-Z]{2,5}){0,3})",
    re.IGNORECASE,
)
_PERCENT = re.compile(r"(\d{1,3}(?:[.,]\d{1,3})?) ?%")
_DURATION = re.compile(
    r"\b(\d{1,4}) ?(years?|months?|weeks?|days?|hours?|hrs?|minutes?|mins?|seconds?|secs?|h|m|s|Jahre?|Monate?|Tage?|jours?|mois|ans?)\b",
    re.IGNORECASE,
)
_ISO_DURATION = re.compile(
    r"\bP(?=[\dT])(?:\d+Y)?(?:\d+M)?(?:\d+W)?(?:\d+D)?(?:T(?:\d+H)?(?:\d+M)?(?:\d+S)?)?\b"
)
_TRUE = frozenset(
    [
        "yes",
        "y",
        "true",
        "ja",
        "oui",
        "si",
        "x",
        "paid",
        "on",
        "1",
        "ok",
        "vrai",
        "wahr",
        "sì",
        "checked",
        "☑",
        "✓",
        "✔",
        "☒",
        "[x]",
    ]
)
_FALSE = frozenset(
    [
        "no",
        "n",
        "false",
        "nein",
        "non",
        "off",
        "0",
        "none",
        "faux",
        "falsch",
        "unpaid",
        "unchecked",
        "☐",
        "[]",
        "□",
    ]
)
_BOOLEAN = re.compile(r"\s*(☑|☒|✓|✔|☐|□|\[[ xX]?\]|[^\W_]+)")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader found: a Python value, its place in the whole text, and how many other values stood beside it."""

    value: Any
    start: int
    end: int
    rivals: int = 0


def read(
    kind: str, page: Page, start: int, end: int, *, name: Field | None = None
) -> Reading | None:
    """Read a value of a kind from `[start, end)` of the page's text; None when there is none."""
    if kind == "enum" and name is not None:
        return _enum(name, page, start, end)
    reader = _READERS.get(kind, _text)
    return reader(page, start, end)


def _match(
    pattern: re.Pattern[str], convert: Callable[[str], Any] = str
) -> Callable[[Page, int, int], Reading | None]:
    def reader(page: Page, start: int, end: int) -> Reading | None:
        found = list(_first(pattern, page.text, start, end))
        if not found:
            return None
        values = {convert(match.group()) for match in found}
        first = found[0]
        value = convert(first.group())
        if value is None:
            return None
        return Reading(value, first.start(), first.end(), len(values) - 1)

    return reader


def _first(pattern: re.Pattern[str], text: str, start: int, end: int) -> list[re.Match[str]]:
    found = []
    for match in pattern.finditer(text, start, end):
        found.append(match)
        if len(found) == 4:
            break
    return found


def _text(page: Page, start: int, end: int) -> Reading | None:
    piece = page.text[start:end]
    trimmed = piece.strip().rstrip(";|").strip(" \t:")
    if not trimmed or len(trimmed) > LONGEST_TEXT or not any(c.isalnum() for c in trimmed):
        return None
    begin = start + piece.index(trimmed)
    return Reading(trimmed, begin, begin + len(trimmed))


def _identifier(page: Page, start: int, end: int) -> Reading | None:
    match = _IDENTIFIER.match(page.text, start, end)
    if match is None or not any(c.isdigit() for c in match["id"]):
        return None
    value = match["id"].rstrip(".,;")
    if next(find_dates(value), None) is not None:
        return None
    return Reading(value, match.start("id"), match.start("id") + len(value))


def _case(page: Page, start: int, end: int) -> Reading | None:
    """A docket number; in US federal courts without the initials of the judges, which are no part of it."""
    match = _CASE.search(page.text, start, end)
    if match is None:
        return _identifier(page, start, end)
    return Reading(match["core"], match.start("core"), match.end("core"))


def _postcode(page: Page, start: int, end: int) -> Reading | None:
    return _match(_POSTCODE)(page, start, end)


def _date(page: Page, start: int, end: int) -> Reading | None:
    found = [printed for printed in find_dates(page.text, start, min(end, start + 400))]
    if not found:
        rest = parse_rest(page.text[start:end])
        piece = page.text[start:end]
        begin = start + len(piece) - len(piece.lstrip())
        return Reading(rest, begin, begin + len(piece.strip())) if rest else None
    first = found[0]
    return Reading(first, first.start, first.end, len({other.value for other in found}) - 1)


def _datetime(page: Page, start: int, end: int) -> Reading | None:
    day = _date(page, start, end)
    if day is None:
        return None
    value = settle(day.value, page.day_first) if not isinstance(day.value, date) else day.value
    if value is None:
        return None
    clock = next(find_times(page.text, day.end, min(end, day.end + 24)), None)
    moment = datetime.combine(value, clock.value if clock else time())
    return Reading(moment, day.start, clock.end if clock else day.end, day.rivals)


def _time(page: Page, start: int, end: int) -> Reading | None:
    found = next(find_times(page.text, start, end), None)
    return Reading(found.value, found.start, found.end) if found else None


def _number(page: Page, start: int, end: int) -> Reading | None:
    found = list(find_numbers(page.text, start, min(end, start + 200), mark=page.mark))
    if not found:
        return None
    first = found[0]
    return Reading(first.value, first.start, first.end, len({n.value for n in found}) - 1)


def _money(page: Page, start: int, end: int) -> Reading | None:
    """An amount: a number with decimals or a currency mark beside it, percentages and dates left out."""
    text = page.text
    stop = min(end, start + 200)
    days = [(day.start, day.end) for day in find_dates(text, start, stop)]
    found = [
        number
        for number in find_numbers(text, start, stop, mark=page.mark)
        if not re.match(r" ?[%:]", text[number.end : number.end + 2])
        and not any(s <= number.start < e for s, e in days)
    ]
    amounts = [number for number in found if number.decimals >= 2] or found
    if not amounts:
        return _price(page, start, end)
    first = amounts[0]
    return Reading(first.value, first.start, first.end, len({n.value for n in amounts}) - 1)


def _price(page: Page, start: int, end: int) -> Reading | None:
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
    return Reading(price.amount, begin, begin + len(price.amount_text))


def _percent(page: Page, start: int, end: int) -> Reading | None:
    match = _PERCENT.search(page.text, start, end)
    if match is None:
        return _number(page, start, end)
    return Reading(Decimal(match[1].replace(",", ".")), match.start(1), match.end(1))


def _email(page: Page, start: int, end: int) -> Reading | None:
    return _match(_EMAIL)(page, start, end)


def _uri(page: Page, start: int, end: int) -> Reading | None:
    return _match(_URI, lambda text: text.rstrip(".,;:"))(page, start, end) or _match(_BARE_HOST)(
        page, start, end
    )


def _phone(page: Page, start: int, end: int) -> Reading | None:
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
        return Reading(match.raw_string, start + match.start, start + match.end)
    printed = _PHONE.search(window)
    if printed is None or not 7 <= sum(c.isdigit() for c in printed.group()) <= 15:
        return None
    return Reading(printed.group(), start + printed.start(), start + printed.end())


def _currency(page: Page, start: int, end: int) -> Reading | None:
    match = CURRENCY.search(page.text, start, end)
    if match is None:
        return None
    return Reading(currency_code(match.group()), match.start(), match.end())


def _boolean(page: Page, start: int, end: int) -> Reading | None:
    match = _BOOLEAN.match(page.text, start, end)
    if match is None:
        return None
    word = match[1].casefold().replace(" ", "")
    if word not in _TRUE and word not in _FALSE:
        return None
    return Reading(word in _TRUE, match.start(1), match.end(1))


def _iban(page: Page, start: int, end: int) -> Reading | None:
    """An account number whose check digits are right; beside a label also one whose are not: so it is printed."""
    for match in _IBAN.finditer(page.text, start, end):
        value = match.group().replace(" ", "")
        length = IBAN_LENGTHS.get(value[:2], len(value))
        if valid_iban(value[:length]):
            return Reading(value[:length], match.start(), match.start() + _printed(match.group(), length))
    window = page.text[start:end]
    sole = _IBAN.fullmatch(window.strip()) if len(window) <= 60 else None
    if sole is None:
        return None
    begin = start + window.index(sole.group())
    return Reading(sole.group().replace(" ", ""), begin, begin + len(sole.group()))


def _printed(text: str, length: int) -> int:
    """How many printed characters hold the first `length` that are not spaces."""
    seen = 0
    for index, letter in enumerate(text):
        seen += letter != " "
        if seen == length:
            return index + 1
    return len(text)


def valid_iban(value: str) -> bool:
    """The check of ISO 13616: letters as numbers, country and check digits last, remainder 1 of 97."""
    if (
        not 15 <= len(value) <= 34
        or not value[:2].isalpha()
        or not value.isascii()
        or not value.isalnum()
    ):
        return False
    return int("".join(str(int(c, 36)) for c in value[4:] + value[:4])) % 97 == 1


def _duration(page: Page, start: int, end: int) -> Reading | None:
    iso = next(
        (m for m in _ISO_DURATION.finditer(page.text, start, end) if len(m.group()) > 2), None
    )
    if iso is not None:
        return Reading(iso.group(), iso.start(), iso.end())
    parts = _first(_DURATION, page.text, start, end)
    if not parts:
        return None
    first = parts[0]
    return Reading((int(first[1]), first[2]), first.start(), first.end(), len(parts) - 1)


def _court(page: Page, start: int, end: int) -> Reading | None:
    found = {
        match[1].lower(): match
        for match in _COURT.finditer(page.text, start, end)
        if match[1].lower() not in {"www", "ecf", "pacer"}
    }
    if len(found) != 1:
        return None
    value, match = next(iter(found.items()))
    return Reading(value, match.start(1), match.end(1))


def _enum(name: Field, page: Page, start: int, end: int) -> Reading | None:
    piece = page.text[start : min(end, start + 120)]
    best = best_choice(piece, choices(name))
    if best is None:
        return None
    begin = start + len(piece) - len(piece.lstrip())
    return Reading(best, begin, begin + len(piece.strip()))


def choices(name: Field) -> list[Any]:
    """The values an enumeration allows."""
    if "const" in name.schema:
        return [name.schema["const"]]
    listed = name.schema.get("enum")
    return [value for value in listed if value is not None] if isinstance(listed, list) else []


def best_choice(printed: str, allowed: list[Any]) -> Any | None:
    """The one allowed value that a printed text names; None when none or several do."""
    words = normalise(printed)
    if not words:
        return None
    equal = [value for value in allowed if normalise(str(value)) == words]
    if len(equal) == 1:
        return equal[0]
    padded = f" {words} "
    inside = [
        value
        for value in allowed
        if normalise(str(value)) and f" {normalise(str(value))} " in padded
    ]
    if len(inside) == 1:
        return inside[0]
    if equal or inside:
        return None
    return _closest(words, allowed)


def _closest(words: str, allowed: list[Any]) -> Any | None:
    try:
        from rapidfuzz import fuzz
    except ImportError as missing:
        raise MissingExtra(extra="local", package="rapidfuzz") from missing
    scored = sorted(
        ((fuzz.ratio(words, normalise(str(value))), index) for index, value in enumerate(allowed)),
        reverse=True,
    )
    if not scored or scored[0][0] < 88 or (len(scored) > 1 and scored[1][0] > scored[0][0] - 5):
        return None
    return allowed[scored[0][1]]


_READERS: dict[str, Callable[[Page, int, int], Reading | None]] = {
    "text": _text,
    "title": _text,
    "keywords": _text,
    "address": _text,
    "longtext": _text,
    "identifier": _identifier,
    "postcode": _postcode,
    "case": _case,
    "date": _date,
    "datetime": _datetime,
    "time": _time,
    "number": _number,
    "integer": _number,
    "money": _money,
    "percent": _percent,
    "email": _email,
    "uri": _uri,
    "phone": _phone,
    "currency": _currency,
    "boolean": _boolean,
    "iban": _iban,
    "bic": _match(_BIC),
    "vat_id": _match(_VAT),
    "doi": _match(_DOI, lambda text: text.rstrip(".,;:)")),
    "arxiv": _match(_ARXIV),
    "uuid": _match(_UUID),
    "duration": _duration,
    "court_id": _court,
}
