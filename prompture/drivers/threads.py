"""Work of an async call that may wait for a disk: in a thread, and to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from prompture.drivers.meter import asking, who

T = TypeVar("T")


async def finish_in_thread(work: Callable[..., T], *args: Any) -> T:
    """``work(*args)`` in a thread, with this context. Where the task is cancelled meanwhile the
    work goes on to its end: money that was spent is noted all the same."""
    context = copy_context()
    context.run(asking.set, who())
    done = partial(context.run, work, *args)
    try:
        running = asyncio.get_running_loop().run_in_executor(None, done)
    except RuntimeError:  # no loop runs (a generator is being collected), or threads are over
        return done()
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        running.add_done_callback(_heard)
        raise


def _heard(running: asyncio.Future[Any]) -> None:
    if not running.cancelled():
        running.exception()  # nobody is left to hear of it
