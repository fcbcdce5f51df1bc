"""DOCX: what a reader sees with all tracked changes accepted, in Markdown's terms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from prompture.documents import ReadOptions
from prompture.documents.blocks import BlockText, counted, pipe_row, rule
from prompture.documents.packages import Package, Pictures
from prompture.documents.word_styles import Numbering, Style, is_on, styles_of, with_paragraph
from prompture.types import FileDocument, Image

_DROPPED = frozenset(
    ("del", "moveFrom", "Fallback", "instrText", "delText", "delInstrText", "rPr", "pPr", "tblPr",
     "sectPr", "rt", "annotationRef", "footnoteRef", "endnoteRef", "commentReference", "sdtPr",
     "proofErr", "bookmarkStart", "txbxContent", "ctrlPr", "oMathParaPr")
)  # fmt: skip
_TEXT = {
    "tab": "\t",
    "ptab": "\t",
    "cr": "\n",
    "noBreakHyphen": "\u2011",
    "softHyphen": "",
    "sym": "",
}
SYMBOLS = {
    "f0fe": "☒", "f0fd": "☒", "f078": "☒", "f053": "☒", "f0a8": "☐", "f06f": "☐", "f071": "☐",
    "f0a3": "☐", "f052": "☑", "f0fc": "✓", "f0fb": "✗", "f0e0": "→", "f0d8": "➢", "f0b7": "•",
    "f0a7": "▪", "f028": "☎", "f02a": "✉",
}  # fmt: skip
"""What the fonts of symbols show for characters of their own."""
_PAGE = "\f"
"""Stands for a page's end while a paragraph is read."""


@dataclass(slots=True)
class _Paragraph:
    style: Style
    text: str = ""
    boxes: list[list[Element]] = field(default_factory=list)
    """Text boxes that hang on it: the blocks of each."""
    pictures: list[str] = field(default_factory=list)
    joins_next: bool = False
    """Its end was deleted: the next one goes on in it."""


class _Reading:
    """A file while it is read: its styles, lists and notes, and the field that a run is in."""

    def __init__(self, package: Package, part: str) -> None:
        self._package = package
        self._relations = package.relations(part)
        by_kind = {kind: target for kind, target in self._relations.values()}

        def part_of(kind: str) -> Element | None:
            return package.xml(by_kind[kind]) if by_kind.get(kind, "") in package else None

        self.styles = styles_of(part_of("styles"))
        self.numbering = Numbering(part_of("numbering"))
        self.notes = {"f": part_of("footnotes"), "e": part_of("endnotes")}
        self.comments = part_of("comments")
        self.asked: dict[tuple[str, str], int] = {}
        """The numbers of footnotes and endnotes, as the text refers to them."""
        self.hidden = self.changes = 0
        self._fields: list[bool] = []

    def paragraph(self, p: Element, style: Style | None = None) -> _Paragraph:
        """A paragraph's text, with soft breaks and page ends in it."""
        properties = p.find("pPr")
        named = properties.find("pStyle") if properties is not None else None
        base = self.styles.get((named.get("val") or "") if named is not None else "", Style())
        found = _Paragraph(with_paragraph(properties, style or base))
        pieces: list[str] = []
        if is_on(properties, "pageBreakBefore"):
            pieces.append(_PAGE)
        mark = properties.find("rPr") if properties is not None else None
        found.joins_next = mark is not None and mark.find("del") is not None
        self._walk(p, found, pieces, hidden=found.style.hidden)
        if properties is not None and (section := properties.find("sectPr")) is not None:
            kind = section.find("type")
            if kind is None or kind.get("val") != "continuous":
                pieces.append(_PAGE)
        found.text = "".join(pieces)
        return found

    def _walk(self, element: Element, into: _Paragraph, pieces: list[str], *, hidden: bool) -> None:
        for each in element:
            tag = each.tag
            if tag == "t":
                self._words(each.text or "", pieces, hidden=hidden)
            elif tag == "r":
                self._walk(each, into, pieces, hidden=self._is_hidden(each, hidden=hidden))
            elif tag in ("br", "lastRenderedPageBreak"):
                is_page = tag != "br" or each.get("type") == "page"
                pieces.append(_PAGE if is_page else "\n")
            elif tag in _TEXT:
                char = (each.get("char") or "").lower()
                self._words(SYMBOLS.get(char, _TEXT[tag]), pieces, hidden=hidden)
            elif tag == "fldChar":
                self._field(each.get("fldCharType") or "")
            elif tag in ("footnoteReference", "endnoteReference"):
                self._refer(tag[0], each.get("id") or "", pieces)
            elif tag in ("blip", "imagedata"):
                name = each.get("r:embed") or each.get("r:id") or ""
                into.pictures.append(self._relations.get(name, ("", ""))[1])
            elif tag == "txbxContent":
                into.boxes.append(list(each))
            elif tag in ("del", "moveFrom"):
                self.changes += 1
            elif tag not in _DROPPED:
                self.changes += tag in ("ins", "moveTo")
                self._walk(each, into, pieces, hidden=hidden)

    def _is_hidden(self, run: Element, *, hidden: bool) -> bool:
        properties = run.find("rPr")
        if properties is None:
            return hidden
        own = is_on(properties, "vanish")
        if own is None and (named := properties.find("rStyle")) is not None:
            return hidden or self.styles.get(named.get("val") or "", Style()).hidden
        return hidden if own is None else own

    def _words(self, text: str, pieces: list[str], *, hidden: bool) -> None:
        if self._fields and not all(self._fields):
            return  # the code of a field, not what it shows
        if hidden:
            self.hidden += bool(text.strip())
        else:
            pieces.append(text)

    def _field(self, kind: str) -> None:
        if kind == "begin":
            self._fields.append(False)
        elif kind == "separate" and self._fields:
            self._fields[-1] = True
        elif kind == "end" and self._fields:
            self._fields.pop()

    def _refer(self, kind: str, number: str, pieces: list[str]) -> None:
        pieces.append(f"[^{self.asked.setdefault((kind, number), len(self.asked) + 1)}]")

    def at_part(self, part: str) -> None:
        """Go on with another part: the pictures of its text are listed in its own relations."""
        self._relations = self._package.relations(part)

    def label(self, style: Style) -> str | None:
        """The number or the dash of a paragraph in a list."""
        if style.list_id in ("", "0"):
            return None
        return self.numbering.label(style.list_id, style.list_level)


