"""Calls that must end: the option ``deadline`` of a request, models in this process that are asked to
stop, and threads for what cannot be broken off.

A model in this process is asked by its ``Stop``: it has one for each call, and looks at it between
two tokens (``stop_signal``). It is set when the call's deadline passes, its task is cancelled, its
stream is left or an interrupt comes.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing, contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import replace
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event
from typing import Any, Self, TypeVar, cast

from prompture import given
from prompture.types import Completion, Delta, Request
from prompture.wire import deadline
from prompture.wire.steps import asking, who

T = TypeVar("T")
WORKERS = 8
"""Threads for work that async calls wait for."""
LEAST_TOKENS = 2048
"""Of the usual limit of an answer: for short documents, and for what a model thinks before."""
THINKING_TOKENS = 8192
"""As many more where the request asks for thinking."""
GRACE = 0.1
"""Seconds after its deadline that a model may take to give what it has written; one that takes
longer is left behind."""


@contextmanager
def bounded(request: Request) -> Iterator[Request]:
    """What is done inside must be over within the request's deadline; the request without it."""
    with deadline.within(given.seconds(request.deadline, "deadline")):
        yield replace(request, deadline=None)


def bounded_stream(
    stream: Callable[[Request], Iterator[Delta | Completion]], request: Request
) -> Iterator[Delta | Completion]:
    """The stream of a request that has a deadline."""
    # A call takes its deadline along when it begins, with the first piece. Between the pieces the
    # caller's code runs, whose own calls are not a part of this one.
    with bounded(request) as bare:
        pieces = cast(Any, stream(bare))
        first = next(pieces, None)
    with closing(pieces):
        if first is not None:
            yield first
            yield from pieces


async def abounded_stream(
    stream: Callable[[Request], AsyncIterator[Delta | Completion]], request: Request
) -> AsyncGenerator[Delta | Completion, None]:
    """``bounded_stream``, awaited."""
    with bounded(request) as bare:
        pieces = cast(Any, stream(bare))
        first = await anext(pieces, None)
    async with aclosing(pieces):
        if first is not None:
            yield first
            async for piece in pieces:
                yield piece


class Stop:
    """Whether a model shall stop writing: ``stop()``. Threads may share one."""

    def __init__(self) -> None:
        self.until = deadline.until()
        self._asked = Event()

    def set(self) -> None:
        """Ask it to stop."""
        self._asked.set()

    def __call__(self) -> bool:
        return self._asked.is_set() or (self.until is not None and time.monotonic() >= self.until)

    def error(self, model: str, partial: Completion | None = None) -> BaseException:
        """Why the model was stopped, to be raised. ``partial``: what it had written."""
        if self.until is not None and deadline.has_passed(self.until):
            error = deadline.exceeded(self.until, f"{model} was still writing")
            error.partial = partial
            return error
        # The caller has left: nobody hears of it, and the bill is settled as for any that leaves.
        return asyncio.CancelledError("the caller left")

    def run(self, model: str, work: Callable[[], T], *, late: Callable[[T], object]) -> T:
        """``work()`` under this signal, until the deadline. Raises DeadlineExceeded."""
        token = _stop.set(self)
        try:
            if self.until is None:
                return work()
            # Not in this thread: a model that does not look at the signal cannot be broken off.
            return in_time(work, self.until + GRACE, late=late)
        except TimeoutError:
            if self():
                raise self.error(model) from None
            raise
        except BaseException:  # an interrupt
            self.set()
            raise
        finally:
            _stop.reset(token)


class StoppableStream:
    """What an engine writes, until it is asked to stop, or left behind because it does not."""

    def __init__(self, name: str, pieces: Generator[Any, None, None], stop: Stop) -> None:
        self._name, self._pieces, self._stop = name, pieces, stop

    def __enter__(self) -> Self:
        return self

    def __iter__(self) -> Iterator[Delta | Completion]:
        step = partial(next, self._pieces, None)
        while True:
            piece = self._stop.run(self._name, step, late=self._close)
            if piece is None:
                return
            yield piece

    def _close(self, piece: object) -> None:
        self._pieces.close()

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        # Where it was left behind it runs still, in a thread of its own, which closes it.
        if not getattr(self._pieces, "gi_running", False):
            self._pieces.close()


def pieces_of(completion: Completion) -> Iterator[Delta | Completion]:
    """An answer that came whole, as a stream of it."""
    yield from deltas_of(completion)
    yield completion


