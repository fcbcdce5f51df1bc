"""Files to text: ``document(path)`` reads a PDF, an office file, a mail, a page, a picture.

Each kind has a reader in a module of its own, imported when the first such file comes; what it
needs beside Python is in the extra ``documents`` (and ``ocr``).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypedDict, Unpack

from prompture import given
from prompture.document_errors import DocumentEmpty, DocumentTooLarge, DocumentUnsupported
from prompture.documents.kinds import (
    DOCX,
    ENCRYPTED_OFFICE,
    MSG,
    OPEN_DOCUMENTS,
    PPTX,
    UNSUPPORTED,
    XLSX,
    contradiction,
    extension_of,
    kind_of,
    named_kind,
)
from prompture.errors import ConfigurationError
from prompture.types import Document as Document
from prompture.types import File, FileDocument, Image, Text
from prompture.wire import deadline

OCR: TypeAlias = Literal["auto", "always", "never"]
_MB = 1_000_000


class DocumentOptions(TypedDict, total=False):
    """Keywords of ``document``, which explains them."""

    media_type: str | None
    password: str | None
    ocr: OCR
    encoding: str | None
    attachments: bool
    max_bytes: int
    max_unpacked: int
    max_pages: int
    max_pixels: int
    timeout: float
    allow_private: bool


@dataclass(slots=True)
class Unpacked:
    """Bytes that came out of packed files so far: of a mail, out of all its attachments."""

    count: int = 0

    def add(self, count: int) -> int:
        """Count some more, and return how many there are now."""
        self.count += count
        return self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How a file is to be read: the options of ``document``, and the file's name."""

    name: str = ""
    media_type: str = ""
    password: str | None = None
    ocr: OCR = "auto"
    encoding: str | None = None
    attachments: bool = False
    max_bytes: int = 200 * _MB
    max_unpacked: int = 500 * _MB
    max_pages: int = 5_000
    max_pixels: int = 100 * _MB
    timeout: float = 30.0
    allow_private: bool = False
    depth: int = 0
    """Mails around this file."""
    unpacked: Unpacked = field(default_factory=Unpacked, compare=False)


_PICTURES = ("png", "jpeg", "webp", "gif", "bmp", "tiff", "avif", "heic", "heif")
Reader: TypeAlias = Callable[[bytes, ReadOptions], FileDocument]
_READERS: dict[str, str] = {
    "application/pdf": "prompture.documents.pdf:read",
    "text/plain": "prompture.documents.plain:read",
    "text/markdown": "prompture.documents.plain:read",
    "application/json": "prompture.documents.plain:read",
    "application/xml": "prompture.documents.plain:read",
    DOCX: "prompture.documents.word:read",
    PPTX: "prompture.documents.slides:read",
    XLSX: "prompture.documents.sheets:read",
    **dict.fromkeys(OPEN_DOCUMENTS, "prompture.documents.open_document:read"),
    MSG: "prompture.documents.outlook:read",
    ENCRYPTED_OFFICE: "prompture.documents.packages:read_encrypted",
    "application/rtf": "prompture.documents.rtf:read",
    "message/rfc822": "prompture.documents.mail:read",
    "text/html": "prompture.documents.web_pages:read",
    "text/csv": "prompture.documents.plain:read_table",
    "text/tab-separated-values": "prompture.documents.plain:read_table",
    **dict.fromkeys((f"image/{kind}" for kind in _PICTURES), "prompture.documents.images:read"),
}
"""Where the reader of each kind is found."""


def document(
    source: object = None,
    *,
    url: str | None = None,
    name: str | None = None,
    **options: Unpack[DocumentOptions],
) -> FileDocument:
    """What a file holds: its text, and for each character its page and its place there.

    ``source`` is a path (``Path``, or a string, which names a file here), bytes, or an open
    file. ``password`` opens an encrypted file. ``ocr`` says whether pictures of text are read
    here: ``"auto"`` where a page has no text, ``"always"``, ``"never"``. ``encoding`` is that of a
    text file, which is detected otherwise. ``attachments`` adds those of a mail. ``max_bytes``,
    ``max_unpacked``, ``max_pages``, ``max_pixels`` are limits.

    ``url`` (http or https) is fetched, within ``timeout`` seconds for the whole, and not from an
    address of this machine or network unless ``allow_private``.

    Raises DocumentError (DocumentUnreadable, DocumentEncrypted, DocumentEmpty, DocumentTooLarge,
    DocumentUnsupported, DocumentUnavailable) with the file's name, MissingExtra,
    ConfigurationError for a path that names no file, and UnknownOption. Pictures that were not read
    are no error here: they are DocumentWithoutText when a model is asked that sees none.
    """
    given.only_known(options, DocumentOptions.__annotations__)
    chosen: dict[str, Any] = {k: v for k, v in options.items() if v is not None}
    how = ReadOptions(**chosen)
    if (source is None) == (url is None):
        raise ConfigurationError("document needs a file or url=..., one of the two")
    if url is None:
        data, own_name = _bytes_of(source, how)
    else:
        data, own_name, how = _fetched(url, how)
    how = replace(how, name=own_name if name is None else name)
    return read_bytes(data, how)


