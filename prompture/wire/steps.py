"""Generators that ask for work to be done: how to run one step, and where the awaited runner runs."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from dataclasses import dataclass
from typing import Generic, TypeVar

from prompture.errors import ConfigurationError

Y = TypeVar("Y")
S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """The generator returned ``value``."""

    value: T


def advance(steps: Generator[Y, S, T], reply: S | BaseException | None = None) -> Y | Done[T]:
    """Send ``reply`` in (an exception is thrown in) and return the next step, or Done.

    The only place that catches StopIteration, so that one raised by a tool or a transport is
    never taken for the end.
    """
    try:
        if isinstance(reply, BaseException):
            return steps.throw(reply)
        return next(steps) if reply is None else steps.send(reply)
    except StopIteration as stop:
        return Done(stop.value)


def require_asyncio() -> None:
    """Raise ConfigurationError where no asyncio task is running (trio, curio, no loop at all).

    A task, not only a loop: trio in guest mode has asyncio's loop beneath it.
    """
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    if task is None:
        raise ConfigurationError(
            "the awaited calls run on asyncio only (its own loop, uvloop, anyio's asyncio backend); "
            "elsewhere use the sync call in a worker thread, as trio.to_thread.run_sync does"
        )
