"""Pictures as documents: a photo, a scan, a fax of several pages.

To a model that sees, the picture is sent; to any other, the text that is read off it here. Both
ways the text is there, so that values are found in it and have their places on the picture.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from prompture import media
from prompture.document_errors import (
    DocumentEmpty,
    DocumentTooLarge,
    DocumentUnreadable,
    DocumentUnsupported,
)
from prompture.documents import ReadOptions, ocr
from prompture.documents.layout import LayoutWriter
from prompture.documents.reading_order import OcrLines
from prompture.errors import MissingExtra
from prompture.quiet import without_warnings
from prompture.types import FileDocument, Image
from prompture.wire import deadline

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

# Those readers of Pillow alone: others start programs (EPS), or read what no one photographs.
_FORMATS = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/webp": "WEBP",
    "image/tiff": "TIFF",
    "image/bmp": "BMP",
    "image/gif": "GIF",
    "image/avif": "AVIF",
    "image/heic": "HEIF",
    "image/heif": "HEIF",
}
_SENT_AS_THEY_ARE = ("image/png", "image/jpeg", "image/webp", "image/gif")
"""What every provider takes."""
_MOST_BYTES = 3_700_000
"""In base64, the five megabytes that the strictest provider takes."""
_LONGEST, _GOOD_LENGTH = 8000, 3000
"""The longest side that the strictest provider takes; and one that shows all there is to read."""
_MOST_IMAGES = 20
_MOST_PIXELS = 50_000_000
"""Of one picture, whatever ``max_pixels``: it takes four bytes a pixel while it is decoded."""
_WORKING = 3 * ocr.AREA
"""So many pixels are enough to read a page by."""
_ORIENTATION, _SIDEWAYS = 0x0112, (5, 6, 7, 8)


def read(data: bytes, how: ReadOptions) -> FileDocument:
    """The picture, its text by OCR, or both (see ``prompture.document``).

    Raises DocumentUnreadable, DocumentTooLarge, DocumentEmpty, DocumentUnsupported, MissingExtra.
    """
    try:
        import PIL.Image  # noqa: F401
    except ImportError as missing:
        if how.ocr == "always" or how.media_type not in _SENT_AS_THEY_ARE:
            extra = "ocr" if how.ocr == "always" else "images"
            raise MissingExtra(extra=extra, package="pillow") from missing
        as_it_is = (Image(data=data, media_type=how.media_type),)
        return _document(LayoutWriter(), data, how, as_it_is, (_unread_note(how),))
    reads = how.ocr == "always" or (how.ocr == "auto" and ocr.is_installed())
    writer, sent, lines = LayoutWriter(), list[Image](), dict[int, OcrLines]()
    notes = list[str]()
    for page in _pages(data, how, notes):
        deadline.check("reading a picture")
        if page.image is not None:
            sent.append(page.image)
        if reads:
            found = lines[page.number] = ocr.lines_of(page.picture)
            if found and len(writer):
                writer.add("\n\n")
            ocr.write(writer, found, page.size[0] / page.picture.width)
        writer.end_page(width=page.size[0], height=page.size[1], unit="px", by_ocr=reads)
    if how.ocr == "always" and not any(lines.values()):
        raise DocumentEmpty("no text was found in the picture", name=how.name)
    if (count := len(writer.pages)) > len(sent) > 0:
        if any(lines.values()):
            sent = []
        else:
            notes.append(f"the first {len(sent)} of {count} pages are sent")
    if any(each or each.left_out for each in lines.values()):
        notes += ocr.notes_on(lines)
    else:
        notes.append(_unread_note(how))
    return _document(writer, data, how, tuple(sent), tuple(notes))


def _document(
    writer: LayoutWriter,
    data: bytes,
    how: ReadOptions,
    sent: tuple[Image, ...],
    notes: tuple[str, ...],
) -> FileDocument:
    return FileDocument(
        writer.text(),
        how.name,
        pages=tuple(writer.pages),
        media_type=how.media_type,
        images=sent,
        notes=notes,
        data=data,
    )


def _unread_note(how: ReadOptions) -> str:
    if how.ocr == "never":
        return "the picture was not read here (ocr='never')"
    if not ocr.is_installed():
        return 'the picture was not read here: pip install "prompture[ocr]"'
    return "no text was found in the picture"


@dataclass(frozen=True, slots=True)
class _PicturePage:
    """A page as it is shown: its size, a picture that may be smaller, and the image to send."""

    number: int
    size: tuple[int, int]
    picture: Picture
    image: Image | None


def _pages(data: bytes, how: ReadOptions, notes: list[str]) -> Iterator[_PicturePage]:
    """The pages of a file one after the other, decoded. Errors of Pillow become ours."""
    from PIL import Image as PilImage

    kind = _FORMATS.get(how.media_type, "")
    if kind == "HEIF" and find_spec("pillow_heif"):
        import pillow_heif

        pillow_heif.register_heif_opener()
    PilImage.init()
    if kind not in PilImage.OPEN:
        advice = ": pip install pillow-heif" if kind == "HEIF" else ""
        raise DocumentUnsupported(f"this Pillow reads no {how.media_type}{advice}", name=how.name)
    try:
        # Of the size care is taken here; slips in what a file says of itself change nothing.
        with without_warnings():
            opened = PilImage.open(io.BytesIO(data), formats=[kind])
        with opened:
            count = _count(opened, how, notes)
            for number in range(1, count + 1):
                if number > 1:
                    opened.seek(number - 1)
                picture, size = _shown(opened, how)
                image = None
                if how.ocr != "always" and number <= _MOST_IMAGES:
                    image = _to_send(data, picture, opened, how, count)
                picture.thumbnail(_fitting(picture.size))
                yield _PicturePage(number, size, picture, image)
    except PilImage.DecompressionBombError as exc:
        raise _too_large(how) from exc
    except _BROKEN as exc:
        raise DocumentUnreadable(
            f"a broken {kind} picture, or a part of one", name=how.name
        ) from exc


_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    OverflowError,
    RuntimeError,
    AttributeError,
    struct.error,
    zlib.error,
)
"""What Pillow's readers raise for broken files, one or the other of them."""


