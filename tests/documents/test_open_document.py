"""OpenDocument files: their texts whole, as LibreOffice writes them."""

from __future__ import annotations

import io
import zipfile

import pytest

from prompture import DocumentEncrypted, DocumentTooLarge, DocumentUnreadable, document

SPACES = " ".join(f'xmlns:{name}="urn:{name}"' for name in
                  ("office", "text", "table", "draw", "style", "fo", "presentation", "xlink"))  # fmt: skip


def packed(kind: str, body: str, styles: str = "", **parts: str) -> bytes:
    content = f"<office:document-content {SPACES}><office:automatic-styles>{styles}</office:automatic-styles><office:body>{body}</office:body></office:document-content>"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("mimetype", f"application/vnd.oasis.opendocument.{kind}")
        made.writestr("content.xml", content)
        for name, text in parts.items():
            made.writestr(name, text)
    return stream.getvalue()


def text_of(body: str, styles: str = "", **parts: str) -> str:
    return document(packed("text", f"<office:text>{body}</office:text>", styles, **parts)).text


def test_a_text() -> None:
    body = """<text:tracked-changes><text:changed-region><text:deletion><text:p>gone</text:p></text:deletion></text:changed-region></text:tracked-changes>
      <text:h text:outline-level="2">Terms</text:h>
      <text:p>a<text:s text:c="2"/>b<text:tab/>c <text:span>d
        e</text:span><text:line-break/>f<office:annotation><text:p>comment</text:p></office:annotation></text:p>
      <text:p>Fact<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>see there</text:p></text:note-body></text:note></text:p>
      <text:p text:style-name="H">hidden</text:p>
      <text:p text:style-name="P">next page<draw:frame><draw:text-box><text:p>box</text:p></draw:text-box></draw:frame></text:p>"""
    styles = ('<style:style style:name="H" style:family="paragraph"><style:text-properties text:display="none"/></style:style>'
              '<style:style style:name="P" style:family="paragraph"><style:paragraph-properties fo:break-before="page"/></style:style>')  # fmt: skip
    common = f"<office:document-styles {SPACES}><office:master-styles><style:master-page><style:header><text:p>Head</text:p></style:header><style:footer><text:p>Foot</text:p></style:footer></style:master-page></office:master-styles></office:document-styles>"
    read = document(
        packed("text", f"<office:text>{body}</office:text>", styles, **{"styles.xml": common}),
        name="a.odt",
    )
    assert read.text == (
        "Head\n\n## Terms\n\na  b\tc d e\nf\n\nFact[^1]\n\nnext page\n\nbox\n\nFoot\n\n[^1]: see there"
    )
    assert [read.text[page.start :][:4] for page in read.pages] == ["Head", "next"]
    assert read.notes == ("tracked changes were read as accepted", "hidden text left out")


def test_lists_are_numbered() -> None:
    styles = """<text:list-style style:name="L"><text:list-level-style-number text:level="1" style:num-format="1" style:num-suffix="."/>
      <text:list-level-style-number text:level="2" style:num-format="a" style:num-suffix=")"/></text:list-style>
      <text:list-style style:name="B"><text:list-level-style-bullet text:level="1"/></text:list-style>"""
    item = "<text:list-item><text:p>{}</text:p>{}</text:list-item>"
    inner = f"<text:list>{item.format('x', '')}{item.format('y', '')}</text:list>"
    body = (
        f'<text:list text:style-name="L">{item.format("one", inner)}{item.format("two", "")}</text:list>'
        "<text:p>between</text:p>"
        f'<text:list text:style-name="L" text:continue-numbering="true">{item.format("three", "")}</text:list>'
        f'<text:list text:style-name="B">{item.format("dot", "")}</text:list>'
    )
    assert text_of(body, styles) == "1. one\n  a) x\n  b) y\n2. two\n\nbetween\n\n3. three\n- dot"


CELL = "<table:table-cell {}><text:p>{}</text:p></table:table-cell>"


def test_tables_of_a_text() -> None:
    rows = (f"<table:table-header-rows><table:table-row>{CELL.format('', 'a|b')}{CELL.format('', 'c')}</table:table-row></table:table-header-rows>"
            f"<table:table-row>{CELL.format('', 'wide')}<table:covered-table-cell/></table:table-row>"
            f"<table:table-row><table:covered-table-cell/>{CELL.format('', 'x')}</table:table-row>")  # fmt: skip
    assert text_of(f"<table:table>{rows}</table:table>") == (
        "| a\\|b | c |\n|---|---|\n| wide |  |\n|  | x |"
    )


