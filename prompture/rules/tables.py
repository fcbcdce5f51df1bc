"""Tables: a header row whose cells fit the fields of a list's items, and the rows under it.

Text taken from a PDF often loses the true width of its gaps, so cells are not lined up by column alone: the header's
kinds (text, number, money, percent) are aligned with the row's cells in order, and where the header is broken over
lines the sum "quantity times price is amount" decides."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from prompture.rules import data
from prompture.rules.concepts import concept_labels, normalise, similarity
from prompture.rules.fields import SchemaField
from prompture.rules.labelled import read_alone
from prompture.rules.page import Cell, FieldCandidate, Line, Page, TextRange, cell_kind
from prompture.rules.render import render

HEADER_FIT = 0.78  # lower than for labels: several headings of one line support each other
# A description of several lines lies between two rows.
ROW_GAP_LINES = 8
_CLOSING = ("net_total", "grand_total", "tax_total", "amount_due", "payment_terms")
_POSITION = re.compile(r"(\d{1,3})\s+(?=[^\W\d_])")
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
    ("identifier", "number"): 2.0,
    ("identifier", "text"): 1.5,
    ("date", "date"): 3.0,
    ("position", "number"): 3.0,
    ("other", "text"): 0.6,
    ("other", "number"): 0.6,
    ("other", "money"): 0.6,
    ("other", "percent"): 0.6,
    ("other", "date"): 0.6,
}


_TABLE_END = re.compile(data.alternatives("invoices", "table_ends"), re.IGNORECASE)

_AFTER = 8  # lines below a row that may go on with it


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


@dataclass(frozen=True, slots=True)
class TableRow:
    """A line under a header: its cells, those that have a column, and the lines below that may go on with it."""

    header: Header
    cells: list[Cell]
    placed: list[tuple[Column, Cell]]
    after: tuple[Line, ...]


Record = dict[str, FieldCandidate]
RowReader = Callable[[TableRow, list[SchemaField], Page], Record | None]
RowCheck = Callable[[list[Record], list[SchemaField], Page], list[Record]]


def read_rows(
    fields: Sequence[SchemaField],
    page: Page,
    scope: TextRange,
    *,
    read_row: RowReader | None = None,
    check: RowCheck | None = None,
) -> list[Record]:
    """The rows of the table that fits the fields best; empty when no header fits two of them.

    `read_row` reads one row in place of the cells' own kinds; `check` drops rows of a whole table.
    """
    plain = [field for field in fields if field.kind not in {"object", "array"}]
    lines = page.layout.within(scope.start, scope.end)
    known: Known = {}
    found = [
        (place, header)
        for place, line in enumerate(lines)
        if (header := _header(line, plain, known)) is not None
    ]
    best: list[Record] = []
    reached: dict[str, int] = {}  # a header repeated on each page is read through once
    # Twelve headers bound the work on a text that is all headings.
    for place, header in sorted(found, key=lambda pair: -len(pair[1].fields))[:12]:
        if header.line.start < reached.get(header.line.words, 0):
            continue
        rows = list(_rows_under(header, lines[place + 1 :], plain, page, read_row or _plain_row))
        if rows:
            reached[header.line.words] = max(s.start for c in rows[-1].values() for s in c.spans)
        if check is not None:
            rows = check(rows, plain, page)
        if _worth(rows) > _worth(best):
            best = rows
    return best


def _worth(rows: list[Record]) -> int:
    return sum(len(row) for row in rows)


# What headings mean, by their words: a table repeats a few words in thousands of cells.
Known = dict[str, tuple[SchemaField | None, str]]


def _header(line: Line, fields: list[SchemaField], known: Known) -> Header | None:
    if (
        not 2 <= len(line.cells) <= 20
        # Headings are words; one may have a figure (VAT 19 %).
        or sum(any(c.isdigit() for c in cell.text) for cell in line.cells) > 1
    ):
        return None
    columns = tuple(
        _column(part, fields, known)
        for cell in line.cells
        for part in _headings(cell, fields, known)
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


def _rows_under(
    header: Header,
    lines: tuple[Line, ...],
    fields: list[SchemaField],
    page: Page,
    read_row: RowReader,
) -> Iterator[Record]:
    quiet = 0
    known: Known = {}
    for place, line in enumerate(lines):
        # A header that is repeated on the next page may hold the word "total".
        if _header(line, fields, known) is None and _closes(line):
            return
        # So many lines without a row: the table is over, and the rest of the text is not searched
        # for it.
        if quiet > ROW_GAP_LINES * 4:
            return
        cells = _at_headings(header, split_cells(line))
        row = None
        if 2 <= len(cells) <= 24:
            after = lines[place + 1 : place + 1 + _AFTER]
            row = read_row(TableRow(header, cells, align(header, cells), after), fields, page)
        if row:
            quiet = 0
            yield row
        else:
            quiet += 1


def _closes(line: Line) -> bool:
    """Whether a line ends a table: it holds the label of a total, or opens the terms of payment."""
    if _TABLE_END.match(line.words):
        return True
    cells = (
        line.cells
        if any(cell_kind(cell.text) == "money" for cell in line.cells)
        else line.cells[:1]
    )
    heads = [cell.text.split(":")[0] for cell in cells]
    labels = [
        normalise(head) for head in heads if head.strip() and not any(c.isdigit() for c in head)
    ]
    return any(label in concept_labels(name) for label in labels for name in _CLOSING)


def split_cells(line: Line) -> list[Cell]:
    """The cells of a row; a position number before the text is a cell of its own."""
    cells: list[Cell] = []
    for place, cell in enumerate(line.cells):
        match = _POSITION.match(cell.text) if place == 0 else None
        if match is None:
            cells.append(cell)
            continue
        cells.append(Cell(match[1], cell.start, cell.column, cell.slot))
        skip = match.end()
        cells.append(Cell(cell.text[skip:], cell.start + skip, cell.column + skip))
    return cells


def _at_headings(header: Header, cells: list[Cell]) -> list[Cell]:
    """The cells of a row with too few of them, parted where a word begins right under a heading: "Oil 1" under
    "Item  Qty" is two."""
    if len(cells) >= len(header.columns) or is_slotted(header, cells):
        return cells
    starts = {column.cell.column for column in header.columns}
    found: list[Cell] = []
    for cell in cells:
        begin = 0
        for word in re.finditer(r"(?<= )\S", cell.text):
            if cell.column + word.start() in starts:
                found.append(_part(cell, begin, word.start()))
                begin = word.start()
        found.append(_part(cell, begin, len(cell.text)))
    return found


def _part(cell: Cell, begin: int, end: int) -> Cell:
    return Cell(cell.text[begin:end].rstrip(), cell.start + begin, cell.column + begin)


def _plain_row(row: TableRow, fields: list[SchemaField], page: Page) -> Record | None:
    header = row.header
    found: Record = {}
    for column, cell in row.placed:
        if column.field is None:
            continue
        reading = read_alone(column.field, page, cell.start, cell.end)
        written = render(column.field, reading, page) if reading else None
        if written:
            found[column.field.name] = FieldCandidate(written[0], (written[1],), 0.85)
    enough = len(found) >= min(2, len(header.fields)) or is_slotted(header, row.cells)
    return found if enough and _complete(header, row.cells, found) else None


def _complete(header: Header, cells: list[Cell], found: Record) -> bool:
    """A line of prose is no row: the row fills the header, or nearly."""
    if is_slotted(header, cells):
        return bool(found)
    return len(cells) >= len(header.columns) - 1 and len(found) * 2 >= len(header.fields)


def align(header: Header, cells: list[Cell]) -> list[tuple[Column, Cell]]:
    """Pair the cells of a row with columns, in order, so that kinds agree best."""
    columns = header.columns
    if is_slotted(header, cells):
        by_slot = {column.cell.slot: column for column in columns}
        return [(by_slot[cell.slot], cell) for cell in cells]
    if len(cells) < len(columns) and (edges := _by_edges(columns, cells)):
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


def _by_edges(columns: tuple[Column, ...], cells: list[Cell]) -> list[tuple[Column, Cell]]:
    """The columns of a row with empty cells, where each of its cells begins or ends right where one heading does."""
    placed: list[tuple[Column, Cell]] = []
    for cell in cells:
        edged = [
            column
            for column in columns
            if column.cell.column == cell.column or column.cell.last_column == cell.last_column
        ]
        if len(edged) != 1 or any(edged[0] is column for column, _ in placed):
            return []
        placed.append((edged[0], cell))
    return placed


def is_slotted(header: Header, cells: list[Cell]) -> bool:
    """Whether bars or tabs show which cell of a row is whose: an empty cell then shifts no other."""
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
