"""Text files: what they hold, in the encoding that they have."""

from __future__ import annotations

from prompture.document_errors import DocumentEmpty, DocumentUnreadable
from prompture.documents import ReadOptions
from prompture.documents.layout import LayoutWriter
from prompture.types import FileDocument


def read(data: bytes, options: ReadOptions) -> FileDocument:
    """A text file as one page. Raises DocumentUnreadable and DocumentEmpty."""
    try:
        text = data.decode(options.encoding or "utf-8-sig")
    except (UnicodeDecodeError, LookupError) as exc:
        raise DocumentUnreadable(str(exc), name=options.name) from None
    if not text.strip():
        raise DocumentEmpty("there is nothing but white space in it", name=options.name)
    writer = LayoutWriter()
    writer.add(text)
    writer.end_page()
    return FileDocument(
        writer.text(), options.name, pages=tuple(writer.pages), media_type=options.media_type
    )
