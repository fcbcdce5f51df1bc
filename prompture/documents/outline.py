"""What can be seen of a long text's order: its lines, headings, tables and pages, and how good a cut
is at each."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

Range = tuple[int, int]

HARD, CLAUSE, SENTENCE, LINE, PARAGRAPH, PAGE, SECTION, CHAPTER = range(8)
"""How good a place is for a cut."""
_LONGEST_HEADING = 120
_LONGEST_HEAD = 1000

_BREAK = re.compile(r"\r\n|[\n\r\v\f\x85\u2028\u2029]")
_FENCE = re.compile(r"\s{0,3}(`{3,}|~{3,})")
_MARKDOWN = re.compile(r"(#{1,6})[ \t]+\S")
_NAMED = re.compile(
    r"(?:(ARTICLE|CHAPTER|PART|TITLE|EXHIBIT|SCHEDULE|ANNEX|APPENDIX|KAPITEL|TEIL|ANLAGE|ANHANG)\s+"
    r"|(SECTION\s+|SEC\.\s*|§\s*|ABSCHNITT\s+))(?:\d|[IVXLC]+\b|[A-Z]\b)",
    re.IGNORECASE,
)
_CJK = re.compile(
    r"第\s*[〇零一二三四五六七八九十百千\d]{1,6}\s*(?:([编編章部篇])|([节節])|[条條款])"
)
_NUMBERED = re.compile(r"(\d{1,3}(?:\.\d{1,3}){0,5})\.?[ \t]+[^\W\d_]")
_GAPS = re.compile(r"\S(?: {2,}|\t)(?=\S)")
_RULED = re.compile(r"[\s|:+=-]*-[\s|:+=-]*")


@dataclass(slots=True)
class _Line:
    start: int
    end: int
    """Without its line break."""
    blank: bool = False


@dataclass(slots=True)
class Outline:
    """What can be seen of a text's order: lines, headings, tables."""

    text: str
    pages: Sequence[int] = ()
    starts: list[int] = field(init=False)
    grades: list[int] = field(init=False)
    """Of each line start, how good a cut before it is."""
    headings: list[tuple[int, int, int]] = field(init=False)
    """(start, end, level), 1 the outermost."""
    tables: list[tuple[int, int, int]] = field(init=False)
    """(start, end, end of the head)."""
    _kind: str = field(init=False, default="")
    """Of the last table."""

    def __post_init__(self) -> None:
        self.starts, self.grades, self.headings, self.tables = [], [], [], []
        lines = list(_lines(self.text))
        fence = ""
        run: list[_Line] = []
        kind = ""
        before, is_first, after_heading = True, True, False
        for number, line in enumerate(lines):
            words = self.text[line.start : min(line.end, line.start + 2 * _LONGEST_HEADING)]
            mark = _FENCE.match(words)
            grade = LINE if fence else PARAGRAPH if before else LINE
            if mark:
                if not fence:
                    fence = mark[1]
                elif mark[1].startswith(fence):
                    fence = ""
            elif not fence and not line.blank:
                following = number + 1 >= len(lines) or lines[number + 1].blank
                if level := _level(words, line, before or is_first, following):
                    self.headings.append((line.start, line.end, level))
                    grade = CHAPTER if level <= 1 else SECTION
            # What follows a heading belongs to it.
            if after_heading and grade <= PARAGRAPH:
                grade = CLAUSE
            if not line.blank:
                after_heading = grade >= SECTION
            self.starts.append(line.start)
            self.grades.append(grade)
            found = "" if line.blank else _kind(self.text[line.start : line.end])
            if found != kind or not found:
                self._table(run, kind)
                run, kind = [], found
            run.append(line)
            before, is_first = line.blank, is_first and line.blank
        self._table(run, kind)
        self._mark_pages()

    def _table(self, run: list[_Line], kind: str) -> None:
        """Note a table, and that it is not cut behind its head."""
        if not kind or self._goes_on(run, kind) or len(run) < 3:
            return
        first, second = (self.text[line.start : line.end] for line in run[:2])
        rows = 2 if _RULED.fullmatch(second) else 1
        is_head = rows == 2 or not any(c.isdigit() for c in first)
        end = run[rows - 1].end
        if not is_head or end - run[0].start > _LONGEST_HEAD:
            return
        self.tables.append((run[0].start, run[-1].end, end))
        self._kind = kind
        for line in run[1 : rows + 1]:
            self.grades[bisect_left(self.starts, line.start)] = CLAUSE

    def _goes_on(self, run: list[_Line], kind: str) -> bool:
        """Whether the rows are of the table before them, which a page has broken off: their head is
        that table's."""
        if not self.tables or kind != self._kind:
            return False
        start, end, stop = self.tables[-1]
        between = self.text[end : run[0].start]
        if between.strip():
            return False
        at = bisect_left(self.pages, end)
        if "\f" not in between and not (at < len(self.pages) and self.pages[at] <= run[0].start):
            return False
        head, first = self.text[start:stop].split("\n")[0], self.text[run[0].start : run[0].end]
        if len(run) > 1:
            second = self.text[run[1].start : run[1].end]
            has_head = not any(c.isdigit() for c in first) and any(c.isdigit() for c in second)
            if has_head or _RULED.fullmatch(second):
                return False
        if first.strip() == head.strip() or _columns(first, kind) != _columns(head, kind):
            return False
        self.tables[-1] = (start, run[-1].end, stop)
        return True

    def _mark_pages(self) -> None:
        forms = (
            [at + 1 for at, char in enumerate(self.text) if char == "\f"]
            if "\f" in self.text
            else []
        )
        for page in sorted({*self.pages, *forms}):
            at = bisect_left(self.starts, page)
            if at < len(self.starts) and self.starts[at] == page:
                self.grades[at] = max(PAGE, self.grades[at])

    def above(self, at: int) -> tuple[list[Range], Range | None]:
        """The headings that stand over a place, outermost first, and the head of its table."""
        found: list[tuple[int, int, int]] = []
        index = bisect_left(self.headings, (at,))
        own = self.headings[index] if index < len(self.headings) else None
        lowest = own[2] if own and own[0] == at else 99
        while index and lowest > 1:
            index -= 1
            if self.headings[index][2] < lowest:
                found.append(self.headings[index])
                lowest = found[-1][2]
        table = bisect_left(self.tables, (at,)) - 1
        head = None
        if table >= 0:
            start, end, stop = self.tables[table]
            head = (start, stop) if stop < at < end else None
        return [(start, end) for start, end, _ in reversed(found)], head


