"""Tables: a header row whose cells fit the fields of a list's items, and the rows under it.

Text taken from a PDF often loses the true width of its gaps, so cells are not lined up by column alone: the header's
kinds (text, number, money, percent) are aligned with the row's cells in order, and where the header is broken over
lines the sum "quantity times price is amount" decides."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from prompture.rules import data
from prompture.rules.cells import Cell, cell_kind
from prompture.rules.concepts import concept_labels, normalise
from prompture.rules.fields import SchemaField
from prompture.rules.headings import Column, Header, Known, read_header
from prompture.rules.labelled import read_alone
from prompture.rules.page import FieldCandidate, Line, Page, TextRange
from prompture.rules.render import render

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
    ("text", "date"): 0.2,
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
        if (header := read_header(line, plain, known)) is not None
    ]
    best: list[Record] = []
    reached: dict[str, int] = {}  # a header repeated on each page is read through once
    # Twelve headers bound the work on a text that is all headings.
    for place, header in sorted(found, key=lambda pair: -len(pair[1].fields))[:12]:
        if header.line.start < reached.get(header.line.words, 0):
            continue
        rows = list(_rows_under(header, lines[place + 1 :], plain, page, read_row or plain_row))
        if rows:
            reached[header.line.words] = max(s.start for c in rows[-1].values() for s in c.spans)
        if check is not None:
            rows = check(rows, plain, page)
        if _worth(rows) > _worth(best):
            best = rows
    return best


def _worth(rows: list[Record]) -> int:
    return sum(len(row) for row in rows)


def _rows_under(
    header: Header,
    lines: tuple[Line, ...],
    fields: list[SchemaField],
    page: Page,
    read_row: RowReader,
) -> Iterator[Record]:
    quiet = 0
    known: Known = {}
    grid = header.line.grid
    for place, line in enumerate(lines):
        if grid >= 0 and line.grid != grid and line.words == header.line.words:
            grid = line.grid  # the table goes on, on the next page or sheet
        # A header that is repeated on the next page may hold the word "total".
        if read_header(line, fields, known) is None and _closes(line):
            return
        # So many lines without a row: the table is over, and the rest of the text is not searched
        # for it.
        if quiet > ROW_GAP_LINES * 4:
            return
        cells = _at_headings(header, split_cells(line))
        row = None
        if _is_in_table(header, cells, line.grid, grid):
            after = lines[place + 1 : place + 1 + _AFTER]
            row = read_row(TableRow(header, cells, align(header, cells), after), fields, page)
        if row:
            quiet = 0
            yield row
        else:
            quiet += 1


def _is_in_table(header: Header, cells: list[Cell], grid: int, own: int) -> bool:
    """Whether a line may be a row: of a written table only its own rows are, and only by their marks."""
    if own >= 0:  # a cell alone over several columns is a heading of what follows
        return grid == own and (len(cells) > 1 or len(header.columns) < 3)
    return 2 <= len(cells) <= 24


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
        match = _POSITION.match(cell.text) if place == 0 and line.grid < 0 else None
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
    if len(cells) >= len(header.columns) or header.line.grid >= 0 or is_slotted(header, cells):
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


def plain_row(row: TableRow, fields: list[SchemaField], page: Page) -> Record | None:
    """The fields of a row, each from the cell of its column."""
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
        # A cell below no heading, a number of the row most often, is nobody's.
        return [(by_slot[cell.slot], cell) for cell in cells if cell.slot in by_slot]
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
