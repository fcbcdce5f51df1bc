"""What a turn is made of: texts, documents, pictures, files. Frozen values."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Text:
    """Plain words to the model: a question, an instruction, a turn."""

    # In no repr, here and below: users' texts and bytes do not belong into logs and tracebacks.
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Document:
    """A text to extract from. ``name`` is shown to the model where there is one."""

    text: str = field(repr=False)
    name: str = ""


Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right and bottom, from the top left corner of a page as it is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentPage:
    """A page of a document that was read: ``[start, end)`` of its text, in code points.

    ``number`` counts from 1. ``width`` and ``height`` are in ``unit``: ``"pt"`` (points of 1/72
    inch, after rotation), ``"px"`` (pixels of a picture), ``""`` where pages have no size (slides,
    sheets). ``boxes`` are four numbers a character (see Box), all zero for one that stands nowhere;
    none at all where nothing is known of places. ``by_ocr``: the text was read off a picture.
    """

    number: int
    start: int
    end: int
    width: float = 0.0
    height: float = 0.0
    unit: Literal["pt", "px", ""] = ""
    name: str = ""
    by_ocr: bool = False
    boxes: array[float] = field(default_factory=lambda: array("f"), repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A picture: its bytes with their media type, or a URL. Exactly one of the two.

    ``detail`` is ``"low"``, ``"high"`` or ``"auto"`` where a provider knows the difference.
    ``prompture.media.image`` makes one out of a path, bytes, a URL or a PIL image.
    """

    data: bytes | None = field(default=None, repr=False)
    url: str | None = None
    media_type: str = "image/png"
    detail: str | None = None

    def __post_init__(self) -> None:
        if (self.data is None) == (self.url is None):
            raise ValueError("an Image needs exactly one of data and url")


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that the provider reads itself (a PDF, say): bytes, a URL or an uploaded file's id."""

    data: bytes | None = field(default=None, repr=False)
    url: str | None = None
    id: str | None = None
    media_type: str = "application/pdf"
    name: str = "document.pdf"

    def __post_init__(self) -> None:
        if sum(x is not None for x in (self.data, self.url, self.id)) != 1:
            raise ValueError("a File needs exactly one of data, url and id")


@dataclass(frozen=True, slots=True)
class FileDocument(Document):
    """What ``prompture.document`` read from a file: its text, and where each character stands.

    ``pages`` cover the text in order. ``images`` are sent beside the text, to models that see; in
    its place where it was read off them (``is_read_off``). ``notes`` say what was guessed or left
    out. ``data`` is the file itself, for pictures of pages.
    """

    pages: tuple[DocumentPage, ...] = field(default=(), kw_only=True)
    media_type: str = field(default="", kw_only=True)
    images: tuple[Image, ...] = field(default=(), kw_only=True)
    notes: tuple[str, ...] = field(default=(), kw_only=True)
    data: bytes | None = field(default=None, repr=False, compare=False, kw_only=True)

    @property
    def is_read_off(self) -> bool:
        """Whether all the text was read by OCR off the images, one a page: either shows it all."""
        is_one_a_page = len(self.images) == len(self.pages) > 0
        return is_one_a_page and bool(self.text.strip()) and all(p.by_ocr for p in self.pages)


Part: TypeAlias = Text | Document | Image | File
