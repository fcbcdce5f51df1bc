"""Documents of other trades: reports, statements, letters, recipes, receipts of several countries."""

from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel

from prompture.rules import extract


def read(model: type[BaseModel], text: str) -> dict[str, object]:
    value: dict[str, object] = extract(model.model_json_schema(), text).value
    model.model_validate(value)
    return value


def test_a_laboratory_report() -> None:
    class Report(BaseModel):
        patient_name: str | None
        patient_id: str | None
        dob: date | None
        hemoglobin: float | None
        glucose: float | None
        physician: str | None

    text = """\
LABORATORY REPORT
Patient Name: John Smith        Patient ID: 00123
DOB: 01/31/1980                 Sex: M
Physician: Dr. House

Test            Result     Units      Range
Hemoglobin      13.5       g/dL       13-17
Glucose         98         mg/dL      70-100
"""
    assert read(Report, text) == {
        "patient_name": "John Smith",
        "patient_id": "00123",
        "dob": "1980-01-31",
        "hemoglobin": 13.5,
        "glucose": 98,
        "physician": "Dr. House",
    }


def test_a_bank_statement() -> None:
    class Movement(BaseModel):
        date: date | None
        description: str | None
        amount: Decimal | None

    class Statement(BaseModel):
        opening_balance: Decimal | None
        closing_balance: Decimal | None
        transactions: list[Movement]

    text = """\
Opening balance: 1,000.00

Date         Description          Amount      Balance
2024-01-05   Coffee shop          -4.50       995.50
2024-01-10   Salary             2,000.00    2,995.50

Closing balance: 2,995.50
"""
    assert read(Statement, text) == {
        "opening_balance": "1000.00",
        "closing_balance": "2995.50",
        "transactions": [
            {"date": "2024-01-05", "description": "Coffee shop", "amount": "-4.50"},
            {"date": "2024-01-10", "description": "Salary", "amount": "2000.00"},
        ],
    }


def test_a_letter_and_a_ticket() -> None:
    class Mail(BaseModel):
        sender: str | None
        recipient: str | None
        subject: str | None

    class Ticket(BaseModel):
        ticket_id: str
        priority: Literal["low", "medium", "high"]
        status: Literal["open", "closed", "in_progress"]
        created_at: datetime | None

    mail = (
        "From: Alice <alice@x.com>\nTo: Bob <bob@y.org>\nSubject: Lunch\n\nHi Bob, lunch at noon?\n"
    )
    assert read(Mail, mail) == {
        "sender": "Alice <alice@x.com>",
        "recipient": "Bob <bob@y.org>",
        "subject": "Lunch",
    }
    ticket = (
        "Ticket ID: SUP-1234\nPriority: HIGH\nStatus: In Progress\nCreated at: 2024-02-03 10:11\n"
    )
    assert read(Ticket, ticket) == {
        "ticket_id": "SUP-1234",
        "priority": "high",
        "status": "in_progress",
        "created_at": "2024-02-03T10:11:00",
    }


class Receipt(BaseModel):
    company: str | None
    date: str | None
    address: str | None
    total: str | None


def test_receipts_of_three_countries() -> None:
    malaysia = """\
PERNIAGAAN ZHENG HUI
JM0326955-V
NO.59 JALAN PERMAS 9/5
BANDAR BARU PERMAS JAYA
81750 JOHOR BAHRU
TEL: 07-386 7524
DOC NO.: CS-SA-0110926   DATE : 12/02/2018
TOTAL SALES (EXCLUDING GST) : 106.09
TOTAL GST: 6.37
ROUNDING: -0.01
TOTAL SALES (INCLUSIVE OF GST): 112.45
CASH: 112.45
CHANGE: 0.00
"""
    germany = """\
REWE Markt GmbH
Domstr. 20
50668 Köln
UID Nr.: DE812706034
BANANE BIO           1,59 B
SUMME        EUR     2,68
Geg. BAR     EUR     5,00
Rückgeld BAR EUR     2,32
15.03.2023   17:42   Bon-Nr.:1234
"""
    america = """\
CORNER STORE #10208
11302 EUCLID AVENUE
CLEVELAND, OH (216) 229-0749
12/07/2014 06:43 PM
SUBTOTAL                 $4.95
TOTAL                    $4.95
CHANGE DUE               $0.00
"""
    assert [tuple(read(Receipt, text).values()) for text in (malaysia, germany, america)] == [
        (
            "PERNIAGAAN ZHENG HUI",
            "12/02/2018",
            "NO.59 JALAN PERMAS 9/5 BANDAR BARU PERMAS JAYA 81750 JOHOR BAHRU",
            "112.45",
        ),
        ("REWE Markt GmbH", "15.03.2023", "Domstr. 20 50668 Köln", "2,68"),
        ("CORNER STORE #10208", "12/07/2014", "11302 EUCLID AVENUE CLEVELAND, OH", "4.95"),
    ]


def test_the_title_page_of_an_article() -> None:
    class Article(BaseModel):
        title: str | None
        authors: list[str]
        emails: list[str]
        keywords: str | None
        doi: str | None
        published: date | None

    text = """\
RESEARCH ARTICLE
Oral microbes and the price of tea in
northern ports
Jane A. Doe 1 , John van der Berg 2 and
Ann Lee 1*
1 Department of Botany, University of Oslo,
Oslo, Norway
*Corresponding author: jane@uio.no
Published online 22 June 2003; doi:10.1038/nsb946
Abstract
We measured tea.
Keywords: tea; ports; trade
"""
    assert read(Article, text) == {
        "title": "Oral microbes and the price of tea in northern ports",
        "authors": ["Jane A. Doe", "John van der Berg", "Ann Lee"],
        "emails": ["jane@uio.no"],
        "keywords": "tea; ports; trade",
        "doi": "10.1038/nsb946",
        "published": "2003-06-22",
    }


def test_units_and_loose_kinds() -> None:
    class Recipe(BaseModel):
        servings: int | None
        prep_time: str | None
        weight_kg: float | None
        ingredients: list[str]

    text = "Servings: 4\nPrep time: 20 minutes\nWeight: 1.2 kg\n\nIngredients:\n- 200 g flour\n- 2 eggs\n"
    assert read(Recipe, text) == {
        "servings": 4,
        "prep_time": "20 minutes",
        "weight_kg": 1.2,
        "ingredients": ["200 g flour", "2 eggs"],
    }
