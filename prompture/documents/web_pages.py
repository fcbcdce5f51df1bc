"""HTML: what a browser shows of a page, with its headings, lists and tables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from prompture.documents import ReadOptions
from prompture.documents.blocks import BlockText, pipe_table
from prompture.documents.encodings import decoded
from prompture.documents.html_bounds import check_bounds
from prompture.errors import MissingExtra
from prompture.types import FileDocument

if TYPE_CHECKING:
    from collections.abc import Mapping

    from selectolax.lexbor import LexborNode as Node


_META = re.compile(rb"""<meta[^>]{0,300}?charset\s*=\s*["']?\s*([\w.:-]{1,40})""", re.IGNORECASE)
_DROPPED = frozenset(
    ("script", "style", "head", "template", "noscript", "iframe", "object", "embed", "svg", "audio",
     "video", "canvas", "nav", "datalist", "noframes", "map", "rp", "rt", "-comment", "param")
)  # fmt: skip
_BLOCKS = frozenset(
    ("address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details",
     "dialog", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header",
     "hgroup", "hr", "legend", "main", "menu", "p", "pre", "section", "summary", "tbody", "tfoot",
     "thead", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "table", "tr", "search")
)  # fmt: skip
_HIDING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all"
    r"|font-size\s*:\s*0(?:px|pt|em|%)?\s*(?:;|!|$)",
    re.IGNORECASE,
)
_SPACE = re.compile("[ \t\n\r\f\xa0]+")
_NOTHING = str.maketrans(dict.fromkeys("\u200b\ufeff\xad\0\x01\x02"))
_INVISIBLE = re.compile("[\\s\u200c\u200d\u2060\u034f]*")
_LINE, _KEPT = "\x01", "\x02"
"""Stand for a line break and for a blank of preformatted text, until white space is settled."""
_WIDEST = 2000
_HEADINGS = {f"h{level}": level for level in range(1, 7)}


def read(data: bytes, options: ReadOptions) -> FileDocument:
    """A page. Raises DocumentError in its kinds, and MissingExtra."""
    found = _META.search(data[:8192])
    stated = found[1].decode().lower() if found else ""
    # A page that can be searched for its declaration is in no encoding of two bytes a character.
    stated = "utf-8" if stated.startswith("utf-16") else _WEB_NAMES.get(stated, stated)
    text, note = decoded(data, options.encoding, name=options.name, stated=stated)
    into = BlockText(options)
    if note:
        into.notes.append(note)
    title = add_page(text, into, options.name)
    into.end_page(title)
    return into.finish(data, empty="the page shows no text")


_WEB_NAMES = {"iso-8859-1": "cp1252", "latin1": "cp1252", "us-ascii": "cp1252", "gb2312": "gb18030",
              "gbk": "gb18030", "shift_jis": "cp932", "ks_c_5601-1987": "cp949", "euc-kr": "cp949"}  # fmt: skip
"""Browsers read these names as the larger encodings."""


def add_page(text: str, into: BlockText, name: str = "") -> str:
    """Write down what a page shows, and return its title."""
    try:
        from selectolax.lexbor import LexborHTMLParser
    except ImportError as missing:
        raise MissingExtra(extra="documents", package="selectolax") from missing

    check_bounds(text, name)
    parsed = LexborHTMLParser(text)
    heading = parsed.css_first("head > title")
    title = _SPACE.sub(" ", heading.text() if heading is not None else "").strip()
    walk = _Walk(into)
    if parsed.body is not None:
        walk.over(parsed.body)
    blocks = walk.blocks
    if title and not any(title in block for block, _ in blocks):
        into.heading(title, 1)
    for block, beside in blocks:
        into.add(block, beside=beside)
    if walk.hidden:
        into.notes.append("hidden text left out")
    return title


