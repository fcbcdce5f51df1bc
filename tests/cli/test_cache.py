"""``prompture cache`` and ``--cache``."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

from click.testing import CliRunner

from prompture import Cache
from prompture.cli import app


def test_a_cache_is_shown_and_cleared(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    cache = Cache(path)
    cache.put("k", b"v", model="openai/m", usd=Decimal("0.25"))
    cache.lookup("k")
    cache.close()
    run = CliRunner()
    shown = run.invoke(app, ["cache", "stats", str(path), "-f", "json"])
    (record,) = json.loads(shown.stdout)
    assert (record["answers"], record["hits"], record["saved_usd"]) == (1, 1, "0.25")
    table = run.invoke(app, ["cache", "stats", str(path)])
    assert "openai/m" in table.output and "saved $0.25" in table.output
    assert (
        "0 answers" in run.invoke(app, ["cache", "clear", str(path), "--older-than", "1d"]).output
    )
    assert "1 answer forgotten" in run.invoke(app, ["cache", "clear", str(path)]).output
    missing = run.invoke(app, ["cache", "stats", str(tmp_path / "other.db")])
    assert missing.exit_code != 0 and not (tmp_path / "other.db").exists()


def test_extract_takes_a_file(tmp_path: Path) -> None:
    document, path = tmp_path / "d.txt", tmp_path / "c.db"
    document.write_text("Total: 12.50")
    options = ["-s", "total: number", "-m", "local/rules", "--cache", str(path)]
    assert CliRunner().invoke(app, ["extract", str(document), *options]).exit_code == 0
    assert Cache(path).stats().answers == 0  # rules are as fast as a cache
