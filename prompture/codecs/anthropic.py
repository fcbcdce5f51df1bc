"""Anthropic's Messages API.

Source: https://platform.claude.com/docs/en/api/messages (version 2026-10-21).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from prompture.codecs.anthropic_answer import DIALECT, AnthropicStream, read_body, read_usage
from prompture.codecs.anthropic_models import (
    Claude,
    Thinking,
    check_samplers,
    claude,
    refuse_forcing,
    thinking,
)
from prompture.codecs.base import Endpoint, StreamDecoder, join_url
from prompture.codecs.faults import fault_of_response, provider_error
from prompture.codecs.options import declaration, refuse, sampling, tool_choice
from prompture.codecs.turns import Block, BlockWriter, base64_of, cache_ttl, cached_prefixes, media
from prompture.codecs.values import objects, timestamp
from prompture.errors import (
    ConfigurationError,
    ProtocolError,
    ProviderError,
    QuotaExhausted,
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
        # Newer versions refuse the sampling parameters that older models still take.
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
        # An empty account answers 400 with the type of any bad request: only its message differs.
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
        models = [_model(row) for row in objects(body["data"])]
        return models, body.get("last_id") if body.get("has_more") else None


def _plan(request: Request, rules: Claude) -> Thinking:
    """How it thinks; not on a budget where the results of another model's calls are to be answered."""
    plan = thinking(request, rules)
    last = next((m for m in reversed(request.messages) if m.role != "tool"), None)
    if not plan.budgeted or last is None or not last.calls:
        return plan
    own = last.native is not None and last.native.dialect == DIALECT
    # With a budget, Claude refuses a turn of calls without the thought that it began with.
    return plan if own else replace(plan, block=None, on=False)


def encode_body(request: Request) -> dict[str, Any]:
    """The body of a request, without ``stream``."""
    rules = claude(request.model)
    plan = _plan(request, rules)
    _refuse(request, rules)
    body: dict[str, Any] = {"model": request.model, "max_tokens": plan.max_tokens}
    if system := _BLOCKS.system(request.messages):
        body["system"] = system
    body["messages"] = _BLOCKS.turns(request.messages)
    if not body["messages"]:
        raise ConfigurationError("anthropic: the request has no message with any content")
    if request.tools:
        body["tools"] = [_tool(tool, rules) for tool in request.tools]
    if choice := _tool_choice(request, rules, plan):
        body["tool_choice"] = choice
    if plan.block:
        body["thinking"] = plan.block
    if output := _output(request, rules, plan):
        body["output_config"] = output
    for name in ("temperature", "top_p"):
        # While it thinks, the temperature is fixed.
        taken = rules.sampling and not (
            plan.on and name == "temperature" and request.temperature != 1
        )
        why = "while it thinks" if rules.sampling else "at all"
        if (value := sampling(request, name, taken=taken, why=why)) is not None:
            body[name] = value
    check_samplers(request, rules, body, "top_p")
    if request.stop:
        body["stop_sequences"] = list(request.stop)
    if user := _user(request):
        body["metadata"] = {"user_id": user}
    if request.prompt_cache:
        _mark_cached(body, cache_ttl(request, "anthropic"))
    _shorten(body)
    # Last, so that the caller's own fields win over everything that we write.
    body.update(request.extra)
    return body


def _refuse(request: Request, rules: Claude) -> None:
    """What Anthropic has no parameter for, or the family not."""
    refuse(request, "anthropic", "seed", "logprobs", "json_mode")
    # A native turn at the end is a paused one, which every model continues ("pause_turn").
    last = request.messages[-1] if request.messages else None
    if last and last.role == "assistant" and last.native is None and not rules.prefill:
        raise UnsupportedError(
            f"{request.model} does not continue an assistant turn; end with a user turn"
        )


def _tool(tool: Tool, rules: Claude) -> Block:
    wire = declaration(tool, "input_schema")
    # A model without structured outputs refuses the field itself.
    return {**wire, "strict": True} if tool.strict and rules.structured else wire


