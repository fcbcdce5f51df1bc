"""Small documents of every layout, and what the rules read from them."""

from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, EmailStr, Field, HttpUrl

from prompture.rules import extract


def read(model: type[BaseModel], text: str, **options: Any) -> dict[str, Any]:
    value: dict[str, Any] = extract(model.model_json_schema(), text, **options).value
    return value


class Payment(BaseModel):
    invoice_no: str | None
    total: float | None


@pytest.mark.parametrize(
    "text",
    [
        "Invoice No: 123-A\nTotal: 12.30",
        "Invoice No. 123-A\nTotal 12.30",
        "Invoice number ......... 123-A\nTotal .......... 12.30",
        "Invoice #    123-A\nTotal    $12.30",
        "Invoice No.\t123-A\nTotal\t12.30 EUR",
        "INV NO :123-A TOTAL:12.30",
        "| Invoice No | Total |\n|---|---|\n| 123-A | 12.30 |",
        "Invoice No     Total\n123-A          12.30",
        "Invoice number:\n123-A\nTotal amount:\n12.30",
        "invoice_no=123-A\ntotal=12.30",
        '{"invoice_no": "123-A", "total": 12.30}',
        "<i><InvoiceNo>123-A</InvoiceNo><Total>12.30</Total></i>",
        "Rechnungsnummer: 123-A\nGesamtbetrag: 12,30 €",
        "Facture n° 123-A\nTotal TTC : 12,30 €",
        "Fattura n. 123-A\nTotale: 12,30",
        "Invoise Number: 123-A\nGrand Total: 12.30",
    ],
)
def test_one_value_in_every_layout(text: str) -> None:
    assert read(Payment, text) == {"invoice_no": "123-A", "total": 12.3}


@pytest.mark.parametrize(
    "name",
    ["total", "grand_total", "totalAmount", "amount_due", "gross_total", "invoice_total", "sum"],
)
def test_the_same_amount_by_other_names(name: str) -> None:
    schema = {
        "type": "object",
        "properties": {name: {"type": ["number", "null"]}},
        "required": [name],
    }
    text = "Subtotal: 100.00\nVAT: 20.00\nTotal: 120.00\nCash: 150.00\nChange: 30.00\n"
    assert extract(schema, text).value == {name: 120.0}


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ("Total: 5.00\nTotal: 7.00", 7.0),
        ("TOTAL 33.92\nROUNDING ADJ -0.02\nTOTAL ROUNDED 33.90\nCASH 50.00\nCHANGE 16.10", 33.9),
        ("TOTAL 42.33\nROUNDING ADJUSTMENT .02\nROUNDING 42.35\nCASH 50.00\nCHANGE 7.65", 42.35),
        ("TOTAL 9.90\nGST SUMMARY  AMOUNT  TAX\nT @ 6%  9.34  0.56\nTOTAL  9.34  0.56", 9.9),
        ("Sub total 10.00\nTax 2.00", None),
        ("No amounts at all", None),
        ("Due date: 1 March 2024", None),
    ],
)
def test_the_total_is_what_was_paid_or_nothing(text: str, total: float | None) -> None:
    assert read(Payment, text)["total"] == total


class Person(BaseModel):
    name: str
    age: int | None = None
    email: EmailStr | None = None
    phone: str | None = None
    active: bool | None = None
    birthday: date | None = None
    website: HttpUrl | None = None
    status: Literal["single", "married"] | None = None
    balance: Decimal | None = None
    seen: datetime | None = None
    shift: time | None = None
    id: UUID | None = None


def test_every_type_of_field() -> None:
    text = """\
Name: Ada Lovelace
Age: 36
E-mail: ada@example.com
Phone: +44 20 7946 0958
Active: ☑ yes
Date of birth: 10 December 1815
Website: https://ada.example.org/x
Marital status: Married
Balance: 1.234,50
Seen: 2024-05-01 14:35
Shift: 9:30 am
ID: 123e4567-e89b-12d3-a456-426614174000
"""
    value = read(Person, text)
    assert value == {
        "name": "Ada Lovelace",
        "age": 36,
        "email": "ada@example.com",
        "phone": "+44 20 7946 0958",
        "active": True,
        "birthday": "1815-12-10",
        "website": "https://ada.example.org/x",
        "status": "married",
        "balance": "1234.50",
        "seen": "2024-05-01T14:35:00",
        "shift": "09:30:00",
        "id": "123e4567-e89b-12d3-a456-426614174000",
    }
    Person.model_validate(value)


