"""What only the async transport has: event loops, many calls at once, other clients, cancelling."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import Any

import httpx
import httpx2
import pytest

from prompture import errors
from prompture.drivers import meter
from prompture.drivers.openai_compatible import AsyncOpenAICompatible
from tests import server as on
from tests.drivers.colours import ASK, KEY, Async, quick
from tests.drivers.test_both import Book
from tests.server import EVENTS, WAIT, serving


def driver_of(url: str, **settings: Any) -> AsyncOpenAICompatible:
    return AsyncOpenAICompatible("m", base_url=url, api_key=KEY, retry=quick(), **settings)


def test_many_at_once() -> None:
    async def run(url: str) -> list[str]:
        room = asyncio.Semaphore(12)
        async with driver_of(url) as driver:

            async def one() -> str:
                async with room:
                    return (await driver.complete(ASK)).text

            return await asyncio.gather(*(one() for _ in range(120)))

    with serving(on.good()) as server:
        assert asyncio.run(run(server.url)) == ["hello"] * 120
        assert len(server.asked) == 120
        assert server.accepted <= 12
        assert server.most <= 12


def test_several_loops_share_a_driver() -> None:
    with serving(on.good(), on.good(), on.streams(*EVENTS), on.good()) as server:
        driver = driver_of(server.url)

        async def twice() -> list[str]:
            async with driver:  # a loop's connections end with it
                return [(await driver.complete(ASK)).text for _ in range(2)]

        assert asyncio.run(twice()) == ["hello"] * 2
        pieces: list[Any] = []

        async def streamed() -> None:
            async for piece in driver.stream(ASK):
                pieces.append(piece)
            await driver.close()

        thread = threading.Thread(target=lambda: asyncio.run(streamed()))
        thread.start()
        thread.join(WAIT)
        assert pieces[-1].text == "hello"
        assert asyncio.run(twice()) == ["hello"] * 2


@pytest.mark.parametrize("module", [httpx, httpx2], ids=lambda m: m.__name__)
def test_a_client_of_ones_own(module: Any) -> None:
    async def run(url: str) -> None:
        async with module.AsyncClient(headers={"x-mine": "yes"}, follow_redirects=True) as client:
            driver = driver_of(url, client=client)
            assert (await driver.complete(ASK)).text == "hello"
            pieces = [p async for p in driver.stream(ASK)]
            assert pieces[-1].text == "hello"
            await driver.close()
            driver = driver_of(url, client=client)
            assert (await driver.complete(ASK)).text == "hello"
            with pytest.raises(errors.PromptureError):
                await driver.complete(ASK)

    with serving(on.good("stolen")) as other:
        away = on.raw(b"", 307, location=other.url)
        with serving(on.good(), on.streams(*EVENTS), on.good(), away) as server:
            asyncio.run(run(server.url))
            assert server.asked[0][1]["x-mine"] == "yes"
            assert server.accepted == 1
        assert not other.asked


@pytest.mark.parametrize("module", [httpx, httpx2], ids=lambda m: m.__name__)
@pytest.mark.parametrize(
    ("step", "kind"),
    [(on.hangs, errors.ReadTimeout), (lambda x: x.drop(), errors.ConnectionLost)],
)
def test_the_errors_of_either(module: Any, step: on.Step, kind: type[Exception]) -> None:
    async def run(url: str) -> None:
        async with module.AsyncClient() as client:
            driver = driver_of(url, client=client)
            driver.retry = quick(1)
            await driver.complete(ASK)  # connected: the limit holds for the answer alone
            with pytest.raises(kind):
                await driver.complete(replace(ASK, timeout=0.2))

    with serving(on.good(), step) as server:
        asyncio.run(run(server.url))


@pytest.mark.parametrize("streamed", [False, True])
def test_a_cancelled_task_lets_go(streamed: bool) -> None:
    book = Book()
    step = on.streams(EVENTS[0], then=on.waits_to_be_left) if streamed else on.waits_to_be_left

    async def run(url: str) -> None:
        async with driver_of(url) as driver:
            started = asyncio.Event()

            async def call() -> None:
                if streamed:
                    async for _ in driver.stream(ASK):
                        started.set()
                else:
                    started.set()
                    await driver.complete(ASK)

            with meter.metering(book):
                task = asyncio.create_task(call())
            await started.wait()
            while not server.asked:
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            left = await asyncio.to_thread(server.left.wait, WAIT)
            assert left

    with serving(step) as server:
        asyncio.run(run(server.url))
    assert [c.status for c in book.charges] == ["cancelled"]
    assert book.open == 0


def test_the_loop_is_never_blocked() -> None:
    """While one call waits for its answer, others are made."""

    async def run(slow: str, fast: str) -> None:
        async with driver_of(slow, timeout=WAIT) as first, driver_of(fast) as second:
            waiting = asyncio.create_task(first.complete(ASK))
            for _ in range(3):
                assert (await second.complete(ASK)).text == "hello"
            assert not waiting.done()
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

    with serving(on.waits_to_be_left) as slow, serving(on.good()) as fast:
        asyncio.run(run(slow.url, fast.url))


def test_closing_closes() -> None:
    with serving(on.good()) as server, Async() as colour:
        driver = colour.driver(server.url)
        colour.complete(driver)
        colour.run(driver.close())
        with pytest.raises(errors.ConfigurationError, match="closed"):
            colour.complete(driver)
        with pytest.raises(errors.ConfigurationError, match="closed"):
            colour.stream(driver)
        with pytest.raises(errors.ConfigurationError, match="closed"):
            colour.run(driver.list_models())
        assert server.accepted == 1
