"""What Gemini answers: a GenerateContentResponse, and its errors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from prompture.codecs.base import Endpoint
from prompture.codecs.fault_classes import Fault
from prompture.codecs.faults import fault_of, fault_of_response, provider_error
from prompture.codecs.values import Counts, objects, section, stop_reason, tool_call
from prompture.errors import (
    ContentFiltered,
    InvalidRequest,
    PermissionDenied,
    ProviderError,
    QuotaExhausted,
    RateLimitError,
)
from prompture.types import JSON, Completion, Native, StopReason, ToolCall, Usage
from prompture.wire.http import HTTPResponse

DIALECT = "gemini"
_STOPS = (None, "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER")
"""Finish reasons by number, for clients that ask for enums as numbers. From 6 on the two APIs
number them differently, so those stay unknown."""
_AUDIO = ("AUDIO", 4)
_IMAGE = ("IMAGE", 2)


def read_answer(body: JSON, ids: Sequence[str] | None = None) -> Completion:
    """The Completion of a whole body. ``ids`` are those already given to its tool calls.

    A prompt that was blocked has no candidate: its reason is then the ``raw_stop`` of a
    ``content_filter``, and its usage is kept, as it may be billed.
    """
    candidate = candidate_of(body)
    # ``content`` or its parts are missing where a filter or the limit of tokens came first (recorded).
    content = section(candidate, "content")
    parts = objects(content.get("parts"))
    calls = calls_of(parts, body.get("responseId"), ids)
    stop, raw_stop = _stop(body, candidate, called=bool(calls))
    return Completion(
        text="".join(text for text, thought in map(words_of, parts) if not thought),
        reasoning="".join(text for text, thought in map(words_of, parts) if thought),
        tool_calls=calls,
        stop_reason=stop,
        raw_stop=raw_stop,
        usage=usage_of(body),
        model=_text(body.get("modelVersion")).removeprefix("models/"),
        request_id=_text(body.get("responseId")) or None,
        logprobs=candidate.get("logprobsResult"),
        citations={k: candidate[k] for k in _CITATIONS if candidate.get(k)} or None,
        # Parts as they came: a signature must go back in the part that it came in.
        native=Native(DIALECT, {**content, "role": "model"}) if parts else None,
        raw=body,
    )


_CITATIONS = ("citationMetadata", "groundingMetadata", "urlContextMetadata")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def candidate_of(body: JSON) -> JSON:
    """The first candidate; more are only made where ``extra`` asks for them."""
    return next((c for c in objects(body.get("candidates")) if not c.get("index")), {})


def words_of(part: JSON) -> tuple[str, bool]:
    """A part's text, and whether it is a thought."""
    return _text(part.get("text")), part.get("thought") is True


def calls_of(
    parts: Sequence[JSON], response_id: Any, ids: Sequence[str] | None = None
) -> tuple[ToolCall, ...]:
    """The calls among the parts. One without an id is named after the answer and its place in
    it, so that ids stay apart over a conversation and the same answer gives the same ids."""
    found = [f for p in parts if isinstance(f := p.get("functionCall"), Mapping)]
    return tuple(
        tool_call(
            id=ids[n] if ids else call_id(call, response_id, n),
            name=_text(call.get("name")),
            arguments=call.get("args"),
        )
        for n, call in enumerate(found)
    )


def call_id(call: JSON, response_id: Any, position: int) -> str:
    return _text(call.get("id")) or "_".join(
        ["call", *filter(None, [_text(response_id)]), str(position)]
    )


def _stop(body: JSON, candidate: JSON, *, called: bool) -> tuple[StopReason, str | None]:
    # HTTP 200, and no candidates at all.
    blocked = section(body, "promptFeedback").get("blockReason")
    if blocked and not candidate:
        return "content_filter", str(blocked)
    if not candidate:
        return "unknown", None
    raw = finish_of(candidate)
    return stop_reason(raw, called=called), raw


def finish_of(candidate: JSON) -> str | None:
    """The finish reason by name."""
    reason = candidate.get("finishReason")
    if isinstance(reason, int):
        return _STOPS[reason] if 0 <= reason < len(_STOPS) else str(reason)
    return None if reason in (None, "", "FINISH_REASON_UNSPECIFIED") else str(reason)


