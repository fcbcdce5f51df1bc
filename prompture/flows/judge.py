"""The one judge of stop reasons: which answers are none, and the error that says so."""

from __future__ import annotations

from prompture.errors import InvalidRequest, PromptureError, ProtocolError, Refused, Truncated
from prompture.types import Completion

_ENDS = frozenset({"stop", "stop_sequence", "tool_calls"})
"""The ends of a whole answer. Every other one is a failure, those of later days included."""
_STATUS: dict[type[PromptureError], str] = {Refused: "refused", Truncated: "truncated"}
_WORD_CHARS = 60
_SLIPS = ("malformed_", "unexpected_tool_call", "too_many_tool_calls", "function_call_filter")
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
    """The error of an answer that is none: refused, filtered, cut off, broken off, paused (unless
    the caller goes on after a pause), or ended for a reason that nobody knows.

    ``name`` is the model's, ``max_tokens`` what the caller set. The error carries the answer as
    ``partial``. A reason that no codec knows ("unknown") is not taken for an end: what stands
    behind the word may be a filter or a lost connection. Where it is an end all the same, a hook
    can say so.
    """
    reason = completion.stop_reason
    if not completion.refusal and (reason in _ENDS or (may_pause and reason == "pause")):
        return None
    error = _error(completion, name, max_tokens)
    error.partial = completion
    return error


def is_slip(completion: Completion) -> bool:
    """Whether the provider threw away a tool call that the model wrote wrongly: the next answer
    may be right, as with ToolArgumentsInvalid."""
    word = str(completion.raw_stop or "").lower()
    return completion.stop_reason == "error" and word.startswith(_SLIPS)


def status_of(error: PromptureError) -> str:
    """The status that the charge of such an answer has."""
    return _STATUS.get(type(error), "error")


def _error(completion: Completion, name: str, max_tokens: int | None) -> PromptureError:
    reason = completion.stop_reason
    word = repr(str(completion.raw_stop or reason)[:_WORD_CHARS])
    if completion.refusal or reason == "refusal":
        said = f": {completion.refusal[:200]}" if completion.refusal else ""
        return Refused(f"{name} declined to answer{said}")
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


def blames_format(error: InvalidRequest) -> bool:
    """Whether a provider refuses the way a value was asked for, not the request as such."""
    said = f"{error} {error.details.get('param', '')}".lower()
    return error.status in (400, 404, 422) and any(word in said for word in _FORMAT_WORDS)
