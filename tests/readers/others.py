"""The other dialects: Responses, Anthropic, Gemini, Cohere, Ollama, Bedrock's Converse."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from tests.readers import Said, arguments, events, number, stop_of


def responses(body: bytes, *, streamed: bool) -> Said:
    said = json.loads(body) if not streamed else {}
    for event in events(body) if streamed else ():
        if isinstance(event, str):
            continue
        if event["type"] == "error":
            return Said(error=event)
        said = event.get("response") or said
    if said.get("status") == "failed" or said.get("error"):
        return Said(error=said["error"])
    found = Said(model=said["model"], ended=said["status"] in ("completed", "incomplete"))
    for item in said["output"]:
        if item["type"] == "function_call":
            found.calls.append((item["name"], item["arguments"]))
        for part in item["content"] or () if item["type"] == "message" else ():
            found.text += part.get("text") or "" if part["type"] == "output_text" else ""
            found.refusal += part.get("refusal") or ""
    reason = (said.get("incomplete_details") or {}).get("reason")
    found.stop = stop_of(reason or said["status"], found)
    usage = said.get("usage")
    found.input, found.output = number(usage, "input_tokens"), number(usage, "output_tokens")
    found.read = number(usage, "input_tokens_details", "cached_tokens")
    found.written = number(usage, "input_tokens_details", "cache_write_tokens")
    return found


def anthropic(body: bytes, *, streamed: bool) -> Said:
    message, blocks = (_anthropic_stream if streamed else _anthropic_whole)(body)
    if message.get("error"):
        return Said(error=message["error"])
    found = Said(model=message["model"], ended=message["stop_reason"] is not None)
    for block in blocks:
        if block["type"] == "text":
            found.text += block["text"]
        elif block["type"] == "thinking":
            found.reasoning += block["thinking"]
        elif block["type"] == "tool_use":
            found.calls.append((block["name"], arguments(block["input"])))
    found.stop = stop_of(message["stop_reason"], found)
    usage = message["usage"]
    found.read = number(usage, "cache_read_input_tokens")
    found.written = number(usage, "cache_creation_input_tokens")
    found.input = number(usage, "input_tokens") + found.read + found.written
    found.output = number(usage, "output_tokens")
    return found


def _anthropic_whole(body: bytes) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    message = json.loads(body)
    return message, message.get("content") or []


def _anthropic_stream(body: bytes) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    message: dict[str, Any] = {}
    blocks: dict[int, dict[str, Any]] = {}
    for event in events(body):
        kind = event["type"]
        if kind == "error":
            return {"error": event["error"]}, []
        if kind == "message_start":
            message = event["message"]
        elif kind == "content_block_start":
            blocks[event["index"]] = dict(event["content_block"])
        elif kind == "content_block_delta":
            block, delta = blocks[event["index"]], event["delta"]
            for key, into in (("text", "text"), ("thinking", "thinking"), ("partial_json", "raw")):
                if key in delta:
                    block[into] = (block.get(into) or "") + delta[key]
        elif kind == "message_delta":
            message["stop_reason"] = event["delta"]["stop_reason"]
            message["usage"] |= {k: v for k, v in event["usage"].items() if v is not None}
    for block in blocks.values():
        if "raw" in block:
            block["input"] = block.pop("raw") or "{}"
    return message, list(blocks.values())


def gemini(body: bytes, *, streamed: bool) -> Said:
    if b"data:" in body[:100]:
        chunks = list(events(body))
    else:  # without alt=sse a stream is one JSON array
        whole = json.loads(body)
        chunks = whole if isinstance(whole, list) else [whole]
    found, usage, finish = Said(), {}, None
    for chunk in chunks:
        if chunk.get("error"):
            return Said(error=chunk["error"], text=found.text)
        found.model = (chunk.get("modelVersion") or found.model).removeprefix("models/")
        usage |= chunk.get("usageMetadata") or {}
        if (chunk.get("promptFeedback") or {}).get("blockReason") and not chunk.get("candidates"):
            finish = "SAFETY"
        for candidate in (chunk.get("candidates") or ())[:1]:
            finish = _finish(candidate.get("finishReason")) or finish
            _gemini_parts(found, (candidate.get("content") or {}).get("parts") or ())
    found.ended = finish is not None
    found.stop = stop_of(finish, found)
    found.input = number(usage, "promptTokenCount") + number(usage, "toolUsePromptTokenCount")
    found.thought = number(usage, "thoughtsTokenCount")
    found.output = number(usage, "candidatesTokenCount") + found.thought
    found.read = number(usage, "cachedContentTokenCount")
    return found


def _finish(reason: Any) -> str | None:
    """A client that asks for ``enum-encoding=int`` gets numbers."""
    return ("", "STOP", "MAX_TOKENS", "SAFETY")[reason] if isinstance(reason, int) else reason


def _gemini_parts(found: Said, parts: Any) -> None:
    for part in parts:
        if "functionCall" in part:
            call = part["functionCall"]
            found.calls.append((call["name"], json.dumps(call.get("args") or {})))
        elif part.get("thought"):
            found.reasoning += part.get("text") or ""
        else:
            found.text += part.get("text") or ""


def cohere(body: bytes, *, streamed: bool) -> Said:
    found = Said()
    if not streamed:
        data = json.loads(body)
        message = data["message"]
        for chunk in message.get("content") or ():
            found.text += chunk.get("text") or ""
            found.reasoning += chunk.get("thinking") or ""
        for call in message.get("tool_calls") or ():
            found.calls.append((call["function"]["name"], call["function"]["arguments"]))
        finish, usage = data["finish_reason"], data.get("usage")
    else:
        finish, usage = _cohere_stream(found, body)
    if finish == "ERROR":
        return Said(error=usage, text=found.text)
    found.ended = finish is not None
    found.stop = stop_of(finish, found)
    found.input = number(usage, "tokens", "input_tokens")
    found.output = number(usage, "tokens", "output_tokens")
    found.read = number(usage, "cached_tokens")
    return found


def _cohere_stream(found: Said, body: bytes) -> tuple[str | None, Any]:
    finish = usage = None
    calls: dict[int, list[str]] = {}
    for event in events(body):
        if isinstance(event, str):
            continue
        delta = event.get("delta") or {}
        message = delta.get("message") or {}
        if event["type"] in ("content-start", "content-delta"):
            content = message.get("content") or {}
            found.text += content.get("text") or ""
            found.reasoning += content.get("thinking") or ""
        elif event["type"].startswith("tool-call-") and "tool_calls" in message:
            function = message["tool_calls"]["function"]
            call = calls.setdefault(event["index"], ["", ""])
            call[0] += function.get("name") or ""
            call[1] += function.get("arguments") or ""
        elif event["type"] == "message-end":
            finish, usage = delta["finish_reason"], delta.get("error") or delta.get("usage")
    found.calls = [(name, text) for name, text in calls.values()]
    return finish, usage


def ollama(body: bytes, *, streamed: bool) -> Said:
    found, last = Said(ended=False), {}
    for line in body.splitlines() if streamed else [body]:
        if not line.strip():
            continue
        last = json.loads(line)
        if last.get("error"):
            return Said(error=last["error"], text=found.text)
        message = last.get("message") or {}
        found.text += message.get("content") or ""
        found.reasoning += message.get("thinking") or ""
        for call in message.get("tool_calls") or ():
            found.calls.append((call["function"]["name"], arguments(call["function"]["arguments"])))
        found.ended = bool(last.get("done"))
    found.model = last.get("model") or ""
    found.stop = stop_of(last.get("done_reason"), found)
    found.input, found.output = number(last, "prompt_eval_count"), number(last, "eval_count")
    return found


def converse(body: bytes, *, streamed: bool) -> Said:
    found = Said()
    if streamed:
        said, blocks = _converse_stream(body)
    else:
        said = json.loads(body)
        blocks = said["output"]["message"]["content"]
    for block in blocks:
        found.text += block.get("text") or ""
        use = block.get("toolUse")
        if use and use.get("type") != "server_tool_use":
            found.calls.append((use["name"], arguments(use["input"])))
    found.ended = "stopReason" in said
    found.stop = stop_of(said.get("stopReason"), found)
    usage = said.get("usage")
    found.read = number(usage, "cacheReadInputTokens")
    found.written = number(usage, "cacheWriteInputTokens")
    found.input = number(usage, "inputTokens") + found.read + found.written
    found.output = number(usage, "outputTokens")
    return found


def _converse_stream(body: bytes) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    said: dict[str, Any] = {}
    blocks: dict[int, dict[str, Any]] = {}
    for name, event in _frames(body):
        if name in ("messageStop", "metadata"):
            said |= event
        block = blocks.setdefault(event.get("contentBlockIndex", 0), {"text": ""})
        if "toolUse" in event.get("start", {}):
            block["toolUse"] = {**event["start"]["toolUse"], "input": ""}
        delta = event.get("delta", {})
        block["text"] += delta.get("text", "")
        if "toolUse" in delta:
            block["toolUse"]["input"] += delta["toolUse"]["input"]
    return said, list(blocks.values())


def _frames(body: bytes) -> Iterator[tuple[str, Mapping[str, Any]]]:
    while body:
        total, length = struct.unpack(">II", body[:8])
        kind = body[12 : 12 + length].split(b":event-type\x07", 1)[1]
        name = kind[2 : 2 + int.from_bytes(kind[:2], "big")].decode()
        yield name, json.loads(body[12 + length : total - 4])
        body = body[total:]
