"""ZIP packages of XML parts, which office files are: bounded, and without anything from outside."""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from urllib.parse import unquote
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, TreeBuilder, XMLParser
from xml.parsers import expat

from prompture.document_errors import (
    DocumentEmpty,
    DocumentEncrypted,
    DocumentError,
    DocumentTooLarge,
    DocumentUnreadable,
    DocumentUnsupported,
)
from prompture.documents import ReadOptions, read_bytes
from prompture.documents.blocks import BlockText, counted
from prompture.documents.kinds import PACKINGS, ZIP_FAULTS
from prompture.errors import MissingExtra
from prompture.media import media_type_of
from prompture.types import FileDocument, Image

MOST_ENTRIES = 20_000
MOST_RATIO = 200
"""Unpacked bytes for each packed one; XML of a real office file has 5 to 60."""
_UNSUSPECTED = 20_000_000
"""Unpacked bytes up to which the ratio is nobody's concern: they are soon read."""
_MOST_OF_A_PART = 100_000_000
_MOST_MARKS = 3_000_000
"""Tags of a part that becomes a tree; each takes some 200 bytes."""
_DEEPEST = 250
_PIECE = 65_536
_READABLE = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp", "image/tiff")
_MOST_PICTURES = 100
_LEAST_BYTES = 4_000
"""Smaller ones are lines and logos."""


class Package:
    """An office file: its parts by name, with upper and lower case alike."""

    def __init__(self, data: bytes, options: ReadOptions) -> None:
        self._name = options.name
        try:
            self._packed = zipfile.ZipFile(io.BytesIO(data))
            entries = self._packed.infolist()
        except ZIP_FAULTS as exc:
            raise self.broken(exc) from None
        if len(entries) > MOST_ENTRIES:
            raise DocumentTooLarge(f"more than {MOST_ENTRIES} files in it", name=self._name)
        unpacked = sum(entry.file_size for entry in entries)
        if options.unpacked.add(unpacked) > options.max_unpacked:
            raise DocumentTooLarge(
                f"unpacked more than max_unpacked={options.max_unpacked}", name=self._name
            )
        if unpacked > max(_UNSUSPECTED, MOST_RATIO * len(data)):
            raise DocumentTooLarge(
                f"it unpacks to more than {MOST_RATIO} times its size: a bomb", name=self._name
            )
        if any(entry.flag_bits & 1 for entry in entries):
            raise DocumentEncrypted("its parts are encrypted", name=self._name)
        self._entries = {entry.filename.lstrip("/").lower(): entry for entry in entries}

    def broken(self, why: object) -> DocumentUnreadable:
        """The error of a part that cannot be read."""
        return DocumentUnreadable(f"the file is broken ({why})", name=self._name)

    def __contains__(self, part: str) -> bool:
        return part.lower() in self._entries

    def names(self, start: str) -> list[str]:
        """The parts in a folder."""
        return sorted(name for name in self._entries if name.startswith(start.lower()))

    def pieces(self, part: str) -> Iterator[bytes]:
        """The bytes of a part, bit by bit."""
        entry = self._entries.get(part.lower())
        if entry is None:
            raise self.broken(f"{part} is not in it")
        if entry.compress_type not in PACKINGS:
            raise self.broken(f"{part} is packed in a way that is not known")
        try:
            with self._packed.open(entry) as opened:
                while piece := opened.read(_PIECE):
                    yield piece
        except NotImplementedError as exc:
            raise self.broken(exc) from None
        except RuntimeError as exc:
            raise DocumentEncrypted(str(exc), name=self._name) from None
        except ZIP_FAULTS as exc:
            raise self.broken(exc) from None

    def read(self, part: str) -> bytes:
        """A part whole."""
        entry = self._entries.get(part.lower())
        if entry is not None and entry.file_size > _MOST_OF_A_PART:
            raise DocumentTooLarge(
                f"{part} is larger than {_MOST_OF_A_PART} bytes", name=self._name
            )
        return b"".join(self.pieces(part))

    def xml(self, part: str) -> Element:
        """A part as a tree of elements by their local names (``r:id`` for relations)."""
        data = self.read(part)
        if data.count(b"<") > _MOST_MARKS:
            raise DocumentTooLarge(f"{part} has more than {_MOST_MARKS} tags", name=self._name)
        parser = XMLParser(target=_Tree())  # noqa: S314 - document types are refused
        try:
            parser.feed(data)
            root: Element = parser.close()
        except _TooMuch as exc:
            raise DocumentTooLarge(f"{part} {exc}", name=self._name) from None
        except (ElementTree.ParseError, ValueError, LookupError) as exc:
            raise self.broken(f"{part}: {exc}") from None
        return root

    def scan(self, part: str, parser: expat.XMLParserType) -> None:
        """Feed a part to a parser with handlers of the caller's own."""
        parser.StartDoctypeDeclHandler = _no_doctype
        try:
            for piece in self.pieces(part):
                parser.Parse(piece, False)
            parser.Parse(b"", True)
        except DocumentError:
            raise
        except _TooMuch as exc:
            raise DocumentTooLarge(f"{part} {exc}", name=self._name) from None
        except (expat.ExpatError, ValueError, LookupError) as exc:
            raise self.broken(f"{part}: {exc}") from None

    def relations(self, part: str) -> dict[str, tuple[str, str]]:
        """What a part refers to by its ids: the end of its type, and the part; nothing outside."""
        folder, _, leaf = part.rpartition("/")
        listed = f"{folder}/_rels/{leaf}.rels".lstrip("/")
        if listed not in self:
            return {}
        found = {}
        for each in self.xml(listed):
            if each.get("TargetMode") == "External":
                continue
            target = unquote(each.get("Target") or "")
            path = target if target.startswith("/") else f"/{folder}/{target}"
            kind = (each.get("Type") or "").rpartition("/")[2]
            found[each.get("Id") or ""] = (kind, posixpath.normpath(path).lstrip("/"))
        return found

    def main(self, folder: str, usual: str) -> str:
        """The name of the part that the file is about."""
        for kind, part in self.relations("").values():
            if kind == "officeDocument" and part in self:
                return part
        return usual if usual in self else next(iter(self.names(folder)), usual)


