"""Fireworks AI."""

from prompture.codecs.openai_chat import OpenAIChat
from prompture.drivers.base import AsyncDriver, CostMixin, Driver, Features, Provider

ROW = Provider(
    name="fireworks",
    title="Fireworks AI",
    codec=OpenAIChat(root="/inference/v1", echo=("reasoning_content",)),
    base_url="https://api.fireworks.ai/inference/v1",
    key_env=("FIREWORKS_API_KEY",),
    url_env=("FIREWORKS_BASE_URL",),
    default_model="accounts/fireworks/models/gpt-oss-20b",
    catalog="fireworks-ai",
    features=Features(vision=True, schema_dialect="openai-compatible", one_call=True),
    docs="https://docs.fireworks.ai/api-reference/post-chatcompletions",
)


class FireworksDriver(CostMixin, Driver):
    provider = ROW


class AsyncFireworksDriver(CostMixin, AsyncDriver):
    provider = ROW
