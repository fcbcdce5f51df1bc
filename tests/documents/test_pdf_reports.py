"""What users of other readers have reported of PDF text."""

from __future__ import annotations

from typing import Any

import pytest

from prompture import DocumentEmpty, document
from prompture.documents import ocr
from tests.documents.pdf_files import (
    FONT,
    Read,
    built,
    made,
    one_page,
    stream,
    text_of,
    width_of,
    with_font,
)


def shown(operators: str) -> str:
    return Read(one_page(stream(f"BT /F1 10 Tf 60 700 Td {operators} ET".encode()))).text


@pytest.mark.parametrize("gap", [120, 70, -60, -100])
def test_kerned_letters_are_one_word(gap: int) -> None:
    """py-pdf/pypdf#1424, xberg-io/xberg#1291: "T ower", "Compan y"."""
    assert shown(f"[(T){gap}(ower of the Compan){gap}(y)] TJ") == "Tower of the Company"


def test_words_that_only_an_offset_parts() -> None:
    """py-pdf/pypdf#1328, #1153, #2262: "Reportingcrudeoilleak"."""
    assert shown("[(Reporting)-250(crude)-250(oil)-333(leak)] TJ") == "Reporting crude oil leak"


def test_blanks_that_are_drawn_over() -> None:
    """Yuras/pdf-toolbox#33: "Der Bri ga di er be ob ach te te"."""
    assert shown("[(Der Bri )278(ga )278(di )278(er)] TJ") == "Der Brigadier"


def test_blanks_are_not_doubled() -> None:
    """LibrePDF/OpenPDF#119: "my  text  with  simple  spaces"."""
    assert shown("3 Tw (my text with simple spaces) Tj") == "my text with simple spaces"


def test_each_letter_drawn_twice() -> None:
    """jsvine/pdfplumber#71, #1155: "SSttaatteemmeenntt"."""
    letters = " ".join(
        f"1 0 0 1 {60 + width_of('Statement'[:at], size=10) + off} 700 Tm ({char}) Tj"
        for at, char in enumerate("Statement")
        for off in (0, 0.25)
    )
    assert shown(letters) == "Statement"


def test_what_is_cut_off_is_not_on_the_page() -> None:
    """jsvine/pdfplumber#308, #932."""
    data = one_page(
        stream(b"BT /F1 10 Tf 60 700 Td (left half) Tj 300 0 Td (right half) Tj ET"),
        entries=b"/CropBox[306 0 612 792]",
    )
    page = Read(data)
    assert page.text == "right half"
    assert page.box("right half")[0] == pytest.approx(360 - 306, abs=0.1)


def test_a_paper_with_headings_in_its_columns() -> None:
    """docling-project/docling#2204, #1203: columns woven into each other."""
    prose = "a line of running text that fills the column"

    def drawing(c: Any) -> None:
        c.setFont("Helvetica-Bold", 16)
        c.drawCentredString(306, 740, "Algorithm Selection")
        c.setFont("Helvetica", 9)
        c.drawCentredString(306, 722, "Ann Lee    Bob Ray")
        y = 690
        for heading, lines in (("Abstract", 6), ("1. Introduction", 12)):
            c.setFont("Helvetica-Bold", 11)
            c.drawString(60, y, heading)
            c.setFont("Helvetica", 9)
            for line in range(lines):
                c.drawString(60, y - 14 - 11 * line, f"{heading[:2]}{line} {prose}")
            y -= 30 + 11 * lines
        for line in range(20):
            c.drawString(320, 690 - 11 * line, f"R{line} {prose}")
        c.drawCentredString(306, 40, "1")

    text = text_of(drawing)
    order = [
        "Algorithm",
        "Ann Lee",
        "Abstract",
        "Ab5",
        "1. Introduction",
        "1.11",
        "R0 ",
        "R19 ",
    ]
    places = [text.index(words) for words in order]
    assert places == sorted(places) and text.endswith("\n1")


def test_letters_without_a_meaning(monkeypatch: pytest.MonkeyPatch) -> None:
    """jsvine/pdfplumber#424: "(cid:87)(cid:121)" where the page has words. They are looked at."""
    monkeypatch.setattr(ocr, "is_installed", lambda: False)
    font = with_font("Nameless")
    data = made(lambda c: [c.setFont(font, 12), c.drawString(60, 700, "words")], pageCompression=0)
    # No map from letters to Unicode, and no names of letters either.
    data = data.replace(b"/ToUnicode", b"/ToNothing")
    found = document(data)
    if found.text.strip() != "words":
        assert len(found.images) == 1
        assert found.notes[0].startswith("page 1: pictures of text")


