"""The flow of an extraction: ask, read, check; show the model what is wrong and ask again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

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
from prompture.extraction.answer import CUT, UNREAD, ParsedAnswer, Rejected, answer_text, read
from prompture.extraction.inputs import path_hint
from prompture.extraction.patch import LEAST_CHARS, Patch, patch_for
from prompture.extraction.result import Extraction, cause_of, with_rest
from prompture.extraction.strategy import Plan, json_only
from prompture.flows.attempts import (
    AttemptLog,
    advice,
    complaint,
    is_about_format,
    is_slip,
    status_of,
    stop_error,
)
from prompture.flows.run import Ask, D, Flow
from prompture.schema.problems import InvalidValue, Problem
from prompture.schema.pydantic_errors import NO_CONTEXT
from prompture.schema.source import Source
from prompture.schema.source import source as make_source
from prompture.types import Completion, JSONValue, Message, Request

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: the whole value by ``whole``, or the ``parts`` of ``patch`` by a plan of
    their own. ``whole_tokens`` were the output of the last whole answer."""

    request: Request
    plan: Plan
    whole: Plan
    patch: Patch | None = None
    parts: Source[Any] | None = None
    whole_tokens: int = 0

    @property
    def document(self) -> Message:
        """The turn with the document, which the turns of re-asking follow."""
        return self.request.messages[len(self.whole.turns)]

    @property
    def plain(self) -> JSONValue:
        """The value that parts of were asked for again, UNREAD where none is known yet."""
        return self.patch.plain if self.patch else UNREAD


class AnswerReader(Protocol):
    """How the answers of one model are read.

    ``source`` is what is asked for. ``problems`` are those of parts that were given out all the
    same; every attempt of the log has them.
    """

    @property
    def source(self) -> Source[Any]: ...

    @property
    def problems(self) -> Sequence[Problem]: ...

    def read(self, question: Question, completion: Completion) -> ParsedAnswer:
        """The value of an answer. Raises Rejected."""
        ...

    def is_settled(self) -> bool:
        """Whether a failure is final: another answer would repeat what was given out."""
        ...

    def interrupted(self, error: PromptureError) -> None:
        """The call ended with this error, which may be the reader's own."""
        ...


class ValueReader(Generic[T]):
    """Reads the whole value from the whole answer."""

    problems: Sequence[Problem] = ()

    def __init__(self, source: Source[T]) -> None:
        self.source = source

    def read(self, question: Question, completion: Completion) -> ParsedAnswer:
        """The value, of which ``question`` may have asked parts only."""
        patch, parts = question.patch, question.parts
        if patch is None or parts is None:
            return read(self.source, question.plan, completion)
        try:
            part = read(parts, question.plan, completion)
        except Rejected as exc:
            # Some give the whole value anew, which is as good.
            with suppress(Rejected):
                return read(self.source, question.whole, completion)
            raise Rejected(exc.problems, UNREAD, exc.shown) from exc
        plain = patch.merged(part.value)
        try:
            return ParsedAnswer(self.source.validate(plain), plain, part.repairs)
        except InvalidValue as exc:
            raise Rejected(exc.problems, plain) from exc

    def is_settled(self) -> bool:
        return False

    def interrupted(self, error: PromptureError) -> None:
        return


