"""The loop of an agent, as a flow: ask the model, run the tools that it calls, ask again.

It does no I/O, is neither sync nor async, and is given the clock; its runners are ``sync_runner``
and ``async_runner``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Generic
from uuid import uuid4

from prompture import observe
from prompture.agents.events import (
    AgentFlow,
    CallModel,
    EmitEvent,
    ModelFallback,
    OutOfTime,
    RunTools,
    StepFinished,
)
from prompture.agents.resumption import ResumedRun, WaitingForApproval, in_tool, restore, waiting
from prompture.agents.run_file import RunIdentity
from prompture.agents.run_record import Batch, OpenStep, RunRecord, RunSettings
from prompture.agents.run_state import RunModels, RunState
from prompture.agents.setup import B, Setup
from prompture.agents.tool_call import ToolSelection
from prompture.drivers.cost import charge_of
from prompture.errors import (
    BudgetExceeded,
    DeadlineExceeded,
    Invalid,
    InvalidRequest,
    PromptureError,
    ToolArgumentsInvalid,
    ToolFailed,
    TransportError,
)
from prompture.flows.attempts import is_about_format, stop_error
from prompture.flows.run import driver_error
from prompture.money import Charge
from prompture.traces import AgentResult, Problem, ToolUse
from prompture.types import Completion, Message, ToolCall
from prompture.wire.deadline import EARLY


@dataclass(frozen=True, slots=True)
class _Ended:
    """The run's output, which may be None."""

    value: Any


def agent_flow(
    models: RunModels[B],
    settings: RunSettings,
    messages: tuple[Message, ...] = (),
    *,
    new_from: int = 0,
    resumed: ResumedRun | None = None,
) -> AgentFlow[B, AgentResult[Any]]:
    """A run of an agent over ``messages``, of which those from ``new_from`` on are this run's; or
    the rest of a run that waited for approval.

    Whatever exception ends it early has ``trace``; an error of ours also the whole bill.
    """
    if resumed is not None:
        # At the first step: a stream that nobody reads has not taken the run up.
        resumed.take()
        messages, new_from = resumed.run.messages, resumed.run.new_from
    record = RunRecord(models.setup.name, list(messages), new_from)
    run = _Run(models, settings, record)
    try:
        output = yield from run.steps() if resumed is None else run.resumed(resumed)
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
    return AgentResult(output=output, **{f.name: getattr(done, f.name) for f in fields(done)})


