"""OpenAI's Responses API, also offered by Azure, xAI, OpenRouter and llama.cpp.

Source: https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from prompture.codecs.base import Endpoint, StreamDecoder, join_url, key_headers
from prompture.codecs.faults import fault_of_response, provider_error
from prompture.codecs.histories import wire_ids
from prompture.codecs.openai_models import (
    DIALECT,
    effort,
    needs_responses,
    read_models,
    reasons,
    takes_cache_options,
)
from prompture.codecs.openai_responses_answer import read_body, read_usage
from prompture.codecs.openai_responses_stream import ResponsesStream
from prompture.codecs.options import full_parameters, refuse, sampling, schema_name, tool_choice
from prompture.codecs.turns import data_url, is_plain, media, part_text, result_text, text_only
from prompture.codecs.values import arguments_text
from prompture.errors import ConfigurationError, ModelNotFound, ProviderError, UnsupportedError
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
    Usage,
)
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
        # extra may ask for it as well, and decides how earlier items are echoed.
        stored = bool(request.extra.get("store", self.store))
        body: dict[str, Any] = {
            "model": request.model,
            "input": input_items(request.messages, stored=stored),
            "store": stored,
        }
        if request.max_tokens is not None:
            body["max_output_tokens"] = request.max_tokens
        for name in ("temperature", "top_p"):
            taken = not reasons(request.model, request.reasoning)
            value = sampling(request, name, taken=taken, why="while it reasons")
            if value is not None:
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
        # Without it and without storing, the reasoning is lost between the calls of one turn.
        if encrypted and not body["store"]:
            include.append("reasoning.encrypted_content")
        if request.logprobs is not None:
            include.append("message.output_text.logprobs")
            body["top_logprobs"] = request.logprobs
        if include:
            body["include"] = include

    def headers(self, endpoint: Endpoint) -> dict[str, str]:
        return key_headers(endpoint, self.key_header)

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
    refuse(request, "the Responses API", "seed", "stop")
    if request.logprobs is not None and reasons(request.model, request.reasoning):
        raise UnsupportedError(f"{request.model} reasons and reports no logprobs")


def _tools(request: Request, body: dict[str, Any]) -> None:
    choice = tool_choice(request)
    if not request.tools:
        return
    body["tools"] = [_tool(tool) for tool in request.tools]
    if choice in ("auto", "none", "required"):
        body["tool_choice"] = choice
    elif choice is not None:
        body["tool_choice"] = {"type": "function", "name": choice}
    if request.parallel_tools is not None:
        body["parallel_tool_calls"] = request.parallel_tools


def _tool(tool: Tool) -> dict[str, Any]:
    wire = {
        "type": "function",
        "name": tool.name,
        "parameters": full_parameters(tool.parameters),
        "strict": tool.strict,
    }
    return {**wire, "description": tool.description} if tool.description else wire


def _format(request: Request, body: dict[str, Any]) -> None:
    if request.schema is not None:
        body["text"] = {
            "format": {
                "type": "json_schema",
                "name": schema_name(request.schema_name),
                "schema": dict(request.schema),
                "strict": request.strict,
            }
        }
    elif request.json_mode:
        body["text"] = {"format": {"type": "json_object"}}


def _cache(request: Request, body: dict[str, Any]) -> None:
    """Prompts are cached by themselves, for minutes; only a longer time must be asked for."""
    if request.prompt_cache in (False, True, "5m", "1h"):
        return
    if request.prompt_cache == "24h":
        body["prompt_cache_retention"] = request.prompt_cache
    elif request.prompt_cache in _TIMED and takes_cache_options(request.model):
        body["prompt_cache_options"] = {"ttl": request.prompt_cache}
    else:
        raise UnsupportedError(
            f"{request.model} keeps no prompt for {request.prompt_cache!r}; give True or '24h'"
            f" (from gpt-5.6 on also {' and '.join(_TIMED)})"
        )


Item = dict[str, Any]
ID_CHARS = 64
"""Characters of a call's id that the API takes."""


