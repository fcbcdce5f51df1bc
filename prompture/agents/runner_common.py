"""What the sync and the async runner of an agent's flow share.

Recording of charges, events of a streamed answer, the calls of one answer that wait and run, and
the daemon threads in which sync tools run.
"""

from __future__ import annotations

import os
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Generic, TypeAlias, TypeVar

from prompture import observe
from prompture.agents.asks import CallModel, RunTools
from prompture.agents.events import (
    AgentEvent,
    ApprovalNeeded,
    ReasoningDelta,
    TextDelta,
    ToolFinished,
    ToolStarted,
)
from prompture.agents.run_record import ToolUse
from prompture.agents.tool_call import Outcome, PendingToolCall
from prompture.agents.tools import BackgroundCall
from prompture.codecs.prompted_calls import CallScanner
from prompture.drivers import meter
from prompture.drivers.routes import with_next
from prompture.errors import DeadlineExceeded
from prompture.flows.run import HasModel
from prompture.money import Bill, Charge
from prompture.types import Completion, Delta

K = TypeVar("K")


@contextmanager
def record_charges(
    budget: meter.Meter | None, charges: list[Charge], scope: observe.WorkSpan | None
) -> Iterator[None]:
    """Append the charges of the calls made inside the block, and let the budget watch them.
    ``scope`` is the span that theirs are children of."""
    recorder = meter.ChargeRecorder(charges)
    if scope is not None:
        with scope.active(), record_charges(budget, charges, None):
            yield
        return
    if budget is None or budget in meter.active():
        # A budget that is active already must not count these calls twice.
        with meter.metering(recorder):
            yield
        return
    with meter.metering(budget), meter.metering(recorder):
        yield


@contextmanager
def calling(call: CallModel[HasModel]) -> Iterator[None]:
    """A block for a call of the model, or for the start of a stream."""
    with record_charges(call.budget, call.charges, call.scope):
        if not call.has_next:
            yield
            return
        # A route that is down or silent is then not tried again before the next model has been.
        with with_next():
            yield


def tool_span(call: PendingToolCall) -> AbstractContextManager[Callable[[object], None]]:
    """The span of a tool call, where traces are on; the block is given what notes the result."""
    tracing = observe.current
    if tracing is None:
        return nullcontext(lambda _: None)
    return tracing.tool(call.call, call.arguments_text, call.result_text)


class EventStream:
    """Makes events of a streamed answer. Tool calls that are written as text are left out."""

    def __init__(self, call: CallModel[HasModel]) -> None:
        self._number = call.number
        self._step = call.step
        self._scanner = CallScanner() if call.calls_in_text else None

    def of_delta(self, delta: Delta) -> Iterator[AgentEvent]:
        if delta.reasoning:
            self._note_shown()
            yield ReasoningDelta(delta.reasoning, self._number)
        if not delta.text:
            return
        if self._scanner is None:
            self._note_shown()
            yield TextDelta(delta.text, self._number)
            return
        yield from self._text_of(self._scanner.feed(delta.text))

    def of_whole(self, completion: Completion) -> Iterator[AgentEvent]:
        """The events of an answer that came in one piece."""
        yield from self.of_delta(Delta(text=completion.text, reasoning=completion.reasoning))
        yield from self.end()

    def end(self) -> Iterator[AgentEvent]:
        """The rest of the text, which was held back because it might have become a call."""
        if self._scanner is not None:
            yield from self._text_of(self._scanner.close())

    def _text_of(self, pieces: Sequence[object]) -> Iterator[AgentEvent]:
        for piece in pieces:
            if isinstance(piece, str):
                self._note_shown()
                yield TextDelta(piece, self._number)

    def _note_shown(self) -> None:
        # From now on no other model may begin the answer anew.
        if self._step is not None:
            self._step.shown = True


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
        if self.effect.seconds is not None:
            self.until = time.monotonic() + self.effect.seconds

    def start_waiting(self) -> Iterator[AgentEvent]:
        """Start as many of the waiting calls as may run side by side."""
        while self.waiting and len(self.running) < self.effect.parallel:
            position = self.waiting.popleft()
            call = self.effect.calls[position]
            use = call.unless_startable(self._seconds_left())
            yield ToolStarted(call.call, self.effect.number)
            if use is not None:
                yield self.finish(position, use)
            else:
                self.start(position, call)

    def call_limits(self, call: PendingToolCall) -> tuple[float, float | None, float | None]:
        """Now, the seconds that a call may take (its own limit and what the run has left), and
        the moment when they are over. None: no limit."""
        now, left, timeout = time.monotonic(), self._seconds_left(), call.timeout
        if left is not None:
            timeout = max(left if timeout is None else min(timeout, left), 0.0)
        return now, timeout, None if timeout is None else now + timeout

    def seconds_to_wait(self) -> float | None:
        """Seconds until the first running call is overdue; None: no call has a limit."""
        moments = [r.until for r in self.running.values() if r.until is not None]
        return max(min(moments) - time.monotonic(), 0.0) if moments else None

    def take_overdue(self, now: float) -> dict[K, RunningCall]:
        """Remove the calls whose time is over from ``running``, and return them."""
        late = {k: r for k, r in self.running.items() if r.until is not None and r.until <= now}
        # At once: a result that comes after its time finds no place, and the call has one result.
        for key in late:
            del self.running[key]
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

    def _seconds_left(self) -> float | None:
        return None if self.until is None else self.until - time.monotonic()


Work: TypeAlias = Callable[[], None]
MAX_IDLE = 16
"""Idle threads that wait for the next call; further ones end when their work is done."""

_idle: list[_Worker] = []
_lock = Lock()  # held while _idle is read or changed, never while work is done


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
    """A forked child has none of these threads, and may have inherited a taken lock."""
    global _lock
    _lock = Lock()
    _idle.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)


def is_of_the_tools_time(error: BaseException, timeout: float | None) -> bool:
    """Whether a tool failed because a model that it asked had no more of the tool's time."""
    return isinstance(error, DeadlineExceeded) and error.deadline == timeout
