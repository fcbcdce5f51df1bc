"""Mails as Outlook keeps them (.msg)."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, formataddr
from typing import Any

from prompture.document_errors import DocumentError, DocumentTooLarge, DocumentUnreadable
from prompture.documents import ReadOptions
from prompture.documents.blocks import BlockText
from prompture.documents.encodings import decoded
from prompture.documents.mail import Attachment, Body, write_mail
from prompture.documents.rtf import add_rtf, unpacked
from prompture.errors import MissingExtra
from prompture.types import FileDocument

_SUBJECT, _BODY, _HTML, _RTF = "0037", "1000", "1013", "1009"
_SENDER, _SENDER_MAIL, _SENDER_SMTP = "0C1A", "0C1F", "5D01"
_TO, _CC = "0E04", "0E03"
_NAME, _SMTP, _MAIL = "3001", "39FE", "3003"
_SENT_AT, _CAME_AT, _KIND, _CODE_PAGES = 0x0039, 0x0E06, 0x0C15, (0x3FFD, 0x3FDE)
_FILE_NAMES, _FILE = ("3707", "3704", "3001"), "3701"
_MOST_STORAGES = 3000


class _Storage:
    """A message, a recipient or an attachment: a folder of properties in the file."""

    def __init__(self, ole: Any, path: tuple[str, ...]) -> None:
        self._ole = ole
        self._path = path
        raw = self.stream("__properties_version1.0")
        # A mail has 32 bytes before its entries, one within another 24, all else 8.
        top = path[-1] if path else ""
        skip = 32 if not path else 24 if top.startswith("__substg1.0_3701") else 8
        self._fixed: dict[int, bytes] = {}
        for at in range(skip, len(raw) - 15, 16):
            self._fixed[struct.unpack_from("<H", raw, at + 2)[0]] = raw[at + 8 : at + 16]
        page = next((n for code in _CODE_PAGES if (n := self.number(code))), 1252)
        self._encoding = "utf-8" if page == 65001 else f"cp{page}"

    def stream(self, name: str) -> bytes:
        path = [*self._path, name]
        if not self._ole.exists(path) or self._ole.get_type(path) != 2:
            return b""
        data: bytes = self._ole.openstream(path).read()
        return data

    def text(self, *tags: str) -> str:
        """The first of some properties that has words."""
        for tag in tags:
            if data := self.stream(f"__substg1.0_{tag}001F"):
                return data.decode("utf-16-le", "replace").strip("\0")
            if data := self.stream(f"__substg1.0_{tag}001E"):
                try:
                    return decoded(data.rstrip(b"\0"), stated=self._encoding)[0]
                except DocumentError:
                    continue
        return ""

    def binary(self, tag: str) -> bytes:
        return self.stream(f"__substg1.0_{tag}0102")

    def number(self, code: int) -> int:
        return int(struct.unpack_from("<i", self._fixed.get(code, bytes(8)))[0])

    def moment(self, code: int) -> str:
        """A time in hundreds of nanoseconds since 1601, as mails write it."""
        ticks = struct.unpack("<Q", self._fixed.get(code, bytes(8)))[0]
        try:
            return format_datetime(datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=ticks // 10)) if ticks else ""  # fmt: skip
        except (OverflowError, ValueError):
            return ""

    def inner(self, start: str) -> Iterator[_Storage]:
        """The storages within it whose names begin so."""
        depth = len(self._path)
        names = {
            path[depth]
            for path in self._ole.listdir(streams=False, storages=True)
            if len(path) > depth
            and tuple(path[:depth]) == self._path
            and path[depth].startswith(start)
        }
        for name in sorted(names):
            yield _Storage(self._ole, (*self._path, name))

    def embedded(self) -> _Storage | None:
        """The mail that an attachment is, None for a file."""
        path = (*self._path, f"__substg1.0_{_FILE}000D")
        return (
            _Storage(self._ole, path)
            if self._ole.exists([*path, "__properties_version1.0"])
            else None
        )


def read(data: bytes, options: ReadOptions) -> FileDocument:
    """A mail of Outlook. Raises DocumentError in its kinds, and MissingExtra."""
    try:
        import olefile
    except ImportError as missing:
        raise MissingExtra(extra="documents", package="olefile") from missing
    try:
        # Faults that it would only log are raised: the file is broken.
        with olefile.OleFileIO(io.BytesIO(data), raise_defects=olefile.DEFECT_INCORRECT) as ole:
            if len(ole.listdir(streams=False, storages=True)) > _MOST_STORAGES:
                raise DocumentTooLarge("too many parts", name=options.name)
            return _written(_Storage(ole, ()), data, options)
    except DocumentError:
        raise
    except (OSError, ValueError, struct.error, IndexError, KeyError, AttributeError, TypeError,
            RecursionError, OverflowError, MemoryError) as exc:  # fmt: skip
        raise DocumentUnreadable(f"the file is broken ({exc})", name=options.name) from None


def _written(mail: _Storage, data: bytes, options: ReadOptions) -> FileDocument:
    address = next((a for a in (mail.text(_SENDER_SMTP), mail.text(_SENDER_MAIL)) if "@" in a), "")
    people: dict[int, list[str]] = {}
    for each in mail.inner("__recip_version1.0_"):
        own = next((a for a in (each.text(_SMTP), each.text(_MAIL)) if "@" in a), "")
        people.setdefault(each.number(_KIND), []).append(_person(each.text(_NAME), own))
    headers = [
        ("From", _person(mail.text(_SENDER), address)),
        ("To", ", ".join(people.get(1, [])) or mail.text(_TO)),
        ("Cc", ", ".join(people.get(2, [])) or mail.text(_CC)),
        ("Date", mail.moment(_SENT_AT) or mail.moment(_CAME_AT)),
        ("Subject", mail.text(_SUBJECT)),
    ]
    attachments = [
        _attachment(each, at) for at, each in enumerate(mail.inner("__attach_version1.0_"), 1)
    ]
    return write_mail(headers, _body(mail, options), attachments, data, options)


def _person(name: str, address: str) -> str:
    if not address or name == address:
        return name or address
    return formataddr((name, address)) if name.isascii() else f"{name} <{address}>"


def _body(mail: _Storage, options: ReadOptions) -> list[Body]:
    if (plain := mail.text(_BODY)).strip():
        return [Body("plain", plain)]
    if html := mail.binary(_HTML).rstrip(b"\0"):
        return [Body("html", *decoded(html, name=options.name))]
    if (html_text := mail.text(_HTML)).strip():
        return [Body("html", html_text)]
    if packed := mail.binary(_RTF):
        into = BlockText(options)
        add_rtf(unpacked(packed, options), into, options.name)
        return [] if into.is_blank else [Body("plain", into.finish().text)]
    return []


def _attachment(storage: _Storage, at: int) -> Attachment:
    name = storage.text(*_FILE_NAMES) or f"attachment {at}"
    inner = storage.embedded()
    if inner is None:
        return Attachment(name, storage.binary(_FILE))
    subject = inner.text(_SUBJECT) or name
    return Attachment(f"{subject}.msg", b"", lambda how: _written(inner, b"", how))
