"""Streams that are left, handed over to another thread or task, or broken off: the bill is right."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

import prompture
from prompture import Budget, Completion, Usage
from prompture.catalog import Rates
from prompture.drivers.openai_compatible import AsyncOpenAICompatible
from prompture.testing import AsyncScriptedDriver, FunctionDriver, ScriptedDriver
from tests import server as on

RATES = Rates(input=Decimal(1), output=Decimal(2))
USAGE = Usage(input_tokens=10, output_tokens=5, requests=1, reported=True)
TEXT = '{"items": [{"name": "Ann"}, {"name": "Bob"}, {"name": "Cy"}]}'
WHOLE = Decimal("0.00002")


class Line(BaseModel):
    name: str


def items(**options: Any) -> Any:
    driver = ScriptedDriver([Completion(text=TEXT, usage=USAGE)], prices=RATES)
    return prompture.extract_items(Line, "t", model=driver, **options)


def aitems(**options: Any) -> Any:
    driver = AsyncScriptedDriver([Completion(text=TEXT, usage=USAGE)], prices=RATES)
    return prompture.aextract_items(Line, "t", model=driver, **options)


def in_thread(work: Callable[[], Any]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()


def statuses(stream: Any) -> list[str]:
    return [charge.status for charge in stream.cost.charges]


def test_the_loop_is_left() -> None:
    stream = items()
    for _ in stream:
        break
    assert statuses(stream) == ["cancelled"] and stream.cost.total is None


def test_what_the_callers_code_raises_is_its_own() -> None:
    stream = items()
    with pytest.raises(LookupError):
        for _ in stream:
            raise LookupError
    gc.collect()
    assert statuses(stream) == ["cancelled"]


def test_closed_in_another_thread() -> None:
    stream = items()
    next(stream)
    in_thread(stream.close)
    assert statuses(stream) == ["cancelled"]


def test_gone_on_with_in_another_thread() -> None:
    budget, found = Budget(usd=1), []
    with prompture.track() as tracked:
        stream = items(budget=budget)
        found.append(next(stream).value.name)
        in_thread(lambda: found.extend(item.value.name for item in stream))
    assert found == ["Ann", "Bob", "Cy"]
    assert stream.cost.total == budget.spent == tracked.cost == WHOLE


def test_side_by_side() -> None:
    budget = Budget(usd=1)
    one, two = items(budget=budget), items(budget=budget)
    names = [(a.value.name, b.value.name) for a, b in zip(one, two, strict=True)]
    assert names == [("Ann", "Ann"), ("Bob", "Bob"), ("Cy", "Cy")]
    assert one.cost.total == two.cost.total == WHOLE and budget.spent == 2 * WHOLE


def test_read_to_its_end_it_gives_nothing_more() -> None:
    stream = items()
    assert len(list(stream)) == 3 and list(stream) == []
    stream.close()
    assert statuses(stream) == ["ok"]


async def left() -> Any:
    stream = aitems()
    async for _ in stream:
        break
    await asyncio.sleep(0)
    return stream, ["cancelled"]


async def gone_on_with_in_another_task() -> Any:
    budget = Budget(usd=1)
    stream = aitems(budget=budget)
    found = [(await anext(stream)).value.name]

    async def rest() -> None:
        found.extend([item.value.name async for item in stream])

    await asyncio.create_task(rest())
    assert found == ["Ann", "Bob", "Cy"] and budget.spent == WHOLE
    return stream, ["ok"]


async def closed_in_another_task() -> Any:
    stream = aitems()
    await anext(aiter(stream))
    await asyncio.create_task(stream.aclose())
    return stream, ["cancelled"]


async def cancelled_in_the_callers_code() -> Any:
    stream, begun = aitems(), asyncio.Event()

    async def work() -> None:
        async for _ in stream:
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    return stream, ["cancelled"]


async def in_time() -> Any:
    stream = aitems()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            async for _ in stream:
                await asyncio.Event().wait()
    await stream.aclose()
    return stream, ["cancelled"]


@pytest.mark.parametrize(
    "way",
    [
        left,
        gone_on_with_in_another_task,
        closed_in_another_task,
        cancelled_in_the_callers_code,
        in_time,
    ],
)
def test_awaited(way: Any) -> None:
    stream, expected = asyncio.run(way())
    assert statuses(stream) == expected


def test_awaited_in_one_loop_after_another() -> None:
    """``asyncio.run`` ends what its loop began: nothing more comes, and nothing hangs."""
    stream = aitems()

    async def one() -> Any:
        return await anext(stream, None)

    assert asyncio.run(one()).value.name == "Ann"
    assert asyncio.run(one()) is None


def test_sync_calls_inside_a_running_loop_answer() -> None:
    async def inside() -> Any:
        driver = ScriptedDriver([{"name": "Ann"}])
        return prompture.extract(Line, "t", model=driver), [i.value.name for i in items()]

    assert asyncio.run(inside()) == (Line(name="Ann"), ["Ann", "Bob", "Cy"])


@pytest.mark.parametrize("by_hand", [False, True])
def test_an_interrupt_while_a_piece_is_awaited_has_the_bill(by_hand: bool) -> None:
    first = on.streams(on.event('{"items": [{"name": "Ann"}'), then=on.hangs)

    async def cancelled(url: str) -> BaseException:
        driver = AsyncOpenAICompatible("m", base_url=url, api_key="k")
        stream = prompture.aextract_items(Line, "t", model=driver)
        begun = asyncio.Event()

        async def work() -> None:
            if by_hand:
                await anext(stream)
                begun.set()
                await anext(stream)
            async for _ in stream:
                begun.set()

        task = asyncio.create_task(work())
        await begun.wait()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        await driver.close()
        assert statuses(stream) == ["cancelled"]
        return caught.value

    with on.serving(first) as server:
        left: Any = asyncio.run(cancelled(server.url))
    assert [charge.status for charge in left.bill.charges] == ["cancelled"]

    def interrupted(request: Any) -> Any:
        raise KeyboardInterrupt

    stream = prompture.extract_items(Line, "t", model=FunctionDriver(interrupted))
    with pytest.raises(KeyboardInterrupt) as caught:
        next(stream) if by_hand else list(stream)
    assert len(caught.value.bill.charges) == len(stream.cost.charges) == 1
