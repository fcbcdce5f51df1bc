"""The two runners of flows that read each answer piece by piece, and the iterators over them.

The flow is the same as for ``run``: it asks, and is sent whole Completions. Each piece that comes
in between goes to a listener, and what the listener makes of it is yielded at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, aclosing, closing, contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from prompture.drivers.meter import ChargeRecorder, Meter, metering
from prompture.flows.attempts import AttemptLog
from prompture.flows.run import (
    Ask,
    Flow,
    Generates,
    GeneratesAsync,
    HasModel,
    LaterFlow,
    answered,
    driver_error,
    unfinished,
)
from prompture.money import Bill
from prompture.observe import WorkSpan
from prompture.traces import Attempt
from prompture.types import Completion, Delta, Usage
from prompture.wire.deadline import Moment, after, by, left
from prompture.wire.steps import Done, advance, require_asyncio

T = TypeVar("T")
Y = TypeVar("Y")
Y_co = TypeVar("Y_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)

# So many take 17 ms to parse, measured on rows of three fields.
PIECE_CHARS = 65_536
"""The most that a listener is given at a time where it shares its thread with an event loop."""


class Listener(Protocol[Y_co]):
    """Reads one answer while it comes."""

    def hear(self, delta: Delta) -> Iterable[Y_co]:
        """What is ready with this piece."""
        ...

    def end(self, completion: Completion) -> Iterable[Y_co]:
        """What is ready at the end. An answer that did not stream is an end alone."""
        ...


class Audience(Protocol[Y_co, T_contra]):
    """Gives each answer its listener.

    ``metered`` is entered while a call starts, and left before anything is yielded, so that
    what the caller does in between is not taken for a part of it.
    """

    def listen(self, ask: Ask[HasModel]) -> Listener[Y_co]: ...

    def metered(self) -> AbstractContextManager[None]: ...

    def result(self, value: T_contra) -> Iterable[Y_co]:
        """What is yielded of the flow's own result."""
        ...


def stream(flow: Flow[Generates, T], audience: Audience[Y, T]) -> Generator[Y, None, None]:
    """Run a flow to its end with sync drivers. Closing it closes the connection."""
    with closing(flow):
        step = advance(flow)
        while not isinstance(step, Done):
            reply: Completion | BaseException
            try:
                reply = yield from _heard(step, audience)
            # Not BaseException: an interrupt ends the iteration, and Live.close bills the call.
            except Exception as exc:  # a driver may raise anything
                reply = driver_error(exc, step.driver)
            step = advance(flow, reply)
        yield from audience.result(step.value)


def _heard(ask: Ask[Generates], audience: Audience[Y, Any]) -> Generator[Y, None, Completion]:
    listener = audience.listen(ask)
    if not ask.driver.features.streaming:
        with audience.metered(), ask.calling():
            whole = ask.driver.complete(ask.request)
        yield from listener.end(whole)
        return whole
    # Looked up once, for the loop runs once for each token.
    hear = listener.hear
    piece: Delta | Completion | None
    with closing(ask.driver.stream(ask.request)) as pieces:
        # A call takes its meters and its time limit along when it starts, with the first piece.
        with audience.metered(), ask.calling():
            piece = next(pieces, None)
        while isinstance(piece, Delta):
            yield from hear(piece)
            piece = next(pieces, None)
    if not isinstance(piece, Completion):
        raise unfinished(ask.driver)
    yield from listener.end(piece)
    return piece


async def astream(
    flow: LaterFlow[GeneratesAsync, T], audience: Audience[Y, T]
) -> AsyncGenerator[Y, None]:
    """Run a flow to its end with async drivers. Closing it closes the connection."""
    require_asyncio()
    if not isinstance(flow, Generator):
        flow = await flow()
    with closing(flow):
        step = advance(flow)
        while not isinstance(step, Done):
            listener = audience.listen(step)
            reply: Completion | BaseException | None = None
            try:
                async with aclosing(_pieces(step)) as pieces:
                    with audience.metered(), step.calling():
                        piece = await anext(pieces, None)
                    # Not `async for`: its first step is the one that is metered.
                    following = pieces.__anext__
                    while isinstance(piece, Delta):
                        for part in (piece,) if _is_small(piece) else _cut(piece):
                            for out in listener.hear(part):
                                yield out
                            if part is not piece:
                                # Other tasks run between the parts of a piece that came at once.
                                await asyncio.sleep(0)
                        piece = await following()
                if piece is not None:
                    for out in listener.end(piece):
                        yield out
                reply = piece
            # The driver's stream ended with no Completion.
            except StopAsyncIteration:
                reply = None
            except Exception as exc:  # a driver may raise anything
                reply = driver_error(exc, step.driver)
            step = await answered(flow, reply or unfinished(step.driver))
        for out in audience.result(step.value):
            yield out