def one_model(
    reader: AnswerReader,
    driver: D,
    plan: Plan,
    request: Request,
    *,
    max_retries: int,
    log: AttemptLog,
) -> Flow[D, Extraction[Any]]:
    """Ask one model, and again up to ``max_retries`` times while its answer is invalid.

    ``request`` is the plan's for the document. Raises what the call raises, and ExtractionError.
    """
    question = Question(request, plan, plan)
    name = f"{driver.provider.name}/{request.model}"
    # Rules give the same answer each time; a model does not.
    tries = 1 + (max_retries if driver.features.reasks else 0)
    note = partial(_note, log, reader, name)
    for left in reversed(range(tries)):
        is_part = question.patch is not None
        try:
            completion = yield Ask(driver, question.request, is_part, question.plan)
        except PromptureError as exc:
            reader.interrupted(exc)
            log.failed(exc, name=name, strategy=plan.strategy)
            # The question stays as it is: there is no answer that could be shown.
            if left and isinstance(exc, ToolArgumentsInvalid) and not reader.is_settled():
                continue
            raise
        if error := stop_error(completion, name=name, max_tokens=plan.template.max_tokens):
            note(question, completion, status=status_of(error), error=str(error))
            if left and is_slip(completion) and not reader.is_settled():
                continue
            source, plain = reader.source, question.plain
            raise with_rest(error, completion, plan=plan, source=source, plain=plain)
        try:
            reading = reader.read(question, completion)
        except Rejected as exc:
            note(question, completion, status="invalid", problems=exc.problems)
            # A context that the caller did not give is given by no answer.
            if not left or exc.problems[0].kind == NO_CONTEXT or reader.is_settled():
                failure = failed(name, exc.problems, tries - left, completion)
                plain = question.plain if exc.plain is UNREAD else exc.plain
                with_rest(failure, completion, plan=plan, source=reader.source, plain=plain)
                raise failure from cause_of(exc)
            question = _again(question, reader.source, completion, exc)
            continue
        except BaseException as exc:  # an interrupt while it is read: it was paid for
            note(question, completion, error=type(exc).__name__)
            raise
        note(question, completion, repairs=reading.repairs)
        return _extraction(reading, question, completion, log)
    raise AssertionError("the last try ends in a value or an error")


def _note(
    log: AttemptLog,
    reader: AnswerReader,
    name: str,
    question: Question,
    completion: Completion,
    *,
    status: str = "ok",
    problems: Sequence[Problem] = (),
    error: str = "",
    repairs: tuple[str, ...] = (),
) -> None:
    """Record an answer."""
    log.answered(
        completion,
        name=name,
        strategy=question.whole.strategy,
        status=status,
        problems=(*problems, *reader.problems),
        error=error,
        repairs=repairs,
        asked_for=tuple(question.patch.paths) if question.patch else (),
    )


def _extraction(
    reading: ParsedAnswer, question: Question, completion: Completion, log: AttemptLog
) -> Extraction[Any]:
    whole, tokens = question.whole, completion.usage.output_tokens
    return Extraction(
        value=reading.value,
        cost=log.bill(),
        attempts=tuple(log.attempts),
        model=log.attempts[-1].model,
        strategy=whole.strategy,
        changes=whole.rewrite.changes,
        raw=completion,
        plain=reading.plain,
        text=question.document.text,
        output_tokens_saved=max(0, question.whole_tokens - tokens) if question.patch else 0,
        notes=log.notes,
    )


def _again(
    question: Question, source: Source[Any], completion: Completion, rejected: Rejected
) -> Question:
    """The next question: it shows the model its answer and what is wrong with it, and asks for
    the failing parts alone where that is less."""
    request, plan = question.request, question.whole
    patch = None
    if rejected.plain is not UNREAD:
        text = answer_text(source, completion) or ""
        # The answer with the parts is short; the whole that it mends was long enough.
        chars = len(text) if question.patch is None else LEAST_CHARS
        patch = patch_for(rejected.problems, rejected.plain, source.json_schema, chars=chars)
    if patch is None:
        # After a patch, the whole is asked for with the schema of the whole again.
        base = request if question.patch is None else plan.template
        turns = _turns_after(completion, complaint(rejected.shown))
        return Question(replace(base, messages=(*request.messages, *turns)), plan, plan)
    parts = make_source(patch.schema)
    part_plan = plan.for_parts(parts)
    words = complaint(rejected.shown, parts=tuple(patch.paths))
    # The schema of the parts goes nowhere else in these two: the system turn has the whole's.
    if part_plan.strategy in ("json_object", "prompt"):
        words = f"{words}\n\n{json_only(part_plan.rewrite.schema)}"
    turns = _turns_after(completion, words)
    asked = replace(part_plan.template, messages=(*request.messages, *turns))
    tokens = question.whole_tokens if question.patch else completion.usage.output_tokens
    return Question(asked, part_plan, plan, patch, parts, tokens)


