"""Answers of Bedrock's Converse API as Completions: whole, streamed, and its errors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from prompture import errors
from prompture.codecs.anthropic_answer import UNPARSED
from prompture.codecs.base import Endpoint
from prompture.codecs.fault_classes import Fault, is_too_long
from prompture.codecs.faults import fault_of_response, provider_error
from prompture.codecs.folding import Folding
from prompture.codecs.tool_calls import CallAssembler, answered, arguments_of, named
from prompture.codecs.values import (
    Counts,
    merged,
    objects,
    read_arguments,
    request_id,
    section,
    stop_reason,
    tool_call,
)
from prompture.errors import ProtocolError, ProviderError
from prompture.types import JSON, Completion, Delta, Native, ToolCall, Usage
from prompture.wire.aws import EventMessage, EventStreamDecoder
from prompture.wire.framing import parse_object
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
    for part in objects(section(block, "citationsContent").get("content")):
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
    # 3 + 2074 + 0 + 288 = 2365 in a recording: the total has all four.
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
    # "ValidationException:http://...": the name stands before the colon.
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


class ConverseStream(Folding):
    """Unknown events, blocks and deltas are passed over. The answer has ended well once
    ``messageStop`` came."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint, read_body)
        self._frames = EventStreamDecoder()
        self._body: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._pieces: dict[tuple[int, str], list[str]] = {}
        self._calls = CallAssembler()

    def _read(self, chunk: bytes, deltas: list[Delta]) -> None:
        for message in self._frames.feed(chunk):
            self._event(message, deltas)

    def _flush(self) -> None:
        if self._frames.pending():
            raise ProtocolError("bedrock: the stream ended within an event")

    def _event(self, message: EventMessage, deltas: list[Delta]) -> None:
        kind = message.headers.get(":event-type", "")
        # "exception" is one of the API's own, "error" one of the framing; both end the stream.
        if message.headers.get(":message-type") in ("exception", "error"):
            name = message.headers.get(":exception-type") or message.headers.get(":error-code")
            stated = message.headers.get(":error-message", "").encode()
            raise read_failure(
                HTTPResponse(200, {}, message.payload or stated), self.endpoint, name or "error"
            )
        event = parse_object(message.payload.decode("utf-8", "replace") or "{}")
        index = event.get("contentBlockIndex")
        index = index if isinstance(index, int) else 0
        match kind:
            case "contentBlockStart":
                self._start(index, section(event, "start"), deltas)
            case "contentBlockDelta":
                self._delta(index, section(event, "delta"), deltas)
            case "messageStop" | "metadata":
                known, usage = self._body.get("usage"), section(event, "usage")
                # "p" is padding that hides an event's length.
                self._body.update({k: v for k, v in event.items() if k != "p"})
                if known or usage:
                    self._body["usage"] = merged(known or {}, usage)
                # ``metadata`` follows ``messageStop`` and has the usage; figures alone may follow it again.
                self._calls.flush(deltas, final=True)

    def _start(self, index: int, start: JSON, deltas: list[Delta]) -> None:
        block = {k: dict(v) for k, v in start.items() if isinstance(v, Mapping)}
        self._blocks[index] = block
        use = block.get("toolUse", {})
        # Calls of the provider's own tools are echoed, not ours to answer.
        if is_call(use):
            made = sum(is_call(b.get("toolUse", {})) for b in self._blocks.values())
            use["toolUseId"] = str(use.get("toolUseId") or f"call_{made - 1}")
            name = str(use.get("name") or "")
            self._calls.begin(deltas, place=index, id=use["toolUseId"], name=name)

    def _delta(self, index: int, delta: JSON, deltas: list[Delta]) -> None:
        block = self._blocks.setdefault(index, {})
        if isinstance(text := delta.get("text"), str):
            self._add(index, "text", text)
            if text:
                deltas.append(Delta(text=text))
            return
        if "input" in (use := section(delta, "toolUse")):
            piece = arguments_of(use["input"])
            self._add(index, "toolUse", piece)
            if is_call(block.get("toolUse", {"name": ""})):
                self._calls.add(deltas, place=index, arguments=piece)
            return
        if isinstance(results := delta.get("toolResult"), list):
            result = block.setdefault("toolResult", {})
            result["content"] = [*result.get("content", ()), *results]
        if isinstance(delta.get("citation"), Mapping):
            cited = block.setdefault("citationsContent", {"citations": []})
            cited["citations"].append(delta["citation"])
        self._thought(index, section(delta, "reasoningContent"), deltas)

    def _thought(self, index: int, thought: JSON, deltas: list[Delta]) -> None:
        for key in ("signature", "redactedContent"):
            if isinstance(value := thought.get(key), str):
                self._add(index, key, value)
        text = thought.get("text")
        if isinstance(text, str) and text:
            self._add(index, "thought", text)
            deltas.append(Delta(reasoning=text))

    def _add(self, index: int, key: str, piece: str) -> None:
        self._pieces.setdefault((index, key), []).append(piece)

    def _terminated(self) -> bool:
        return "stopReason" in self._body

    def _so_far(self) -> Completion:
        return read_answer(self._whole(), {})

    def _finished(self) -> Completion:
        return answered(self._so_far(), self.endpoint.provider)

    def _whole(self) -> dict[str, Any]:
        blocks = [self._block(index, block) for index, block in sorted(self._blocks.items())]
        message = {"role": "assistant", "content": [b for b in blocks if b]}
        return {**self._body, "output": {"message": message}}

    def _block(self, index: int, started: JSON) -> dict[str, Any]:
        """A block with the pieces that came for it."""
        joined = {key: "".join(pieces) for (i, key), pieces in self._pieces.items() if i == index}
        block = dict(started)
        if "toolUse" in started or "toolUse" in joined:
            block["toolUse"] = {**started.get("toolUse", {}), **_input(joined.get("toolUse", ""))}
        elif "citationsContent" in started:
            content = [{"text": joined.get("text", "")}]
            block["citationsContent"] = {**started["citationsContent"], "content": content}
        elif "text" in joined:
            block["text"] = joined["text"]
        # Encrypted: nothing to show, but it must go back.
        elif "redactedContent" in joined:
            block["reasoningContent"] = {"redactedContent": joined["redactedContent"]}
        elif "thought" in joined or "signature" in joined:
            thought = {"text": joined.get("thought", "")}
            if "signature" in joined:
                thought["signature"] = joined["signature"]
            block["reasoningContent"] = {"reasoningText": thought}
        return block


def _input(raw: str) -> dict[str, Any]:
    parsed, raw, _ = read_arguments(raw)
    return {"input": {}, UNPARSED: raw} if parsed is None else {"input": parsed}
