"""PDF files: their text with the place of each character, and their pages as pictures.

The file is read in a process of its own (prompture.pdfium), which is held to limits of time and
memory, and ended; pdfium, which is not thread-safe, never runs in the caller's.
"""

from __future__ import annotations

import io
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from prompture import given
from prompture.document_errors import (
    DocumentEmpty,
    DocumentTooLarge,
    DocumentUnreadable,
    DocumentUnsupported,
)
from prompture.documents import ReadOptions, ocr
from prompture.documents.layout import LayoutWriter
from prompture.documents.pdf_process import FileAnswer, answers, error_of
from prompture.documents.reading_order import OcrLines
from prompture.errors import ConfigurationError
from prompture.types import FileDocument, Image
from prompture.wire import deadline

_DPI = 150
"""At which pages are read by OCR, and sent: more does not help."""
_IMAGE_PIXELS = 4_000_000
_IMAGE_BYTES = 3_500_000
"""5 MB is what providers take, in base64."""
_MOST_IMAGES = 100
_MOST_READ_OFF = 20
"""Pages of a scan: of a longer one, the text that was read is sent, and no picture."""
_STAMP = 60
"""Characters: so few on a scan are no text layer of it."""
MOST_PIXELS = 20_000_000
"""Of a page's picture: A4 at 450 dpi."""


@dataclass(frozen=True, slots=True)
class PagePicture:
    """A page as PNG. ``width`` and ``height`` are the page's, in points, as its boxes are."""

    number: int
    png: bytes
    width: float
    height: float


def read(data: bytes, how: ReadOptions) -> FileDocument:
    """A PDF's text, page by page. Raises DocumentError, MissingExtra and DeadlineExceeded."""
    found = _PdfReading(data, how)
    found.read_all()
    return found.document()


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
    yield from _rendered(data, name, numbers, dpi=dpi, max_pixels=max_pixels, password=password)


def _rendered(
    data: bytes, name: str, numbers: Sequence[int] | None, **task: Any
) -> Iterator[PagePicture]:
    only = None if numbers is None else [number - 1 for number in numbers]
    for answer in answers(data, name, task="render", only=only, max_pages=10**9, **task):
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


class _PdfReading:
    """A PDF while its pages come."""

    def __init__(self, data: bytes, how: ReadOptions) -> None:
        self._data, self._how = data, how
        self._pages: list[_Page] = []
        self._notes: list[str] = []

    def read_all(self) -> None:
        how = self._how
        _check_end(self._data, how.name, self._notes)
        job = {"task": "read", "max_pages": how.max_pages, "password": how.password}
        unpacked = 0
        for answer in answers(self._data, how.name, **job):
            if "pages" in answer.head:
                self._check_count(answer.head["pages"])
                if attached := answer.head["attached"]:
                    self._notes.append(f"files inside of it, which were not read: {attached}")
                # Without its password, for the pictures of pages.
                self._data = answer.blobs[0] if answer.blobs else self._data
                continue
            unpacked += sum(map(len, answer.blobs))
            if unpacked > how.max_unpacked:
                raise DocumentTooLarge(
                    f"its text takes more than max_unpacked={how.max_unpacked} bytes", name=how.name
                )
            self._pages.append(_Page.of(answer))

    def _check_count(self, pages: int) -> None:
        if not pages:
            raise DocumentEmpty("it has no pages", name=self._how.name)
        if pages > self._how.max_pages:
            raise DocumentTooLarge(
                f"{pages} pages are more than max_pages={self._how.max_pages}", name=self._how.name
            )

    def document(self) -> FileDocument:
        """The whole, its pictures of text read by OCR, or beside it for a model that sees."""
        how, pages = self._how, self._pages
        if all(page.problem for page in pages):
            raise DocumentUnreadable(f"page 1: {pages[0].problem}", name=how.name)
        self._note_pages()
        whole = [page for page in pages if not page.problem]
        unread = [page for page in whole if how.ocr == "always" or page.wants_ocr]
        images: tuple[Image, ...] = ()
        if unread and how.ocr == "never" and any(page.readable for page in pages):
            numbers = [page.number for page in unread]
            self._notes.append(f"{_pages(numbers)}: pictures of text, not read (ocr='never')")
        elif unread and (how.ocr == "always" or (how.ocr == "auto" and ocr.is_installed())):
            images = self._read_pictures(unread)
        elif unread:
            images = self._pictures_of(unread)
        if not images and not any(page.text or page.lines for page in whole):
            what = "no page has text, or a picture of text"
            if any(page.missing for page in whole):
                what = "all its text is in a font that is neither in the file nor on this machine"
            raise DocumentEmpty(what, name=how.name)
        writer = LayoutWriter()
        for page in pages:
            page.write(writer, is_last=page is pages[-1])
        return FileDocument(
            writer.text(),
            how.name,
            pages=tuple(writer.pages),
            media_type=how.media_type,
            images=images,
            notes=tuple(self._notes),
            data=self._data,
        )

    def _read_pictures(self, unread: Sequence[_Page]) -> tuple[Image, ...]:
        """Read the pages; their pictures, too, where these show the whole file: a model that sees
        is given them in the place of the text (FileDocument.is_read_off)."""
        from PIL import Image as PilImage

        images: list[Image] = []
        is_whole = len(unread) == len(self._pages) <= _MOST_READ_OFF and self._how.ocr == "auto"
        by_number = {page.number: page for page in unread}
        for picture in self._drawn(list(by_number)):
            deadline.check("reading a file by OCR")
            page = by_number[picture.number]
            page.width, page.height = picture.width, picture.height
            with PilImage.open(io.BytesIO(picture.png)) as image:
                page.lines = ocr.lines_of(image)
                page.scale = picture.width / image.width
            page.text, page.boxes = "", array("f")
            if is_whole and len(picture.png) <= _IMAGE_BYTES:
                images.append(Image(data=picture.png))
        self._notes += ocr.notes_on({page.number: page.lines or OcrLines() for page in unread})
        return tuple(images) if len(images) == len(unread) else ()

    def _pictures_of(self, unread: Sequence[_Page]) -> tuple[Image, ...]:
        """The pages for a model that sees, as no OCR is installed, or it is not to be used."""
        sent = [page.number for page in unread[:_MOST_IMAGES]]
        why = (
            "not read here (ocr='never')"
            if self._how.ocr == "never"
            else 'to read them here, pip install "prompture[ocr]"'
        )
        self._notes.append(f"{_pages(sent)}: pictures of text, which are sent as images; {why}")
        if left := [page.number for page in unread[_MOST_IMAGES:]]:
            self._notes.append(
                f"{_pages(left)}: left out, as {_MOST_IMAGES} images are what a provider takes"
            )
        found, smaller = {p.number: p.png for p in self._drawn(sent)}, _IMAGE_PIXELS
        # A page of noise packs badly: it is sent smaller, not left out.
        while (large := [n for n, png in found.items() if len(png) > _IMAGE_BYTES]) and (
            smaller > _IMAGE_PIXELS // 20
        ):
            smaller //= 2
            found.update((p.number, p.png) for p in self._drawn(large, smaller))
        return tuple(Image(data=found[number]) for number in sent)

    def _drawn(self, numbers: Sequence[int], max_pixels: int = 0) -> Iterator[PagePicture]:
        most = min(max_pixels or _IMAGE_PIXELS, self._how.max_pixels)
        yield from _rendered(self._data, self._how.name, numbers, dpi=_DPI, max_pixels=most)

    def _note_pages(self) -> None:
        broken = [p.number for p in self._pages if p.problem]
        if broken:
            self._notes.append(f"{_pages(broken)} could not be read, and left out")
        if hidden := [p.number for p in self._pages if p.hidden]:
            count = sum(p.hidden for p in self._pages)
            self._notes.append(
                f"{count} characters that nobody sees were left out: {_pages(hidden)}"
            )
        if missing := [p.number for p in self._pages if p.missing]:
            self._notes.append(
                f"{_pages(missing)}: characters may be missing, of a font that is neither in the file"
                " nor on this machine"
            )
        if unsure := [p.number for p in self._pages if p.unsure]:
            self._notes.append(f"{_pages(unsure)}: too much is drawn to look for hidden text")


