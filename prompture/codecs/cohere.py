"""Cohere's v2 chat.

Sources: https://docs.cohere.com/reference/chat, and for the models
https://docs.cohere.com/docs/models and https://docs.cohere.com/docs/reasoning
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from prompture.codecs.base import Endpoint, StreamDecoder, join_url, key_headers
from prompture.codecs.cohere_answer import (
    DIALECT,
    CohereStream,
    model_names,
    read_body,
    read_fault,
    usage_of,
)
from prompture.codecs.options import Families, declaration, refuse, stated, tool_choice
from prompture.codecs.turns import data_url, is_plain, media, part_text, text_of, text_only
from prompture.codecs.values import arguments_text, objects, tokens
from prompture.errors import ProtocolError, ProviderError, UnsupportedError
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
    Usage,
)
from prompture.wire.http import HTTPRequest, HTTPResponse, post_json
from prompture.wire.loading import shape

_VERSIONED = re.compile(r"(/v\d+)?(/chat|/models)?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohere:
    """The dialect. ``prompt_cache`` asks for nothing: Cohere caches prefixes by itself."""

    @property
    def dialect(self) -> str:
        return DIALECT

    def encode(self, request: Request, endpoint: Endpoint, *, stream: bool = False) -> HTTPRequest:
        """Raises UnsupportedError for what the API or the model would refuse."""
        refuse(request, "Cohere", "metadata", "parallel_tools")
        body: Body = {
            "model": request.model,
            "messages": messages(request),
            **_sampling(request),
            **_tools(request),
            **_format(request),
        }
        if request.reasoning is not None:
            wanted = _thinking(request.model, request.reasoning)
            if wanted:
                body["thinking"] = wanted
        if stream:
            body["stream"] = True
        body.update(request.extra)
        return post_json(_url(endpoint, "/v2/chat"), key_headers(endpoint), body)

    def decode(self, response: HTTPResponse, endpoint: Endpoint) -> Completion:
        return read_body(response, endpoint)

    def stream_decoder(self, endpoint: Endpoint) -> StreamDecoder:
        return CohereStream(endpoint)

    def read_usage(self, body: JSON) -> Usage:
        return usage_of(body)

    def read_error(self, response: HTTPResponse, endpoint: Endpoint) -> ProviderError:
        return read_fault(response, endpoint)

    def models_request(self, endpoint: Endpoint, page: str | None = None) -> HTTPRequest:
        query: dict[str, Any] = {"endpoint": "chat", "page_size": 1000}
        if page:
            query["page_token"] = page
        url = f"{_url(endpoint, '/v1/models')}?{urlencode(query)}"
        return HTTPRequest("GET", url, key_headers(endpoint))

    def read_models(self, response: HTTPResponse) -> tuple[list[ModelInfo], str | None]:
        body = response.json()
        if not isinstance(body, Mapping):
            raise ProtocolError(f"expected an object, got {shape(body)}")
        found = [
            ModelInfo(
                id=str(m["name"]),
                owner="cohere",
                context_tokens=tokens(m.get("context_length")),
                raw=m,
            )
            for m in model_names(objects(body.get("models")))
        ]
        return found, body.get("next_page_token") or None


def _url(endpoint: Endpoint, path: str) -> str:
    """Chat is of version 2 and the list of models of 1, so the base's own version is dropped."""
    return join_url(_VERSIONED.sub("", endpoint.base_url), path)


def _sampling(request: Request) -> Body:
    if request.logprobs is not None and request.logprobs > 1:
        raise UnsupportedError("Cohere reports the chosen tokens' logprobs, no alternatives")
    options = {
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "p": request.top_p,
        "stop_sequences": list(request.stop) or None,
        "seed": request.seed,
        "logprobs": True if request.logprobs is not None else None,
    }
    return stated(options)


def _tools(request: Request) -> Body:
    tools, choice = request.tools, tool_choice(request)
    if not tools:
        return {}
    if choice not in (None, "auto", "none", "required"):
        # A tool cannot be named: the only one on offer is the one that must be called.
        tools, choice = tuple(tool for tool in tools if tool.name == choice), "required"
    body: Body = {"tools": [{"type": "function", "function": declaration(tool)} for tool in tools]}
    if choice in ("none", "required"):
        if not can_be_forced(request.model):
            raise UnsupportedError(
                f"{request.model} takes no tool_choice {choice!r}; command-r7b and newer ones do"
            )
        # Upper case alone is taken, and "auto" is no word of it.
        body["tool_choice"] = choice.upper()
    # strict_tools holds for all tools, and refuses one without a required field.
    if all(tool.strict and tool.parameters.get("required") for tool in tools):
        body["strict_tools"] = True
    return body


