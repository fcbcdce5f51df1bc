"""Seller and buyer: names and addresses under headings, in sender lines, and on the first lines of a receipt."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from prompture.rules.fields import Field
from prompture.rules.labels import normalise
from prompture.rules.layout import Cell, Line
from prompture.rules.page import Candidate, Page, Scope
from prompture.rules.render import render
from prompture.rules.storefront import read_storefront
from prompture.rules.values import Reading, read
from prompture.rules.vocabulary import BUYER_HEADINGS, OTHER_PARTY, SELLER_HEADINGS
from prompture.types import Span

BLOCK_LINES = 14
_MARK = re.compile(r"^\s*:\s*")
_TOWN = re.compile(
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
_TOWNS = (_TOWN, _BRITISH, _BRITISH_FIRST, _AMERICAN)
_SENDER = re.compile(
    r"^(?P<name>[^\d●•·|]{3,60}?)\s*(?:[●•·|]|\s[-–]\s|,\s)\s*(?P<street>[^●•·|\n]{3,60}?)\s*(?:[●•·|]|\s[-–]\s|,\s)\s*"
    r"(?:[A-Z]{1,2}[- ])?(?P<code>\d{4,5})\s{1,3}(?P<city>[A-ZÀ-ÖØ-Þ][^\d,;|●•·(\n]{1,40}?)(?=\s*(?:$|[,;|●•·(]|\s[-–]\s))"
)
_STREET = re.compile(
    r"(?:stra(?:ss|ß)e|str\.|weg|platz|allee|gasse|ring|damm|ufer|\brue\b|\bavenue\b|\bboulevard\b|\bchemin\b|\bplace\b|\bvia\b|\bpiazza\b"
    r"|\bstreet\b|\bst\b\.?|\broad\b|\brd\b\.?|\bave\b\.?|\blane\b|\bdrive\b|\bjalan\b|\bjln\b|\bcalle\b)",
    re.IGNORECASE,
)
_LEGAL = re.compile(
    r"\b(?:GmbH|GMBH|AG|KG|OHG|UG|e\.? ?K\.|SE|SARL|S\.A\.R\.L\.|SAS|SA|S\.A\.|SRL|S\.r\.l\.|SpA|S\.p\.A\.|Ltd|LTD|LLC|Inc|INC|Corp|PLC|plc|B\.?V\.?|N\.?V\.?|Limited"
    r"|Sdn\.? Bhd|SDN BHD|Pte|AB|Oy|ApS|a\.G\.)(?!\w)"
)
_SALUTATION = re.compile(
    r"(?:herrn?|frau|firma|mr\.?|mrs\.?|ms\.?|mme|monsieur|madame|m\.)", re.IGNORECASE
)
_NAME_LABEL = frozenset(
    {
        "name",
        "company",
        "company name",
        "firma",
        "unternehmen",
        "raison sociale",
        "nom",
        "ragione sociale",
        "firmenname",
    }
)
_ADDRESS_LABEL = frozenset({"address", "anschrift", "adresse", "strasse", "indirizzo"})
_NOT_NAME = re.compile(
    r"^(?:[A-Z]{0,4}\d{4,}$|gln|gtin|ean|tel|fax|e-?mail|www\.|http|ust|vat|tva|siret|iban|lief-?nr|kunden-?nr|\W*$|\d)|@",
    re.IGNORECASE,
)
_LABEL = re.compile(r"^(?P<label>[^:\d]{1,40}?)\s*:\s*(?P<value>.*)$")


@dataclass(frozen=True, slots=True)
class Block:
    """The cells below a heading, in order, and the side the heading names ("seller", "buyer", "other").

    `alone`: nothing stands beside the heading, so the lines below are the party's and nobody else's.
    """

    side: str
    heading: Cell
    cells: tuple[Cell, ...]
    alone: bool = False


def weigh(name: Field, page: Page, scope: Scope, found: list[Candidate]) -> list[Candidate]:
    """Candidates of a part of a party: from its block first, then by label, then from where letters put it."""
    mine = [
        block
        for block in _blocks(page)
        if block.side == name.party and scope.holds(block.heading.start, block.heading.end)
    ]
    out: list[Candidate] = []
    for block in mine:
        out = out or _from_block(name, page, block)
    out.extend(_labelled(name, found))
    if name.role in {"vat_id", "tax_number"}:
        out.extend(_identified(name, page, scope, bool(mine)))
    if out or mine:
        return out
    out.extend(_from_sender(name, page, scope))
    if not out:
        out.extend(_from_top(name, page, scope))
    return out


def _labelled(name: Field, found: list[Candidate]) -> list[Candidate]:
    """A bare "Name:" says nothing about the side; labels with the side in them do."""
    sided = {phrase for phrase in name.phrases if len(phrase.split()) > 1 or phrase not in _BARE}
    return (
        [candidate for candidate in found if candidate.score >= 0.9]
        if sided and set(name.phrases) <= sided
        else []
    )


_BARE = (
    frozenset(
        {"name", "city", "postcode", "street", "country", "address", "email", "phone", "company"}
    )
    | _NAME_LABEL
)


def _blocks(page: Page) -> list[Block]:
    if "blocks" not in page.memo:
        page.memo["blocks"] = list(_find_blocks(page))
    blocks: list[Block] = page.memo["blocks"]
    return blocks


def side_of(text: str) -> str | None:
    """The side that a heading names, with or without its colon."""
    if len(text) > 50:
        return None
    bare = text.strip().rstrip(": ").casefold()
    return _PRINTED.get(bare) or _headings().get(normalise(bare).replace(" ", ""))


def _headings() -> dict[str, str]:
    if not _TABLE:
        for side, words in (
            ("other", OTHER_PARTY),
            ("buyer", BUYER_HEADINGS),
            ("seller", SELLER_HEADINGS),
        ):
            _TABLE.update({normalise(word).replace(" ", ""): side for word in words})
    return _TABLE


_TABLE: dict[str, str] = {}
# Headings whose small words carry the meaning.
_PRINTED = {
    "facturé à": "buyer",
    "adressé à": "buyer",
    "rechnung an": "buyer",
    "spett.le": "buyer",
    "spettabile": "buyer",
    "livré à": "other",
}


def _find_blocks(page: Page) -> Iterator[Block]:
    for index, line in enumerate(page.layout.lines):
        for place, cell in enumerate(line.cells):
            match = _LABEL.match(cell.text)
            side = side_of(match["label"] if match else cell.text)
            if side is None:
                continue
            inline: list[Cell] = []
            if match and match["value"] and not any(c.isalpha() for c in match["value"]):
                continue
            if match and match["value"]:
                inline = [
                    Cell(
                        match["value"],
                        cell.start + match.start("value"),
                        cell.column + match.start("value"),
                    )
                ]
            right = line.cells[place + 1].column if place + 1 < len(line.cells) else None
            several = sum(side_of(other.text) is not None for other in line.cells) > 1
            below = (
                _in_row_order(page, index, place)
                if several
                else _cells_below(page, index, cell, right)
            )
            if inline or below:
                yield Block(side, cell, (*inline, *below), alone=len(line.cells) == 1)


def _cells_below(page: Page, index: int, heading: Cell, right: int | None) -> list[Cell]:
    """The cells under a heading, in its columns, until the next heading there."""
    found: list[Cell] = []
    town = False
    for line in page.layout.lines[index + 1 : index + 1 + BLOCK_LINES]:
        if town and line.gap and ":" not in line.text:
            break
        town = town or any(_TOWN.search(cell.text) for cell in line.cells)
        for cell in line.cells:
            if not _under(line, cell, heading, right):
                continue
            if (
                side_of((_LABEL.match(cell.text) or {"label": cell.text})["label"])
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
        if any(_TOWN.search(above.text) for above in found):
            break
        if place + 1 >= len(line.cells) or not _MARK.match(line.cells[place + 1].text):
            found.append(cell)
    return found


def _under(line: Line, cell: Cell, heading: Cell, right: int | None) -> bool:
    if right is not None and cell.column >= right - 1:
        return False
    return cell.last_column > heading.column - 8 or len(line.cells) == 1


def _from_block(name: Field, page: Page, block: Block) -> list[Candidate]:
    if name.role == "name":
        return _name(name, page, block)
    if name.role in {"postcode", "city"}:
        return _town(name, page, block)
    if name.role == "street":
        return _street(name, page, block)
    if name.role == "address":
        return _address(name, page, block)
    if name.role in {"phone", "email"}:
        return _contact(name, page, block)
    return []


def _one(name: Field, page: Page, reading: Reading, score: float) -> list[Candidate]:
    written = render(name, reading, page)
    return [Candidate(written[0], (written[1],), score)] if written else []


def _name(name: Field, page: Page, block: Block) -> list[Candidate]:
    for place, cell in enumerate(block.cells):
        label = _LABEL.match(cell.text)
        if label and normalise(label["label"]) in _NAME_LABEL:
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
                _one(name, page, Reading(value, start, start + len(value)), 0.95) if value else []
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
    if _SALUTATION.fullmatch(cell.text) and place + 1 < len(block.cells):
        end = block.cells[place + 1].end
    value = " ".join(page.text[cell.start : end].split())
    return _one(name, page, Reading(value, cell.start, end), 0.9)


def _is_street(text: str) -> bool:
    return _STREET.search(text) is not None and any(c.isdigit() for c in text)


def _may_be_name(cells: tuple[Cell, ...], place: int) -> bool:
    """Whether a cell of a block may be the name: no label or its value, no number, no town."""
    text = cells[place].text
    if place + 1 < len(cells) and _MARK.match(cells[place + 1].text):
        return False
    if place and not cells[place - 1].text.strip(": "):
        return False
    if _LABEL.match(text) or _NOT_NAME.search(text) or _MARK.match(text) or _is_street(text):
        return False
    return not any(form.search(text) for form in _TOWNS)


def _town(name: Field, page: Page, block: Block) -> list[Candidate]:
    for cell in block.cells:
        for form in _TOWNS:
            match = form.search(cell.text)
            if match:
                group = "code" if name.role == "postcode" else "city"
                value = match[group].strip()
                start = cell.start + match.start(group)
                return _one(name, page, Reading(value, start, start + len(value)), 0.9)
    return []


def _street(name: Field, page: Page, block: Block) -> list[Candidate]:
    for cell in block.cells:
        label = _LABEL.match(cell.text)
        text, start = (
            (label["value"], cell.start + label.start("value"))
            if label and label["value"]
            else (cell.text, cell.start)
        )
        if _STREET.search(text) and any(c.isdigit() for c in text):
            return _one(name, page, Reading(text, start, start + len(text)), 0.85)
    return []


def _address(name: Field, page: Page, block: Block) -> list[Candidate]:
    begin = next(
        (
            i
            for i, cell in enumerate(block.cells)
            if _STREET.search(cell.text) and any(c.isdigit() for c in cell.text)
        ),
        None,
    )
    end = next(
        (i for i, cell in enumerate(block.cells) if any(form.search(cell.text) for form in _TOWNS)),
        None,
    )
    if begin is None or end is None or end < begin or end - begin > 3:
        return []
    cells = block.cells[begin : end + 1]
    value = ", ".join(cell.text.strip(" ,") for cell in cells)
    return [
        Candidate(value, tuple(Span(cell.start, cell.end, "normalised") for cell in cells), 0.85)
    ]


def _contact(name: Field, page: Page, block: Block) -> list[Candidate]:
    for cell in block.cells:
        if name.role == "phone" and not re.match(
            r"(?:tel|phone|mobil|t[:.])", cell.text, re.IGNORECASE
        ):
            continue
        reading = read(name.kind, page, cell.start, cell.end, name=name)
        if reading is not None:
            return _one(name, page, reading, 0.88)
    return []


def _identified(name: Field, page: Page, scope: Scope, has_block: bool) -> list[Candidate]:
    """Tax numbers, by the side they stand under, or the seller's when nothing names another side."""
    if name.role != "vat_id":
        return []
    found: dict[str, dict[str, Reading]] = {"seller": {}, "buyer": {}, "other": {}, "": {}}
    at = scope.start
    while True:
        reading = read("vat_id", page, at, scope.end)
        if reading is None:
            break
        side = _side_at(page, reading)
        found[side].setdefault(re.sub(r"\s", "", str(reading.value)), reading)
        at = reading.end
    mine = found[name.party or ""]
    others = {
        value
        for side, values in found.items()
        if side in {"seller", "buyer"} and side != name.party
        for value in values
    }
    if name.party == "seller" and not mine:
        mine = {value: reading for value, reading in found[""].items() if value not in others}
    mine = {
        value: reading
        for value, reading in mine.items()
        if value not in others or name.party == "seller"
    }
    return [
        c
        for value, r in mine.items()
        for c in _one(name, page, Reading(value, r.start, r.end), 0.9)
    ]


