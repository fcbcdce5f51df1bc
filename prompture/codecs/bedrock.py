"""AWS Bedrock's Converse API, one dialect for the models of every vendor there.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from prompture.codecs.anthropic_models import (
    Claude,
    Thinking,
    check_samplers,
    claude,
    refuse_forcing,
    thinking,
)
from prompture.codecs.base import Endpoint, StreamDecoder, key_headers
from prompture.codecs.bedrock_answer import (
    DIALECT,
    ConverseStream,
    read_body,
    read_failure,
    read_usage,
)
from prompture.codecs.options import full_parameters, refuse, sampling, schema_name, tool_choice
from prompture.codecs.prompted import in_words
from prompture.codecs.turns import (
    Block,
    BlockWriter,
    base64_of,
    cache_ttl,
    cached_prefixes,
    media,
    part_text,
)
from prompture.codecs.values import objects
from prompture.errors import (
    ConfigurationError,
    MissingKey,
    ProtocolError,
    ProviderError,
    UnsupportedError,
)
from prompture.types import (
    JSON,
    Completion,
    Document,
    File,
    Image,
    Message,
    ModelInfo,
    Part,
    Request,
    Text,
    Tool,
    ToolCall,
    Usage,
)
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
            # Whether to stream is part of the path: it is put on anew.
            base = base.removesuffix("/converse").removesuffix("/converse-stream")
        else:
            # ARNs and versions hold ":" and "/", which must be escaped in the path.
            base += f"/model/{quote(request.model, safe='')}"
        url = base + ("/converse-stream" if stream else "/converse")
        return post_json(url, key_headers(endpoint), encode_body(request))

    def sign(self, request: HTTPRequest, endpoint: Endpoint, now: datetime) -> HTTPRequest:
        """The request with a signature, where it has no bearer token. Raises MissingKey."""
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
        # Only the runtime's own host: a proxy's may be anything, and is left.
        base = host.replace("//bedrock-runtime.", "//bedrock.", 1)
        return HTTPRequest("GET", f"{base}/foundation-models", key_headers(endpoint))

    def read_models(self, response: HTTPResponse) -> tuple[list[ModelInfo], str | None]:
        body = response.json()
        rows = body.get("modelSummaries") if isinstance(body, Mapping) else None
        if not isinstance(rows, list):
            raise ProtocolError("bedrock: the list of models has no modelSummaries")
        return [
            ModelInfo(id=str(row.get("modelId") or ""), owner=row.get("providerName"), raw=row)
            for row in objects(rows)
        ], None


def encode_body(request: Request) -> dict[str, Any]:
    """The body of a request; the model stands in the URL."""
    refuse(request, "bedrock's Converse", "seed", "logprobs", "json_mode", "parallel_tools")
    request = _without_stray_calls(request)
    # Also in an inference profile ("us.anthropic.claude-..."); an application profile's ARN tells
    # no family and is held to nothing.
    rules = claude(request.model) if "claude" in request.model else None
    plan = thinking(request, rules) if rules else None
    body: dict[str, Any] = {"messages": _turns(request)}
    if system := _BLOCKS.system(request.messages):
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
    if request.prompt_cache:
        _mark_cached(request, body)
    body.update(request.extra)
    return body


def _without_stray_calls(request: Request) -> Request:
    """Calls and results are refused where no tools are declared, and no choice forbids those
    that are ("The toolConfig field must be defined when using toolUse and toolResult content
    blocks", HTTP 400). Where none may be called, earlier ones go as text."""
    if request.tools and request.tool_choice != "none":
        return request
    if not any(m.calls or m.role == "tool" for m in request.messages):
        return request
    return replace(request, messages=in_words(request.messages))


def _inference(request: Request, rules: Claude | None, plan: Thinking | None) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if request.max_tokens is not None:
        config["maxTokens"] = request.max_tokens
    # A budget must be less than maxTokens, which Bedrock would else choose itself.
    elif plan is not None and plan.budgeted:
        config["maxTokens"] = plan.max_tokens
    for name, key in (("temperature", "temperature"), ("top_p", "topP")):
        # While Claude thinks, its temperature is fixed.
        fixed = plan is not None and plan.on and name == "temperature" and request.temperature != 1
        taken = (rules is None or rules.sampling) and not fixed
        if (value := sampling(request, name, taken=taken, why="here")) is not None:
            config[key] = value
    if rules is not None:
        check_samplers(request, rules, config, "topP")
    if request.stop:
        config["stopSequences"] = list(request.stop)
    return config


def _tools(request: Request, rules: Claude | None, plan: Thinking | None) -> dict[str, Any] | None:
    choice = tool_choice(request)
    if not request.tools or choice == "none":
        return None
    config: dict[str, Any] = {"tools": [_tool(tool, rules) for tool in request.tools]}
    # "auto" is the default, and is left out.
    if choice in (None, "auto"):
        return config
    if rules is not None and plan is not None:
        refuse_forcing(request, rules, plan)
    config["toolChoice"] = {"any": {}} if choice == "required" else {"tool": {"name": choice}}
    return config


def _tool(tool: Tool, rules: Claude | None) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "name": tool.name,
        "inputSchema": {"json": full_parameters(tool.parameters)},
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
        "name": schema_name(request.schema_name),
        # A text here, not an object (botocore's model of Converse).
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


_IMAGES = {f"image/{kind}": kind for kind in ("png", "jpeg", "gif", "webp")}
_OFFICE = "application/vnd.openxmlformats-officedocument"
_DOCUMENTS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    f"{_OFFICE}.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    f"{_OFFICE}.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}


