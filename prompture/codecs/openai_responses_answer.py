"""A whole response as a Completion; a stream is folded into the same response."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from prompture.codecs.base import Endpoint
from prompture.codecs.faults import fault_of, provider_error, raise_if_error
from prompture.codecs.openai_models import DIALECT
from prompture.codecs.tool_calls import free_arguments, named
from prompture.codecs.values import Counts, request_id, section, stop_reason, tool_call
from prompture.errors import InvalidRequest, ProtocolError, ProviderError
from prompture.types import JSON, Completion, Native, ToolCall, Usage
from prompture.wire.http import HTTPResponse
from prompture.wire.loading import shape

_YOURS = re.compile(
    r"(?:invalid|unsupported|empty|failed_to_download)_(?:base64_)?image|image_(?:too|content|parse|file)"
)
"""Codes of failed responses that are the request's fault, not the server's."""


def read_body(response: HTTPResponse, endpoint: Endpoint) -> Completion:
    """The Completion of a whole HTTP response."""
    return named(read_response(response.json(endpoint.secrets()), response, endpoint))


def read_response(body: Any, response: HTTPResponse, endpoint: Endpoint) -> Completion:
    """Raises ProviderError for a failed response, ProtocolError where the body is none."""
    # Before the common check: the error's code is one of this API's own.
    if isinstance(body, Mapping) and body.get("status") == "failed":
        raise failure(body, response, endpoint)
    raise_if_error(body, response, endpoint)
    return completion(body, response.headers)


def failure(body: JSON, response: HTTPResponse, endpoint: Endpoint) -> ProviderError:
    """The error of a response whose status is ``failed``."""
    error = body.get("error") or {"code": "server_error", "message": "the response failed"}
    fault = fault_of({"error": error})
    kind = InvalidRequest if _YOURS.match(fault.code or "") else None
    return provider_error(response, endpoint, fault, kind=kind)


def completion(body: Any, headers: Mapping[str, str]) -> Completion:
    """Raises ProtocolError where the body has no output."""
    items = body.get("output") if isinstance(body, Mapping) else None
    if not isinstance(items, list) or not all(isinstance(i, Mapping) for i in items):
        raise ProtocolError(f"expected a response with output, got {shape(body)}")
    parts = [part for item in items for part in _parts(item, "message")]
    answers = [
        part for item in items if not is_commentary(item) for part in _parts(item, "message")
    ]
    calls = tuple(made_of(item) for item in items if item.get("type") in CALLS)
    refusal = "".join(str(p.get("refusal") or "") for p in parts if p.get("type") == "refusal")
    raw_stop = _raw_stop(body)
    texts = [p for p in answers if p.get("type") == "output_text"]
    return Completion(
        text="".join(str(p.get("text") or "") for p in texts),
        reasoning="\n\n".join(t for item in items for t in thoughts(item) if t),
        refusal=refusal or None,
        tool_calls=calls,
        stop_reason=stop_reason(raw_stop, called=bool(calls), refused=bool(refusal)),
        raw_stop=raw_stop,
        usage=read_usage(body),
        model=str(body.get("model") or ""),
        request_id=request_id(headers) or body.get("id"),
        logprobs=_gathered(texts, "logprobs"),
        citations=_gathered(texts, "annotations"),
        native=Native(DIALECT, items) if items else None,
        raw=body,
    )


def _parts(item: JSON, kind: str) -> list[JSON]:
    content = item.get("content") if item.get("type") == kind else None
    return [p for p in content if isinstance(p, Mapping)] if isinstance(content, list) else []


def is_commentary(item: JSON) -> bool:
    """Whether a message only speaks of the work, as gpt-5.3-codex and later do before a call or
    an answer. It counts as reasoning: in front of the answer it would break its JSON."""
    return item.get("phase") == "commentary" and item.get("type") == "message"


def thoughts(item: JSON) -> Iterator[str]:
    """The texts of a reasoning item: its summaries, then its content where it is open. Those of
    a commentary."""
    if is_commentary(item):
        for part in _parts(item, "message"):
            yield str(part.get("text") or "")
    if item.get("type") != "reasoning":
        return
    for key in ("summary", "content"):
        for part in item.get(key) or ():
            if isinstance(part, Mapping):
                yield str(part.get("text") or "")


CALLS = ("function_call", "custom_tool_call")
"""Items that are ours to answer; a custom tool has free text for arguments."""


def made_of(item: JSON) -> ToolCall:
    """The call that an item is."""
    free = item.get("type") == "custom_tool_call"
    arguments = free_arguments(str(item.get("input") or "")) if free else item.get("arguments")
    return tool_call(
        id=str(item.get("call_id") or item.get("id") or ""),
        name=str(item.get("name") or ""),
        arguments=arguments,
    )


def _gathered(texts: list[JSON], key: str) -> list[Any] | None:
    return [one for part in texts for one in part.get(key) or ()] or None


def _raw_stop(body: JSON) -> str | None:
    """The status; of an incomplete response, what is wrong with it."""
    status = body.get("status")
    reason = section(body, "incomplete_details").get("reason")
    # "max_output_tokens" or "content_filter".
    found = reason if status == "incomplete" and reason else status
    return found if isinstance(found, str) else None


def read_usage(body: JSON) -> Usage:
    """Cache reads and writes are parts of the input, reasoning is part of the output."""
    usage = body.get("usage")
    if not isinstance(usage, Mapping) or not usage:
        return Usage(requests=1)
    counts = Counts()
    part = counts.part
    given = section(usage, "input_tokens_details")
    tokens = counts.total(usage, "input_tokens", "prompt_tokens")
    output = counts.total(usage, "output_tokens", "completion_tokens")
    # Parts of the input; copies that state more would make the rest negative.
    read = min(part(given, "cached_tokens"), tokens)
    written = min(part(given, "cache_write_tokens"), tokens - read)
    reasoning = part(section(usage, "output_tokens_details"), "reasoning_tokens")
    rest = counts.rest(usage, "total_tokens", tokens + output)
    # A total that exceeds its parts by the reasoning shows that the output leaves it out.
    if rest and rest == reasoning:
        output += rest
    else:
        counts.unexplained(rest, "total_tokens")
    writes, searches = _writes(usage, given, counts), _searches(body, usage, counts)
    stated_cost = counts.dollars(usage)
    tier = body.get("service_tier")
    return Usage(
        input_tokens=tokens,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_writes=writes,
        reasoning_tokens=reasoning,
        requests=1,
        searches=searches,
        service_tier=tier if isinstance(tier, str) else None,
        stated_cost=stated_cost,
        reported=counts.readable,
        problem=counts.problem,
        raw=usage,
    )


def _searches(body: JSON, usage: JSON, counts: Counts) -> int:
    """Web searches as the provider counts them, else those among the output's items; opening a
    page and finding in one are no searches."""
    xai = section(usage, "server_side_tool_usage_details")
    stated = section(section(body, "tool_usage"), "web_search")
    if xai or "num_requests" in stated:
        searched = counts.part(xai, "web_search_calls") + counts.part(xai, "x_search_calls")
        return searched or counts.part(stated, "num_requests")
    items = body.get("output")
    calls = [
        one
        for one in (items if isinstance(items, list) else ())
        if isinstance(one, Mapping) and one.get("type") == "web_search_call"
    ]
    return sum(section(one, "action").get("type", "search") == "search" for one in calls)


def _writes(usage: JSON, given: JSON, counts: Counts) -> dict[str, int]:
    key = "cache_write_tokens_details"
    by_ttl = section(given, key) or section(usage, key)
    found = {ttl: counts.part(by_ttl, f"ttl_{ttl}_tokens") for ttl in ("30m", "12h")}
    return {ttl: tokens for ttl, tokens in found.items() if tokens}
