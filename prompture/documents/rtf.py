"""RTF: its text, tables as pipe tables, without hidden words, pictures and what only programs read."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, replace

from prompture.document_errors import DocumentTooLarge, DocumentUnreadable
from prompture.documents import ReadOptions
from prompture.documents.blocks import BlockText, joined_halves
from prompture.documents.word import SYMBOLS
from prompture.types import FileDocument

_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z0-9])|([{}])|[\r\n]+|([^\\{}\r\n]+)|."
    , re.DOTALL)  # fmt: skip
_DEEPEST = 1000
_MOST_WORDS = 4_000_000
_SKIPPED = frozenset(
    ("fonttbl", "colortbl", "stylesheet", "listtable", "listoverridetable", "info", "pict", "object",
     "themedata", "colorschememapping", "datastore", "latentstyles", "rsidtbl", "generator",
     "xmlnstbl", "fldinst", "bkmkstart", "bkmkend", "nonshppict", "pgdsctbl", "revtbl", "filetbl",
     "annotation", "atnid", "atnauthor", "atrfstart", "atrfend", "private", "pn", "tc", "xe",
     "mmathpr", "template", "docvar", "ftnsep", "ftnsepc", "aftnsep", "aftnsepc", "shppict", "wgrffmtfilter", "sp")
)  # fmt: skip
_WORDS = {
    "par": "\n", "sect": "\n", "line": "\n", "tab": "\t", "emdash": "—", "endash": "–",
    "lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”", "bullet": "•", "emspace": " ",
    "enspace": " ", "qmspace": " ", "softline": "\n", "zwj": "\u200d", "zwnj": "\u200c",
}  # fmt: skip
_MARKS = {
    b"~": "\xa0",
    b"_": "\u2011",
    b"-": "",
    b"\n": "\n",
    b"\r": "\n",
    b"{": "{",
    b"}": "}",
    b"\\": "\\",
}
_CHARSETS = {0: 1252, 77: 10000, 128: 932, 129: 949, 134: 936, 136: 950, 161: 1253, 162: 1254,
             163: 1258, 177: 1255, 178: 1256, 186: 1257, 204: 1251, 222: 874, 238: 1250}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _State:
    """What a group changes, and its end takes back."""

    skipped: bool = False
    hidden: bool = False
    after_unicode: int = 1
    font: int = -1
    in_table: bool = False
    in_fonts: bool = False
    in_styles: bool = False
    level: int = 0
    """Of a heading; 0 for other text."""


class _Reader:
    def __init__(self, into: BlockText) -> None:
        self._into = into
        self._page = 1252
        self._fonts: dict[int, int] = {}
        self._style = -1
        self._levels: dict[int, int] = {}
        """The levels of headings, by the numbers of their styles."""
        self._state = _State()
        self._stack: list[_State] = []
        self._pending = bytearray()
        """Bytes that are not yet characters: of some encodings one has two."""
        self._high: str = ""
        self._to_skip = 0
        self._star = False
        self._line: list[str] = []
        self._row: list[str] = []
        self._rows: list[list[str]] = []
        self.hidden = False

    def over(self, data: bytes, name: str) -> None:
        at, end = 0, len(data)
        while at < end:
            found = _TOKEN.match(data, at)
            if found is None:
                break
            at = found.end()
            word, number, coded, mark, brace, plain = found.groups()
            if plain is not None:
                self._bytes(plain)
            elif coded is not None:
                self._bytes(bytes((int(coded, 16),)))
            elif word is not None:
                count = int(number) if number is not None else None
                if word == b"bin":  # so many bytes that are no text
                    at += min(max(count or 0, 0), end - at)
                else:
                    self._control(word.decode("ascii"), count)
            elif brace is not None:
                self._brace(brace, name)
            elif mark == b"*":
                self._star = True
            elif mark is not None:
                self._text(_MARKS.get(mark, ""))
        self._settle()
        self._end_line()
        self._end_table()

    def _brace(self, brace: bytes, name: str) -> None:
        self._settle()
        self._star = False
        if brace == b"{":
            self._stack.append(self._state)
            if len(self._stack) > _DEEPEST:
                raise DocumentTooLarge(f"groups nested deeper than {_DEEPEST}", name=name)
        elif self._stack:
            self._state = self._stack.pop()

    def _bytes(self, data: bytes) -> None:
        if self._to_skip:
            skipped = min(self._to_skip, len(data))
            self._to_skip -= skipped
            data = data[skipped:]
        if not self._state.skipped:
            self._pending += data

    def _settle(self) -> None:
        """Turn the bytes so far into characters of the font's encoding."""
        if self._pending:
            page = self._fonts.get(self._state.font, self._page)
            data, self._pending = self._pending, bytearray()
            self._put(data.decode(_codec(page), "replace"))

    def _text(self, text: str) -> None:
        self._settle()
        if not self._state.skipped:
            self._put(text)

    def _put(self, text: str) -> None:
        if self._state.hidden:
            self.hidden = self.hidden or bool(text.strip())
        else:
            self._line.append(text)

    def _control(self, word: str, number: int | None) -> None:
        self._settle()
        if word in _SKIPPED or (self._star and word not in ("shpinst", "shptxt")):
            in_styles = self._state.in_styles or word == "stylesheet"
            self._state = replace(
                self._state, skipped=True, in_fonts=word == "fonttbl", in_styles=in_styles
            )
        self._star = False
        if self._state.in_fonts and word == "f":
            self._state = replace(self._state, font=number or 0)
        elif word == "fcharset" and self._state.in_fonts:
            self._fonts[self._state.font] = _CHARSETS.get(number or 0, self._page)
        elif self._state.in_styles and word in ("s", "outlinelevel"):
            if word == "s":
                self._style = number or 0
            else:
                self._levels[self._style] = _level(number)
        elif self._state.skipped:
            return
        elif word == "u":
            self._unicode(number or 0)
        elif word in ("par", "sect", "page") or word in ("cell", "row", "nestcell", "nestrow"):
            self._ends(word)
        elif word in _WORDS:
            self._text(_WORDS[word])
        else:
            self._property(word, number)

    def _property(self, word: str, number: int | None) -> None:
        state = self._state
        if word == "ansicpg" and number:
            self._page = number
        elif word in ("mac", "pc", "pca"):
            self._page = {"mac": 10000, "pc": 437, "pca": 850}[word]
        elif word == "uc":
            self._state = replace(state, after_unicode=min(max(number or 0, 0), 16))
        elif word == "f":
            self._state = replace(state, font=number or 0)
        elif word in ("v", "deleted"):
            self._state = replace(state, hidden=number != 0)
        elif word == "plain":
            self._state = replace(state, hidden=False)
        elif word == "pard":
            self._state = replace(state, in_table=False, level=0)
        elif word == "outlinelevel":
            self._state = replace(state, level=_level(number))
        elif word == "s":
            self._state = replace(state, level=self._levels.get(number or 0, 0))
        elif word == "intbl":
            self._state = replace(state, in_table=True)

    def _unicode(self, number: int) -> None:
        code = number % 65536
        self._to_skip = self._state.after_unicode
        if 0xD800 <= code < 0xDC00:
            self._high = chr(code)
            return
        text = self._high + chr(code)
        self._high = ""
        self._put(joined_halves(SYMBOLS.get(f"{code:04x}", text)))

    def _ends(self, word: str) -> None:
        if word in ("cell", "nestcell"):
            self._row.append("".join(self._line))
            self._line = []
        elif word in ("row", "nestrow"):
            if self._row:
                self._rows.append(self._row)
            self._row, self._line = [], []
        elif self._state.in_table and (self._row or word == "par"):
            self._line.append("\n")
        else:
            self._end_line()
            if word == "page":
                self._end_table()
                self._into.end_page()

    def _end_line(self) -> None:
        text, self._line = "".join(self._line).lstrip(" "), []
        if text.strip():
            self._end_table()
            if self._state.level:
                self._into.heading(text, self._state.level)
            else:
                self._into.add(text)

    def _end_table(self) -> None:
        if self._row:
            self._rows.append(self._row)
        if self._rows:
            self._into.table(self._rows)
        self._rows, self._row = [], []


