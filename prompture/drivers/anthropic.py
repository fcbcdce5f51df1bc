"""Anthropic's Claude. Docs: https://platform.claude.com/docs/en/api/messages"""

from __future__ import annotations

from dataclasses import replace

from prompture.codecs.anthropic import Anthropic
from prompture.codecs.anthropic_models import claude
from prompture.codecs.openai_chat import OpenAIChat
from prompture.drivers.provider import Features, Provider


def narrow(model: str, features: Features) -> Features:
    """Structured outputs came with 4.5; the families that always think force no tool."""
    rules = claude(model)
    return replace(features, json_schema=rules.structured, forced_tool=not rules.must_think)


ROW = Provider(
    name="claude",
    title="Anthropic Claude",
    codec=Anthropic(),
    codecs={"openai": OpenAIChat()},
    base_url="https://api.anthropic.com",
    key_env=("ANTHROPIC_API_KEY", "CLAUDE_API_KEY"),
    url_env=("ANTHROPIC_BASE_URL",),
    default_model="claude-sonnet-5",
    docs="https://platform.claude.com/docs/en/api/messages",
    catalog="anthropic",
    features=Features(
        # The Messages API has no JSON mode.
        json_mode=False,
        vision=True,
        files=True,
        schema_dialect="anthropic",
        one_call=True,
    ),
    narrow=narrow,
    max_tokens_required=True,
)
