"""PDF files as documents: read in a process, extracted from, shown, read by OCR, ended in time."""

from __future__ import annotations

import asyncio
import io
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

import pytest
from pydantic import BaseModel

import prompture
from prompture import (
    DocumentEncrypted,
    DocumentError,
    DocumentTooLarge,
    DocumentUnreadable,
    DocumentWithoutText,
    FileDocument,
    MissingExtra,
    adocument,
    document,
    ground,
)
from prompture.documents import ocr, pdf_process
from prompture.documents.pdf import render
from prompture.documents.reading_order import OcrLines
from prompture.drivers.provider import Features
from prompture.errors import ConfigurationError, DeadlineExceeded
from prompture.testing import AsyncScriptedDriver, ScriptedDriver
from tests.documents.pdf_files import HEIGHT, made, turned, width_of

Image = pytest.importorskip("PIL.Image")


class Invoice(BaseModel):
    company: str
    total: float


def invoice(c: Any) -> None:
    c.drawString(60, 700, "ACME GmbH")
    c.drawRightString(550, 700, "INVOICE")
    for row, (what, price) in enumerate((("Widgets", "1,000.00"), ("Total", "1,190.00"))):
        c.drawString(60, 600 - 20 * row, what)
        c.drawRightString(400, 600 - 20 * row, price)


def letter(c: Any) -> None:
    c.drawString(60, 700, "A letter that goes on.")


def scan(text: str = "Total 1,190.00") -> Any:
    """A page that is a picture of text."""
    from reportlab.lib.utils import ImageReader

    png = render(made(lambda c: c.drawString(60, 700, text)), 1, dpi=150)

    def drawing(c: Any) -> None:
        c.drawImage(ImageReader(io.BytesIO(png)), 0, 0, 612, 792)

    return drawing


def test_pages_cover_the_text_and_keep_the_file() -> None:
    data = made(invoice, letter)
    found = document(data, name="invoice.pdf")
    assert [(p.number, p.width, p.height, p.unit) for p in found.pages] == [
        (1, 612, 792, "pt"),
        (2, 612, 792, "pt"),
    ]
    assert found.pages[0].start == 0 and found.pages[-1].end == len(found.text)
    assert found.text[found.pages[1].start :] == "A letter that goes on."
    assert found.text.endswith("1,190.00\n\nA letter that goes on.")
    assert (found.media_type, found.data, found.notes) == ("application/pdf", data, ())


def test_a_value_has_its_page_and_its_box(tmp_path: Path) -> None:
    path = tmp_path / "invoice.pdf"
    path.write_bytes(made(letter, invoice))
    driver = ScriptedDriver([{"company": "ACME GmbH", "total": 1190.0}])
    result = prompture.extract_result(Invoice, path, model=driver)
    [span] = result.sources["/total"]
    assert (span.page, span.document) == (2, "invoice.pdf")
    [box] = span.boxes
    assert (box[0], box[2]) == pytest.approx((400 - width_of("1,190.00"), 400), abs=0.1)
    assert box[1] < HEIGHT - 580 < box[3]


@pytest.mark.parametrize("turns", [0, 90, 180, 270])
def test_letters_are_drawn_in_their_boxes_and_nowhere_else(turns: int) -> None:
    data = turned(made(invoice), turns)
    found = document(data)
    picture = Image.open(io.BytesIO(render(found, 1, dpi=144))).convert("L")
    dark = picture.point(lambda value: 255 * (value < 128))
    assert dark.getbbox() is not None
    for words in ("ACME", "GmbH", "INVOICE", "Widgets", "1,000.00", "Total", "1,190.00"):
        [span] = ground(words, found)[""]
        [box] = span.boxes
        area = tuple(round(2 * edge) for edge in box)
        part = dark.crop(area)
        assert sum(part.histogram()[128:]) > 20 * len(words)
        dark.paste(0, area)
    assert dark.getbbox() is None


def test_a_password_opens_and_the_pages_can_be_drawn_without_it() -> None:
    data = made(invoice, encrypt="geh\u00e9im")
    found = document(data, password="geh\u00e9im")
    assert "1,190.00" in found.text
    assert len(render(found, 1)) > 1000
    assert found.data is not None and b"/Encrypt" not in found.data
    with pytest.raises(DocumentEncrypted, match="needs a password"):
        document(data)
    with pytest.raises(DocumentEncrypted, match="not the right one") as caught:
        document(data, password="secret-word")
    assert "secret-word" not in str(caught.value)


def test_a_file_that_opens_without_a_password_takes_any() -> None:
    from reportlab.lib.pdfencrypt import StandardEncryption

    data = made(letter, encrypt=StandardEncryption("", ownerPassword="owner", strength=128))
    for password in (None, "owner", "another"):
        assert document(data, password=password).text == "A letter that goes on."


