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
    shared_env=("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"),
    url_env=("HF_INFERENCE_BASE_URL",),  # HF_ENDPOINT is the hub's, or a mirror of it
    default_model="deepseek-ai/DeepSeek-V3.2",
    catalog="huggingface",
    key_check="https://huggingface.co/api/whoami-v2",
    features=Features(vision=True, schema_dialect="openai-compatible"),
    docs="https://huggingface.co/docs/inference-providers/tasks/chat-completion",
)


class HuggingFaceDriver(CostMixin, Driver):
    provider = ROW


class AsyncHuggingFaceDriver(CostMixin, AsyncDriver):
    provider = ROW
