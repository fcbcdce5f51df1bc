"""The record of a run as it grows: turns, steps, charges. Every call in it is answered."""

from __future__ import annotations

from dataclasses import dataclass, field

from prompture.agents.trace import Status, Step, ToolUse, Trace
from prompture.errors import LimitExceeded, PromptureError
from prompture.money import Bill, Charge
from prompture.types import Completion, Message, ToolCall

_NOT_RUN = "The call was not run: the run ended."
_CANCELLED = "The call was cancelled."


@dataclass(slots=True)
class OpenStep:
    """The step under way.

    ``completion`` is None until there is an answer. ``ends`` are those of its calls, by the place
    of the call in the answer; ``tools`` are the places of the calls that go to tools, and
    ``uses`` (once they run) their ends and ``spent`` their model calls, as they come in.
    """

    number: int
    started: float
    charges: list[Charge] = field(default_factory=list)
    completion: Completion | None = None
    said: bool = False
    ends: dict[int, ToolUse] = field(default_factory=dict)
    tools: list[int] = field(default_factory=list)
    uses: list[ToolUse | None] | None = None
    spent: tuple[list[Charge], ...] = ()

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        return self.completion.tool_calls if self.completion else ()

    def place(self, calls: tuple[ToolCall, ...]) -> None:
        """These calls of the answer go to tools."""
        wanted = set(map(id, calls))
        self.tools = [i for i, call in enumerate(self.calls) if id(call) in wanted]

    def end(self, place: int, status: Status, content: str) -> None:
        """The end of a call that no tool answers."""
        self.ends[place] = ToolUse(call=self.calls[place], status=status, content=content)

    def all_ok(self) -> bool:
        """Whether every tool that was called did well."""
        return all(use is not None and use.ok for use in self.uses or ())


class Book:
    """``messages`` is the history without instructions; ``done`` are the finished steps."""

    def __init__(self, model: str, messages: list[Message], new_from: int) -> None:
        self.model = model
        self.messages = messages
        self.done: list[Step] = []
        self.charges: list[Charge] = []
        self.open: OpenStep | None = None
        self._new_from = new_from

    def begin(self, now: float) -> OpenStep:
        self.open = OpenStep(len(self.done) + 1, now)
        return self.open

    @property
    def taken(self) -> int:
        """Steps, the one under way included."""
        return len(self.done) + (self.open is not None)

    def spent(self) -> list[Charge]:
        """Every charge so far."""
        return [*self.charges, *(self.open.charges if self.open else ())]

    def say(self, step: OpenStep) -> None:
        """The answer becomes a turn, once; its calls are answered when the step is closed."""
        if not step.said and step.completion is not None:
            step.said = True
            self.messages.append(step.completion.message())

    def close(self, now: float, *, error: str = "") -> None:
        """The step under way is done, or as far as it came."""
        step, self.open = self.open, None
        if step is None:
            return
        uses = self._answered(step) if step.said else ()
        charges = (*step.charges, *(c for use in uses for c in use.bill.charges))
        self.charges += charges
        self.done.append(
            Step(
                number=step.number,
                completion=step.completion,
                tools=uses,
                bill=Bill(charges),
                seconds=now - step.started,
                error=error,
            )
        )

    def _answered(self, step: OpenStep) -> tuple[ToolUse, ...]:
        """A turn for each call; those without an end get one. Gives the ends of the tools."""
        for place, use, spent in zip(step.tools, step.uses or (), step.spent, strict=False):
            step.ends[place] = use or ToolUse(
                call=step.calls[place],
                status="cancelled",
                content=_CANCELLED,
                bill=Bill(tuple(spent)),
            )
        for place in range(len(step.calls)):
            if place not in step.ends:
                step.end(place, "not_run", _NOT_RUN)
            self.messages.append(step.ends[place].message())
        return tuple(step.ends[place] for place in step.tools)

    def trace(self) -> Trace:
        return Trace(
            model=self.model,
            messages=tuple(self.messages),
            steps=tuple(self.done),
            new_from=self._new_from,
        )

    def carry(self, error: BaseException, now: float) -> None:
        """Put the trace onto what ended the run, and the bill onto an error of ours."""
        self.close(now, error=type(error).__name__)
        trace = self.trace()
        error.trace = trace  # type: ignore[attr-defined]
        if isinstance(error, PromptureError) and (trace.bill or isinstance(error, LimitExceeded)):
            error.bill = trace.bill
