"""Mails as they are sent (.eml): headers, the text, and the attachments if they are asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from email.errors import HeaderParseError, MessageError
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from typing import NamedTuple

from prompture.document_errors import (
    DocumentEncrypted,
    DocumentError,
    DocumentTooLarge,
    DocumentUnreadable,
)
from prompture.documents import ReadOptions, read_bytes
from prompture.documents.blocks import BlockText, few
from prompture.documents.encodings import decoded, stated_name
from prompture.documents.web_pages import add_page
from prompture.documents.winmail import opened, signed_content
from prompture.errors import ConfigurationError
from prompture.types import FileDocument

HEADERS = ("From", "To", "Cc", "Date", "Subject")
_PART = re.compile(rb"^content-type[ \t]*:", re.IGNORECASE | re.MULTILINE)
_HOLDS_PARTS = re.compile(
    rb"^content-type[ \t]*:\s*(?:multipart|message)/", re.IGNORECASE | re.MULTILINE
)
_MOST_PARTS = 2000
_MOST_WORK = 20_000_000
"""Lines times levels: the parser hands each line through all levels above it."""
_DEEPEST = 60
_LONGEST_HEADER = 20_000
_FOLD = re.compile(r"\r?\n[ \t]*")
_POOR = 300
"""Characters of a plain text that may be a mere hint at the HTML beside it."""
_LEAST_PICTURE = 50_000
"""Bytes of a picture within a text that may be a scan; smaller ones are logos."""
_MOST_ATTACHMENTS = 200
_MAILS_DEEP = 4
"""Mails within mails that are read."""


class Body(NamedTuple):
    """A text of a mail: "plain" or "html", and a note where its encoding is a guess."""

    kind: str
    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that hangs on a mail. ``read`` is for what is no file by itself: a mail in a mail."""

    name: str
    data: bytes
    read: Callable[[ReadOptions], FileDocument] | None = None


def read(data: bytes, options: ReadOptions) -> FileDocument:
    """A mail. Raises DocumentError in its kinds."""
    return _written(_parsed(data, options), data, options)


def _parsed(data: bytes, options: ReadOptions) -> Message:
    levels, parts = len(_HOLDS_PARTS.findall(data)), len(_PART.findall(data))
    lines = data.count(b"\n") + data.count(b"\r")
    if parts > _MOST_PARTS or (levels * lines > _MOST_WORK and levels > 20):
        raise DocumentTooLarge(f"more than {_MOST_PARTS} parts, or too deep", name=options.name)
    if levels > 200:
        raise DocumentTooLarge("its parts are nested too deep", name=options.name)
    # An mbox begins its mails with such a line.
    data_of_mail = data.partition(b"\n")[2] if data.startswith(b"From ") else data
    try:
        return BytesParser(policy=compat32).parsebytes(data_of_mail.lstrip(b"\r\n"))
    except (MessageError, ValueError, LookupError, RecursionError) as exc:
        raise DocumentUnreadable(f"it is no mail ({exc})", name=options.name) from None


def _written(message: Message, data: bytes, options: ReadOptions) -> FileDocument:
    headers = [(name, header_of(message, name)) for name in HEADERS]
    inside = _unsealed(message, options)
    bodies = _bodies(inside, options)
    attached = list(_attached(inside))
    if not bodies:  # an invitation that is nothing else
        dates = [part for part in attached if part.get_content_type() == "text/calendar"][:1]
        bodies = [_body(part, options) for part in dates]
        attached = [part for part in attached if part not in dates]
    attachments: list[Attachment] = []
    for at, part in enumerate(attached, 1):
        one = _attachment(part, at)
        packed = opened(one.data, options)
        if packed is None or not (packed.files or packed.text.strip()):
            attachments.append(one)
            continue
        attachments += [Attachment(name, found) for name, found in packed.files]
        if not bodies and packed.text.strip():
            bodies = [Body("plain", packed.text)]
    if any(type(defect).__name__ in _CUT for part in inside.walk() for defect in part.defects):
        bodies.append(
            Body("plain", "", "it is cut off, or badly encoded: some of it may be missing")
        )
    return write_mail(headers, bodies, attachments, data, options)


_CUT = ("CloseBoundaryNotFoundDefect", "StartBoundaryNotFoundDefect", "InvalidBase64PaddingDefect",
        "InvalidBase64CharactersDefect", "InvalidBase64LengthDefect")  # fmt: skip
_SEALED = ("application/pkcs7-mime", "application/x-pkcs7-mime")


def _unsealed(message: Message, options: ReadOptions) -> Message:
    """The mail, or what a signed one is packed around. Raises DocumentEncrypted."""
    kind = message.get_content_type()
    if kind in _SEALED:
        if content := signed_content(_payload(message)):
            return _parsed(content, options)
        raise DocumentEncrypted(
            "the mail is encrypted (S/MIME): save it decrypted", name=options.name
        )
    if kind == "multipart/encrypted":
        raise DocumentEncrypted("the mail is encrypted (PGP): save it decrypted", name=options.name)
    return message


