"""Measure OCR with `local/rules` behind it, on receipts drawn at 150 dpi and degraded like scans.

    python scripts/eval_ocr.py [--sroie N] [--seed N] [--show]

Draws the receipts of `tests/documents/receipts.py`, and the first N texts of `receipts_sroie` where the shared corpus is
there (`../shared/corpus` beside the repository, or under `PROMPTURE_SHARED`); several fonts and layouts, skewed up to two
degrees, blurred, with grains, as JPEG. Prints how many dates and totals `local/rules` gets right from what OCR reads, how
many from the text itself, the share of words that OCR got, and the seconds a page took. `--show` prints what was wrong.
"""

import argparse
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from prompture.documents import document  # noqa: E402
from prompture.rules import extract  # noqa: E402
from tests.documents.pictures import encoded  # noqa: E402
from tests.documents.receipts import CASES, receipt  # noqa: E402

SHARED = Path(os.environ.get("PROMPTURE_SHARED") or ROOT.parent / "shared")
SCHEMA = {
    "type": "object",
    "properties": {
        "date": {"type": ["string", "null"], "description": "Date of the receipt as printed"},
        "total": {"type": ["number", "null"], "description": "Total amount paid"},
    },
    "required": ["date", "total"],
}


def sroie(count: int) -> Iterator[tuple[str, str, Any, Decimal]]:
    folder = SHARED / "corpus" / "receipts_sroie"
    if not folder.is_dir():
        print("receipts_sroie is not there: left out")
        return
    rows = (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    for row in map(json.loads, rows[:count]):
        total = Decimal(re.sub(r"[^\d.]", "", row["labels"]["total"]))
        text = (folder / row["doc"]).read_text(encoding="utf-8")
        yield row["id"], text, row["labels"]["date"], total


def right(text: str, day: Any, total: Decimal) -> tuple[bool, bool, Any]:
    schema = json.loads(json.dumps(SCHEMA))
    if isinstance(day, date):
        schema["properties"]["date"]["format"] = "date"
        day = day.isoformat()
    found: Any = extract(schema, text).value
    number = None if found["total"] is None else Decimal(str(found["total"]))
    is_day = found["date"] is not None and squeezed(found["date"]) == squeezed(day)
    return is_day, number == total, found


def squeezed(text: str) -> str:
    return re.sub(r"\s", "", str(text)).upper()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sroie", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    cases = [(f"own_{i}", c.text, c.date, c.total) for i, c in enumerate(CASES)]
    cases += sroie(options.sroie)
    by_ocr, by_text, words, all_words, seconds = [0, 0], [0, 0], 0, 0, 0.0
    for at, (name, text, day, total) in enumerate(cases):
        data = encoded(receipt(text, seed=options.seed * 1000 + at), "JPEG", quality=70)
        start = time.perf_counter()
        read = document(data, ocr="always").text
        seconds += time.perf_counter() - start
        *found, value = right(read, day, total)
        *best, _ = right(text, day, total)
        by_ocr = [a + b for a, b in zip(by_ocr, found, strict=True)]
        by_text = [a + b for a, b in zip(by_text, best, strict=True)]
        wanted = Counter(text.split())
        words += sum((wanted & Counter(read.split())).values())
        all_words += wanted.total()
        if options.show and found != best:
            print(f"--- {name}: {value} for {day} and {total}")
            print(read)
    count = len(cases)
    print(f"{count} receipts: {by_ocr[0]} dates and {by_ocr[1]} totals right by OCR", end="")
    print(f" ({100 * sum(by_ocr) / 2 / count:.1f} %), {by_text[0]} and {by_text[1]} by their text")
    print(f"words: {100 * words / all_words:.1f} %; {seconds / count:.2f} s a page")


if __name__ == "__main__":
    main()
