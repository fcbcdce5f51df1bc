"""Stop reasons: every provider's names for them, and ours.

A provider's new word goes into a row of ``_RAW``. A new reason of ours goes into
``types.StopReason`` and ``flows/attempts.py`` as well.
"""

from __future__ import annotations

from collections.abc import Mapping

from prompture.types import StopReason

_RAW: Mapping[StopReason, str] = {
    "stop": "stop end_turn complete completed eos eos_token endoftext",
    "stop_sequence": "stop_sequence",
    "length": "length max_tokens max_output_tokens max_completion_tokens token_limit",
    # "model_length" is Mistral's, the other Claude's, both with HTTP 200.
    "context_window": "model_context_window_exceeded model_length",
    "tool_calls": "tool_calls tool_use tool_call function_call",
    "content_filter": (
        "content_filter content_filtered guardrail_intervened sensitive safety recitation"
        " blocklist prohibited_content spii image_safety image_prohibited_content"
        " image_recitation model_armor escalation pup_limited_disabled"
    ),
    "refusal": "refusal",
    # "compaction": Claude stopped to sum up (spec, BetaStopReason). "continuation": Gemini's cap for
    # one request. "queued" and "in_progress": a response in the background. In all, more may come.
    "pause": "pause_turn compaction continuation steered queued in_progress",
    "cancelled": "cancelled canceled abort aborted",
    "error": (
        "error timeout failed network_error insufficient_system_resource unexpected_tool_call"
        " too_many_tool_calls missing_thought_signature language other no_image image_other"
    ),
}
_BY_RAW: Mapping[str, StopReason] = {
    word: reason for reason, words in _RAW.items() for word in words.split()
}


def stop_reason(raw: str | None, *, called: bool = False, refused: bool = False) -> StopReason:
    """The canonical reason. ``called``: the answer holds tool calls; ``refused``: it
    holds a refusal: several providers then still report an ordinary stop. An empty or absent
    reason is a stop; an unknown one is ``"unknown"``, never an error.
    """
    # Nearly always the exact name; the slow reading is for the others.
    reason = _BY_RAW.get(raw) if type(raw) is str else None
    reason = reason or _read(raw)
    # OpenAI ends a refusal with "stop": its spec has no word for one. A cut-off one stays cut off.
    if refused and reason in ("stop", "tool_calls"):
        return "refusal"
    # Gemini, Ollama and many copies of OpenAI end with an ordinary stop where a call came (recorded).
    if called and reason == "stop":
        return "tool_calls"
    return reason


_BROKEN_OFF = ("length", "context_window", "content_filter", "error")


def last_stop(known: str | None, raw: str) -> str:
    """What a stream stopped for, of two reasons that it states one after the other: a plain stop
    does not take back that the answer was cut off or filtered."""
    if known and _read(raw) == "stop" and _read(known) in _BROKEN_OFF:
        return known
    return raw


def _read(raw: str | None) -> StopReason:
    word = str(raw or "stop").lower()
    if word in ("null", "none"):  # DashScope's own dialect, as proxies pass it on
        word = "stop"
    # Gemini's compatible endpoint: "content_filter: RECITATION", "function_call_filter: ...".
    kind = word.partition(":")[0]
    is_broken = word.startswith("malformed_") or kind == "function_call_filter"
    return _BY_RAW.get(word) or _BY_RAW.get(kind) or ("error" if is_broken else "unknown")
