"""The judge of answers: which stop reasons make one unusable, and what to tell the model.

Nothing else decides that. A reason that has no branch in ``_error`` is an error, "not known".
"""

from __future__ import annotations

from collections.abc import Sequence

from prompture.errors import InvalidRequest, PromptureError, ProtocolError, Refused, Truncated
from prompture.schema.problems import Problem
from prompture.types import Completion

_COMPLETE = frozenset({"stop", "stop_sequence", "tool_calls"})
"""Stop reasons of a whole answer. Any other is a failure, and so is one that is not known yet."""
_STATUS: dict[type[PromptureError], str] = {Refused: "refused", Truncated: "truncated"}
_WORD_CHARS = 60
# Gemini's finish reasons: ai.google.dev/api/generate-content#FinishReason
_SLIPS = ("malformed_", "unexpected_tool_call", "too_many_tool_calls", "function_call_filter")
# The fields, in each dialect, by which a value is asked for; an error of the provider names them.
_FORMAT_WORDS = (
    "response_format",
    "json_schema",
    "json schema",
    "responsejsonschema",
    "output_config",
)


def stop_error(
    completion: Completion, *, name: str, max_tokens: int | None, may_pause: bool = False
) -> PromptureError | None:
    """The error of an unusable answer, None for a usable one.

    Unusable is: refused, filtered, cut off, broken off, paused (unless ``may_pause``: the caller
    goes on after a pause), and ended for an unknown reason. ``name`` is the model's,
    ``max_tokens`` what the caller set. The error carries the answer as ``partial``.
    """
    # A reason that no codec knows ("unknown") may be a filter or a lost connection, so it is not
    # taken for an end. Where it is one, a hook can set stop_reason.
    reason = completion.stop_reason
    if not completion.refusal and (reason in _COMPLETE or (may_pause and reason == "pause")):
        return None
    error = _error(completion, name, max_tokens)
    error.partial = completion
    return error


def is_slip(completion: Completion) -> bool:
    """Whether the provider threw away a malformed tool call of the model.

    The next answer may be right, as with ToolArgumentsInvalid.
    """
    word = str(completion.raw_stop or "").lower()
    return completion.stop_reason == "error" and word.startswith(_SLIPS)


def status_of(error: PromptureError) -> str:
    """The status of the charge of an unusable answer."""
    return _STATUS.get(type(error), "error")


def _error(completion: Completion, name: str, max_tokens: int | None) -> PromptureError:
    reason = completion.stop_reason
    word = repr(str(completion.raw_stop or reason)[:_WORD_CHARS])
    if completion.refusal or reason == "refusal":
        reply = f": {completion.refusal[:200]}" if completion.refusal else ""
        return Refused(f"{name} declined to answer{reply}")
    if reason == "content_filter":
        return Refused(f"{name}: a content filter stopped the answer")
    if reason in ("length", "context_window"):
        tokens = completion.usage.output_tokens
        return Truncated(
            f"{name}: the answer was cut off after {tokens} tokens"
            f" ({_why_cut(completion, max_tokens)}); {advice(completion)}"
        )
    if reason == "pause":
        return ProtocolError(
            f"{name} paused in its answer ({word}): a value is not taken out of the half of it"
        )
    if reason in ("error", "cancelled"):
        return ProtocolError(f"{name} broke off its answer ({word})")
    return ProtocolError(
        f"{name} ended its answer for a reason that is not known: {word}; if that is an ordinary"
        " end there, let a hook say so (Hooks(after_response=...), stop_reason='stop')"
    )


def _why_cut(completion: Completion, max_tokens: int | None) -> str:
    reason = completion.stop_reason
    if reason == "length" and completion.lowered_to is not None:
        return f"max_tokens={completion.lowered_to}, which is what the budget had left"
    if reason == "length" and max_tokens:
        return f"max_tokens={max_tokens}"
    return reason.replace("_", " ")


def advice(completion: Completion) -> str:
    """What to do about an answer that was cut off."""
    if completion.lowered_to is not None:
        return "give the budget more, or ask for less at a time"
    return "raise max_tokens, or ask for less at a time"


def is_about_format(error: InvalidRequest) -> bool:
    """Whether a provider refuses the way a value was asked for, not the request as such."""
    message = f"{error} {error.details.get('param', '')}".lower()
    return error.status in (400, 404, 422) and any(word in message for word in _FORMAT_WORDS)


def complaint(
    problems: Sequence[Problem], *, parts: Sequence[str] = (), final: bool = False
) -> str:
    """What is wrong with an answer, for the model that gave it.

    ``parts`` are what to give again, where that is not the whole. ``final`` is for an agent's
    final answer, beside which the model may call tools.
    """
    lines = "\n".join(f"- {p}" for p in problems)
    if final:
        return (
            f"That is no valid final answer:\n{lines}\nGive the whole final answer again,"
            " corrected. Do not invent values to satisfy the schema."
        )
    if parts:
        again = f"Give only the corrected values again: {', '.join(parts)}."
    else:
        again = "Give the whole corrected answer again."
    return (
        f"That answer does not satisfy the schema:\n{lines}\n{again} "
        "Take values from the document only; do not invent any to satisfy the schema."
    )
