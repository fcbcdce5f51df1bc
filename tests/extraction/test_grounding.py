"""ground(): values back to the places they stand in."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompture import ground

TEXT = (
    "ACME  Ltd\nInvoice No: A-7\nDate: 3 May 2024, 14:05\n"
    "Widget  2  1.250,00\nGadget  2  99,50\nTotal: EUR 1.349,50 (19 %)\n"
    "The “quick” brown—fox. Total due in 30 days.\n"
)
CASES: list[tuple[Any, str, str | None, str]] = [
    ({"no": "A-7"}, "/no", "A-7", "exact"),
    ({"name": "acme ltd"}, "/name", "ACME  Ltd", "normalised"),
    ({"total": 1349.5}, "/total", "1.349,50", "normalised"),
    ({"total": "1349.50"}, "/total", "1.349,50", "normalised"),
    ({"days": 30}, "/days", "30", "exact"),
    ({"rate": 0.19}, "/rate", "19", "normalised"),
    ({"date": "2024-05-03"}, "/date", "3 May 2024", "normalised"),
    ({"at": "2024-05-03T14:05:00"}, "/at", "3 May 2024, 14:05", "normalised"),
    ({"time": "14:05:00"}, "/time", "14:05", "normalised"),
    ({"quote": 'the "quick" brown-fox'}, "/quote", "The “quick” brown—fox", "normalised"),
    ({"a/b": {"~": "A-7"}}, "/a~1b/~0", "A-7", "exact"),
    ("A-7", "", "A-7", "exact"),
    ({"none": None, "yes": True}, "/none", None, ""),
    ({"name": "Nobody GmbH"}, "/name", None, ""),
    ({"n": 7777}, "/n", None, ""),
    ({"part": "Widg"}, "/part", None, ""),
]


@pytest.mark.parametrize(("value", "pointer", "words", "kind"), CASES)
def test_values_are_found(value: Any, pointer: str, words: str | None, kind: str) -> None:
    found = ground(value, TEXT)
    if words is None:
        assert pointer not in found
        return
    best = found[pointer][0]
    assert (TEXT[best.start : best.end], best.kind) == (words, kind)


def test_a_repeated_value_is_taken_next_to_its_siblings() -> None:
    rows = {"rows": [{"name": "Widget", "qty": 2}, {"name": "Gadget", "qty": 2}]}
    found = ground(rows, TEXT)
    assert TEXT.rfind("2", 0, found["/rows/0/qty"][0].end) < TEXT.find("Gadget")
    assert found["/rows/1/qty"][0].start > TEXT.find("Gadget")


def test_approximate_words_are_found_with_rapidfuzz() -> None:
    pytest.importorskip("rapidfuzz")
    best = ground({"a": "brown-f0x. Total due in 3O days"}, TEXT)["/a"][0]
    assert best.kind == "fuzzy"
    assert best.score < 1


@settings(max_examples=60)
@given(st.text(max_size=60), st.text(min_size=1, max_size=20), st.text(max_size=60))
def test_exact_spans_hold_the_value(before: str, value: str, after: str) -> None:
    text = f"{before} {value} {after}"
    for spans in ground({"v": value}, text).values():
        assert 1 <= len(spans) <= 5
        for span in spans:
            assert 0 <= span.start < span.end <= len(text)
            if span.kind == "exact":
                assert text[span.start : span.end] == value.strip()


@given(st.decimals(min_value=0, max_value=10**9, places=2))
def test_numbers_are_found_as_printed(number: Decimal) -> None:
    text = f"Total: {number:,.2f} EUR"
    assert "/n" in ground({"n": float(number)}, text)


@pytest.mark.shared
def test_citations_are_grounded_on_their_gold_spans(shared: Path) -> None:
    folder = shared / "corpus" / "citations_anystyle"
    right = total = 0
    for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        with (folder / row["doc"]).open(encoding="utf-8", newline="") as file:
            text = file.read()
        found = ground(row["labels"], text)
        for path, gold in row["spans"].items():
            pointer = "/" + path.replace("[", "/").replace("]", "").replace(".", "/")
            places = gold if isinstance(gold[0], list) else [gold]
            total += 1
            best = found.get(pointer, ())[:1]
            right += any(s.start < end and start < s.end for s in best for start, end in places)
    assert right / total > 0.97
