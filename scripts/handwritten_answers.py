"""Answers written by hand after the providers' documented wire formats, for synthetic cassettes.

``answer(provider, asked)`` is a provider as far as the cases of ``tests/cassette_cases.py`` need
one: a word, a receipt's values, a tool call, whole or streamed, and one error. Nothing here was
recorded; ids and times are made up, and token counts are round.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from scripts import handwritten_dialects as dialects
from scripts.handwritten_dialects import (
    CACHED,
    CITY,
    CREATED,
    IN,
    OUT,
    SSE,
    THOUGHT,
    events,
    halves,
    tool_of,
)
from scripts.handwritten_errors import error
from tests.cassette_cases import NO_MODEL, VALUE, WRONG_KEY
from tests.loopback import Asked, Reply, json_reply

WORD = "Red."
THINKING = "One word is wanted."


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
        return dialects.responses(body, said)
    if path.endswith("/v1/messages"):
        return dialects.anthropic(body, said)
    if ":" in path and path.endswith("enerateContent"):
        return dialects.gemini(path, said)
    if path.endswith("/v2/chat"):
        return dialects.cohere(body, said)
    if path.endswith("/api/chat"):
        return dialects.ollama(body, said)
    if path.endswith(("/converse", "/converse-stream")):
        return dialects.bedrock(path, said)
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
        function = {"name": tool_of(said), "arguments": json.dumps(said)}
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

    first, second = halves(text)
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
        return events(*pieces, last)
    if provider == "openrouter":  # which repeats the finished choice beside the usage
        reply = events(*pieces, chunk({}, "stop"), chunk({"content": ""}, "stop", usage=usage))
        return Reply(body=b": OPENROUTER PROCESSING\n\n" + reply.body, headers=SSE)
    return events(*pieces, chunk({}, "stop"), {**head, "choices": [], "usage": usage})