def _side_at(page: Page, reading: Reading) -> str:
    """The side a tax number belongs to: named in its label, or the block it stands in."""
    line = page.layout.lines[page.layout.line_at(reading.start)]
    before = normalise(page.text[max(line.start, reading.start - 60) : reading.start])
    words = set(before.split())
    if words & {"client", "kunde", "kunden", "customer", "buyer", "kaufer", "acheteur", "ihre"}:
        return "buyer"
    for block in _blocks(page):
        if any(cell.start <= reading.start < cell.end for cell in block.cells):
            return block.side
    return ""


def _from_sender(name: Field, page: Page, scope: Scope) -> list[Candidate]:
    """A letter's line of the sender: name, street and town, separated by dots or dashes."""
    senders = _senders(page)
    if not senders:
        return []
    if name.party == "seller":
        match, start = senders[0]
        group = {"name": "name", "street": "street", "postcode": "code", "city": "city"}.get(
            name.role or ""
        )
        if group is None:
            return []
        value = match[group].strip(" ,-")
        begin = start + match.start(group)
        return _one(name, page, Reading(value, begin, begin + len(value)), 0.88)
    return _addressee(name, page, senders[0])


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
        if inside is not None and not _LABEL.match(inside["name"]):
            start = page.text.index(inside.group(), line.start)
            found.append((inside, start))
    return found