def _pieces(ask: Ask[GeneratesAsync]) -> AsyncGenerator[Delta | Completion, None]:
    if not ask.driver.features.streaming:
        return _whole(ask)
    return ask.driver.stream(ask.request)


async def _whole(ask: Ask[GeneratesAsync]) -> AsyncGenerator[Delta | Completion, None]:
    yield await ask.driver.complete(ask.request)


def _is_small(delta: Delta) -> bool:
    return len(delta.text) <= PIECE_CHARS and len(delta.tool_arguments) <= PIECE_CHARS


def _cut(delta: Delta) -> Iterator[Delta]:
    """A large piece as several."""
    text, arguments = delta.text, delta.tool_arguments
    for at in range(0, max(len(text), len(arguments)), PIECE_CHARS):
        part = slice(at, at + PIECE_CHARS)
        yield replace(delta, text=text[part], tool_arguments=arguments[part])


class RunningBill:
    """The log of an extraction, and the charges of the current call, so that they are billed if
    the iterator is closed early."""

    def __init__(
        self, budget: Meter | None, deadline: float | None = None, scope: WorkSpan | None = None
    ) -> None:
        self.scope = scope
        self.log = AttemptLog()
        self.recorder = ChargeRecorder()
        self._budget = budget
        self._deadline = deadline
        self._until: Moment | None = None
        self._answered = 0
        self._strategy = ""
        self.has_given = False
        """Whether something of the present answer is out: no other may take its place, unless it
        came to its end."""

    def open(self, ask: Ask[HasModel]) -> None:
        """A call begins, and with the first one the time for all of them."""
        # Not when the stream was made: the caller may begin to iterate much later.
        self._until = self._until or after(self._deadline)
        self.recorder.charges.clear()
        self.has_given = False
        self._answered = len(self.log.attempts)
        self._strategy = ask.plan.strategy if ask.plan else ""

    def reading(self) -> AbstractContextManager[None]:
        """Files are read before the first call, and the time for all of them begins here."""
        self._until = self._until or after(self._deadline)
        return by(self._until)

    @contextmanager
    def metered(self) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(by(self._until))
            stack.enter_context(metering(self.recorder))
            if self.scope is not None:
                stack.enter_context(self.scope.active())
            if self._budget is not None:
                stack.enter_context(metering(self._budget))
            yield

    def is_over(self) -> bool:
        """Whether there is no time left."""
        return left(self._until) == 0

    def gave(self) -> bool:
        """``has_given``, for those who ask later."""
        return self.has_given

    def settle(self) -> None:
        """Close the bill: the charges of a call that was left in its middle go on it."""
        # A call that ended is in the log already, with these charges.
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
        except KeyboardInterrupt as exc:
            self.close()
            self._running.log.attach_all(exc)
            raise
        finally:
            self.close()

    def __next__(self) -> Y:
        try:
            return next(self._steps)
        except KeyboardInterrupt as exc:
            self.close()
            self._running.log.attach_all(exc)
            raise

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
        except (KeyboardInterrupt, asyncio.CancelledError) as exc:
            await self.aclose()
            self._running.log.attach_all(exc)
            raise
        finally:
            await self.aclose()

    async def __anext__(self) -> Y:
        try:
            return await anext(self._steps)
        except (KeyboardInterrupt, asyncio.CancelledError) as exc:
            await self.aclose()
            self._running.log.attach_all(exc)
            raise

    async def aclose(self) -> None:
        """Close the connection, if it is open, and settle the bill."""
        # First the connection: closing it is what completes the charges of the call.
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
