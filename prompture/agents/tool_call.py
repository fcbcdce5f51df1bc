"""The life of a tool call, except its execution: which calls are run, what is checked before, and
what the model is sent as the result."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from inspect import isasyncgen, isgenerator
from typing import Any

from prompture.agents.run_record import OpenStep, RunRecord
from prompture.agents.setup import Setup
from prompture.agents.signatures import Context
from prompture.agents.tools import Approval, Approve, FunctionTool, Later, ToolRetry
from prompture.media import file, image, media_type_of
from prompture.money import Bill, Charge
from prompture.schema.exact_json import has_long_number
from prompture.schema.long_numbers import with_all_digits
from prompture.schema.problems import InvalidValue, words_of
from prompture.traces import Problem, Status, ToolUse
from prompture.types import JSON, Document, File, Image, Part, Text, ToolCall, changed

MAX_REASON_CHARS = 1000
"""Characters of an exception's message, or of a reason, that the model is sent."""
MAX_HUNG = 4
"""Calls of one tool that may hang in threads; further ones are not started."""
MAX_CALLS = 128
"""Tool calls of one answer that are run."""
MAX_MEDIA_BYTES = 20_000_000
MAX_MEDIA = 20
"""Pictures and files of one result."""
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

    def decided(self, approval: Approval) -> PendingToolCall:
        """The call with what was decided on it, in its approver's place."""
        pending = replace(self, approve=lambda *_: approval.verdict)
        if approval.arguments is None:
            return pending
        assert self.tool is not None
        values, plain = self.tool.validate(approval.arguments), approval.arguments
        pending = replace(pending, values=values, plain=plain)
        # The model would else take the result for that of its own arguments.
        note = f"[The call was approved with other arguments: {pending.arguments_text()}]"
        return replace(pending, note=note)

    def shown(self) -> ToolCall:
        """The call with its arguments as the tool's own schema has them, not a provider's."""
        if self.tool is None or self.plain is self.call.arguments:
            return self.call
        return changed(self.call, arguments=dict(self.plain))

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
            limit = f"{outcome.timed_out_after:.3g} seconds"
            content = f"{self.call.name} gave no result within {limit}."
            return self.result("timeout", content, **common)
        if outcome.error is not None:
            return self.result(*_failure(self.tool, outcome.error), **common)
        if self.ends:
            # The model sees nothing more of the run, so that any value will do.
            return ToolUse(call=self.call, content="Accepted.", result=outcome.value, **common)
        try:
            shown = tool_content(outcome.value, max_chars=self.tool.max_chars)
        except Exception as exc:  # a user's type may raise anything when made into JSON
            own = isinstance(exc, UnserializableResult)
            content = f"{self.call.name}: {exc if own else 'its result cannot be read'}."
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
        reason = verdict[:MAX_REASON_CHARS] if isinstance(verdict, str) else ""
        why = f": {reason}" if reason else "."
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
        return "retry", words_of(error)[: tool.max_chars] or "Try again."
    if getattr(error, "is_pause", False):
        return "waiting", f"{tool.name} has not ended: it waits for approval. Do not call it again."
    kind = type(error).__name__
    if tool.on_error != "tell":
        return "failed", f"{tool.name} failed ({kind})."
    reason = words_of(error)[:MAX_REASON_CHARS]
    return "failed", f"{tool.name} failed: {kind}: {reason}".rstrip(": ")


