"""Families: parts that can be left out, and parts that other packages add."""

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint

import pytest

from prompture.errors import ConfigurationError
from prompture.rules import extract, families
from prompture.rules.concepts import Concept
from prompture.rules.fields import SchemaField
from prompture.rules.label_pairs import find_pairs
from prompture.rules.labelled import Index, index_pairs
from prompture.rules.page import FieldCandidate, Page, TextRange, read_page
from prompture.types import Span

RECEIPT = "KEDAI BUKU SDN BHD\nNo 5 Jalan Besar\n81100 Johor Bahru\n\nReceipt No: R-17\nTotal: 33.90\nCash: 50.00\nChange: 16.10\n"
SCHEMA = {
    "type": "object",
    "properties": {
        "company": {"type": "string"},
        "address": {"type": "string"},
        "receipt_number": {"type": "string"},
        "total": {"type": "number"},
    },
    "required": ["company", "address", "receipt_number", "total"],
}


@pytest.fixture
def fresh() -> Iterator[None]:
    """Forget which families were found, before and after."""
    families._known.cache_clear()
    yield
    families._known.cache_clear()


def _installed(monkeypatch: pytest.MonkeyPatch, *points: EntryPoint) -> None:
    monkeypatch.setattr(families, "entry_points", lambda group: points)


def test_the_core_reads_labels_without_any_family() -> None:
    found = extract(SCHEMA, RECEIPT, families=())
    assert found.value == {
        "company": None,
        "address": None,
        "receipt_number": "R-17",
        "total": 33.9,
    }


@pytest.mark.parametrize("name", families.BUILTIN)
def test_each_family_stands_alone(name: str) -> None:
    found = extract(SCHEMA, RECEIPT, families=[name])
    assert found.value["receipt_number"] == "R-17"
    assert (found.value["company"] == "KEDAI BUKU SDN BHD") is (name == "parties")


def test_an_unknown_family_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="there is no 'recipes'; there are citations, "):
        extract(SCHEMA, RECEIPT, families=["recipes"])


def test_a_family_whose_module_is_missing_is_skipped(
    fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(families, "BUILTIN", ("parties", "no_such_family", "invoices"))
    assert len(families.find_families()) == 2
    assert extract(SCHEMA, RECEIPT).value["total"] == 33.9


def test_a_family_whose_own_import_fails_is_not_skipped(
    fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prompture.rules.families.party_blocks", None)
    monkeypatch.delitem(sys.modules, "prompture.rules.families.parties", raising=False)
    with pytest.raises(ModuleNotFoundError, match="party_blocks"):
        families.find_families()


class Meters(families.DocumentFamily):
    """Reads the stand of a meter, which no label names: the only run of five digits."""

    concepts = (
        Concept(
            "meter_reading", "integer", names=("stand",), labels=(("zahlerstand",), ("reading",))
        ),
    )

    def candidates(
        self,
        field: SchemaField,
        page: Page,
        scope: TextRange,
        found: list[FieldCandidate],
        index: Index,
    ) -> list[FieldCandidate] | None:
        if field.concept != "meter_reading":
            return None
        if found:
            return found
        at = page.text.find("00421")
        return [] if at < 0 else [FieldCandidate(421, (Span(at, at + 5, "normalised"),), 0.8)]


METERS = Meters()
STAND = {"type": "object", "properties": {"stand": {"type": "integer"}}, "required": ["stand"]}


@pytest.mark.parametrize("text", ["Zählerstand: 421\n", "Seen today: 00421 kWh\n"])
def test_a_package_adds_a_family_with_words_of_its_own(
    fresh: None, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    point = EntryPoint("meters", f"{__name__}:METERS", families.GROUP)
    _installed(monkeypatch, point)
    assert extract(STAND, text).value == {"stand": 421}
    assert extract(STAND, text, families=families.BUILTIN).value == {"stand": None}
    assert extract(SCHEMA, RECEIPT).value["company"] == "KEDAI BUKU SDN BHD"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("meters", "no_such_package:X", "cannot be loaded: ModuleNotFoundError"),
        ("meters", "json:loads", "is a function, not an instance of .*DocumentFamily"),
        ("papers", f"{__name__}:METERS", "a family 'papers' is there already"),
    ],
)
def test_a_package_with_a_fault_is_named(
    fresh: None, monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    _installed(monkeypatch, EntryPoint(name, value, families.GROUP))
    with pytest.raises(ConfigurationError, match=message):
        extract(SCHEMA, RECEIPT)


def test_a_family_that_overrides_nothing_adds_nothing() -> None:
    page, scope = read_page(RECEIPT), TextRange(0, len(RECEIPT))
    field = SchemaField("total", {}, frozenset({"number"}), True, False, "money")
    index = index_pairs(find_pairs(page.layout, ()), frozenset())
    family = families.DocumentFamily()
    assert list(family.labels(field)) == [] and family.side(field) is None
    assert family.candidates(field, page, scope, [], index) is None
    assert family.values(field, page, scope) is None
    assert family.rows(field, [], page, scope) is None
