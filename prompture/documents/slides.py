"""PPTX: the slides as pages, with their tables, charts and speakers' notes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.etree.ElementTree import Element

from prompture.documents import ReadOptions
from prompture.documents.blocks import BlockText, counted
from prompture.documents.packages import Package, Pictures
from prompture.types import FileDocument

_TITLES = ("title", "ctrTitle")
_BODIES = ("body", "obj", "")
_MOST_POINTS = 1000
"""Points of a chart that are written out."""


def read(data: bytes, options: ReadOptions) -> FileDocument:
    """A presentation. Raises DocumentError in all its kinds."""
    package = Package(data, options)
    main = package.main("ppt/presentation", "ppt/presentation.xml")
    root = package.xml(main)
    relations = package.relations(main)
    writer = BlockText(options)
    pictures = Pictures(package, options, writer)
    hidden = comments = 0
    listed = root.find("sldIdLst")
    for each in listed if listed is not None else ():
        part = relations.get(each.get("r:id") or "", ("", ""))[1]
        if part not in package:
            continue
        slide = package.xml(part)
        if slide.get("show") in ("0", "false"):
            hidden += 1
            # Its number stays its own: the slides behind it keep theirs.
            writer.skip_page()
            continue
        comments += any(kind.endswith("omments") for kind, _ in package.relations(part).values())
        _Slide(package, part, writer).write(slide, pictures)
    if hidden:
        writer.notes.append(f"{counted(hidden, 'hidden slide')} left out")
    if comments:
        writer.notes.append("comments left out")
    return writer.finish(data, images=pictures.sent(), empty="no slide of it has a text")


class _Slide:
    """A slide while it is written."""

    def __init__(self, package: Package, part: str, into: BlockText) -> None:
        self._package = package
        self._relations = package.relations(part)
        self._into = into

    def write(self, root: Element, pictures: Pictures) -> None:
        start = self._into.length
        shapes = list(_shapes(root.find("cSld/spTree")))
        titles = [shape for shape in shapes if _placeholder(shape) in _TITLES]
        name = " ".join(" ".join(_paragraph(p) for p in t.iter("p")) for t in titles).strip()
        name = " ".join(name.split())
        self._into.heading(name, 1)
        for shape in shapes:
            if shape not in titles:
                self._shape(shape)
        for kind, part in self._relations.values():
            if kind == "notesSlide" and part in self._package:
                self._notes(self._package.xml(part))
        by_ocr = pictures.add(self._pictures(shapes), is_blank=self._into.length == start)
        self._into.end_page(name, by_ocr=by_ocr)

    def _pictures(self, shapes: Iterable[Element]) -> Iterator[str]:
        """The pictures that it shows, those that fill a shape too."""
        for shape in shapes:
            for blip in shape.iter("blip"):
                yield self._relations.get(blip.get("r:embed") or "", ("", ""))[1]

    def _shape(self, shape: Element) -> None:
        if shape.tag != "graphicFrame":
            if _placeholder(shape) != "sldNum":
                self._text(shape)
            return
        for table in shape.iter("tbl"):
            self._into.table([_row(row) for row in table.iterfind("tr")])
        for chart in shape.iter("chart"):
            part = self._relations.get(chart.get("r:id") or "", ("", ""))[1]
            if part in self._package:
                self._chart(self._package.xml(part))
        for drawing in shape.iter("relIds"):  # SmartArt: its texts are in a part of their own
            part = self._relations.get(drawing.get("r:dm") or "", ("", ""))[1]
            if part in self._package:
                texts = [" ".join(map(_paragraph, t.iter("p"))) for t in self._package.xml(part).iter("t")
                         if t.find("p") is not None]  # fmt: skip
                self._into.add("\n".join(f"- {text}" for text in texts if text.strip()))

    def _text(self, shape: Element) -> None:
        body = shape.find("txBody")
        if body is None:
            return
        kind = _placeholder(shape)
        lines: list[str] = []
        for p in body.iterfind("p"):
            text = _paragraph(p).strip()
            if not text:
                continue
            properties = p.find("pPr")
            level, bullet = 0, kind in _BODIES
            if properties is not None:
                level = (
                    int(properties.get("lvl") or 0)
                    if (properties.get("lvl") or "0").isdecimal()
                    else 0
                )
                marked = any(
                    properties.find(b) is not None for b in ("buChar", "buAutoNum", "buBlip")
                )
                bullet = (bullet or marked) and properties.find("buNone") is None
            lines.append(f"{'  ' * min(level, 8)}- {text}" if bullet or level else text)
        self._into.add("\n".join(lines))

    def _chart(self, root: Element) -> None:
        """A chart as the table that it was drawn from."""
        title = root.find("chart/title")
        if title is not None:
            self._into.add(" ".join(t.text or "" for t in title.iter("t")))
        rows: dict[int, list[str]] = {}
        series = list(root.iter("ser"))
        heads = [""]
        for at, one in enumerate(series):
            heads.append(" ".join(v.text or "" for v in one.iterfind("tx//v")))
            for column, names in ((0, ("cat", "xVal")), (at + 1, ("val", "yVal"))):
                for name in names:
                    for number, text in _points(one.find(name)):
                        row = rows.setdefault(number, [""] * (len(series) + 1))
                        row[column] = row[column] or text
        if rows:
            self._into.table([heads, *(rows[at] for at in sorted(rows)[:_MOST_POINTS])])

    def _notes(self, root: Element) -> None:
        for shape in _shapes(root.find("cSld/spTree")):
            if _placeholder(shape) == "body":
                lines = [_paragraph(p).strip() for p in shape.iter("p")]
                if text := "\n".join(line for line in lines if line):
                    self._into.add(f"Notes: {text}")


def _shapes(tree: Element | None) -> Iterator[Element]:
    """Shapes in order, those in groups too; hidden ones are none."""
    for each in tree if tree is not None else ():
        if each.tag in ("grpSp", "Choice"):
            yield from _shapes(each)
        elif each.tag == "AlternateContent":
            chosen = each.find("Choice")
            yield from _shapes(each.find("Fallback") if chosen is None else chosen)
        elif each.tag in ("sp", "graphicFrame", "cxnSp", "pic"):
            properties = next(each.iter("cNvPr"), None)
            if properties is None or properties.get("hidden") not in ("1", "true"):
                yield each


def _placeholder(shape: Element) -> str | None:
    found = shape.find("nvSpPr/nvPr/ph")
    return None if found is None else found.get("type", "")


def _paragraph(p: Element) -> str:
    pieces: list[str] = []
    for each in p.iter():
        if each.tag == "t" and each.find("p") is None:
            pieces.append(each.text or "")
        elif each.tag == "br":
            pieces.append("\n")
        elif each.tag == "tab":
            pieces.append("")
    return "".join(pieces).replace("\v", "\n")


def _row(row: Element) -> list[str]:
    made = []
    for cell in row.iterfind("tc"):
        # Of merged cells the text stands in the first.
        goes_on = any(cell.get(name) in ("1", "true") for name in ("hMerge", "vMerge"))
        made.append("" if goes_on else "\n".join(_paragraph(p) for p in cell.iter("p")))
    return made


def _points(data: Element | None) -> Iterator[tuple[int, str]]:
    for point in data.iter("pt") if data is not None else ():
        value, at = point.find("v"), point.get("idx") or ""
        if value is not None and at.isdecimal() and len(at) < 7:
            yield int(at), value.text or ""
