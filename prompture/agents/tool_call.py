"""The life of a tool call, except its execution.

Which calls of an answer are run; what is checked before; what the model is sent as the result, and
how a function's return value becomes that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from inspect import isasyncgen, isgenerator
from typing import Any

from prompture.agents.events import Context
from prompture.agents.run_record import OpenStep, RunRecord, Status, ToolUse
from prompture.agents.setup import Setup
from prompture.agents.tools import Approve, FunctionTool, ToolRetry
from prompture.errors import BudgetExceeded, ToolFailed
from prompture.media import file, image, media_type_of
from prompture.money import Bill, Charge
from prompture.schema.problems import InvalidValue
from prompture.schema.rewriting import Rewrite
from prompture.types import Document, File, Image, Part, Text, ToolCall

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

    ``values`` are the validated arguments. ``timeout`` is seconds, None for no limit.
    """

    call: ToolCall
    context: Context[object]
    tool: FunctionTool | None = None
    values: dict[str, Any] = field(default_factory=dict)
    approve: Approve | None = None
    timeout: float | None = None
    settled: ToolUse | None = None

    def bind(self) -> tuple[tuple[object, ...], dict[str, object]]:
        """Positional and named arguments for the function."""
        assert self.tool is not None
        return self.tool.signature.bind(self.values, self.context)

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
            content=shown.content,
            cut=shown.cut,
            result=None if shown.cut else outcome.value,
            **common,
        )

    def unless_approved(self, verdict: object) -> ToolUse | None:
        """The result of a call that ``approve`` stopped. None where it may run."""
        if verdict is True:
            return None
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
        return _invalid(pending, "\n".join(f"- {problem}" for problem in exc.problems))
    except Exception as exc:  # a user's validator may raise anything
        reason = _message_of(exc)[:MAX_REASON_CHARS]
        return _invalid(pending, f"- {type(exc).__name__}: {reason}", exc)
    return replace(
        pending,
        tool=tool,
        values=values,
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


@dataclass(slots=True)
class ToolSelection:
    """Decides which calls are run, and from their results whether the run goes on.

    ``context``, ``approve`` and ``timeout`` are the agent's. ``calls_made`` counts the tool calls
    of the run, ``failures`` each tool's failures in a row.
    """

    context: object
    approve: Approve | None
    timeout: float | None
    calls_made: int = 0
    failures: dict[str, int] = field(default_factory=dict)

    def select(
        self, setup: Setup[Any, Any], calls: tuple[ToolCall, ...], record: RunRecord, step: OpenStep
    ) -> tuple[PendingToolCall, ...]:
        """The calls, each checked. Those that must not be run are settled."""
        self.calls_made += len(calls)
        history, bill = tuple(record.messages), Bill(tuple(record.charges()))
        return tuple(
            self._selected(
                setup,
                position,
                Context(
                    value=self.context, call=call, step=step.number, messages=history, bill=bill
                ),
            )
            for position, call in enumerate(calls)
        )

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
        return pending

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
            tool = setup.tools.get(use.call.name)
            if use.status == "failed" and use.error and tool and tool.on_error == "raise":
                kind = type(use.error).__name__
                raise ToolFailed(f"tool {tool.name!r} raised {kind}", tool=tool.name) from use.error


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
    left, media, cut = limit, 0, 0
    for value in values:
        part = _part(value)
        if isinstance(part, (Image, File)):
            media += len(part.data or b"")
            if media > MAX_MEDIA_BYTES or len(parts) >= MAX_MEDIA:
                raise UnserializableResult(
                    f"it returned more pictures or files than {MAX_MEDIA} or {MAX_MEDIA_BYTES:,}"
                    f" bytes"
                )
            parts.append(part)
            continue
        text = _text(part.text, max(left, 0))
        left -= len(part.text)
        cut += text.cut
        parts.append(Text(str(text.content)))
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
    if kind and kind.startswith("image/"):
        return image(data)
    if kind:
        return file(data)
    try:
        return Text(data.decode())
    except UnicodeDecodeError:
        raise UnserializableResult(
            f"it returned {len(data):,} bytes that are no text and no picture"
        ) from None


def _json(value: object) -> str:
    from pydantic_core import PydanticSerializationError, to_json

    if isgenerator(value) or isasyncgen(value):
        raise UnserializableResult("it returned a generator; return a list")
    try:
        return to_json(value, by_alias=True, inf_nan_mode="strings").decode()
    except (PydanticSerializationError, ValueError, RecursionError) as exc:
        raise UnserializableResult(
            f"it returned a {type(value).__name__}, of which no JSON can be made"
        ) from exc
