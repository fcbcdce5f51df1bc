"""Google's Gemini API. Docs: https://ai.google.dev/api/generate-content"""

from __future__ import annotations

from dataclasses import replace

from prompture.codecs.gemini import Gemini
from prompture.codecs.gemini_models import older_than_3
from prompture.codecs.openai_chat import OpenAIChat
from prompture.drivers.base import AsyncDriver, CostMixin, Driver, Features, Provider


def narrow(model: str, features: Features) -> Features:
    """A schema and tools in one request came with version 3."""
    return replace(features, schema_with_tools=not older_than_3(model))


ROW = Provider(
    name="google",
    title="Google Gemini",
    aliases=("gemini",),
    codec=Gemini(),
    codecs={"openai": OpenAIChat()},
    base_url="https://generativelanguage.googleapis.com/v1beta",
    key_env=("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    shared_env=("GOOGLE_API_KEY",),  # of Maps, YouTube and the rest as well
    url_env=("GOOGLE_GEMINI_BASE_URL",),
    default_model="gemini-3.5-flash",
    docs="https://ai.google.dev/api/generate-content",
    catalog="google",
    features=Features(vision=True, files=True, schema_dialect="gemini"),
    narrow=narrow,
)


class GoogleDriver(CostMixin, Driver):
    provider = ROW


class AsyncGoogleDriver(CostMixin, AsyncDriver):
    provider = ROW
