"""Text read off pictures."""

from __future__ import annotations

import datetime
import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from threading import Thread

import pytest
from PIL import Image, ImageDraw, ImageFont
from pydantic import BaseModel

from prompture import ConfigurationError, extract_result
from prompture.documents import document, layout, ocr, ocr_engine
from prompture.documents.letters import ReadLine, letters
from prompture.documents.reading_order import OcrLine, OcrLines
from tests.documents.pictures import BOLD, FONTS, MONO, SANS, SERIF, drawn, encoded, scanned
from tests.documents.receipts import CASES, receipt

pytest.importorskip("rapidocr")
ROOT = Path(__file__).resolve().parents[2]
LINES: list[str | tuple[str, ...]] = [
    "INVOICE No. 2024-0815",
    "Date: 25/12/2018 8:13:39 PM",
    ("Description", "Qty", "Price", "Amount"),
    ("Blue widget, large", "2", "10.00", "20.00"),
    ("Cable 3 m", "1", "5.00", "5.00"),
    "Total due EUR 1.299,50",
    "The goods remain our property until they are paid for in full.",
]


def texts(lines: list[OcrLine]) -> list[str]:
    return [line.text for line in lines]


def expected(lines: list[str | tuple[str, ...]] = LINES) -> list[str]:
    return [line if isinstance(line, str) else "  ".join(line) for line in lines]


@pytest.fixture(scope="module")
def page() -> Image.Image:
    return drawn(LINES)


@pytest.fixture(scope="module")
def found(page: Image.Image) -> list[OcrLine]:
    return ocr.lines_of(page)


def test_rows_keep_their_cells_and_long_lines_are_not_turned_over(found: list[OcrLine]) -> None:
    assert texts(found) == expected()
    assert min(line.confidence for line in found) > 0.9


def test_each_character_has_its_box(page: Image.Image, found: list[OcrLine]) -> None:
    grey = page.convert("L")
    for line in found:
        assert len(line.boxes) == len(line.text)
        for char, box in zip(line.text, line.boxes, strict=True):
            assert (box == layout.NOWHERE) == char.isspace()
            if not char.isspace():
                assert grey.crop(tuple(map(round, box))).getextrema()[0] < 128, (char, box)
        lefts = [box[0] for box in line.boxes if box != layout.NOWHERE]
        assert lefts == sorted(lefts)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_picture_that_lies_on_its_side_or_head(page: Image.Image, turn: int) -> None:
    turned = page.rotate(turn, expand=True)
    lines = ocr.lines_of(turned)
    assert texts(lines) == expected()
    # The word stands where it is in the picture that was given.
    at = lines[0].text.index("2024")
    left = min(box[0] for box in lines[0].boxes[at : at + 4])
    top = min(box[1] for box in lines[0].boxes[at : at + 4])
    right = max(box[2] for box in lines[0].boxes[at : at + 4])
    bottom = max(box[3] for box in lines[0].boxes[at : at + 4])
    cut = turned.crop((int(left) - 3, int(top) - 3, int(right) + 4, int(bottom) + 4))
    assert [line.text for line in ocr.lines_of(cut.rotate(-turn, expand=True))] == ["2024"]


def test_a_skewed_soft_and_grainy_scan() -> None:
    scan = scanned(drawn(LINES, font=SERIF), skew=1.7, blur=0.7, noise=60)
    assert texts(ocr.lines_of(scan)) == expected()


def test_a_few_words_on_a_sheet_that_is_empty_otherwise() -> None:
    """RapidOCR#130, #132: nothing was found on a page of few words. And far apart ones."""
    sheet = Image.new("RGB", (1240, 1754), "white")
    draw = ImageDraw.Draw(sheet)
    small = ImageFont.truetype(str(FONTS / SANS), 14)
    draw.text((150, 200), "Total 1,190.00", fill="black", font=small)
    draw.text((900, 1700), "Paid in cash", fill="black", font=small)
    lines = ocr.lines_of(sheet)
    assert texts(lines) == ["Total 1,190.00", "Paid in cash"]
    assert lines[0].boxes[0] == pytest.approx((150, 203, 159, 214), abs=4)
    assert lines[1].boxes[0] == pytest.approx((900, 1703, 908, 1714), abs=4)


def test_strips_of_a_few_pixels_take_no_memory() -> None:
    """The detector needs 32 pixels: a picture of 5,000,000 by 3 was stretched to as many."""
    for size in ((5_000_000, 3), (3, 5_000_000)):
        assert ocr.lines_of(Image.new("L", size, 255)) == []


def test_nothing_is_read_where_nothing_is_written() -> None:
    assert ocr.lines_of(Image.new("RGB", (400, 300), "white")) == []
    assert ocr.lines_of(Image.new("L", (1, 1))) == []