def usage_of(body: JSON) -> Usage:
    """Canonical buckets: thoughts are not among the candidates' tokens, nor what tools of
    Google put into the prompt among the prompt's; cached tokens are part of the prompt."""
    raw = section(body, "usageMetadata")
    if not any(key.endswith("TokenCount") for key in raw):
        return Usage(requests=1, service_tier=_tier(raw), raw=raw)
    counts = Counts()
    # Numbers of 0 are left out there, as in all of Google's JSON: what is there must be readable.
    prompt = counts.total(raw, "promptTokenCount")
    answered = counts.needed(raw, "candidatesTokenCount")
    tools = counts.part(raw, "toolUsePromptTokenCount")
    read = counts.part(raw, "cachedContentTokenCount")
    given = objects(raw.get("promptTokensDetails")) + objects(raw.get("toolUsePromptTokensDetails"))
    made = objects(raw.get("candidatesTokensDetails"))
    # 29 + 10 + 202 = 241 in a recording: thoughts stand beside the candidates' tokens.
    thoughts = counts.part(raw, "thoughtsTokenCount")
    everything = prompt + tools + answered + thoughts
    rest = counts.rest(raw, "totalTokenCount", everything)
    counts.unexplained(rest, "totalTokenCount")
    spoken, heard = _of_kind(made, _AUDIO, counts), _of_kind(given, _AUDIO, counts)
    drawn, seen = _of_kind(made, _IMAGE, counts), _of_kind(given, _IMAGE, counts)
    return Usage(
        input_tokens=prompt + tools,
        output_tokens=answered + thoughts,
        cache_read_tokens=min(read, prompt),
        reasoning_tokens=thoughts,
        input_audio_tokens=heard,
        output_audio_tokens=spoken,
        input_image_tokens=seen,
        output_image_tokens=drawn,
        requests=1,
        searches=_searches(body),
        service_tier=_tier(raw),
        reported=counts.readable,
        problem=counts.problem,
        raw=raw,
    )


def _searches(body: JSON) -> int:
    """Queries to Google that the answer was grounded by."""
    found = (section(c, "groundingMetadata") for c in objects(body.get("candidates")))
    queries = [one.get("webSearchQueries") for one in found]
    return sum(len(q) for q in queries if isinstance(q, list))


def _of_kind(details: Sequence[JSON], kind: tuple[str, int], counts: Counts) -> int:
    return sum(counts.part(d, "tokenCount") for d in details if d.get("modality") in kind)


def _tier(raw: JSON) -> str | None:
    """The Developer API has ``serviceTier``, Vertex ``trafficType`` (``ON_DEMAND_FLEX``)."""
    return _text(raw.get("serviceTier")) or _text(raw.get("trafficType")).lower() or None


def read_fault(
    response: HTTPResponse, endpoint: Endpoint, fault: Fault | None = None
) -> ProviderError:
    """Gemini's error, by its own rules first.

    A used-up quota and a hasty client are the same 429: only the name of the violated quota
    shows whether it is a day's, which waiting does not bring back, or a minute's.
    """
    found = fault or fault_of_response(response)
    # Its status is a name and is more exact than its code, which repeats the HTTP status.
    words = sorted(found.codes, key=str.isdigit)
    found = replace(found, codes=tuple(words))
    return provider_error(response, endpoint, found, kind=_kind(found))


def _kind(fault: Fault) -> type[ProviderError] | None:
    codes = {code.upper() for code in fault.codes}
    words = fault.message.lower()
    if "RESOURCE_EXHAUSTED" in codes or "429" in codes:
        violations = [
            _text(v.get("quotaId"))
            for detail in objects(fault.error.get("details"))
            for v in objects(detail.get("violations"))
        ]
        # A day's allowance does not come back in this call: no retry.
        if any("PerDay" in quota for quota in violations):
            return QuotaExhausted
        return RateLimitError if any(violations) else None
    if "NOT_FOUND" in codes and "model" not in words:
        return InvalidRequest
    if "FAILED_PRECONDITION" in codes and "location is not supported" in words:
        return PermissionDenied
    if "INVALID_ARGUMENT" in codes and "model armor" in words:
        return ContentFiltered
    return None


def raise_error(body: JSON, endpoint: Endpoint, response: HTTPResponse | None = None) -> None:
    """Raise where a good response, or an event of a stream, holds an error all the same."""
    if not body.get("error"):
        return
    if response is None:
        response = HTTPResponse(200, {}, json.dumps(body).encode())
    raise read_fault(response, endpoint, fault_of(body))
