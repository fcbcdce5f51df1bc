"""Blocks of a party: the lines under a heading such as "Bill to", and the name, street and town in them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from prompture.rules import data
from prompture.rules.cells import Cell
from prompture.rules.concepts import everyday_labels, normalise
from prompture.rules.fields import SchemaField
from prompture.rules.page import FieldCandidate, Line, Page, ParsedValue
from prompture.rules.parsers import read
from prompture.rules.render import candidates_of
from prompture.types import Span

BLOCK_LINES = 14  # name, department, street, town, country, numbers: none seen was longer


MARK = re.compile(r"^\s*:\s*")


LABEL = re.compile(
    r"^(?P<label>[^:\d]{1,40}?)\s*:\s*(?:[*_]{1,3}\s+)?(?P<value>.*)$"
)  # **Bill to:** Ann


@dataclass(frozen=True, slots=True)
class PartyBlock:
    """The cells below a heading, in order, and the side the heading names ("seller", "buyer", "other").

    `alone`: nothing stands beside the heading, so the lines below are the party's and nobody else's.
    """

    side: str
    heading: Cell
    cells: tuple[Cell, ...]
    alone: bool = False


def party_blocks(page: Page) -> tuple[PartyBlock, ...]:
    """The blocks of all parties, in the order of the text."""
    return page.once("party blocks", lambda: tuple(_find_blocks(page)))


def side_of(text: str) -> str | None:
    """The side that a heading names, with or without its colon."""
    if len(text) > 50:
        return None
    bare = text.strip().rstrip(": ").casefold()
    return _PRINTED.get(bare) or _headings().get(normalise(bare).replace(" ", ""))


@cache
def _headings() -> dict[str, str]:
    """The side of each heading, without blanks. A word of both sides is the seller's."""
    sides = {
        "other": ("other_headings",),
        "buyer": ("buyer", "buyer_headings"),
        "seller": ("seller", "seller_headings"),
    }
    return {
        normalise(word).replace(" ", ""): side
        for side, sections in sides.items()
        for section in sections
        for word in data.words("parties", section)
    }


# Headings whose meaning is in the small words that `normalise` drops.
_PRINTED = data.by_word("parties", "printed_headings")


def _find_blocks(page: Page) -> Iterator[PartyBlock]:
    for index, line in enumerate(page.layout.lines):
        for place, cell in enumerate(line.cells):
            match = LABEL.match(cell.text)
            side = side_of(match["label"] if match else cell.text)
            if side is None:
                continue
            if match and match["value"] and not any(c.isalpha() for c in match["value"]):
                continue
            # A line of a mail's head is all that it says: below it stand other things.
            mailed = match is not None and "@" in match["value"]
            inline = _inline(cell, match.start("value")) if match and match["value"] else []
            if line.grid >= 0:
                if inline := inline or _in_slot(page, index, place):
                    yield PartyBlock(side, cell, tuple(inline), alone=True)
                continue
            right = line.cells[place + 1].column if place + 1 < len(line.cells) else None
            several = sum(side_of(other.text) is not None for other in line.cells) > 1
            below = (
                []
                if mailed
                else _in_row_order(page, index, place)
                if several
                else _cells_below(page, index, cell, right)
            )
            if inline or below:
                yield PartyBlock(side, cell, (*inline, *below), alone=len(line.cells) == 1)


def _in_slot(page: Page, index: int, place: int) -> list[Cell]:
    """What a heading in a written table is for: the cell beside it, or those below it in a row of headings."""
    line = page.layout.lines[index]
    heading = line.cells[place]
    beside = line.cells[place + 1] if place + 1 < len(line.cells) else None
    first, last, headed = page.layout.grids[line.grid]
    sides = [side_of(cell.text) is not None for cell in line.cells]
    in_head = sum(sides) > 1 or (
        headed
        and index == first
        and any(_is_label(cell.text) for cell in line.cells[:4] if cell is not heading)
    )
    if not in_head and beside is not None and beside.slot == heading.slot + 1:
        return _inline(beside, 0)
    # A column of customers beside other columns: none of them is the buyer.
    if not all(sides) and last - index != 2:
        return []
    found: list[Cell] = []
    for below in page.layout.lines[index + 1 : index + 1 + BLOCK_LINES]:
        cell = next((one for one in below.cells if one.slot == heading.slot), None)
        if below.grid != line.grid or cell is None or side_of(cell.text.split(":")[0]):
            break
        found.extend(_inline(cell, 0))
    return found


