"""The flow of a long document: cut it, ask for all chunks side by side, merge what they gave, and ask
once for what the whole lacks.

A chunk is asked by the flow of any extraction, for the relaxed form of the schema. The whole is held
to the schema itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from prompture import observe
from prompture.documents.passages import Passage
from prompture.drivers.core import BaseDriver
from prompture.errors import (
    NotGrounded,
    PromptureError,
    Truncated,
    UnsupportedError,
)
from prompture.extraction.chunks import Chunk, Chunks
from prompture.extraction.document_turn import document_turn, documents_of
from prompture.extraction.flow import ValueReader
from prompture.extraction.inputs import Content, content, files_read, notes_of
from prompture.extraction.long_rest import (
    HOPELESS,
    around,
    asked_as_usual,
    evidence_problems,
    not_valid,
    placed_in,
    plain_of,
    put_in,
    rest_flow,
    wanted,
    without_ungrounded,
)
from prompture.extraction.long_text import (
    MOST_HALVINGS,
    LongText,
    ReadsChunks,
    cut,
    drivers_of,
    halves,
)
from prompture.extraction.merge import ChunkValue, Merged, merged
from prompture.extraction.patch import Patch, rest_patch
from prompture.extraction.result import Extraction, cause_of
from prompture.flows.attempts import AttemptLog
from prompture.flows.run import Flow
from prompture.flows.several import ManyFlow, Several
from prompture.observe import WorkSpan
from prompture.schema.exact_json import with_floats
from prompture.schema.problems import InvalidValue
from prompture.types import JSONValue, Span

PARALLEL = 8


@dataclass(slots=True)
class _Job:
    """A chunk on its way: where it stands, how it is asked, what came of it."""

    passage: Passage
    number: int
    log: AttemptLog
    value: JSONValue = None
    result: Extraction[Any] | None = None
    error: PromptureError | None = None
    halvings: int = 0


def in_chunks(
    extractor: ReadsChunks,
    text: Content,
    refused: PromptureError | None,
    scope: WorkSpan | None,
    *,
    asynchronous: bool,
) -> ManyFlow[Any, Extraction[Any]]:
    """The flow. ``refused``: why the whole could not be asked for at once, with what that cost.

    Raises what the chunks raised, where none gave a value, and Invalid where the whole is not; each
    has the whole bill.
    """
    flow = _in_chunks(extractor, text, refused, asynchronous=asynchronous)
    return flow if scope is None else scope.followed(flow)


def _in_chunks(
    extractor: ReadsChunks,
    text: Content,
    refused: PromptureError | None,
    *,
    asynchronous: bool,
) -> ManyFlow[Any, Extraction[Any]]:
    read = content(text := files_read(text))
    notes = () if read is text else notes_of(text)
    turn = document_turn(read)
    options = extractor.long if isinstance(extractor.long, Chunks) else Chunks()
    try:
        document = LongText(turn)
    except UnsupportedError as exc:
        raise (refused or exc) from None
    drivers = drivers_of(extractor.model, turn, asynchronous=asynchronous)
    found = cut(extractor, document, options, drivers, is_long=refused is not None)
    run = _Run(extractor, document, options, drivers, asynchronous=asynchronous)
    run.log.notes = notes
    if refused is not None:
        run.log.attempts += refused.attempts
        run.log.charges += refused.bill.charges if refused.bill else ()
        if len(found) == 1:  # it was the provider that found it too long: our count is wrong
            raise refused
    elif len(found) == 1:
        return (yield from run.at_once(found[0][1]))
    model = drivers[0].name if drivers else ""
    words = "the document is read in %(chunks)d chunks, by %(model)s"
    observe.note("chunked", words, chunks=len(found), model=model)
    return (yield from run.flow([_Job(each, number, run.new_log()) for number, each in found]))


class _Run:
    """One long document being extracted from."""

    def __init__(
        self,
        extractor: ReadsChunks,
        document: LongText,
        options: Chunks,
        drivers: Sequence[BaseDriver],
        *,
        asynchronous: bool,
    ) -> None:
        self.log = AttemptLog()
        """What was tried before the chunks, and after them."""
        self._extractor = extractor
        self._document = document
        self._options = options
        self._asynchronous = asynchronous
        self._reasks = any(driver.features.reasks for driver in drivers)
        here = bool(drivers) and all(driver.runs_here for driver in drivers)
        self._parallel = options.parallel or (1 if here else PARALLEL)
        self._hopeless: PromptureError | None = None
        self._jobs: list[_Job] = []

    def new_log(self) -> AttemptLog:
        log = AttemptLog()
        log.resumes = self._extractor.on_truncation == "resume"
        return log

    def at_once(self, passage: Passage) -> ManyFlow[Any, Extraction[Any]]:
        """A document that is no longer than a chunk."""
        job = _Job(passage, 1, self.new_log())
        job.log.notes = self.log.notes
        extractor = self._extractor
        flow = asked_as_usual(
            extractor,
            ValueReader(extractor._reads),
            extractor.planner(self._document.turn),
            self._document.turn,
            job.log,
            asynchronous=self._asynchronous,
            is_whole=True,
            wants=wanted(extractor, extractor._reads, self._document.turn),
        )
        outcome = yield from self._one(flow)
        if isinstance(outcome, PromptureError):
            raise outcome
        found: Extraction[Any] = replace(outcome, chunks=(self._chunk(job),))
        return found

    def _one(self, flow: Flow[Any, Any]) -> ManyFlow[Any, Any]:
        """What a flow returned, or the error of ours that it raised."""
        several: Several[Any] = Several([flow], 1)
        try:
            (outcome,) = yield several
        except BaseException as exc:  # it has the bill of what was under way, too
            self.log.charges += several.spent()
            self.log.attach_all(exc)
            raise
        return outcome

    def flow(self, jobs: list[_Job]) -> ManyFlow[Any, Extraction[Any]]:
        """A document that is cut into these."""
        self._jobs = jobs
        try:
            return (yield from self._whole())
        except BaseException as exc:
            if getattr(exc, "bill", None) is None:  # Ctrl-C between the questions
                self._collect()
                self.log.attach_all(exc)
            raise

    def _whole(self) -> ManyFlow[Any, Extraction[Any]]:
        waiting = self._jobs
        while waiting:
            yield from self._asked(waiting)
            self._jobs, waiting = self._halved(self._jobs)
        jobs = self._jobs
        jobs.sort(key=lambda job: (job.number, job.passage.start))
        good = [job for job in jobs if job.result is not None]
        if not good:
            self._collect()
            error = next(job.error for job in jobs if job.error is not None)
            raise self.log.attach(error) from error.__cause__
        for job in jobs:
            if job.error is not None:
                words = "a chunk of the document gave nothing (%(error)s)"
                observe.note("chunk_failed", words, error=job.error)
        whole = merged(
            [self._value(job, index) for index, job in enumerate(jobs) if job.result is not None],
            self._extractor.source.json_schema,
            self._options.identity,
        )
        chunks = tuple(self._chunk(job) for job in jobs)
        self._collect()
        if len(good) < len(jobs):
            self.log.notes += (f"{len(jobs) - len(good)} of {len(jobs)} chunks gave nothing",)
        value = yield from self._validated(whole, jobs)
        turn = self._document.turn
        if problems := evidence_problems(self._extractor, whole, turn, value):
            raise self.log.attach(not_valid(problems, whole))
        last = next(job.result for job in reversed(jobs) if job.result is not None)
        return Extraction(
            value=value,
            cost=self.log.bill(),
            attempts=tuple(self.log.attempts),
            model=last.model,
            strategy=last.strategy,
            changes=last.changes,
            raw=replace(last.raw, spans=whole.spans),
            plain=whole.plain,
            text=self._document.turn.text,
            documents=documents_of(self._document.turn),
            quotes=whole.quotes,
            schema=self._extractor.source.json_schema,
            output_tokens_saved=sum(j.result.output_tokens_saved for j in good if j.result),
            notes=self.log.notes,
            chunks=chunks,
            conflicts=whole.conflicts,
        )

    def _asked(self, waiting: Sequence[_Job]) -> ManyFlow[Any, None]:
        flows, scopes = [self._job_flow(job) for job in waiting], list[WorkSpan]()
        if (tracing := observe.current) is not None:
            name = f"{self._extractor.source.name} chunk"
            scopes = [tracing.extraction(name) for _ in flows]
            flows = [scope.followed(flow) for scope, flow in zip(scopes, flows, strict=True)]
        several: Several[Any] = Several(flows, self._parallel, scopes)
        # Halves have the bill of the longer one before they begin.
        before = [charge for job in self._jobs for charge in job.log.charges]
        try:
            outcomes = yield several
        except BaseException as exc:  # what ended the whole has the whole bill
            self.log.charges += (*before, *several.spent())
            self.log.attach_all(exc)
            raise
        for job, outcome in zip(waiting, outcomes, strict=True):
            if isinstance(outcome, PromptureError):
                job.error = outcome
            else:
                job.result = outcome

    def _job_flow(self, job: _Job) -> Flow[Any, Extraction[Any]]:
        # What has ended the others ends this one before it begins.
        if self._hopeless is not None:
            raise self._hopeless
        of_chunks = self._extractor._of_chunks
        turn = self._document.turn_of(job.passage)
        flow = asked_as_usual(
            self._extractor,
            ValueReader(of_chunks._reads),
            of_chunks.planner(turn),
            turn,
            job.log,
            asynchronous=self._asynchronous,
            wants=wanted(of_chunks, of_chunks._reads, turn),
        )
        try:
            return (yield from flow)
        except NotGrounded as exc:
            return without_ungrounded(exc, job.log, turn, of_chunks.source, self._chunk(job).start)
        except HOPELESS as exc:
            if not exc.too_long:
                self._hopeless = exc
            raise

    def _halved(self, jobs: list[_Job]) -> tuple[list[_Job], list[_Job]]:
        """The jobs, of which those that were too long are cut in two, and these parts."""
        kept: list[_Job] = []
        new: list[_Job] = []
        for job in jobs:
            error = job.error
            is_long = error is not None and (isinstance(error, Truncated) or error.too_long)
            parts = (
                halves(self._document.text, job.passage)
                if is_long and job.halvings < MOST_HALVINGS
                else []
            )
            if len(parts) < 2:
                kept.append(job)
                continue
            for at, part in enumerate(parts):
                made = _Job(part, job.number, self.new_log(), halvings=job.halvings + 1)
                if at == 0:
                    # The bill of the longer one that failed.
                    made.log.attempts += job.log.attempts
                    made.log.charges += job.log.charges
                new.append(made)
        return [*kept, *new], new

    def _value(self, job: _Job, index: int) -> ChunkValue:
        """What a chunk gave, with its spans in the whole text."""
        result, passage = job.result, job.passage
        assert result is not None
        job.value = plain_of(result)
        spans = {
            where: placed
            for where, found in result.sources.items()
            if (placed := tuple(map(self._in_whole, placed_in(found, passage))))
        }
        whole_at = self._document.whole_at
        start, end = whole_at(passage.start), whole_at(passage.end)
        return ChunkValue(job.value, spans, index, start, end, result.quotes)

    def _in_whole(self, span: Span) -> Span:
        at = self._document.whole_at
        return replace(span, start=at(span.start), end=at(span.end - 1) + 1)

    def _chunk(self, job: _Job) -> Chunk:
        passage = job.passage
        return Chunk(
            start=self._document.whole_at(passage.start),
            end=self._document.whole_at(passage.end - 1) + 1,
            pages=self._document.pages_of(passage),
            heading=passage.shown_heading(self._document.text),
            error=job.error,
            cost=job.log.bill(),
            attempts=tuple(job.log.attempts),
            number=job.number,
            value=None if job.value is None else with_floats(job.value),
        )

    def _collect(self) -> None:
        """Put the attempts and the charges of the chunks onto the log of the whole, once."""
        jobs, self._jobs = self._jobs, []
        self.log.attempts += [attempt for job in jobs for attempt in job.log.attempts]
        self.log.charges += [charge for job in jobs for charge in job.log.charges]
        notes = dict.fromkeys(note for job in jobs for note in job.log.notes)
        self.log.notes += tuple(note for note in notes if note not in self.log.notes)

    # The whole.

    def _validated(self, whole: Merged, jobs: Sequence[_Job]) -> ManyFlow[Any, Any]:
        """The value of the whole; what it lacks is asked for once. Raises Invalid."""
        reads = self._extractor._reads
        try:
            return reads.validate(whole.plain)
        except InvalidValue as exc:
            failure = exc
        patch = None
        if self._reasks and self._extractor.max_retries:
            schema = self._extractor.source.json_schema
            patch = rest_patch(failure.problems, whole.plain, schema)
        if patch is not None and (yield from self._asked_again(patch, whole, jobs)):
            try:
                return reads.validate(whole.plain)
            except InvalidValue as exc:
                failure = exc
        lost = sum(job.error is not None for job in jobs)
        error = not_valid(failure.problems, whole, chunks=len(jobs), lost=lost)
        raise self.log.attach(error) from cause_of(failure)

    def _asked_again(
        self, patch: Patch, whole: Merged, jobs: Sequence[_Job]
    ) -> ManyFlow[Any, bool]:
        """Ask for the parts; whether they came."""
        passage = around(patch, whole, [job.passage for job in jobs])
        text = passage.text_of(self._document.text)
        log = self.new_log()
        flow = rest_flow(
            self._extractor, patch, whole.plain, text, log, asynchronous=self._asynchronous
        )
        outcome = yield from self._one(flow)
        self.log.attempts += log.attempts
        self.log.charges += log.charges
        if isinstance(outcome, PromptureError):
            return False
        put_in(patch, outcome, whole, passage, self._in_whole)
        return True
