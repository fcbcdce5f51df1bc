"""The moment by which a call, all of it, must be over: tries, waits and bytes.

It is context, so that what sets it (an extraction, a run of an agent) need not know what sends,
nor how often. What waits for something asks ``left``, or ``too_long``, and ends with
``exceeded``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from threading import Lock
from typing import ParamSpec, TypeVar

from prompture.errors import DeadlineExceeded
from prompture.wire.steps import in_context

P = ParamSpec("P")
R = TypeVar("R")
EARLY = 0.01
"""A wait of the operating system may end so many seconds before its time."""


class Moment(float):
    """An end, by ``time.monotonic``. It knows how many seconds were given for the whole."""

    __slots__ = ("seconds",)
    seconds: float

    def __new__(cls, at: float, seconds: float) -> Moment:
        made = super().__new__(cls, at)
        made.seconds = seconds
        return made


_until: ContextVar[Moment | None] = ContextVar("prompture_until", default=None)


def after(seconds: float | None) -> Moment | None:
    """The moment so many seconds from now; None for no end."""
    return None if seconds is None else Moment(time.monotonic() + seconds, seconds)


def within(seconds: float | None) -> AbstractContextManager[None]:
    """What is sent inside must be over in ``seconds``; an earlier end that is set stays."""
    return by(after(seconds))


def by(moment: Moment | None) -> AbstractContextManager[None]:
    """What is sent inside must be over by this moment; an earlier end that is set stays."""
    if moment is None:
        return _NO_END
    before = _until.get()
    # The earlier end holds: a call within a run must not outlast it.
    return in_context(_until, moment if before is None else min(moment, before))


_NO_END = nullcontext()


until = _until.get
"""The moment; None where there is no end."""


def is_over() -> bool:
    """Whether an end is set, and has passed."""
    moment = _until.get()
    return moment is not None and time.monotonic() >= moment


def left(moment: float | None) -> float | None:
    """Seconds until a moment, 0 where it has passed; None for no end."""
    return None if moment is None else max(moment - time.monotonic(), 0.0)


def sooner(seconds: float | None, moment: float | None) -> float | None:
    """The lesser of seconds and what is left until a moment, and never 0, which to a socket
    means not to wait at all."""
    if moment is None:
        return seconds
    rest = max(moment - time.monotonic(), 0.001)
    return rest if seconds is None else min(seconds, rest)


def has_passed(moment: float | None) -> bool:
    """Whether a wait that has just failed was one for this moment."""
    return moment is not None and time.monotonic() >= moment - EARLY


def exceeded(moment: Moment, during: str, *, unsent: bool = False) -> DeadlineExceeded:
    """The error of a call that this moment has ended. ``during``: what was under way."""
    after = _elapsed(moment)
    message = (
        f"the time for the whole call (deadline={moment.seconds:.4g}) was over after"
        f" {after:.3g} seconds, {during}"
    )
    return _error(moment, message, during, unsent=unsent)


def _elapsed(moment: Moment) -> float:
    return max(time.monotonic() - moment + moment.seconds, 0.0)


def _error(moment: Moment, message: str, during: str, *, unsent: bool) -> DeadlineExceeded:
    error = DeadlineExceeded(
        message, deadline=moment.seconds, elapsed=_elapsed(moment), during=during
    )
    error.unsent = unsent
    return error


def over(during: str) -> DeadlineExceeded | None:
    """The error where the end has passed: nothing more may be begun."""
    moment = _until.get()
    if moment is None or time.monotonic() < moment:
        return None
    return exceeded(moment, during, unsent=True)


def check(during: str) -> None:
    """Raise DeadlineExceeded where the end has passed, and CancelledError in a thread whose task was
    cancelled."""
    if (work := thread_work()) is not None and work.is_cancelled:
        raise asyncio.CancelledError
    if error := over(during):
        raise error


def too_long(seconds: float) -> DeadlineExceeded | None:
    """The error where a wait of so many seconds, with nothing sent, would pass the end: it is
    raised at once, as waiting would only delay it."""
    moment = _until.get()
    if moment is None or seconds <= 0 or time.monotonic() + seconds < moment:
        return None
    rest = max(moment.seconds - _elapsed(moment), 0.0)
    message = (
        f"{seconds:.3g} seconds must be waited before the call may be sent, and of"
        f" deadline={moment.seconds:.4g} only {rest:.3g} are left"
    )
    return _error(moment, message, "waiting to be let in", unsent=True)


class ThreadWork:
    """What a task has a thread do. No thread can be stopped: what it waits for is ended instead."""

    def __init__(self) -> None:
        self.is_cancelled = False
        self._ends: list[Callable[[], object]] = []
        self._lock = Lock()

    def ended_by(self, end: Callable[[], object]) -> None:
        """Call ``end`` when the task is cancelled; at once, if it was."""
        with self._lock:
            if not self.is_cancelled:
                self._ends.append(end)
                return
        end()

    def cancel(self) -> None:
        with self._lock:
            self.is_cancelled = True
        for end in self._ends:
            end()


_work: ContextVar[ThreadWork | None] = ContextVar("prompture_thread_work", default=None)
thread_work = _work.get
"""The work of this thread; None where no task waits for it."""


async def in_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """``asyncio.to_thread``; a task that is cancelled takes along what its thread has begun."""
    work = ThreadWork()
    with in_context(_work, work):
        try:
            return await asyncio.to_thread(function, *args, **kwargs)
        except asyncio.CancelledError:
            work.cancel()
            raise
