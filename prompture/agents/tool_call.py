"""The life of a tool call, except its execution.

Which calls of an answer are run; what is checked before; what the model is sent as the result, and
how a function's return value becomes that.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from prompture.agents.events import Context
from prompture.agents.run_record import OpenStep, RunRecord, Status, ToolUse
from prompture.agents.setup import Setup
from prompture.agents.tool_content import UnserializableResult, tool_content
from prompture.agents.tools import Approve, FunctionTool, Later, ToolRetry, Verdict
from prompture.errors import AgentError, BudgetExceeded, ToolFailed
from prompture.money import Bill, Charge
from prompture.schema.problems import InvalidValue
from prompture.schema.rewriting import Rewrite
from prompture.traces import Problem
from prompture.types import JSON, Document, Part, Text, ToolCall

MAX_REASON_CHARS = 1000
"""Characters of an exception's message, or of a reason, that the model is sent."""
MAX_HUNG = 4
"""Calls of one tool that may hang in threads; further ones are not started."""
MAX_CALLS = 128
"""Tool calls of one answer that are run."""
_FAILURES = frozenset({"invalid", "retry", "failed", "timeout"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What running a call gave: a value or an error.

    ``timed_out_after`` is set instead where it took longer than it was allowed to: those seconds.
    ``charges`` are the model calls that the tool made.
    """

    value: object = None
    error: BaseException | None = None
    timed_out_after: float | None = None
    seconds: float = 0.0
    charges: tuple[Charge, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingToolCall:
    """A call to run, or one whose result is known without running it (``settled``).

    ``values`` are the validated arguments, ``plain`` the same as JSON. ``timeout`` is seconds, None
    for no limit. ``ends``: the function's value is the run's output. ``id`` is the key of its approval.
    ``note`` is shown to the model before the result. ``problems`` are those of the arguments.
    """

    call: ToolCall
    context: Context[object]
    tool: FunctionTool | None = None
    values: dict[str, Any] = field(default_factory=dict)
    plain: JSON = field(default_factory=dict)
    ends: bool = False
    id: str = ""
    note: str = ""
    problems: tuple[Problem, ...] = ()
    approve: Approve | None = None
    timeout: float | None = None
    settled: ToolUse | None = None

    def bind(self) -> tuple[tuple[object, ...], dict[str, object]]:
        """Positional and named arguments for the function."""
        assert self.tool is not None
        return self.tool.signature.bind(self.values, self.context)

    def shown(self) -> ToolCall:
        """The call with its arguments as the tool's own schema has them, not a provider's."""
        return replace(self.call, arguments=dict(self.plain)) if self.tool else self.call

    def arguments_text(self) -> str:
        """What the tool is given, as JSON: with what an approver has changed."""
        return json.dumps(dict(self.plain), ensure_ascii=False, default=str)

    def result_text(self, value: object) -> str:
        """What the model is shown of a result, without the bytes of pictures and files."""
        assert self.tool is not None
        content = tool_content(value, max_chars=self.tool.max_chars).content
        return content if isinstance(content, str) else "\n".join(map(_part_text, content))

    def result(self, status: Status, content: str, **more: Any) -> ToolUse:
        """The result of this call; ``content`` is what the model is sent."""
        return ToolUse(call=self.call, status=status, content=content, **more)

    def result_of(self, outcome: Outcome) -> ToolUse:
        """The result of a call that was run."""
        assert self.tool is not None
        common: dict[str, Any] = {
            "arguments": self.values,
            "seconds": outcome.seconds,
            "bill": Bill(outcome.charges),
            "error": outcome.error,
        }
        if outcome.timed_out_after is not None:
            content = (
                f"{self.call.name} gave no result within {outcome.timed_out_after:.3g} seconds."
            )
            return self.result("timeout", content, **common)
        if outcome.error is not None:
            return self.result(*_failure(self.tool, outcome.error), **common)
        if self.ends:
            # The model sees nothing more of the run, so that any value will do.
            return ToolUse(call=self.call, content="Accepted.", result=outcome.value, **common)
        try:
            shown = tool_content(outcome.value, max_chars=self.tool.max_chars)
        except Exception as exc:  # a user's type may raise anything when made into JSON
            reason = (
                str(exc) if isinstance(exc, UnserializableResult) else "its result cannot be read"
            )
            content = f"{self.call.name}: {reason}."
            return self.result("failed", content, **{**common, "error": exc})
        return ToolUse(
            call=self.call,
            content=_noted(self.note, shown.content),
            cut=shown.cut,
            result=None if shown.cut else outcome.value,
            **common,
        )

    def unless_approved(self, verdict: object) -> ToolUse | Later | None:
        """The result of a call that ``approve`` stopped, LATER where it waits. None where it may
        run."""
        if verdict is True:
            return None
        if isinstance(verdict, Later):
            return verdict
        why = "."
        if isinstance(verdict, str) and verdict:
            why = f": {verdict[:MAX_REASON_CHARS]}"
        return self.result("denied", f"The call was not approved{why}")

    def unless_startable(self, seconds_left: float | None) -> ToolUse | None:
        """The result of a call that is not started: the run has no time left (None: no limit), or
        the tool hangs too often to be called again. None where it may start."""
        assert self.tool is not None
        if seconds_left is not None and seconds_left <= 0:
            return self.result("not_run", "The call was not run: no time is left.")
        # In place: runs in other threads share the list with this one.
        self.tool.hung[:] = [call for call in self.tool.hung if not call.is_over]
        if len(self.tool.hung) < MAX_HUNG:
            return None
        return self.result("failed", f"{self.call.name} is still busy with earlier calls.")


def _part_text(part: Part) -> str:
    if isinstance(part, (Text, Document)):
        return part.text
    return f"[{part.media_type or 'a file'}]"


def _noted(note: str, content: str | tuple[Part, ...]) -> str | tuple[Part, ...]:
    if not note:
        return content
    return f"{note}\n{content}" if isinstance(content, str) else (Text(note), *content)


def _failure(tool: FunctionTool, error: BaseException) -> tuple[Status, str]:
    """Status and content of a call whose function raised."""
    if isinstance(error, ToolRetry):
        return "retry", _message_of(error)[: tool.max_chars] or "Try again."
    kind = type(error).__name__
    if tool.on_error != "tell":
        return "failed", f"{tool.name} failed ({kind})."
    reason = _message_of(error)[:MAX_REASON_CHARS]
    return "failed", f"{tool.name} failed: {kind}: {reason}".rstrip(": ")


def _message_of(error: BaseException) -> str:
    """An exception's message; one of a user's own may fail to give any."""
    try:
        return str(error)
    except Exception as exc:  # a user's __str__ may raise anything
        return f"(its message cannot be read: {type(exc).__name__})"


def prepare(
    call: ToolCall,
    tools: Mapping[str, FunctionTool],
    *,
    rewrites: Mapping[str, Rewrite],
    context: Context[object],
    approve: Approve | None,
    timeout: float | None,
) -> PendingToolCall:
    """Check a call. Unknown names and invalid arguments are settled at once.

    ``rewrites`` are those of the tools' schemas that are undone in the arguments. ``approve`` and
    ``timeout`` are the agent's, for a tool that has none of its own.
    """
    pending = PendingToolCall(call=call, context=context)
    tool = tools.get(call.name)
    if tool is None:
        known = ", ".join(sorted(tools)) or "none"
        content = f"There is no tool {call.name[:100]!r}. There are: {known}."
        return replace(pending, settled=pending.result("unknown", content))
    if call.arguments is None:
        return _invalid(pending, f"- {call.problem or 'not a JSON object'}")
    try:
        rewritten = rewrites.get(tool.name)
        own = call.arguments if rewritten is None else rewritten.restore(call.arguments)
        values = tool.signature.source.validate(own)
    except InvalidValue as exc:
        shown = "\n".join(f"- {problem}" for problem in exc.problems)
        return replace(_invalid(pending, shown), problems=tuple(exc.problems))
    except Exception as exc:  # a user's validator may raise anything
        reason = _message_of(exc)[:MAX_REASON_CHARS]
        return _invalid(pending, f"- {type(exc).__name__}: {reason}", exc)
    return replace(
        pending,
        tool=tool,
        values=values,
        plain=own,
        approve=tool.approve or approve,
        timeout=timeout if tool.timeout is None else tool.timeout,
    )


def _invalid(
    pending: PendingToolCall, problems: str, error: BaseException | None = None
) -> PendingToolCall:
    content = (
        f"The arguments are not valid:\n{problems}\nCall {pending.call.name} again with all of its"
        f" arguments, corrected."
    )
    return replace(pending, settled=pending.result("invalid", content, error=error))


def approval_ids(calls: Sequence[ToolCall]) -> list[str]:
    """A key for each call of one answer: its id; where that is empty or stands twice, a new one."""
    # Providers and models give the same id twice: approving one call must not approve the other.
    count = Counter(call.id for call in calls)
    return [
        call.id if call.id and count[call.id] == 1 else f"{call.id or call.name}#{at + 1}"
        for at, call in enumerate(calls)
    ]


@dataclass(frozen=True, slots=True)
class Approval:
    """What was decided on a call that waited: the verdict, and other arguments than the model's
    (None: those)."""

    verdict: Verdict
    arguments: JSON | None = None

    def applied(self, pending: PendingToolCall) -> PendingToolCall:
        """The call with this verdict as its approver's."""
        pending = replace(pending, approve=lambda *_: self.verdict)
        if self.arguments is None:
            return pending
        assert pending.tool is not None
        # The model would else take the result for that of its own arguments.
        changed = json.dumps(dict(self.arguments), ensure_ascii=False)
        return replace(
            pending,
            values=pending.tool.validate(self.arguments),
            plain=self.arguments,
            note=f"[The call was approved with other arguments: {changed}]",
        )


@dataclass(slots=True)
class ToolSelection:
    """Decides which calls are run, and from their results whether the run goes on.

    ``context``, ``approve`` and ``timeout`` are the agent's. ``calls_made`` counts the tool calls
    of the run, ``failures`` each tool's failures in a row. ``approvals`` are those of the calls of
    a resumed step, by position. Of the calls that were selected last, ``pending`` are the calls as
    an approver sees them, by position, and ``problems`` what is wrong with their arguments.
    """

    context: object
    approve: Approve | None
    timeout: float | None
    calls_made: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    approvals: Mapping[int, Approval] = field(default_factory=dict)
    pending: dict[int, ToolCall] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def select(
        self,
        setup: Setup[Any, Any],
        calls: Sequence[ToolCall],
        record: RunRecord,
        step: OpenStep,
        positions: Sequence[int],
    ) -> tuple[PendingToolCall, ...]:
        """The calls, each checked, which stand at ``positions`` of the answer. Those that must not
        be run are settled."""
        history, bill = tuple(record.messages), Bill(tuple(record.charges()))
        made = []
        ids = approval_ids(step.calls)
        self.pending, self.problems = {}, ()
        for position, call in zip(positions, calls, strict=True):
            context: Context[object] = Context(
                value=self.context, call=call, step=step.number, messages=history, bill=bill
            )
            pending = self._selected(setup, position, context)
            if pending.settled is None and position in self.approvals:
                pending = self.approvals[position].applied(pending)
            made.append(replace(pending, id=ids[position]))
            self.pending[position] = pending.shown()
            self.problems = self.problems or pending.problems
        return tuple(made)

    def _selected(
        self, setup: Setup[Any, Any], position: int, context: Context[object]
    ) -> PendingToolCall:
        call = context.call
        pending = prepare(
            call,
            setup.tools,
            rewrites=setup.rewrites,
            context=context,
            approve=self.approve,
            timeout=self.timeout,
        )
        # Settled like any other, so that each call has its result.
        if position >= MAX_CALLS:
            content = f"Only {MAX_CALLS} calls of one answer are run."
            return replace(pending, settled=pending.result("not_run", content))
        failed = self.failures.get(call.name, 0)
        if pending.settled is None and pending.tool is not None and failed > pending.tool.retries:
            content = f"{call.name} failed {failed} times in a row. Go on without it."
            return replace(pending, settled=pending.result("not_run", content))
        return replace(pending, ends=call.name in setup.enders)

    def check_results(self, setup: Setup[Any, Any], uses: list[ToolUse]) -> None:
        """Count the failures. Raise what must end the run: BudgetExceeded from inside a tool, or
        ToolFailed for a tool with ``on_error="raise"``."""
        # The same tool called several times by one answer often fails for one reason: counted
        # once, so that the model sees the failure before the tool is out of use.
        for name in {use.call.name for use in uses}:
            mine = [use for use in uses if use.call.name == name]
            if any(use.ok for use in mine):
                self.failures[name] = 0
            elif any(use.status in _FAILURES for use in mine):
                self.failures[name] = self.failures.get(name, 0) + 1
        for use in uses:
            if isinstance(use.error, BudgetExceeded):
                raise use.error
            if isinstance(use.error, AgentError) and hasattr(use.error, "saved"):
                # Shown to the model as a failure, the inner run would be lost.
                name = use.call.name
                raise ToolFailed(f"tool {name!r} waits for approval", tool=name) from use.error
            tool = setup.tools.get(use.call.name)
            if use.status == "failed" and use.error and tool and tool.on_error == "raise":
                kind = type(use.error).__name__
                raise ToolFailed(f"tool {tool.name!r} raised {kind}", tool=tool.name) from use.error
