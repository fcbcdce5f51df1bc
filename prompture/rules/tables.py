"""Tables: a header row whose cells fit the fields of a list's items, and the rows under it.

Text taken from a PDF often loses the true width of its gaps, so cells are not lined up by column alone: the header's
kinds (text, number, money, percent) are aligned with the row's cells in order, and where the header is broken over
lines the sum "quantity times price is amount" decides."""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from prompture.rules import data
from prompture.rules.cells import Cell, cell_kind
from prompture.rules.concepts import concept_labels, normalise
from prompture.rules.dates import find_dates
from prompture.rules.fields import SchemaField
from prompture.rules.headings import (
    SLACK,
    Column,
    Header,
    Known,
    align,
    by_edges,
    header_at,
    is_slotted,
    place_of,
    read_header,
)
from prompture.rules.labelled import FREE_KINDS, read_alone
from prompture.rules.page import FieldCandidate, Line, Page, TextRange
from prompture.rules.render import accepts, render
from prompture.types import Span

# A description of several lines lies between two rows.
ROW_GAP_LINES = 8
_CLOSING = ("net_total", "grand_total", "tax_total", "amount_due", "payment_terms")
_POSITION = re.compile(r"(\d{1,3})\s+(?=[^\W\d_])")
_TABLE_END = re.compile(data.alternatives("invoices", "table_ends"), re.IGNORECASE)

_AFTER = 8  # lines below a row that may go on with it


@dataclass(frozen=True, slots=True)
class TableRow:
    """A line under a header: its cells, those that have a column, and the lines below that may go on with it.

    Of a row over several lines, parted from others by blank ones, `cells` are the first lines of its cells and `broken`
    all lines of those that have more, by where they begin.
    """

    header: Header
    cells: list[Cell]
    placed: list[tuple[Column, Cell]]
    after: tuple[Line, ...]
    broken: Mapping[int, tuple[Cell, ...]] = field(default_factory=dict)
    above: Line | None = None


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
        for place in range(len(lines))
        if (header := header_at(lines, place, page, plain, known)) is not None
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


def read_column(field: SchemaField, page: Page, scope: TextRange) -> list[FieldCandidate]:
    """The cells below the heading of a written table that names a list of plain values; none where two tables fit."""
    own = {**{_singular(phrase): fit for phrase, fit in field.phrases.items()}, **field.phrases}
    one = replace(field, phrases=own)
    known: Known = {}
    heads = {
        tuple(cell.text for cell in line.cells)
        for line in page.layout.within(scope.start, scope.end)
        if line.grid >= 0 and read_header(line, [one], known) is not None
    }
    rows = read_rows([one], page, scope) if len(heads) == 1 else []
    found = [row[field.name] for row in rows]
    # A list of figures is whole or none: "1.50, on request, 3" is no list of two prices.
    return found if field.kind in FREE_KINDS or _fill_column(found, page) else []


def _fill_column(found: list[FieldCandidate], page: Page) -> bool:
    """Whether values are all that stands in their column down to the row behind the last, but for empty cells."""
    if not found:
        return False
    layout = page.layout
    first, last = (layout.line_at(one.spans[0].start) for one in (found[0], found[-1]))
    slot = next(c.slot for c in layout.lines[first].cells if c.end > found[0].spans[0].start)
    heads = {place for place, _, _ in layout.grids}
    rows = [line for line in layout.lines[first : last + 2] if line.number not in heads]
    filled = [one for one in rows if one.grid >= 0 and slot in {c.slot for c in one.cells}]
    closed = bool(filled) and filled[-1].number > last and _closes(filled[-1])
    return len(filled) - closed == len(found)


