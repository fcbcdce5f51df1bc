"""PDF files: their text with the place of each character, and their pages as pictures.

The file is read in a process of its own (prompture.pdfium), which is held to limits of time and
memory, and ended; pdfium, which is not thread-safe, never runs in the caller's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prompture import given
from prompture.document_errors import DocumentUnsupported
from prompture.documents.pdf_process import answers, error_of
from prompture.errors import ConfigurationError
from prompture.types import FileDocument

MOST_PIXELS = 20_000_000
"""Of a page's picture: A4 at 450 dpi."""


@dataclass(frozen=True, slots=True)
class PagePicture:
    """A page as PNG. ``width`` and ``height`` are the page's, in points, as its boxes are."""

    number: int
    png: bytes
    width: float
    height: float


def render(
    source: FileDocument | bytes,
    number: int,
    *,
    dpi: float = 150,
    max_pixels: int = MOST_PIXELS,
    password: str | None = None,
) -> bytes:
    """The picture of a PDF's page, as PNG. See ``pictures``."""
    return next(pictures(source, [number], dpi=dpi, max_pixels=max_pixels, password=password)).png


def pictures(
    source: FileDocument | bytes,
    numbers: Sequence[int] | None = None,
    *,
    dpi: float = 150,
    max_pixels: int = MOST_PIXELS,
    password: str | None = None,
) -> Iterator[PagePicture]:
    """The pictures of a PDF's pages, all or some (numbers count from 1), one after another.

    ``source`` is a document that was read from a PDF, or the file's bytes. A page of more than
    ``max_pixels`` at ``dpi`` is made smaller. Raises DocumentError, MissingExtra, DeadlineExceeded
    and ConfigurationError for a number that no page has.
    """
    data, name = _data_of(source)
    given.seconds(dpi, "dpi")
    given.count(max_pixels, "max_pixels")
    if numbers is not None and not numbers:
        return
    task = {"task": "render", "dpi": dpi, "max_pixels": max_pixels, "max_pages": 10**9}
    only = None if numbers is None else [number - 1 for number in numbers]
    for answer in answers(data, name, password=password, only=only, **task):
        head = answer.head
        if "pages" in head:
            wrong = [n for n in numbers or () if not 1 <= n <= head["pages"]]
            if wrong:
                raise ConfigurationError(f"no page {wrong[0]}: the file has {head['pages']}")
            continue
        number = head["page"] + 1
        if "error" in head:
            raise error_of(head["error"], f"page {number}: {head['message']}", name)
        yield PagePicture(number, answer.blobs[0], head["width"], head["height"])


def _data_of(source: FileDocument | bytes) -> tuple[bytes, str]:
    if not isinstance(source, FileDocument):
        return source, ""
    if source.media_type != "application/pdf" or source.data is None:
        raise DocumentUnsupported("only the pages of a PDF have pictures", name=source.name)
    return source.data, source.name
