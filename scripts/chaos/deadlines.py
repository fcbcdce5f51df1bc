"""A deadline against servers that are silent, drip or do not stop: in every face and colour."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from chaos.client import Server, leaving_nothing, new_run
from chaos.documents import Line, Order, case, document
from prompture import (
    Agent,
    aextract,
    aextract_items,
    aextract_result,
    aextract_stream,
    extract,
    extract_items,
    extract_result,
    extract_stream,
)
from prompture.errors import PromptureError
from prompture.wire.retry import Retry

LATE = 0.2
SERVERS = ("silent", "silent-after-head", "silent-in-body", "drip", "drip-head", "drip-headers",
           "drip-hints", "drip-answer", "endless", "status.503.decimal")  # fmt: skip
"""The last one asks to come again, for ever."""
STREAMING = ("extract_stream", "extract_items", "generate_messages_stream")
RETRY = Retry(attempts=1000, base=0.05, cap=0.2)
"""However many tries are left: the end stays the end."""


def _sync_faces(driver: Any, text: str, seconds: float) -> dict[str, Callable[[], Any]]:
    option = {"deadline": seconds}
    asked = [{"role": "user", "content": text}]
    given: dict[str, Any] = {"model": driver, "deadline": seconds}
    return {
        "extract": lambda: extract(Order, text, **given),
        "extract_result": lambda: extract_result(Order, text, **given),
        "extract_stream": lambda: list(extract_stream(Order, text, **given)),
        "extract_items": lambda: list(extract_items(Line, text, **given)),
        "generate": lambda: driver.generate(text, option),
        "generate_messages": lambda: driver.generate_messages(asked, option),
        "generate_messages_stream": lambda: list(driver.generate_messages_stream(asked, option)),
        "agent": lambda: Agent(driver, max_seconds=seconds).run(text),
        "agent, streamed": lambda: list(Agent(driver, max_seconds=seconds).stream(text)),
    }


def _async_faces(driver: Any, text: str, seconds: float) -> dict[str, Callable[[], Any]]:
    option = {"deadline": seconds}
    asked = [{"role": "user", "content": text}]
    given: dict[str, Any] = {"model": driver, "deadline": seconds}

    async def all_of(stream: Any) -> list[Any]:
        return [each async for each in stream]

    return {
        "extract": lambda: aextract(Order, text, **given),
        "extract_result": lambda: aextract_result(Order, text, **given),
        "extract_stream": lambda: all_of(aextract_stream(Order, text, **given)),
        "extract_items": lambda: all_of(aextract_items(Line, text, **given)),
        "generate": lambda: driver.generate(text, option),
        "generate_messages": lambda: driver.generate_messages(asked, option),
        "generate_messages_stream": lambda: all_of(driver.generate_messages_stream(asked, option)),
        "agent": lambda: Agent(driver, max_seconds=seconds).arun(text),
        "agent, streamed": lambda: all_of(Agent(driver, max_seconds=seconds).astream(text)),
    }


def _judge(
    name: str, found: Any, took: float, seconds: float, late: float, wrong: list[str]
) -> None:
    if not isinstance(found, PromptureError):
        wrong.append(f"{name}: {found!r} is no typed error")
    if took > seconds + late:
        wrong.append(f"{name}: ended after {took:.2f} s ({type(found).__name__})")
    if took < seconds - 0.5 and name.startswith(("silent", "drip,", "drip-answer")):
        wrong.append(f"{name}: ended after {took:.2f} s already: {found!r}")


def run(
    server: Server, seconds: float, faults: tuple[str, ...] = SERVERS, *, late: float = LATE
) -> tuple[list[str], str]:
    """Every server, face and colour at once; ``seconds`` is the deadline, and none may end more
    than ``late`` after it."""
    wrong: list[str] = []
    longest = [0.0]
    name, count, made = new_run(), 0, []
    with leaving_nothing() as left:
        settings: dict[str, Any] = {"retry": RETRY, "timeout": 600.0}
        _warm(server, name)
        jobs: list[tuple[str, Callable[[], Any]]] = []
        for fault in faults:
            driver = server.driver(fault, **settings)
            made.append(driver)
            for face, call in _sync_faces(driver, document(case(name, count)), seconds).items():
                count += 1
                jobs.append((f"{fault}, {face}, sync", call))

        def one(job: tuple[str, Callable[[], Any]]) -> None:
            begun = time.monotonic()
            try:
                found: Any = job[1]()
            except BaseException as exc:  # a proof looks at whatever ends a call
                found = exc
            took = time.monotonic() - begun
            longest[0] = max(longest[0], took)
            _judge(job[0], found, took, seconds, late, wrong)

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(one, jobs))
        count += asyncio.run(
            _all_async(server, faults, seconds, late, settings, name, wrong, longest)
        )
        for driver in made:
            driver.close()
    if server.settled()["open"]:
        wrong.append("connections are left open")
    wrong += left.faults()
    figures = (
        f"{count} calls with a deadline of {seconds} s against {len(faults)} servers in 9 faces and"
        f" both colours: the last ended after {longest[0]:.2f} s"
    )
    return wrong, figures


def _warm(server: Server, name: str) -> None:
    """What the first call of a process imports is no part of what is measured."""
    driver = server.driver("ok")
    for call in _sync_faces(driver, document(case(name, 0)), 10).values():
        call()
    driver.close()


async def _all_async(
    server: Server, faults: tuple[str, ...], seconds: float, late: float, settings: dict[str, Any], name: str,
    wrong: list[str], longest: list[float],
) -> int:  # fmt: skip
    first = server.async_driver("ok")
    for call in _async_faces(first, document(case(name, 0)), 10).values():
        await call()
    jobs = []
    for number, fault in enumerate(faults):
        driver = server.async_driver(fault, **settings)
        faces = _async_faces(driver, document(case(name, 1000 + number)), seconds)
        jobs += [(f"{fault}, {face}, async", call) for face, call in faces.items()]
    gate = asyncio.Semaphore(30)

    async def one(job: tuple[str, Callable[[], Any]]) -> None:
        async with gate:
            begun = time.monotonic()
            try:
                found: Any = await job[1]()
            except BaseException as exc:  # a proof looks at whatever ends a call
                found = exc
            took = time.monotonic() - begun
            longest[0] = max(longest[0], took)
            _judge(job[0], found, took, seconds, late, wrong)

    await asyncio.gather(*map(one, jobs))
    return len(jobs)
