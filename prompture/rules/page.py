"""A document read once: lines and cells, dates, and what its numbers and dates mean.

Every offset counts code points of the whole text, so that a cell of a line is a slice of the document.
All expressions here are linear: none repeats a group that can match the same characters twice.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar

from prompture.rules.cells import Cell, Grid, cells_of, find_grids, unmarked
from prompture.rules.dates import PrintedDate, day_first, find_dates
from prompture.rules.numbers import decimal_mark
from prompture.types import Span

T = TypeVar("T")
_LINE = re.compile(r"[^\n\r\f\v\x85\u2028\u2029]+")
# Two blanks part cells: a text layer rarely leaves one where a table has a column.
_GAP = re.compile(r"[ \u00a0\u2000-\u200a\u202f\u3000]{2,}|\t[\t ]*|[|¦│]")
_MARK = re.compile(r"[\t|¦│]")
_RULE = re.compile(r"[\s|+:=*_.─━-]*")
_HEADING_MARK = re.compile(r" {0,3}#{1,6}[ \t]+(?=[^\W\d_])(?!of\b)")
_BREAK = re.compile(r"\n[ \t\r]*\n")


MOST_CELLS = 100  # of a line whose cells may be labels of what stands below


@dataclass(frozen=True, slots=True)
class Line:
    """A printed line that is not blank. `gap` says that a blank line (or the page's top) is above it.

    A row of a written table (Markdown, CSV) is one line, however it is broken; `grid` is then the number of the table.
    """

    number: int
    start: int
    text: str
    cells: tuple[Cell, ...]
    gap: bool
    grid: int = -1

    @property
    def end(self) -> int:
        """The offset after the last character."""
        return self.start + len(self.text)

    @property
    def words(self) -> str:
        """The text without the white space around it."""
        return self.text.strip()


@dataclass(frozen=True, slots=True)
class Layout:
    """A text and its lines in reading order.

    `grids` are its written tables: the first line of each, the one behind it, and whether its first row looks like
    headings. `meant` are the cells that are not written as they are, by their first offset: their end and their words.
    """

    text: str
    lines: tuple[Line, ...]
    starts: tuple[int, ...]
    grids: tuple[tuple[int, int, bool], ...] = ()
    meant: Mapping[int, tuple[int, str]] = field(default_factory=dict)

    def line_at(self, offset: int) -> int:
        """The index in `lines` of the line that holds, or last began before, `offset`."""
        return max(0, bisect_right(self.starts, offset) - 1)

    def words_of(self, start: int, end: int) -> str | None:
        """What a cell of a written table means, where that is not what stands there."""
        found = self.meant.get(start)
        return found[1] if found is not None and found[0] == end else None

    def within(self, start: int, end: int) -> tuple[Line, ...]:
        """The lines that begin inside `[start, end)`."""
        return self.lines[bisect_right(self.starts, start - 1) : bisect_right(self.starts, end - 1)]

    def below(self, index: int, cell: Cell, *, reach: int = 2) -> Cell | None:
        """The nearest cell under `cell`, at most `reach` lines down, that overlaps its columns."""
        cells = self.lines[index].cells
        # Each cell is compared with each of the next line: thousands of them are no row of labels.
        if len(cells) > MOST_CELLS:
            return None
        for line in self.lines[index + 1 : index + 1 + reach]:
            if cell.slot >= 0 and line.cells[0].slot >= 0:  # bars or tabs: the widths say nothing
                return next((other for other in line.cells if other.slot == cell.slot), None)
            found = overlapping(line, cell)
            if found is not None:
                # Under a row of headings a value belongs to the heading it overlaps most.
                return found if overlapping(self.lines[index], found) == cell else None
            # No column overlaps, but the rows have as many cells: gaps were narrowed on the way to
            # text.
            if len(cells) > 1 and len(line.cells) == len(cells) and cell in cells:
                return line.cells[cells.index(cell)]
        return None


def overlapping(line: Line, cell: Cell) -> Cell | None:
    """The cell of `line` that shares the most columns with `cell`."""
    best: Cell | None = None
    width = 0
    for other in line.cells:
        shared = min(other.last_column, cell.last_column) - max(other.column, cell.column)
        if shared > width:
            best, width = other, shared
    return best


def read_layout(text: str) -> Layout:
    """Split a text into lines and cells. The layout's own text has blanks for the marks of CSV."""
    lines: list[Line] = []
    grids: list[tuple[int, int, bool]] = []
    meant: dict[int, tuple[int, str]] = {}
    at = 0
    found = list(find_grids(text))
    text = unmarked(text, found)
    for grid in found:
        _add_lines(lines, text, at, grid.records[0].start)
        first = len(lines)
        _add_rows(lines, text, grid, len(grids), meant)
        grids.append((first, len(lines), grid.headed))
        at = grid.records[-1].end
    _add_lines(lines, text, at, len(text))
    return Layout(text, tuple(lines), tuple(line.start for line in lines), tuple(grids), meant)


def _add_lines(lines: list[Line], text: str, start: int, end: int) -> None:
    for match in _LINE.finditer(text, start, end):
        printed = match.group()
        # A line of dashes is neither words nor a blank line.
        if not printed.strip() or _RULE.fullmatch(printed):
            continue
        begin = match.start()
        cells = tuple(_cells(printed, begin))
        lines.append(Line(len(lines), begin, printed, cells, _is_apart(lines, text, begin)))


def _is_apart(lines: list[Line], text: str, begin: int) -> bool:
    """Whether a blank line, or nothing, stands above the next line."""
    return not lines or _BREAK.search(text, max(0, lines[-1].end - 1), begin) is not None


def _add_rows(
    lines: list[Line], text: str, grid: Grid, number: int, meant: dict[int, tuple[int, str]]
) -> None:
    width = len(grid.records[0].fields)
    for record in grid.records:
        if len(record.fields) > width:  # whose its cells are cannot be known: it is no row
            _add_lines(lines, text, record.start, record.end)
            continue
        cells = tuple(cells_of(text, record))
        if not cells:
            continue
        gap = _is_apart(lines, text, record.start)
        printed = text[record.start : record.end]
        lines.append(Line(len(lines), record.start, printed, cells, gap, number))
        ends = {cell.start: cell.end for cell in cells}
        meant.update(
            (begin, (ends[begin], words)) for begin, words in record.meant if begin in ends
        )


def _cells(printed: str, start: int) -> Iterator[Cell]:
    # The marks of a Markdown heading are no words ("# 4711" and "# of items" are a number).
    heading = _HEADING_MARK.match(printed)
    begin = heading.end() if heading else 0
    marked = _MARK.search(printed) is not None
    # A bar at the start of the line parts nothing.
    slot = -1 if not marked or _MARK.match(printed.lstrip(" ")) else 0
    for gap in _GAP.finditer(printed, begin):
        yield from _cell(printed, begin, gap.start(), start, slot)
        begin = gap.end()
        slot += len(_MARK.findall(gap.group())) if marked else 0
    yield from _cell(printed, begin, len(printed), start, slot)


def _cell(printed: str, begin: int, end: int, start: int, slot: int) -> Iterator[Cell]:
    piece = printed[begin:end]
    trimmed = piece.strip()
    if trimmed:
        column = begin + len(piece) - len(piece.lstrip())
        yield Cell(trimmed, start + column, column, slot)


@dataclass(frozen=True, slots=True)
class Page:
    """The text with what is worth working out once.

    `printed` is the text as it was given, `text` has blanks for the marks that part the cells of CSV; `mark` is the decimal separator and `day_first` the order of 03/04/2024, None where the text does not show it.
    """

    text: str
    printed: str
    layout: Layout
    mark: str | None
    day_first: bool | None
    dates: tuple[PrintedDate, ...]
    today: date | None
    region: str | None
    # A page belongs to one extraction, in one thread: no lock.
    _derived: dict[object, Any] = field(default_factory=dict, compare=False, repr=False)

    def once(self, key: object, read: Callable[[], T]) -> T:
        """What `read` gives, called at most once for a key."""
        if key not in self._derived:
            self._derived[key] = read()
        found: T = self._derived[key]
        return found


@dataclass(frozen=True, slots=True)
class TextRange:
    """The part of a text that an object is read from, `[start, end)`."""

    start: int
    end: int

    def holds(self, start: int, end: int) -> bool:
        """Whether `[start, end)` lies inside."""
        return self.start <= start and end <= self.end


@dataclass(frozen=True, slots=True)
class ParsedValue:
    """What a reader found: a Python value, its place in the whole text, and how many other values stood beside it."""

    value: Any
    start: int
    end: int
    rivals: int = 0


@dataclass(frozen=True, slots=True)
class FieldCandidate:
    """A value a field may take: JSON, where it stands, how sure we are (0 to 1), and the label it stands by."""

    value: Any
    spans: tuple[Span, ...]
    score: float
    label: tuple[int, int] | None = None


def read_page(text: str, *, today: date | None = None, region: str | None = None) -> Page:
    """Read what every field needs from a text. `region` is an ISO 3166 code that settles 03/04/2024 and phone numbers."""
    # Due dates lie ahead, births do not: a year of two digits is at most twenty years from now.
    layout = read_layout(text)
    printed, text = text, layout.text
    last_year = 2069 if today is None else today.year + 20
    dates = tuple(find_dates(text, last_year=last_year))
    return Page(
        text=text,
        printed=printed,
        layout=layout,
        mark=decimal_mark(text),
        day_first=day_first(text, dates, region=region),
        dates=dates,
        today=today,
        region=region,
    )
