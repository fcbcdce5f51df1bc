"""A signal wakes a thread or a task, whichever waits, and is never lost."""

from __future__ import annotations

import asyncio
import threading

import pytest

from prompture.drivers.aio import HttpxTransport
from prompture.drivers.sync import RequestsTransport
from prompture.wire.http import Exchange
from prompture.wire.steps import Signal, Wait


def waiting(signal: Signal, seconds: float | None = None) -> Exchange[str]:
    yield Wait(signal, seconds)
    return "woken"


def test_a_thread_is_woken() -> None:
    signal = Signal()
    threading.Timer(0.01, signal.set).start()
    assert RequestsTransport().run(waiting(signal)) == "woken"


def test_a_task_is_woken_by_another_thread() -> None:
    signal = Signal()

    async def run() -> str:
        threading.Timer(0.01, signal.set).start()
        return await HttpxTransport().run(waiting(signal))

    assert asyncio.run(run()) == "woken"


def test_a_signal_that_was_set_before_is_not_lost_until_it_is_cleared() -> None:
    signal = Signal()
    signal.set()
    assert RequestsTransport().run(waiting(signal)) == "woken"
    assert asyncio.run(HttpxTransport().run(waiting(signal))) == "woken"
    signal.clear()
    signal.wait(0.001)
    asyncio.run(signal.awaited(0.001))


def test_a_cancelled_task_leaves_the_signal_usable() -> None:
    signal = Signal()

    async def run() -> str:
        task = asyncio.create_task(signal.awaited(None))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        signal.set()
        return await HttpxTransport().run(waiting(signal))

    assert asyncio.run(run()) == "woken"


def test_a_loop_that_was_closed_is_no_error() -> None:
    signal = Signal()
    loop = asyncio.new_event_loop()
    signal._future = loop.create_future()
    loop.close()
    signal.set()
