"""Kinds of faults that new documents showed: wrapped rows, labels taken for shops, roundings without a word."""

from __future__ import annotations

from typing import Any

import pytest

from prompture.rules import extract

HEAD = "  Pos       Beschreibung          Einzelpreis      Menge    Steuersatz   Nettobetrag\n"
ROWS: list[tuple[str, str]] = [
    (
        "   7        Teilkasko             12,5000          2        19 %\n            25,00\n",
        "Teilkasko",
    ),
    (
        "   7        Klimaanlage           12,5000          2        19 %         25,00\n"
        "            - Wartung\n",
        "Klimaanlage - Wartung",
    ),
    (
        "   7        Rad                   12,5000          2        19 %         25,00\n"
        "            (klein)\n",
        "Rad (klein)",
    ),
    (
        "   7        Regal                 12,5000          2        19 %         25,00\n"
        "            80 x 40 cm\n",
        "Regal 80 x 40 cm",
    ),
    (
        "   7        Paket                 12,5000          2        19 %         25,00\n"
        "            - eins\n            - zwei\n",
        "Paket",
    ),
]


def wanted(*names: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: {"type": ["string", "null"]} for name in names},
        "required": list(names),
    }


@pytest.mark.parametrize(("rows", "description"), ROWS)
def test_what_wraps_below_a_row(rows: str, description: str) -> None:
    item = {
        "type": "object",
        "properties": {
            "description": {"type": ["string", "null"]},
            "quantity": {"type": ["number", "null"]},
            "line_total": {"type": ["number", "null"]},
        },
        "required": ["description", "quantity", "line_total"],
    }
    schema = {
        "type": "object",
        "properties": {"line_items": {"type": "array", "items": item}},
        "required": ["line_items"],
    }
    found = extract(schema, HEAD + rows).value
    assert found["line_items"] == [{"description": description, "quantity": 2, "line_total": 25.0}]


RECEIPTS: list[tuple[str, dict[str, str | None]]] = [
    (
        "MEGA PETROKIOSK\nCOMPANY NO:  AB0012345-V\nLOT PTD 1234 TMN MAWAR\n81750 MASAI JOHOR\n"
        "SITE: 2591\nTELEPHONE:  073000190\nTOTAL\nRM  50.00\n",
        {
            "company": "MEGA PETROKIOSK",
            "address": "LOT PTD 1234 TMN MAWAR 81750 MASAI JOHOR",
            "total": "50.00",
        },
    ),
    (
        "GOOD BAKERY  000123456.P\nCOMPANY NO: 20965-W\nNO 5, JALAN BESAR\n43000 KAJANG\nTOTAL 5.00\n",
        {"company": "GOOD BAKERY", "address": "NO 5, JALAN BESAR 43000 KAJANG", "total": "5.00"},
    ),
    (
        "SHOP\nSUBTOTAL  87.80\nGST @6%  5.81\nTOTAL:  102.39\n0.01\nTOTAL  102.40\n",
        {"company": None, "address": None, "total": "102.40"},
    ),
    ("TOTAL: 616.59\n0.01\n616.60\n", {"company": None, "address": None, "total": "616.60"}),
    ("TOTAL: 616.59\n5.00\n616.60\n", {"company": None, "address": None, "total": "616.59"}),
]


@pytest.mark.parametrize(("text", "found"), RECEIPTS)
def test_the_head_and_the_total_of_a_receipt(text: str, found: dict[str, str | None]) -> None:
    assert extract(wanted("company", "address", "total"), text).value == found


def test_the_town_below_an_institution_is_no_author() -> None:
    text = (
        "On the Growth of Widgets in Cities\nAnna Schmidt\nInstitut Pasteur\nSan Francisco\n"
        "anna@x.de\nPierre Dupont\nBell Labs\nNew York\npierre@x.de\nAbstract: We\ndoi 10.1/x\n"
    )
    schema = {
        "type": "object",
        "properties": {"authors": {"type": "array", "items": {"type": "string"}}},
        "required": ["authors"],
    }
    assert extract(schema, text).value == {"authors": ["Anna Schmidt", "Pierre Dupont"]}


