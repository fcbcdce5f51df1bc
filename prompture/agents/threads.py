"""Daemon threads that run tools. One that hangs is left behind; it never holds up the exit."""

from __future__ import annotations

import os
from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TypeAlias

Work: TypeAlias = Callable[[], None]
KEPT = 16
"""Idle threads that wait for the next call; further ones end when their work is done."""

_idle: list[_Worker] = []
_lock = Lock()


class _Worker:
    def __init__(self) -> None:
        self._work: SimpleQueue[Work] = SimpleQueue()
        self.thread = Thread(target=self._serve, name="prompture-tool", daemon=True)
        self.thread.start()

    def do(self, work: Work) -> None:
        self._work.put(work)

    def _serve(self) -> None:
        while True:
            work = self._work.get()
            work()
            del work
            with _lock:
                if len(_idle) >= KEPT:
                    return
                _idle.append(self)


def start(work: Work) -> Busy:
    """Run ``work``, which must not raise, in a thread. Call from any thread."""
    with _lock:
        worker = _idle.pop() if _idle else None
    worker = worker or _Worker()
    busy = Busy(worker.thread)

    def run() -> None:
        try:
            work()
        finally:
            busy.over = True

    worker.do(run)
    return busy


class Busy:
    """A piece of work under way. ``over`` is True once it has ended."""

    __slots__ = ("over", "thread")

    def __init__(self, thread: Thread | None) -> None:
        self.thread = thread
        self.over = False


def _forget() -> None:
    """A forked child has none of these threads, and the lock may have been taken."""
    global _lock
    _lock = Lock()
    _idle.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
