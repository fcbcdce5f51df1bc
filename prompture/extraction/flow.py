"""The flow of an extraction: ask, read, check; show the model what is wrong and ask again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from prompture import observe
from prompture.errors import ConfigurationError, PromptureError, ToolArgumentsInvalid
from prompture.extraction.answer import UNREAD, ParsedAnswer, Rejected, answer_text, read
from prompture.extraction.document_turn import Fence, documents_of
from prompture.extraction.patch import LEAST_CHARS, Patch, patch_for, rest_patch
from prompture.extraction.result import Extraction, cause_of, failed, with_rest
from prompture.extraction.strategy import Plan, json_only
from prompture.flows.attempts import (
    CUT_OFF,
    AttemptLog,
    complaint,
    is_slip,
    status_of,
    stop_error,
)
from prompture.flows.run import Ask, D, Flow
from prompture.schema.exact_json import read_exactly, with_floats
from prompture.schema.problems import NO_CONTEXT, InvalidValue, Problem
from prompture.schema.source import Source
from prompture.schema.source import source as make_source
from prompture.types import Completion, JSONValue, Message, Request, Text

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: the whole value by ``whole``, or the ``parts`` of ``patch`` by a plan of
    their own. ``document`` is the turn with the document, which the turns of re-asking follow.
    ``whole_tokens`` were the output of the last whole answer. ``shows_whole`` is False where the
    model has seen no question for the whole: the rest is another's."""

    request: Request
    plan: Plan
    whole: Plan
    document: Message
    patch: Patch | None = None
    parts: Source[Any] | None = None
    whole_tokens: int = 0
    shows_whole: bool = True

    @property
    def plain(self) -> JSONValue:
        """The value that parts of were asked for again, UNREAD where none is known yet."""
        return self.patch.plain if self.patch else UNREAD


@dataclass(slots=True)
class Rest:
    """What the last answer that could be read leaves to the next model of a cascade: its value,
    and what is wrong with it."""

    plain: JSONValue = UNREAD
    problems: Sequence[Problem] = ()

    def take(self, rejected: Rejected) -> None:
        """Keep what an answer left; one that could not be read leaves what was there before."""
        if rejected.plain is not UNREAD:
            self.plain, self.problems = rejected.plain, rejected.problems


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
        completion = Fence(question.document).taken_off_all(completion)
        patch, parts = question.patch, question.parts
        if patch is None or parts is None:
            return read(self.source, question.plan, completion)
        part: ParsedAnswer | None = None
        try:
            part = read(parts, question.plan, completion)
        except Rejected as exc:
            with suppress(Rejected):
                whole = read(self.source, question.whole, completion)
                # Some give the whole value anew, which is as good; another model's is not.
                if question.shows_whole:
                    return whole
                if (found := patch.taken_from(self._plain(whole, completion))) is not None:
                    part = replace(whole, value=found)
            if part is None:
                raise Rejected(exc.problems, UNREAD, exc.shown) from exc
        plain = patch.merged(part.value)
        try:
            return ParsedAnswer(self.source.validate(plain), plain, part.repairs)
        except InvalidValue as exc:
            raise Rejected(exc.problems, plain) from exc

    def _plain(self, answer: ParsedAnswer, completion: Completion) -> JSONValue:
        """The JSON of an answer; one that was validated as it stood is read again."""
        if answer.plain is not None:
            return answer.plain
        return read_exactly(answer_text(self.source, completion) or "null")

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
    has_next: bool = False,
    rest: Rest | None = None,
) -> Flow[D, Extraction[Any]]:
    """Ask one model, and again up to ``max_retries`` times while its answer is invalid.

    ``request`` is the plan's for the document. ``has_next``: another model is behind this one. Of a
    value in ``rest``, only what is wrong is asked for. Raises ExtractionError, and what calls raise.
    """
    question = Question(request, plan, plan, request.messages[len(plan.turns)])
    question = (rest and _of_rest(rest, reader.source, question)) or question
    name = f"{driver.provider.name}/{request.model}"
    # Rules give the same answer each time; a model does not.
    tries = 1 + (max_retries if driver.features.reasks else 0)
    note = partial(_note, log, reader, name)
    rested = partial(with_rest, plan=plan, source=reader.source)
    for left in reversed(range(tries)):
        ask = Ask(driver, question.request, question.patch is not None, question.plan, has_next)
        try:
            completion = yield ask
            if completion.stop_reason in CUT_OFF and log.resumes:
                completion = yield from _whole(question, ask, completion, reader, log, note, rested)
        except PromptureError as exc:
            reader.interrupted(exc)
            log.failed(exc, name=name, strategy=plan.strategy)
            if left and isinstance(exc, ToolArgumentsInvalid) and not reader.is_settled():
                continue
            raise
        if error := stop_error(completion, name=name, max_tokens=plan.template.max_tokens):
            note(question, completion, status=status_of(error), error=str(error))
            if left and is_slip(completion) and not reader.is_settled():
                continue
            raise rested(error, completion, plain=question.plain)
        try:
            reading = reader.read(question, completion)
        except Rejected as exc:
            note(question, completion, status="invalid", problems=exc.problems)
            (rest or Rest()).take(exc)
            # A context that the caller did not give is given by no answer.
            if not left or exc.problems[0].kind == NO_CONTEXT or reader.is_settled():
                failure = failed(name, exc.problems, tries - left, completion)
                plain = question.plain if exc.plain is UNREAD else exc.plain
                raise rested(failure, completion, plain=plain) from cause_of(exc)
            question = _again(question, reader.source, completion, exc)
            _note_reask(name, exc, attempt=tries - left + 1)
            continue
        except BaseException as exc:  # an interrupt while it is read: it was paid for
            note(question, completion, error=type(exc).__name__)
            raise
        note(question, completion, repairs=reading.repairs)
        return _extraction(reading, question, completion, log, reader.source)
    raise AssertionError("the last try ends in a value or an error")


