"""Pieces of text in the order in which a reader takes them."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from prompture.documents.reading_order import Piece, in_order

PROSE = "some words that fill the whole line of it"


def piece(
    text: str, left: float, top: float, *, width: float | None = None, angle: float = 0.0
) -> Piece:
    """A piece of letters 10 wide and 20 high, turned about the corner of the page."""
    right = left + (10 * len(text) if width is None else width)
    corners = [(left, top), (right, top), (right, top + 20), (left, top + 20)]
    cos, sin = math.cos(angle), math.sin(angle)
    turned = [(x * cos - y * sin, x * sin + y * cos) for x, y in corners]
    step = (right - left) / len(text)
    boxes = []
    for at in range(len(text)):
        x, y = left + step * (at + 0.5), top + 10
        cx, cy = x * cos - y * sin, x * sin + y * cos
        half = (step / 2, 10) if abs(cos) > abs(sin) else (10, step / 2)
        boxes.append((cx - half[0], cy - half[1], cx + half[0], cy + half[1]))
    return Piece(text, boxes, (turned[0], turned[1], turned[2], turned[3]), 0.9)


def read(pieces: list[Piece]) -> list[str]:
    return [line.text for line in in_order(pieces)]


def test_cells_of_a_row_are_a_line_however_the_page_lies() -> None:
    for angle in (0.0, 0.03, -0.03, math.pi / 2, math.pi, -math.pi / 2):
        table = [
            piece(cell, left, 100 + 40 * row, angle=angle)
            for row, cells in enumerate([("Tea", "2", "4.00"), ("Milk", "1", "1.20")])
            for cell, left in zip(cells, (50, 300, 500), strict=True)
        ]
        assert read(table[::-1]) == ["Tea  2  4.00", "Milk  1  1.20"], angle


def test_a_line_in_pieces_is_one_line_with_single_spaces() -> None:
    assert read([piece("Total", 50, 10), piece("due", 107, 12)]) == ["Total due"]


def test_columns_of_prose_are_read_one_after_the_other() -> None:
    pieces = [piece("A heading over both of the columns of this page, and it is long", 50, 0)]
    for row in range(6):
        pieces.append(piece(f"{PROSE} {row}", 50, 60 + 30 * row))
        # The columns need not be on one grid.
        pieces.append(piece(f"{PROSE[::-1]} {row}", 550, 68 + 30 * row))
    pieces.append(piece("A foot below both", 50, 300))
    lines = read(pieces)
    assert lines[1:7] == [f"{PROSE} {row}" for row in range(6)]
    assert lines[7:13] == [f"{PROSE[::-1]} {row}" for row in range(6)]
    assert (lines[0][:9], lines[-1]) == ("A heading", "A foot below both")


def test_a_table_with_a_wide_column_is_no_prose() -> None:
    rows = [("A long description of it", "12.00"), ("Short", "3.00"), ("Another wide one", "4.50")]
    pieces = []
    for row, cells in enumerate(rows * 3):
        pieces += [piece(cells[0], 50, 30 * row), piece(cells[1], 500, 30 * row)]
    assert read(pieces) == [f"{a}  {b}" for a, b in rows * 3]


def test_a_block_is_opened_by_space_above_it() -> None:
    lines = in_order([piece("a", 0, 0), piece("b", 0, 26), piece("c", 0, 90)])
    assert [line.opens_block for line in lines] == [False, False, True]


def test_confidence_is_that_of_the_letters() -> None:
    sure, unsure = piece("nine letters", 0, 0), piece("1.00", 400, 0)
    unsure.confidence = 0.5
    (line,) = in_order([sure, unsure])
    assert line.confidence == (12 * 0.9 + 4 * 0.5) / 16
    assert in_order([]) == []


@given(
    st.lists(
        st.tuples(
            st.text("abc1", min_size=1, max_size=30),
            st.floats(0, 2000),
            st.floats(0, 2000),
            st.sampled_from([0.0, 0.02, math.pi]),
        ),
        max_size=25,
    )
)
def test_nothing_is_lost_and_every_character_has_one_box(
    drawn: list[tuple[str, float, float, float]],
) -> None:
    pieces = [piece(text, left, top, angle=angle) for text, left, top, angle in drawn]
    lines = in_order(pieces)
    words = sorted(word for line in lines for word in line.text.split())
    assert words == sorted(each[0] for each in drawn)
    assert all(len(line.boxes) == len(line.text) for line in lines)
