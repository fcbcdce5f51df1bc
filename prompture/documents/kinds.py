"""What kind of file bytes are: what they show, then what the name says."""

from __future__ import annotations

import csv
import io
import json
import re
import struct
import zipfile
import zlib
from collections import Counter
from contextlib import suppress
from pathlib import PurePath

from prompture.document_errors import DocumentError
from prompture.documents.encodings import decoded, looks_binary
from prompture.media import media_type_of

_OFFICE = "application/vnd.openxmlformats-officedocument"
DOCX = f"{_OFFICE}.wordprocessingml.document"
PPTX = f"{_OFFICE}.presentationml.presentation"
XLSX = f"{_OFFICE}.spreadsheetml.sheet"
XLSB = "application/vnd.ms-excel.sheet.binary.macroenabled.12"
MSG = "application/vnd.ms-outlook"
ENCRYPTED_OFFICE = "application/x-encrypted-office"
OPEN_DOCUMENTS = tuple(
    f"application/vnd.oasis.opendocument.{kind}" for kind in ("text", "spreadsheet", "presentation")
)
_ZIP = "application/zip"
PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Those of office files. What unpacks the others raises errors of its own."""
ZIP_FAULTS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, KeyError, RuntimeError,
              IndexError, OverflowError, struct.error)  # fmt: skip
"""What the packer's module lets through where a file is broken; RuntimeError where it is encrypted."""
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ARCHIVES = (
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\0", "application/x-xz"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"SQLite format 3\0", "application/vnd.sqlite3"),
    (b"PAR1", "application/vnd.apache.parquet"),
    (b"\x7fELF", "application/x-executable"),
    (b"MZ\x90\0", "application/x-executable"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"\x1aE\xdf\xa3", "video/x-matroska"),
)
_MAIN_PARTS = (
    (b"wordprocessingml.document.main", DOCX),
    (b"wordprocessingml.template.main", DOCX),
    (b"ms-word.document.macroenabled", DOCX),
    (b"ms-word.template.macroenabled", DOCX),
    (b"presentationml.presentation.main", PPTX),
    (b"presentationml.slideshow.main", PPTX),
    (b"presentationml.template.main", PPTX),
    (b"ms-powerpoint.", PPTX),
    (b"ms-excel.sheet.binary", XLSB),
    (b"spreadsheetml.sheet.main", XLSX),
    (b"spreadsheetml.template.main", XLSX),
    (b"ms-excel.", XLSX),
)
_MAIN_NAMES = (("word/document", DOCX), ("ppt/presentation", PPTX), ("xl/workbook.bin", XLSB),
               ("xl/workbook", XLSX))  # fmt: skip
_OLE_STREAMS = (
    ("EncryptedPackage", ENCRYPTED_OFFICE),
    ("WordDocument", "application/msword"),
    ("Workbook", "application/vnd.ms-excel"),
    ("Book", "application/vnd.ms-excel"),
    ("PowerPoint Document", "application/vnd.ms-powerpoint"),
    ("__properties_version1.0", MSG),
)
_BY_NAME = {
    "md": "text/markdown", "markdown": "text/markdown", "csv": "text/csv",
    "tsv": "text/tab-separated-values", "tab": "text/tab-separated-values", "eml": "message/rfc822",
    "mht": "message/rfc822", "mhtml": "message/rfc822", "htm": "text/html", "html": "text/html",
    "xhtml": "text/html", "json": "application/json", "xml": "application/xml",
    "svg": "application/xml", "txt": "text/plain", "text": "text/plain", "log": "text/plain",
    "rtf": "application/rtf", "docx": DOCX, "docm": DOCX, "dotx": DOCX, "pptx": PPTX, "pptm": PPTX,
    "ppsx": PPTX, "xlsx": XLSX, "xlsm": XLSX, "xltx": XLSX, "xlsb": XLSB, "msg": MSG,
    "pdf": "application/pdf", "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg",
    "gif": "image/gif", "webp": "image/webp", "tif": "image/tiff", "tiff": "image/tiff",
    "bmp": "image/bmp", "avif": "image/avif", "heic": "image/heic", "heif": "image/heif",
    "p7m": "application/pkcs7-mime", "zip": _ZIP, "gz": "application/gzip", "doc": "application/msword",
    "xls": "application/vnd.ms-excel", "ppt": "application/vnd.ms-powerpoint",
    "mbox": "application/mbox", "odt": OPEN_DOCUMENTS[0], "ott": OPEN_DOCUMENTS[0],
    "ods": OPEN_DOCUMENTS[1], "ots": OPEN_DOCUMENTS[1], "odp": OPEN_DOCUMENTS[2], "epub": "application/epub+zip",
}  # fmt: skip
_LOOSE = ("text/", "application/json", "application/xml", "application/rtf", "message/", "application/msword",
          "application/vnd.ms-excel", "application/vnd.ms-powerpoint", "application/mbox")  # fmt: skip
