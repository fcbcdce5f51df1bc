"""The async runner of an agent's flow; the twin of ``sync_runner``."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from contextvars import copy_context
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from prompture.agents.events import (
    AgentEvent,
    AgentFlow,
    CallModel,
    EmitEvent,
    EventStream,
    Final,
    OutOfTime,
    RunTools,
    ToolStarted,
)
from prompture.agents.sync_runner import (
    RunningCall,
    ToolQueue,
    outcome_of,
    start_in_thread,
)
from prompture.agents.tool_call import Outcome, PendingToolCall
from prompture.agents.tools import BackgroundCall, Later, is_async
from prompture.flows.run import GeneratesAsync, unfinished
from prompture.traces import AgentResult, ToolUse
from prompture.types import Completion, Delta
from prompture.wire.deadline import within
from prompture.wire.steps import Done, advance, require_asyncio

T = TypeVar("T")
Events: TypeAlias = AsyncGenerator[AgentEvent, None]
GRACE_SECONDS = 1.0
"""How long a task that was cancelled may take to clean up before it is left behind."""


@dataclass(slots=True)
class _Reply:
    """What the flow is sent; an async generator cannot return it."""

    value: Completion | BaseException | None = None


async def arun_flow(flow: AgentFlow[GeneratesAsync, AgentResult[T]]) -> AgentResult[T]:
    """Run a flow whose events nobody reads."""
    last: AgentEvent | None = None
    async for event in aiterate(flow, stream=False):
        last = event
    assert isinstance(last, Final)
    return last.result


async def aiterate(flow: AgentFlow[GeneratesAsync, AgentResult[T]], *, stream: bool) -> Events:
    """Run a flow to its end with an async driver; the last event is Final.

    Closing the iterator, or cancelling its task, cancels the async tools that are running.
    """
    require_asyncio()
    try:
        step = advance(flow)
        while not isinstance(step, Done):
            reply = _Reply()
            if isinstance(step, EmitEvent):
                yield step.event
            else:
                work = (
                    _call_model(step, reply, stream=stream)
                    if isinstance(step, CallModel)
                    else _Tools(step).run()
                )
                # An async generator that is only dropped is closed by the event loop, later and
                # in another task: tools would run on after the caller has left.
                async with aclosing(_caught(work, reply)) as events:
                    async for event in events:
                        yield event
            step = advance(flow, reply.value)
    finally:
        flow.close()
    yield Final(step.value)


async def _caught(events: AsyncGenerator[AgentEvent, None], reply: _Reply) -> Events:
    """See ``sync_runner._caught``."""
    async with aclosing(events):
        try:
            async for event in events:
                yield event
        except GeneratorExit:
            raise
        except BaseException as exc:
            # A CancelledError, too, is thrown into the flow: it puts the trace onto it and raises
            # it again, so that the task ends as cancelled all the same.
            reply.value = exc


async def _call_model(step: CallModel[GeneratesAsync], reply: _Reply, *, stream: bool) -> Events:
    events = EventStream(step)
    loop = asyncio.get_running_loop()
    until = None if step.seconds is None else loop.time() + step.seconds
    stream = stream and not step.quiet
    if not stream or not step.driver.features.streaming:
        with step.calling(), within(step.seconds):
            completion = await _until(until, step.driver.complete(step.request))
        if stream:
            for event in events.of_whole(completion):
                yield event
        reply.value = completion
        return
    pieces = step.driver.stream(step.request)
    try:
        # See ``sync_runner._call_model``: the meters are asked at the start.
        with step.calling(), within(step.seconds):
            piece = await _until(until, anext(pieces, None))
        while isinstance(piece, Delta):
            for event in events.of_delta(piece):
                yield event
            piece = await _until(until, anext(pieces, None))
    finally:
        await pieces.aclose()
    if not isinstance(piece, Completion):
        raise unfinished(step.driver)
    for event in events.end():
        yield event
    reply.value = piece


async def _until(moment: float | None, work: Awaitable[T]) -> T:
    """Await, until a moment of the loop's clock. Raises OutOfTime."""
    clock = asyncio.timeout_at(moment)
    try:
        async with clock:
            return await work
    except TimeoutError as exc:
        # asyncio.timeout cancels the task and turns that cancellation into TimeoutError. One that
        # the work raised itself, before the clock ran out, stays what it is.
        if clock.expired():
            raise OutOfTime from exc
        raise