def _invalid(
    pending: PendingToolCall, problems: str, error: BaseException | None = None
) -> PendingToolCall:
    again = f"Call {pending.call.name} again with all of its arguments, corrected."
    content = f"The arguments are not valid:\n{problems}\n{again}"
    return replace(pending, settled=pending.result("invalid", content, error=error))


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
        ids = step.approval_ids()
        self.pending, self.problems = {}, ()
        for position, call in zip(positions, calls, strict=True):
            context: Context[object] = Context(
                value=self.context, call=call, step=step.number, messages=history, bill=bill
            )
            pending = self._checked(setup, context, ids[position])
            if refused := self._refused(position, pending):
                # Settled like any other, so that each call has its result.
                pending = replace(pending, settled=pending.result("not_run", refused))
            elif pending.settled is None and position in self.approvals:
                pending = pending.decided(self.approvals[position])
            made.append(pending)
            self.pending[position] = pending.shown()
            self.problems = self.problems or pending.problems
        return tuple(made)

    def _refused(self, position: int, pending: PendingToolCall) -> str:
        """Why a call is not run, "" where it may be."""
        if position >= MAX_CALLS:
            return f"Only {MAX_CALLS} calls of one answer are run."
        name, tool = pending.call.name, pending.tool
        failed = self.failures.get(name, 0)
        if pending.settled is None and tool and failed > tool.retries:
            return f"{name} failed {failed} times in a row. Go on without it."
        return ""

    def _checked(
        self, setup: Setup[Any, Any], context: Context[object], id: str
    ) -> PendingToolCall:
        """A call with its arguments checked. Unknown names and invalid arguments are settled."""
        call = context.call
        ends = call.name in setup.enders
        common: dict[str, Any] = {"call": call, "context": context, "id": id, "ends": ends}
        tool = setup.tools.get(call.name)
        if tool is None:
            known = ", ".join(sorted(setup.tools)) or "none"
            content = f"There is no tool {call.name[:100]!r}. There are: {known}."
            pending = PendingToolCall(**common)
            return replace(pending, settled=pending.result("unknown", content))
        if call.arguments is None:
            return _invalid(PendingToolCall(**common), f"- {call.problem or 'not a JSON object'}")
        try:
            rewritten = setup.rewrites.get(tool.name)
            own = call.arguments if rewritten is None else rewritten.restore(call.arguments)
            values = tool.signature.source.validate(own)
            if has_long_number(call.raw_arguments):  # for parameters that take Decimals
                exact = with_all_digits(call.arguments, call.raw_arguments)
                exact = exact if rewritten is None else rewritten.restore(exact)
                values = tool.signature.source.validate(exact)
        except InvalidValue as exc:
            shown = "\n".join(f"- {problem}" for problem in exc.problems)
            return _invalid(PendingToolCall(**common, problems=tuple(exc.problems)), shown)
        except Exception as exc:  # a user's validator may raise anything
            reason = words_of(exc)[:MAX_REASON_CHARS]
            return _invalid(PendingToolCall(**common), f"- {type(exc).__name__}: {reason}", exc)
        return PendingToolCall(
            **common,
            tool=tool,
            values=values,
            plain=own,
            approve=tool.approve or self.approve,
            timeout=self.timeout if tool.timeout is None else tool.timeout,
        )

    def count_failures(self, uses: list[ToolUse]) -> None:
        """Count how often in a row each tool has failed."""
        # The same tool called several times by one answer often fails for one reason: counted
        # once, so that the model sees the failure before the tool is out of use.
        for name in {use.call.name for use in uses}:
            mine = [use for use in uses if use.call.name == name]
            if any(use.ok for use in mine):
                self.failures[name] = 0
            elif any(use.status in _FAILURES for use in mine):
                self.failures[name] = self.failures.get(name, 0) + 1


# What the model is sent of the value that a function returned.


class UnserializableResult(ValueError):
    """A result that cannot be sent to a model; the message is the reason."""


@dataclass(frozen=True, slots=True)
class ToolContent:
    """``content`` for the turn; ``cut`` is the length in characters before it was cut, else 0."""

    content: str | tuple[Part, ...]
    cut: int = 0


def tool_content(value: object, *, max_chars: int) -> ToolContent:
    """Text as it is, parts and pictures as parts, anything else as JSON by Pydantic.

    Raises UnserializableResult for what is none of those.
    """
    if isinstance(value, str):
        return _text(value, max_chars)
    if _is_media(value):
        return _parts((value,), max_chars)
    if isinstance(value, (list, tuple)) and any(map(_is_media, value)):
        return _parts(value, max_chars)
    return _text(_json(value), max_chars)


def _text(text: str, limit: int) -> ToolContent:
    if len(text) <= limit:
        return ToolContent(text)
    note = f"\n[cut: the first {limit:,} of {len(text):,} characters]"
    return ToolContent(text[:limit] + note, len(text))


def _is_media(value: object) -> bool:
    if isinstance(value, (Text, Document, Image, File, bytes, bytearray, memoryview)):
        return True
    return hasattr(value, "save") and hasattr(value, "mode") and hasattr(value, "size")


def _parts(values: Iterable[object], limit: int) -> ToolContent:
    parts: list[Part] = []
    left, cut, media, size = limit, 0, 0, 0
    for value in values:
        part = _part(value)
        if isinstance(part, (Image, File)):
            media, size = media + 1, size + len(part.data or b"")
            if media > MAX_MEDIA or size > MAX_MEDIA_BYTES:
                most = f"{MAX_MEDIA} or {MAX_MEDIA_BYTES:,} bytes"
                raise UnserializableResult(f"it returned more pictures or files than {most}")
            parts.append(part)
            continue
        text = _text(part.text, max(left, 0))
        left -= len(part.text)
        cut += text.cut
        shown, name = str(text.content), getattr(part, "name", "")
        # Its name tells the model one document from another.
        parts.append(Document(shown, name=name) if name else Text(shown))
    return ToolContent(tuple(parts), cut)


def _part(value: object) -> Text | Document | Image | File:
    if isinstance(value, (Text, Document, Image, File)):
        return value
    if isinstance(value, str):
        return Text(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _of_bytes(bytes(value))
    return image(value) if _is_media(value) else Text(_json(value))


def _of_bytes(data: bytes) -> Text | Image | File:
    kind = media_type_of(data)
    if kind:
        return image(data) if kind.startswith("image/") else file(data)
    try:
        return Text(data.decode())
    except UnicodeDecodeError:
        reason = f"it returned {len(data):,} bytes that are no text and no picture"
        raise UnserializableResult(reason) from None


def _json(value: object) -> str:
    from pydantic_core import PydanticSerializationError, to_json

    if isgenerator(value) or isasyncgen(value):
        raise UnserializableResult("it returned a generator; return a list")
    try:
        return to_json(value, by_alias=True, inf_nan_mode="strings").decode()
    except (PydanticSerializationError, ValueError, RecursionError) as exc:
        reason = f"it returned a {type(value).__name__}, of which no JSON can be made"
        raise UnserializableResult(reason) from exc
