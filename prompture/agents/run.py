"""The sync runner of an agent's flow: it calls the driver, runs the tools, yields the events."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections import deque
from collections.abc import Generator, Iterator
from contextvars import copy_context
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias, TypeVar

from prompture.agents.carry import Teller, allowed, watched
from prompture.agents.events import AgentEvent, Final, ToolFinished, ToolStarted
from prompture.agents.jobs import Job, Outcome
from prompture.agents.steps import AgentFlow, AskModel, OutOfTime, RunTools, Tell
from prompture.agents.threads import Busy, start
from prompture.agents.tools import is_async
from prompture.agents.trace import AgentResult, ToolUse
from prompture.errors import ConfigurationError
from prompture.types import Completion
from prompture.wire.deadline import within
from prompture.wire.steps import Done, advance

T = TypeVar("T")
Events: TypeAlias = Generator[AgentEvent, None, T]


def iterate(flow: AgentFlow[AgentResult[T]], *, stream: bool) -> Iterator[AgentEvent]:
    """Carry a flow to its end with a sync driver; the last event is Final.

    Without ``stream`` the answers come whole. Leaving the iterator ends the flow; tools that are
    running by then end by themselves.
    """
    try:
        step = advance(flow)
        while not isinstance(step, Done):
            reply: Completion | BaseException | None = None
            if isinstance(step, Tell):
                yield step.event
            elif isinstance(step, AskModel):
                reply = yield from _caught(_ask(step, stream=stream))
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
        raise
    except BaseException as exc:  # thrown into the flow, which decides on it
        return exc


def _ask(step: AskModel, *, stream: bool) -> Events[Completion]:
    teller = Teller(step)
    stream = stream and not step.quiet
    if not stream or not step.driver.features.streaming:
        with watched(step.budget, step.charges), within(step.seconds):
            completion: Completion = step.driver.complete(step.request)
        if stream:
            yield from teller.whole(completion)
        return completion
    started = time.monotonic()
    pieces = step.driver.stream(step.request)
    try:
        # A driver asks its meters at the start; between the pieces the caller's code runs, whose
        # own calls are not this run's. The whole stream keeps the end that is set at its start.
        with watched(step.budget, step.charges), within(step.seconds):
            piece = next(pieces)
        while not isinstance(piece, Completion):
            yield from teller.delta(piece)
            if step.seconds is not None and time.monotonic() - started > step.seconds:
                raise OutOfTime
            piece = next(pieces)
    finally:
        pieces.close()
    yield from teller.end()
    return piece


@dataclass(slots=True)
class _Running:
    busy: Busy
    started: float
    until: float | None


@dataclass(slots=True)
class _Tools:
    """The calls of one answer, side by side in threads; uses are noted in the order of calls."""

    step: RunTools
    waiting: deque[int] = field(default_factory=deque)
    running: dict[int, _Running] = field(default_factory=dict)
    done: SimpleQueue[tuple[int, Outcome]] = field(default_factory=SimpleQueue)
    until: float | None = None

    def run(self) -> Events[None]:
        step = self.step
        if step.seconds is not None:
            self.until = time.monotonic() + step.seconds
        for place, job in enumerate(step.jobs):
            use = job.settled or _asked(job)
            if use is None:
                self.waiting.append(place)
            else:
                yield ToolStarted(job.call, step.number)
                yield self._end(place, use)
        while self.waiting or self.running:
            yield from self._begin()
            yield from self._collect()

    def _begin(self) -> Iterator[AgentEvent]:
        while self.waiting and len(self.running) < self.step.parallel:
            place = self.waiting.popleft()
            job = self.step.jobs[place]
            if use := job.stopped(self._left()):
                yield ToolStarted(job.call, self.step.number)
                yield self._end(place, use)
                continue
            yield ToolStarted(job.call, self.step.number)
            self._start(place, job)

    def _start(self, place: int, job: Job) -> None:
        now = time.monotonic()
        timeout = allowed(job.timeout, self._left())
        until = None if timeout is None else now + timeout
        assert job.tool is not None
        inline = self.step.parallel == 1 and timeout is None and not is_async(job.tool.function)
        if inline:
            self.running[place] = _Running(Busy(None), now, None)
            self.done.put((place, _called(job, self.step, place, None)))
            return
        context = copy_context()
        busy = start(
            lambda: self.done.put((place, context.run(_called, job, self.step, place, timeout)))
        )
        self.running[place] = _Running(busy, now, until)

    def _collect(self) -> Iterator[AgentEvent]:
        """Wait for one end, or for the first that is overdue."""
        if not self.running:
            return
        ends = [r.until for r in self.running.values() if r.until is not None]
        wait = max(min(ends) - time.monotonic(), 0.0) if ends else None
        try:
            place, outcome = self.done.get(timeout=wait)
        except Empty:
            yield from self._give_up()
            return
        if place not in self.running:
            return  # it came after it was given up
        del self.running[place]
        if isinstance(outcome.error, KeyboardInterrupt):
            raise outcome.error
        yield self._end(place, self.step.jobs[place].settle(outcome))

    def _give_up(self) -> Iterator[AgentEvent]:
        now = time.monotonic()
        for place, running in list(self.running.items()):
            if running.until is None or running.until > now:
                continue
            del self.running[place]
            job = self.step.jobs[place]
            if job.tool is not None:
                job.tool.hung.append(running.busy)
            late = Outcome(
                late=running.until - running.started,
                seconds=now - running.started,
                charges=tuple(self.step.charges[place]),
            )
            yield self._end(place, job.settle(late))

    def _left(self) -> float | None:
        return None if self.until is None else self.until - time.monotonic()

    def _end(self, place: int, use: ToolUse) -> ToolFinished:
        self.step.uses[place] = use
        return ToolFinished(use, self.step.number)


def _asked(job: Job) -> ToolUse | None:
    """Ask for approval, in the caller's thread, one call after the other."""
    if job.approve is None:
        return None
    verdict: Any = job.approve(job.call, job.context)
    if inspect.isawaitable(verdict):
        if inspect.iscoroutine(verdict):
            verdict.close()
        raise ConfigurationError("approve is a coroutine function: use arun or astream")
    return job.judged(verdict)


def _called(job: Job, step: RunTools, place: int, timeout: float | None) -> Outcome:
    """Call the function; never raises."""
    started = time.perf_counter()
    value: Any = None
    error: BaseException | None = None
    timed_out = False
    try:
        assert job.tool is not None
        args, named = job.bound()
        with watched(step.budget, step.charges[place]):
            value = job.tool.function(*args, **named)
            if inspect.isawaitable(value):
                value, timed_out = asyncio.run(_awaited(value, timeout))
    except BaseException as exc:  # a tool may raise anything; the loop decides on it
        error = exc
    return Outcome(
        value=value,
        error=error,
        late=timeout if timed_out else None,
        seconds=time.perf_counter() - started,
        charges=tuple(step.charges[place]),
    )


async def _awaited(value: Any, timeout: float | None) -> tuple[Any, bool]:
    """What it gives, and whether the time was up first."""
    clock = asyncio.timeout(timeout)
    try:
        async with clock:
            return await value, False
    except TimeoutError:
        if clock.expired():
            return None, True
        raise
