"""What budgets and totals share: a ``with`` block makes them see its calls."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any, ParamSpec, Self, TypeVar

from prompture.drivers.meter import Meter, metering

P = ParamSpec("P")
R = TypeVar("R")
_entered: ContextVar[tuple[AbstractContextManager[None], ...]] = ContextVar(
    "prompture_blocks", default=()
)


class Block(Meter):
    """A meter to be used in ``with``; the same one may be entered by several threads and tasks."""

    def __enter__(self) -> Self:
        block = metering(self)
        block.__enter__()
        _entered.set((*_entered.get(), block))
        return self

    def __exit__(self, *exc: Any) -> None:
        *rest, block = _entered.get()
        _entered.set(tuple(rest))
        block.__exit__(*exc)

    def bind(self, function: Callable[P, R]) -> Callable[P, R]:
        """The function, whose calls this one sees in whatever thread it runs; no ``with`` is
        needed around it. See ``prompture.bind``."""
        from prompture.spend.bind import bound

        return bound(function, (self,), {})
