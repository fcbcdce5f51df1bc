"""Pages of files as pictures, with boxes over what stands in them."""

from __future__ import annotations

import base64
import io
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prompture.documents.layout import starts_of
from prompture.errors import PromptureError
from prompture.markup import label, text_html
from prompture.page.marks import Marking, described, numbers_of
from prompture.types import Box, Document, DocumentPage, FileDocument, Text

MOST_PAGES = 60
"""Of longer documents, so many pages are shown as pictures: the first, and those with values."""
DPI = 110
MOST_BYTES = 1_500_000
"""A larger picture is made smaller: a page of evidence is sent by mail."""
MOST_PNG = 120_000
"""The same for a page of a file, of which there may be many."""
MOST_SIDE = 2000
_SHOWN = ("image/png", "image/jpeg", "image/gif", "image/webp")
# Others of Pillow's readers start programs.
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "HEIF")


@dataclass(frozen=True, slots=True)
class DocumentPart:
    """A document of those whose texts make one: where it begins in that text."""

    start: int
    document: Text | Document

    @property
    def pages(self) -> tuple[DocumentPage, ...]:
        return self.document.pages if isinstance(self.document, FileDocument) else ()

    @property
    def name(self) -> str:
        return self.document.name if isinstance(self.document, Document) else ""


def parts_of(documents: Sequence[Text | Document]) -> list[DocumentPart]:
    """The documents in order, as Message.text joins them."""
    return list(map(DocumentPart, starts_of(documents), documents))


def labels_of(parts: Sequence[DocumentPart]) -> dict[int, str]:
    """What begins where in the common text: documents, where there are several, and pages."""
    found: dict[int, str] = {}
    for part in parts:
        title = [part.name] if len(parts) > 1 and part.name else []
        has_pages = len(part.pages) > 1
        for page in part.pages if has_pages else ():
            words = [*(title if page is part.pages[0] else []), page.name or f"Page {page.number}"]
            at = part.start + page.start
            # A page without text begins where the next one does.
            found[at] = " · ".join([found[at], *words] if at in found else words)
        if title and not has_pages:
            found[part.start] = title[0]
    return found


def figures(parts: Sequence[DocumentPart], markings: Sequence[Marking]) -> tuple[str, list[str]]:
    """Pictures of the pages, with a ``<mark>`` for each box; and why some have none."""
    placed, made, notes = _placed(parts, markings), list[str](), list[str]()
    has_pictures = False
    for at, part in enumerate(parts):
        pages = [page for page in part.pages if page.width > 0 and page.height > 0]
        chosen = _chosen(pages, {number for index, number in placed if index == at})
        try:
            pictures = _pictures(part.document, [page.number for page in chosen])
        except PromptureError as exc:
            # The text holds as much as the picture; a page without pictures is none the less true.
            notes.append(f"no pictures of pages: {exc}")
            pictures = {}
        for page in chosen:
            if page.number in pictures:
                boxes = placed.get((at, page.number), {})
                made.append(_figure(part, page, boxes, pictures[page.number]))
        has_pictures = has_pictures or bool(pictures)
        if len(pictures) < max(1, len(pages)):
            made.append(_text_only(part, len(pages) - len(pictures) if pictures else 0))
    return "".join(made) if has_pictures else "", notes


def _text_only(part: DocumentPart, pages: int) -> str:
    """What a reader of the pictures does not see: so many pages, or all of the document."""
    if pages:
        words = f"{pages:,} more page{'s' if pages > 1 else ''}"
    else:
        words = f"“{part.name}”" if part.name else "A text"
    are = "are" if pages > 1 else "is"
    return f"<p class='quiet left'><bdi>{text_html(words)}</bdi> {are} shown as text only.</p>"


def _placed(
    parts: Sequence[DocumentPart], markings: Sequence[Marking]
) -> dict[tuple[int, int], dict[Box, list[Marking]]]:
    """Markings by document, page and box."""
    starts = [part.start for part in parts]
    found: dict[tuple[int, int], dict[Box, list[Marking]]] = {}
    for each in markings:
        at = bisect_right(starts, each.span.start) - 1
        for region in each.span.regions:
            for box in region.boxes:
                found.setdefault((at, region.page), {}).setdefault(box, []).append(each)
    return found


