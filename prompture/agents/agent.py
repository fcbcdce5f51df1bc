"""Agent: a model, tools and a goal, configured once and run sync or async."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Generic, TypeVar, Unpack, overload

from prompture import given, observe
from prompture.agents.agent_options import (
    AgentOptions,
    Messages,
    Models,
    Prompt,
    RequestOptions,
    ResumeOptions,
    RunArguments,
    base_request,
    turns_of,
    user_turn,
)
from prompture.agents.async_runner import aiterate, arun_flow
from prompture.agents.events import AgentEvent, AgentFlow
from prompture.agents.loop import agent_flow
from prompture.agents.resumption import (
    Approvals,
    ReadRun,
    Saved,
    check_identity,
    decided,
    identity_of,
    read_saved,
)
from prompture.agents.run_record import RunLimits, RunSettings
from prompture.agents.run_state import RunModels
from prompture.agents.setup import Setup, output_of, set_up
from prompture.agents.sync_runner import iterate, run_flow
from prompture.agents.tools import (
    Approve,
    FunctionTool,
    Tools,
    by_name,
    check_approve,
    is_async,
    tool,
)
from prompture.drivers.core import BaseDriver
from prompture.drivers.meter import Meter
from prompture.errors import ConfigurationError
from prompture.extraction.inputs import check_strategy
from prompture.extraction.model_drivers import Cascade, listed, makers
from prompture.given import half_made
from prompture.spend.account import dollars_of
from prompture.spend.budget import budget_of
from prompture.traces import AgentResult, Trace
from prompture.types import JSON

T = TypeVar("T")
# With a limit by default: a tool that hangs would hang the run, for ever.
TOOL_SECONDS = 120.0
MAX_PARALLEL = 8
MAX_RETRIES = 2
# None is a context like any other, so it cannot stand for "not given".
_UNSET = object()


class Agent(Generic[T]):
    """Runs a model with tools until it gives its final answer. Threads and tasks may share one.

    Arguments:
        model: ``"provider/model"`` or a driver; None as for ``extract``. Of several, each run begins
            with the first, and goes on with the next where one fails before it has shown anything.
        tools: functions (made into tools), FunctionTools, MCP servers.
        output: what the final answer must be: any schema that ``extract`` takes; a function, which
            the model calls with its answer and whose value is the output; or a list of functions,
            with a schema or ``str`` among them. Without one it is text.
        instructions: the system turn.
        max_steps: calls of the model in a run; ``max_tool_calls``, ``max_total_tokens``,
            ``max_usd`` and ``max_seconds`` limit the rest of what a run may use. Reaching a limit
            raises a LimitExceeded.
        deadline: seconds for a run, as for ``extract``; also an argument of ``run``. A run ends with
            TimeLimitExceeded at the sooner of it and ``max_seconds``.
        budget: a ``Budget`` (or any Meter) that watches every call, those inside tools included;
            or an amount of US dollars for all runs together.
        context: given to tools that ask for it; the model never sees it.
        approve: called before each tool call; see ``tool``. Where it gives ``LATER``, or is LATER, the
            run ends with WaitingForApproval, and ``resume`` goes on with it.
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
        model: Models = None,
        *,
        output: None = None,
        **options: Unpack[AgentOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: Agent[T], model: Models = None, *, output: type[T], **options: Unpack[AgentOptions]
    ) -> None: ...
    @overload
    def __init__(
        self: Agent[T],
        model: Models = None,
        *,
        output: Callable[..., Coroutine[Any, Any, T]],
        **options: Unpack[AgentOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: Agent[T],
        model: Models = None,
        *,
        output: Callable[..., T],
        **options: Unpack[AgentOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: Agent[Any], model: Models = None, *, output: object, **options: Unpack[AgentOptions]
    ) -> None: ...
    def __init__(
        self,
        model: Models = None,
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
        max_parallel: int = MAX_PARALLEL,
        max_retries: int = MAX_RETRIES,
        strategy: str = "auto",
        **options: Unpack[RequestOptions],
    ) -> None:
        # None is "not given", as for extract.
        retries = given.count(max_retries, "max_retries", least=0)
        parallel = given.count(max_parallel, "max_parallel")
        given.seconds(tool_timeout, "tool_timeout")
        given.words(instructions, "instructions", empty=True)
        check_approve(approve, "approve")
        if model is not None:
            listed(model)
        self.model = model
        self.tools: Mapping[str, FunctionTool] = by_name(tools)
        self.output = output_of(output, self.tools)
        self.instructions = instructions or ""
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
            parallel=MAX_PARALLEL if parallel is None else parallel,
            max_retries=MAX_RETRIES if retries is None else retries,
            identity=self._identity,
        )
        every = (*self.tools.values(), *self.output.functions.values())
        approvers = (approve, *(each.approve for each in every))
        self._approves_async = any(map(is_async, approvers))
        self._base = base_request(options)
        # By driver, not by name: two drivers of one model may have other features.
        self._setups: dict[BaseDriver, Setup[Any, Any]] = {}

    def run(self, prompt: Prompt = None, **options: Unpack[RunArguments]) -> AgentResult[T]:
        """The final answer, with all that led to it.

        ``messages`` is the conversation so far (another result's ``messages``, or dicts as
        drivers take them); without a ``prompt`` it must end in a turn that the model is to answer.
        ``context`` and ``deadline`` are instead of the agent's own.

        Raises LimitExceeded, BudgetExceeded, Refused, Truncated, Invalid, ToolFailed,
        ProviderError, TransportError; each carries ``trace`` and ``bill``.
        """
        return run_flow(self.flow(prompt, **options, asynchronous=False))

    async def arun(self, prompt: Prompt = None, **options: Unpack[RunArguments]) -> AgentResult[T]:
        """``run``, awaited. When its task is cancelled, so are running async tools, and the
        CancelledError has the ``trace``."""
        return await arun_flow(self.flow(prompt, **options, asynchronous=True))

    def stream(
        self, prompt: Prompt = None, **options: Unpack[RunArguments]
    ) -> Iterator[AgentEvent]:
        """Events as they happen (see ``prompture.agents.events``); the last is Final.

        Closing the iterator ends the run. Arguments, and what is raised: see ``run``.
        """
        flow = self.flow(prompt, **options, asynchronous=False)
        return iterate(flow, stream=True)

    def astream(
        self, prompt: Prompt = None, **options: Unpack[RunArguments]
    ) -> AsyncIterator[AgentEvent]:
        """``stream``, awaited."""
        flow = self.flow(prompt, **options, asynchronous=True)
        return aiterate(flow, stream=True)

    def resume(
        self, saved: Saved, approvals: Approvals, **options: Unpack[ResumeOptions]
    ) -> AgentResult[T]:
        """Go on with a run that ended with WaitingForApproval, perhaps in another process.

        Arguments:
            saved: the error, its JSON text, or the path of its file. A file is renamed to
                ``*.resumed`` when the run is taken up.
            approvals: by the id of a call, True, False, a reason against it as text, or a dict of
                other arguments to run it with. Calls that are not named go on waiting.
            options: ``context`` and ``deadline`` as for ``run``; ``key`` that the run was signed
                with; ``again`` to resume once more; ``allow_changes`` for a run of another agent.

        Tools that ran already are not run again; what the run has cost is on the bill. Raises
        ConfigurationError for a run that was changed, is of another agent or was resumed already,
        and what ``run`` raises.
        """
        return run_flow(self.resumed_flow(saved, approvals, options, asynchronous=False))

    async def aresume(
        self, saved: Saved, approvals: Approvals, **options: Unpack[ResumeOptions]
    ) -> AgentResult[T]:
        """``resume``, awaited."""
        return await arun_flow(self.resumed_flow(saved, approvals, options, asynchronous=True))

    def resume_stream(
        self, saved: Saved, approvals: Approvals, **options: Unpack[ResumeOptions]
    ) -> Iterator[AgentEvent]:
        """``resume``, with events as they happen; the last is Final."""
        return iterate(
            self.resumed_flow(saved, approvals, options, asynchronous=False), stream=True
        )

    def aresume_stream(
        self, saved: Saved, approvals: Approvals, **options: Unpack[ResumeOptions]
    ) -> AsyncIterator[AgentEvent]:
        """``resume_stream``, awaited."""
        return aiterate(
            self.resumed_flow(saved, approvals, options, asynchronous=True), stream=True
        )

    def resumed_flow(
        self,
        saved: Saved | ReadRun,
        approvals: Approvals,
        options: ResumeOptions,
        *,
        asynchronous: bool,
        on_close: Callable[[Trace], None] | None = None,
    ) -> AgentFlow[Any, AgentResult[Any]]:
        """The rest of a run as a flow; all is checked before its first step."""
        given.only_known(options, tuple(ResumeOptions.__annotations__))
        again = given.flag(options.get("again"), "again")
        found = saved if isinstance(saved, ReadRun) else read_saved(saved, options.get("key"))
        run = found.run
        if not given.flag(options.get("allow_changes"), "allow_changes"):
            check_identity(run.identity.agent, self._identity())
        every = {**self.tools, **self.output.functions}
        resumed = decided(found, approvals, every, again=bool(again))
        models = self._models(asynchronous=asynchronous, at=run.model_at)
        models.loosen_to(run.strategy)
        context, deadline = options.get("context", _UNSET), options.get("deadline")
        settings = self._settings_for(context, deadline, models, on_close, before=run.seconds)
        flow = agent_flow(models, settings, resumed=resumed)
        return flow if settings.scope is None else settings.scope.followed(flow)

    def _identity(self) -> JSON:
        return identity_of(self.model, self.instructions, self.tools, self.output)

    def flow(
        self,
        prompt: Prompt,
        *,
        messages: Messages = (),
        context: object = _UNSET,
        deadline: float | None = None,
        asynchronous: bool,
        on_close: Callable[[Trace], None] | None = None,
        spent: float = 0.0,
    ) -> AgentFlow[Any, AgentResult[Any]]:
        """A run as a flow, with a sync or an async driver. ``on_close``, ``spent``: see
        RunSettings."""
        history = turns_of(messages)
        turns = history if prompt is None else (*history, user_turn(prompt))
        if not turns or turns[-1].role == "assistant":
            raise ConfigurationError("there is nothing to answer: give a prompt")
        models = self._models(asynchronous=asynchronous)
        settings = self._settings_for(context, deadline, models, on_close)
        if spent:
            settings = replace(settings, spent=spent)
        flow = agent_flow(models, settings, turns, new_from=len(history))
        return flow if settings.scope is None else settings.scope.followed(flow)

    def _models(self, *, asynchronous: bool, at: int = 0) -> RunModels[BaseDriver]:
        """The models of a run, beginning with one of them."""
        self.check_colour(asynchronous=asynchronous)
        # At each run: a name's driver is kept per process, and a forked child makes its own.
        found = makers(self.model, asynchronous=asynchronous)
        policy = self.model.escalate_on if isinstance(self.model, Cascade) else None
        return RunModels(found, self.setup_for, policy=policy, at=min(at, len(found) - 1))

    def check_colour(self, *, asynchronous: bool) -> None:
        """Raise ConfigurationError where an approver cannot be asked in a run of this colour."""
        # Before anything is paid for.
        if self._approves_async and not asynchronous:
            raise ConfigurationError("approve is a coroutine function: use arun or astream")

    @property
    def seconds(self) -> float | None:
        """What a run may take; None for no limit."""
        return self._settings.limits.time

    def _settings_for(
        self,
        context: object,
        deadline: float | None,
        models: RunModels[BaseDriver],
        on_close: Callable[[Trace], None] | None,
        before: float = 0.0,
    ) -> RunSettings:
        settings = replace(self._settings, on_close=on_close) if on_close else self._settings
        if deadline is not None:
            limits = replace(settings.limits, deadline=deadline, before=before)
            settings = replace(settings, limits=limits)
        if context is not _UNSET:
            settings = replace(settings, context=context)
        tracing = observe.current
        if tracing is None:
            return settings
        kind = "text" if self.output.source is None else "json"
        driver = models.setup.driver
        scope = tracing.agent(driver.provider.name, driver.model, kind)
        return replace(settings, scope=scope)

    def setup_for(self, driver: BaseDriver) -> Setup[Any, Any]:
        """How this driver will be asked; made once."""
        found = self._setups.get(driver)
        # Threads may both make one: they are equal, and dict assignment is atomic.
        if found is None:
            found = self._setups[driver] = set_up(
                driver,
                tools=self.tools,
                output=self.output,
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
