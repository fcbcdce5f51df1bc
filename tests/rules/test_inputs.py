"""What files become, read by the rules: heads of mails, Markdown headings, columns of a PDF, forms in tables."""

from datetime import datetime
from typing import Any

import pytest
from pydantic import BaseModel, Field

from prompture.rules import extract


def read(model: type[BaseModel], text: str) -> dict[str, Any]:
    value: dict[str, Any] = extract(model.model_json_schema(), text).value
    return value


MAIL = """\
From: Ann Lee <ann@acme.com>
To: Bob Roe <bob@example.org>, Eve <eve@example.org>
Cc: Carl <carl@example.org>
Subject: Your order: 4711
Date: Tue, 5 Mar 2024 14:35:00 +0100

Dear Bob,

thank you for your order. It will arrive on 9 March 2024.

Order number: A-4711
Total: EUR 45.00

Regards
Ann
"""


class Mail(BaseModel):
    sender: str | None
    sender_name: str | None
    sender_email: str | None
    recipients: list[str]
    recipient_email: str | None
    cc: str | None
    subject: str | None
    sent: datetime | None
    order_number: str | None
    total: float | None
    seller: str | None
    buyer: str | None


def test_the_head_of_a_mail() -> None:
    assert read(Mail, MAIL) == {
        "sender": "Ann Lee <ann@acme.com>",
        "sender_name": "Ann Lee",
        "sender_email": "ann@acme.com",
        "recipients": ["Bob Roe <bob@example.org>", "Eve <eve@example.org>"],
        "recipient_email": None,  # two
        "cc": "Carl <carl@example.org>",
        "subject": "Your order: 4711",
        "sent": "2024-03-05T14:35:00+01:00",
        "order_number": "A-4711",
        "total": 45.0,
        "seller": None,  # "Dear Bob" is nobody's name
        "buyer": None,
    }


def test_the_head_of_a_mail_in_german() -> None:
    text = 'Von: "Lee, Ann" <ann@acme.de>\nGesendet: Dienstag, 5. März 2024 14:35\nAn: bob@example.org\nBetreff: Angebot\n\nHallo Bob,'
    found = read(Mail, text)
    assert (found["sender_name"], found["sender_email"]) == ("Lee, Ann", "ann@acme.de")
    assert (found["recipient_email"], found["subject"]) == ("bob@example.org", "Angebot")
    assert found["sent"] == "2024-03-05T14:35:00"


@pytest.mark.parametrize(
    ("printed", "value"),
    [
        ("2024-03-05T14:35:00Z", "2024-03-05T14:35:00+00:00"),
        ("2024-03-05 14:35:00.123 -05:30", "2024-03-05T14:35:00-05:30"),
        ("5 Mar 2024 14:35 GMT", "2024-03-05T14:35:00+00:00"),
        ("5 Mar 2024 14:35 EST", "2024-03-05T14:35:00"),
        ("5 Mar 2024 14:35-16:00", "2024-03-05T00:00:00"),  # from two hours, none
        ("2024-03-05T14:35-05:00", "2024-03-05T14:35:00-05:00"),
        ("5 Mar 2024", "2024-03-05T00:00:00"),
    ],
)
def test_a_time_keeps_its_offset(printed: str, value: str | None) -> None:
    schema = {
        "type": "object",
        "properties": {"seen": {"type": ["string", "null"], "format": "date-time"}},
        "required": ["seen"],
    }
    assert extract(schema, f"Seen: {printed}\n").value["seen"] == value


class Invoice(BaseModel):
    invoice_number: str | None
    seller: str | None
    buyer: str | None
    date: str | None
    total: float | None


def test_markdown_headings() -> None:
    text = "# Invoice No. 4711\n\n## Bill to\n\nAcme GmbH\nMain St 5\n10115 Berlin\n\n## Date\n\n2024-05-01\n\n### Total: 45.00\n"
    assert list(read(Invoice, text).values()) == ["4711", None, "Acme GmbH", "2024-05-01", 45.0]


class Month(BaseModel):
    date: str | None
    issued: str | None = Field(description="YYYY-MM-DD")
    start_date: str | None = Field(description="YYYY-MM")


@pytest.mark.parametrize(
    ("printed", "values"),
    [
        ("March 2024", ("March 2024", None, "2024-03")),
        ("März 2024", ("März 2024", None, "2024-03")),
        ("03/2024", ("03/2024", None, "2024-03")),
        ("5 March 2024", ("5 March 2024", "2024-03-05", "2024-03")),
        ("March 2024 to June 2024", (None, None, None)),
        ("in March", (None, None, None)),
    ],
)
def test_a_month_is_a_date_where_no_day_is_asked_for(printed: str, values: Any) -> None:
    text = f"Date: {printed}\nIssued: {printed}\nStart date: {printed}\n"
    assert tuple(read(Month, text).values()) == values


class Item(BaseModel):
    description: str | None
    quantity: float | None
    unit_price: float | None
    amount: float | None


class Goods(BaseModel):
    items: list[Item]