def _singular(phrase: str) -> str:
    return re.sub(r"(?:(?<=[sxz])|(?<=[cs]h))es$|(?<!s)s$", "", re.sub(r"ies$", "y", phrase))


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
    headings = [cell.text for cell in header.line.cells]
    read_to = 0
    for place, line in enumerate(lines):
        if place < read_to:
            continue
        if [cell.text for cell in line.cells] == headings:
            # The table goes on, on the next page or sheet: its headings again are no row.
            grid = line.grid if grid >= 0 else grid
            continue
        # A header that is repeated on the next page may hold the word "total".
        if read_header(line, fields, known) is None and _closes(line):
            return
        # So many lines without a row: the table is over, and the rest of the text is not searched
        # for it.
        if quiet > ROW_GAP_LINES * 4:
            return
        if _is_sum(line):
            quiet += 1
            continue
        row = None
        block = _block(lines, place) if grid < 0 and (line.gap or not place) else ()
        if whole := _as_one_row(header, block):
            row = read_row(whole, fields, page)
            read_to = place + len(block) if row else 0
        cells = _at_headings(header, split_cells(line))
        if row is None and _is_in_table(header, cells, line.grid, grid):
            after = lines[place + 1 : place + 1 + _AFTER]
            above = lines[place - 1] if place and not line.gap else None
            placed = align(header, cells)
            row = read_row(TableRow(header, cells, placed, after, above=above), fields, page)
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


_SUMS = frozenset({"total", "subtotal", "summe", "gesamt", "totale", "totaal"})


def _is_sum(line: Line) -> bool:
    """Whether a line is the sum of a group of rows, "Fruit total", which is no row: the table goes on below."""
    words = normalise(line.cells[0].text).split()
    return len(words) > 1 and words[-1] in _SUMS


def split_cells(line: Line) -> list[Cell]:
    """The cells of a row; a position number before the text is a cell of its own."""
    cells: list[Cell] = []
    for place, cell in enumerate(line.cells):
        match = _POSITION.match(cell.text) if place == 0 and line.grid < 0 else None
        # "2 May 2024" has no position.
        if match is None or next(find_dates(cell.text[:40]), None) is not None:
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
        # "Revenue 2023" and "Revenue 2024" for a field `revenue`: neither is meant.
        if column.field is None or not column.sole:
            continue
        if _begins_above(row, cell):
            continue
        pieces = wrapped(row, cell) if column.field.kind in FREE_KINDS else (cell,)
        if len(pieces) > 1 and (whole := joined(column.field, pieces)):
            found[column.field.name] = whole
            continue
        reading = read_alone(column.field, page, cell.start, cell.end)
        written = render(column.field, reading, page) if reading else None
        if written:
            found[column.field.name] = FieldCandidate(written[0], (written[1],), 0.85)
    enough = len(found) >= min(2, len(header.fields)) or is_slotted(header, row.cells)
    return found if enough and _complete(row, found) else None


def _is_between(row: TableRow, margin: int) -> bool:
    """Whether a line without a first cell, but with a figure, is a row among others: its date is that of the row above."""
    if row.above is None or all(cell_kind(cell.text) == "text" for cell in row.cells):
        return False
    for line in row.after:
        if line.gap or _closes(line):
            return False
        if len(line.cells) >= 3 and line.cells[0].column == margin:
            return True
    return False


def _goes_on(header: Header, cells: list[Cell], line: Line) -> bool:
    """Whether a line may hold further words of a row's cells: fewer cells, no figures, each below or above one of the row."""
    starts = [cell.column for cell in cells] + [one.cell.column for one in header.columns]
    return (
        line.grid < 0
        and len(line.cells) < max(2, len(cells))
        and not _closes(line)
        and all(
            cell_kind(cell.text) == "text"
            and ":" not in cell.text
            and any(abs(cell.column - start) <= SLACK for start in starts)
            for cell in line.cells
        )
    )


# No line shorter than this part of its column is full, nor than this part of the longest line: letters differ in width.
_NARROW, _FULL = 0.85, 0.8


def wrapped(row: TableRow, cell: Cell) -> tuple[Cell, ...]:
    """The lines of a cell that is broken over several: each is so full that the next one's first word had no space."""
    if row.header.line.grid >= 0 or row.broken:
        return row.broken.get(cell.start, (cell,))
    pieces = [cell]
    for line in row.after:
        if line.gap or not _goes_on(row.header, row.cells, line):
            break
        pieces.extend(other for other in line.cells if abs(other.column - cell.column) <= SLACK)
    return tuple(pieces) if _are_full(row.header, pieces) else (cell,)