@dataclass(slots=True)
class _Tools(ToolQueue["asyncio.Task[Outcome]"]):
    """The calls of one answer, side by side in tasks. ``running`` are keyed by task."""

    is_interrupted: bool = False

    async def run(self) -> Events:
        self.begin_clock()
        try:
            for position, call in enumerate(self.effect.calls):
                use = call.settled or await _approval(call)
                if use is None:
                    self.waiting.append(position)
                elif isinstance(use, Later):
                    yield self.defer(position)
                else:
                    yield ToolStarted(call.call, self.effect.number)
                    yield self.finish(position, use)
            while self.waiting or self.running:
                # All are started before the first event is yielded: the caller may take its time
                # with each.
                for event in list(self.start_waiting()):
                    yield event
                for event in await self._collect():
                    yield event
                if self.is_interrupted:
                    raise KeyboardInterrupt
        finally:
            # However the run ends (the caller leaves, its task is cancelled, a tool is interrupted)
            # no tool goes on in the background.
            await _stop(list(self.running))

    def start(self, position: int, call: PendingToolCall) -> None:
        # No timeout around the task: the queue watches ``until``, and cancels it.
        now, timeout, until = self.call_limits(call)
        background = BackgroundCall(None)
        task = asyncio.create_task(_call_tool(call, self.effect, position, timeout, background))
        self.running[task] = RunningCall(position, now, until, background)

    async def _collect(self) -> list[AgentEvent]:
        """Wait for one result or more, or until the first call is overdue."""
        if not self.running:
            return []
        # Not asyncio.timeout around the task: asyncio.wait leaves it running, so that it can be
        # cancelled and given its moment to clean up.
        done, _ = await asyncio.wait(
            self.running, timeout=self.seconds_to_wait(), return_when=asyncio.FIRST_COMPLETED
        )
        if not done:
            return await self._time_out_overdue()
        events: list[AgentEvent] = []
        # asyncio.wait gives a set: without the order of the calls, runs would differ by chance.
        for task in sorted(done, key=lambda t: self.running[t].position):
            position = self.running.pop(task).position
            outcome = task.result()
            if isinstance(outcome.error, KeyboardInterrupt):
                # Raised in run(), after the events of what has ended by now.
                self.is_interrupted = True
                events += self.interrupt(position)
                return events
            use = self.effect.calls[position].result_of(outcome)
            events.append(self.finish(position, use))
        return events

    async def _time_out_overdue(self) -> list[AgentEvent]:
        now = time.monotonic()
        late = self.take_overdue(now)
        await _stop(list(late))
        return [
            # A cancelled task is done at once, but the thread of a sync tool goes on.
            self.time_out(running, now, hangs=not (task.done() and running.background.is_over))
            for task, running in late.items()
        ]


async def _stop(tasks: list[asyncio.Task[Outcome]]) -> None:
    """Cancel tasks and give them a moment to clean up.

    Not for longer: a tool that swallows its cancellation must not hold up the run, nor a caller
    that is itself being cancelled.
    """
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=GRACE_SECONDS)


async def _approval(call: PendingToolCall) -> ToolUse | Later | None:
    """Ask for approval, one call after the other."""
    if call.approve is None or isinstance(call.approve, Later):
        return call.approve
    verdict: object = call.approve(call.call, call.context)
    if inspect.isawaitable(verdict):
        verdict = await verdict
    return call.unless_approved(verdict)


async def _call_tool(
    call: PendingToolCall,
    effect: RunTools,
    position: int,
    timeout: float | None,
    background: BackgroundCall,
) -> Outcome:
    """Call the function: in this task, or in a thread where it is sync. Raises nothing but a
    cancellation from outside."""
    started = time.perf_counter()
    value: object = None
    error: BaseException | None = None
    try:
        assert call.tool is not None
        args, named = call.bind()
        function = call.tool.afunction or call.tool.function
        with (
            effect.calling(position),
            # The models that it asks have no more time than it has.
            within(timeout),
            effect.tracing(position) as note,
        ):
            if is_async(function):
                value = await function(*args, **named)
            else:
                value = await _in_thread(lambda: function(*args, **named), background)
                if inspect.isawaitable(value):
                    value = await value
            note(value)
    except (KeyboardInterrupt, SystemExit) as exc:
        # Kept in the outcome: asyncio lets these two out of a task straight into the event loop,
        # and the run would end without its trace.
        error = exc
    except asyncio.CancelledError as exc:
        # ``cancelling()`` counts the requests to cancel this task. At 0 nobody asked: the tool
        # raised the error itself (it awaited something that was cancelled), which is a failure
        # of the tool and must not look like the end of the run.
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        error = exc
    except BaseException as exc:  # a tool may raise anything; the flow decides on it
        error = exc
    finally:
        if background.thread is None:
            background.is_over = True
    return outcome_of(effect, position, value, error, started=started, timeout=timeout)


async def _in_thread(function: Callable[[], object], background: BackgroundCall) -> object:
    """Run in a daemon thread, in this context. Not in asyncio's own pool, which would hold up the
    exit for a tool that hangs."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[tuple[object, BaseException | None]] = loop.create_future()
    context = copy_context()

    def deliver(result: tuple[object, BaseException | None]) -> None:
        if not future.done():  # a cancelled task has cancelled it, and the thread went on
            future.set_result(result)

    def work() -> None:
        result: tuple[object, BaseException | None]
        try:
            result = (context.run(function), None)
        except BaseException as exc:  # brought to the waiting task, and raised there
            # As a value: a StopIteration cannot be set on a future.
            result = (None, exc)
        background.is_over = True
        try:
            loop.call_soon_threadsafe(deliver, result)
        except RuntimeError:
            return  # the loop has closed; nobody waits any more

    background.thread = start_in_thread(work).thread
    value, error = await future
    if error is not None:
        raise error
    return value
