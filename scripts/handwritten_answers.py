"""Answers written by hand after the providers' documented wire formats, for synthetic cassettes.

``answer(provider, asked)`` is a provider as far as the cases of ``tests/cassette_cases.py`` need
one: a word, a receipt's values, a tool call, whole or streamed, and one error. Nothing here was
recorded; ids and times are made up, and token counts are round.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from prompture.wire.eventstream import encode_message
from tests.cassette_cases import NO_MODEL, VALUE, WRONG_KEY
from tests.loopback import Asked, Reply, json_reply

CREATED = 1_760_000_000
WORD = "Red."
CITY = {"city": "Oslo"}
IN, OUT, CACHED, THOUGHT = 120, 24, 40, 10
THINKING = "One word is wanted."
SSE = {"content-type": "text/event-stream"}


def answer(provider: str, asked: Asked, *, said: str | dict[str, Any] | None = None) -> Reply:
    """What the provider answers to this request; ``said`` is put in place of the words."""
    body = asked.json() if asked.body else {}
    key = " ".join(v for k, v in asked.headers.items() if "key" in k or k == "authorization")
    if WRONG_KEY in key or body.get("model") == NO_MODEL:
        return error(provider)
    said = _said(body) if said is None else said
    path = asked.path.partition("?")[0]
    if path.endswith("/chat/completions"):
        return _chat(provider, body, said)
    if path.endswith("/responses"):
        return _responses(body, said)
    if path.endswith("/v1/messages"):
        return _anthropic(body, said)
    if ":" in path and path.endswith("enerateContent"):
        return _gemini(path, said)
    if path.endswith("/v2/chat"):
        return _cohere(body, said)
    if path.endswith("/api/chat"):
        return _ollama(body, said)
    if path.endswith(("/converse", "/converse-stream")):
        return _bedrock(path, said)
    return json_reply({"error": {"message": f"nobody speaks {path} here"}}, status=404)


def _said(body: Mapping[str, Any]) -> str | dict[str, Any]:
    """Text, or the arguments of the one tool on offer."""
    words = json.dumps(body)
    if "weather" in words:
        return CITY
    tools = body.get("tools") or body.get("toolConfig")
    if "ACME Ltd" in words:
        value = _fitting(body)
        return value if tools else json.dumps(value)
    return WORD


def _fitting(body: Any) -> dict[str, Any]:
    """The receipt's values as the schema that was sent wants them: null, or left out."""
    note = _property(body, "note")
    if note is not None and "null" not in json.dumps(note):
        return {name: value for name, value in VALUE.items() if value is not None}
    return VALUE


def _property(body: Any, name: str) -> Any:
    """The schema of a property, wherever in the request it stands; None where it does not."""
    inner = body.values() if isinstance(body, Mapping) else body if isinstance(body, list) else ()
    if isinstance(body, Mapping) and name in (body.get("properties") or {}):
        return body["properties"][name]
    return next((found for each in inner if (found := _property(each, name)) is not None), None)


def _tool(said: Mapping[str, Any]) -> str:
    return "weather" if said == CITY else "Receipt"


def _events(*chunks: Any, named: bool = False, done: bool = True) -> Reply:
    lines = [
        (f"event: {c['type']}\n" if named else "") + f"data: {json.dumps(c)}\n\n" for c in chunks
    ]
    end = "data: [DONE]\n\n" if done else ""
    return Reply(body="".join([*lines, end]).encode(), headers=SSE)


def _halves(text: str) -> tuple[str, str]:
    middle = len(text) // 2
    return text[:middle], text[middle:]


# OpenAI Chat Completions, and where each provider's copy differs.

