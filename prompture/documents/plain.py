"""Text files, in the encoding that they have; those of cells (CSV, TSV) as pipe tables."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

from prompture.document_errors import DocumentEmpty
from prompture.documents import ReadOptions
from prompture.documents.blocks import BlockText, counted
from prompture.documents.encodings import decoded
from prompture.documents.kinds import delimiter_of, whole_lines
from prompture.documents.layout import LayoutWriter
from prompture.types import FileDocument

_XML_ENCODING = re.compile(rb"""<\?xml[^>]{0,100}?encoding\s*=\s*["']([\w.:-]{1,40})["']""")


def read(data: bytes, options: ReadOptions) -> FileDocument:
    """A text file, one page for each of its form feeds and one more.

    Raises DocumentUnreadable, DocumentUnsupported and DocumentEmpty.
    """
    declared = _XML_ENCODING.match(data[:200])
    stated = declared[1].decode() if declared else ""
    text, note = decoded(data, options.encoding, name=options.name, stated=stated)
    if not text.strip():
        raise DocumentEmpty("there is nothing but white space in it", name=options.name)
    writer = LayoutWriter()
    pieces = text.split("\f")
    for at, piece in enumerate(pieces[: options.max_pages]):
        is_last = at == min(len(pieces), options.max_pages) - 1
        if is_last:  # a text with more form feeds than pages is no paged one
            piece = "\f".join(pieces[at:])
        writer.add(piece if is_last else f"{piece}\f")
        if not is_last or piece.strip() or at == 0:
            writer.end_page()
    if writer.pages[-1].end < len(writer):  # white space behind the last form feed
        writer.end_page()
    return FileDocument(
        writer.text(),
        options.name,
        pages=tuple(writer.pages),
        media_type=options.media_type,
        notes=(note,) if note else (),
    )


def read_table(data: bytes, options: ReadOptions) -> FileDocument:
    """A table of the file's rows. Raises DocumentUnreadable, DocumentTooLarge and DocumentEmpty."""
    text, note = decoded(data, options.encoding, name=options.name)
    writer = BlockText(options)
    if note:
        writer.notes.append(note)
    mark = ""
    first, _, rest = text.partition("\n")
    stated = first.strip().strip('"').lower()
    if len(stated) == 5 and stated.startswith("sep="):  # a line to Excel
        mark, text = first.strip().strip('"')[4], rest
    text = text.replace("\0", "")
    mark = mark or delimiter_of(text, "\t" if "tab" in options.media_type else ",")
    try:
        rows = [
            row for row in csv.reader(whole_lines(text), delimiter=mark) if any(map(str.strip, row))
        ]
    except csv.Error as exc:
        writer.notes.append(f"it was read as text: it is no table ({exc})")
        writer.add(text)
        return writer.finish()
    if uneven := _uneven(rows):
        writer.notes.append(uneven)
    writer.table(rows)
    return writer.finish(empty="there is nothing but empty cells in it")


def _uneven(rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    width = max(map(len, rows))
    short = sum(len(row) < width for row in rows)
    return f"{counted(short, 'row')} of {len(rows)} have fewer cells than {width}" if short else ""
