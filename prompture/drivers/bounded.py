"""Calls that must end: the option ``deadline`` of a request, and models in this process that are
asked to stop.

A model in this process is asked by its ``Stop``: it has one for each call, and looks at it between
two tokens (``stop_signal``). It is set when the call's deadline passes, its task is cancelled, its
stream is left or an interrupt comes.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import aclosing, closing, contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, Self, TypeVar, cast

from prompture import given
from prompture.drivers.worker_threads import in_time
from prompture.types import Completion, Delta, Request
from prompture.wire import deadline

T = TypeVar("T")
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


class Written:
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
    yield completion


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


# What a model in this process may use where the caller does not say: nobody else stops it.


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
