"""Generators that ask for work to be done: how to run one step, where the awaited runner runs, and
how it waits for a turn (a signal that wakes a thread or a task) or for an answer, which another
thread may end. And what holds inside a block: who asks, and how a context variable is set for it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Generator
from contextlib import suppress
from contextvars import ContextVar, Token
from dataclasses import dataclass
from threading import Event, Lock, get_ident
from typing import Generic, TypeVar

from prompture.errors import ConfigurationError

Y = TypeVar("Y")
S = TypeVar("S")
T = TypeVar("T")
V = TypeVar("V")


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


class in_context(Generic[V]):
    """Set a context variable inside the block; after it the variable has what it had before.

    An interrupt may come between any two steps, and what it leaves set would hold for all later
    calls: a deadline that has passed, a budget that counts. So nothing is set or put back outside of
    a ``try``. contextlib's own managers have a dozen steps around it, and a notebook keeps the
    interrupt, with all that its frames hold, while the next calls are made.
    """

    _before: V
    _token: Token[V]

    def __init__(self, variable: ContextVar[V], value: V) -> None:
        self._variable, self._value = variable, value

    def __enter__(self) -> None:
        before = self._variable.get()
        try:
            self._before = before
            self._token = self._variable.set(self._value)
            self.__class__ = _entered
        except BaseException:  # an interrupt: nobody will leave the block
            self._variable.set(before)
            raise

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if self.__class__ is in_context:  # left already, or never entered
                return
            # A generator is closed with its block open, perhaps in another context: only what was
            # set here is put back.
            if kind is not GeneratorExit or self._variable.get() is self._value:
                self._variable.set(self._before)
            self.__class__ = in_context
        except BaseException:  # an interrupt
            if self.__class__ is not in_context:
                self._variable.set(self._before)
            raise


class _entered(in_context[V]):
    """One whose block is open. A class of its own: an interrupt that comes while a ``__del__`` runs is
    lost, so those that were left have none."""

    def __del__(self) -> None:
        # The interrupt came before the first step of ``__exit__``.
        if self._variable.get() is self._value:
            with suppress(ValueError):  # another context, where others may have set the same value
                self._variable.reset(self._token)


class Signal:
    """Wakes one waiter: a thread, or a task of whichever event loop. Any thread may ``set`` it.

    One that is set before somebody waits is not lost: the wait then ends at once.
    """

    __slots__ = ("_event", "_future")

    def __init__(self) -> None:
        self._event = Event()
        self._future: asyncio.Future[None] | None = None

    def set(self) -> None:
        self._event.set()
        # After the event: a task that has not yet shown its future will look at that.
        if (future := self._future) is not None:
            try:
                future.get_loop().call_soon_threadsafe(_resolve, future)
            except RuntimeError:  # the loop was closed: its tasks are gone
                self._future = None

    def clear(self) -> None:
        self._event.clear()

    def wait(self, seconds: float | None) -> None:
        """In a thread: until it is set, or the seconds are over (None: however long)."""
        self._event.wait(seconds)

    async def awaited(self, seconds: float | None) -> None:
        """The same in a task, which may be cancelled meanwhile."""
        loop = asyncio.get_running_loop()
        self._future = future = loop.create_future()
        timer = None if seconds is None else loop.call_later(seconds, _resolve, future)
        try:
            if not self._event.is_set():
                await future
        finally:
            self._future = None
            if timer is not None:
                timer.cancel()


def _resolve(future: asyncio.Future[None]) -> None:
    # It may have been cancelled, or its timer was faster.
    if not future.done():
        future.set_result(None)


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait until the signal is set, at most so many seconds (None: however long)."""

    signal: Signal
    seconds: float | None = None


class Cut:
    """Ends a sync call of another thread: the socket that it waits at is shut down."""

    def __init__(self) -> None:
        self.is_cut = False
        self._sock: socket.socket | None = None
        # Held while a socket is shut down: once a call has left one, another call may use it.
        self._lock = Lock()

    def waits_at(self, sock: socket.socket) -> None:
        with self._lock:
            self._sock = sock
        if self.is_cut:  # before the call came here
            self.cut()

    def leaves(self) -> None:
        """The answer is there: the connection goes back to its pool."""
        with self._lock:
            self._sock = None

    def cut(self) -> None:
        self.is_cut = True
        with self._lock:
            if self._sock is not None:
                with suppress(OSError):  # it may be closed already
                    self._sock.shutdown(socket.SHUT_RDWR)


cutting: ContextVar[Cut | None] = ContextVar("prompture_cut", default=None)
"""What may end the calls of this context."""


asking: ContextVar[tuple[int, int] | None] = ContextVar("prompture_asking", default=None)
"""The thread and the task that a call was made in, where another thread asks for it."""


def who() -> tuple[int, int]:
    """The thread, and the task where there is one, that a call is made in."""
    # A worker thread asks for somebody else.
    if (asker := asking.get()) is not None:
        return asker
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return get_ident(), id(task) if task else 0
