"""OpenRouter."""

from prompture.codecs.openai_chat import OpenAIChat
from prompture.codecs.openai_compatible_quirks import openrouter_rule
from prompture.codecs.openai_responses import OpenAIResponses
from prompture.drivers.base import AsyncDriver, CostMixin, Driver, Features, Provider

ROW = Provider(
    name="openrouter",
    title="OpenRouter",
    codec=OpenAIChat(
        root="/api/v1",
        strict_tools=True,
        files="url",
        reasoning="object",
        echo=("reasoning", "reasoning_details"),
        cache_blocks=True,
        metadata=True,
        merged=("provider",),
        rule=openrouter_rule,
    ),
    codecs={"responses": OpenAIResponses()},
    base_url="https://openrouter.ai/api/v1",
    key_env=("OPENROUTER_API_KEY",),
    url_env=("OPENROUTER_BASE_URL",),
    default_model="openai/gpt-5-mini",
    catalog="openrouter",
    key_check="/key",
    features=Features(vision=True, files=True, one_call=True),
    docs="https://openrouter.ai/docs/api-reference/overview",
)


class OpenRouterDriver(CostMixin, Driver):
    provider = ROW


class AsyncOpenRouterDriver(CostMixin, AsyncDriver):
    provider = ROW
