"""The record of a run while it goes on (its turns, steps, tool calls and charges), its limits and
settings.

What a caller gets of it are a ``Trace`` or an ``AgentResult`` (see ``prompture.traces``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal

from prompture import given
from prompture.agents.tools import Approve
from prompture.codecs.histories import portable
from prompture.drivers.meter import Meter
from prompture.errors import (
    CallLimitExceeded,
    ConfigurationError,
    CostLimitExceeded,
    LimitExceeded,
    StepLimitExceeded,
    TimeLimitExceeded,
    TokenLimitExceeded,
)
from prompture.money import Bill, Charge, add_usd, format_usd
from prompture.observe import WorkSpan
from prompture.traces import Attempt, Status, Step, ToolUse, Trace
from prompture.types import JSON, Completion, Message, ToolCall

_NOT_RUN = "The call was not run: the run ended."
_CANCELLED = "The call was cancelled."


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """What a run may use: calls of the model, of tools, tokens, US dollars, seconds.

    Tokens and dollars are those of all calls, also inside tools. They are checked before each
    call of the model, so that the last call may pass the limit; a ``Budget`` reserves beforehand.
    ``deadline`` is seconds, too: of one run, where ``seconds`` are the agent's. A run that is
    resumed with a deadline has it from then on: ``before`` are the seconds that it had taken.
    """

    steps: int = 25
    tool_calls: int | None = None
    tokens: int | None = None
    usd: Decimal | None = None
    seconds: float | None = None
    deadline: float | None = None
    before: float = 0.0

    def __post_init__(self) -> None:
        if given.count(self.steps, "max_steps") is None:
            raise ConfigurationError("max_steps is None: a run without a limit may never end")
        given.count(self.tool_calls, "max_tool_calls", least=0)
        given.count(self.tokens, "max_total_tokens", least=0)
        given.number(self.usd, "max_usd", least=0, wanted="US dollars, 0 or more")
        given.number(self.seconds, "max_seconds", least=0, wanted="seconds, 0 or more")
        given.seconds(self.deadline, "deadline")

    @property
    def time(self) -> float | None:
        """The seconds of the whole run: the sooner of both limits."""
        deadline = None if self.deadline is None else self.before + self.deadline
        return min((s for s in (self.seconds, deadline) if s is not None), default=None)

    def check_steps(self, taken: int) -> None:
        """Raise StepLimitExceeded where no step is left."""
        if taken >= self.steps:
            raise StepLimitExceeded(
                f"no final answer after {taken} steps; raise max_steps={self.steps}, or see what"
                f" the trace shows",
                limit=self.steps,
            )

    def check_calls(self, made: int, asked: int) -> None:
        """Raise CallLimitExceeded where the calls asked for would pass the limit."""
        if self.tool_calls is not None and made + asked > self.tool_calls:
            raise CallLimitExceeded(
                f"the model asks for {asked} tool calls after {made}, and max_tool_calls is"
                f" {self.tool_calls}",
                limit=self.tool_calls,
            )

    @property
    def of_spending(self) -> bool:
        """Whether tokens or dollars are limited."""
        return self.tokens is not None or self.usd is not None

    def check_spent(self, charges: list[Charge]) -> None:
        """Raise where tokens or dollars are used up (TokenLimitExceeded, CostLimitExceeded), or
        where a price is unknown and dollars are limited."""
        if self.tokens is not None:
            # An answer whose tokens nobody counted is no answer of 0 tokens.
            if any(c.status == "ok" and not c.usage.reported for c in charges):
                raise TokenLimitExceeded(
                    "max_total_tokens is set, but the provider states no usage", limit=self.tokens
                )
            used = sum(c.usage.total_tokens for c in charges)
            # What is reached is used up: the next call needs at least one token more.
            if used >= self.tokens:
                raise TokenLimitExceeded(
                    f"{used} tokens are used, and max_total_tokens is {self.tokens}",
                    limit=self.tokens,
                )
        if self.usd is None:
            return
        # An unknown price is no price of 0: a limit that cannot be checked is not kept.
        unknown = next((c.cost.reason for c in charges if c.cost.usd is None), None)
        if unknown is not None:
            raise CostLimitExceeded(
                f"max_usd is set, but the price of a call is unknown ({unknown}); budget=..., in"
                " its place, counts what such a call may cost at most and goes on",
                limit=self.usd,
            )
        spent = add_usd(c.cost.usd for c in charges if c.cost.usd is not None)
        if spent >= self.usd:
            raise CostLimitExceeded(
                f"${format_usd(spent)} is spent, and max_usd is {format_usd(self.usd)}",
                limit=self.usd,
            )

    def out_of_time(self) -> TimeLimitExceeded:
        """The error of a run whose time is up."""
        by_agent = self.time == self.seconds
        name, limit = ("max_seconds", self.seconds) if by_agent else ("deadline", self.deadline)
        return TimeLimitExceeded(f"no final answer within {name}={limit:g}", limit=limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """What a run is given besides the driver and the messages.

    ``now`` is the clock, in seconds. ``tool_timeout`` is seconds for one call of a tool.
    ``spent`` are those of the run's seconds that are used up
    before it begins. ``on_close`` is given the trace of a run that the caller leaves. ``scope`` is the run's span.
    ``identity`` gives what a saved run is recognised by.
    """

    limits: RunLimits
    now: Callable[[], float]
    context: object = None
    budget: Meter | None = None
    approve: Approve | None = None
    tool_timeout: float | None = None
    spent: float = 0.0
    parallel: int = 8
    max_retries: int = 2
    on_close: Callable[[Trace], None] | None = None
    scope: WorkSpan | None = None
    identity: Callable[[], JSON] = dict


@dataclass(slots=True)
class Batch:
    """Calls of one answer that were sent to tools together.

    ``positions`` are those of the calls in the answer; in their order the runner puts results into
    ``uses`` and the charges of the tools' own model calls into ``charges``. ``deferred`` are indices
    of calls that were to wait, and have not begun.
    """

    positions: list[int]
    uses: list[ToolUse | None]
    charges: tuple[list[Charge], ...]
    deferred: Sequence[int] = ()

    def late_charges(self) -> list[tuple[list[Charge], int]]:
        """The lists to which a tool that hangs may still add, and how much of each is billed."""
        rows = zip(self.uses, self.charges, strict=True)
        return [
            (spent, len(use.bill.charges)) for use, spent in rows if use and use.status == "timeout"
        ]


@dataclass(slots=True)
class OpenStep:
    """The step under way.

    ``completion`` is None until the model has answered. ``results`` are those of the answer's
    calls that no tool runs, by the position of the call in the answer; ``batches`` have the others.
    ``shown`` is whether any of the answer was given to the caller (as events). ``is_restored``: it
    is one of a saved run, whose calls are counted already.
    """

    number: int
    started: float
    charges: list[Charge] = field(default_factory=list)
    completion: Completion | None = None
    is_in_history: bool = False
    results: dict[int, ToolUse] = field(default_factory=dict)
    tools: list[int] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    shown: bool = False
    is_restored: bool = False

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        return self.completion.tool_calls if self.completion else ()

    def positions(self, calls: Sequence[ToolCall]) -> list[int]:
        """Where these calls stand in the answer."""
        # By identity: two calls of one answer may be equal, ids included.
        wanted = set(map(id, calls))
        return [i for i, call in enumerate(self.calls) if id(call) in wanted]

    def approval_ids(self) -> list[str]:
        """A key for each call: its id; where that is empty or stands twice, a new one."""
        # Providers and models give the same id twice: approving one call must not approve the
        # other.
        ids = [call.id for call in self.calls]
        count = Counter(ids) if len(set(ids)) < len(ids) else dict.fromkeys(ids, 1)
        return [
            call.id if call.id and count[call.id] == 1 else f"{call.id or call.name}#{at + 1}"
            for at, call in enumerate(self.calls)
        ]

    def uses(self) -> dict[int, ToolUse]:
        """The results of tools so far, by position."""
        return {
            position: use
            for batch in self.batches
            for position, use in zip(batch.positions, batch.uses, strict=True)
            if use is not None
        }

    def settle(self, position: int, status: Status, content: str) -> None:
        """Set the result of a call that no tool runs."""
        self.results[position] = ToolUse(call=self.calls[position], status=status, content=content)

    def all_ok(self) -> bool:
        """Whether every tool that was called did well."""
        return all(use.ok for use in self.uses().values())


class RunRecord:
    """The record of a run while it grows.

    ``messages`` is the history without the instructions; ``done`` are the finished steps.
    """

    # Providers refuse a history with a call that has no result, for ever. So a turn with calls
    # and the results of all of them are put into ``messages`` by one close_step(), however the
    # run ends: that is the invariant of this class.

    def __init__(self, model: str, messages: list[Message], new_from: int) -> None:
        self.model = model
        self.messages = messages
        self.done: list[Step] = []
        self._charges: list[Charge] = []
        self._open: OpenStep | None = None
        self._late: list[tuple[list[Charge], int]] = []
        self.new_from = new_from
        self.others_from: int | None = None
        """From this turn on other models answered than the one that the next run begins with."""

    def begin_step(self, now: float) -> OpenStep:
        self._open = OpenStep(len(self.done) + 1, now)
        return self._open

    def restore(self, done: Sequence[Step], step: OpenStep) -> None:
        """Go on with a run that was saved."""
        self.done = list(done)
        self._charges = [charge for each in done for charge in each.bill.charges]
        self._open = step

    @property
    def steps_taken(self) -> int:
        """Steps, the one under way included."""
        return len(self.done) + (self._open is not None)

    def charges(self) -> list[Charge]:
        """Every charge so far, except those of tools that are running."""
        return [*self._charges, *(self._open.charges if self._open else ())]

    def add_answer(self, step: OpenStep) -> None:
        """Put the answer into the history, once. Its calls get their results in close_step."""
        if not step.is_in_history and step.completion is not None:
            step.is_in_history = True
            self.messages.append(step.completion.message())

    def close_step(self, now: float, *, error: str = "") -> None:
        """End the step under way, complete or not."""
        step, self._open = self._open, None
        if step is None:
            return
        # Results without the turn that holds their calls would be refused by every provider.
        uses = self._add_results(step) if step.is_in_history else ()
        spent = tuple(c for use in uses for c in use.bill.charges)
        for batch in step.batches:
            self._late += batch.late_charges()
        charges = (*step.charges, *spent, *self._spent_late())
        self._charges += charges
        self.done.append(
            Step(
                number=step.number,
                completion=step.completion,
                tools=uses,
                bill=Bill(charges),
                seconds=now - step.started,
                error=error,
                model=self.model,
                attempts=tuple(step.attempts),
            )
        )

    def _spent_late(self) -> list[Charge]:
        """What tools have spent since their time was up: their threads cannot be stopped."""
        found: list[Charge] = []
        for at, (spent, billed) in enumerate(self._late):
            # Sliced once: the tool's thread may add to the list meanwhile.
            new = spent[billed:]
            self._late[at] = (spent, billed + len(new))
            found += new
        return found

    def _add_results(self, step: OpenStep) -> tuple[ToolUse, ...]:
        """Add a tool turn for each call, also where it has no result. Return the tools' results."""
        for batch in step.batches:
            rows = zip(batch.positions, batch.uses, batch.charges, strict=True)
            for index, (position, use, spent) in enumerate(rows):
                if use is None and index in batch.deferred:
                    continue
                step.results[position] = use or ToolUse(
                    call=step.calls[position],
                    status="cancelled",
                    content=_CANCELLED,
                    bill=Bill(tuple(spent)),
                )
        for position in range(len(step.calls)):
            if position not in step.results:
                step.settle(position, "not_run", _NOT_RUN)
            self.messages.append(step.results[position].message())
        return tuple(step.results[position] for position in sorted(step.tools))

    def leave_out_natives(self, start: int) -> None:
        """Drop the items of turns from ``start`` on that only the model that made them takes."""
        self.messages[start:] = portable(self.messages[start:], files=False).messages

    def trace(self) -> Trace:
        messages, others = self.messages, self.others_from
        if others is not None:
            messages = [*messages[:others], *portable(messages[others:], files=False).messages]
        return Trace(
            model=self.model,
            messages=tuple(messages),
            steps=tuple(self.done),
            new_from=self.new_from,
        )

    def attach_to(self, error: BaseException, now: float) -> None:
        """Put the trace onto the exception that ended the run, and the bill onto one of ours."""
        self.close_step(now, error=type(error).__name__)
        trace = self.trace()
        # Onto any exception: a cancelled run or a bug in a tool was paid for, too.
        with suppress(AttributeError):  # one that refuses new attributes stays as it is
            error.trace = trace  # type: ignore[attr-defined]
            # Of ours only where something was paid: what another call put there stays.
            if trace.bill or isinstance(error, LimitExceeded):
                error.bill = trace.bill  # type: ignore[attr-defined]