class _Walk:
    """Goes over the nodes, one after the other, and collects blocks."""

    def __init__(self, into: BlockText) -> None:
        self.blocks: list[tuple[str, bool]] = []
        self._into = into
        self.hidden = False
        self._pieces: list[str] = []
        self._lists: list[int | None] = []
        """The next number of each list that is open; None for dots."""
        self._lead = ""
        self._in_list = False
        self._kept = 0
        self._tables: list[_Table] = []
        self._cells: list[list[str]] = []
        """The text before each cell that is open: a cell is collected by itself."""

    def over(self, root: Node) -> None:
        """The whole tree below a node. No recursion: trees may be deep."""
        node: Node | None = root
        while node is not None:
            if self._enter(node) and node.child is not None:
                node = node.child
                continue
            self._leave(node)
            while node is not None and node.next is None and node.mem_id != root.mem_id:
                node = node.parent
                if node is not None:
                    self._leave(node)
            if node is None or node.mem_id == root.mem_id:
                break
            node = node.next
        self._flush()

    def _enter(self, node: Node) -> bool:
        """Take what a node shows; whether there is more in it to see."""
        tag = node.tag or ""
        if tag == "-text":
            self._words(node.text_content or "")
            return False
        if tag in _DROPPED:
            return False
        given = node.attributes
        if "hidden" in given or _HIDING.search(given.get("style") or ""):
            self.hidden = self.hidden or _shows_text(node)
            return False
        if tag == "dialog" and "open" not in given:
            return False
        if tag == "br":
            self._pieces.append(_LINE)
        elif tag in ("img", "input", "option", "select", "textarea"):
            return self._control(node, tag, given)
        elif tag in ("table", "tr", "td", "th"):
            return self._enter_table(node, tag, given)
        elif tag in _BLOCKS:
            self._break()
            self._enter_block(tag, given)
        return True

    def _control(self, node: Node, tag: str, given: Mapping[str, str | None]) -> bool:
        if tag == "img":
            if alt := (given.get("alt") or "").strip():
                self._pieces.append(f" {alt} ")
        elif tag == "input":
            kind = (given.get("type") or "text").lower()
            if kind in ("checkbox", "radio"):
                self._pieces.append("☒ " if "checked" in given else "☐ ")
            elif kind not in ("hidden", "password", "submit", "button", "image", "file", "reset"):
                self._pieces.append(f" {given.get('value') or ''} ")
        elif tag == "option":
            self._pieces.append(" ")
            return "selected" in given
        elif tag == "select" and node.css_first("option[selected]") is None:
            return False
        return True

    def _enter_block(self, tag: str, given: Mapping[str, str | None]) -> None:
        if tag in ("ul", "ol", "menu"):
            start = given.get("start") or "1"
            self._lists.append(
                None if tag != "ol" else int(start) if re.fullmatch(r"-?\d{1,6}", start) else 1
            )
        elif tag == "li" and self._lists:
            number = self._lists[-1]
            if number is None:
                self._lead = "- "
            else:
                value = given.get("value") or ""
                number = int(value) if re.fullmatch(r"\d{1,6}", value) else number
                self._lead, self._lists[-1] = f"{number}. ", number + 1
        elif tag == "pre":
            self._kept += 1

    def _enter_table(self, node: Node, tag: str, given: Mapping[str, str | None]) -> bool:
        if self._cells:  # a table within a cell is a part of the cell's text
            self._pieces.append(_LINE if tag in ("table", "tr") else " ")
            return True
        if tag == "table":
            self._flush()
            self._tables.append(_Table(is_data=_has_headings(node)))
        elif tag == "tr" and self._tables:
            self._flush()
            table = self._tables[-1]
            # A row that holds tables is a frame: what stands in its cells are blocks.
            table.in_frame = not table.is_data and node.css_first("table") is not None
            if table.in_frame:
                self._put_table(table)
            else:
                table.rows.next_row()
                # Before there are more: cells that reach down make rows of one tag wide.
                self._into.check_cells(table.rows.cells)
        elif self._tables and not self._tables[-1].in_frame:
            self._cells.append(self._pieces)
            self._pieces = []
            self._tables[-1].cell = node.mem_id
            self._tables[-1].spans = (_span(given.get("colspan")), _span(given.get("rowspan")))
        else:
            self._flush()
        return True

    def _leave(self, node: Node) -> None:
        tag = node.tag or ""
        if tag in _HEADINGS:
            if not self._cells:
                self._flush(_HEADINGS[tag])
        elif tag in ("td", "th") and self._cells and self._tables[-1].cell == node.mem_id:
            table = self._tables[-1]
            table.rows.add(self._settled().replace("\n", " "), *table.spans)
            self._pieces = self._cells.pop()
        elif tag == "table" and self._tables and not self._cells:
            self._flush()
            self._put_table(self._tables.pop())
        elif tag in _BLOCKS or (tag in ("td", "th") and not self._cells):
            self._break()
            if tag in ("ul", "ol", "menu") and self._lists:
                self._lists.pop()
            elif tag == "pre":
                self._kept = max(0, self._kept - 1)
            elif tag == "li":
                self._lead = ""

    def _words(self, text: str) -> None:
        text = text.translate(_NOTHING)
        if self._kept:
            text = text.replace("\r\n", "\n").replace("\n", _LINE).replace(" ", _KEPT)
        self._pieces.append(text)

    def _break(self) -> None:
        if self._cells:
            self._pieces.append(_LINE)
        else:
            self._flush()

    def _settled(self) -> str:
        """The text since the last block, with the white space that is seen."""
        text = _SPACE.sub(" ", "".join(self._pieces))
        lines = (line.strip(" ") for line in text.split(_LINE))
        text = "\n".join(lines).replace(_KEPT, " ").strip("\n")
        self._pieces = []
        return "" if _INVISIBLE.fullmatch(text) else text

    def _flush(self, level: int = 0) -> None:
        text = self._settled()
        if not text:
            return
        if level:
            text = f"{'#' * level} {' '.join(text.split())}"
        is_item = bool(self._lists) and not level
        if is_item:
            indent = "  " * (len(self._lists) - 1)
            text = f"{indent}{self._lead or '  '}{text}"
            self._lead = ""
        self.blocks.append((text, is_item and self._in_list))
        self._in_list = is_item

    def _put_table(self, table: _Table) -> None:
        rows = table.rows.taken()
        self._into.check_table(len(rows), max(map(len, rows), default=0))
        if max(map(len, rows), default=0) < 2 and not table.is_data:
            lines = [cell for row in rows for cell in row]
            self.blocks += [(line, False) for line in lines if line.strip()]
        elif text := pipe_table(rows):
            self.blocks.append((text, False))
        self._in_list = False


