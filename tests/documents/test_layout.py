"""Text that is written with boxes, and spans that get them back."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prompture import ground
from prompture.documents.layout import NOWHERE, LayoutWriter, line_boxes, located, regions_of
from prompture.types import Box, Document, FileDocument, PageRegion, Span, Text


def boxes_of(text: str, *, top: float) -> list[Box]:
    return [(10.0 * i, top, 10.0 * i + 10, top + 12) for i, _ in enumerate(text)]


def two_pages(name: str = "a.pdf") -> FileDocument:
    writer = LayoutWriter()
    writer.add("Total")
    writer.add("Ann Lee", boxes_of("Ann Lee", top=0))
    writer.add("\n")
    writer.add("Bob", boxes_of("Bob", top=20))
    writer.end_page(width=100, height=50, unit="pt")
    writer.add("Cy", boxes_of("Cy", top=0))
    writer.end_page(width=100, height=50, unit="pt")
    return FileDocument(writer.text(), name, pages=tuple(writer.pages))


def test_pages_cover_the_text() -> None:
    document = two_pages()
    assert [(p.number, p.start, p.end) for p in document.pages] == [(1, 0, 16), (2, 16, 18)]
    assert [len(p.boxes) for p in document.pages] == [4 * 16, 4 * 2]


def test_what_was_put_in_stands_nowhere() -> None:
    assert list(regions_of(two_pages(), 0, 5)) == [PageRegion(1)]


def test_a_span_has_one_box_a_line() -> None:
    assert list(regions_of(two_pages(), 5, 16)) == [
        PageRegion(1, ((0, 0, 70, 12), (0, 20, 30, 32))),
    ]


def test_a_span_over_a_page_break_has_two_regions() -> None:
    document = two_pages()
    [span] = ground("BobCy", document)[""]
    assert (span.page, span.boxes, span.document) == (1, ((0, 20, 30, 32),), "a.pdf")
    assert span.regions[1] == PageRegion(2, ((0, 0, 20, 12),))


def test_of_several_documents_each_has_its_own_pages() -> None:
    parts: list[Any] = [Text("see below"), two_pages("a"), Document("plain"), two_pages("b")]
    text = "\n\n".join(part.text for part in parts)
    at = text.rindex("Ann Lee")
    found = located({"": (Span(at, at + 7), Span(0, 3), Span(text.index("plain"), 40))}, parts)[""]
    assert [(s.document, s.page) for s in found] == [("b", 1), ("", None), ("", None)]
    assert found[0].boxes == ((0, 0, 70, 12),)
    assert found[0] == Span(at, at + 7)


@given(st.lists(st.tuples(st.text(max_size=5), st.booleans(), st.booleans()), max_size=12))
def test_each_character_gets_the_box_it_was_written_with(
    pieces: list[tuple[str, bool, bool]],
) -> None:
    writer, wanted, top = LayoutWriter(), [], 0.0
    for text, has_boxes, ends in pieces:
        top += 20
        boxes = boxes_of(text, top=top) if has_boxes else []
        writer.add(text, boxes)
        wanted += boxes or [NOWHERE] * len(text)
        if ends:
            writer.end_page()
    writer.end_page()
    document = FileDocument(writer.text(), pages=tuple(writer.pages))
    assert len(writer) == len(wanted) == len(document.text)
    for at, box in enumerate(wanted):
        [region] = regions_of(document, at, at + 1)
        assert region.boxes == ((box,) if box != NOWHERE else ())


def test_a_columns_next_line_is_another_box() -> None:
    far = (500.0, 0.0, 510.0, 12.0)
    assert list(line_boxes([*boxes_of("ab", top=0), far])) == [(0, 0, 20, 12), far]


def test_a_value_in_pieces_has_the_boxes_of_its_pieces_alone() -> None:
    writer = LayoutWriter()
    writer.add("Bolt     ", boxes_of("Bolt     ", top=0))
    writer.add("4.00     2\n", boxes_of("4.00     2\n", top=0))
    writer.add("  M8\n", boxes_of("  M8\n", top=20))
    writer.end_page(width=200, height=100, unit="pt")
    document = FileDocument(writer.text(), pages=tuple(writer.pages), name="x.pdf")
    (span,) = ground({"item": "Bolt M8"}, document)["/item"]
    assert [document.text[a:b] for a, b in span.fragments] == ["Bolt", "M8"]
    assert span.page == 1
    assert [(box[1], box[2] - box[0]) for box in span.boxes] == [(0, 40), (20, 20)]
