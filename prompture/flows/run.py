"""A flow, and its two runners.

A flow is work that takes model calls, as a generator that asks for them. It is written once and
knows neither colour nor I/O: it yields an ``Ask``, is sent the Completion, and returns its result.
An error of the call is thrown in, where the flow may catch it and go on with another call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar, cast

from prompture.drivers import hooks
from prompture.drivers.routes import with_next
from prompture.drivers.settling import put_on
from prompture.errors import PromptureError, ProtocolError
from prompture.types import LARGE_CHARS, Completion, Delta, JSONValue, Request
from prompture.wire.deadline import check, until
from prompture.wire.steps import Done, advance, require_asyncio

if TYPE_CHECKING:
    from prompture.drivers.provider import Features, Provider

T = TypeVar("T")
GRACE = 0.25
"""Seconds in which an answer is read, as a rule."""


class HasModel(Protocol):
    """What a flow knows of a driver, whatever its colour."""

    @property
    def name(self) -> str:
        """``"provider/model"``."""
        ...

    @property
    def model(self) -> str: ...

    @property
    def provider(self) -> Provider: ...

    @property
    def features(self) -> Features: ...


class Generates(HasModel, Protocol):
    """What a flow asks of a sync driver."""

    def complete(self, request: Request) -> Completion: ...

    def stream(self, request: Request) -> Generator[Delta | Completion, None, None]: ...


class GeneratesAsync(HasModel, Protocol):
    """What a flow asks of an async driver."""

    def complete(self, request: Request) -> Awaitable[Completion]: ...

    def stream(self, request: Request) -> AsyncGenerator[Delta | Completion, None]: ...


D = TypeVar("D", bound=HasModel)
D_co = TypeVar("D_co", bound=HasModel, covariant=True)


@dataclass(frozen=True, slots=True)
class Ask(Generic[D_co]):
    """Call this driver with this request. The driver is of the runner's colour.

    ``part`` says that only parts of an earlier answer are asked for again. ``plan`` is how the
    answer is to be read, for those who read it while it comes. ``has_next`` says that another
    model is asked where this one is down. ``known`` are the items of a list that was cut off: the
    answer goes on behind them.
    """

    driver: D_co
    request: Request
    part: bool = False
    plan: Any = None
    has_next: bool = False
    known: tuple[JSONValue, ...] = ()

    def calling(self) -> AbstractContextManager[None]:
        """A block for the start of the call, which then knows of the other model."""
        return with_next() if self.has_next else _ALONE


_ALONE = nullcontext()
Flow: TypeAlias = Generator[Ask[D], Completion, T]
"""``Flow[Generates, T]`` for sync drivers, ``Flow[GeneratesAsync, T]`` for async ones."""
LaterFlow: TypeAlias = Flow[D, T] | Callable[[], Awaitable[Flow[D, T]]]
"""A flow, or how to get it: files are read in a thread first."""


def run(flow: Flow[Generates, T]) -> T:
    """Run a flow to its end with sync drivers."""
    step = advance(flow)
    while not isinstance(step, Done):
        reply: Completion | BaseException
        try:
            # A driver of somebody else's may know of no deadline.
            if until() is not None:
                check(f"before {step.driver.name} was asked")
            with step.calling():
                reply = step.driver.complete(step.request)
        except BaseException as exc:  # whatever it is, the flow adds its bill
            reply = driver_error(exc, step.driver)
        step = advance(flow, reply)
    return step.value


def driver_error(exc: BaseException, driver: HasModel) -> BaseException:
    """What a driver raised, as an error of ours.

    A driver may be somebody else's and raise anything; its exception is then the cause of a
    ProtocolError, so that another model may be asked. What ends a program (an interrupt, a
    cancelled task), an assertion, and what a hook raised to end the call stay what they are.
    """
    # An assertion is a test's, and without memory no other model helps.
    is_final = not isinstance(exc, Exception) or isinstance(exc, (AssertionError, MemoryError))
    if is_final or isinstance(exc, PromptureError) or _is_of_a_hook(exc.__traceback__):
        return exc
    name = getattr(driver, "name", type(driver).__name__)
    error = ProtocolError(
        f"{name}: the driver raised {type(exc).__name__} (the cause of this error), which no"
        " driver should"
    )
    error.__cause__ = exc
    error.bill = getattr(exc, "bill", None)
    return error


def unfinished(driver: HasModel) -> ProtocolError:
    """The error of a stream without its end."""
    return ProtocolError(f"{driver.name}: its stream ended without a Completion")


def _is_of_a_hook(tb: TracebackType | None) -> bool:
    while tb is not None:
        # A frame below one of the module of hooks is that of a hook which it called.
        if tb.tb_frame.f_globals.get("__name__") == hooks.__name__ and tb.tb_next is not None:
            return True
        tb = tb.tb_next
    return False


async def answered(flow: Flow[D, T], reply: Completion | BaseException) -> Ask[D] | Done[T]:
    """``advance``, away from the event loop where it may take long."""
    # Reading ten megabytes takes half a second, in which no other task would run.
    # Keeping it in a cache's file may wait for the disk.
    if isinstance(reply, Completion) and (
        chars_of(reply) > LARGE_CHARS or (reply.storing is not None and reply.storing.blocks)
    ):
        reading = asyncio.ensure_future(asyncio.to_thread(advance, flow, reply))
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError as exc:
            await billed(flow, reading, exc)
            raise
    return advance(flow, reply)


async def billed(
    flow: Generator[Any, Any, Any], reading: asyncio.Future[Any], exc: BaseException
) -> None:
    """Put the bill onto what cancels a task while a step of a flow is made in a thread, which ends
    soon."""
    reading.add_done_callback(lambda done: done.cancelled() or done.exception())
    await asyncio.wait((reading,), timeout=GRACE)
    if not reading.done():
        return
    try:
        step = reading.result()
        if not isinstance(step, Done):
            flow.throw(exc)  # which adds it and raises the same
        bill = getattr(cast(Any, step).value, "cost", None)
    except BaseException as error:  # the flow's last one, or the one that was thrown in
        bill = getattr(error, "bill", None)
    if bill is not None:
        put_on(exc, bill)


def chars_of(completion: Completion) -> int:
    """How long an answer is."""
    return len(completion.text) + sum(len(call.raw_arguments) for call in completion.tool_calls)


async def arun(flow: Flow[GeneratesAsync, T]) -> T:
    """Run a flow to its end with async drivers."""
    require_asyncio()
    step = advance(flow)
    while not isinstance(step, Done):
        reply: Completion | BaseException
        try:
            if until() is not None:
                check(f"before {step.driver.name} was asked")
            with step.calling():
                reply = await step.driver.complete(step.request)
        # The coroutine is closed: it may await nothing more.
        except GeneratorExit:
            raise
        except BaseException as exc:  # whatever it is, the flow adds its bill
            reply = driver_error(exc, step.driver)
        step = await answered(flow, reply)
    return step.value
