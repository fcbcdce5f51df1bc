"""What ``Agent.stream`` yields, in order of happening; the last one is Final."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from prompture.agents.run_record import AgentResult, Step, ToolUse
from prompture.types import ToolCall

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
class ToolStarted:
    """A call is being run."""

    call: ToolCall
    step: int


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A call has ended, well or not. Those of one step come in the order in which they end."""

    use: ToolUse
    step: int


@dataclass(frozen=True, slots=True)
class StepFinished:
    """The model has answered and its tool calls have ended."""

    step: Step


@dataclass(frozen=True, slots=True)
class Final(Generic[T]):
    """The run is over."""

    result: AgentResult[T]


AgentEvent: TypeAlias = (
    TextDelta | ReasoningDelta | ToolStarted | ToolFinished | StepFinished | Final[Any]
)