def _addressee(name: Field, page: Page, sender: tuple[re.Match[str], int]) -> list[Candidate]:
    """The addressee of a letter: the block with a town below the sender's line, another town than the sender's."""
    match, start = sender
    begin = page.layout.line_at(start) + 1
    lines = page.layout.lines[begin : begin + 12]
    for place, line in enumerate(lines):
        town = _TOWN.search(line.cells[0].text)
        if town is None or town["code"] == match["code"]:
            continue
        cells = tuple(above.cells[0] for above in lines[max(0, place - 3) : place + 1])
        return _from_block(name, page, Block(name.party or "", line.cells[0], cells))
    return []


def _from_top(name: Field, page: Page, scope: Scope) -> list[Candidate]:
    """A receipt or a letter opens with the company: its name, then its address."""
    if name.party != "seller" or scope.start:
        return []
    shop = read_storefront(page)
    if name.role in {"name", "address"}:
        found = shop.name if name.role == "name" else shop.address
        return [found] if found is not None else []
    if shop.place is None:
        return []
    lines = page.layout.lines[shop.place : shop.place + 6]
    cells = tuple(
        line.cells[0] for line in lines if line.cells[0].column < lines[0].cells[0].last_column
    )
    return _from_block(name, page, Block("seller", cells[0], cells[1:])) if len(cells) > 1 else []