def figure(name: str, kind: str = "number", **words: Any) -> dict[str, Any]:
    field = {"type": [kind, "null"], **words}
    return {"type": "object", "properties": {name: field}, "required": [name]}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # What is cut out of other text is no number.
        ("Cups: 2½", None),
        ("Cups: 3/4", None),
        ("Cups: 5 x 10 cm", None),
        ("Cups: 1.5 x 10^3", None),
        ("Cups: 1.5e-3", None),
        ("Cups: 1,1,1,1", None),
        ("Cups: 12 3456", None),
        ("Cups: 2023/24", None),
        ("Cups: under 18", None),
        ("Cups: 33.86° S", None),
        ("Cups: 5k", None),
        ("Cups: 3.5M", None),
        ("Cups: 4/5", 4),
        ("Cups: 5 m", 5),
        ("Cups: 3.5 million", 3_500_000),
        ("Cups: 2,5 Mio. Euro", 2_500_000),
    ],
)
def test_a_number_is_all_that_its_label_says(text: str, value: float | None) -> None:
    assert extract(figure("cups"), text).value == {"cups": value}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Price: 2 pairs from $349", 349),
        ("Price: was $20.00 now $15.00", None),
        ("Price: $10 - $20", None),
        ("Price: $10.00 - $20.00", None),
        ("Price: $10 to $20", None),
        ("Price: 10 € - 20 €", None),
        ("Price: $5k", 5000),
        ("Price: €3.5M", 3_500_000),
        ("Price: ₹5 lakh", 500_000),
        ("Price: 3万円", 30_000),
        ("Price: 12.00 CR", 12),
        ("Price: $10.00 - paid", 10),
        ("Price: ca. 10.00 EUR", 10),
    ],
)
def test_a_price_is_the_amount_that_has_the_mark(text: str, value: float | None) -> None:
    assert extract(figure("price"), text).value == {"price": value}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Total pages: 12", None),
        ("Total hours: 12", None),
        ("Total for 3 nights: 300", None),
        ("Total items: 3\nTotal: 9.99", 9.99),
        ("Grand total of 3 items: $30.00", 30),
        ("Total (3 items): $30.00", 30),
    ],
)
def test_a_total_of_something_else(text: str, value: float | None) -> None:
    assert extract(figure("total"), text).value == {"total": value}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Status: not approved", None),
        ("The request was not yet approved.", None),
        ("Status: approved", "approved"),
        ("The request was approved.", "approved"),
        ("Approved: see below", None),  # a label is no value
    ],
)
def test_what_is_denied_is_not_chosen(text: str, value: str | None) -> None:
    choice = {"enum": ["approved", "rejected", None]}
    schema = {"type": "object", "properties": {"status": choice}, "required": ["status"]}
    assert extract(schema, text).value == {"status": value}


@pytest.mark.parametrize("text", ["Direct: non-stop", "Direct: n/a"])
def test_a_part_of_a_word_is_no_answer(text: str) -> None:
    assert extract(figure("direct", "boolean"), text).value == {"direct": None}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("**Name:** Ann Lee", "Ann Lee"),
        ("**Name**: **Ann Lee**", "Ann Lee"),
        ("Name: Ann Lee, Age: 36", "Ann Lee"),
        ("name=Ann Lee; age=36; city=Rome", "Ann Lee"),
    ],
)
def test_a_text_ends_where_the_next_label_begins(text: str, name: str) -> None:
    schema = figure("age", "integer")
    schema["properties"]["name"] = {"type": ["string", "null"]}
    assert extract(schema, text).value == {"age": 36 if "36" in text else None, "name": name}


@pytest.mark.parametrize("text", ["Delivery date: 2024-03-01", "Date of birth: 2001-03-01"])
def test_another_day_is_not_the_date(text: str) -> None:
    assert extract(figure("date", "string", format="date"), text).value == {"date": None}


def test_a_number_of_an_invoice_in_groups() -> None:
    schema = figure("invoice_number", "string")
    found = extract(schema, "Invoice No.: INV 2024 001\nDate: 5 March 2024")
    assert found.value == {"invoice_number": "INV 2024 001"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("合計 ¥1,100", 1100),
        ("合計：1,100円", 1100),
        ("总计：￥1,100.00", 1100),
        ("합계 1,100원", 1100),
        ("Итого: 1 100,50 руб.", 1100.5),
        ("Razem: 1 100,50 zł", 1100.5),
        ("Totalt 1 100,50 kr", 1100.5),
        ("Total 1 100,50 Kcs", None),  # an unknown word: the 100,50 of it is no amount
        ("Toplam: 1.100,50 TL", 1100.5),
        ("Yhteensä 110,50 €", 110.5),
        ("Σύνολο: 110,50 €", 110.5),
        ("المجموع: 110.50", 110.5),
        ("Tổng cộng: 1.100.000 đ", 1_100_000),
    ],
)
def test_totals_in_other_languages(text: str, value: float | None) -> None:
    assert extract(figure("total"), text).value == {"total": value}


