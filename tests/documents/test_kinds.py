"""What kind of file bytes are."""

from __future__ import annotations

import gzip
import io
import struct
import sys
import tarfile
import zipfile

import pytest

from prompture import DocumentUnreadable, DocumentUnsupported, MissingExtra, document
from prompture.documents.kinds import DOCX, MSG, PPTX, XLSX, kind_of

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)


def zipped(**parts: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        for name, text in parts.items():
            packed.writestr("[Content_Types].xml" if name == "types" else name, text)
    return stream.getvalue()


def ole(name: str) -> bytes:
    return OLE + (name + "\0").encode("utf-16-le")


MAIL = b"Received: from a\r\nFrom: a@b.c\r\nSubject: x\r\nMIME-Version: 1.0\r\n\r\nHi"


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (b"%PDF-1.7\n...", "", "application/pdf"),
        (b"junk\n%PDF-1.4\n\xff", "x.txt", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n...", "a.pdf", "image/png"),
        (b"\xff\xd8\xff\xe0", "", "image/jpeg"),
        (b"II*\0", "", "image/tiff"),
        (zipped(types="... wordprocessingml.document.main+xml"), "", DOCX),
        (zipped(types="application/vnd.ms-word.document.macroEnabled.main+xml"), "a.zip", DOCX),
        (zipped(types="presentationml.slideshow.main"), "", PPTX),
        (zipped(types="spreadsheetml.sheet.main"), "a.docx", XLSX),
        (zipped(types="nothing of ours", **{"xl/workbook.xml": ""}), "", XLSX),
        (zipped(a="b"), "a.docx", "application/zip"),
        (ole("WordDocument"), "", "application/msword"),
        (ole("Workbook"), "", "application/vnd.ms-excel"),
        (ole("__properties_version1.0"), "", MSG),
        (b"{\\rtf1 x}", "a.doc", "application/rtf"),
        (b"<!DOCTYPE html><p>x", "", "text/html"),
        (b"\xef\xbb\xbf \n<HTML><body>x", "a.xls", "text/html"),
        (b"<!-- made by x -->\n<table><tr><td>1</table>", "a.xls", "text/html"),
        (b'<?xml version="1.0"?>\n<html xmlns="x"><p>a</html>', "", "text/html"),
        ("<html><p>ä".encode("utf-16"), "", "text/html"),
        (b'<?xml version="1.0"?><a/>', "", "application/xml"),
        (b"<note>hello</note>", "", "text/plain"),
        (b"plain <b>not html</b>", "", "text/plain"),
        (b"<p>kept</p>", "a.txt", "text/plain"),
        (b'{"a": 1}', "", "application/json"),
        (b"{not json}", "", "text/plain"),
        (MAIL, "", "message/rfc822"),
        (MAIL, "a.txt", "message/rfc822"),
        (b"From: Ann\nTo: Bob\nSubject: a letter\n\nHi", "a.txt", "text/plain"),
        (b"From: Ann\nTo: Bob\n\nHi", "a.eml", "message/rfc822"),
        (b"a,b\n1,2\n", "x.csv", "text/csv"),
        (b"a,b,c\n1,2,3\n4,5,6\n", "", "text/csv"),
        (b"a,b,c\n1,2,3\n4,5,6\n", "x.txt", "text/plain"),
        (b"a\tb\n1\t2\n3\t4", "x.xls", "text/csv"),
        (b"Dear Ann, yes, no\nmaybe, so, it\nthat, is, all\n", "", "text/plain"),
        (b"# Title\n", "x.MD", "text/markdown"),
        (b"def f(): pass", "x.py", "text/plain"),
        (b"not a pdf", "x.pdf", "application/pdf"),
        (b"\0\1\2\3\4\5\6\7" * 20, "x.docx", DOCX),
        (b"\0\1\2\3\4\5\6\7" * 20, "x.bin", ""),
    ],
)  # fmt: skip
def test_the_kind_of(data: bytes, name: str, kind: str) -> None:
    assert kind_of(data, name) == kind


def with_far_part() -> bytes:
    """An archive whose part is said to begin at a place that no file has."""
    data = bytearray(zipped(types="x"))
    listed, end = data.find(b"PK\x01\x02"), data.find(b"PK\x05\x06")
    far = struct.pack("<HHQ", 1, 8, 2**64 - 1000)
    struct.pack_into("<I", data, end + 12, end - listed + len(far))
    struct.pack_into("<H", data, listed + 30, len(far))
    struct.pack_into("<I", data, listed + 42, 0xFFFFFFFF)
    data[end:end] = far
    return bytes(data)


def packed_by_lzma(name: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_LZMA) as packed:
        packed.writestr(name, "x" * 1000)
    data = bytearray(stream.getvalue())
    data[60:90] = bytes(30)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (with_far_part(), DocumentUnsupported),
        (packed_by_lzma("mimetype"), DocumentUnsupported),
        (packed_by_lzma("word/document.xml"), DocumentUnreadable),
    ],
)
def test_what_the_module_of_archives_lets_through_is_typed(
    data: bytes, error: type[Exception]
) -> None:
    with pytest.raises(error):
        document(data)


def tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as made:
        made.addfile(tarfile.TarInfo("x"))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "advice"),
    [
        (ole("WordDocument"), "save it as .docx"),
        (ole("Workbook"), "save it as .xlsx"),
        (ole("PowerPoint Document"), "save it as .pptx"),
        (zipped(types="ms-excel.sheet.binary.macroEnabled.main"), "save it as .xlsx"),
        (zipped(mimetype="application/epub+zip"), "give its pages"),
        (zipped(a="b"), "unpack it"),
        (gzip.compress(b"x"), "unpack it"),
        (tar(), "unpack it"),
        (b"\x7fELF....", "a program"),
        (b"ID3.....", "sound"),
    ],
)
def test_what_nothing_reads_comes_with_advice(data: bytes, advice: str) -> None:
    with pytest.raises(DocumentUnsupported, match=advice):
        document(data)


def test_a_name_that_is_wrong_is_noted() -> None:
    assert document(b"a\tb\n1\t2\n3\t4", name="x.xls").notes == (
        "it is called .xls and was read as what it is, text/csv",
    )
    assert document(b"a", name="x.txt").notes == ()
    assert document(b"x", name="x.py").notes == ()


@pytest.mark.parametrize(
    ("module", "package", "data"),
    [
        ("selectolax.lexbor", "selectolax", b"<html><p>x"),
        ("olefile", "olefile", ole("__properties_version1.0")),
        (
            "charset_normalizer",
            "charset-normalizer",
            "xšþ yžð aþš bðž".encode("cp1252"),
        ),
    ],
)
def test_a_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch, module: str, package: str, data: bytes
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=rf"{package} is not installed; .*\[documents\]"):
        document(data)
