"""Together AI."""

from prompture.codecs.openai_chat import OpenAIChat
from prompture.drivers.base import AsyncDriver, CostMixin, Driver, Features, Provider

ROW = Provider(
    name="together",
    title="Together AI",
    codec=OpenAIChat(),
    base_url="https://api.together.xyz/v1",
    key_env=("TOGETHER_API_KEY", "TOGETHERAI_API_KEY"),
    url_env=("TOGETHER_BASE_URL",),
    default_model="openai/gpt-oss-20b",
    catalog="togetherai",
    features=Features(vision=True, schema_dialect="openai-compatible"),
    docs="https://docs.together.ai/reference/chat-completions-1",
)


class TogetherDriver(CostMixin, Driver):
    provider = ROW


class AsyncTogetherDriver(CostMixin, AsyncDriver):
    provider = ROW
