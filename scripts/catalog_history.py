"""Add models that models.dev has dropped to the built-in table, with their last known prices.

    python scripts/catalog_history.py CLONE

CLONE is a git clone of the repository behind models.dev (MIT licence), whose history is read:
the last version of each deleted file of the makers' own providers, and the models at its head
that the packaged snapshot is too old for. Only models that write text and have a price.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from refresh_catalog import TABLE, slim, write, writes_text

from prompture.catalog.sources import snapshot

PROVIDERS = (
    *("openai", "anthropic", "google", "xai", "mistral", "deepseek", "cohere", "groq"),
    *("moonshotai", "zai", "cerebras", "perplexity", "alibaba", "minimax", "togetherai"),
    *("fireworks-ai", "amazon-bedrock"),
)

REDIRECTING = ("xai",)
"""Providers that serve another model, at its price, under a retired name: the last price listed
would be wrong (recorded calls of grok-3-mini cost what grok-4.3 costs, by xAI's own figures)."""


def main() -> int:
    """Merge into the table."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    clone = Path(sys.argv[1])
    packaged = snapshot()
    table = json.loads(TABLE.read_text("utf-8"))
    for provider in PROVIDERS:
        models = table["providers"][provider]["models"]
        listed = packaged.models(provider) if packaged else {}
        gone = () if provider in REDIRECTING else dropped(clone, provider)
        # What is at the head first: a file that was deleted once and came back is no dropped model.
        for model, record in (*current(clone, provider), *gone):
            if model not in listed and model not in models and _useful(record):
                models[model] = slim(record)
    write(table)
    return 0


def dropped(clone: Path, provider: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Models whose file is gone, as of the day it was deleted."""
    folder = f"providers/{provider}/models"
    wanted = ("log", "--no-renames", "--diff-filter=D", "--name-only", "--format=%H %cs")
    commit = day = ""
    for line in git(clone, *wanted, "--", folder).splitlines():
        if line.startswith(folder):
            record = _read(clone, f"{commit}~1", line)
            if line.endswith(".toml") and record is not None:
                yield _model(folder, line), {**record, "status": "deprecated", "as_of": day}
        elif line:
            commit, day = line.split()


def current(clone: Path, provider: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Models at the head of the clone."""
    folder = f"providers/{provider}/models"
    day = git(clone, "log", "-1", "--format=%cs").strip()
    for path in git(clone, "ls-tree", "-r", "--name-only", "HEAD", folder).splitlines():
        record = _read(clone, "HEAD", path)
        if path.endswith(".toml") and record is not None:
            yield _model(folder, path), {**record, "as_of": day}


def git(clone: Path, *words: str) -> str:
    """What a git command prints."""
    return subprocess.run(
        ["git", "-C", clone, *words], check=True, capture_output=True, text=True
    ).stdout


def _read(clone: Path, commit: str, path: str) -> dict[str, Any] | None:
    """A record with what it inherits; None where the clone lacks the file (a link, say)."""
    try:
        record = tomllib.loads(git(clone, "show", f"{commit}:{path}"), parse_float=_figure)
        base = record.get("base_model")
        if base:
            text = git(clone, "show", f"{commit}:models/{base}.toml")
            record = _joined(tomllib.loads(text, parse_float=_figure), record)
    except (subprocess.CalledProcessError, tomllib.TOMLDecodeError):
        return None
    for tier in record.get("cost", {}).get("tiers", ()):
        tier["tier"].setdefault("type", "context")
    return record


def _figure(text: str) -> float:
    return float(text)


def _joined(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    both = {**base, **own}
    for key, value in base.items():
        if isinstance(value, dict) and isinstance(own.get(key), dict):
            both[key] = _joined(value, own[key])
    for key in own.get("base_model_omit", ()):
        both.pop(key, None)
    return both


def _model(folder: str, path: str) -> str:
    return path.removeprefix(f"{folder}/").removesuffix(".toml")


def _useful(record: dict[str, Any]) -> bool:
    """A price of 0 in a deleted file is as a rule that of a plan or a preview: it is none."""
    cost = record.get("cost") or {}
    priced = "input" in cost and "output" in cost
    if record.get("status") == "deprecated" and not (cost.get("input") or cost.get("output")):
        priced = str(record.get("name")).startswith("Gemma")  # these Google serves for nothing
    return writes_text(record) and priced


if __name__ == "__main__":
    sys.exit(main())
