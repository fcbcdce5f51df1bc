"""Answers in every dialect, whole and streamed, written from the providers' documentation.

One text, and a usage block that may be anything; see shared notes in docs/write_a_driver.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from prompture.wire.aws import encode_message

MODELS = {
    "chat": "openai/gpt-4.1-mini",
    "responses": "openai/o3-pro",
    "anthropic": "claude/claude-haiku-4-5",
    "gemini": "google/gemini-2.5-flash",
    "cohere": "cohere/command-a-03-2025",
    "ollama": "ollama/llama3.1:8b",
    "bedrock": "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
}
"""A model of each dialect, as ``driver_for`` takes it."""
SSE = {"content-type": "text/event-stream"}


@dataclass(frozen=True)
class Written:
    """A response: headers and the body's bytes; ``whole`` is what it is cut from."""

    headers: dict[str, str]
    body: bytes


def usage(dialect: str, inputs: Any, outputs: Any) -> dict[str, Any]:
    """The usage block with these counts, which may be nonsense."""
    names = {
        "chat": ("prompt_tokens", "completion_tokens"),
        "responses": ("input_tokens", "output_tokens"),
        "anthropic": ("input_tokens", "output_tokens"),
        "gemini": ("promptTokenCount", "candidatesTokenCount"),
        "ollama": ("prompt_eval_count", "eval_count"),
        "bedrock": ("inputTokens", "outputTokens"),
    }
    if dialect == "cohere":
        tokens = {"input_tokens": inputs, "output_tokens": outputs}
        return {"billed_units": tokens, "tokens": tokens}
    return dict(zip(names[dialect], (inputs, outputs), strict=True))


def whole(dialect: str, text: str, used: Any) -> Written:
    """An answer that was not streamed."""
    return Written(
        {"content-type": "application/json"}, json.dumps(_WHOLE[dialect](text, used)).encode()
    )


def _chat(text: str, used: Any) -> Any:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "c1", "object": "chat.completion", "choices": [choice], "usage": used}


def _responses(text: str, used: Any) -> Any:
    part = {"type": "output_text", "text": text, "annotations": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_760_000_000,
        "model": "o3-pro",
        "status": "completed",
        "error": None,
        "output": [{**item, "content": [part]}],
        "usage": used,
    }


def _anthropic(text: str, used: Any) -> Any:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5-20251001",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": used,
    }


def _gemini(text: str, used: Any) -> Any:
    content = {"role": "model", "parts": [{"text": text}]}
    candidate = {"content": content, "index": 0, "finishReason": "STOP"}
    return {"candidates": [candidate], "usageMetadata": used, "modelVersion": "gemini-2.5-flash"}


def _cohere(text: str, used: Any) -> Any:
    message = {"role": "assistant", "content": [{"type": "text", "text": text}]}
    return {"id": "1", "message": message, "finish_reason": "COMPLETE", "usage": used}


def _ollama(text: str, used: Any) -> Any:
    head = {"model": "llama3.1:8b", "created_at": "2025-10-09T08:53:20Z", "done": True}
    counts = used if isinstance(used, dict) else {}
    return {
        **head,
        "message": {"role": "assistant", "content": text},
        "done_reason": "stop",
        **counts,
    }


def _bedrock(text: str, used: Any) -> Any:
    message = {"role": "assistant", "content": [{"text": text}]}
    return {"output": {"message": message}, "stopReason": "end_turn", "usage": used}


_WHOLE: dict[str, Callable[[str, Any], Any]] = {
    "chat": _chat,
    "responses": _responses,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "cohere": _cohere,
    "ollama": _ollama,
    "bedrock": _bedrock,
}


def streamed(rng: Random, dialect: str, text: str, used: Any) -> Written:
    """The same as a stream, the text cut where ``rng`` says."""
    cuts = sorted(rng.randint(0, len(text)) for _ in range(rng.randint(0, 5)))
    parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    return _STREAMED[dialect](parts, used)


def _events(events: list[Any], *, named: bool = False, done: bool = False) -> Written:
    lines = [
        (f"event: {e['type']}\n" if named else "") + f"data: {json.dumps(e)}\n\n" for e in events
    ]
    return Written(SSE, "".join([*lines, *(["data: [DONE]\n\n"] if done else [])]).encode())