def input_items(messages: Iterable[Message], *, stored: bool) -> list[Item]:
    """``stored``: the provider keeps responses, so that items may be named by id."""
    turns = list(messages)
    ids = wire_ids(turns, limit=ID_CHARS)
    custom: set[str] = set()
    found: list[Item] = []
    for message, known in zip(turns, ids, strict=True):
        items = list(_items(message, known, stored=stored, custom=custom))
        custom |= {str(i.get("call_id")) for i in items if i.get("type") == "custom_tool_call"}
        found += items
    return found


def _items(
    message: Message, ids: Mapping[str, str], *, stored: bool, custom: set[str]
) -> Iterator[Item]:
    """``custom`` has the ids of earlier calls of custom tools, whose results are marked."""
    if message.role == "tool":
        yield _result(message, ids, custom)
        return
    if message.role != "assistant":
        if message.parts:
            yield {"role": message.role, "content": _content(message)}
        return
    native = message.native
    if native is not None and native.dialect == DIALECT:
        for item in echoed(native.payload, stored):
            id = item.get("call_id")
            yield {**item, "call_id": ids[id]} if id in ids and id is not None else item
        return
    if text := text_only(message):
        yield {"role": "assistant", "content": text}
    for call in message.calls:
        yield {
            "type": "function_call",
            "call_id": ids[call.id],
            "name": call.name,
            "arguments": arguments_text(call),
        }


def echoed(items: Iterable[Item], stored: bool) -> Iterator[Item]:
    """The items of an earlier answer, as they were.

    Where nothing is stored, a reasoning item without its encrypted content means nothing to the
    provider; it is left out, and the items that followed it lose the ids that point to it.
    """
    whole = list(items)
    # An item that follows a reasoning item by id is refused without it ("provided without its required
    # 'reasoning' item", HTTP 400).
    if stored or all(i.get("encrypted_content") for i in whole if i.get("type") == "reasoning"):
        yield from ({k: v for k, v in i.items() if k != "id" or v} for i in whole)
        return
    for item in whole:
        if item.get("type") == "message":
            turn: Item = {"role": "assistant", "content": _item_text(item)}
            # "Preserve and resend phase on all assistant messages" (OpenAI's spec, MessagePhase).
            yield {**turn, "phase": item["phase"]} if item.get("phase") else turn
        elif item.get("type") != "reasoning":
            yield {key: value for key, value in item.items() if key != "id"}


def _item_text(item: Item) -> str:
    parts = item.get("content") or ()
    return "".join(str(p.get("text") or p.get("refusal") or "") for p in parts)


def _content(message: Message) -> str | list[Item]:
    if isinstance(message.content, str):
        return message.content
    if message.role == "system":
        return text_only(message)
    return [_part(part) for part in message.content]


def _result(message: Message, ids: Mapping[str, str], custom: set[str]) -> Item:
    if not message.call_id:
        raise ConfigurationError("a tool turn needs the call_id of the call it answers")
    plain = is_plain(message)
    output = result_text(message) if plain else [_part(part) for part in message.parts]
    id = ids[message.call_id]
    kind = "custom_tool_call_output" if id in custom else "function_call_output"
    return {"type": kind, "call_id": id, "output": output}


def _part(part: Part) -> Item:
    if isinstance(part, (Text, Document)):
        return {"type": "input_text", "text": part_text(part)}
    part = media(part)
    return _image(part) if isinstance(part, Image) else _file(part)


def _image(image: Image) -> Item:
    url = image.url or data_url(image)
    return {"type": "input_image", "image_url": url, "detail": image.detail or "auto"}


def _file(file: File) -> Item:
    if file.id is not None:
        return {"type": "input_file", "file_id": file.id}
    if file.url is not None:
        return {"type": "input_file", "file_url": file.url}
    if file.media_type.startswith(("audio/", "video/")):
        raise UnsupportedError(f"{file.media_type} cannot be sent here; only documents and images")
    return {"type": "input_file", "filename": file.name, "file_data": data_url(file)}
