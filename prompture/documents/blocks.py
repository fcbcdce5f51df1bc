"""Text of a document in blocks: headings, paragraphs, pipe tables, with a blank line between."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from prompture.document_errors import DocumentEmpty, DocumentTooLarge
from prompture.documents import ReadOptions
from prompture.documents.layout import LayoutWriter
from prompture.types import FileDocument, Image

MOST_CELLS = 20_000_000
"""Cells of a table, those that are empty included."""
_OF_A_CELL = 4
"""Characters of the text that it needs beside its words, at most: the bar, its blanks, the rule's."""
_BREAKS = re.compile(r"[ \t]*[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+[ \t]*")
_BAR = re.compile(r"(?<!\\)\|")


def cell_text(text: str) -> str:
    """A cell of a pipe table: on one line, its own pipes with a backslash before them."""
    return _BREAKS.sub(" ", text.strip()).replace("|", "\\|")


def pipe_row(cells: Sequence[str], width: int) -> str:
    """A line of a pipe table, filled up with empty cells."""
    written = [*map(cell_text, cells), *[""] * (width - len(cells))]
    return f"| {' | '.join(written)} |"


def rule(width: int) -> str:
    """The line under a table's first row."""
    return "|" + "---|" * width


def pipe_table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; its first row is the heading. "" where no cell has a text."""
    width = max(map(len, rows), default=0)
    if not any(cell.strip() for row in rows for cell in row):
        return ""
    lines = [pipe_row(row, width) for row in rows]
    return "\n".join([lines[0], rule(width), *lines[1:]])


def cells_of(line: str) -> list[str]:
    """The cells of a line of a pipe table: the inverse of ``pipe_row``."""
    inside = line.strip().removeprefix("|").removesuffix("|")
    return [cell.strip().replace("\\|", "|") for cell in _BAR.split(inside)]


class BlockText:
    """A document while it is read: pages of blocks."""

    def __init__(self, options: ReadOptions) -> None:
        self._options = options
        self._writer = LayoutWriter()
        self._is_first = True
        self._number = 1
        self._skipped = 0
        """Pages that were left out behind the one that is whole."""
        self._ended: str | None = None
        """The name of a page that is whole, and not yet written down."""
        self._by_ocr = False
        self._tabled = 0
        """Characters of the tables so far."""
        self.notes: list[str] = []

    def add(self, text: str, *, beside: bool = False) -> None:
        """A block; ``beside``: right under the last one, as a table's next line."""
        text = text.rstrip() if beside else text.strip("\n").rstrip()
        if not text.strip():
            return
        if self._ended is not None:
            # The blank line belongs to the page that it ends.
            self._close("" if self._is_first else "\n\n")
        elif not self._is_first:
            self._writer.add("\n" if beside else "\n\n")
        self._writer.add(text)
        self._is_first = False

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """A pipe table. Raises DocumentTooLarge."""
        width = max(map(len, rows), default=0)
        self.check_table(len(rows), width, sum(len(cell) for row in rows for cell in row))
        self.add(pipe_table(rows))

    def check_table(self, rows: int, width: int, chars: int = 0) -> None:
        """Raise DocumentTooLarge for a table that is too large, alone or with those before it.

        A few bytes are enough for it: one row with many cells makes all others as wide, and spans
        and repeated cells stand in a file once.
        """
        cells = rows * width
        self.check_cells(cells)
        self._tabled += chars + _OF_A_CELL * cells
        if self._tabled > self._options.max_unpacked:
            raise DocumentTooLarge(
                f"tables of more than max_unpacked={self._options.max_unpacked} characters",
                name=self._options.name,
            )

    def check_cells(self, cells: int) -> None:
        """Raise DocumentTooLarge for so many in one table."""
        if cells > MOST_CELLS:
            raise DocumentTooLarge(
                f"more than {MOST_CELLS} cells in a table", name=self._options.name
            )

    def heading(self, text: str, level: int) -> None:
        """A heading, on one line."""
        if words := " ".join(text.split()):
            self.add(f"{'#' * min(max(level, 1), 6)} {words}")

    def end_page(self, name: str = "", *, by_ocr: bool = False) -> None:
        """The page is whole, as soon as it is known whether anything follows."""
        self._close("")
        self._ended, self._by_ocr = name, by_ocr

    def _close(self, between: str) -> None:
        if self._ended is None:
            return
        if self._number > self._options.max_pages:
            raise DocumentTooLarge(
                f"more than max_pages={self._options.max_pages}", name=self._options.name
            )
        self._writer.add(between)
        self._writer.end_page(name=self._ended, number=self._number, by_ocr=self._by_ocr)
        self._number += 1 + self._skipped
        self._skipped, self._ended = 0, None

    def skip_page(self) -> None:
        """A page that is left out, and counts."""
        if self._ended is None:
            self._number += 1
        else:
            self._skipped += 1

    @property
    def is_blank(self) -> bool:
        return self._is_first

    @property
    def length(self) -> int:
        return len(self._writer)

    def finish(
        self,
        data: bytes | None = None,
        *,
        images: Iterable[Image] = (),
        empty: str = "there is no text in it",
    ) -> FileDocument:
        """The document. Raises DocumentEmpty where it has neither text nor pictures."""
        self._close("")
        pages, pictures = self._writer.pages, tuple(images)
        if not pages or pages[-1].end < len(self._writer):
            self.end_page()
            self._close("")
        if self._is_first and not pictures:
            raise DocumentEmpty(empty, name=self._options.name)
        if not (self._is_first or (len(pictures) == len(pages) and all(p.by_ocr for p in pages))):
            pictures = ()  # they would be sent, and paid for, beside the text that was read off them
        return FileDocument(
            self._writer.text(),
            self._options.name,
            pages=tuple(pages),
            media_type=self._options.media_type,
            images=pictures,
            notes=tuple(self.notes),
            data=data,
        )


def joined_halves(text: str) -> str:
    """Two halves of a character (of UTF-16) as that; one alone, which no model can be sent, as U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def counted(number: int, one: str, many: str = "") -> str:
    """ "1 sheet", "2 sheets"."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def few(names: Iterable[str], most: int = 5) -> str:
    """Names for a note, not all of them where they are many."""
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