def _level(number: int | None) -> int:
    return number + 1 if number is not None and 0 <= number < 9 else 0


def _codec(page: int) -> str:
    name = {10000: "mac_roman", 65001: "utf-8", 936: "gb18030"}.get(page, f"cp{page}")
    try:
        "".encode(name)
    except LookupError:
        return "cp1252"
    return name


def read(data: bytes, options: ReadOptions) -> FileDocument:
    """An RTF file. Raises DocumentUnreadable, DocumentTooLarge and DocumentEmpty."""
    start = data.find(b"{\\rtf")
    if data.count(b"\\") + data.count(b"{") > _MOST_WORDS:
        raise DocumentTooLarge(f"more than {_MOST_WORDS} control words", name=options.name)
    if start < 0:
        raise DocumentUnreadable("it is no RTF", name=options.name)
    into = BlockText(options)
    add_rtf(data[start:], into, options.name)
    return into.finish(data)


def add_rtf(data: bytes, into: BlockText, name: str) -> None:
    """Write down the text of RTF."""
    reader = _Reader(into)
    reader.over(data, name)
    if reader.hidden:
        into.notes.append("hidden or deleted text left out")


_START = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern "
    b"\\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0"
    b"\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)
"""What every text is thought to begin with: words that most of them repeat."""
_WINDOW = 4096
_MOST_UNPACKED = 50_000_000


def unpacked(data: bytes, options: ReadOptions) -> bytes:
    """RTF as Outlook packs it into a mail (MS-OXRTFCP). Raises DocumentUnreadable and DocumentTooLarge."""
    if len(data) < 16:
        raise DocumentUnreadable("its text is cut off", name=options.name)
    _, size, mark = struct.unpack_from("<III", data)
    if size > _MOST_UNPACKED or options.unpacked.add(size) > options.max_unpacked:
        raise DocumentTooLarge("its text is too large", name=options.name)
    if mark == 0x414C454D:  # "MELA": it is not packed
        return data[16 : 16 + size]
    if mark != 0x75465A4C:  # "LZFu"
        raise DocumentUnreadable("its text is packed in an unknown way", name=options.name)
    window = bytearray(_START.ljust(_WINDOW, b"\0"))
    write, at = len(_START), 16
    made = bytearray()
    while at < len(data) and len(made) <= size:
        flags = data[at]
        at += 1
        for bit in range(8):
            if at >= len(data):
                break
            if not flags >> bit & 1:
                window[write] = data[at]
                made.append(data[at])
                write, at = (write + 1) % _WINDOW, at + 1
                continue
            if at + 1 >= len(data):
                return bytes(made)
            where = data[at] << 4 | data[at + 1] >> 4
            count = (data[at + 1] & 15) + 2
            at += 2
            if where == write:  # the end
                return bytes(made)
            for step in range(count):
                byte = window[(where + step) % _WINDOW]
                window[write] = byte
                made.append(byte)
                write = (write + 1) % _WINDOW
    return bytes(made)
