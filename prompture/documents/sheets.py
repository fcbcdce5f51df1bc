"""XLSX: the sheets as pages, with the values as their cells show them."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field

from prompture.document_errors import DocumentTooLarge
from prompture.documents import ReadOptions
from prompture.documents.blocks import MOST_CELLS, BlockText, counted, few, joined_halves
from prompture.documents.number_formats import BUILT_IN, general, is_date, shown
from prompture.documents.packages import Package, Pictures, pictures_in, scanner
from prompture.types import FileDocument

_SPARSE = 20
"""A table with more empty cells than this for each filled one loses its empty columns."""
MOST_FILLED = 3_000_000
"""Filled cells of a sheet; each takes some 150 bytes until it is written."""
_MOST_CELLS_SEEN = 5_000_000
"""Cells of a sheet, or texts of a workbook, empty ones too."""
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_PLACE = re.compile(r"([A-Za-z]{1,3})(\d{1,7})")


@dataclass(slots=True)
class _Book:
    """What the sheets share."""

    package: Package
    options: ReadOptions
    strings: list[str]
    formats: list[str]
    since_1904: bool


@dataclass(slots=True)
class _Sheet:
    rows: dict[int, dict[int, str]] = field(default_factory=dict)
    filled: int = 0
    hidden_rows: int = 0
    hidden_columns: list[tuple[int, int]] = field(default_factory=list)
    unsaved: list[str] = field(default_factory=list)
    """Cells with a formula whose value was not stored."""


def read(data: bytes, options: ReadOptions) -> FileDocument:
    """A workbook. Raises DocumentError in all its kinds."""
    package = Package(data, options)
    main = package.main("xl/", "xl/workbook.xml")
    workbook = package.xml(main)
    relations = package.relations(main)
    by_kind = {kind: part for kind, part in relations.values()}
    settings = next(workbook.iter("workbookPr"), None)
    book = _Book(
        package,
        options,
        _strings(package, by_kind.get("sharedStrings", ""), options.name),
        _formats(package, by_kind.get("styles", "")),
        settings is not None and settings.get("date1904") in ("1", "true"),
    )
    writer = BlockText(options)
    listed = [
        (sheet, relations.get(sheet.get("r:id") or "", ("", "")))
        for sheet in workbook.iter("sheet")
    ]
    hidden = [s.get("name") or "" for s, _ in listed if s.get("state", "visible") != "visible"]
    seen = [
        (s.get("name") or "", part)
        for s, (kind, part) in listed
        if s.get("state", "visible") == "visible" and kind == "worksheet"
    ]
    pictures = Pictures(package, options, writer)
    for name, part in seen:
        start = writer.length
        _write(book, writer, name, _sheet(book, part), titled=len(seen) > 1)
        drawn = pictures_in(package, part, "drawing")
        by_ocr = pictures.add(drawn, is_blank=writer.length == start)
        writer.end_page(name, by_ocr=by_ocr)
    if hidden:
        writer.notes.append(f"{counted(len(hidden), 'hidden sheet')} left out: {few(hidden)}")
    return writer.finish(data, images=pictures.sent(), empty="no cell of it is filled")


def _strings(package: Package, part: str, name: str) -> list[str]:
    """The texts that cells name by number."""
    reading = _StringScan(name)
    if part in package:
        parser = scanner()
        parser.StartElementHandler = reading.start
        parser.EndElementHandler = reading.end
        parser.CharacterDataHandler = reading.words
        package.scan(part, parser)
    return reading.found


class _StringScan:
    """The handlers of the parser that goes over the texts, without the reading aids of Japanese."""

    def __init__(self, name: str) -> None:
        self.found: list[str] = []
        self._name = name
        self._pieces: list[str] = []
        self._takes = self._is_aid = False

    def start(self, tag: str, _: dict[str, str]) -> None:
        local = tag.rpartition("}")[2]
        if local == "si":
            self._pieces = []
        elif local == "rPh":
            self._is_aid = True
        elif local == "t":
            self._takes = not self._is_aid

    def words(self, text: str) -> None:
        if self._takes:
            self._pieces.append(text)

    def end(self, tag: str) -> None:
        local = tag.rpartition("}")[2]
        if local == "si":
            if len(self.found) >= _MOST_CELLS_SEEN:
                raise DocumentTooLarge(f"more than {_MOST_CELLS_SEEN} texts in it", name=self._name)
            self.found.append(_unescaped("".join(self._pieces)))
        elif local == "rPh":
            self._is_aid = False
        elif local == "t":
            self._takes = False


def _unescaped(text: str) -> str:
    if "_x" not in text:
        return text
    return joined_halves(_ESCAPED.sub(lambda m: chr(int(m[1], 16)), text))


def _formats(package: Package, part: str) -> list[str]:
    """The format code of each style of cells."""
    if part not in package:
        return []
    styles = package.xml(part)
    codes = dict(BUILT_IN)
    for each in styles.iter("numFmt"):
        if (number := each.get("numFmtId", "")).isdecimal():
            codes[int(number[:9])] = each.get("formatCode") or "General"
    cells = styles.find("cellXfs")
    found: list[str] = []
    for style in cells if cells is not None else ():
        number = style.get("numFmtId", "0")
        found.append(codes.get(int(number[:9]) if number.isdecimal() else 0, "General"))
    return found


def _sheet(book: _Book, part: str) -> _Sheet:
    """The cells of a sheet that are seen, row by row: only those that are filled."""
    reading = _SheetScan(book)
    parser = scanner()
    parser.StartElementHandler = reading.start
    parser.EndElementHandler = reading.end
    parser.CharacterDataHandler = reading.words
    book.package.scan(part, parser)
    return reading.sheet


class _SheetScan:
    """The handlers of the parser that goes over a sheet."""

    def __init__(self, book: _Book) -> None:
        self.sheet = _Sheet()
        self._book = book
        self._row = self._column = 0
        self._is_hidden = self._takes = self._is_aid = self._has_formula = False
        self._kind, self._style = "n", 0
        self._seen = 0
        self._pieces: list[str] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        local = tag.rpartition("}")[2]
        if local == "c":
            self._begin_cell(attributes)
        elif local in ("v", "t"):
            self._takes = not self._is_aid
        elif local == "f":
            self._has_formula = True
        elif local == "row":
            number = attributes.get("r", "")
            self._row = int(number[:9]) if number.isdecimal() else self._row + 1
            self._column = 0
            self._is_hidden = attributes.get("hidden") in ("1", "true")
            self.sheet.hidden_rows += self._is_hidden
        elif local == "col" and attributes.get("hidden") in ("1", "true"):
            first, last = attributes.get("min", ""), attributes.get("max", "")
            if first.isdecimal() and last.isdecimal():
                self.sheet.hidden_columns.append((int(first[:9]), int(last[:9])))
        elif local == "rPh":
            self._is_aid = True

    def words(self, text: str) -> None:
        if self._takes:
            self._pieces.append(text)

    def end(self, tag: str) -> None:
        local = tag.rpartition("}")[2]
        if local in ("v", "t"):
            self._takes = False
        elif local == "rPh":
            self._is_aid = False
        elif local == "c":
            self._end_cell()

    def _begin_cell(self, attributes: dict[str, str]) -> None:
        self._seen += 1
        if self._seen > _MOST_CELLS_SEEN:
            raise DocumentTooLarge(
                f"more than {_MOST_CELLS_SEEN} cells in a sheet", name=self._book.options.name
            )
        place = _PLACE.fullmatch(attributes.get("r", ""))
        self._column = _column_number(place[1]) if place else self._column + 1
        self._kind = attributes.get("t", "n")
        style = attributes.get("s", "")
        self._style = int(style[:9]) if style.isdecimal() else 0
        self._has_formula = False
        self._pieces = []

    def _end_cell(self) -> None:
        if self._is_hidden:
            return
        raw = "".join(self._pieces)
        if self._has_formula and not raw and self._kind != "str":
            self.sheet.unsaved.append(f"{_letters(self._column)}{self._row}")
            return
        text = _cell(self._book, self._kind, self._style, raw)
        if not text.strip():
            return
        self.sheet.rows.setdefault(self._row, {})[self._column] = text
        self.sheet.filled += 1
        if self.sheet.filled > MOST_FILLED:
            raise DocumentTooLarge(
                f"more than {MOST_FILLED} cells in a sheet", name=self._book.options.name
            )


def _cell(book: _Book, kind: str, style: int, raw: str) -> str:
    if kind == "s":
        return book.strings[int(raw)] if raw.isdecimal() and int(raw) < len(book.strings) else ""
    if kind in ("str", "inlineStr", "e"):
        return _unescaped(raw)
    if kind == "b":
        return "TRUE" if raw.strip() in ("1", "true") else "FALSE"
    if kind == "d":
        return raw.replace("T", " ").removesuffix(" 00:00:00")
    try:
        value = float(raw)
    except ValueError:
        return raw
    code = book.formats[style] if style < len(book.formats) else "General"
    if code == "General":
        # A long number keeps its digits: they are those of an account or an article.
        digits = raw.strip()
        return digits if digits.isdecimal() and len(digits) <= 40 else general(value)
    if is_date(code) and value < 0:
        return general(value)
    return shown(value, code, since_1904=book.since_1904)


def _write(book: _Book, writer: BlockText, name: str, sheet: _Sheet, *, titled: bool) -> None:
    hidden = _merged(sheet.hidden_columns)
    left_out = 0
    for row in list(sheet.rows):
        cells = sheet.rows[row]
        kept = {column: text for column, text in cells.items() if not _is_within(column, hidden)}
        left_out += len(cells) - len(kept)
        if kept:
            sheet.rows[row] = kept
        else:
            del sheet.rows[row]
    if titled and sheet.rows:
        writer.heading(name, 1)
    for block in parted(sheet.rows):
        writer.table(grid_of(block, book.options.name))
    where = f"sheet {name}: "
    if sheet.hidden_rows:
        writer.notes.append(f"{where}{counted(sheet.hidden_rows, 'hidden row')} left out")
    if left_out:
        writer.notes.append(f"{where}hidden columns left out")
    if sheet.unsaved:
        writer.notes.append(
            f"{where}{counted(len(sheet.unsaved), 'formula')} without a stored value (open the file"
            f" in a spreadsheet and save it): {few(sheet.unsaved)}"
        )


def _merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    made: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if made and first <= made[-1][1] + 1:
            made[-1] = (made[-1][0], max(made[-1][1], last))
        else:
            made.append((first, last))
    return made


def _is_within(column: int, ranges: list[tuple[int, int]]) -> bool:
    at = bisect_left(ranges, (column + 1,)) - 1
    return at >= 0 and ranges[at][0] <= column <= ranges[at][1]


def parted(rows: dict[int, dict[int, str]]) -> Iterator[list[dict[int, str]]]:
    """Rows that stand together: an empty one parts two tables."""
    block: list[dict[int, str]] = []
    last = 0
    for number in sorted(rows):
        if block and number > last + 1:
            yield block
            block = []
        block.append(rows[number])
        last = number
    if block:
        yield block


def grid_of(block: list[dict[int, str]], name: str) -> list[list[str]]:
    columns = sorted({column for row in block for column in row})
    filled = sum(map(len, block))
    whole = range(columns[0], columns[-1] + 1)
    # A wide sheet with little in it: the empty columns are left out.
    used = list(whole) if len(whole) * len(block) <= _SPARSE * filled + 100 else columns
    if len(used) * len(block) > MOST_CELLS:
        raise DocumentTooLarge(f"more than {MOST_CELLS} cells in a sheet", name=name)
    return [[row.get(column, "") for column in used] for row in block]


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - 64
    return number


def _letters(column: int) -> str:
    made = ""
    while column > 0:
        column, rest = divmod(column - 1, 26)
        made = chr(65 + rest) + made
    return made
