"""The ``generate*`` faces of a driver: plain dicts in, a Completion out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Protocol

from prompture.errors import ConfigurationError, UnknownOption
from prompture.types import (
    Completion,
    Delta,
    Document,
    File,
    Image,
    Message,
    Part,
    Request,
    Text,
    Tool,
    ToolCall,
)

Options = Mapping[str, Any]
_PLAIN = {
    "model": "model",
    "temperature": "temperature",
    "max_tokens": "max_tokens",
    "top_p": "top_p",
    "seed": "seed",
    "json_mode": "json_mode",
    "json_schema": "schema",
    "schema_name": "schema_name",
    "strict": "strict",
    "tool_choice": "tool_choice",
    "parallel_tools": "parallel_tools",
    "reasoning": "reasoning",
    "logprobs": "logprobs",
    "cache": "cache",
    "metadata": "metadata",
    "timeout": "timeout",
    "extra": "extra",
}
OPTIONS = (*_PLAIN, "stop", "system")


def request_of(
    model: str,
    messages: Sequence[Mapping[str, Any] | Message],
    options: Options | None = None,
    tools: Sequence[Mapping[str, Any] | Tool] = (),
) -> Request:
    """A Request out of role/content dicts, tools and an options dict.

    Raises UnknownOption, with the options there are, and ConfigurationError for a message or a
    tool of no known shape. An option of None counts as not given.
    """
    given = {key: value for key, value in (options or {}).items() if value is not None}
    if unknown := [key for key in (options or {}) if key not in OPTIONS]:
        raise UnknownOption(
            f"unknown option {unknown[0]!r}; there are {', '.join(OPTIONS)}. "
            f"What only this provider knows goes into extra={{...}}"
        )
    fields: dict[str, Any] = {_PLAIN[key]: given[key] for key in given if key in _PLAIN}
    fields.setdefault("model", model)
    stop = given.get("stop", ())
    turns = [message_of(m) for m in messages]
    if "system" in given:
        turns.insert(0, Message(role="system", content=given["system"]))
    return Request(
        messages=tuple(turns),
        tools=tuple(tool_of(t) for t in tools),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        **fields,
    )


def message_of(message: Mapping[str, Any] | Message) -> Message:
    """A Message out of a dict in OpenAI's shape; a Message is given back."""
    if isinstance(message, Message):
        return message
    role = message.get("role")
    if role == "developer":
        role = "system"
    if role not in ("system", "user", "assistant", "tool"):
        raise ConfigurationError(
            f"a message needs a role of system, user, assistant or tool: {role!r}"
        )
    return Message(
        role=role,
        content=_content(message.get("content")),
        calls=tuple(_call(c) for c in message.get("tool_calls") or ()),
        call_id=message.get("tool_call_id"),
        name=message.get("name"),
        is_error=bool(message.get("is_error")),
    )


def _content(content: Any) -> str | tuple[Part, ...]:
    if content is None or isinstance(content, str):
        return content or ""
    return tuple(_part(p) for p in content)


def _part(part: Any) -> Part:
    if isinstance(part, (Text, Document, Image, File)):
        return part
    if isinstance(part, str):
        return Text(part)
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind == "text":
        return Text(part["text"])
    if kind == "image_url":
        from prompture.media import image

        url = part["image_url"]
        inner = url if isinstance(url, Mapping) else {"url": url}
        return image(inner["url"], detail=inner.get("detail"))
    raise ConfigurationError(
        f"a message part must be text, image_url, or a prompture part; got {kind or type(part).__name__!r}"
    )


def _call(call: Mapping[str, Any] | ToolCall) -> ToolCall:
    if isinstance(call, ToolCall):
        return call
    from prompture.codecs.base import tool_call

    function = call.get("function", call)
    return tool_call(id=call.get("id", ""), name=function["name"], arguments=function["arguments"])


def tool_of(tool: Mapping[str, Any] | Tool) -> Tool:
    """A Tool out of a dict: OpenAI's shape, or name, description and parameters."""
    if isinstance(tool, Tool):
        return tool
    function = tool.get("function", tool)
    if not isinstance(function, Mapping) or not function.get("name"):
        raise ConfigurationError("a tool needs a name, a description and parameters")
    parameters = function.get("parameters") or function.get("input_schema")
    return Tool(
        name=function["name"],
        description=function.get("description") or "",
        parameters=parameters or {"type": "object", "properties": {}},
        strict=bool(function.get("strict")),
    )


class _Sync(Protocol):
    model: str

    def complete(self, request: Request) -> Completion: ...
    def stream(self, request: Request) -> Iterator[Delta | Completion]: ...
    def require(self, feature: str) -> None: ...


class SyncFaces:
    """``options`` of every face: see OPTIONS; any other key raises UnknownOption."""

    def generate(self: _Sync, prompt: str, options: Options | None = None) -> Completion:
        """One prompt, one answer."""
        turn = Message(role="user", content=prompt)
        return self.complete(request_of(self.model, [turn], options))

    def generate_messages(
        self: _Sync, messages: Sequence[Any], options: Options | None = None
    ) -> Completion:
        """A conversation, one answer."""
        return self.complete(request_of(self.model, messages, options))

    def generate_messages_with_tools(
        self: _Sync, messages: Sequence[Any], tools: Sequence[Any], options: Options | None = None
    ) -> Completion:
        """A conversation and tools; the answer may hold tool calls."""
        self.require("tool_use")
        return self.complete(request_of(self.model, messages, options, tools))

    def generate_messages_stream(
        self: _Sync, messages: Sequence[Any], options: Options | None = None
    ) -> Iterator[Delta | Completion]:
        """Deltas as they come, and the Completion at the end."""
        return self.stream(request_of(self.model, messages, options))


class _Async(Protocol):
    model: str

    async def complete(self, request: Request) -> Completion: ...
    def stream(self, request: Request) -> AsyncIterator[Delta | Completion]: ...
    def require(self, feature: str) -> None: ...


class AsyncFaces:
    """The faces of SyncFaces, awaited."""

    async def generate(self: _Async, prompt: str, options: Options | None = None) -> Completion:
        """One prompt, one answer."""
        turn = Message(role="user", content=prompt)
        return await self.complete(request_of(self.model, [turn], options))

    async def generate_messages(
        self: _Async, messages: Sequence[Any], options: Options | None = None
    ) -> Completion:
        """A conversation, one answer."""
        return await self.complete(request_of(self.model, messages, options))

    async def generate_messages_with_tools(
        self: _Async, messages: Sequence[Any], tools: Sequence[Any], options: Options | None = None
    ) -> Completion:
        """A conversation and tools; the answer may hold tool calls."""
        self.require("tool_use")
        return await self.complete(request_of(self.model, messages, options, tools))

    def generate_messages_stream(
        self: _Async, messages: Sequence[Any], options: Options | None = None
    ) -> AsyncIterator[Delta | Completion]:
        """Deltas as they come, and the Completion at the end."""
        return self.stream(request_of(self.model, messages, options))
