"""What the chunks of a long document left open: asked for once more, where it most likely stands."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from prompture.documents.passages import Passage
from prompture.errors import Invalid, NotGrounded
from prompture.extraction.cascade import cascade
from prompture.extraction.document_turn import DocumentTurn, document_turn
from prompture.extraction.flow import AnswerReader, ValueReader
from prompture.extraction.long_text import ReadsChunks
from prompture.extraction.merge import Merged
from prompture.extraction.model_drivers import Cascade, makers
from prompture.extraction.patch import Patch
from prompture.extraction.result import Extraction
from prompture.extraction.strategy import Plan
from prompture.flows.attempts import AttemptLog, raw_text
from prompture.flows.run import Flow
from prompture.json_values import pointer, same
from prompture.schema.exact_json import read_exactly, with_floats
from prompture.schema.problems import UNGROUNDED, Problem
from prompture.schema.source import Source
from prompture.schema.source import source as make_source
from prompture.types import Document, JSONValue, Span, Text
from prompture.wire.deadline import is_over

if TYPE_CHECKING:
    from prompture.extraction.evidence import WantedEvidence
    from prompture.flows.stream import RunningBill

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
        from prompture.extraction.evidence import unproven

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


def plain_of(found: Extraction[Any]) -> JSONValue:
    """The plain JSON of an answer whose schema was plain, with every digit of its numbers."""
    if found.plain is not None:
        return found.plain
    try:
        exact = read_exactly(raw_text(found.raw))
    except (ValueError, RecursionError):  # it had to be mended
        return found.value
    return exact if same(with_floats(exact), with_floats(found.value)) else found.value


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
