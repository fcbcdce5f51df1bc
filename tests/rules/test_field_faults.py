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