def test_prose_gives_null_and_no_guess() -> None:
    text = "We met on a rainy day and talked for hours about nothing in particular."
    assert read(Person, text) == {"name": None}


def test_absent_where_not_required_null_where_required() -> None:
    class Mixed(BaseModel):
        colour: str
        size: str = "M"
        weight: float | None

    assert read(Mixed, "nothing here") == {"colour": None, "weight": None}


@pytest.mark.parametrize(
    ("text", "paid"),
    [
        ("Paid: yes", True),
        ("Paid: Nein", False),
        ("Paid: [x]", True),
        ("Paid: ☐", False),
        ("Paid: perhaps", None),
    ],
)
def test_booleans(text: str, paid: bool | None) -> None:
    class Bill(BaseModel):
        paid: bool | None

    assert read(Bill, text) == {"paid": paid}


class Colour(Enum):
    RED = "red"
    GREEN = "green"


@pytest.mark.parametrize(
    ("text", "colour"),
    [
        ("Colour: Green", "green"),
        ("The car is red.", "red"),
        ("red and green", None),
        ("Colour: blue", None),
    ],
)
def test_enumerations(text: str, colour: str | None) -> None:
    class Car(BaseModel):
        colour: Colour | None

    assert read(Car, text) == {"colour": colour}


def test_bounds_and_patterns_are_kept() -> None:
    class Rated(BaseModel):
        rating: int | None = Field(None, ge=1, le=5)
        code: str | None = Field(None, pattern=r"^[A-Z]{2}\d{3}$")

    assert read(Rated, "Rating: 4/5\nCode: AB 123") == {"rating": 4, "code": "AB123"}
    assert read(Rated, "Rating: 9\nCode: 7") == {}


class Line(BaseModel):
    sku: str | None
    description: str | None
    quantity: int | None
    unit_price: float | None
    amount: float | None


class Order(BaseModel):
    items: list[Line]


TABLES = [
    "| SKU | Description | Qty | Unit price | Amount |\n|---|---|--:|--:|--:|\n| A-1 | Blue widget | 2 | 10.00 | 20.00 |\n| B-22 | Red gadget | 1 | 5.50 | 5.50 |",
    "SKU\tDescription\tQty\tUnit price\tAmount\nA-1\tBlue widget\t2\t10.00\t20.00\nB-22\tRed gadget\t1\t5.50\t5.50\n",
    "SKU     Description     Qty    Unit price    Amount\nA-1     Blue widget       2         10.00     20.00\nB-22    Red gadget        1          5.50      5.50\nTotal                                       25.50",
]


@pytest.mark.parametrize("text", TABLES)
def test_rows_of_a_table(text: str) -> None:
    assert read(Order, text)["items"] == [
        {
            "sku": "A-1",
            "description": "Blue widget",
            "quantity": 2,
            "unit_price": 10.0,
            "amount": 20.0,
        },
        {
            "sku": "B-22",
            "description": "Red gadget",
            "quantity": 1,
            "unit_price": 5.5,
            "amount": 5.5,
        },
    ]


class Employee(BaseModel):
    name: str
    role: str | None
    start_date: date | None


class Team(BaseModel):
    employees: list[Employee]


def test_a_table_of_anything() -> None:
    text = "Name       Role        Start date\nAnn Lee    Engineer    2020-01-15\nBob Ray    Designer    2021-06-01\n"
    assert read(Team, text)["employees"] == [
        {"name": "Ann Lee", "role": "Engineer", "start_date": "2020-01-15"},
        {"name": "Bob Ray", "role": "Designer", "start_date": "2021-06-01"},
    ]


