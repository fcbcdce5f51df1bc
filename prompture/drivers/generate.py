"""The ``generate*`` methods of a driver: plain dicts in, a Completion out.

Messages and tools are dicts in OpenAI's shape, read whole or refused: a key that we do not know is
never dropped, for what it held would not reach the model.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, cast

from prompture import given
from prompture.drivers.request_checks import check_url
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
    Role,
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
    "prompt_cache": "prompt_cache",
    "cache": "cache",
    "metadata": "metadata",
    "timeout": "timeout",
    "deadline": "deadline",
    "hedge": "hedge",
    "extra": "extra",
    "priority": "priority",
    "api_key": "api_key",
}
OPTIONS = (*_PLAIN, "stop", "system")


def request_of(
    model: str,
    messages: Sequence[Mapping[str, Any] | Message],
    options: Options | None = None,
    tools: Sequence[Mapping[str, Any] | Tool] = (),
    more: Options | None = None,
) -> Request:
    """A Request out of role/content dicts, tools, an options dict and options as keywords.

    Raises UnknownOption, with the options there are, and ConfigurationError for a message or a
    tool of no known shape. An option of None counts as not given.
    """
    found = _options(options, more or {})
    fields = {_PLAIN[key]: value for key, value in found.items() if key in _PLAIN}
    fields.setdefault("model", model)
    turns = _messages(messages)
    if "system" in found:
        turns.insert(
            0, Message(role="system", content=given.words(found["system"], "system") or "")
        )
    return Request(
        messages=tuple(turns),
        tools=_tools(tools),
        stop=given.strings(found.get("stop"), "stop"),
        **fields,
    )


def _options(options: Options | None, more: Mapping[str, Any]) -> dict[str, Any]:
    if options is None and not more:
        return {}
    first = given.table(options, "options") or {}
    for key in (*first, *more):
        if key in first and key in more:
            raise ConfigurationError(
                f"the option {key!r} is given twice, in options and by keyword"
            )
        if key not in OPTIONS:
            given.refuse_settings((key,))
            raise UnknownOption(
                f"{given.unknown('option', key, OPTIONS)}. "
                f"What only this provider knows goes into extra={{...}}"
            )
    return {key: value for key, value in {**first, **more}.items() if value is not None}


def _messages(messages: Any) -> list[Message]:
    if type(messages) is not list and (
        isinstance(messages, (str, bytes, Mapping, Message)) or not isinstance(messages, Iterable)
    ):
        raise ConfigurationError(
            f"messages must be a list of {{'role': ..., 'content': ...}}, not "
            f"{type(messages).__name__}; generate(prompt) takes a text"
        )
    return [message_of(m, f"messages[{i}]") for i, m in enumerate(messages)]


def _tools(tools: Any) -> tuple[Tool, ...]:
    if tools == ():
        return ()
    if isinstance(tools, (str, bytes, Mapping, Tool)) or not isinstance(tools, Iterable):
        raise ConfigurationError(f"tools must be a list of tools, not {type(tools).__name__}")
    return tuple(tool_of(t) for t in tools)


class _Sync(Protocol):
    model: str

    def complete(self, request: Request) -> Completion: ...
    def stream(self, request: Request) -> Iterator[Delta | Completion]: ...
    def require(self, feature: str) -> None: ...


class SyncGenerate:
    """Options of every method, in a dict or as keywords: see OPTIONS; any other raises
    UnknownOption, and one given both ways ConfigurationError."""

    def generate(
        self: _Sync, prompt: str, options: Options | None = None, **more: Any
    ) -> Completion:
        """One prompt, one answer."""
        turn = Message(role="user", content=content_of(prompt, "prompt"))
        return self.complete(request_of(self.model, [turn], options, more=more))

    def generate_messages(
        self: _Sync, messages: Sequence[Any], options: Options | None = None, **more: Any
    ) -> Completion:
        """A conversation, one answer."""
        return self.complete(request_of(self.model, messages, options, more=more))

    def generate_messages_with_tools(
        self: _Sync,
        messages: Sequence[Any],
        tools: Sequence[Any],
        options: Options | None = None,
        **more: Any,
    ) -> Completion:
        """A conversation and tools; the answer may hold tool calls."""
        self.require("tool_use")
        return self.complete(request_of(self.model, messages, options, tools, more))

    def generate_messages_stream(
        self: _Sync, messages: Sequence[Any], options: Options | None = None, **more: Any
    ) -> Iterator[Delta | Completion]:
        """Deltas as they come, and the Completion at the end."""
        return self.stream(request_of(self.model, messages, options, more=more))


class _Async(Protocol):
    model: str

    async def complete(self, request: Request) -> Completion: ...
    def stream(self, request: Request) -> AsyncIterator[Delta | Completion]: ...
    def require(self, feature: str) -> None: ...


class AsyncGenerate:
    """The methods of SyncGenerate, awaited."""

    async def generate(
        self: _Async, prompt: str, options: Options | None = None, **more: Any
    ) -> Completion:
        """One prompt, one answer."""
        turn = Message(role="user", content=content_of(prompt, "prompt"))
        return await self.complete(request_of(self.model, [turn], options, more=more))

    async def generate_messages(
        self: _Async, messages: Sequence[Any], options: Options | None = None, **more: Any
    ) -> Completion:
        """A conversation, one answer."""
        return await self.complete(request_of(self.model, messages, options, more=more))

    async def generate_messages_with_tools(
        self: _Async,
        messages: Sequence[Any],
        tools: Sequence[Any],
        options: Options | None = None,
        **more: Any,
    ) -> Completion:
        """A conversation and tools; the answer may hold tool calls."""
        self.require("tool_use")
        return await self.complete(request_of(self.model, messages, options, tools, more))

    def generate_messages_stream(
        self: _Async, messages: Sequence[Any], options: Options | None = None, **more: Any
    ) -> AsyncIterator[Delta | Completion]:
        """Deltas as they come, and the Completion at the end."""
        return self.stream(request_of(self.model, messages, options, more=more))


# Messages and tools.

_MESSAGE = ("role", "content", "tool_calls", "tool_call_id", "name", "is_error", "reasoning")
_ECHOED = ("reasoning_content", "reasoning_details", "refusal")
"""Keys of an answer's own message that may come back with it."""
_MEANT = {"text": "content", "parts": "content", "message": "content", "tool_id": "tool_call_id"}
_ROLES = {"developer": "system", "user": "user", "assistant": "assistant", "system": "system",
          "tool": "tool"}  # fmt: skip
