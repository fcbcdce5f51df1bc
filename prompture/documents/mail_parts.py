"""What mails of all formats come to: header lines, the body, and the attachments behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from prompture.document_errors import DocumentError, DocumentTooLarge
from prompture.documents import ReadOptions, read_bytes
from prompture.documents.blocks import BlockText, few
from prompture.documents.web_pages import add_page
from prompture.errors import ConfigurationError
from prompture.types import FileDocument

_MOST_ATTACHMENTS = 200
_DEEPEST = 4
"""Mails within mails that are read."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that hangs on a mail. ``read`` is for what is no file by itself: a mail in a mail."""

    name: str
    data: bytes
    read: Callable[[ReadOptions], FileDocument] | None = None


def write_mail(
    headers: Sequence[tuple[str, str]],
    bodies: Iterable[tuple[str, str]],
    attachments: Sequence[Attachment],
    data: bytes,
    options: ReadOptions,
) -> FileDocument:
    """A mail: ``bodies`` are pairs of "plain" or "html" and the text."""
    into = BlockText(options)
    subject = next((value for name, value in headers if name == "Subject"), "")
    into.add("\n".join(f"{name}: {value}" for name, value in headers if value))
    for kind, text in bodies:
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
    if options.depth >= _DEEPEST:
        raise DocumentError("it is nested too deep")
    # The encoding and the type that the caller states are the mail's own.
    how = replace(
        options, name=attachment.name, media_type="", encoding=None, depth=options.depth + 1
    )
    if attachment.read is not None:
        return attachment.read(replace(how, media_type=options.media_type))
    return read_bytes(attachment.data, how)
