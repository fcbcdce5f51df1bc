"""OpenAI's Responses API, also spoken by Azure, xAI, OpenRouter and llama.cpp.

Source: https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from prompture.codecs.base import Endpoint, StreamDecoder, join_url
from prompture.codecs.faults import fault_of_response, provider_error
from prompture.codecs.openai_models import (
    DIALECT,
    effort,
    needs_responses,
    read_models,
    reasons,
    takes_cache_options,
)
from prompture.codecs.openai_responses_answer import read_body, read_usage
from prompture.codecs.openai_responses_items import input_items
from prompture.codecs.openai_responses_stream import ResponsesStream
from prompture.codecs.parameters import written_out
from prompture.errors import ModelNotFound, ProviderError, UnsupportedError
from prompture.types import JSON, Completion, ModelInfo, Request, Tool, Usage
from prompture.wire.http import HTTPRequest, HTTPResponse, post_json

__all__ = ["OpenAIResponses", "needs_responses"]

_NO_MODEL = re.compile(r"^model not found", re.IGNORECASE)
_TIMED = ("30m", "12h")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIResponses:
    """The dialect.

    ``store`` is whether the provider keeps each response. It is off unless asked for, and the
    whole history travels instead; reasoning then goes back encrypted. ``encrypted`` asks for
    that (None: where the model is known to reason). ``key_header`` carries the key
    (``"authorization"`` as a bearer token).
    """

    path: str = "/responses"
    root: str = "/v1"
    key_header: str = "authorization"
    store: bool = False
    encrypted: bool | None = None

    @property
    def dialect(self) -> str:
        return DIALECT

    def encode(self, request: Request, endpoint: Endpoint, *, stream: bool = False) -> HTTPRequest:
        """Raises UnsupportedError for what this API or the model's family has not."""
        if request.reasoning == 0:
            request = replace(request, reasoning="none")
        _refuse(request)
        stored = bool(request.extra.get("store", self.store))
        body: dict[str, Any] = {
            "model": request.model,
            "input": input_items(request.messages, stored=stored),
            "store": stored,
        }
        if request.max_tokens is not None:
            body["max_output_tokens"] = request.max_tokens
        for name in ("temperature", "top_p"):
            if (value := _sampling(request, name)) is not None:
                body[name] = value
        _tools(request, body)
        _format(request, body)
        if level := effort(request):
            body["reasoning"] = {"effort": level}
        self._include(request, body)
        if request.metadata:
            body["metadata"] = {key: str(value) for key, value in request.metadata.items()}
        _cache(request, body)
        if stream:
            body["stream"] = True
        body.update(request.extra)
        return post_json(self.url(request, endpoint), self.headers(endpoint), body)

    def url(self, request: Request, endpoint: Endpoint) -> str:
        return join_url(endpoint.base_url, self.path, root=self.root)

    def _include(self, request: Request, body: dict[str, Any]) -> None:
        include = []
        encrypted = self.encrypted
        if encrypted is None:
            encrypted = reasons(request.model, request.reasoning)
        if encrypted and not body["store"]:
            include.append("reasoning.encrypted_content")
        if request.logprobs is not None:
            include.append("message.output_text.logprobs")
            body["top_logprobs"] = request.logprobs
        if include:
            body["include"] = include

    def headers(self, endpoint: Endpoint) -> dict[str, str]:
        if not endpoint.api_key:
            return dict(endpoint.headers)
        if self.key_header == "authorization":
            return {"authorization": f"Bearer {endpoint.api_key}", **endpoint.headers}
        return {self.key_header: endpoint.api_key, **endpoint.headers}

    def decode(self, response: HTTPResponse, endpoint: Endpoint) -> Completion:
        return read_body(response, endpoint)

    def stream_decoder(self, endpoint: Endpoint) -> StreamDecoder:
        return ResponsesStream(endpoint)

    def read_usage(self, body: JSON) -> Usage:
        return read_usage(body)

    def read_error(self, response: HTTPResponse, endpoint: Endpoint) -> ProviderError:
        fault = fault_of_response(response)
        # xAI gives no code of its own for a model that is not there.
        missing = response.status == 400 and _NO_MODEL.search(fault.message)
        return provider_error(response, endpoint, kind=ModelNotFound if missing else None)

    def models_request(self, endpoint: Endpoint, page: str | None = None) -> HTTPRequest:
        base = endpoint.base_url.removesuffix(self.path)
        return HTTPRequest("GET", join_url(base, "/models", root=self.root), self.headers(endpoint))

    def read_models(self, response: HTTPResponse) -> tuple[list[ModelInfo], str | None]:
        return read_models(response), None


def _refuse(request: Request) -> None:
    if request.seed is not None:
        raise UnsupportedError("the Responses API has no seed")
    if request.stop:
        raise UnsupportedError("the Responses API has no stop strings")
    if request.logprobs is not None and reasons(request.model, request.reasoning):
        raise UnsupportedError(f"{request.model} reasons and reports no logprobs")


def _sampling(request: Request, name: str) -> float | None:
    value: float | None = getattr(request, name)
    if value is None or not reasons(request.model, request.reasoning):
        return value
    if value != 1:
        raise UnsupportedError(f"{request.model} reasons and takes no {name}; leave it out")
    return None  # 1 is the default


def _tools(request: Request, body: dict[str, Any]) -> None:
    choice = request.tool_choice
    if not request.tools:
        if choice not in (None, "auto", "none"):
            raise UnsupportedError(f"tool_choice {choice!r} needs tools")
        return
    body["tools"] = [_tool(tool) for tool in request.tools]
    if choice in ("auto", "none", "required"):
        body["tool_choice"] = choice
    elif choice is not None:
        if choice not in {tool.name for tool in request.tools}:
            raise UnsupportedError(f"tool_choice names no tool on offer: {choice!r}")
        body["tool_choice"] = {"type": "function", "name": choice}
    if request.parallel_tools is not None:
        body["parallel_tool_calls"] = request.parallel_tools


def _tool(tool: Tool) -> dict[str, Any]:
    wire = {
        "type": "function",
        "name": tool.name,
        "parameters": written_out(tool.parameters),
        "strict": tool.strict,
    }
    return {**wire, "description": tool.description} if tool.description else wire


def _format(request: Request, body: dict[str, Any]) -> None:
    if request.schema is not None:
        name = re.sub(r"[^A-Za-z0-9_-]", "_", request.schema_name)[:64] or "answer"
        body["text"] = {
            "format": {
                "type": "json_schema",
                "name": name,
                "schema": dict(request.schema),
                "strict": request.strict,
            }
        }
    elif request.json_mode:
        body["text"] = {"format": {"type": "json_object"}}


def _cache(request: Request, body: dict[str, Any]) -> None:
    """Prompts are cached by themselves, for minutes; only a longer time must be asked for."""
    if request.cache in (False, True, "5m", "1h"):
        return
    if request.cache == "24h":
        body["prompt_cache_retention"] = request.cache
    elif request.cache in _TIMED and takes_cache_options(request.model):
        body["prompt_cache_options"] = {"ttl": request.cache}
    else:
        raise UnsupportedError(
            f"{request.model} keeps no prompt for {request.cache!r}; give True or '24h'"
            f" (from gpt-5.6 on also {' and '.join(_TIMED)})"
        )