def _chosen(pages: Sequence[DocumentPage], used: set[int]) -> list[DocumentPage]:
    if len(pages) <= MOST_PAGES:
        return list(pages)
    wanted = [page for page in pages if page.number in used or page is pages[0]]
    return wanted[:MOST_PAGES]


def _figure(
    part: DocumentPart, page: DocumentPage, boxes: Mapping[Box, Sequence[Marking]], address: str
) -> str:
    words = f"{part.name}, page {page.number}" if part.name else f"Page {page.number}"
    marks = "".join(
        _box(box, found, page)
        for box, found in sorted(boxes.items(), key=lambda each: each[1][0].span.start)
    )
    return (
        f"<figure class=pic data-page={page.number} "
        f'style="--ratio:{page.width / page.height:.4f};aspect-ratio:var(--ratio)">'
        f'<img alt="{label(words)}" decoding=async src="{address}">{marks}</figure>'
    )


def _box(box: Box, found: Sequence[Marking], page: DocumentPage) -> str:
    """A box, in hundredths of the page: whatever size it is shown in."""
    left, top, right, bottom = box
    place = ";".join(
        f"{side}:{100 * length / whole:.3f}%"
        for side, length, whole in (
            ("left", left, page.width),
            ("top", top, page.height),
            ("width", right - left, page.width),
            ("height", bottom - top, page.height),
        )
    )
    inner = sorted(found, key=lambda each: each.length)
    last = [each for each in inner if each.is_first and each.span.regions[-1].boxes[-1:] == (box,)]
    return f'<mark {described(inner)}{numbers_of(last)} style="{place}"></mark>'


def _pictures(document: Text | Document, numbers: Sequence[int]) -> dict[int, str]:
    """A data: address for each page that can be shown, by its number. Raises DocumentError,
    MissingExtra."""
    if not isinstance(document, FileDocument) or document.data is None or not numbers:
        return {}
    if document.media_type == "application/pdf":
        from prompture.documents.pdf import pictures

        found = dict[int, str]()
        # In no variable: a traceback that is kept (Ctrl-C in a notebook) would keep its process.
        for each in pictures(document, numbers, dpi=DPI):
            found[each.number] = _address(each.png, "image/png", most=MOST_PNG)
        return found
    if document.media_type.startswith("image/"):
        found = {n: _address(document.data, document.media_type, frame=n - 1) for n in numbers}
        return {number: address for number, address in found.items() if address}
    return {}


def _address(data: bytes, media_type: str, *, frame: int = 0, most: int = MOST_BYTES) -> str:
    """The picture as a data: address; smaller, and of a kind that browsers know, where need be;
    "" where that cannot be made of it."""
    is_shown = media_type in _SHOWN and frame == 0
    if not is_shown or len(data) > most:
        made = _smaller(data, frame)
        if made is None and not is_shown:
            return ""
        if made is not None and (len(made) < len(data) or not is_shown):
            data, media_type = made, "image/jpeg"
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def _smaller(data: bytes, frame: int) -> bytes | None:
    """A JPEG of the picture, None where there is no Pillow, or it cannot be read."""
    try:
        from PIL import Image, ImageOps
    except ImportError:
        return None
    from prompture.documents.ocr import in_eight_bits

    Image.init()
    known = [each for each in _FORMATS if each in Image.OPEN]
    try:
        with Image.open(io.BytesIO(data), formats=known) as opened:
            opened.seek(frame)
            # Browsers turn a photograph as its file says; what is written anew says nothing.
            picture = in_eight_bits(ImageOps.exif_transpose(opened))
            picture.thumbnail((MOST_SIDE, MOST_SIDE))
            ground = Image.new("RGBA", picture.size, "white")
            ground.alpha_composite(picture.convert("RGBA"))
            buffer = io.BytesIO()
            ground.convert("RGB").save(buffer, "JPEG", quality=82)
            return buffer.getvalue()
    except Exception:  # readers of broken pictures raise struct.error, IndexError and more
        return None
