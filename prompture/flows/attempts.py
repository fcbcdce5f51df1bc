"""What a flow has tried and what that cost: its attempts and its bill."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from prompture.drivers.cost import charge_of
from prompture.drivers.meter import ChargeRecorder as ChargeRecorder
from prompture.errors import PromptureError
from prompture.money import Bill, Charge
from prompture.traces import Attempt, Problem
from prompture.types import Completion


class AttemptLog:
    """What has been tried and charged so far, over all models."""

    __slots__ = ("attempts", "charges", "notes")

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.charges: list[Charge] = []
        self.notes: tuple[str, ...] = ()
        """What was changed in the text before it was sent."""

    def bill(self) -> Bill:
        return Bill(tuple(self.charges))

    def answered(
        self,
        completion: Completion,
        *,
        name: str,
        strategy: str,
        status: str = "ok",
        problems: tuple[Problem, ...] = (),
        error: str = "",
        repairs: tuple[str, ...] = (),
        asked_for: tuple[str, ...] = (),
    ) -> None:
        """Record an answer, good or not. ``name`` is the model's, ``provider/model``."""
        charge = charge_of(completion, name.partition("/")[0], status=status)
        self.charges += [*completion.retries, charge]
        self.attempts.append(
            Attempt(
                model=name,
                strategy=strategy,
                request_id=completion.request_id,
                seconds=completion.seconds,
                problems=problems,
                error=error,
                charge=charge,
                repairs=repairs,
                asked_for=asked_for,
                raw=raw_text(completion),
            )
        )

    def failed(self, error: PromptureError, *, name: str, strategy: str) -> None:
        """Record a call that raised; what it cost stands on the error's bill."""
        charges = error.bill.charges if error.bill else ()
        self.charges += charges
        self.attempts.append(
            Attempt(
                model=name,
                strategy=strategy,
                request_id=getattr(error, "request_id", None),
                error=f"{type(error).__name__}: {error}",
                charge=charges[-1] if charges else None,
                raw=raw_text(error.partial) if error.partial else "",
            )
        )

    def abandoned(self, charges: Sequence[Charge], *, strategy: str) -> None:
        """Record a call that was left before its end, with its failed tries."""
        last = charges[-1]
        self.charges += charges
        self.attempts.append(
            Attempt(
                model=f"{last.provider}/{last.model}",
                strategy=strategy,
                request_id=last.request_id,
                seconds=last.seconds,
                error="left before its end",
                charge=last,
            )
        )

    def attach(self, error: PromptureError) -> PromptureError:
        """The error, carrying the bill and the attempts."""
        if self.charges:
            error.bill = self.bill()
        error.attempts = tuple(self.attempts)
        return error

    def attach_bill(self, exc: BaseException) -> None:
        """Put the bill onto what is no error of ours (an interrupt, a cancelled task). The charges
        of the call that it ended are on its bill already, and are in no list here."""
        last: Bill | None = getattr(exc, "bill", None)
        with suppress(AttributeError):
            exc.bill = Bill((*self.charges, *(last.charges if last else ())))  # type: ignore[attr-defined]


def raw_text(completion: Completion) -> str:
    """The answer as the model wrote it: the arguments of its calls, else its text."""
    if not completion.tool_calls:
        return completion.text
    return "\n".join(call.raw_arguments for call in completion.tool_calls)
