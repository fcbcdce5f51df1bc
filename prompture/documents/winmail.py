"""What mail programs pack a mail into: Outlook's winmail.dat (TNEF), and S/MIME that is signed."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from prompture.document_errors import DocumentError
from prompture.documents import ReadOptions
from prompture.documents.encodings import decoded
from prompture.documents.rtf import unpacked

_MARK = b"\x78\x9f\x3e\x22"
# Attributes of the file, and properties within them (MS-OXTNEF).
_BODY, _NEXT_FILE, _TITLE, _DATA = 0x2800C, 0x69002, 0x18010, 0x6800F
_OF_MAIL, _OF_FILE = 0x69003, 0x69005
_TEXT, _RTF, _HTML, _LONG_NAME, _FILE = 0x1000, 0x1009, 0x1013, 0x3707, 0x3701
_SIZES = {2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 10: 4, 11: 4, 20: 8, 64: 8, 72: 16}
"""Bytes of the types of properties that are of one length, filled up to four."""
_CLASS_ID = 16
"""Bytes before a file that is kept as a property."""


@dataclass(slots=True)
class Winmail:
    """A winmail.dat: the mail's text, and its files by name."""

    text: str = ""
    files: list[tuple[str, bytes]] = field(default_factory=list)


def opened(data: bytes, options: ReadOptions) -> Winmail | None:
    """What a winmail.dat holds, None where it is broken or none."""
    if not data.startswith(_MARK):
        return None
    found = Winmail()
    html = packed = b""
    try:
        for code, value in _attributes(data):
            if code == _BODY:
                found.text = _words(value)
            elif code == _NEXT_FILE:
                found.files.append((f"attachment {len(found.files) + 1}", b""))
            elif code == _OF_MAIL:
                known = dict(_properties(value))
                found.text = found.text or _words(known.get(_TEXT, b""))
                html, packed = known.get(_HTML, b""), known.get(_RTF, b"")
            elif found.files and code in (_TITLE, _DATA, _OF_FILE):
                found.files[-1] = _file(code, value, *found.files[-1])
        if not found.text.strip():
            if html:
                found.files.insert(0, ("message.html", html))
            elif packed:
                found.files.insert(0, ("message.rtf", unpacked(packed, options)))
    except (struct.error, IndexError, ValueError, DocumentError):
        return None
    return found


def _file(code: int, value: bytes, name: str, data: bytes) -> tuple[str, bytes]:
    if code == _TITLE:
        return _words(value) or name, data
    if code == _DATA:
        return name, value
    known = dict(_properties(value))
    return _words(known.get(_LONG_NAME, b"")) or name, data or known.get(_FILE, b"")[_CLASS_ID:]


def _words(data: bytes) -> str:
    """Properties are in UTF-16 where their type is such: every text ends in as many zeros."""
    wide = data.endswith(b"\0\0") and len(data) % 2 == 0 and b"\0" in data[:-2][1::2]
    try:
        return data.decode("utf-16-le").strip("\0") if wide else decoded(data.rstrip(b"\0"))[0]
    except (UnicodeDecodeError, DocumentError):
        return data.decode("latin-1").strip("\0")


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 6
    while at + 9 <= len(data):
        code, size = struct.unpack_from("<II", data, at + 1)
        if at + 11 + size > len(data):
            raise ValueError("cut off")
        yield code, data[at + 9 : at + 9 + size]
        at += 11 + size
    if any(data[at:]):
        raise ValueError("cut off")


def _properties(data: bytes) -> Iterator[tuple[int, bytes]]:
    (count,) = struct.unpack_from("<I", data)
    at = 4
    for _ in range(min(count, 10_000)):
        kind, code = struct.unpack_from("<HH", data, at)
        at += 4
        if code >= 0x8000:  # it has a name of its own: a number, or words
            is_words, size = struct.unpack_from("<II", data, at + 16)
            at += 24 + (-(-size // 4) * 4 if is_words else 0)
        is_many, kind = kind & 0x1000, kind & 0x0FFF
        size = _SIZES.get(kind, 0)
        values = 1
        if is_many or not size:
            (values,) = struct.unpack_from("<I", data, at)
            at += 4
        value = b""
        for _ in range(min(values, 10_000)):
            if size:
                value, at = data[at : at + size], at + size
            else:
                (length,) = struct.unpack_from("<I", data, at)
                value = data[at + 4 : at + 4 + length]
                at += 4 + -(-length // 4) * 4
        yield code, value


_PLAIN_DATA = bytes.fromhex("06092a864886f70d010701")
"""The name of what is neither encrypted nor signed, in a signed mail of one piece."""
_OCTETS, _PIECES = 0x04, 0x24


def signed_content(data: bytes) -> bytes:
    """The mail within a signed one that is packed in binary (PKCS #7); b"" where it is not found.

    The signature is not checked.
    """
    at = data.find(_PLAIN_DATA)
    try:
        if at < 0 or data[at + len(_PLAIN_DATA)] != 0xA0:
            return b""
        at, _ = _header(data, at + len(_PLAIN_DATA))
        tag = data[at]
        at, size = _header(data, at)
        if tag == _OCTETS:
            return data[at : at + size]
        made = bytearray()
        end = at + size if size >= 0 else len(data)
        while tag == _PIECES and at < end and data[at] == _OCTETS:
            at, size = _header(data, at)
            made += data[at : at + size]
            at += size
        return bytes(made)
    except IndexError:
        return b""


def _header(data: bytes, at: int) -> tuple[int, int]:
    """Where the content of a field begins, and its size; -1 where marks end it."""
    first = data[at + 1]
    if first < 0x80:
        return at + 2, first
    count = first & 0x7F
    if not count:
        return at + 2, -1
    return at + 2 + count, int.from_bytes(data[at + 2 : at + 2 + min(count, 8)], "big")
