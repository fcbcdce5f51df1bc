"""track(): totals of a block, over threads, tasks and nesting."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from prompture import Completion, LedgerReader, Usage, async_driver_for, driver_for, ledger, track
from prompture.catalog import Rates
from prompture.errors import ConnectionLost, ServerError
from prompture.testing import AsyncFunctionDriver, FunctionDriver
from prompture.types import Request, user
from prompture.wire.retry import Retry
from tests.loopback import Asked, Reply, json_reply, serving
from tests.spend.till import MODEL, completion_body

RATES = Rates(input=Decimal(1), output=Decimal(2))
REQUEST = Request(model="m", messages=(user("x"),))
ONE = Decimal("0.00012")


def answer(request: Request) -> Completion:
    return Completion(text="x", usage=Usage(input_tokens=100, output_tokens=10, reported=True))


def unmeasured(request: Request) -> Completion:
    return Completion(text="x")


def test_blocks_nest_and_end() -> None:
    driver = FunctionDriver(answer, prices=RATES)
    with track() as outer:
        driver.complete(REQUEST)
        with track() as inner:
            driver.complete(REQUEST)
        driver.complete(REQUEST)
    driver.complete(REQUEST)
    assert (inner.cost, inner.calls, inner.usage.total_tokens) == (ONE, 1, 110)
    assert (outer.cost, outer.calls) == (3 * ONE, 3)
    assert len(outer.bill.charges) == 3
    assert str(outer) == "$0.00036 (3 calls, 300 in, 30 out)"


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_failed_tries_are_calls_too(colour: str, tmp_path: Path) -> None:
    """On the totals and in the ledger, beside the answer that came in the end."""

    def busy_once(asked: Asked) -> Reply:
        if len(server.asked) == 1:
            return json_reply({"error": {"message": "busy"}}, status=503)
        return json_reply(completion_body(100, 10))

    retry = Retry(jitter=lambda least, most: 0.0)
    with serving(busy_once) as server, ledger(tmp_path / "ledger.db"), track() as spent:
        given: Any = {"api_key": "k", "base_url": f"{server.url}/v1", "retry": retry}
        if colour == "sync":
            with driver_for(f"openai/{MODEL}", **given) as driver:
                driver.generate("x")
        else:
            asyncio.run(_ask(given))
    assert [c.status for c in spent.bill.charges] == ["error", "ok"]
    assert spent.calls == 2
    rows = list(LedgerReader(tmp_path / "ledger.db").rows())
    assert [row["status"] for row in rows] == ["error", "ok"]
    assert [row["note"] for row in rows] == ["Overloaded", ""]


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize(("raw_stop", "cost"), [(None, None), ("end_turn", ONE)])
def test_an_answer_that_was_cut_off_cost_at_least(
    colour: str, raw_stop: str | None, cost: Decimal | None
) -> None:
    """Usage that a stream had stated by then is not all; once its end was told it is."""

    def lose(request: Request) -> Completion:
        error = ConnectionLost("reset")
        used = Usage(input_tokens=100, output_tokens=10, reported=True)
        error.partial = Completion(text="x", usage=used, raw_stop=raw_stop)
        raise error

    with pytest.raises(ConnectionLost) as caught, track() as spent:
        if colour == "sync":
            FunctionDriver(lose, prices=RATES).complete(REQUEST)
        else:
            asyncio.run(AsyncFunctionDriver(lose, prices=RATES).complete(REQUEST))
    assert spent.cost == cost
    assert caught.value.bill == spent.bill
    (charge,) = spent.bill.charges
    assert ("at least $0.00012" in charge.cost.reason) is (cost is None)
    assert spent.usage.total_tokens == 110


async def _ask(given: Any) -> None:
    async with async_driver_for(f"openai/{MODEL}", **given) as driver:
        await driver.generate("x")


def test_threads_with_the_context_are_seen() -> None:
    driver = FunctionDriver(answer, prices=RATES)
    with track() as spent:
        with_it = [contextvars.copy_context() for _ in range(4)]
        threads = [threading.Thread(target=c.run, args=(driver.complete, REQUEST)) for c in with_it]
        threads.append(threading.Thread(target=driver.complete, args=(REQUEST,)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert spent.calls == 4


def test_tasks_are_seen_and_kept_apart() -> None:
    driver = AsyncFunctionDriver(answer, prices=RATES)

    async def own(times: int) -> int:
        with track() as mine:
            for _ in range(times):
                await driver.complete(REQUEST)
                await asyncio.sleep(0)
        return mine.calls

    async def run() -> None:
        with track() as spent:
            counts = await asyncio.gather(own(1), own(2), own(3))
            await asyncio.gather(*(driver.complete(REQUEST) for _ in range(4)))
        assert counts == [1, 2, 3]
        assert (spent.calls, spent.cost) == (10, 10 * ONE)

    asyncio.run(run())


def test_what_is_unknown_is_said() -> None:
    with track() as spent:
        FunctionDriver(answer, prices=RATES).complete(REQUEST)
        FunctionDriver(unmeasured, prices=RATES).complete(REQUEST)
    assert spent.cost is None
    assert spent.bill.known == ONE
    assert "no usage" in spent.bill.unknown[0]


def test_failed_calls_count() -> None:
    def fail(request: Request) -> Completion:
        raise ServerError("broken", provider="x", status=500)

    with track() as spent, pytest.raises(ServerError):
        FunctionDriver(fail, prices=RATES).complete(REQUEST)
    assert (spent.calls, spent.cost) == (1, 0)
    assert spent.bill.charges[0].status == "error"
