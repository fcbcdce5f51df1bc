"""What holds for the calls of a ``with`` block: meters, ``track()``, labels, and ``bind`` for threads."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, cast

from prompture import given
from prompture.drivers.meter import ChargeRecorder, Meter, inherited, metering
from prompture.errors import ConfigurationError
from prompture.money import Bill
from prompture.spend.journal import clean
from prompture.wire.steps import in_context

if TYPE_CHECKING:
    from prompture.types import Usage

P = ParamSpec("P")
R = TypeVar("R")
_entered: ContextVar[tuple[AbstractContextManager[None], ...]] = ContextVar(
    "prompture_blocks", default=()
)
_NO_LABELS: Mapping[str, str] = MappingProxyType({})
_labels: ContextVar[Mapping[str, str]] = ContextVar("prompture_labels", default=_NO_LABELS)


def labels(**values: object) -> AbstractContextManager[None]:
    """Names to put on the ledger's rows of the calls made inside the block. Blocks add up::

    with labels(customer="acme", job="invoices"):
        ...
    """
    # A new dict: tasks that copied this context keep the one they have.
    merged = {**_labels.get(), **{clean(n): clean(str(v)) for n, v in values.items()}}
    return in_context(_labels, merged)


def labels_now() -> Mapping[str, str]:
    """The labels that hold here."""
    return _labels.get()


class ScopedMeter(Meter):
    """A meter to be used in ``with``; several threads and tasks may enter the same one.

    The blocks that are open lie in a context variable, not on the meter: each thread and task
    leaves its own.
    """

    def __enter__(self) -> Self:
        block, before = metering(self), _entered.get()
        try:
            block.__enter__()
            # In the context, not on the meter: the block of another thread or task is another one.
            _entered.set((*before, block))
        except BaseException:  # an interrupt: nobody will leave the block
            _entered.set(before)
            block.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *exc: Any) -> None:
        entered: tuple[AbstractContextManager[None], ...] | None = None
        try:
            entered = _entered.get()
            _entered.set(entered[:-1])
            entered[-1].__exit__(*exc)
        except BaseException:  # an interrupt: the block is left all the same
            entered = _entered.get() if entered is None else entered
            _entered.set(entered[:-1])
            # A second time, perhaps, which does nothing.
            entered[-1].__exit__(None, None, None)
            raise

    def bind(self, function: Callable[P, R]) -> Callable[P, R]:
        """A function like this one, whose calls the meter sees in whatever thread it runs.

        No ``with`` is needed around it. See ``prompture.bind``.
        """
        return bound(function, (self,), {})


class Totals(ChargeRecorder, ScopedMeter):
    """The calls that were made while it was open, so far."""

    @property
    def bill(self) -> Bill:
        """Every call with its price, failed ones included."""
        return Bill(tuple(self.charges))

    @property
    def cost(self) -> Decimal | None:
        """US dollars; None where the price of any call is unknown (``bill.unknown`` says why,
        ``bill.known`` what the others cost)."""
        return self.bill.total

    @property
    def usage(self) -> Usage:
        """Tokens of all calls."""
        return self.bill.usage

    @property
    def calls(self) -> int:
        """How many calls were made, retried tries included; what a cache answered is none."""
        return sum(charge.cost.source != "cache" for charge in self.charges)

    def __str__(self) -> str:
        return str(self.bill)

    def __repr__(self) -> str:
        return f"<track: {self.bill}>"


def track() -> Totals:
    """Totals of the calls made inside a ``with`` block::

        with track() as spent:
            extract(Receipt, text)
        print(spent.cost, spent.calls, spent.usage.total_tokens)

    Blocks nest. Tasks started inside are seen, and threads of ``asyncio.to_thread``; other
    threads see only what is given them by ``prompture.bind``.
    """
    return Totals()


def bind(function: Callable[P, R]) -> Callable[P, R]:
    """Give a function the budgets, ``track()`` and labels that hold here, for other threads.

    They hold in whatever thread it is called later, and each time::

        with Budget(usd="0.50"), ThreadPoolExecutor() as pool:
            pool.map(bind(read), documents)

    A thread begins with none of them (before Python 3.14), and a worker of a pool keeps what it
    began with: so bind what the thread is given, not what starts it. ``asyncio.to_thread``, tasks
    and agents' tools take them along by themselves. Async functions are bound too. Raises
    ConfigurationError for a generator function, which runs where it is iterated.
    """
    return bound(function, inherited(), labels_now())


def bound(
    function: Callable[P, R], meters: tuple[Meter, ...], named: Mapping[str, str]
) -> Callable[P, R]:
    """The function under these meters and labels, besides those of where it is called."""
    if not callable(function):
        raise given.wrong("what is bound", "a function (not its result)", function)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigurationError(
            f"a generator runs where it is iterated; bind a function that iterates over"
            f" {getattr(function, '__name__', 'it')} instead"
        )
    # Awaited later, when a ``with`` around the call alone would have ended.
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def awaited(*args: P.args, **kwargs: P.kwargs) -> Any:
            with _under(meters, named):
                return await function(*args, **kwargs)

        return cast("Callable[P, R]", awaited)

    @functools.wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        with _under(meters, named):
            return function(*args, **kwargs)

    return called


@contextmanager
def _under(meters: tuple[Meter, ...], named: Mapping[str, str]) -> Iterator[None]:
    with ExitStack() as stack:
        # Besides those of the place of the call, which may have a budget of its own.
        for meter in meters:
            stack.enter_context(metering(meter))
        stack.enter_context(labels(**named))
        yield