"""Kinds that a text under such a name may well be, or be saved as by programs that export it."""
UNSUPPORTED = {
    "application/msword": "an old Word file (.doc): save it as .docx or PDF",
    "application/vnd.ms-excel": "an old Excel file (.xls): save it as .xlsx or CSV",
    "application/vnd.ms-powerpoint": "an old PowerPoint file (.ppt): save it as .pptx or PDF",
    "application/x-ole": "an old office file of an unknown kind: save it in a newer format",
    XLSB: "a binary Excel file (.xlsb): save it as .xlsx",
    "application/epub+zip": "a book (EPUB): unpack it and give its pages (HTML)",
    "application/pkcs7-mime": "an encrypted or signed file: save it decrypted",
    "application/mbox": "a mailbox: give its mails one by one (.eml)",
    _ZIP: "a ZIP archive: unpack it and give the files in it",
    "application/x-tar": "a TAR archive: unpack it and give the files in it",
    "application/x-7z-compressed": "a 7z archive: unpack it and give the files in it",
    "application/vnd.rar": "a RAR archive: unpack it and give the files in it",
    **{f"application/{name}": "a compressed file: unpack it first"
       for name in ("gzip", "x-bzip2", "x-xz", "zstd")},
    "application/vnd.sqlite3": "a database: give its rows as CSV or JSON",
    "application/vnd.apache.parquet": "a Parquet table: give its rows as CSV or JSON",
    "application/x-executable": "a program",
    **dict.fromkeys(("audio/mpeg", "audio/ogg", "audio/flac", "audio/wav"), "sound: give what is said in it as text"),
    **dict.fromkeys(("video/mp4", "video/x-matroska"), "a film: give what is said in it as text"),
}  # fmt: skip
"""What nothing here reads, and what to do."""
_HTML_START = re.compile(
    r"<(?:!doctype\s+html|(?:html|head|body|title|meta|link|style|script|table|div|p|span|h[1-6]|center|font|ul|ol"
    r"|section|article|main|header|nav|form|a|b|br|img|strong|em|pre)\b)", re.IGNORECASE)  # fmt: skip
_COMMENT = re.compile(r"<!--.{0,3000}?-->\s*", re.DOTALL)
_HEADER = re.compile(r"([A-Za-z][A-Za-z0-9-]{1,60}):(?:[ \t]|$)")
_OF_MAILS = {"received", "return-path", "mime-version", "message-id", "delivered-to", "dkim-signature",
             "x-mailer", "content-transfer-encoding"}  # fmt: skip
_OF_LETTERS = {"from", "to", "subject", "date", *_OF_MAILS}


def extension_of(name: str) -> str:
    """The end of a file's name, without its dot."""
    return PurePath(name.lower().replace("\\", "/")).suffix.removeprefix(".")


def named_kind(name: str) -> str:
    """The media type that a name states, or ""."""
    return _BY_NAME.get(extension_of(name), "")