class _TooMuch(ValueError):
    """What no office program writes."""


class _Tree(TreeBuilder):
    """Elements by their local names; no document types, and so no entities."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _TooMuch(f"is nested deeper than {_DEEPEST}")
        if attrs:
            attrs = {_attribute(name): value for name, value in attrs.items()}
        return super().start(tag.rpartition("}")[2], attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag.rpartition("}")[2])

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        _no_doctype(name)


def _attribute(name: str) -> str:
    space, _, local = name.rpartition("}")
    return f"r:{local}" if space.endswith("/relationships") else local


def _no_doctype(*_: object) -> None:
    raise ValueError("it has a document type, which office files never have")


def scanner() -> expat.XMLParserType:
    """A parser for ``Package.scan``; names come as ``namespace}local``."""
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    return parser


class Pictures:
    """The pictures of an office file, and the text that is read off them (``prompture.documents.images``).

    They are read like the pages of a PDF: where a page shows no other text, or always.
    """

    def __init__(self, package: Package, options: ReadOptions, into: BlockText) -> None:
        self._package = package
        self._options = options
        self._into = into
        self._known: dict[str, FileDocument | None] = {}
        self._sent: list[Image] = []
        self._count = self._words = 0
        self.always = options.ocr == "always"

    def add(self, parts: Iterable[str], *, is_blank: bool) -> bool:
        """Write down what the pictures of a page show, and return whether that is all its text."""
        listed = list(dict.fromkeys(parts))
        if not (self.always or is_blank):
            return False
        read = [found for part in listed if (found := self.read(part)) is not None]
        for found in read:
            self._into.add(found.text)
        words = [found for found in read if found.text.strip()]
        if is_blank:
            # Beside a text that was read off them, pictures are sent where each is a page.
            self._sent += [image for found in read for image in found.images]
        return is_blank and bool(words)

    def read(self, part: str) -> FileDocument | None:
        """A picture as a document, None where it is none that can be read."""
        if part not in self._known:
            self._known[part] = self._read(part)
        return self._known[part]

    def _read(self, part: str) -> FileDocument | None:
        if part not in self._package:
            return None
        data = self._package.read(part)
        kind = media_type_of(data) or ""
        if kind not in _READABLE or (len(data) < _LEAST_BYTES and not self.always):
            return None
        self._count += 1
        if self._count > _MOST_PICTURES:
            if self._count == _MOST_PICTURES + 1:
                self._into.notes.append(f"of its pictures the first {_MOST_PICTURES} were read")
            return None
        from prompture.documents import images

        leaf = part.rpartition("/")[2]
        try:
            found = images.read(data, replace(self._options, media_type=kind))
        except DocumentEmpty:
            return None
        except (DocumentUnreadable, DocumentTooLarge, DocumentUnsupported) as exc:
            reason = str(exc).removeprefix(f"{self._options.name}: ")
            self._into.notes.append(f"picture {leaf} was not read: {reason}")
            return None
        self._words += bool(found.text.strip())
        self._into.notes += [
            f"picture {leaf}: {note}" for note in found.notes if not note.endswith("read by OCR")
        ]
        return found

    def sent(self) -> tuple[Image, ...]:
        """Those that are sent to models that see, when all have been read."""
        if self._words:
            self._into.notes.append(f"{counted(self._words, 'picture')} read by OCR")
        return tuple(self._sent)


def pictures_in(package: Package, part: str, *kinds: str) -> list[str]:
    """The pictures that a part refers to, by itself or by its drawings."""
    found: list[str] = []
    for kind, target in package.relations(part).values():
        if kind == "image":
            found.append(target)
        elif kind in kinds:
            found += pictures_in(package, target)
    return found


_SPINS = re.compile(rb'spinCount="(\d{1,12})"')
_MOST_SPINS = 1_000_000
"""Rounds of hashing that a file may ask for; office programs take 100,000."""


def read_encrypted(data: bytes, options: ReadOptions) -> FileDocument:
    """An encrypted office file, opened. Raises DocumentEncrypted, and MissingExtra."""
    if options.password is None:
        raise DocumentEncrypted("it needs a password: password=...", name=options.name)
    try:
        import msoffcrypto
    except ImportError as missing:
        raise MissingExtra(extra="documents", package="msoffcrypto-tool") from missing
    if any(int(count) > _MOST_SPINS for count in _SPINS.findall(data)):
        raise DocumentTooLarge("its password takes too long to check", name=options.name)
    plain = io.BytesIO()
    try:
        opened = msoffcrypto.OfficeFile(io.BytesIO(data))
        opened.load_key(password=options.password, verify_password=True)
        opened.decrypt(plain)
    except msoffcrypto.exceptions.InvalidKeyError:
        raise DocumentEncrypted("the password is wrong", name=options.name) from None
    except Exception as exc:  # its parsers let through whatever a broken file brings up
        raise DocumentUnreadable(
            f"it is encrypted, and broken ({type(exc).__name__})", name=options.name
        ) from None
    return replace(read_bytes(plain.getvalue(), replace(options, media_type="")), data=data)
