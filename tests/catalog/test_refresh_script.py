"""The script that refreshes the built-in table."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from prompture.catalog.sources import CatalogSource, built_in


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    path = Path(__file__).parents[2] / "scripts" / "refresh_catalog.py"
    spec = importlib.util.spec_from_file_location("refresh_catalog", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "TABLE", tmp_path / "built_in.json")
    return module


def record(released: str, **changes: Any) -> dict[str, Any]:
    return {
        "limit": {"context": 10, "output": 5},
        "modalities": {"input": ["text"], "output": ["text"]},
        "release_date": released,
        "cost": {"input": "0.1", "output": 1, "context_over_200k": {"input": 1}, "tiers": []},
        "open_weights": True,
        **changes,
    }


def test_it_keeps_the_newest_and_what_is_listed_no_more(script: ModuleType) -> None:
    many = {f"m-{n:02}": record(f"2026-01-{n:02}") for n in range(1, 31)}
    other = {
        "painter": record("2026-02-01", modalities={"input": ["text"], "output": ["image"]}),
        "old": record("2026-02-01", status="deprecated"),
    }
    source = CatalogSource({"openai": {"models": {**many, **other}}}, "live", "2026-02-02")
    before = {
        "as_of": "2025-01-01",
        "providers": {"openai": {"models": {"gone": record("2024-01-01"), "m-01": {}}}},
    }
    table = script.table_of(source, before)
    models = table["providers"]["openai"]["models"]
    assert set(models) == {"gone", *(f"m-{n:02}" for n in range(15, 31))}
    assert models["gone"]["as_of"] == "2025-01-01"
    assert "open_weights" not in models["m-30"]
    assert models["m-30"]["cost"] == {"input": "0.1", "output": 1, "tiers": []}
    script.write(table)
    assert json.loads(script.TABLE.read_text("utf-8")) == table
    assert script.table_of(source, table) == table


def test_the_shipped_table_is_as_the_script_writes_it(script: ModuleType) -> None:
    path = Path(__file__).parents[2] / "prompture" / "catalog" / "data" / "built_in.json"
    script.write(json.loads(path.read_text("utf-8")))
    assert script.TABLE.read_text("utf-8") == path.read_text("utf-8")


def test_a_dropped_model_has_the_date_of_its_last_price() -> None:
    entry = built_in().get("google", "gemini-1.5-flash")
    assert entry is not None
    assert (entry.status, entry.as_of) == ("deprecated", "2026-05-19")
