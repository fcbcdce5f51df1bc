"""Mails as they are sent (.eml): headers, the text, and the attachments if they are asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.errors import HeaderParseError, MessageError
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32

from prompture.document_errors import DocumentError, DocumentTooLarge, DocumentUnreadable
from prompture.documents import ReadOptions
from prompture.documents.encodings import decoded
from prompture.documents.mail_parts import Attachment, write_mail
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

Part = Message


def read(data: bytes, options: ReadOptions) -> FileDocument:
    """A mail. Raises DocumentError in its kinds."""
    levels, parts = len(_HOLDS_PARTS.findall(data)), len(_PART.findall(data))
    lines = data.count(b"\n") + data.count(b"\r")
    if parts > _MOST_PARTS or (levels * lines > _MOST_WORK and levels > 20):
        raise DocumentTooLarge(f"more than {_MOST_PARTS} parts, or too deep", name=options.name)
    if levels > 200:
        raise DocumentTooLarge("its parts are nested too deep", name=options.name)
    # An mbox begins its mails with such a line.
    data_of_mail = data.partition(b"\n")[2] if data.startswith(b"From ") else data
    try:
        message = BytesParser(policy=compat32).parsebytes(data_of_mail.lstrip(b"\r\n"))
    except (MessageError, ValueError, LookupError, RecursionError) as exc:
        raise DocumentUnreadable(f"it is no mail ({exc})", name=options.name) from None
    return _written(message, data, options)


def _written(message: Message, data: bytes, options: ReadOptions) -> FileDocument:
    headers = [(name, header_of(message, name)) for name in HEADERS]
    bodies = _bodies(message, options)
    attachments = [_attachment(part, at) for at, part in enumerate(_attached(message), 1)]
    return write_mail(headers, bodies, attachments, data, options)


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
    """Bytes in the charset that is stated; a guess where they are not."""
    name = (charset or "").strip().lower()
    try:
        return decoded(data, stated=_NAMES.get(name, name))[0]
    except DocumentError:
        return data.decode("latin-1")


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
    return part.get_filename() is not None and part.get_content_disposition() != "inline"


def _children(part: Message, depth: int) -> list[Message]:
    found = part.get_payload()
    if depth > _DEEPEST or not isinstance(found, list):
        return []
    return [each for each in found if isinstance(each, Message)]


def _attached(part: Message, depth: int = 0) -> Iterator[Message]:
    if _is_attached(part):
        kind = part.get_content_type()
        # What a page is shown with, and receipts of mail programs, are no files of the user's.
        if not (part.get_content_maintype() == "image" and part.get("Content-ID") and
                part.get_content_disposition() != "attachment") and kind not in _MACHINE:  # fmt: skip
            yield part
        return
    for child in _children(part, depth):
        yield from _attached(child, depth + 1)


_MACHINE = ("application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature",
            "message/delivery-status", "message/disposition-notification", "text/x-amp-html",
            "application/ms-tnef")  # fmt: skip


def _bodies(part: Message, options: ReadOptions, depth: int = 0) -> list[tuple[str, str]]:
    """The texts of a mail, in order: of alternatives the plain one, if it is more than a hint."""
    if _is_attached(part):
        return []
    children = _children(part, depth)
    if part.get_content_type() == "multipart/alternative":
        made = [found for child in children if (found := _bodies(child, options, depth + 1))]
        plain = next((m for m in made if all(kind == "plain" for kind, _ in m)), None)
        rich = next((m for m in made if any(kind == "html" for kind, _ in m)), None)
        return _better(plain, rich)
    if children or part.is_multipart():
        return [body for child in children for body in _bodies(child, options, depth + 1)]
    kind = "html" if part.get_content_subtype() == "html" else "plain"
    text = _payload_text(part, options)
    if kind == "plain" and part.get_param("format", "") == "flowed":
        text = _unflowed(text)
    return [(kind, text)] if text.strip() else []


def _better(
    plain: list[tuple[str, str]] | None, rich: list[tuple[str, str]] | None
) -> list[tuple[str, str]]:
    if plain is None or rich is None:
        return plain or rich or []
    words = " ".join(text for _, text in plain).strip()
    marked_up = "".join(text for _, text in rich)
    # "Your program cannot show this mail": the words are in the other one.
    if len(words) < _POOR and len(re.sub(r"<[^>]{0,5000}>", "", marked_up).split()) > 3 * len(
        words.split()
    ):
        return rich
    return plain


def _payload_text(part: Message, options: ReadOptions) -> str:
    data = _payload(part)
    charset = part.get_content_charset("")
    if options.encoding:
        return decoded(data, options.encoding, name=options.name)[0]
    return _text_of(data, charset)


def _payload(part: Message) -> bytes:
    try:
        found = part.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError):
        return b""
    return found if isinstance(found, bytes) else b""


def _unflowed(text: str) -> str:
    """Lines that a mailer broke (RFC 3676) are one again."""
    made: list[str] = []
    goes_on = False
    for line in text.replace("\r\n", "\n").split("\n"):
        if goes_on and not line.startswith(">") and line != "-- ":
            made[-1] += line.removeprefix(" ")
        else:
            made.append(line.removeprefix(" "))
        goes_on = line.endswith(" ") and line != "-- " and not line.startswith(">")
    return "\n".join(made)


def _attachment(part: Message, at: int) -> Attachment:
    stated = part.get_filename()
    name = re.split(r"[/\\]", _words(str(stated)))[-1] if stated else ""
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