def test_filled_forms_of_which_nothing_is_drawn() -> None:
    """docling-project/docling#2677, pdfminer/pdfminer.six#240: they came out blank."""
    field = b"/Type/Annot/Subtype/Widget/P 3 0 R/F 4/DA(/Helv 10 Tf 0 g)"
    data = built(
        [
            b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[5 0 R 6 0 R]/NeedAppearances true"
            b"/DR<</Font<</Helv %s>>>>/DA(/Helv 10 Tf 0 g)>>>>" % FONT,
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Annots[5 0 R 6 0 R]"
            b"/Resources<</Font<</F1 %s>>>>>>" % FONT,
            stream(b"BT /F1 10 Tf 60 700 Td (Surname) Tj 0 -30 Td (Married) Tj ET"),
            b"<<%s/FT/Tx/T(surname)/V(Smith)/Rect[150 695 300 712]>>" % field,
            b"<<%s/FT/Btn/T(married)/V/Yes/AS/Yes/Rect[150 665 162 677]>>" % field,
        ]
    )
    lines = [" ".join(line.split()) for line in document(data).text.splitlines() if line]
    assert lines == ["Surname Smith", "Married [x]"]


def test_two_files_in_one_table_keep_their_columns() -> None:
    """fpertl in docling-project/docling#3194: cells in another order than on the page."""

    def drawing(c: Any) -> None:
        # Drawn column by column, and the last column first.
        for x, cells in ((385, "CcZ"), (90, "AaX"), (237, "BbY")):
            for row, cell in enumerate(cells):
                c.drawString(x, 700 - 15 * row, f"{cell}{cell}{cell}")

    assert [line.split() for line in text_of(drawing).splitlines()] == [
        ["AAA", "BBB", "CCC"],
        ["aaa", "bbb", "ccc"],
        ["XXX", "YYY", "ZZZ"],
    ]


def covered(c: Any) -> None:
    c.setFillColorRGB(1, 1, 1)
    c.rect(50, 640, 300, 25, stroke=0, fill=1)


def black_bar(c: Any) -> None:
    c.rect(50, 645, 300, 16, stroke=0, fill=1)


HIDDEN = {
    "below a white box": lambda c: (c.drawString(60, 650, "secret"), covered(c)),
    "below a black bar": lambda c: (c.drawString(60, 650, "secret"), black_bar(c)),
    "in the bar's colour": lambda c: (black_bar(c), c.drawString(60, 650, "secret")),
    "cut off": lambda c: (
        c.clipPath(clip(c), stroke=0, fill=0), c.drawString(60, 650, "secret")
    ),
    "without ink over words": lambda c: c.drawText(inkless(c, 60, 700)),
    "too small to read": lambda c: (c.setFont("Helvetica", 0.4), c.drawString(60, 650, "secret")),
}  # fmt: skip


def clip(c: Any) -> Any:
    path = c.beginPath()
    path.rect(400, 400, 10, 10)
    return path


def inkless(c: Any, x: float, y: float) -> Any:
    text = c.beginText(x, y)
    text.setTextRenderMode(3)
    text.textOut("secret")
    return text


@pytest.mark.parametrize("how", HIDDEN)
def test_what_nobody_sees_is_not_given_to_the_model(how: str) -> None:
    """firecrawl/pdf-inspector#456, Unstructured-IO/unstructured#4377, ui-insight/vandalizer#777."""

    def drawing(c: Any) -> None:
        c.drawString(60, 700, "Total 1,190.00")
        HIDDEN[how](c)

    page = Read(made(drawing))
    assert (page.text, page.head["hidden"]) == ("Total 1,190.00", 6)


def test_a_word_that_is_partly_covered_stays() -> None:
    def drawing(c: Any) -> None:
        c.drawString(60, 700, "Ann Bell, London")
        bar = 60 + width_of("Ann "), 697, width_of("Bell"), 12
        c.rect(*bar, stroke=0, fill=1)  # the comma is left
        c.drawString(60, 650, "Total 1.190,00 - .5")
        c.setFillColorRGB(1, 1, 0, alpha=0.4)
        c.rect(50, 645, 300, 16, stroke=0, fill=1)

    page = Read(made(drawing))
    assert page.text.split() == ["Ann", "London", "Total", "1.190,00", "-", ".5"]


@pytest.mark.parametrize("x", [72, 250])
def test_the_text_of_a_scan_may_stand_beside_its_letters(x: float) -> None:
    """As an OCR program has put it; but not on a white line, nor below a black bar."""
    image_module = pytest.importorskip("PIL.Image")
    from reportlab.lib.utils import ImageReader

    picture = image_module.new("L", (612, 792), 255)
    picture.paste(0, (60, 90, 200, 92))
    picture.paste(0, (60, 186, 500, 210))

    def drawing(c: Any) -> None:
        c.drawImage(ImageReader(picture), 0, 0, 612, 792)
        for y in (696, 400, 590):
            c.drawText(inkless(c, x, y))

    page = Read(made(drawing))
    assert (page.text, page.head["hidden"]) == ("secret", 12)


def test_a_page_that_takes_long_to_draw_is_read_and_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    from prompture.pdfium import layout_page

    monkeypatch.setattr(layout_page, "_LOOK", -1.0)

    def drawing(c: Any) -> None:
        for at in range(500):
            c.rect(at, at, 20, 20)
        c.drawString(60, 700, "Total 1,190.00")

    page = Read(made(drawing))
    assert (page.text, page.head["unsure"]) == ("Total 1,190.00", True)


