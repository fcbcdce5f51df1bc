"""Azure OpenAI: OpenAI's wire at other URLs, with another header.

Source: https://learn.microsoft.com/azure/ai-foundry/openai/reference
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from prompture.codecs.base import Endpoint, join_url
from prompture.codecs.openai_chat import OpenAIChat
from prompture.codecs.openai_responses import OpenAIResponses
from prompture.errors import ConfigurationError
from prompture.types import Request
from prompture.wire.http import HTTPRequest

CLASSIC_VERSION = "2024-12-01-preview"


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureChat(OpenAIChat):
    """Chat Completions on Azure; the request's model is the name of the deployment.

    A base URL that is a whole endpoint is called as it is. Otherwise, without an
    ``api_version`` the v1 API is called (``/openai/v1``); with one, or with a base
    URL that names a deployment, the classic one (``/openai/deployments/...?api-version=``).
    """

    key_header: str = "api-key"

    def url(self, request: Request, endpoint: Endpoint) -> str:
        return azure_url(endpoint, self.path, deployment=request.model)

    def headers(self, endpoint: Endpoint) -> dict[str, str]:
        return azure_headers(endpoint)

    def models_request(self, endpoint: Endpoint, page: str | None = None) -> HTTPRequest:
        return azure_models(endpoint)


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureResponses(OpenAIResponses):
    """Responses on Azure."""

    def url(self, request: Request, endpoint: Endpoint) -> str:
        return azure_url(endpoint, "/responses", deployment=None)

    def headers(self, endpoint: Endpoint) -> dict[str, str]:
        return azure_headers(endpoint)

    def models_request(self, endpoint: Endpoint, page: str | None = None) -> HTTPRequest:
        return azure_models(endpoint)


def azure_headers(endpoint: Endpoint) -> dict[str, str]:
    """An Entra token wins over a key."""
    # A resource may have its keys turned off; then only tokens are taken.
    if token := endpoint.options.get("ad_token"):
        return {"authorization": f"Bearer {token}", **endpoint.headers}
    return {"api-key": endpoint.api_key, **endpoint.headers}


def azure_url(endpoint: Endpoint, path: str, *, deployment: str | None) -> str:
    """The URL for a path. Raises ConfigurationError where there is no endpoint at all."""
    base, _, query = endpoint.base_url.partition("?")
    base = base.rstrip("/")
    if not base:
        raise ConfigurationError("azure: pass base_url=... or set AZURE_OPENAI_ENDPOINT")
    version = endpoint.options.get("api_version", "")
    if "api-version=" in query or (base.endswith(path) and not version):
        return join_url(endpoint.base_url, path)  # a whole endpoint is called as it is
    if "/deployments/" in base:
        return f"{join_url(base, path)}?api-version={version or CLASSIC_VERSION}"
    if base.endswith(("/openai/v1", path)) or "/openai/v1/" in base:
        return join_url(base, path) + (f"?api-version={version}" if version else "")
    # Azure AI Foundry's older inference API, with a version of its own.
    if base.endswith("/models"):
        return f"{join_url(base, path)}?api-version={version or '2024-05-01-preview'}"
    root = base.removesuffix("/openai") + "/openai"
    if not version:
        return f"{root}/v1{path}"
    # Only Chat Completions stands under a deployment; Responses names it in the body.
    middle = f"/deployments/{quote(deployment, safe='')}" if deployment else ""
    return f"{root}{middle}{path}?api-version={version}"


def azure_models(endpoint: Endpoint) -> HTTPRequest:
    """Ask for the models that the resource may deploy; its deployments are not listed."""
    base = endpoint.base_url.partition("?")[0]
    resource = re.match(r"https?://[^/]+", base)
    if not resource:
        raise ConfigurationError("azure: pass base_url=... or set AZURE_OPENAI_ENDPOINT")
    return HTTPRequest("GET", f"{resource[0]}/openai/v1/models", azure_headers(endpoint))
