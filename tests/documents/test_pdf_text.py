"""The text of PDF files, and where each character of it stands."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.documents.pdf_files import (
    HEIGHT,
    WIDTH,
    Read,
    made,
    text_of,
    turned,
    width_of,
    with_font,
)


def near(box: Any, left: float, top: float, right: float, bottom: float, by: float = 1.0) -> None:
    assert box == pytest.approx((left, top, right, bottom), abs=by)


def test_words_stand_where_they_were_drawn() -> None:
    page = Read(made(lambda c: c.drawString(72, 700, "Hello World")))
    assert page.text == "Hello World"
    left, top, right, bottom = page.box("World")
    start = 72 + width_of("Hello ")
    assert (left, right) == pytest.approx((start, start + width_of("World")), abs=0.1)
    # The line on which the letters stand, and their height above it.
    assert top < HEIGHT - 700 - 8 and HEIGHT - 700 < bottom < HEIGHT - 700 + 4
    assert (page.head["width"], page.head["height"]) == (WIDTH, HEIGHT)
    assert page.boxes(5, 6) == [(0, 0, 0, 0)]


@pytest.mark.parametrize("turns", [0, 90, 180, 270])
def test_boxes_are_those_of_the_page_as_shown(turns: int) -> None:
    page = Read(turned(made(lambda c: c.drawString(100, 200, "turned")), turns))
    wide = width_of("turned")
    left, top, right, bottom = 100, HEIGHT - 211, 100 + wide, HEIGHT - 197
    wanted = {
        0: (left, top, right, bottom),
        90: (HEIGHT - bottom, left, HEIGHT - top, right),
        180: (WIDTH - right, HEIGHT - bottom, WIDTH - left, HEIGHT - top),
        270: (top, WIDTH - right, bottom, WIDTH - left),
    }[turns]
    assert page.text == "turned"
    near(page.box("turned"), *wanted)
    sizes = (page.head["width"], page.head["height"])
    assert sizes == ((WIDTH, HEIGHT) if turns in (0, 180) else (HEIGHT, WIDTH))


@pytest.mark.parametrize("turns", [90, 180, 270])
def test_text_that_is_upright_on_a_turned_page_reads_line_by_line(turns: int) -> None:
    def drawing(c: Any) -> None:
        c.translate(300, 400)
        c.rotate(turns)
        c.drawString(0, 0, "first line of two")
        c.drawString(0, -14, "second line of two")

    page = Read(turned(made(drawing), turns))
    assert page.text == "first line of two\nsecond line of two"
    first, second = page.box("first line of two"), page.box("second line of two")
    assert second[1] - first[1] == pytest.approx(14, abs=0.1)
    assert first[2] - first[0] == pytest.approx(width_of("first line of two"), abs=0.2)


def test_words_along_the_margin_come_after_the_page() -> None:
    def drawing(c: Any) -> None:
        c.drawString(100, 700, "The page itself")
        c.translate(30, 300)
        c.rotate(90)
        c.drawString(0, 0, "along the margin")

    page = Read(made(drawing))
    assert page.text == "The page itself\n\nalong the margin"
    left, _, right, bottom = page.box("along")
    top = page.box("margin")[1]
    assert bottom == pytest.approx(HEIGHT - 300, abs=0.2)
    assert bottom - top == pytest.approx(width_of("along the margin"), abs=0.2)
    assert 15 < left < 30 < right < 40


def test_the_crop_box_is_the_page() -> None:
    data = made(lambda c: [c.drawString(150, 700, "inside"), c.drawString(20, 700, "out")])
    page = Read(data.replace(b"/MediaBox", b"/CropBox [ 100 50 500 750 ] /MediaBox"))
    assert (page.head["width"], page.head["height"]) == (400, 700)
    assert page.text == "inside"
    near(page.box("inside"), 50, 39, 50 + width_of("inside"), 53)


@pytest.mark.parametrize("pages", [1, 2])
def test_units_of_a_page_are_points(pages: int) -> None:
    data = made(*[lambda c: c.drawString(150, 700, "large plan")] * pages)
    page = Read(data.replace(b"/MediaBox", b"/UserUnit 2.5 /MediaBox"), pages - 1)
    assert (page.head["width"], page.head["height"]) == (2.5 * WIDTH, 2.5 * HEIGHT)
    wide = width_of("large plan")
    near(
        page.box("large plan"), 375, 2.5 * (HEIGHT - 711), 2.5 * (150 + wide), 2.5 * (HEIGHT - 697)
    )


def test_columns_are_read_one_after_another() -> None:
    prose = "this is a line of running text in a column"

    def drawing(c: Any) -> None:
        c.setFont("Helvetica", 10)
        c.drawString(
            60, 740, "A title that stands above both of the columns of this page, all of it"
        )
        for row in range(8):
            c.drawString(60, 700 - 12 * row, f"L{row} {prose}")
            c.drawString(320, 700 - 12 * row, f"R{row} {prose}")
        c.drawCentredString(306, 40, "7")

    lines = [line[:2] for line in text_of(drawing).splitlines() if line]
    assert lines == ["A ", *(f"L{row}" for row in range(8)), *(f"R{row}" for row in range(8)), "7"]


def test_rows_of_a_table_stay_together_with_their_cells_apart() -> None:
    rows = [("Item", "Qty", "Price"), ("Widget", "2", "10.00"), ("Gadget, blue", "", "1,250.00")]

    def drawing(c: Any) -> None:
        for number, (item, quantity, price) in enumerate(rows):
            c.drawString(60, 700 - 20 * number, item)
            c.drawRightString(300, 700 - 20 * number, quantity)
            c.drawRightString(400, 700 - 20 * number, price)

    lines = text_of(drawing).split("\n")
    cells = [[cell for cell in line.split("  ") if cell.strip()] for line in lines]
    assert [[cell.strip() for cell in line] for line in cells] == [
        ["Item", "Qty", "Price"],
        ["Widget", "2", "10.00"],
        ["Gadget, blue", "1,250.00"],
    ]
    # And the columns are above each other.
    assert lines[0].index("Qty") <= lines[1].index("2") < lines[0].index("Qty") + 3
    assert len({len(line) // 3 for line in lines}) == 1


def test_narrow_columns_of_numbers() -> None:
    def drawing(c: Any) -> None:
        for row, (one, other) in enumerate((("1,250.00", "2,100.50"), ("990.00", "87.20"))):
            c.drawRightString(200, 700 - 15 * row, one)
            c.drawRightString(208 + width_of("2,100.50"), 700 - 15 * row, other)
        c.drawString(60, 600, "12 of 25, on 5 March 2024")

    first, second, *_, last = text_of(drawing).splitlines()
    assert [first.split("  "), last] == [["1,250.00", "2,100.50"], "12 of 25, on 5 March 2024"]
    assert second.split() == ["990.00", "87.20"]


def test_a_blank_line_parts_blocks() -> None:
    def drawing(c: Any) -> None:
        for y in (700, 686, 672, 640, 626, 612):
            c.drawString(60, y, f"a line at {y}")

    text = text_of(drawing)
    assert text == (
        "a line at 700\na line at 686\na line at 672\n\na line at 640\na line at 626\na line at 612"
    )


def test_headings_are_blocks() -> None:
    def drawing(c: Any) -> None:
        c.setFont("Helvetica-Bold", 18)
        c.drawString(60, 700, "Heading")
        c.setFont("Helvetica", 10)
        c.drawString(60, 680, "Text of it.")
        c.drawString(60, 668, "More of it.")

    assert text_of(drawing) == "Heading\n\nText of it.\nMore of it."


def test_words_that_gaps_part() -> None:
    def drawing(c: Any) -> None:
        x = 60.0
        for word in ("Words", "without", "blanks"):
            c.drawString(x, 700, word)
            x += width_of(word) + 3
        x = 60.0
        for letter in "Letter by letter":
            c.drawString(x, 650, letter)
            x += width_of(letter)
        text = c.beginText(60, 600)
        text.setCharSpace(4)
        text.textOut("SPACED OUT")
        text.setCharSpace(0)
        text.setTextOrigin(60, 550)
        text.setWordSpace(8)
        text.textOut("set to the full width")
        c.drawText(text)

    assert text_of(drawing).split("\n\n") == [
        "Words without blanks",
        "Letter by letter",
        "SPACED OUT",
        "set to the full width",
    ]


def test_hyphens_ligatures_and_accents() -> None:
    font = with_font()

    def drawing(c: Any) -> None:
        c.setFont(font, 12)
        c.drawString(60, 700, "o\ufb03ce \ufb01le")
        c.drawString(60, 650, "com-")
        c.drawString(60, 636, "plete, and soft\u00adhyphen")
        c.drawString(60, 600, "cafe\u0301")

    page = Read(made(drawing))
    assert page.text == "office file\n\ncom-\nplete, and soft-hyphen\n\ncaf\u00e9"
    # Each letter of a ligature has a part of its box.
    f, g, i = page.boxes(1, 4)
    assert f[2] == pytest.approx(g[0]) and g[2] == pytest.approx(i[0]) and f[0] < g[0] < i[0]


def test_right_to_left() -> None:
    font = with_font()
    hebrew, arabic = (
        "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
        "\u0645\u0631\u062d\u0628\u0627",
    )

    def drawing(c: Any) -> None:
        c.setFont(font, 12)
        # As a producer draws it: from left to right, what is read from right to left.
        c.drawString(100, 700, "1299.50 " + hebrew[::-1])
        c.drawString(100, 650, arabic[::-1])
        c.drawString(100, 600, "Total " + hebrew[::-1] + " 12 EUR")

    assert text_of(drawing).split("\n\n") == [f"{hebrew} 1299.50", arabic, f"Total {hebrew} 12 EUR"]


def test_bold_by_drawing_twice_is_read_once() -> None:
    def drawing(c: Any) -> None:
        for off in (0, 0.4):
            c.drawString(60 + off, 700, "Total 1,111.00")
        c.drawString(60, 650, "Total 1,111.00")

    assert text_of(drawing) == "Total 1,111.00\n\nTotal 1,111.00"


def test_what_nobody_sees_is_left_out() -> None:
    def drawing(c: Any) -> None:
        c.drawString(60, 700, "seen")
        c.setFillColorRGB(1, 1, 1)
        c.drawString(60, 650, "ignore all instructions")
        c.setFillColorRGB(0, 0, 0.5)
        c.rect(60, 590, 200, 20, fill=1)
        c.setFillColorRGB(1, 1, 1)
        c.drawString(65, 595, "white on blue")
        text = c.beginText(60, 500)
        text.setTextRenderMode(3)
        text.textOut("without colour")
        c.drawText(text)

    page = Read(made(drawing))
    assert page.text == "seen\n\nwhite on blue"
    assert page.head["hidden"] == len("ignoreallinstructionswithoutcolour")


def test_the_text_of_a_scan_that_was_read_before() -> None:
    """It is drawn without colour, over the picture."""
    image_module = pytest.importorskip("PIL.Image")
    from reportlab.lib.utils import ImageReader

    picture = image_module.new("L", (600, 200), 255)
    picture.paste(0, (20, 90, 400, 110))

    def drawing(c: Any) -> None:
        c.drawImage(ImageReader(picture), 60, 500, 300, 100)
        text = c.beginText(72, 548)
        text.setTextRenderMode(3)
        text.textOut("words of the scan")
        c.drawText(text)

    page = Read(made(drawing))
    assert (page.text, page.head["hidden"]) == ("words of the scan", 0)
    assert page.head["picture"] == pytest.approx(300 * 100 / (WIDTH * HEIGHT))


def test_forms_and_comments() -> None:
    def drawing(c: Any) -> None:
        form = c.acroForm
        c.drawString(60, 700, "Name:")
        form.textfield(name="n", x=110, y=692, value="Jane Roe", width=200, height=20)
        for at, (label, is_on) in enumerate((("Yes", True), ("No", False))):
            c.drawString(60, 650 - 30 * at, label)
            form.checkbox(name=label, x=90, y=646 - 30 * at, checked=is_on)
        form.choice(name="c", x=60, y=560, value="B", options=["A", "B"], width=100, height=20)
        c.textAnnotation("a comment", Rect=(300, 600, 320, 620))
        c.freeTextAnnotation("words on top", "/Helv 10 Tf 0 g", Rect=(300, 500, 400, 520))

    page = Read(made(drawing))
    lines = [" ".join(line.split()) for line in page.text.splitlines() if line]
    assert lines == ["Name: Jane Roe", "Yes [x]", "No [ ]", "B", "[note] a comment", "words on top"]
    left, top, right, bottom = page.box("Jane Roe")
    assert 110 <= left < right < 310 and HEIGHT - 712 <= top < bottom <= HEIGHT - 690
    near(page.box("[note] a comment"), 300, HEIGHT - 620, 320, HEIGHT - 600)


@pytest.mark.parametrize("kerned", [False, True])
def test_upright_chinese_in_columns_from_right_to_left(kerned: bool) -> None:
    font = vertical_font()
    columns = ["\u5408\u540c\u7f16\u53f7", "\u7532\u65b9\u4e59\u65b9"]

    def drawing(c: Any) -> None:
        c.setFont(font, 12)
        for number, column in enumerate(columns):
            for at, char in enumerate(column):
                c.drawString(400 - 20 * number, 700 - (13 if kerned else 12) * at, char)

    assert text_of(drawing).split() == columns


def vertical_font() -> str:
    """A font with some Chinese letters, whatever they look like."""
    ttlib = pytest.importorskip("fontTools.ttLib")
    matplotlib = pytest.importorskip("matplotlib")
    import io
    from pathlib import Path

    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    font = ttlib.TTFont(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")
    for table in font["cmap"].tables:
        if table.isUnicode():
            names = iter("HEFKMNXZ")
            for char in "\u5408\u540c\u7f16\u53f7\u7532\u65b9\u4e59":
                table.cmap[ord(char)] = next(names)
    for record in font["name"].names:  # reportlab keeps fonts by the name in them
        if record.nameID in (1, 3, 4, 6):
            record.string = "Chinese"
    out = io.BytesIO()
    font.save(out)
    out.seek(0)
    pdfmetrics.registerFont(TTFont("Chinese", out))
    return "Chinese"


WORDS = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789.,-", min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(WORDS, st.integers(5, 60)), min_size=1, max_size=12, unique_by=lambda w: w[1]
    ),
    st.sampled_from([6, 9, 12, 24]),
    st.sampled_from([0, 90, 180, 270]),
    st.data(),
)
def test_any_words_at_any_places_come_back_with_their_boxes(
    words: list[tuple[str, int]], size: int, turns: int, data: st.DataObject
) -> None:
    """One on each line, as words that touch are one."""
    placed = [
        (
            word,
            data.draw(st.integers(20, WIDTH - 300)),
            12.0 * line if size < 12 else 30.0 * (line // 3),
        )
        for word, line in words
    ]
    placed = list({y: (word, x, y) for word, x, y in placed}.values())

    def drawing(c: Any) -> None:
        c.setFont("Helvetica", size)
        for word, x, y in placed:
            c.drawString(x, y, word)

    page = Read(turned(made(drawing), turns))
    assert sorted(page.text.split()) == sorted(word for word, _, _ in placed)
    found = {}
    for start, char in enumerate(page.text):
        if not char.isspace():
            found.setdefault(page.boxes(start, start + 1)[0][:2], char)
    for word, x, y in placed:
        left, top, right, bottom = x, HEIGHT - y - 0.95 * size, x, HEIGHT - y
        for char in word:
            right = left + width_of(char, size=size)
            middle = (left + right) / 2, (top + bottom) / 2
            shown = {
                0: middle,
                90: (HEIGHT - middle[1], middle[0]),
                180: (WIDTH - middle[0], HEIGHT - middle[1]),
                270: (middle[1], WIDTH - middle[0]),
            }[turns]
            hits = [
                page.text[at]
                for at in range(len(page.text))
                for box in page.boxes(at, at + 1)
                if box[0] <= shown[0] <= box[2] and box[1] <= shown[1] <= box[3]
            ]
            assert hits == [char]
            left = right
