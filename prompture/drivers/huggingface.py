"""Hugging Face Inference Providers."""

from prompture.codecs.openai_chat import OpenAIChat
from prompture.codecs.openai_chat_answer import Quirks
from prompture.drivers.base import AsyncDriver, CostMixin, Driver, Features, Provider

ROW = Provider(
    name="huggingface",
    title="Hugging Face",
    aliases=("hf",),
    codec=OpenAIChat(quirks=Quirks(think_tags=True)),
    base_url="https://router.huggingface.co/v1",
    key_env=("HF_TOKEN", "HUGGINGFACE_API_KEY", "HUGGING_FACE_HUB_TOKEN"),
    url_env=("HF_ENDPOINT",),
    default_model="deepseek-ai/DeepSeek-V3.2",
    catalog="huggingface",
    features=Features(vision=True, schema_dialect="openai-compatible"),
    docs="https://huggingface.co/docs/inference-providers/tasks/chat-completion",
)


class HuggingFaceDriver(CostMixin, Driver):
    provider = ROW


class AsyncHuggingFaceDriver(CostMixin, AsyncDriver):
    provider = ROW
