"""Who wants to know of every call: budgets, ``track()``, the ledger.

The drivers ask every active meter before a call and tell it after. Nothing here keeps books.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from prompture.drivers.core import BaseDriver
    from prompture.money import Charge
    from prompture.types import Request


class Meter(Protocol):
    """Watches calls. It may be called from several threads and tasks at once."""

    def before(self, request: Request, driver: BaseDriver) -> tuple[Request, object]:
        """Called before sending. Returns the request to send (its ``max_tokens`` may shrink)
        and a token for ``after``. Raises BudgetExceeded to stop the call."""
        ...

    def after(self, token: object, charge: Charge) -> None:
        """Called once for each call that ``before`` let pass, failed ones included; and, with
        a token of None, for each failed try that a retry followed."""
        ...


_active: ContextVar[tuple[Meter, ...]] = ContextVar("prompture_meters", default=())
_everywhere: list[Meter] = []


def active() -> tuple[Meter, ...]:
    """The meters of this context, outermost first, and those of the whole process."""
    local = _active.get()
    return (*_everywhere, *local) if _everywhere else local


@contextmanager
def metering(meter: Meter) -> Iterator[None]:
    """Let ``meter`` see every call made inside the block, tasks started in it included."""
    token = _active.set((*_active.get(), meter))
    try:
        yield
    finally:
        _active.reset(token)


def install(meter: Meter) -> None:
    """Let ``meter`` see every call of the process."""
    if meter not in _everywhere:
        _everywhere.append(meter)


def uninstall(meter: Meter) -> None:
    """Undo ``install``."""
    if meter in _everywhere:
        _everywhere.remove(meter)