def _lines(text: str) -> Iterator[_Line]:
    start = 0
    for found in _BREAK.finditer(text):
        yield _Line(start, found.start(), not text[start : found.start()].strip())
        start = found.end()
    if start < len(text):
        yield _Line(start, len(text), not text[start:].strip())


def _level(words: str, line: _Line, before: bool, following: bool) -> int:
    """The level of a line that is a heading; 0 for any other."""
    if found := _MARKDOWN.match(words):
        return len(found[1])
    if not before or line.end - line.start > _LONGEST_HEADING:
        return 0
    words = words.strip()
    if found := _CJK.match(words):
        return 1 if found[1] else 2 if found[2] else 3
    if found := _NAMED.match(words):
        return 1 if found[1] else 2
    if not following or words[-1:] in ".,;:":
        return 0
    if found := _NUMBERED.match(words):
        return 1 + found[1].count(".")
    letters = sum(c.isalpha() for c in words)
    return 2 if words.isupper() and letters >= 4 and 2 * letters > len(words) else 0


def _kind(line: str) -> str:
    """The kind of table that a line may be a row of, "" for none."""
    if "\t" in line.strip():
        return "tab"
    bars = line.count("|")
    if bars >= 2:
        return "bar"
    for mark in ";,":
        if (found := line.count(mark)) >= 2 and f"{mark} " not in line:
            return f"{mark}{found}"
    return "gap" if "  " in line and len(_GAPS.findall(line)) >= 2 else ""


def _columns(row: str, kind: str) -> int:
    if kind == "gap":
        return len(_GAPS.findall(row))
    return row.count("\t" if kind == "tab" else "|" if kind == "bar" else kind[0])