def read(data: bytes, options: ReadOptions) -> FileDocument:
    """A Word document. Raises DocumentError in all its kinds."""
    package = Package(data, options)
    main = package.main("word/document", "word/document.xml")
    body = package.xml(main).find("body")
    if body is None:
        raise package.broken("it has no body")
    reading = _Reading(package, main)
    blocks = BlockText(options)
    writer = _Writer(reading, blocks, Pictures(package, options, blocks))
    writer.margin(_margins(package, main, "header"))
    reading.at_part(main)
    writer.blocks(list(body))
    writer.margin(_margins(package, main, "footer"))
    _write_notes(reading, writer)
    if reading.comments is not None and (count := len(reading.comments.findall("comment"))):
        blocks.notes.append(f"{counted(count, 'comment')} left out")
    if reading.changes:
        blocks.notes.append("tracked changes were read as accepted")
    if reading.hidden:
        blocks.notes.append("hidden text left out")
    if package.names("word/afchunk"):
        blocks.notes.append("files that are embedded in it were not read")
    return blocks.finish(data, images=writer.unread_pictures())


def _margins(package: Package, main: str, kind: str) -> dict[str, Element]:
    """The headers or footers, each once, by their parts."""
    found = (part for each, part in package.relations(main).values() if each == kind)
    return {part: package.xml(part) for part in found if part in package}


def _write_notes(reading: _Reading, writer: _Writer) -> None:
    known = {
        (kind, note.get("id") or ""): note
        for kind, root in reading.notes.items()
        for note in (root if root is not None else ())
    }
    written: set[tuple[str, str]] = set()
    while fresh := [which for which in reading.asked if which not in written]:
        for which in fresh:  # and a note may refer to another one
            written.add(which)
            if (note := known.get(which)) is not None:
                number = reading.asked[which]
                text = " ".join(writer.flat(list(note)).split())
                writer.into.add(f"[^{number}]: {text}", beside=number > 1)


