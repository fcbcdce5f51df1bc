"""What a run gives while it goes on: events to its caller, and to its runner the work to be done.

``Agent.stream`` yields the events in the order in which they happen; the last is ``Final``. The
loop of an agent yields ``CallModel``, ``RunTools`` and ``EmitEvent``, which a runner serves.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from prompture import observe
from prompture.agents.run_record import OpenStep
from prompture.agents.tool_call import PendingToolCall
from prompture.codecs.prompted_calls import CallScanner
from prompture.drivers.meter import ChargeRecorder, Meter, active, metering
from prompture.drivers.routes import with_next
from prompture.flows.run import D, D_co, HasModel
from prompture.money import Charge
from prompture.observe import ToolSpan, Tracing, WorkSpan
from prompture.traces import AgentResult, Attempt, Step, ToolUse
from prompture.types import Completion, Delta, Request, ToolCall

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the model's text. With ``output=`` it may be a piece of JSON."""

    text: str
    step: int


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of what the model thinks aloud."""

    text: str
    step: int


@dataclass(frozen=True, slots=True)
class ModelFallback:
    """A model failed before it showed anything, and the run goes on with another (``to``).

    ``attempt`` is the failed one; ``step.attempts`` has it, too.
    """

    attempt: Attempt
    to: str
    step: int


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """A call is being run, or would be: those that are denied, invalid or of no known tool start
    and finish, too. One that waits for approval starts when the run is resumed."""

    call: ToolCall
    step: int


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A call has ended, well or not: exactly one for each ToolStarted, unless the caller leaves.
    Those of one step come in the order in which they end."""

    use: ToolUse
    step: int


@dataclass(frozen=True, slots=True)
class ApprovalNeeded:
    """A call waits for approval; when the others of its step have ended, so does the run, with
    WaitingForApproval. ``id`` is the key of the call in ``approvals=`` of ``Agent.resume``."""

    call: ToolCall
    step: int
    id: str


@dataclass(frozen=True, slots=True)
class StepFinished:
    """The model has answered and its tool calls have ended."""

    step: Step


@dataclass(frozen=True, slots=True)
class Final(Generic[T]):
    """The run is over."""

    result: AgentResult[T]


AgentEvent: TypeAlias = (
    TextDelta
    | ReasoningDelta
    | ModelFallback
    | ToolStarted
    | ToolFinished
    | ApprovalNeeded
    | StepFinished
    | Final[Any]
)


# What the loop asks of its runner.


@contextmanager
def record_charges(
    budget: Meter | None, charges: list[Charge], scope: WorkSpan | None
) -> Iterator[None]:
    """Append the charges of the calls made inside the block, and let the budget watch them.
    ``scope`` is the span that theirs are children of."""
    recorder = ChargeRecorder(charges)
    if scope is not None:
        with scope.active(), record_charges(budget, charges, None):
            yield
        return
    if budget is None or budget in active():
        # A budget that is active already must not count these calls twice.
        with metering(recorder):
            yield
        return
    with metering(budget), metering(recorder):
        yield


class OutOfTime(Exception):
    """Thrown into the flow where a step took longer than the run had left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallModel(Generic[D_co]):
    """Call the driver, which is of the runner's kind (sync or async). The flow is sent the Completion, or thrown what the call raised.

    The runner appends every charge to ``charges``. ``budget`` watches the call. ``calls_in_text``:
    the answer's text may hold tool calls, which are not shown as text. ``seconds`` are left of the
    run. A ``quiet`` call makes no events. The runner notes on ``step`` when it has
    shown some of the answer. ``has_next`` says that another model is asked where this one is down.
    """

    driver: D_co
    request: Request
    number: int
    charges: list[Charge]
    budget: Meter | None = None
    calls_in_text: bool = False
    seconds: float | None = None
    quiet: bool = False
    scope: WorkSpan | None = None
    step: OpenStep | None = None
    has_next: bool = False

    @contextmanager
    def calling(self) -> Iterator[None]:
        """A block for the call, or for the start of its stream."""
        with record_charges(self.budget, self.charges, self.scope):
            if not self.has_next:
                yield
                return
            # A route that is down or silent is then not tried again before the next model has been.
            with with_next():
                yield


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTools:
    """Run the calls side by side, at most ``parallel`` at a time. The flow is sent None.

    The runner puts the results into ``uses``, and the charges of the model calls that the tools
    make into ``charges``: both in the order of ``calls``, and also for calls that are broken off.
    Calls that must wait for approval are not run: it puts their indices into ``deferred``.
    """

    calls: tuple[PendingToolCall, ...]
    number: int
    parallel: int
    budget: Meter | None = None
    seconds: float | None = None
    uses: list[ToolUse | None]
    charges: tuple[list[Charge], ...]
    deferred: list[int] = field(default_factory=list)
    scope: WorkSpan | None = None
    spans: dict[int, ToolSpan] = field(default_factory=dict)

    def calling(self, position: int) -> AbstractContextManager[None]:
        """A block for one of the calls."""
        return record_charges(self.budget, self.charges[position], self.scope)

    def tracing(self, position: int) -> AbstractContextManager[Callable[[object], None]]:
        """A block with the span of one of the calls, where traces are on; it is given what notes
        the result."""
        if (tracing := observe.current) is None:
            return nullcontext(lambda _: None)
        return self._traced(tracing, position)

    @contextmanager
    def _traced(self, tracing: Tracing, position: int) -> Iterator[Callable[[object], None]]:
        call = self.calls[position]
        with tracing.tool(call.call, call.arguments_text, call.result_text) as span:
            self.spans[position] = span
            yield span.note

    def timed_out(self, position: int) -> None:
        """Nobody waits for a call any more. Its function may go on, or is cancelled."""
        if (span := self.spans.get(position)) is not None:
            span.end(TimeoutError())


@dataclass(frozen=True, slots=True)
class EmitEvent:
    """Yield an event to the caller. The flow is sent None."""

    event: StepFinished | ModelFallback


AgentFlow: TypeAlias = Generator[CallModel[D] | RunTools | EmitEvent, Completion | None, T]
"""``AgentFlow[Generates, T]`` for sync drivers, ``AgentFlow[GeneratesAsync, T]`` for async ones."""


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
