"""The sync runner of an agent's flow: it calls the driver, runs the tools, yields the events."""

from __future__ import annotations

import asyncio
import inspect
import os
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextvars import copy_context
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Generic, TypeAlias, TypeVar

from prompture.agents.events import (
    AgentEvent,
    AgentFlow,
    ApprovalNeeded,
    CallModel,
    EmitEvent,
    EventStream,
    Final,
    OutOfTime,
    RunTools,
    ToolFinished,
    ToolStarted,
)
from prompture.agents.tool_call import Outcome, PendingToolCall
from prompture.agents.tools import BackgroundCall, Later, is_async
from prompture.errors import ConfigurationError, DeadlineExceeded
from prompture.flows.run import Generates, unfinished
from prompture.forks import fork_lock
from prompture.money import Bill
from prompture.traces import AgentResult, ToolUse
from prompture.types import Completion, Delta
from prompture.wire.deadline import after, left, within
from prompture.wire.steps import Done, advance

T = TypeVar("T")
K = TypeVar("K")
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
        with step.calling(), within(step.seconds):
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
        with step.calling(), within(step.seconds):
            piece = next(pieces, None)
        while isinstance(piece, Delta):
            yield from events.of_delta(piece)
            if step.seconds is not None and time.monotonic() - started > step.seconds:
                raise OutOfTime
            piece = next(pieces, None)
    finally:
        pieces.close()
    if not isinstance(piece, Completion):
        raise unfinished(step.driver)
    yield from events.end()
    return piece


@dataclass(slots=True)
class RunningCall:
    """A tool call under way. ``started`` and ``until`` are moments of ``time.monotonic``;
    ``until`` is None where it has no time limit."""

    position: int
    started: float
    until: float | None
    background: BackgroundCall


@dataclass(slots=True)
class ToolQueue(Generic[K]):
    """The calls of one answer: which wait, which run, and the time limits of both.

    ``running`` are keyed by whatever a runner waits for. Each runner has a
    subclass, which starts the calls and waits for the running ones.
    """

    effect: RunTools
    waiting: deque[int] = field(default_factory=deque)
    running: dict[K, RunningCall] = field(default_factory=dict)
    until: float | None = None

    @abstractmethod
    def start(self, position: int, call: PendingToolCall) -> None:
        """Start a call and add it to ``running``."""

    def begin_clock(self) -> None:
        """From now on the seconds count that the run has left."""
        self.until = after(self.effect.seconds)

    def start_waiting(self) -> Iterator[AgentEvent]:
        """Start as many of the waiting calls as may run side by side."""
        while self.waiting and len(self.running) < self.effect.parallel:
            position = self.waiting.popleft()
            call = self.effect.calls[position]
            use = call.unless_startable(left(self.until))
            yield ToolStarted(call.call, self.effect.number)
            if use is not None:
                yield self.finish(position, use)
            else:
                self.start(position, call)

    def call_limits(self, call: PendingToolCall) -> tuple[float, float | None, float | None]:
        """Now, the seconds that a call may take (its own limit and what the run has left), and
        the moment when they are over. None: no limit."""
        now, rest, timeout = time.monotonic(), left(self.until), call.timeout
        if rest is not None:
            timeout = rest if timeout is None else min(timeout, rest)
        return now, timeout, None if timeout is None else now + timeout

    def seconds_to_wait(self) -> float | None:
        """Seconds until the first running call is overdue; None: no call has a limit."""
        return left(min((r.until for r in self.running.values() if r.until), default=None))

    def take_overdue(self, now: float) -> dict[K, RunningCall]:
        """Remove the calls whose time is over from ``running``, and return them."""
        late = {k: r for k, r in self.running.items() if r.until is not None and r.until <= now}
        # At once: a result that comes after its time finds no place, and the call has one result.
        for key, running in late.items():
            del self.running[key]
            self.effect.timed_out(running.position)
        return late

    def time_out(self, running: RunningCall, now: float, *, hangs: bool) -> ToolFinished:
        """End an overdue call. ``hangs``: its function has not returned yet."""
        position = running.position
        call = self.effect.calls[position]
        if hangs and call.tool is not None:
            call.tool.hung.append(running.background)
        outcome = Outcome(
            timed_out_after=(running.until or 0.0) - running.started,
            seconds=now - running.started,
            charges=tuple(self.effect.charges[position]),
        )
        return self.finish(position, call.result_of(outcome))

    def defer(self, position: int) -> ApprovalNeeded:
        """Leave a call until it is approved, and make the event of that."""
        self.effect.deferred.append(position)
        call = self.effect.calls[position]
        return ApprovalNeeded(call.shown(), self.effect.number, call.id)

    def interrupt(self, position: int) -> Iterator[ToolFinished]:
        """End the calls that run or would, where the tool of one was interrupted (Ctrl-C)."""
        for each in sorted({position, *(r.position for r in self.running.values())}):
            call = self.effect.calls[each]
            bill = Bill(tuple(self.effect.charges[each]))
            yield self.finish(each, call.result("cancelled", "The call was cancelled.", bill=bill))

    def finish(self, position: int, use: ToolUse) -> ToolFinished:
        """Note the result of a call, and make the event of it."""
        self.effect.uses[position] = use
        return ToolFinished(use, self.effect.number)


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
            if self.running:
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
    try:
        assert call.tool is not None
        args, named = call.bind()
        with (
            effect.calling(position),
            # The models that it asks have no more time than it has.
            within(timeout),
            effect.tracing(position) as note,
        ):
            value = call.tool.function(*args, **named)
            if inspect.isawaitable(value):
                value = asyncio.run(_await(value, timeout))
            note(value)
    except BaseException as exc:  # a tool may raise anything; the flow decides on it
        error = exc
    return outcome_of(effect, position, value, error, started=started, timeout=timeout)


