"""Files of many kinds, written here, read whole: what `local/rules` makes of what the readers give it."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, create_model

from prompture import extract_result
from prompture.rules import extract


def model(**fields: Any) -> type[BaseModel]:
    return create_model("M", **{name: (kind | None, None) for name, kind in fields.items()})


def read(schema: type[BaseModel], text: str) -> Any:
    return extract(schema.model_json_schema(), text).value


def from_file(schema: type[BaseModel], path: Path) -> Any:
    return extract_result(schema, path, model="local/rules").value.model_dump()


Line = model(item=str, quantity=float, price=float, total=float)


@pytest.mark.parametrize("place", ["TOP", "MIDDLE", "BOTTOM"])
def test_a_cell_of_several_lines_in_a_pdf_is_read_whole(tmp_path: Path, place: str) -> None:
    platypus = pytest.importorskip("reportlab.platypus")
    from reportlab.lib.styles import getSampleStyleSheet

    def words(text: str) -> Any:
        return platypus.Paragraph(text, getSampleStyleSheet()["Normal"])

    pump = "Replacement pump, model XR-200 with five years of warranty for the boiler in the cellar"
    rows = [
        ["Item", "Quantity", "Price", "Total"],
        [words(pump), "2", "310.00", "620.00"],
        ["Hose", "1", "12.50", "12.50"],
    ]
    table = platypus.Table(rows, colWidths=[180, 60, 80, 80])
    table.setStyle(platypus.TableStyle([("VALIGN", (0, 0), (-1, -1), place)]))
    platypus.SimpleDocTemplate(str(tmp_path / "a.pdf")).build([table])
    found = from_file(model(lines=list[Line]), tmp_path / "a.pdf")["lines"]
    assert [line["item"] for line in found] == [pump, "Hose"]
    assert [line["total"] for line in found] == [620.0, 12.5]


def test_empty_cells_of_columns_shift_no_other() -> None:
    text = """\
