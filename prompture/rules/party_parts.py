"""The parts of a party's block: which line is the name, which the street, which the town."""

import re

from prompture.rules.fields import Field
from prompture.rules.labels import normalise
from prompture.rules.layout import Cell
from prompture.rules.page import Candidate, Page
from prompture.rules.party_blocks import LABEL, MARK, Block
from prompture.rules.render import render
from prompture.rules.towns import TOWNS
from prompture.rules.values import Reading, read
from prompture.types import Span

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


NAME_LABELS = frozenset(
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


_NOT_NAME = re.compile(
    r"^(?:[A-Z]{0,4}\d{4,}$|gln|gtin|ean|tel|fax|e-?mail|www\.|http|ust|vat|tva|siret|iban|lief-?nr|kunden-?nr|\W*$|\d)|@",
    re.IGNORECASE,
)

LONGEST_NAME = 9  # words; longer is a sentence


def read_block(name: Field, page: Page, block: Block) -> list[Candidate]:
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


def one_candidate(name: Field, page: Page, reading: Reading, score: float) -> list[Candidate]:
    written = render(name, reading, page)
    return [Candidate(written[0], (written[1],), score)] if written else []


def _name(name: Field, page: Page, block: Block) -> list[Candidate]:
    for place, cell in enumerate(block.cells):
        label = LABEL.match(cell.text)
        if label and normalise(label["label"]) in NAME_LABELS:
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
                one_candidate(name, page, Reading(value, start, start + len(value)), 0.95)
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
    if _SALUTATION.fullmatch(cell.text) and place + 1 < len(block.cells):
        end = block.cells[place + 1].end
    value = " ".join(page.text[cell.start : end].split())
    return one_candidate(name, page, Reading(value, cell.start, end), 0.9)


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


def _town(name: Field, page: Page, block: Block) -> list[Candidate]:
    for cell in block.cells:
        for form in TOWNS:
            match = form.search(cell.text)
            if match:
                group = "code" if name.role == "postcode" else "city"
                value = match[group].strip()
                start = cell.start + match.start(group)
                return one_candidate(name, page, Reading(value, start, start + len(value)), 0.9)
    return []


def _street(name: Field, page: Page, block: Block) -> list[Candidate]:
    for cell in block.cells:
        label = LABEL.match(cell.text)
        text, start = (
            (label["value"], cell.start + label.start("value"))
            if label and label["value"]
            else (cell.text, cell.start)
        )
        if _STREET.search(text) and any(c.isdigit() for c in text):
            return one_candidate(name, page, Reading(text, start, start + len(text)), 0.85)
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
        (i for i, cell in enumerate(block.cells) if any(form.search(cell.text) for form in TOWNS)),
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
            return one_candidate(name, page, reading, 0.88)
    return []
