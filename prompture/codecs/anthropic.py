"""Anthropic's Messages API.

Source: https://platform.claude.com/docs/en/api/messages (version 2026-10-21).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from prompture.codecs.anthropic_answer import DIALECT, read_body, read_usage
from prompture.codecs.anthropic_models import Claude, Thinking, claude, thinking
from prompture.codecs.anthropic_request import (
    cache_mark,
    mark_cached,
    shorten,
    system_blocks,
    wire_messages,
)
from prompture.codecs.anthropic_stream import AnthropicStream
from prompture.codecs.base import Endpoint, StreamDecoder, join_url
from prompture.codecs.faults import fault_of_response, provider_error
from prompture.codecs.options import written_out
from prompture.errors import ProtocolError, ProviderError, QuotaExhausted, UnsupportedError
from prompture.types import JSON, Completion, ModelInfo, Request, Usage
from prompture.wire.http import HTTPRequest, HTTPResponse, post_json

VERSION = "2026-10-21"
SAMPLING_VERSION = "2023-06-01"
"""The last version that knows temperature, top_p and top_k; later ones answer 400."""
_SAMPLING = ("temperature", "top_p", "top_k")
_BROKE = re.compile(r"credit balance is too low|spend limit", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Anthropic:
    """The dialect. ``key_header`` carries the key (``"authorization"`` as a bearer token)."""

    version: str = VERSION
    key_header: str = "x-api-key"

    @property
    def dialect(self) -> str:
        return DIALECT

    def encode(self, request: Request, endpoint: Endpoint, *, stream: bool = False) -> HTTPRequest:
        """Raises UnsupportedError for what the model's family would refuse."""
        body = encode_body(request)
        if stream:
            body["stream"] = True
        sampled = any(name in body for name in _SAMPLING)
        version = SAMPLING_VERSION if sampled else self.version
        url = join_url(endpoint.base_url, "/v1/messages")
        return post_json(url, self.headers(endpoint, version), body)

    def headers(self, endpoint: Endpoint, version: str) -> dict[str, str]:
        key = endpoint.api_key
        # A token of an OAuth login is no API key and goes only as a bearer token.
        bearer = self.key_header == "authorization" or key.startswith("sk-ant-oat")
        auth = {"authorization": f"Bearer {key}"} if bearer else {self.key_header: key}
        return {"anthropic-version": version, **(auth if key else {}), **endpoint.headers}

    def decode(self, response: HTTPResponse, endpoint: Endpoint) -> Completion:
        return read_body(response, endpoint)

    def stream_decoder(self, endpoint: Endpoint) -> StreamDecoder:
        return AnthropicStream(endpoint)

    def read_usage(self, body: JSON) -> Usage:
        return read_usage(body.get("usage"))

    def read_error(self, response: HTTPResponse, endpoint: Endpoint) -> ProviderError:
        fault = fault_of_response(response)
        details = fault.error.get("details")
        code = str(details.get("error_code")) if isinstance(details, Mapping) else ""
        # An empty account answers 400 with the type of any bad request; only the words tell.
        broke = code.endswith("spend_limit_reached") or _BROKE.search(fault.message)
        return provider_error(response, endpoint, kind=QuotaExhausted if broke else None)

    def models_request(self, endpoint: Endpoint, page: str | None = None) -> HTTPRequest:
        query = {"limit": "1000", **({"after_id": page} if page else {})}
        url = join_url(endpoint.base_url, "/v1/models") + "?" + urlencode(query)
        return HTTPRequest("GET", url, self.headers(endpoint, self.version))

    def read_models(self, response: HTTPResponse) -> tuple[list[ModelInfo], str | None]:
        body = response.json()
        if not isinstance(body, Mapping) or not isinstance(body.get("data"), list):
            raise ProtocolError("anthropic: the list of models has no data")
        models = [_model(row) for row in body["data"] if isinstance(row, Mapping)]
        return models, body.get("last_id") if body.get("has_more") else None


def encode_body(request: Request) -> dict[str, Any]:
    """The body of a request, without ``stream``."""
    rules = claude(request.model)
    plan = thinking(request, rules)
    _refuse(request, rules)
    body: dict[str, Any] = {"model": request.model, "max_tokens": plan.max_tokens}
    if system := system_blocks(request.messages):
        body["system"] = system
    body["messages"] = wire_messages(request.messages)
    if request.tools:
        body["tools"] = [_tool(tool, rules) for tool in request.tools]
    if choice := _tool_choice(request, rules, plan):
        body["tool_choice"] = choice
    if plan.block:
        body["thinking"] = plan.block
    if output := _output(request, rules, plan):
        body["output_config"] = output
    _sampling(request, rules, plan, body)
    if request.stop:
        body["stop_sequences"] = list(request.stop)
    if user := _user(request):
        body["metadata"] = {"user_id": user}
    if mark := cache_mark(request):
        mark_cached(body, mark)
    shorten(body)
    body.update(request.extra)
    return body


