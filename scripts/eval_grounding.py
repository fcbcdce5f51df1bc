"""Measure `ground` on the labelled corpus: gold places found, false values refused, time.

    python scripts/eval_grounding.py [--set NAME] [--half dev|other|both] [--show N] [--only PART]

Finds the corpus in `../shared/corpus` beside the repository, or under `PROMPTURE_SHARED`.
`dev` is every other document, on which the costs in `place_costs.py` were chosen; `other` the rest.

gold     The first span covers the gold place of the value (intersection over union of at least
         one half), for values that stand verbatim in the text, and for those that stand there
         otherwise written. Of contracts, the values are the clauses quoted as evidence; a clause
         that was annotated fewer times than quoted has every place of its field that reads alike.
clauses  The same for contracts of 50 kB and more; of the misses, how many are `ambiguous`.
labels   The labels of contracts (dates, a state, a name), whose first span must stand inside one
         of the clauses that are annotated for the field, with the schema and without.
false    Values that are not in the text: one digit changed, another date, a name with a word of
         its neighbour, a value of another document, one word changed, a negation put in or taken
         out, a value longer than the text. Any span is a fault.
nested   The gold values with their spans against the gold ones as ExtractBench (run-llama) does: a
         leaf counts for the span only where its page is right. A page is 3,000 characters and
         whole lines.
tables   Pipe tables made at random (of numbers, most of one or two digits, the fields in any
         order): cells whose value has its first span there.
speed    CPU seconds of one call: 1 MB of contracts with 200 values, hostile texts of 1 MB, the
         clauses of the longest contract.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import time
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from prompture import ground

SETS = ("papers_grobid", "resumes_dotin", "citations_anystyle", "contracts_cuad")
UNPLACED = ("invoices_zugferd", "receipts_sroie", "court_notices_nef", "extract_bench")
"""Sets whose labels have no gold places: only false values are planted in them."""
PARTS = ("gold", "clauses", "labels", "false", "nested", "tables", "speed")
FIELDS = ("units_sold", "unit_price", "discount", "stock", "returns_2023", "returns_2024")
FOREIGN_WORDS = ("zebra", "quinoa", "wombat", "tangerine", "umbrella", "Vladivostok")
LONG = 50_000
PAGE = 3_000

Row = dict[str, Any]
Place = tuple[int, int]


def corpus() -> Path:
    """The folder of the labelled documents."""
    beside = Path(__file__).resolve().parents[1].parent / "shared"
    return Path(os.environ.get("PROMPTURE_SHARED") or beside) / "corpus"


def rows(folder: Path, *, half: str = "both") -> list[tuple[Row, str]]:
    """Each labelled row of a half with its text."""
    found: list[tuple[Row, str]] = []
    for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        with (folder / row["doc"]).open(encoding="utf-8", newline="") as file:
            found.append((row, file.read()))
    return {"both": found, "dev": found[::2], "other": found[1::2]}[half]


def values(row: Row) -> Row:
    """What is grounded: the labels, or the quotations where there are such."""
    quoted: Row | None = row.get("evidence")
    return quoted if quoted is not None else row["labels"]


def gold(row: Row, text: str = "") -> dict[str, list[Place]]:
    """The right places by JSON pointer."""
    found: dict[str, list[Place]] = {}
    for path, places in (row.get("spans") or {}).items():
        pointer = "/" + path.replace("[]", "").replace("[", "/").replace("]", "").replace(".", "/")
        value = values(row).get(path.replace("[]", ""))
        if not isinstance(value, list):
            found[pointer] = [(a, b) for a, b in places]
        elif len(value) == len(places):
            found.update({f"{pointer}/{i}": [(a, b)] for i, (a, b) in enumerate(places)})
        else:
            for i, one in enumerate(value):
                alike = [(a, b) for a, b in places if plain(text[a:b]) == plain(one)]
                if alike:
                    found[f"{pointer}/{i}"] = alike
    return found


def leaves(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """The strings and numbers of a value, with their pointers."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, f"{at}/{key}")
    elif isinstance(value, int | float | str) and not isinstance(value, bool) and value != "":
        yield at, value


def words_of(value: Any) -> list[str]:
    """The strings of a value."""
    return [leaf for _, leaf in leaves(value) if isinstance(leaf, str) and leaf.strip()]


def overlap(start: int, end: int, place: Place) -> float:
    """Intersection over union."""
    both = min(end, place[1]) - max(start, place[0])
    return max(0, both) / (max(end, place[1]) - min(start, place[0]))


def is_right(span: Any, places: list[Place]) -> bool:
    """Whether a span is one of the right places."""
    return any(overlap(span.start, span.end, place) >= 0.5 for place in places)


def plain(text: str) -> str:
    """Letters and digits alone, in lower case."""
    return re.sub(r"[\W_]+", "", text.casefold())


