"""The async runner of an agent's flow; the twin of ``run``."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from prompture.agents.carry import Teller, allowed, watched
from prompture.agents.events import AgentEvent, Final, ToolFinished, ToolStarted
from prompture.agents.jobs import Job, Outcome
from prompture.agents.steps import AgentFlow, AskModel, OutOfTime, RunTools, Tell
from prompture.agents.threads import Busy, start
from prompture.agents.tools import is_async
from prompture.agents.trace import AgentResult, ToolUse
from prompture.types import Completion
from prompture.wire.loops import require_asyncio
from prompture.wire.steps import Done, advance

T = TypeVar("T")
Events: TypeAlias = AsyncGenerator[AgentEvent, None]
GRACE_SECONDS = 1.0
"""How long a task that was cancelled may take to clean up before it is left behind."""


@dataclass(slots=True)
class _Reply:
    """What the flow is sent; an async generator cannot return it."""

    value: Completion | BaseException | None = None


async def aiterate(flow: AgentFlow[AgentResult[T]], *, stream: bool) -> Events:
    """Carry a flow to its end with an async driver; the last event is Final.

    Leaving the iterator, or cancelling its task, cancels the async tools that are running.
    """
    require_asyncio()
    try:
        step = advance(flow)
        while not isinstance(step, Done):
            reply = _Reply()
            if isinstance(step, Tell):
                yield step.event
            else:
                done = (
                    _ask(step, reply, stream=stream)
                    if isinstance(step, AskModel)
                    else _Tools(step).run()
                )
                async with aclosing(_caught(done, reply)) as events:
                    async for event in events:
                        yield event
            step = advance(flow, reply.value)
    finally:
        flow.close()
    yield Final(step.value)


async def _caught(events: AsyncGenerator[AgentEvent, None], reply: _Reply) -> Events:
    """See ``run._caught``."""
    async with aclosing(events):
        try:
            async for event in events:
                yield event
        except GeneratorExit:
            raise
        except BaseException as exc:  # thrown into the flow, which decides on it
            reply.value = exc


async def _ask(step: AskModel, reply: _Reply, *, stream: bool) -> Events:
    teller = Teller(step)
    loop = asyncio.get_running_loop()
    until = None if step.seconds is None else loop.time() + step.seconds
    stream = stream and not step.quiet
    if not stream or not step.driver.features.streaming:
        with watched(step.budget, step.charges):
            completion = await _by(until, step.driver.complete(step.request))
        if stream:
            for event in teller.whole(completion):
                yield event
        reply.value = completion
        return
    pieces = step.driver.stream(step.request)
    try:
        # See ``run._ask``: the meters are asked at the start.
        with watched(step.budget, step.charges):
            piece = await _by(until, anext(pieces))
        while not isinstance(piece, Completion):
            for event in teller.delta(piece):
                yield event
            piece = await _by(until, anext(pieces))
    finally:
        await pieces.aclose()
    for event in teller.end():
        yield event
    reply.value = piece


async def _by(until: float | None, work: Any) -> Any:
    """Await, until a moment of the loop's clock. Raises OutOfTime."""
    clock = asyncio.timeout_at(until)
    try:
        async with clock:
            return await work
    except TimeoutError as exc:
        if clock.expired():
            raise OutOfTime from exc
        raise


@dataclass(slots=True)
class _Running:
    place: int
    started: float
    until: float | None
    busy: Busy


