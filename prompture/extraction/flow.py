"""The flow of an extraction: ask, read, check; show the model what is wrong and ask again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from prompture.errors import (
    BudgetExceeded,
    ConfigurationError,
    ExtractionError,
    Invalid,
    InvalidRequest,
    PromptureError,
    ToolArgumentsInvalid,
    Truncated,
)
from prompture.extraction.answer import (
    CUT,
    UNREAD,
    Reading,
    Rejected,
    answer_text,
    read,
)
from prompture.extraction.inputs import path_hint
from prompture.extraction.patch import LEAST_CHARS, Patch, patch_for
from prompture.extraction.prompts import json_only, tool_complaints
from prompture.extraction.result import Extraction
from prompture.extraction.salvage import cause_of, with_rest
from prompture.extraction.strategy import Plan
from prompture.flows.attempts import AttemptLog
from prompture.flows.base import Ask, Flow
from prompture.flows.judge import advice, blames_format, complaint, is_slip, status_of, stop_error
from prompture.schema.blunders import NO_CONTEXT
from prompture.schema.check import InvalidValue, Problem
from prompture.schema.source import Source
from prompture.schema.source import source as make_source
from prompture.types import Completion, Message, Request

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked: the whole value by ``whole``, or the parts of ``patch`` by a plan of their
    own."""

    request: Request
    plan: Plan
    whole: Plan
    patch: Patch | None = None
    source: Source[Any] | None = None

    def read(self, whole: Source[Any], completion: Completion) -> Reading:
        """The whole value. Raises Rejected."""
        if self.patch is None or self.source is None:
            return read(whole, self.plan, completion)
        try:
            part = read(self.source, self.plan, completion)
        except Rejected as exc:
            # Some give the whole value anew, which is as good.
            with suppress(Rejected):
                return read(whole, self.whole, completion)
            raise Rejected(exc.problems, UNREAD, exc.shown) from exc
        plain = self.patch.merged(part.value)
        try:
            return Reading(whole.validate(plain), plain, part.repairs)
        except InvalidValue as exc:
            raise Rejected(exc.problems, plain) from exc


def one_model(
    source: Source[T],
    driver: Any,
    plan: Plan,
    document: Message,
    *,
    max_retries: int,
    log: AttemptLog,
) -> Flow[Any, Extraction[T]]:
    """Ask one model, and again up to ``max_retries`` times while its answer is invalid."""
    question = _Question(plan.request(document), plan, plan)
    name = f"{driver.provider.name}/{question.request.model or driver.model}"
    tries = 1 + (max_retries if driver.features.reasks else 0)
    whole_tokens = 0
    for left in reversed(range(tries)):
        patch = question.patch
        try:
            completion = yield Ask(driver, question.request, patch is not None, question.plan)
        except PromptureError as exc:
            log.failed(exc, name=name, strategy=plan.strategy)
            if left and isinstance(exc, ToolArgumentsInvalid):
                continue
            raise
        so_far = patch.plain if patch else UNREAD
        if error := stop_error(completion, name=name, max_tokens=plan.template.max_tokens):
            log.answered(
                completion,
                name=name,
                strategy=plan.strategy,
                status=status_of(error),
                error=str(error),
            )
            if left and is_slip(completion):
                continue
            raise with_rest(error, completion, plan=plan, source=source, plain=so_far)
        asked = tuple(patch.paths) if patch else ()
        try:
            reading = question.read(source, completion)
        except Rejected as exc:
            log.answered(
                completion,
                name=name,
                strategy=plan.strategy,
                status="invalid",
                problems=exc.problems,
                asked_for=asked,
            )
            if not left or exc.problems[0].kind == NO_CONTEXT:
                failure = failed(name, exc.problems, tries - left, completion)
                plain = so_far if exc.plain is UNREAD else exc.plain
                with_rest(failure, completion, plan=plan, source=source, plain=plain)
                raise failure from cause_of(exc)
            whole_tokens = whole_tokens if patch else completion.usage.output_tokens
            question = _again(question, source, driver, plan, completion, exc)
            continue
        except BaseException as exc:  # an interrupt while it is read: it was paid for
            log.answered(completion, name=name, strategy=plan.strategy, error=type(exc).__name__)
            raise
        saved = max(0, whole_tokens - completion.usage.output_tokens) if patch else 0
        log.answered(
            completion, name=name, strategy=plan.strategy, repairs=reading.repairs, asked_for=asked
        )
        return _extraction(reading, completion, plan, document, log, name, saved)
    raise AssertionError("the last try ends in a value or an error")


def _extraction(
    reading: Reading,
    completion: Completion,
    plan: Plan,
    document: Message,
    log: AttemptLog,
    name: str,
    saved: int,
) -> Extraction[Any]:
    return Extraction(
        value=reading.value,
        cost=log.bill(),
        attempts=tuple(log.attempts),
        model=name,
        strategy=plan.strategy,
        changes=plan.rewrite.changes,
        raw=completion,
        plain=reading.plain,
        text=document.text,
        output_tokens_saved=saved,
        notes=log.notes,
    )


