"""The loop of an agent, as a flow: ask, run the tools that the model calls, ask again.

It does no I/O and has no colour; its runners are in ``run``. The clock is given to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from prompture.agents.context import Context
from prompture.agents.events import StepFinished
from prompture.agents.jobs import Job, job_of
from prompture.agents.limits import Limits
from prompture.agents.output import blames_format, complaint
from prompture.agents.setup import Setup
from prompture.agents.steps import AgentFlow, AskModel, OutOfTime, RunTools, Tell
from prompture.agents.tools import Approve
from prompture.agents.trace import AgentResult, Step, ToolUse, Trace
from prompture.codecs.prompted import prompted_request, read_calls
from prompture.drivers.core import charge_of
from prompture.drivers.meter import Meter
from prompture.errors import (
    BudgetExceeded,
    Invalid,
    InvalidRequest,
    LimitExceeded,
    PromptureError,
    ProtocolError,
    Refused,
    ToolArgumentsInvalid,
    ToolFailed,
    TransportError,
    Truncated,
)
from prompture.money import Bill, Charge
from prompture.schema.check import InvalidValue
from prompture.types import Completion, Message, Native, Request, ToolCall

T = TypeVar("T")
_IN_TEXT = "calls_in_text"
MAX_CALLS = 128
"""Tool calls of one answer that are run."""
_NOT_RUN = "The call was not run: the run ended."


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a run is given besides the driver and the messages. ``now`` gives seconds."""

    limits: Limits
    now: Callable[[], float]
    context: Any = None
    budget: Meter | None = None
    approve: Approve | None = None
    tool_timeout: float | None = None
    parallel: int = 8
    max_retries: int = 2


@dataclass(slots=True)
class _Open:
    """The step under way. ``answers`` are the ends of its calls, in the order of the calls."""

    number: int
    started: float
    charges: list[Charge] = field(default_factory=list)
    completion: Completion | None = None
    answers: list[ToolUse | None] = field(default_factory=list)
    run: RunTools | None = None
    places: list[int] = field(default_factory=list)


def agent_flow(
    setup: Setup[T], settings: Settings, messages: tuple[Message, ...], *, new_from: int = 0
) -> AgentFlow[AgentResult[Any]]:
    """A run of an agent over ``messages``, of which those from ``new_from`` on are this run's.

    Whatever ends it early carries ``trace``; an error of ours also the whole bill.
    """
    run = _Run(setup, settings, list(messages), new_from)
    try:
        output = yield from run.steps()
    except GeneratorExit:
        raise
    except (OutOfTime, TransportError) as exc:
        if isinstance(exc, TransportError) and not run.is_out_of_time():
            run.carry(exc)
            raise
        error = settings.limits.out_of_time()
        run.carry(error)
        raise error from exc
    except BaseException as exc:
        run.carry(exc)
        raise
    done = run.trace()
    return AgentResult(
        output=output,
        model=done.model,
        messages=done.messages,
        steps=done.steps,
        new_from=new_from,
    )


