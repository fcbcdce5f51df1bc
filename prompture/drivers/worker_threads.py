"""Work of an async call that may wait for a disk: in a thread, and to its end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from prompture.drivers.meter import asking, who

T = TypeVar("T")
WORKERS = 8
_made: ThreadPoolExecutor | None = None


async def finish_in_thread(work: Callable[..., T], *args: Any) -> T:
    """``work(*args)`` in a thread, with this context. Where the task is cancelled meanwhile the
    work goes on to its end: money that was spent is noted all the same."""
    context = copy_context()
    # Budgets tell their callers apart by thread and task, which are others in there.
    context.run(asking.set, who())
    done = partial(context.run, work, *args)
    try:
        running = asyncio.get_running_loop().run_in_executor(_pool(), done)
    except RuntimeError:  # no loop runs (a generator is being collected), or threads are over
        return done()
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        running.add_done_callback(_heard)
        raise


def start_in_thread(work: Callable[[], object]) -> None:
    """Begin it in a thread, and do not wait."""
    try:
        _pool().submit(work)
    except RuntimeError:  # the process is ending, and threads are over
        work()


def _heard(running: asyncio.Future[Any]) -> None:
    if not running.cancelled():
        running.exception()  # nobody is left to hear of it


def _pool() -> ThreadPoolExecutor:
    """Threads of our own: in the loop's, which resolve names too, a database that is locked would
    keep every connection waiting. They are joined at the end of the process, not of the loop."""
    global _made
    if _made is None:
        _made = ThreadPoolExecutor(WORKERS, thread_name_prefix="prompture-work")
    return _made


def _renew() -> None:
    global _made
    _made = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
