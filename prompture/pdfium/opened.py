"""A PDF file that is open in pdfium: its pages, their measures, and their pictures."""

from __future__ import annotations

import ctypes
import re
import struct
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

import pypdfium2.raw as pdfium

Place = tuple[float, float, float, float]
_COMMENTS = (
    pdfium.FPDF_ANNOT_TEXT,
    pdfium.FPDF_ANNOT_HIGHLIGHT,
    pdfium.FPDF_ANNOT_UNDERLINE,
    pdfium.FPDF_ANNOT_STRIKEOUT,
    pdfium.FPDF_ANNOT_CARET,
)
"""Annotations whose words are behind a sign; those of others are drawn."""
_TICKED = (pdfium.FPDF_FORMFIELD_CHECKBOX, pdfium.FPDF_FORMFIELD_RADIOBUTTON)
TICKS = {True: "[x]", False: "[ ]"}
_UNIT = re.compile(rb"/UserUnit\s+(\d{1,6}(?:\.\d{1,6})?)\b")
_OBJECTS = b"/ObjStm"
_PACKED = re.compile(rb"/ObjStm[^\0]{0,400}?>>\s*stream\r?\n")
_UNPACKED = 30_000_000
"""Bytes of packed objects in which units are looked for."""
_LARGEST_PAGE = 1_000_000.0
"""Points: more is no page that anybody has seen."""


class NotRead(Exception):
    """``NotRead(kind, message)``: the file, or a page, cannot be read. ``kind`` says which error it is
    to the caller."""

    @property
    def kind(self) -> str:
        return str(self.args[0])

    def __str__(self) -> str:
        return "".join(self.args[1:])


_REASONS = {
    pdfium.FPDF_ERR_PASSWORD: ("encrypted", ""),
    pdfium.FPDF_ERR_SECURITY: ("encrypted", "its kind of encryption is not known"),
    pdfium.FPDF_ERR_FORMAT: ("unreadable", "it is not a PDF file, or a broken one"),
    pdfium.FPDF_ERR_PAGE: ("unreadable", "a page is missing or broken"),
}


@dataclass(frozen=True, slots=True)
class PageFrame:
    """A page as it is shown: turned, cut to its crop box, in points, from the top left corner."""

    left: float
    bottom: float
    right: float
    top: float
    turns: int
    """Quarters, clockwise."""
    unit: float
    """Points to one of the page's units."""

    @property
    def size(self) -> tuple[float, float]:
        wide, high = (self.right - self.left) * self.unit, (self.top - self.bottom) * self.unit
        return (high, wide) if self.turns % 2 else (wide, high)

    def shown(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the page's own space is shown."""
        match self.turns:
            case 0:
                across, down = x - self.left, self.top - y
            case 1:
                across, down = y - self.bottom, x - self.left
            case 2:
                across, down = self.right - x, y - self.bottom
            case _:
                across, down = self.top - y, self.right - x
        return across * self.unit, down * self.unit

    def box(self, rect: Any) -> Place:
        """Where a rectangle of the page's own space is shown."""
        if not self.turns:  # nearly always, and for every character
            unit, left, top = self.unit, self.left, self.top
            return (
                (rect.left - left) * unit,
                (top - rect.top) * unit,
                (rect.right - left) * unit,
                (top - rect.bottom) * unit,
            )
        x0, y0 = self.shown(rect.left, rect.bottom)
        x1, y1 = self.shown(rect.right, rect.top)
        return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)

    def direction(self, a: float, b: float) -> tuple[float, float]:
        """Where a direction of the page's own space points to as shown (down is positive)."""
        x, y = self.shown(self.left + a, self.bottom + b)
        x0, y0 = self.shown(self.left, self.bottom)
        return x - x0, y - y0


@dataclass(frozen=True, slots=True)
class OpenPage:
    """A page, and what is on it without being drawn as text: comments, and boxes to tick."""

    handle: Any
    frame: PageFrame
    comments: Sequence[tuple[str, Place]]
    ticks: Sequence[tuple[str, Place]]


