"""Parsers: numbers, dates, times, accounts, names, enumerations."""

from datetime import date, time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompture.rules import extract
from prompture.rules.concepts import best_choice, normalise, similarity
from prompture.rules.dates import day_first, find_dates, find_times, parse_rest, settle
from prompture.rules.families.people import is_author_list, is_name, names_in, split_authors
from prompture.rules.forms import valid_iban
from prompture.rules.numbers import (
    CURRENCY,
    currency_code,
    decimal_mark,
    find_numbers,
    read_decimal,
)

NUMBERS = [
    ("1.234,56", None, "1234.56"),
    ("1,234.56", None, "1234.56"),
    ("1'234.50", None, "1234.50"),
    ("1\u00a0234,5", None, "1234.5"),
    ("12,30", None, "12.30"),
    ("1,234", None, "1234"),
    ("1.234", None, "1.234"),
    ("1.234", ",", "1.234"),
    ("1.234", ".", "1.234"),
    ("0.125", ",", "0.125"),
    ("12.345.678", None, "12345678"),
    (".02", None, "0.02"),
    ("100,0000", None, "100.0000"),
]


@pytest.mark.parametrize(("printed", "mark", "value"), NUMBERS)
def test_reads_numbers_of_every_country(printed: str, mark: str | None, value: str) -> None:
    expected = Decimal("1234") if (printed, mark) == ("1.234", ",") else Decimal(value)
    assert read_decimal(printed, mark=mark) == expected


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("Total RM 33.92", ["33.92"]),
        ("(0.02)", ["-0.02"]),
        ("-RM 0.02", ["-0.02"]),
        ("5.00-", ["-5.00"]),
        ("−12,50 €", ["-12.50"]),
        ("10-20", ["10", "20"]),
        ("A-7", ["7"]),
        ("no number", []),
    ],
)
def test_finds_numbers_and_their_signs(text: str, values: list[str]) -> None:
    assert [number.value for number in find_numbers(text)] == [Decimal(value) for value in values]


@given(st.decimals(min_value=0, max_value=10**9, places=2))
def test_a_number_survives_both_notations(value: Decimal) -> None:
    english = f"{value:,.2f}"
    german = english.translate(str.maketrans(",.", ".,"))
    assert read_decimal(english) == value
    assert read_decimal(german) == value


def test_the_text_tells_its_decimal_mark() -> None:
    assert decimal_mark("1,50 2,30 4,10") == ","
    assert decimal_mark("1.50 2.30") == "."
    assert decimal_mark("nothing") is None


DATES = [
    ("2024-03-05", date(2024, 3, 5)),
    ("05.03.2018", date(2018, 3, 5)),
    ("25/12/2018", date(2018, 12, 25)),
    ("12/25/2018", date(2018, 12, 25)),
    ("14 MAR 2018", date(2018, 3, 14)),
    ("12. August 2021", date(2021, 8, 12)),
    ("March 4, 2024", date(2024, 3, 4)),
    ("1er mars 2020", date(2020, 3, 1)),
    ("3 giugno 2019", date(2019, 6, 3)),
    ("4 de mayo de 2021", date(2021, 5, 4)),
    ("31-12-99", date(1999, 12, 31)),
]


@pytest.mark.parametrize(("printed", "value"), DATES)
def test_reads_dates(printed: str, value: date) -> None:
    found = list(find_dates(f"on {printed} at"))
    assert [(one.value, one.other) for one in found] == [(value, None)]


@pytest.mark.parametrize(
    "text", ["31.02.2020", "1.2.3", "08.30 - 12.30", "12345/67/89012", "v2.0.1x", "10-20-3000"]
)
def test_refuses_what_is_no_date(text: str) -> None:
    assert list(find_dates(text)) == []


@given(st.dates(date(1970, 1, 1), date(2068, 12, 31)))
def test_a_date_survives_its_notations(day: date) -> None:
    for form in ("%Y-%m-%d", "%d.%m.%Y", "%d %B %Y", "%B %d, %Y"):
        assert [one.value for one in find_dates(day.strftime(form))] == [day]


