"""OpenAI Chat Completions and its copies."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from tests.readers import Said, arguments, events, number, stop_of

THINKS_IN_TEXT = ("groq", "huggingface", "lmstudio", "ollama")
"""Providers whose reasoning in ``<think>`` tags is stripped (wire/README.md)."""


def read(body: bytes, *, provider: str, streamed: bool) -> Said:
    message = _folded(body) if streamed else _whole(body)
    if message.get("error") is not None:
        return Said(error=message["error"], text=message.get("text", ""))
    said = Said(model=message["model"] or "", ended=message["ended"])
    _content(said, message["content"])
    said.reasoning += message["reasoning"]
    said.refusal = message["refusal"] or ""
    said.calls = message["calls"]
    if provider in THINKS_IN_TEXT and (
        found := re.match(r"\s*<think>(.*?)</think>\s*(.*)", said.text, re.DOTALL)
    ):
        said.reasoning, said.text = found.group(1).strip("\n"), found.group(2)
    said.stop = stop_of(message["finish"], said)
    _usage(said, message["usage"] or {}, provider)
    return said


def _content(said: Said, contents: list[Any]) -> None:
    for content in contents:
        if isinstance(content, (str, dict)):
            said.text += content if isinstance(content, str) else json.dumps(content)
            continue
        for chunk in content or ():
            if chunk["type"] == "thinking":
                said.reasoning += "".join(t.get("text", "") for t in chunk["thinking"])
            elif chunk["type"] == "text":
                said.text += chunk["text"]


def _whole(body: bytes) -> dict[str, Any]:
    data = json.loads(body)
    if not data.get("choices"):
        return {"error": data.get("error") or data.get("message") or "no choices"}
    choice = data["choices"][0]
    message = choice.get("message") or {}
    calls = [c["function"] for c in message.get("tool_calls") or ()]
    if not calls and message.get("function_call"):
        calls = [message["function_call"]]
    return {
        "model": data.get("model"),
        "content": [message.get("content")],
        "reasoning": message.get("reasoning_content") or message.get("reasoning") or "",
        "refusal": message.get("refusal"),
        "calls": [(c["name"], arguments(c["arguments"])) for c in calls],
        "finish": choice.get("finish_reason"),
        "usage": data.get("usage"),
        "ended": True,
    }


def _folded(body: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {
        "model": "",
        "content": [],
        "reasoning": "",
        "refusal": "",
        "finish": None,
        "usage": None,
        "ended": False,
    }
    calls: dict[Any, list[str]] = {}
    current: dict[Any, Any] = {}
    for event in events(body):
        if isinstance(event, str):
            found["ended"] = True
            break
        if event.get("error"):
            text = "".join(c for c in found["content"] if isinstance(c, str))
            return {"error": event["error"], "text": text}
        found["model"] = event.get("model") or found["model"]
        usage = event.get("usage") or (event.get("x_groq") or {}).get("usage")
        found["usage"] = usage or found["usage"]
        for choice in event.get("choices") or ():
            if choice.get("index"):
                continue
            found["usage"] = choice.get("usage") or found["usage"]
            found["finish"] = choice.get("finish_reason") or found["finish"]
            _delta(found, choice.get("delta") or {}, calls, current)
    found["ended"] = found["ended"] or found["finish"] is not None
    found["calls"] = [(name, text) for name, text in calls.values()]
    return found


def _delta(
    found: dict[str, Any],
    delta: Mapping[str, Any],
    calls: dict[Any, list[str]],
    current: dict[Any, Any],
) -> None:
    if delta.get("content"):
        found["content"].append(delta["content"])
    found["reasoning"] += delta.get("reasoning_content") or delta.get("reasoning") or ""
    found["refusal"] += delta.get("refusal") or ""
    for position, part in enumerate(delta.get("tool_calls") or ()):
        # An id names a call; fragments without one continue the last of their index.
        place = part.get("index", position)
        if part.get("id"):
            current[place] = part["id"]
        function = part.get("function") or {}
        call = calls.setdefault(current.get(place, place), ["", ""])
        call[0] = call[0] or function.get("name") or ""
        call[1] += arguments(function.get("arguments") or "")


def _usage(said: Said, usage: Mapping[str, Any], provider: str) -> None:
    said.input, said.output = number(usage, "prompt_tokens"), number(usage, "completion_tokens")
    said.thought = number(usage, "completion_tokens_details", "reasoning_tokens") or number(
        usage, "reasoning_tokens"
    )
    # xAI leaves reasoning out of completion_tokens, as its total shows.
    if provider == "xai" and number(usage, "total_tokens") == (
        said.input + said.output + said.thought
    ):
        said.output += said.thought
    said.read = next(
        (
            n
            for n in (
                number(usage, "prompt_tokens_details", "cached_tokens"),
                number(usage, "cached_tokens"),
                number(usage, "prompt_cache_hit_tokens"),
                number(usage, "num_cached_tokens"),
            )
            if n
        ),
        0,
    )
    said.written = number(usage, "prompt_tokens_details", "cache_write_tokens")
    if usage.get("cost_in_usd_ticks") is not None:
        said.cost = usage["cost_in_usd_ticks"] / 1e10
    elif (cost := usage.get("cost")) is not None:
        said.cost = cost["total_cost"] if isinstance(cost, dict) else cost