def outcome_of(
    effect: RunTools,
    position: int,
    value: object,
    error: BaseException | None,
    *,
    started: float,
    timeout: float | None,
) -> Outcome:
    """What a call gave, which began at ``started`` (``time.perf_counter``)."""
    # Where a model that the tool asked had no more of the tool's time, the tool has none.
    is_late = isinstance(error, DeadlineExceeded) and error.deadline == timeout
    return Outcome(
        value=value,
        error=None if is_late else error,
        timed_out_after=timeout if is_late else None,
        seconds=time.perf_counter() - started,
        charges=tuple(effect.charges[position]),
    )


async def _await(value: Awaitable[object], timeout: float | None) -> object:
    """The result. A TimeoutError of the tool's own is raised as it is: it is no timeout of ours."""
    clock = asyncio.timeout(timeout)
    try:
        async with clock:
            return await value
    except TimeoutError as exc:
        if clock.expired():
            raise DeadlineExceeded("the tool's time is over", deadline=timeout or 0.0) from exc
        raise


# Daemon threads for the calls of sync tools.

Work: TypeAlias = Callable[[], None]
MAX_IDLE = 16
"""Idle threads that wait for the next call; further ones end when their work is done."""

_idle: list[_Worker] = []
_lock = fork_lock()  # held while _idle is read or changed, never while work is done


class _Worker:
    # A daemon, and none of a ThreadPoolExecutor's: at exit Python joins those, so that a tool that
    # hangs would keep the program from ending.
    def __init__(self) -> None:
        # One queue for each thread: whoever took a thread out of _idle is the only one to use it.
        self._work: SimpleQueue[Work] = SimpleQueue()
        self.thread = Thread(target=self._serve, name="prompture-tool", daemon=True)
        self.thread.start()

    def do(self, work: Work) -> None:
        self._work.put(work)

    def _serve(self) -> None:
        while True:
            work = self._work.get()
            work()
            del work  # an idle thread must not keep a tool's arguments alive
            with _lock:
                if len(_idle) >= MAX_IDLE:
                    return
                _idle.append(self)


def start_in_thread(work: Work) -> BackgroundCall:
    """Run ``work``, which must not raise, in a daemon thread. Call it from any thread."""
    with _lock:
        worker = _idle.pop() if _idle else None
    worker = worker or _Worker()
    call = BackgroundCall(worker.thread)

    def run() -> None:
        try:
            work()
        finally:
            # Also for a call that nobody waits for: calls that hang are counted by this.
            call.is_over = True

    worker.do(run)
    return call


def _forget_threads() -> None:
    """A forked child has none of these threads."""
    _idle.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)
