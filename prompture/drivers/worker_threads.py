"""Work in threads: of an async call that may wait for a disk, to its end; of a call with a deadline
that cannot be broken off, until then."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeVar, cast

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


def in_time(work: Callable[[], T], until: float, *, late: Callable[[T], object]) -> T:
    """``work()`` in a thread of its own, with this context, until a moment of
    ``time.monotonic``. Raises TimeoutError then; what it gives afterwards goes to ``late``."""
    found: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()
    lock, context = threading.Lock(), copy_context()
    is_left = False

    def run() -> None:
        try:
            made, error = context.run(work), None
        except BaseException as exc:  # raised where it is waited for
            made, error = cast(Any, None), exc
        with lock:
            if not is_left:
                found.put((made, error))
                return
        if error is None:
            late(made)

    # A daemon: what cannot be broken off must not keep the process from ending.
    threading.Thread(target=run, daemon=True, name="prompture-in-time").start()
    try:
        made, error = found.get(timeout=max(until - time.monotonic(), 0.0))
    except Empty:
        with lock:
            is_left = True
        if found.empty():
            raise TimeoutError from None
        made, error = found.get()
    except BaseException:  # an interrupt leaves it as well
        with lock:
            is_left = True
        if not found.empty() and (made := found.get()[0]) is not None:
            late(made)
        raise
    if error is not None:
        raise error
    return cast(T, made)


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
