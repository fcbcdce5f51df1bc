"""The sync runner of an agent's flow: it calls the driver, runs the tools, yields the events."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Generator, Iterator
from contextvars import copy_context
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TypeAlias, TypeVar

from prompture.agents.asks import AgentFlow, CallModel, EmitEvent, OutOfTime, RunTools
from prompture.agents.events import AgentEvent, Final, ToolStarted
from prompture.agents.run_record import AgentResult, ToolUse
from prompture.agents.runner_common import (
    EventStream,
    RunningCall,
    ToolQueue,
    calling,
    is_of_the_tools_time,
    record_charges,
    start_in_thread,
    tool_span,
)
from prompture.agents.tool_call import Outcome, PendingToolCall
from prompture.agents.tools import BackgroundCall, Later, is_async
from prompture.errors import ConfigurationError
from prompture.flows.run import Generates
from prompture.types import Completion
from prompture.wire.deadline import within
from prompture.wire.steps import Done, advance

T = TypeVar("T")
Events: TypeAlias = Generator[AgentEvent, None, T]


def run_flow(flow: AgentFlow[Generates, AgentResult[T]]) -> AgentResult[T]:
    """Run a flow whose events nobody reads."""
    *_, last = iterate(flow, stream=False)
    assert isinstance(last, Final)
    return last.result


def iterate(flow: AgentFlow[Generates, AgentResult[T]], *, stream: bool) -> Iterator[AgentEvent]:
    """Run a flow to its end with a sync driver; the last event is Final.

    Without ``stream`` the answers come whole. Closing the iterator ends the flow; tools that are
    running by then end by themselves, for a thread cannot be stopped.
    """
    try:
        step = advance(flow)
        while not isinstance(step, Done):
            reply: Completion | BaseException | None = None
            if isinstance(step, EmitEvent):
                yield step.event
            elif isinstance(step, CallModel):
                reply = yield from _caught(_call_model(step, stream=stream))
            else:
                reply = yield from _caught(_Tools(step).run())
            step = advance(flow, reply)
    finally:
        flow.close()
    yield Final(step.value)


def _caught(events: Events[T]) -> Events[T | BaseException]:
    """What the flow is sent: a result, or what was raised, so that the trace has it."""
    try:
        return (yield from events)
    except GeneratorExit:
        raise  # the caller closed the iterator: there is no flow to go on with
    except BaseException as exc:  # thrown into the flow, which decides on it
        return exc


def _call_model(step: CallModel[Generates], *, stream: bool) -> Events[Completion]:
    events = EventStream(step)
    stream = stream and not step.quiet
    if not stream or not step.driver.features.streaming:
        with calling(step), within(step.seconds):
            completion: Completion = step.driver.complete(step.request)
        if stream:
            yield from events.of_whole(completion)
        return completion
    started = time.monotonic()
    pieces = step.driver.stream(step.request)
    try:
        # A driver asks its meters at the start. Between the pieces the caller's code runs, whose
        # own calls are not this run's: so only the first piece is taken inside the block. The
        # deadline that is set there holds for the whole stream.
        with calling(step), within(step.seconds):
            piece = next(pieces)
        while not isinstance(piece, Completion):
            yield from events.of_delta(piece)
            if step.seconds is not None and time.monotonic() - started > step.seconds:
                raise OutOfTime
            piece = next(pieces)
    finally:
        pieces.close()
    yield from events.end()
    return piece


@dataclass(slots=True)
class _Tools(ToolQueue[int]):
    """The calls of one answer, side by side in threads. ``running`` are keyed by position."""

    # Threads only put into it. The run's own thread reads it and alone changes ``running``, so no
    # lock is needed.
    done: SimpleQueue[tuple[int, Outcome]] = field(default_factory=SimpleQueue)

    def run(self) -> Events[None]:
        self.begin_clock()
        for position, call in enumerate(self.effect.calls):
            use = call.settled or _approval(call)
            if use is None:
                self.waiting.append(position)
            elif isinstance(use, Later):
                yield self.defer(position)
            else:
                yield ToolStarted(call.call, self.effect.number)
                yield self.finish(position, use)
        while self.waiting or self.running:
            yield from self.start_waiting()
            yield from self._collect()

    def start(self, position: int, call: PendingToolCall) -> None:
        now, timeout, until = self.call_limits(call)
        assert call.tool is not None
        if self.effect.parallel == 1 and timeout is None and not is_async(call.tool.function):
            # In the caller's thread, as documented: for tools with thread-bound objects.
            self.running[position] = RunningCall(position, now, None, BackgroundCall(None))
            self.done.put((position, _call_tool(call, self.effect, position, None)))
            return
        # Meters, the deadline and the caller's own context variables reach the tool's thread.
        context = copy_context()
        background = start_in_thread(
            lambda: self.done.put(
                (position, context.run(_call_tool, call, self.effect, position, timeout))
            )
        )
        self.running[position] = RunningCall(position, now, until, background)

    def _collect(self) -> Iterator[AgentEvent]:
        """Wait for one result, or until the first call is overdue."""
        if not self.running:
            return
        try:
            position, outcome = self.done.get(timeout=self.seconds_to_wait())
        except Empty:
            now = time.monotonic()
            for late in self.take_overdue(now).values():
                yield self.time_out(late, now, hangs=True)
            return
        if position not in self.running:
            return  # it came after its time was over
        del self.running[position]
        # Ctrl-C ends the run; it is no failure that the model should hear of.
        if isinstance(outcome.error, KeyboardInterrupt):
            yield from self.interrupt(position)
            raise outcome.error
        yield self.finish(position, self.effect.calls[position].result_of(outcome))


def _approval(call: PendingToolCall) -> ToolUse | Later | None:
    """Ask for approval, in the caller's thread, one call after the other."""
    if call.approve is None or isinstance(call.approve, Later):
        return call.approve
    verdict: object = call.approve(call.call, call.context)
    if inspect.isawaitable(verdict):
        if inspect.iscoroutine(verdict):
            verdict.close()  # else Python warns that it was never awaited
        raise ConfigurationError("approve is a coroutine function: use arun or astream")
    return call.unless_approved(verdict)


def _call_tool(
    call: PendingToolCall, effect: RunTools, position: int, timeout: float | None
) -> Outcome:
    """Call the function; never raises."""
    started = time.perf_counter()
    value: object = None
    error: BaseException | None = None
    timed_out = False
    try:
        assert call.tool is not None
        args, named = call.bind()
        charges = effect.charges[position]
        with (
            record_charges(effect.budget, charges, effect.scope),
            # The models that it asks have no more time than it has.
            within(timeout),
            tool_span(call) as note,
        ):
            value = call.tool.function(*args, **named)
            if inspect.isawaitable(value):
                value, timed_out = asyncio.run(_await(value, timeout))
            note(value)
    except BaseException as exc:  # a tool may raise anything; the flow decides on it
        error = exc
        timed_out = is_of_the_tools_time(exc, timeout)
    return Outcome(
        value=value,
        error=None if timed_out else error,
        timed_out_after=timeout if timed_out else None,
        seconds=time.perf_counter() - started,
        charges=tuple(effect.charges[position]),
    )


async def _await(value: Awaitable[object], timeout: float | None) -> tuple[object, bool]:
    """Return the result, and whether the time was over first. A TimeoutError of the tool's own is
    raised: it is no timeout of ours."""
    clock = asyncio.timeout(timeout)
    try:
        async with clock:
            return await value, False
    except TimeoutError:
        if clock.expired():
            return None, True
        raise
