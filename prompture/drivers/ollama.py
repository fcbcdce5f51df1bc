"""Ollama, on your own machine or, with a key and ``base_url="https://ollama.com"``, theirs.

A base URL that ends in ``/v1`` asks for the OpenAI-compatible API, which cannot set the context
length: there the server cuts the head off a prompt that is too long, without a word.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from prompture.codecs.base import Endpoint
from prompture.codecs.ollama import Ollama
from prompture.codecs.openai_chat import OpenAIChat
from prompture.codecs.openai_chat_answer import Quirks
from prompture.drivers.base import AsyncDriver, Driver
from prompture.drivers.cost import CostMixin, entry_of
from prompture.drivers.provider import Features, Provider
from prompture.money import Cost
from prompture.types import Usage

if TYPE_CHECKING:
    from prompture.catalog.models import Entry


def is_cloud(model: str, base_url: str = "") -> bool:
    """Whether Ollama's own machines answer, asked directly or through the local server."""
    return model.endswith("cloud") or "://ollama.com" in base_url


def _narrow(model: str, features: Features) -> Features:
    """Models in the cloud take a schema and do not enforce it (ollama/ollama#12362)."""
    return replace(features, json_schema=False) if is_cloud(model) else features


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
    endings={"openai": ("/v1", "/v1/chat/completions")},
    base_url="http://127.0.0.1:11434",
    key_env=("OLLAMA_API_KEY",),
    url_env=("OLLAMA_HOST", "OLLAMA_BASE_URL", "OLLAMA_ENDPOINT"),
    bare_hosts=True,  # OLLAMA_HOST=127.0.0.1:11434
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
CLOUD = replace(ROW, catalog="ollama-cloud", local=False)


class OllamaCost(CostMixin):
    """Nothing on your own machine; in the cloud a subscription, which has no price per token."""

    endpoint: Endpoint

    def entry(self, model: str | None = None) -> Entry | None:
        """What the catalog knows of a cloud model; nothing of those on your machine."""
        name = model or self.model
        if not is_cloud(name, self.endpoint.base_url):
            return None
        return entry_of(CLOUD, name.removesuffix("-cloud").removesuffix(":cloud"))

    def price(
        self, usage: Usage, *, answered: str = "", asked: str = "", at: float | None = None
    ) -> Cost:
        """Unknown in the cloud, else zero."""
        if is_cloud(asked or self.model, self.endpoint.base_url):
            return Cost(usd=None, reason="Ollama's cloud is a subscription: no price per token")
        return super().price(usage, answered=answered, asked=asked, at=at)


class OllamaDriver(OllamaCost, Driver):
    provider = ROW


class AsyncOllamaDriver(OllamaCost, AsyncDriver):
    provider = ROW