@dataclass(slots=True)
class _Tools:
    """The calls of one answer, side by side in tasks; uses are noted in the order of calls."""

    step: RunTools
    waiting: deque[int] = field(default_factory=deque)
    running: dict[asyncio.Task[Outcome], _Running] = field(default_factory=dict)
    until: float | None = None

    async def run(self) -> Events:
        step = self.step
        if step.seconds is not None:
            self.until = time.monotonic() + step.seconds
        try:
            for place, job in enumerate(step.jobs):
                use = job.settled or await _asked(job)
                if use is None:
                    self.waiting.append(place)
                else:
                    yield ToolStarted(job.call, step.number)
                    yield self._end(place, use)
            while self.waiting or self.running:
                for started in self._begin():
                    yield started
                for ended in await self._collect():
                    yield ended
        finally:
            await _stop(list(self.running))

    def _begin(self) -> list[AgentEvent]:
        events: list[AgentEvent] = []
        while self.waiting and len(self.running) < self.step.parallel:
            place = self.waiting.popleft()
            job = self.step.jobs[place]
            if use := job.stopped(self._left()):
                events += [ToolStarted(job.call, self.step.number), self._end(place, use)]
                continue
            events.append(ToolStarted(job.call, self.step.number))
            self._start(place, job)
        return events

    def _start(self, place: int, job: Job) -> None:
        now = time.monotonic()
        timeout = allowed(job.timeout, self._left())
        busy = Busy(None)
        task = asyncio.create_task(_called(job, self.step, place, busy))
        self.running[task] = _Running(place, now, None if timeout is None else now + timeout, busy)

    async def _collect(self) -> list[AgentEvent]:
        """Wait for one end, or for the first that is overdue."""
        if not self.running:
            return []
        ends = [r.until for r in self.running.values() if r.until is not None]
        wait = max(min(ends) - time.monotonic(), 0.0) if ends else None
        done, _ = await asyncio.wait(
            self.running, timeout=wait, return_when=asyncio.FIRST_COMPLETED
        )
        if not done:
            return await self._give_up()
        events: list[AgentEvent] = []
        for task in sorted(done, key=lambda t: self.running[t].place):
            place = self.running.pop(task).place
            if isinstance(task.result().error, KeyboardInterrupt):
                raise KeyboardInterrupt
            events.append(self._end(place, self.step.jobs[place].settle(task.result())))
        return events

    async def _give_up(self) -> list[AgentEvent]:
        now = time.monotonic()
        late = {t: r for t, r in self.running.items() if r.until is not None and r.until <= now}
        for task in late:
            del self.running[task]
        await _stop(list(late))
        events: list[AgentEvent] = []
        for task, running in late.items():
            job = self.step.jobs[running.place]
            if job.tool is not None and not (task.done() and running.busy.over):
                job.tool.hung.append(running.busy)
            had = (running.until or now) - running.started
            spent = tuple(self.step.charges[running.place])
            outcome = Outcome(late=had, seconds=now - running.started, charges=spent)
            events.append(self._end(running.place, job.settle(outcome)))
        return events

    def _left(self) -> float | None:
        return None if self.until is None else self.until - time.monotonic()

    def _end(self, place: int, use: ToolUse) -> ToolFinished:
        self.step.uses[place] = use
        return ToolFinished(use, self.step.number)


async def _stop(tasks: list[asyncio.Task[Outcome]]) -> None:
    """Cancel tasks and give them a moment to clean up."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=GRACE_SECONDS)


async def _asked(job: Job) -> ToolUse | None:
    """Ask for approval, one call after the other."""
    if job.approve is None:
        return None
    verdict: Any = job.approve(job.call, job.context)
    if inspect.isawaitable(verdict):
        verdict = await verdict
    return job.judged(verdict)


async def _called(job: Job, step: RunTools, place: int, busy: Busy) -> Outcome:
    """Call the function: in this task, or in a thread where it is sync. Raises nothing but a
    cancellation from outside."""
    started = time.perf_counter()
    value: Any = None
    error: BaseException | None = None
    try:
        assert job.tool is not None
        args, named = job.bound()
        function = job.tool.afunction or job.tool.function
        with watched(step.budget, step.charges[place]):
            if is_async(function):
                value = await function(*args, **named)
            else:
                value = await _in_thread(lambda: function(*args, **named), busy)
                if inspect.isawaitable(value):
                    value = await value
    except (KeyboardInterrupt, SystemExit) as exc:
        error = exc
    except asyncio.CancelledError as exc:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        error = exc  # the tool's own
    except BaseException as exc:  # a tool may raise anything; the loop decides on it
        error = exc
    finally:
        if busy.thread is None:
            busy.over = True
    return Outcome(
        value=value,
        error=error,
        seconds=time.perf_counter() - started,
        charges=tuple(step.charges[place]),
    )


async def _in_thread(function: Any, busy: Busy) -> Any:
    """Run in a daemon thread, in this context; asyncio's own pool would hold up the exit."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()
    context = copy_context()

    def deliver(result: tuple[Any, BaseException | None]) -> None:
        if not future.done():
            future.set_result(result)

    def work() -> None:
        result: tuple[Any, BaseException | None]
        try:
            result = (context.run(function), None)
        except BaseException as exc:  # carried over to the waiting task
            result = (None, exc)
        busy.over = True
        try:
            loop.call_soon_threadsafe(deliver, result)
        except RuntimeError:
            return  # the loop has closed; nobody waits any more

    busy.thread = start(work).thread
    value, error = await future
    if error is not None:
        raise error
    return value