def test_a_scan_is_read_by_ocr(monkeypatch: pytest.MonkeyPatch) -> None:

    line = Line("abc", [(125.0 + 10 * at, 175.0, 135.0 + 10 * at, 200.0) for at in range(3)])
    monkeypatch.setattr(ocr, "is_installed", lambda: True)
    monkeypatch.setattr(ocr, "lines_of", lambda picture: OcrLines([line]))
    found = document(made(letter, scan()))
    assert found.text == "A letter that goes on.\n\nabc"
    assert [page.by_ocr for page in found.pages] == [False, True]
    [span] = ground("abc", found)[""]
    [box] = span.boxes
    assert box == pytest.approx((60, 84, 74.4, 96), abs=0.01)
    assert found.images == () and "read by OCR" in found.notes[0]
    whole = document(made(scan()))
    assert (whole.is_read_off, len(whole.images)) == (True, 1)
    always = document(made(letter), ocr="always")
    assert (always.text, always.images) == ("abc", ())


class Line:
    """As OCR gives it."""

    confidence, opens_block = 0.99, False

    def __init__(self, text: str, boxes: list[Any]) -> None:
        self.text, self.boxes = text, boxes


def test_a_scan_is_sent_as_images_where_no_ocr_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ocr, "is_installed", lambda: False)
    found = document(made(letter, scan()))
    assert found.text.strip() == "A letter that goes on."
    [image] = found.images
    assert image.data is not None
    assert Image.open(io.BytesIO(image.data)).size == (1275, 1650)
    assert found.notes[0].startswith("page 2: pictures of text, which are sent as images")
    with pytest.raises(MissingExtra, match="ocr"):
        monkeypatch.setattr(ocr, "lines_of", _missing)
        document(made(scan()), ocr="always")


def _missing(picture: object) -> list[Any]:
    raise MissingExtra(extra="ocr", package="rapidocr")


def test_a_scan_that_nobody_is_to_read() -> None:
    """One rule for a photo and a scan: a model that sees is sent it, any other one cannot have it."""
    whole = document(made(scan()), name="a.pdf", ocr="never")
    assert (whole.text, len(whole.images), whole.is_read_off) == ("", 1, False)
    assert whole.notes == (
        "page 1: pictures of text, which are sent as images; not read here (ocr='never')",
    )
    sees = ScriptedDriver([{"company": "A", "total": 9}], features=Features(vision=True))
    assert prompture.extract(Invoice, whole, model=sees).total == 9
    with pytest.raises(DocumentWithoutText, match=r"a\.pdf: .*ocr='never'"):
        prompture.extract(Invoice, whole, model="local/rules")
    found = document(made(letter, scan()), ocr="never")
    assert found.notes == ("page 2: pictures of text, not read (ocr='never')",)
    assert found.images == ()


def test_a_stamp_on_a_scan_is_no_text_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "is_installed", lambda: False)
    picture = scan()
    found = document(made(lambda c: [picture(c), c.drawString(20, 20, "Scanned by X")]))
    assert (found.text, len(found.images)) == ("Scanned by X", 1)


def test_real_ocr_reads_a_scan() -> None:
    if not ocr.is_installed():
        pytest.skip("the extra ocr is not installed")
    found = document(made(scan("The invoice of 5 March has a total of 1,190.00")))
    assert "1,190.00" in found.text
    [span] = ground("1,190.00", found)[""]
    [box] = span.boxes
    start = 60 + width_of("The invoice of 5 March has a total of ")
    wanted = (start, HEIGHT - 711, start + width_of("1,190.00"), HEIGHT - 697)
    assert box == pytest.approx(wanted, abs=6)


def test_a_note_says_what_was_left_out() -> None:
    def drawing(c: Any) -> None:
        c.drawString(60, 700, "seen")
        c.setFillColorRGB(1, 1, 1)
        c.drawString(60, 650, "unseen")

    found = document(made(drawing, letter))
    assert "unseen" not in found.text
    assert found.notes == ("6 characters that nobody sees were left out: page 1",)


def test_a_deadline_covers_the_reading() -> None:
    path = made(invoice)
    with pytest.raises(DeadlineExceeded):
        prompture.extract(Invoice, path, model=ScriptedDriver([{}]), deadline=1e-3)
    with pytest.raises(DeadlineExceeded):
        list(prompture.extract_stream(Invoice, path, model=ScriptedDriver([{}]), deadline=1e-3))
    with pytest.raises(DeadlineExceeded):
        prompture.estimate(Invoice, path, model=ScriptedDriver([{}]), deadline=1e-3)

    async def awaited() -> None:
        model = AsyncScriptedDriver([{}])
        with pytest.raises(DeadlineExceeded):
            await prompture.aextract(Invoice, path, model=model, deadline=1e-3)
        with pytest.raises(DeadlineExceeded):
            async for _ in prompture.aextract_stream(Invoice, path, model=model, deadline=1e-3):
                pass
        with pytest.raises(DeadlineExceeded):
            await prompture.aestimate(Invoice, path, model=model, deadline=1e-3)

    asyncio.run(awaited())


