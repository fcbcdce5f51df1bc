"""The caller's decimal context (its precision, rounding, range and traps) changes no figure."""

from __future__ import annotations

import asyncio
import decimal
import json
from collections.abc import Callable
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from prompture import Budget, LedgerReader, catalog, estimate, extract_result, ledger, track
from prompture.catalog import Rates, cost_of
from prompture.codecs.values import amount
from prompture.drivers import registry
from prompture.drivers.cost import price_of
from prompture.money import add_usd, format_usd, short_usd
from prompture.testing import FunctionDriver
from prompture.types import Completion, Usage

HOSTILE: dict[str, Context] = {
    "narrow": Context(prec=1),
    "rounding up": Context(prec=3, rounding=decimal.ROUND_UP),
    "every trap": Context(prec=3, traps=[*decimal.getcontext().traps]),
    "no trap": Context(prec=2, traps=[]),
    "a small range": Context(prec=4, Emin=-3, Emax=3, traps=[decimal.Overflow]),
    "capitals off": Context(prec=28, capitals=0, clamp=1),
}


def under(name: str, work: Callable[[], Any]) -> tuple[Any, Any]:
    """What it gives here, and in a hostile context, which stays as it was."""
    plain = work()
    with decimal.localcontext(HOSTILE[name].copy()):
        found = work()
    return plain, found


class Receipt(BaseModel):
    total: Decimal
    tax: float = 0


RATES = Rates(
    input=Decimal("0.123456789"), output=Decimal("9.87654321"), cache_read=Decimal("0.01")
)
ANSWER = Completion(
    text='{"total": 1234567.891, "tax": 0.1}',
    usage=Usage(
        input_tokens=1_234_567, output_tokens=89, cache_read_tokens=1234, reported=True,
        stated_cost=Decimal("0.123456789123"),
    ),
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_an_extraction_with_a_budget_and_its_bill(name: str, tmp_path: Path) -> None:
    made = iter(range(9))

    def work() -> Any:
        place = tmp_path / f"{next(made)}.db"
        shared = Budget(usd="5", ledger=place, name="x")
        private = Budget(usd=0.7, tokens=10**9)
        driver = FunctionDriver(lambda request: ANSWER, prices=RATES)
        with ledger(place), shared, private, track() as spent:
            result = extract_result(Receipt, "the text", model=driver, max_tokens=50)
        book = LedgerReader(place)
        sums = [(s.key, s.usd, s.saving) for by in ("model", "day") for s in book.sums(by)]
        return (
            result.value, str(result.cost), result.cost.as_dict()["total_usd"], spent.cost,
            result.cost.table(), shared.spent, private.spent, private.left, sums,
            str(book.reprice()), spent.usage.stated_cost, repr(private),
        )  # fmt: skip

    plain, found = under(name, work)
    assert plain == found


MODELS = ["openai/gpt-5-mini", "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
          "deepseek/deepseek-v4-flash", "google/gemini-2.5-pro", "perplexity/sonar",
          "claude/claude-haiku-4-5"]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("model", MODELS)
def test_prices_and_estimates(name: str, model: str) -> None:
    def work() -> Any:
        catalog.reset()  # the rates are made anew, in this context
        provider, _, id = model.partition("/")
        usage = Usage(
            input_tokens=300_001, output_tokens=7, cache_read_tokens=3, cache_write_tokens=11,
            cache_writes={"1h": 5}, searches=3, reported=True, service_tier="batch",
            raw={"inference_geo": "us", "search_context_size": "low"},
        )  # fmt: skip
        cost = price_of(registry.find(provider), usage, answered=id, asked=id, at=1_790_000_000)
        catalog.set_price("openai/mine", input=0.1234, output="7.1", modes={"batch": 0.333})
        mine = cost_of(usage, catalog.find("openai/mine"))
        told = str(estimate(Receipt, "a text " * 50, model=model))
        cheap = [entry.key for entry in catalog.cheapest("cheapest?provider=openai")][:5]
        return cost.as_dict(), mine.as_dict(), told, cheap

    try:
        plain, found = under(name, work)
    finally:
        catalog.reset()
    assert plain == found


AMOUNTS = st.decimals(0, 10**7, places=12)


@given(st.lists(AMOUNTS, max_size=5), st.sampled_from(sorted(HOSTILE)))
def test_sums_and_how_they_are_written(amounts: list[Decimal], name: str) -> None:
    def work() -> Any:
        total = add_usd(amounts)
        return total, format_usd(total), short_usd(total), amount(str(total)), amount(0.1)

    plain, found = under(name, work)
    assert plain == found


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_amount_is_refused_in_any_context(name: str) -> None:
    def work() -> Any:
        found = []
        for bad in ("x", "nan", "inf", "-1", "1,5", "", None, True, "sNaN"):
            try:
                found.append(str(Budget(usd=bad)))  # type: ignore[arg-type]
            except Exception as exc:
                found.append(f"{type(exc).__name__}: {exc}")
        return found

    plain, found = under(name, work)
    assert plain == found
    assert all("ConfigurationError" in one for one in plain)


def test_in_a_task_of_its_own_context() -> None:
    """A context is a task's, and a thread's: the bill is the same in each."""

    async def one(context: Context) -> str:
        decimal.setcontext(context)
        driver = FunctionDriver(lambda request: ANSWER, prices=RATES)
        with track() as spent:
            await asyncio.to_thread(driver.generate, "hi")
        return json.dumps(spent.bill.as_dict()["known_usd"])

    async def go() -> set[str]:
        return set(await asyncio.gather(*(one(c.copy()) for c in HOSTILE.values())))

    assert len(asyncio.run(go())) == 1
