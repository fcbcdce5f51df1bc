"""The document, the answers the stub gives, and the schemas that every client is given."""

from __future__ import annotations

import json
from datetime import date
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

DOCUMENT = (
    """INVOICE  No. INV-2026-00417
From: Brightwater Industrial Supply Ltd., 14 Quay Street, Bristol BS1 4DJ
To:   Halvorsen & Mehta Engineering GmbH, Lindenallee 7, 20259 Hamburg
Issue date: 14 October 2026        Currency: EUR

  1. Stainless ball valve DN25, PN40 .......... 12 x  38.50
  2. Flange gasket set, graphite, DN25 ........ 24 x   4.20
  3. Pressure gauge 0-16 bar, G1/2 ............  4 x  61.75
  4. Thread sealant 250 ml ....................  6 x   9.90

Subtotal 869.20   VAT 19 % 165.15   Total due 1034.35
Payment within 30 days net. Goods remain our property until paid in full.
"""
    * 2
)
INVOICE = {
    "invoice_number": "INV-2026-00417",
    "vendor": "Brightwater Industrial Supply Ltd.",
    "customer": "Halvorsen & Mehta Engineering GmbH",
    "issue_date": "2026-10-14",
    "currency": "EUR",
    "line_items": [
        {"description": "Stainless ball valve DN25, PN40", "quantity": 12, "unit_price": 38.5},
        {"description": "Flange gasket set, graphite, DN25", "quantity": 24, "unit_price": 4.2},
        {"description": "Pressure gauge 0-16 bar, G1/2", "quantity": 4, "unit_price": 61.75},
        {"description": "Thread sealant 250 ml", "quantity": 6, "unit_price": 9.9},
    ],
    "total": 1034.35,
    "notes": "Payment within 30 days net.",
}


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LineItem(Closed):
    description: str
    quantity: int
    unit_price: float


class Invoice(Closed):
    """An invoice."""

    invoice_number: str = Field(description="The invoice number as printed")
    vendor: str
    customer: str
    issue_date: date
    currency: Literal["EUR", "USD", "GBP"]
    line_items: list[LineItem]
    total: float = Field(description="Total due including tax")
    notes: str | None


class Item(Closed):
    name: str
    qty: int
    price: float


class Listing(Closed):
    """A stock list."""

    title: str
    items: list[Item]


@cache
def answer(name: str, items: int, key: str) -> str:
    """The text of an answer: ``"invoice"``, or a list of so many items under ``key``."""
    if name == "invoice":
        return json.dumps(INVOICE)
    rows = [
        {"name": f"item-{i:05d}", "qty": i % 97, "price": round(i * 0.37 % 100, 2)}
        for i in range(items)
    ]
    title = {"title": "Stock list"} if key == "items" else {}
    return json.dumps({**title, key: rows}, separators=(",", ":"))


def items_of(characters: int) -> int:
    """How many items make an answer of about so many characters."""
    return max(1, (characters - 30) // 44)


def messages(text: str) -> list[dict[str, Any]]:
    system = {"role": "system", "content": "Extract the requested data from the document."}
    return [system, {"role": "user", "content": text}]


def response_format(model: type[BaseModel]) -> dict[str, Any]:
    schema = {"name": model.__name__, "strict": True, "schema": model.model_json_schema()}
    return {"type": "json_schema", "json_schema": schema}


def check(invoice: Any) -> None:
    """A wrong answer is a failure, not a time."""
    found = (invoice.invoice_number, len(invoice.line_items), invoice.issue_date)
    assert found == ("INV-2026-00417", 4, date(2026, 10, 14)), found
