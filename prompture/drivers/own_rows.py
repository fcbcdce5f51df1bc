"""Providers that do not speak OpenAI's Chat Completions: one row each, and the engine of ``local/rules``.

Each row is made by a function, when it is first asked for. So only the codec that is used is imported,
which takes about 20 ms for each.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

from prompture.codecs.base import NO_CODEC
from prompture.codecs.turns import is_plain
from prompture.drivers.provider import Features, Provider
from prompture.errors import ConfigurationError, MissingExtra, UnsupportedError
from prompture.types import Completion, Request, Usage


@cache
def claude() -> Provider:
    """Anthropic's Claude. Docs: https://platform.claude.com/docs/en/api/messages"""
    from prompture.codecs.anthropic import Anthropic
    from prompture.codecs.anthropic_models import claude as rules_of
    from prompture.codecs.openai_chat import OpenAIChat

    def narrow(model: str, features: Features) -> Features:
        # Structured outputs came with 4.5; the families that always think force no tool.
        rules = rules_of(model)
        return replace(features, json_schema=rules.structured, forced_tool=not rules.must_think)

    return Provider(
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


@cache
def bedrock() -> Provider:
    """AWS Bedrock, Converse API.

    Docs: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
    """
    from prompture.codecs.anthropic_models import claude as rules_of
    from prompture.codecs.bedrock import BedrockConverse

    def narrow(model: str, features: Features) -> Features:
        # Only Claude is known to hold an answer to a schema here.
        if "claude" not in model:
            return replace(features, json_schema=False)
        rules = rules_of(model)
        return replace(features, json_schema=rules.structured, forced_tool=not rules.must_think)

    return Provider(
        name="bedrock",
        title="AWS Bedrock",
        codec=BedrockConverse(),
        base_url="https://bedrock-runtime.{region}.amazonaws.com",
        key_env=("AWS_BEARER_TOKEN_BEDROCK",),
        key_required=False,
        default_model="us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        docs="https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference.html",
        catalog="amazon-bedrock",
        # Converse has schemas and tools, and no JSON mode.
        features=Features(json_mode=False, vision=True, files=True, schema_dialect="anthropic"),
        narrow=narrow,
        options={
            "region": "us-east-1",
            "access_key_id": "",
            "secret_access_key": "",
            "session_token": "",
        },
        option_env={
            "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
            "access_key_id": ("AWS_ACCESS_KEY_ID",),
            "secret_access_key": ("AWS_SECRET_ACCESS_KEY",),
            "session_token": ("AWS_SESSION_TOKEN",),
        },
    )


@cache
def google() -> Provider:
    """Google's Gemini by its own API. Docs: https://ai.google.dev/api/generate-content"""
    from prompture.codecs.gemini import Gemini
    from prompture.codecs.openai_chat import OpenAIChat

    return Provider(
        name="google",
        title="Google Gemini",
        codec=Gemini(),
        codecs={"openai": OpenAIChat()},
        base_url="https://generativelanguage.googleapis.com/v1beta",
        key_env=("GOOGLE_API_KEY", "GEMINI_API_KEY"),
        shared_env=("GOOGLE_API_KEY",),  # of Maps, YouTube and the rest as well
        url_env=("GOOGLE_GEMINI_BASE_URL",),
        default_model="gemini-3.5-flash",
        docs="https://ai.google.dev/api/generate-content",
        catalog="google",
        features=Features(vision=True, files=True, schema_dialect="gemini"),
        narrow=_narrow_gemini,
    )


@cache
def vertex() -> Provider:
    """Gemini on Google Cloud. Docs: https://cloud.google.com/vertex-ai/generative-ai/docs

    The key is an access token (``gcloud auth print-access-token``; it lives for an hour) with
    ``project`` and ``location``, or an API key of express mode, which needs neither.
    """
    from prompture.codecs.gemini import Gemini

    return Provider(
        name="vertex",
        title="Google Vertex AI",
        codec=Gemini(vertex=True),
        base_url="https://aiplatform.googleapis.com/v1beta1",
        key_env=(
            "GOOGLE_OAUTH_ACCESS_TOKEN",
            "CLOUDSDK_AUTH_ACCESS_TOKEN",
            "GOOGLE_VERTEX_API_KEY",
        ),
        shared_env=("GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN"),
        url_env=("GOOGLE_VERTEX_BASE_URL",),
        default_model="gemini-3.5-flash",
        docs="https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference",
        catalog="google-vertex",
        features=Features(vision=True, files=True, schema_dialect="gemini"),
        narrow=_narrow_gemini,
        options={"project": "", "location": "global"},
        option_env={
            "project": ("GOOGLE_CLOUD_PROJECT", "GOOGLE_VERTEX_PROJECT"),
            "location": ("GOOGLE_CLOUD_LOCATION", "GOOGLE_VERTEX_LOCATION"),
        },
    )


def _narrow_gemini(model: str, features: Features) -> Features:
    """A schema and tools in one request came with version 3."""
    from prompture.codecs.gemini_request import older_than_3

    return replace(features, schema_with_tools=not older_than_3(model))


@cache
def cohere() -> Provider:
    """Cohere. Docs: https://docs.cohere.com/reference/chat"""
    from prompture.codecs.cohere import Cohere, can_be_forced, sees
    from prompture.codecs.cohere_answer import billed

    def narrow(model: str, features: Features) -> Features:
        # Vision came with the vision models and Command A+, tool_choice with Command R7B.
        return replace(features, vision=sees(model), forced_tool=can_be_forced(model))

    return Provider(
        name="cohere",
        title="Cohere",
        codec=Cohere(),
        base_url="https://api.cohere.com",
        key_env=("CO_API_KEY", "COHERE_API_KEY"),
        url_env=("CO_API_URL",),
        default_model="command-a-03-2025",
        docs="https://docs.cohere.com/reference/chat",
        catalog="cohere",
        # ``response_format`` is refused beside tools.
        features=Features(vision=True, schema_with_tools=False, schema_dialect="cohere"),
        narrow=narrow,
        billed=billed,
    )


@cache
def azure() -> Provider:
    """Azure OpenAI and Foundry."""
    from prompture.codecs.anthropic import Anthropic
    from prompture.codecs.azure import AzureChat, AzureResponses
    from prompture.codecs.openai_models import chat_rule, needed_api

    return Provider(
        name="azure",
        title="Azure OpenAI",
        codec=AzureChat(
            tokens_param="max_completion_tokens", strict_tools=True, metadata=True, rule=chat_rule
        ),
        codecs={"responses": AzureResponses(), "messages": Anthropic()},
        route=needed_api,
        base_url="{endpoint}",
        key_env=("AZURE_OPENAI_API_KEY", "AZURE_API_KEY"),
        options={"endpoint": "", "api_version": "", "ad_token": ""},
        option_env={
            "endpoint": ("AZURE_OPENAI_ENDPOINT", "AZURE_API_ENDPOINT"),
            "api_version": ("OPENAI_API_VERSION", "AZURE_API_VERSION"),
            "ad_token": ("AZURE_OPENAI_AD_TOKEN",),
        },
        default_model="",
        catalog="azure",
        json_word=True,
        features=Features(vision=True),
        docs="https://learn.microsoft.com/azure/ai-foundry/openai/reference",
    )


@cache
def local() -> Provider:
    """``local/rules``: extraction without a model, without a key, without a network."""
    return Provider(
        name="local",
        title="Local rules",
        codec=NO_CODEC,
        engine=Rules,
        base_url="",
        key_required=False,
        local=True,
        default_model="rules",
        features=Features(json_mode=False, tool_use=False, reasks=False, schema_dialect="plain"),
        docs="docs/rules.md",
    )


class Rules:
    """The engine of ``local/rules``: reads labelled lines and tables. See ``prompture.rules``.

    It answers requests that have a schema; the text it reads is the last user turn.
    """

    def __init__(self, model: str) -> None:
        if model != "rules":
            raise ConfigurationError(f"local/{model}: there is only local/rules")

    def answer(self, request: Request) -> Completion:
        """Raises UnsupportedError for a request without a schema or with pictures, and
        MissingExtra."""
        if request.schema is None:
            raise UnsupportedError(
                "local/rules extracts to a schema and does nothing else; name a model, "
                "such as openai/gpt-5-mini, for chat and tools"
            )
        from prompture.rules import extract

        turn = next((m for m in reversed(request.messages) if m.role == "user"), None)
        if turn and not is_plain(turn):
            raise UnsupportedError("local/rules reads text only: no images, no files")
        try:
            found = extract(request.schema, turn.text if turn else "")
        except MissingExtra as exc:
            raise MissingExtra(extra=exc.extra, package=exc.package, otherwise=_OTHERWISE) from exc
        return Completion(
            text=json.dumps(found.value, ensure_ascii=False, default=str),
            usage=Usage(requests=1, reported=True),
            model="rules",
            spans=found.spans,
        )


_OTHERWISE = (
    ", which local/rules, the default without an API key, needs; "
    "or set a provider's key (OPENAI_API_KEY, ANTHROPIC_API_KEY, ...) to use its model"
)
