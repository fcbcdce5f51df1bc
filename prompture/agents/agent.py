"""Agent: a model, tools and a goal, configured once and run sync or async."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    TypeAlias,
    TypedDict,
    TypeVar,
    Unpack,
    overload,
)

from prompture import given, observe
from prompture.agents.async_runner import aiterate
from prompture.agents.events import AgentEvent, Final
from prompture.agents.loop import AgentFlow, RunSettings, agent_flow
from prompture.agents.run_record import AgentResult, RunLimits, Trace
from prompture.agents.setup import Setup, set_up
from prompture.agents.sync_runner import iterate
from prompture.agents.tools import Approve, FunctionTool, Tools, by_name, tool
from prompture.drivers.core import BaseDriver
from prompture.drivers.generate import message_of
from prompture.drivers.meter import Meter
from prompture.errors import ConfigurationError
from prompture.extraction.inputs import check_strategy, content
from prompture.extraction.model_drivers import makers
from prompture.given import half_made
from prompture.schema.source import Source, source
from prompture.spend.account import dollars_of
from prompture.spend.budget import budget_of
from prompture.types import JSON, Message, Part, Request

if TYPE_CHECKING:
    from prompture.drivers.caching import Cache

T = TypeVar("T")
# With a limit by default: a tool that hangs would hang the run, for ever.
TOOL_SECONDS = 120.0
# None is a context like any other, so it cannot stand for "not given".
_UNSET = object()
Model: TypeAlias = str | BaseDriver | None
"""``"provider/model"``, a driver, or None for the default (see ``extract``)."""
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


class RunArguments(TypedDict):
    """What a run is given besides its prompt."""

    messages: Messages
    context: object
    deadline: float | None


class Agent(Generic[T]):
    """Runs a model with tools until it gives its final answer. Threads and tasks may share one.

    Arguments:
        model: ``"provider/model"`` or a driver; None as for ``extract``.
        tools: functions (made into tools), FunctionTools, MCP servers.
        output: what the final answer must be: any schema that ``extract`` takes. Without one it
            is text.
        instructions: the system turn.
        max_steps: calls of the model in a run; ``max_tool_calls``, ``max_total_tokens``,
            ``max_usd`` and ``max_seconds`` limit the rest of what a run may use. Reaching a limit
            raises a LimitExceeded.
        deadline: seconds for a run, as for ``extract``; also an argument of ``run``. A run ends with
            TimeLimitExceeded at the sooner of it and ``max_seconds``.
        budget: a ``Budget`` (or any Meter) that watches every call, those inside tools included;
            or an amount of US dollars for all runs together.
        context: given to tools that ask for it; the model never sees it.
        approve: called before each tool call; see ``tool``.
        tool_timeout: seconds that one call of a tool without its own ``timeout`` may take.
        max_parallel: tool calls of one answer that run side by side. With 1, and no timeout, sync
            tools run in the caller's thread.
        max_retries: how often in a run an invalid final answer is asked for again.
        strategy: how the output is asked for; see ``extract``.
        options: temperature, max_tokens, top_p, seed, reasoning, timeout, prompt_cache, cache,
            parallel_tools, metadata, extra; sent only where given. ``timeout`` is seconds to connect, and between
            bytes, of each call of the model; ``max_seconds`` is for the run as a whole.

    Raises SchemaError, UnknownModel, MissingKey and other ConfigurationErrors.
    """

    @overload
    def __init__(
        self: Agent[str],
        model: Model = None,
        *,
        output: None = None,
        **options: Unpack[AgentOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: Agent[T], model: Model = None, *, output: type[T], **options: Unpack[AgentOptions]
    ) -> None: ...
    @overload
    def __init__(
        self: Agent[Any], model: Model = None, *, output: object, **options: Unpack[AgentOptions]
    ) -> None: ...
    def __init__(
        self,
        model: Model = None,
        *,
        tools: Tools = (),
        output: object = None,
        instructions: str = "",
        max_steps: int = 25,
        max_tool_calls: int | None = None,
        max_total_tokens: int | None = None,
        max_usd: Decimal | str | float | None = None,
        max_seconds: float | None = None,
        deadline: float | None = None,
        budget: Meter | Decimal | str | float | None = None,
        context: object = None,
        approve: Approve | None = None,
        tool_timeout: float | None = TOOL_SECONDS,
        max_parallel: int = 8,
        max_retries: int = 2,
        strategy: str = "auto",
        **options: Unpack[RequestOptions],
    ) -> None:
        given.count(max_retries, "max_retries", least=0)
        given.count(max_parallel, "max_parallel")
        given.seconds(tool_timeout, "tool_timeout")
        given.words(instructions, "instructions", empty=True)
        given.function(approve, "approve")
        if isinstance(model, (list, tuple)):
            raise ConfigurationError("an agent has one model, not a sequence")
        self.model = model
        self.tools: Mapping[str, FunctionTool] = by_name(tools)
        self.source: Source[Any] | None = None if output is None else source(output)
        self.instructions = instructions
        self.strategy: str = check_strategy(strategy) or "auto"
        self._settings = RunSettings(
            limits=RunLimits(
                steps=max_steps,
                tool_calls=max_tool_calls,
                tokens=max_total_tokens,
                usd=None if max_usd is None else dollars_of(max_usd, "max_usd"),
                seconds=max_seconds,
                deadline=deadline,
            ),
            now=time.monotonic,
            context=context,
            budget=None if budget is None else budget_of(budget),
            approve=approve,
            tool_timeout=tool_timeout,
            parallel=max_parallel,
            max_retries=max_retries,
        )
        self._base = _base(options)
        # By driver, not by name: two drivers of one model may have other features.
        self._setups: dict[BaseDriver, Setup[Any, Any]] = {}

    def run(
        self,
        prompt: Prompt = None,
        *,
        messages: Messages = (),
        context: object = _UNSET,
        deadline: float | None = None,
    ) -> AgentResult[T]:
        """The final answer, with all that led to it.

        ``messages`` is the conversation so far (another result's ``messages``, or dicts as
        drivers take them); without a ``prompt`` it must end in a turn that the model is to answer.

        Raises LimitExceeded, BudgetExceeded, Refused, Truncated, Invalid, ToolFailed,
        ProviderError, TransportError; each carries ``trace`` and ``bill``.
        """
        own: RunArguments = {"messages": messages, "context": context, "deadline": deadline}
        flow = self.flow(prompt, **own, asynchronous=False)
        *_, last = iterate(flow, stream=False)
        return _result(last)

    async def arun(
        self,
        prompt: Prompt = None,
        *,
        messages: Messages = (),
        context: object = _UNSET,
        deadline: float | None = None,
    ) -> AgentResult[T]:
        """``run``, awaited. When its task is cancelled, so are running async tools, and the
        CancelledError has the ``trace``."""
        own: RunArguments = {"messages": messages, "context": context, "deadline": deadline}
        flow = self.flow(prompt, **own, asynchronous=True)
        last: AgentEvent | None = None
        async for event in aiterate(flow, stream=False):
            last = event
        return _result(last)

    def stream(
        self,
        prompt: Prompt = None,
        *,
        messages: Messages = (),
        context: object = _UNSET,
        deadline: float | None = None,
    ) -> Iterator[AgentEvent]:
        """Events as they happen (see ``prompture.agents.events``); the last is Final.

        Closing the iterator ends the run. Arguments, and what is raised: see ``run``.
        """
        own: RunArguments = {"messages": messages, "context": context, "deadline": deadline}
        flow = self.flow(prompt, **own, asynchronous=False)
        return iterate(flow, stream=True)

    def astream(
        self,
        prompt: Prompt = None,
        *,
        messages: Messages = (),
        context: object = _UNSET,
        deadline: float | None = None,
    ) -> AsyncIterator[AgentEvent]:
        """``stream``, awaited."""
        own: RunArguments = {"messages": messages, "context": context, "deadline": deadline}
        flow = self.flow(prompt, **own, asynchronous=True)
        return aiterate(flow, stream=True)

    def flow(
        self,
        prompt: Prompt,
        *,
        messages: Messages = (),
        context: object = _UNSET,
        deadline: float | None = None,
        asynchronous: bool,
        on_close: Callable[[Trace], None] | None = None,
    ) -> AgentFlow[Any, AgentResult[Any]]:
        """A run as a flow, with a sync or an async driver. ``on_close``: see RunSettings."""
        history = _history(messages)
        turns = history if prompt is None else (*history, user_turn(prompt))
        if not turns or turns[-1].role == "assistant":
            raise ConfigurationError("there is nothing to answer: give a prompt")
        # At each run: a name's driver is kept per process, and a forked child makes its own.
        driver = makers(self.model, asynchronous=asynchronous)[0]()
        settings = self._settings
        if context is not _UNSET:
            settings = replace(settings, context=context)
        if on_close is not None:
            settings = replace(settings, on_close=on_close)
        if deadline is not None:
            settings = replace(settings, limits=replace(settings.limits, deadline=deadline))
        if observe.current is None:
            return agent_flow(self.setup_for(driver), settings, turns, new_from=len(history))
        output = "text" if self.source is None else "json"
        scope = observe.current.agent(driver.model, output)
        settings = replace(settings, scope=scope)
        flow = agent_flow(self.setup_for(driver), settings, turns, new_from=len(history))
        return scope.followed(flow)

    def setup_for(self, driver: BaseDriver) -> Setup[Any, Any]:
        """How this driver will be asked; made once."""
        found = self._setups.get(driver)
        # Threads may both make one: they are equal, and dict assignment is atomic.
        if found is None:
            found = self._setups[driver] = set_up(
                driver,
                tools=self.tools,
                source=self.source,
                strategy=self.strategy,
                instructions=self.instructions,
                base=self._base,
            )
        return found

    def __getstate__(self) -> JSON:
        """Pickle and copy by what was given; how each driver is asked is made again."""
        return {**self.__dict__, "_setups": {}}

    def as_tool(self, *, name: str, description: str) -> FunctionTool:
        """This agent as a tool of another one: it is given a task and gives its output.

        What it costs is on the bill of both; it has its own limits.
        """

        # What the inner run costs gets to the outer bill by the meters, also where it fails.
        def ask(task: str) -> Any:
            return self.run(task).output

        async def aask(task: str) -> Any:
            return (await self.arun(task)).output

        return replace(tool(ask, name=name, description=description), afunction=aask)

    @half_made
    def __repr__(self) -> str:
        return f"Agent({self.model!r}, tools={list(self.tools)})"


def user_turn(prompt: Prompt) -> Message:
    """The user's turn. Raises ConfigurationError for what is empty, binary or no part."""
    return Message(role="user", content=content(prompt))


def _result(last: AgentEvent | None) -> AgentResult[Any]:
    assert isinstance(last, Final)
    return last.result


def _history(messages: Messages) -> tuple[Message, ...]:
    if isinstance(messages, (str, Mapping, Message)) or not isinstance(messages, Iterable):
        kind = type(messages).__name__
        raise ConfigurationError(f"messages must be a sequence of turns, not a {kind}")
    return tuple(map(message_of, messages))


def _base(options: JSON) -> Request:
    given.refuse_settings(options)
    given.only_known(options, ("model", "output", *AgentOptions.__annotations__))
    return Request(model="", messages=(), **given.request_options(options))
