"""Which calls of an answer are run, and what their ends mean for the run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from prompture.agents.book import Book, OpenStep
from prompture.agents.context import Context
from prompture.agents.jobs import Job, job_of
from prompture.agents.setup import Setup
from prompture.agents.tools import Approve
from prompture.agents.trace import ToolUse
from prompture.errors import BudgetExceeded, ToolFailed
from prompture.money import Bill
from prompture.types import ToolCall

FAILURES = frozenset({"invalid", "retry", "failed", "timeout"})
MAX_CALLS = 128
"""Tool calls of one answer that are run."""


@dataclass(slots=True)
class Desk:
    """Makes jobs of calls, and keeps count of each tool's failures in a row."""

    context: Any
    approve: Approve | None
    timeout: float | None
    made: int = 0
    failures: dict[str, int] = field(default_factory=dict)

    def jobs(
        self, setup: Setup[Any], calls: tuple[ToolCall, ...], book: Book, step: OpenStep
    ) -> tuple[Job, ...]:
        """A job for each call; what must not be run is settled."""
        self.made += len(calls)
        history, bill = tuple(book.messages), Bill(tuple(book.spent()))
        return tuple(
            self._job(
                setup,
                place,
                Context(
                    value=self.context, call=call, step=step.number, messages=history, bill=bill
                ),
            )
            for place, call in enumerate(calls)
        )

    def _job(self, setup: Setup[Any], place: int, context: Context[Any]) -> Job:
        call = context.call
        job = job_of(
            call,
            setup.tools,
            restore=setup.restore,
            context=context,
            approve=self.approve,
            timeout=self.timeout,
        )
        if place >= MAX_CALLS:
            content = f"Only {MAX_CALLS} calls of one answer are run."
            return replace(job, settled=job.use("not_run", content))
        failed = self.failures.get(call.name, 0)
        if job.settled is None and job.tool is not None and failed > job.tool.retries:
            content = f"{call.name} failed {failed} times in a row. Go on without it."
            return replace(job, settled=job.use("not_run", content))
        return job

    def ended(self, setup: Setup[Any], uses: list[ToolUse]) -> None:
        """Count the failures. Raises what must end the run: a budget that is used up inside a
        tool, ToolFailed."""
        # Calls side by side fail together: they count once.
        for name in {use.call.name for use in uses}:
            mine = [use for use in uses if use.call.name == name]
            if any(use.ok for use in mine):
                self.failures[name] = 0
            elif any(use.status in FAILURES for use in mine):
                self.failures[name] = self.failures.get(name, 0) + 1
        for use in uses:
            if isinstance(use.error, BudgetExceeded):
                raise use.error
            tool = setup.tools.get(use.call.name)
            if use.status == "failed" and use.error and tool and tool.on_error == "raise":
                kind = type(use.error).__name__
                raise ToolFailed(f"tool {tool.name!r} raised {kind}", tool=tool.name) from use.error
