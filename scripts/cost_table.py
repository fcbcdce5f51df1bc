"""Write docs/costs.md: how our prices of the recorded calls compare. Needs ../shared.

python scripts/cost_table.py
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import tests.conftest  # noqa: E402, F401 - sets the environment of the tests
from tests.recording_costs import priced_calls, stated_verdict, verdict  # noqa: E402

HEAD = """# Costs of recorded calls

Written by `scripts/cost_table.py`; a test holds these counts. {calls} recorded good answers of {providers} providers were
decoded by the codecs and priced by the drivers, with the packaged snapshot of models.dev.

## Against independent figures

Two others compute the same prices: fractions over the catalogue's raw JSON, and
genai-prices (pydantic/genai-prices) fed with the same rates. Equal means within 1e-9 dollars. Where one
of them lacks a bucket or a fee, the rest of the price is equal and the reason stands here.

"""
MIDDLE = """
## Against what providers state

OpenRouter, xAI and Perplexity put a price on their answers. It is the price on the bill; our own figure stays beside it
(`Cost.computed`).

"""


def table(counts: Counter[str]) -> str:
    rows = [f"| {reason} | {number} |" for reason, number in counts.most_common()]
    return "\n".join(["| price | calls |", "| --- | ---: |", *rows]) + "\n"


def main() -> None:
    calls = list(priced_calls())
    head = HEAD.format(calls=f"{len(calls):,}", providers=len({c.provider for c in calls}))
    stated = Counter(stated_verdict(c) for c in calls if c.usage.stated_cost is not None)
    text = head + table(Counter(map(verdict, calls))) + MIDDLE + table(stated)
    (ROOT / "docs" / "costs.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