Date          Details              Debit      Credit     Balance
01.03.2024    Opening balance                           1.000,00
04.03.2024    Salary                        2.500,00    3.500,00
15.03.2024    Rent                850,00                2.650,00"""
    # Amounts end where their headings end, as a PDF's text has them.
    head, *rows = text.split("\n")
    balance = len(head)
    assert all(len(row) >= balance for row in rows)
    text = "\n".join([head + " " * (len(rows[0]) - balance), *rows])
    entry = model(date=date, details=str, debit=float, credit=float, balance=float)
    aligned = text.replace("     Balance ", "      Balance").replace("Credit     ", " Credit    ")
    found = read(model(entries=list[entry]), aligned)["entries"]
    assert [row["details"] for row in found] == ["Opening balance", "Salary", "Rent"]


def test_headings_that_come_again_are_no_row() -> None:
    table = "| Course | Room |\n|---|---|\n| {} | {} |\n"
    text = "# May\n\n" + table.format("Yoga", "Hall") + "\n# June\n\n" + table.format("Clay", "B12")
    courses = model(courses=list[model(course=str, room=str)])
    rows = [{"course": "Yoga", "room": "Hall"}, {"course": "Clay", "room": "B12"}]
    assert read(courses, text)["courses"] == rows
    printed = "Course    Room\nYoga      Hall\n\nCourse    Room\nClay      B12"
    assert read(courses, printed)["courses"] == rows


def test_a_price_is_what_stands_below_its_heading() -> None:
    line = model(description=str, hours=float, rate=float, amount=float)
    text = "Description    Hours    Rate     Amount\nLayout         6.5      80.00    520.00"
    assert read(model(lines=list[line]), text)["lines"] == [
        {"description": "Layout", "hours": 6.5, "rate": 80.0, "amount": 520.0}
    ]


def test_a_row_of_labels_labels_nothing_on_the_line_below_but_its_column() -> None:
    text = "Date of birth       Start date\n\n1985-07-09       2024-01-01"
    found = read(model(date_of_birth=date, start_date=date), text)
    assert found == {"date_of_birth": "1985-07-09", "start_date": "2024-01-01"}
    assert read(model(start_date=date), text) == {"start_date": "2024-01-01"}


def test_a_date_goes_on_with_the_sentence_above() -> None:
    text = "It was entered  on 4/8/2025 4:18 PM EDT and filed\non 4/8/2025"
    assert read(model(date_filed=str), text) == {"date_filed": "4/8/2025"}


TWO_LEVELS = """\
| Region | 2023 |  | 2024 |  |
|---|---|---|---|---|
|  | Units | Revenue | Units | Revenue |
| North | 10 | 100 | 12 | 130 |
| South | 7 | 70 | 9 | 95.5 |"""


def test_two_rows_of_headings_are_read_as_one() -> None:
    region = model(region=str, revenue_2023=float, units_2024=int)
    assert read(model(regions=list[region]), TWO_LEVELS)["regions"] == [
        {"region": "North", "revenue_2023": 100.0, "units_2024": 12},
        {"region": "South", "revenue_2023": 70.0, "units_2024": 9},
    ]


def test_headings_may_end_with_figures() -> None:
    table = "| Region | Revenue 2023 | Revenue 2024 |\n|---|---|---|\n| North | 100 | 130 |"
    region = model(region=str, revenue_2023=float, revenue_2024=float)
    assert read(model(regions=list[region]), table)["regions"] == [
        {"region": "North", "revenue_2023": 100.0, "revenue_2024": 130.0}
    ]


def test_of_two_columns_that_fit_a_field_alike_neither_is_given() -> None:
    regions = model(regions=list[model(region=str, revenue=float)])
    for text in (
        TWO_LEVELS,
        "| Region | Revenue 2023 | Revenue 2024 |\n|---|---|---|\n| North | 100 | 130 |",
    ):
        found = read(regions, text).get("regions") or []
        assert all(row.get("revenue") is None for row in found)


@pytest.mark.parametrize(
    "text",
    [
        "| Name |\n|---|\n| Ann Lee |\n| Bo Diaz |",
        "| Name | City |\n|---|---|\n| Ann Lee | Leeds |\n| Bo Diaz | Bonn |",
        "Name;City\nAnn Lee;Leeds\nBo Diaz;Bonn",
    ],
)
def test_a_list_of_words_is_a_column_of_its_name(text: str) -> None:
    assert read(model(names=list[str]), text) == {"names": ["Ann Lee", "Bo Diaz"]}


def test_of_two_tables_with_the_heading_neither_is_the_list() -> None:
    text = "| Name | City |\n|---|---|\n| Ann | Bonn |\n\n| Name | Role |\n|---|---|\n| Bo | Cook |"
    assert read(model(names=list[str]), text) == {}


def test_a_sentence_of_a_numbered_list_keeps_its_full_stop() -> None:
    text = "## Steps\n\n1. Mix all.\n2. Rest.\n\nThings: salt, oil."
    assert read(model(steps=list[str], things=list[str]), text) == {
        "steps": ["Mix all.", "Rest."],
        "things": ["salt", "oil"],
    }


@pytest.mark.parametrize(
    ("text", "want"),
    [
        (
            "| INVOICE |  |  |  |  |\n|---|---|---|---|---|\n| Invoice no. | X-7 |  | Due | 5 |",
            "X-7",
        ),
        ("| Invoice no. | X-7 |\n|---|---|\n| Placed by | Ann |", "X-7"),
        ("Invoice no.    X-7\nPlaced by      Ann", "X-7"),
    ],
)
def test_a_layout_table_is_a_form(text: str, want: str) -> None:
    assert read(model(invoice_number=str), text) == {"invoice_number": want}


def test_units_and_marks_in_cells() -> None:
    assert read(model(warranty_months=int), "Warranty    24 months") == {"warranty_months": 24}
    assert read(model(warranty_months=int), "Warranty    24 days") == {}
    table = "| Sample | pH | Unit |\n|---|---|---|\n| S1 | 7.2 | % |"
    sample = model(sample=str, ph=float, unit=str)
    assert read(model(samples=list[sample]), table)["samples"] == [
        {"sample": "S1", "ph": 7.2, "unit": "%"}
    ]


def test_a_day_is_one_of_the_week_too() -> None:
    table = "| Course | Day |\n|---|---|\n| Yoga | Friday |"
    course = model(course=str, day=str)
    assert read(model(courses=list[course]), table)["courses"] == [
        {"course": "Yoga", "day": "Friday"}
    ]


Risk = model(risk=str, mitigation=str, owner=str, due=date)
SPLIT = """\
 Risk                           Mitigation                     Owner         Due

Key supplier goes out of          Qualify a second source in the
                                                                   M. Silva        2024-03-31
business during the ramp-up       first quarter

                                Nightly backups to a second
Data loss                                                        IT             2024-02-15
                                site, restored once a month

 Strike                        Keep stock                     HR            2024-06-01
