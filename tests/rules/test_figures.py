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


def found(name: str, schema: dict[str, Any], text: str) -> Any:
    whole = {"type": "object", "properties": {name: schema}, "required": [name]}
    return extract(whole, text).value[name]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Total: -$120.00", -120),
        ("Total: $-120.00", -120),
        ("Total: −€ 5,00", -5),
        ("Total: -EUR 120,00", -120),
        ("Total -$120.00", -120),
        ("Total  -$120.00", -120),
        ("Total: ($120.00)", -120),
        ("Total: (120.00 EUR)", -120),
        ("Total: -$1.2M", -1_200_000),
        ("Total: $3-$5", None),
        ("Total - $120.00", 120),
    ],
)
def test_a_sign_before_a_currency_mark_is_the_number_s(text: str, value: float | None) -> None:
    assert found("total", {"type": ["number", "null"]}, text) == value


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("reviews", "Reviews (1,234)", None),
        ("fee", "Fee: five thousand euros (5,000.00)", 5000),
        ("fee", "Fee: EUR (5,000.00)", -5000),
        ("net_loss", "Net loss: (1,200.00)", -1200),
    ],
)
def test_brackets_are_a_minus_of_amounts_alone(name: str, text: str, value: float | None) -> None:
    assert found(name, {"type": ["number", "null"]}, text) == value


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("weight_kg", "Weight: 280 g", None),
        ("weight_kg", "Weight (g): 280", None),
        ("weight_kg", "Weight: 2.8 kg", 2.8),
        ("weight_kg", "Weight: 2.8 kilograms", 2.8),
        ("weight_kg", "| Weight | 280 g |", None),
        ("weightKg", "weight kg: 280 g", None),
        ("term_months", "Term: 3 years", None),
        ("term_months", "Term: 3 Monate", 3),
        ("notice_period_days", "Notice period: 3 months", None),
        ("duration_minutes", "Duration: 2 hours", None),
        ("temperature_c", "Temperature c: 98 °F", None),
        ("price_eur", "Price: $20", None),
        ("price_eur", "Price: 20 €", 20),
        ("price", "Price: 99 cents", None),
        ("salary_min", "Salary min: 120000 USD", 120_000),
        ("age", "Age: 6 months", None),
        ("deposit", "Deposit: 3 months' rent", None),
        ("deposit", "Deposit: 3 EUR", 3),
        ("total", "Total: 5.00 S", 5),
        ("age", "Age: 6 years", 6),
        ("height", "Height: 5 ft 11 in", None),
        ("height", "Height: 5'11\"", None),
        ("length", "Length 3 m 20", None),
    ],
)
def test_a_number_in_another_unit_is_not_given(name: str, text: str, value: float | None) -> None:
    assert found(name, {"type": ["number", "null"]}, text) == value


def test_a_description_may_name_the_unit() -> None:
    weight = {"type": ["number", "null"], "description": "Net weight in kg"}
    assert found("weight", weight, "Weight: 280 g") is None
    assert found("weight", weight, "Weight: 2 kg") == 2


@pytest.mark.parametrize(
    "text",
    ["Count: <5", "Count: > 18", "Count: 5, 6", "Count: 5 and 6", "Count: 5;6", "Count: 5 + 2",
     "Count: 3 x 5", "Count: 5 people and 2 dogs", "Count: 1 1/2"],
)  # fmt: skip
def test_a_bound_a_list_or_a_sum_is_no_count(text: str) -> None:
    assert found("count", {"type": ["integer", "null"]}, text) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Price: not yet known, deposit $50", None),
        ("Price: see list; shipping $5", None),
        ("Price: free for members, £10 for guests", None),
        ("Price: N/A (deposit 20.00)", None),
        ("Price: 5 EUR + 2 EUR", None),
        ("Price: $5/$6", None),
        ("Price: 12 months x $50", None),
        ("Price: <$500", None),
        ("Price: about $500 (plus VAT)", 500),
    ],
)
def test_an_amount_of_something_else_is_no_price(text: str, value: float | None) -> None:
    assert found("price", {"type": ["number", "null"]}, text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("5%", 5), ("-5%", -5), ("−2,5 %", -2.5), ("12345%", 12345), ("5-10%", None), ("0.05", 0.05)],
)
def test_a_share_is_whole_and_has_its_sign(text: str, value: float | None) -> None:
    assert found("tax_rate", {"type": ["number", "null"]}, f"Tax rate: {text}") == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12 34 56", "12 34 56"),
        ("1,234", None),
        ("US-2024 / 55", None),
        ("INV-1, INV-2", None),
        ("INV-1 and INV-2", None),
        ("INV-1 dated 5 May 2024", "INV-1"),
        ("'INV-1'", "INV-1"),
    ],
)
def test_a_number_of_a_document_is_whole(text: str, value: str | None) -> None:
    schema = {"type": ["string", "null"]}
    assert found("invoice_number", schema, f"Invoice number: {text}") == value