def kind_of(data: bytes, name: str = "") -> str:
    """The media type of a file: what its bytes show, else its name. "" where neither does."""
    named = named_kind(name)
    if shown := _signature(data):
        # An office file that is cut off shows no more than a ZIP archive's first bytes.
        broken = (
            shown == _ZIP
            and named in (DOCX, PPTX, XLSX, *OPEN_DOCUMENTS)
            and not _is_whole_zip(data)
        )
        return named if broken else shown
    is_text = not looks_binary(data) or _is_wide_text(data)
    if not is_text:
        # Of a text's name nothing is left to believe: no reader could make words of it.
        return "" if named.startswith("text/") and named != "text/plain" else named
    text = _start_of(data)
    if found := _shown_by_text(text, named):
        return found
    if named and not named.startswith(_LOOSE):
        return named
    if named in ("application/rtf", "application/mbox") or named.startswith("application/ms"):
        return "text/plain"
    if named.startswith("application/vnd"):
        return "text/csv" if is_table(text) else "text/plain"
    if named == "message/rfc822" and not _HEADER.match(text.lstrip()) and text[:5] != "From ":
        return "text/plain"
    if named:
        return named
    if not extension_of(name) and is_table(text):
        return "text/csv"
    return "text/plain"


def contradiction(kind: str, name: str) -> str:
    """A note where a file is not what its name says, or ""."""
    named = named_kind(name)
    if not named or named == kind or not kind:
        return ""
    if kind in ("text/plain", "text/csv") and named.startswith("text/"):
        return ""
    if {kind, named} <= {"text/html", "application/xml", "text/plain", "application/json"}:
        return ""
    return f"it is called .{extension_of(name)} and was read as what it is, {kind}"


def _signature(data: bytes) -> str:
    """The kind of a file that begins with a mark of its own, or ""."""
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return _zipped(data)
    if data.startswith(_OLE):
        return _compound(data)
    if data[257:262] == b"ustar":
        return "application/x-tar"
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "audio/wav"
    for start, kind in _ARCHIVES:
        if data.startswith(start):
            return kind
    if data.startswith((b"\xef\xbb\xbf", b"{", b"<", b"[")):
        if data.lstrip(b"\xef\xbb\xbf \r\n\t")[:5].lower() == b"{\\rtf":
            return "application/rtf"
        return ""
    found = media_type_of(data)
    if found is None and data[4:8] == b"ftyp":
        return "video/mp4"
    if found == "application/pdf" and not re.search(rb"%PDF-\d", data[:2048]):
        return ""
    return found or ""


def _zipped(data: bytes) -> str:
    """Which of the formats that are ZIP archives."""
    with suppress(*ZIP_FAULTS), zipfile.ZipFile(io.BytesIO(data)) as packed:
        names = packed.namelist()[:20_000]
        if "[Content_Types].xml" in names:
            listed = _start_of_part(packed, "[Content_Types].xml", 1_000_000).lower()
            for part, kind in _MAIN_PARTS:
                if part in listed:
                    return kind
        for start, kind in _MAIN_NAMES:
            if any(each.lower().startswith(start) for each in names):
                return kind
        if "mimetype" in names:
            stated = _start_of_part(packed, "mimetype", 200)
            kind = stated.decode("ascii", "ignore").strip().lower()
            return kind.removesuffix("-template") or _ZIP
        return _ZIP
    # Broken: the names of its parts stand in it all the same, and its reader says what is wrong.
    for start, kind in _MAIN_NAMES:
        if start.encode() in data:
            return kind
    return _ZIP


def _start_of_part(packed: zipfile.ZipFile, name: str, most: int) -> bytes:
    entry = packed.getinfo(name)
    if entry.compress_type not in PACKINGS:
        raise zipfile.BadZipFile
    with packed.open(entry) as opened:
        return opened.read(most)


def _is_whole_zip(data: bytes) -> bool:
    with suppress(*ZIP_FAULTS), zipfile.ZipFile(io.BytesIO(data)) as packed:
        return bool(packed.namelist())
    return False


def _compound(data: bytes) -> str:
    """Which of the formats that are OLE files: by the names in its directory."""
    for stream, kind in _OLE_STREAMS:
        if (stream + "\0").encode("utf-16-le") in data:
            return kind
    return "application/x-ole"


