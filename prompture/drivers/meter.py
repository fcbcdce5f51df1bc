"""Who wants to know of every call: budgets, ``track()``, the ledger.

The drivers call every active meter before a call and after it. Nothing is recorded here.
"""

from __future__ import annotations

import logging
import os
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

from prompture import startup
from prompture.errors import PromptureError
from prompture.wire.steps import in_context

if TYPE_CHECKING:
    from prompture.drivers.core import BaseDriver
    from prompture.money import Charge
    from prompture.types import Request


_log = logging.getLogger("prompture")


class Busy(Exception):
    """Raised by ``Meter.before``: ask again in so many seconds. The call waits and does."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"ask again in {seconds} s")
        self.seconds = seconds


class Meter(Protocol):
    """Watches calls. It may be called from several threads and tasks at once.

    A meter that names this class as its base need not write ``again`` and ``withdraw``. One whose
    methods may wait (for a disk, for another process) sets ``blocks``: async calls then ask and
    call it in a thread. What ``after`` raises is logged and keeps no answer back, unless it is
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

    def hit(self, charge: Charge) -> None:
        """A cache has answered, so that ``before`` was not asked. It costs nothing."""
        return

    def joined(self, other: Meter) -> Meter | None:
        """The meter to call in the place of both, where both count in one account: a call would
        be counted there twice. None where they have nothing in common."""
        return None


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

    def hit(self, charge: Charge) -> None:
        """Record what a cache has answered, as a call without a price."""
        self.charges.append(charge)


class CallMeters:
    """The meters that watch one call, each with the token that it gave."""

    __slots__ = ("_tokens",)

    def __init__(self) -> None:
        self._tokens: list[tuple[Meter, object]] = []

    def __bool__(self) -> bool:
        return bool(self._tokens)

    @property
    def blocks(self) -> bool:
        """Whether calling them may wait."""
        return bool(self._tokens) and any(
            getattr(each, "blocks", False) for each, _ in self._tokens
        )

    def ask(self, request: Request, driver: BaseDriver) -> Request:
        """The request as they let it pass. Raises what ``before`` raises."""
        for each in active():
            request, token = each.before(request, driver)
            # At once: where the next one refuses, those before it are withdrawn.
            self._tokens.append((each, token))
        return request

    def again(self, charge: Charge) -> None:
        """A try has failed, and another will follow. Raises errors of ours, to stop the call."""
        for each, token in self._tokens:
            try:
                each.again(token, charge)
            except PromptureError:
                raise
            except Exception as exc:  # a meter of somebody else's; logged, the answer goes on
                _log_failure(each, exc)

    def after(self, charge: Charge) -> None:
        """The call is over. Every meter hears of it, also where one of them fails: the first
        error of ours is raised at the end, others (a full disk, a fault of the meter) are logged,
        for the answer was paid for and is kept."""
        failure: PromptureError | None = None
        while self._tokens:
            # Taken out first: one that raises is not called again when the failure is settled.
            each, token = self._tokens.pop()
            try:
                each.after(token, charge)
            except PromptureError as exc:
                failure = failure or exc
            except Exception as exc:  # a meter of somebody else's; logged, the answer goes on
                _log_failure(each, exc)
            except BaseException:  # an interrupt: it is called again when the call is settled
                self._tokens.append((each, token))
                raise
        if failure is not None:
            raise failure

    def withdraw(self, tried: Charge | None = None) -> None:
        """The call is not made after all; ``tried``: its last try never left this machine."""
        while self._tokens:
            each, token = self._tokens.pop()
            try:
                if tried is not None:
                    each.again(token, tried)
                each.withdraw(token)
            except Exception as exc:  # a meter of somebody else's; logged, the others are called
                _log_failure(each, exc)


def note_hit(charge: Charge) -> None:
    """Let the meters of this context know that a cache has answered."""
    for each in active():
        # One of somebody else's may have been written before there was a cache.
        if (hit := getattr(each, "hit", None)) is not None:
            try:
                hit(charge)
            except Exception as exc:  # a meter of somebody else's; logged, the answer goes on
                _log_failure(each, exc)


def _log_failure(each: Meter, error: Exception) -> None:
    _log.warning(
        "%s could not note a call and its price: %s",
        type(each).__name__,
        type(error).__name__,
    )


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
    meters = active()
    return bool(meters) and any(getattr(each, "blocks", False) for each in meters)


def metering(meter: Meter) -> AbstractContextManager[None]:
    """Let ``meter`` see every call made inside the block, tasks started in it included. One that
    sees them already is called once."""
    already = _active.get()
    return in_context(_active, already if meter in already else _with(already, meter))


def _with(already: tuple[Meter, ...], meter: Meter) -> tuple[Meter, ...]:
    for at, each in enumerate(already):
        # One of somebody else's need not have it.
        join = getattr(each, "joined", None)
        if join is not None and (both := join(meter)) is not None:
            return (*already[:at], both, *already[at + 1 :])
    return (*already, meter)


def _start() -> None:
    """Turn on the ledger that ``PROMPTURE_LEDGER`` names, at the first call of the process."""
    global _started
    if os.environ.get("PROMPTURE_LEDGER"):
        startup.open_ledger()
    _started = True  # one that cannot be opened says so at every call


def install(meter: Meter) -> None:
    """Let ``meter`` see every call of the process."""
    if meter not in _everywhere:
        _everywhere.append(meter)


def uninstall(meter: Meter) -> None:
    """Undo ``install``."""
    if meter in _everywhere:
        _everywhere.remove(meter)
