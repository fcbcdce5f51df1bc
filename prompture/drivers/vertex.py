"""Gemini on Google's Vertex AI. Docs: https://cloud.google.com/vertex-ai/generative-ai/docs

The key is an access token (``gcloud auth print-access-token``; it lives for an hour) with
``project`` and ``location``, or an API key of express mode, which needs neither.
"""

from __future__ import annotations

from prompture.codecs.gemini import Gemini
from prompture.drivers.base import AsyncDriver, CostMixin, Driver, Features, Provider
from prompture.drivers.google import narrow

ROW = Provider(
    name="vertex",
    title="Google Vertex AI",
    aliases=("google-vertex", "google_vertex", "vertexai"),
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


class VertexDriver(CostMixin, Driver):
    provider = ROW


class AsyncVertexDriver(CostMixin, AsyncDriver):
    provider = ROW