def _turns_after(completion: Completion, words: str) -> list[Message]:
    """The answer that a model gave, and what is wrong with it. Each tool call needs a result."""
    if completion.tool_calls:
        results = [
            Message(
                role="tool",
                call_id=call.id,
                name=call.name,
                content=words if i == 0 else "Not used.",
                is_error=True,
            )
            for i, call in enumerate(completion.tool_calls)
        ]
        return [completion.message(), *results]
    if completion.text.strip():
        return [completion.message(), Message(role="user", content=words)]
    # An empty turn is refused by most providers, so the complaint follows the document.
    return [Message(role="user", content=words)]


def failed(
    name: str, problems: Sequence[Problem], tries: int, completion: Completion
) -> ExtractionError:
    """What came of asking a model so often: Invalid, or Truncated where the JSON broke off."""
    shown = "; ".join(str(p) for p in problems[:5])
    more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
    times = "once" if tries == 1 else f"{tries} times"
    message = f"{name} was asked {times} and gave no valid value: {shown}{more}"
    if problems[0].kind == CUT:
        return Truncated(f"{message}; {advice(completion)}")
    return Invalid(message, problems=problems)


def cascade(
    reader: AnswerReader,
    drivers: Sequence[Callable[[], D]],
    planner: Callable[[D], Plan],
    document: Message,
    *,
    max_retries: int,
    log: AttemptLog,
    is_over: Callable[[], bool],
) -> Flow[D, Extraction[Any]]:
    """Ask the models in order until one gives a valid value.

    A model that fails in whatever way, or cannot be asked at all (no key), is followed by the
    next, and stands among the attempts. Only three things end the whole: a budget that is used
    up, a reader that is settled, and ``is_over`` saying that there is no time left. The last error
    is raised, carrying every attempt and the whole bill.
    """
    last: PromptureError | None = None
    for make in drivers:
        driver, tried = None, len(log.attempts)
        try:
            driver = _made(make)
            plan = planner(driver)
            request = plan.request(document)
            plan.check_fits(request)
            return (
                yield from _with_fallback(
                    reader, driver, plan, request, max_retries=max_retries, log=log
                )
            )
        # The next model would spend from the same budget.
        except BudgetExceeded as exc:
            raise log.attach(exc) from None
        except PromptureError as exc:
            # Of one model nothing was tried: its error goes to the caller as it is.
            is_last = isinstance(exc, ConfigurationError) and len(drivers) == 1
            if is_last or reader.is_settled() or is_over():
                raise log.attach(exc) from exc.__cause__
            # It was not even asked, and stands among the attempts all the same.
            if len(log.attempts) == tried:
                log.failed(exc, name=driver.name if driver else "", strategy="")
            last = exc
        # The runner closes the flow: nobody would see a bill.
        except GeneratorExit:
            raise
        except BaseException as exc:  # an interrupt or a bug, too, carries the bill so far
            log.attach_bill(exc)
            raise
    assert last is not None
    _explain(last, log, document, models=len(drivers))
    raise log.attach(last) from last.__cause__


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
    hint = path_hint(document) if isinstance(error, ExtractionError) else ""
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
    plan: Plan,
    request: Request,
    *,
    max_retries: int,
    log: AttemptLog,
) -> Flow[D, Extraction[Any]]:
    """``one_model``, in the next looser way where the provider refuses the schema itself."""
    before = len(log.attempts)
    try:
        return (
            yield from one_model(reader, driver, plan, request, max_retries=max_retries, log=log)
        )
    except InvalidRequest as exc:
        looser = _looser(plan, exc)
        if looser is None:
            raise
    # The refused request is no attempt of the model's; those before it were.
    answered = max(0, len(log.attempts) - before - 1)
    left = max(0, max_retries - answered)
    again = looser.request(request.messages[-1])
    return (yield from one_model(reader, driver, looser, again, max_retries=left, log=log))


def _looser(plan: Plan, error: InvalidRequest) -> Plan | None:
    """The plan without what the provider refuses, None where it refuses something else."""
    if plan.template.parallel_tools is False and "parallel_tool" in str(error):
        return replace(plan, template=replace(plan.template, parallel_tools=None))
    return plan.looser() if is_about_format(error) else None
