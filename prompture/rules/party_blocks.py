"""Blocks of a party: the lines under a heading such as "Bill to", and the name, street and town in them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from prompture.rules.labels import normalise
from prompture.rules.layout import Cell, Line
from prompture.rules.page import Page
from prompture.rules.towns import TOWN
from prompture.rules.vocabulary import BUYER_HEADINGS, OTHER_PARTY, SELLER_HEADINGS

BLOCK_LINES = 14


MARK = re.compile(r"^\s*:\s*")


LABEL = re.compile(r"^(?P<label>[^:\d]{1,40}?)\s*:\s*(?P<value>.*)$")


@dataclass(frozen=True, slots=True)
class Block:
    """The cells below a heading, in order, and the side the heading names ("seller", "buyer", "other").

    `alone`: nothing stands beside the heading, so the lines below are the party's and nobody else's.
    """

    side: str
    heading: Cell
    cells: tuple[Cell, ...]
    alone: bool = False


def party_blocks(page: Page) -> list[Block]:
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
            match = LABEL.match(cell.text)
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