class _Writer:
    """Paragraphs and tables, put into blocks and pages."""

    def __init__(self, reading: _Reading, into: BlockText, pictures: Pictures) -> None:
        self._reading = reading
        self.into = into
        self._pictures = pictures
        self._seen: dict[str, None] = {}
        """The pictures so far, in order."""
        self._in_list = self._has_text = False
        self._lead = ""
        self._lead_style: Style | None = None

    def margin(self, roots: dict[str, Element]) -> None:
        """Headers or footers: their paragraphs, those that stand in several of them once."""
        lines: dict[str, None] = {}
        for part, root in roots.items():
            self._reading.at_part(part)
            lines[self.flat(list(root))] = None
        for text in lines:
            self.into.add(text.replace(_PAGE, ""))

    def _read_off(self, found: _Paragraph) -> list[str]:
        """The texts of a paragraph's pictures, where all are to be read."""
        self._seen |= dict.fromkeys(found.pictures)
        if not self._pictures.always:
            return []
        read = map(self._pictures.read, dict.fromkeys(found.pictures))
        return [each.text for each in read if each is not None]

    def unread_pictures(self) -> tuple[Image, ...]:
        """Of a file without a text: each picture as a page, and what is sent to models that see."""
        if self.into.is_blank and not self._pictures.always:
            for part in self._seen:
                if self._pictures.add([part], is_blank=True):
                    self.into.end_page(by_ocr=True)
        return self._pictures.sent()

    def blocks(self, elements: list[Element]) -> None:
        """Paragraphs and tables in order."""
        for each in _flattened(elements):
            if each.tag == "p":
                self._paragraph(self._reading.paragraph(each, self._lead_style))
            elif each.tag == "tbl":
                self._in_list = False
                self._table(each)
        if self._lead:  # its end was deleted, and nothing follows
            self._put(_Paragraph(self._lead_style or Style(), self._lead), "")
            self._lead, self._lead_style = "", None

    def _paragraph(self, found: _Paragraph) -> None:
        if found.joins_next:
            self._lead += found.text
            self._lead_style = self._lead_style or found.style
            return
        text, self._lead, self._lead_style = self._lead + found.text, "", None
        found.text = text
        # Only where there is a text: an empty paragraph of a list shows no number in Word's print.
        label = self._reading.label(found.style) if text.strip() else None
        self._put(found, label)
        for text in self._read_off(found):
            self.into.add(text)
            self._has_text, self._in_list = True, False
        for box in found.boxes:
            self.blocks(box)

    def _put(self, found: _Paragraph, label: str | None) -> None:
        for at, piece in enumerate(found.text.split(_PAGE)):
            if at and self._has_text:  # a page that Word itself would leave empty is none
                self.into.end_page()
                self._has_text = self._in_list = False
            if not piece.strip():
                continue
            lead = f"{label} " if label and piece.strip() else ""
            if found.style.level:
                self.into.heading(lead + piece, found.style.level)
            elif label is not None:
                indent = "  " * found.style.list_level
                self.into.add(f"{indent}{lead}{piece.strip()}", beside=self._in_list)
            else:
                self.into.add(piece)
            self._in_list = label is not None and not found.style.level
            self._has_text, label = True, None if label is None else ""

    def _table(self, table: Element) -> None:
        rows = [row for row in _flattened(list(table)) if row.tag == "tr" and not _is_deleted(row)]
        cells = [_cells(row) for row in rows]
        is_frame = len(cells) <= 1 or max(map(len, cells)) <= 1
        if is_frame and any(cell.find(".//tbl") is not None for row in cells for _, cell in row):
            for row in cells:  # a frame for the layout: what stands in it are blocks
                for _, cell in row:
                    self.blocks(list(cell))
            return
        width = max((sum(span for span, _ in row) for row in cells), default=0)
        self.into.check_table(len(cells), width)
        grid = [self._row(row, at) for row, at in zip(cells, map(_skipped, rows), strict=True)]
        width = max(map(len, grid), default=0)
        if not any(text.replace(_PAGE, "").strip() for texts in grid for text in texts):
            return
        for at, texts in enumerate(grid):
            if at and self._has_text and any(_PAGE in text for text in texts):
                self.into.end_page()
            line = pipe_row([text.replace(_PAGE, "") for text in texts], width)
            self.into.add(line, beside=at > 0)
            self._has_text = True
            if at == 0:
                self.into.add(rule(width), beside=True)

    def _row(self, cells: list[tuple[int, Element]], skipped: int) -> list[str]:
        made = [""] * skipped
        for span, cell in cells:
            merged = cell.find("tcPr/vMerge")
            # The rest of a cell that goes over rows: its text stands in the first of them.
            goes_on = merged is not None and merged.get("val", "continue") == "continue"
            made += ["" if goes_on else self.flat(list(cell)), *[""] * (span - 1)]
        return made

    def flat(self, elements: list[Element]) -> str:
        """The text of paragraphs and tables within a cell, a note or a header, a line each."""
        lines: list[str] = []
        for each in _flattened(elements):
            if each.tag == "p":
                found = self._reading.paragraph(each)
                label = self._reading.label(found.style) if found.text.strip() else None
                lines.append(f"{label} {found.text}" if label else found.text)
                lines += self._read_off(found)
                lines += [self.flat(box) for box in found.boxes]
            elif each.tag == "tbl":
                for row in _flattened(list(each)):
                    if row.tag == "tr" and not _is_deleted(row):
                        lines.append(" ".join(self.flat(list(cell)) for _, cell in _cells(row)))
        return "\n".join(line for line in lines if line.strip())


def _flattened(elements: list[Element]) -> Iterator[Element]:
    """Blocks without what only wraps them: content controls, custom tags, accepted insertions."""
    for each in elements:
        if each.tag in ("sdt", "sdtContent", "customXml", "ins", "moveTo", "smartTag"):
            yield from _flattened(list(each))
        elif each.tag == "AlternateContent":
            for choice in each.findall("Choice")[:1]:
                yield from _flattened(list(choice))
        elif each.tag not in ("del", "moveFrom"):
            yield each


def _is_deleted(row: Element) -> bool:
    return row.find("trPr/del") is not None


def _cells(row: Element) -> list[tuple[int, Element]]:
    """The cells of a row, each with the number of columns that it goes over."""
    cells = (each for each in _flattened(list(row)) if each.tag == "tc")
    return [(_number(cell.find("tcPr/gridSpan"), 1), cell) for cell in cells]


def _skipped(row: Element) -> int:
    return _number(row.find("trPr/gridBefore"), 0)


def _number(element: Element | None, otherwise: int) -> int:
    text = (element.get("val") or "") if element is not None else ""
    return min(int(text), 100) if text.isdecimal() and len(text) < 9 else otherwise
