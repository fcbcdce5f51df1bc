"""The head of a receipt: which of the first lines is the shop, and which lines are its address."""

import re
from dataclasses import dataclass, replace

from prompture.rules import data
from prompture.rules.page import FieldCandidate, Line, Page
from prompture.types import Span

HEAD_LINES = 14  # a logo's misread letters and a slogan may stand above the name
LONGEST_NAME = 10  # words; a longer line is a sentence
_COMPANY = re.compile(data.alternatives("receipts", "company_words"), re.IGNORECASE)
_LEGAL = re.compile(data.alternatives("receipts", "legal_forms"), re.IGNORECASE)
_PLACE_AFTER = re.compile(
    r"(\b(?:Inc|Ltd|LLC|GmbH|SARL|BHD|LIMITED|INC|LTD)\b\.?)\s*(?:[–|•·]|\s-\s|,\s(?=[A-Z]))(?!\s*(?:Inc|Ltd|LLC)\b).*$"
)
_COLUMN = re.compile(r" {3,}|\t")
_ONLY_LEGAL = re.compile(
    r"(?:CO\.?\s*)?(?:\([^()]{1,20}\)\s*)?(?:SDN\.?\s?BHD\.?|BHD\.?|LTD\.?|LIMITED|GMBH|INC\.?)",
    re.IGNORECASE,
)
# A registration number after a name: in brackets, or digits with letters ("273500-U (KJ1)"), never digits alone.
_REGISTRATION = re.compile(
    r"(?:[(\[]\s*(?:CO\.?\s*)?(?:REG\.?|ROC|RQC)?\s*(?:NO\.?)?\s*[:.]?\s*[A-Z]{0,3}[-\d]{4,12}\s?[-–]?\s?[A-Z]{0,2}\s*[)\]]"
    r"|(?:[A-Z]{2}\d{5,9}-[A-Z]|\d{4,8}\s?[-–]\s?[A-Z]{1,2}|\d{4,8} [A-Z]|\d{6,12}\.[A-Z]))(?:\s*\([A-Z0-9]{2,5}\))?\s*$",
    re.IGNORECASE,
)
_REGION = re.compile(rf"(?:{data.alternatives('receipts', 'regions')})[ ,.]*", re.IGNORECASE)
_PHONE_AT_END = re.compile(r"\(?\d{3}\)?[ -]\d{3}-\d{4}$")
_STREET = re.compile(
    rf"\b(?:{data.alternatives('receipts', 'street_words')})\b|{data.alternatives('receipts', 'street_forms')}",
    re.IGNORECASE,
)
_STOP = re.compile(
    rf"\b(?:{data.alternatives('receipts', 'address_ends')})\b|{data.alternatives('receipts', 'address_end_forms')}",
    re.IGNORECASE,
)
_NOT_SHOP = re.compile(
    rf"^\W*(?:{data.alternatives('receipts', 'not_shops')})|{data.alternatives('receipts', 'not_shop_forms')}",
    re.IGNORECASE,
)


# "Employer: Miller Ltd" is the value of another label; "NO: 28" is a part of an address.
_LABELLED = re.compile(r"[^\W\d_]{3}[^:\d]{0,38}:(?:\s|$)")


@dataclass(frozen=True, slots=True)
class Storefront:
    """The shop's name and address as candidates, where they were found, and the number of the name's line."""

    name: FieldCandidate | None
    address: FieldCandidate | None
    place: int | None = None


def read_storefront(page: Page) -> Storefront:
    """Read the first lines of a receipt."""
    return page.once("storefront", lambda: _read(page))


def _alone(line: Line) -> Line:
    """A row of a written table as the one cell that it has; a row of several is no line of a shop's head."""
    if line.grid < 0:
        return line
    cell = line.cells[0]
    return replace(line, start=cell.start, text=cell.text if len(line.cells) == 1 else "-")


def _read(page: Page) -> Storefront:
    lines = tuple(map(_alone, page.layout.lines[:HEAD_LINES]))
    place = _shop(lines)
    if place is None:
        place = _late_shop(page)
        lines = tuple(map(_alone, page.layout.lines))
    if place is None:
        return Storefront(None, None)
    address = _address(lines[place + 1 : place + 1 + 9])
    return Storefront(_name(lines, place, address is not None), address, place)


def is_no_party(words: str) -> bool:
    """Whether words are a label, an amount or a sum line, never the name or the address of a party."""
    return _NOT_SHOP.search(words) is not None or _LABELLED.match(words) is not None


