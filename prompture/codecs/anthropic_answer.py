"""A whole message of Anthropic as a Completion; a stream is folded into the same message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prompture.codecs.base import Endpoint
from prompture.codecs.faults import raise_if_error
from prompture.codecs.stops import stop_reason
from prompture.codecs.tool_calls import named
from prompture.codecs.usage import Counts
from prompture.codecs.values import request_id, section, tool_call
from prompture.errors import ProtocolError
from prompture.types import JSON, Completion, Native, ToolCall, Usage
from prompture.wire.http import HTTPResponse
from prompture.wire.loading import shape

DIALECT = "anthropic"


def read_body(response: HTTPResponse, endpoint: Endpoint) -> Completion:
    """The Completion of a whole response. Raises ProviderError where it is an error."""
    body = response.json(endpoint.secrets())
    raise_if_error(body, response, endpoint)
    return named(read_message(body, response.headers))


def read_message(body: Any, headers: Mapping[str, str]) -> Completion:
    """Raises ProtocolError where the body is no message."""
    blocks = body.get("content") if isinstance(body, Mapping) else None
    if not isinstance(blocks, list) or not all(isinstance(b, Mapping) for b in blocks):
        raise ProtocolError(f"anthropic: expected a message with content, got {shape(body)}")
    blocks = list(_with_unique_ids(blocks))
    calls = tuple(_call(b) for b in blocks if b.get("type") == "tool_use")
    raw_stop = body.get("stop_reason")
    text = "".join(_texts(blocks, "text"))
    return Completion(
        text=text,
        reasoning="".join(_texts(blocks, "thinking")),
        refusal=_refusal(body, text) if raw_stop == "refusal" else None,
        tool_calls=calls,
        stop_reason=stop_reason(raw_stop, called=bool(calls)),
        raw_stop=raw_stop,
        usage=read_usage(body.get("usage")),
        model=str(body.get("model") or ""),
        request_id=request_id(headers),
        citations=[c for b in blocks for c in _citations(b)] or None,
        native=Native(DIALECT, [_echo(b) for b in blocks]) if blocks else None,
        raw=body,
    )


def _with_unique_ids(blocks: list[Any]) -> Iterator[JSON]:
    """The blocks, with an id for a call that has none, or that of another call: each must be
    answered by its id."""
    taken: set[str] = set()
    for block in blocks:
        if block.get("type") != "tool_use":
            yield block
            continue
        id = str(block.get("id") or f"call_{len(taken)}")
        # Servers that copy the API repeat ids; results could not be matched.
        id = f"{id}_{len(taken)}" if id in taken else id
        taken.add(id)
        yield block if block.get("id") == id else {**block, "id": id}


UNPARSED = "_unparsed"
"""Where a stream's tool block keeps input that was no JSON object."""


def _texts(blocks: list[Any], kind: str) -> Iterator[str]:
    return (str(b.get(kind) or "") for b in blocks if b.get("type") == kind)


def _citations(block: JSON) -> list[Any]:
    found = block.get("citations") if block.get("type") == "text" else None
    return found if isinstance(found, list) else []


def _call(block: JSON) -> ToolCall:
    arguments = block.get(UNPARSED, block.get("input"))
    return tool_call(
        id=str(block.get("id") or ""), name=str(block.get("name") or ""), arguments=arguments
    )


def _echo(block: JSON) -> JSON:
    return {k: v for k, v in block.items() if k != UNPARSED} if UNPARSED in block else block


def _refusal(body: JSON, text: str) -> str:
    details = section(body, "stop_details")
    return str(details.get("explanation") or details.get("category") or text)


def read_usage(usage: Any) -> Usage:
    """Anthropic counts fresh, read and written input apart; we add them up.

    ``iterations`` (compaction, advisors) are not in these totals: see ``nested_usage``.
    """
    if not isinstance(usage, Mapping) or not usage:
        return Usage(requests=1)
    counts = Counts()
    part = counts.part
    # input_tokens leaves cached tokens out; our input_tokens includes them.
    fresh = counts.total(usage, "input_tokens")
    output = counts.total(usage, "output_tokens")
    read = part(usage, "cache_read_input_tokens")
    writes = _writes(usage, counts)
    # Where the total is missing, its parts by time to live make it.
    written = part(usage, "cache_creation_input_tokens") or sum(writes.values())
    reasoning = part(section(usage, "output_tokens_details"), "thinking_tokens")
    searches = part(section(usage, "server_tool_use"), "web_search_requests")
    stated_cost = counts.dollars(usage)
    tier = usage.get("service_tier")
    return Usage(
        input_tokens=fresh + read + written,
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


def _writes(usage: JSON, counts: Counts) -> dict[str, int]:
    by_ttl = section(usage, "cache_creation")
    found = {ttl: counts.part(by_ttl, f"ephemeral_{ttl}_input_tokens") for ttl in ("5m", "1h")}
    return {ttl: tokens for ttl, tokens in found.items() if tokens}


def nested_usage(raw: JSON) -> list[tuple[str | None, Usage]]:
    """What ``Usage.raw`` lists besides the totals: calls of a compaction or an advisor, each
    with its own model where it names one. They are billed on top."""
    nested = raw.get("iterations")
    if not isinstance(nested, list):
        return []
    return [
        (one.get("model"), read_usage(one))
        for one in nested
        if isinstance(one, Mapping) and one.get("type") not in (None, "message")
    ]