class OpenedFile:
    """A file with its pages. One at a time, as pdfium is not thread-safe."""

    def __init__(self, data: bytes, password: str | None) -> None:
        self._data = data
        pdfium.FPDF_InitLibrary()
        self._document = self._load(password)
        self.count: int = pdfium.FPDF_GetPageCount(self._document)
        self.attached: int = pdfium.FPDFDoc_GetAttachmentCount(self._document)
        self._forms = self._with_forms()
        self._units = user_units(data, self.count)
        self.looked = 0.0
        """Seconds of computing in which hidden text was looked for."""

    def _load(self, password: str | None) -> Any:
        # Old kinds of encryption have bytes of Latin-1 as passwords.
        # One that opens without a password takes any, as in a folder of which some need it.
        tries = [None] if password is None else [password.encode(), _latin(password), None]
        for each in dict.fromkeys(tries):
            document = pdfium.FPDF_LoadMemDocument64(self._data, len(self._data), each)
            if document:
                return document
            error = pdfium.FPDF_GetLastError()
        kind, why = _REASONS.get(error, ("unreadable", f"pdfium gives error {error}"))
        if kind == "encrypted" and not why:
            why = "it needs a password" if password is None else "the password is not the right one"
        raise NotRead(kind, why)

    def _with_forms(self) -> Any:
        """Forms draw themselves: a field that has a value, and no picture of it, gets one."""
        if pdfium.FPDF_GetFormType(self._document) == pdfium.FORMTYPE_NONE:
            return None
        # Without JavaScript: the library is built without it, and gets no platform for it here.
        self._callbacks = pdfium.FPDF_FORMFILLINFO(version=2)
        return pdfium.FPDFDOC_InitFormFillEnvironment(self._document, self._callbacks)

    @contextmanager
    def page(self, index: int) -> Iterator[OpenPage]:
        """A page, with its form fields and annotations drawn into it."""
        page = pdfium.FPDF_LoadPage(self._document, index)
        if not page:
            raise NotRead("unreadable", "the page is missing or broken")
        try:
            frame = _frame(page, self._units.get(index, 1.0))
            comments = _comments_of(page, frame)
            if self._forms:
                pdfium.FORM_OnAfterLoadPage(page, self._forms)
            ticks = self._ticks_of(page, frame)
            # Flattened, they are part of the text, at their places.
            if _is_annotated(page) and (
                pdfium.FPDFPage_Flatten(page, pdfium.FLAT_NORMALDISPLAY) == pdfium.FLATTEN_SUCCESS
            ):
                pdfium.FPDF_ClosePage(page)
                page = pdfium.FPDF_LoadPage(self._document, index)
                if not page:
                    raise NotRead("unreadable", "the page is missing or broken")
            yield OpenPage(page, frame, comments, ticks)
        finally:
            if page:
                pdfium.FPDF_ClosePage(page)

    def _ticks_of(self, page: Any, frame: PageFrame) -> list[tuple[str, Place]]:
        """The boxes to tick, and buttons of which one is chosen: ``[x]`` or ``[ ]``."""
        found = []
        for index in range(pdfium.FPDFPage_GetAnnotCount(page) if self._forms else 0):
            field = pdfium.FPDFPage_GetAnnot(page, index)
            if not field:
                continue
            if pdfium.FPDFAnnot_GetFormFieldType(self._forms, field) in _TICKED:
                rect = pdfium.FS_RECTF()
                pdfium.FPDFAnnot_GetRect(field, rect)
                is_on = pdfium.FPDFAnnot_IsChecked(self._forms, field)
                found.append((TICKS[bool(is_on)], frame.box(rect)))
            pdfium.FPDFPage_CloseAnnot(field)
        return found

    def picture(self, index: int, dpi: float, max_pixels: int) -> tuple[bytes, float, float]:
        """A page as PNG, and its size in points. Of a page that has more pixels, a smaller one."""
        with self.page(index) as page:
            width, height = page.frame.size
            pixels = drawn(page.handle, page.frame, dpi, max_pixels)
            assert pixels is not None  # there is no end to be done by
            return png(*pixels), width, height

    def decrypted(self) -> bytes:
        """The file without its password."""
        out = bytearray()

        def write(_: Any, data: Any, size: int) -> int:
            out.extend(ctypes.string_at(data, size))
            return 1

        writer = pdfium.FPDF_FILEWRITE(version=1)
        writer.WriteBlock = type(writer.WriteBlock)(write)
        pdfium.FPDF_SaveAsCopy(self._document, writer, pdfium.FPDF_REMOVE_SECURITY)
        return bytes(out)

    def close(self) -> None:
        """Let go of it. A process that ends takes it along."""
        if self._forms:
            pdfium.FPDFDOC_ExitFormFillEnvironment(self._forms)
        pdfium.FPDF_CloseDocument(self._document)


def user_units(data: bytes, pages: int) -> dict[int, float]:
    """Points to a unit of each page that has other units (large plans do), by its index.

    The library does not know them. They are looked for in the file's own text, and in its packed
    objects; where not all pages have the same, it is not clear whose is which, and none has any.
    """
    found = _UNIT.findall(data)
    if _OBJECTS in data:
        rest = _UNPACKED
        for match in _PACKED.finditer(data):
            with suppress(zlib.error):
                objects = zlib.decompressobj().decompress(
                    data[match.end() : match.end() + rest], rest
                )
                found += _UNIT.findall(objects)
                rest -= len(objects)
            if rest <= 0:
                break
    units = [float(each) for each in found]
    if not units or not all(0 < unit <= 75_000 for unit in units):
        return {}
    if len(set(units)) > 1 or (len(units) != pages and pages > 1):
        return {}
    return dict.fromkeys(range(pages), units[0])


