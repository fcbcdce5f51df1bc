"""How well ``extraction.estimate`` tells the length of an answer: against gold values of a corpus.

    python scripts/calibrate_answers.py ../shared/corpus

Prints, for each set, the number of documents, the median of estimate / truth, the share of true
lengths within [low, high], and the median relative error. Lengths are in o200k tokens by
``catalog.tokens`` (an estimate itself where the vocabulary is not on disk).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

from prompture.catalog.tokens import count
from prompture.extraction.estimate import answer_size


def pairs(folder: Path) -> list[tuple[float, float, float, int]]:
    """(low, likely, high, truth) of each labelled document of a set."""
    found = []
    for line in (folder / "labels.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        value, text, schema = gold(folder, row)
        if value is None:
            continue
        size = answer_size(schema, count(text, "gpt-4o").tokens)
        packed = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        found.append((size.low, size.likely, size.high, count(packed, "gpt-4o").tokens))
    return found


def gold(folder: Path, row: dict[str, Any]) -> tuple[Any, str, Any]:
    """Value, text and schema of a row of labels."""
    name = row.get("schema")
    path = folder / (name if isinstance(name, str) and (folder / name).is_file() else "schema.json")
    schema = json.loads(path.read_text("utf-8"))
    doc = row.get("file") or row.get("doc") or row.get("id")
    candidates = [folder / str(doc), folder / "docs" / str(doc), folder / "docs" / f"{doc}.txt"]
    text = next((p.read_text("utf-8") for p in candidates if p.is_file()), "")
    for key in ("value", "gold", "labels", "expected", "answer"):
        if key in row:
            return row[key], text, schema
    return None, text, schema


def main(corpus: Path) -> None:
    everything = []
    for folder in sorted(p for p in corpus.iterdir() if (p / "labels.jsonl").is_file()):
        rows = pairs(folder)
        everything += rows
        report(folder.name, rows)
    report("all", everything)


def report(name: str, rows: list[tuple[float, float, float, int]]) -> None:
    if not rows:
        print(f"{name:24} nothing readable")
        return
    ratio = median(likely / truth for _, likely, _, truth in rows)
    inside = sum(low <= truth <= high for low, _, high, truth in rows) / len(rows)
    error = median(abs(likely - truth) / truth for _, likely, _, truth in rows)
    print(f"{name:24} {len(rows):4}  ratio {ratio:5.2f}  inside {inside:4.0%}  error {error:4.0%}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
