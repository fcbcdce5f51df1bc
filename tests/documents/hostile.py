"""Files that are broken, or that were made to harm their reader: run in a child with limits.

Prints a line of JSON for each: its name, the error's type, seconds of CPU.
"""

from __future__ import annotations

import gzip
import io
import json
import resource
import struct
import sys
import time
import zipfile
from collections.abc import Iterator

from prompture import document
from prompture.errors import PromptureError

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
OFFICE = "http://schemas.openxmlformats.org"
TYPES = {
    "docx": ("word/document.xml", "wordprocessingml.document.main+xml"),
    "pptx": ("ppt/presentation.xml", "presentationml.presentation.main+xml"),
    "xlsx": ("xl/workbook.xml", "spreadsheetml.sheet.main+xml"),
}
LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(2, 12))
    + "]>"
).replace("&a1;", "&a;")


def package(kind: str, main: str | bytes, **parts: str | bytes) -> bytes:
    """An office file with a main part and what else is given."""
    path, content = TYPES[kind]
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(
            "[Content_Types].xml", f'<Types><Override ContentType="{content}"/></Types>'
        )
        packed.writestr(path, main)
        for name, text in parts.items():
            packed.writestr(name, text)
    return stream.getvalue()


def word(body: str) -> str:
    return f'<w:document xmlns:w="{OFFICE}/wordprocessingml/2006/main"><w:body>{body}</w:body></w:document>'


def workbook(sheet: str, **parts: str | bytes) -> bytes:
    main = (f'<workbook xmlns:r="{OFFICE}/officeDocument/2006/relationships"><sheets>'
            '<sheet name="S" r:id="r1"/></sheets></workbook>')  # fmt: skip
    relations = ('<Relationships><Relationship Id="r1" Type="x/worksheet" Target="worksheets/s.xml"/>'
                 '<Relationship Id="r2" Type="x/sharedStrings" Target="strings.xml"/></Relationships>')  # fmt: skip
    parts = {"xl/_rels/workbook.xml.rels": relations, "xl/worksheets/s.xml": sheet, **parts}
    return package("xlsx", main, **parts)


def encrypted_entry() -> bytes:
    data = bytearray(package("docx", word("<w:p/>")))
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        data[at + 8] |= 1
        at = data.find(b"PK\x01\x02", at + 4)
    return bytes(data)


def compound(*names: str) -> bytes:
    header = OLE + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<9I", 0, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)
    header = header.ljust(76, b"\0") + struct.pack("<I", 0) + b"\xff" * 432
    # Both sectors name themselves as the next one: a chain without an end.
    table = struct.pack("<128I", 0, 1, *[0xFFFFFFFF] * 126)
    listed = b"".join((n + "\0").encode("utf-16-le").ljust(128, b"\0") for n in names)
    return header + table + listed.ljust(512, b"\0")


def mail(*lines: str) -> bytes:
    return "\r\n".join(("From: a@b.c", "Subject: x", "MIME-Version: 1.0", *lines)).encode()


def nested_mail(depth: int) -> bytes:
    lines = []
    for level in range(depth):
        lines += [f'Content-Type: multipart/mixed; boundary="b{level}"', "", f"--b{level}"]
    return mail(*lines, "Content-Type: text/plain", "", "x")


