"""The printed forms of values that have a form of their own (addresses of mail, accounts, tax numbers), and units."""

import re

from prompture.rules import data
from prompture.rules.numbers import CURRENCY, CURRENCY_CODES, currency_code

IBAN_LENGTHS = {
    country: int(length) for country, length in data.by_word("forms", "iban_lengths").items()
}
# "Lee, Ann" <ann@example.com>
MAIL_NAME = re.compile(
    r"\s*(?:\"(?P<quoted>[^\"<>@\n]{1,80})\"|(?P<plain>[^\"<>@,;\n]{1,80}?))\s*[<(\[][^<>()\[\]\s,;]{1,100}@[^<>()\[\]\s,;]{1,100}[>)\]]\s*"
)
IDENTIFIER = re.compile(
    r"[\s:#.№*\[('\"`-]*(?P<id>(?:[A-Z]{1,4} )?\d{1,6}(?: \d{2,6}){1,5}(?=\s*\Z)"  # INV 2024 001, where nothing follows
    r"|(?:[A-Z]{1,4} (?=\d))?[^\W_](?:[\w./#&*–-]*[\w*])?)"
)
SECOND_IDENTIFIER = re.compile(
    r"\s?(?:[,;/&+]|\b(?:and|und|et|y|e|or|oder|ou)\b)\s?(?:[A-Za-z]{1,4}[ -]?)?\d"
)
EMAIL = re.compile(r"(?<![\w.+-])[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}(?<![.-])")
URI = re.compile(r"(?:https?://|www\.)[^\s<>\"'|)\]]{3,500}", re.IGNORECASE)
_TOP_DOMAINS = "|".join(data.words("forms", "top_domains"))
BARE_HOST = re.compile(
    rf"(?<![@\w.-])(?:[\w-]{{1,63}}\.){{1,4}}(?:{_TOP_DOMAINS})(?:/[^\s|]{{0,300}})?\b"
)
PHONE = re.compile(r"\+?\(?\d[\d \u00a0()./-]{5,22}\d")
UUID = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE)
IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?![A-Za-z0-9])")
BIC = re.compile(r"\b[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?\b")
VAT = re.compile(rf"\b(?:{data.alternatives('forms', 'vat_ids')})\b")
DOI = re.compile(r"\b10\.\d{4,9}/[^\s\"<>,;|]{2,100}")
ARXIV = re.compile(r"\b(?:\d{4}\.\d{4,5}|[a-z-]{2,12}/\d{7})(?:v\d+)?\b")
POSTCODE = re.compile(
    r"\b(?:\d{4,6}(?:-\d{3,4})?|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|[A-Z]\d[A-Z] ?\d[A-Z]\d|\d{4} ?[A-Z]{2})\b"
)
COURT = re.compile(r"\b(?:ecf\.)?([a-z]{2,5}\d{0,2})\.uscourts\.gov\b", re.IGNORECASE)
CASE = re.compile(
    r"(?<![\w-])(?P<core>\d{1,2}:\d{2}-[a-z]{2,4}-\d{3,6})(?P<judges>(?:-[A-Z]{2,5}){0,3})",
    re.IGNORECASE,
)
DURATION = re.compile(
    r"\b(\d{1,4}) ?(years?|months?|weeks?|days?|hours?|hrs?|minutes?|mins?|seconds?|secs?|h|m|s|Jahre?|Monate?|Tage?|jours?|mois|ans?)\b",
    re.IGNORECASE,
)
ISO_DURATION = re.compile(
    r"\bP(?=[\dT])(?:\d+Y)?(?:\d+M)?(?:\d+W)?(?:\d+D)?(?:T(?:\d+H)?(?:\d+M)?(?:\d+S)?)?\b"
)
TRUE = frozenset(data.words("forms", "yes"))
FALSE = frozenset(data.words("forms", "no"))
ABSENT = frozenset(word.rstrip(".") for word in data.words("forms", "absent"))
BOX = re.compile(r"(?P<box>☑|☒|✓|✔|☐|□|\[[ xX]?\])(?:\s?(?P<word>[^\W\d_]+))?")
# An answer and no more: "no (see below)" and "yes, both", but not "no idea", "yes or no", "0.5", "non-stop".
ANSWER = re.compile(r"[\s*_\"']*(?P<word>[^\W_]+)[*_\"']*(?:[.!]?\s*\Z|\s?[,;](?!\d)|\s+[-–—(\[])")


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


_UNITS = data.by_word("forms", "units")
_COUNTED_IN = data.by_word("forms", "counted_in")
# At the end of a name these are other words: the least, an article, one size.
_NO_UNIT_OF_A_NAME = frozenset({"min", "an", "mo", "s", "d", "w", "l"})
_NAME_END = re.compile(r"(?:.*[^A-Za-z]|.*[a-z](?=[A-Z]))?([A-Za-z]+)", re.DOTALL)
_IN_UNIT = re.compile(r"\b(?:in|en) (%|[^\W\d_]+)")
_UNIT_BEHIND = re.compile(r"\s?(°\s?[CF]\b|[^\W\d_]+|[%\"″′'¢])")
_UNIT_OF_LABEL = re.compile(r"(?:\bin\s|[(\[,]\s?)(%|°?[^\W\d_]{1,12})[)\]]?\s*[:：=]?\s*$")


def unit_of(word: str) -> str | None:
    """The unit that a printed word means ("kg" is a kilogram), or the code of its currency."""
    known = _UNITS.get(word.casefold().replace(" ", ""))
    return known or currency_code(word)


def unit_wanted(name: str, description: str) -> str | None:
    """The unit that a field is counted in, by the end of its name, its description ("in kg"), or what it is: an age."""
    found = _NAME_END.fullmatch(name[:200])
    last = found[1].lower() if found else ""
    if last not in _NO_UNIT_OF_A_NAME:
        if last in _UNITS:
            return _UNITS[last]
        if last.upper() in CURRENCY_CODES:
            return last.upper()
    in_words = (unit_of(word) for word in _IN_UNIT.findall(description[:400]))
    return next(filter(None, in_words), None) or _COUNTED_IN.get(last)


def unit_printed(text: str, label: str, start: int, end: int) -> str | None:
    """The unit or the currency beside a number at `[start, end)`; else the one that its label names: "Weight (g)"."""
    mark = CURRENCY.match(text[end : end + 8].lstrip()) or CURRENCY.search(
        text, max(0, start - 5), end
    )
    if mark is not None:
        return currency_code(mark.group())
    behind = _UNIT_BEHIND.match(text, end)
    word = behind[1].casefold().replace(" ", "") if behind else ""
    # One letter behind cents is a tax code: "5.00 S".
    is_code = len(word) == 1 and word.isalpha() and re.search(r"[.,]\d\d$", text[start:end])
    found = None if is_code else _UNITS.get(word)
    if found is None and (named := _UNIT_OF_LABEL.search(label)):
        return unit_of(named[1])
    return found


def is_compound(tail: str) -> bool:
    """Whether a unit and a second number follow a number: the 5 of "5 ft 11 in" is not the length."""
    found = _UNIT_BEHIND.match(tail)
    return (
        found is not None
        and found[1].casefold() in _UNITS
        and re.match(r"\.?,?\s?\d", tail[found.end() :]) is not None
    )
