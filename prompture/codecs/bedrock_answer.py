"""Converse answers as Completions, and errors of Bedrock."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from prompture import errors
from prompture.codecs.anthropic_answer import UNPARSED
from prompture.codecs.base import Endpoint
from prompture.codecs.fault_classes import Fault, is_too_long
from prompture.codecs.faults import fault_of_response, provider_error
from prompture.codecs.stops import stop_reason
from prompture.codecs.tool_calls import named
from prompture.codecs.usage import Counts
from prompture.codecs.values import request_id, section, tool_call
from prompture.errors import ProtocolError, ProviderError
from prompture.types import JSON, Completion, Native, ToolCall, Usage
from prompture.wire.http import HTTPResponse
from prompture.wire.loading import shape

DIALECT = "bedrock_converse"


def read_body(response: HTTPResponse, endpoint: Endpoint) -> Completion:
    """The Completion of a whole response. Raises ProviderError where it is an error."""
    body = response.json(endpoint.secrets())
    if isinstance(body, Mapping) and "output" not in body and "message" in body:
        raise read_failure(response, endpoint)
    return named(read_answer(body, response.headers))


def read_answer(body: Any, headers: Mapping[str, str]) -> Completion:
    """Raises ProtocolError where the body is no answer of Converse."""
    message = section(section(body, "output"), "message") if isinstance(body, Mapping) else {}
    blocks = message.get("content")
    if not isinstance(blocks, list) or not all(isinstance(b, Mapping) for b in blocks):
        raise ProtocolError(f"bedrock: expected output.message.content, got {shape(body)}")
    uses = (use for b in blocks if is_call(use := section(b, "toolUse")))
    calls = tuple(_call(use, position) for position, use in enumerate(uses))
    raw_stop = body.get("stopReason")
    return Completion(
        text="".join(text for b in blocks for text in _texts(b)),
        reasoning="".join(
            str(section(section(b, "reasoningContent"), "reasoningText").get("text") or "")
            for b in blocks
        ),
        tool_calls=calls,
        stop_reason=stop_reason(raw_stop, called=bool(calls)),
        raw_stop=raw_stop,
        usage=read_usage(body),
        request_id=request_id(headers),
        citations=[c for b in blocks for c in _citations(b)] or None,
        native=Native(DIALECT, [_echo(b) for b in blocks]) if blocks else None,
        raw=body,
    )


def is_call(use: JSON) -> bool:
    """Whether a toolUse is ours to answer: the provider's own tools are marked as such."""
    return bool(use) and use.get("type") != "server_tool_use"


def _call(use: JSON, position: int) -> ToolCall:
    return tool_call(
        id=str(use.get("toolUseId") or f"call_{position}"),
        name=str(use.get("name") or ""),
        arguments=use.get(UNPARSED, use.get("input")),
    )


def _echo(block: JSON) -> JSON:
    use = section(block, "toolUse")
    if UNPARSED not in use:
        return block
    return {"toolUse": {k: v for k, v in use.items() if k != UNPARSED}}


def _texts(block: JSON) -> Iterator[str]:
    yield str(block.get("text") or "")
    for part in section(block, "citationsContent").get("content") or ():
        yield str(part.get("text") or "")


def _citations(block: JSON) -> list[Any]:
    found = section(block, "citationsContent").get("citations")
    return found if isinstance(found, list) else []


def read_usage(body: JSON) -> Usage:
    """Bedrock counts fresh, read and written input apart; we add them up."""
    usage = body.get("usage")
    if not isinstance(usage, Mapping) or not usage:
        return Usage(requests=1)
    counts = Counts()
    # Fresh, read and written input are apart here; our input_tokens is their sum.
    fresh, output = counts.total(usage, "inputTokens"), counts.total(usage, "outputTokens")
    read = counts.part(usage, "cacheReadInputTokens", "cacheReadInputTokenCount")
    written = counts.part(usage, "cacheWriteInputTokens", "cacheWriteInputTokenCount")
    writes = _writes(usage, counts)
    rest = counts.rest(usage, "totalTokens", fresh + output + read + written)
    counts.unexplained(rest, "totalTokens")
    tier = section(body, "serviceTier").get("type")
    return Usage(
        input_tokens=fresh + read + written,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_writes=writes,
        requests=1,
        service_tier=tier if isinstance(tier, str) else None,
        reported=counts.readable,
        problem=counts.problem,
        raw=usage,
    )


def _writes(usage: JSON, counts: Counts) -> dict[str, int]:
    details = usage.get("cacheDetails")
    return {
        str(one["ttl"]): tokens
        for one in (details if isinstance(details, list) else ())
        if isinstance(one, Mapping)
        and one.get("ttl")
        and (tokens := counts.part(one, "inputTokens"))
    }


_CLASSES: Mapping[str, type[ProviderError]] = {
    "accessdenied": errors.PermissionDenied,
    "unrecognizedclient": errors.AuthenticationError,
    "expiredtoken": errors.AuthenticationError,
    "invalidsignature": errors.AuthenticationError,
    "incompletesignature": errors.AuthenticationError,
    "missingauthenticationtoken": errors.AuthenticationError,
    "resourcenotfound": errors.ModelNotFound,
    "throttling": errors.RateLimitError,
    "modelnotready": errors.RateLimitError,
    "servicequotaexceeded": errors.QuotaExhausted,
    "serviceunavailable": errors.Overloaded,
    "modeltimeout": errors.ServerError,
    "modelerror": errors.ServerError,
    "modelstreamerror": errors.ServerError,
    "internalserver": errors.ServerError,
}
_NO_MODEL = re.compile(r"model identifier is invalid", re.IGNORECASE)


def read_failure(response: HTTPResponse, endpoint: Endpoint, name: str = "") -> ProviderError:
    """``name`` is the exception's, out of the header or of a stream's event."""
    name = name or response.headers.get("x-amzn-errortype", "").partition(":")[0]
    fault = fault_of_response(response)
    if name:
        fault = Fault(fault.message, (name, *fault.codes), fault.error)
    kind = _CLASSES.get(name.lower().removesuffix("exception"))
    if kind is None and (response.status == 400 or "alidation" in name):
        kind = _invalid(fault.message)
    return provider_error(response, endpoint, fault, kind=kind)


def _invalid(message: str) -> type[ProviderError]:
    if _NO_MODEL.search(message):
        return errors.ModelNotFound
    return errors.ContextWindowExceeded if is_too_long(message) else errors.InvalidRequest