@pytest.mark.parametrize(
    ("text", "region", "expected"),
    [
        ("03/04/2024 and 25/12/2023", None, date(2024, 4, 3)),
        ("03/04/2024 and 12/25/2023", None, date(2024, 3, 4)),
        ("Thu, 4 Mar 2024; filed on 03/04/2024", None, date(2024, 3, 4)),
        ("03/04/2024 total 5.00 GBP", None, date(2024, 4, 3)),
        ("03/04/2024, 5:00 PM EST", None, date(2024, 3, 4)),
        ("03/04/2024", "US", date(2024, 3, 4)),
        ("03/04/2024", "DE", date(2024, 4, 3)),
        ("03/04/2024", None, None),
    ],
)
def test_an_ambiguous_date_is_settled_by_the_text_or_refused(
    text: str, region: str | None, expected: date | None
) -> None:
    dates = list(find_dates(text))
    ambiguous = next(one for one in dates if one.other is not None)
    assert settle(ambiguous, day_first(text, dates, region=region)) == expected


def test_times() -> None:
    found = [one.value for one in find_times("8:13:39 PM, 14:35, 4 pm, 10h30, 12.30, 99:10")]
    assert found == [time(20, 13, 39), time(14, 35), time(16), time(10, 30)]


def test_dateparser_reads_the_rest_and_warns_nobody() -> None:
    assert parse_rest("5 września 2021") is None
    assert parse_rest("2021 March 5") == date(2021, 3, 5)
    assert parse_rest("soon") is None
    assert parse_rest("x" * 100) is None


def test_currencies() -> None:
    assert [
        currency_code(mark.group()) for mark in CURRENCY.finditer("5 € or RM 3, USD 2, $1; EURO")
    ] == ["EUR", "MYR", "USD", "USD"]


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        ("DE89370400440532013000", True),
        ("GB82WEST12345698765432", True),
        ("DE89370400440532013001", False),
        ("DE12", False),
    ],
)
def test_account_numbers(value: str, valid: bool) -> None:
    assert valid_iban(value) is valid


@pytest.mark.parametrize(
    ("label", "normal"),
    [
        ("Invoice No.", "invoice number"),
        ("INV #", "invoice number"),
        ("N° facture", "number facture"),
        ("USt.-IdNr.", "ust id number"),
        ("TOTAL (INCLUSIVE OF GST) @ 6%", "total incl gst"),
        ("NET TOTAL ROUNDED (MYR)", "net total rounded"),
        ("invoiceNumber", "invoice number"),
        ("due_date", "due date"),
        ("Käufer", "kaufer"),
        ("K E Y W O R D S", "keywords"),
        ("Rechnung (380) Nr.", "rechnung number"),
    ],
)
def test_labels_have_a_normal_form(label: str, normal: str) -> None:
    assert normalise(label) == normal


@pytest.mark.parametrize(
    ("label", "phrase", "low", "high"),
    [
        ("invoice date", "invoice date", 1.0, 1.0),
        ("invoise date", "invoice date", 0.8, 0.99),
        ("invoice date time", "invoice date", 0.0, 0.0),
        ("our reference", "reference", 0.7, 0.9),
        ("due date", "date", 0.0, 0.0),
        ("total excl gst", "total incl gst", 0.0, 0.0),
        ("br uttosumme", "bruttosumme", 0.9, 0.99),
        ("unrelated", "invoice date", 0.0, 0.0),
    ],
)
def test_labels_match_in_degrees(label: str, phrase: str, low: float, high: float) -> None:
    assert low <= similarity(label, {phrase: 1.0}) <= high


@pytest.mark.parametrize(
    ("printed", "allowed", "chosen"),
    [
        ("Married", ["single", "married"], "married"),
        ("in progress", ["IN_PROGRESS", "DONE"], "IN_PROGRESS"),
        ("maried", ["single", "married"], "married"),
        ("paid or unpaid", ["paid", "unpaid"], None),
        ("whatever", ["paid", "unpaid"], None),
        ("", ["paid"], None),
    ],
)
def test_enumerations_take_the_one_value_named(
    printed: str, allowed: list[str], chosen: str | None
) -> None:
    assert best_choice(printed, allowed) == chosen


