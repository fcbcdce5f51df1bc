"""The loop of an agent, as a flow: ask the model, run the tools that it calls, ask again.

First what it asks of its runner, then the loop. It does no I/O, is neither sync nor async, and is given the clock; its runners are ``sync_runner``
and ``async_runner``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeAlias, TypeVar

from prompture.agents.events import StepFinished
from prompture.agents.run_record import (
    AgentResult,
    OpenStep,
    RunLimits,
    RunRecord,
    Status,
    ToolUse,
    Trace,
)
from prompture.agents.setup import B, FinalOutput, Setup
from prompture.agents.tool_call import PendingToolCall, ToolSelection
from prompture.agents.tools import Approve
from prompture.codecs.prompted import prompted_request, read_calls
from prompture.drivers.cost import charge_of
from prompture.drivers.meter import Meter
from prompture.errors import (
    DeadlineExceeded,
    Invalid,
    InvalidRequest,
    ToolArgumentsInvalid,
    TransportError,
)
from prompture.extraction.result import cause_of, with_rest
from prompture.flows.attempts import complaint, is_about_format, stop_error
from prompture.flows.run import D, D_co, driver_error
from prompture.money import Charge
from prompture.observe import WorkSpan
from prompture.schema.problems import InvalidValue
from prompture.types import Completion, Message, Native, Request, ToolCall
from prompture.wire.deadline import EARLY

T = TypeVar("T")
_IN_TEXT = "calls_in_text"
"""The dialect of prompted calls: its native items must not go to the provider's own codec."""


class OutOfTime(Exception):
    """Thrown into the flow where a step took longer than the run had left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallModel(Generic[D_co]):
    """Call the driver, which is of the runner's kind (sync or async). The flow is sent the Completion, or thrown what the call raised.

    The runner appends every charge to ``charges``. ``budget`` watches the call. ``calls_in_text``:
    the answer's text may hold tool calls, which are not shown as text. ``seconds`` are left of the
    run. A ``quiet`` call makes no events.
    """

    driver: D_co
    request: Request
    number: int
    charges: list[Charge]
    budget: Meter | None = None
    calls_in_text: bool = False
    seconds: float | None = None
    quiet: bool = False
    scope: WorkSpan | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTools:
    """Run the calls side by side, at most ``parallel`` at a time. The flow is sent None.

    The runner puts the results into ``uses``, and the charges of the model calls that the tools
    make into ``charges``: both in the order of ``calls``, and also for calls that are broken off.
    """

    calls: tuple[PendingToolCall, ...]
    number: int
    parallel: int
    budget: Meter | None = None
    seconds: float | None = None
    uses: list[ToolUse | None]
    charges: tuple[list[Charge], ...]
    scope: WorkSpan | None = None


@dataclass(frozen=True, slots=True)
class EmitEvent:
    """Yield an event to the caller. The flow is sent None."""

    event: StepFinished


AgentFlow: TypeAlias = Generator[CallModel[D] | RunTools | EmitEvent, Completion | None, T]
"""``AgentFlow[Generates, T]`` for sync drivers, ``AgentFlow[GeneratesAsync, T]`` for async ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """What a run is given besides the driver and the messages.

    ``now`` is the clock, in seconds. ``tool_timeout`` is seconds for one call of a tool.
    ``on_close`` is given the trace of a run that the caller leaves. ``scope`` is the run's span.
    """

    limits: RunLimits
    now: Callable[[], float]
    context: object = None
    budget: Meter | None = None
    approve: Approve | None = None
    tool_timeout: float | None = None
    parallel: int = 8
    max_retries: int = 2
    on_close: Callable[[Trace], None] | None = None
    scope: WorkSpan | None = None


def agent_flow(
    setup: Setup[B, T], settings: RunSettings, messages: tuple[Message, ...], *, new_from: int = 0
) -> AgentFlow[B, AgentResult[Any]]:
    """A run of an agent over ``messages``, of which those from ``new_from`` on are this run's.

    Whatever exception ends it early has ``trace``; an error of ours also the whole bill.
    """
    record = RunRecord(setup.name, list(messages), new_from)
    run = _Run(setup, settings, record)
    try:
        output = yield from run.steps()
    except GeneratorExit:
        # No exception of a generator gets out of its close(), so the trace goes another way: what
        # was spent by now is on somebody's bill.
        if settings.on_close is not None:
            record.close_step(settings.now(), error="GeneratorExit")
            settings.on_close(record.trace())
        raise
    except (OutOfTime, TransportError) as exc:
        # The deadline cuts off a read; the time that is up is then the reason, not the network.
        early = EARLY if isinstance(exc, DeadlineExceeded) else 0.0
        if isinstance(exc, TransportError) and not run.out_of_time(early):
            record.attach_to(exc, settings.now())
            raise
        error = settings.limits.out_of_time()
        record.attach_to(error, settings.now())
        raise error from exc
    except BaseException as exc:  # whatever ends a run gets its trace and bill
        record.attach_to(exc, settings.now())
        raise
    done = record.trace()
    return AgentResult(
        output=output,
        model=done.model,
        messages=done.messages,
        steps=done.steps,
        new_from=new_from,
    )