class _Blocks(BlockWriter):
    name = "bedrock"
    dialect = DIALECT

    def text(self, text: str) -> Block:
        return {"text": text}

    def part(self, part: Part) -> Block | None:
        if isinstance(part, (Text, Document)):
            return {"text": part_text(part)} if part.text.strip() else None
        if isinstance(part, File) and part.id is not None:
            raise UnsupportedError("bedrock has no uploaded files: pass bytes, or an s3:// URL")
        part = media(part, tuple(_IMAGES))
        source = _source(part)
        if isinstance(part, Image):
            return {"image": {"format": _format(_IMAGES, part), "source": source}}
        kind = _format(_DOCUMENTS, part)
        return {"document": {"format": kind, "name": _name(part), "source": source}}

    def call(self, call: ToolCall, id: str) -> Block:
        return {"toolUse": {"toolUseId": id, "name": call.name, "input": call.arguments or {}}}

    def result(self, message: Message, id: str, content: list[Block]) -> Block:
        # The content may be neither missing nor blank.
        result: Block = {"toolUseId": id, "content": content or [{"text": "(no output)"}]}
        if message.is_error:
            result["status"] = "error"
        return {"toolResult": result}

    def is_result(self, block: JSON) -> bool:
        return "toolResult" in block

    def echoed(self, blocks: Iterable[JSON], ids: Mapping[str, str]) -> Iterator[Block]:
        for block in blocks:
            if use := block.get("toolUse"):
                id = use.get("toolUseId")
                yield {**block, "toolUse": {**use, "toolUseId": ids.get(id, id)}}
            # Sonnet 5 sends an empty text before a call (laravel/ai#785); it is refused when it comes back.
            elif block.get("text", "x").strip():
                yield dict(block)


_BLOCKS = _Blocks()


def _turns(request: Request) -> list[Block]:
    turns = _BLOCKS.turns(request.messages)
    # "A conversation must start with a user message" (HTTP 400).
    if not turns or turns[0]["role"] != "user":
        raise ConfigurationError("bedrock: the first message must be a user's, with content")
    for turn in turns:
        if turn["role"] == "user":
            _introduce(turn["content"])
    return turns


def _introduce(blocks: list[Block]) -> None:
    """A document needs a text beside it; where there is none, its name is that text."""
    names = [b["document"]["name"] for b in blocks if "document" in b]
    if names and not any("text" in b for b in blocks):
        blocks.append({"text": f"Attached: {', '.join(names)}"})


def _source(part: Image | File) -> Block:
    if part.url is None:
        return {"bytes": base64_of(part.data)}
    if part.url.startswith("s3://"):
        return {"s3Location": {"uri": part.url}}
    raise UnsupportedError("bedrock fetches no URLs but s3:// ones: pass the bytes")


def _format(known: Mapping[str, str], part: Image | File) -> str:
    if part.media_type not in known:
        raise UnsupportedError(
            f"bedrock: {part.media_type} cannot be sent; it takes {', '.join(known)}"
        )
    return known[part.media_type]


def _name(file: File) -> str:
    """A document's name may hold letters, digits, single spaces, hyphens and brackets."""
    name = re.sub(r"[^A-Za-z0-9\-()\[\]]+", " ", file.name.rpartition(".")[0] or file.name)
    return name.strip() or "document"


def _mark_cached(request: Request, body: Block) -> None:
    """Put a cache point behind each prefix that shall be cached. Nova has none behind tools."""
    if not re.search(r"claude|nova", request.model):
        raise UnsupportedError(f"{request.model} has no prompt cache on bedrock")
    ttl = cache_ttl(request, "bedrock")
    point = {"type": "default", "ttl": ttl} if ttl else {"type": "default"}
    stable = body.get("system")
    if not stable and "nova" not in request.model and "toolConfig" in body:
        stable = body["toolConfig"]["tools"]
    last = body["messages"][-1]
    for blocks in cached_prefixes(stable, body["messages"]):
        # Points within turns of an assistant are documented nowhere.
        if blocks is stable or (blocks is last["content"] and last["role"] == "user"):
            blocks.append({"cachePoint": point})
