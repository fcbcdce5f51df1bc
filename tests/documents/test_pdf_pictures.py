"""Pages of PDF files as pictures."""

from __future__ import annotations

import io
from typing import Any

import pytest

from prompture import DocumentEncrypted, DocumentUnreadable, FileDocument
from prompture.documents import pdf_process
from prompture.documents.pdf import pictures, render
from prompture.errors import ConfigurationError, DeadlineExceeded, MissingExtra
from prompture.page import pictures as evidence
from prompture.wire.deadline import within

canvas = pytest.importorskip("reportlab.pdfgen.canvas")
Image = pytest.importorskip("PIL.Image")


def pdf_of(*pages: str, size: tuple[float, float] = (300, 200), **options: Any) -> bytes:
    out = io.BytesIO()
    drawn = canvas.Canvas(out, pagesize=size, **options)
    for text in pages:
        drawn.drawString(50, 150, text)
        drawn.showPage()
    drawn.save()
    return out.getvalue()


def opened(png: bytes) -> Any:
    image = Image.open(io.BytesIO(png))
    image.load()
    return image


def test_a_page_is_drawn_where_it_is() -> None:
    image = opened(render(pdf_of("one", "##########"), 2, dpi=144))
    assert (image.mode, image.size) == ("RGB", (600, 400))
    ink = image.convert("L").point(lambda value: 255 * (value < 128)).getbbox()
    assert 98 <= ink[0] <= 110 and 80 <= ink[1] <= 90 and 100 <= ink[3] <= 104


def test_pages_come_one_after_another_with_their_size() -> None:
    found = list(pictures(pdf_of("one", "two", "three"), dpi=36))
    assert [(p.number, p.width, p.height) for p in found] == [(n, 300, 200) for n in (1, 2, 3)]
    assert len({p.png for p in found}) == 3
    assert [p.number for p in pictures(pdf_of("one", "two"), [2])] == [2]
    assert list(pictures(pdf_of("one"), [])) == []


def test_a_picture_has_no_more_pixels_than_allowed() -> None:
    image = opened(render(pdf_of("x", size=(14_000, 7_000)), 1, dpi=300, max_pixels=1_000_000))
    assert 900_000 <= image.width * image.height <= 1_000_000
    assert image.width == pytest.approx(2 * image.height, abs=2)


@pytest.mark.parametrize("number", [0, 2, -1])
def test_a_page_that_is_not_there(number: int) -> None:
    with pytest.raises(ConfigurationError, match=f"no page {number}: the file has 1"):
        render(pdf_of("one"), number)


def test_a_page_of_evidence_that_is_interrupted_leaves_no_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A notebook keeps the traceback, and with it all that its frames hold."""
    start = pdf_process._started
    processes: list[Any] = []

    def started() -> Any:
        processes.append(start())
        return processes[-1]

    def interrupted(*_: Any, **__: Any) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(pdf_process, "_started", started)
    monkeypatch.setattr(evidence, "_address", interrupted)
    document = FileDocument("one", media_type="application/pdf", data=pdf_of("one", "two"))
    with pytest.raises(KeyboardInterrupt) as kept:
        evidence._pictures(document, [1, 2])
    assert kept.tb is not None and processes[0].returncode is not None


def test_a_document_that_was_read_is_drawn() -> None:
    data = pdf_of("one")
    document = FileDocument("one", media_type="application/pdf", data=data)
    assert render(document, 1) == render(data, 1)
    with pytest.raises(ConfigurationError, match="only the pages of a PDF"):
        render(FileDocument("one", media_type="text/plain", data=b"one"), 1)


def test_a_password_opens() -> None:
    data = pdf_of("one", encrypt="geheim")
    assert opened(render(data, 1, password="geheim")).size == (625, 417)
    for password in (None, "other"):
        with pytest.raises(DocumentEncrypted):
            render(data, 1, password=password)


def test_what_is_no_pdf() -> None:
    with pytest.raises(DocumentUnreadable):
        render(b"%PDF-1.4\nnothing", 1)


def test_a_deadline_ends_it() -> None:
    with within(1e-6), pytest.raises(DeadlineExceeded):
        render(pdf_of("one"), 1)


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pypdfium2", None)
    with pytest.raises(MissingExtra, match=r"prompture\[documents\]"):
        render(b"%PDF-", 1)
