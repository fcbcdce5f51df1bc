"""OpenDocument: texts (.odt), sheets (.ods) and slides (.odp), as the readers of newer office files show theirs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from prompture.document_errors import DocumentEncrypted, DocumentTooLarge
from prompture.documents import ReadOptions
from prompture.documents.blocks import BlockText, counted, few
from prompture.documents.packages import Package, Pictures
from prompture.documents.sheets import MOST_FILLED, grid_of, parted
from prompture.documents.word_styles import formed
from prompture.types import FileDocument

_SPACE = re.compile(r"[ \t\r\n]+")
_PAGE = "\f"
"""Stands for a page's end while a paragraph is read."""
_LEFT_OUT = frozenset(
    ("annotation", "annotation-end", "tracked-changes", "ruby-text", "sequence-decls", "forms",
     "hidden-text", "hidden-paragraph", "table-of-content-source", "script", "shapes", "number")
)  # fmt: skip
_WRAPPERS = frozenset(
    ("section", "index-body", "table-of-content", "alphabetical-index", "illustration-index",
     "bibliography", "user-index", "object-index", "table-index", "index-title", "text-box", "g")
)  # fmt: skip
_ROW_GROUPS = ("table-header-rows", "table-rows", "table-row-group")
_COLUMN_GROUPS = ("table-header-columns", "table-columns", "table-column-group")
_SHAPES = ("frame", "custom-shape", "rect", "ellipse", "line", "connector", "path", "polygon")
_FORMS = {"a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman"}
_MOST_REPEATED = 100_000
_WIDEST = 20_000


@dataclass(slots=True)
class _Styles:
    """Names of styles that hide what has them, or begin a page; and the lists by level."""

    hidden: set[str] = field(default_factory=set)
    begins_page: set[str] = field(default_factory=set)
    lists: dict[str, dict[int, Element]] = field(default_factory=dict)

    def add(self, root: Element) -> None:
        for style in root.iter("style"):
            name = style.get("name") or ""
            for each in style:
                if each.get("display") in ("false", "none") or each.get("visibility") == "hidden":
                    self.hidden.add(f"{style.get('family')} {name}")
                if each.tag == "paragraph-properties" and each.get("break-before") == "page":
                    self.begins_page.add(name)
            if style.get("master-page-name") and style.get("family") == "paragraph":
                self.begins_page.add(name)
        for listed in root.iter("list-style"):
            self.lists[listed.get("name") or ""] = {
                _int(each.get("level")): each for each in listed
            }


def read(data: bytes, options: ReadOptions) -> FileDocument:
    """A text, a workbook or a presentation. Raises DocumentError in all its kinds."""
    package = Package(data, options)
    manifest = "META-INF/manifest.xml"
    if manifest in package and b"encryption-data" in package.read(manifest):
        raise DocumentEncrypted("it is encrypted: save it without a password", name=options.name)
    root = package.xml("content.xml")
    body = root.find("body")
    content = next(iter(body), None) if body is not None else None
    if content is None:
        raise package.broken("it has no body")
    styles = _Styles()
    common = package.xml("styles.xml") if "styles.xml" in package else None
    for each in (common, root):
        if each is not None:
            styles.add(each)
    into = BlockText(options)
    reading = _Reading(into, styles, Pictures(package, options, into))
    if content.tag == "spreadsheet":
        _sheets(reading, content, options.name)
    elif content.tag in ("presentation", "drawing"):
        _slides(reading, content)
    else:
        margins = list(common.iter("master-page")) if common is not None else []
        reading.margins(margins, "header")
        reading.blocks(content)
        reading.margins(margins, "footer")
        reading.footnotes()
        reading.pictures_of_blank()
    if content.find("tracked-changes") is not None:
        into.notes.append("tracked changes were read as accepted")
    if reading.hidden:
        into.notes.append("hidden text left out")
    return into.finish(data, images=reading.pictures.sent())


