"""The loop of an agent, as a flow: ask, run the tools that the model calls, ask again.

It does no I/O and has no colour; its runners are ``run`` and ``arun``. The clock is given to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from prompture.agents.book import Book, OpenStep
from prompture.agents.desk import Desk
from prompture.agents.events import StepFinished
from prompture.agents.limits import Limits
from prompture.agents.output import Output, complaint
from prompture.agents.setup import Setup
from prompture.agents.steps import AgentFlow, AskModel, OutOfTime, RunTools, Tell
from prompture.agents.tools import Approve
from prompture.agents.trace import AgentResult, Status
from prompture.codecs.prompted import prompted_request, read_calls
from prompture.drivers.core import charge_of
from prompture.drivers.meter import Meter
from prompture.errors import Invalid, InvalidRequest, ToolArgumentsInvalid, TransportError
from prompture.extraction.salvage import cause_of, with_rest
from prompture.flows.judge import blames_format, stop_error
from prompture.flows.run import driver_error
from prompture.schema.check import InvalidValue
from prompture.types import Completion, Message, Native, Request, ToolCall

T = TypeVar("T")
_IN_TEXT = "calls_in_text"


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


def agent_flow(
    setup: Setup[T], settings: Settings, messages: tuple[Message, ...], *, new_from: int = 0
) -> AgentFlow[AgentResult[Any]]:
    """A run of an agent over ``messages``, of which those from ``new_from`` on are this run's.

    Whatever ends it early carries ``trace``; an error of ours also the whole bill.
    """
    book = Book(setup.name, list(messages), new_from)
    run = _Run(setup, settings, book)
    try:
        output = yield from run.steps()
    except GeneratorExit:
        raise
    except (OutOfTime, TransportError) as exc:
        if isinstance(exc, TransportError) and not run.out_of_time():
            book.carry(exc, settings.now())
            raise
        error = settings.limits.out_of_time()
        book.carry(error, settings.now())
        raise error from exc
    except BaseException as exc:  # whatever ends a run carries its trace and bill
        book.carry(exc, settings.now())
        raise
    done = book.trace()
    return AgentResult(
        output=output,
        model=done.model,
        messages=done.messages,
        steps=done.steps,
        new_from=new_from,
    )


class _Run(Generic[T]):
    """``said`` is the text of answers that paused; ``force`` the tool that must be called."""

    def __init__(self, setup: Setup[T], settings: Settings, book: Book) -> None:
        self.setup = setup
        self.settings = settings
        self.book = book
        self.desk = Desk(settings.context, settings.approve, settings.tool_timeout)
        self.force = ""
        self.said = ""
        self.retries_left = settings.max_retries if setup.driver.features.reasks else 0
        self.has_no_tools = not setup.driver.features.tool_use
        seconds = settings.limits.seconds
        self.deadline = None if seconds is None else settings.now() + seconds

    def steps(self) -> AgentFlow[Any]:
        """Ask and answer until there is a final answer; that is returned."""
        while True:
            self._check_limits()
            step = self.book.begin(self.settings.now())
            completion = yield from self._ask(step)
            limit = self.setup.template.max_tokens
            error = stop_error(completion, name=self.setup.name, max_tokens=limit, may_pause=True)
            if error:
                raise error
            output = self.setup.output
            final, calls = output.calls(completion) if output else (None, completion.tool_calls)
            if calls:
                yield from self._run_tools(step, calls, ending=final is not None)
            found, value = False, None
            if final is not None or not (calls or completion.stop_reason == "pause"):
                found, value = self._final(step, completion, final)
            elif not calls:
                self.said += completion.text
                self._say(step, completion)
            self.book.close(self.settings.now())
            yield Tell(StepFinished(self.book.done[-1]))
            if found:
                return value

    def _ask(self, step: OpenStep) -> AgentFlow[Completion]:
        """One answer. What the provider itself rejected is asked for again."""
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
            except OutOfTime:
                raise
            except Exception as exc:  # a driver may raise anything
                error = driver_error(exc, self.setup.driver)
                raise error from error.__cause__
            assert completion is not None
            step.completion = completion = self._read(completion)
            if not step.charges:  # a driver of somebody else's, which tells no meter
                step.charges.append(charge_of(completion, self.setup.driver.provider.name))
            return completion

    def _question(self, step: OpenStep) -> AskModel:
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
        request = replace(template, messages=(*template.messages, *self.book.messages))
        if self.force:
            request = replace(request, tool_choice=self.force)
        if left is not None:
            usual = request.timeout or getattr(self.setup.driver, "timeout", None) or left
            request = replace(request, timeout=max(min(usual, left), 0.001))
        if self.setup.calls_in_text or (self.has_no_tools and _has_calls(request)):
            request = prompted_request(request, dialect=_IN_TEXT)
        return request

    def _read(self, completion: Completion) -> Completion:
        if not self.setup.calls_in_text:
            return completion
        if completion.native is not None:
            completion = replace(completion, native=Native(_IN_TEXT, completion.native))
        return completion if completion.tool_calls else read_calls(completion)

    def _run_tools(
        self, step: OpenStep, calls: tuple[ToolCall, ...], *, ending: bool
    ) -> AgentFlow[None]:
        step.place(calls)
        self.book.say(step)
        if not ending:
            # Results that no answer could follow are not worth the effects of getting them.
            self._check_limits()
        self.settings.limits.check_calls(self.desk.made, len(calls))
        jobs = self.desk.jobs(self.setup, calls, self.book, step)
        run = RunTools(
            jobs=jobs,
            number=step.number,
            parallel=self.settings.parallel,
            budget=self.settings.budget,
            seconds=self._seconds_left(),
            uses=[None] * len(jobs),
            charges=tuple([] for _ in jobs),
        )
        step.uses, step.spent = run.uses, run.charges
        yield run
        self.desk.ended(self.setup, [use for use in run.uses if use is not None])

    def _final(
        self, step: OpenStep, completion: Completion, call: ToolCall | None
    ) -> tuple[bool, Any]:
        """Whether the answer is final, and its value."""
        output = self.setup.output
        if output is None:
            self._say(step, completion)
            return True, self.said + completion.text
        if call is None:
            return self._final_text(step, completion, output)
        if not step.all_ok():
            self._end(step, call, "not_run", "Other calls failed: see their results first.")
            return False, None
        try:
            value = output.read(completion, call).value
        except InvalidValue as exc:
            self._use_retry(exc, replace(completion, tool_calls=(call,)), output)
            self._end(step, call, "invalid", complaint(exc.problems))
            return False, None
        self._end(step, call, "ok", "Accepted.")
        return True, value

    def _final_text(
        self, step: OpenStep, completion: Completion, output: Output[T]
    ) -> tuple[bool, Any]:
        whole = replace(completion, text=self.said + completion.text) if self.said else completion
        try:
            value = output.read(whole, None).value
        except InvalidValue as exc:
            self._use_retry(exc, whole, output)
            self.said = ""
            self._say(step, completion)
            # Some models do not think when a tool is forced, or refuse to be.
            can_force = self.setup.driver.features.forced_tool and not self.setup.template.reasoning
            if output.tool and can_force:
                self.force = output.tool.name
            self.book.messages.append(Message(role="user", content=complaint(exc.problems)))
            return False, None
        self._say(step, completion)
        return True, value

    def _use_retry(self, error: InvalidValue, answer: Completion, output: Output[T]) -> None:
        """Raise Invalid, which carries the answer, where it may not be asked for again."""
        if self.retries_left:
            self.retries_left -= 1
            return
        shown = "; ".join(str(p) for p in error.problems[:5])
        said = f"{self.setup.name} gave no valid final answer: {shown}"
        failure = Invalid(said, problems=error.problems)
        with_rest(failure, answer, plan=output.plan, source=output.source)
        raise failure from cause_of(error)

    def _say(self, step: OpenStep, completion: Completion) -> None:
        """Most providers refuse an empty turn."""
        if completion.text.strip() or completion.native or completion.reasoning:
            self.book.say(step)

    def _end(self, step: OpenStep, call: ToolCall, status: Status, content: str) -> None:
        """The end of the call that gives the final value, and of its like."""
        self.book.say(step)
        for place, each in enumerate(step.calls):
            if each is call:
                step.end(place, status, content)
            elif place not in step.tools:
                step.end(place, "not_run", "Not used.")

    def _check_limits(self) -> None:
        limits = self.settings.limits
        if self.out_of_time():
            raise limits.out_of_time()
        limits.check_steps(self.book.taken)
        limits.check_spent(self.book.spent())

    def out_of_time(self) -> bool:
        left = self._seconds_left()
        return left is not None and left <= 0

    def _seconds_left(self) -> float | None:
        return None if self.deadline is None else self.deadline - self.settings.now()


def _has_calls(request: Request) -> bool:
    return any(turn.calls or turn.role == "tool" for turn in request.messages)