Approved by the board"""


def test_a_row_whose_cells_stand_in_the_middle_is_one() -> None:
    assert read(model(risks=list[Risk]), SPLIT)["risks"] == [
        {
            "risk": "Key supplier goes out of business during the ramp-up",
            "mitigation": "Qualify a second source in the first quarter",
            "owner": "M. Silva",
            "due": "2024-03-31",
        },
        {
            "risk": "Data loss",
            "mitigation": "Nightly backups to a second site, restored once a month",
            "owner": "IT",
            "due": "2024-02-15",
        },
        {"risk": "Strike", "mitigation": "Keep stock", "owner": "HR", "due": "2024-06-01"},
    ]


def test_the_end_of_a_cell_is_not_given_for_the_whole() -> None:
    # No blank line shows whether the line above is the row's own or the end of the row before.
    close = "\n".join(line for line in SPLIT.split("\n") if line.strip())
    whole = {"Key supplier goes out of business during the ramp-up", "Data loss", "Strike"}
    found = read(model(risks=list[Risk]), close).get("risks") or []
    assert {row["risk"] for row in found if row.get("risk")} <= whole


def test_lines_of_a_group_are_no_part_of_a_cell() -> None:
    text = """\
Item                    Qty    Price     Total

Hardware
Oak desk                2      349.00    698.00

Software
Licence                 3      50.00     150.00"""
    found = read(model(lines=list[model(item=str, qty=int, total=float)]), text)["lines"]
    assert [row["item"] for row in found] == ["Oak desk", "Licence"]


def test_rows_without_a_first_cell_are_rows_between_others() -> None:
    text = """\
Date              Description                         Out             In
2 May 2024        Groceries                          45.20
                  Fuel                               60.00
3 May 2024        Refund                                           12.99"""
    entry = model(date=date, description=str, out=float)
    assert read(model(entries=list[entry]), text)["entries"] == [
        {"date": "2024-05-02", "description": "Groceries", "out": 45.2},
        {"description": "Fuel", "out": 60.0},
        {"date": "2024-05-03", "description": "Refund"},
    ]


@pytest.mark.parametrize(
    ("head", "net", "tax"),
    [
        ("Omschrijving    Aantal    Prijs    Totaal", "Subtotaal", "BTW 21%"),
        ("Descripción    Cantidad    Precio unitario    Importe", "Base imponible", "IVA (21 %)"),
        ("Descrição    Quantidade    Preço unitário    Valor total", "Subtotal", "IVA"),
        ("Nazwa towaru    Ilość    Cena jednostkowa    Wartość", "Razem netto", "Kwota VAT"),
        ("Beskrivning    Antal    Pris    Belopp", "Delsumma", "Moms"),
    ],
)
def test_goods_in_more_languages(head: str, net: str, tax: str) -> None:
    item = model(description=str, quantity=int, unit_price=float, line_total=float)
    table = f"{head}\nAbc    1    450,00    450,00\nDef    2    7,50    15,00"
    assert read(
        model(net_total=float, tax_total=float, items=list[item]),
        f"{table}\n\n{net}: 465,00\n{tax}: 97,65",
    ) == {
        "net_total": 465.0,
        "tax_total": 97.65,
        "items": [
            {"description": "Abc", "quantity": 1, "unit_price": 450.0, "line_total": 450.0},
            {"description": "Def", "quantity": 2, "unit_price": 7.5, "line_total": 15.0},
        ],
    }


def test_the_sum_of_a_group_is_no_row() -> None:
    table = "| Name | Price |\n|---|---|\n| Apple | 1.2 |\n| Fruit total | 1.2 |\n| Pecan | 9 |"
    product = model(name=str, price=float)
    found = read(model(products=list[product]), table)["products"]
    assert [row["name"] for row in found] == ["Apple", "Pecan"]


def test_a_column_of_figures_is_a_list_whole_or_not() -> None:
    table = "| Name | Price |\n|---|---|\n| A | 1.50 |\n| B | {} |\n| C | 3 |"
    assert read(model(prices=list[float]), table.format("2")) == {"prices": [1.5, 2, 3]}
    assert read(model(prices=list[float]), table.format("")) == {"prices": [1.5, 3]}
    assert read(model(prices=list[float]), table.format("on request")) == {}


def test_a_label_below_a_heading_is_not_its_value() -> None:
    text = "| Name | Ann | Bo |\n|---|---|---|\n| City | Bonn | Leeds |"
    assert read(model(name=str, city=str), text) == {}


def test_amounts_and_dates_that_a_scan_has_torn_or_glued() -> None:
    receipt = model(total=float, date=str)
    # Cash and change show that 10.00 is the end of 110.00; two pieces for 10.00 stay what they are.
    assert read(receipt, "TOTAL  1 10.00\nCASH  110.00\nCHANGE  0.00") == {}
    assert read(receipt, "TOTAL  2 10.00\nCASH  50.00\nCHANGE  40.00") == {"total": 10.0}
    assert read(receipt, "2024-05-1708:31\nTotal  8.80") == {"date": "2024-05-17", "total": 8.8}
    assert read(receipt, "TOTAL DUE (GST INC):  31.00\nCASH  51.00") == {"total": 31.0}
    assert read(model(net_total=float), "Net total incl. VAT: 31.00") == {}