def _chat_stream(parts: list[str], used: Any) -> Written:
    def chunk(delta: Any, finish: Any = None) -> Any:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {"id": "c1", "object": "chat.completion.chunk", "choices": [choice]}

    events = [chunk({"role": "assistant", "content": ""})]
    events += [chunk({"content": part}) for part in parts]
    events += [chunk({}, "stop"), {"id": "c1", "choices": [], "usage": used}]
    return _events(events, done=True)


def _responses_stream(parts: list[str], used: Any) -> Written:
    done = _responses("".join(parts), used)
    started = {**done, "status": "in_progress", "output": [], "usage": None}
    (item,) = done["output"]
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    added = {"output_index": 0, "item": {**item, "content": []}}
    delta = {"type": "response.output_text.delta", **place}
    events = [
        {"type": "response.created", "response": started},
        {"type": "response.output_item.added", **added},
        {
            "type": "response.content_part.added",
            **place,
            "part": {**item["content"][0], "text": ""},
        },
        *({**delta, "delta": part} for part in parts),
        {"type": "response.output_text.done", **place, "text": "".join(parts)},
        {"type": "response.content_part.done", **place, "part": item["content"][0]},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": done},
    ]
    return _events([{**e, "sequence_number": n} for n, e in enumerate(events)], named=True)


def _anthropic_stream(parts: list[str], used: Any) -> Written:
    head = _anthropic("", used) | {"content": [], "stop_reason": None}
    delta = {"type": "content_block_delta", "index": 0}
    ends = {"stop_reason": "end_turn", "stop_sequence": None}
    return _events(
        [
            {"type": "message_start", "message": head},
            {
                "type": "content_block_start",
                "index": 0,
                "content_block": {"type": "text", "text": ""},
            },
            *({**delta, "delta": {"type": "text_delta", "text": part}} for part in parts),
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": ends, "usage": used},
            {"type": "message_stop"},
        ],
        named=True,
    )


def _gemini_stream(parts: list[str], used: Any) -> Written:
    events = []
    for i, part in enumerate(parts):
        event = _gemini(part, used)
        if i < len(parts) - 1:
            del event["candidates"][0]["finishReason"]
        events.append(event)
    return _events(events)


def _cohere_stream(parts: list[str], used: Any) -> Written:
    def piece(kind: str, inner: Any) -> Any:
        return {"type": kind, "index": 0, "delta": {"message": {"content": inner}}}

    return _events(
        [
            {"type": "message-start", "id": "1", "delta": {"message": {"role": "assistant"}}},
            piece("content-start", {"type": "text", "text": ""}),
            *(piece("content-delta", {"text": part}) for part in parts),
            {"type": "content-end", "index": 0},
            {
                "type": "message-end",
                "id": "1",
                "delta": {"finish_reason": "COMPLETE", "usage": used},
            },
        ],
        named=True,
        done=True,
    )


def _ollama_stream(parts: list[str], used: Any) -> Written:
    lines = [_ollama(part, None) | {"done": False} for part in parts]
    for line in lines:
        del line["done_reason"]
    lines.append(_ollama("", used))
    body = "".join(json.dumps(line) + "\n" for line in lines)
    return Written({"content-type": "application/x-ndjson"}, body.encode())


def _bedrock_stream(parts: list[str], used: Any) -> Written:
    frames = [("messageStart", {"role": "assistant"})]
    frames += [("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": p}}) for p in parts]
    frames += [
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": "end_turn"}),
    ]
    frames += [("metadata", {"usage": used, "metrics": {"latencyMs": 1}})]
    body = b"".join(
        encode_message(
            {":message-type": "event", ":event-type": kind}, json.dumps(payload).encode()
        )
        for kind, payload in frames
    )
    return Written({"content-type": "application/vnd.amazon.eventstream"}, body)


_STREAMED: dict[str, Callable[[list[str], Any], Written]] = {
    "chat": _chat_stream,
    "responses": _responses_stream,
    "anthropic": _anthropic_stream,
    "gemini": _gemini_stream,
    "cohere": _cohere_stream,
    "ollama": _ollama_stream,
    "bedrock": _bedrock_stream,
}
