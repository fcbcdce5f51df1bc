"""No value is lost at a seam, and none is found twice: whatever the text, wherever it is cut."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from prompture import Chunks, extract_result
from prompture.testing import FunctionDriver
from prompture.types import Request


class Line(BaseModel):
    sku: str
    qty: int


class Order(BaseModel):
    number: str
    lines: list[Line]


ROW = re.compile(r"\b(SKU-\d+) x (\d+);")


def reads(request: Request) -> dict[str, object]:
    """A model that reads every whole row of what it is given."""
    text = request.messages[-1].text
    number = re.search(r"Order (\S+)\n", text)
    rows = [{"sku": sku, "qty": int(qty)} for sku, qty in ROW.findall(text)]
    return {"number": number and number[1], "lines": rows}


WORDS = st.text(alphabet="abc déf 漢字，。\t.|#", max_size=40)
ROWS = st.lists(
    st.tuples(
        # Few numbers: equal rows at different places are many.
        st.integers(1, 12).map(lambda n: f"SKU-{n} x {n % 5 + 1};"),
        st.sampled_from(["\n", "\n\n", " ", "\r\n", "\f", "\n## Part\n\n", "\n| a | b |\n"]),
        WORDS,
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=ROWS, tokens=st.integers(40, 400), passes=st.integers(1, 2))
def test_every_planted_row_is_found_once(
    rows: list[tuple[str, str, str]], tokens: int, passes: int
) -> None:
    text = "Order A-1\n\n" + "".join(f"{row}{gap}{words}{gap}" for row, gap, words in rows)
    chunks = Chunks(tokens=tokens, overlap=20, passes=passes)
    result = extract_result(Order, text, model=FunctionDriver(reads), long=chunks)
    wanted = ROW.findall(text)
    assert [(line.sku, str(line.qty)) for line in result.value.lines] == wanted
    assert result.value.number == "A-1"
    assert result.conflicts == {}
    places = [m.start() for m in ROW.finditer(text)]
    assert [result.sources[f"/lines/{i}/sku"][0].start for i in range(len(wanted))] == places


@pytest.mark.parametrize("at", range(0, 700, 7))
def test_a_row_across_any_seam(at: int) -> None:
    """One row, moved through the text character by character, past every seam."""
    filler = "".join(f"word{i} " for i in range(100))
    text = f"Order B-2\n{filler[:at]} SKU-77 x 3; {filler[at:]}"
    chunks = Chunks(tokens=60, overlap=20)
    result = extract_result(Order, text, model=FunctionDriver(reads), long=chunks)
    assert [line.sku for line in result.value.lines] == ["SKU-77"]


def test_equal_rows_at_different_places_stay() -> None:
    text = "Order C\n" + "SKU-1 x 1;\n" * 100
    result = extract_result(Order, text, model=FunctionDriver(reads), long=Chunks(tokens=100))
    assert Counter(line.sku for line in result.value.lines) == {"SKU-1": 100}
    assert len(result.chunks) > 5


class Record(BaseModel):
    name: str | None = None
    role: str | None = None
    amount: float | None = None


class Records(BaseModel):
    records: list[Record]


def records(request: Request) -> dict[str, object]:
    """A model that reads records of three lines, and parts of one where a seam has cut it."""
    found: list[dict[str, object]] = []
    current: dict[str, object] | None = None
    for line in request.messages[-1].text.splitlines():
        if match := re.match(r"(Name|Role|Amount): (.+)", line):
            key = match[1].lower()
            if current is None or key == "name":
                current = {}
                found.append(current)
            current[key] = float(match[2]) if key == "amount" else match[2]
        elif not line.strip():
            current = None
    return {"records": found}


@pytest.mark.parametrize("seed", range(40))
def test_no_record_of_several_lines_is_lost(seed: int) -> None:
    chance = random.Random(seed)
    rows = [
        (chance.choice(["Ann", "Bob", "Cy"]), chance.choice(["owner", "clerk"]), n + 0.5)
        for n in range(chance.randint(5, 25))
    ]
    blocks = [f"Name: {name}\nRole: {role}\nAmount: {amount}\n" for name, role, amount in rows]
    text = "\n".join(blocks)
    chunks = Chunks(tokens=chance.randint(80, 150), overlap=30, passes=chance.randint(1, 2))
    result = extract_result(Records, text, model=FunctionDriver(records), long=chunks)
    found = Counter((r.name, r.role, r.amount) for r in result.value.records)
    assert Counter(rows) - found == Counter()
    assert found - Counter(rows) == Counter()


class Clause(BaseModel):
    number: str
    title: str
    points: list[str]


class Agreement(BaseModel):
    name: str
    clauses: list[Clause]


def clauses(request: Request) -> dict[str, object]:
    """A model that reads clauses with their points, under the headings that it is given."""
    text = request.messages[1].text
    name = re.search(r"AGREEMENT OF (\w+)", text)
    found: list[dict[str, object]] = []
    points: list[str] = []
    for line in text.splitlines():
        if match := re.fullmatch(r"(\d+)\. (Clause \w+)", line):
            points = []
            found.append({"number": match[1], "title": match[2], "points": points})
        elif match := re.match(r"\(\w+\) (point-\d+-\d+)", line):
            points.append(match[1])
    return {"name": name and name[1], "clauses": found}


@pytest.mark.parametrize("seed", range(25))
def test_a_clause_that_goes_on_in_the_next_chunk_is_one(seed: int) -> None:
    """Its heading is repeated in front of the chunk, and says whose points these are."""
    chance = random.Random(seed)
    wanted = [
        (str(c), f"Clause title{c}", [f"point-{c}-{p}" for p in range(chance.randint(0, 12))])
        for c in range(1, chance.randint(4, 15))
    ]
    text = "AGREEMENT OF ACME\n\n" + "\n".join(
        f"{number}. {title}\n\n"
        + "".join(
            f"({chr(97 + i)}) {point} " + "shall be so and so, " * chance.randint(1, 8) + "\n"
            for i, point in enumerate(points)
        )
        for number, title, points in wanted
    )
    chunks = Chunks(tokens=chance.randint(100, 300), passes=chance.randint(1, 2))
    result = extract_result(Agreement, text, model=FunctionDriver(clauses), long=chunks)
    assert [(c.number, c.title, c.points) for c in result.value.clauses] == wanted
    assert result.conflicts == {}


class Names(BaseModel):
    names: list[str]


@pytest.mark.parametrize("seed", range(10))
def test_names_in_a_text_without_spaces(seed: int) -> None:
    chance = random.Random(seed)
    names = [f"甲方{chance.randint(1, 9)}号{i}公司" for i in range(40)]
    rest = [f"签订。{'其余条款另行约定，' * chance.randint(1, 6)}双方同意。" for _ in names]
    text = "".join(f"本合同由{name}{words}" for name, words in zip(names, rest, strict=True))

    def reads_names(request: Request) -> dict[str, object]:
        return {"names": re.findall(r"甲方\d号\d+公司", request.messages[1].text)}

    chunks = Chunks(tokens=chance.randint(80, 200), overlap=30)
    result = extract_result(Names, text, model=FunctionDriver(reads_names), long=chunks)
    assert result.value.names == names
