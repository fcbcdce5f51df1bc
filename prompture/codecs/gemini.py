"""Google's generateContent, on the Gemini API and on Vertex AI.

Sources: https://ai.google.dev/api/generate-content and
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from prompture.codecs.base import Endpoint, StreamDecoder
from prompture.codecs.gemini_answer import DIALECT, read_fault, usage_of
from prompture.codecs.gemini_request import (
    Body,
    contents,
    older_than_3,
    system_instruction,
    thinking_config,
    version,
)
from prompture.codecs.gemini_stream import GeminiStream, read_body
from prompture.codecs.options import check_temperature, declaration, refuse, stated, tool_choice
from prompture.codecs.values import objects, tokens
from prompture.errors import ConfigurationError, ProtocolError, ProviderError, UnsupportedError
from prompture.types import JSON, Completion, ModelInfo, Request, Usage
from prompture.wire.http import HTTPRequest, HTTPResponse, post_json
from prompture.wire.loading import shape

_API_KEY = re.compile(r"AIza|AQ\.")
_MODELS = re.compile(r"/models(/[^/]*)?$")
_MULTI_REGIONS = ("us", "eu")
_IN_CACHE = ("systemInstruction", "tools", "toolConfig")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gemini:
    """The dialect. ``vertex`` is taken for granted where the base URL is one of Vertex AI.

    ``prompt_cache`` asks for nothing: Gemini caches prefixes by itself. A cache made beforehand is
    named with ``extra={"cachedContent": "cachedContents/..."}``; what it already holds (system,
    tools and their configuration) is then left out, as the API demands.
    """

    vertex: bool = False

    @property
    def dialect(self) -> str:
        return DIALECT

    def encode(self, request: Request, endpoint: Endpoint, *, stream: bool = False) -> HTTPRequest:
        """Raises UnsupportedError for what the API or the model's family would refuse."""
        body: Body = {"contents": contents(request, self._root(endpoint))}
        if system := system_instruction(request.messages):
            body["systemInstruction"] = system
        body.update(_tools(request))
        if config := _generation_config(request, stream=stream):
            body["generationConfig"] = config
        if request.metadata:
            if not self._on_vertex(endpoint):
                raise UnsupportedError(
                    "the Gemini API takes no metadata; Vertex AI does, as labels"
                )
            body["labels"] = {key: str(value) for key, value in request.metadata.items()}
        _lay_over(body, request.extra)
        if body.get("cachedContent"):
            # The cache holds them already; the API refuses both.
            for key in _IN_CACHE:
                body.pop(key, None)
        # Without alt=sse the answer is one JSON array, whose last chunk closes it.
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        url = f"{self._model_url(request.model, endpoint)}:{verb}"
        return post_json(url, self._headers(endpoint), body)

    def decode(self, response: HTTPResponse, endpoint: Endpoint) -> Completion:
        return read_body(response, endpoint)

    def stream_decoder(self, endpoint: Endpoint) -> StreamDecoder:
        return GeminiStream(endpoint)

    def read_usage(self, body: JSON) -> Usage:
        return usage_of(body)

    def read_error(self, response: HTTPResponse, endpoint: Endpoint) -> ProviderError:
        return read_fault(response, endpoint)

    def models_request(self, endpoint: Endpoint, page: str | None = None) -> HTTPRequest:
        root = self._root(endpoint)
        size = 1000
        if self._on_vertex(endpoint):
            # Only v1beta1 lists models, and those of the publisher, not of a project.
            host = root.partition("/projects/")[0].partition("/publishers/")[0]
            root = re.sub(r"/v1$", "/v1beta1", host) + "/publishers/google"
            size = 100
        query = {"pageSize": size, **({"pageToken": page} if page else {})}
        return HTTPRequest("GET", f"{root}/models?{urlencode(query)}", self._headers(endpoint))

    def read_models(self, response: HTTPResponse) -> tuple[list[ModelInfo], str | None]:
        body = response.json()
        if not isinstance(body, Mapping):
            raise ProtocolError(f"expected an object, got {shape(body)}")
        listed = objects(body.get("models")) + objects(body.get("publisherModels"))
        return [_model_info(m) for m in listed if m.get("name")], body.get("nextPageToken") or None

    def _on_vertex(self, endpoint: Endpoint) -> bool:
        return self.vertex or "aiplatform" in endpoint.base_url

    def _headers(self, endpoint: Endpoint) -> dict[str, str]:
        """An API key has a header of its own; an access token (``ya29...``) is a bearer's."""
        key = endpoint.api_key
        if not key:
            return dict(endpoint.headers)
        # Vertex AI takes keys too, in express mode.
        bearer = (self._on_vertex(endpoint) and not _API_KEY.match(key)) or key.startswith("ya29.")
        if bearer:
            return {"authorization": f"Bearer {key}", **endpoint.headers}
        return {"x-goog-api-key": key, **endpoint.headers}

    def _model_url(self, model: str, endpoint: Endpoint) -> str:
        """A bare name is one of ``models/``; a resource name is taken at its word."""
        root = self._root(endpoint)
        name = quote(model, safe="/@")
        match model.partition("/")[0]:
            case "models" | "tunedModels":
                return f"{root}/{name}"
            case "publishers" | "endpoints":
                return f"{root.partition('/publishers/')[0]}/{name}"
            case "projects":
                return f"{root.partition('/projects/')[0]}/{name}"
        return f"{root}/models/{quote(model, safe='@')}"

    def _root(self, endpoint: Endpoint) -> str:
        """What stands before ``/models``: the base URL, completed where it is only a host."""
        base = _MODELS.sub("", endpoint.base_url.rstrip("/"))
        vertex = self._on_vertex(endpoint)
        if "/" not in base.partition("://")[2]:
            base += "/v1beta1" if vertex else "/v1beta"
        if not vertex or "/publishers/" in base:
            return base
        project = endpoint.options.get("project")
        # Express mode: a key and no project.
        if "/projects/" in base or (not project and _API_KEY.match(endpoint.api_key)):
            return f"{base}/publishers/google"
        if not project:
            raise ConfigurationError(
                f"{endpoint.provider}: pass project=... or set GOOGLE_CLOUD_PROJECT"
            )
        location = endpoint.options.get("location") or "global"
        base = base.replace("//aiplatform.googleapis.com", f"//{_vertex_host(location)}", 1)
        return f"{base}/projects/{project}/locations/{location}/publishers/google"


