"""``bind``: budgets, totals and labels carried into threads, which Python does not do by itself."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ParamSpec, TypeVar, cast

from prompture import given
from prompture.drivers.meter import Meter, inherited, metering
from prompture.errors import ConfigurationError
from prompture.spend.ledger import labels, labels_now

P = ParamSpec("P")
R = TypeVar("R")


def bind(function: Callable[P, R]) -> Callable[P, R]:
    """The function with the budgets, ``track()`` and labels that hold where it is bound, in
    whatever thread it is called later, and as often::

        with Budget(usd="0.50"), ThreadPoolExecutor() as pool:
            pool.map(bind(read), documents)

    A thread begins with none of them (before Python 3.14), and a worker of a pool keeps what it
    began with: so bind what the thread is given, not what starts it. ``asyncio.to_thread``, tasks
    and agents' tools carry them by themselves. Async functions are bound too. Raises
    ConfigurationError for a generator function, which runs where it is iterated.
    """
    return bound(function, inherited(), labels_now())


def bound(
    function: Callable[P, R], meters: tuple[Meter, ...], named: dict[str, str]
) -> Callable[P, R]:
    """The function, seen by these meters besides those of where it is called."""
    if not callable(function):
        raise given.wrong("what is bound", "a function (not its result)", function)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigurationError(
            f"a generator runs where it is iterated; bind a function that iterates over"
            f" {getattr(function, '__name__', 'it')} instead"
        )
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
def _under(meters: tuple[Meter, ...], named: dict[str, str]) -> Iterator[None]:
    with ExitStack() as stack:
        for meter in meters:
            stack.enter_context(metering(meter))
        stack.enter_context(labels(**named))
        yield
