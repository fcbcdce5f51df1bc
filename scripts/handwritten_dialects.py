"""Hand-written answers in the dialects besides OpenAI Chat Completions; see handwritten_answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from prompture.wire.aws import encode_message
from tests.loopback import Reply, json_reply

CREATED = 1_760_000_000
CITY = {"city": "Oslo"}
IN, OUT, CACHED, THOUGHT = 120, 24, 40, 10
SSE = {"content-type": "text/event-stream"}


def tool_of(said: Mapping[str, Any]) -> str:
    return "weather" if said == CITY else "Receipt"


def events(*chunks: Any, named: bool = False, done: bool = True) -> Reply:
    lines = [
        (f"event: {c['type']}\n" if named else "") + f"data: {json.dumps(c)}\n\n" for c in chunks
    ]
    end = "data: [DONE]\n\n" if done else ""
    return Reply(body="".join([*lines, end]).encode(), headers=SSE)


def halves(text: str) -> tuple[str, str]:
    middle = len(text) // 2
    return text[:middle], text[middle:]


def responses(body: Mapping[str, Any], said: str | dict[str, Any]) -> Reply:
    text = str(said)
    part = {"type": "output_text", "text": text, "annotations": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"}
    usage = {
        "input_tokens": IN,
        "input_tokens_details": {"cached_tokens": CACHED},
        "output_tokens": OUT,
        "output_tokens_details": {"reasoning_tokens": THOUGHT},
        "total_tokens": IN + OUT,
    }
    head = {"id": "resp_1", "object": "response", "created_at": CREATED, "model": body["model"]}
    started = {**head, "status": "in_progress", "output": [], "usage": None, "error": None}
    done = {**started, "status": "completed", "output": [{**item, "content": [part]}]}
    done["usage"] = usage
    if not body.get("stream"):
        return json_reply(done)
    first, second = halves(text)
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    delta = {"type": "response.output_text.delta", **place}
    named: list[dict[str, Any]] = [
        {"type": "response.created", "response": started},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
        {"type": "response.content_part.added", **place, "part": {**part, "text": ""}},
        {**delta, "delta": first},
        {**delta, "delta": second},
        {"type": "response.output_text.done", **place, "text": text},
        {"type": "response.content_part.done", **place, "part": part},
        {
            "type": "response.output_item.done",
            "output_index": 0,
            "item": {**item, "content": [part]},
        },
        {"type": "response.completed", "response": done},
    ]
    numbered = [{**event, "sequence_number": n} for n, event in enumerate(named)]
    return events(*numbered, named=True, done=False)


def anthropic(body: Mapping[str, Any], said: str | dict[str, Any]) -> Reply:
    block: dict[str, Any] = {"type": "text", "text": said}
    if isinstance(said, dict):
        block = {"type": "tool_use", "id": "toolu_1", "name": tool_of(said), "input": said}
    stop = "end_turn" if isinstance(said, str) else "tool_use"
    usage = {
        "input_tokens": IN - CACHED,
        "cache_read_input_tokens": CACHED,
        "cache_creation_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": OUT,
        "service_tier": "standard",
    }
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"]}
    if not body.get("stream"):
        ends = {"stop_reason": stop, "stop_sequence": None, "usage": usage}
        return json_reply({**head, "content": [block], **ends})
    first, second = halves(str(said))
    empty = {**head, "content": [], "stop_reason": None, "stop_sequence": None}
    delta = {"type": "content_block_delta", "index": 0}
    return events(
        {"type": "message_start", "message": {**empty, "usage": {**usage, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {**delta, "delta": {"type": "text_delta", "text": first}},
        {**delta, "delta": {"type": "text_delta", "text": second}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": stop, "stop_sequence": None},
            "usage": usage,
        },
        {"type": "message_stop"},
        named=True,
        done=False,
    )


def gemini(path: str, said: str | dict[str, Any]) -> Reply:
    part: dict[str, Any] = {"text": said}
    if isinstance(said, dict):
        part = {"functionCall": {"name": tool_of(said), "args": said}, "thoughtSignature": "c2ln"}
    usage = {
        "promptTokenCount": IN,
        "cachedContentTokenCount": CACHED,
        "candidatesTokenCount": OUT - THOUGHT,
        "thoughtsTokenCount": THOUGHT,
        "totalTokenCount": IN + OUT,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": IN}],
    }
    model = path.rpartition("/models/")[2].partition(":")[0]

    def chunk(part: Mapping[str, Any], finish: str | None) -> dict[str, Any]:
        content = {"role": "model", "parts": [part]}
        candidate: dict[str, Any] = {"content": content, "index": 0}
        if finish:
            candidate["finishReason"] = finish
        ends = {"usageMetadata": usage, "modelVersion": model, "responseId": "synthetic"}
        return {"candidates": [candidate], **ends}

    if not path.endswith("streamGenerateContent"):
        return json_reply(chunk(part, "STOP"))
    first, second = halves(str(said))
    reply = events(chunk({"text": first}, None), chunk({"text": second}, "STOP"), done=False)
    return Reply(body=reply.body.replace(b"\n", b"\r\n"), headers=SSE)


def cohere(body: Mapping[str, Any], said: str | dict[str, Any]) -> Reply:
    usage = {
        "billed_units": {"input_tokens": IN - 20, "output_tokens": OUT},
        "tokens": {"input_tokens": IN, "output_tokens": OUT},
        "cached_tokens": CACHED,
    }
    message: dict[str, Any] = {"role": "assistant", "content": [{"type": "text", "text": said}]}
    if isinstance(said, dict):
        function = {"name": tool_of(said), "arguments": json.dumps(said)}
        call = {"id": "weather_1", "type": "function", "function": function}
        plan = "I will ask for the weather."
        message = {"role": "assistant", "tool_plan": plan, "tool_calls": [call]}
    finish = "COMPLETE" if isinstance(said, str) else "TOOL_CALL"
    ident = "00000000-0000-0000-0000-000000000001"
    if not body.get("stream"):
        whole = {"id": ident, "message": message, "finish_reason": finish, "usage": usage}
        return json_reply(whole)
    first, second = halves(str(said))

    def piece(text: str, kind: str = "content-delta") -> dict[str, Any]:
        inner = {"type": "text", "text": text} if kind == "content-start" else {"text": text}
        return {"type": kind, "index": 0, "delta": {"message": {"content": inner}}}

    empty = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    return events(
        {"type": "message-start", "id": ident, "delta": {"message": empty}},
        piece("", "content-start"),
        piece(first),
        piece(second),
        {"type": "content-end", "index": 0},
        {"type": "message-end", "id": ident, "delta": {"finish_reason": finish, "usage": usage}},
        named=True,
    )


def ollama(body: Mapping[str, Any], said: str | dict[str, Any]) -> Reply:
    head = {"model": body["model"], "created_at": "2025-10-09T08:53:20Z"}
    ends = {
        "done": True,
        "done_reason": "stop",
        "total_duration": 900_000_000,
        "load_duration": 1_000_000,
        "prompt_eval_count": IN,
        "prompt_eval_duration": 100_000_000,
        "eval_count": OUT,
        "eval_duration": 700_000_000,
    }
    message: dict[str, Any] = {"role": "assistant", "content": said}
    if isinstance(said, dict):
        function = {"name": tool_of(said), "arguments": said}
        message = {"role": "assistant", "content": "", "tool_calls": [{"function": function}]}
    if not body.get("stream"):
        return json_reply({**head, "message": message, **ends})
    lines = [
        *({**head, "message": {"role": "assistant", "content": half}, "done": False}
          for half in halves(str(said))),
        {**head, "message": {"role": "assistant", "content": ""}, **ends},
    ]  # fmt: skip
    text = "".join(json.dumps(line) + "\n" for line in lines)
    return Reply(body=text.encode(), headers={"content-type": "application/x-ndjson"})


def bedrock(path: str, said: str | dict[str, Any]) -> Reply:
    block: dict[str, Any] = {"text": said}
    if isinstance(said, dict):
        block = {"toolUse": {"toolUseId": "tooluse_1", "name": tool_of(said), "input": said}}
    stop = "end_turn" if isinstance(said, str) else "tool_use"
    usage = {
        "inputTokens": IN - CACHED,
        "cacheReadInputTokens": CACHED,
        "cacheWriteInputTokens": 0,
        "outputTokens": OUT,
        "totalTokens": IN + OUT,
    }
    ends = {"usage": usage, "metrics": {"latencyMs": 400}}
    if path.endswith("/converse"):
        message = {"role": "assistant", "content": [block]}
        return json_reply({"output": {"message": message}, "stopReason": stop, **ends})
    first, second = halves(str(said))
    frames: list[tuple[str, dict[str, Any]]] = [
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": first}}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": second}}),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": stop}),
        ("metadata", ends),
    ]
    kind = {":content-type": "application/json", ":message-type": "event"}
    body = b"".join(
        encode_message({":event-type": name, **kind}, json.dumps(payload).encode())
        for name, payload in frames
    )
    return Reply(body=body, headers={"content-type": "application/vnd.amazon.eventstream"})
