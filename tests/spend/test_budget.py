"""Budgets: what they reserve, refuse, settle and share."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import prompture
from prompture import Budget, Completion, Usage, track
from prompture.catalog import Rates
from prompture.drivers.meter import Busy, metering
from prompture.errors import (
    BudgetExceeded,
    ConfigurationError,
    ProtocolError,
    ReadTimeout,
    ServerError,
    Truncated,
)
from prompture.money import Charge, Cost
from prompture.spend.account import Account, Hold, dollars_of
from prompture.spend.budget import budget_of
from prompture.spend.reservation import worst_case_of
from prompture.testing import AsyncFunctionDriver, FunctionDriver, ScriptedDriver
from prompture.types import Message, Request, ToolCall, user
from tests.spend.till import MODEL, OUTPUT, SCHEMA, Till, till

RATES = Rates(input=Decimal(1), output=Decimal(2))
USED = Usage(input_tokens=100, output_tokens=10, requests=1, reported=True)
COST = Decimal("0.00012")
COLOURS = pytest.mark.parametrize("colour", ["sync", "async"])


class Models:
    """One scripted model in a colour, asked through extract."""

    def __init__(self, colour: str, answer: Any = None, **settings: Any) -> None:
        self.colour, self.limits = colour, []  # type: ignore[var-annotated]
        settings = {"prices": RATES, **settings}
        made = FunctionDriver if colour == "sync" else AsyncFunctionDriver
        self.driver: Any = made(answer or self._answer, **settings)

    def _answer(self, request: Request) -> Completion:
        self.limits.append(request.max_tokens)
        return Completion(text='{"total": 1}', usage=USED)

    def ask(self, **options: Any) -> Any:
        if self.colour == "sync":
            return prompture.extract_result(SCHEMA, "Total 1", model=self.driver, **options)
        return asyncio.run(
            prompture.aextract_result(SCHEMA, "Total 1", model=self.driver, **options)
        )


@COLOURS
def test_it_settles_shrinks_and_refuses(colour: str) -> None:
    models, budget = Models(colour), Budget(usd="0.001")
    with pytest.raises(BudgetExceeded) as caught, track() as spent:
        while True:
            models.ask(budget=budget)
    error = caught.value
    assert budget.spent == spent.cost == COST * spent.calls
    assert error.limit == Decimal("0.001")
    assert error.spent == budget.spent
    assert error.asked is not None and error.asked + error.spent > error.limit
    assert budget.reserved == 0
    # Each call may write less than the one before, as no limit was given that fits whole.
    assert models.limits == sorted(models.limits, reverse=True)
    assert "$0.001" in str(error) and str(error.asked.normalize()) in str(error)
    for limit, before in zip(models.limits, range(len(models.limits)), strict=True):
        assert before * COST + limit * Decimal("0.000002") < Decimal("0.001")


@COLOURS
def test_a_limit_that_fits_is_left_alone(colour: str) -> None:
    models = Models(colour)
    models.ask(budget="0.5", max_tokens=300)
    models.ask(budget=Decimal("0.5"))
    assert models.limits == [300, 32_768]  # nobody states a limit for this model


@COLOURS
@pytest.mark.parametrize("limit", [{"usd": 0}, {"usd": "0.0000001"}])
def test_free_models_never_trip_it(colour: str, limit: Any) -> None:
    budget = Budget(**limit)
    for prices in (None, Rates(input=Decimal(0), output=Decimal(0))):
        models = Models(colour, prices=prices)
        assert models.ask(budget=budget).value == {"total": 1}
        assert models.limits == [None]
    assert prompture.extract(SCHEMA, "Total: 1", model="local/rules", budget=budget)["total"] == 1
    assert budget.spent == 0
    assert budget.calls_made == 3


@COLOURS
def test_calls_and_tokens(colour: str) -> None:
    models, budget = Models(colour), Budget(calls=2)
    models.ask(budget=budget)
    models.ask(budget=budget)
    with pytest.raises(BudgetExceeded, match="2 calls") as caught:
        models.ask(budget=budget)
    assert caught.value.limit is None
    budget = Budget(tokens=700)
    with pytest.raises(BudgetExceeded, match="700 tokens"):
        while True:
            models.ask(budget=budget)
    assert 330 <= budget.tokens_spent <= 700


@COLOURS
def test_unknown_prices(colour: str) -> None:
    unknown = Models(colour)
    unknown.driver.price = lambda usage, **_: Cost(
        usd=usage.stated_cost, reason="no price is known"
    )
    with pytest.raises(BudgetExceeded, match="is not known; give one") as caught:
        unknown.ask(budget=1)
    assert caught.value.asked is None
    budget = Budget(usd=1, on_unknown="allow")
    unknown.ask(budget=budget)
    assert (budget.spent, budget.unknown_calls, budget.calls_made) == (0, 1, 1)
    unknown.ask(budget=Budget(calls=1))


@COLOURS
def test_nested_budgets_all_hold(colour: str) -> None:
    models = Models(colour)
    outer, inner = Budget(usd="0.0005"), Budget(usd=1)
    with pytest.raises(BudgetExceeded, match=r"\$0\.0005"), outer:
        while True:
            models.ask(budget=inner)
    assert outer.spent == inner.spent > 0
    assert inner.reserved == outer.reserved == 0


@pytest.mark.parametrize("same_name", [True, False])
def test_two_budgets_of_one_account_count_once(tmp_path: Path, *, same_name: bool) -> None:
    path = tmp_path / "ledger.db"
    outer = Budget(usd=1, calls=3, on_unknown="allow", ledger=path, name="run")
    inner = Budget(calls=2, ledger=str(path), name="run" if same_name else "other")
    driver = ScriptedDriver(["a", "b", "c"])
    with outer, inner:
        driver.generate("hi")
        assert (outer.calls_made, inner.calls_made) == (1, 1)
        with outer:  # once more
            driver.generate("hi")
        assert (outer.calls_made, inner.calls_made) == (2, 2)
        # The lower limit holds.
        with pytest.raises(BudgetExceeded, match=r"2 calls: .*; no call is left$"):
            driver.generate("hi")
    with outer:
        driver.generate("hi")
    assert (outer.calls_made, inner.calls_made) == ((3, 3) if same_name else (3, 2))
    assert outer.reserved == inner.reserved == 0


def test_two_budgets_of_one_account_refuse_what_the_one_in_dollars_does(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    calls = Budget(calls=3, ledger=path, name="run")
    for on_unknown in ("allow", "refuse"):
        dollars = Budget(usd=1, on_unknown=on_unknown, ledger=path, name="run")  # type: ignore[arg-type]
        for one, other in ((calls, dollars), (dollars, calls)):
            both = one.joined(other)
            assert isinstance(both, Budget)
            assert (both.usd, both.calls, both.on_unknown) == (1, 3, on_unknown)
    assert Budget(calls=1).joined(Budget(calls=1)) is None


def test_one_budget_entered_twice_counts_once() -> None:
    models, budget = Models("sync"), Budget(usd=1)
    with budget, budget:
        models.ask(budget=budget)
    assert budget.spent == COST
    models.ask()
    assert budget.calls_made == 1


@COLOURS
@pytest.mark.parametrize(
    ("error", "spends"),
    [
        (ReadTimeout("nothing came"), True),
        (ServerError("broken", provider="x", status=500), False),
        (RuntimeError("a bug"), True),
    ],
)
def test_what_may_have_been_billed_stays_spent(colour: str, error: Exception, spends: bool) -> None:
    def fail(request: Request) -> Completion:
        raise error

    models, budget = Models(colour, fail), Budget(usd=1)
    # A driver's bug comes out as an error of ours that carries the bill.
    kind = ProtocolError if isinstance(error, RuntimeError) else type(error)
    with pytest.raises(kind), track() as spent:
        models.ask(budget=budget, max_tokens=100)
    assert budget.reserved == 0
    assert (budget.spent > Decimal("0.0002")) is spends
    assert budget.unknown_calls == spends
    assert (spent.cost is None) is spends


def test_a_retry_needs_money_of_its_own() -> None:
    request = Request(model="m", messages=(user("Total"),), max_tokens=100)
    driver = Models("sync").driver
    worst = worst_case_of(request, driver)
    assert worst is not None
    price = worst.usd + 100 * worst.rate
    lost = Charge(provider="x", model="m", usage=Usage(), cost=Cost(usd=None), status="error")
    enough, scarce = Budget(usd=price * 2), Budget(usd=price * 2 - Decimal("1e-9"))
    _, token = enough.before(request, driver)
    enough.again(token, lost)
    assert (enough.spent, enough.reserved, enough.left) == (price, price, 0)
    _, token = scarce.before(request, driver)
    with pytest.raises(BudgetExceeded, match="trying again"):
        scarce.again(token, lost)
    scarce.withdraw(token)
    assert (scarce.spent, scarce.reserved) == (price, 0)


def test_while_others_are_in_flight_a_call_waits() -> None:
    request = Request(model="m", messages=(user("Total"),), max_tokens=100)
    driver = Models("sync").driver
    budget = Budget(usd="0.0003")
    with ThreadPoolExecutor(1) as other:
        _, token = other.submit(budget.before, request, driver).result()
    with pytest.raises(Busy):
        budget.before(request, driver)
    budget.withdraw(token)
    budget.before(request, driver)


@COLOURS
def test_a_call_does_not_wait_for_a_stream_of_its_own_task(colour: str) -> None:
    """Nobody reads the stream while the call waits: it would wait forever."""
    request = Request(model="m", messages=(user("Total"),), max_tokens=100)
    budget = Budget(usd="0.0003")
    driver = Models(colour).driver

    async def go() -> None:
        stream = driver.stream(request)
        await anext(stream)
        with pytest.raises(BudgetExceeded):
            await driver.complete(request)
        others = asyncio.create_task(driver.complete(request))
        await asyncio.sleep(0)
        assert not others.done()
        async for _ in stream:
            pass
        await others

    with budget:
        if colour == "async":
            asyncio.run(asyncio.wait_for(go(), 20))
        else:
            stream = driver.stream(request)
            next(stream)
            with pytest.raises(BudgetExceeded):
                driver.complete(request)
            list(stream)
    assert budget.reserved == 0
    assert not budget._callers


def test_worst_cases() -> None:
    driver = prompture.driver_for("claude/claude-haiku-4-5", api_key="k")
    plain = Request(model="claude-haiku-4-5", messages=(user("word " * 1000),), max_tokens=10)
    base = worst_case_of(plain, driver)
    assert base is not None and base.output_tokens == 10 and not base.fixed
    hour = worst_case_of(Request(**{**_fields(plain), "prompt_cache": "1h"}), driver)
    assert hour is not None and hour.usd > base.usd
    fixed = worst_case_of(
        Request(**{**_fields(plain), "extra": {"max_tokens": 77, "n": 2}}), driver
    )
    assert fixed is not None
    assert (fixed.output_tokens, fixed.fixed, fixed.rate) == (77, True, base.rate * 2)
    unlimited = worst_case_of(Request(**{**_fields(plain), "max_tokens": None}), driver)
    assert unlimited is not None and unlimited.output_tokens == 64_000
    dense = Request(model="claude-haiku-4-5", messages=(user("aGVsbG8x" * 1000),))
    ceiling = worst_case_of(dense, driver)
    assert ceiling is not None and ceiling.input_tokens >= 8000
    with pytest.raises(BudgetExceeded, match="77 of output"), metering(Budget(usd="0.0001")):
        driver.complete(Request(**{**_fields(plain), "extra": {"max_tokens": 77}}))


def test_the_dearest_case_holds() -> None:
    claude = prompture.driver_for("claude/claude-haiku-4-5", api_key="k")
    entry = claude.entry()
    assert entry is not None and entry.rates is not None and entry.rates.cache_write is not None
    plain = worst_case_of(Request(model="", messages=(user("word " * 1000),)), claude)
    assert plain is not None
    assert plain.usd == plain.input_tokens * entry.rates.cache_write / 1_000_000
    dear = Rates(input=Decimal(1), output=Decimal(2), reasoning=Decimal(5))
    thinks = worst_case_of(
        Request(model="m", messages=(user("x"),)), Models("sync", prices=dear).driver
    )
    assert thinks is not None and thinks.rate == Decimal(5) / 1_000_000
    sonar = prompture.driver_for("perplexity/sonar", api_key="k")
    fee = worst_case_of(Request(model="", messages=(user("x"),)), sonar)
    assert fee is not None and fee.usd > Decimal(12) / 1000


def test_the_ceiling_covers_calls_and_reasoning_and_broken_text() -> None:
    driver = Models("sync").driver
    code = "aGVsbG8x" * 1000
    call = ToolCall(id="1", name="t", arguments={"a": code}, raw_arguments=code)
    turns = {
        "call": Message(role="assistant", calls=(call,)),
        "reasoning": Message(role="assistant", reasoning=code),
        "said": Message(role="assistant", content=code),
    }
    for name, turn in turns.items():
        worst = worst_case_of(Request(model="m", messages=(user("x"), turn, user("y"))), driver)
        assert worst is not None and worst.input_tokens >= len(code), name
        assert worst.bound >= worst.input_tokens
    assert worst_case_of(Request(model="m", messages=(user("half of a pair: \ud800"),)), driver)


def test_several_answers_are_several_times_the_tokens() -> None:
    request = Request(model="m", messages=(user("x"),), max_tokens=100, extra={"n": 3})
    budget = Budget(tokens=100_000)
    budget.before(request, Models("sync").driver)
    assert 300 < budget._accounts.look().reserved_tokens < 400


@COLOURS
def test_nothing_is_paid_for_an_answer_that_would_be_cut(colour: str) -> None:
    """What is left pays for some words, but no answer of this model was ever so short."""
    long = Usage(input_tokens=10, output_tokens=200, requests=1, reported=True)
    models = Models(colour, lambda r: Completion(text='{"total": 1}', usage=long))
    budget = Budget(usd="0.0006")
    models.ask(budget=budget, max_tokens=200)
    assert budget.left is not None and budget.left > Decimal("0.00015")
    with pytest.raises(BudgetExceeded, match="the shortest answer"):
        models.ask(budget=budget, max_tokens=200)
    assert len(models.driver.requests) == 1


def cut(request: Request) -> Completion:
    limit = request.max_tokens or 0
    used = Usage(input_tokens=100, output_tokens=limit, requests=1, reported=True)
    return Completion(text='{"total', usage=used, stop_reason="length" if limit < 500 else "stop")


@COLOURS
def test_an_answer_that_a_budget_cut_off_says_so(colour: str) -> None:
    models = Models(colour, cut)
    with pytest.raises(Truncated, match=r"max_tokens=\d+, which is what the budget had left\);"
                       " give the budget more") as caught:  # fmt: skip
        models.ask(budget="0.0009", max_tokens=600, max_retries=0)
    sent = models.driver.requests[0].max_tokens
    assert caught.value.partial is not None
    assert caught.value.partial.lowered_to == sent < 500
    with pytest.raises(Truncated, match=r"\(max_tokens=90\); raise max_tokens") as caught:
        models.ask(budget=1, max_tokens=90)
    assert caught.value.partial is not None and caught.value.partial.lowered_to is None
    with pytest.raises(Truncated, match=r"JSON is cut off.*; raise max_tokens"):
        models.ask(budget=1, max_tokens=600, max_retries=0)


@COLOURS
def test_an_agent_that_a_budget_cut_off_says_so(colour: str) -> None:
    agent: Any = prompture.Agent(Models(colour, cut).driver, budget="0.0005", max_tokens=400)
    with pytest.raises(Truncated, match="which is what the budget had left"):
        if colour == "sync":
            agent.run("x")
        else:
            asyncio.run(agent.arun("x"))


def _fields(request: Request) -> dict[str, Any]:
    return {"model": request.model, "messages": request.messages, "max_tokens": request.max_tokens}


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"usd": "much"},
        {"usd": -1},
        {"usd": float("nan")},
        {"usd": True},
        {"calls": 1.5},
        {"tokens": -1},
        {"usd": 1, "on_unknown": "ignore"},
        {"usd": 1, "name": "run"},
        {"usd": 1, "ledger": "x.db"},
    ],
)
def test_limits_that_are_none(wrong: Any) -> None:
    with pytest.raises(ConfigurationError):
        Budget(**wrong)


def test_an_interrupt_while_a_call_is_counted_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    budget = Budget(calls=5, on_unknown="allow")
    request, driver = Request(model="m", messages=(user("hi"),)), ScriptedDriver([])
    _, token = budget.before(request, driver)
    charge = Charge(provider="p", model="m", usage=Usage(), cost=Cost(usd=Decimal("0.5")))
    with monkeypatch.context() as patch:
        patch.setattr(Account, "spend", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            budget.after(token, charge)
    budget.after(token, charge)  # as a call does that is settled again
    assert (budget.spent, budget.calls_made, budget.reserved) == (Decimal("0.5"), 1, 0)


def test_amounts() -> None:
    assert dollars_of(0.1) == Decimal("0.1")
    assert dollars_of("$2.50") == Decimal("2.5")
    assert budget_of("1").usd == 1  # type: ignore[attr-defined]
    with pytest.raises(ConfigurationError, match="list"):
        prompture.Extractor(SCHEMA, budget=[])  # type: ignore[arg-type]


CALLS = 300
LIMIT = "0.01"


@pytest.fixture
def provider() -> Iterator[Till]:
    with till() as running:
        yield running


def _held(provider: Till, answered: int, *, spent: Decimal) -> None:
    assert provider.charged <= Fraction(LIMIT)
    assert provider.calls == answered
    assert Fraction(spent) == provider.charged
    # It is used up but for less than a few calls' worst case.
    assert provider.charged > Fraction(LIMIT) * 9 / 10


@pytest.mark.parametrize("max_tokens", [100, None])
def test_threads_never_pass_it(provider: Till, max_tokens: int | None) -> None:
    calls = CALLS if max_tokens else 15
    driver = prompture.driver_for(f"openai/{MODEL}", api_key="k", base_url=provider.url)
    budget = Budget(LIMIT)
    extractor = prompture.Extractor(SCHEMA, model=driver, max_tokens=max_tokens)

    def one(_: int) -> int:
        try:
            extractor.extract("Total: 1")
        except BudgetExceeded:
            return 0
        return 1

    with budget, ThreadPoolExecutor(16) as pool:
        contexts = [contextvars.copy_context() for _ in range(calls)]
        answered = sum(pool.map(lambda c: c.run(one, 0), contexts))
    assert 0 < answered < calls
    _held(provider, answered, spent=budget.spent)


def test_tasks_never_pass_it(provider: Till) -> None:
    budget = Budget(LIMIT)

    async def run() -> list[Any]:
        driver = prompture.async_driver_for(f"openai/{MODEL}", api_key="k", base_url=provider.url)
        async with driver:
            extractor = prompture.Extractor(SCHEMA, model=driver, max_tokens=100, budget=budget)
            texts = (extractor.aextract("Total: 1") for _ in range(CALLS))
            return await asyncio.gather(*texts, return_exceptions=True)

    outcomes = asyncio.run(run())
    answered = outcomes.count({"total": 1.0})
    assert all(isinstance(o, BudgetExceeded) for o in outcomes if not isinstance(o, dict))
    assert 0 < answered < CALLS
    _held(provider, answered, spent=budget.spent)


def test_two_processes_never_pass_it(provider: Till, tmp_path: Path) -> None:
    ledger = str(tmp_path / "ledger.db")
    words = ["budget", provider.url, ledger, "run-42", LIMIT, str(CALLS // 2), "8"]
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.spend.worker", *words],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        for _ in range(2)
    ]
    answered = sum(int(worker.communicate(timeout=120)[0]) for worker in workers)
    _held(provider, answered, spent=Budget(LIMIT, ledger=ledger, name="run-42").spent)


def test_what_a_killed_process_had_reserved_counts_as_spent(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    budget = Budget("0.001", ledger=ledger, name="run")
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    account = Account(spent=Decimal("0.0001"))
    import platform

    pid = int(gone.stdout)
    account.holds["x"] = Hold(Decimal("0.0005"), 10, f"{platform.node()}:{pid}", 0.0)
    with budget._accounts.change() as kept:
        kept.spent, kept.holds = account.spent, account.holds
    models = Models("sync")
    models.ask(budget=budget, max_tokens=400)
    assert models.limits[0] < 200
    assert budget.spent == Decimal("0.0006") + COST
    assert budget.unknown_calls == 1


def test_rates_of_the_till_are_those_of_the_snapshot() -> None:
    entry = prompture.catalog.find("openai", MODEL)
    assert entry is not None and entry.rates is not None
    assert Fraction(entry.rates.output) / 1_000_000 == OUTPUT
