"""CSV and TSV: the delimiter is found, and the rows become a pipe table."""

from __future__ import annotations

import csv
from collections.abc import Sequence

from prompture.document_errors import DocumentTooLarge
from prompture.documents import ReadOptions
from prompture.documents.blocks import MOST_CELLS, BlockText, counted, pipe_table
from prompture.documents.delimiters import delimiter_of, whole_lines
from prompture.documents.encodings import decoded
from prompture.types import FileDocument


def read(data: bytes, options: ReadOptions) -> FileDocument:
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
    if len(rows) * max(map(len, rows), default=0) > MOST_CELLS:
        raise DocumentTooLarge(f"more than {MOST_CELLS} cells", name=options.name)
    if uneven := _uneven(rows):
        writer.notes.append(uneven)
    writer.add(pipe_table(rows))
    return writer.finish(empty="there is nothing but empty cells in it")


def _uneven(rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    width = max(map(len, rows))
    short = sum(len(row) < width for row in rows)
    return f"{counted(short, 'row')} of {len(rows)} have fewer cells than {width}" if short else ""
