"""Measure `ground` on the labelled corpus: gold places found, and false values given a place.

    python scripts/eval_grounding.py [--set NAME] [--show N]

Finds the corpus in `../shared/corpus` beside the repository, or under `PROMPTURE_SHARED`.

`right`: the first span covers the gold place of the value (intersection over union of at least
one half). Lists count where there are as many gold places as values. For contracts the values are
the clauses quoted as evidence.
`false`: values that are not in the text (one digit changed, one word changed, a negation put in
or taken out, a value of another document, a value longer than the text) for which `ground` gives
a span.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prompture import ground

SETS = ("papers_grobid", "resumes_dotin", "citations_anystyle", "contracts_cuad")
FOREIGN_WORDS = ("zebra", "quinoa", "wombat", "tangerine", "umbrella", "Vladivostok")

Pointer = str
Row = dict[str, Any]


def corpus() -> Path:
    """The folder of the labelled documents."""
    beside = Path(__file__).resolve().parents[1].parent / "shared"
    return Path(os.environ.get("PROMPTURE_SHARED") or beside) / "corpus"


def rows(folder: Path) -> Iterator[tuple[Row, str]]:
    """Each labelled row with its text."""
    for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        with (folder / row["doc"]).open(encoding="utf-8", newline="") as file:
            yield row, file.read()


def values(row: Row) -> Row:
    """What is grounded: the labels, or the quotations where there are such."""
    quoted: Row | None = row.get("evidence")
    return quoted if quoted is not None else row["labels"]


def gold(row: Row) -> dict[Pointer, list[tuple[int, int]]]:
    """The right places by JSON pointer."""
    found: dict[Pointer, list[tuple[int, int]]] = {}
    for path, places in (row.get("spans") or {}).items():
        pointer = "/" + path.replace("[]", "").replace("[", "/").replace("]", "").replace(".", "/")
        value = values(row).get(path.replace("[]", ""))
        if not isinstance(value, list):
            found[pointer] = [(a, b) for a, b in places]
        elif len(value) == len(places):
            found.update({f"{pointer}/{i}": [(a, b)] for i, (a, b) in enumerate(places)})
    return found


def overlap(start: int, end: int, place: tuple[int, int]) -> float:
    """Intersection over union."""
    both = min(end, place[1]) - max(start, place[0])
    return max(0, both) / (max(end, place[1]) - min(start, place[0]))


def is_right(span: Any, places: list[tuple[int, int]]) -> bool:
    """Whether a span is one of the right places."""
    return any(overlap(span.start, span.end, place) >= 0.5 for place in places)


def leaves(value: Any) -> Iterator[str]:
    """The strings of a value."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    elif isinstance(value, str) and value.strip():
        yield value


def planted(words: list[str], text: str, others: list[str], draw: random.Random) -> Row:
    """False values by kind, none of which the text holds."""
    squeezed = plain(text)
    made: dict[str, list[str]] = defaultdict(list)
    for value in words:
        digits = [i for i, c in enumerate(value) if c.isdigit()]
        if digits and len(value) >= 4:
            at = draw.choice(digits)
            other = draw.choice([d for d in "0123456789" if d != value[at]])
            made["digit"].append(value[:at] + other + value[at + 1 :])
        parts = value.split()
        if len(parts) >= 3:
            at = draw.randrange(len(parts))
            changed = [*parts[:at], draw.choice(FOREIGN_WORDS), *parts[at + 1 :]]
            made["word"].append(" ".join(changed))
            made["negation"].append(" ".join([*parts[:at], "not", *parts[at:]]))
            if "not" in parts or "no" in parts:
                made["negation"].append(" ".join(p for p in parts if p not in ("not", "no")))
    made["longer"].append(text[: 2 * len(text)] + " and then more words that are not there")
    made["entity"] += [v for v in others if len(v) >= 5]
    return {k: [v for v in vs if plain(v) not in squeezed] for k, vs in made.items()}


def plain(text: str) -> str:
    """Letters and digits alone, in lower case."""
    return re.sub(r"[\W_]+", "", text.casefold())


def measure(name: str, *, show: int = 0, folder: Path | None = None, most: int = 60) -> Row:
    """The figures of one set, with false values made of at most ``most`` values a document."""
    data = list(rows(folder or corpus() / name))
    draw = random.Random(7)
    right = total = missing = 0
    false: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    began = time.process_time()
    spent = 0.0
    for index, (row, text) in enumerate(data):
        began = time.process_time()
        found = ground(values(row), text)
        spent += time.process_time() - began
        for pointer, places in gold(row).items():
            total += 1
            best = found.get(pointer, ())
            if best and is_right(best[0], places):
                right += 1
                continue
            missing += not best
            if show > 0:
                show -= 1
                said = [(text[s.start : s.end], s) for s in best[:2]]
                print(row["id"], pointer, [text[a:b] for a, b in places], places, said)
        other = data[(index + 1) % len(data)][0]
        lies = planted(
            list(leaves(values(row)))[:most], text, list(leaves(values(other)))[: most // 3], draw
        )
        for kind, false_ones in lies.items():
            tried[kind] += len(false_ones)
            for value in false_ones:
                if placed := ground({"v": value}, text):
                    false[kind] += 1
                    if show > 0:
                        show -= 1
                        span = placed["/v"][0]
                        print("false", kind, repr(value[:80]), "->", text[span.start : span.end])
    return {
        "set": name,
        "values": total,
        "right": right,
        "share": right / total if total else 0.0,
        "missing": missing,
        "planted": sum(tried.values()),
        "placed": sum(false.values()),
        "false_share": sum(false.values()) / max(1, sum(tried.values())),
        "by_kind": {k: f"{false[k]}/{tried[k]}" for k in tried},
        "seconds": round(spent, 2),
    }


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--set", action="append", choices=SETS)
    arguments.add_argument("--show", type=int, default=0)
    options = arguments.parse_args()
    print("| set | values | right | no place | false values placed | CPU s | by kind |")
    print("|---|--:|--:|--:|--:|--:|---|")
    for name in options.set or SETS:
        row = measure(name, show=options.show)
        print(
            f"| {name} | {row['values']} | {row['right']} ({row['share']:.1%}) | {row['missing']} "
            f"| {row['placed']} of {row['planted']} ({row['false_share']:.2%}) | {row['seconds']} "
            f"| {row['by_kind']} |"
        )


if __name__ == "__main__":
    main()