class RowSpans:
    """Rows as they come; where a cell from above reaches down, its column stays empty."""

    def __init__(self) -> None:
        self._rows: list[list[str]] = []
        self.cells = 0
        """Of the rows that are whole."""
        self._reaching: dict[int, int] = {}
        """Columns that cells from above go over, with the rows that they still do."""

    def next_row(self) -> None:
        """Begin a row."""
        if self._rows:
            self._fill(whole=True)
            self.cells += len(self._rows[-1])
            self._reaching = {at: left - 1 for at, left in self._reaching.items() if left > 1}
        self._rows.append([])

    def add(self, text: str, columns: int = 1, rows: int = 1) -> None:
        """A cell of the row that was begun last."""
        if not self._rows:
            self.next_row()
        self._fill()
        row = self._rows[-1]
        columns = max(1, min(columns, _WIDEST - len(row)))
        for at in range(len(row), len(row) + columns):
            if rows > 1:
                # Of this row it is no rest: it is counted from the next one on.
                self._reaching[at] = rows
        row += [text, *[""] * (columns - 1)]

    def _fill(self, *, whole: bool = False) -> None:
        row = self._rows[-1]
        upto = max(self._reaching, default=0) if whole else 0
        while len(row) in self._reaching or len(row) < upto:
            row.append("")

    def taken(self) -> list[list[str]]:
        """The rows so far that are not empty; the next ones begin another table."""
        rows, self._rows, self._reaching, self.cells = self._rows, [], {}, 0
        # Columns at the end that are empty in all rows are none.
        used = max(
            (at for row in rows for at, cell in enumerate(row, 1) if cell.strip()), default=1
        )
        for row in rows:
            del row[used:]
        return [row for row in rows if any(cell.strip() for cell in row)]


class _Table:
    """A table while its rows come."""

    def __init__(self, *, is_data: bool) -> None:
        self.is_data = is_data
        self.in_frame = False
        self.rows = RowSpans()
        self.cell = 0
        self.spans = (1, 1)


def _has_headings(table: Node) -> bool:
    """Whether the first heading of a column within it is its own, not that of a table in it."""
    heading = table.css_first("th")
    while heading is not None and heading.tag != "table":
        heading = heading.parent
    return heading is not None and heading.mem_id == table.mem_id


def _span(text: str | None) -> int:
    return max(1, min(int(text), 1000)) if text and re.fullmatch(r"\d{1,6}", text) else 1


def _shows_text(node: Node) -> bool:
    text: str = node.text() if hasattr(node, "text") else ""
    return bool(text.strip())
