"""HTML, mails and RTF: what a reader sees of them."""

from __future__ import annotations

import base64
import struct
from email.message import EmailMessage
from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompture import (
    DocumentEmpty,
    DocumentEncrypted,
    DocumentTooLarge,
    DocumentUnreadable,
    document,
)
from prompture.documents import ReadOptions
from prompture.documents.html_bounds import check_bounds
from prompture.documents.rtf import unpacked
from prompture.documents.winmail import opened, signed_content
from tests.documents.hostile import package, word
from tests.documents.test_encodings import TABLES, table_of

pytest.importorskip("selectolax")

PAGES = {
    "title": ("<html><head><title>Order  12</title></head><body><p>x", "# Order 12\n\nx"),
    "title twice": ("<html><head><title>A</title></head><h1>A</h1>", "# A"),
    "inline": ("<p>a <b>b</b><i>c</i>&nbsp;&amp; <a href=u>d</a><br>e", "a bc & d\ne"),
    "hidden": ("<p>a<span hidden>b</span><span style='Display : none'>c</span><span style='font-size:0'>d</span>", "a"),
    "dropped": ("<nav>menu</nav><script>x</script><style>y</style><noscript>z</noscript><p>a<!-- b -->", "a"),
    "lists": ("<ul><li>a<ol start=4><li>b<li>c</ol><li>d</ul><p>e", "- a\n  4. b\n  5. c\n- d\n\ne"),
    "pre": ("<pre>a  b\n  c</pre>", "a  b\n  c"),
    "form": ("<p>Name <input value='Ann'><input type=hidden value=no><input type=checkbox checked>yes"
             "<select><option>x<option selected>y</select>", "Name Ann ☒ yes y"),
    "alt": ("<img src=x alt='ACME Ltd'><p>a", "ACME Ltd\n\na"),
    "table": ("<table><thead><tr><th>a<th>b|c<tbody><tr><td>1<td>2<br>3</table>", "| a | b\\|c |\n|---|---|\n| 1 | 2 3 |"),
    "spans": ("<table><tr><td rowspan=2>a<td colspan=2>b<tr><td>c<td>d</table>", "| a | b |  |\n|---|---|---|\n|  | c | d |"),
    "layout": ("<table><tr><td><p>Dear Ann<table><tr><td>x<td>1<tr><td>y<td>2</table></table>",
               "Dear Ann\n\n| x | 1 |\n|---|---|\n| y | 2 |"),
    "one column": ("<table><tr><td>a<tr><td>b</table>", "a\n\nb"),
    "table in a table": ("<table><tr><th>a<th>b<tr><td><table><tr><td>c<td>d</table><td>e</table>",
                         "| a | b |\n|---|---|\n| c d | e |"),
    "preheader": ("<div>\u200b&zwnj;&nbsp;&zwnj;&nbsp;</div><p>a", "a"),
    "unclosed": ("<div><p>a<p>b<div>c", "a\n\nb\n\nc"),
    "body missing": ("<table><tr><td>a<td>b</table>", "| a | b |\n|---|---|"),
}  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
def test_what_a_page_shows(name: str) -> None:
    page, text = PAGES[name]
    assert document(page.encode(), name="a.html").text == text


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ("iso-8859-1", "cp1252"),
        ("windows-1251", "cp1251"),
        ("GBK", "gb18030"),
        ("Shift_JIS", "cp932"),
    ],
)
def test_a_page_says_its_encoding(declared: str, encoding: str) -> None:
    text = {"cp1252": "“é” €", "cp1251": "да", "gb18030": "发票", "cp932": "請求書"}[encoding]
    data = f"<html><meta charset='{declared}'><p>{text}".encode(encoding)
    read = document(data, name="a.html")
    assert (read.text, read.notes) == (text, ())


@given(TABLES)
def test_any_table_comes_out_of_html(rows: list[list[str]]) -> None:
    body = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in rows)
    assert table_of(document(f"<table>{body}</table>".encode(), name="a.html").text) == [
        [" ".join(cell.split()) for cell in row] for row in rows
    ]


