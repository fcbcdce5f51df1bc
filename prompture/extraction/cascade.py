"""A cascade: the models in order, until one gives an answer that will do.

What will do is the policy's to say (``Cascade``). A plain list goes on after every failure, and
takes whatever is valid.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from prompture import observe
from prompture.document_errors import DocumentWithoutText
from prompture.drivers.routes import asks_to_wait, is_silence
from prompture.errors import (
    BudgetExceeded,
    ConfigurationError,
    ContentFiltered,
    ExtractionError,
    Invalid,
    InvalidRequest,
    MissingExtra,
    MissingKey,
    PromptureError,
    Refused,
    SchemaError,
    ToolArgumentsInvalid,
    UnsupportedError,
)
from prompture.extraction.flow import AnswerReader, Rest, ValueReader, one_model
from prompture.extraction.model_drivers import KEEP, Cascade
from prompture.extraction.result import Extraction
from prompture.extraction.strategy import Plan
from prompture.flows.attempts import AttemptLog, is_about_format
from prompture.flows.run import D, Flow
from prompture.schema.problems import UNGROUNDED
from prompture.types import JSON, Document, Message, Text

if TYPE_CHECKING:
    from prompture.extraction.evidence import WantedEvidence

USUAL_SHARE = 0.5
"""Of the strings and numbers, so many are looked for in the text where the caller set nothing."""
_NOT_TO_BE_HAD = (MissingKey, MissingExtra, UnsupportedError, SchemaError, DocumentWithoutText)


def cascade(
    reader: AnswerReader,
    drivers: Sequence[Callable[[], D]],
    planner: Callable[[D], Plan],
    document: Message,
    *,
    max_retries: int,
    log: AttemptLog,
    is_over: Callable[[], bool],
    has_given: Callable[[], bool] | None = None,
    policy: Cascade | None = None,
    wants: WantedEvidence | None = None,
) -> Flow[D, Extraction[Any]]:
    """Ask the models in order until one gives a valid value.

    A model that fails in whatever way, or cannot be asked at all (no key), is followed by the
    next, and stands among the attempts. What ends the whole: a budget that is used up, a reader
    that is settled, ``is_over`` saying that there is no time left, a stream that broke off
    (``has_given``: something of it is out), and a failure that the policy does not go on after.
    The last error is raised, carrying every attempt and the whole bill.
    """
    last: PromptureError | None = None
    # A route that was silent, or asks for a long wait, is tried again behind all the others.
    waiting, again = deque(drivers), deque[tuple[Callable[[], D], bool]]()
    rest = Rest() if policy and policy.keep == KEEP[0] and type(reader) is ValueReader else None
    while waiting or again:
        driver, tried = None, len(log.attempts)  # of a silent one, one try
        make, was_silent = (waiting.popleft(), False) if waiting else again.popleft()
        try:
            driver = _made(make)
            if last is not None:
                _note_fallback(log, last, driver.name)
            own = _reader(reader, policy, document, log, not waiting, wants)
            ask = partial(_with_fallback, own, driver, planner, document, log=log, rest=rest)
            found = yield from ask(max_retries=max_retries, has_next=was_silent or bool(waiting))
            return _noted(found) if len(drivers) > 1 else found
        # The next model would spend from the same budget.
        except BudgetExceeded as exc:
            raise log.attach(exc) from None
        except PromptureError as exc:
            # Of one model nothing was tried: its error goes to the caller as it is.
            is_last = isinstance(exc, ConfigurationError) and len(drivers) == 1
            is_half = has_given and has_given() and not isinstance(exc, ExtractionError)
            if is_last or is_half or reader.is_settled() or is_over() or not _goes_on(exc, policy):
                raise log.attach(exc) from exc.__cause__
            # It was not even asked, and stands among the attempts all the same.
            if len(log.attempts) == tried:
                log.failed(exc, name=driver.name if driver else "", strategy="")
            last = exc
            if waiting and _retries(driver) and (is_silence(exc) or asks_to_wait(exc)):
                again.append((make, is_silence(exc)))
        # The runner closes the flow: nobody would see a bill.
        except GeneratorExit:
            raise
        except BaseException as exc:  # an interrupt or a bug, too, carries the bill so far
            log.attach_bill(exc)
            raise
    assert last is not None
    _explain(last, log, document, models=len(drivers))
    raise log.attach(last) from last.__cause__


def _goes_on(error: PromptureError, policy: Cascade | None) -> bool:
    return policy is None or kind_of(error) in policy.escalate_on


def kind_of(error: PromptureError) -> str:
    """What a failure is to a policy, "" for what no other model would change."""
    if isinstance(error, (Refused, ContentFiltered)):
        return "refused"
    if isinstance(error, Invalid) and error.problems and error.problems[0].kind == UNGROUNDED:
        return "ungrounded"
    if isinstance(error, (ExtractionError, ToolArgumentsInvalid)):
        return "invalid"
    is_yours = isinstance(error, ConfigurationError) and not isinstance(error, _NOT_TO_BE_HAD)
    return "" if is_yours else "unavailable"


def _retries(driver: Any) -> bool:
    """Whether a driver would have tried again by itself."""
    return driver is not None and driver.retry.attempts > 1


def _noted(found: Extraction[Any]) -> Extraction[Any]:
    observe.note("model_chosen", "%(model)s gave the value", model=found.model)
    return found


def _note_fallback(log: AttemptLog, error: PromptureError, to: str) -> None:
    observe.note(
        "fallback",
        "%(model)s failed (%(error)s), %(to)s is asked next",
        error=error,
        model=log.attempts[-1].model or "a model",
        to=to,
    )


# macOS takes no longer path. Linux takes 4,096, but so long a line is hardly one.
_LONGEST_PATH = 1024


def _path_hint(document: Message) -> str:
    """What may be wrong where a text gave no value: it names a file, or is a URL."""
    text = document.text
    if not isinstance(document.content, str) or len(text) > _LONGEST_PATH or "\n" in text.strip():
        return ""
    text = text.strip()
    if re.fullmatch(r"https?://\S+", text):
        return "the text is a URL, and nothing was fetched: give what is behind it"
    if not os.path.isfile(text):  # which raises nothing, whatever the text
        return ""
    return (
        "the text is the name of a file, and no file was opened: give what it holds"
        " (Path(...).read_text(), prompture.file(...))"
    )


# What must stand in the text.


def _reader(
    reader: AnswerReader,
    policy: Cascade | None,
    document: Message,
    log: AttemptLog,
    is_last: bool,
    wants: WantedEvidence | None,
) -> AnswerReader:
    """The reader, looking for evidence where the call wants some, or the policy does and there is
    nothing but text to look into."""
    if policy is not None and not _looks(policy, document):
        policy = None
    # Items are out before the answer is whole.
    if (policy is None and wants is None) or type(reader) is not ValueReader:
        return reader
    from prompture.extraction.evidence import EvidenceReader

    share = None
    if policy is not None:
        share = USUAL_SHARE if policy.evidence is None else policy.evidence
    # Nobody is left to ask, and nobody set that it must be so.
    is_lenient = is_last and policy is not None and policy.evidence is None
    text, source = document.text, reader.source
    return EvidenceReader(source, text, log, evidence=wants, share=share, is_lenient=is_lenient)


def check_evidence(policy: object, schema: JSON) -> None:
    """Raise ConfigurationError for a part that no answer can have: every model would be asked for
    nothing."""
    wanted = policy.evidence if isinstance(policy, Cascade) else None
    if not isinstance(wanted, tuple):
        return
    from prompture.extraction.ungrounded import check_part, part_of

    for name in wanted:
        if problem := check_part(part_of(name), schema):
            raise ConfigurationError(f"Cascade.evidence: {problem}")


def _looks(policy: Cascade, document: Message) -> bool:
    """Whether a policy looks for evidence, and there is nothing but text."""
    is_text = all(isinstance(part, (Text, Document)) for part in document.parts)
    return is_text and "ungrounded" in policy.escalate_on


def _made(make: Callable[[], D]) -> D:
    """A driver. A plugin's row may raise anything."""
    try:
        return make()
    except (PromptureError, AssertionError, MemoryError):
        raise
    except Exception as exc:  # a plugin's row may raise anything; it is the cause
        raise ConfigurationError(
            f"the driver could not be made: {type(exc).__name__} (the cause of this error)"
        ) from exc