def _shop(lines: tuple[Line, ...]) -> int | None:
    """The line of the shop's name: the first with a legal form; else with a trade; else the first line before an address."""
    before = _first_address(lines)
    head = lines[: before + 1] if before is not None else lines[:4]
    for form in (_LEGAL, _COMPANY):
        for place, line in enumerate(head):
            if (
                form.search(line.words)
                and len(line.words.split()) <= LONGEST_NAME
                and not is_no_party(line.words)
                and not _address_like(line.words)
            ):
                return place
    if before is None or before > 5:
        return None
    named = [
        place
        for place, line in enumerate(lines[:before])
        if not is_no_party(line.words) and not _REGISTRATION.fullmatch(line.words)
    ]
    return named[0] if len(named) == 1 else None


def _late_shop(page: Page) -> int | None:
    """A scan may begin with the end of the strip before: a legal form right above an address, further down."""
    lines = page.layout.lines
    for place in range(min(len(lines) - 3, 30)):
        short = len(lines[place].words.split()) <= LONGEST_NAME
        if (
            short
            and _LEGAL.search(lines[place].words)
            and any(_address_like(line.words) for line in lines[place + 1 : place + 4])
        ):
            return place
    return None


def _address_like(words: str) -> bool:
    if sum(c.isalpha() for c in words) < 2 or _LABELLED.match(words):
        return False  # an amount, a number alone, or another label's value
    return _STREET.search(words) is not None and not _LEGAL.search(words)


def _first_address(lines: tuple[Line, ...]) -> int | None:
    return next(
        (
            place
            for place, line in enumerate(lines)
            if place and _address_like(line.words) and not _stops(line.words)
        ),
        None,
    )


def _stops(words: str) -> bool:
    return _STOP.search(words) is not None


def _name(lines: tuple[Line, ...], place: int, sure: bool) -> FieldCandidate:
    line = lines[place]
    words = (
        _COLUMN.split(line.text.rstrip(), maxsplit=1)[0]
        if line.text[:1].strip()
        else line.text.rstrip()
    )
    begin = len(words) - len(words.lstrip())
    cut = _REGISTRATION.search(words, begin + 3)
    if cut is not None and any(c.isdigit() for c in cut.group()):
        words = words[: cut.start()]
    words = _PLACE_AFTER.sub(r"\1", words).rstrip(" -(")
    spans = [Span(line.start + begin, line.start + len(words), "exact")]
    value = words.strip()
    if _ONLY_LEGAL.fullmatch(value) and place:
        above = lines[place - 1]
        start = above.start + len(above.text) - len(above.text.lstrip())
        value = f"{above.words} {value}"
        spans = [
            Span(start, start + len(above.words), "normalised"),
            Span(spans[0].start, spans[0].end, "normalised"),
        ]
    score = (
        0.9
        if _LEGAL.search(value)
        else 0.82
        if _COMPANY.search(value) and sure
        else 0.75
        if sure
        else 0.68
    )
    return FieldCandidate(value, tuple(spans), score)


def _address(lines: tuple[Line, ...]) -> FieldCandidate | None:
    starts = (
        place
        for place, line in enumerate(lines)
        if _address_like(line.words) and not _stops(line.words) and not line.words.startswith("(")
    )
    first = next(starts, None)
    if first is None:
        return None
    kept = [lines[first]]
    for place in range(first + 1, len(lines)):
        words = lines[place].words
        if (
            _stops(words)
            or _NOT_SHOP.search(words)
            or not (_address_like(words) or _continues(lines, place))
        ):
            break
        kept.append(lines[place])
    printed = [_PHONE_AT_END.sub("", line.words).rstrip() for line in kept]
    value = " ".join(printed)
    kind = "exact" if len(kept) == 1 else "normalised"
    spans = tuple(_span(line, part, kind) for line, part in zip(kept, printed, strict=True))
    towns = re.search(r"\b\d{5}\b", value)
    return FieldCandidate(value, spans, 0.85 if towns or len(kept) > 1 else 0.7)


def _span(line: Line, printed: str, kind: str) -> Span:
    start = line.start + len(line.text) - len(line.text.lstrip())
    return Span(start, start + len(printed), kind)


def _continues(lines: tuple[Line, ...], place: int) -> bool:
    """Whether a line without an address's words goes on with one: the line above breaks off, or the postcode is still to come."""
    above, words = lines[place - 1].words, lines[place].words
    if _REGION.fullmatch(words):
        return True
    if above.endswith((",", "&", "-")) or re.search(r"\b\d{5}$", above):
        return True
    if re.fullmatch(r"[A-Z .,'()-]{3,40}", words) and words.endswith("."):
        return True
    coming = lines[place + 1 : place + 3]
    return words.endswith(",") and any(re.match(r"\d{5}\b", line.words) for line in coming)
