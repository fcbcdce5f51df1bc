"""Written tables: the same rows from Markdown, CSV with any mark, tabs, and columns of blanks."""

import csv
import io
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from prompture.rules import extract
from prompture.rules.cells import find_grids
from prompture.rules.page import read_layout


class Product(BaseModel):
    name: str | None
    colour: str | None
    stock: int | None
    price: float | None
    added: str | None


class Products(BaseModel):
    products: list[Product]


HEADINGS = ("Name", "Colour", "Stock", "Price", "Added")
Row = tuple[str, str, int, str, str]


def markdown(rows: list[Row]) -> str:
    lines = [[*HEADINGS], ["---"] * len(HEADINGS), *([str(cell) for cell in row] for row in rows)]
    escaped = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in escaped)


def delimited(rows: list[Row], mark: str, quoting: Any = csv.QUOTE_MINIMAL, end: str = "\n") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=mark, quoting=quoting, lineterminator=end).writerows(
        [HEADINGS, *rows]
    )
    return out.getvalue()


def columns(rows: list[Row]) -> str:
    cells = [HEADINGS, *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(HEADINGS))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in cells
    ]
    return "\n".join(line.rstrip() for line in lines)


FORMS = {
    "markdown": markdown,
    "comma": lambda rows: delimited(rows, ","),
    "semicolon": lambda rows: delimited(rows, ";"),
    "tab": lambda rows: delimited(rows, "\t"),
    "all quoted": lambda rows: delimited(rows, ",", csv.QUOTE_ALL, "\r\n"),
}

# A word at each end: blanks and marks around a value are no part of it, in any form.
word = st.text("abcdefgXYZ", min_size=2, max_size=8)
middle = st.sampled_from(
    [" ", "  ", ", ", "; ", " | ", ' "', '" ', ",", "|", '""', " - ", "'", "/", "é"]
)
names = st.builds(lambda a, m, b: f"{a}{m}{b}", word, middle, word)
days = st.dates().map(lambda day: f"{2000 + day.year % 40}-{day.month:02}-{day.day:02}")
prices = st.integers(0, 999_999).map(lambda cents: f"{cents / 100:.2f}")
rows = st.lists(
    st.tuples(names, word, st.integers(0, 99_999), prices, days), min_size=1, max_size=8
)


def read(text: str) -> list[dict[str, Any]]:
    found = extract(Products.model_json_schema(), text)
    for pointer, spans in found.spans.items():
        if [span.kind for span in spans] == ["exact"]:
            number, name = pointer.split("/")[2:]
            stated = found.value["products"][int(number)][name]
            assert text[spans[0].start : spans[0].end] == stated
    listed: list[dict[str, Any]] = found.value["products"]
    return listed


def wanted(table: list[Row]) -> list[dict[str, Any]]:
    return [
        {"name": name, "colour": colour, "stock": stock, "price": float(price), "added": day}
        for name, colour, stock, price, day in table
    ]


@settings(max_examples=60, deadline=None)
@given(rows, st.sampled_from(sorted(FORMS)), st.booleans())
def test_any_table_gives_the_same_rows_in_any_form(
    table: list[Row], form: str, framed: bool
) -> None:
    text = FORMS[form](table)
    if framed:  # with words around it, as in a mail
        text = f"Dear Ann, dear Bob,\nhere is our list, as promised.\n\n{text}\n\nYours, Eve"
    assert read(text) == wanted(table)


plain_rows = st.lists(
    st.tuples(word, word, st.integers(0, 99_999), prices, days), min_size=1, max_size=8
)


@settings(max_examples=30, deadline=None)
@given(plain_rows)
def test_columns_of_blanks_give_them_too(table: list[Row]) -> None:
    assert read(columns(table)) == wanted(table)


@settings(max_examples=30, deadline=None)
@given(rows, st.data())
def test_an_empty_cell_shifts_no_other(table: list[Row], data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(sorted(FORMS)))
    place = data.draw(st.integers(0, len(table) - 1))
    gone = data.draw(st.integers(0, 3))
    holed: list[Any] = [list(row) for row in table]
    holed[place][gone] = ""
    want = wanted(table)
    want[place][["name", "colour", "stock", "price"][gone]] = None
    assert read(FORMS[form](holed)) == want


class Invoice(BaseModel):
    invoice_number: str | None
    date: str | None
    total: float | None


class Person(BaseModel):
    name: str | None
    age: int | None
    city: str | None


class Named(BaseModel):
    name: str | None


ANN = {"name": "Ann", "age": 36, "city": "Oslo"}
NOBODY = {"name": None, "age": None, "city": None}


