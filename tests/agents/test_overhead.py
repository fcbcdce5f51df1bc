"""What the loop costs beside the calls themselves."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from prompture.agents.agent import Agent
from prompture.testing import AsyncScriptedDriver, ScriptedDriver
from prompture.types import ToolCall
from tests.agents.both import Colour, colours

STEPS = 50
MOST_MILLISECONDS = 1.5
"""Five to ten times what a step costs, which `make bench` measures: a fault in kind, not in degree."""


def one(x: int) -> int:
    return x


def two(text: str) -> str:
    return text


def three(n: float = 1.0) -> dict[str, float]:
    return {"n": n}


ARGUMENTS: dict[str, Any] = {"one": {"x": 1}, "two": {"text": "y"}, "three": {"n": 2.5}}


def script() -> list[Any]:
    names = [list(ARGUMENTS)[n % 3] for n in range(STEPS - 1)]
    calls: list[Any] = [
        ToolCall(id=str(n), name=name, arguments=ARGUMENTS[name]) for n, name in enumerate(names)
    ]
    return [*calls, "done"]


async def spent_async() -> float:
    driver = AsyncScriptedDriver(script())
    agent = Agent(driver, tools=[one, two, three], max_steps=STEPS)
    agent.setup_for(driver)
    began = time.process_time()
    await agent.arun("hi")
    looped = time.process_time() - began
    bare = AsyncScriptedDriver(script())
    began = time.process_time()
    for request in driver.requests:
        await bare.complete(request)
    return looped - (time.process_time() - began)


def spent_sync() -> float:
    driver = ScriptedDriver(script())
    agent = Agent(driver, tools=[one, two, three], max_steps=STEPS)
    agent.setup_for(driver)
    began = time.process_time()
    agent.run("hi")
    looped = time.process_time() - began
    bare = ScriptedDriver(script())
    began = time.process_time()
    for request in driver.requests:
        bare.complete(request)
    return looped - (time.process_time() - began)


@colours
def test_a_step_costs_little(colour: Colour) -> None:
    """CPU time, the best of ten: other processes share the machine, so the bound is wide."""
    runs = [asyncio.run(spent_async()) if colour.is_async else spent_sync() for _ in range(10)]
    assert min(runs) / STEPS * 1000 < MOST_MILLISECONDS
