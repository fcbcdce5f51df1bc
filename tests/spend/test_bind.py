"""What threads inherit, which is nothing, and what ``bind`` carries into them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from prompture import Budget, LedgerReader, bind, labels, ledger, track
from prompture.errors import BudgetExceeded, ConfigurationError
from prompture.testing import FunctionDriver
from prompture.types import Completion, Request, Usage, user

REQUEST = Request(model="m", messages=(user("x"),))
USED = Usage(input_tokens=1, output_tokens=1, reported=True)


def ask(text: str = "x") -> str:
    """Ask once."""
    driver = FunctionDriver(lambda request: Completion(text=text, usage=USED))
    return driver.complete(REQUEST).text


def in_a_thread(function: Any, *args: Any) -> None:
    thread = threading.Thread(target=function, args=args)
    thread.start()
    thread.join()


def test_a_budget_holds_in_a_pool_that_was_there_before_it() -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, "abcd"))  # the workers have begun, with nothing
        with Budget(calls=5) as budget, track() as spent:
            done = [pool.submit(bind(ask), "x") for _ in range(20)]
        answers = [one for one in done if one.exception() is None]
        assert all(isinstance(one.exception(), BudgetExceeded | None) for one in done)
    assert len(answers) == budget.calls_made == spent.calls == 5


def test_labels_go_along_and_are_those_of_the_binding(tmp_path: Path) -> None:
    with ledger(tmp_path / "l.db"):
        with labels(job="may"):
            one = bind(ask)
        with labels(job="june", customer="acme"):
            in_a_thread(one)
            in_a_thread(bind(ask))
            in_a_thread(ask)
    sums = {s.key: s.calls for s in LedgerReader(tmp_path / "l.db").sums("label:job")}
    assert sums == {"may": 1, "june": 1, "": 1}


def test_a_bound_function_outlives_the_block_and_is_called_as_often_as_one_likes() -> None:
    with track() as spent:
        one = bind(ask)
    one()
    in_a_thread(one, "y")
    assert spent.calls == 2
    assert one("z") == "z" and one.__name__ == "ask" and one.__doc__ == "Ask once."


def test_one_budget_alone() -> None:
    outer, budget = track(), Budget(calls=1)
    with outer:
        one = budget.bind(ask)
        in_a_thread(one)
    with pytest.raises(BudgetExceeded):
        one()
    assert (budget.calls_made, outer.calls) == (1, 0)


def test_what_it_is_called_under_counts_too_and_once() -> None:
    with track() as outer:
        with track() as inner:
            one = bind(ask)
        with track() as other:
            one()
    assert (outer.calls, inner.calls, other.calls) == (1, 1, 1)


def test_async_functions_are_bound_too() -> None:
    async def aask() -> str:
        return await asyncio.to_thread(ask)

    with track() as spent:
        one = bind(aask)
    assert asyncio.run(one()) == "x"
    assert spent.calls == 1


def test_what_carries_the_context_by_itself_and_what_does_not() -> None:
    async def go() -> tuple[int, int, int]:
        loop = asyncio.get_running_loop()
        with track() as one:
            await asyncio.to_thread(ask)
        with track() as two:
            await loop.run_in_executor(None, ask)
        with track() as three:
            await loop.run_in_executor(None, bind(ask))
        return one.calls, two.calls, three.calls

    assert asyncio.run(go()) == (1, 0, 1)


def test_anyio_carries_it() -> None:
    anyio = pytest.importorskip("anyio")

    async def go() -> None:
        await anyio.to_thread.run_sync(ask)

    with track() as spent:
        anyio.run(go)
    assert spent.calls == 1


def test_a_generator_is_not_bound() -> None:
    def pieces() -> Iterator[int]:
        yield 1

    async def apieces() -> AsyncIterator[int]:
        yield 1

    for function in (pieces, apieces):
        with pytest.raises(ConfigurationError, match="bind a function that iterates over"):
            bind(function)
