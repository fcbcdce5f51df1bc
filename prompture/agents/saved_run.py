"""A run that waits for approval, as far as it came, and how a new run goes on from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prompture.agents.run_record import Batch, OpenStep
from prompture.agents.run_state import RunState
from prompture.agents.tool_call import ToolSelection
from prompture.agents.tools import Approval
from prompture.codecs.histories import portable
from prompture.money import Charge
from prompture.traces import Attempt, Step, ToolUse
from prompture.types import JSON, Completion, Message


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIdentity:
    """``agent`` is what the agent is recognised by, ``part`` counts how often the run was resumed."""

    run_id: str
    agent: JSON
    part: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedStep:
    """The step whose calls wait. ``uses`` are the results of its tools, ``results`` those of calls
    that no tool runs, both by position."""

    number: int
    seconds: float
    charges: tuple[Charge, ...]
    completion: Completion
    uses: dict[int, ToolUse]
    results: dict[int, ToolUse]
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedRun:
    """A run as far as it came. ``model_at`` is the index of the model that answers, and
    ``strategy`` how it is asked for the output; ``pending`` are positions of calls by their ids."""

    identity: RunIdentity
    model: str
    model_at: int
    strategy: str
    messages: tuple[Message, ...]
    new_from: int
    others_from: int | None
    foreign: int
    drops_files: bool
    steps: tuple[Step, ...]
    step: SavedStep
    pending: dict[str, int]
    calls_made: int
    failures: dict[str, int]
    retries_left: int
    text_so_far: str
    forced_tool: str
    seconds: float

    @classmethod
    def of(
        cls,
        state: RunState[Any],
        selection: ToolSelection,
        step: OpenStep,
        *,
        identity: RunIdentity,
        pending: dict[str, int],
        now: float,
        began: float,
    ) -> SavedRun:
        """The run as it stands now."""
        record, output = state.record, state.setup.output
        assert step.completion is not None
        return cls(
            identity=identity,
            model=state.setup.name,
            model_at=state.models.at,
            strategy=output.plan.strategy if output else "",
            messages=tuple(record.messages),
            new_from=record.new_from,
            others_from=record.others_from,
            foreign=state.foreign,
            drops_files=state.drops_files,
            steps=tuple(record.done),
            step=SavedStep(
                number=step.number,
                seconds=now - step.started,
                charges=tuple(step.charges),
                completion=step.completion,
                uses=step.uses(),
                results=dict(step.results),
                attempts=tuple(step.attempts),
            ),
            pending=pending,
            calls_made=selection.calls_made,
            failures=dict(selection.failures),
            retries_left=state.retries_left,
            text_so_far=state.text_so_far,
            forced_tool=state.forced_tool,
            seconds=now - began,
        )

    def charges(self) -> list[Charge]:
        """What the run has cost so far."""
        made = [charge for step in self.steps for charge in step.bill.charges]
        uses = (*self.step.uses.values(), *self.step.results.values())
        return [*made, *self.step.charges, *(c for use in uses for c in use.bill.charges)]

    def restore(self, state: RunState[Any], selection: ToolSelection, now: float) -> OpenStep:
        """Bring a new run to where this one stood; return the step whose calls waited."""
        saved, record = self.step, state.record
        step = OpenStep(
            number=saved.number,
            started=now - saved.seconds,
            charges=list(saved.charges),
            completion=saved.completion,
            is_in_history=True,
            results=dict(saved.results),
            attempts=list(saved.attempts),
            is_restored=True,
        )
        if saved.uses:
            uses = list(saved.uses.values())
            # What these cost is on the results' own bills.
            step.tools = list(saved.uses)
            step.batches = [Batch(list(saved.uses), [*uses], tuple([] for _ in uses))]
        record.restore(self.steps, step)
        record.others_from = self.others_from
        state.retries_left, state.forced_tool = self.retries_left, self.forced_tool
        state.text_so_far = self.text_so_far
        state.foreign, state.drops_files = self.foreign, self.drops_files
        if state.setup.name != self.model:  # another agent goes on, as the caller allowed
            state.foreign, state.drops_files = len(self.messages), True
        state.plain = portable(self.messages[: state.foreign], files=state.drops_files).messages
        selection.calls_made, selection.failures = self.calls_made, dict(self.failures)
        return step


@dataclass(frozen=True, slots=True)
class ResumedRun:
    """A saved run with what was decided on its calls, by position."""

    run: SavedRun
    approvals: Mapping[int, Approval]
