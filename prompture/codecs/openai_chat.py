"""OpenAI Chat Completions, the dialect that most providers copy, with the knobs they turn.

Source: https://platform.openai.com/docs/api-reference/chat and the providers' own pages, which
the rows in ``prompture.drivers`` name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from prompture import given
from prompture.codecs.base import Endpoint, join_url, key_headers
from prompture.codecs.faults import fault_of_response, provider_error
from prompture.codecs.histories import wire_ids
from prompture.codecs.openai_chat_answer import (
    CUSTOM,
    DIALECT,
    EXTRA,
    Quirks,
    kept_fields,
    read_body,
    usage_of,
)
from prompture.codecs.openai_chat_stream import OpenAIChatStream
from prompture.codecs.openai_models import read_models
from prompture.codecs.options import declaration, effort_of, refuse, schema_name, tool_choice
from prompture.codecs.turns import (
    data_url,
    is_plain,
    media,
    part_text,
    result_text,
    text_of,
    text_only,
)
from prompture.codecs.values import arguments_text
from prompture.errors import ConfigurationError, ProviderError, UnsupportedError
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

ID_CHARS = 40
"""Characters of a call's id; OpenAI and Azure refuse more."""
Body: TypeAlias = dict[str, Any]
Files: TypeAlias = Literal["", "data", "url", "document_url"]
ModelRule = Callable[[Request, Body], None]
"""Adapts a body to a model family, or raises UnsupportedError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIChat:
    """The dialect, with its options.

    ``root`` and ``path`` make the URL; ``root`` goes between where the base URL is a bare host. ``key_header`` is the
    header of the key, ``tokens_param`` the name of the output limit, ``seed_param`` that of the seed. ``tool_choice``
    is which forms are understood: ``"named"`` (all), ``"required"`` (strings only; a named tool becomes the only one
    on offer), ``"auto"`` (that one only: a call cannot be forced, and no tools are sent where none may be called).
    False means that this is refused: ``parallel_param`` (``parallel_tool_calls``), ``json_object`` (JSON mode without
    a schema), ``image_urls`` (only bytes are taken), ``logprobs``, ``metadata``. ``strict_tools`` and
    ``strict_schema`` send ``strict``. ``stream_usage`` asks for the usage of a stream. ``files`` is how PDFs go:
    ``"data"`` (bytes), ``"url"`` (bytes or URL), ``"document_url"`` (Mistral's part), ``""`` (not at all).
    ``text_only`` flattens text parts to a string. ``reasoning`` is how an effort goes: ``"effort"``, ``"object"``
    (OpenRouter), ``"thinking"`` (on or off), ``""`` (not at all). ``echo`` names the fields of an assistant turn that
    must be sent back, ``echo_blank`` the one that may not be missing on a turn with tool calls. ``cache_blocks``
    marks cached prefixes with ``cache_control``. ``stop_max`` is how many stop strings are taken. ``names`` sends a
    tool's name with its result. ``merged`` names the objects that one in ``extra`` is added to instead of taking
    their place. ``rule`` adapts the body for a model family. ``quirks`` is how answers differ; ``echo`` may name its
    ``reasoning_field``.
    """

    path: str = "/chat/completions"
    root: str = "/v1"
    tokens_param: str = "max_tokens"
    seed_param: str = "seed"
    key_header: str = "authorization"
    tool_choice: Literal["named", "required", "auto"] = "named"
    parallel_param: bool = True
    strict_tools: bool = False
    strict_schema: bool = True
    json_object: bool = True
    stream_usage: bool = True
    files: Files = ""
    image_urls: bool = True
    text_only: bool = False
    reasoning: Literal["effort", "object", "thinking", ""] = "effort"
    echo: tuple[str, ...] = ()
    echo_blank: str = ""
    cache_blocks: bool = False
    logprobs: bool = True
    metadata: bool = False
    stop_max: int | None = None
    names: bool = False
    merged: tuple[str, ...] = ()
    rule: ModelRule | None = None
    quirks: Quirks = Quirks()

    def __post_init__(self) -> None:
        """Raises ConfigurationError for a field in ``echo`` that no turn keeps: nothing would go
        back, and nobody would know."""
        known = kept_fields(self.quirks)
        for name in self.echo:
            if name not in known:
                raise ConfigurationError(
                    f"echo: {given.unknown('field', name, known)}; "
                    f"reasoning_field={name!r} makes it the one that reasoning stands in"
                )

    @property
    def dialect(self) -> str:
        return DIALECT

    def encode(self, request: Request, endpoint: Endpoint, *, stream: bool = False) -> HTTPRequest:
        if request.reasoning == 0:
            request = replace(request, reasoning="none")
        body: Body = {"model": request.model, "messages": self._messages(request)}
        self._sampling(request, body)
        if request.tools or request.tool_choice:
            self._tools(request, body)
        self._format(request, body)
        if request.reasoning is not None:
            self._reasoning(request, body)
        if request.metadata:
            if not self.metadata:
                self._refuse(request, "metadata")
            body["metadata"] = {key: str(value) for key, value in request.metadata.items()}
        if stream:
            body["stream"] = True
            if self.stream_usage:
                body["stream_options"] = {"include_usage": True}
        if self.rule:
            self.rule(request, body)
        # After the rule, so that the caller's own fields win.
        for key, value in request.extra.items():
            body[key] = {**body[key], **value} if key in self.merged and key in body else value
        return post_json(self.url(request, endpoint), self.headers(endpoint), body)

    def url(self, request: Request, endpoint: Endpoint) -> str:
        return join_url(endpoint.base_url, self.path, root=self.root)

    def headers(self, endpoint: Endpoint) -> dict[str, str]:
        return key_headers(endpoint, self.key_header)

    def _refuse(self, request: Request, option: str) -> None:
        refuse(request, f"{request.model}: this provider", option)

    def _leaves_tools_out(self, request: Request) -> bool:
        return request.tool_choice == "none" and self.tool_choice == "auto"

    def _sampling(self, request: Request, body: Body) -> None:
        if request.max_tokens is not None:
            body[self.tokens_param] = request.max_tokens
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if request.top_p is not None:
            body["top_p"] = request.top_p
        if request.stop:
            if self.stop_max is not None and len(request.stop) > self.stop_max:
                raise UnsupportedError(
                    f"at most {self.stop_max} stop strings are taken, not {len(request.stop)}"
                )
            body["stop"] = list(request.stop)
        if request.seed is not None:
            body[self.seed_param] = request.seed
        if request.logprobs is not None:
            if not self.logprobs:
                self._refuse(request, "logprobs")
            body["logprobs"] = True
            if request.logprobs:
                body["top_logprobs"] = request.logprobs

    def _tools(self, request: Request, body: Body) -> None:
        tools, choice = request.tools, tool_choice(request)
        if not tools or self._leaves_tools_out(request):
            return
        if choice not in (None, "auto", "none", "required"):
            if self.tool_choice == "named":
                body["tool_choice"] = {"type": "function", "function": {"name": choice}}
            else:
                # Offering only that tool is what comes nearest where it cannot be named.
                tools, choice = tuple(t for t in tools if t.name == choice), "required"
        if choice == "required" and self.tool_choice == "auto":
            raise UnsupportedError(
                f"{request.model}: this provider cannot be made to call a tool; use tool_choice"
                f" 'auto' (or extra={{'tool_choice': ...}} if you know better)"
            )
        if choice in ("auto", "none", "required"):
            body["tool_choice"] = choice
        body["tools"] = [self._tool(t) for t in tools]
        if self.parallel_param and request.parallel_tools is not None:
            body["parallel_tool_calls"] = request.parallel_tools
        elif request.parallel_tools is False:
            self._refuse(request, "parallel_tools")

    def _tool(self, tool: Tool) -> Body:
        function = declaration(tool)
        if tool.strict and self.strict_tools:
            function["strict"] = True
        return {"type": "function", "function": function}

    def _format(self, request: Request, body: Body) -> None:
        if request.schema is not None:
            named: Body = {"name": schema_name(request.schema_name), "schema": request.schema}
            if self.strict_schema:
                named["strict"] = request.strict
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        elif request.json_mode:
            if not self.json_object:
                self._refuse(request, "json_mode")
            body["response_format"] = {"type": "json_object"}

    def _reasoning(self, request: Request, body: Body) -> None:
        if self.reasoning == "object":
            key = "max_tokens" if isinstance(request.reasoning, int) else "effort"
            body["reasoning"] = {key: request.reasoning}
            return
        effort = effort_of(request)
        if self.reasoning == "thinking":
            body["thinking"] = {"type": "disabled" if effort == "none" else "enabled"}
        elif self.reasoning == "effort":
            body["reasoning_effort"] = effort
        else:
            raise UnsupportedError(f"{request.model}: this provider takes no reasoning effort")

    def _messages(self, request: Request) -> list[Body]:
        wire: list[Body] = []
        shown: list[Part] = []
        called = [m for m in request.messages if m.calls or m.role == "tool"]
        ids: Sequence[Mapping[str, str]] = [{}] * len(request.messages)
        if called:
            ids = wire_ids(request.messages, limit=ID_CHARS)
        for message, known in zip(request.messages, ids, strict=True):
            # After all results of the turn: a user turn between them is refused.
            if shown and message.role != "tool":
                wire.append({"role": "user", "content": [self._part(p) for p in shown]})
                shown = []
            wire.append(self._message(message, known))
            if message.role == "tool":
                # A tool's answer is text; what else it gave follows as a turn of the user's.
                shown += [p for p in message.parts if not isinstance(p, (Text, Document))]
        if shown:
            wire.append({"role": "user", "content": [self._part(p) for p in shown]})
        if request.prompt_cache and self.cache_blocks:
            _mark_cached(wire, request.prompt_cache)
        return wire

    def _message(self, message: Message, ids: Mapping[str, str]) -> Body:
        content = message.content
        usual = type(content) is str and not message.is_error
        wire: Body = {
            "role": message.role,
            "content": content if usual else self._content(message),
        }
        if message.role == "tool":
            wire["tool_call_id"] = ids[message.call_id or ""]
            if self.names and message.name:
                wire["name"] = message.name
            return wire
        if message.calls:
            kept = _kept(message)
            custom, extra = kept.get(CUSTOM) or (), kept.get(EXTRA) if EXTRA in self.echo else None
            wire["tool_calls"] = [
                _call(call, ids[call.id], free=call.id in custom, extra=extra)
                for call in message.calls
            ]
            # Null, as OpenAI itself writes a turn that only calls.
            wire["content"] = wire["content"] or None
        if message.role == "assistant":
            self._echo(message, wire)
        return wire

    def _echo(self, message: Message, wire: Body) -> None:
        kept = _kept(message)
        for name in self.echo:
            if kept.get(name) and name != EXTRA:
                wire[name] = kept[name]
        blank = self.echo_blank
        if blank and not wire.get(blank) and (message.calls or message.reasoning):
            wire[blank] = message.reasoning or " "

    def _content(self, message: Message) -> str | list[Body]:
        parts = message.content
        if isinstance(parts, str):
            return result_text(message) if message.is_error else parts
        if message.role == "tool":
            return result_text(message) or "(see below)"
        if message.role != "user":
            return text_only(message)
        if self.text_only and is_plain(message):
            return text_of(message)
        return [self._part(p) for p in parts]

    def _part(self, part: Part) -> Body:
        return _part_of(part, files=self.files, image_urls=self.image_urls)

    def decode(self, response: HTTPResponse, endpoint: Endpoint) -> Completion:
        return read_body(response, endpoint, self.quirks)

    def stream_decoder(self, endpoint: Endpoint) -> OpenAIChatStream:
        return OpenAIChatStream(endpoint, self.quirks)

    def read_usage(self, body: JSON) -> Usage:
        return usage_of(body, self.quirks)

    def read_error(self, response: HTTPResponse, endpoint: Endpoint) -> ProviderError:
        return provider_error(response, endpoint, fault_of_response(response))

    def models_request(self, endpoint: Endpoint, page: str | None = None) -> HTTPRequest:
        base, mark, query = endpoint.base_url.partition("?")
        root = join_url(base, self.path, root=self.root).removesuffix(self.path)
        return HTTPRequest("GET", f"{root}/models{mark}{query}", self.headers(endpoint))

    def read_models(self, response: HTTPResponse) -> tuple[list[ModelInfo], str | None]:
        return read_models(response), None


def _kept(message: Message) -> Mapping[str, Any]:
    """What an earlier answer of this dialect held beyond text and calls."""
    native = message.native
    return native.payload if native is not None and native.dialect == DIALECT else {}


def _call(call: ToolCall, id: str, *, free: bool, extra: JSON | None) -> Body:
    """A call; one of a custom tool has free text. ``extra`` is what was kept, by our ids."""
    if free and call.arguments is not None:
        custom = {"name": call.name, "input": str(call.arguments.get("input", ""))}
        return {"id": id, "type": "custom", "custom": custom}
    function = {"name": call.name, "arguments": arguments_text(call)}
    wire = {"id": id, "type": "function", "function": function}
    return {**wire, EXTRA: extra[call.id]} if extra and call.id in extra else wire


def _part_of(part: Part, *, files: Files, image_urls: bool) -> Body:
    """One part. ``files`` and ``image_urls`` are the knobs of ``OpenAIChat``. Raises
    UnsupportedError for what the provider cannot take."""
    if isinstance(part, (Text, Document)):
        return {"type": "text", "text": part_text(part)}
    part = media(part)
    return _image(part, urls=image_urls) if isinstance(part, Image) else _file(part, files)


def _image(image: Image, *, urls: bool) -> Body:
    if image.url is not None and not urls:
        raise UnsupportedError("this provider fetches no image URLs: pass the image's bytes")
    url: Body = {"url": image.url or data_url(image)}
    if image.detail:
        url["detail"] = image.detail
    return {"type": "image_url", "image_url": url}


def _file(file: File, files: Files) -> Body:
    if file.data is not None and _is_text(file.media_type):
        return {"type": "text", "text": file.data.decode(errors="replace")}
    if not files:
        raise UnsupportedError(
            "this provider's chat API takes no files: send the text or page images"
        )
    if file.id is not None and files == "document_url":
        return {"type": "file", "file_id": file.id}
    if file.id is not None:
        return {"type": "file", "file": {"file_id": file.id}}
    if file.url is not None and files == "data":
        raise UnsupportedError("this provider fetches no file URLs: pass the file's bytes")
    url = file.url or data_url(file)
    if files == "document_url":
        return {"type": "document_url", "document_url": url, "document_name": file.name}
    return {"type": "file", "file": {"filename": file.name, "file_data": url}}


def _is_text(media_type: str) -> bool:
    return media_type.startswith("text/") or media_type in ("application/json", "application/xml")


def _mark_cached(messages: list[Body], cache: bool | str) -> None:
    """Put ``cache_control`` on the last block of the last system or first user turn."""
    control: Body = {"type": "ephemeral"}
    if isinstance(cache, str):
        control["ttl"] = cache
    stable = [m for m in messages if m["role"] == "system"] or messages[:1]
    if not stable:
        return
    turn = stable[-1]
    if isinstance(turn["content"], str):
        turn["content"] = [{"type": "text", "text": turn["content"]}]
    if turn["content"]:
        turn["content"][-1]["cache_control"] = control
