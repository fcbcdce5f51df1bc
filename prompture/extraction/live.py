"""An extraction under way: the iterators that hand out what is ready, and the bill so far."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Generic, Self, TypeVar

from prompture.drivers.meter import Meter, metering
from prompture.flows.attempts import AttemptLog, ChargeRecorder
from prompture.flows.base import Ask, HasModel
from prompture.money import Bill
from prompture.traces import Attempt
from prompture.types import Usage
from prompture.wire.deadline import left, within

Y = TypeVar("Y")


class RunningBill:
    """The log of an extraction, and the charges of the current call, so that they are billed if
    the iterator is closed early."""

    def __init__(self, budget: Meter | None, deadline: float | None = None) -> None:
        self.log = AttemptLog()
        self.recorder = ChargeRecorder()
        self._budget = budget
        self._deadline = deadline
        self._until: float | None = None
        self._answered = 0
        self._strategy = ""

    def open(self, ask: Ask[HasModel]) -> None:
        """A call begins. With the first, the time for all of them does."""
        if self._until is None and self._deadline is not None:
            self._until = time.monotonic() + self._deadline
        self.recorder.charges.clear()
        self._answered = len(self.log.attempts)
        self._strategy = ask.plan.strategy if ask.plan else ""

    @contextmanager
    def metered(self) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(within(left(self._until)))
            stack.enter_context(metering(self.recorder))
            if self._budget is not None:
                stack.enter_context(metering(self._budget))
            yield

    def is_over(self) -> bool:
        """Whether there is no time left."""
        return left(self._until) == 0

    def settle(self) -> None:
        """No more will come: a call that was left in its middle goes on the bill."""
        charges = [*self.recorder.charges]
        self.recorder.charges.clear()
        if charges and len(self.log.attempts) == self._answered:
            self.log.abandoned(charges, strategy=self._strategy)


class Progress:
    """What has been spent and tried so far, while it goes on and after."""

    def __init__(self, running: RunningBill) -> None:
        self._running = running

    @property
    def cost(self) -> Bill:
        """The bill of every call that ended: answered, failed, or left in its middle."""
        return self._running.log.bill()

    @property
    def usage(self) -> Usage:
        """Tokens of every call that ended."""
        return self.cost.usage

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Every call that ended."""
        return tuple(self._running.log.attempts)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was changed in the text before it was sent; known once the iteration begins."""
        return self._running.log.notes


class Live(Progress, Generic[Y]):
    """Iterate over it once. Leaving the loop closes the connection and settles the bill.

    So does ``close()``, and leaving its ``with`` block.
    """

    def __init__(self, steps: Generator[Y, None, None], running: RunningBill) -> None:
        super().__init__(running)
        self._steps = steps

    def __iter__(self) -> Iterator[Y]:
        # A generator that only the loop holds: where the loop is left, it is closed.
        try:
            yield from self._steps
        finally:
            self.close()

    def __next__(self) -> Y:
        return next(self._steps)

    def close(self) -> None:
        """Close the connection, if it is open, and settle the bill."""
        self._steps.close()
        self._running.settle()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class AsyncLive(Progress, Generic[Y]):
    """Iterate over it once. Leaving the loop closes the connection and settles the bill: as
    soon as the event loop runs again, or at once with ``aclose()`` or ``async with``."""

    def __init__(self, steps: AsyncGenerator[Y, None], running: RunningBill) -> None:
        super().__init__(running)
        self._steps = steps

    async def __aiter__(self) -> AsyncIterator[Y]:
        try:
            async for each in self._steps:
                yield each
        finally:
            await self.aclose()

    async def __anext__(self) -> Y:
        return await anext(self._steps)

    async def aclose(self) -> None:
        """Close the connection, if it is open, and settle the bill."""
        await self._steps.aclose()
        self._running.settle()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.aclose()
