"""Seller and buyer: names and addresses under headings, in sender lines, and on the first lines of a receipt."""

import re

from prompture.rules import data
from prompture.rules.concepts import normalise, side_words
from prompture.rules.families import DocumentFamily
from prompture.rules.families.party_blocks import (
    LABEL,
    TOWN,
    PartyBlock,
    party_blocks,
    read_block,
)
from prompture.rules.families.storefront import is_no_party, read_storefront
from prompture.rules.fields import SchemaField
from prompture.rules.labelled import Index
from prompture.rules.page import FieldCandidate, Page, ParsedValue, TextRange
from prompture.rules.parsers import read
from prompture.rules.render import accepts, candidates_of
from prompture.rules.unlabelled import DATE_KINDS
from prompture.types import Span

_SENDER = re.compile(
    r"^(?P<name>[^\d●•·|]{3,60}?)\s*(?:[●•·|]|\s[-–]\s|,\s)\s*(?P<street>[^●•·|\n]{3,60}?)\s*(?:[●•·|]|\s[-–]\s|,\s)\s*"
    r"(?:[A-Z]{1,2}[- ])?(?P<code>\d{4,5})\s{1,3}(?P<city>[A-ZÀ-ÖØ-Þ][^\d,;|●•·(\n]{1,40}?)(?=\s*(?:$|[,;|●•·(]|\s[-–]\s))"
)
_BUYER_WORDS = frozenset(data.words("parties", "buyer_words"))


class Parties(DocumentFamily):
    """The seller and the buyer: their names, addresses and numbers."""

    def side(self, field: SchemaField) -> str | None:
        """A field that is a party itself ("seller", "customer") holds that party's parts."""
        return field.party if field.role == "name" else None

    def candidates(
        self,
        field: SchemaField,
        page: Page,
        scope: TextRange,
        found: list[FieldCandidate],
        index: Index,
    ) -> list[FieldCandidate] | None:
        """The parts of a party; an address of nobody in particular is that of the shop."""
        if field.party:
            return _of_party(field, page, scope, found)
        alone = field.concept == "address" and not scope.start and not found
        if alone and field.kind not in DATE_KINDS:
            shop = read_storefront(page).address
            return [shop] if shop else []
        return None


FAMILY = Parties()


def _of_party(
    field: SchemaField, page: Page, scope: TextRange, found: list[FieldCandidate]
) -> list[FieldCandidate]:
    """Candidates of a part of a party: from its block first, then by label, then from where letters put it."""
    mine = [
        block
        for block in party_blocks(page)
        if block.side == field.party and scope.holds(block.heading.start, block.heading.end)
    ]
    out: list[FieldCandidate] = []
    for block in mine:
        out = out or [one for one in read_block(field, page, block) if not _misread(field, one)]
    out.extend(_labelled(field, page, found))
    if field.role == "vat_id":
        out.extend(_identified(field, page, scope))
    # A block of the party that lacks the part means that the text does not state it.
    if out or mine:
        return out
    out.extend(_from_sender(field, page, scope))
    if not out:
        out.extend(_from_top(field, page, scope))
    return out


def _misread(field: SchemaField, candidate: FieldCandidate) -> bool:
    """Whether the name or the address of a party is a label, an amount or a sum line instead."""
    return field.role in {"name", "address"} and is_no_party(str(candidate.value))


def _labelled(field: SchemaField, page: Page, found: list[FieldCandidate]) -> list[FieldCandidate]:
    """Values by labels that name the side; a label that names none is the seller's, outside the blocks of others."""
    out = []
    for candidate in found:
        if candidate.label is None or candidate.score < 0.8:
            continue
        if _misread(field, candidate):
            continue
        words = f" {normalise(page.text[candidate.label[0] : candidate.label[1]])} "
        side = next((side for word, side in side_words() if f" {word} " in words), None)
        if side is None and field.party == "seller" and field.role in _UNSIDED:
            place = candidate.spans[0].start
            inside = [
                block.side
                for block in party_blocks(page)
                for cell in block.cells
                if cell.start <= place < cell.end
            ]
            side = inside[0] if inside else "seller"
        if side == field.party:
            out.append(candidate)
    return out


_UNSIDED = frozenset({"phone", "email", "tax_number", "address"})


