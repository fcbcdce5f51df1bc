"""AWS Bedrock's Converse API, one dialect for the models of every vendor there.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from prompture.codecs.anthropic_models import Claude, Thinking, claude, thinking
from prompture.codecs.base import Endpoint, StreamDecoder
from prompture.codecs.bedrock_answer import DIALECT, read_body, read_failure, read_usage
from prompture.codecs.bedrock_request import (
    cache_point,
    mark_cached,
    system_blocks,
    wire_messages,
)
from prompture.codecs.bedrock_stream import ConverseStream
from prompture.codecs.options import written_out
from prompture.codecs.prompted import in_words
from prompture.errors import MissingKey, ProtocolError, ProviderError, UnsupportedError
from prompture.types import JSON, Completion, ModelInfo, Request, Tool, Usage
from prompture.wire import aws
from prompture.wire.http import HTTPRequest, HTTPResponse, post_json


@dataclass(frozen=True, slots=True, kw_only=True)
class BedrockConverse:
    """The dialect. A key goes as a bearer token; without one, ``sign`` signs with the AWS keys
    among the endpoint's options (``access_key_id``, ``secret_access_key``, ``session_token``)
    for their ``region``."""

    @property
    def dialect(self) -> str:
        return DIALECT

    def encode(self, request: Request, endpoint: Endpoint, *, stream: bool = False) -> HTTPRequest:
        """Raises UnsupportedError for what Converse or the model's family has not."""
        base = endpoint.base_url
        if "/model/" in base:  # a whole endpoint URL names its model itself
            base = base.removesuffix("/converse").removesuffix("/converse-stream")
        else:
            base += f"/model/{quote(request.model, safe='')}"
        url = base + ("/converse-stream" if stream else "/converse")
        return post_json(url, _headers(endpoint), encode_body(request))

    def sign(self, request: HTTPRequest, endpoint: Endpoint, now: datetime) -> HTTPRequest:
        """The request with a signature, where it bears no token. Raises MissingKey."""
        if "authorization" in request.headers:
            return request
        given = endpoint.options
        keys = aws.Credentials(
            given.get("access_key_id", ""),
            given.get("secret_access_key", ""),
            given.get("session_token", ""),
        )
        if not keys.access_key_id or not keys.secret_access_key:
            raise MissingKey(
                f"{endpoint.provider}: set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and"
                " AWS_SECRET_ACCESS_KEY"
            )
        region = given.get("region", "us-east-1")
        return aws.sign(request, keys, region=region, service="bedrock", now=now)

    def decode(self, response: HTTPResponse, endpoint: Endpoint) -> Completion:
        return read_body(response, endpoint)

    def stream_decoder(self, endpoint: Endpoint) -> StreamDecoder:
        return ConverseStream(endpoint)

    def read_usage(self, body: JSON) -> Usage:
        return read_usage(body)

    def read_error(self, response: HTTPResponse, endpoint: Endpoint) -> ProviderError:
        return read_failure(response, endpoint)

    def models_request(self, endpoint: Endpoint, page: str | None = None) -> HTTPRequest:
        """The list is on the control plane, a host of its own."""
        host = endpoint.base_url.partition("/model/")[0]
        base = host.replace("//bedrock-runtime.", "//bedrock.", 1)
        return HTTPRequest("GET", f"{base}/foundation-models", _headers(endpoint))

    def read_models(self, response: HTTPResponse) -> tuple[list[ModelInfo], str | None]:
        body = response.json()
        rows = body.get("modelSummaries") if isinstance(body, Mapping) else None
        if not isinstance(rows, list):
            raise ProtocolError("bedrock: the list of models has no modelSummaries")
        return [
            ModelInfo(id=str(row.get("modelId") or ""), owner=row.get("providerName"), raw=row)
            for row in rows
            if isinstance(row, Mapping)
        ], None