class _Run(Generic[B, T]):
    """One run. ``text_so_far`` is the text of answers that paused; ``forced_tool`` is the name of
    the tool that the next answer must call, ``""`` for none."""

    def __init__(self, setup: Setup[B, T], settings: RunSettings, record: RunRecord) -> None:
        self.setup = setup
        self.settings = settings
        self.record = record
        self.selection = ToolSelection(settings.context, settings.approve, settings.tool_timeout)
        self.forced_tool = ""
        self.text_so_far = ""
        # A driver that computes its answer (local/rules) would give the same one again.
        self.retries_left = settings.max_retries if setup.driver.features.reasks else 0
        self.has_no_tools = not setup.driver.features.tool_use
        seconds = settings.limits.time
        self.deadline = None if seconds is None else settings.now() + seconds

    def steps(self) -> AgentFlow[B, Any]:
        """Ask until there is a final answer, and return it."""
        while True:
            self._check_limits()
            step = self.record.begin_step(self.settings.now())
            completion = yield from self._ask(step)
            limit = self.setup.template.max_tokens
            error = stop_error(completion, name=self.setup.name, max_tokens=limit, may_pause=True)
            if error:
                raise error
            output = self.setup.output
            final, calls = output.calls(completion) if output else (None, completion.tool_calls)
            if calls:
                # Before the final value is read: tools that were called beside it have effects, and
                # one that fails keeps the value from being accepted.
                yield from self._run_tools(step, calls, ending=final is not None)
            found, value = False, None
            if final is not None or not (calls or completion.stop_reason == "pause"):
                found, value = self._final(step, completion, final)
            elif not calls:
                # A pause (Anthropic's pause_turn): the turn goes back as it is, and goes on.
                self.text_so_far += completion.text
                self._add_answer(step, completion)
            self.record.close_step(self.settings.now())
            yield EmitEvent(StepFinished(self.record.done[-1]))
            if found:
                return value

    def _ask(self, step: OpenStep) -> AgentFlow[B, Completion]:
        """Get one answer. What the provider itself rejected is asked for again."""
        while True:
            try:
                completion = yield self._model_call(step)
            except ToolArgumentsInvalid:
                # Some providers (Groq) check calls themselves and refuse their own model's answer.
                if not self.retries_left:
                    raise
                self.retries_left -= 1
                # A refused answer may have been billed; the step itself is not a new one.
                self._check_use()
                continue
            except InvalidRequest as exc:
                if self.setup.looser is None or not is_about_format(exc):
                    raise
                self.setup = self.setup.looser()
                self._check_use()
                continue
            except OutOfTime:
                raise
            except Exception as exc:  # a driver may raise anything
                error = driver_error(exc, self.setup.driver)
                raise error from error.__cause__
            assert completion is not None
            step.completion = completion = self._read(completion)
            if not step.charges:  # a third party's driver, which calls no meters
                step.charges.append(charge_of(completion, self.setup.driver.provider.name))
            return completion

    def _model_call(self, step: OpenStep) -> CallModel[B]:
        left = self._seconds_left()
        return CallModel(
            driver=self.setup.driver,
            request=self._request(left),
            number=step.number,
            charges=step.charges,
            budget=self.settings.budget,
            calls_in_text=self.setup.calls_in_text,
            seconds=left,
            scope=self.settings.scope,
        )

    def _request(self, left: float | None) -> Request:
        template = self.setup.template
        request = replace(template, messages=(*template.messages, *self.record.messages))
        if self.forced_tool:
            request = replace(request, tool_choice=self.forced_tool)
        if left is not None:
            # 0 would mean no timeout to some transports, hence the millisecond.
            usual = request.timeout or getattr(self.setup.driver, "timeout", None) or left
            request = replace(request, timeout=max(min(usual, left), 0.001))
        if self.setup.calls_in_text or (self.has_no_tools and _has_calls(request)):
            request = prompted_request(request, dialect=_IN_TEXT)
        return request

    def _read(self, completion: Completion) -> Completion:
        if not self.setup.calls_in_text:
            return completion
        if completion.native is not None:
            # The provider's item holds the calls as text; beside the calls that are read from it
            # they would be there twice. Wrapped, no codec echoes it.
            completion = replace(completion, native=Native(_IN_TEXT, completion.native))
        return completion if completion.tool_calls else read_calls(completion)

    def _run_tools(
        self, step: OpenStep, calls: tuple[ToolCall, ...], *, ending: bool
    ) -> AgentFlow[B, None]:
        step.send_to_tools(calls)
        self.record.add_answer(step)
        if not ending:
            # Where no further answer may follow, nobody would see the results: do not run the
            # tools for their side effects alone.
            self._check_limits()
        self.settings.limits.check_calls(self.selection.calls_made, len(calls))
        pending = self.selection.select(self.setup, calls, self.record, step)
        run = RunTools(
            calls=pending,
            number=step.number,
            parallel=self.settings.parallel,
            budget=self.settings.budget,
            seconds=self._seconds_left(),
            uses=[None] * len(pending),
            charges=tuple([] for _ in pending),
            scope=self.settings.scope,
        )
        # Shared with the runner: also where it is broken off, the record has what came in by then.
        step.uses, step.tool_charges = run.uses, run.charges
        yield run
        self.selection.check_results(self.setup, [use for use in run.uses if use is not None])

    def _final(
        self, step: OpenStep, completion: Completion, call: ToolCall | None
    ) -> tuple[bool, Any]:
        """Return whether the answer is final, and its value."""
        output = self.setup.output
        if output is None:
            self._add_answer(step, completion)
            return True, self.text_so_far + completion.text
        if call is None:
            return self._final_text(step, completion, output)
        if not step.all_ok():
            self._settle_output(
                step, call, "not_run", "Other calls failed: see their results first."
            )
            return False, None
        try:
            value = output.read(completion, call).value
        except InvalidValue as exc:
            self._use_retry(exc, replace(completion, tool_calls=(call,)), output)
            self._settle_output(step, call, "invalid", complaint(exc.problems, final=True))
            return False, None
        self._settle_output(step, call, "ok", "Accepted.")
        return True, value

    def _final_text(
        self, step: OpenStep, completion: Completion, output: FinalOutput[T]
    ) -> tuple[bool, Any]:
        whole = replace(completion, text=self.text_so_far + completion.text)
        try:
            value = output.read(whole, None).value
        except InvalidValue as exc:
            self._use_retry(exc, whole, output)
            self.text_so_far = ""  # what was refused does not begin the next answer
            self._add_answer(step, completion)
            # Some models do not think when a tool is forced, or refuse to be.
            can_force = self.setup.driver.features.forced_tool and not self.setup.template.reasoning
            if output.tool and can_force:
                self.forced_tool = output.tool.name
            self.record.messages.append(
                Message(role="user", content=complaint(exc.problems, final=True))
            )
            return False, None
        self._add_answer(step, completion)
        return True, value

    def _use_retry(self, error: InvalidValue, answer: Completion, output: FinalOutput[T]) -> None:
        """Use one of the retries. Raise Invalid, with the answer on it, where none is left."""
        if self.retries_left:
            self.retries_left -= 1
            return
        shown = "; ".join(str(p) for p in error.problems[:5])
        message = f"{self.setup.name} gave no valid final answer: {shown}"
        failure = Invalid(message, problems=error.problems)
        with_rest(failure, answer, plan=output.plan, source=output.source)
        raise failure from cause_of(error)

    def _add_answer(self, step: OpenStep, completion: Completion) -> None:
        """Put an answer into the history, except an empty one: most providers refuse such turns."""
        if completion.text.strip() or completion.native or completion.reasoning:
            self.record.add_answer(step)

    def _settle_output(self, step: OpenStep, call: ToolCall, status: Status, content: str) -> None:
        """Set the result of the call that gives the final value, and of others of its tool."""
        self.record.add_answer(step)
        for position, each in enumerate(step.calls):
            if each is call:
                step.settle(position, status, content)
            elif position not in step.tools:
                step.settle(position, "not_run", "Not used.")

    def _check_limits(self) -> None:
        self._check_use()
        self.settings.limits.check_steps(self.record.steps_taken)

    def _check_use(self) -> None:
        """Raise where the time, the tokens or the dollars are used up."""
        if self.out_of_time():
            raise self.settings.limits.out_of_time()
        self.settings.limits.check_spent(self.record.charges())

    def out_of_time(self, early: float = 0.0) -> bool:
        left = self._seconds_left()
        return left is not None and left <= early

    def _seconds_left(self) -> float | None:
        return None if self.deadline is None else self.deadline - self.settings.now()


def _has_calls(request: Request) -> bool:
    return any(turn.calls or turn.role == "tool" for turn in request.messages)