def test_a_reader_that_dies_at_once_is_a_typed_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """While its file is written to it, too: a file of more than a pipe holds."""
    monkeypatch.setattr(pdf_process, "_CODE", "import os; os._exit(3)")
    for data in (made(letter), made(letter) + b" " * 300_000):
        with pytest.raises(DocumentUnreadable, match="exit status 3"):
            document(data)
    for signal_name, words in (("SIGKILL", "killed by the system"), ("SIGABRT", "unpacks to more")):
        end = f"import os, signal; os.kill(os.getpid(), signal.{signal_name})"
        monkeypatch.setattr(pdf_process, "_CODE", end)
        with pytest.raises(DocumentError, match=words):
            document(made(letter))


def test_a_reader_that_never_answers_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_process, "_CODE", "import threading; threading.Event().wait()")
    monkeypatch.setattr(pdf_process, "_WAIT", 0.2)
    with pytest.raises(DocumentTooLarge, match=r"a page takes more than 0\.2 seconds"):
        document(made(letter))


def test_a_reader_that_ends_its_answers_and_lives_on_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = "import os, threading; os.close(1); threading.Event().wait()"
    monkeypatch.setattr(pdf_process, "_CODE", code)
    monkeypatch.setattr(pdf_process, "_WAIT", 0.2)
    with pytest.raises(DocumentTooLarge, match=r"a page takes more than 0\.2 seconds"):
        document(made(letter))


@pytest.mark.skipif(sys.platform == "win32", reason="no signals of that kind")
def test_ctrl_c_ends_no_read_of_a_program_that_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that ends what it has begun: the signal goes to its reader, too."""
    start, answer = pdf_process._started, pdf_process._next
    processes: list[subprocess.Popen[bytes]] = []

    def started() -> subprocess.Popen[bytes]:
        processes.append(start())
        return processes[-1]

    def interrupted(stdout: IO[bytes]) -> pdf_process.FileAnswer | None:
        found = answer(stdout)
        processes[-1].send_signal(signal.SIGINT)
        return found

    monkeypatch.setattr(pdf_process, "_started", started)
    monkeypatch.setattr(pdf_process, "_next", interrupted)
    # More than a pipe holds: the reader is at work while it is asked to end.
    lines = [lambda c: [c.drawString(10, 12 * at, "x" * 100) for at in range(60)]] * 4
    assert [len(page.boxes) for page in document(made(*lines)).pages] > [20_000] * 4


def test_a_cancelled_task_takes_its_reader_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_process, "_CODE", "import threading; threading.Event().wait()")
    started = threading.Event()
    processes: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        processes.append(begin())
        started.set()
        return processes[-1]

    begin = pdf_process._started
    monkeypatch.setattr(pdf_process, "_started", start)

    async def cancelled() -> None:
        for reading in (
            adocument(made(letter)),
            prompture.aextract(Invoice, made(letter), model=AsyncScriptedDriver([{}])),
        ):
            started.clear()
            task = asyncio.ensure_future(reading)
            await asyncio.to_thread(started.wait)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    # The loop waits for its threads at its end, and they for their processes.
    asyncio.run(cancelled())
    assert [process.returncode for process in processes] == [-9, -9]


def test_files_are_read_side_by_side() -> None:
    async def several() -> list[FileDocument]:
        files = [made(lambda c, n=n: c.drawString(60, 700, f"file {n}")) for n in range(4)]
        return list(await asyncio.gather(*map(adocument, files)))

    assert [found.text for found in asyncio.run(several())] == [f"file {n}" for n in range(4)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_reads_too() -> None:
    data = made(letter)
    document(data)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(write, document(data).text.encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 100) == b"A letter that goes on."
    os.close(read)
    os.close(write)


def test_a_program_that_is_no_python_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    multiprocessing.get_context("spawn")
    monkeypatch.delitem(sys.modules, "multiprocessing.spawn", raising=False)
    monkeypatch.setattr(sys, "executable", "/usr/sbin/uwsgi")
    with pytest.raises(ConfigurationError, match="set_executable"):
        document(made(letter))


def test_the_process_gets_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess

    seen: list[Any] = []
    real = subprocess.Popen

    def popen(*args: Any, **options: Any) -> Any:
        seen.append((args, options))
        return real(*args, **options)

    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setattr(subprocess, "Popen", popen)
    document(made(letter, encrypt="geheim"), password="geheim")
    assert "sk-secret" not in str(seen) and "geheim" not in str(seen)