class _Run(Generic[B]):
    """One run."""

    def __init__(self, models: RunModels[B], settings: RunSettings, record: RunRecord) -> None:
        self.models = models
        self.settings = settings
        self.record = record
        self.state = RunState(models, record, settings.max_retries)
        self.selection = ToolSelection(settings.context, settings.approve, settings.tool_timeout)
        self.began = settings.now() - settings.spent
        self.limit = settings.limits.time
        self.identity: RunIdentity | None = None

    @property
    def setup(self) -> Setup[B, Any]:
        return self.models.setup

    def resumed(self, resumed: ResumedRun) -> AgentFlow[B, Any]:
        """Go on with the step whose calls waited for approval."""
        saved, now = resumed.run, self.settings.now()
        # Days may have passed: only the seconds that the run was at work count.
        self.began = now - saved.seconds
        self.identity = saved.identity
        step = restore(saved, self.state, self.selection, now)
        self.selection.approvals = resumed.approvals
        assert step.completion is not None
        ended = yield from self._after_answer(step, step.completion)
        self.selection.approvals = {}
        return (yield from self.steps()) if ended is None else ended.value

    def steps(self) -> AgentFlow[B, Any]:
        """Ask until there is a final answer, and return it."""
        while True:
            self._check_limits()
            step = self.record.begin_step(self.settings.now())
            completion = yield from self._ask(step)
            ended = yield from self._after_answer(step, completion)
            if ended is not None:
                return ended.value

    def _after_answer(self, step: OpenStep, completion: Completion) -> AgentFlow[B, _Ended | None]:
        """Run the tools that an answer calls, and close the step."""
        try:
            found, value = yield from self._answered(step, completion)
        except Invalid as exc:
            # After its retries, the next model may do better: in a step of its own, for this one
            # has an answer, and its tools may have run.
            if not self.models.may_follow(exc):
                self.models.explain(exc)
                raise
            seconds = self.settings.now() - step.started
            yield from self._fall_back(step, exc, seconds, step.charges, completion)
            found, value = False, None
        self.record.close_step(self.settings.now())
        yield EmitEvent(StepFinished(self.record.done[-1]))
        return _Ended(value) if found else None

    def _answered(self, step: OpenStep, completion: Completion) -> AgentFlow[B, tuple[bool, Any]]:
        setup = self.setup
        output = setup.output
        final, calls = output.calls(completion) if output else (None, completion.tool_calls)
        enders = tuple(call for call in calls if call.name in setup.enders)
        calls = tuple(call for call in calls if call.name not in setup.enders)
        uses: dict[int, ToolUse] = {}
        if calls:
            # Before the final value is read: tools that were called beside it have effects, and
            # one that fails keeps the value from being accepted.
            ending = final is not None or bool(enders)
            uses = yield from self._run_tools(step, calls, ending=ending)
        if enders:
            may_end = all(use.ok for use in uses.values())
            return (yield from self._call_enders(step, completion, enders, may_end=may_end))
        if final is not None or not (calls or completion.stop_reason == "pause"):
            return self.state.final(step, completion, final)
        if not calls:
            self.state.add_pause(step, completion)
        return False, None

    def _call_enders(
        self, step: OpenStep, completion: Completion, calls: tuple[ToolCall, ...], *, may_end: bool
    ) -> AgentFlow[B, tuple[bool, Any]]:
        """Call output functions, one after the other, until one gives the run's output."""
        if not may_end:
            yield from self._run_tools(
                step, calls, skip="Other calls failed: see their results first."
            )
            return False, None
        failed: ToolUse | None = None
        problems: tuple[Problem, ...] = ()
        for at, call in enumerate(calls):
            uses = yield from self._run_tools(step, (call,), ending=True)
            (use,) = uses.values()
            if use.ok:
                if rest := calls[at + 1 :]:
                    yield from self._run_tools(step, rest, skip="Not used.")
                return True, use.result
            if failed is None:
                failed, problems = use, self.selection.problems
        assert failed is not None
        self.state.use_retry_of(failed, problems, completion)
        return False, None

    def _ask(self, step: OpenStep) -> AgentFlow[B, Completion]:
        """Get one answer. What the provider itself rejected is asked for again; where a model
        fails before it has shown anything, the next is asked."""
        while True:
            began, paid = self.settings.now(), len(step.charges)
            completion: Completion | None = None
            step.attempts += self.models.take_failed()
            try:
                completion = yield self._model_call(step)
            except ToolArgumentsInvalid as exc:
                # Some providers (Groq) check calls themselves and refuse their own model's answer.
                # A refused answer may have been billed; the step itself is not a new one.
                if self.state.retries_left:
                    self.state.retries_left -= 1
                    self._check_use()
                    continue
                error: BaseException = exc
            except InvalidRequest as exc:
                if self.setup.looser is not None and is_about_format(exc):
                    self.models.setup = self.setup.looser()
                    self._check_use()
                    continue
                error = exc
            except OutOfTime:
                raise
            except Exception as exc:  # a driver may raise anything
                error = driver_error(exc, self.setup.driver)
            else:
                assert completion is not None
                if self.setup.calls_in_text:
                    completion = self.setup.read_prompted(completion)
                step.completion = completion
                if len(step.charges) == paid:  # a third party's driver, which calls no meters
                    step.charges.append(charge_of(completion, self.setup.driver.provider.name))
                limit = self.setup.template.max_tokens
                name = self.setup.name
                stopped = stop_error(completion, name=name, max_tokens=limit, may_pause=True)
                if stopped is None:
                    return completion
                error = stopped
            seconds = self.settings.now() - began
            yield from self._fall_back(step, error, seconds, step.charges[paid:], completion)

    def _fall_back(
        self,
        step: OpenStep,
        error: BaseException,
        seconds: float,
        charges: list[Charge],
        completion: Completion | None,
    ) -> AgentFlow[B, None]:
        """Go on with the next model. Raises the error where there is none, where the caller has
        seen some of the failed answer, and where no time is left."""
        answered = isinstance(error, Invalid)
        goes_on = answered or not step.shown
        if (
            not (goes_on and isinstance(error, PromptureError))
            or not self.models.may_follow(error)
            or self.out_of_time(EARLY)
        ):
            self.models.explain(error)
            raise error from error.__cause__
        attempt = self.state.fall_back(
            step, error, seconds=seconds, charges=charges, completion=completion
        )
        if not answered:
            # The step goes on, and its answer will be the next model's.
            step.completion = None
            try:
                self._check_use()
            except PromptureError as exc:
                self.models.explain(exc)
                raise
        yield EmitEvent(ModelFallback(attempt, self.setup.name, step.number))

    def _model_call(self, step: OpenStep) -> CallModel[B]:
        left = self._seconds_left()
        return CallModel(
            driver=self.setup.driver,
            request=self.state.request(left),
            number=step.number,
            charges=step.charges,
            budget=self.settings.budget,
            calls_in_text=self.setup.calls_in_text,
            seconds=left,
            scope=self.settings.scope,
            step=step,
            has_next=self.models.has_next,
        )

    def _run_tools(
        self,
        step: OpenStep,
        calls: tuple[ToolCall, ...],
        *,
        ending: bool = False,
        skip: str = "",
    ) -> AgentFlow[B, dict[int, ToolUse]]:
        """Run the calls, except those that have a result from before the run was saved; return all
        results by position. ``ending``: no answer need follow. ``skip`` is why none is run."""
        self.record.add_answer(step)
        known = step.uses()
        positions = step.positions(calls)
        new = [position for position in positions if position not in known]
        step.tools += new
        run = self._batch(step, new, ending=ending, skip=skip)
        if run is not None:
            # Shared with the runner: also where it is broken off, the record has what came in.
            step.batches.append(Batch(new, run.uses, run.charges, run.deferred))
            yield run
            for use in filter(None, run.uses):
                self._check_result(use)
            if run.deferred:
                raise self._waiting(step, [new[i] for i in run.deferred])
        known = step.uses()
        uses = {position: known[position] for position in positions}
        if run is not None:
            # Once for an answer, also where some of its calls waited: those results are here, too.
            self.selection.count_failures(list(uses.values()))
        return uses

    def _check_result(self, use: ToolUse) -> None:
        """Raise what ends the run, and is not for the model: BudgetExceeded from inside a tool, and
        ToolFailed where a run inside of it waits, or it has ``on_error="raise"``."""
        name, error, tool = use.call.name, use.error, self.setup.tools.get(use.call.name)
        if isinstance(error, BudgetExceeded):
            raise error
        if isinstance(error, WaitingForApproval):
            # Shown to the model as a failure, it would be called again, and its tools run twice.
            raise in_tool(name) from error
        if use.status == "failed" and error and tool and tool.on_error == "raise":
            kind = type(error).__name__
            raise ToolFailed(f"tool {name!r} raised {kind}", tool=name) from error

    def _batch(
        self, step: OpenStep, positions: list[int], *, ending: bool, skip: str
    ) -> RunTools | None:
        if not positions:
            return None
        calls = [step.calls[position] for position in positions]
        is_ender = calls[0].name in self.setup.enders
        if not is_ender and not step.is_restored:
            if not ending:
                # Where no further answer may follow, nobody would see the results: do not run the
                # tools for their side effects alone.
                self._check_limits()
            self.settings.limits.check_calls(self.selection.calls_made, len(calls))
            self.selection.calls_made += len(calls)
        selected = self.selection.select(self.setup, calls, self.record, step, positions)
        if skip:
            selected = tuple(
                replace(each, settled=each.result("not_run", skip)) for each in selected
            )
        return RunTools(
            calls=selected,
            number=step.number,
            parallel=self.settings.parallel,
            budget=self.settings.budget,
            seconds=self._seconds_left(),
            uses=[None] * len(selected),
            charges=tuple([] for _ in selected),
            scope=self.settings.scope,
        )

    def _waiting(self, step: OpenStep, positions: list[int]) -> WaitingForApproval:
        """The error that ends the run until its calls are approved, with the run as it stands."""
        if self.identity is None:
            self.identity = RunIdentity(run_id=uuid4().hex, agent=self.settings.identity())
        else:
            self.identity = replace(self.identity, part=self.identity.part + 1)
        now, identity = self.settings.now(), self.identity
        error = waiting(
            self.state, self.selection, step, positions, identity, now=now, began=self.began
        )
        for position in positions:
            step.settle(position, "waiting", "The call was not run: it waits for approval.")
            name = step.calls[position].name
            observe.note("approval", "a call of %(tool)s waits for approval", tool=name)
        return error

    def _check_limits(self) -> None:
        self._check_use()
        self.settings.limits.check_steps(self.record.steps_taken)

    def _check_use(self) -> None:
        """Raise where the time, the tokens or the dollars are used up."""
        if self.out_of_time():
            raise self.settings.limits.out_of_time()
        if self.settings.limits.of_spending:
            self.settings.limits.check_spent(self.record.charges())

    def out_of_time(self, early: float = 0.0) -> bool:
        left = self._seconds_left()
        return left is not None and left <= early

    def _seconds_left(self) -> float | None:
        return None if self.limit is None else self.began + self.limit - self.settings.now()
