"""Cerebras."""

from prompture.codecs.openai_chat import OpenAIChat
from prompture.drivers.base import AsyncDriver, CostMixin, Driver, Features, Provider

ROW = Provider(
    name="cerebras",
    title="Cerebras",
    codec=OpenAIChat(tokens_param="max_completion_tokens", echo=("reasoning",)),
    base_url="https://api.cerebras.ai/v1",
    key_env=("CEREBRAS_API_KEY",),
    url_env=("CEREBRAS_BASE_URL",),
    default_model="gpt-oss-120b",
    catalog="cerebras",
    features=Features(schema_with_tools=False),
    docs="https://inference-docs.cerebras.ai/api-reference/chat-completions",
)


class CerebrasDriver(CostMixin, Driver):
    provider = ROW


class AsyncCerebrasDriver(CostMixin, AsyncDriver):
    provider = ROW