class _Reading:
    """A file while it is read."""

    def __init__(self, into: BlockText, styles: _Styles, pictures: Pictures) -> None:
        self.into = into
        self.styles = styles
        self.pictures = pictures
        self.shown: dict[str, None] = {}
        """The pictures since the page's start, in order."""
        self.hidden = False
        self._notes: list[Element] = []
        self._counts: dict[str, dict[int, int]] = {}
        self._in_list = self._has_text = False

    def words(self, element: Element, boxes: list[Element]) -> str:
        """The text of a paragraph, with the ends of pages; frames in it are added to the boxes."""
        pieces = [_blank(element.text)]
        for each in element:
            tag = each.tag
            if tag == "s":
                pieces.append(" " * min(_int(each.get("c"), 1), 1000))
            elif tag in ("tab", "line-break", "soft-page-break"):
                pieces.append({"tab": "\t", "line-break": "\n"}.get(tag, _PAGE))
            elif tag == "note":
                self._notes.append(each)
                pieces.append(f"[^{len(self._notes)}]")
            elif tag in _SHAPES or tag == "g":
                boxes.append(each)
            elif self._is_hidden(each, "text"):
                self.hidden = True
            elif tag not in _LEFT_OUT:
                pieces.append(self.words(each, boxes))
            pieces.append(_blank(each.tail))
        return "".join(pieces)

    def lines(self, element: Element) -> Iterator[str]:
        """The paragraphs of a cell, a note or a margin; those of comments are none."""
        for each in element:
            if each.tag in ("p", "h"):
                boxes: list[Element] = []
                yield self.words(each, boxes).replace(_PAGE, "")
                for box in boxes:
                    yield from self.lines(box)
            elif each.tag not in _LEFT_OUT:
                yield from self.lines(each)

    def _is_hidden(self, element: Element, family: str) -> bool:
        return f"{family} {element.get('style-name')}" in self.styles.hidden

    def blocks(self, elements: Iterable[Element], lists: Sequence[str] = ()) -> None:
        """Paragraphs, lists, tables and frames in order."""
        for each in elements:
            if each.tag in ("p", "h"):
                self._paragraph(each, "", len(lists))
            elif each.tag == "list":
                self._list(each, lists)
            elif each.tag == "table":
                self.into.table([row for _, row in self.rows(each)])
                self._has_text, self._in_list = True, False
            elif each.tag == "soft-page-break":
                self._end_page()
            elif each.tag in _WRAPPERS and not self._is_hidden(each, "section"):
                self.blocks(each)
            elif each.tag in _SHAPES:
                self._shape(each)

    def _shape(self, shape: Element) -> None:
        self.blocks(each for each in shape if each.tag in ("p", "h", "list", "table"))
        for each in shape:
            if each.tag == "text-box":
                self.blocks(each)
            elif each.tag == "image" and shape.find("table") is None:
                self.shown[(each.get("href") or "").removeprefix("./")] = None

    def _paragraph(self, element: Element, label: str, level: int) -> None:
        if self._is_hidden(element, "paragraph"):
            self.hidden = True
            return
        boxes: list[Element] = []
        text = self.words(element, boxes)
        if element.get("style-name") in self.styles.begins_page:
            self._end_page()
        for at, piece in enumerate(text.split(_PAGE)):
            if at:
                self._end_page()
            if not piece.strip():
                continue
            if element.tag == "h":
                self.into.heading(f"{label} {piece}", _int(element.get("outline-level"), 1))
            elif label:
                indent = "  " * (level - 1)
                self.into.add(f"{indent}{label} {piece.strip()}", beside=self._in_list)
            else:
                self.into.add(piece)
            self._in_list = bool(label) and element.tag == "p"
            self._has_text, label = True, ""
        for box in boxes:
            self.blocks([box])

    def _end_page(self) -> None:
        if self._has_text:
            self.into.end_page()
            self._has_text = self._in_list = False

    def _list(self, element: Element, outer: Sequence[str]) -> None:
        own = element.get("style-name") or (outer[-1] if outer else "")
        lists, level = [*outer, own], len(outer) + 1
        counts = self._counts.setdefault(own, {})
        if (
            not outer
            and element.get("continue-numbering") != "true"
            and not element.get("continue-list")
        ):
            counts.clear()
        for item in element:
            label = self._label(own, level, item) if item.tag == "list-item" else ""
            for each in item:
                if each.tag in ("p", "h"):
                    self._paragraph(each, label, level)
                    label = ""
                elif each.tag == "list":
                    self._list(each, lists)
                else:
                    self.blocks([each])

    def _label(self, style: str, level: int, item: Element) -> str:
        """What stands before an item: a dash, or its number."""
        if item.find("p") is None and item.find("h") is None:
            return ""  # it only holds a list
        levels, counts = self.styles.lists.get(style, {}), self._counts[style]
        own = levels.get(level)
        if own is None or own.tag != "list-level-style-number" or not own.get("num-format"):
            return "-"
        start = _int(item.get("start-value"), _int(own.get("start-value"), 1))
        fresh = level not in counts or item.get("start-value")
        counts[level] = start if fresh else counts[level] + 1
        for deeper in [at for at in counts if at > level]:
            del counts[deeper]
        first = level - min(_int(own.get("display-levels"), 1), level) + 1
        numbers = [
            formed(counts.get(at, 1), _FORMS.get(levels[at].get("num-format") or "", "decimal"))
            for at in range(first, level + 1)
            if at in levels and levels[at].get("num-format")
        ]
        return f"{own.get('num-prefix') or ''}{'.'.join(numbers)}{own.get('num-suffix') or ''}"

    def rows(self, table: Element) -> Iterator[tuple[int, list[str]]]:
        """The rows of a table that are seen, each with how often it comes, without empty ends."""
        hidden = [
            each.get("visibility", "visible") != "visible"
            for each in _within(table, "table-column", _COLUMN_GROUPS)
            for _ in range(min(_int(each.get("number-columns-repeated"), 1), _WIDEST))
        ]
        for row in _within(table, "table-row", _ROW_GROUPS):
            cells: list[str] = []
            empty = 0
            for cell in row:
                if cell.tag not in ("table-cell", "covered-table-cell"):
                    continue
                text = self._cell(cell) if cell.tag == "table-cell" else ""
                times = min(_int(cell.get("number-columns-repeated"), 1), _WIDEST)
                if text:
                    self.into.check_cells(len(cells) + empty + times)
                    cells += [*[""] * empty, *[text] * times]
                    empty = 0
                else:
                    empty += times
            if row.get("visibility", "visible") != "visible":
                self.hidden = self.hidden or bool(cells)
                yield _int(row.get("number-rows-repeated"), 1), []
                continue
            self.hidden = self.hidden or any(c and h for c, h in zip(cells, hidden, strict=False))
            kept = ["" if at < len(hidden) and hidden[at] else c for at, c in enumerate(cells)]
            yield _int(row.get("number-rows-repeated"), 1), kept

    def _cell(self, cell: Element) -> str:
        return "\n".join(line for line in self.lines(cell) if line.strip())

    def margins(self, pages: list[Element], kind: str) -> None:
        """Headers or footers, those that stand on several pages once."""
        found = (margin for page in pages for margin in page.iterfind(kind))
        for text in dict.fromkeys("\n".join(self.lines(margin)) for margin in found):
            self.into.add(text)

    def footnotes(self) -> None:
        """The notes behind the text."""
        for at, note in enumerate(self._notes, 1):
            body = note.find("note-body")
            text = " ".join(self.lines(body)) if body is not None else ""
            self.into.add(f"[^{at}]: {' '.join(text.split())}", beside=at > 1)

    def pictures_of_blank(self) -> None:
        """Of a text without words each picture is a page."""
        if self.pictures.always or self.into.is_blank:
            is_blank = self.into.is_blank
            for part in self.shown:
                if self.pictures.add([part], is_blank=is_blank):
                    self.into.end_page(by_ocr=True)