def test_a_picture_is_written_into_a_page(found: list[OcrLine]) -> None:
    writer = layout.LayoutWriter()
    ocr.write(writer, found, scale=0.5)
    page = writer.end_page(unit="pt", by_ocr=True)
    assert writer.text() == "\n".join(expected())
    assert len(page.boxes) == 4 * len(writer.text())
    assert page.boxes[0] == found[0].boxes[0][0] / 2


def test_notes_name_the_pages_and_what_was_hard_to_read() -> None:
    sure = OcrLine(text="a", boxes=(layout.NOWHERE,), confidence=0.99)
    unsure = OcrLine(text="b", boxes=(layout.NOWHERE,), confidence=0.6)
    assert ocr.notes_on({}) == ()
    one = OcrLines([sure])
    assert ocr.notes_on({1: one}) == ("page 1 was read by OCR",)
    assert ocr.notes_on({2: one, 3: one, 4: OcrLines()}) == ("pages 2 to 4 were read by OCR",)
    assert ocr.notes_on({1: OcrLines(left_out=1), 2: OcrLines(left_out=2)})[1:] == (
        "page 1: 1 piece of text was not legible, and left out",
        "page 2: 2 pieces of text were not legible, and left out",
    )
    assert ocr.notes_on({1: OcrLines([sure, unsure]), 3: one}) == (
        "pages 1 and 3 were read by OCR",
        "page 1: 1 of 2 lines were hard to read (confidence below 0.8)",
    )


OFFLINE = """
import io, os, socket, sys, warnings
warnings.simplefilter("error")
def refused(*a, **k): raise AssertionError("a socket")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refused
written = []
def hook(event, args):
    if event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and "/dev/" not in str(args[0]):
        written.append(args[0])
sys.addaudithook(hook)
from PIL import Image
from prompture.documents import ocr
picture = Image.open(sys.argv[1])
assert "rapidocr" not in sys.modules
print([line.text for line in ocr.lines_of(picture)][0])
assert not written, written
if hasattr(os, "fork"):
    child = os.fork()
    if not child:
        os._exit(0 if len(ocr.lines_of(picture)) == 1 else 3)
    assert os.waitpid(child, 0)[1] == 0
"""


