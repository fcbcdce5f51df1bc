"""What results and errors report about their calls: problems, attempts, and an agent's steps.

Plain values that every floor may hold: an error has them, and lies below the code that makes them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from prompture.money import Bill, Charge
from prompture.types import Completion, JSONValue, Message, Part, ToolCall, Usage

T = TypeVar("T")
_POINTER_LENGTH = 200
"""Characters of a pointer that a message shows."""
Status = Literal[
    "ok",
    "invalid",
    "unknown",
    "retry",
    "failed",
    "timeout",
    "denied",
    "waiting",
    "cancelled",
    "not_run",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a value.

    ``pointer`` is an RFC 6901 pointer into the JSON value the model gave; a missing property is
    named by the pointer it should have had. ``message`` reads after it ("must be an integer") and
    holds no text of the value. ``kind`` is the name of the rule (a JSON Schema keyword, or
    Pydantic's error type). ``value`` is an excerpt (at most 60 characters of its repr) of the
    offending value, or None where it is withheld; it is in neither ``str()`` nor ``repr()``.
    """

    pointer: str
    message: str
    kind: str = ""
    value: JSONValue = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{shown_pointer(self.pointer)}: {self.message}"


def shown_pointer(pointer: str) -> str:
    """A pointer on one line, as logs and models are shown it. A key of the model's is in it, of any
    length: with line breaks it would pass for words of ours, in the log and to the model."""
    if len(pointer) > _POINTER_LENGTH:
        pointer = pointer[: _POINTER_LENGTH - 1] + "…"
    if not pointer.isprintable():
        pointer = "".join(c if c.isprintable() else repr(c)[1:-1] for c in pointer)
    return pointer or "(root)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One question to a model. ``problems`` are what was wrong with its answer, with pointers
    into the schema's own values; ``error`` is set where no answer came (``model`` is empty where
    not even a driver could be made). ``asked_for`` names the
    parts that were asked for again, where it was not the whole. ``raw`` is the answer as the
    model wrote it."""

    model: str
    strategy: str
    request_id: str | None = None
    seconds: float = 0.0
    problems: tuple[Problem, ...] = ()
    error: str = ""
    charge: Charge | None = None
    repairs: tuple[str, ...] = ()
    asked_for: tuple[str, ...] = ()
    raw: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """One call of a tool, and its result.

    Attributes:
        call: as the model wrote it.
        arguments: what the function got (validated; without the context). None where it was not
            called.
        status: ``"ok"``; ``"invalid"`` (arguments), ``"unknown"`` (no such tool), ``"retry"``
            (the tool raised ToolRetry), ``"failed"``, ``"timeout"``, ``"denied"`` (by
            ``approve``), ``"waiting"`` (for approval), ``"cancelled"`` or ``"not_run"``.
        content: what the model is sent as the call's result.
        result: what the function returned. None where ``cut`` is not 0.
        error: what the function raised.
        cut: the length of the result in characters, where it was too long to be sent whole;
            else 0.
        seconds: wall time.
        bill: what the tool's own model calls cost.
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
        """Whether the tool did what was asked."""
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
    ``model`` is the one that was asked last (``provider/model``); ``attempts`` are those before it
    that failed, after which the run went on with the next.
    """

    number: int
    completion: Completion | None
    tools: tuple[ToolUse, ...] = ()
    bill: Bill = Bill()
    seconds: float = 0.0
    error: str = ""
    model: str = ""
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A run as far as it came.

    ``messages`` is the whole history, without the agent's instructions. Every call in it has a
    result, so that it can be given to another run. ``new_from`` is the index of this run's first
    turn.
    """

    model: str
    messages: tuple[Message, ...] = field(default=(), repr=False)
    steps: tuple[Step, ...] = ()
    new_from: int = 0

    @property
    def new_messages(self) -> tuple[Message, ...]:
        """The turns of this run: the prompt, answers, tool results."""
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
    """A finished run. ``output`` is the final text, or the validated value."""

    output: T