def _is_label(text: str) -> bool:
    return normalise(text) in everyday_labels() or side_of(text) is not None


def _inline(cell: Cell, at: int) -> list[Cell]:
    """What stands beside a heading; a name and an address on one line are taken apart at the commas."""
    value = cell.text[at:]
    parts = list(re.finditer(r"[^,\s][^,]{0,200}", value))
    if not any(_is_street(part.group()) or TOWN.search(part.group()) for part in parts[1:]):
        return [Cell(value, cell.start + at, cell.column + at)]
    return [
        Cell(part.group().rstrip(), cell.start + at + part.start(), cell.column + at + part.start())
        for part in parts
    ]


def _cells_below(page: Page, index: int, heading: Cell, right: int | None) -> list[Cell]:
    """The cells under a heading, in its columns, until the next heading there."""
    found: list[Cell] = []
    town = False
    for line in page.layout.lines[index + 1 : index + 1 + BLOCK_LINES]:
        if town and line.gap and ":" not in line.text:
            break
        town = town or any(TOWN.search(cell.text) for cell in line.cells)
        for cell in line.cells:
            if not _under(line, cell, heading, right):
                continue
            if (
                side_of((LABEL.match(cell.text) or {"label": cell.text})["label"])
                and len(found) > 0
            ):
                return found
            found.append(cell)
    return found


def _in_row_order(page: Page, index: int, place: int) -> list[Cell]:
    """Under several headings side by side: the cell that comes at the heading's place in each row."""
    found: list[Cell] = []
    for line in page.layout.lines[index + 1 : index + 1 + BLOCK_LINES]:
        if len(line.cells) <= place:
            continue
        cell = line.cells[place]
        if side_of(cell.text) is not None:
            break
        if any(TOWN.search(above.text) for above in found):
            break
        if place + 1 >= len(line.cells) or not MARK.match(line.cells[place + 1].text):
            found.append(cell)
    return found


def _under(line: Line, cell: Cell, heading: Cell, right: int | None) -> bool:
    if right is not None and cell.column >= right - 1:
        return False
    return cell.last_column > heading.column - 8 or len(line.cells) == 1


TOWN = re.compile(
    r"(?:^|(?<=[,●•·|–-] )|(?<=\s{2}))(?:(?P<land>[A-Z]{1,3})[ -]{1,3})?(?P<code>\d{4,5})\s{1,3}"
    r"(?P<city>[A-ZÀ-ÖØ-Þ][^\d,;|●•·(\n]{1,40}?)(?=\s*(?:$|[,;|●•·(]|\s-\s|\s{2}))"
)


_BRITISH = re.compile(
    r"^(?P<city>[A-Z][A-Za-z .'-]{1,30}?),? (?P<code>[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2})$"
)


_BRITISH_FIRST = re.compile(
    r"^(?:GB |UK )?(?P<code>[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}),? (?P<city>[A-Z][A-Za-z .'-]{1,30})$"
)


_AMERICAN = re.compile(
    r"^(?P<city>[A-Z][A-Za-z .'-]{1,30}),? (?P<state>[A-Z]{2}) (?P<code>\d{5}(?:-\d{4})?)$"
)


TOWNS = (TOWN, _BRITISH, _BRITISH_FIRST, _AMERICAN)


_STREET = re.compile(rf"(?:{data.alternatives('parties', 'streets')})", re.IGNORECASE)


_LEGAL = re.compile(rf"\b(?:{data.alternatives('parties', 'legal_forms')})(?!\w)")


_SALUTATION = re.compile(rf"(?:{data.alternatives('parties', 'salutations')})", re.IGNORECASE)


_NAME_LABELS = frozenset(data.words("parties", "name_labels"))


_NOT_NAME = re.compile(rf"^(?:{data.alternatives('parties', 'not_names')})|@", re.IGNORECASE)

LONGEST_NAME = 9  # words; longer is a sentence


def read_block(field: SchemaField, page: Page, block: PartyBlock) -> list[FieldCandidate]:
    if field.role == "name":
        return _name(field, page, block)
    if field.role in {"postcode", "city"}:
        return _town(field, page, block)
    if field.role == "street":
        return _street(field, page, block)
    if field.role == "address":
        return _address(field, page, block)
    if field.role in {"phone", "email"}:
        return _contact(field, page, block)
    return []