def _again(
    question: _Question,
    source: Source[Any],
    driver: Any,
    plan: Plan,
    completion: Completion,
    rejected: Rejected,
) -> _Question:
    """The next question: it shows the model its answer and what is wrong with it, and asks for
    the failing parts alone where that is less."""
    request = question.request
    patch = None
    if rejected.plain is not UNREAD:
        text = answer_text(source, completion) or ""
        chars = len(text) if question.patch is None else LEAST_CHARS
        patch = patch_for(rejected.problems, rejected.plain, source.json_schema, chars=chars)
    if patch is None:
        # After a patch, the whole is asked for with the schema of the whole again.
        base = request if question.patch is None else plan.template
        said = complaint(rejected.shown)
        turns = [*request.messages, *turns_after(completion, said)]
        return _Question(replace(base, messages=tuple(turns)), plan, plan)
    parts = make_source(patch.schema)
    part_plan = plan.for_parts(parts)
    said = complaint(rejected.shown, parts=tuple(patch.paths))
    if part_plan.strategy in ("json_object", "prompt"):
        said = f"{said}\n\n{json_only(part_plan.rewrite.schema)}"
    turns = [*request.messages, *turns_after(completion, said)]
    asked = replace(part_plan.template, messages=tuple(turns))
    return _Question(asked, part_plan, plan, patch, parts)


def turns_after(completion: Completion, said: str) -> list[Message]:
    """The answer that a model gave, and what is wrong with it."""
    if completion.tool_calls:
        return [completion.message(), *tool_complaints(completion.tool_calls, said)]
    if completion.text.strip():
        return [completion.message(), Message(role="user", content=said)]
    # An empty turn is refused by most providers, so the complaint follows the document.
    return [Message(role="user", content=said)]


def failed(
    name: str, problems: Sequence[Problem], tries: int, completion: Completion
) -> ExtractionError:
    """What came of asking a model so often: Invalid, or Truncated where the JSON broke off."""
    shown = "; ".join(str(p) for p in problems[:5])
    more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
    times = "once" if tries == 1 else f"{tries} times"
    told = f"{name} was asked {times} and gave no valid value: {shown}{more}"
    if problems[0].kind == CUT:
        return Truncated(f"{told}; {advice(completion)}")
    return Invalid(told, problems=problems)


Planner = Callable[[Any], Plan]
OneModel = Callable[..., Flow[Any, Extraction[Any]]]
"""``one_model``, or what takes its place."""


def cascade(
    source: Source[T],
    drivers: Sequence[Callable[[], Any]],
    planner: Planner,
    document: Message,
    *,
    check: Callable[[Any, Plan, Message], None],
    max_retries: int,
    log: AttemptLog | None = None,
    ask: OneModel = one_model,
    is_settled: Callable[[], bool] = lambda: False,
    is_over: Callable[[], bool] = lambda: False,
    notes: tuple[str, ...] = (),
) -> Flow[Any, Extraction[T]]:
    """Ask the models in order until one gives a valid value.

    A model that fails in whatever way, or cannot be asked at all (no key), hands on to the next,
    and stands among the attempts; only a budget that is used up ends
    the whole, or ``is_settled`` saying that a failure is final, or ``is_over`` that there is no
    time left. The last error is raised,
    carrying every attempt and the whole bill. ``ask`` asks one model.
    """
    log = log or AttemptLog()
    log.notes = notes
    last: PromptureError | None = None
    for make in drivers:
        driver, tried = None, len(log.attempts)
        try:
            driver = _made(make)
            plan = planner(driver)
            check(driver, plan, document)
            return (
                yield from _with_fallback(
                    ask, source, driver, plan, document, max_retries=max_retries, log=log
                )
            )
        except BudgetExceeded as exc:
            raise log.attach(exc) from None
        except PromptureError as exc:
            is_last = isinstance(exc, ConfigurationError) and len(drivers) == 1
            if is_last or is_settled() or is_over():
                raise log.attach(exc) from exc.__cause__
            if len(log.attempts) == tried:
                log.failed(exc, name=driver.name if driver else "", strategy="")
            last = exc
        except GeneratorExit:
            raise
        except BaseException as exc:  # an interrupt or a bug, too, carries the bill so far
            log.attach_bill(exc)
            raise
    assert last is not None
    _explain(last, log, document, models=len(drivers))
    raise log.attach(last) from last.__cause__


def _made(make: Callable[[], Any]) -> Any:
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
    """Say what the message of the last error cannot know: a likely cause, and how the other
    models of the cascade failed (as notes, which a traceback shows)."""
    hint = path_hint(document) if isinstance(error, ExtractionError) else ""
    if hint and error.args:
        error.args = (f"{error.args[0]}; {hint}", *error.args[1:])
    if models == 1:
        return
    for attempt in log.attempts[:-1]:
        why = attempt.error or "; ".join(map(str, attempt.problems[:3]))
        error.add_note(f"tried before: {attempt.model or 'a model'}: {why}")


def _with_fallback(
    ask: OneModel,
    source: Source[T],
    driver: Any,
    plan: Plan,
    document: Message,
    *,
    max_retries: int,
    log: AttemptLog,
) -> Flow[Any, Extraction[T]]:
    """``ask``, in the next looser way where the provider refuses the schema itself."""
    before = len(log.attempts)
    try:
        return (yield from ask(source, driver, plan, document, max_retries=max_retries, log=log))
    except InvalidRequest as exc:
        looser = _looser(plan, exc)
        if looser is None:
            raise
    # The refused request is no attempt of the model's; those before it were.
    answered = max(0, len(log.attempts) - before - 1)
    left = max(0, max_retries - answered)
    return (yield from ask(source, driver, looser, document, max_retries=left, log=log))


def _looser(plan: Plan, error: InvalidRequest) -> Plan | None:
    """The plan without what the provider refuses, None where it refuses something else."""
    if plan.template.parallel_tools is False and "parallel_tool" in str(error):
        return replace(plan, template=replace(plan.template, parallel_tools=None))
    return plan.looser() if blames_format(error) else None
