"""Raw usage of the recordings, brought to ``Usage`` for the tests of cost.

Small and on its own on purpose: it follows the canonical usage rules, not our codecs.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from prompture.types import Usage

KEYS = {
    "bedrock": "amazon-bedrock",
    "together": "togetherai",
    "moonshot": "moonshotai",
    "dashscope": "alibaba",
    "google_vertex": "google-vertex",
    "cloudflare": "cloudflare-workers-ai",
    "llamacpp": "local",
}
"""Names of the recordings' providers in models.dev's words, where they differ."""


def usage_of(provider: str, raw: Mapping[str, Any]) -> Usage:
    """Usage of a recording's raw usage object."""
    if "billed_units" in raw:
        return _cohere(raw)
    if "promptTokenCount" in raw or "candidatesTokenCount" in raw:
        return _gemini(raw)
    if "inputTokens" in raw:
        return _disjoint(raw, "inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
    if "cache_creation_input_tokens" in raw:
        names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        return _disjoint(raw, *names)
    if "prompt_eval_count" in raw or "eval_count" in raw:
        return Usage(
            input_tokens=raw.get("prompt_eval_count", 0),
            output_tokens=raw.get("eval_count", 0),
            reported=True,
        )
    return _openai(provider, raw)


def _openai(provider: str, raw: Mapping[str, Any]) -> Usage:
    read = raw.get("prompt_tokens_details") or raw.get("input_tokens_details") or {}
    wrote = raw.get("completion_tokens_details") or raw.get("output_tokens_details") or {}
    into = raw.get("prompt_tokens", raw.get("input_tokens", 0)) or 0
    out = raw.get("completion_tokens", raw.get("output_tokens", 0)) or 0
    reasoning = wrote.get("reasoning_tokens") or 0
    if provider == "xai" and raw.get("total_tokens") != into + out:
        out += reasoning
    return Usage(
        input_tokens=into,
        output_tokens=out,
        cache_read_tokens=read.get("cached_tokens") or 0,
        cache_write_tokens=read.get("cache_write_tokens") or 0,
        reasoning_tokens=reasoning,
        input_audio_tokens=read.get("audio_tokens") or 0,
        output_audio_tokens=wrote.get("audio_tokens") or 0,
        reported=True,
    )


def _disjoint(raw: Mapping[str, Any], fresh: str, read: str, write: str) -> Usage:
    reads, writes = raw.get(read) or 0, raw.get(write) or 0
    lives = raw.get("cache_creation") or {}
    split = {"5m": "ephemeral_5m_input_tokens", "1h": "ephemeral_1h_input_tokens"}
    return Usage(
        input_tokens=raw[fresh] + reads + writes,
        output_tokens=raw.get("output_tokens", raw.get("outputTokens", 0)),
        cache_read_tokens=reads,
        cache_write_tokens=writes,
        cache_writes={life: lives[name] for life, name in split.items() if lives.get(name)},
        service_tier=raw.get("service_tier"),
        reported=True,
    )


def _gemini(raw: Mapping[str, Any]) -> Usage:
    thoughts = raw.get("thoughtsTokenCount", 0)
    audio = [
        d.get("tokenCount", 0)
        for d in raw.get("promptTokensDetails", ())
        if d["modality"] == "AUDIO"
    ]
    return Usage(
        input_tokens=raw.get("promptTokenCount", 0) + raw.get("toolUsePromptTokenCount", 0),
        output_tokens=raw.get("candidatesTokenCount", 0) + thoughts,
        cache_read_tokens=raw.get("cachedContentTokenCount", 0),
        reasoning_tokens=thoughts,
        input_audio_tokens=sum(audio),
        service_tier=raw.get("serviceTier"),
        reported=True,
    )


def _cohere(raw: Mapping[str, Any]) -> Usage:
    billed = raw["billed_units"]
    return Usage(
        input_tokens=int(billed.get("input_tokens", 0)),
        output_tokens=int(billed.get("output_tokens", 0)),
        reported=True,
    )


def stated_of(provider: str, raw: Mapping[str, Any]) -> Decimal | None:
    """What the provider says the call cost, in dollars."""
    if provider == "xai" and raw.get("cost_in_usd_ticks") is not None:
        return Decimal(raw["cost_in_usd_ticks"]) / 10**10
    if provider == "openrouter" and not raw.get("is_byok") and raw.get("cost") is not None:
        return Decimal(str(raw["cost"]))
    return None
