"""What a run shows while it goes on: its events to the caller, its ``Context`` to a tool.

``Agent.stream`` yields the events in the order in which they happen; the last is ``Final``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from prompture.agents.run_record import AgentResult
from prompture.money import Bill
from prompture.traces import Attempt, Step, ToolUse
from prompture.types import Message, ToolCall

T = TypeVar("T")
C = TypeVar("C")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Context(Generic[C]):
    """Given to a tool's parameter that is annotated ``Context`` or ``Context[YourType]``.

    ``value`` is the ``context=`` of the agent or of the run. ``messages`` are the turns up to and
    with the one that holds ``call``, ``bill`` what the run has cost by then.
    """

    value: C
    call: ToolCall
    step: int = 0
    messages: tuple[Message, ...] = field(default=(), repr=False)
    bill: Bill = field(default=Bill(), repr=False)
