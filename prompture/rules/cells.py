"""Cells of tables that are written out: Markdown with bars, and CSV with commas, semicolons or tabs.

Of such a table the marks alone part cells: blanks inside a cell, quotes around it and empty cells change nothing.
A comma is also a mark of sentences, so text is only taken for CSV where its lines have as many cells each and look
like headings over values. All of this is linear: a line is looked at a bounded number of times.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MOST_FIELDS = 200
_LONGEST_FIELD = 4000  # of a quoted one, which may go over lines
_HEADING_CHARS, _HEADING_WORDS = 60, 7
_DELIMITERS = "\t;,"
_FEW = 8  # rows that are read again from each of their lines
_LINE_END = re.compile(r"\r\n?|\n|\f|\v|\x85|\u2028|\u2029")
_BAR = re.compile(r"(?<!\\)\|")
_QUOTED = re.compile(rf'[ ]*"(?P<inside>(?:[^"]|""){{0,{_LONGEST_FIELD}}})"[ ]*')
_PLAIN = {mark: re.compile(rf"[^{mark}\r\n\f\v\x85\u2028\u2029]*") for mark in _DELIMITERS}


@dataclass(frozen=True, slots=True)
class Cell:
    """A run of text on one line without a wide gap inside; `column` is its distance from the line's start.

    `slot` counts the bars or tabs before it, so that an empty cell shifts no other; -1 where blanks alone part cells.
    """

    text: str
    start: int
    column: int
    slot: int = -1

    @property
    def end(self) -> int:
        """The offset after the last character."""
        return self.start + len(self.text)

    @property
    def last_column(self) -> int:
        """The column after the last character."""
        return self.column + len(self.text)


# Two decimals or more make an amount: a bare 12 is a count.
_MONEY = re.compile(
    r"[^\w-]{0,2}(?:[A-Z]{3}|RM)? ?-?[\d.,' ]*\d[.,]\d{2,4} ?(?:[€$£]|[A-Z]{1,3}|[A-Z]{3})?"
)
_COUNT = re.compile(r"-?\d[\d.,]* ?[^\W\d_]{0,10}[².³)(\w]{0,6}\.?")
_DAY = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}")


def cell_kind(text: str) -> str:
    """What a cell looks like: "date", "percent", "money", "number" (a unit may follow) or "text"."""
    if _DAY.fullmatch(text):
        return "date"
    if text.endswith("%") and 1 < len(text) < 10:
        return "percent"
    if _MONEY.fullmatch(text):
        return "money"
    if _COUNT.fullmatch(text) or re.match(r"\d[\d.,]* \w{1,6}\.? +\d", text):
        return "number"
    return "text"


@dataclass(frozen=True, slots=True)
class Record:
    """A row of a written table as it stands in the text, `[start, end)`.

    `fields` are the places of its cells, empty ones too; `meant` what those mean that are not written as they are
    (`a ""b""`, `a \\| b`), by the offset at which they begin.
    """

    start: int
    end: int
    fields: tuple[tuple[int, int], ...]
    meant: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Grid:
    """A written table. `headed`: its first row looks like headings; `mark` parts its cells."""

    records: tuple[Record, ...]
    headed: bool
    mark: str = "|"


def find_grids(text: str) -> Iterator[Grid]:
    """The written tables of a text, in order."""
    lines = _lines(text)
    whole = (lines[0][0], len(text.rstrip())) if lines else (0, 0)
    at = 0
    while at < len(lines):
        grid, after = _markdown(text, lines, at)
        if grid is None:
            grid, after = _delimited(text, lines, at, whole)
        if grid is not None:
            yield grid
        at = max(after, at + 1)


def _lines(text: str) -> list[tuple[int, int]]:
    """The lines that are not blank."""
    found, begin = [], int(text.startswith("\ufeff"))
    for end in _LINE_END.finditer(text):
        found.append((begin, end.start()))
        begin = end.end()
    found.append((begin, len(text)))
    return [(start, end) for start, end in found if text[start:end].strip()]


def _markdown(text: str, lines: Sequence[tuple[int, int]], at: int) -> tuple[Grid | None, int]:
    """The table whose headings stand on a line, and the index of the line behind it."""
    if at + 1 >= len(lines) or not _is_rule(text[slice(*lines[at + 1])]):
        return None, at
    records = [_barred(text, *lines[at])]
    after = at + 2
    # A row of bars and dashes alone is a rule, wherever it stands.
    while after < len(lines) and "|" in text[slice(*lines[after])] and _next(text, lines, after):
        if after + 1 < len(lines) and _is_rule(text[slice(*lines[after + 1])]):
            break  # the headings of the next table
        if not _is_rule(text[slice(*lines[after])]):
            records.append(_barred(text, *lines[after]))
        after += 1
    if "|" not in text[slice(*lines[at])]:
        return None, at
    heads = [text[slice(*place)] for place in records[0].fields]
    filled = [head for head in heads if head]
    # One cell over three columns or more is a title of the whole: each row below speaks for itself.
    is_title = len(filled) == 1 and len(heads) > 2
    return Grid(tuple(records), not is_title and _are_headings(filled)), after


def _is_rule(line: str) -> bool:
    """`|---|:--:|`"""
    return "|" in line and "---" in line and not line.strip("|:- \t")


def _next(text: str, lines: Sequence[tuple[int, int]], at: int) -> bool:
    """Whether no blank line stands above a line."""
    return text.count("\n", lines[at - 1][1], lines[at][0]) < 2


def _barred(text: str, start: int, end: int) -> Record:
    marks = [bar.start() for bar in _BAR.finditer(text, start, end)]
    edges = [start - 1, *marks, end]
    places = [(one + 1, other) for one, other in itertools.pairwise(edges)]
    # The bars at both ends of a row open and close it: no cell stands outside.
    if marks and not text[start : marks[0]].strip():
        places = places[1:]
    if marks and len(places) > 1 and not text[marks[-1] + 1 : end].strip():
        places = places[:-1]
    fields = tuple(stripped(text, *place) for place in places)
    meant = tuple(
        (begin, text[begin:stop].replace("\\|", "|"))
        for begin, stop in fields
        if "\\|" in text[begin:stop]
    )
    return Record(start, end, fields, meant)


def stripped(text: str, start: int, end: int) -> tuple[int, int]:
    """The place without the white space at its ends; an empty one where there is nothing else."""
    piece = text[start:end]
    begin = start + len(piece) - len(piece.lstrip())
    return (begin, begin + len(piece.strip())) if piece.strip() else (start, start)


def _delimited(
    text: str, lines: Sequence[tuple[int, int]], at: int, whole: tuple[int, int]
) -> tuple[Grid | None, int]:
    """The table of CSV that begins on a line, and the index of the line behind what was read for it."""
    furthest = at + 1
    for mark in _DELIMITERS:
        if mark not in text[slice(*lines[at])]:
            continue
        records, after = _records(text, lines, at, mark)
        if len(records) > 1:
            all_of_it = records[0].start <= whole[0] and records[-1].end >= whole[1]
            # What stands above the headings in as many cells is a title most often.
            for skip in range(min(3, len(records) - 1)):
                if grid := _accepted(text, records[skip:], mark, all_of_it):
                    return grid, after
        # What was read and refused is not read again, or a long text would be read for each line.
        if after - at > _FEW or lines[after - 1][1] - lines[at][0] > _FEW * 200:
            furthest = max(furthest, after)
    return None, furthest


def _records(
    text: str, lines: Sequence[tuple[int, int]], at: int, mark: str
) -> tuple[list[Record], int]:
    """The rows from a line on that have as many cells as it, and the index of the line behind them."""
    records: list[Record] = []
    first, whole = at, False
    while at < len(lines):
        record, whole = _record(text, lines[at][0], mark)
        if records and (not whole or len(record.fields) != len(records[0].fields)):
            break
        at += 1
        while at < len(lines) and lines[at][0] < record.end:  # a cell went over lines
            at += 1
        if not whole or len(record.fields) < 2:
            break
        records.append(record)
    return records, max(at, first + 1)


def _record(text: str, start: int, mark: str) -> tuple[Record, bool]:
    """The cells of a row, and whether these are all that it has."""
    fields: list[tuple[int, int]] = []
    meant: list[tuple[int, str]] = []
    at = start
    while len(fields) < MOST_FIELDS:
        quoted = _QUOTED.match(text, at)
        # A quote that closes in the middle of a cell is an inch, or a nickname.
        if quoted and (quoted.end() == len(text) or text[quoted.end()] in mark + "\r\n\f\v"):
            place = quoted.span("inside")
            inside = quoted["inside"]
            if inside.strip():
                place = stripped(text, *place)
            if '""' in inside or "\n" in inside:
                written = text[slice(*place)]
                meant.append((place[0], " ".join(written.replace('""', '"').splitlines())))
            after = quoted.end()
        else:
            plain = _PLAIN[mark].match(text, at)
            after = plain.end() if plain else at
            place = stripped(text, at, after)
        fields.append(place)
        if text[after : after + 1] != mark:
            return Record(start, after, tuple(fields), tuple(meant)), True
        at = after + 1
    return Record(start, at, tuple(fields), tuple(meant)), False


def _accepted(text: str, records: Sequence[Record], mark: str, whole: bool) -> Grid | None:
    """The rows as a table, where they look like one."""
    heads = [text[slice(*place)] for place in records[0].fields]
    headed, rows = _are_headings(heads), records[1:]
    first = text[records[0].start : records[0].end]
    spaced = mark + " " in first
    if mark == "\t":
        return Grid(tuple(records), headed, mark) if headed else None
    if headed and any(_is_typed(text, rows, number) for number in range(len(heads))):
        # Sentences and addresses have a blank behind a comma, and a figure here or there.
        needed = 1 if whole else 2 if len(heads) == 2 else 1
        if not spaced and len(rows) >= needed:
            return Grid(tuple(records), True, mark)
        if spaced and len(heads) > 2 and len(rows) >= 2 and not any(map(_has_digit, heads)):
            return Grid(tuple(records), True, mark)
    # A text that is nothing else: a list of names, or a label and a value on each line.
    # A comma between digits is a decimal mark: "Tea 3,00".
    labels = [text[slice(*record.fields[0])] for record in records]
    if whole and not spaced and all(_is_label(one) and not one[-1].isdigit() for one in labels):
        return Grid(tuple(records), headed, mark) if headed or len(heads) == 2 else None
    return None


def _are_headings(heads: Sequence[str]) -> bool:
    return (
        all(map(_is_label, heads))
        and len({head.casefold() for head in heads}) == len(heads)
        and sum(map(_has_digit, heads)) <= 1
    )


def _is_label(words: str) -> bool:
    return (
        0 < len(words) <= _HEADING_CHARS
        and words[-1] not in ".!?"
        and any(c.isalpha() for c in words)
        and len(words.split()) <= _HEADING_WORDS
    )


def _has_digit(words: str) -> bool:
    return any(c.isdigit() for c in words)


def _is_typed(text: str, rows: Sequence[Record], number: int) -> bool:
    """Whether a column holds figures or dates alone."""
    cells = [text[slice(*row.fields[number])] for row in rows]
    filled = [cell for cell in cells if cell]
    return bool(filled) and all(_has_digit(cell) and cell_kind(cell) != "text" for cell in filled)


def unmarked(text: str, grids: Sequence[Grid]) -> str:
    """The text with blanks for the commas, semicolons and quotes around the cells of tables, as long as before: a
    comma beside a number is part of it, unless it parts cells."""
    pieces, at = [], 0
    for grid in grids:
        for record in grid.records if grid.mark in ",;" else ():
            for start, end in record.fields:
                between = text[at:start]
                inside = max(0, record.start - at)
                pieces.append(between[:inside])
                pieces.append(between[inside:].replace('"', " ").replace(grid.mark, "\t"))
                pieces.append(text[start:end])
                at = end
            pieces.append(text[at : record.end].replace('"', " ").replace(grid.mark, "\t"))
            at = record.end
    return "".join(pieces) + text[at:] if pieces else text


def cells_of(text: str, record: Record) -> Iterator[Cell]:
    """The cells of a row that are not empty, each with its number as its slot."""
    for slot, (start, end) in enumerate(record.fields):
        if start < end:
            yield Cell(text[start:end], start, start - record.start, slot)
