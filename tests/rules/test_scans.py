"""Receipts as pictures at 150 dpi, read by OCR: their day and their total. scripts/eval_scans.py measures more."""

from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel

pytest.importorskip("rapidocr")

from prompture.documents import ocr
from prompture.rules import extract
from tests.documents.pictures import drawn, scanned


class Slip(BaseModel):
    date: date | None
    total: float | None


RECEIPTS: list[tuple[list[str | tuple[str, ...]], str, float]] = [
    (
        ["BLUE OAK CAFE", "70 Main Street", "Date: 14/06/2025 12:45", ("2 x Espresso", "5.00"), ("Cake", "3.12"), ("TOTAL", "8.12"), ("CASH", "10.00"), ("CHANGE", "1.88")],
        "2025-06-14",
        8.12,
    ),
    (
        ["Bäckerei Sommer", "10115 Berlin", "Datum: 05.03.2018", ("3 Brötchen", "1,35"), ("Brot", "4,20"), ("Gesamtbetrag:", "EUR 5,55"), ("Bar", "6,00")],
        "2018-03-05",
        5.55,
    ),
    (
        ["HARDWARE HUB", "Oct 23, 2018 18:03", ("Hammer 500g", "27.93"), ("SUBTOTAL", "27.93"), ("GST 6%", "1.68"), ("TOTAL RM", "29.61"), ("CARD", "29.61")],
        "2018-10-23",
        29.61,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "day", "total"), RECEIPTS)
def test_a_receipt_is_read_off_its_picture(lines: Any, day: str, total: float) -> None:
    paper = drawn(lines, size=21, width=520, columns=(30, 360))
    text = "\n".join(
        line.text for line in ocr.lines_of(scanned(paper, skew=0.4, blur=0.5, noise=4))
    )
    assert extract(Slip.model_json_schema(), text).value == {"date": day, "total": total}, text
