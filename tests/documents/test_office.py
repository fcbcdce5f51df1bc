"""Word files, slides and sheets: their texts whole."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompture import DocumentEmpty, DocumentTooLarge, FileDocument, document
from prompture.documents.number_formats import shown
from tests.documents.hostile import package, word, workbook
from tests.documents.test_encodings import TABLES, table_of

docx = pytest.importorskip("docx")
pptx = pytest.importorskip("pptx")
openpyxl = pytest.importorskip("openpyxl")


def saved(made: Any, name: str) -> FileDocument:
    stream = io.BytesIO()
    made.save(stream)
    return document(stream.getvalue(), name=name)


def of_body(body: str, **parts: str) -> FileDocument:
    return document(package("docx", word(body), **parts), name="a.docx")


def p(text: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr>{text}</w:p>"


def r(text: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def test_a_word_file() -> None:
    made = docx.Document()
    made.add_heading("Contract", 0)
    made.add_heading("Parties", 1)
    paragraph = made.add_paragraph("ACME ")
    paragraph.add_run("Ltd").bold = True
    paragraph.add_run().add_break()
    paragraph.add_run("and others")
    made.add_paragraph("dot", style="List Bullet")
    made.add_paragraph("one", style="List Number")
    made.add_paragraph("two", style="List Number")
    table = made.add_table(3, 3)
    for at, text in enumerate(("Item", "a|b", "Sum")):
        table.cell(0, at).text = text
    table.cell(1, 0).merge(table.cell(1, 1)).text = "wide"
    table.cell(1, 2).text = "x\ny"
    table.cell(2, 1).text = "z"
    made.add_page_break()
    made.add_paragraph("Second page")
    made.sections[0].header.paragraphs[0].text = "Letterhead"
    made.sections[0].footer.paragraphs[0].text = "Foot"
    read = saved(made, "a.docx")
    assert read.text == (
        "Letterhead\n\n# Contract\n\n# Parties\n\nACME Ltd\nand others\n\n- dot\n1. one\n2. two\n\n"
        "| Item | a\\|b | Sum |\n|---|---|---|\n| wide |  | x y |\n|  | z |  |\n\nSecond page\n\nFoot"
    )
    assert [read.text[page.start : page.end] for page in read.pages][1] == "Second page\n\nFoot"


DEL = "<w:del><w:r><w:delText>old</w:delText></w:r></w:del>"
BODIES = {
    "tracked": (
        p(r("The ") + DEL + "<w:ins>" + r("new") + "</w:ins>" + r(" price"))
        + p("<w:moveFrom>" + r("gone") + "</w:moveFrom><w:moveTo>" + r("here") + "</w:moveTo>"),
        "The new price\n\nhere",
    ),
    "deleted mark": (p(r("one "), "<w:rPr><w:del/></w:rPr>") + p(r("line")), "one line"),
    "hidden": (p(r("seen") + r("secret", "<w:vanish/>") + r("!", '<w:vanish w:val="0"/>')), "seen!"),
    "field": (
        p('<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>HYPERLINK x</w:instrText></w:r>'
          + r("code") + '<w:r><w:fldChar w:fldCharType="separate"/></w:r>' + r("shown")
          + '<w:r><w:fldChar w:fldCharType="end"/></w:r>' + r(" after")),
        "shown after",
    ),
    "link": (p("<w:hyperlink>" + r("a link") + "</w:hyperlink>"), "a link"),
    "marks": (p(r("a") + "<w:r><w:tab/><w:noBreakHyphen/><w:softHyphen/><w:br/><w:cr/></w:r>" + r("b")), "a\t\u2011\n\nb"),
    "control": ("<w:sdt><w:sdtPr/><w:sdtContent>" + p(r("inside")) + "</w:sdtContent></w:sdt>", "inside"),
    "symbol": (p('<w:r><w:sym w:font="Wingdings" w:char="F0FE"/></w:r>' + r(" yes")), "☒ yes"),
    "box": (
        p(r("text") + "<w:r><mc:AlternateContent xmlns:mc='m'><mc:Choice><w:drawing><w:txbxContent>"
          + p(r("in the box")) + "</w:txbxContent></w:drawing></mc:Choice><mc:Fallback><w:txbxContent>"
          + p(r("in the box")) + "</w:txbxContent></mc:Fallback></mc:AlternateContent></w:r>"),
        "text\n\nin the box",
    ),
    "nested": (
        "<w:tbl><w:tr><w:tc>" + p(r("a")) + "<w:tbl><w:tr><w:tc>" + p(r("b")) + "</w:tc><w:tc>"
        + p(r("c")) + "</w:tc></w:tr></w:tbl></w:tc><w:tc>" + p(r("d")) + "</w:tc></w:tr>"
        "<w:tr><w:tc>" + p(r("e")) + "</w:tc><w:tc>" + p(r("f")) + "</w:tc></w:tr></w:tbl>",
        "| a b c | d |\n|---|---|\n| e | f |",
    ),
    "frame": (
        "<w:tbl><w:tr><w:tc>" + p(r("head")) + "<w:tbl><w:tr><w:tc>" + p(r("b")) + "</w:tc><w:tc>"
        + p(r("c")) + "</w:tc></w:tr></w:tbl></w:tc></w:tr></w:tbl>",
        "head\n\n| b | c |\n|---|---|",
    ),
    "down": (
        "<w:tbl><w:tr><w:tc><w:tcPr><w:vMerge w:val='restart'/></w:tcPr>" + p(r("a")) + "</w:tc><w:tc>"
        + p(r("1")) + "</w:tc></w:tr><w:tr><w:tc><w:tcPr><w:vMerge/></w:tcPr>" + p("") + "</w:tc><w:tc>"
        + p(r("2")) + "</w:tc></w:tr><w:tr><w:trPr><w:del/></w:trPr><w:tc>" + p(r("x")) + "</w:tc></w:tr></w:tbl>",
        "| a | 1 |\n|---|---|\n|  | 2 |",
    ),
    "math": (p("<m:oMath xmlns:m='m'><m:r><m:t>x=1</m:t></m:r></m:oMath>"), "x=1"),
    "empty pages": (p('<w:r><w:br w:type="page"/></w:r>') + p("<w:r><w:lastRenderedPageBreak/></w:r>" + r("a")), "a"),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_what_a_word_file_shows(name: str) -> None:
    body, text = BODIES[name]
    assert of_body(body).text == text


def test_pages_of_a_word_file_are_those_it_was_last_shown_with() -> None:
    read = of_body(
        p(r("a"))
        + p("<w:r><w:lastRenderedPageBreak/></w:r>" + r("b"))
        + p(r("c"), "<w:pageBreakBefore/>")
    )
    assert [(page.number, read.text[page.start : page.end]) for page in read.pages] == [
        (1, "a\n\n"), (2, "b\n\n"), (3, "c"),
    ]  # fmt: skip


RELATIONS = "<Relationships>{}</Relationships>"


def relation(kind: str, target: str) -> str:
    return f'<Relationship Id="{kind}" Type="t/{kind}" Target="{target}"/>'


def test_numbers_of_paragraphs_are_counted() -> None:
    levels = "".join(
        f'<lvl ilvl="{at}"><start val="1"/><numFmt val="{form}"/><lvlText val="{pattern}"/></lvl>'
        for at, (form, pattern) in enumerate(
            [
                ("decimal", "%1."),
                ("decimal", "%1.%2"),
                ("lowerLetter", "(%3)"),
                ("upperRoman", "%4"),
            ]
        )
    )
    numbering = (
        f'<numbering><abstractNum abstractNumId="0">{levels}</abstractNum>'
        '<num numId="1"><abstractNumId val="0"/></num><num numId="2"><abstractNumId val="0"/>'
        '<lvlOverride ilvl="0"><startOverride val="7"/></lvlOverride></num></numbering>'
    )

    def item(text: str, level: int, number: int = 1) -> str:
        return p(
            r(text), f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>'
        )

    body = (item("a", 0) + item("b", 1) + item("c", 1) + item("d", 2) + item("e", 3) + item("f", 0)
            + item("g", 1) + item("h", 0, 2) + p(r("plain"), '<w:numPr><w:numId w:val="0"/></w:numPr>'))  # fmt: skip
    parts = {
        "word/_rels/document.xml.rels": RELATIONS.format(relation("numbering", "numbering.xml")),
        "word/numbering.xml": numbering,
    }
    assert of_body(body, **parts).text == (
        "1. a\n  1.1 b\n  1.2 c\n    (a) d\n      I e\n2. f\n  2.1 g\n7. h\n\nplain"
    )


def test_footnotes_and_comments() -> None:
    note = '<w:r><w:footnoteReference w:id="2"/></w:r>'
    space = 'xmlns:w="w"'
    parts = {
        "word/_rels/document.xml.rels": RELATIONS.format(
            relation("footnotes", "footnotes.xml") + relation("comments", "comments.xml")
        ),
        "word/footnotes.xml": f'<w:footnotes {space}><w:footnote w:id="2">{p(r("see  there"))}</w:footnote></w:footnotes>',
        "word/comments.xml": f'<w:comments {space}><w:comment w:id="1">{p(r("hm"))}</w:comment></w:comments>',
    }
    read = of_body(p(r("Fact") + note), **parts)
    assert read.text == "Fact[^1]\n\n[^1]: see there"
    assert read.notes == ("1 comment left out",)


def picture_of(text: str) -> io.BytesIO:
    pillow = pytest.importorskip("PIL.Image")
    drawing = pytest.importorskip("PIL.ImageDraw")
    font = pytest.importorskip("PIL.ImageFont").load_default(48)
    picture = pillow.new("RGB", (900, 200), "white")
    drawing.Draw(picture).text((20, 60), text, fill="black", font=font)
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream


def word_file_of_pictures(*texts: str, before: str = "") -> bytes:
    made, stream = docx.Document(), io.BytesIO()
    if before:
        made.add_paragraph(before)
    for text in texts:
        made.add_picture(picture_of(text))
    made.save(stream)
    return stream.getvalue()


def test_an_office_file_of_pictures_is_read_like_pictures() -> None:
    pytest.importorskip("rapidocr")
    data = word_file_of_pictures("Total 1190.00", "Second 77.50")
    read = document(data, name="scan.docx")
    assert read.text == "Total 1190.00\n\nSecond 77.50"
    assert [(page.number, page.by_ocr) for page in read.pages] == [(1, True), (2, True)]
    assert read.is_read_off  # a model that sees is sent the two pictures, and not the text
    assert read.notes == ("2 pictures read by OCR",)
    always = document(data, name="scan.docx", ocr="always")
    assert (always.text, always.images) == (read.text, ())
    beside = word_file_of_pictures("Total 1190.00", before="See below")
    assert document(beside, ocr="always").text == "See below\n\nTotal 1190.00"
    assert document(beside).text == "See below"


def test_slides_and_sheets_of_pictures_are_read_where_they_have_no_text() -> None:
    pytest.importorskip("rapidocr")
    made, stream = pptx.Presentation(), io.BytesIO()
    for title, text in (("", "Slide 12.50"), ("Titled", "Hidden 5.00")):
        slide = made.slides.add_slide(made.slide_layouts[5 if title else 6])
        if title:
            slide.shapes.title.text = title
        slide.shapes.add_picture(picture_of(text), 0, 0)
    made.save(stream)
    read = document(stream.getvalue())
    assert (read.text, read.images) == ("Slide 12.50\n\n# Titled", ())
    assert [(page.number, page.by_ocr) for page in read.pages] == [(1, True), (2, False)]
    assert document(stream.getvalue(), ocr="always").text.endswith("# Titled\n\nHidden 5.00")
    book, stream = openpyxl.Workbook(), io.BytesIO()
    book.active.add_image(openpyxl.drawing.image.Image(picture_of("Sheet 42.00")), "A1")
    book.save(stream)
    read = document(stream.getvalue())
    assert (read.text, len(read.images), read.is_read_off) == ("Sheet 42.00", 1, True)


def test_without_ocr_pictures_of_an_office_file_are_handed_on() -> None:
    data = word_file_of_pictures("Total 1190.00")
    read = document(data, name="a.docx", ocr="never")
    assert (read.text, len(read.images)) == ("", 1)
    assert "not read here" in read.notes[0]
    with pytest.raises(DocumentEmpty):
        of_body("<w:p/>")
    broken = {"word/media/a.png": b"\x89PNG\r\n\x1a\n" + bytes(5000)}
    blip = '<w:blip xmlns:r="http://x/relationships" r:embed="p1"/>'
    relations = RELATIONS.format('<Relationship Id="p1" Type="x/image" Target="media/a.png"/>')
    with pytest.raises(DocumentEmpty):
        of_body(p(f"<w:r>{blip}</w:r>"), **broken, **{"word/_rels/document.xml.rels": relations})  # type: ignore[arg-type]


def test_slides() -> None:
    made = pptx.Presentation()
    slide = made.slides.add_slide(made.slide_layouts[1])
    slide.shapes.title.text = "Results"
    slide.placeholders[1].text = "first\nsecond"
    slide.placeholders[1].text_frame.paragraphs[1].level = 1
    table = slide.shapes.add_table(2, 2, 0, 0, 100, 100).table
    table.cell(0, 0).merge(table.cell(0, 1))
    table.cell(0, 0).text, table.cell(1, 1).text = "head", "a|b"
    group = slide.shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, 10, 10).text_frame.text = "in a group"
    slide.notes_slide.notes_text_frame.text = "said aloud"
    chart = __import__("pptx.chart.data", fromlist=["x"]).CategoryChartData()
    chart.categories = ["East", "West"]
    chart.add_series("Q1", (1.5, 2))
    slide.shapes.add_chart(51, 0, 0, 100, 100, chart)
    hidden = made.slides.add_slide(made.slide_layouts[6])
    hidden._element.set("show", "0")
    last = made.slides.add_slide(made.slide_layouts[5])
    last.shapes.title.text = "End"
    read = saved(made, "a.pptx")
    assert read.text == (
        "# Results\n\n- first\n  - second\n\n| head |  |\n|---|---|\n|  | a\\|b |\n\nin a group\n\n"
        "|  | Q1 |\n|---|---|\n| East | 1.5 |\n| West | 2 |\n\nNotes: said aloud\n\n# End"
    )
    assert [(page.number, page.name) for page in read.pages] == [(1, "Results"), (3, "End")]
    assert read.notes == ("1 hidden slide left out",)


def test_a_workbook() -> None:
    made = openpyxl.Workbook()
    sheet = made.active
    sheet.title = "Sales"
    sheet.append(["Invoice 12"])
    sheet.append([])
    sheet.append(["Day", "Sum", "Share", "Code"])
    sheet.append([date(2024, 3, 5), 1234.5, 0.256, "00123"])
    sheet.append([datetime(2024, 3, 5, 13, 5), 19.990000000000002, 123456789012345, "=SUM(B4:B5)"])
    sheet["B4"].number_format, sheet["C4"].number_format = '#,##0.00 "€"', "0.0%"
    sheet["A5"].number_format = "dd.mm.yyyy hh:mm"
    sheet["A6"] = "not seen"
    sheet.row_dimensions[6].hidden = True
    sheet["F4"] = "hidden column"
    sheet.column_dimensions["F"].hidden = True
    made.create_sheet("Secret").sheet_state = "hidden"
    made.create_sheet("Second")["C3"] = True
    read = saved(made, "a.xlsx")
    assert read.text == (
        "# Sales\n\n| Invoice 12 |\n|---|\n\n| Day | Sum | Share | Code |\n|---|---|---|---|\n"
        "| 2024-03-05 | 1,234.50 € | 25.6% | 00123 |\n"
        "| 05.03.2024 13:05 | 19.99 | 123456789012345 |  |\n\n# Second\n\n| TRUE |\n|---|"
    )
    assert [page.name for page in read.pages] == ["Sales", "Second"]
    assert [note.partition(" (")[0] for note in read.notes] == [
        "sheet Sales: 1 hidden row left out",
        "sheet Sales: hidden columns left out",
        "sheet Sales: 1 formula without a stored value",
        "1 hidden sheet left out: Secret",
    ]


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        ('<c t="inlineStr"><is><t>a</t><r><t>b</t></r><rPh><t>X</t></rPh></is></c>', "ab"),
        ('<c t="str"><f>A1</f><v>kept</v></c>', "kept"),
        ('<c t="e"><v>#DIV/0!</v></c>', "#DIV/0!"),
        ('<c t="d"><v>2024-03-05T00:00:00</v></c>', "2024-03-05"),
        ('<c t="str"><v>a_x000D__x000A_b</v></c>', "a b"),
        ('<c t="str"><v>_xD83D__xDE00__xD83D_</v></c>', "\U0001f600\ufffd"),
        ("<c><v>12345678901234567890</v></c>", "12345678901234567890"),
        ("<c><v>1E+3</v></c>", "1000"),
        ("<c><f>SUM(A1)</f><v>12.5</v></c>", "12.5"),
    ],
)
def test_a_cell(cells: str, text: str) -> None:
    sheet = f"<worksheet><sheetData><row>{cells}</row></sheetData></worksheet>"
    assert document(workbook(sheet)).text == f"| {text} |\n|---|"


def test_a_wide_sheet_with_little_in_it_has_its_columns_only() -> None:
    row = '<row r="{0}"><c r="A{0}"><v>1</v></c><c r="XFD{0}"><v>2</v></c></row>'
    sheet = (
        f"<worksheet><sheetData>{''.join(map(row.format, (1, 2, 1048576)))}</sheetData></worksheet>"
    )
    assert (
        document(workbook(sheet)).text == "| 1 | 2 |\n|---|---|\n| 1 | 2 |\n\n| 1 | 2 |\n|---|---|"
    )


@pytest.mark.parametrize(
    ("value", "code", "text"),
    [
        (1234.5, "General", "1234.5"), (0.1 + 0.2, "General", "0.3"), (1e-7, "General", "1E-07"),
        (1234.5, "#,##0.00", "1,234.50"), (-1234.5, "#,##0.00;(#,##0.00)", "(1,234.50)"),
        (-5, "0.00", "-5.00"), (0.125, "0.0%", "12.5%"), (1.005, "0.00", "1.01"), (2.5, "0", "3"),
        (1234, '[$€-407] #,##0.00', "€ 1,234.00"), (12, '"No. "0000', "No. 0012"),
        (0, '0;-0;"none"', "none"), (5, ";;;", ""), (7, "@", "7"), (-0.001, "0.00", "0.00"),
        (1234567, "0.0,,", "1.2"), (12345, "0.00E+00", "1.23E+04"), (0.5, "# ?/?", "1/2"),
        (1.25, "# ?/?", "1 1/4"), (5551234, "000-0000", "555-1234"), (150, "[>100]0;[Red]0.0", "150"),
        (45356, "yyyy-mm-dd", "2024-03-05"), (45356.5, "d mmmm yyyy h:mm AM/PM", "5 March 2024 12:00 PM"),
        (45356, "dd/mm/yy", "05/03/24"), (1.5, "[h]:mm", "36:00"), (0.75, "hh:mm:ss", "18:00:00"),
        (45356.000_6, "mm:ss", "00:52"), (1, "yyyy-mm-dd", "1900-01-01"), (60.5, "ddd", "Wed"),
        (1234.5, '_-* #,##0.00\\ "kr"_-', "1,234.50 kr"), (3, 'd"."m"."', "3.1."),
        (-1, "yyyy", "-1"), (0.5, "General", "0.5"), (1e20, "General", "1E+20"),
    ],
)  # fmt: skip
def test_a_number_is_shown(value: float, code: str, text: str) -> None:
    assert shown(value, code) == text


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.text('0#?.,%E+-/@;[]"\\ymdhs $€GA', max_size=12),
)
def test_no_format_raises(value: float, code: str) -> None:
    assert isinstance(shown(value, code), str)


def _in_docx(rows: list[list[str]]) -> FileDocument:
    made = docx.Document()
    table = made.add_table(len(rows), len(rows[0]))
    for at, row in enumerate(rows):
        for column, text in enumerate(row):
            table.cell(at, column).text = text
    return saved(made, "a.docx")


def _in_xlsx(rows: list[list[str]]) -> FileDocument:
    made = openpyxl.Workbook()
    for at, row in enumerate(rows, 1):
        for column, text in enumerate(row, 1):
            cell = made.active.cell(at, column)
            cell.value, cell.data_type = text, "s"
    return saved(made, "a.xlsx")


@settings(max_examples=15, deadline=None)
@pytest.mark.parametrize("write", [_in_docx, _in_xlsx])
@given(rows=TABLES)
def test_any_table_comes_out(
    write: Callable[[list[list[str]]], FileDocument], rows: list[list[str]]
) -> None:
    assert table_of(write(rows).text) == rows


def test_encrypted_office_files_need_their_password() -> None:
    pytest.importorskip("msoffcrypto")
    from msoffcrypto.format.ooxml import OOXMLFile

    from prompture import DocumentEncrypted

    plain, made = io.BytesIO(), docx.Document()
    made.add_paragraph("secret text")
    made.save(plain)
    stream = io.BytesIO()
    OOXMLFile(plain).encrypt("pass", stream)
    data = stream.getvalue()
    assert document(data, name="a.docx", password="pass").text == "secret text"
    with pytest.raises(DocumentEncrypted, match=r"a\.docx: it needs a password"):
        document(data, name="a.docx")
    with pytest.raises(DocumentEncrypted, match="wrong"):
        document(data, password="no")


def test_limits_are_the_callers() -> None:
    with pytest.raises(DocumentTooLarge, match="max_pages=1"):
        document(
            package("docx", word(p(r("a"), "") + p(r("b"), "<w:pageBreakBefore/>"))), max_pages=1
        )
    with pytest.raises(DocumentTooLarge, match="max_unpacked=1000"):
        document(package("docx", word(p(r("a" * 2000)))), max_unpacked=1000)


def test_parts_are_found_by_their_relations_in_any_case() -> None:
    data = package("docx", "").replace(b"word/document.xml", b"Word/Document.xml")
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        assert "Word/Document.xml" in packed.namelist()
    read = document(
        package("docx", word(p(r("x")))).replace(b"word/document.xml", b"Word/Document.XML")
    )
    assert read.text == "x"
