"""What callers give an agent: its keywords, its models, prompts and turns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, TypeAlias, TypedDict

from prompture import given
from prompture.agents.tools import Approve, Tools
from prompture.drivers.core import BaseDriver
from prompture.drivers.generate import message_of
from prompture.drivers.meter import Meter
from prompture.errors import ConfigurationError
from prompture.extraction.inputs import content
from prompture.extraction.model_drivers import Cascade
from prompture.types import JSON, Message, Part, Request

if TYPE_CHECKING:
    from prompture.drivers.caching import Cache

Model: TypeAlias = str | BaseDriver | None
"""``"provider/model"``, a driver, or None for the default (see ``extract``)."""
Models: TypeAlias = Model | Sequence[str | BaseDriver] | Cascade
"""A model, or several: the next is asked where one fails."""
Messages: TypeAlias = Sequence[Message | JSON]
Prompt = str | Part | Sequence[str | Part] | None


class RequestOptions(TypedDict, total=False):
    """Options that go into each request as they are."""

    temperature: float | None
    max_tokens: int | None
    top_p: float | None
    seed: int | None
    reasoning: str | int | None
    timeout: float | None
    prompt_cache: bool | str | None
    cache: Cache | Literal[False] | None
    parallel_tools: bool | None
    metadata: JSON | None
    extra: JSON | None


class RunOptions(RequestOptions, total=False):
    """Options of an agent's runs; also those of a Conversation. See Agent."""

    max_steps: int
    max_tool_calls: int | None
    max_total_tokens: int | None
    max_usd: Decimal | str | float | None
    max_seconds: float | None
    deadline: float | None
    budget: Meter | Decimal | str | float | None
    context: object
    approve: Approve | None
    tool_timeout: float | None
    max_parallel: int
    max_retries: int
    strategy: str


class AgentOptions(RunOptions, total=False):
    """The keywords of Agent, except ``output``."""

    tools: Tools
    instructions: str


class RunArguments(TypedDict, total=False):
    """What a run is given besides its prompt."""

    messages: Messages
    context: object
    deadline: float | None


class ResumeOptions(TypedDict, total=False):
    """The keywords of ``Agent.resume``."""

    context: object
    deadline: float | None
    key: bytes | None
    again: bool
    allow_changes: bool


def user_turn(prompt: Prompt) -> Message:
    """The user's turn. Raises ConfigurationError for what is empty, binary or no part."""
    return Message(role="user", content=content(prompt))


def turns_of(messages: Messages) -> tuple[Message, ...]:
    """The conversation so far. Raises ConfigurationError for what is no sequence of turns."""
    if isinstance(messages, (str, Mapping, Message)) or not isinstance(messages, Iterable):
        kind = type(messages).__name__
        raise ConfigurationError(f"messages must be a sequence of turns, not a {kind}")
    return tuple(map(message_of, messages))


def base_request(options: JSON) -> Request:
    """The options of each request. Raises UnknownOption and ConfigurationError."""
    given.refuse_settings(options)
    given.only_known(options, ("model", "output", *AgentOptions.__annotations__))
    return Request(model="", messages=(), **given.request_options(options))
