"""Answers of the three dialects, whole and streamed, written by hand after the wire formats."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["start", "content", "stop", "usage", "end", "ping"]
PIECES = 8
ANSWERS_AS = {"openai": "gpt-4o-mini", "claude": "claude-haiku-4-5", "google": "gemini-2.5-flash"}
"""The model that each dialect's answers name, which the catalog knows a price of."""
ID_HEADER = {"openai": "x-request-id", "claude": "request-id", "google": "x-goog-request-id"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says: ``tool`` is the one that it calls with ``text`` as its arguments."""

    text: str
    tokens: tuple[int, int]
    id: str
    tool: str | None = None
    stop: str = "stop"
    has_usage: bool = True


@dataclass(frozen=True, slots=True)
class Event:
    kind: Kind
    data: bytes


def dumps(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def pieces(text: str) -> list[str]:
    size = max(1, -(-len(text) // PIECES))
    return [text[i : i + size] for i in range(0, len(text), size)] or [""]


def dialect_of(path: str) -> str:
    if path.endswith("/chat/completions"):
        return "openai"
    return "claude" if path.endswith("/messages") else "google"


def forced_tool(dialect: str, asked: dict[str, Any]) -> str | None:
    """The tool that must be called, where one must."""
    choice = asked.get("tool_choice")
    if dialect == "openai" and isinstance(choice, dict):
        return str(choice["function"]["name"])
    if dialect == "openai" and choice == "required":
        return str(asked["tools"][0]["function"]["name"])
    if dialect == "claude" and isinstance(choice, dict) and choice.get("type") in ("tool", "any"):
        return str(choice.get("name") or asked["tools"][0]["name"])
    config = (asked.get("toolConfig") or {}).get("functionCallingConfig") or {}
    if dialect == "google" and config.get("mode") == "ANY":
        names = config.get("allowedFunctionNames")
        declared = asked["tools"][0]["functionDeclarations"]
        return str(names[0] if names else declared[0]["name"])
    return None


STOPS = {
    "openai": {"stop": "stop", "length": "length", "tool": "tool_calls"},
    "claude": {"stop": "end_turn", "length": "max_tokens", "tool": "tool_use"},
    "google": {"stop": "STOP", "length": "MAX_TOKENS", "tool": "STOP"},
}


def _stop(dialect: str, answer: Answer) -> str:
    stop = "tool" if answer.tool and answer.stop == "stop" else answer.stop
    return STOPS[dialect][stop]


def usage(dialect: str, tokens: tuple[int, int]) -> dict[str, Any]:
    taken, given = tokens
    if dialect == "openai":
        return {"prompt_tokens": taken, "completion_tokens": given, "total_tokens": taken + given}
    if dialect == "claude":
        return {"input_tokens": taken, "output_tokens": given}
    names = ("promptTokenCount", "candidatesTokenCount", "totalTokenCount")
    return dict(zip(names, (taken, given, taken + given), strict=True))


def whole(dialect: str, answer: Answer) -> dict[str, Any]:
    """The body of an answer that is not streamed."""
    model, stop = ANSWERS_AS[dialect], _stop(dialect, answer)
    counted = usage(dialect, answer.tokens)
    if dialect == "openai":
        message: dict[str, Any] = {"role": "assistant", "content": answer.text}
        if answer.tool:
            function = {"name": answer.tool, "arguments": answer.text}
            message["content"] = None
            message["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]
        choice = {"index": 0, "message": message, "finish_reason": stop}
        body = {"id": answer.id, "object": "chat.completion", "model": model, "choices": [choice]}
        return body | ({"usage": counted} if answer.has_usage else {})
    if dialect == "claude":
        block: dict[str, Any] = {"type": "text", "text": answer.text}
        if answer.tool:
            arguments = json.loads(answer.text)
            block = {"type": "tool_use", "id": "toolu_1", "name": answer.tool, "input": arguments}
        body = {"id": answer.id, "type": "message", "role": "assistant", "model": model}
        body |= {"content": [block], "stop_reason": stop}
        return body | ({"usage": counted} if answer.has_usage else {})
    return _chunk(answer, [_part(answer, answer.text)], stop, counted if answer.has_usage else None)


def _part(answer: Answer, text: str) -> dict[str, Any]:
    if answer.tool:
        return {"functionCall": {"name": answer.tool, "args": json.loads(answer.text)}}
    return {"text": text}


def _chunk(
    answer: Answer, parts: list[Any], stop: str | None, counted: dict[str, Any] | None
) -> dict[str, Any]:
    candidate: dict[str, Any] = {"index": 0, "content": {"role": "model", "parts": parts}}
    if stop:
        candidate["finishReason"] = stop
    body = {"candidates": [candidate], "modelVersion": ANSWERS_AS["google"]}
    body["responseId"] = answer.id  # type: ignore[assignment]
    return body | ({"usageMetadata": counted} if counted else {})


def events(dialect: str, answer: Answer) -> list[Event]:
    """The events of the same answer, streamed."""
    made = {"openai": _chat_events, "claude": _claude_events, "google": _gemini_events}[dialect]
    return [Event(kind, data) for kind, data in made(answer)]


def sse(value: Any, name: str = "", *, end: str = "\n") -> bytes:
    head = f"event: {name}{end}".encode() if name else b""
    return head + b"data: " + dumps(value) + f"{end}{end}".encode()


def _chat_events(answer: Answer) -> Iterator[tuple[Kind, bytes]]:
    top = {"id": answer.id, "object": "chat.completion.chunk", "model": ANSWERS_AS["openai"]}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return sse({**top, "choices": [choice]})

    if answer.tool:
        named = {"index": 0, "id": "call_1", "type": "function"}
        function = {"name": answer.tool, "arguments": ""}
        yield "start", chunk({"role": "assistant", "tool_calls": [{**named, "function": function}]})
    else:
        yield "start", chunk({"role": "assistant", "content": ""})
    for piece in pieces(answer.text):
        if answer.tool:
            call = {"index": 0, "function": {"arguments": piece}}
            yield "content", chunk({"tool_calls": [call]})
        else:
            yield "content", chunk({"content": piece})
    yield "stop", chunk({}, _stop("openai", answer))
    if answer.has_usage:
        yield "usage", sse({**top, "choices": [], "usage": usage("openai", answer.tokens)})
    yield "end", b"data: [DONE]\n\n"


def _claude_events(answer: Answer) -> Iterator[tuple[Kind, bytes]]:
    counted = usage("claude", (answer.tokens[0], 1)) if answer.has_usage else None
    message = {"id": answer.id, "type": "message", "role": "assistant", "content": []}
    message |= {"model": ANSWERS_AS["claude"], "stop_reason": None, "usage": counted}

    def named(name: str, **fields: Any) -> bytes:
        return sse({"type": name, **fields}, name)

    yield "start", named("message_start", message=message)
    block: dict[str, Any] = {"type": "text", "text": ""}
    if answer.tool:
        block = {"type": "tool_use", "id": "toolu_1", "name": answer.tool, "input": {}}
    yield "start", named("content_block_start", index=0, content_block=block)
    yield "ping", named("ping")
    for piece in pieces(answer.text):
        delta = {"type": "text_delta", "text": piece}
        if answer.tool:
            delta = {"type": "input_json_delta", "partial_json": piece}
        yield "content", named("content_block_delta", index=0, delta=delta)
    yield "stop", named("content_block_stop", index=0)
    final = {"usage": {"output_tokens": answer.tokens[1]}} if answer.has_usage else {}
    delta = {"stop_reason": _stop("claude", answer), "stop_sequence": None}  # type: ignore[dict-item]
    yield "usage", named("message_delta", delta=delta, **final)
    yield "end", named("message_stop")


def _gemini_events(answer: Answer) -> Iterator[tuple[Kind, bytes]]:
    counted = usage("google", answer.tokens) if answer.has_usage else None
    stop = _stop("google", answer)
    if answer.tool:
        parts = [_part(answer, "")]
        yield "content", sse(_chunk(answer, parts, None, None), end="\r\n")
        yield "end", sse(_chunk(answer, [{"text": ""}], stop, counted), end="\r\n")
        return
    *first, last = pieces(answer.text)
    for piece in first:
        yield "content", sse(_chunk(answer, [{"text": piece}], None, None), end="\r\n")
    yield "end", sse(_chunk(answer, [{"text": last}], stop, counted), end="\r\n")


UNKNOWN = {
    "openai": sse({"object": "chat.completion.note", "choices": [], "note": "new"}),
    "claude": sse({"type": "novelty", "index": 9, "note": "new"}, "novelty"),
    "google": sse({"note": "new", "candidates": []}, end="\r\n"),
}
"""Events that a provider may bring tomorrow."""
PINGS = {
    "openai": b": keep-alive\n\n",
    "claude": sse({"type": "ping"}, "ping"),
    "google": b": keep-alive\r\n\r\n",
}


def error(dialect: str, status: int, message: str, code: str = "") -> dict[str, Any]:
    """The body of an error."""
    if dialect == "openai":
        return {"error": {"message": message, "type": code or "server_error", "code": code or None}}
    if dialect == "claude":
        return {"type": "error", "error": {"type": code or "api_error", "message": message}}
    inner = {"code": status, "message": message, "status": code or "INTERNAL"}
    return {"error": inner}


ERROR_CODES = {
    400: ("invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT"),
    401: ("invalid_api_key", "authentication_error", "UNAUTHENTICATED"),
    403: ("forbidden", "permission_error", "PERMISSION_DENIED"),
    404: ("model_not_found", "not_found_error", "NOT_FOUND"),
    429: ("rate_limit_exceeded", "rate_limit_error", "RESOURCE_EXHAUSTED"),
    500: ("server_error", "api_error", "INTERNAL"),
    503: ("server_error", "overloaded_error", "UNAVAILABLE"),
    529: ("overloaded", "overloaded_error", "UNAVAILABLE"),
}


def code_of(dialect: str, status: int) -> str:
    codes = ERROR_CODES.get(status, ERROR_CODES[500])
    return codes[("openai", "claude", "google").index(dialect)]


def error_event(dialect: str, status: int = 500, message: str = "it broke") -> bytes:
    """An error in the middle of a stream."""
    body = error(dialect, status, message, code_of(dialect, status))
    if dialect == "claude":
        return sse(body, "error")
    return sse(body, end="\r\n" if dialect == "google" else "\n")