def _whole(
    question: Question,
    ask: Ask[D],
    completion: Completion,
    reader: AnswerReader,
    log: AttemptLog,
    note: Callable[..., None],
    rested: Callable[..., PromptureError],
) -> Flow[D, Completion]:
    """What can be had of an answer that was cut off."""
    from prompture.extraction import cut_off

    read = partial(ValueReader(reader.source).read, question)
    if cut_off.ended_whole(completion, ask.plan, read):
        log.notes += ("the answer met its limit of tokens, and was whole",)
        return replace(completion, stop_reason="stop")
    resuming = cut_off.whole_answer(
        ask,
        completion,
        partial(note, question),
        rested,
        # Readers of whole values have no such number.
        given_out=lambda: getattr(reader, "count", None),
    )
    return (yield from resuming)


def _note_reask(name: str, rejected: Rejected, *, attempt: int) -> None:
    observe.note(
        "reask",
        "%(model)s: the answer had %(problems)d problems, and is asked for again",
        model=name,
        problems=len(rejected.problems),
        attempt=attempt,
    )


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
    """Record an answer. A cache keeps it if it is good."""
    if completion.storing is not None:
        completion.storing.judged(valid=status == "ok" and not error and not reader.problems)
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
    reading: ParsedAnswer,
    question: Question,
    completion: Completion,
    log: AttemptLog,
    source: Source[Any],
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
        documents=documents_of(question.document),
        output_tokens_saved=max(0, question.whole_tokens - tokens) if question.patch else 0,
        notes=log.notes,
        quotes=reading.quotes,
        schema=source.json_schema,
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
        schema, problems = source.json_schema, rejected.problems
        if question.shows_whole:
            patch = patch_for(problems, rejected.plain, schema, chars=chars)
        else:
            patch = rest_patch(problems, rejected.plain, schema)
    if patch is None:
        # After a patch, the whole is asked for with the schema of the whole again.
        base = request if question.patch is None else plan.template
        turns = _turns_after(completion, complaint(rejected.shown))
        document = question.document
        if not question.shows_whole:
            if rejected.plain is UNREAD:  # the parts themselves were wrong
                return replace(
                    question, request=replace(request, messages=(*request.messages, *turns))
                )
            return Question(plan.request(document), plan, plan, document)
        asked = replace(base, messages=(*request.messages, *turns))
        return Question(asked, plan, plan, document)
    parts = make_source(patch.schema)
    part_plan = plan.for_parts(parts)
    words = complaint(rejected.shown, parts=tuple(patch.paths))
    # The schema of the parts goes nowhere else in these two: the system turn has the whole's.
    if part_plan.strategy in ("json_object", "prompt"):
        words = f"{words}\n\n{json_only(part_plan.rewrite.schema)}"
    turns = _turns_after(completion, words)
    asked = replace(part_plan.template, messages=(*request.messages, *turns))
    tokens = question.whole_tokens if question.patch else completion.usage.output_tokens
    return replace(
        question, request=asked, plan=part_plan, patch=patch, parts=parts, whole_tokens=tokens
    )


def _of_rest(rest: Rest, source: Source[Any], question: Question) -> Question | None:
    """The question for what is wrong with another model's value; None where the whole has to be
    asked for."""
    if rest.plain is UNREAD:
        return None
    patch = rest_patch(rest.problems, rest.plain, source.json_schema)
    if patch is None:
        return None
    parts = make_source(patch.schema)
    try:
        part_plan = question.whole.for_parts(parts)
    except ConfigurationError:  # the provider's dialect cannot say these parts by themselves
        return None
    turn = question.document
    # The place of an item in a list says nothing to who does not see the list.
    if any(isinstance(step, int) for path in patch.paths.values() for step in path):
        known = json.dumps(with_floats(rest.plain), ensure_ascii=False)
        words = f"What is known of it so far, by an answer that was not all valid:\n{known}"
        turn = replace(turn, content=(*turn.parts, Text(words)))
    return replace(
        question,
        request=part_plan.request(turn),
        plan=part_plan,
        patch=patch,
        parts=parts,
        shows_whole=False,
    )


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