@pytest.mark.parametrize(
    "name",
    [
        "David M. South",
        "Marije L. van der Lee",
        "E XIAO",
        "Jean-Pierre Nadal",
        "Dr. Saeed Murtaza",
        "SCOTT T. WEISS",
    ],
)
def test_names_of_people(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "text",
    [
        "University of Oslo",
        "the Title",
        "Department of Physics",
        "A",
        "Received 2 May 2001",
        "File System Design",
    ],
)
def test_what_is_no_name(text: str) -> None:
    assert not is_name(text)


def test_author_lines_lose_their_marks() -> None:
    line = "Raymond C Trievel 1 , E Megan Flynn 2 , Robert L Houtz 2 & James H Hurley *"
    found = names_in(line)
    assert [name for name, _, _ in found] == [
        "Raymond C Trievel",
        "E Megan Flynn",
        "Robert L Houtz",
        "James H Hurley",
    ]
    assert all(line[start:end] == name for name, start, end in found)


@pytest.mark.parametrize(
    ("text", "authors"),
    [
        ("Boggiano, A. K., & Katz, P.", ["Boggiano, A. K.", "Katz, P."]),
        ("Diggs, G. M., and R. J. George", ["Diggs, G. M.", "R. J. George"]),
        ("Torabinejad M, Peters D, et al", ["Torabinejad M", "Peters D"]),
        ("Isaac, Glynn Llywelyn", ["Isaac, Glynn Llywelyn"]),
        ("C. Norris and L. Pollock", ["C. Norris", "L. Pollock"]),
        ("The order of things", []),
    ],
)
def test_author_lists(text: str, authors: list[str]) -> None:
    assert is_author_list(text) is bool(authors)
    assert split_authors(text) == authors


@settings(max_examples=60)
@given(st.text(max_size=300))
def test_parsers_take_any_text(text: str) -> None:
    list(find_numbers(text))
    list(find_dates(text))
    list(find_times(text))
    normalise(text)
    is_author_list(text)
    for name, start, end in names_in(text, cut=True):
        assert 0 <= start <= end <= len(text) and name


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("total", "SUBTOTAL 40.00\nTOTAL:RM  39.80", 39.8),
        ("total", "TOTAL SAVING 0.00 TOTAL  41.50", 41.5),
        ("total", "TOTAL SAVING 0.00", None),
        ("total", "QTY 8 ROUNDING 0.02 TOTAL 41.50", 41.5),
        ("date", "DATE : 19-04-201813:43:54", "2018-04-19"),
        ("date", "DATE:25/12/20188:13:39PM", "2018-12-25"),
        ("date", "DATE: 17/05/2013:43", None),  # 2013, or 2020 at 13:43
        ("date", "DATE:19/02/1711:12", "2017-02-19"),
        ("date", "Le 0ct 23, 2018 18:03", "2018-10-23"),
        ("date", "Date: 3 Apri1 2018", "2018-04-03"),
        ("total", "T0TAL  33.92", 33.92),
        ("total", "TOTA1: RM 33.92", 33.92),
        ("total", "AM0UNT DUE 33.92", 33.92),
        ("total", "Bread 3,12\nTotal:  EUR 126, 68", 126.68),
        ("total", "Bread 3.12\nTotal:  126. 68", 126.68),
        ("total", "Bread 3,12\nTotal: 126, 68", None),  # two numbers, perhaps
        ("total", "Total: 1O.50", None),  # digits are never mended
        ("total", "Total: l0.50", None),
        ("total", "Total: 1O", None),
    ],
)
def test_what_a_scan_runs_together(name: str, text: str, value: Any) -> None:
    kind = (
        {"type": ["string", "null"], "format": "date"}
        if name == "date"
        else {"type": ["number", "null"]}
    )
    schema = {"type": "object", "properties": {name: kind}, "required": [name]}
    assert extract(schema, text).value == {name: value}


def test_a_time_that_a_scan_ran_into_its_date() -> None:
    schema = {"type": "object", "properties": {"seen": {"type": "string", "format": "date-time"}}}
    assert extract(schema, "Seen: 19-04-201813:43:54").value == {"seen": "2018-04-19T13:43:54"}