@pytest.mark.parametrize(
    "text",
    ["INVOICE No. 7781", "TAX INVOICE No.7781 DATE 5/3/2024", "Factuurnummer 7781", "Faktura nr 7781",
     "Счёт № 7781", "請求書番号：7781", "Re-Nr.: 7781", "FACTURE N° 7781"],
)  # fmt: skip
def test_numbers_of_invoices_without_a_colon_and_in_other_languages(text: str) -> None:
    schema = figure("invoice_number", "string")
    assert extract(schema, text).value == {"invoice_number": "7781"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no rush at all", None),
        ("on request", None),
        ("checked by Tom", None),
        ("yes or no", None),
        ("No idea", None),
        ("1 year", None),
        ("0.5", None),
        ("no (see below)", False),
        ("Yes, with a balcony", True),
        ("No.", False),
        ("**Yes**", True),
        ("[x]", True),
        ("[ ]", False),
        ("[x] yes [ ] no", True),
        ("[x] no [ ] yes", False),
        ("☐ yes ☑ no", False),
        ("☐ yes ☐ no", None),
        ("☑ yes ☑ no", None),
    ],
)
def test_an_answer_is_all_that_stands_there(text: str, value: bool | None) -> None:
    assert extract(figure("insured", "boolean"), f"Insured: {text}").value == {"insured": value}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Status: unapproved", None),
        ("Status: approved by no one", None),
        ("Status: to be approved", None),
        ("If approved, we pay.", None),
        ("Will it be approved?", None),
        ("Status: aproved", "approved"),
    ],
)
def test_a_choice_with_a_syllable_or_a_word_that_turns_it(text: str, value: str | None) -> None:
    choice = {"enum": ["approved", "rejected", None]}
    schema = {"type": "object", "properties": {"status": choice}, "required": ["status"]}
    assert extract(schema, text).value == {"status": value}


def test_a_label_with_a_syllable_that_turns_it_is_another() -> None:
    assert extract(figure("paid_amount"), "Unpaid amount: 5.00").value == {"paid_amount": None}
    assert extract(figure("direct_cost"), "Indirect cost: 5.00").value == {"direct_cost": None}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1-5 May 2024", None),
        ("1. bis 5. Mai 2024", None),
        ("from 1 May 2024 to 5 May 2024", None),
        ("5 mai 2024 au 7 mai 2024", None),
        ("30 days after 5 May 2024", None),
        ("not before 5 May 2024", None),
        ("n/a (was 5 May 2024)", None),
        ("2024-13-01", None),
        ("before 5 May 2024", "2024-05-05"),
        ("5 May 2024 (revised: 7 May 2024)", "2024-05-05"),
    ],
)
def test_a_day_of_a_range_or_beside_another_is_not_the_day(text: str, value: str | None) -> None:
    schema = figure("start", "string", format="date")
    assert extract(schema, f"Start: {text}").value == {"start": value}


def test_the_day_that_a_letter_speaks_of_is_not_its_date() -> None:
    schema = figure("date", "string", format="date")
    text = (
        "Hi Tom,\n\ncan we move our meeting of next week to Thursday, 12 September 2024?\n\nLisa\n"
    )
    assert extract(schema, text).value == {"date": None}
    assert extract(schema, "Paris, 12 September 2024\n\nHi Tom,\n").value == {"date": "2024-09-12"}