def ratio(part: int, whole: int) -> str:
    return f"{part}/{whole} ({part / whole:.1%})" if whole else "-"


class Found:
    """Counts of one set: values that stand verbatim, and otherwise written."""

    def __init__(self) -> None:
        self.total: Counter[str] = Counter()
        self.right: Counter[str] = Counter()
        self.missing = self.ambiguous = 0

    def add(self, row: Row, text: str, *, show: bool = False) -> None:
        """Count one document."""
        given = dict(leaves(values(row)))
        found = ground(values(row), text)
        for pointer, places in gold(row, text).items():
            kind = "verbatim" if str(given[pointer]) in text else "written otherwise"
            self.total[kind] += 1
            best = found.get(pointer, ())
            if best and is_right(best[0], places):
                self.right[kind] += 1
                continue
            self.missing += not best
            self.ambiguous += bool(best and best[0].ambiguous)
            if show:
                print(row["id"], pointer, repr(given[pointer])[:80], places, best[:3])

    @property
    def misses(self) -> int:
        return self.total.total() - self.right.total()


def planted(row: Row, text: str, others: list[str], draw: random.Random, most: int) -> Row:
    """False values by kind, none of which the text holds."""
    made: dict[str, list[Any]] = defaultdict(list)
    words = words_of(values(row))[:most]
    for leaf in [leaf for _, leaf in leaves(values(row)) if isinstance(leaf, int | float)][:most]:
        digits = repr(leaf)
        at = draw.choice([i for i, c in enumerate(digits) if c.isdigit()])
        made["number"].append(
            float(digits[:at] + str((int(digits[at]) + 3) % 10) + digits[at + 1 :])
        )
    for value, after in zip(words, [*words[1:], *words[:1]], strict=True):
        digits = [i for i, c in enumerate(value) if c.isdigit()]
        if digits and len(value) >= 4:
            at = draw.choice(digits)
            other = draw.choice([d for d in "0123456789" if d != value[at]])
            made["digit"].append(value[:at] + other + value[at + 1 :])
        if day := iso_day(value):
            made["date"].append(str(day + timedelta(days=draw.choice((1, -1, 31, 366, -365)))))
        parts, theirs = value.split(), after.split()
        if 2 <= len(parts) <= 6 and len(theirs) >= 2 and value.lower() != after.lower():
            made["neighbour"].append(" ".join([*parts[:-1], theirs[-1]]))
        if len(parts) >= 3:
            at = draw.randrange(len(parts))
            changed = [*parts[:at], draw.choice(FOREIGN_WORDS), *parts[at + 1 :]]
            made["word"].append(" ".join(changed))
            made["negation"].append(" ".join([*parts[:at], "not", *parts[at:]]))
            if "not" in parts or "no" in parts:
                made["negation"].append(" ".join(p for p in parts if p not in ("not", "no")))
    made["longer"].append(text + " and then more words that are not there")
    squeezed = plain(text)
    # With one word at least that the text has not: it may hold the others in pieces.
    made["entity"] += [
        v for v in others if len(v) >= 5 and any(plain(w) not in squeezed for w in v.split())
    ]
    return {k: [v for v in vs if not holds(text, squeezed, v)] for k, vs in made.items()}


def iso_day(value: str) -> date | None:
    """The date that a string is in ISO form."""
    try:
        return date.fromisoformat(value) if len(value) == 10 else None
    except ValueError:
        return None


def holds(text: str, squeezed: str, value: Any) -> bool:
    """Whether a text may hold a value: a planted one that it does is no false one."""
    if isinstance(value, float):
        digits = re.sub(r"[^\d]", "", f"{value:.10f}".rstrip("0")).strip("0") or "0"
        return len(digits) < 3 or digits in re.sub(r"[\s.,']", "", text)
    if day := iso_day(value):
        # A text that has the day and the year anywhere near each other may have the date.
        near = rf"(?<!\d)0?{day.day}(?!\d).{{0,40}}{day.year % 100:02}(?!\d)"
        back = rf"{day.year}.{{0,40}}(?<!\d)0?{day.day}(?!\d)"
        return bool(re.search(near, text, re.S) or re.search(back, text, re.S))
    return plain(value) in squeezed


