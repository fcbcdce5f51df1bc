"""The answers that a flow was given: which of them are usable, and the log of what each cost.

Only ``stop_error`` decides which stop reasons make an answer unusable. A reason that has no branch in
``_error`` is an error, "not known". (A cache keeps only whole answers: ``drivers/cache_stores``.)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress

from prompture.drivers.cost import charge_of
from prompture.errors import InvalidRequest, PromptureError, ProtocolError, Refused, Truncated
from prompture.money import Bill, Charge
from prompture.traces import Attempt, Problem, shown_pointer
from prompture.types import COMPLETE, Completion

CUT_OFF = frozenset({"length", "context_window"})
"""Stop reasons of an answer that lacks its end."""
_STATUS: dict[type[PromptureError], str] = {Refused: "refused", Truncated: "truncated"}
# A proxy may put anything in the place of the word: so much of it is quoted.
_WORD_CHARS = 60
# Gemini's finish reasons: ai.google.dev/api/generate-content#FinishReason
_SLIPS = ("malformed_", "unexpected_tool_call", "too_many_tool_calls", "function_call_filter")
# The fields, in each dialect, by which a value is asked for; an error of the provider names them.
_FORMAT_WORDS = (
    "response_format",
    "json_schema",
    "json schema",
    "responsejsonschema",
    "output_config",
)


def stop_error(
    completion: Completion, *, name: str, max_tokens: int | None, may_pause: bool = False
) -> PromptureError | None:
    """The error of an unusable answer, None for a usable one.

    Unusable is: refused, filtered, cut off, broken off, paused (unless ``may_pause``: the caller
    goes on after a pause), and ended for an unknown reason. ``name`` is the model's,
    ``max_tokens`` what the caller set. The error carries the answer as ``partial``.
    """
    # A reason that no codec knows ("unknown") may be a filter or a lost connection, so it is not
    # taken for an end. Where it is one, a hook can set stop_reason.
    reason = completion.stop_reason
    if not completion.refusal and (reason in COMPLETE or (may_pause and reason == "pause")):
        return None
    error = _error(completion, name, max_tokens)
    error.partial = completion
    return error


def is_slip(completion: Completion) -> bool:
    """Whether the provider threw away a malformed tool call of the model.

    The next answer may be right, as with ToolArgumentsInvalid.
    """
    word = str(completion.raw_stop or "").lower()
    return completion.stop_reason == "error" and word.startswith(_SLIPS)


def status_of(error: PromptureError) -> str:
    """The status of the charge of an unusable answer."""
    return _STATUS.get(type(error), "error")


def _error(completion: Completion, name: str, max_tokens: int | None) -> PromptureError:
    reason = completion.stop_reason
    word = repr(str(completion.raw_stop or reason)[:_WORD_CHARS])
    if completion.refusal or reason == "refusal":
        reply = f": {completion.refusal[:200]}" if completion.refusal else ""
        return Refused(f"{name} declined to answer{reply}")
    if reason == "content_filter":
        return Refused(f"{name}: a content filter stopped the answer")
    if reason in CUT_OFF:
        tokens = completion.usage.output_tokens
        return Truncated(
            f"{name}: the answer was cut off after {tokens} tokens"
            f" ({_why_cut(completion, max_tokens)}); {advice(completion)}"
        )
    if reason == "pause":
        return ProtocolError(
            f"{name} paused in its answer ({word}): a value is not taken out of the half of it"
        )
    if reason in ("error", "cancelled"):
        return ProtocolError(f"{name} broke off its answer ({word})")
    return ProtocolError(
        f"{name} ended its answer for a reason that is not known: {word}; if that is an ordinary"
        " end there, let a hook say so (Hooks(after_response=...), stop_reason='stop')"
    )


def _why_cut(completion: Completion, max_tokens: int | None) -> str:
    reason = completion.stop_reason
    if reason == "length" and completion.lowered_to is not None:
        return f"max_tokens={completion.lowered_to}, which is what the budget had left"
    if reason == "length" and max_tokens:
        return f"max_tokens={max_tokens}"
    return reason.replace("_", " ")


def advice(completion: Completion) -> str:
    """What to do about an answer that was cut off."""
    if completion.lowered_to is not None:
        return "give the budget more, or ask for less at a time"
    return "raise max_tokens, or ask for less at a time"


def is_about_format(error: InvalidRequest) -> bool:
    """Whether a provider refuses the way a value was asked for, not the request as such."""
    message = f"{error} {error.details.get('param', '')}".lower()
    return error.status in (400, 404, 422) and any(word in message for word in _FORMAT_WORDS)


def complaint(
    problems: Sequence[Problem], *, parts: Sequence[str] = (), final: bool = False
) -> str:
    """What is wrong with an answer, for the model that gave it.

    ``parts`` are what to give again, where that is not the whole. ``final`` is for an agent's
    final answer, beside which the model may call tools.
    """
    lines = "\n".join(f"- {_quoted(p.pointer)}: {p.message}" for p in problems)
    if final:
        return (
            f"That is no valid final answer:\n{lines}\nGive the whole final answer again,"
            " corrected. Do not invent values to satisfy the schema."
        )
    if parts:
        again = f"Give only the corrected values again: {', '.join(map(_quoted, parts))}."
    else:
        again = "Give the whole corrected answer again."
    return (
        f"That answer does not satisfy the schema:\n{lines}\n{again} "
        "Take values from the document only; do not invent any to satisfy the schema."
    )


def _quoted(pointer: str) -> str:
    """A pointer, in quotes where a key in it reads like a sentence: a document's words may have got
    into it, and this is a turn of the user's."""
    place = shown_pointer(pointer)
    return place if _PLAIN(pointer) else '"{}"'.format(place.replace('"', '\\"'))


_PLAIN = re.compile(r"[^\s\"]*").fullmatch


class AttemptLog:
    """What has been tried and charged so far, over all models."""

    __slots__ = ("attempts", "charges", "leaves_answer", "notes", "resumes")

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.charges: list[Charge] = []
        self.notes: tuple[str, ...] = ()
        """What was changed in the text before it was sent."""
        self.resumes = True
        """Whether an answer that was cut off is gone on with."""
        self.leaves_answer = False
        """Whether a question that leaves an answer too little of the window is not asked."""

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
        # In the order of spending: the tries that failed came before the answer.
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
                # The charges of earlier tries of the call stand on the bill alone.
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
        # An exception that refuses new attributes stays as it is.
        with suppress(AttributeError):
            exc.bill = Bill((*self.charges, *(last.charges if last else ())))  # type: ignore[attr-defined]

    def attach_all(self, exc: BaseException) -> None:
        """The same where all that was charged is in the list."""
        if self.charges:
            with suppress(AttributeError):
                exc.bill = self.bill()  # type: ignore[attr-defined]


def raw_text(completion: Completion) -> str:
    """The answer as the model wrote it: the arguments of its calls, else its text."""
    if not completion.tool_calls:
        return completion.text
    return "\n".join(call.raw_arguments for call in completion.tool_calls)
