"""Run every recording through the drivers of both colours and print what passed.

    python scripts/recordings_table.py [PROVIDER ...]

A row a provider, a column a feature of the manifest; each cell is calls passed of calls played,
and a dot where there are none. Then come the endpoints that no driver speaks, and each problem.
Exits with 1 where there is one. The recordings lie in ``../shared/recordings`` (or under
``PROMPTURE_SHARED``); the checks are those of ``tests/test_recordings.py``.
"""

from __future__ import annotations

import os
import sys
from collections import Counter, defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("PROMPTURE_OFFLINE", "1")

from tests.recordings import Case, manifest
from tests.verdicts import Verdict, verdicts

FEATURES = (
    "plain",
    "stream",
    "json_schema",
    "json_object",
    "tools",
    "tool_call",
    "parallel_tools",
    "tool_result",
    "vision",
    "pdf",
    "audio",
    "reasoning",
    "cache_tokens",
    "refusal",
    "truncated",
    "error",
    "stream_error",
    "logprobs",
)


def main(providers: list[str]) -> int:
    cases = [c for c in manifest() if not providers or c.provider in providers]
    if not cases:
        print("no recordings: they lie in ../shared/recordings, or under PROMPTURE_SHARED")
        return 0
    found = list(verdicts(cases))
    print_table(found)
    print_not_spoken(found)
    wrong = [v for v in found if v.problems]
    for verdict in wrong:
        print(f"\n{verdict.case} [{verdict.number}]\n  " + "\n  ".join(verdict.problems or ()))
    return 1 if wrong else 0


def print_table(found: list[Verdict]) -> None:
    played: dict[str, Counter[str]] = defaultdict(Counter)
    passed: dict[str, Counter[str]] = defaultdict(Counter)
    for verdict in found:
        if verdict.problems is None:
            continue
        for feature in ("all", *verdict.case.features):
            for provider in (verdict.case.provider, "all"):
                played[provider][feature] += 1
                passed[provider][feature] += not verdict.problems
    heads = ("provider", "all", *FEATURES)
    rows = [heads] + [
        (name, *(cell(passed[name][f], played[name][f]) for f in heads[1:]))
        for name in (*sorted(played.keys() - {"all"}), "all")
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        name, *cells = (
            text.rjust(w) if n else text.ljust(w)
            for n, (text, w) in enumerate(zip(row, widths, strict=True))
        )
        print(" ".join((name, *cells)))


def cell(passed: int, played: int) -> str:
    if not played:
        return "."
    return str(played) if passed == played else f"{passed}/{played}"


def print_not_spoken(found: list[Verdict]) -> None:
    counts: Counter[tuple[str, str]] = Counter()
    for verdict in found:
        if verdict.problems is None:
            counts[place(verdict.case)] += 1
    for (provider, endpoint), number in sorted(counts.items()):
        print(f"not spoken: {provider} {endpoint} ({number} calls)")


def place(case: Case) -> tuple[str, str]:
    return case.provider, case.endpoint


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
