"""Flows side by side over HTTP: what ends the whole leaves no call behind, and asks nothing again."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import threading
from typing import Any

import pytest
from pydantic import BaseModel

from prompture import Chunks, aextract_result, extract_result
from prompture.drivers.openai_compatible import AsyncOpenAICompatible, OpenAICompatible
from prompture.errors import RateLimitError
from prompture.flows import several
from prompture.testing import AsyncFunctionDriver, FunctionDriver
from tests import server as on
from tests.server import Exchange, serving


class Names(BaseModel):
    names: list[str]


TEXT = "\n\n".join(f"# {i}\n\n" + "words of no use\n" * 6 for i in range(6))
CHUNKS = Chunks(tokens=60, overlap=10, parallel=2)
GOOD = on.good(json.dumps({"names": ["Ann"]}))


@pytest.mark.skipif(sys.platform == "win32", reason="signals of a thread")
def test_an_interrupt_cuts_the_calls_of_all_threads() -> None:
    both = threading.Barrier(2, timeout=on.WAIT)
    main = threading.main_thread().ident
    assert main is not None

    def hold(x: Exchange) -> None:
        if both.wait() == 0:
            signal.pthread_kill(main, signal.SIGINT)
        x.wait_until_left()

    with serving(hold) as server:
        with OpenAICompatible("m", base_url=server.url, api_key="k") as driver:
            with pytest.raises(KeyboardInterrupt) as caught:
                extract_result(Names, TEXT, model=driver, long=CHUNKS)
            assert server.left.wait(on.WAIT)  # the connections were closed
        assert len(server.asked) == 2  # and nothing was asked again
    bill: Any = caught.value.bill  # type: ignore[attr-defined]
    assert len(bill.charges) == 2
    assert bill.total is None  # nobody knows what the provider bills for them


def test_a_cancelled_task_closes_the_connections_of_all_chunks() -> None:
    asked = threading.Barrier(3, timeout=on.WAIT)

    def hold(x: Exchange) -> None:
        asked.wait()
        x.wait_until_left()

    async def main(url: str) -> BaseException:
        async with AsyncOpenAICompatible("m", base_url=url, api_key="k") as driver:
            task = asyncio.create_task(aextract_result(Names, TEXT, model=driver, long=CHUNKS))
            await asyncio.to_thread(asked.wait)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            return caught.value

    with serving(hold) as server:
        exc: Any = asyncio.run(main(server.url))
        assert server.left.wait(on.WAIT)
        assert len(server.asked) == 2
    assert len(exc.bill.charges) == 2


def test_a_chunk_that_is_limited_is_asked_again_by_the_driver() -> None:
    with (
        serving(on.fails(429, "slow", retry_after="0"), GOOD) as server,
        OpenAICompatible("m", base_url=server.url, api_key="k") as driver,
    ):
        result = extract_result(Names, TEXT, model=driver, long=CHUNKS)
    assert all(chunk.error is None for chunk in result.chunks)
    assert len(server.asked) == len(result.chunks) + 1 == len(result.cost.charges)


def test_limits_hold_for_all_chunks_together() -> None:
    from prompture import Limits

    limits = Limits(concurrency=2)
    chunks = Chunks(tokens=60, overlap=10, parallel=6)
    with serving(GOOD) as server:
        with OpenAICompatible("m", base_url=server.url, api_key="k", limits=limits) as driver:
            result = extract_result(Names, TEXT, model=driver, long=chunks)

        async def main() -> Any:
            async with AsyncOpenAICompatible(
                "m", base_url=server.url, api_key="k", limits=limits
            ) as driver:
                return await aextract_result(Names, TEXT, model=driver, long=chunks)

        assert asyncio.run(main()).value == result.value
        assert len(server.asked) == 2 * len(result.chunks)


def test_where_every_chunk_is_refused_the_first_error_has_all_of_it() -> None:
    with (
        serving(on.fails(429, "slow", retry_after="600")) as server,
        OpenAICompatible("m", base_url=server.url, api_key="k") as driver,
        pytest.raises(RateLimitError) as caught,
    ):
        extract_result(Names, TEXT, model=driver, long=CHUNKS)
    assert len(caught.value.attempts) == 6


def test_an_interrupt_while_threads_start_leaves_none_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[threading.Thread] = []
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        if thread.name == "prompture-chunks":
            started.append(thread)
            if len(started) == 2:
                raise KeyboardInterrupt

    gone = threading.Event()

    def answer(request: Any) -> Any:
        gone.wait(on.WAIT)  # until the interrupt has ended it all
        return {"names": []}

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    monkeypatch.setattr(several, "GRACE", 0.0)
    driver = FunctionDriver(answer)
    with pytest.raises(KeyboardInterrupt) as caught:
        extract_result(Names, TEXT, model=driver, long=Chunks(tokens=60, overlap=10, parallel=4))
    gone.set()
    for thread in started:
        thread.join(on.WAIT)
    assert len(started) == 2
    assert len(driver.requests) <= 2  # nothing more was asked
    assert len(caught.value.bill.charges) == len(driver.requests)  # type: ignore[attr-defined]


def test_an_interrupt_while_values_are_merged_has_the_bill(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("prompture.extraction.long_flow.merged", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        extract_result(Names, TEXT, model=FunctionDriver(lambda _: {"names": []}), long=CHUNKS)
    assert len(caught.value.bill.charges) == 6  # type: ignore[attr-defined]

    async def main() -> None:
        model = AsyncFunctionDriver(lambda _: {"names": []})
        await aextract_result(Names, TEXT, model=model, long=CHUNKS)

    with pytest.raises(KeyboardInterrupt) as caught:
        asyncio.run(main())
    assert len(caught.value.bill.charges) == 6  # type: ignore[attr-defined]
