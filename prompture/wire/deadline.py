"""The moment by which a call, all of it, must be over: tries, waits and bytes.

It is context, so that what sets it (a run of an agent) need not know what sends, nor how often.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_until: ContextVar[float | None] = ContextVar("prompture_until", default=None)


@contextmanager
def within(seconds: float | None) -> Iterator[None]:
    """What is sent inside must be over in ``seconds``; an earlier end that is set stays."""
    if seconds is None:
        yield
        return
    moment, before = time.monotonic() + seconds, _until.get()
    # The earlier end holds: a call within a run must not outlast it.
    token = _until.set(moment if before is None else min(moment, before))
    try:
        yield
    finally:
        _until.reset(token)


until = _until.get
"""The moment, by ``time.monotonic``; None where there is no end."""


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