def _too_large(how: ReadOptions) -> DocumentTooLarge:
    most = min(how.max_pixels, _MOST_PIXELS)
    return DocumentTooLarge(f"a picture of more than {most} pixels", name=how.name)


def _count(opened: Picture, how: ReadOptions, notes: list[str]) -> int:
    """How many pages the file has; elsewhere, the first picture is the page."""
    if opened.format != "TIFF":
        if _has_frames(opened):
            notes.append("of several pictures or frames in the file, the first was taken")
        return 1
    # Not n_frames: a chain of frames may be without an end.
    for count in range(1, how.max_pages + 1):
        try:
            opened.seek(count)
        except EOFError:
            opened.seek(0)
            return count
    raise DocumentTooLarge(f"more than max_pages={how.max_pages} pages", name=how.name)


def _has_frames(opened: Picture) -> bool:
    # A phone puts small ones of its own behind a photo (MPO): they show nothing else.
    return opened.format != "MPO" and bool(getattr(opened, "is_animated", False))


def _shown(opened: Picture, how: ReadOptions) -> tuple[Picture, tuple[int, int]]:
    """The page as it is shown, and its size; the picture may be smaller than that."""
    from PIL import ImageOps

    size = width, height = opened.size
    if width * height > min(how.max_pixels, _MOST_PIXELS):
        raise _too_large(how)
    lies = opened.getexif().get(_ORIENTATION, 1) in _SIDEWAYS
    # A large JPEG is decoded at a half or a quarter of its size in a fraction of the time.
    opened.draft(None, _fitting(size))
    opened.load()
    picture = ImageOps.exif_transpose(opened)
    if picture is opened:
        picture = opened.copy()
    if (lies and width != height) and opened.format != "TIFF":
        size = height, width
    elif opened.format == "TIFF":  # turned by Pillow while it is loaded
        size = picture.size
    if picture.mode in ("1", "P", "PA"):  # these are made smaller badly
        full = "RGBA" if picture.has_transparency_data else "RGB"
        picture = picture.convert("L" if picture.mode == "1" else full)
    return ocr.in_eight_bits(picture), size


def _fitting(size: tuple[int, int]) -> tuple[int, int]:
    """A size of this shape with the pixels that are enough to read by."""
    scale = min(1.0, (_WORKING / (size[0] * size[1])) ** 0.5)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _to_send(data: bytes, picture: Picture, opened: Picture, how: ReadOptions, count: int) -> Image:
    """The page as an image that every provider takes: the file itself, if it is one."""
    as_it_is = (
        count == 1
        and how.media_type in _SENT_AS_THEY_ARE
        and not _has_frames(opened)
        and len(data) <= _MOST_BYTES
        and max(opened.size) <= _LONGEST
        # Not every provider turns a picture that lies on its side.
        and opened.getexif().get(_ORIENTATION, 1) == 1
    )
    if as_it_is:
        return Image(data=data, media_type=how.media_type)
    smaller = picture.copy()
    smaller.thumbnail((_GOOD_LENGTH, _GOOD_LENGTH))
    if smaller.mode in ("1", "L", "P") and how.media_type != "image/jpeg":
        packed = media.image(smaller)
        if packed.data and len(packed.data) <= _MOST_BYTES:
            return packed
    buffer = io.BytesIO()
    ocr.legible(smaller).save(buffer, "JPEG", quality=88)
    return Image(data=buffer.getvalue(), media_type="image/jpeg")
