"""Connections of the async colour end with the loop that they were made in."""

from __future__ import annotations

import asyncio
import gc
import warnings
import weakref

import pytest

import prompture
from prompture.drivers.aio import HttpxTransport
from prompture.drivers.openai_compatible import AsyncOpenAICompatible
from prompture.types import Request, user
from tests.loopback import json_reply, serving

ASK = Request(model="m", messages=(user("hi"),))
CHOICE = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
GOOD = json_reply({"model": "m", "choices": [CHOICE]})


def test_asyncio_run_leaves_nothing_open() -> None:
    """A driver that nobody closes, used by one loop after another, as ``aextract`` keeps them."""
    with serving(lambda _: GOOD) as server:
        transport = HttpxTransport()
        driver = AsyncOpenAICompatible("m", base_url=server.url, transport=transport)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(3):
                assert asyncio.run(driver.complete(ASK)).text == "hi"
                assert len(transport._loops) == 0
            gc.collect()
    assert [str(w.message) for w in caught] == []


def test_a_loop_that_is_run_by_hand_ends_them_too() -> None:
    with serving(lambda _: GOOD) as server, asyncio.Runner() as runner:
        transport = HttpxTransport()
        driver = AsyncOpenAICompatible("m", base_url=server.url, transport=transport)
        runner.run(driver.complete(ASK))
        runner.run(driver.complete(ASK))
        assert len(transport._loops) == 1
        runner.close()
        assert len(transport._loops) == 0


def test_a_loop_that_was_closed_without_more_is_let_go_of() -> None:
    with serving(lambda _: GOOD) as server:
        transport = HttpxTransport()
        driver = AsyncOpenAICompatible("m", base_url=server.url, transport=transport)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # of the loop's, as it is the caller's
            for _ in range(3):
                loop = asyncio.new_event_loop()
                loop.run_until_complete(driver.complete(ASK))
                loop.close()
                gone = weakref.ref(loop)
                del loop
            assert len(transport._loops) == 1
            asyncio.run(driver.complete(ASK))
            assert len(transport._loops) == 0
            gc.collect()
            assert gone() is None


def test_closing_is_for_this_loop_and_can_be_done_twice() -> None:
    async def run(url: str) -> None:
        transport = HttpxTransport()
        async with AsyncOpenAICompatible("m", base_url=url, transport=transport) as driver:
            await driver.complete(ASK)
            await asyncio.gather(driver.close(), driver.close())
            assert len(transport._loops) == 0
        async with driver:  # and it opens again
            assert (await driver.complete(ASK)).text == "hi"
            assert len(transport._loops) == 1
        assert len(transport._loops) == 0

    with serving(lambda _: GOOD) as server:
        asyncio.run(run(server.url))


def test_a_kept_driver_serves_many_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: GOOD) as server:
        monkeypatch.setenv("OPENAI_COMPATIBLE_BASE_URL", server.url)
        for _ in range(2):
            with pytest.raises(prompture.Invalid):
                asyncio.run(
                    prompture.aextract(
                        int, "12", model="openai-compatible/m", strategy="prompt", max_retries=0
                    )
                )
        assert len(server.asked) == 2
