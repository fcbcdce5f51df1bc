"""The printed forms of values that can be told by form alone: addresses of mail, accounts, tax numbers, docket numbers."""

import re

# Of the registry of ISO 13616; other countries are taken at the length printed.
IBAN_LENGTHS = {
    **dict.fromkeys(("NO",), 15), **dict.fromkeys(("BE",), 16), **dict.fromkeys(("DK", "FI", "NL"), 18), **dict.fromkeys(("SI",), 19),
    **dict.fromkeys(("AT", "LU", "LT", "EE"), 20), **dict.fromkeys(("CH", "HR", "LI", "LV"), 21), **dict.fromkeys(("DE", "GB", "IE", "BG"), 22),
    **dict.fromkeys(("ES", "SE", "CZ", "SK", "RO"), 24), **dict.fromkeys(("PT",), 25), **dict.fromkeys(("FR", "IT", "GR", "SM"), 27),
    **dict.fromkeys(("PL", "HU"), 28),
}  # fmt: skip


IDENTIFIER = re.compile(r"[\s:#.№*\[(-]*(?P<id>(?:[A-Z]{1,4} (?=\d))?[^\W_](?:[\w./#&*–-]*[\w*])?)")


EMAIL = re.compile(r"(?<![\w.+-])[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}(?<![.-])")


URI = re.compile(r"(?:https?://|www\.)[^\s<>\"'|)\]]{3,500}", re.IGNORECASE)


BARE_HOST = re.compile(
    r"(?<![@\w.-])(?:[\w-]{1,63}\.){1,4}(?:com|org|net|de|fr|uk|it|es|eu|my|io|ch|at|nl|edu|gov|info)(?:/[^\s|]{0,300})?\b"
)


PHONE = re.compile(r"\+?\(?\d[\d \u00a0()./-]{5,22}\d")


UUID = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE)


IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?![A-Za-z0-9])")


BIC = re.compile(r"\b[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?\b")


VAT = re.compile(
    r"\b(?:ATU ?\d{8}|BE ?[01]?\d{9}|CHE[- ]?\d{3}[. ]?\d{3}[. ]?\d{3}|DE ?\d{9}|DE ?\d{3} ?\d{3} ?\d{3}|DK ?\d{8}|EL ?\d{9}|ES ?[A-Z0-9]\d{7}[A-Z0-9]"
    r"|FI ?\d{8}|FR ?[A-Z0-9]{2} ?\d{3} ?\d{3} ?\d{3}|GB ?\d{9}|GB ?\d{3} \d{4} \d{2}|HU ?\d{8}|IE ?\d[A-Z0-9]\d{5}[A-Z]{1,2}|IT ?\d{11}"
    r"|LU ?\d{8}|NL ?\d{9}B\d{2}|PL ?\d{10}|PT ?\d{9}|RO ?\d{2,10}|SE ?\d{12}|SI ?\d{8}|SK ?\d{10}|CZ ?\d{8,10}|BG ?\d{9,10}|HR ?\d{11})\b"
)


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


TRUE = frozenset(
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


FALSE = frozenset(
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