def _tool_choice(request: Request, rules: Claude, plan: Thinking) -> Block | None:
    choice = tool_choice(request)
    if not request.tools:
        return None
    match choice:
        # The tools stay on offer, so that the cached prefix stays the same.
        case "none":
            return {"type": "none"}
        case None | "auto":
            wire: Block = {"type": "auto"}
        case "required":
            refuse_forcing(request, rules, plan)
            wire = {"type": "any"}
        case _:
            refuse_forcing(request, rules, plan)
            wire = {"type": "tool", "name": choice}
    if request.parallel_tools is not None:
        return {**wire, "disable_parallel_tool_use": not request.parallel_tools}
    return wire if choice else None


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
        created=timestamp(row.get("created_at")),
        owner="anthropic",
        context_tokens=row.get("max_input_tokens"),
        output_tokens=row.get("max_tokens"),
        raw=row,
    )


_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")


class _Blocks(BlockWriter):
    name = "anthropic"
    dialect = DIALECT

    def text(self, text: str) -> Block:
        return {"type": "text", "text": text}

    def part(self, part: Part) -> Block | None:
        if isinstance(part, Text):
            return self.text(part.text) if part.text.strip() else None
        if isinstance(part, Document):
            return _text_document(part.text, part.name) if part.text.strip() else None
        part = media(part, _IMAGES)
        return _image(part) if isinstance(part, Image) else _file(part)

    def call(self, call: ToolCall, id: str) -> Block:
        return {"type": "tool_use", "id": id, "name": call.name, "input": call.arguments or {}}

    def result(self, message: Message, id: str, content: list[Block]) -> Block:
        block: Block = {"type": "tool_result", "tool_use_id": id}
        # The shorthand; a result may also hold pictures and documents.
        if len(content) == 1 and content[0]["type"] == "text":
            block["content"] = content[0]["text"]
        elif content:
            block["content"] = content
        return {**block, "is_error": True} if message.is_error else block

    def is_result(self, block: JSON) -> bool:
        return bool(block["type"] == "tool_result")

    def echoed(self, blocks: Iterable[JSON], ids: Mapping[str, str]) -> Iterator[Block]:
        for block in blocks:
            kind = block.get("type")
            if kind == "tool_use":
                yield {**block, "id": ids.get(block["id"], block["id"])}
            # "text content blocks must be non-empty" (HTTP 400), though answers have such blocks (recorded).
            elif kind != "text" or str(block.get("text") or "").strip():
                yield dict(block)


_BLOCKS = _Blocks()


def _text_document(text: str, title: str) -> Block:
    source = {"type": "text", "media_type": "text/plain", "data": text}
    return _titled({"type": "document", "source": source}, title)


def _titled(block: Block, title: str) -> Block:
    return {**block, "title": title} if title else block


def _image(image: Image) -> Block:
    if image.url is not None:
        return {"type": "image", "source": {"type": "url", "url": image.url}}
    return {"type": "image", "source": _source(image, _IMAGES)}


def _source(part: Image | File, allowed: tuple[str, ...]) -> Block:
    if part.media_type not in allowed:
        raise UnsupportedError(
            f"anthropic: {part.media_type} cannot be sent; it takes {', '.join(allowed)}"
        )
    return {"type": "base64", "media_type": part.media_type, "data": base64_of(part.data)}


def _file(file: File) -> Block:
    if file.id is not None:
        kind = "image" if file.media_type in _IMAGES else "document"
        return {"type": kind, "source": {"type": "file", "file_id": file.id}}
    if file.url is not None:
        source: Block = {"type": "url", "url": file.url}
    # Base64 is for PDFs alone; text has a source of its own.
    elif file.media_type.startswith("text/"):
        return _text_document((file.data or b"").decode(errors="replace"), file.name)
    else:
        source = _source(file, ("application/pdf",))
    return _titled({"type": "document", "source": source}, file.name)


def _mark_cached(body: Block, ttl: str | None) -> None:
    """Put ``cache_control`` on the last block of each prefix that shall be cached."""
    # One mark on the last block caches all before it; at most four are taken.
    mark = {"type": "ephemeral", "ttl": ttl} if ttl else {"type": "ephemeral"}
    stable = body.get("system") or body.get("tools")
    for blocks in cached_prefixes(stable, body["messages"]):
        # Thinking blocks take no mark; a tool has no type.
        if blocks is stable or blocks[-1]["type"] in _MARKABLE:
            blocks[-1]["cache_control"] = mark


_MARKABLE = ("text", "image", "document", "tool_result", "tool_use")


def _shorten(body: Block) -> None:
    """Write lone plain text as a string, the shorthand that the API has for it."""
    for holder, key in [(body, "system"), *((turn, "content") for turn in body["messages"])]:
        blocks = holder.get(key)
        if blocks and len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
            holder[key] = blocks[0]["text"]