RTF = {
    "plain": (rb"{\rtf1\ansi Hello \b World\b0 !\par caf\'e9 \u8364? \emdash x\line y\tab z}", "Hello World!\n\ncafé € —x\ny\tz"),
    "fonts": (rb"{\rtf1\ansi{\fonttbl{\f0 A;}{\f1\fcharset204 B;}{\f2\fcharset128 C;}}\f1\'cf\'f0 \f2\'90\'bf}", "Пр 請"),
    "skipped": (rb"{\rtf1{\info{\title T}}{\*\generator G;}{\stylesheet{\s0 Normal;}}{\pict 0102}a}", "a"),
    "hidden": (rb"{\rtf1 a{\v no}{\deleted gone}b}", "ab"),
    "table": (rb"{\rtf1 \trowd\intbl a\cell b|c\cell\row\trowd\intbl d\cell e\cell\row\pard after}",
              "| a | b\\|c |\n|---|---|\n| d | e |\n\nafter"),
    "field": (rb"{\rtf1 {\field{\*\fldinst HYPERLINK x}{\fldrslt link}}}", "link"),
    "emoji": (rb"{\rtf1\uc1 \u-10179?\u-8704?}", "😀"),
    "pages": (rb"{\rtf1 a\page b}", "a\n\nb"),
    "headings": (rb"{\rtf1{\stylesheet{\s0 Normal;}{\s2\outlinelevel1 heading 2;}}\pard\s2 a\par\pard\outlinelevel0 b\par\pard c\par}",
                 "## a\n\n# b\n\nc"),
    "lists": (rb"{\rtf1{\listtext\pard\plain 1.\tab}one\par{\listtext\u61623\'3f\tab}dot\par}", "1.\tone\n\n•\tdot"),
    "bytes": (b"{\\rtf1 a\\bin3 \x00}}b}", "ab"),
    "escapes": (rb"{\rtf1 \{a\}\\\~b\_c\-d}", "{a}\\\xa0b\u2011cd"),
}  # fmt: skip


@pytest.mark.parametrize("name", RTF)
def test_what_rtf_shows(name: str) -> None:
    data, text = RTF[name]
    assert document(data, name="a.rtf").text == text


def test_packed_rtf_is_unpacked() -> None:
    # The example of MS-OXRTFCP 4.1.1.
    packed = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a00726370673132354232 0af32068656c09002062770 5b06c647d0a800fa0".replace(
            " ", ""
        )
    )
    assert unpacked(packed, ReadOptions()) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    stored = struct.pack("<IIII", 12 + 5, 5, 0x414C454D, 0) + b"{\\rtf"
    assert unpacked(stored, ReadOptions()) == b"{\\rtf"


def mail(**headers: str) -> EmailMessage:
    made = EmailMessage()
    made["From"] = "Änn <ann@example.com>"
    made["Subject"] = "Grüße 株式会社"
    for name, value in headers.items():
        made[name] = value
    return made


def test_a_mail() -> None:
    made = mail(To="bob@example.com", Date="Tue, 05 Mar 2024 10:00:00 +0000")
    made.set_content("Hello\nüber")
    made.add_alternative("<p>other</p>", subtype="html")
    made.add_attachment(b"item,sum\nx,1\n", maintype="text", subtype="csv", filename="täble.csv")
    made.add_attachment(
        b"\x7fELF", maintype="application", subtype="octet-stream", filename="x.bin"
    )
    inner = mail()
    inner.set_content("within")
    made.add_attachment(inner)
    read = document(made.as_bytes(), name="a.eml")
    head = (
        "From: Änn <ann@example.com>\nTo: bob@example.com\nDate: Tue, 05 Mar 2024 10:00:00 +0000\n"
        "Subject: Grüße 株式会社\n\nHello\nüber"
    )
    assert read.text == head
    assert "täble.csv (13 bytes), x.bin (4 bytes), Grüße 株式会社.eml" in read.notes[0]
    read = document(made.as_bytes(), name="a.eml", attachments=True)
    assert read.text == (
        f"{head}\n\nAttachment: täble.csv\n\n| item | sum |\n|---|---|\n| x | 1 |\n\n"
        "Attachment: Grüße 株式会社.eml\n\nFrom: Änn <ann@example.com>\nSubject: Grüße 株式会社\n\nwithin"
    )
    assert read.notes == ("attachment x.bin was not read: a program",)
    starts = [(page.number, read.text[page.start :][:5], page.name) for page in read.pages]
    assert starts == [
        (1, "From:", "Grüße 株式会社"),
        (2, "| ite", "täble.csv"),
        (3, "From:", "Grüße 株式会社"),
    ]
    assert read.pages[-1].end == len(read.text)