def test_blocks_that_repeat_their_labels() -> None:
    text = (
        "Name: Ann Lee\nRole: Engineer\n\nName: Bob Ray\nRole: Designer\nStart date: 1 June 2021\n"
    )
    assert read(Team, text)["employees"] == [
        {"name": "Ann Lee", "role": "Engineer", "start_date": None},
        {"name": "Bob Ray", "role": "Designer", "start_date": "2021-06-01"},
    ]


class Place(BaseModel):
    street: str | None
    city: str | None
    zip_code: str | None


class Contact(BaseModel):
    full_name: str | None
    home_address: Place | None
    work_address: Place | None


def test_nested_objects_are_read_under_their_headings() -> None:
    text = "Full name: X Y\n\nHome address:\n  Street: Main St 1\n  City: Springfield\n\nWork address:\n  Street: Side St 2\n  Zip code: 54321\n"
    assert read(Contact, text) == {
        "full_name": "X Y",
        "home_address": {"street": "Main St 1", "city": "Springfield", "zip_code": None},
        "work_address": {"street": "Side St 2", "city": None, "zip_code": "54321"},
    }


class Meeting(BaseModel):
    attendees: list[str]
    action_items: list[str]
    emails: list[EmailStr]


def test_lists_of_strings() -> None:
    text = "Attendees: Ann, Bob and Cy\n\nAction items:\n- Fix the build\n- Write docs\n\nMail a@example.com or b@example.com, a@example.com.\n"
    assert read(Meeting, text) == {
        "attendees": ["Ann", "Bob", "Cy"],
        "action_items": ["Fix the build", "Write docs"],
        "emails": ["a@example.com", "b@example.com"],
    }


class Side(BaseModel):
    name: str | None
    vat_id: str | None
    postcode: str | None
    city: str | None


class Invoice(BaseModel):
    invoice_number: str | None
    issue_date: date | None
    due_date: date | None
    currency: str | None
    seller: Side
    buyer: Side
    net_total: float | None
    tax_total: float | None
    grand_total: float | None


