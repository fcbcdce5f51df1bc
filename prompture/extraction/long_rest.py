"""What the chunks of a long document left open: asked for once more, where it most likely stands."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from prompture.documents.passages import Passage
from prompture.errors import (
    AuthenticationError,
    ConfigurationError,
    Invalid,
    ModelNotFound,
    NotGrounded,
    PermissionDenied,
    QuotaExhausted,
)
from prompture.extraction.cascade import cascade
from prompture.extraction.document_turn import DocumentTurn, document_turn, documents_of
from prompture.extraction.flow import AnswerReader, ValueReader
from prompture.extraction.long_text import ReadsChunks
from prompture.extraction.merge import Merged
from prompture.extraction.model_drivers import Cascade, makers
from prompture.extraction.patch import Patch, schema_at
from prompture.extraction.result import Extraction
from prompture.extraction.strategy import Plan
from prompture.flows.attempts import AttemptLog, raw_text
from prompture.flows.run import Flow
from prompture.json_values import pointer, same
from prompture.schema.exact_json import read_exactly, with_floats
from prompture.schema.problems import UNGROUNDED, InvalidValue, Problem
from prompture.schema.source import Source
from prompture.schema.source import source as make_source
from prompture.types import JSON, Completion, Document, JSONValue, Span, Text
from prompture.wire.deadline import is_over

if TYPE_CHECKING:
    from prompture.extraction.evidence import WantedEvidence
    from prompture.flows.stream import RunningBill

# No other chunk would fare better.
HOPELESS = (
    ConfigurationError,
    AuthenticationError,
    PermissionDenied,
    ModelNotFound,
    QuotaExhausted,
)
_WORDS = "The document is a part of a longer one. What is known of that so far:\n{known}"


def asked_as_usual(
    extractor: ReadsChunks,
    reader: AnswerReader,
    plan_for: Callable[[Any], Plan],
    document: DocumentTurn,
    log: AttemptLog,
    *,
    asynchronous: bool,
    is_whole: bool = False,
    running: RunningBill | None = None,
    wants: WantedEvidence | None = None,
) -> Flow[Any, Extraction[Any]]:
    """The flow of any extraction, for a document or a part of one."""
    policy = extractor.model if isinstance(extractor.model, Cascade) else None
    if policy is not None and isinstance(policy.evidence, tuple) and not is_whole:
        # A part of the document need not hold what must stand in the whole.
        policy = replace(policy, evidence=None)
    return cascade(
        reader,
        makers(extractor.model, asynchronous=asynchronous, document=document),
        plan_for,
        document,
        max_retries=extractor.max_retries,
        log=log,
        is_over=running.is_over if running else is_over,
        has_given=running.gave if running else None,
        policy=policy,
        wants=wants,
    )


def wanted(
    extractor: ReadsChunks, source: Source[Any], document: DocumentTurn
) -> WantedEvidence | None:
    """What the caller wants to stand in a document."""
    found: WantedEvidence | None = extractor._wishes and extractor._wishes.evidence(
        source, document
    )
    return found


def rest_flow(
    extractor: ReadsChunks,
    patch: Patch,
    plain: JSONValue,
    text: str,
    log: AttemptLog,
    *,
    asynchronous: bool,
) -> Flow[Any, Extraction[Any]]:
    """The flow that asks for the parts of a patch, of a text that may hold them."""
    known = json.dumps(_known(patch, plain), ensure_ascii=False)
    turn = document_turn((Text(_WORDS.format(known=known)), Document(text)))
    parts = make_source(patch.schema)

    # Spans are counted in the text alone.
    document = replace(turn, given=text)
    planned = extractor.planner(document)

    def plan_for(driver: Any) -> Plan:
        return planned(driver).for_parts(parts)

    return asked_as_usual(
        extractor, ValueReader(parts), plan_for, document, log, asynchronous=asynchronous
    )


def put_in(
    patch: Patch,
    found: Extraction[Any],
    whole: Merged,
    passage: Passage,
    in_whole: Callable[[Span], Span],
) -> None:
    """Put the parts into the whole, with their places."""
    whole.plain = patch.merged(plain_of(found))
    spans = found.sources
    for name, path in patch.paths.items():
        prefix, target = pointer((name,)), pointer(path)
        for where, places in spans.items():
            if where != prefix and not where.startswith(f"{prefix}/"):
                continue
            if placed := tuple(map(in_whole, placed_in(places, passage))):
                whole.spans[target + where[len(prefix) :]] = placed


def around(patch: Patch, whole: Merged, all_passages: Sequence[Passage]) -> Passage:
    """The passage that most likely holds what is missing: where that stands to which it belongs,
    else the first."""
    for path in patch.paths.values():
        for depth in range(len(path) - 1, 0, -1):
            prefix = pointer(path[:depth]) + "/"
            starts = [s[0].start for where, s in whole.spans.items() if where.startswith(prefix)]
            if not starts:
                continue
            at = min(starts)
            for passage in all_passages:
                if passage.start <= at < passage.end:
                    return passage
    return all_passages[0]


def evidence_problems(
    extractor: ReadsChunks, whole: Merged, turn: DocumentTurn, typed: object
) -> list[Problem]:
    """What must stand in the text, by the policy of a cascade or the caller's wish, and does not."""
    policy, wishes, problems = extractor.model, extractor._wishes, list[Problem]()
    if isinstance(policy, Cascade) and isinstance(policy.evidence, tuple):
        from prompture.extraction.ungrounded import unproven

        for name in policy.evidence:
            problems += unproven(whole.plain, name, whole.spans)
    if wishes is not None and (wants := wishes.evidence(extractor._reads, turn)) is not None:
        problems += wants.missing(whole.plain, whole.spans, typed)
    return problems


