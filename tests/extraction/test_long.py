"""Long documents and answers are dealt with away from the event loop."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from pydantic import BaseModel, field_validator

import prompture
from prompture import Hooks
from prompture.drivers.openai_compatible import AsyncOpenAICompatible
from prompture.errors import BudgetExceeded
from prompture.flows.stream import PIECE_CHARS
from prompture.testing import AsyncScriptedDriver
from tests import server as on
from tests.server import serving

LONG = "word " * 250_000


def test_a_long_document_is_encoded_in_a_thread() -> None:
    threads: list[int] = []
    hooks = Hooks(before_request=lambda request: threads.append(threading.get_ident()))

    async def ask(url: str) -> None:
        async with AsyncOpenAICompatible("m", base_url=url, api_key="k", hooks=hooks) as driver:
            with prompture.track() as tracked:
                for text in (LONG, "short"):
                    await prompture.aextract(dict[str, int], text, model=driver)
            assert tracked.calls == 2

    with serving(on.good('{"a": 1}')) as server:
        asyncio.run(ask(server.url))
    sent = server.asked[0][2]["messages"][-1]["content"]
    assert sent == f"<document>\n{LONG}\n</document>"
    assert threads[0] != threading.get_ident()
    assert threads[1] == threading.get_ident()


class _Gate:
    """A meter that holds the thread which encodes, until it is opened."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()
        self.settled = threading.Event()

    def before(self, request: Any, driver: Any) -> tuple[Any, object]:
        self.entered.set()
        assert self.opened.wait(10)
        return request, None

    def after(self, token: object, charge: Any) -> None:
        self.settled.set()

    def again(self, token: object, charge: Any) -> None:
        raise AssertionError

    def withdraw(self, token: object) -> None:
        self.settled.set()


def test_what_is_cancelled_while_it_is_encoded_is_settled() -> None:
    gate = _Gate()

    async def ask() -> None:
        driver = AsyncOpenAICompatible("m", base_url="http://127.0.0.1:9/v1", api_key="k")
        made = prompture.Extractor(dict[str, int], model=driver, budget=gate)  # type: ignore[arg-type]
        task = asyncio.create_task(made.aextract(LONG))
        while not gate.entered.is_set():
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.opened.set()
        while not gate.settled.is_set():
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(ask(), 10))


def test_an_error_of_the_thread_is_raised() -> None:
    async def ask() -> None:
        async with AsyncOpenAICompatible("m", base_url="http://127.0.0.1:9/v1", api_key="k") as d:
            await prompture.aextract(dict[str, int], LONG, model=d, budget=prompture.Budget(usd=0))

    with pytest.raises(BudgetExceeded):
        asyncio.run(ask())


class Numbers(BaseModel):
    rows: list[int]
    seen: int = 0

    @field_validator("rows")
    @classmethod
    def _where(cls, rows: list[int]) -> list[int]:
        return [*rows, threading.get_ident()]


def test_a_long_answer_is_read_in_a_thread() -> None:
    def found(count: int) -> Numbers:
        driver = AsyncScriptedDriver([json.dumps({"rows": [0] * count})])
        return asyncio.run(prompture.aextract(Numbers, "text", model=driver))

    assert found(10).rows[-1] == threading.get_ident()
    assert found(400_000).rows[-1] != threading.get_ident()


def test_the_loop_runs_while_a_long_answer_streams() -> None:
    """Whole, as one delta: other tasks take turns all the same."""
    text = json.dumps({"items": [{"n": i} for i in range(60_000)]})
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def ask() -> int:
        task = asyncio.create_task(others())
        driver = AsyncScriptedDriver([text], chunk_chars=len(text))
        live = prompture.aextract_items(dict[str, int], "text", model=driver)
        found = [item async for item in live]
        task.cancel()
        return len(found)

    assert asyncio.run(ask()) == 60_000
    assert turns > len(text) // PIECE_CHARS