def _identified(field: SchemaField, page: Page, scope: TextRange) -> list[FieldCandidate]:
    """VAT numbers, by the side they stand under, or the seller's when nothing names another side."""
    found: dict[str, dict[str, ParsedValue]] = {"seller": {}, "buyer": {}, "other": {}, "": {}}
    at = scope.start
    while True:
        reading = read("vat_id", page, at, scope.end)
        if reading is None:
            break
        side = _side_at(page, reading)
        found[side].setdefault(re.sub(r"\s", "", str(reading.value)), reading)
        at = reading.end
    mine = found[field.party or ""]
    others = {
        value
        for side, values in found.items()
        if side in {"seller", "buyer"} and side != field.party
        for value in values
    }
    if field.party == "seller" and not mine:
        mine = {value: reading for value, reading in found[""].items() if value not in others}
    mine = {
        value: reading
        for value, reading in mine.items()
        if value not in others or field.party == "seller"
    }
    return [
        c
        for value, r in mine.items()
        for c in candidates_of(field, ParsedValue(value, r.start, r.end), page, 0.9)
    ]


def _side_at(page: Page, reading: ParsedValue) -> str:
    """The side a tax number belongs to: named in its label, or the block it stands in."""
    line = page.layout.lines[page.layout.line_at(reading.start)]
    before = normalise(page.text[max(line.start, reading.start - 60) : reading.start])
    words = set(before.split())
    if words & _BUYER_WORDS:
        return "buyer"
    for block in party_blocks(page):
        if any(cell.start <= reading.start < cell.end for cell in block.cells):
            return block.side
    return ""


def _from_sender(field: SchemaField, page: Page, scope: TextRange) -> list[FieldCandidate]:
    """A letter's line of the sender: name, street and town, separated by dots or dashes."""
    senders = _senders(page)
    if not senders:
        return []
    if field.party == "seller":
        match, start = senders[0]
        if field.role == "address":
            return _sender_address(field, page, match, start)
        group = {"name": "name", "street": "street", "postcode": "code", "city": "city"}.get(
            field.role or ""
        )
        if group is None:
            return []
        value = match[group].strip(" ,-")
        begin = start + match.start(group)
        return candidates_of(field, ParsedValue(value, begin, begin + len(value)), page, 0.88)
    return _addressee(field, page, senders[0])


def _sender_address(
    field: SchemaField, page: Page, match: re.Match[str], start: int
) -> list[FieldCandidate]:
    """The street and the town of a sender's line: "12 Mill Rd, 10115 Berlin"."""
    begin, end = start + match.start("street"), start + match.end("city")
    value = f"{match['street'].strip(' ,-')}, {match['code']} {match['city'].strip(' ,-')}"
    if not accepts(field.schema, value):
        return []
    return [FieldCandidate(value, (Span(begin, end, "normalised"),), 0.85)]


def _senders(page: Page) -> list[tuple[re.Match[str], int]]:
    found = []
    for line in page.layout.lines[:40]:
        flat = line.text.strip()
        match = _SENDER.match(" ".join(flat.split())) if len(flat) < 200 else None
        if match is None:
            continue
        inside = _SENDER.match(flat) or next(
            (m for m in (_SENDER.match(cell.text) for cell in line.cells) if m), None
        )
        if inside is not None and not LABEL.match(inside["name"]):
            start = page.text.index(inside.group(), line.start)
            found.append((inside, start))
    return found


def _addressee(
    field: SchemaField, page: Page, sender: tuple[re.Match[str], int]
) -> list[FieldCandidate]:
    """The addressee of a letter: the block with a town below the sender's line, another town than the sender's."""
    match, start = sender
    begin = page.layout.line_at(start) + 1
    lines = page.layout.lines[begin : begin + 12]
    for place, line in enumerate(lines):
        town = TOWN.search(line.cells[0].text)
        if town is None or town["code"] == match["code"]:
            continue
        cells = tuple(above.cells[0] for above in lines[max(0, place - 3) : place + 1])
        return read_block(field, page, PartyBlock(field.party or "", line.cells[0], cells))
    return []


def _of_another(page: Page, found: FieldCandidate) -> bool:
    """Whether a place is in the block of the buyer, or of a third party."""
    at = found.spans[0].start
    return any(
        cell.start <= at < cell.end
        for block in party_blocks(page)
        if block.side != "seller"
        for cell in block.cells
    )


def _from_top(field: SchemaField, page: Page, scope: TextRange) -> list[FieldCandidate]:
    """A receipt or a letter opens with the company: its name, then its address."""
    if field.party != "seller" or scope.start:
        return []
    shop = read_storefront(page)
    if field.role in {"name", "address"}:
        found = shop.name if field.role == "name" else shop.address
        return [found] if found is not None and not _of_another(page, found) else []
    if shop.place is None:
        return []
    lines = page.layout.lines[shop.place : shop.place + 6]
    cells = tuple(
        line.cells[0] for line in lines if line.cells[0].column < lines[0].cells[0].last_column
    )
    return (
        read_block(field, page, PartyBlock("seller", cells[0], cells[1:])) if len(cells) > 1 else []
    )
