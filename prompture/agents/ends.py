"""Answers that are none: what a stop reason means for a run."""

from __future__ import annotations

from prompture.errors import PromptureError, ProtocolError, Refused, Truncated
from prompture.extraction.answer import why_cut
from prompture.types import Completion


def raise_if_stopped(completion: Completion, *, name: str, max_tokens: int | None) -> None:
    """Raise for an answer that is none: refused, filtered, cut off, broken."""
    reason = completion.stop_reason
    error: PromptureError
    if completion.refusal or reason == "refusal":
        said = f": {completion.refusal[:200]}" if completion.refusal else ""
        error = Refused(f"{name} declined to answer{said}")
    elif reason == "content_filter":
        error = Refused(f"{name}: a content filter stopped the answer")
    elif reason in ("length", "context_window"):
        why = why_cut(completion, max_tokens)
        error = Truncated(
            f"{name}: the answer was cut off after {completion.usage.output_tokens} tokens ({why})"
        )
    elif reason in ("error", "cancelled"):
        error = ProtocolError(f"{name} broke off its answer ({completion.raw_stop or reason})")
    else:
        return
    error.partial = completion
    raise error
