"""Time grows with the text, not with its square."""

import time

import pytest
from pydantic import BaseModel

from prompture.errors import UnsupportedError
from prompture.rules import extract
from prompture.rules.engine import MOST_CHARS, MOST_LINES


class Row(BaseModel):
    sku: str | None
    description: str | None
    quantity: float | None
    amount: float | None


class Everything(BaseModel):
    invoice_number: str | None
    date: str | None
    total: float | None
    seller: str | None
    customer_name: str | None
    title: str | None
    authors: list[str]
    emails: list[str]
    notes: str | None
    iban: str | None
    items: list[Row]


HOSTILE = [
    "a", "a b ", "1 2 3,", ": ", "\n", "(((((", "A. B. C. ", "Name: ", "1234567890 ", "AB12 ", "1/1/1 ", "x@", "- ", "=\n", "Total\n", "Total  ",
    "|", "Jalan, ", '"', "« ", "<a>", '{"total":', "AB12CD34EF56GH78JK90LM12NP34x ", "10.1234/a", "www.a.", "Van Der Berg, ", "vol. 1 ", "\t",
    "a: b\n", "|a|b|c|\n", "Notes\n", "Authors: A. B. Smith\n", "Pos  Description  Quantity  Amount\n1  Widget  2  5.00\n", "1st day of ",
    "SAVING 0.00 TOTAL 41.50 ", "Description,Quantity,Amount\nTea,1,2.50\nCup,2,\n",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_hostile_text_takes_bounded_time(piece: str) -> None:
    schema = Everything.model_json_schema()
    began = time.process_time()
    extract(schema, piece * (50_000 // len(piece)))
    assert time.process_time() - began < 10  # a square takes minutes


@pytest.mark.parametrize(
    "text", ["a" * (MOST_CHARS + 1), "a: b\n" * (MOST_LINES + 1), "|a|b|c|\n" * 600_000]
)
def test_a_text_that_is_too_long_is_refused_at_once(text: str) -> None:
    schema = Everything.model_json_schema()
    extract(schema, "a")
    began = time.process_time()
    with pytest.raises(UnsupportedError, match="local/rules reads texts of at most"):
        extract(schema, text)
    assert time.process_time() - began < 5


RUNS = [
    "A{}LTD\n5 JALAN X{}y\n",
    "abstract doi university\nA Study of Things\nAnn Lee{}, Bob Ray{}\nUniversity of X{}\n",
    "MILL GMBH{}·{}STREET 5{}·{}12345{}TOWN{}\n",
    "Skills:{}a,{}b{}and{}c\nInsured:{}yes{}x\nDate:{}5{}May{}2024{}\n",
]


@pytest.mark.parametrize(
    "run", [" ", "\t", "\u00a0", "\u3000", "1234 ", "research ", "(5) ", "5 May 2024 "]
)
@pytest.mark.parametrize("text", RUNS)
def test_a_long_run_inside_a_line_takes_linear_time(text: str, run: str) -> None:
    # Of blanks, above all: an expression that may begin with any of them tries each.
    filled = text.replace("{}", (run * 30_000)[: 30_000 // text.count("{}")])
    began = time.process_time()
    extract(Everything.model_json_schema(), filled)
    assert time.process_time() - began < 4  # the square took 5 seconds and more


@pytest.mark.parametrize("cell", ["|a", "a  "])
def test_lines_of_thousands_of_cells_take_linear_time(cell: str) -> None:
    began = time.process_time()
    extract(Everything.model_json_schema(), (cell * 3000 + "\n") * 3)
    assert time.process_time() - began < 8  # the square took 12 seconds