def _sheets(reading: _Reading, content: Element, name: str) -> None:
    tables = [each for each in content if each.tag == "table"]
    styles = reading.styles.hidden
    hidden = [t.get("name") or "" for t in tables if f"table {t.get('style-name')}" in styles]
    seen = [t for t in tables if f"table {t.get('style-name')}" not in styles]
    for table in seen:
        rows: dict[int, dict[int, str]] = {}
        number = filled = 0
        for times, cells in reading.rows(table):
            own = {at: text for at, text in enumerate(cells) if text}
            if own:
                filled += len(own) * times
                if filled > MOST_FILLED or times > _MOST_REPEATED:
                    raise DocumentTooLarge(f"more than {MOST_FILLED} cells in a sheet", name=name)
                rows |= dict.fromkeys(range(number, number + times), own)
            number += times
        if rows and len(seen) > 1:
            reading.into.heading(table.get("name") or "", 1)
        for block in parted(rows):
            reading.into.table(grid_of(block, name))
        for shape in (each for each in table.iter() if each.tag in _SHAPES):
            for image in shape.iterfind("image"):
                reading.shown[image.get("href") or ""] = None
        by_ocr = reading.pictures.add(reading.shown, is_blank=not rows)
        reading.shown.clear()
        reading.into.end_page(table.get("name") or "", by_ocr=by_ocr)
    if hidden:
        reading.into.notes.append(f"{counted(len(hidden), 'hidden sheet')} left out: {few(hidden)}")


def _slides(reading: _Reading, content: Element) -> None:
    hidden = 0
    for page in content.iterfind("page"):
        if f"drawing-page {page.get('style-name')}" in reading.styles.hidden:
            hidden += 1
            reading.into.skip_page()
            continue
        start = reading.into.length
        titles = [each for each in page if each.get("class") == "title"]
        words = " ".join(line for title in titles for line in reading.lines(title))
        title = " ".join(words.split())
        reading.into.heading(title, 1)
        reading.blocks(each for each in page if each not in titles and each.tag != "notes")
        by_ocr = reading.pictures.add(reading.shown, is_blank=reading.into.length == start)
        reading.shown.clear()
        for notes in page.iterfind("notes"):
            frames = [each for each in notes if each.get("class") == "notes"]
            lines = [line.strip() for frame in frames for line in reading.lines(frame)]
            if text := "\n".join(filter(None, lines)):
                reading.into.add(f"Notes: {text}")
        reading.into.end_page(title, by_ocr=by_ocr)
    if hidden:
        reading.into.notes.append(f"{counted(hidden, 'hidden slide')} left out")


def _within(table: Element, tag: str, groups: Sequence[str]) -> Iterator[Element]:
    for each in table:
        if each.tag == tag:
            yield each
        elif each.tag in groups:
            yield from _within(each, tag, groups)


def _blank(text: str | None) -> str:
    # Several blanks of a paragraph are an element of their own; these are the file's layout.
    return _SPACE.sub(" ", text or "")


def _int(text: str | None, otherwise: int = 0) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 9 else otherwise