def test_it_works_offline_in_silence_writes_no_file_and_works_in_a_forked_child(
    tmp_path: Path,
) -> None:
    drawn(["Total 9.00"], width=300).save(tmp_path / "a.png")
    done = subprocess.run(
        [sys.executable, "-B", "-c", OFFLINE, str(tmp_path / "a.png")],
        cwd=ROOT,
        env=os.environ | {"PROMPTURE_OCR_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("Total 9.00\n", "", 0)


def test_threads_are_all_cores_but_one_unless_they_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.delenv("PROMPTURE_OCR_THREADS", raising=False)
    assert ocr_engine._threads() == 7
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    assert ocr_engine._threads() == 1
    monkeypatch.setenv("PROMPTURE_OCR_THREADS", "3")
    assert ocr_engine._threads() == 3
    monkeypatch.setenv("PROMPTURE_OCR_THREADS", "many")
    assert ocr_engine._threads() == 1


@pytest.mark.parametrize("font", [SERIF, MONO, SANS, BOLD])
def test_space_is_put_between_words_that_the_recogniser_ran_together(font: str) -> None:
    """RapidOCR#636, docling#2887: "JALANSAGU18,TAMAN"; and no number is parted."""
    whole = "NO.53 55,57 & 59, JALAN SAGU 18 8:13:39 1,111.10 mill"
    face = ImageFont.truetype(str(FONTS / font), 30)
    line = drawn([whole], font=font, size=30, leading=1, width=1400)
    line = line.crop(line.convert("L").point(lambda v: 255 * (v < 128)).getbbox())
    ends = [face.getlength(whole[: at + 1]) / face.getlength(whole) for at in range(len(whole))]
    middles = [
        (start + end) / 2
        for char, start, end in zip(whole, [0.0, *ends], ends, strict=False)
        if char != " "
    ]
    glued = whole.replace(" ", "")
    text, boxes, share = letters(ReadLine(glued, middles, 1.0), line)
    assert text == whole
    assert (len(boxes), share) == (len(text), 1.0)


# What users of other toolkits have met.


def test_low_resolution_runs_no_words_together() -> None:
    """RapidOCR#636, docling#2887, #2673, #1635: "Millionsofdollarsandshares" at 95 dpi."""
    words = "Millions of dollars and shares except per share data in the table"
    page = drawn([words, "Operating costs and expenses"], font=SERIF, size=13, width=520)
    lines = ocr.lines_of(page)
    assert " ".join(texts(lines)) == f"{words} Operating costs and expenses"


def test_a_lone_tall_character_is_not_laid_on_its_side() -> None:
    """RapidOCR#259: a digit alone came out as another letter, turned by a quarter."""
    assert texts(ocr.lines_of(drawn(["Pages 12 of 40", "7"], size=40, width=420))) == [
        "Pages 12 of 40",
        "7",
    ]


def test_an_upright_picture_with_one_word_stays_upright() -> None:
    """PaddleOCR#16626: a picture that was upright was turned by 180 degrees."""
    for word in ("SUMME", "Total", "689.00"):
        assert texts(ocr.lines_of(drawn([word], width=260))) == [word]


@pytest.mark.parametrize("char", ["7", "X"])
def test_a_letter_that_is_cut_out_without_a_margin(char: str) -> None:
    page = drawn([char], width=200)
    cut = page.crop(page.convert("L").point(lambda v: 255 * (v < 128)).getbbox())
    (line,) = ocr.lines_of(cut)
    assert (line.text, line.boxes[0]) == (char, pytest.approx((0, 0, *cut.size), abs=2))


def test_a_receipt_many_times_as_tall_as_wide() -> None:
    """A tall picture is not shrunk until nothing is left of its letters."""
    rows: list[str | tuple[str, ...]] = [(f"Item {n}", f"{n}.50") for n in range(1, 25)]
    page = drawn(rows, width=300, columns=(30, 200), size=20)
    assert page.height > 2.5 * page.width
    assert texts(ocr.lines_of(page)) == [f"Item {n}  {n}.50" for n in range(1, 25)]


def test_words_along_the_margin_are_kept_apart_from_the_rows() -> None:
    page = drawn(LINES, width=960)
    side = drawn(["Form 7-B of 2024"], width=260).crop((30, 36, 250, 76)).rotate(90, expand=True)
    page.paste(side, (900, 60))
    lines = texts(ocr.lines_of(page))
    assert lines[: len(LINES)] == expected()
    assert lines[len(LINES) :] == ["Form 7-B of 2024"]


def test_accents_are_read() -> None:
    """docs/ocr.md names the scripts that the models do not know."""
    words = "Größe, œuvre, Łódź, señor, français"
    assert texts(ocr.lines_of(drawn([words]))) == [words]


def test_words_of_an_unknown_script_are_left_out_with_a_note() -> None:
    rows: list[str | tuple[str, ...]] = ["Итого к оплате 1 250,00", "Σύνολο προς πληρωμή"]
    lines = ocr.lines_of(drawn([*rows, "20 Ω, 10 µm, 5 µm: 12.50"], width=500))
    assert texts(lines)[2].endswith("12.50")
    assert "1 250,00" in texts(lines)[0]
    assert [line.confidence < ocr.LOW for line in lines] == [True, True, False]
    assert "2 of 3 lines were hard to read" in ocr.notes_on({1: lines})[1]


def test_a_model_for_another_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTURE_OCR_MODEL", "nowhere.onnx")
    with pytest.raises(ConfigurationError, match="PROMPTURE_OCR_MODEL names no file"):
        ocr_engine._loaded()


def test_threads_share_the_engine(page: Image.Image) -> None:
    small = drawn(["Total 9.00"], width=300)
    found: list[list[str]] = []
    threads = [Thread(target=lambda: found.append(texts(ocr.lines_of(small)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [["Total 9.00"]] * 4


@pytest.mark.parametrize("at", [2, 5])
def test_dates_and_totals_of_receipts(at: int) -> None:
    """Two of those that scripts/eval_ocr.py draws and measures."""
    case = CASES[at]
    read = document(encoded(receipt(case.text, seed=at), "JPEG", quality=70), ocr="always")

    class Receipt(BaseModel):
        date: datetime.date
        total: Decimal

    result = extract_result(Receipt, read, model="local/rules")
    assert result.value == Receipt(date=case.date, total=case.total)


def test_a_span_is_at_the_right_place_of_the_picture() -> None:
    page = scanned(drawn(LINES, letters="blue"), skew=1.5, blur=0.4)
    draw = ImageDraw.Draw(page)
    read = document(encoded(page))
    for words in ("2024-0815", "25/12/2018", "20.00", "property until"):
        start = read.text.index(words)
        (region,) = layout.regions_of(read, start, start + len(words))
        (box,) = region.boxes
        # Blue letters within, down to the sides of the box, and no others near by.
        inside = page.crop(tuple(map(round, box))).convert("RGB")
        assert inside.getchannel("R").getextrema()[0] < 60
        assert 10 < box[3] - box[1] < 45
        draw.rectangle(box, fill="white")
    again = " ".join(line.text for line in ocr.lines_of(page))
    for words in ("2024-0815", "25/12/2018", "property until"):
        assert words not in again
    for words in ("INVOICE No", "8:13:39 PM", "remain our", "they are paid"):
        assert words in again


def test_the_example_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "ocr.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(block, "docs/ocr.md", "exec"), {"__name__": "pasted"})
    printed = capsys.readouterr().out.splitlines()
    shown = re.findall(r"# (.+)\n", block)[1:]
    for line, comment in zip(printed, shown, strict=True):
        pattern = re.escape(comment).replace(re.escape("..."), r"[\d.]+")
        assert re.fullmatch(pattern, line), (line, comment)