def raw(*lines: str, encoding: str = "utf-8") -> bytes:
    return "\r\n".join(("MIME-Version: 1.0", "From: a@b.c", *lines)).encode(encoding)


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (raw("Content-Type: text/html", "", "<p>only <b>HTML</b>"), "only HTML"),
        (raw("Content-Type: text/plain; charset=iso-8859-1", "", "“é”", encoding="cp1252"), "“é”"),
        (raw("Content-Type: text/plain; charset=no-such", "", "é"), "é"),
        (raw("", "né", encoding="latin-1"), "né"),
        (raw("Content-Transfer-Encoding: base64", "", "SGVsbG8="), "Hello"),
        (raw("Content-Type: text/plain; format=flowed", "", "one ", "line", "two"), "one line\ntwo"),
        (raw("Content-Type: multipart/alternative; boundary=b", "", "--b", "", "See HTML.", "--b",
             "Content-Type: text/html", "", "<p>" + "words of the real mail " * 5, "--b--"),
         ("words of the real mail " * 5).strip()),
        (raw("Content-Type: multipart/mixed; boundary=b", "", "--b", "", "one", "--b", "", "two", "--b--"),
         "one\n\ntwo"),
        (raw("Content-Type: multipart/mixed; boundary=b", "", "--b", "", "cut off"), "cut off"),
        (b"From a@b.c Tue Mar  5\r\n" + raw("", "of a mailbox"), "of a mailbox"),
    ],
)  # fmt: skip
def test_the_body_of_a_mail(data: bytes, body: str) -> None:
    assert document(data, name="a.eml").text == f"From: a@b.c\n\n{body}"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("=?utf-8?b?R3LD?= =?utf-8?b?vMOfZQ==?=", "Grüße"),
        ("=?no-such?q?abc?=", "abc"),
        ("=?utf-8?b?!!!?=", "=?utf-8?b?!!!?="),
        ("a\r\n folded", "a folded"),
        ("Grüße", "Grüße"),
    ],
)
def test_a_header_is_decoded(line: str, shown: str) -> None:
    read = document(raw(f"Subject: {line}", "", "x"), name="a.eml")
    assert read.text == f"From: a@b.c\nSubject: {shown}\n\nx"


def test_nothing_is_empty() -> None:
    with pytest.raises(DocumentEmpty):
        document(b"<html><script>x</script>", name="a.html")
    with pytest.raises(DocumentUnreadable):
        document(b"no rtf", media_type="application/rtf")


def mailed(*lines: str, body: bytes = b"") -> bytes:
    head = ("From: a@b.c", "Subject: x", "MIME-Version: 1.0", *lines, "", "")
    return "\r\n".join(head).encode() + body


def test_flowed_lines_are_joined_and_those_of_quotes_too() -> None:
    """RFC 3676: with DelSp=yes the blank at the end was put in by the mailer."""
    words = b"Konto DE89 3704 \r\n0044 ist 12.3 \r\n45,00\r\n> alt \r\n> weiter\r\n>> tief\r\n-- \r\nSig\r\n"
    kind = "Content-Type: text/plain; charset=utf-8; format=flowed"
    text = document(mailed(kind, body=words), name="a.eml").text
    assert text.endswith("Konto DE89 3704 0044 ist 12.3 45,00\n> alt weiter\n>> tief\n-- \nSig")
    text = document(mailed(kind + "; DelSp=yes", body=words), name="a.eml").text
    assert text.endswith("Konto DE89 37040044 ist 12.345,00\n> altweiter\n>> tief\n-- \nSig")


def test_a_cut_mail_and_a_guessed_encoding_are_noted() -> None:
    cut = base64.b64encode("Größe 5 €, und mehr".encode())[:-5]
    read = document(mailed("Content-Transfer-Encoding: base64", body=cut), name="a.eml")
    assert read.text.endswith("Größe 5 €, und m")
    assert "cut off" in read.notes[0]
    parts = b"--b\r\nContent-Type: text/plain\r\n\r\nhello"
    [note] = document(mailed("Content-Type: multipart/mixed; boundary=b", body=parts)).notes
    assert "cut off" in note
    read = document(mailed(body="Částka 100 Kč".encode("cp1250")), name="a.eml")
    assert read.text.endswith("Částka 100 Kč")
    assert "Windows-1250, which is a guess" in read.notes[0]


def test_an_invitation_that_is_nothing_else_is_read() -> None:
    read = document(mailed("Content-Type: text/calendar; method=REQUEST", body=b"SUMMARY:Budget"))
    assert (read.text.endswith("\n\nSUMMARY:Budget"), read.notes) == (True, ())


def test_an_encrypted_mail_is_an_error_and_a_signed_one_is_opened() -> None:
    kind = "Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m"
    with pytest.raises(DocumentEncrypted, match=r"a\.eml: the mail is encrypted \(S/MIME\)"):
        document(mailed(kind, body=b"0\x80abc"), name="a.eml")
    with pytest.raises(DocumentEncrypted, match="PGP"):
        document(mailed("Content-Type: multipart/encrypted; boundary=b", body=b"--b--"))
    inner = b"Content-Type: text/plain; charset=utf-8\r\n\r\nTotal 12.50"
    name = bytes.fromhex("06092a864886f70d010701")
    whole = name + b"\xa0" + bytes((len(inner) + 2,)) + b"\x04" + bytes((len(inner),)) + inner
    pieces = b"".join(b"\x04\x05" + inner[at : at + 5] for at in range(0, len(inner), 5))
    for packed in (whole, name + b"\xa0\x80\x24\x80" + pieces + bytes(4)):
        data = mailed(
            "Content-Type: application/pkcs7-mime; smime-type=signed-data",
            "Content-Transfer-Encoding: base64",
            body=base64.encodebytes(b"0\x80" + packed + b"signature"),
        )
        assert document(data).text.startswith("From: a@b.c\nSubject: x\n\nTotal 12.50")