def _begins_above(row: TableRow, cell: Cell) -> bool:
    """Whether a cell seems to be the end of what begins on the line above, where no blank line shows which row that is."""
    if row.above is None or not cell.text[0].islower() or row.header.line.grid >= 0:
        return False
    over = [one for one in row.above.cells if abs(one.column - cell.column) <= SLACK]
    partial = _goes_on(row.header, row.cells, row.above)
    return partial and any(_are_full(row.header, (one, cell)) for one in over)


def _are_full(header: Header, pieces: Sequence[Cell]) -> bool:
    """Whether each line of a cell but the last is so full that the first word of the next had no space."""
    begin = pieces[0].column
    following = [one.cell.column for one in header.columns if one.cell.column > begin + SLACK]
    width = _NARROW * (min(following) - begin) if following else 0.0
    longest = max(width, *(_FULL * len(piece.text) for piece in pieces))
    return all(
        len(one.text) + 1 + len(other.text.split()[0]) > longest
        for one, other in itertools.pairwise(pieces)
    )


def _block(lines: tuple[Line, ...], place: int) -> tuple[Line, ...]:
    """The lines from one on, up to the next blank line; none where they are many."""
    for end in range(place + 1, place + 2 + _AFTER):
        if end == len(lines) or lines[end].gap:
            return lines[place:end]
    return ()


def _as_one_row(header: Header, block: tuple[Line, ...]) -> TableRow | None:
    """The lines between two blank ones as one row, whose cells stand at the top, in the middle or at the bottom of it;
    None where they are no row, or several."""
    width = len(header.columns)
    # Of a row's lines one at most is nearly full: two such are two rows.
    partial = [line for line in block if len(line.cells) < max(2, width - 1)]
    if len(block) < 2 or len(partial) < len(block) - 1 or any(map(_closes, block)):
        return None
    stacks: dict[int, list[Cell]] = {}
    for line in block:
        for cell in line.cells:
            place = place_of(header, cell)
            stack = stacks.setdefault(place, [])
            # A figure, a label, or a cell beside it: this is no further line of a cell.
            alone = cell_kind(cell.text) != "text" or ":" in cell.text
            if place < 0 or (stack and (alone or stack[-1].start >= line.start)):
                return None
            if stack and cell_kind(stack[0].text) != "text":
                return None
            stack.append(cell)
    if len(stacks) < max(2, width - 1) or not all(
        _are_full(header, stack) for stack in stacks.values()
    ):
        return None
    placed = [(header.columns[place], stacks[place][0]) for place in sorted(stacks)]
    broken = {stack[0].start: tuple(stack) for stack in stacks.values() if len(stack) > 1}
    return TableRow(header, [cell for _, cell in placed], placed, (), broken)


def joined(field: SchemaField, pieces: Sequence[Cell]) -> FieldCandidate | None:
    """The lines of a cell as one text; None where the schema refuses it."""
    value = " ".join(piece.text for piece in pieces)
    spans = tuple(Span(piece.start, piece.end, "normalised") for piece in pieces)
    return FieldCandidate(value, spans, 0.75) if accepts(field.schema, value) else None


def _complete(row: TableRow, found: Record) -> bool:
    """A line of prose is no row: the row fills the header, or nearly."""
    header, cells = row.header, row.cells
    if is_slotted(header, cells):
        return bool(found)
    # Of an empty cell the edges show: a row of a statement has no debit, or no credit.
    margin = header.columns[0].cell.column
    keyed = len(cells) >= 3 and cells[0].column == margin
    if (keyed or _is_between(row, margin)) and by_edges(header.columns, cells):
        return True
    return len(cells) >= len(header.columns) - 1 and len(found) * 2 >= len(header.fields)