_OTHER_ROLES = {"human": "user", "ai": "assistant", "bot": "assistant", "model": "assistant",
                "function": "tool"}  # fmt: skip
_TOOL = ("type", "function", "name", "description", "parameters", "input_schema", "inputSchema",
         "strict")  # fmt: skip


def message_of(message: Any, place: str = "a message") -> Message:
    """A Message out of a dict in OpenAI's shape; a Message is given back.

    Raises ConfigurationError for a key that would be lost.
    """
    if isinstance(message, Message):
        return message
    if not isinstance(message, Mapping):
        raise ConfigurationError(
            f"{place} must be a dict {{'role': ..., 'content': ...}} or a prompture.Message, "
            f"not {type(message).__name__}"
        )
    for key, value in message.items():
        # What an SDK writes of an answer has many keys with nothing in them.
        if key not in _MESSAGE and key not in _ECHOED and value not in (None, [], {}, ""):
            raise ConfigurationError(f"{place}: {_unknown_key(key, _MESSAGE)}")
    return Message(
        role=_role(message.get("role"), place),
        content=_content(message, place),
        calls=tuple(_call(c, place) for c in _listed(message.get("tool_calls"), place)),
        call_id=given.words(message.get("tool_call_id"), f"{place}: tool_call_id"),
        name=given.words(message.get("name"), f"{place}: name"),
        is_error=bool(message.get("is_error")),
        reasoning=_reasoning(message),
    )


def _unknown_key(key: object, known: Sequence[str]) -> str:
    if isinstance(key, str) and key in _MEANT:
        return f"unknown key {key!r}; did you mean {_MEANT[key]}? there are {', '.join(known)}"
    return given.unknown("key", key, known)


def _role(role: Any, place: str) -> Role:
    found = _ROLES.get(role) if isinstance(role, str) else None
    if found is None:
        meant = _OTHER_ROLES.get(role) if isinstance(role, str) else None
        hint = f" (did you mean {meant}?)" if meant else ""
        raise ConfigurationError(
            f"{place} needs a role of system, user, assistant or tool, not {given.shown(role)}{hint}"
        )
    return cast(Role, found)


def _reasoning(message: Mapping[str, Any]) -> str:
    texts = (message.get("reasoning"), message.get("reasoning_content"))
    return next((s for s in texts if isinstance(s, str)), "")


def _listed(value: Any, place: str) -> Sequence[Any]:
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)):
        raise given.wrong(f"{place}: tool_calls", "a list", value)
    return value


def _content(message: Mapping[str, Any], place: str) -> str | tuple[Part, ...]:
    content = message.get("content")
    if content is None and message.get("role") == "assistant":
        refusal = message.get("refusal")
        return refusal if isinstance(refusal, str) else ""
    return content_of(content, place)


