"""The aims, measured on the labelled documents of ../shared/corpus; loosely, so that a small loss does not break."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.shared
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "eval_rules.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    import sys

    spec = importlib.util.spec_from_file_location("eval_rules", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["eval_rules"] = module
    spec.loader.exec_module(module)
    return module


# Of the values a label states: at least this share right. Of all fields: at most this share wrong.
AIMS = [
    ("receipts_sroie", "models", ("date", "total"), 0.93, 0.05),
    ("receipts_sroie", "synonyms", ("date", "total"), 0.90, 0.05),
    ("invoices_zugferd", "file", ("invoice_number", "issue_date", "currency", "seller.name", "buyer.name", "net_total", "grand_total"), 0.85, 0.05),
    ("invoices_zugferd", "synonyms", ("invoice_number", "issue_date", "currency", "seller.name", "buyer.name", "net_total", "grand_total"), 0.85, 0.05),
    ("court_notices_nef", "models", ("court_id", "dockets[].case_name", "dockets[].docket_number", "dockets[].entries[].date_filed"), 0.90, 0.03),
    ("papers_grobid", "models", ("title", "emails[]", "doi"), 0.70, 0.06),
    ("citations_anystyle", "models", ("references[].date", "references[].author"), 0.75, 0.03),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kind", "fields", "right", "wrong"), AIMS)
def test_the_aims_are_met(
    shared: Path,
    script: ModuleType,
    name: str,
    kind: str,
    fields: tuple[str, ...],
    right: float,
    wrong: float,
) -> None:
    tallies, _, _ = script.measure(name, kind=kind)
    for path in fields:
        tally = tallies[path]
        assert tally.right >= right * (tally.right + tally.wrong + tally.missed), path
    assert sum(tally.wrong for tally in tallies.values()) <= wrong * sum(
        tally.n for tally in tallies.values()
    )
