"""The printed forms of values that have a form of their own: addresses of mail, accounts, tax numbers, docket numbers."""

import re

from prompture.rules import data

IBAN_LENGTHS = {
    country: int(length) for country, length in data.by_word("forms", "iban_lengths").items()
}
IDENTIFIER = re.compile(
    r"[\s:#.№*\[(-]*(?P<id>[A-Z]{1,4}(?: \d{2,6}){2,4}(?=\s*\Z)"  # INV 2024 001, where nothing follows
    r"|(?:[A-Z]{1,4} (?=\d))?[^\W_](?:[\w./#&*–-]*[\w*])?)"
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
PERCENT = re.compile(r"(\d{1,3}(?:[.,]\d{1,3})?) ?%")
DURATION = re.compile(
    r"\b(\d{1,4}) ?(years?|months?|weeks?|days?|hours?|hrs?|minutes?|mins?|seconds?|secs?|h|m|s|Jahre?|Monate?|Tage?|jours?|mois|ans?)\b",
    re.IGNORECASE,
)
ISO_DURATION = re.compile(
    r"\bP(?=[\dT])(?:\d+Y)?(?:\d+M)?(?:\d+W)?(?:\d+D)?(?:T(?:\d+H)?(?:\d+M)?(?:\d+S)?)?\b"
)
TRUE = frozenset(data.words("forms", "yes"))
FALSE = frozenset(data.words("forms", "no"))
BOOLEAN = re.compile(r"\s*(☑|☒|✓|✔|☐|□|\[[ xX]?\]|[^\W_]+)")


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