GERMAN = """\
Musterfirma GmbH · Musterweg 5 · 10115 Berlin

Firma
Beispiel AG
Beispielallee 7
80331 München

                                   Rechnungsnr.: RE-2023-042
                                   Datum: 07.02.2023

Zwischensumme (netto)                 485,00 €
Umsatzsteuer 19 %                      92,15 €
Gesamtbetrag                          577,15 €

Zahlbar bis 21.02.2023 ohne Abzug. USt-IdNr. DE123456789
"""
ENGLISH = """\
                    INVOICE
Acme Ltd                                   Invoice No: INV-0099
1 High Street                              Invoice Date: 31 January 2024
London SW1A 1AA                            Due Date: 1 March 2024
VAT Reg No: GB123456789

Bill To
Widget Co Ltd
22 Low Road
Leeds LS1 4AP

                                     Subtotal           75.00
                                     VAT                15.00
                                     TOTAL GBP          90.00
"""
FRENCH = """\
SARL Dupont
12 rue des Lilas
75011 Paris
TVA intracommunautaire : FR12345678901

Facturé à :
Société Martin
5 avenue Foch
69006 Lyon

Facture n° F-2023-17
Date : 12/05/2023
Échéance : 11/06/2023

Total HT                                         564,00 €
TVA 20 %                                         112,80 €
Total TTC                                        676,80 €
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            GERMAN,
            (
                "RE-2023-042",
                "2023-02-07",
                "2023-02-21",
                "EUR",
                "Musterfirma GmbH",
                "Berlin",
                "Beispiel AG",
                "80331",
                485.0,
                92.15,
                577.15,
            ),
        ),
        (
            ENGLISH,
            (
                "INV-0099",
                "2024-01-31",
                "2024-03-01",
                "GBP",
                "Acme Ltd",
                "London",
                "Widget Co Ltd",
                "LS1 4AP",
                75.0,
                15.0,
                90.0,
            ),
        ),
        (
            FRENCH,
            (
                "F-2023-17",
                "2023-05-12",
                "2023-06-11",
                "EUR",
                "SARL Dupont",
                "Paris",
                "Société Martin",
                "69006",
                564.0,
                112.8,
                676.8,
            ),
        ),
    ],
)
def test_invoices(text: str, expected: tuple[Any, ...]) -> None:
    value = read(Invoice, text)
    seller, buyer = value["seller"], value["buyer"]
    got = (
        *(value[name] for name in ("invoice_number", "issue_date", "due_date", "currency")),
        seller["name"], seller["city"], buyer["name"], buyer["postcode"],
        *(value[name] for name in ("net_total", "tax_total", "grand_total")),
    )  # fmt: skip
    assert got == expected


def test_a_reference_taken_apart() -> None:
    class Work(BaseModel):
        authors: list[str]
        title: str | None
        year: int | None
        journal: str | None
        volume: str | None
        pages: str | None

    class Bibliography(BaseModel):
        references: list[Work]

    text = (
        "References\n\n"
        "Boggiano, A. K., & Katz, P. (1991). Maladaptive achievement patterns in students. Journal of Social Issues, 47(4), 35–51.\n"
        "[2] C. Norris and L. Pollock, “A scheduler-sensitive global register allocator,” In Proc. of Supercomputing, pages 804-813, 1993.\n"
    )
    found = extract(Bibliography.model_json_schema(), text)
    assert found.value["references"][0] == {
        "authors": ["Boggiano, A. K.", "Katz, P."],
        "title": "Maladaptive achievement patterns in students",
        "year": 1991,
        "journal": "Journal of Social Issues",
        "volume": "47(4)",
        "pages": "35–51",
    }
    assert (
        found.value["references"][1]["title"] == "A scheduler-sensitive global register allocator"
    )
    assert "/references/0/authors/1" in found.spans


def test_a_court_notice_with_two_dockets() -> None:
    class Entry(BaseModel):
        date_filed: date | None
        document_number: str | None
        description: str | None = Field(description="Docket text")

    class Docket(BaseModel):
        case_name: str | None
        docket_number: str | None
        entries: list[Entry]

    class Notice(BaseModel):
        court_id: str | None
        dockets: list[Docket]

    block = "Case Name: Roe et al v. {0}\n\nCase Number: 1:21-cv-0145{1}-MN\n\nDocument Number: {1}\n\nDocket Text:\nORDER granting\nthe motion.\n\n"
    text = "From: ecf@ded.uscourts.gov\n\nThe following was entered on 8/3/2022 at 12:36 PM EDT and filed on 8/3/2022\n\n"
    found = extract(
        Notice.model_json_schema(), text + block.format("Wade", 6) + block.format("Doe", 7)
    ).value
    entry = {"date_filed": "2022-08-03", "description": "ORDER granting the motion."}
    assert found == {
        "court_id": "ded",
        "dockets": [
            {
                "case_name": "Roe v. Wade",
                "docket_number": "1:21-cv-01456",
                "entries": [{**entry, "document_number": "6"}],
            },
            {
                "case_name": "Roe v. Doe",
                "docket_number": "1:21-cv-01457",
                "entries": [{**entry, "document_number": "7"}],
            },
        ],
    }


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "string", "title": "invoice number"}, "Invoice No: 55", "55"),
        ({"type": "number", "title": "total"}, "Total: 5,50 EUR", 5.5),
        (
            {"type": "array", "items": {"type": "string", "format": "email"}},
            "a@b.co, c@d.org",
            ["a@b.co", "c@d.org"],
        ),
        ({}, "text", None),
    ],
)
def test_a_root_that_is_no_object(schema: dict[str, Any], text: str, value: Any) -> None:
    assert extract(schema, text).value == value


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from prompture.errors import MissingExtra

    monkeypatch.setitem(sys.modules, "rapidfuzz", None)
    with pytest.raises(MissingExtra, match=r"prompture\[local\]"):
        read(Payment, "Invoise numbre: 1")


def test_a_nested_object_without_a_heading_does_not_repeat_the_one_around_it() -> None:
    class Inner(BaseModel):
        name: str | None
        colour: str = "none"

    class Outer(BaseModel):
        name: str | None
        colour: str | None
        part: Inner

    text = "Name: Pump\nColour: red\n"
    assert read(Outer, text) == {"name": "Pump", "colour": "red", "part": {"name": None}}