def _headers(endpoint: Endpoint) -> dict[str, str]:
    token = {"authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
    return {**token, **endpoint.headers}


def encode_body(request: Request) -> dict[str, Any]:
    """The body of a request; the model stands in the URL."""
    _refuse(request)
    request = _without_stray_calls(request)
    rules = claude(request.model) if "claude" in request.model else None
    plan = thinking(request, rules) if rules else None
    body: dict[str, Any] = {"messages": wire_messages(request.messages)}
    if system := system_blocks(request.messages):
        body["system"] = system
    if config := _inference(request, rules, plan):
        body["inferenceConfig"] = config
    if tools := _tools(request, rules, plan):
        body["toolConfig"] = tools
    if output := _output(request, rules, plan):
        body["outputConfig"] = output
    if more := _reasoning(request, plan):
        body["additionalModelRequestFields"] = more
    if request.metadata:
        body["requestMetadata"] = {k: str(v) for k, v in request.metadata.items()}
    if point := cache_point(request):
        mark_cached(body, point, tools="nova" not in request.model)
    body.update(request.extra)
    return body


def _without_stray_calls(request: Request) -> Request:
    """Calls and results are refused where no tools are declared, and no choice forbids those
    that are ("The toolConfig field must be defined when using toolUse and toolResult content
    blocks", HTTP 400). Where none may be called, earlier ones go as words."""
    if request.tools and request.tool_choice != "none":
        return request
    if not any(m.calls or m.role == "tool" for m in request.messages):
        return request
    return replace(request, messages=in_words(request.messages))


def _refuse(request: Request) -> None:
    if request.seed is not None:
        raise UnsupportedError("bedrock's Converse has no seed")
    if request.logprobs is not None:
        raise UnsupportedError("bedrock's Converse reports no logprobs")
    if request.json_mode and request.schema is None:
        raise UnsupportedError("bedrock's Converse has no JSON mode; give a schema, or a tool")
    if request.tools and request.parallel_tools is False:
        raise UnsupportedError("bedrock's Converse cannot forbid parallel tool calls")


def _inference(request: Request, rules: Claude | None, plan: Thinking | None) -> dict[str, Any]:
    config: dict[str, Any] = {}
    budgeted = plan is not None and plan.block is not None and "budget_tokens" in plan.block
    if request.max_tokens is not None:
        config["maxTokens"] = request.max_tokens
    elif plan is not None and budgeted:
        config["maxTokens"] = plan.max_tokens
    for name, key in (("temperature", "temperature"), ("top_p", "topP")):
        value = getattr(request, name)
        if value is None:
            continue
        thinks = plan is not None and plan.on and name == "temperature" and value != 1
        if (rules is None or rules.sampling) and not thinks:
            config[key] = value
        elif value != 1:  # 1 is the default of both
            raise UnsupportedError(f"{request.model} takes no {name} here; leave it out")
    if request.stop:
        config["stopSequences"] = list(request.stop)
    return config


def _tools(request: Request, rules: Claude | None, plan: Thinking | None) -> dict[str, Any] | None:
    choice = request.tool_choice
    forced = choice not in (None, "auto", "none")
    if not request.tools:
        if forced:
            raise UnsupportedError(f"tool_choice {choice!r} needs tools")
        return None
    if choice == "none":
        return None
    config: dict[str, Any] = {"tools": [_tool(tool, rules) for tool in request.tools]}
    if not forced:
        return config
    if choice != "required" and choice not in {tool.name for tool in request.tools}:
        raise UnsupportedError(f"tool_choice names no tool on offer: {choice!r}")
    budgeted = plan is not None and plan.block is not None and plan.block["type"] == "enabled"
    if budgeted or (rules is not None and rules.must_think):
        raise UnsupportedError(f"{request.model} thinks here, and cannot be made to call a tool")
    config["toolChoice"] = {"any": {}} if choice == "required" else {"tool": {"name": choice}}
    return config


def _tool(tool: Tool, rules: Claude | None) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "name": tool.name,
        "inputSchema": {"json": written_out(tool.parameters)},
    }
    if tool.description:
        spec["description"] = tool.description
    if tool.strict and rules is not None and rules.structured:
        spec["strict"] = True
    return {"toolSpec": spec}


def _output(request: Request, rules: Claude | None, plan: Thinking | None) -> dict[str, Any]:
    output: dict[str, Any] = {}
    if plan and plan.effort:
        output["effort"] = plan.effort
    if request.schema is None:
        return output
    if rules is not None and not rules.structured:
        raise UnsupportedError(f"{request.model} has no structured outputs; use a tool")
    schema = {
        "name": re.sub(r"[^A-Za-z0-9_-]", "_", request.schema_name)[:64] or "answer",
        "schema": json.dumps(request.schema, ensure_ascii=False),
    }
    output["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": schema}}
    return output


def _reasoning(request: Request, plan: Thinking | None) -> dict[str, Any]:
    """Each vendor's own field, under additionalModelRequestFields."""
    if plan is not None:
        return {"thinking": plan.block} if plan.block else {}
    effort = request.reasoning
    if effort is None:
        return {}
    if "nova" in request.model and effort in ("none", 0, "low", "medium", "high"):
        if effort in ("none", 0):
            return {"reasoningConfig": {"type": "disabled"}}
        return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": effort}}
    if "gpt-oss" in request.model and effort in ("low", "medium", "high"):
        return {"reasoning_effort": effort}
    raise UnsupportedError(
        f"{request.model} takes no reasoning {effort!r} on bedrock; its own field may go in"
        " extra={'additionalModelRequestFields': {...}}"
    )