def test_sheets_show_their_cells() -> None:
    comment = "<table:table-cell><office:annotation><text:p>no</text:p></office:annotation><text:p>12.50 €</text:p></table:table-cell>"
    sheet = (
        '<table:table table:name="One"><table:table-column/><table:table-column table:visibility="collapse"/><table:table-column table:number-columns-repeated="16382"/>'
        f"<table:table-row>{CELL.format('', 'Item')}{CELL.format('', 'secret')}{comment}<table:table-cell table:number-columns-repeated='16381'/></table:table-row>"
        f"<table:table-row table:number-rows-repeated='2'>{CELL.format('', 'same')}</table:table-row>"
        "<table:table-row><table:table-cell table:number-columns-repeated='16384'/></table:table-row>"
        f"<table:table-row table:visibility='filter'>{CELL.format('', 'filtered')}</table:table-row>"
        f"<table:table-row>{CELL.format('', 'below')}</table:table-row>"
        "<table:table-row table:number-rows-repeated='1048500'><table:table-cell/></table:table-row></table:table>"
        f'<table:table table:name="Two" table:style-name="t"><table:table-row>{CELL.format("", "x")}</table:table-row></table:table>'
    )
    styles = '<style:style style:name="t" style:family="table"><style:table-properties table:display="false"/></style:style>'
    read = document(
        packed("spreadsheet", f"<office:spreadsheet>{sheet}</office:spreadsheet>", styles),
        name="a.ods",
    )
    assert read.text == (
        "| Item |  | 12.50 € |\n|---|---|---|\n| same |  |  |\n| same |  |  |\n\n| below |\n|---|"
    )
    assert [page.name for page in read.pages] == ["One"]
    assert read.notes == ("1 hidden sheet left out: Two", "hidden text left out")


def test_slides_are_pages() -> None:
    frame = "<draw:frame {}><draw:text-box>{}</draw:text-box></draw:frame>"
    title = frame.format('presentation:class="title"', "<text:p>Title</text:p>")
    notes = f"<presentation:notes>{frame.format('presentation:class=' + chr(34) + 'notes' + chr(34), '<text:p>aside</text:p>')}</presentation:notes>"
    table = f"<draw:frame><table:table><table:table-row>{CELL.format('', 'a')}{CELL.format('', 'b')}</table:table-row></table:table><draw:image xlink:href='x.svm'/></draw:frame>"
    body = (f"<draw:page>{title}{frame.format('', '<text:p>words</text:p>')}{table}{notes}</draw:page>"
            f"<draw:page draw:style-name='h'>{title}</draw:page><draw:page><draw:custom-shape><text:p>last</text:p></draw:custom-shape></draw:page>")  # fmt: skip
    styles = '<style:style style:name="h" style:family="drawing-page"><style:drawing-page-properties presentation:visibility="hidden"/></style:style>'
    read = document(
        packed("presentation", f"<office:presentation>{body}</office:presentation>", styles),
        name="a.odp",
    )
    assert read.text == "# Title\n\nwords\n\n| a | b |\n|---|---|\n\nNotes: aside\n\nlast"
    assert [(page.number, page.name) for page in read.pages] == [(1, "Title"), (3, "")]
    assert read.notes == ("1 hidden slide left out",)


def test_encrypted_cut_and_hostile_files_are_typed_errors() -> None:
    whole = packed("text", "<office:text><text:p>x</text:p></office:text>")
    with pytest.raises(DocumentUnreadable, match=r"a\.odt"):
        document(whole[: len(whole) // 2], name="a.odt")
    with pytest.raises(DocumentEncrypted, match="password"):
        document(packed("text", "", **{"META-INF/manifest.xml": "<m><encryption-data/></m>"}))
    many = f"<table:table-row table:number-rows-repeated='1000000'>{CELL.format('table:number-columns-repeated=' + chr(39) + '16384' + chr(39), 'x')}</table:table-row>"
    with pytest.raises(DocumentTooLarge):
        document(
            packed(
                "spreadsheet",
                f"<office:spreadsheet><table:table>{many}</table:table></office:spreadsheet>",
            )
        )
    with pytest.raises(DocumentUnreadable):
        document(packed("text", "").replace(b"office:body", b"office:nody"), name="a.odt")