@pytest.mark.parametrize(
    ("row", "total", "kept"),
    [
        ("Travel, flat                     80.00", "580.00", True),
        ("Travel, flat  80.00", "580.00", True),
        ("Travel, flat  80.00", "500.00", False),  # the sum does not hold it
        ("Deposit:  80.00", "580.00", False),
    ],
)
def test_a_row_without_a_quantity_is_proved_by_the_sum(row: str, total: str, kept: bool) -> None:
    text = f"Description     Qty  Price   Amount\nConsulting      10   50.00   500.00\n{row}\nTotal  {total}\n"
    items = read(Goods, text)["items"]
    assert items[0] == {
        "description": "Consulting",
        "quantity": 10,
        "unit_price": 50.0,
        "amount": 500.0,
    }
    flat = {"description": "Travel, flat", "quantity": None, "unit_price": None, "amount": 80.0}
    assert items[1:] == ([flat] if kept else [])


def test_rows_of_a_written_table_need_no_quantity() -> None:
    text = "| Description | Qty | Price | Amount |\n|---|---|---|---|\n| Travel | | | 80.00 |\n| Tea | 2 | 3.00 | 6.00 |\n| Total | | | 86.00 |\n"
    assert [
        (row["description"], row["quantity"], row["amount"]) for row in read(Goods, text)["items"]
    ] == [
        ("Travel", None, 80.0),
        ("Tea", 2, 6.0),
    ]


class Thing(BaseModel):
    brand: str | None
    colour: str | None
    weight_kg: float | None
    warranty: str | None
    skills: list[str]
    birth_place: str | None


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("Marke: Krups\nFarbe: schwarz\nGewicht: 2,5 kg\nGarantie: 2 Jahre\nKenntnisse: Python, SQL und Rust\nGeburtsort: Bonn", ("Krups", "schwarz", 2.5, "2 Jahre", ["Python", "SQL", "Rust"], "Bonn")),
        ("Marque : Krups\nCouleur : noir\nPoids : 2,5 kg\nGarantie : 2 ans\nCompétences : Python, SQL\nLieu de naissance : Lyon", ("Krups", "noir", 2.5, "2 ans", ["Python", "SQL"], "Lyon")),
        ("| Marca | Krups |\n|---|---|\n| Colore | nero |\n| Peso | 2,5 kg |\n| Garanzia | 2 anni |\n| Competenze | Python, SQL |\n| Luogo di nascita | Roma |", ("Krups", "nero", 2.5, "2 anni", ["Python", "SQL"], "Roma")),
        ("| Brand | 3000 | Colour | 17 |\n|---|---|---|---|\n| Weight | 2 kg | Warranty | none |", ("3000", "17", 2, "none", [], None)),
    ],
)  # fmt: skip
def test_labels_in_another_language_than_the_schema(text: str, values: Any) -> None:
    assert tuple(read(Thing, text).values()) == values


def test_a_number_of_contents_is_no_text() -> None:
    schema = {"type": "object", "properties": {"governing_law": {"type": "string"}}}
    assert (
        extract(schema, "SECTION 8.14   Governing Law   63\nSECTION 8.15   Counterparts   64").value
        == {}
    )


class Parties(BaseModel):
    seller: str | None
    buyer: str | None


@pytest.mark.parametrize(
    ("text", "seller", "buyer"),
    [
        ("| Bill to | Blue Oak Ltd |\n|---|---|\n| Description | Qty |", None, "Blue Oak Ltd"),
        ("| Seller | ACME GmbH | Buyer | Blue Oak Ltd |\n|---|---|---|---|\n| Date | 2024 | Place | Bonn |", "ACME GmbH", "Blue Oak Ltd"),
        ("| Bill to | Ship to |\n|---|---|\n| Blue Oak Ltd | Red Elm Ltd |\n| 12 Mill Rd | 1 High St |", None, "Blue Oak Ltd"),
        ("| Customer | Date | Total |\n|---|---|---|\n| Blue Oak Ltd | 2024-05-01 | 5.00 |", None, "Blue Oak Ltd"),
        ("| Customer | Date | Total |\n|---|---|---|\n| Blue Oak Ltd | 2024-05-01 | 5.00 |\n| Red Elm Ltd | 2024-05-02 | 6.00 |", None, None),
        ("| ACME GmbH |\n|---|\n| Hauptstr. 1, 10115 Berlin |\n\n| Date | 2024-05-01 |\n|---|---|\n| Bill to | Blue Oak Ltd |", "ACME GmbH", "Blue Oak Ltd"),
        ("| ACME GmbH |  |  |\n|---|---|---|\n| Hauptstr. 1, 10115 Berlin |  |  |\n| Date | 2024-05-01 |  |", "ACME GmbH", None),
    ],
)  # fmt: skip
def test_parties_in_a_written_table(text: str, seller: str | None, buyer: str | None) -> None:
    assert read(Parties, text) == {"seller": seller, "buyer": buyer}


class Sums(BaseModel):
    net_total: float | None
    tax_total: float | None
    total: float | None


@pytest.mark.parametrize(
    "text",
    [
        "Netto: 580,00 €\nMwSt. 19 %: 110,20 €\nGesamtbetrag: 690,20 €",
        "| Netto | 580,00 € |\n|---|---|\n| MWSt 19 % | 110,20 € |\n| Gesamtbetrag | 690,20 € |",
        "Netto;580,00\nMw.St. 19 %;110,20\nGesamtbetrag;690,20",
    ],
)
def test_german_tax_however_it_is_written(text: str) -> None:
    assert read(Sums, text) == {"net_total": 580.0, "tax_total": 110.2, "total": 690.2}


def test_a_rate_is_no_amount() -> None:
    assert read(Sums, "MwSt.-% 19,0\nVAT %: 19.00\nTax %  20.00")["tax_total"] is None