@pytest.mark.parametrize(
    ("model", "text", "value"),
    [
        (Invoice, "Invoice number,RE-17\nDate,2024-05-01\nTotal,45.00\n", ("RE-17", "2024-05-01", 45.0)),
        (Invoice, "| Invoice number | RE-17 |\n|---|---|\n| Date | 2024-05-01 |\n| Total | 45.00 |", ("RE-17", "2024-05-01", 45.0)),
        (Invoice, "|  |  |\n|---|---|\n| Invoice number | RE-17 |\n| Date | 2024-05-01 |\n| Total | 45.00 |", ("RE-17", "2024-05-01", 45.0)),
        (Invoice, "Item,Amount\nTea,20.00\nCake,25.00\nTotal,45.00\n", (None, None, 45.0)),
        (Person, "| Name | Ann |\n|---|---|\n| Age | 36 |\n| City | Oslo |", ANN.values()),
        (Person, "Name;Ann\nAge;36\nCity;Oslo\n", ANN.values()),
        (Person, "Name,Age,City\nAnn,36,Oslo\n", ANN.values()),
        (Person, "| Name: | Age: | City: |\n|---|---|---|\n| Ann | 36 | Oslo |", ANN.values()),
        # Two people are not one.
        (Person, "Name,Age,City\nAnn,36,Oslo\nBob,37,Rome\n", NOBODY.values()),
        (Person, "Name;Age\nAnn;36\nBob;37\n", NOBODY.values()),
        # A heading is no value of the heading before it.
        (Named, "| Name | Role |\n|---|---|\n| Ann | Boss |", ["Ann"]),
        (Named, "Name,Role\nAnn,Boss\n", ["Ann"]),
        (Named, "Name\tRole\nAnn\tBoss\n", ["Ann"]),
    ],
)  # fmt: skip
def test_labels_and_values_in_a_written_table(
    model: type[BaseModel], text: str, value: Any
) -> None:
    found = extract(model.model_json_schema(), text).value
    assert list(found.values()) == list(value)


def cells(text: str) -> list[list[str]]:
    return [[cell.text for cell in line.cells] for line in read_layout(text).lines]


@pytest.mark.parametrize(
    "text",
    [
        "Dear Ann, dear Bob,\nthank you, and see you",
        "12 Main Street, Springfield, IL 62704\nTel 555, 1234, 99",
        "NO.53 55,57 & 59, JALAN SAGU 18,\nTAMAN DAYA,\n81100 JOHOR BAHRU,\nJOHOR.",
        "Item,Amount\nTea,1,200\nCoffee,2,300",  # thousands that are not in quotes: nobody knows
        "Tea 3,00\nCake 4,50\nTotal: EUR 7,50",
        "Jane Doe, John Roe\nUniversity of Oslo, 0316",
        "Smith, J., 2010\nKatz, P., 2011\nRoe, R., 2012",
        'a 5" pipe, a 6" pipe\nand more, of the same',
    ],
)
def test_commas_of_sentences_part_nothing(text: str) -> None:
    assert list(find_grids(text)) == []
    assert all(len(row) == 1 for row in cells(text))


def test_lines_of_a_written_table() -> None:
    text = '\ufeffReport 2024,,\nItem,Note,Amount\n"Tea","a ""good"" one\nin two lines",3.00\nCup,,"1,200.50"\n'
    assert cells(text) == [
        ["\ufeffReport 2024,,"],
        ["Item", "Note", "Amount"],
        ["Tea", 'a ""good"" one\nin two lines', "3.00"],
        ["Cup", "1,200.50"],
    ]


def test_a_column_without_a_heading_and_a_row_of_one_cell() -> None:
    text = "|  | Name | Stock | Price |\n|---|---|---|---|\n| 1 | Tea | 2 | 3.00 |\n|  | Drinks |  |  |\n| 2 | Cola | 4 |\n"
    rows = [(row["name"], row["stock"], row["price"]) for row in read(text)]
    assert rows == [("Tea", 2, 3.0), ("Cola", 4, None)]


def test_a_ragged_row_is_no_row() -> None:
    text = "Name,Colour,Stock,Price,Added\nTea,red,2,3.00,2024-05-01\nTotal,3.00\n"
    assert read(text) == wanted([("Tea", "red", 2, "3.00", "2024-05-01")])
    barred = "| Name | Stock | Price |\n|---|---|---|\n| Tea | 2 | 3.00 |\n| Cup | 2 | 3.00 | 4 |"
    assert [row["name"] for row in read(barred)] == ["Tea"]


class Sold(BaseModel):
    description: str | None
    quantity: float | None
    amount: float | None


class Sale(BaseModel):
    items: list[Sold]


@pytest.mark.parametrize(
    ("text", "amounts"),
    [
        ("Description,Quantity,Amount\nTea,1,2.50\nCup,2,\n", [2.5, None]),
        ("| Description | Quantity | Amount |\n|---|---|---|\n| Tea | 1 | 2.50 |\n| Cup | 2 |  |", [2.5, None]),
        ("Description,Quantity\nTea,1\nCup,2\n", [None, None]),
    ],
)  # fmt: skip
def test_an_item_of_a_written_table_may_have_no_amount(
    text: str, amounts: list[float | None]
) -> None:
    items = extract(Sale.model_json_schema(), text).value["items"]
    assert [item["description"] for item in items] == ["Tea", "Cup"]
    assert [item["amount"] for item in items] == amounts


@pytest.mark.parametrize("piece", ["a,b\n", "a;b,c\n", '",\n', '"a","b\n', '"\n",', "a,b\nc,d,e\n", "|a|b|\n|---|---|\n", "|---|\n", "a\tb\n", ',"', '""'])  # fmt: skip
def test_many_marks_take_little_time(piece: str) -> None:
    text = piece * (300_000 // len(piece))
    began = time.process_time()
    list(find_grids(text))
    assert time.process_time() - began < 10  # a square takes minutes