@pytest.mark.parametrize("text", ["9:00 - 18:00", "9 am to 5 pm"])
def test_a_range_is_no_time(text: str) -> None:
    schema = figure("time", "string", format="time")
    assert extract(schema, f"Time: {text}").value == {"time": None}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("Skills: Python (Django, Flask), SQL", ["Python (Django, Flask)", "SQL"]),
        ('Skills: "Lee, Ann" <a@x.com>, Bob', ['"Lee, Ann" <a@x.com>', "Bob"]),
        ("Skills: salt, 1,5 kg flour", ["salt", "1,5 kg flour"]),
        ("Skills: a, b and c", ["a", "b", "c"]),
        ("Skills: ['x, y', 'z']", ["x, y", "z"]),
        ("Skills:\n  first thing\n  second thing\n", ["first thing", "second thing"]),
        ("Skills:\n- a\n  goes on\n- b\n", ["a goes on", "b"]),
        ("Skills:\n- [x] done\n- [ ] open\n", ["done", "open"]),
        ('{"skills": ["a", "b, c"]}', ["a", "b, c"]),
        ("Skills: n/a", []),
    ],
)
def test_a_list_is_parted_between_its_items_alone(text: str, values: list[str]) -> None:
    listed = {"type": "array", "items": {"type": "string"}}
    schema = {"type": "object", "properties": {"skills": listed}, "required": ["skills"]}
    assert extract(schema, text).value == {"skills": values}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("Scores: 1, 2, 3", [1, 2, 3]),
        ("Scores: 1,000, 2,000", [1000, 2000]),
        ("Scores: 1,2,3", []),
        ("Scores: 10-20, 30", []),
        ("Scores: [1, 2]", [1, 2]),
    ],
)
def test_a_list_of_numbers_is_whole_or_empty(text: str, values: list[float]) -> None:
    listed = {"type": "array", "items": {"type": "number"}}
    schema = {"type": "object", "properties": {"scores": listed}, "required": ["scores"]}
    assert extract(schema, text).value == {"scores": values}


@pytest.mark.parametrize(
    ("text", "value"),
    [("n/a", None), ("TBD", None), ("k. A.", None), ("none", "none"), ("Ann, Age: 36", "Ann")],
)
def test_a_text_that_is_not_known_is_null(text: str, value: str | None) -> None:
    assert extract(figure("name", "string"), f"Name: {text}").value == {"name": value}


def test_a_date_is_no_telephone_number() -> None:
    assert extract(figure("phone", "string"), "Phone: 2024-05-06").value == {"phone": None}


def party(side: str, text: str) -> Any:
    fields = {name: {"type": ["string", "null"]} for name in ("name", "address", "city")}
    one = {"type": "object", "properties": fields, "required": list(fields)}
    schema = {"type": "object", "properties": {side: one}, "required": [side]}
    return extract(schema, text).value[side]


def test_the_address_of_a_sender_s_line_is_not_the_addressee_s() -> None:
    text = "Mill GmbH · Hauptstr. 12 · 70565 Stuttgart\n\nAnn Lee\nGartenweg 3\n80331 München\n"
    assert party("seller", text) == {
        "name": "Mill GmbH",
        "address": "Hauptstr. 12, 70565 Stuttgart",
        "city": "Stuttgart",
    }


def test_a_party_on_one_line_is_taken_apart() -> None:
    text = "Invoice 12\n**Customer:** Alpina AG, Bahnhofstrasse 1, 7000 Chur\n"
    assert party("customer", text) == {
        "name": "Alpina AG",
        "address": "Bahnhofstrasse 1, 7000 Chur",
        "city": "Chur",
    }
    assert party("customer", "**To:** Widget Corp\n")["name"] == "Widget Corp"


def test_an_address_ends_before_a_registration_number() -> None:
    text = "SARL Dupont\n14 rue des Lilas\n69003 Lyon\nSIRET 123 456 789 00012\nFACTURE N° 7\n"
    assert party("seller", text)["address"] == "14 rue des Lilas 69003 Lyon"


def test_the_value_of_another_label_is_no_company() -> None:
    schema = wanted("company")
    assert extract(schema, "Employer: Meier Ltd\nPlace: Bremen\n").value == {"company": None}


def test_a_number_right_under_its_heading_is_not_the_description_s() -> None:
    text = (
        "Description      Quantity   Price   Total\nChange of motors 1          45.00   45.00\n"
        "Filter           1          12.50   12.50\n"
    )
    item = {
        "type": "object",
        "properties": {
            "description": {"type": "string"},
            "quantity": {"type": ["number", "null"]},
            "total": {"type": ["number", "null"]},
        },
    }
    schema = {"type": "object", "properties": {"items": {"type": "array", "items": item}}}
    assert extract(schema, text).value["items"][0] == {
        "description": "Change of motors",
        "quantity": 1,
        "total": 45.0,
    }


@pytest.mark.parametrize(
    ("description", "value"),
    [("Docket number", "1:21-cv-01456"), ("Docket number as printed", "1:21-cv-01456-MN")],
)
def test_a_docket_number_is_in_full_where_the_description_says_so(
    description: str, value: str
) -> None:
    schema = figure("docket_number", "string", description=description)
    assert extract(schema, "Docket: 1:21-cv-01456-MN").value == {"docket_number": value}
