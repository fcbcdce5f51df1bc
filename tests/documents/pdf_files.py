"""PDF files made for tests: drawn by reportlab, and read by the reader's own parts in this process."""

from __future__ import annotations

import io
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

canvas = pytest.importorskip("reportlab.pdfgen.canvas")
pytest.importorskip("pypdfium2")

from reportlab.pdfbase import pdfmetrics  # noqa: E402
from reportlab.pdfbase.ttfonts import TTFont  # noqa: E402

from prompture.documents.layout import line_boxes  # noqa: E402
from prompture.pdfium.layout_page import page_of  # noqa: E402
from prompture.pdfium.opened import OpenedFile  # noqa: E402
from prompture.types import Box  # noqa: E402

WIDTH, HEIGHT = 612, 792
Drawing = Callable[[Any], None]


def made(*drawings: Drawing, size: tuple[float, float] = (WIDTH, HEIGHT), **options: Any) -> bytes:
    """A file with a page for each drawing."""
    out = io.BytesIO()
    page = canvas.Canvas(out, pagesize=size, invariant=1, **options)
    for drawing in drawings:
        page.setFont("Helvetica", 12)
        drawing(page)
        page.showPage()
    page.save()
    return out.getvalue()


def turned(data: bytes, turns: int) -> bytes:
    """The same, with its pages to be shown turned (clockwise, in degrees)."""
    assert b"/Rotate 0" in data
    return data.replace(b"/Rotate 0", b"/Rotate %d" % turns)


class Read:
    """A page that was read, in this process."""

    def __init__(self, data: bytes, index: int = 0) -> None:
        opened = OpenedFile(data, None)
        try:
            page = page_of(opened, index)
        finally:
            opened.close()
        self.text, self.head = page.text, page.head
        self._boxes: array[float] = page.boxes
        assert len(self._boxes) == 4 * len(self.text)

    def boxes(self, start: int, end: int) -> list[Box]:
        values = self._boxes[4 * start : 4 * end]
        return [
            (values[at], values[at + 1], values[at + 2], values[at + 3])
            for at in range(0, len(values), 4)
        ]

    def box(self, words: str) -> Box:
        """Where words stand that are there once, on one line."""
        assert self.text.count(words) == 1, self.text
        start = self.text.index(words)
        [box] = line_boxes(self.boxes(start, start + len(words)))
        return box


def text_of(drawing: Drawing, **options: Any) -> str:
    return Read(made(drawing, **options)).text


def width_of(words: str, font: str = "Helvetica", size: float = 12) -> float:
    return float(pdfmetrics.stringWidth(words, font, size))


def with_font(name: str = "DejaVu") -> str:
    """A font with letters of many scripts. It comes with matplotlib."""
    matplotlib = pytest.importorskip("matplotlib")
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    pdfmetrics.registerFont(TTFont(name, str(path)))
    return name


def built(objects: list[bytes], trailer: bytes = b"") -> bytes:
    """A file of objects as they are, the first of which is its catalog."""
    out, offsets = b"%PDF-1.7\n", []
    for number, each in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer<</Size %d/Root 1 0 R%s>>\nstartxref\n" % (len(objects) + 1, trailer)
    return out + b"%d\n%%%%EOF\n" % start


def stream(data: bytes, entries: bytes = b"") -> bytes:
    return b"<</Length %d%s>>stream\n%s\nendstream" % (len(data), entries, data)


FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"


def one_page(
    content: bytes, *more: bytes, entries: bytes = b"", box: bytes = b"0 0 612 792"
) -> bytes:
    """A file of one page; ``content`` is its stream, ``more`` are objects from the fifth on."""
    resources = b"/Resources<</Font<</F1 %s>>/XObject<</X 5 0 R>>>>" % FONT
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[%s]/Contents 4 0 R" % box
    return built(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            page + (entries if b"/Resources" in entries else resources + entries) + b">>",
            content,
            *more,
        ]
    )
