"""Ollama, on your own machine or, with a key and ``base_url="https://ollama.com"``, theirs."""

from __future__ import annotations

from dataclasses import replace

from prompture.codecs.ollama import Ollama
from prompture.codecs.openai_chat import OpenAIChat
from prompture.codecs.openai_chat_answer import Quirks
from prompture.drivers.base import AsyncDriver, CostMixin, Driver, Features, Provider


def _narrow(model: str, features: Features) -> Features:
    """Models in the cloud take a schema and do not enforce it (ollama/ollama#12362)."""
    return replace(features, json_schema=False) if model.endswith("cloud") else features


ROW = Provider(
    name="ollama",
    title="Ollama",
    codec=Ollama(),
    codecs={
        "openai": OpenAIChat(
            tool_choice="auto",
            image_urls=False,
            parallel_param=False,
            quirks=Quirks(think_tags=True),
        )
    },
    endings={"openai": ("/v1",)},
    base_url="http://127.0.0.1:11434",
    key_env=("OLLAMA_API_KEY",),
    url_env=("OLLAMA_HOST", "OLLAMA_BASE_URL", "OLLAMA_ENDPOINT"),
    key_required=False,
    default_model="llama3.1:8b",
    local=True,
    options={"num_ctx": ""},
    option_env={"num_ctx": ("OLLAMA_CONTEXT_LENGTH",)},
    narrow=_narrow,
    features=Features(
        vision=True, forced_tool=False, schema_with_tools=False, schema_dialect="ollama"
    ),
    docs="https://docs.ollama.com/api",
)


class OllamaDriver(CostMixin, Driver):
    provider = ROW


class AsyncOllamaDriver(CostMixin, AsyncDriver):
    provider = ROW
