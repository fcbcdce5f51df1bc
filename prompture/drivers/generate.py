"""The ``generate*`` methods of a driver: plain dicts in, a Completion out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from prompture import given
from prompture.drivers.messages import content_of, message_of, tool_of
from prompture.errors import ConfigurationError, UnknownOption
from prompture.types import Completion, Delta, Message, Request, Tool

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
