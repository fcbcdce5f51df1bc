"""What users of other readers have reported of PDF text."""

from __future__ import annotations

from typing import Any

import pytest

from prompture import document
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
