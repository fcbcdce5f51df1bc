"""Headings of tables: a line whose cells fit the fields of a list's items, and the kinds of values below them."""

import re
from dataclasses import dataclass
from functools import lru_cache

from prompture.rules.cells import Cell
from prompture.rules.concepts import concept_labels, normalise, similarity
from prompture.rules.fields import SchemaField
from prompture.rules.page import Line

HEADER_FIT = 0.78  # lower than for labels: several headings of one line support each other
MOST_COLUMNS = 60


@dataclass(frozen=True, slots=True)
class Column:
    """A header cell: the field it fits, if any, and the kind of value below it."""

    cell: Cell
    field: SchemaField | None
    kind: str


@dataclass(frozen=True, slots=True)
class Header:
    """The line of a table's headings."""

    line: Line
    columns: tuple[Column, ...]

    @property
    def fields(self) -> tuple[SchemaField, ...]:
        """The fields that have a column."""
        return tuple(column.field for column in self.columns if column.field is not None)


# What headings mean, by their words: a table repeats a few words in thousands of cells.
Known = dict[str, tuple[SchemaField | None, str]]


def read_header(line: Line, fields: list[SchemaField], known: Known) -> Header | None:
    """The headings of a line, where two of them fit fields, or the one that there is."""
    if (
        not (2 if line.grid < 0 or len(fields) > 1 else 1) <= len(line.cells) <= MOST_COLUMNS
        # Headings are words; one may have a figure (VAT 19 %).
        or sum(any(c.isdigit() for c in cell.text) for cell in line.cells) > 1
    ):
        return None
    columns = tuple(
        _column(part, fields, known)
        for cell in line.cells
        # The marks of a written table part its headings; elsewhere a blank may stand for a gap.
        for part in ([cell] if line.grid >= 0 else _headings(cell, fields, known))
    )
    matched = {column.field.name for column in columns if column.field is not None}
    # One word that happens to be a field's name is no header.
    needed = 2 if len(fields) > 1 else 1
    return Header(line, columns) if len(matched) >= needed else None


def _column(cell: Cell, fields: list[SchemaField], known: Known) -> Column:
    if cell.text not in known:
        known[cell.text] = _meant(normalise(cell.text), fields)
    return Column(cell, *known[cell.text])


def _meant(label: str, fields: list[SchemaField]) -> tuple[SchemaField | None, str]:
    best, fit = None, HEADER_FIT
    for field in fields:
        score = similarity(label, field.phrases)
        if score > fit:
            best, fit = field, score
    usual, usual_fit = _known(label)
    # A heading that means an everyday column better is that column's: else "Price" would fill
    # "Total price".
    if best is not None and (fit >= usual_fit or best.concept == usual):
        return best, _column_kind(best.kind)
    return None, _KINDS.get(usual, "other")


def _headings(cell: Cell, fields: list[SchemaField], known: Known) -> list[Cell]:
    """A header cell, taken apart where a single space stands between headings that are all known."""
    words = [(match.start(), match.end()) for match in re.finditer(r"\S+", cell.text)]
    if not 2 <= len(words) <= 5 or _named(cell, fields, known):
        return [cell]
    for place in range(len(words) - 1, 0, -1):
        begin = words[place][0]
        left = Cell(cell.text[: words[place - 1][1]], cell.start, cell.column)
        right = Cell(cell.text[begin:], cell.start + begin, cell.column + begin)
        if not _named(right, fields, known):
            continue
        before = _headings(left, fields, known)
        if all(_named(part, fields, known) for part in before):
            return [*before, right]
    return [cell]


def _named(cell: Cell, fields: list[SchemaField], known: Known) -> bool:
    column = _column(cell, fields, known)
    return column.field is not None or column.kind != "other"


# The columns of everyday item tables, by concept, and the kind of their values.
_KINDS = {
    "quantity": "number",
    "unit_price": "money",
    "line_total": "money",
    "item_description": "text",
    "item_code": "identifier",
    "unit": "text",
    "tax_rate": "percent",
    "position": "position",
    "discount": "other",
}


@lru_cache(maxsize=4096)
def _known(label: str) -> tuple[str, float]:
    """The column of everyday item tables that a heading names, and how well."""
    scored = [(similarity(label, concept_labels(name)), name) for name in _KINDS]
    fit, name = max(scored)
    return (name, fit) if fit >= HEADER_FIT else ("", 0.0)


def _column_kind(kind: str) -> str:
    if kind in {"money", "number", "percent", "date", "identifier"}:
        return kind
    return {"integer": "number", "datetime": "date", "case": "identifier"}.get(kind, "text")
