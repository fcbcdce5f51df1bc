"""Servers of your own that speak OpenAI Chat Completions: LM Studio, and any other endpoint."""

from __future__ import annotations

from typing import Any

from prompture.codecs.openai_chat import OpenAIChat
from prompture.codecs.openai_chat_answer import Quirks
from prompture.codecs.openai_responses import OpenAIResponses
from prompture.drivers.base import AsyncDriver, Driver
from prompture.drivers.cost import CostMixin
from prompture.drivers.provider import Features, Provider

ROW = Provider(
    name="openai-compatible",
    title="OpenAI-compatible",
    codec=OpenAIChat(
        strict_tools=True,
        files="url",
        metadata=True,
        echo=("reasoning_content", "extra_content"),
        quirks=Quirks(think_tags=True),
    ),
    codecs={"responses": OpenAIResponses()},
    base_url="{base_url}",
    key_env=("OPENAI_COMPATIBLE_API_KEY",),
    url_env=("OPENAI_COMPATIBLE_BASE_URL",),
    key_required=False,
    default_model="",
    features=Features(vision=True, files=True, schema_dialect="openai-compatible"),
    docs="https://platform.openai.com/docs/api-reference/chat",
)

LMSTUDIO = Provider(
    name="lmstudio",
    title="LM Studio",
    codec=OpenAIChat(
        # It takes strings only, and refuses ``json_object``.
        tool_choice="required",
        json_object=False,
        image_urls=False,
        quirks=Quirks(think_tags=True),
    ),
    codecs={"responses": OpenAIResponses()},
    base_url="http://127.0.0.1:1234/v1",
    key_env=("LMSTUDIO_API_KEY", "LM_STUDIO_API_KEY"),
    url_env=("LMSTUDIO_BASE_URL", "LMSTUDIO_ENDPOINT", "LM_STUDIO_API_BASE"),
    key_required=False,
    default_model="",
    catalog="lmstudio",
    local=True,
    features=Features(json_mode=False, vision=True, schema_dialect="openai-compatible"),
    docs="https://lmstudio.ai/docs/app/api/endpoints/openai",
)


class OpenAICompatibleDriver(CostMixin, Driver):
    """What ``driver_for("openai-compatible/...")`` gives."""

    provider = ROW


class AsyncOpenAICompatibleDriver(CostMixin, AsyncDriver):
    """What ``async_driver_for("openai-compatible/...")`` gives."""

    provider = ROW


class OpenAICompatible(OpenAICompatibleDriver):
    """A driver for any other endpoint: ``OpenAICompatible("my-model", base_url="http://...")``.

    Without ``base_url``, ``OPENAI_COMPATIBLE_BASE_URL`` is read. ``api_key`` is sent where it is
    given. ``features=Features(...)`` says what the model can
    do, where that is less than tools, JSON schemas and images.
    """

    def __init__(self, model: str, *, base_url: str | None = None, **settings: Any) -> None:
        super().__init__(model, base_url=base_url, **settings)


class AsyncOpenAICompatible(AsyncOpenAICompatibleDriver):
    """The async twin of OpenAICompatible."""

    def __init__(self, model: str, *, base_url: str | None = None, **settings: Any) -> None:
        super().__init__(model, base_url=base_url, **settings)
