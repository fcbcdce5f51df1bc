"""Text files: what they hold, in the encoding that they have."""

from __future__ import annotations

import re

from prompture.document_errors import DocumentEmpty
from prompture.documents import ReadOptions
from prompture.documents.encodings import decoded
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