def test_fonts_that_are_pictures_have_words() -> None:
    """dvips, in the 1990s: a font without a size, its letters drawn in pixels."""
    letter = b"6 0 0 0 5 7 d1 0 0 5 7 re f"
    kinds = b"<</a 6 0 R/b 6 0 R/c 6 0 R>>"
    font = (
        b"<</Type/Font/Subtype/Type3/FontBBox[0 0 0 0]/FontMatrix[1 0 0 1 0 0]/FirstChar 97/LastChar 99"
        b"/Widths[6 6 6]/Encoding<</Differences[97/a/b/c]>>/CharProcs " + kinds + b">>"
    )
    # Letters that are drawn one by one, each a little off its place; words are 3 points apart.
    draws = b"BT /F1 1 Tf " + b" ".join(
        b"1 0 0 1 %.1f 700 Tm (%c) Tj" % (60 + 6 * at + 3 * (at // 3) + 0.3 * (at % 3), b"abc"[at % 3])
        for at in range(9)
    ) + b" ET"  # fmt: skip
    page = Read(
        one_page(stream(draws), font, stream(letter), entries=b"/Resources<</Font<</F1 5 0 R>>>>")
    )
    assert page.text == "abc abc abc"


@pytest.mark.parametrize("order", ["before", "after"])
def test_accents_that_are_drawn_apart_are_on_their_letters(order: str) -> None:
    """As TeX does: "J¨urgen"."""

    def drawing(c: Any) -> None:
        c.setFont(with_font(), 12)
        for number, (mark, letter) in enumerate(("¨u", "´e", "ˆı", "~n", "`x")):
            x, off = 60 + 40 * number, width_of("M", "DejaVu")
            c.drawString(x, 700, "M")
            for each in (mark, letter) if order == "before" else (letter, mark):
                c.drawString(x + off, 700, each)

    assert text_of(drawing).split()[:4] == ["Mü", "Mé", "Mî", "Mñ"]


@pytest.mark.parametrize("font", ["STSong-Light", "HeiseiMin-W3"])
def test_upright_text_of_a_font_that_is_not_in_the_file(font: str) -> None:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont

    def drawing(c: Any) -> None:
        pdfmetrics.registerFont(UnicodeCIDFont(font, isVertical=True))
        c.setFont(font, 14)
        c.drawString(300, 700, "\u8acb\u6c42\u66f8 12345 \u5408\u8a08")

    assert text_of(drawing) == "\u8acb\u6c42\u66f8 12345 \u5408\u8a08"


def test_a_tick_is_a_word_of_its_own() -> None:
    def drawing(c: Any) -> None:
        for at in range(2):
            c.acroForm.checkbox(name=f"c{at}", x=60 + 12 * at, y=646, size=12, checked=at == 1)
        c.drawString(84, 648, "Yes")

    assert text_of(drawing) == "[ ] [x] Yes"


def test_many_ticks_among_many_words_are_read_within_the_time_of_a_page() -> None:
    def drawing(c: Any) -> None:
        for at in range(6500):
            c.drawString(20 + 7 * (at % 80), 780 - 9 * (at // 80), "abcdefgh"[at % 8])
        for at in range(300):
            c.acroForm.checkbox(
                name=f"c{at}", x=20 + 14 * (at % 40), y=20 + 14 * (at // 40), size=12
            )

    assert document(made(drawing)).text.count("[ ]") == 300


@pytest.mark.parametrize("others", ["", "Total 12"])
def test_single_characters_of_a_font_that_is_nowhere_are_noted(others: str) -> None:
    """The library gives nothing of them: a page without Korean would be one without a word of it."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont

    def drawing(c: Any) -> None:
        pdfmetrics.registerFont(UnicodeCIDFont("HYSMyeongJo-Medium"))
        c.drawString(60, 600, others)
        c.drawString(60, 580, " ")
        c.setFont("HYSMyeongJo-Medium", 14)
        c.drawString(60, 700, "\ud55c")

    data = made(drawing)
    page = Read(data)
    if "\ud55c" in page.text:
        pytest.skip("this machine has a Korean font")
    assert page.head["missing"] == 1
    if others:
        [note] = document(data).notes
        assert note.startswith("page 1: characters may be missing, of a font")
    else:
        with pytest.raises(DocumentEmpty, match="nor on this machine"):
            document(data)


def test_letters_that_are_spaced_out_are_a_word() -> None:
    """AndySparks/sourceconvert#15: as browsers draw letter-spacing, letter by letter."""

    def drawing(c: Any) -> None:
        x = 60.0
        for letter in "INVOICE":
            c.drawString(x, 700, letter)
            x += width_of(letter) + 3
        c.drawString(x + 4, 700, "No. 7")
        c.drawString(60, 650, "A B C D E")
        for at, letter in enumerate("XYZ"):
            c.drawString(60 + 12 * at, 600, letter)

    assert text_of(drawing).split("\n\n") == ["INVOICE No. 7", "A B C D E", "X Y Z"]
