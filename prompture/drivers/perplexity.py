"""Perplexity Sonar."""

from prompture.codecs.openai_chat import OpenAIChat
from prompture.drivers.base import AsyncDriver, CostMixin, Driver, Features, Provider

ROW = Provider(
    name="perplexity",
    title="Perplexity",
    codec=OpenAIChat(root="", json_object=False, logprobs=False),
    base_url="https://api.perplexity.ai",
    key_env=("PERPLEXITY_API_KEY", "PPLX_API_KEY"),
    url_env=("PERPLEXITY_BASE_URL",),
    default_model="sonar",
    catalog="perplexity",
    features=Features(
        json_mode=False, tool_use=False, vision=True, schema_dialect="openai-compatible"
    ),
    docs="https://docs.perplexity.ai/api-reference/chat-completions-post",
)


class PerplexityDriver(CostMixin, Driver):
    provider = ROW


class AsyncPerplexityDriver(CostMixin, AsyncDriver):
    provider = ROW
