"""Where a run stands between two calls of the model: which model answers, and which answer ends it.

``RunState`` is what a run that waits for approval is saved from.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar

from prompture import observe
from prompture.agents.run_record import OpenStep, RunRecord
from prompture.agents.setup import B, FinalOutput, Setup
from prompture.codecs.histories import portable
from prompture.errors import (
    AgentError,
    BudgetExceeded,
    ConfigurationError,
    Invalid,
    PromptureError,
    ToolFailed,
)
from prompture.extraction.cascade import kind_of
from prompture.extraction.result import cause_of, with_rest
from prompture.flows.attempts import complaint, raw_text
from prompture.money import Charge
from prompture.schema.problems import InvalidValue
from prompture.traces import Attempt, Problem, Status, ToolUse
from prompture.types import Completion, Message, Request, ToolCall, changed

T = TypeVar("T")
_GO_ON = "Go on where you stopped."


def helps(error: BaseException, policy: Collection[str] | None) -> bool:
    """Whether another model may do better. ``policy`` is a Cascade's ``escalate_on``; None: whatever
    the failure is, as in a list of models."""
    # A budget or a limit that is used up stays so.
    if not isinstance(error, PromptureError) or isinstance(error, (AgentError, BudgetExceeded)):
        return False
    return policy is None or kind_of(error) in policy


class RunModels(Generic[B]):
    """The models of one run. ``setup`` is that of the model which answers now, ``at`` its index."""

    def __init__(
        self,
        makers: Sequence[Callable[[], B]],
        set_up: Callable[[B], Setup[B, Any]],
        *,
        policy: Collection[str] | None = None,
        at: int = 0,
    ) -> None:
        self._makers = makers
        self._set_up = set_up
        self._policy = policy
        self.at = at - 1
        self.failed: list[Attempt] = []
        """Every attempt of the run that failed, in order."""
        self.noted = 0
        """How many of ``failed`` are on the record of a step."""
        found, error = self._next()
        if found is None:
            assert error is not None
            self.explain(error)
            raise error
        self.setup: Setup[B, Any] = found

    def loosen_to(self, strategy: str) -> None:
        """Ask for the output as a saved run did, which a provider may have made less strict."""
        setup = self.setup
        while setup.output and setup.output.plan.strategy != strategy and setup.looser:
            setup = setup.looser()
        if setup.output and setup.output.plan.strategy == strategy:
            self.setup = setup

    def may_follow(self, error: BaseException) -> bool:
        """Whether there is a next model, and the error is one after which it is asked."""
        return self.has_next and helps(error, self._policy)

    @property
    def has_next(self) -> bool:
        return self.at + 1 < len(self._makers)

    def fall_back(self, failed: Attempt, error: PromptureError) -> None:
        """Go on with the next model. Raises the last error where none can be asked."""
        self.failed.append(failed)
        found, last = self._next()
        if found is None:
            error = last or error
            self.explain(error)
            raise error from error.__cause__
        self.setup = found
        observe.note(
            "fallback",
            "%(model)s failed (%(error)s): the run goes on with %(to)s",
            level=logging.WARNING,
            error=error,
            model=failed.model,
            to=found.name,
            why=kind_of(error),
        )

    def _next(self) -> tuple[Setup[B, Any] | None, PromptureError | None]:
        """The next model that can be asked at all, and why the last one cannot."""
        error: PromptureError | None = None
        while self.at + 1 < len(self._makers):
            self.at += 1
            driver = None
            try:
                driver = self._makers[self.at]()
                return self._set_up(driver), None
            except ConfigurationError as exc:  # no key, no such model, not with this schema
                error = exc
                if len(self._makers) == 1:
                    break  # there is no order to explain
                shown = f"{type(exc).__name__}: {exc}"
                name = driver.name if driver else ""
                self.failed.append(Attempt(model=name, strategy="", error=shown))
        return None, error

    def take_failed(self) -> list[Attempt]:
        """The failed attempts that are on no step's record yet."""
        new, self.noted = self.failed[self.noted :], len(self.failed)
        return new

    def explain(self, error: BaseException) -> None:
        """Note on the last error, which a traceback shows, how the other models failed."""
        for attempt in self.failed:
            why = attempt.error or "; ".join(map(str, attempt.problems[:3]))
            if why != f"{type(error).__name__}: {error}":
                error.add_note(f"tried before: {attempt.model or 'a model'}: {why}")


