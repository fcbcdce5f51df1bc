"""One tool call from the model's wish to what the model is told: all of it but the running."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from prompture.agents.context import Context
from prompture.agents.results import Unshowable, shown
from prompture.agents.tools import Approve, FunctionTool, ToolRetry
from prompture.agents.trace import Status, ToolUse
from prompture.money import Bill, Charge
from prompture.schema.check import InvalidValue
from prompture.types import ToolCall

MAX_SAID = 1000
"""Characters of an exception's message, or of a reason, that the model is told."""
MAX_HUNG = 4
"""Calls of one tool that may hang in threads; further ones are not started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of running a job. ``late`` is how many seconds it had, where they did not do.
    ``charges`` are the model calls that the tool made."""

    value: Any = None
    error: BaseException | None = None
    late: float | None = None
    seconds: float = 0.0
    charges: tuple[Charge, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A call to run, or one whose ``settled`` end is known without running it.

    ``timeout`` is seconds, None for no end.
    """

    call: ToolCall
    context: Context[Any]
    tool: FunctionTool | None = None
    values: dict[str, Any] = field(default_factory=dict)
    approve: Approve | None = None
    timeout: float | None = None
    settled: ToolUse | None = None

    def bound(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and named arguments for the function."""
        assert self.tool is not None
        return self.tool.signature.bind(self.values, self.context)

    def use(self, status: Status, content: str, **more: Any) -> ToolUse:
        """The end of this call, with what the model is told."""
        return ToolUse(call=self.call, status=status, content=content, **more)

    def settle(self, outcome: Outcome) -> ToolUse:
        """The end of a call that was run."""
        assert self.tool is not None
        common: dict[str, Any] = {
            "arguments": self.values,
            "seconds": outcome.seconds,
            "bill": Bill(outcome.charges),
            "error": outcome.error,
        }
        if outcome.late is not None:
            said = f"{self.call.name} gave no result within {outcome.late:.3g} seconds."
            return self.use("timeout", said, **common)
        if outcome.error is not None:
            return self.use(*_told(self.tool, outcome.error), **common)
        try:
            result = shown(outcome.value, max_chars=self.tool.max_chars)
        except Exception as exc:  # a user's type may raise anything when made into JSON
            reason = str(exc) if isinstance(exc, Unshowable) else "its result cannot be read"
            return self.use("failed", f"{self.call.name}: {reason}.", **{**common, "error": exc})
        return ToolUse(
            call=self.call,
            content=result.content,
            cut=result.cut,
            result=None if result.cut else outcome.value,
            **common,
        )

    def cancelled(self) -> ToolUse:
        """The end of a call that was broken off, or was never begun."""
        return self.use("cancelled", "The call was cancelled.")

    def judged(self, verdict: Any) -> ToolUse | None:
        """The end of a call that was not approved; None where it was."""
        if verdict is True:
            return None
        why = f": {verdict[:MAX_SAID]}" if isinstance(verdict, str) and verdict else "."
        return self.use("denied", f"The call was not approved{why}")

    def stopped(self, left: float | None) -> ToolUse | None:
        """The end of a call that is not begun: no time is left of the run (seconds, None for no
        end), or its tool hangs too often to be called again. None otherwise."""
        assert self.tool is not None
        if left is not None and left <= 0:
            return self.use("not_run", "The call was not run: no time is left.")
        self.tool.hung[:] = [busy for busy in self.tool.hung if not busy.over]
        if len(self.tool.hung) < MAX_HUNG:
            return None
        return self.use("failed", f"{self.call.name} is still busy with earlier calls.")


def _told(tool: FunctionTool, error: BaseException) -> tuple[Status, str]:
    if isinstance(error, ToolRetry):
        return "retry", _said(error)[: tool.max_chars] or "Try again."
    kind = type(error).__name__
    if tool.on_error != "tell":
        return "failed", f"{tool.name} failed ({kind})."
    return "failed", f"{tool.name} failed: {kind}: {_said(error)[:MAX_SAID]}".rstrip(": ")


def _said(error: BaseException) -> str:
    """An exception's message; one of a user's own may fail to give any."""
    try:
        return str(error)
    except Exception as exc:  # a user's __str__ may raise anything
        return f"(its message cannot be read: {type(exc).__name__})"


def job_of(
    call: ToolCall,
    tools: Mapping[str, FunctionTool],
    *,
    restore: Callable[[str, Any], Any],
    context: Context[Any],
    approve: Approve | None,
    timeout: float | None,
) -> Job:
    """The job of a call: unknown names and bad arguments are settled at once."""
    job = Job(call=call, context=context)
    tool = tools.get(call.name)
    if tool is None:
        there = ", ".join(sorted(tools)) or "none"
        content = f"There is no tool {call.name[:100]!r}. There are: {there}."
        return replace(job, settled=job.use("unknown", content))
    if call.arguments is None:
        problem = f"- {call.problem or 'not a JSON object'}"
        return replace(job, settled=_invalid(job, problem))
    try:
        values = tool.validate(restore(call.name, call.arguments))
    except InvalidValue as exc:
        lines = "\n".join(f"- {problem}" for problem in exc.problems)
        return replace(job, settled=_invalid(job, lines))
    except Exception as exc:  # a user's validator may raise anything
        said = f"- {type(exc).__name__}: {_said(exc)[:MAX_SAID]}"
        return replace(job, settled=_invalid(job, said, exc))
    return replace(
        job,
        tool=tool,
        values=values,
        approve=tool.approve or approve,
        timeout=_least(tool.timeout, timeout),
    )


def _least(own: float | None, given: float | None) -> float | None:
    return given if own is None else own


def _invalid(job: Job, lines: str, error: BaseException | None = None) -> ToolUse:
    content = (
        f"The arguments are not valid:\n{lines}\nCall {job.call.name} again with all of its"
        f" arguments, corrected."
    )
    return job.use("invalid", content, error=error)
