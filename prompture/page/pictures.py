"""Pages of files as pictures, with boxes over what stands in them."""

from __future__ import annotations

import base64
import io
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from prompture.markup import attribute
from prompture.page.marks import Marking, classes, numbers_of, pointers, strongest
from prompture.types import Box, Document, DocumentPage, FileDocument, Text

MOST_PAGES = 60
"""Of longer documents, so many pages are shown as pictures: the first, and those with values."""
DPI = 110
MOST_BYTES = 1_500_000
"""A larger picture is made smaller: a page of evidence is sent by mail."""
MOST_SIDE = 2000
_SHOWN = ("image/png", "image/jpeg", "image/gif", "image/webp")
_BETWEEN = 2
"""Documents stand in their common text with a blank line, two characters, between them."""


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
    found, at = [], 0
    for each in documents:
        found.append(DocumentPart(at, each))
        at += len(each.text) + _BETWEEN
    return found


def labels_of(parts: Sequence[DocumentPart]) -> dict[int, str]:
    """What begins where in the common text: documents, where there are several, and pages."""
    found: dict[int, str] = {}
    for part in parts:
        title = [part.name] if len(parts) > 1 and part.name else []
        has_pages = len(part.pages) > 1
        for page in part.pages if has_pages else ():
            words = [*(title if page is part.pages[0] else []), page.name or f"Page {page.number}"]
            found[part.start + page.start] = " · ".join(words)
        if title and not has_pages:
            found[part.start] = title[0]
    return found


@dataclass(frozen=True, slots=True)
class _Figure:
    """A page with the boxes that stand in it."""

    part: DocumentPart
    page: DocumentPage
    boxes: Mapping[Box, Sequence[Marking]]


def figures(parts: Sequence[DocumentPart], markings: Sequence[Marking]) -> Iterator[str]:
    """Pictures of the pages, those that can be had, with a ``<mark>`` for each box."""
    placed = _placed(parts, markings)
    for at, part in enumerate(parts):
        pages = [page for page in part.pages if page.width > 0 and page.height > 0]
        chosen = _chosen(pages, {number for index, number in placed if index == at})
        pictures = _pictures(part.document, chosen)
        for page in chosen:
            if page.number in pictures:
                yield _figure(_Figure(part, page, placed.get((at, page.number), {})), pictures)
        if len(chosen) < len(pages) and pictures:
            left = len(pages) - len(chosen)
            yield f"<p class='quiet left'>{left:,} more pages, on which nothing stands, as text only.</p>"


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


def _figure(figure: _Figure, pictures: Mapping[int, str]) -> str:
    page, part = figure.page, figure.part
    label = f"{part.name}, page {page.number}" if part.name else f"Page {page.number}"
    marks = "".join(
        _box(box, found, page)
        for box, found in sorted(figure.boxes.items(), key=lambda each: each[1][0].span.start)
    )
    return (
        f"<figure class=pic data-page={page.number} "
        f'style="aspect-ratio:{page.width:g}/{page.height:g}">'
        f'<img alt="{attribute(label)}" decoding=async src="{pictures[page.number]}">{marks}</figure>'
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
    return (
        f'<mark data-pointer="{pointers(each.pointer for each in inner)}" '
        f"data-kind={strongest(inner)} data-at={inner[0].span.start}"
        f'{classes(inner)}{numbers_of(last)} style="{place}"></mark>'
    )


def _pictures(document: Text | Document, pages: Sequence[DocumentPage]) -> dict[int, str]:
    """A data: address for each page that can be shown, by its number."""
    if not isinstance(document, FileDocument) or document.data is None or not pages:
        return {}
    if document.media_type.startswith("image/") and len(pages) == 1:
        address = _address(document.data, document.media_type)
        return {pages[0].number: address} if address else {}
    return {}


def _address(data: bytes, media_type: str) -> str:
    """The picture as a data: address; smaller, and of a kind that browsers know, where need be;
    "" where that cannot be made of it."""
    if media_type not in _SHOWN or len(data) > MOST_BYTES:
        made = _smaller(data)
        if made is None and media_type not in _SHOWN:
            return ""
        data, media_type = (made, "image/jpeg") if made else (data, media_type)
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def _smaller(data: bytes) -> bytes | None:
    try:
        from PIL import Image, ImageOps
    except ImportError:
        return None
    try:
        with Image.open(io.BytesIO(data)) as opened:
            # Browsers turn a photograph as its file says; what is written anew says nothing.
            picture = ImageOps.exif_transpose(opened).convert("RGB")
            picture.thumbnail((MOST_SIDE, MOST_SIDE))
            buffer = io.BytesIO()
            picture.save(buffer, "JPEG", quality=82)
            return buffer.getvalue()
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