def _format(request: Request) -> Body:
    """The schema goes bare, under the type of JSON mode; it is always held to."""
    if request.schema is None and not request.json_mode:
        return {}
    # Cohere's docs on structured outputs: not in RAG or tool use.
    if request.tools or request.extra.get("documents"):
        raise UnsupportedError("Cohere takes no JSON answer together with tools or documents")
    wanted: Body = {"type": "json_object"}
    if request.schema is not None:
        wanted["json_schema"] = request.schema
    return {"response_format": wanted}


Body = dict[str, Any]
_ECHOED = ("content", "tool_plan", "tool_calls", "citations")


def messages(request: Request) -> list[Body]:
    """Every turn. Raises UnsupportedError for images the model does not see, and for files."""
    turns = [_message(m, request.model) for m in request.messages]
    return [t for t in turns if t.keys() - {"role"}]


def _message(message: Message, model: str) -> Body:
    if message.role == "tool":
        return _result(message)
    if message.role == "assistant":
        return _assistant(message)
    return {"role": message.role, "content": _content(message, model)}


def _assistant(message: Message) -> Body:
    native = message.native
    if native is not None and native.dialect == DIALECT and isinstance(native.payload, Mapping):
        # What else the answer holds, a request may not.
        kept = {key: native.payload[key] for key in _ECHOED if native.payload.get(key)}
        return {"role": "assistant", **kept}
    turn: Body = {"role": "assistant"}
    text = text_only(message)
    if message.calls:
        # Words beside calls are a plan here; content beside calls is what no model writes.
        # Answers with calls have a plan and no content (recorded).
        if text:
            turn["tool_plan"] = text
        turn["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": arguments_text(call)},
            }
            for call in message.calls
        ]
    elif text:
        turn["content"] = text
    return turn


def _result(message: Message) -> Body:
    """A tool's result. A failed one cannot be marked: its text goes as the ``error`` of a document."""
    if not is_plain(message):
        raise UnsupportedError("Cohere reads only text in a tool result: put images in a user turn")
    content: Any = text_of(message)
    if message.is_error:
        content = [{"type": "document", "document": {"data": {"error": content}}}]
    return {"role": "tool", "tool_call_id": message.call_id or "", "content": content}


def _content(message: Message, model: str) -> str | list[Body]:
    if isinstance(message.content, str):
        return message.content
    parts = [_part(p, message, model) for p in message.content]
    return parts[0]["text"] if len(parts) == 1 and "text" in parts[0] else parts


def _part(part: Part, message: Message, model: str) -> Body:
    if isinstance(part, (Text, Document)):
        return {"type": "text", "text": part_text(part)}
    if isinstance(part, File):
        part = media(part)
    if isinstance(part, File):
        return {"type": "text", "text": _file_text(part)}
    if message.role == "system":
        raise UnsupportedError("Cohere's system turn is text only: put images in a user turn")
    if not sees(model):
        raise UnsupportedError(f"{model} sees no images: command-a-plus and the vision models do")
    return {"type": "image_url", "image_url": _image(media(part))}


def _image(image: Image) -> Body:
    url = image.url or data_url(image)
    return {"url": url, "detail": image.detail} if image.detail else {"url": url}


def _file_text(file: File) -> str:
    """A text file is read here; Cohere reads no other."""
    if file.data is None or not file.media_type.startswith("text/"):
        raise UnsupportedError("Cohere reads no files: send their text, or images of their pages")
    try:
        return file.data.decode()
    except UnicodeDecodeError as exc:
        raise UnsupportedError("a text file for Cohere must be UTF-8") from exc


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """``sees``: images. ``thinks``: ``thinking``. ``forced``: ``tool_choice``."""

    sees: bool = True
    thinks: bool = True
    forced: bool = True


_FAMILIES = Families(
    (
        r"^command(?:$|-light|-nightly|-r(?:$|-0\d-2024|-plus))",
        _Family(sees=False, thinks=False, forced=False),
    ),
    (
        r"^command-(?:r|a-03|a-translate)|^c4ai-(?:aya-expanse|command)",
        _Family(sees=False, thinks=False),
    ),
    (r"^command-a-reasoning", _Family(sees=False)),
    (r"^command-a-vision|^c4ai-aya", _Family(thinks=False)),
    otherwise=_Family(),
)


def sees(model: str) -> bool:
    """Whether the model may see images; one that nobody knows may."""
    return _FAMILIES.of(model).sees


def can_be_forced(model: str) -> bool:
    """Whether ``tool_choice`` is understood: from command-r7b on."""
    return _FAMILIES.of(model).forced


def _thinking(model: str, reasoning: str | int) -> dict[str, Any] | None:
    """``thinking`` for an effort or a budget in tokens; None where there is nothing to say.

    It is on or off here, with or without a budget: every effort but ``"none"`` turns it on.
    """
    off = reasoning in ("none", 0)
    if not _FAMILIES.of(model).thinks:
        if off:
            return None
        raise UnsupportedError(f"{model} does not think: leave reasoning out")
    if off:
        return {"type": "disabled"}
    if isinstance(reasoning, int):
        return {"type": "enabled", "token_budget": reasoning}
    return {"type": "enabled"}
