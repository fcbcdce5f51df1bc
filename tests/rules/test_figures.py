"""A number is what its label says, not cut out of something else."""

from __future__ import annotations

from typing import Any

import pytest

from prompture.rules import extract

CASES: list[tuple[str, str, str, Any]] = [
    ("number", "string", "number: RE-2024-0917", "RE-2024-0917"),
    ("number", "string", "Invoice number: INV-00001", "INV-00001"),
    ("invoice_number", "string", "Invoice number: INV-00001", "INV-00001"),
    ("code", "string", "Code: AB-12/7", "AB-12/7"),
    ("number", "integer", "number: 17", 17),
    ("total", "number", "Total: see page 4", None),
    ("total", "number", "Total: EUR 4", 4),
    ("total", "number", "Total: 1.234,50 EUR (incl. VAT)", 1234.5),
    ("total", "number", "TOTAL RM 5.00", 5.0),
    ("total", "number", "Total: 1 234,56 EUR", 1234.56),
    ("total", "number", "Total: Rs. 1,23,456.78", 123456.78),
    ("total", "number", "Total: 1,23,456", 123456),
    ("population", "integer", "Population: 12 345", 12345),
    ("age", "integer", "age: 20-30", None),
    ("age", "integer", "age: 20 – 30", None),
    ("age", "integer", "age: 20 to 30", None),
    ("age", "integer", "Age: 45 years", 45),
    ("age", "integer", "Age: 45 (born 1979)", 45),
    ("price", "number", "price: from 12-17 EUR", None),
    ("price", "number", "Price: 12 EUR", 12),
    ("year", "integer", "year: 2019-2024", None),
    ("year", "integer", "year: 2019", 2019),
    ("quantity", "integer", "quantity: AB-12", None),
    ("quantity", "integer", "quantity: 12 pcs", 12),
    ("quantity", "integer", "Qty: 5 Price: 3.00 Total: 15.00", 5),
    ("weight_kg", "number", "Weight: 12.5 kg", 12.5),
    ("rooms", "integer", "Rooms | 3", 3),
    ("rooms", "integer", "Rooms | see p. 3", None),
    ("rooms", "integer", '{"rooms": "20-30"}', None),
    ("rooms", "integer", '{"rooms": 20}', 20),
    ("count", "integer", "Count\nsee 12", None),
    ("version", "number", "Version: 1.2.3", None),
    ("temperature", "number", "Temperature: -5 °C", -5),
    ("balance", "number", "Balance: (500.00)", -500.0),
]


@pytest.mark.parametrize(("name", "kind", "text", "value"), CASES)
def test_a_number_is_the_whole_of_its_cell(name: str, kind: str, text: str, value: Any) -> None:
    schema = {
        "type": "object",
        "properties": {name: {"type": [kind, "null"]}},
        "required": [name],
    }
    assert extract(schema, text).value == {name: value}
