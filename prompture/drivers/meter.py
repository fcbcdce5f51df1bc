"""Who wants to know of every call: budgets, ``track()``, the ledger.

The drivers ask every active meter before a call and tell it after. Nothing here keeps books.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from threading import get_ident
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from prompture.drivers.core import BaseDriver
    from prompture.money import Charge
    from prompture.types import Request


class Busy(Exception):
    """Raised by ``Meter.before``: ask again in so many seconds. The call waits and does."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"ask again in {seconds} s")
        self.seconds = seconds


class Meter(Protocol):
    """Watches calls. It may be called from several threads and tasks at once.

    A meter that names this class as its base need not write ``again`` and ``withdraw``. One whose
    methods may wait (for a disk, for another process) sets ``blocks``: async calls then ask and
    tell it in a thread. What ``after`` raises is logged and keeps no answer back, unless it is
    a PromptureError: that one is raised, with the bill and the answer (``partial``) on it.
    """

    blocks: bool = False

    def before(self, request: Request, driver: BaseDriver) -> tuple[Request, object]:
        """Called before sending. Returns the request to send (its ``max_tokens`` may shrink)
        and a token for the other methods. Raises BudgetExceeded to stop the call, Busy to hold
        it back for a while."""
        ...

    def after(self, token: object, charge: Charge) -> None:
        """Called once for each call that was sent, failed ones included."""
        ...

    def again(self, token: object, charge: Charge) -> None:
        """Called for each failed try that a retry follows. Raises BudgetExceeded to stop it."""
        return

    def withdraw(self, token: object) -> None:
        """The call that ``before`` let pass is not made after all, or is asked for again."""
        return


class ChargeRecorder(Meter):
    """Records the charges of the calls it sees, failed tries included, in ``charges``.

    It lets every call pass. Calls may come from several threads: ``list.append`` and copying a
    list are atomic, so no lock is needed.
    """

    def __init__(self, charges: list[Charge] | None = None) -> None:
        self.charges: list[Charge] = [] if charges is None else charges

    def before(self, request: Request, driver: BaseDriver) -> tuple[Request, object]:
        """Let every call pass."""
        return request, None

    def after(self, token: object, charge: Charge) -> None:
        """Record a call."""
        self.charges.append(charge)

    def again(self, token: object, charge: Charge) -> None:
        """Record a failed try."""
        self.charges.append(charge)


asking: ContextVar[tuple[int, int] | None] = ContextVar("prompture_asking", default=None)
"""The thread and the task that a call was made in, where a meter is asked in another thread."""
_active: ContextVar[tuple[Meter, ...]] = ContextVar("prompture_meters", default=())
_everywhere: list[Meter] = []
_started = False


def active() -> tuple[Meter, ...]:
    """The meters of this context, outermost first, and those of the whole process."""
    if not _started:
        _start()
    local = _active.get()
    return (*_everywhere, *local) if _everywhere else local


def inherited() -> tuple[Meter, ...]:
    """The meters of this context alone, without those of the whole process."""
    return _active.get()


def blocks() -> bool:
    """Whether asking the meters of this context may wait."""
    if not _started and os.environ.get("PROMPTURE_LEDGER"):
        return True  # the ledger will be opened
    return any(getattr(each, "blocks", False) for each in active())


def who() -> tuple[int, int]:
    """The thread, and the task where there is one, that a call is made in."""
    if (told := asking.get()) is not None:
        return told
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return get_ident(), id(task) if task else 0


@contextmanager
def metering(meter: Meter) -> Iterator[None]:
    """Let ``meter`` see every call made inside the block, tasks started in it included. One that
    sees them already is not told twice."""
    already = _active.get()
    token = _active.set(already if meter in already else (*already, meter))
    try:
        yield
    finally:
        _active.reset(token)


def _start() -> None:
    """Turn on the ledger that ``PROMPTURE_LEDGER`` names, at the first call of the process."""
    global _started
    if os.environ.get("PROMPTURE_LEDGER"):
        # By name: the ledger lives a floor above, and nobody else may have imported it.
        import_module("prompture.spend.ledger").from_environment()
    _started = True  # one that cannot be opened says so at every call


def install(meter: Meter) -> None:
    """Let ``meter`` see every call of the process."""
    if meter not in _everywhere:
        _everywhere.append(meter)


def uninstall(meter: Meter) -> None:
    """Undo ``install``."""
    if meter in _everywhere:
        _everywhere.remove(meter)
