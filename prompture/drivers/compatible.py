"""Any endpoint that speaks OpenAI Chat Completions: ``OpenAICompatible(base_url=...)``."""

from __future__ import annotations

from typing import Any

from prompture.drivers.openai_compatible import AsyncOpenAICompatibleDriver, OpenAICompatibleDriver


class OpenAICompatible(OpenAICompatibleDriver):
    """A driver for any other endpoint: ``OpenAICompatible("my-model", base_url="http://...")``.

    Without ``base_url``, ``OPENAI_COMPATIBLE_BASE_URL`` is read. ``api_key`` is sent where it is
    given. ``features=Features(...)`` says what the model can
    do, where that is less than tools, JSON schemas and images.
    """

    def __init__(self, model: str, *, base_url: str | None = None, **settings: Any) -> None:
        super().__init__(model, base_url=base_url, **settings)


class AsyncOpenAICompatible(AsyncOpenAICompatibleDriver):
    """The async colour of OpenAICompatible."""

    def __init__(self, model: str, *, base_url: str | None = None, **settings: Any) -> None:
        super().__init__(model, base_url=base_url, **settings)