def files() -> Iterator[tuple[str, bytes]]:
    """Names and bytes."""
    good = package("docx", word("<w:p><w:r><w:t>x</w:t></w:r></w:p>"))
    yield "cut.docx", good[: len(good) // 2]
    yield "garbage.docx", b"PK\x03\x04" + bytes(range(256)) * 40
    yield "text.docx", b"this is no package"
    yield "text.xlsx", b"this is no package"
    yield "noise.pptx", bytes(range(256)) * 40
    yield "flipped.docx", good[:80] + bytes(40) + good[120:]
    yield "empty.docx", b""
    yield "no-text.docx", package("docx", word("<w:p/>"))
    yield "no-body.docx", package("docx", "<document/>")
    yield "no-xml.docx", package("docx", "hello")
    yield "no-main.docx", package("docx", "").replace(b"word/document.xml", b"word/elsewhere.xm")
    yield "encrypted.docx", encrypted_entry()
    yield "encrypted-office.docx", compound("EncryptedPackage", "EncryptionInfo")
    yield "laughs.docx", package("docx", LAUGHS + "<x>&a11;</x>")
    yield (
        "external.docx",
        package("docx", '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>'),
    )
    yield "laughs.xlsx", workbook(LAUGHS + "<worksheet>&a11;</worksheet>")
    yield "deep.docx", package("docx", word("<w:sdt>" * 100_000 + "</w:sdt>" * 100_000))
    yield "bomb.docx", package("docx", b" " * 60_000_000)
    yield (
        "many-tags.docx",
        package(
            "docx",
            word("".join(f"<w:p><w:r><w:t>{n * n:x}</w:t></w:r></w:p>" for n in range(400_000))),
        ),
    )
    yield "bomb.xlsx", workbook("<worksheet>", **{"xl/strings.xml": b"<si/>" * 8_000_000})
    yield "entries.xlsx", package("xlsx", "<x/>", **{f"f{n}": "" for n in range(25_000)})
    yield "no-sheets.xlsx", package("xlsx", "<workbook/>")
    yield (
        "wide.xlsx",
        workbook(
            "<worksheet><sheetData>"
            + "".join(
                f'<row r="{n}"><c r="A{n}"><v>1</v></c>'
                + "".join(f'<c r="{c}{n}"><v>2</v></c>' for c in ("XFD", "MMM", "ZZ"))
                + "</row>"
                for n in range(1, 20_000)
            )
            + "</sheetData></worksheet>"
        ),
    )
    padding = bytes(i * 7919 % 251 for i in range(300_000))
    yield (
        "cells.xlsx",
        workbook(
            "<worksheet><sheetData>" + "<c/>" * 12_000_000 + "</sheetData></worksheet>",
            **{"xl/media/x": padding * 2},
        ),
    )
    yield (
        "rows.xlsx",
        workbook(
            "<worksheet><sheetData>"
            + '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row><row r="1"><c r="A1"><v>1</v></c></row>'
            + "</sheetData></worksheet>"
        ),
    )
    yield "cut.xlsx", workbook('<worksheet><sheetData><row r="1"><c r="A1"><v>1')
    yield "no-slides.pptx", package("pptx", "<presentation/>")
    yield "zip.zip", zipped_twice()
    yield "gzip.gz", gzip.compress(bytes(1_000_000))
    yield "old.doc", compound("WordDocument")
    yield "old.xls", compound("Workbook")
    yield "broken.msg", compound("__properties_version1.0")
    yield "cut.msg", OLE + "__properties_version1.0\0".encode("utf-16-le")
    yield "deep.html", b"<html>" + b"<div>" * 100_000 + b"x" + b"</div>" * 100_000
    yield (
        "formats.html",
        b"<html>" + b"".join(b"<b id=%d>" % n for n in range(390)) + b"<p>x" * 900_000,
    )
    yield "tags.html", b"<html>" + b"<br>" * 2_500_000
    yield "scripts.html", b"<html>" + b"<script>" * 300_000
    yield "nothing.html", b"<html><head><title></title></head><body><script>x</script></body>"
    yield "tables.html", b"<html>" + b"<table><tr><td>" * 30_000
    # One row, or one tag, makes all the others as wide.
    yield "columns.html", b"<html><table><tr><td colspan=1000>x<td>y" + b"<tr><td>z" * 100_000
    yield "spans.html", b"<html><table>" + (
        b"<tr><td colspan=2000 rowspan=1000>x" + b"<tr>" * 999
    ) * 300  # fmt: skip
    yield "columns.rtf", b"{\\rtf1 \\intbl " + b"x\\cell " * 20_000 + b"\\row x\\cell " * 20_000
    wide = '<w:tc><w:tcPr><w:gridSpan w:val="100"/></w:tcPr></w:tc>' * 500
    rows = "<w:tr><w:tc><w:p><w:r><w:t>x</w:t></w:r></w:p></w:tc></w:tr>" * 20_000
    yield "columns.docx", package("docx", word(f"<w:tbl><w:tr>{wide}</w:tr>{rows}</w:tbl>"))
    yield "empty-column.html", b"<html><table>" + b"<tr><td>x<td>y<td>" * 40_000
    yield "ends.html", b"<html><p>x" + b"<script></SCRIPT>" * 60_000
    yield "letters.rtf", b"{\\rtf1 " + b"\\'e4" * 1_000_000 + b"}"
    yield "deep.rtf", b"{\\rtf1 " + b"{" * 200_000
    yield "words.rtf", b"{\\rtf1 " + b"\\b\\i" * 5_000_000
    yield "bin.rtf", b"{\\rtf1 \\bin9999999999 }"
    yield "nothing.rtf", b"{\\rtf1 {\\pict 00}}"
    yield "parts.eml", mail(
        "Content-Type: multipart/mixed; boundary=b", "",
        *["--b\r\nContent-Type: text/plain\r\n\r\nx"] * 10_000,
    )  # fmt: skip
    yield "deep.eml", nested_mail(3000)
    yield "headers.eml", mail("X: " + "(" * 200_000)
    yield "nothing.eml", b"\r\n\r\n "
    yield "binary.txt", bytes(range(32)) * 100
    yield "blank.txt", b" \n" * 100_000
    yield "blank.csv", b",,,\n" * 100_000
    yield "cells.csv", b"x," * 30_000 + b"\n" + b"1\n" * 900


def zipped_twice() -> bytes:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a", bytes(50_000_000))
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("b.zip", inner.getvalue())
    return outer.getvalue()


def main() -> None:
    for name, data in files():
        if len(sys.argv) > 1 and name not in sys.argv[1:]:
            continue
        before = time.process_time()
        try:
            found = f"read {len(document(data, name=name).text)}"
        except PromptureError as exc:
            found = type(exc).__name__
            if name not in str(exc) and name:
                found += " without a name"
        except BaseException as exc:
            found = f"UNTYPED {type(exc).__name__}: {exc}"[:300]
        spent = time.process_time() - before
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(json.dumps([name, found, round(spent, 2), most]), flush=True)


if __name__ == "__main__":
    main()