def header_of(message: Message, name: str) -> str:
    """A header's words, decoded, on one line; addresses that come in several headers together."""
    found = [value for key, value in message.raw_items() if key.lower() == name.lower()]
    return ", ".join(filter(None, (_words(str(value)) for value in found[:20])))


def _words(value: str) -> str:
    value = value[:_LONGEST_HEADER]
    if not value.isascii():  # bytes that stand there as they are
        value = _text_of(value.encode("utf-8", "surrogateescape"), None)
    value = _FOLD.sub(" ", value)
    if "=?" not in value:
        return value.strip()
    try:
        pieces = decode_header(value)
    except (HeaderParseError, ValueError):
        return value.strip()
    words = "".join(
        piece if isinstance(piece, str) else _text_of(piece, charset) for piece, charset in pieces
    )
    return words.strip() or value.strip()


def _text_of(data: bytes, charset: str | None) -> str:
    return _guessed(data, charset)[0]


def _guessed(data: bytes, charset: str | None) -> tuple[str, str]:
    """Bytes in the charset that is stated; a guess where they are not, and a note of it."""
    name = (charset or "").strip().lower()
    try:
        return decoded(data, stated=_NAMES.get(name, name))
    except DocumentError:
        return data.decode("latin-1"), ""


_NAMES = {"iso-8859-1": "cp1252", "us-ascii": "cp1252", "ascii": "cp1252", "gb2312": "gb18030",
          "gbk": "gb18030", "shift_jis": "cp932", "ks_c_5601-1987": "cp949", "utf-8": ""}  # fmt: skip
"""What mailers mean by these names."""


def _is_attached(part: Message) -> bool:
    if part.is_multipart() and part.get_content_maintype() == "multipart":
        return False
    if part.get_content_disposition() == "attachment" or part.get_content_maintype() == "message":
        return True
    kind = part.get_content_type()
    if kind not in ("text/plain", "text/html"):
        return True
    return bool(stated_name(part)) and part.get_content_disposition() != "inline"


def _children(part: Message, depth: int) -> list[Message]:
    found = part.get_payload()
    if depth > _DEEPEST or not isinstance(found, list):
        return []
    return [each for each in found if isinstance(each, Message)]


def _attached(part: Message, depth: int = 0) -> Iterator[Message]:
    if _is_attached(part):
        kind = part.get_content_type()
        # What a page is shown with, and receipts of mail programs, are no files of the user's.
        is_shown = part.get_content_maintype() == "image" and part.get("Content-ID")
        is_logo = (
            is_shown
            and part.get_content_disposition() != "attachment"
            and len(_payload(part)) < _LEAST_PICTURE
        )
        if not is_logo and kind not in _MACHINE:
            yield part
        return
    for child in _children(part, depth):
        yield from _attached(child, depth + 1)


_MACHINE = ("application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature",
            "message/delivery-status", "message/disposition-notification", "text/x-amp-html")  # fmt: skip


def _bodies(part: Message, options: ReadOptions, depth: int = 0) -> list[Body]:
    """The texts of a mail, in order: of alternatives the plain one, if it is more than a hint."""
    if _is_attached(part):
        return []
    children = _children(part, depth)
    if part.get_content_type() == "multipart/alternative":
        made = [found for child in children if (found := _bodies(child, options, depth + 1))]
        plain = next((m for m in made if all(body.kind == "plain" for body in m)), None)
        rich = next((m for m in made if any(body.kind == "html" for body in m)), None)
        return _better(plain, rich)
    if children or part.is_multipart():
        return [body for child in children for body in _bodies(child, options, depth + 1)]
    body = _body(part, options)
    return [body] if body.text.strip() else []


def _body(part: Message, options: ReadOptions) -> Body:
    """The text of a part."""
    data, charset = _payload(part), part.get_content_charset("")
    if options.encoding:
        text, note = decoded(data, options.encoding, name=options.name)
    else:
        text, note = _guessed(data, charset)
    if part.get_param("format", "") == "flowed" and part.get_content_subtype() == "plain":
        text = _unflowed(text, deletes_space=str(part.get_param("delsp", "")).lower() == "yes")
    return Body("html" if part.get_content_subtype() == "html" else "plain", text, note)


def _better(plain: list[Body] | None, rich: list[Body] | None) -> list[Body]:
    if plain is None or rich is None:
        return plain or rich or []
    words = " ".join(body.text for body in plain).strip()
    marked_up = "".join(body.text for body in rich)
    # "Your program cannot show this mail": the words are in the other one.
    if len(words) < _POOR and len(re.sub(r"<[^>]{0,5000}>", "", marked_up).split()) > 3 * len(
        words.split()
    ):
        return rich
    return plain