_PLAIN_USAGE = {"prompt_tokens": IN, "completion_tokens": OUT, "total_tokens": IN + OUT}
_DETAILS = {
    "prompt_tokens_details": {"cached_tokens": CACHED},
    "completion_tokens_details": {"reasoning_tokens": THOUGHT},
}
_USAGE: Mapping[str, dict[str, Any]] = {
    "openai": _DETAILS,
    "azure": _DETAILS,
    "groq": {"queue_time": 0.01, "prompt_time": 0.02, "total_time": 0.09, **_DETAILS},
    "grok": {
        **_DETAILS,
        "total_tokens": IN + OUT + THOUGHT,
        "cost_in_usd_ticks": 2_500_000,
        "num_sources_used": 0,
    },
    "moonshot": {"cached_tokens": CACHED},
    "zai": {"prompt_tokens_details": {"cached_tokens": CACHED}},
    "openrouter": {**_DETAILS, "cost": 0.000071, "is_byok": False},
    "deepseek": {
        "prompt_cache_hit_tokens": CACHED,
        "prompt_cache_miss_tokens": IN - CACHED,
        **_DETAILS,
    },
    "cerebras": _DETAILS,
    "perplexity": {"search_context_size": "low", "cost": {"total_cost": 0.005144}},
    "dashscope": _DETAILS,
    "minimax": {"total_characters": 0},
    "volcengine": _DETAILS,
    "fireworks": {"prompt_tokens_details": {"cached_tokens": CACHED}},
    "huggingface": {"cached_tokens": 0},
    "together": {"cached_tokens": 0},
}
_TOP: Mapping[str, dict[str, Any]] = {
    "openai": {"service_tier": "default", "system_fingerprint": None},
    "groq": {"x_groq": {"id": "req_synthetic"}, "service_tier": "on_demand"},
    "grok": {"system_fingerprint": "fp_synthetic"},
    "zai": {"request_id": "synthetic"},
    "openrouter": {"provider": "Synthetic"},
    "cerebras": {"time_info": {"queue_time": 0.001, "total_time": 0.01}},
    "perplexity": {"citations": ["https://example.org/red"], "search_results": []},
    "minimax": {"base_resp": {"status_code": 0, "status_msg": ""}},
    "lmstudio": {"stats": {}},
    "azure": {"prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]},
}
_THINKS: Mapping[str, str] = {
    "groq": "reasoning",
    "cerebras": "reasoning",
    "openrouter": "reasoning",
    **dict.fromkeys(
        ("grok", "zai", "deepseek", "volcengine", "lmstudio", "dashscope"), "reasoning_content"
    ),
}
_USAGE_WITH_FINISH = frozenset({"groq", "zai", "mistral", "deepseek", "moonshot", "together"})
"""Providers whose usage comes with the chunk that ends, not in one of its own after it."""


def _chat(provider: str, body: Mapping[str, Any], said: str | dict[str, Any]) -> Reply:
    if body.get("stream"):
        return _chat_stream(provider, body, str(said))
    message: dict[str, Any] = {"role": "assistant", "content": said}
    if isinstance(said, dict):
        function = {"name": _tool(said), "arguments": json.dumps(said)}
        call = {"id": "call_1", "type": "function", "function": function}
        message |= {"content": None, "tool_calls": [call]}
    if provider in _THINKS:
        message[_THINKS[provider]] = THINKING
    finish = "stop" if isinstance(said, str) else "tool_calls"
    choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": finish}
    if provider == "openrouter":
        choice["native_finish_reason"] = "completed"
    if provider == "azure":
        choice["content_filter_results"] = {"hate": {"filtered": False, "severity": "safe"}}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": CREATED}
    usage = {**_PLAIN_USAGE, **_USAGE.get(provider, {})}
    top = _TOP.get(provider, {})
    return json_reply({**head, "model": body["model"], "choices": [choice], "usage": usage, **top})


def _chat_stream(provider: str, body: Mapping[str, Any], text: str) -> Reply:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": CREATED}
    head["model"] = body["model"]

    def chunk(delta: Mapping[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {**head, "choices": [choice], **more}

    first, second = _halves(text)
    pieces = [chunk({"role": "assistant", "content": ""})]
    if provider in _THINKS:
        pieces.append(chunk({_THINKS[provider]: THINKING}))
    pieces += [chunk({"content": first}), chunk({"content": second})]
    usage = {**_PLAIN_USAGE, **_USAGE.get(provider, {})}
    if provider == "azure":
        pieces.insert(0, {**head, "model": "", "choices": [], **_TOP["azure"]})
    if provider in _USAGE_WITH_FINISH:
        last = chunk({}, "stop", usage=usage)
        if provider == "groq":
            last["x_groq"] = {"id": "req_synthetic", "usage": usage}
        if provider == "moonshot":
            last["choices"][0]["usage"] = usage
        return _events(*pieces, last)
    if provider == "openrouter":  # which repeats the finished choice beside the usage
        reply = _events(*pieces, chunk({}, "stop"), chunk({"content": ""}, "stop", usage=usage))
        return Reply(body=b": OPENROUTER PROCESSING\n\n" + reply.body, headers=SSE)
    return _events(*pieces, chunk({}, "stop"), {**head, "choices": [], "usage": usage})


def _responses(body: Mapping[str, Any], said: str | dict[str, Any]) -> Reply:
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
    first, second = _halves(text)
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    delta = {"type": "response.output_text.delta", **place}
    events: list[dict[str, Any]] = [
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
    numbered = [{**event, "sequence_number": n} for n, event in enumerate(events)]
    return _events(*numbered, named=True, done=False)


def _anthropic(body: Mapping[str, Any], said: str | dict[str, Any]) -> Reply:
    block: dict[str, Any] = {"type": "text", "text": said}
    if isinstance(said, dict):
        block = {"type": "tool_use", "id": "toolu_1", "name": _tool(said), "input": said}
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
    first, second = _halves(str(said))
    empty = {**head, "content": [], "stop_reason": None, "stop_sequence": None}
    delta = {"type": "content_block_delta", "index": 0}
    return _events(
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


def _gemini(path: str, said: str | dict[str, Any]) -> Reply:
    part: dict[str, Any] = {"text": said}
    if isinstance(said, dict):
        part = {"functionCall": {"name": _tool(said), "args": said}, "thoughtSignature": "c2ln"}
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
    first, second = _halves(str(said))
    reply = _events(chunk({"text": first}, None), chunk({"text": second}, "STOP"), done=False)
    return Reply(body=reply.body.replace(b"\n", b"\r\n"), headers=SSE)


def _cohere(body: Mapping[str, Any], said: str | dict[str, Any]) -> Reply:
    usage = {
        "billed_units": {"input_tokens": IN - 20, "output_tokens": OUT},
        "tokens": {"input_tokens": IN, "output_tokens": OUT},
        "cached_tokens": CACHED,
    }
    message: dict[str, Any] = {"role": "assistant", "content": [{"type": "text", "text": said}]}
    if isinstance(said, dict):
        function = {"name": _tool(said), "arguments": json.dumps(said)}
        call = {"id": "weather_1", "type": "function", "function": function}
        plan = "I will ask for the weather."
        message = {"role": "assistant", "tool_plan": plan, "tool_calls": [call]}
    finish = "COMPLETE" if isinstance(said, str) else "TOOL_CALL"
    ident = "00000000-0000-0000-0000-000000000001"
    if not body.get("stream"):
        whole = {"id": ident, "message": message, "finish_reason": finish, "usage": usage}
        return json_reply(whole)
    first, second = _halves(str(said))

    def piece(text: str, kind: str = "content-delta") -> dict[str, Any]:
        inner = {"type": "text", "text": text} if kind == "content-start" else {"text": text}
        return {"type": kind, "index": 0, "delta": {"message": {"content": inner}}}

    empty = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    return _events(
        {"type": "message-start", "id": ident, "delta": {"message": empty}},
        piece("", "content-start"),
        piece(first),
        piece(second),
        {"type": "content-end", "index": 0},
        {"type": "message-end", "id": ident, "delta": {"finish_reason": finish, "usage": usage}},
        named=True,
    )


def _ollama(body: Mapping[str, Any], said: str | dict[str, Any]) -> Reply:
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
        function = {"name": _tool(said), "arguments": said}
        message = {"role": "assistant", "content": "", "tool_calls": [{"function": function}]}
    if not body.get("stream"):
        return json_reply({**head, "message": message, **ends})
    lines = [
        *({**head, "message": {"role": "assistant", "content": half}, "done": False}
          for half in _halves(str(said))),
        {**head, "message": {"role": "assistant", "content": ""}, **ends},
    ]  # fmt: skip
    text = "".join(json.dumps(line) + "\n" for line in lines)
    return Reply(body=text.encode(), headers={"content-type": "application/x-ndjson"})


def _bedrock(path: str, said: str | dict[str, Any]) -> Reply:
    block: dict[str, Any] = {"text": said}
    if isinstance(said, dict):
        block = {"toolUse": {"toolUseId": "tooluse_1", "name": _tool(said), "input": said}}
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
    first, second = _halves(str(said))
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


# One error each: a wrong key; for servers that ask for none, a model that is not there.


def _openai_error(message: str, code: str | None, kind: str = "invalid_request_error") -> Any:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


_WRONG = _openai_error("Incorrect API key provided.", "invalid_api_key")
_GOOGLE_WRONG = {
    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
    "reason": "API_KEY_INVALID",
    "domain": "googleapis.com",
}
_ERRORS: Mapping[str, tuple[int, Any]] = {
    "claude": (
        401,
        {
            "type": "error",
            "error": {"type": "authentication_error", "message": "invalid x-api-key"},
            "request_id": None,
        },
    ),
    "google": (
        400,
        {
            "error": {
                "code": 400,
                "message": "API key not valid. Please pass a valid API key.",
                "status": "INVALID_ARGUMENT",
                "details": [_GOOGLE_WRONG],
            }
        },
    ),
    "vertex": (
        401,
        {"error": {"code": 401, "message": "Invalid credentials.", "status": "UNAUTHENTICATED"}},
    ),
    "grok": (400, {"code": "invalid argument", "error": "Incorrect API key provided."}),
    "moonshot": (
        401,
        _openai_error("Invalid Authentication", None, "invalid_authentication_error"),
    ),
    "zai": (401, {"error": {"code": "1000", "message": "Authentication Failed"}}),
    "modelscope": (401, {"errors": {"message": "Authentication failed."}, "request_id": "1"}),
    "openrouter": (401, {"error": {"message": "User not found.", "code": 401}}),
    "cohere": (401, {"id": "1", "message": "invalid api token"}),
    "mistral": (401, {"message": "Unauthorized", "request_id": "1"}),
    "deepseek": (401, _openai_error("Authentication Fails", "invalid_request_error")),
    "fireworks": (401, {"error": {"object": "error", "message": "The API key is invalid."}}),
    "cerebras": (401, {"message": "Wrong API Key", "code": "wrong_api_key", "param": "api_key"}),
    "huggingface": (401, {"error": "Invalid username or password."}),
    "minimax": (
        401,
        {"type": "error", "error": {"type": "authorized_error", "message": "login fail"}},
    ),
    "volcengine": (
        401,
        {"error": {"code": "AuthenticationError", "message": "The API key is invalid."}},
    ),
    "cloudflare": (
        401,
        {
            "result": None,
            "success": False,
            "errors": [{"code": 10000, "message": "Authentication error"}],
        },
    ),
    "azure": (401, {"error": {"code": "401", "message": "Access denied: invalid key."}}),
    "bedrock": (403, {"message": "The security token included in the request is invalid."}),
    "ollama": (404, {"error": f"model '{NO_MODEL}' not found"}),
    "lmstudio": (404, _openai_error("Model not found.", "model_not_found")),
}


def error(provider: str) -> Reply:
    """What the provider answers to a wrong key, or to the name of a model it has not."""
    if provider == "perplexity":  # whose gateway answers with a page
        page = b"<html><head><title>401 Authorization Required</title></head></html>"
        return Reply(status=401, body=page, headers={"content-type": "text/html"})
    status, body = _ERRORS.get(provider, (401, _WRONG))
    more = {"x_amzn_errortype": "UnrecognizedClientException"} if provider == "bedrock" else {}
    return json_reply(body, status=status, **more)