class RunState(Generic[B]):
    """``text_so_far`` is the text of answers that paused; ``forced_tool`` is the name of the tool
    that the next answer must call (``"required"``: any), ``""`` for none. ``foreign`` turns of the
    history are of other models; ``plain`` are these without what only those understand, and where
    ``drops_files``, without files uploaded to another provider."""

    def __init__(self, models: RunModels[B], record: RunRecord, max_retries: int) -> None:
        self.models = models
        self.record = record
        self.max_retries = max_retries
        self.forced_tool = ""
        self.text_so_far = ""
        self.foreign = 0
        self.drops_files = False
        self.plain: tuple[Message, ...] = ()
        self.retries_left = self._retries()

    @property
    def setup(self) -> Setup[B, Any]:
        return self.models.setup

    def _retries(self) -> int:
        # A driver that computes its answer (local/rules) would give the same one again.
        return self.max_retries if self.setup.driver.features.reasks else 0

    def history(self) -> tuple[Message, ...]:
        """The turns as the model that answers now is sent them."""
        turns = self.record.messages
        if not self.foreign:
            return tuple(turns)
        sent = (*self.plain, *turns[self.foreign :])
        # Another model's turn that paused: few providers go on in the middle of an answer.
        return sent if sent[-1].role != "assistant" else (*sent, _go_on())

    def request(self, seconds: float | None) -> Request:
        """The next request; ``seconds`` are left of the run, None for no limit."""
        setup = self.setup
        request = changed(setup.template, messages=(*setup.template.messages, *self.history()))
        if self.forced_tool:
            request = changed(request, tool_choice=self.forced_tool)
        if seconds is not None:
            usual = request.timeout or getattr(setup.driver, "timeout", None) or seconds
            # 0 would mean no timeout to some transports, hence the millisecond.
            request = replace(request, timeout=max(min(usual, seconds), 0.001))
        return request if setup.driver.features.tool_use else setup.prompted(request)

    def fall_back(
        self,
        step: OpenStep,
        error: PromptureError,
        *,
        seconds: float,
        charges: list[Charge],
        completion: Completion | None = None,
    ) -> Attempt:
        """Note that a model failed, and go on with the next. Raises the last error."""
        old, output = self.setup, self.setup.output
        attempt = Attempt(
            model=old.name,
            strategy=output.plan.strategy if output else "text",
            request_id=completion.request_id if completion else getattr(error, "request_id", None),
            seconds=seconds,
            problems=tuple(error.problems) if isinstance(error, Invalid) else (),
            error=f"{type(error).__name__}: {error}",
            charge=charges[-1] if charges else None,
            raw=raw_text(completion) if completion else "",
        )
        self.models.fall_back(attempt, error)
        step.attempts += self.models.take_failed()
        self._take_over(old)
        return attempt

    def _take_over(self, old: Setup[B, Any]) -> None:
        """The history as the next model takes it: without signatures, reasoning and uploaded files
        of the one before. Ids and names of calls are the codecs' business."""
        record, new = self.record, self.setup
        record.model = new.name
        if record.others_from is None:
            record.others_from = len(record.messages)
        else:
            # What the second model wrote is of no use to the third, nor to the next run, which
            # begins with the first.
            record.leave_out_natives(record.others_from)
        self.foreign = len(record.messages)
        self.drops_files |= old.driver.provider.name != new.driver.provider.name
        self.plain = portable(record.messages, files=self.drops_files).messages
        self.forced_tool = ""
        self.retries_left = self._retries()

    def final(
        self, step: OpenStep, completion: Completion, call: ToolCall | None
    ) -> tuple[bool, Any]:
        """Return whether the answer is final, and its value."""
        output = self.setup.output
        if call is None:
            if output is None:
                return self._plain_text(step, completion)
            return self._final_text(step, completion, output)
        assert output is not None
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

    def _plain_text(self, step: OpenStep, completion: Completion) -> tuple[bool, Any]:
        """A text, where it is the output, or where one of the output functions is to be called."""
        if not self.setup.enders or self.setup.text_ends:
            self._add_answer(step, completion)
            return True, self.text_so_far + completion.text
        names = self.setup.ender_names()
        problem = Problem("", f"the final answer is given by a call of {names}", "output_function")
        self._use_retry(InvalidValue([problem]), completion, None)
        self.text_so_far = ""
        self._add_answer(step, completion)
        if self._can_force():
            enders = self.setup.enders
            self.forced_tool = next(iter(enders)) if len(enders) == 1 else "required"
        words = f"That is no final answer: give it by calling {names}."
        self.record.messages.append(Message(role="user", content=words))
        return False, None

    def _can_force(self) -> bool:
        # Some models do not think when a tool is forced, or refuse to be.
        return self.setup.driver.features.forced_tool and not self.setup.template.reasoning

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
            if output.tool and self._can_force():
                self.forced_tool = output.tool.name
            self.record.messages.append(
                Message(role="user", content=complaint(exc.problems, final=True))
            )
            return False, None
        self._add_answer(step, completion)
        return True, value

    def _use_retry(
        self, error: InvalidValue, answer: Completion, output: FinalOutput[T] | None
    ) -> None:
        """Use one of the retries. Raise Invalid, with the answer on it, where none is left."""
        if self.retries_left:
            self.retries_left -= 1
            return
        shown = "; ".join(str(p) for p in error.problems[:5])
        message = f"{self.setup.name} gave no valid final answer: {shown}"
        failure = Invalid(message, problems=error.problems)
        if output is None:
            failure.raw, failure.partial = raw_text(answer), answer
        else:
            with_rest(failure, answer, plan=output.plan, source=output.source)
        raise failure from cause_of(error)

    def use_retry_of(self, use: ToolUse, problems: tuple[Problem, ...], answer: Completion) -> None:
        """An output function gave no value: use a retry. Raise Invalid where none is left, and
        ToolFailed for a function that raised."""
        if not self.retries_left and use.status == "failed" and use.error is not None:
            name = use.call.name
            kind = type(use.error).__name__
            raise ToolFailed(f"output function {name!r} raised {kind}", tool=name) from use.error
        if not problems:
            text = use.content if isinstance(use.content, str) else use.message().text
            problems = (Problem("", f"{use.call.name}: {text}", use.status),)
        self._use_retry(InvalidValue(problems), replace(answer, tool_calls=(use.call,)), None)

    def add_pause(self, step: OpenStep, completion: Completion) -> None:
        """A pause (Anthropic's pause_turn): the turn goes back as it is, and goes on."""
        self.text_so_far += completion.text
        self._add_answer(step, completion)

    def _add_answer(self, step: OpenStep, completion: Completion) -> None:
        """Put an answer into the history, except an empty one: most providers refuse such turns."""
        if completion.text.strip() or completion.native or completion.reasoning:
            self.record.add_answer(step)

    def _settle_output(self, step: OpenStep, call: ToolCall, status: Status, content: str) -> None:
        """Set the result of the call that gives the final value, and of others of its tool."""
        self.record.add_answer(step)
        tools = step.uses()
        for position, each in enumerate(step.calls):
            if each is call:
                step.settle(position, status, content)
            elif position not in tools:
                step.settle(position, "not_run", "Not used.")


def _go_on() -> Message:
    return Message(role="user", content=_GO_ON)