def _payload(part: Message) -> bytes:
    try:
        found = part.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError):
        return b""
    return found if isinstance(found, bytes) else b""


def _unflowed(text: str, *, deletes_space: bool) -> str:
    """Lines that a mailer broke (RFC 3676) are one again, those of a quote too."""
    made: list[str] = []
    goes_on, quotes = False, ""
    for line in text.replace("\r\n", "\n").split("\n"):
        words = line.lstrip(">")
        marks = line[: len(line) - len(words)]
        words = words.removeprefix(" ")
        is_signature = words == "-- "
        if goes_on and marks == quotes and not is_signature:
            made[-1] += words
        else:
            made.append(f"{marks} {words}" if marks else words)
        goes_on, quotes = words.endswith(" ") and not is_signature, marks
        if goes_on and deletes_space:
            made[-1] = made[-1][:-1]
    return "\n".join(made)


def _attachment(part: Message, at: int) -> Attachment:
    name = re.split(r"[/\\]", _words(stated_name(part)))[-1]
    if part.get_content_maintype() == "message":
        inner = _children(part, 0)
        if part.get_content_type() == "message/rfc822" and inner:
            subject = header_of(inner[0], "Subject")
            mail = inner[0]
            return Attachment(
                name or f"{subject or 'mail'}.eml", b"", lambda how: _written(mail, b"", how)
            )
    return Attachment(
        name or f"attachment {at}{_END.get(part.get_content_type(), '')}", _payload(part)
    )


_END = {"application/pdf": ".pdf", "text/csv": ".csv", "text/html": ".html", "text/plain": ".txt",
        "image/png": ".png", "image/jpeg": ".jpg", "text/calendar": ".ics"}  # fmt: skip


# What mails of all formats come to.


def write_mail(
    headers: Sequence[tuple[str, str]],
    bodies: Iterable[Body],
    attachments: Sequence[Attachment],
    data: bytes,
    options: ReadOptions,
) -> FileDocument:
    """A mail of any format: header lines, the body, and the attachments behind it."""
    into = BlockText(options)
    subject = next((value for name, value in headers if name == "Subject"), "")
    into.add("\n".join(f"{name}: {value}" for name, value in headers if value))
    for kind, text, note in bodies:
        if note and note not in into.notes:
            into.notes.append(note)
        if kind == "html":
            add_page(text, into, options.name)
        else:
            into.add(text.replace("\r\n", "\n").replace("\r", "\n"))
    into.end_page(subject)
    if attachments and not options.attachments:
        into.notes.append(
            f"attachments not read (attachments=True reads them): {few(_listed(attachments), 20)}"
        )
    made = into.finish(data, empty="the mail is empty")
    return _with(made, attachments, options) if options.attachments else made


def _listed(attachments: Sequence[Attachment]) -> list[str]:
    return [
        f"{each.name} ({len(each.data)} bytes)" if each.data else each.name for each in attachments
    ]


def _with(
    mail: FileDocument, attachments: Sequence[Attachment], options: ReadOptions
) -> FileDocument:
    """The mail with the texts of its attachments behind it, as further pages."""
    if len(attachments) > _MOST_ATTACHMENTS:
        raise DocumentTooLarge(f"more than {_MOST_ATTACHMENTS} attachments", name=options.name)
    text, pages, notes, images = mail.text, list(mail.pages), list(mail.notes), list(mail.images)
    for each in attachments:
        try:
            read = _read(each, options)
        except ConfigurationError as exc:
            reason = str(exc).removeprefix(f"{each.name}: ")
            notes.append(f"attachment {each.name} was not read: {reason}")
            continue
        # Between the two stands what belongs to neither; the page before takes it, so that the
        # boxes of the page behind begin with its text.
        text += f"\n\nAttachment: {each.name}\n\n"
        pages[-1] = replace(pages[-1], end=len(text))
        last = pages[-1].number
        pages += [
            replace(
                page,
                number=last + page.number,
                start=len(text) + page.start,
                end=len(text) + page.end,
                name=page.name or each.name,
            )
            for page in read.pages
        ]
        text += read.text
        if len(pages) > options.max_pages:
            raise DocumentTooLarge(f"more than max_pages={options.max_pages}", name=options.name)
        images += read.images
        notes += [f"{each.name}: {note}" for note in read.notes]
    return replace(mail, text=text, pages=tuple(pages), notes=tuple(notes), images=tuple(images))


def _read(attachment: Attachment, options: ReadOptions) -> FileDocument:
    if options.depth >= _MAILS_DEEP:
        raise DocumentError("it is nested too deep")
    # The encoding and the type that the caller states are the mail's own.
    how = replace(
        options, name=attachment.name, media_type="", encoding=None, depth=options.depth + 1
    )
    if attachment.read is not None:
        return attachment.read(replace(how, media_type=options.media_type))
    return read_bytes(attachment.data, how)
