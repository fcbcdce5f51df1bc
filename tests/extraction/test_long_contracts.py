"""Real contracts of 120 to 260 kB, in chunks: what the model reads of them is found whole."""

from __future__ import annotations

import json
import re
import time
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from prompture import Chunks, Invalid, extract_result, ground
from prompture.extraction.merge_rows import leaves
from prompture.testing import FunctionDriver
from prompture.types import Request

pytestmark = pytest.mark.shared


def long_texts(shared: Path) -> list[str]:
    """A long contract, and two of them in one text."""
    corpus = shared / "corpus"
    folders = [corpus / "contracts_cuad" / "docs", corpus / "extract_bench" / "docs"]
    files = sorted((p for each in folders for p in each.glob("*")), key=lambda p: p.stat().st_size)
    texts = [text for path in files if 120_000 <= len(text := read(path)) <= 260_000]
    return [texts[-1], f"{texts[0]}\n\n{texts[1]}"[:260_000]]


def read(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as file:
        return file.read()


def test_they_are_cut_read_merged_and_grounded_in_a_moment(shared: Path) -> None:
    schema = json.loads(read(shared / "corpus" / "contracts_cuad" / "schema.json"))
    # Whether there is a clause is no question for rules.
    known = {k: v for k, v in schema["properties"].items() if v.get("type") != "boolean"}
    schema = {**schema, "properties": known, "required": [*known]}
    for text in long_texts(shared):
        started = time.process_time()
        result = extract_result(schema, text, model="local/rules", long=Chunks())
        result.sources  # noqa: B018 - made when first asked for
        assert time.process_time() - started < 10
        assert len(result.chunks) > 3
        assert all(chunk.error is None for chunk in result.chunks)


class Marks(BaseModel):
    marks: list[str]


MARK = re.compile(r"\bMARK-\d{6}\b")


def marks(request: Request) -> Any:
    return {"marks": MARK.findall(request.messages[-1].text)}


def test_no_value_is_lost_at_a_seam_of_a_contract(shared: Path) -> None:
    """A value is planted every 200 characters, so that some stand at every seam."""
    for number, text in enumerate(long_texts(shared)):
        spaces = [m.end() for m in re.finditer(r"\s", text)]
        places = [at for i, at in enumerate(spaces) if i % 30 == number]
        pieces = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]
        planted = "".join(f"{p}MARK-{i:06} " for i, p in enumerate(pieces))
        chunks = Chunks(tokens=2_000 + 500 * number, overlap=50)
        started = time.process_time()
        result = extract_result(Marks, planted, model=FunctionDriver(marks), long=chunks)
        assert time.process_time() - started < 10
        wanted = [m.group() for m in MARK.finditer(planted)]
        assert len(wanted) > 500
        assert result.value.marks == wanted
        found = [result.sources[f"/marks/{i}"][0].start for i in range(len(wanted))]
        assert found == [m.start() for m in MARK.finditer(planted)]


def test_the_memory_that_it_takes(shared: Path) -> None:
    text = long_texts(shared)[1]
    tracemalloc.start()
    result = extract_result(Marks, text, model=FunctionDriver(marks), long=Chunks())
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(result.chunks) > 5
    assert most < 300_000_000


def of_part(value: Any, at: str, text: str, places: dict[str, str], given: set[str]) -> Any:
    """What a part of a document states of its labels: those whose place is in it."""
    if isinstance(value, dict):
        parts = {k: of_part(v, f"{at}/{k}", text, places, given) for k, v in value.items()}
        found = {key: part for key, part in parts.items() if part is not None}
        return found if found or not at else None
    if isinstance(value, list):
        items = [of_part(v, f"{at}/{i}", text, places, given) for i, v in enumerate(value)]
        return [item for item in items if item is not None]
    if at not in places or places[at] not in text:
        return None
    given.add(at)
    return value


def counted(value: Any, only: set[str] | None = None) -> Counter[tuple[str, str]]:
    return Counter(
        (re.sub(r"\d+", "*", at), str(leaf))
        for at, leaf in leaves(value)
        if only is None or at in only
    )


@pytest.mark.parametrize("name", ["invoices_zugferd", "citations_anystyle"])
def test_merging_loses_nothing_that_a_chunk_gave(shared: Path, name: str) -> None:
    """A model that gives of each chunk what the labels say stands in it."""
    folder = shared / "corpus" / name
    schema = json.loads(read(folder / "schema.json"))
    rows = [json.loads(line) for line in read(folder / "labels.jsonl").splitlines()][:12]
    for row in rows:
        text, gold, given = read(folder / row["doc"]), row["labels"], set[str]()
        places = {
            at: text[max(0, spans[0].start - 25) : spans[0].end + 25]
            for at, spans in ground(gold, text).items()
        }

        def answer(
            request: Request, gold: Any = gold, places: Any = places, given: Any = given
        ) -> Any:
            return of_part(gold, "", request.messages[1].text, places, given)

        model = FunctionDriver(answer)
        try:
            chunks = Chunks(tokens=300)
            found: Any = extract_result(schema, text, model=model, long=chunks, max_retries=0).value
        except Invalid as exc:  # not every label stands in the text
            found = exc.value
        assert counted(gold, given) - counted(found) == Counter()
