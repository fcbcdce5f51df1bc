"""Answers of Cohere's v2 chat as Completions: whole, streamed, and its errors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from prompture.codecs.base import Endpoint
from prompture.codecs.faults import fault_of, fault_of_response, provider_error
from prompture.codecs.folding import EventFolding
from prompture.codecs.tool_calls import CallAssembler, answered, distinct
from prompture.codecs.values import Counts, merged, objects, section, stop_reason, string, tool_call
from prompture.errors import (
    ContentFiltered,
    ContextWindowExceeded,
    InvalidRequest,
    ProtocolError,
    ProviderError,
    QuotaExhausted,
    ServerError,
    ToolArgumentsInvalid,
)
from prompture.types import JSON, Completion, Delta, Native, ToolCall, Usage
from prompture.wire.http import HTTPResponse
from prompture.wire.loading import shape

DIALECT = "cohere_v2"
_MONTHLY = re.compile(r"calls? ?/ ?month|per month|monthly", re.IGNORECASE)
_INVALID_TOOLS = re.compile(r"invalid.tool.generation", re.IGNORECASE)


def read_body(response: HTTPResponse, endpoint: Endpoint) -> Completion:
    """The Completion of a whole response. Raises ProviderError where it is an error."""
    body = response.json(endpoint.secrets())
    if not isinstance(body, Mapping):
        raise ProtocolError(f"expected an object, got {shape(body)}")
    raise_error(body, endpoint, response.headers)
    if not isinstance(body.get("message"), Mapping):
        raise ProtocolError(f"no message in {shape(body)}")
    found = read_answer(body)
    return replace(found, tool_calls=distinct(found.tool_calls))


def read_answer(body: JSON) -> Completion:
    """The Completion of a whole body. The plan that precedes tool calls counts as reasoning."""
    message = section(body, "message")
    blocks = message.get("content")
    if isinstance(blocks, str):
        blocks = [{"type": "text", "text": blocks}]
    blocks = objects(blocks)
    plan = string(message, "tool_plan")
    calls = tuple(_call(c, n) for n, c in enumerate(objects(message.get("tool_calls"))))
    finish = string(body, "finish_reason") or None
    return Completion(
        text="".join(string(b, "text") for b in blocks),
        reasoning="".join([*(string(b, "thinking") for b in blocks), plan]),
        tool_calls=calls,
        stop_reason=stop_reason(finish, called=bool(calls)),
        raw_stop=finish,
        usage=usage_of(body),
        request_id=string(body, "id") or None,
        logprobs=body.get("logprobs") or None,
        citations=message.get("citations") or None,
        native=Native(DIALECT, message) if blocks or plan or calls else None,
        raw=body,
    )


def _call(call: JSON, position: int) -> ToolCall:
    function = section(call, "function")
    return tool_call(
        id=string(call, "id") or f"call_{position}",
        name=string(function, "name"),
        arguments=function.get("arguments"),
    )


def usage_of(body: JSON) -> Usage:
    """Tokens as the model counted them, Cohere's own prompt template included; the fewer that
    are charged for are in ``raw["billed_units"]`` (``billed``). Tokens of images stand beside
    ``input_tokens`` there, and stay in ``raw``."""
    raw = section(body, "usage")
    tokens, billed_units = section(raw, "tokens"), section(raw, "billed_units")
    # Both are missing where the answer failed.
    stated = tokens or billed_units
    if not stated:
        return Usage(requests=1, raw=raw)
    counts = Counts()
    entered = counts.total(stated, "input_tokens")
    made = counts.total(stated, "output_tokens")
    read, reasoning = counts.part(raw, "cached_tokens"), counts.part(tokens, "reasoning_tokens")
    # Read for its problems alone: the counts are those of the model.
    if tokens and billed_units:
        _charged(billed_units, counts)
    return Usage(
        input_tokens=entered,
        output_tokens=made,
        # Counted with the prompt template, it passed what was billed (recorded: 2928 of 2406).
        cache_read_tokens=min(read, entered),
        reasoning_tokens=reasoning,
        requests=1,
        reported=counts.readable,
        problem=counts.problem,
        raw=raw,
    )


def _charged(units: JSON, counts: Counts) -> tuple[int, int]:
    """Input and output that are charged for; an embedding's or a search's units have neither."""
    return counts.part(units, "input_tokens"), counts.part(units, "output_tokens")


def billed(usage: Usage) -> Usage:
    """What is charged for: without Cohere's own prompt template, with the tokens of images.
    Cached tokens are not counted apart there, and cost as much as others."""
    units = section(usage.raw, "billed_units")
    if not units.keys() & {"input_tokens", "output_tokens"}:
        return usage
    entered, made = _charged(units, Counts())
    return replace(
        usage,
        input_tokens=entered,
        output_tokens=made,
        cache_read_tokens=0,
        reasoning_tokens=min(usage.reasoning_tokens, made),
    )


def read_fault(response: HTTPResponse, endpoint: Endpoint) -> ProviderError:
    """Errors here have a message and no code: the message decides what the status leaves open."""
    fault = fault_of_response(response)
    error = provider_error(response, endpoint, fault, kind=_kind(response.status, fault.message))
    error.request_id = error.request_id or string(fault.error, "id") or None
    # Not implemented: it stays so, unlike other 5xx.
    if response.status == 501:
        error.retryable = False
    return error


def _kind(status: int, message: str) -> type[ProviderError] | None:
    words = message.lower()
    if status in (400, 422) and "too many tokens" in words:
        # A max_tokens past the model's maximum has the same message.
        return InvalidRequest if "max tokens must" in words else ContextWindowExceeded
    if status == 429 and _MONTHLY.search(message):
        return QuotaExhausted
    # "invalid token": not the key, a word that is blocked.
    if status == 498:
        return ContentFiltered
    if status == 499:
        return ServerError
    if _INVALID_TOOLS.search(message):
        return ToolArgumentsInvalid
    return None


def raise_error(body: JSON, endpoint: Endpoint, headers: Mapping[str, str] | None = None) -> None:
    """Raise where a good answer, or an event of a stream, is a failure: it has ``error`` (and
    ``error_type``), or a ``message`` that is a text."""
    message = body.get("error") or body.get("message")
    if not message or (isinstance(message, Mapping) and not body.get("error")):
        return
    code = string(body, "error_type")
    fault = fault_of({"error": message, "code": code} if code else {"error": message})
    response = HTTPResponse(200, headers or {}, json.dumps(body).encode())
    kind = ToolArgumentsInvalid if code == "INVALID_TOOL_GENERATION" else None
    raise provider_error(response, endpoint, fault, kind=kind or _kind(200, fault.message))


def model_names(items: Sequence[JSON]) -> list[JSON]:
    """The models that have a name, and ``chat`` among their endpoints where those are listed."""
    return [m for m in items if m.get("name") and "chat" in (m.get("endpoints") or ["chat"])]


class CohereStream(EventFolding):
    """Folds a stream; ``message-end`` is its last event. Events of other types are passed over.

    Usage stands in the last event only, and is empty where the answer failed.
    """

    last = "message-end"

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint, read_body)
        self._body: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, list[str]]] = {}
        self._plan: list[str] = []
        self._calls = CallAssembler()
        self._citations: list[Any] = []
        self._logprobs: list[Any] = []
        self._ended = False

    def _event(self, event: dict[str, Any], deltas: list[Delta]) -> None:
        delta = section(event, "delta")
        # An error may be in the event or in its delta.
        # message-end has ``delta.error`` beside the reason ERROR.
        for source in (event, delta):
            raise_error(source, self.endpoint)
        message = section(delta, "message")
        index = event.get("index")
        match event.get("type"):
            case "message-start":
                self._body["id"] = event.get("id")
            case "content-start" | "content-delta":
                if event.get("logprobs"):
                    self._logprobs.append(event["logprobs"])
                deltas.extend(self._content(section(message, "content"), index))
            case "tool-plan-delta":
                if plan := string(message, "tool_plan"):
                    self._plan.append(plan)
                    deltas.append(Delta(reasoning=plan))
            case "tool-call-start" | "tool-call-delta":
                for call in _one_or_many(message.get("tool_calls")):
                    self._call(call, index, deltas)
            case "citation-start":
                self._citations += _one_or_many(message.get("citations"))
            case "message-end":
                self._ended = True
                self._calls.flush(deltas, final=True)
                self._body["finish_reason"] = delta.get("finish_reason")
                if usage := section(delta, "usage"):
                    self._body["usage"] = merged(section(self._body, "usage"), usage)

    def _content(self, block: JSON, index: Any) -> Iterator[Delta]:
        place = index if isinstance(index, int) else max(self._blocks, default=0)
        for kind in ("text", "thinking"):
            piece = string(block, kind)
            if not piece and block.get("type") != kind:
                continue
            self._blocks.setdefault(place, {}).setdefault(kind, []).append(piece)
            if piece:
                yield Delta(text=piece) if kind == "text" else Delta(reasoning=piece)

    def _call(self, call: JSON, index: Any, deltas: list[Delta]) -> None:
        function = section(call, "function")
        self._calls.add(
            deltas,
            place=index,
            id=string(call, "id"),
            name=string(function, "name"),
            arguments=function.get("arguments"),
        )

    def _terminated(self) -> bool:
        return self._ended

    def _so_far(self) -> Completion:
        return read_answer(self._whole())

    def _finished(self) -> Completion:
        self._calls.check()
        return answered(self._so_far(), self.endpoint.provider)

    def _whole(self) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant"}
        content = [
            {"type": kind, kind: "".join(pieces)}
            for _, block in sorted(self._blocks.items())
            for kind, pieces in block.items()
        ]
        calls = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.raw_arguments},
            }
            for call in self._calls.so_far()
        ]
        found = {
            "content": content,
            "tool_plan": "".join(self._plan),
            "tool_calls": calls,
            "citations": list(self._citations),
        }
        message.update({key: value for key, value in found.items() if value})
        body = {**self._body, "message": message}
        if self._logprobs:
            body["logprobs"] = list(self._logprobs)
        return body


def _one_or_many(value: Any) -> list[JSON]:
    """An event holds one call or citation as an object; the first event holds empty lists."""
    return [value] if isinstance(value, Mapping) else objects(value)
