"""Google's Gemini: its own API and Vertex AI.

Docs: https://ai.google.dev/api/generate-content, https://cloud.google.com/vertex-ai/generative-ai/docs
"""

from __future__ import annotations

from dataclasses import replace

from prompture.codecs.gemini import Gemini
from prompture.codecs.gemini_request import older_than_3
from prompture.codecs.openai_chat import OpenAIChat
from prompture.drivers.provider import Features, Provider


def narrow(model: str, features: Features) -> Features:
    """A schema and tools in one request came with version 3."""
    return replace(features, schema_with_tools=not older_than_3(model))


ROW = Provider(
    name="google",
    title="Google Gemini",
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
VERTEX = Provider(
    name="vertex",
    title="Google Vertex AI",
    codec=Gemini(vertex=True),
    base_url="https://aiplatform.googleapis.com/v1beta1",
    key_env=("GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN", "GOOGLE_VERTEX_API_KEY"),
    shared_env=("GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN"),
    url_env=("GOOGLE_VERTEX_BASE_URL",),
    default_model="gemini-3.5-flash",
    docs="https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference",
    catalog="google-vertex",
    features=Features(vision=True, files=True, schema_dialect="gemini"),
    narrow=narrow,
    options={"project": "", "location": "global"},
    option_env={
        "project": ("GOOGLE_CLOUD_PROJECT", "GOOGLE_VERTEX_PROJECT"),
        "location": ("GOOGLE_CLOUD_LOCATION", "GOOGLE_VERTEX_LOCATION"),
    },
)
"""The key is an access token (``gcloud auth print-access-token``; it lives for an hour) with
``project`` and ``location``, or an API key of express mode, which needs neither."""