class _Run(Generic[T]):
    def __init__(
        self, setup: Setup[T], settings: Settings, messages: list[Message], new_from: int
    ) -> None:
        self.setup = setup
        self.settings = settings
        self.messages = messages
        self.new_from = new_from
        self.done: list[Step] = []
        self.charges: list[Charge] = []
        self.open: _Open | None = None
        self.failures: dict[str, int] = {}
        self.calls_made = 0
        self.force = ""
        self.retries_left = settings.max_retries if setup.driver.features.reasks else 0
        self.said = ""
        self.deadline = (
            None if settings.limits.seconds is None else settings.now() + settings.limits.seconds
        )

    def steps(self) -> AgentFlow[Any]:
        """Ask and answer until there is a final answer; that is returned."""
        while True:
            self._check_limits()
            completion = yield from self._ask()
            _raise_if_stopped(completion, self.setup)
            final, calls = self._calls_of(completion)
            if calls:
                yield from self._run_tools(completion, calls, ending=final is not None)
            if final is not None or not (calls or completion.stop_reason == "pause"):
                found, value = self._final(completion, final, all_ok=self._all_ok())
                yield from self._finish_step()
                if found:
                    return value
                continue
            if completion.stop_reason == "pause" and not calls:
                self.said += completion.text
                if completion.text or completion.native:
                    self.messages.append(completion.message())
            yield from self._finish_step()

    def _ask(self) -> AgentFlow[Completion]:
        """One answer. What the provider itself rejected is asked for again."""
        self.open = step = _Open(len(self.done) + 1, self.settings.now())
        while True:
            try:
                completion = yield self._question(step)
            except ToolArgumentsInvalid:
                if not self.retries_left:
                    raise
                self.retries_left -= 1
                continue
            except InvalidRequest as exc:
                if self.setup.looser is None or not blames_format(exc):
                    raise
                self.setup = self.setup.looser()
                continue
            assert completion is not None
            step.completion = completion = self._read(completion)
            if not step.charges:  # a driver of somebody else's, which tells no meter
                step.charges.append(charge_of(completion, self.setup.driver.provider.name))
            return completion

    def _question(self, step: _Open) -> AskModel:
        left = self._seconds_left()
        return AskModel(
            driver=self.setup.driver,
            request=self._request(left),
            number=step.number,
            charges=step.charges,
            budget=self.settings.budget,
            calls_in_text=self.setup.calls_in_text,
            seconds=left,
        )

    def _request(self, left: float | None) -> Request:
        template = self.setup.template
        request = replace(template, messages=(*template.messages, *self.messages))
        if self.force:
            request = replace(request, tool_choice=self.force)
        if left is not None:
            usual = request.timeout or getattr(self.setup.driver, "timeout", None) or left
            request = replace(request, timeout=max(min(usual, left), 0.001))
        if self.setup.calls_in_text:
            request = prompted_request(request, dialect=_IN_TEXT)
        return request

    def _read(self, completion: Completion) -> Completion:
        if not self.setup.calls_in_text:
            return completion
        if completion.native is not None:
            completion = replace(completion, native=Native(_IN_TEXT, completion.native))
        return completion if completion.tool_calls else read_calls(completion)

    def _calls_of(self, completion: Completion) -> tuple[ToolCall | None, tuple[ToolCall, ...]]:
        if self.setup.output is None:
            return None, completion.tool_calls
        return self.setup.output.calls(completion)

    def _run_tools(
        self, completion: Completion, calls: tuple[ToolCall, ...], *, ending: bool
    ) -> AgentFlow[None]:
        step = self.open
        assert step is not None
        step.answers = [None] * len(completion.tool_calls)
        wanted = set(map(id, calls))
        step.places = [i for i, c in enumerate(completion.tool_calls) if id(c) in wanted]
        self.messages.append(completion.message())
        if not ending:
            # Results that no answer could follow are not worth the effects of getting them.
            self._check_limits()
        self.settings.limits.check_calls(self.calls_made, len(calls))
        self.calls_made += len(calls)
        history, bill = tuple(self.messages), self._bill()
        jobs = tuple(self._job(call, n, history, bill) for n, call in enumerate(calls))
        step.run = RunTools(
            jobs=jobs,
            number=step.number,
            parallel=self.settings.parallel,
            budget=self.settings.budget,
            seconds=self._seconds_left(),
            uses=[None] * len(jobs),
        )
        yield step.run
        uses = [use for use in step.run.uses if use is not None]
        self._count_failures(uses)
        for use in uses:
            self._raise_if_fatal(use)

    def _job(self, call: ToolCall, place: int, history: tuple[Message, ...], bill: Bill) -> Job:
        job = job_of(
            call,
            self.setup.tools,
            restore=self.setup.restore,
            context=Context(
                value=self.settings.context,
                call=call,
                step=self.open.number if self.open else 0,
                messages=history,
                bill=bill,
            ),
            approve=self.settings.approve,
            timeout=self.settings.tool_timeout,
        )
        if place >= MAX_CALLS:
            content = f"Only {MAX_CALLS} calls of one answer are run."
            return replace(job, settled=job.use("not_run", content))
        failed = self.failures.get(call.name, 0)
        if job.settled is None and job.tool is not None and failed > job.tool.retries:
            content = f"{call.name} failed {failed} times in a row. Go on without it."
            return replace(job, settled=job.use("not_run", content))
        return job

    def _count_failures(self, uses: list[ToolUse]) -> None:
        """A tool's failures in a row count by steps: calls side by side fail together."""
        for name in {use.call.name for use in uses}:
            mine = [use for use in uses if use.call.name == name]
            if any(use.ok for use in mine):
                self.failures[name] = 0
            elif any(use.status != "not_run" for use in mine):
                self.failures[name] = self.failures.get(name, 0) + 1

    def _raise_if_fatal(self, use: ToolUse) -> None:
        if isinstance(use.error, BudgetExceeded):
            raise use.error
        tool = self.setup.tools.get(use.call.name)
        if use.status == "failed" and use.error and tool and tool.on_error == "raise":
            kind = type(use.error).__name__
            raise ToolFailed(f"tool {tool.name!r} raised {kind}", tool=tool.name) from use.error

    def _final(
        self, completion: Completion, call: ToolCall | None, *, all_ok: bool
    ) -> tuple[bool, Any]:
        """Whether the answer is final, and its value."""
        output = self.setup.output
        if output is None:
            self._add(completion)
            return True, self.said + completion.text
        if call is not None and not all_ok:
            self._answer(call, "not_run", "Other calls failed: see their results first.")
            return False, None
        if self.said and call is None:
            completion = replace(completion, text=self.said + completion.text)
        try:
            value = output.read(completion, call).value
        except InvalidValue as exc:
            self._complain(completion, call, exc)
            return False, None
        if call is not None:
            self._answer(call, "ok", "Accepted.")
        else:
            self._add(completion)
        return True, value

    def _complain(self, completion: Completion, call: ToolCall | None, error: InvalidValue) -> None:
        output = self.setup.output
        assert output is not None
        if not self.retries_left:
            shown = "; ".join(str(p) for p in error.problems[:5])
            raise Invalid(
                f"{self.setup.name} gave no valid final answer: {shown}", problems=error.problems
            )
        self.retries_left -= 1
        self.said = ""
        if call is not None:
            self._answer(call, "invalid", complaint(error.problems))
            return
        if completion.text.strip():
            self.messages.append(completion.message())
        if output.tool and self.setup.driver.features.forced_tool:
            self.force = output.tool.name
        self.messages.append(Message(role="user", content=complaint(error.problems)))

    def _add(self, completion: Completion) -> None:
        if completion.text or completion.native or completion.reasoning:
            self.messages.append(completion.message())

    def _answer(self, call: ToolCall, status: Any, content: str) -> None:
        """The end of the call that gives the final value."""
        step = self.open
        assert step is not None and step.completion is not None
        calls = step.completion.tool_calls
        if not step.answers:
            step.answers = [None] * len(calls)
            self.messages.append(step.completion.message())
        for place, each in enumerate(calls):
            if place in step.places:
                continue
            mine = each is call
            step.answers[place] = ToolUse(
                call=each,
                status=status if mine else "not_run",
                content=content if mine else "Not used.",
            )

    def _all_ok(self) -> bool:
        run = self.open.run if self.open else None
        return run is None or all(use is not None and use.ok for use in run.uses)

    def _finish_step(self) -> AgentFlow[None]:
        self._close()
        yield Tell(StepFinished(self.done[-1]))

    def _close(self, error: str = "") -> None:
        """Put the step under way among the done ones, each of its calls answered."""
        step, self.open = self.open, None
        if step is None:
            return
        uses: list[ToolUse] = []
        if step.answers and step.completion is not None:
            ends = list(step.run.uses) if step.run else [None] * len(step.places)
            status, content = (
                ("cancelled", "The call was cancelled.") if step.run else ("not_run", _NOT_RUN)
            )
            calls = step.completion.tool_calls
            for place, end in zip(step.places, ends, strict=True):
                step.answers[place] = end
            for place, call in enumerate(calls):
                end = step.answers[place] or ToolUse(
                    call=call,
                    status=status,  # type: ignore[arg-type]
                    content=content,
                )
                self.messages.append(end.message())
                if place in step.places:
                    uses.append(end)
        charges = [*step.charges, *(c for use in uses for c in use.bill.charges)]
        self.charges += charges
        self.done.append(
            Step(
                number=step.number,
                completion=step.completion,
                tools=tuple(uses),
                bill=Bill(tuple(charges)),
                seconds=self.settings.now() - step.started,
                error=error,
            )
        )

    def _check_limits(self) -> None:
        limits = self.settings.limits
        if self.is_out_of_time():
            raise limits.out_of_time()
        limits.check_steps(len(self.done) + (self.open is not None))
        limits.check_spent([*self.charges, *(self.open.charges if self.open else ())])

    def is_out_of_time(self) -> bool:
        left = self._seconds_left()
        return left is not None and left <= 0

    def _seconds_left(self) -> float | None:
        return None if self.deadline is None else self.deadline - self.settings.now()

    def _bill(self) -> Bill:
        return Bill((*self.charges, *(self.open.charges if self.open else ())))

    def trace(self) -> Trace:
        return Trace(
            model=self.setup.name,
            messages=tuple(self.messages),
            steps=tuple(self.done),
            new_from=self.new_from,
        )

    def carry(self, error: BaseException) -> None:
        """Put the trace, and the bill, onto what ended the run."""
        self._close(type(error).__name__)
        trace = self.trace()
        error.trace = trace  # type: ignore[attr-defined]
        if isinstance(error, PromptureError) and (trace.bill or isinstance(error, LimitExceeded)):
            error.bill = trace.bill


def _raise_if_stopped(completion: Completion, setup: Setup[Any]) -> None:
    """Raise for an answer that is none: refused, filtered, cut off, broken."""
    reason, name = completion.stop_reason, setup.name
    error: PromptureError
    if completion.refusal or reason == "refusal":
        said = f": {completion.refusal[:200]}" if completion.refusal else ""
        error = Refused(f"{name} declined to answer{said}")
    elif reason == "content_filter":
        error = Refused(f"{name}: a content filter stopped the answer")
    elif reason in ("length", "context_window"):
        limit = setup.template.max_tokens
        why = f"max_tokens={limit}" if limit and reason == "length" else reason.replace("_", " ")
        error = Truncated(
            f"{name}: the answer was cut off after {completion.usage.output_tokens} tokens ({why})"
        )
    elif reason in ("error", "cancelled"):
        error = ProtocolError(f"{name} broke off its answer ({completion.raw_stop or reason})")
    else:
        return
    error.partial = completion
    raise error