def deltas_of(completion: Completion) -> Iterator[Delta]:
    """What a stream of this answer gives before it."""
    if completion.reasoning:
        yield Delta(reasoning=completion.reasoning)
    if completion.text:
        yield Delta(text=completion.text)
    for index, call in enumerate(completion.tool_calls):
        yield Delta(
            tool_index=index,
            tool_id=call.id,
            tool_name=call.name,
            tool_arguments=call.raw_arguments,
        )


_stop: ContextVar[Stop | None] = ContextVar("prompture_stop", default=None)


def stop_signal() -> Callable[[], bool]:
    """For an engine, at the beginning of ``answer`` or ``stream``: a function that is True from the
    moment at which it shall stop writing. To be called between two tokens."""
    return _stop.get() or _never


def _never() -> bool:
    return False


async def awaited_in_time(work: Awaitable[T], during: str) -> T:
    """Await, until the deadline that is set. Raises DeadlineExceeded."""
    until = deadline.until()
    clock = asyncio.timeout(deadline.left(until))
    try:
        async with clock:
            return await work
    except TimeoutError:
        if until is not None and clock.expired():
            raise deadline.exceeded(until, during) from None
        raise


# Limits of a model in this process where the caller sets none: nobody else stops it.


def usual_tokens(request: Request) -> int:
    """``max_tokens`` of a request that has none. What is extracted stands in the document, and
    JSON puts about as much around it; the schema's own length stands for its keys."""
    texts = [message.text for message in request.messages]
    texts += [json.dumps(tool.parameters) for tool in request.tools]
    if request.schema is not None:
        texts.append(json.dumps(request.schema))
    thinking = request.reasoning
    if isinstance(thinking, str):
        thinking = 0 if thinking == "none" else THINKING_TOKENS
    # About three characters are a token of a small vocabulary.
    return LEAST_TOKENS + 2 * sum(map(len, texts)) // 3 + (thinking or 0)


def usual_threads() -> int:
    """All cores of this process but one. A model's threads wait for each other at every layer: one
    that shares its core with another program holds up all of them."""
    cores = _cores()
    return max(1, cores - 1)


def _cores() -> int:
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    usable = os.sched_getaffinity(0)
    found = set()
    for number in usable:
        # Two threads of one core have one arithmetic unit between them.
        place = Path(f"/sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list")
        try:
            found.add(place.read_text())
        except OSError:  # not Linux, or a sandbox
            return len(usable)
    return len(found)


# Work in threads: of an async call that may wait for a disk, to its end; of a call with a deadline that
# cannot be broken off, until then.

_made: ThreadPoolExecutor | None = None


async def finish_in_thread(work: Callable[..., T], *args: Any) -> T:
    """``work(*args)`` in a thread, with this context. Where the task is cancelled meanwhile the
    work goes on to its end: money that was spent is noted all the same."""
    try:
        running = begun_in_thread(work, *args, pool=_pool())
    except RuntimeError:  # no loop runs (a generator is being collected), or threads are over
        return copy_context().run(work, *args)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        running.add_done_callback(heard)
        raise


def begun_in_thread(
    work: Callable[..., T], *args: Any, pool: ThreadPoolExecutor | None = None
) -> asyncio.Future[T]:
    """``work(*args)``, begun with this context in a thread of a pool, or in one of the loop's."""
    context = copy_context()
    # Budgets know their callers by thread and task, which are others in there.
    context.run(asking.set, who())
    done = partial(context.run, work, *args)
    return asyncio.get_running_loop().run_in_executor(pool, done)


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


def within_deadline(work: Callable[[], T], patience: float, *, share: float = 1.0) -> T:
    """``work()``, which waits for a server and knows no deadline: no longer than a share of what is
    left of this context's, and than ``patience`` seconds. Raises TimeoutError."""
    left = deadline.left(deadline.until())
    if left is None:  # it has a timeout of its own
        return work()
    return in_time(work, time.monotonic() + min(patience, left * share), late=lambda _: None)


def start_in_thread(work: Callable[[], object]) -> None:
    """Begin it in a thread, and do not wait."""
    try:
        _pool().submit(work)
    except RuntimeError:  # the process is ending, and threads are over
        work()


def heard(running: asyncio.Future[Any]) -> None:
    """Take note of an error that nobody waits for any more: asyncio would report it."""
    if not running.cancelled():
        running.exception()


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