def _name(field: SchemaField, page: Page, block: PartyBlock) -> list[FieldCandidate]:
    for place, cell in enumerate(block.cells):
        label = LABEL.match(cell.text)
        if label and normalise(label["label"]) in _NAME_LABELS:
            value = label["value"] or (
                block.cells[place + 1].text if place + 1 < len(block.cells) else ""
            )
            start = (
                cell.start + label.start("value")
                if label["value"]
                else block.cells[place + 1].start
                if value
                else 0
            )
            return (
                candidates_of(field, ParsedValue(value, start, start + len(value)), page, 0.95)
                if value
                else []
            )
    likely = [
        place for place in range(min(len(block.cells), 6)) if _may_be_name(block.cells, place)
    ]
    street = next(
        (i for i, cell in enumerate(block.cells[:6]) if _is_street(cell.text)), len(block.cells)
    )
    before = [place for place in likely if place < street]
    if not before:
        return []
    place = next((place for place in before if _LEGAL.search(block.cells[place].text)), before[0])
    cell = block.cells[place]
    end = cell.end
    if block.alone and before[0] == place - 1 and len(block.cells[place - 1].text) > 3:
        cell = block.cells[place - 1]
    # "Herrn" above a name is a part of it: that is how those who send the invoice record it, too.
    if _SALUTATION.fullmatch(cell.text) and place + 1 < len(block.cells):
        end = block.cells[place + 1].end
    value = " ".join(page.text[cell.start : end].split())
    return candidates_of(field, ParsedValue(value, cell.start, end), page, 0.9)


def _is_street(text: str) -> bool:
    return _STREET.search(text) is not None and any(c.isdigit() for c in text)


def _may_be_name(cells: tuple[Cell, ...], place: int) -> bool:
    """Whether a cell of a block may be the name: no label or its value, no number, no town."""
    text = cells[place].text
    if place + 1 < len(cells) and MARK.match(cells[place + 1].text):
        return False
    if place and not cells[place - 1].text.strip(": "):
        return False
    if LABEL.match(text) or _NOT_NAME.search(text) or MARK.match(text) or _is_street(text):
        return False
    return len(text.split()) <= LONGEST_NAME and not any(form.search(text) for form in TOWNS)


def _town(field: SchemaField, page: Page, block: PartyBlock) -> list[FieldCandidate]:
    for cell in block.cells:
        for form in TOWNS:
            match = form.search(cell.text)
            if match:
                group = "code" if field.role == "postcode" else "city"
                value = match[group].strip()
                start = cell.start + match.start(group)
                return candidates_of(
                    field, ParsedValue(value, start, start + len(value)), page, 0.9
                )
    return []


def _street(field: SchemaField, page: Page, block: PartyBlock) -> list[FieldCandidate]:
    for cell in block.cells:
        label = LABEL.match(cell.text)
        text, start = (
            (label["value"], cell.start + label.start("value"))
            if label and label["value"]
            else (cell.text, cell.start)
        )
        if _is_street(text):
            return candidates_of(field, ParsedValue(text, start, start + len(text)), page, 0.85)
    return []


def _address(field: SchemaField, page: Page, block: PartyBlock) -> list[FieldCandidate]:
    begin = next((i for i, cell in enumerate(block.cells) if _is_street(cell.text)), None)
    end = next(
        (i for i, cell in enumerate(block.cells) if any(form.search(cell.text) for form in TOWNS)),
        None,
    )
    if begin is None or end is None or end < begin or end - begin > 3:
        return []
    cells = block.cells[begin : end + 1]
    value = ", ".join(cell.text.strip(" ,") for cell in cells)
    return [
        FieldCandidate(
            value, tuple(Span(cell.start, cell.end, "normalised") for cell in cells), 0.85
        )
    ]


def _contact(field: SchemaField, page: Page, block: PartyBlock) -> list[FieldCandidate]:
    for cell in block.cells:
        if field.role == "phone" and not re.match(
            r"(?:tel|phone|mobil|t[:.])", cell.text, re.IGNORECASE
        ):
            continue
        reading = read(field.kind, page, cell.start, cell.end, field=field)
        if reading is not None:
            return candidates_of(field, reading, page, 0.88)
    return []
