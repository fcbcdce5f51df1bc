"""What happened in a run: the steps, their tool calls, what they cost, what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from prompture.money import Bill
from prompture.types import Completion, Message, Part, ToolCall, Usage

T = TypeVar("T")
Status = Literal[
    "ok", "invalid", "unknown", "retry", "failed", "timeout", "denied", "cancelled", "not_run"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """One call of a tool.

    ``arguments`` are what the function was given (validated; without the context), None where it
    was not called. ``result`` is what it returned, None where ``cut`` (the length in characters)
    says that it was too long to show whole. ``content`` is what the model was told. ``status`` is
    ``"ok"``; ``"invalid"`` (arguments), ``"unknown"`` (no such tool), ``"retry"`` (ToolRetry),
    ``"failed"``, ``"timeout"``, ``"denied"``, ``"cancelled"`` or ``"not_run"``. ``bill`` is what
    the tool's own model calls cost; ``seconds`` is wall time.
    """

    call: ToolCall
    arguments: dict[str, Any] | None = field(default=None, repr=False)
    status: Status = "ok"
    content: str | tuple[Part, ...] = field(default="", repr=False)
    result: Any = field(default=None, repr=False)
    error: BaseException | None = field(default=None, repr=False)
    cut: int = 0
    seconds: float = 0.0
    bill: Bill = Bill()

    @property
    def ok(self) -> bool:
        return self.status == "ok"

    def message(self) -> Message:
        """The turn that answers the call."""
        return Message(
            role="tool",
            call_id=self.call.id,
            name=self.call.name,
            content=self.content,
            is_error=not self.ok,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One question to the model and the tool calls that its answer asked for.

    ``completion`` is None where no answer came (``error`` then says why). ``bill`` holds the
    step's model calls, retried ones too, and what its tools spent. ``number`` counts from 1.
    """

    number: int
    completion: Completion | None
    tools: tuple[ToolUse, ...] = ()
    bill: Bill = Bill()
    seconds: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A run as far as it came.

    ``messages`` is the whole history, without the agent's instructions; every call in it is
    answered, so that it can be handed to another run. ``new_messages`` are this run's turns.
    """

    model: str
    messages: tuple[Message, ...] = field(default=(), repr=False)
    steps: tuple[Step, ...] = ()
    new_from: int = 0

    @property
    def new_messages(self) -> tuple[Message, ...]:
        return self.messages[self.new_from :]

    @property
    def bill(self) -> Bill:
        """Every call of every step, those inside tools included."""
        return Bill(tuple(charge for step in self.steps for charge in step.bill.charges))

    @property
    def usage(self) -> Usage:
        """Tokens of all calls."""
        return self.bill.usage

    @property
    def tool_calls(self) -> tuple[ToolUse, ...]:
        """The tool calls of all steps, in order."""
        return tuple(use for step in self.steps for use in step.tools)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentResult(Trace, Generic[T]):
    """A run that came to its end. ``output`` is the final text, or the validated value."""

    output: T