def content_of(content: Any, place: str) -> str | tuple[Part, ...]:
    if isinstance(content, str):
        return content
    if isinstance(content, (list, tuple)) and content:
        return tuple(_part(p, place) for p in content)
    if content is None:
        raise ConfigurationError(f"{place} has no content")
    wanted = "a text or a list of parts that is not empty"
    raise given.wrong(f"{place}: content", wanted, content)


def _part(part: Any, place: str) -> Part:
    if isinstance(part, (Text, Document, Image, File)):
        return part
    if isinstance(part, str):
        return Text(part)
    kind = part.get("type") if isinstance(part, Mapping) else None
    if isinstance(part, Message) or (isinstance(part, Mapping) and "role" in part):
        raise ConfigurationError(
            f"{place} holds a message where a part of one belongs; generate takes a prompt, "
            f"generate_messages takes messages"
        )
    if kind not in ("text", "image_url"):
        raise ConfigurationError(
            f"{place}: a part must be of type text or image_url, or a prompture part (Text, "
            f"Document, Image, File); got {given.shown(kind) if kind else type(part).__name__}"
        )
    for key, value in part.items():
        if key not in ("type", kind) and value not in (None, [], {}, ""):
            advice = (
                "; prompt_cache=True marks what shall be cached" if key == "cache_control" else ""
            )
            raise ConfigurationError(f"{place}: unknown key {given.shown(key)} of a part{advice}")
    if kind == "text":
        return Text(_wanted(part.get("text"), f"{place}: the text of a part"))
    return _image(part.get("image_url"), f"{place}: image_url")


def _wanted(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise given.wrong(name, "a text", value)
    return value


def _image(source: Any, place: str) -> Image:
    """Messages may come from anywhere: what they name is a URL, and never read from here."""
    from prompture.media import image

    inner = source if isinstance(source, Mapping) else {"url": source}
    for key in inner:
        if key not in ("url", "detail"):
            raise ConfigurationError(f"{place}: {given.unknown('key', key, ('url', 'detail'))}")
    url, detail = check_url(inner.get("url"), place), given.words(inner.get("detail"), "detail")
    scheme, _, rest = url.partition(":")
    url = f"{scheme.lower()}:{rest}"
    return image(url, detail=detail) if scheme.lower() == "data" else Image(url=url, detail=detail)


def _call(call: Any, place: str) -> ToolCall:
    if isinstance(call, ToolCall):
        return call
    from prompture.codecs.values import tool_call

    function = call.get("function", call) if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise ConfigurationError(
            f"{place}: a tool call must be {{'id': ..., 'function': {{'name': ..., "
            f"'arguments': ...}}}} or a prompture.ToolCall"
        )
    id = given.words(call.get("id"), f"{place}: the id of a tool call", empty=True) or ""
    return tool_call(id=id, name=function["name"], arguments=function.get("arguments"))


def tool_of(tool: Any) -> Tool:
    """A Tool out of a dict (OpenAI's shape, or name, description and parameters) or out of an
    object that has these three, such as what ``@tool`` makes."""
    if isinstance(tool, Tool):
        return tool
    if not isinstance(tool, Mapping):
        names = ("name", "description", "parameters")
        if not all(hasattr(tool, name) for name in names):
            raise ConfigurationError(
                f"a tool must be a dict, a prompture.Tool or a function under @tool, "
                f"not {type(tool).__name__}"
            )
        found = {name: getattr(tool, name) for name in names}
        return tool_of({**found, "strict": bool(getattr(tool, "strict", False))})
    if tool.get("type") not in (None, "function"):
        raise ConfigurationError(
            f"a tool of type {given.shown(tool['type'])} is the provider's own: "
            f"it goes into extra={{'tools': [...]}}"
        )
    function = tool.get("function", tool)
    if not isinstance(function, Mapping) or not function.get("name"):
        raise ConfigurationError("a tool needs a name, a description and parameters")
    name = _wanted(function["name"], "the name of a tool")
    for key in (*tool, *function):
        if key not in _TOOL:
            raise ConfigurationError(f"the tool {name!r}: {given.unknown('key', key, _TOOL)}")
    # OpenAI's name for it, Anthropic's and MCP's.
    shapes = (function.get(k) for k in ("parameters", "input_schema", "inputSchema"))
    parameters = given.table(next(filter(None, shapes), None), f"the parameters of {name!r}")
    return Tool(
        name=name,
        description=given.words(
            function.get("description"), f"the description of {name!r}", empty=True
        )
        or "",
        parameters=parameters or {"type": "object", "properties": {}},
        strict=bool(function.get("strict")),
    )