def _explain(error: PromptureError, log: AttemptLog, document: Message, *, models: int) -> None:
    """Add what the last error cannot know: a likely cause to its message, and, as notes, which a
    traceback shows, how the other models of the cascade failed."""
    hint = _path_hint(document) if isinstance(error, ExtractionError) else ""
    if hint and error.args:
        error.args = (f"{error.args[0]}; {hint}", *error.args[1:])
    if models == 1:
        return
    for attempt in log.attempts[:-1]:
        why = attempt.error or "; ".join(map(str, attempt.problems[:3]))
        error.add_note(f"tried before: {attempt.model or 'a model'}: {why}")


def _with_fallback(
    reader: AnswerReader,
    driver: D,
    planner: Callable[[D], Plan],
    document: Message,
    *,
    max_retries: int,
    log: AttemptLog,
    has_next: bool,
    rest: Rest | None,
) -> Flow[D, Extraction[Any]]:
    """``one_model``, in the next looser way where the provider refuses the schema itself."""
    plan = planner(driver)
    request = plan.request(document)
    plan.check_fits(request, with_answer=log.leaves_answer)
    before = len(log.attempts)
    ask = partial(one_model, reader, driver, log=log, has_next=has_next, rest=rest)
    try:
        return (yield from ask(plan, request, max_retries=max_retries))
    except InvalidRequest as exc:
        looser = _looser(plan, exc)
        if looser is None:
            raise
    # The refused request is no attempt of the model's; those before it were.
    answered = max(0, len(log.attempts) - before - 1)
    left = max(0, max_retries - answered)
    again = looser.request(document)
    observe.note(
        "looser",
        "%(model)s: the provider refused the schema, and is asked by %(why)s",
        model=driver.name,
        why=looser.strategy,
    )
    return (yield from ask(looser, again, max_retries=left))


def _looser(plan: Plan, error: InvalidRequest) -> Plan | None:
    """The plan without what the provider refuses, None where it refuses something else."""
    if plan.template.parallel_tools is False and "parallel_tool" in str(error):
        return replace(plan, template=replace(plan.template, parallel_tools=None))
    return plan.looser() if is_about_format(error) else None
