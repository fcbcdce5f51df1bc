"""Ollama's native chat API: ``/api/chat``, local or at ollama.com.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md

The native API is used and not the OpenAI-compatible one because only here the context length
can be set: the server cuts the head off a prompt that does not fit, and says nothing. So every
request states ``num_ctx``: the characters divided by 3 (more tokens than any usual tokenizer
makes of English, German or JSON), 1,536 per image, and the room for the answer (``max_tokens``,
else 2,048, or 8,192 when reasoning was asked for), rounded up so that the server need not load
the model anew for every request: to a power of two from 4,096 to 32,768, and to a multiple of
32,768 beyond. The endpoint's option ``num_ctx`` raises the least; ``extra={"options":
{"num_ctx": n}}`` sets it exactly. The server lowers it to what the model was trained for: keep
a longer document within that by chunking.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from prompture.codecs.base import Endpoint, key_headers
from prompture.codecs.faults import fault_of_response, provider_error
from prompture.codecs.ollama_answer import DIALECT, OllamaStream, mend, read_body, usage_of
from prompture.codecs.options import effort_of, refuse, stated, unknown_effort
from prompture.codecs.prompted import instruct, schema_words
from prompture.codecs.turns import base64_of, media, result_text, text_of
from prompture.codecs.values import objects, timestamp
from prompture.errors import ConfigurationError, ProtocolError, ProviderError, UnsupportedError
from prompture.json_values import referenced
from prompture.types import (
    JSON,
    Completion,
    Document,
    File,
    Message,
    ModelInfo,
    Request,
    Text,
    Tool,
    Usage,
)
from prompture.wire.http import HTTPRequest, HTTPResponse, post_json
from prompture.wire.loading import shape

Body = dict[str, Any]

CHARS_PER_TOKEN = 3
IMAGE_TOKENS = 1536
ANSWER_TOKENS = 2048
THINKING_TOKENS = 8192
LEAST_CONTEXT = 4096
CONTEXT_STEP = 32768
_THINK: Mapping[str, bool | str] = {
    "none": False,
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "max",
}


@dataclass(frozen=True, slots=True)
class Ollama:
    """The dialect.

    There is no way to force a tool call, to forbid parallel ones, or to constrain the answer
    while tools are on offer: asking for those raises UnsupportedError. ``tool_choice="none"``
    leaves the tools out. Caching is automatic while the model stays loaded, so a ``prompt_cache`` time
    to live becomes ``keep_alive``. ``reasoning`` is a level; an effort that has none goes to the
    nearest. A schema also goes into the prompt, as the server does not show it to the model.
    ``extra["options"]`` is merged into the options.
    """

    @property
    def dialect(self) -> str:
        return DIALECT

    def encode(self, request: Request, endpoint: Endpoint, *, stream: bool = False) -> HTTPRequest:
        _refuse_what_is_not_there(request)
        body: Body = {"model": request.model, "messages": _messages(request)}
        if request.tools and request.tool_choice != "none":
            body["tools"] = [_tool(t) for t in request.tools]
        if request.schema is not None:
            body["format"] = request.schema
        elif request.json_mode:
            body["format"] = "json"
        if (think := _think(request)) is not None:
            body["think"] = think
        if request.logprobs is not None:
            body["logprobs"] = True
            if request.logprobs:
                body["top_logprobs"] = request.logprobs
        if isinstance(request.prompt_cache, str):
            body["keep_alive"] = request.prompt_cache
        # Always stated: the API streams by default.
        body["stream"] = stream
        extra = dict(request.extra)
        # Merged, not replaced: num_ctx must not be lost with the caller's own options.
        options = {**_options(request, body, endpoint), **extra.pop("options", {})}
        body |= {"options": options, **extra}
        return post_json(_root(endpoint) + "/api/chat", key_headers(endpoint), body)

    def decode(self, response: HTTPResponse, endpoint: Endpoint) -> Completion:
        return read_body(response, endpoint)

    def stream_decoder(self, endpoint: Endpoint) -> OllamaStream:
        return OllamaStream(endpoint)

    def read_usage(self, body: JSON) -> Usage:
        return usage_of(body)

    def read_error(self, response: HTTPResponse, endpoint: Endpoint) -> ProviderError:
        return mend(provider_error(response, endpoint, fault_of_response(response)))

    def models_request(self, endpoint: Endpoint, page: str | None = None) -> HTTPRequest:
        return HTTPRequest("GET", _root(endpoint) + "/api/tags", key_headers(endpoint))

    def read_models(self, response: HTTPResponse) -> tuple[list[ModelInfo], str | None]:
        body = response.json()
        rows = body.get("models") if isinstance(body, Mapping) else None
        if not isinstance(rows, list):
            raise ProtocolError(f"no list of models in {shape(body)}")
        return [_model(row) for row in objects(rows)], None


def _refuse_what_is_not_there(request: Request) -> None:
    offered = bool(request.tools) and request.tool_choice != "none"
    if request.tool_choice not in (None, "auto", "none"):
        raise UnsupportedError(
            "ollama: a tool call cannot be forced; use tool_choice 'auto' or 'none', or a schema"
        )
    if offered and (request.schema is not None or request.json_mode):
        raise UnsupportedError(
            "ollama: a model held to a schema cannot call tools; send one or the other"
        )
    refuse(request, "ollama's API", "metadata")
    if offered:
        refuse(request, "ollama's API", "parallel_tools")


def _think(request: Request) -> bool | str | None:
    effort = effort_of(request)
    if effort is None:
        return None
    if effort not in _THINK:
        raise unknown_effort(request, _THINK)
    return _THINK[effort]


def _options(request: Request, body: Body, endpoint: Endpoint) -> Body:
    options = {
        "num_predict": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed,
        "stop": list(request.stop) or None,
        "num_ctx": _context(request, body, endpoint),
    }
    return stated(options)


def _context(request: Request, body: Body, endpoint: Endpoint) -> int:
    """Tokens of context to ask for: see the module's docstring."""
    images = 0
    chars = len(json.dumps(body.get("tools", "")))
    for message in body["messages"]:
        images += len(message.get("images", ()))
        chars += sum(len(value) for value in message.values() if isinstance(value, str))
        chars += len(json.dumps(message.get("tool_calls", "")))
    answer = request.max_tokens or (THINKING_TOKENS if body.get("think") else ANSWER_TOKENS)
    needed = -(-chars // CHARS_PER_TOKEN) + IMAGE_TOKENS * images + answer
    # Steps: each other num_ctx makes the server load the model anew, which takes seconds to minutes.
    least = max(LEAST_CONTEXT, _least(endpoint))
    if needed <= least:
        return least
    # Doubling on would reserve memory that no document needs.
    if needed > CONTEXT_STEP:
        return -(-needed // CONTEXT_STEP) * CONTEXT_STEP
    return max(least, 1 << (needed - 1).bit_length())


def _least(endpoint: Endpoint) -> int:
    stated = endpoint.options.get("num_ctx") or "0"
    if not stated.isdigit():
        raise ConfigurationError(f"ollama: num_ctx must be a number of tokens, not {stated!r}")
    return int(stated)


def _tool(tool: Tool) -> Body:
    schema, note = parameters(tool.parameters)
    words = [tool.description, "" if note in tool.description else note]
    function: Body = {"name": tool.name, "parameters": schema}
    if description := "\n".join(filter(None, words)):
        function["description"] = description
    return {"type": "function", "function": function}


def _messages(request: Request) -> list[Body]:
    names = {call.id: call.name for m in request.messages for call in m.calls}
    wire = [_message(m, names) for m in request.messages]
    # The words count into the context, which is measured after them.
    if request.schema is not None:
        # The grammar is not shown to the model, and ollama.com does not even apply it.
        instruct(wire, schema_words(request.schema))
    elif request.json_mode and not any("json" in m["content"].lower() for m in wire):
        # Held to JSON without a prompt for it, a model fills the answer with blanks to the limit.
        instruct(wire, "Answer with a JSON object only.")
    return wire


def _message(message: Message, names: Mapping[str, str]) -> Body:
    native = message.native
    if native is not None and native.dialect == DIALECT:
        return dict(native.payload)
    wire: Body = {"role": message.role, "content": text_of(message)}
    if images := list(_images(message)):
        wire["images"] = images
    if message.role == "tool":
        if name := message.name or names.get(message.call_id or ""):
            wire["tool_name"] = name
        if message.is_error:
            wire["content"] = result_text(message)
    if message.reasoning and native is None:
        wire["thinking"] = message.reasoning
    if message.calls:
        wire["tool_calls"] = [
            {"function": {"name": c.name, "arguments": c.arguments or {}}} for c in message.calls
        ]
    return wire


def _images(message: Message) -> Iterable[str]:
    for part in message.parts:
        if isinstance(part, (Text, Document)):
            continue
        part = media(part)
        if isinstance(part, File):
            raise UnsupportedError("ollama: takes no files; send the text or page images")
        if part.url is not None:
            raise UnsupportedError("ollama: fetches no image URLs; pass the image's bytes")
        # Bare base64: a data URL is refused.
        yield base64_of(part.data)


def _root(endpoint: Endpoint) -> str:
    """The server's root. OLLAMA_HOST may be a bare host, may name the address to listen on
    (0.0.0.0), and other tools' variables end in ``/v1``."""
    url = endpoint.base_url
    if "://" not in url:
        host, slash, path = url.partition("/")
        bare = host.rpartition("]")[2] if host.startswith("[") else host
        url = f"http://{host}{'' if ':' in bare else ':11434'}{slash}{path}"
    # The longer endings first.
    for end in ("/api/chat", "/api", "/v1/chat/completions", "/v1"):
        url = url.removesuffix(end)
    return url.replace("://0.0.0.0", "://127.0.0.1")


def _model(row: Mapping[str, Any]) -> ModelInfo:
    details = row.get("details")
    context = details.get("context_length") if isinstance(details, Mapping) else None
    return ModelInfo(
        id=str(row.get("model") or row.get("name") or ""),
        created=timestamp(row.get("modified_at")),
        context_tokens=context if isinstance(context, int) else None,
        raw=row,
    )


_KEPT = ("type", "description", "enum", "items")
_NOISE = {"title", "$schema", "$id", "$comment", "additionalProperties", "examples"}
_ROOT = {"type", "properties", "required", "$defs", "definitions"}
_DEPTH = 6


def parameters(schema: JSON) -> tuple[dict[str, Any], str]:
    """An object schema for a tool, with local references resolved and every property reduced;
    and what of the root belongs into the tool's description."""
    # Templates of models print the properties alone: a reference would lead nowhere.
    root = _resolve(schema, schema, ())
    reduced: dict[str, Any] = {
        "type": "object",
        "properties": {n: _property(p) for n, p in (root.get("properties") or {}).items()},
    }
    if root.get("required"):
        reduced["required"] = list(root["required"])
    words = root.pop("description", "")
    rest = {k: v for k, v in root.items() if k not in _ROOT | _NOISE}
    return reduced, _described({"description": words}, rest) if rest else words


def _property(schema: Any) -> dict[str, Any]:
    if not isinstance(schema, Mapping):
        return {}
    schema = _one_of_types(schema)
    kept = {key: schema[key] for key in _KEPT if key in schema}
    if "const" in schema and "enum" not in kept:
        kept["enum"] = [schema["const"]]
    rest = {k: v for k, v in schema.items() if k not in {*_KEPT, *_NOISE, "const"}}
    if rest:
        kept["description"] = _described(kept, rest)
    return kept


def _described(schema: JSON, rest: JSON) -> str:
    words = json.dumps(rest, ensure_ascii=False, default=str)
    return f"{schema.get('description', '')} (JSON Schema: {words})".strip()


def _one_of_types(schema: JSON) -> JSON:
    """``anyOf`` of one schema and null, or of plain types, as a list of types."""
    branches = schema.get("anyOf") or schema.get("oneOf")
    if not isinstance(branches, list) or not all(isinstance(b, Mapping) for b in branches):
        return schema
    types = [b.get("type") for b in branches]
    rich = [b for b in branches if b.keys() - {"type"} - _NOISE]
    if not all(isinstance(t, str) for t in types) or len(rich) > 1:
        return schema
    outer = {k: v for k, v in schema.items() if k not in ("anyOf", "oneOf")}
    merged = {**(rich[0] if rich else {}), **outer, "type": types}
    if "enum" in merged and "null" in types:
        merged["enum"] = [*merged["enum"], None]
    return merged


def _resolve(schema: Any, root: JSON, within: tuple[str, ...]) -> Any:
    """The schema with local references put in place. One that leads back into itself, or is
    nested too deep, becomes any object."""
    if isinstance(schema, list):
        return [_resolve(s, root, within) for s in schema]
    if not isinstance(schema, Mapping):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#"):
        name = reference.rpartition("/")[2]
        # A recursive schema has no finite form without references.
        if reference in within or len(within) == _DEPTH:
            return {"type": "object", "description": f"another {name}"}
        rest = {k: v for k, v in schema.items() if k != "$ref"}
        target = _resolve(_target(reference, root), root, (*within, reference))
        return {**target, **_resolve(rest, root, within)}
    kept = {k: v for k, v in schema.items() if k not in ("$defs", "definitions")}
    return {k: _resolve(v, root, within) for k, v in kept.items()}


def _target(reference: str, root: JSON) -> JSON:
    found = referenced(root, reference)
    return found if isinstance(found, Mapping) else {}