def read_bytes(data: bytes, how: ReadOptions) -> FileDocument:
    """The bytes of a file, read by the reader of their kind. Raises DocumentError."""
    if not data:
        raise DocumentEmpty("the file is empty (0 bytes)", name=how.name)
    deadline.check("before a file was read")
    kind = how.media_type or kind_of(data, how.name)
    reader = _READERS.get(kind)
    if reader is None:
        what = UNSUPPORTED.get(kind) or f"no reader for {kind or 'this kind of file'}"
        raise DocumentUnsupported(what, name=how.name)
    module, _, function = reader.partition(":")
    read: Reader = getattr(import_module(module), function)
    made = read(data, replace(how, media_type=kind))
    note = "" if how.media_type else contradiction(kind, how.name)
    return replace(made, notes=(note, *made.notes)) if note else made


async def adocument(
    source: object = None,
    *,
    url: str | None = None,
    name: str | None = None,
    **options: Unpack[DocumentOptions],
) -> FileDocument:
    """``document``, awaited: the file is fetched and read in a thread."""
    return await deadline.in_thread(partial(document, source, url=url, name=name, **options))


def is_read_by_name(name: str) -> bool:
    """Whether a file of this name may be read: its ending is known, or it has none."""
    return named_kind(name) in _READERS or not extension_of(name)


def shown(read: FileDocument) -> tuple[Text | Document | Image | File, ...]:
    """What of a file is sent: its text, if it has some, and its pictures. Of a picture that was
    read, the text stands for it (``prompture.extraction.document_turn`` has the picture sent instead)."""
    return (read,) if read.is_read_off else (read, *read.images)


def _bytes_of(source: object, how: ReadOptions) -> tuple[bytes, str]:
    """The bytes of a file, and its name."""
    most = how.max_bytes
    if isinstance(source, (bytes, bytearray, memoryview)):
        if memoryview(source).nbytes > most:
            raise _too_large(most, "")
        return bytes(source), ""
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        try:
            if not path.is_file():
                what = "is a folder" if path.is_dir() else "is no file"
                raise ConfigurationError(f"cannot read {path.name!r}: it {what}")
            with path.open("rb") as opened:
                data = opened.read(most + 1)
        except (OSError, ValueError) as exc:
            raise ConfigurationError(f"cannot read {path.name!r}: {given.why(exc)}") from exc
        name = path.name
    elif callable(read := getattr(source, "read", None)):
        name = os.path.basename(str(getattr(source, "name", "") or ""))
        data = _read_whole(source, read, most)
    else:
        raise given.wrong("source", "a path, bytes or an open binary file", source)
    if len(data) > most:
        raise _too_large(most, name)
    return data, name


def _read_whole(source: object, read: Callable[[int], object], most: int) -> bytes:
    """An open file to its end, or more than ``most`` bytes: pipes give what is there, not all."""
    made = bytearray()
    while len(made) <= most:
        piece = read(most + 1 - len(made))
        if isinstance(piece, str):  # it is open as text, and so already decoded
            piece = piece.encode("utf-8", "surrogatepass")
        elif not isinstance(piece, (bytes, bytearray)):
            raise given.wrong("source", "a path, bytes or an open binary file", source)
        if not piece:
            break
        made += piece
    return bytes(made)


def _fetched(url: object, how: ReadOptions) -> tuple[bytes, str, ReadOptions]:
    """The bytes behind a URL, their name, and options with the type that the server states."""
    from prompture.documents.download import DownloadLimits, download

    if not isinstance(url, str):
        raise given.wrong("url", "a text", url)
    given.seconds(how.timeout)
    limits = DownloadLimits(
        max_bytes=how.max_bytes, timeout=how.timeout, allow_private=how.allow_private is True
    )
    found = download(url, limits)
    # Servers call anything text/plain or octet-stream: the bytes are believed before them.
    stated = (
        "" if how.media_type or kind_of(found.data, found.name) in _READERS else found.media_type
    )
    return found.data, found.name, replace(how, media_type=how.media_type or stated)


def _too_large(most: int, name: str) -> DocumentTooLarge:
    return DocumentTooLarge(f"more than max_bytes={most}", name=name)
