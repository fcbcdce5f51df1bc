"""Our prices of the recorded calls against independent ones and the providers' own statements."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.recording_costs import PricedCall, priced_calls, stated_verdict, verdict

pytestmark = [pytest.mark.shared, pytest.mark.usefixtures("shared")]
DOC = Path(__file__).parents[1] / "docs" / "costs.md"


@cache
def calls() -> list[PricedCall]:
    return list(priced_calls())


@cache
def judged() -> list[tuple[str, str]]:
    """Each call by name, with the verdict on its price."""
    return [(one.name, verdict(one)) for one in calls()]


def verdicts() -> Counter[str]:
    return Counter(found for _, found in judged())


@cache
def stated() -> Counter[str]:
    return Counter(stated_verdict(c) for c in calls() if c.usage.stated_cost is not None)


def test_every_price_is_equal_or_explained() -> None:
    wrong = [f"{name}: {found}" for name, found in judged() if "UNEXPLAINED" in found]
    assert not wrong, "\n".join(wrong[:20])
    assert verdicts()["equal to both"] > 1000


def test_stated_prices_are_reproduced_or_explained() -> None:
    wrong = [
        f"{one.name}: {stated_verdict(one)}"
        for one in calls()
        if one.usage.stated_cost is not None and "UNEXPLAINED" in stated_verdict(one)
    ]
    assert not wrong, "\n".join(wrong[:20])
    assert stated()["reproduced to 1 %"] > 150


def test_a_stated_price_is_the_price() -> None:
    for one in calls():
        if one.usage.stated_cost:
            assert one.cost.usd == one.usage.stated_cost
            assert one.cost.source == "provider"


def test_the_document_has_these_counts() -> None:
    text = DOC.read_text("utf-8")
    for counts in (verdicts(), stated()):
        for reason, number in counts.items():
            assert f"| {reason} | {number} |" in text, f"run scripts/cost_table.py: {reason}"