def false_places(folder: Path, *, half: str, most: int, show: int) -> Counter[str]:
    """Counts by kind: planted, and placed (with ``+`` before the kind)."""
    data, draw, counts = rows(folder, half=half), random.Random(7), Counter[str]()
    for index, (row, text) in enumerate(data):
        other = words_of(values(data[(index + 1) % len(data)][0]))[: max(1, most // 3)]
        for kind, lies in planted(row, text, other, draw, most).items():
            counts[kind] += len(lies)
            for pointer, spans in ground({str(i): lie for i, lie in enumerate(lies)}, text).items():
                counts[f"+{kind}"] += 1
                if show > 0:
                    show -= 1
                    place = text[spans[0].start : spans[0].end]
                    print(
                        "false",
                        row["id"],
                        kind,
                        repr(lies[int(pointer[1:])])[:90],
                        "->",
                        repr(place)[:90],
                    )
    return counts


def measure(name: str, *, folder: Path | None = None, most: int = 60, half: str = "both") -> Row:
    """The figures of one set, with false values made of at most ``most`` values a document."""
    folder, found = folder or corpus() / name, Found()
    for row, text in rows(folder, half=half):
        found.add(row, text)
    counts = false_places(folder, half=half, most=most, show=0)
    lies = sum(n for kind, n in counts.items() if kind[0] != "+")
    total = found.total.total()
    return {
        "share": found.right.total() / total if total else 0.0,
        "false_share": sum(n for kind, n in counts.items() if kind[0] == "+") / max(1, lies),
        "verbatim": found.right["verbatim"] / max(1, found.total["verbatim"]),
        "misses": found.misses,
        "ambiguous": found.ambiguous,
    }


def inside_clauses(*, half: str, with_schema: bool, show: int = 0) -> str:
    """Labels of contracts whose first span stands in an annotated clause of their field."""
    folder = corpus() / "contracts_cuad"
    schema = json.loads((folder / "schema.json").read_text(encoding="utf-8"))
    right = total = 0
    for row, text in rows(folder, half=half):
        keyword = {"schema": schema} if with_schema else {}
        found = ground(row["labels"], text, **keyword)
        for pointer, label in leaves(row["labels"]):
            clauses = row["spans"].get(pointer.split("/")[1], [])
            if pointer not in found or not clauses:
                continue
            total += 1
            span = found[pointer][0]
            good = any(a <= span.start and span.end <= b + 1 for a, b in clauses)
            right += good
            if not good and show > 0:
                show -= 1
                print(row["id"], pointer, repr(label), clauses[:2], found[pointer][:2])
    return ratio(right, total)


def nested(name: str, *, half: str) -> Row:
    """F1 of the pages and spans of the gold values. Of contracts, whose labels are annotated by
    clauses, a span within one is right."""
    folder = corpus() / name
    schema = json.loads((folder / "schema.json").read_text(encoding="utf-8"))
    counts, wanted = Counter[str](), 0
    for row, text in rows(folder, half=half):
        labels = dict(leaves(row["labels"]))
        sources = ground(row["labels"], text, schema=schema)
        places = gold(row | {"evidence": None}, text)
        places = {pointer: found for pointer, found in places.items() if pointer in labels}
        starts = [0]
        for end in re.finditer("\n", text):
            if end.end() - starts[-1] >= PAGE:
                starts.append(end.end())
        wanted += len(places)
        for pointer, right in places.items():
            if not (spans := sources.get(pointer, ())):
                continue
            pages = {bisect_right(starts, start) for start, _ in right}
            if bisect_right(starts, spans[0].start) in pages:
                counts["page"] += 1
                inside = any(a <= spans[0].start and spans[0].end <= b + 1 for a, b in right)
                counts["span"] += inside or is_right(spans[0], right)
    return {k: round(counts[k] / max(1, wanted), 3) for k in ("page", "span")}


def pipe_table(draw: random.Random, *, alike: bool) -> tuple[list[Row], str, dict[str, Place]]:
    """Rows of numbers, a pipe table of them, and the place of each cell by its pointer. ``alike``:
    the heads are the names of the fields."""
    fields = draw.sample(FIELDS, draw.randint(3, len(FIELDS)))
    heads = [f.replace("_", " ").title() if alike else draw.choice(FOREIGN_WORDS) for f in fields]
    text = f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}\n"
    value: list[Row] = []
    places: dict[str, Place] = {}
    for row in range(draw.randint(2, 15)):
        value.append({})
        for field in fields:
            number = draw.randrange(13 if draw.random() < 0.8 else 10_000)
            value[row][field] = number
            places[f"/{row}/{field}"] = (len(text) + 2, len(text) + 2 + len(str(number)))
            text += f"| {number} "
        text += "|\n"
    order = draw.sample(fields, len(fields))
    return [{field: row[field] for field in order} for row in value], text, places


def cells_of_tables(*, alike: bool, count: int = 240) -> str:
    """Cells that have the right place, of tables made at random."""
    draw, right, total = random.Random(5), 0, 0
    for _ in range(count):
        value, text, places = pipe_table(draw, alike=alike)
        found = ground(value, text)
        total += len(places)
        right += sum(bool(found.get(p)) and is_right(found[p][0], [at]) for p, at in places.items())
    return ratio(right, total)


def hostile() -> dict[str, str]:
    """Texts of 1 MB that make careless code slow."""
    size = 1_000_000
    return {
        "one word": "a" * size,
        "blanks": "a" + " " * (size - 2) + "b",
        "digits": "1234567890" * (size // 10),
        "grouped digits": "123 " * (size // 4),
        "one word again and again": "total 12.50 " * (size // 12),
        "hyphens": "a-\n" * (size // 3),
        "accents": "e" + "\u0301" * (size - 1),
        "brackets": "((((five (5) " * (size // 13),
        "dates": "05/03/2024 5 March 2024 10:30\n" * (size // 30),
        "cells": "Ann      Lee    12\n" * (size // 19),
        "Chinese": "价格是一百二十元" * (size // 8),
    }


def speed() -> Iterator[tuple[str, float]]:
    """CPU seconds by what is grounded."""
    data = rows(corpus() / "contracts_cuad")
    text = "\n".join(text for _, text in data)[:1_000_000]
    words = [word for row, _ in data for word in words_of(values(row))]
    yield "1 MB, 200 values of contracts", seconds({"v": words[:200]}, text)
    value = {"name": "Ann Lee", "total": 12.5, "more": ["five years", "05.03.2024", "a b c d e f"],
             "n": [12, 345, 1234567], "day": "2024-03-05", "long": "total " * 200, "z": "价格是"}  # fmt: skip
    worst = max((seconds(value, text), name) for name, text in hostile().items())
    yield f"1 MB, the worst hostile text ({worst[1]})", worst[0]
    row, text = max(data, key=lambda one: len(one[1]))
    yield (
        f"{len(words_of(values(row)))} clauses, {len(text) // 1000} kB",
        seconds(values(row), text),
    )


def seconds(value: Any, text: str) -> float:
    began = time.process_time()
    ground(value, text)
    return time.process_time() - began


def report_gold(names: list[str], half: str, show: int) -> None:
    print(
        "| set | verbatim | written otherwise | no place | misses ambiguous |\n|---|--:|--:|--:|--:|"
    )
    for name in names:
        if name not in SETS:
            continue
        found = Found()
        for row, text in rows(corpus() / name, half=half):
            found.add(row, text, show=found.misses < show)
        kinds = [ratio(found.right[k], found.total[k]) for k in ("verbatim", "written otherwise")]
        print(
            f"| {name} | {' | '.join(kinds)} | {found.missing} | {ratio(found.ambiguous, found.misses)} |"
        )


def report_clauses(half: str, show: int) -> None:
    found = Found()
    for row, text in rows(corpus() / "contracts_cuad", half=half):
        if len(text) >= LONG:
            found.add(row, text, show=found.misses < show)
    first = ratio(found.right.total(), found.total.total())
    print(
        f"clauses of long contracts: {first}; misses ambiguous {ratio(found.ambiguous, found.misses)}"
    )


def report_false(names: list[str], half: str, show: int) -> None:
    total = Counter[str]()
    for name in names:
        counts = false_places(corpus() / name, half=half, most=60, show=show)
        total += counts
        kinds = [k for k in counts if k[0] != "+"]
        print(f"false, {name}:", ", ".join(f"{k} {counts['+' + k]}/{counts[k]}" for k in kinds))
    lies = sum(n for kind, n in total.items() if kind[0] != "+")
    print(
        "false, all: refused", ratio(lies - sum(n for k, n in total.items() if k[0] == "+"), lies)
    )


def main() -> None:
    """Print the figures."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--set", action="append", choices=SETS + UNPLACED)
    arguments.add_argument("--only", action="append", choices=PARTS)
    arguments.add_argument("--half", default="both", choices=("dev", "other", "both"))
    arguments.add_argument("--show", type=int, default=0)
    options = arguments.parse_args()
    names, parts, half = options.set or [*SETS, *UNPLACED], options.only or PARTS, options.half
    if "gold" in parts:
        report_gold(names, half, options.show)
    if "clauses" in parts:
        report_clauses(half, options.show)
    if "labels" in parts:
        for with_schema in (False, True):
            share = inside_clauses(half=half, with_schema=with_schema, show=options.show)
            print(
                f"labels inside their clauses, {'with' if with_schema else 'without'} schema: {share}"
            )
    if "false" in parts:
        report_false(names, half, options.show)
    if "nested" in parts:
        for name in [n for n in names if n in SETS]:
            print(f"nested F1, {name}: {nested(name, half=half)}")
    if "tables" in parts:
        for alike in (True, False):
            title = "the names of the fields" if alike else "other words"
            print(f"cells of pipe tables, heads are {title}: {cells_of_tables(alike=alike)}")
    if "speed" in parts:
        for title, spent in speed():
            print(f"CPU, {title}: {spent:.2f} s")


if __name__ == "__main__":
    main()
