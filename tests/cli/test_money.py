"""prompture costs, estimate, models --cheapest."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from prompture import Completion, Usage, labels, ledger
from prompture.catalog import Rates
from prompture.cli import app
from prompture.cli import console as exits
from prompture.cli.costs import draw, page
from prompture.money import Charge, Cost
from prompture.spend.ledger import Ledger
from prompture.testing import FunctionDriver
from prompture.types import Request, user

ROOT = Path(__file__).resolve().parents[2]
RECEIPT = str(ROOT / "examples" / "documents" / "receipt.txt")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["prompture", *words])
        code = exits.run(app)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def book(tmp_path: Path) -> str:
    place = tmp_path / "ledger.db"
    used = Usage(input_tokens=1000, output_tokens=100, reported=True)
    rates = Rates(input=Decimal(1), output=Decimal(2))
    driver = FunctionDriver(lambda r: Completion(text="x", usage=used), prices=rates)
    with ledger(place):
        for name, times in (("a", 2), ("b", 1)):
            for _ in range(times):
                with labels(job=name):
                    driver.complete(Request(model=f"m-{name}", messages=(user("x"),)))
    return str(place)


def test_costs(run: Any, book: str) -> None:
    code, out, _ = run("costs", "--ledger", book)
    lines = [line.split("\t") for line in out.splitlines()]
    assert code == exits.OK
    assert [(x[0], x[1], x[7]) for x in lines[1:]] == [
        ("scripted/m-a", "2", "0.0024"),
        ("scripted/m-b", "1", "0.0012"),
        ("total", "3", "0.0036"),
    ]


@pytest.mark.parametrize("by", ["provider", "model", "day", "label:job", "status"])
def test_costs_as_csv(run: Any, book: str, by: str) -> None:
    code, out, _ = run("costs", "--ledger", book, "--by", by, "--since", "2d", "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == exits.OK
    assert sum(Decimal(r["usd"]) for r in rows) == Decimal("0.0036")


@pytest.mark.parametrize("name", ["chart.html", "chart.png", "chart.svg"])
def test_plots(run: Any, book: str, tmp_path: Path, name: str) -> None:
    if not name.endswith("html"):
        pytest.importorskip("matplotlib")
    code, _, err = run("costs", "--ledger", book, "--by", "day", "--plot", str(tmp_path / name))
    assert code == exits.OK
    assert (tmp_path / name).stat().st_size > 300
    assert "wrote" in err


def test_a_chart_of_days_has_every_day(run: Any, tmp_path: Path) -> None:
    place = tmp_path / "days.db"
    opened = Ledger(place)
    used = Charge(provider="p", model="m", usage=Usage(), cost=Cost(usd=Decimal("0.25")))
    with pytest.MonkeyPatch.context() as patch:
        for day in (1, 4):
            at = datetime(2027, 1, day, 12, tzinfo=UTC).timestamp()
            patch.setattr("time.time", lambda at=at: at)
            opened.after(None, used)
    opened.close()
    chart = tmp_path / "days.html"
    run("costs", "--ledger", str(place), "--by", "day", "--plot", str(chart))
    shown = re.findall(r"<td>(2027-.*?)</td>.*?usd>(.*?)</td>", chart.read_text("utf-8"))
    assert shown == [
        ("2027-01-01", "$0.25"),
        ("2027-01-02", "$0.00"),
        ("2027-01-03", "$0.00"),
        ("2027-01-04", "$0.25"),
    ]


@pytest.mark.parametrize("upright", [True, False])
def test_names_are_no_formulas(tmp_path: Path, upright: bool) -> None:
    pytest.importorskip("matplotlib")
    bars = [("$\\no$", Decimal(1)), ("x" if upright else "x" * 5000, Decimal("0.1"))]
    draw(bars, title="$\\no$", path=tmp_path / "a.png", upright=upright)
    assert (tmp_path / "a.png").stat().st_size < 200_000


def test_names_that_the_font_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    draw([("\u0378", Decimal(1))], title="x", path=tmp_path / "a.png")
    assert "the font lacks" in capsys.readouterr().err


def test_pages_escape_names() -> None:
    assert "<script>" not in page([("<script>", Decimal(1))], "<script>")
    assert "$0.00" in page([("a", Decimal(0))], "none")


def test_wrong_uses(run: Any, book: str, tmp_path: Path) -> None:
    assert run("costs", "--ledger", str(tmp_path / "no.db"))[0] == exits.CONFIGURATION
    assert run("costs", "--ledger", book, "--by", "colour")[0] == exits.CONFIGURATION
    assert run("costs", "--ledger", book, "--since", "soon")[0] == exits.CONFIGURATION
    assert run("costs", "--ledger", book, "--plot", "chart.doc")[0] == exits.USAGE
    assert run("models", "--needs", "vision")[0] == exits.USAGE


def test_repricing(run: Any, book: str) -> None:
    code, _, err = run("costs", "--ledger", book, "--reprice")
    assert code == exits.OK
    assert err.startswith("0 of 3 calls have a new price")


def test_estimate(run: Any) -> None:
    words = ("-s", "company, total: number", "-m", "openai/gpt-5-mini", "-m", "local/rules")
    code, out, _ = run("estimate", RECEIPT, RECEIPT, *words, "-f", "json")
    local, paid = json.loads(out)
    assert code == exits.OK
    assert (local["model"], local["likely"], local["files"]) == ("local/rules", "0.00", 2)
    assert Decimal(paid["low"]) < Decimal(paid["likely"]) < Decimal(paid["high"])
    code, out, err = run("estimate", RECEIPT, "-s", "company", "-m", "groq/unheard-of")
    assert (code, out.splitlines()[1].split("\t")[4:7]) == (exits.OK, ["?", "?", "?"])
    assert "no price is known" in err


def test_cheapest_models(run: Any) -> None:
    code, out, _ = run(
        "models", "--cheapest", "--needs", "json_schema&provider=openai", "-f", "json"
    )
    models = json.loads(out)
    assert code == exits.OK
    assert models[0]["model"] == "openai/gpt-5-nano"
    assert all("schema" in m["can"] for m in models)
    assert run("models", "--cheapest", "--ready")[1].count("openai/") == 0


def test_a_budget_stops_a_run(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    code, _, err = run(
        "extract", RECEIPT, "-s", "company", "-m", "openai/gpt-5-mini", "--budget", "0.0000001"
    )
    assert code == exits.BUDGET
    assert "$0.0000001" in err