def _refuse(request: Request, rules: Claude) -> None:
    """What Anthropic has no parameter for, or the family not."""
    if request.seed is not None:
        raise UnsupportedError("anthropic has no seed")
    if request.logprobs is not None:
        raise UnsupportedError("anthropic reports no logprobs")
    if request.json_mode and request.schema is None:
        raise UnsupportedError("anthropic has no JSON mode; give a schema, or a tool")
    last = request.messages[-1] if request.messages else None
    if last and last.role == "assistant" and last.native is None and not rules.prefill:
        raise UnsupportedError(
            f"{request.model} does not continue an assistant turn; end with a user turn"
        )


def _tool(tool: Any, rules: Claude) -> dict[str, Any]:
    wire: dict[str, Any] = {"name": tool.name, "input_schema": written_out(tool.parameters)}
    if tool.description:
        wire["description"] = tool.description
    if tool.strict and rules.structured:
        wire["strict"] = True
    return wire


def _tool_choice(request: Request, rules: Claude, plan: Thinking) -> dict[str, Any] | None:
    choice = request.tool_choice
    if not request.tools:
        if choice not in (None, "auto", "none"):
            raise UnsupportedError(f"tool_choice {choice!r} needs tools")
        return None
    if choice == "none":
        return {"type": "none"}
    if choice not in (None, "auto"):
        _refuse_forcing(request, rules, plan)
    wire: dict[str, Any] = {"type": "auto"}
    if choice == "required":
        wire = {"type": "any"}
    elif choice not in (None, "auto"):
        wire = {"type": "tool", "name": choice}
    if request.parallel_tools is not None:
        wire["disable_parallel_tool_use"] = not request.parallel_tools
    elif choice is None:
        return None
    return wire


def _refuse_forcing(request: Request, rules: Claude, plan: Thinking) -> None:
    choice = request.tool_choice
    if choice != "required" and choice not in {tool.name for tool in request.tools}:
        raise UnsupportedError(f"tool_choice names no tool on offer: {choice!r}")
    budgeted = plan.block is not None and plan.block["type"] == "enabled"
    if rules.must_think or budgeted:
        why = "always thinks" if rules.must_think else "thinks on a budget here"
        raise UnsupportedError(
            f"{request.model} {why} and cannot be made to call a tool; use a schema or 'auto'"
        )


def _output(request: Request, rules: Claude, plan: Thinking) -> dict[str, Any]:
    output: dict[str, Any] = {}
    if plan.effort:
        output["effort"] = plan.effort
    if request.schema is not None:
        if not rules.structured:
            raise UnsupportedError(
                f"{request.model} has no structured outputs; use a tool to get its answer"
            )
        output["format"] = {"type": "json_schema", "schema": dict(request.schema)}
    return output


def _sampling(request: Request, rules: Claude, plan: Thinking, body: dict[str, Any]) -> None:
    for name in ("temperature", "top_p"):
        value = getattr(request, name)
        if value is None:
            continue
        if rules.sampling and not (plan.on and name == "temperature" and value != 1):
            body[name] = value
        elif value != 1:  # 1 is the default of both, and leaving it out says the same
            why = "while it thinks" if rules.sampling else "at all"
            raise UnsupportedError(f"{request.model} takes no {name} {why}; leave it out")


def _user(request: Request) -> str | None:
    """Anthropic keeps one thing about a request: who it is for."""
    unknown = sorted(request.metadata.keys() - {"user_id"})
    if unknown:
        raise UnsupportedError(f"anthropic's metadata has only user_id, not {unknown[0]!r}")
    user = request.metadata.get("user_id")
    return None if user is None else str(user)


def _model(row: Mapping[str, Any]) -> ModelInfo:
    return ModelInfo(
        id=str(row.get("id") or ""),
        created=_timestamp(row.get("created_at")),
        owner="anthropic",
        context_tokens=row.get("max_input_tokens"),
        output_tokens=row.get("max_tokens"),
        raw=row,
    )


def _timestamp(text: Any) -> int | None:
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except (TypeError, ValueError):
        return None