def _vertex_host(location: str) -> str:
    if location == "global":
        return "aiplatform.googleapis.com"
    if location in _MULTI_REGIONS:
        return f"aiplatform.{location}.rep.googleapis.com"
    return f"{location}-aiplatform.googleapis.com"


def _lay_over(body: Body, extra: JSON) -> None:
    """Put ``extra`` over the body; objects such as ``generationConfig`` key by key."""
    for key, value in extra.items():
        if isinstance(value, Mapping) and isinstance(body.get(key), dict):
            _lay_over(body[key], value)
        else:
            body[key] = value


def _generation_config(request: Request, *, stream: bool) -> Body:
    check_temperature(request, 2)
    options = {
        "maxOutputTokens": request.max_tokens,
        "temperature": request.temperature,
        "topP": request.top_p,
        "stopSequences": list(request.stop) or None,
        "seed": request.seed,
    }
    config: Body = stated(options)
    if request.schema is not None or request.json_mode:
        # "Function calling with a response mime type 'application/json' is unsupported" (HTTP 400).
        if request.tools and older_than_3(request.model):
            raise UnsupportedError(
                f"{request.model} takes no JSON answer together with tools; Gemini 3 does"
            )
        config["responseMimeType"] = "application/json"
    if request.schema is not None:
        # JSON Schema as it is; responseSchema is a dialect of OpenAPI, and both at once are refused.
        config["responseJsonSchema"] = request.schema
    if request.reasoning is not None:
        thinking = thinking_config(request.model, request.reasoning)
        if thinking:
            config["thinkingConfig"] = thinking
    if request.logprobs is not None:
        if stream:
            raise UnsupportedError("Gemini reports no logprobs in a stream")
        config["responseLogprobs"] = True
        if request.logprobs:
            config["logprobs"] = request.logprobs
    return config


def _tools(request: Request) -> Body:
    refuse(request, "Gemini", "parallel_tools")
    choice = tool_choice(request)
    if not request.tools:
        # A configuration without functions is an error, even where its mode is NONE.
        return {}
    # parametersJsonSchema excludes ``parameters``, which is OpenAPI's dialect.
    body: Body = {
        "tools": [
            {
                "functionDeclarations": [
                    declaration(t, "parametersJsonSchema") for t in request.tools
                ]
            }
        ]
    }
    if calling := _calling(request, choice):
        body["toolConfig"] = {"functionCallingConfig": calling}
    return body


def _calling(request: Request, choice: str | None) -> Body | None:
    """AUTO holds arguments to no schema; from 2.5 on VALIDATED does, and otherwise is AUTO."""
    if choice in (None, "auto"):
        strict = any(tool.strict for tool in request.tools)
        if strict and (version(request.model) or (2, 5)) >= (2, 5):
            return {"mode": "VALIDATED"}
        return {"mode": "AUTO"} if choice else None
    if choice == "none":
        return {"mode": "NONE"}
    if choice == "required":
        return {"mode": "ANY"}
    return {"mode": "ANY", "allowedFunctionNames": [choice]}


def _model_info(model: JSON) -> ModelInfo:
    name = str(model["name"])
    return ModelInfo(
        id=name.rpartition("models/")[2] if "tunedModels/" not in name else name,
        owner=name.split("/")[1] if name.startswith("publishers/") else "google",
        context_tokens=tokens(model.get("inputTokenLimit")),
        output_tokens=tokens(model.get("outputTokenLimit")),
        raw=model,
    )
