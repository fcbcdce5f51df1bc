"""Conversation: turns with a model, remembered, sync or async."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, Unpack

from prompture import given
from prompture.agents import storage
from prompture.agents.agent import Agent
from prompture.agents.agent_options import (
    Model,
    Models,
    Prompt,
    ResumeOptions,
    RunOptions,
    drop_oldest,
    summary_request,
    summary_turn,
    user_turn,
    without_summary,
)
from prompture.agents.async_runner import aiterate, arun_flow
from prompture.agents.events import AgentEvent, AgentFlow, CallModel, OutOfTime
from prompture.agents.resumption import Approvals, Saved, WaitingForApproval, read_saved
from prompture.agents.sync_runner import iterate, run_flow
from prompture.agents.tools import Tools
from prompture.codecs.histories import portable
from prompture.drivers.cost import charge_of
from prompture.errors import BudgetExceeded, ConfigurationError, PromptureError, Truncated
from prompture.extraction.model_drivers import check_one, makers, name_of
from prompture.flows.attempts import stop_error
from prompture.flows.run import driver_error
from prompture.given import half_made
from prompture.money import Bill, Charge
from prompture.spend.budget import budget_of
from prompture.traces import AgentResult, Trace
from prompture.types import Completion, Message, Usage


class Conversation:
    """A conversation that remembers its turns. Threads and tasks may not share one.

    Arguments:
        model: ``"provider/model"`` or a driver; None as for ``extract``; of several, the next where one
            fails, as for Agent.
        system: the system turn.
        tools: as for Agent.
        max_history_tokens: tokens of the history that are kept (estimated; without the system
            turn and the tools). Before each turn the oldest exchanges are dropped, tool calls
            with their results. None keeps all.
        summary_model: a cheap model (or driver) that sums up what is dropped. Without one it is
            lost.
        options: those of Agent (limits, budget, temperature, ...).

    A turn that fails leaves the conversation as it was; what it cost stays on ``bill``. So does
    one whose tool calls wait for approval (WaitingForApproval), until ``resume`` ends it.
    """

    def __init__(
        self,
        model: Models = None,
        *,
        system: str = "",
        tools: Tools = (),
        max_history_tokens: int | None = None,
        summary_model: Model = None,
        **options: Unpack[RunOptions],
    ) -> None:
        if options.get("output") is not None:
            raise ConfigurationError("a conversation answers in text; for a typed end use Agent")
        given.count(max_history_tokens, "max_history_tokens")
        given.words(system, "system", empty=True)
        if summary_model is not None:
            check_one(summary_model, "summary_model")
        # None is "not given", as for extract.
        self.system = system or ""
        self.max_history_tokens = max_history_tokens
        self.summary_model = summary_model
        self.summary = ""
        self.notes: list[str] = []
        self.bill = Bill()
        self.last: AgentResult[str] | None = None
        self._messages: tuple[Message, ...] = ()
        # The runs of turns that wait for approval, which are on the bill as far as they came; the
        # last is "" where another turn came after them.
        self._waits: list[str] = []
        # One budget for all the agents that follow each other, and for the summaries.
        amount = options.get("budget")
        self._budget = None if amount is None else budget_of(amount)
        self._options: RunOptions = {**options, "budget": self._budget}
        # An iterator would be used up by the first agent, and ``switch`` makes another.
        if isinstance(tools, Iterable) and not isinstance(tools, (str, bytes, Mapping)):
            tools = tuple(tools)
        self._tools: Tools = tools
        self._agent = self._made(model)

    def _made(self, model: Models) -> Agent[str]:
        return Agent(model, instructions=self.system, tools=self._tools, **self._options)

    @property
    def messages(self) -> tuple[Message, ...]:
        """The turns that are remembered, without the system turn."""
        return self._messages

    @property
    def usage(self) -> Usage:
        """Tokens of all turns."""
        return self.bill.usage

    @property
    def model(self) -> Models:
        """The model or driver that answers; ``switch`` changes it."""
        return self._agent.model

    def say(self, prompt: Prompt) -> str:
        """Send a turn and return the text of the answer. ``last`` is then the AgentResult.

        Raises what ``Agent.run`` raises.
        """
        return str(run_flow(self._turn(prompt, asynchronous=False)).output)

    async def asay(self, prompt: Prompt) -> str:
        """``say``, awaited."""
        return str((await arun_flow(self._turn(prompt, asynchronous=True))).output)

    def stream(self, prompt: Prompt) -> Iterator[AgentEvent]:
        """``say``, with events as they happen; the last is Final."""
        return iterate(self._turn(prompt, asynchronous=False), stream=True)

    def astream(self, prompt: Prompt) -> AsyncIterator[AgentEvent]:
        """``stream``, awaited."""
        return aiterate(self._turn(prompt, asynchronous=True), stream=True)

    def _turn(self, prompt: Prompt, *, asynchronous: bool) -> AgentFlow[Any, AgentResult[Any]]:
        # Checked here: a generator would raise at its first step only.
        turn = user_turn(prompt)
        self._agent.check_colour(asynchronous=asynchronous)
        return self._answered(prompt, turn, asynchronous=asynchronous)

    def resume(self, saved: Saved, approvals: Approvals, **options: Unpack[ResumeOptions]) -> str:
        """Go on with a turn that ended with WaitingForApproval, and return the text of the answer.

        Arguments: see ``Agent.resume``. A conversation that was loaded from a file does it as well.
        Raises ConfigurationError where other turns followed (``allow_changes`` puts this one behind
        them), and what ``Agent.resume`` raises.
        """
        return str(run_flow(self._resumed(saved, approvals, options, asynchronous=False)).output)

    async def aresume(
        self, saved: Saved, approvals: Approvals, **options: Unpack[ResumeOptions]
    ) -> str:
        """``resume``, awaited."""
        flow = self._resumed(saved, approvals, options, asynchronous=True)
        return str((await arun_flow(flow)).output)

    def resume_stream(
        self, saved: Saved, approvals: Approvals, **options: Unpack[ResumeOptions]
    ) -> Iterator[AgentEvent]:
        """``resume``, with events as they happen; the last is Final."""
        return iterate(self._resumed(saved, approvals, options, asynchronous=False), stream=True)

    def aresume_stream(
        self, saved: Saved, approvals: Approvals, **options: Unpack[ResumeOptions]
    ) -> AsyncIterator[AgentEvent]:
        """``resume_stream``, awaited."""
        return aiterate(self._resumed(saved, approvals, options, asynchronous=True), stream=True)

    def _resumed(
        self, saved: Saved, approvals: Approvals, options: ResumeOptions, *, asynchronous: bool
    ) -> AgentFlow[Any, AgentResult[Any]]:
        found = read_saved(saved, options.get("key"))
        run, run_id = found.run, found.run.identity.run_id
        kept, summary = without_summary(run.messages[: run.new_from], self.summary)
        if self._waits[-1:] != [run_id] and kept != self._messages:
            if not options.get("allow_changes"):
                raise ConfigurationError(
                    "other turns followed the one that waits, or it is another conversation's;"
                    " allow_changes=True puts it behind them"
                )
            kept, summary = self._messages, self.summary
        # What the run had cost when it was saved is on the bill, if it was this conversation's.
        paid = run.charges() if run_id in self._waits else []
        many = len(self._messages) - len(kept)
        note = f"{many} old turns were left out of the turn that waited" if many else ""
        flow = self._agent.resumed_flow(
            found,
            approvals,
            options,
            asynchronous=asynchronous,
            on_close=lambda trace: self._pay(trace, paid),
        )
        return self._settled(flow, kept, summary, note, paid)

    def _answered(
        self, prompt: Prompt, turn: Message, *, asynchronous: bool
    ) -> AgentFlow[Any, AgentResult[Any]]:
        kept, summary, note, began = self._messages, self.summary, "", time.monotonic()
        if self.max_history_tokens is not None:
            found = drop_oldest((*kept, turn), tokens=self.max_history_tokens, model=self._name())
            kept = found.kept[:-1]
            if found.dropped:
                summary, note = yield from self._summed_up(found.dropped, asynchronous=asynchronous)
        before = (summary_turn(summary), *kept) if summary else kept
        flow = self._agent.flow(
            prompt,
            messages=before,
            asynchronous=asynchronous,
            on_close=self._pay,
            # The summary, too, is made in the time of the turn.
            spent=time.monotonic() - began,
        )
        return (yield from self._settled(flow, kept, summary, note))

    def _settled(
        self,
        flow: AgentFlow[Any, AgentResult[Any]],
        kept: tuple[Message, ...],
        summary: str,
        note: str,
        paid: Sequence[Charge] = (),
    ) -> AgentFlow[Any, AgentResult[Any]]:
        """The turn, which is remembered behind the turns that are kept. ``paid`` is on the bill."""
        try:
            result = yield from flow
        except BaseException as exc:  # a failed turn was paid for, too
            trace = getattr(exc, "trace", None)
            if isinstance(trace, Trace):
                self._pay(trace, paid)
            if isinstance(exc, WaitingForApproval):
                self._waits = [*(each for each in self._waits if each != exc.run_id), exc.run_id]
            raise
        # Only now: a turn that fails leaves the conversation as it was.
        self._pay(result, paid)
        self.notes += [note] if note else []
        self.summary = summary
        self._messages = (*kept, *result.new_messages)
        self._leave_waiting()
        self.last = result
        return result

    def _leave_waiting(self) -> None:
        """From now on the turns that wait have other turns behind them, or none before."""
        if self._waits and self._waits[-1]:
            self._waits.append("")

    def _pay(self, trace: Trace, paid: Sequence[Charge] = ()) -> None:
        # The very same objects: two calls may have equal charges.
        known = set(map(id, paid))
        self.bill += Bill(tuple(c for c in trace.bill.charges if id(c) not in known))

    def _summed_up(
        self, dropped: Sequence[Message], *, asynchronous: bool
    ) -> AgentFlow[Any, tuple[str, str]]:
        """Sum up the turns that are dropped, with the earlier summary; return the new one, and
        a note of what was done."""
        turns = f"{len(dropped)} old turn{'s' * (len(dropped) > 1)}"
        if self.summary_model is None:
            return self.summary, f"{turns} dropped (max_history_tokens={self.max_history_tokens})"
        driver = makers(self.summary_model, asynchronous=asynchronous)[0]()
        charges: list[Charge] = []
        ask = CallModel(
            driver=driver,
            request=summary_request(dropped, self.summary),
            number=0,
            charges=charges,
            quiet=True,
            budget=self._budget,
            seconds=self._agent.seconds,
        )
        completion: Completion | None = None
        error: BaseException | None
        try:
            completion = yield ask
            assert completion is not None
            if not charges:  # a third party's driver, which calls no meters
                charges.append(charge_of(completion, driver.provider.name))
            error = stop_error(completion, name=driver.name, max_tokens=None)
        except BudgetExceeded:
            raise  # the turn itself would exceed it, too
        except Exception as exc:  # a driver may raise anything
            error = exc if isinstance(exc, OutOfTime) else driver_error(exc, driver)
            if not isinstance(error, (OutOfTime, PromptureError)):
                raise
        finally:
            self.bill += Bill(tuple(charges))
        # Words of refusal are no summary; one that lacks its end is better than none.
        if error is None or isinstance(error, Truncated):
            if completion is not None and (text := completion.text.strip()):
                return text, f"{turns} summed up by {driver.name}"
            why = "an empty answer"
        else:
            why = type(error).__name__
        # The turn goes on: without a summary the model knows less, but the user has an answer.
        return self.summary, f"{turns} dropped without a summary ({why})"

    def switch(self, model: Models) -> list[str]:
        """Go on with another model.

        Returns, and adds to ``notes``, what the new one cannot get: items, signatures and uploaded
        files that only the old provider understands.
        """
        old, new = self._name(), name_of(model)
        self._agent = self._made(model)
        return [] if new == old else self._left_behind(old)

    def _left_behind(self, old: str) -> list[str]:
        """Drop what only the model before understands; return, and note, what that was."""
        plain = portable(self._messages)
        self._messages = plain.messages
        where, found = f"{old} -> {self._name()}", []
        if plain.natives:
            found.append(
                f"{where}: {plain.natives} turns go on without the items that only their provider"
                f" understands (reasoning, signatures)"
            )
        if plain.files:
            found.append(f"{where}: {plain.files} turns lost files uploaded to the old provider")
        self.notes += found
        return found

    def fork(self) -> Conversation:
        """Make another conversation with the same turns so far; from then on the two are separate.
        Its bill begins anew."""
        other = Conversation(
            self.model,
            system=self.system,
            max_history_tokens=self.max_history_tokens,
            summary_model=self.summary_model,
            tools=self._tools,
            **self._options,
        )
        other._messages, other.summary = self._messages, self.summary
        other.notes, other._waits = list(self.notes), list(self._waits)
        return other

    def clear(self) -> None:
        """Forget all turns; the bill stays."""
        self._messages, self.summary, self.last = (), "", None
        self._leave_waiting()

    def to_json(self) -> str:
        """The conversation as JSON text: turns with their providers' own items, the model's
        name, the system turn, the bill. No keys, no tools, no options."""
        return storage.dump(
            storage.SavedConversation(
                model=self._name(),
                system=self.system,
                summary=self.summary,
                notes=self.notes,
                messages=self._messages,
                bill=self.bill,
                waits=self._waits,
            )
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write ``to_json`` to a file. When that fails, an old file stays as it was."""
        storage.write_whole(path, self.to_json())

    @classmethod
    def from_json(cls, text: str | bytes, *, model: Model = None, **options: Any) -> Self:
        """Restore what ``to_json`` returned. ``model`` is used instead of the saved one (see
        ``switch``); tools and other options must be given again. Raises ConfigurationError."""
        saved = storage.load(text)
        options.setdefault("system", saved.system)
        made = cls(saved.model if model is None else model, **options)
        made._messages, made.summary = saved.messages, saved.summary
        made.bill, made.notes, made._waits = saved.bill, saved.notes, saved.waits
        if model is not None and made._name() != saved.model:
            made._left_behind(saved.model)
        return made

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, model: Model = None, **options: Any) -> Self:
        """``from_json`` of a file."""
        return cls.from_json(storage.read_whole(path), model=model, **options)

    def _name(self) -> str:
        return name_of(self.model)

    @half_made
    def __repr__(self) -> str:
        return f"Conversation({self._name()!r}, {len(self._messages)} turns)"
