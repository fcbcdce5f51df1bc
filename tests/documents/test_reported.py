"""Situations in which users of other readers lost something, by their public reports."""

from __future__ import annotations

import io
from typing import Any

import pytest

from prompture import document
from tests.documents.test_office import RELATIONS, of_body, p, r, relation

docx = pytest.importorskip("docx")
openpyxl = pytest.importorskip("openpyxl")


def text_of(made: Any, name: str) -> str:
    stream = io.BytesIO()
    made.save(stream)
    return document(stream.getvalue(), name=name).text


def test_numbers_of_headings_stand_nowhere_in_the_text() -> None:
    """microsoft/markitdown#1182 and #1415 (the count goes on behind a table), docling#1212."""
    styles = '<styles><style styleId="H"><name val="heading 2"/><pPr><numPr><numId val="1"/></numPr></pPr></style></styles>'
    numbering = ('<numbering><abstractNum abstractNumId="0"><lvl ilvl="0"><start val="3"/><numFmt val="decimal"/>'
                 '<lvlText val="%1."/></lvl></abstractNum><num numId="1"><abstractNumId val="0"/></num></numbering>')  # fmt: skip
    parts = {
        "word/_rels/document.xml.rels": RELATIONS.format(
            relation("styles", "styles.xml") + relation("numbering", "numbering.xml")
        ),
        "word/styles.xml": styles,
        "word/numbering.xml": numbering,
    }
    table = f"<w:tbl><w:tr><w:tc>{p(r('x'))}</w:tc><w:tc>{p(r('y'))}</w:tc></w:tr></w:tbl>"
    heading = '<w:pStyle w:val="H"/>'
    read = of_body(p(r("Introduction"), heading) + table + p(r("Terms"), heading), **parts)
    assert read.text == "## 3. Introduction\n\n| x | y |\n|---|---|\n\n## 4. Terms"


def test_deep_headings_are_headings() -> None:
    """microsoft/markitdown#2530."""
    made = docx.Document()
    for level in (6, 7, 9):
        made.add_heading(f"H{level}", level)
    assert text_of(made, "a.docx") == "###### H6\n\n###### H7\n\n###### H9"


def test_a_title_above_a_table_is_no_heading_of_its_columns() -> None:
    """microsoft/markitdown#2124 and #183: no "Unnamed: 1", no NaN."""
    made = openpyxl.Workbook()
    for place, text in {
        "A1": "PROGRESS",
        "A3": "Task",
        "C3": "Owner",
        "A4": "Design",
        "C4": "Ana",
    }.items():
        made.active[place] = text
    assert text_of(made, "a.xlsx") == (
        "| PROGRESS |\n|---|\n\n| Task |  | Owner |\n|---|---|---|\n| Design |  | Ana |"
    )


def test_an_empty_cell_changes_no_other() -> None:
    """microsoft/markitdown#2516: 12 became 12.0, TRUE 1.0."""
    made = openpyxl.Workbook()
    for row in (["Shipped", "Units", "Id"], [True, 12, 1], [None, None, 2], [False, 7, 3]):
        made.active.append(row)
    assert text_of(made, "a.xlsx") == (
        "| Shipped | Units | Id |\n|---|---|---|\n| TRUE | 12 | 1 |\n|  |  | 2 |\n| FALSE | 7 | 3 |"
    )


def test_merged_cells_of_a_sheet_part_no_table() -> None:
    """docling#1939."""
    made = openpyxl.Workbook()
    for row in (["Group", None, "Sum"], ["a", "b", None], [1, 2, 3]):
        made.active.append(row)
    made.active.merge_cells("A1:B1")
    made.active.merge_cells("C1:C2")
    assert (
        text_of(made, "a.xlsx") == "| Group |  | Sum |\n|---|---|---|\n| a | b |  |\n| 1 | 2 | 3 |"
    )


def test_a_table_in_a_header_is_read() -> None:
    """Unstructured-IO/unstructured#2126."""
    made = docx.Document()
    header = made.sections[0].header
    header.paragraphs[0].text = "First line"
    table = header.add_table(1, 2, docx.shared.Inches(4))
    table.cell(0, 0).text, table.cell(0, 1).text = "cell1", "cell2"
    made.add_paragraph("Main")
    assert text_of(made, "a.docx") == "First line\ncell1 cell2\n\nMain"


def test_a_row_that_begins_later_keeps_its_columns() -> None:
    """Unstructured-IO/unstructured#3396 and #3628: gridBefore, and rows of unlike length."""
    cell = "<w:tc>{}</w:tc>"
    rows = (
        "<w:tr>" + cell.format(p(r("a"))) + cell.format(p(r("b"))) + "</w:tr>"
        "<w:tr><w:trPr><w:gridBefore w:val='1'/></w:trPr>" + cell.format(p(r("c"))) + "</w:tr>"
    )
    assert of_body(f"<w:tbl>{rows}</w:tbl>").text == "| a | b |\n|---|---|\n|  | c |"


def test_subjects_in_pieces_are_one() -> None:
    """Unstructured-IO/unstructured#1546."""
    data = (
        b"From: a@b.c\r\nSubject: =?utf-8?B?VEVITk9QT08gfMKgVmFhZGFrZSBvdHNlw7xsZWthbm5ldDog?=\r\n"
        b" =?utf-8?B?IEFJIHTDtsO2?=\r\nThread-Index: x\r\n\r\nbody"
    )
    read = document(data, name="a.eml")
    assert "Subject: TEHNOPOO |\xa0Vaadake otseülekannet:  AI töö\n\nbody" in read.text


def test_html_in_markdown_stays() -> None:
    """Unstructured-IO/unstructured#3717: the table was lost."""
    page = "# Title\n\n<table><tr><td>kept</td></tr></table>\n"
    assert document(page.encode(), name="a.md").text == page


def test_an_attachment_of_an_office_file_is_read() -> None:
    """Unstructured-IO/unstructured#3006: it was taken for a ZIP archive."""
    from email.message import EmailMessage

    inner, stream = docx.Document(), io.BytesIO()
    inner.add_paragraph("Onboarding")
    inner.save(stream)
    mail = EmailMessage()
    mail["From"] = "a@b.c"
    mail.set_content("see")
    mail.add_attachment(stream.getvalue(), maintype="application", subtype="zip", filename="plan")
    read = document(mail.as_bytes(), name="a.eml", attachments=True)
    assert read.text.endswith("Attachment: plan\n\nOnboarding")