@dataclass(slots=True)
class _Page:
    """A page as the process gives it."""

    number: int
    width: float = 0.0
    height: float = 0.0
    text: str = ""
    boxes: array[float] = field(default_factory=lambda: array("f"))
    readable: int = 0
    unmapped: int = 0
    hidden: int = 0
    unsure: bool = False
    missing: int = 0
    picture: float = 0.0
    outlined: bool = False
    problem: str = ""
    lines: OcrLines | None = None
    """What OCR has read, where it was asked."""
    scale: float = 1.0

    @classmethod
    def of(cls, answer: FileAnswer) -> _Page:
        head = answer.head
        page = cls(head["page"] + 1)
        if "error" in head:
            page.problem = head["message"]
            return page
        page.text = answer.blobs[0].decode("utf-8", "surrogatepass")
        page.boxes.frombytes(answer.blobs[1])
        page.width, page.height = head["width"], head["height"]
        for name in ("readable", "unmapped", "hidden", "unsure", "missing"):
            setattr(page, name, head[name])
        page.picture, page.outlined = head["picture"], head["outlined"]
        return page

    @property
    def wants_ocr(self) -> bool:
        """Whether what it shows is not in its text: letters without a meaning, or a picture."""
        if self.unmapped > self.readable:
            return True
        if not self.readable:
            return self.picture > 0.01 or self.outlined
        # A scan may have a line of text on it, of the program that made it.
        return self.picture > 0.5 and self.readable < _STAMP

    def write(self, writer: LayoutWriter, *, is_last: bool) -> None:
        if self.lines is None:
            writer.add_placed(self.text, self.boxes)
        else:
            ocr.write(writer, self.lines, self.scale)
        if (self.text or self.lines) and not is_last:
            writer.add("\n\n")
        writer.end_page(
            width=self.width,
            height=self.height,
            unit="pt",
            by_ocr=self.lines is not None,
            number=self.number,
        )


def _check_end(data: bytes, name: str, notes: list[str]) -> None:
    """A file that is cut off has no end, or more behind the last end that there is."""
    end = data.rfind(b"startxref")
    if end < 0:
        raise DocumentUnreadable("it is cut off, or broken: its end is missing", name=name)
    if data.find(b" obj", end) >= 0:
        notes.append("the file is cut off: what stood behind its last whole part is missing")


def _pages(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:10])) + (", ..." if len(numbers) > 10 else "")
    return f"page{'s' * (len(numbers) > 1)} {shown}"


def _data_of(source: FileDocument | bytes) -> tuple[bytes, str]:
    if not isinstance(source, FileDocument):
        return source, ""
    if source.media_type != "application/pdf" or source.data is None:
        raise DocumentUnsupported("only the pages of a PDF have pictures", name=source.name)
    return source.data, source.name
