"""Headings of tables: a line whose cells fit the fields of a list's items, and which cell of a row stands below which."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from prompture.rules.cells import Cell, cell_kind
from prompture.rules.concepts import concept_labels, normalise, similarity
from prompture.rules.fields import SchemaField
from prompture.rules.page import Line, Page

HEADER_FIT = 0.78  # lower than for labels: several headings of one line support each other
MOST_COLUMNS = 60


@dataclass(frozen=True, slots=True)
class Column:
    """A header cell: the field it fits, if any, the kind of value below it, and how well it fits.

    `sole`: no other column fits the field as well.
    """

    cell: Cell
    field: SchemaField | None
    kind: str
    fit: float = 0.0
    sole: bool = True


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
Known = dict[str, tuple[SchemaField | None, str, float]]


def read_header(
    line: Line, fields: list[SchemaField], known: Known, *, above: Line | None = None
) -> Header | None:
    """The headings of a line, where two of them fit fields, or the one that there is. `above` is the line before it,
    where both may be headings of one table."""
    over = _stacked(above, line) if above is not None else None
    if not (2 if line.grid < 0 or len(fields) > 1 else 1) <= len(
        line.cells
    ) <= MOST_COLUMNS or _has_figures(line):
        return None
    columns = _compared(
        _column(part, fields, known)
        for cell in over or line.cells
        # The marks of a written table part its headings; elsewhere a blank may stand for a gap.
        for part in ([cell] if line.grid >= 0 else _headings(cell, fields, known))
    )
    matched = {column.field.name for column in columns if column.field is not None}
    # One word that happens to be a field's name is no header.
    needed = 2 if len(fields) > 1 else 1
    return Header(line, columns) if len(matched) >= needed else None


def _has_figures(line: Line) -> bool:
    """Whether a line has figures as rows have: headings are words, of which one may have a figure (VAT 19 %), and in
    a written table all may begin with a word: "Revenue 2023", "Q1"."""
    figures = [cell.text for cell in line.cells if any(c.isdigit() for c in cell.text)]
    return len(figures) > 1 and (line.grid < 0 or not all(text[0].isalpha() for text in figures))


def _compared(columns: Iterable[Column]) -> tuple[Column, ...]:
    """The columns, marked where another fits the same field as well."""
    found = tuple(columns)
    fits: dict[str, list[float]] = {}
    for column in found:
        if column.field is not None:
            fits.setdefault(column.field.name, []).append(column.fit)
    return tuple(
        column
        if column.field is None
        or (column.fit == max(all_of := fits[column.field.name]) and all_of.count(column.fit) == 1)
        else replace(column, sole=False)
        for column in found
    )


def _stacked(above: Line, line: Line) -> list[Cell] | None:
    """The headings of two lines of a written table as one, "2023" over "Units" and "Revenue": None where they are not."""
    below = {cell.slot: cell for cell in line.cells}
    tops = {cell.slot: cell for cell in above.cells}
    # A heading over several has none of its own beside it, and is no figure's.
    spanned = set(below) - set(tops)
    if (
        not (above.grid == line.grid >= 0)
        or not spanned
        or min(spanned) < min(tops)
        or not all(any(c.isalpha() for c in cell.text) for cell in line.cells)
    ):
        return None
    found, over = [], None
    for slot in sorted({*tops, *below}):
        over = tops.get(slot, over)
        under = below.get(slot)
        if under is None or over is None:
            found.append(under or tops[slot])
        else:
            found.append(Cell(f"{over.text} {under.text}", under.start, under.column, slot))
    return found


def _column(cell: Cell, fields: list[SchemaField], known: Known) -> Column:
    if cell.text not in known:
        known[cell.text] = _meant(normalise(cell.text), fields)
    return Column(cell, *known[cell.text])


def _meant(label: str, fields: list[SchemaField]) -> tuple[SchemaField | None, str, float]:
    best, fit = None, HEADER_FIT
    for field in fields:
        score = similarity(label, field.phrases)
        if score > fit:
            best, fit = field, score
    usual, usual_fit = _known(label)
    # A heading that means an everyday column better is that column's: else "Price" would fill
    # "Total price".
    if best is not None and (fit >= usual_fit or best.concept == usual):
        return best, _column_kind(best.kind), fit
    return None, _KINDS.get(usual, "other"), 0.0


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


def header_at(
    lines: tuple[Line, ...], place: int, page: Page, fields: list[SchemaField], known: Known
) -> Header | None:
    """The headings of a line, read with the line above where these two open a written table."""
    line = lines[place]
    above = lines[place - 1] if place and line.grid >= 0 else None
    if above is not None and page.layout.grids[line.grid][0] == above.number:
        return read_header(line, fields, known, above=above)
    return read_header(line, fields, known)


# How well a cell's look (second) goes with a column's kind (first); pairs that are missing do not go together.
_LIKELY = {
    ("money", "money"): 3.0,
    ("money", "number"): 2.0,
    ("number", "number"): 3.0,
    ("number", "money"): 2.0,
    ("percent", "percent"): 3.0,
    ("percent", "number"): 1.5,
    ("percent", "money"): 0.5,
    ("text", "text"): 3.0,
    ("text", "number"): 0.2,
    ("text", "date"): 0.2,
    ("identifier", "number"): 2.0,
    ("identifier", "text"): 1.5,
    ("date", "date"): 3.0,
    ("date", "text"): 1.0,  # 2 May 2024
    ("position", "number"): 3.0,
    ("other", "text"): 0.6,
    ("other", "number"): 0.6,
    ("other", "money"): 0.6,
    ("other", "percent"): 0.6,
    ("other", "date"): 0.6,
}


def align(header: Header, cells: list[Cell]) -> list[tuple[Column, Cell]]:
    """Pair the cells of a row with columns, in order, so that kinds agree best."""
    columns = header.columns
    if is_slotted(header, cells):
        by_slot = {column.cell.slot: column for column in columns}
        # A cell below no heading, a number of the row most often, is nobody's.
        return [(by_slot[cell.slot], cell) for cell in cells if cell.slot in by_slot]
    if len(cells) < len(columns) and (edges := by_edges(columns, cells)):
        return edges
    # Most rows are whole: no alignment is needed.
    if len(columns) == len(cells) and all(
        _likely(c.kind, x) > 0 for c, x in zip(columns, cells, strict=True)
    ):
        return list(zip(columns, cells, strict=True))
    wide, high = len(columns) + 1, len(cells) + 1
    score = [[0.0] * wide for _ in range(high)]
    for i in range(1, high):
        for j in range(1, wide):
            score[i][j] = max(
                score[i - 1][j],
                score[i][j - 1],
                score[i - 1][j - 1] + _fit(columns[j - 1], cells[i - 1]),
            )
    return _trace(score, columns, cells)


def by_edges(columns: tuple[Column, ...], cells: list[Cell]) -> list[tuple[Column, Cell]]:
    """The columns of a row with empty cells, where each of its cells begins or ends where one heading does."""
    placed: list[tuple[Column, Cell]] = []
    for cell in cells:
        edged = [
            column
            for column in columns
            if abs(column.cell.column - cell.column) <= 1
            or abs(column.cell.last_column - cell.last_column) <= 1
        ]
        if len(edged) != 1 or any(edged[0] is column for column, _ in placed):
            return []
        placed.append((edged[0], cell))
    return placed


def is_slotted(header: Header, cells: list[Cell]) -> bool:
    """Whether bars or tabs show which cell of a row is whose: an empty cell then shifts no other."""
    if header.line.grid >= 0:
        return True
    slots = [cell.slot for cell in cells]
    known = [column.cell.slot for column in header.columns]
    # Tabs that only line up what is printed leave other numbers from row to row.
    return (
        -1 not in known
        and len(set(known)) == len(known)
        and len(set(slots)) == len(slots)
        and set(slots) <= set(known)
    )


def _trace(
    score: list[list[float]], columns: tuple[Column, ...], cells: list[Cell]
) -> list[tuple[Column, Cell]]:
    placed: list[tuple[Column, Cell]] = []
    i, j = len(cells), len(columns)
    while i and j:
        # A cell that is left out first: it may be a word that slipped into the row.
        if score[i][j] == score[i - 1][j]:
            i -= 1
        elif score[i][j] == score[i][j - 1]:
            j -= 1
        else:
            i, j = i - 1, j - 1
            placed.append((columns[j], cells[i]))
    return placed[::-1]


def _fit(column: Column, cell: Cell) -> float:
    # The kind decides; standing below the heading only tips the scale, for widths are lost in PDFs.
    likely = _likely(column.kind, cell)
    shared = min(column.cell.last_column, cell.last_column) - max(column.cell.column, cell.column)
    return likely + (0.4 if shared > 0 else 0.0) if likely > 0 else -9.0


def _likely(kind: str, cell: Cell) -> float:
    return _LIKELY.get((kind, cell_kind(cell.text)), -9.0)


SLACK = 2  # columns by which the lines of one cell may stand apart in text taken from a PDF


def place_of(header: Header, cell: Cell) -> int:
    """The column that a cell stands in: a figure by the nearest heading, words from where theirs begins; -1 for none."""
    columns = [column.cell for column in header.columns]
    if cell_kind(cell.text) != "text":
        shared = [
            min(one.last_column, cell.last_column) - max(one.column, cell.column) for one in columns
        ]
        return shared.index(max(shared))
    return sum(one.column <= cell.column + SLACK for one in columns) - 1