def drawn(
    page: Any, frame: PageFrame, dpi: float, max_pixels: int, end: float = inf
) -> tuple[bytes, int, int] | None:
    """The pixels of a page, three bytes each, and how many are across and down; None where it is
    not done by ``end`` (of time.process_time)."""
    width, height = frame.size
    scale = dpi / 72
    if width * height * scale * scale > max_pixels:
        scale = (max_pixels / (width * height)) ** 0.5
    # A page of a line's width is a page, too.
    wide = min(max(1, round(width * scale)), max_pixels)
    high = max(1, min(round(height * scale), max_pixels // wide))
    bitmap = pdfium.FPDFBitmap_CreateEx(wide, high, pdfium.FPDFBitmap_BGR, None, 0)
    if not bitmap:
        raise NotRead("memory")
    try:
        pdfium.FPDFBitmap_FillRect(bitmap, 0, 0, wide, high, 0xFFFFFFFF)
        flags = pdfium.FPDF_ANNOT | pdfium.FPDF_REVERSE_BYTE_ORDER
        pause = pdfium.IFSDK_PAUSE(version=1)
        pause.NeedToPauseNow = type(pause.NeedToPauseNow)(lambda _: time.process_time() > end)
        state = pdfium.FPDF_RenderPageBitmap_Start(bitmap, page, 0, 0, wide, high, 0, flags, pause)
        pdfium.FPDF_RenderPage_Close(page)
        if state == pdfium.FPDF_RENDER_TOBECONTINUED:
            return None
        stride = pdfium.FPDFBitmap_GetStride(bitmap)
        whole = ctypes.string_at(pdfium.FPDFBitmap_GetBuffer(bitmap), stride * high)
    finally:
        pdfium.FPDFBitmap_Destroy(bitmap)
    if stride == 3 * wide:
        return whole, wide, high
    rows = (whole[at : at + 3 * wide] for at in range(0, stride * high, stride))
    return b"".join(rows), wide, high


def png(pixels: bytes, wide: int, high: int) -> bytes:
    """A PNG file of pixels of three bytes: three chunks, and no library needed."""
    row = 3 * wide
    packer = zlib.compressobj(6)
    packed = bytearray()
    for at in range(0, row * high, row):
        packed += packer.compress(b"\x00" + pixels[at : at + row])
    packed += packer.flush()
    head = struct.pack(">IIBBBBB", wide, high, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", bytes(packed)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def _comments_of(page: Any, frame: PageFrame) -> list[tuple[str, Place]]:
    """What comments say that are not drawn on the page, and where they are stuck to it."""
    found = []
    for index in range(pdfium.FPDFPage_GetAnnotCount(page)):
        note = pdfium.FPDFPage_GetAnnot(page, index)
        if not note:
            continue
        kind, rect = pdfium.FPDFAnnot_GetSubtype(note), pdfium.FS_RECTF()
        is_hidden = pdfium.FPDFAnnot_GetFlags(note) & pdfium.FPDF_ANNOT_FLAG_HIDDEN
        # Words on the page that nothing draws are words on it still.
        is_undrawn = kind == pdfium.FPDF_ANNOT_FREETEXT and (
            pdfium.FPDFAnnot_GetAP(note, pdfium.FPDF_ANNOT_APPEARANCEMODE_NORMAL, None, 0) <= 2
        )
        if (kind in _COMMENTS or is_undrawn) and not is_hidden and (text := _words_of(note)):
            pdfium.FPDFAnnot_GetRect(note, rect)
            found.append((text if is_undrawn else f"[note] {text}", frame.box(rect)))
        pdfium.FPDFPage_CloseAnnot(note)
    return found


def _words_of(note: Any) -> str:
    key = b"Contents"
    size = pdfium.FPDFAnnot_GetStringValue(note, key, None, 0)
    if size <= 2:
        return ""
    held = ctypes.create_string_buffer(size)
    units = ctypes.cast(held, ctypes.POINTER(pdfium.FPDF_WCHAR))
    pdfium.FPDFAnnot_GetStringValue(note, key, units, size)
    return held.raw[: size - 2].decode("utf-16-le", "replace").strip()


def _latin(password: str) -> bytes:
    return password.encode("latin-1", "replace")


def _is_annotated(page: Any) -> bool:
    """Whether there is more than links on it."""
    for index in range(pdfium.FPDFPage_GetAnnotCount(page)):
        annotation = pdfium.FPDFPage_GetAnnot(page, index)
        if annotation:
            kind = pdfium.FPDFAnnot_GetSubtype(annotation)
            pdfium.FPDFPage_CloseAnnot(annotation)
            if kind != pdfium.FPDF_ANNOT_LINK:
                return True
    return False


def _frame(page: Any, unit: float) -> PageFrame:
    box = pdfium.FS_RECTF()
    if not pdfium.FPDF_GetPageBoundingBox(page, box):
        raise NotRead("unreadable", "the page has no size")
    left, right = sorted((box.left, box.right))
    bottom, top = sorted((box.bottom, box.top))
    wide, high = right - left, top - bottom
    turns = pdfium.FPDFPage_GetRotation(page) % 4
    if not (isfinite(wide) and isfinite(high) and wide > 0 and high > 0):
        raise NotRead("unreadable", "the page has no size")
    if max(wide, high) > _LARGEST_PAGE:
        raise NotRead("large", f"a page of {wide:.0f} by {high:.0f} points")
    return PageFrame(left, bottom, right, top, turns, unit)