@pytest.mark.parametrize(
    ("cell", "value"), [("34", 34), ("30-40", None), ("<30", None), ("34 years", 34)]
)
def test_a_cell_of_a_table_is_read_as_strictly(cell: str, value: int | None) -> None:
    item = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": ["integer", "null"]}, "team": {"type": "string"}},
        "required": ["name", "age", "team"],
    }  # fmt: skip
    text = f"| Name | Age | Team |\n|---|---|---|\n| Ann | {cell} | A |\n| Bob | 41 | B |\n"
    rows = found("people", {"type": "array", "items": item}, text)
    assert [row["age"] for row in rows] == [value, 41]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Total: 1.234 €", None),  # a thousand or one, and nothing shows it
        ("Total: 1.234 €\nTax: 20,50 €", 1234),
        ("Total: 1,234 €", 1234),
        ("Total: 1.234,50 €", 1234.5),
    ],
)
def test_a_point_before_three_digits_is_settled_by_the_text(text: str, value: float | None) -> None:
    assert found("total", {"type": ["number", "null"]}, text) == value


STATEMENT = (
    "Account statement\nDate | Description | Amount\n02.03.2024 | Rent | -900,00\n"
    "15.03.2024 | Salary | 2.500,00\n"
)


def test_the_first_row_of_a_table_is_not_the_document_s_value() -> None:
    day = {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}
    assert found("date", day, STATEMENT) is None
    assert found("date", day, "No | Date | Terms\n7 | 02.03.2024 | net\n") == "2024-03-02"


def test_the_rows_of_a_statement_are_read() -> None:
    fields = {
        "date": {"type": "string", "format": "date"},
        "description": {"type": "string"},
        "amount": {"type": "number"},
    }
    item = {"type": "object", "properties": fields, "required": list(fields)}
    assert found("transactions", {"type": "array", "items": item}, STATEMENT) == [
        {"date": "2024-03-02", "description": "Rent", "amount": -900.0},
        {"date": "2024-03-15", "description": "Salary", "amount": 2500.0},
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "|Name|Age|Pay|\n|---|---|---|\n|Ann||100|\n|Bob|3|200|\n",
        "| Name | Age | Pay |\n|---|---|---|\n| Ann | | 100 |\n| Bob | 3 | 200 |\n",
        "Name\tAge\tPay\nAnn\t\t100\nBob\t3\t200\n",
        "Name     Age   Pay\nAnn            100\nBob      3     200\n",
    ],
)
def test_an_empty_cell_shifts_no_value_into_another_column(text: str) -> None:
    fields = {
        "name": {"type": "string"},
        **{name: {"type": ["integer", "null"]} for name in ("age", "pay")},
    }
    item = {"type": "object", "properties": fields, "required": list(fields)}
    assert found("people", {"type": "array", "items": item}, text) == [
        {"name": "Ann", "age": None, "pay": 100},
        {"name": "Bob", "age": 3, "pay": 200},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("|Name|Ann|\n|---|---|\n|Age||\n|Pay|100|\n", None),
        ("Age\t\nPay\t100\n", None),
        ("|Name|Age|Pay|\n|---|---|---|\n|Ann||100|\n", None),
        ("|Name|Age|Pay|\n|---|---|---|\n|Ann|3|100|\n", 3),
        ("Age\n3\nPay\n100\n", 3),
    ],
)
def test_what_was_not_filled_in_is_null(text: str, age: int | None) -> None:
    whole = {name: {"type": ["integer", "null"]} for name in ("age", "pay")}
    schema = {"type": "object", "properties": whole, "required": list(whole)}
    assert extract(schema, text).value["age"] == age


def test_another_label_is_no_value() -> None:
    names = {name: {"type": ["string", "null"]} for name in ("name", "city", "team")}
    schema = {"type": "object", "properties": names, "required": list(names)}
    found = extract(schema, "|Name|City|Team|\n|---|---|---|\n|Ann||Red|\n").value
    assert not {"City", "Team"} & {*found.values()}
    assert extract(figure_of("total"), "Total\n\nTax 5.00\n").value == {"total": None}


def figure_of(name: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: {"type": ["number", "null"]}},
        "required": [name],
    }