def _is_wide_text(data: bytes) -> bool:
    try:
        decoded(data[:4096])
    except DocumentError:
        return False
    return True


def _start_of(data: bytes) -> str:
    # UTF-8 is cut between characters; of other encodings the marks that count here are ASCII.
    sample = data[:16_384]
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in sample[:64]:
        with suppress(DocumentError):
            return decoded(sample)[0]
    return sample.decode("utf-8", "ignore").removeprefix("\ufeff")


def _shown_by_text(text: str, named: str) -> str:
    """The kind that the beginning of a text shows, or ""."""
    start = text.lstrip()
    if start[:5].lower() == "{\\rtf":
        return "application/rtf"
    if start[:1] == "<" and named not in ("text/plain", "text/markdown", "application/xml"):
        after = _COMMENT.sub("", start) if start.startswith("<!--") else start
        if start[:5].lower() == "<?xml":
            after = re.sub(r"^<\?xml[^>]*>\s*", "", start)
            after = _COMMENT.sub("", after)
            if not re.match(r"<(?:!doctype\s+html|html)\b", after, re.IGNORECASE):
                return "application/xml"
        if _HTML_START.match(after):
            return "text/html"
        return ""
    if named in ("", "application/json") and start[:1] in ("{", "[") and _is_json(text):
        return "application/json"
    if named in ("", "text/plain") and _is_mail(start):
        return "message/rfc822"
    return ""


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError as exc:
        # A text that was cut off where it was looked at is as good.
        return len(text) >= 16_000 and getattr(exc, "pos", 0) > 8_000
    except RecursionError:
        return True
    return True


def _is_mail(text: str) -> bool:
    """Whether a text begins with the lines of a mail that was sent, not of a letter that was typed."""
    found: set[str] = set()
    for line in text.split("\n")[:60]:
        if not line.strip():
            break
        if line[:1] in " \t":
            continue
        header = _HEADER.match(line.rstrip("\r"))
        if header is None:
            return False
        found.add(header[1].lower())
    return len(found & _OF_LETTERS) >= 2 and bool(found & _OF_MAILS)


# Tables in text: what parts their cells.

DELIMITERS = (",", ";", "\t", "|")
_LOOKED_AT = 50
"""Lines by which the delimiter is chosen."""


def whole_lines(text: str) -> list[str]:
    """The lines, each with its end."""
    # Not splitlines: it also breaks at marks that may stand inside a cell.
    return [f"{line}\n" for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]


def delimiter_of(text: str, usual: str = ",") -> str:
    """The mark that parts most lines of a table into as many cells as each other."""
    best, most = usual, 0.0
    start = text[:200_000]
    for mark in (usual, *(m for m in DELIMITERS if m != usual)):
        if mark not in start:
            continue
        widths = _widths(start, mark)
        if not widths:
            continue
        width, lines = Counter(widths).most_common(1)[0]
        if width < 2:
            # A preamble may be longer than the table.
            width, lines = max(
                ((w, n) for w, n in Counter(widths).items() if w > 1), default=(1, 0)
            )
        # Commas inside numbers give rows of unlike width; the mark of the table does not.
        score = lines / len(widths) + min(width, 50) / 1000
        if width > 1 and score > most:
            best, most = mark, score
    return best


def _widths(text: str, mark: str) -> list[int]:
    found: list[int] = []
    try:
        for row in csv.reader(whole_lines(text)[: 20 * _LOOKED_AT], delimiter=mark):
            if row:
                found.append(len(row))
            if len(found) == _LOOKED_AT:
                break
    except csv.Error:
        return []
    return found


def is_table(text: str) -> bool:
    """Whether a text without a name is CSV for certain: three lines or more of as many cells."""
    lines = text.strip().split("\n")
    if len(lines) < 3:
        return False
    start = "\n".join(lines[:_LOOKED_AT])
    mark = delimiter_of(start)
    widths = _widths(start, mark)
    # Two columns with commas may as well be sentences.
    least = 2 if mark == "\t" else 3
    return len(widths) >= 3 and min(widths) == max(widths) >= least and ", " not in lines[0]