def winmail(*attributes: tuple[int, bytes]) -> bytes:
    made = b"\x78\x9f\x3e\x22\0\0"
    for code, value in attributes:
        made += b"\x02" + struct.pack("<II", code, len(value)) + value + b"\0\0"
    return made


def test_winmail_dat_is_opened() -> None:
    name = "Liste März.csv\0".encode("utf-16-le")
    long_name = struct.pack("<IHHII", 1, 0x1F, 0x3707, 1, len(name)) + name + bytes(-len(name) % 4)
    data = winmail(
        (0x2800C, b"Total 77.00\0"), (0x69002, bytes(14)), (0x18010, b"LISTE~1.CSV\0"),
        (0x6800F, b"a,b,c\n1,2,3\n4,5,6\n"), (0x69005, long_name),
    )  # fmt: skip
    packed = mailed(
        "Content-Type: application/ms-tnef; name=winmail.dat",
        "Content-Transfer-Encoding: base64",
        body=base64.encodebytes(data),
    )
    read = document(packed)
    assert read.text.endswith("\n\nTotal 77.00")
    assert "Liste März.csv (18 bytes)" in read.notes[0]
    assert document(packed, attachments=True).text.endswith("| 4 | 5 | 6 |")
    cut = mailed("Content-Type: application/ms-tnef; name=winmail.dat", body=data[:60])
    assert "winmail.dat" in document(cut, name="a.eml").notes[0]


@given(st.binary(max_size=200))
def test_any_bytes_of_winmail_or_a_signature_are_typed(data: bytes) -> None:
    opened(b"\x78\x9f\x3e\x22" + data, ReadOptions())
    signed_content(bytes.fromhex("06092a864886f70d010701a0") + data)


def test_unpacked_bytes_are_bounded_over_a_whole_mail() -> None:
    mail = EmailMessage()
    mail.set_content("see")
    for at in range(3):
        data = package("docx", word("<w:p><w:r><w:t>words</w:t></w:r></w:p>"), pad=b" " * 1000)
        mail.add_attachment(data, maintype="application", subtype="zip", filename=f"{at}.docx")
    read = document(mail.as_bytes(), name="a.eml", attachments=True, max_unpacked=3000)
    assert read.text.count("words") == 2
    assert read.notes == ("attachment 2.docx was not read: unpacked more than max_unpacked=3000",)


def test_a_large_picture_within_the_text_is_an_attachment() -> None:
    for size, noted in ((1000, False), (60_000, True)):
        part = b"--b\r\nContent-Type: text/plain\r\n\r\nsee\r\n--b\r\nContent-Type: image/png\r\nContent-ID: <i>\r\n\r\n"
        data = mailed(
            "Content-Type: multipart/related; boundary=b", body=part + b"x" * size + b"\r\n--b--"
        )
        assert bool(document(data).notes) is noted


@pytest.mark.parametrize(
    ("before", "each"),
    [
        ("", "<div>"),
        ("<i title='<script>'></i>", "<div>"),
        ('<i title = "<!--"></i>', "<div>"),
        ("<!-->", "<div>"),
        ("<!-- --!>", "<div>"),
        ("<!x <script>", "<div>"),
        ("<svg><style>", "<g>"),
        ("<\u017fcript>", "<div>"),
        ("", "<div></i>"),
        ("", "<li-x>"),
        ("", "<lin\u212a>"),
    ],
)
def test_what_a_parser_takes_for_nested_is_counted(before: str, each: str) -> None:
    with pytest.raises(DocumentTooLarge, match="nested"):
        check_bounds(before + each * 500, "a.html")


@pytest.mark.parametrize(
    "each",
    [
        "<div></DIV>",
        "<br>",
        "<li>x",
        "<script>'<div>'</SCRIPT>",
        "<style><div></style>",
        "<!-- <div> -->",
        "<i title='<div>'></i>",
        "<a href=x?a=b></a>",
        '<i title="it\'s"></i>',
        "<svg><title>x</title></svg>",
    ],
)
def test_what_is_not_nested_is_no_fault(each: str) -> None:
    check_bounds(each * 500, "a.html")


def test_an_attachment_is_named_in_an_encoding_that_is_none() -> None:
    mail = (
        b"From: a@b.c\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\n\r\nHi\r\n--b\r\nContent-Type: text/csv\r\n"
        b"Content-Disposition: attachment; filename*=idna''abc\r\n\r\nx\r\n--b--\r\n"
    )
    read = document(mail, name="a.eml", attachments=True)
    assert read.text.endswith("Hi\n\nAttachment: attachment 1.csv\n\n| x |\n|---|")