def not_valid(
    problems: Sequence[Problem], whole: Merged, *, chunks: int = 0, lost: int = 0
) -> Invalid:
    """The error of a whole that is not valid."""
    shown = "; ".join(map(str, problems[:5]))
    more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
    of = f", of which {lost} gave nothing," if lost else ""
    where = f"the {chunks} chunks{of}" if chunks else "the chunks"
    message = f"what {where} of the document gave is no valid value together: {shown}{more}"
    if problems[0].kind == UNGROUNDED:
        error: Invalid = NotGrounded(
            f"values are not in the text: {shown}{more}", problems=problems
        )
    else:
        error = Invalid(message, problems=problems)
    error.value = with_floats(whole.plain)
    return error


def without_ungrounded(
    error: NotGrounded, log: AttemptLog, turn: DocumentTurn, source: Source[Any], start: int
) -> Extraction[Any]:
    """What a chunk that begins at ``start`` gave, without the values that its text does not hold.
    Raises the error where that cannot be known."""
    completion, lost = error.partial, {problem.pointer for problem in error.problems}
    if completion is None or error.value is None or not log.attempts:
        raise error
    from prompture.extraction.grounding import ground

    plain = _with_digits(error.value, completion)
    found = ground(plain, turn.text, schema=source.json_schema)
    kept = _without(plain, (), lost, found, source.json_schema)
    kept = None if kept is _GONE else kept
    try:
        value = source.validate(kept)
    except InvalidValue:
        raise error from None
    log.notes += (f"left out of the chunk at {start}, as not in its text: {_shown(lost)}",)
    last = log.attempts[-1]
    return Extraction(
        value=value,
        cost=log.bill(),
        attempts=tuple(log.attempts),
        model=last.model,
        strategy=last.strategy,
        changes=(),
        # The places that a driver knows are of the answer as it was.
        raw=replace(completion, spans=None),
        plain=kept,
        text=turn.text,
        documents=documents_of(turn),
        notes=log.notes,
        schema=source.json_schema,
    )


_GONE: Any = object()
_MOST_SHOWN = 5


def _shown(lost: Collection[str]) -> str:
    """The fields that values were left out of."""
    named = sorted({re.sub(r"/\d+(?=/|$)", "/*", where) or "(root)" for where in lost})
    more = f" and {len(named) - _MOST_SHOWN} more fields" if len(named) > _MOST_SHOWN else ""
    values = f"{len(lost)} value{'s' * (len(lost) > 1)}"
    return f"{values} ({', '.join(named[:_MOST_SHOWN])}{more})"


def _without(
    value: JSONValue,
    path: tuple[str | int, ...],
    lost: Collection[str],
    found: Mapping[str, Any],
    schema: JSON,
) -> Any:
    """A value without what stands at the pointers ``lost``."""
    where = pointer(path)
    if where in lost:
        return _GONE
    if isinstance(value, dict):
        members = {k: _without(v, (*path, k), lost, found, schema) for k, v in value.items()}
        kept = {k: v for k, v in members.items() if v is not _GONE}
        is_item = bool(path) and isinstance(path[-1], int)
        # Of an item that was made up, what is left (true, the name of a branch) says nothing.
        if is_item and not _holds(where, found) and _holds(where, lost):
            return _GONE
        return kept
    if isinstance(value, list):
        items = [_without(v, (*path, i), lost, found, schema) for i, v in enumerate(value)]
        # A tuple has its places, and is whole or not at all.
        if _GONE in items and _is_tuple(schema_at(path, schema)):
            return _GONE
        return [item for item in items if item is not _GONE]
    return value


def _holds(where: str, pointers: Collection[str]) -> bool:
    return any(each.startswith(f"{where}/") for each in pointers)


def _is_tuple(at: JSONValue) -> bool:
    if not isinstance(at, Mapping):
        return False
    branches = at.get("anyOf")
    return "prefixItems" in at or (isinstance(branches, list) and any(map(_is_tuple, branches)))


def plain_of(found: Extraction[Any]) -> JSONValue:
    """The plain JSON of an answer whose schema was plain, with every digit of its numbers."""
    return found.plain if found.plain is not None else _with_digits(found.value, found.raw)


def _with_digits(value: JSONValue, completion: Completion) -> JSONValue:
    """A value that was read from an answer, with every digit of its numbers where that can be."""
    try:
        exact = read_exactly(raw_text(completion))
    except (ValueError, RecursionError):  # it had to be mended
        return value
    return exact if same(with_floats(exact), with_floats(value)) else value


def placed_in(spans: Sequence[Span], passage: Passage) -> Iterator[Span]:
    """The spans in the whole text."""
    for span in spans:
        if (place := passage.place(span.start, span.end)) is not None:
            yield replace(span, start=place[0], end=place[1])


def _known(patch: Patch, plain: JSONValue) -> JSONValue:
    """The single values of the root, and the items that something is missing of."""
    found: dict[str, JSONValue] = {}
    if isinstance(plain, dict):
        found = {k: with_floats(v) for k, v in plain.items() if not isinstance(v, list)}
    for path in patch.paths.values():
        at: JSONValue = plain
        for depth, step in enumerate(path):
            if isinstance(at, dict) and step in at:
                at = at[step]
            elif isinstance(at, list) and isinstance(step, int) and step < len(at):
                at = at[step]
                found[pointer(path[: depth + 1])] = with_floats(at)
            else:
                break
    return found
