"""What comes of an extraction: a value with its history, or an error with what is left of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from prompture.compat import cached_property
from prompture.errors import ExtractionError, Invalid, NotGrounded, PromptureError, Truncated
from prompture.extraction.answer import CUT, UNREAD, Rejected
from prompture.extraction.strategy import Plan
from prompture.flows.attempts import advice, raw_text
from prompture.json_values import pointer, same, value_at
from prompture.money import Bill
from prompture.schema.exact_json import with_floats
from prompture.schema.problems import UNGROUNDED, InvalidValue, Problem
from prompture.schema.repair import NotJSON
from prompture.schema.rewriting.notes import Change
from prompture.schema.source import Source
from prompture.traces import Attempt as Attempt
from prompture.types import JSON, Completion, Document, FileDocument, JSONValue, Span, Text, Usage

if TYPE_CHECKING:
    from prompture.extraction.chunks import Chunk, Claim
    from prompture.extraction.ungrounded import Why

T = TypeVar("T")
E = TypeVar("E", bound=PromptureError)
_OURS = (Rejected, InvalidValue, NotJSON)


@dataclass(frozen=True, kw_only=True)
class Extraction(Generic[T]):
    """A validated value with its history.

    ``cost`` is the bill of every attempt, failed ones included. ``sources`` maps JSON pointers
    of the value to the places in the text that hold it (made when first asked for). ``changes``
    is what the schema's rewriting altered for the provider. ``raw`` is the last Completion.
    ``text`` is what it was extracted from, and ``documents`` the texts and files of which that is
    made, where it was given in parts. ``output_tokens_saved`` is what asking for the failing parts
    alone saved. ``notes`` say what was changed in the text before it was sent. ``quotes`` are what
    the model quoted for a pointer (``quotes=True``), as it wrote them: evidence are the ``sources``
    alone. ``schema`` is the JSON Schema of the value. Of a long document, ``chunks`` are the parts
    that it was read in, each with what it gave or its error; ``conflicts`` are the unlike values
    that they gave for a pointer, with their spans, the one that was taken first.
    """

    value: T
    cost: Bill
    attempts: tuple[Attempt, ...]
    model: str
    strategy: str
    changes: tuple[Change, ...] = ()
    raw: Completion = field(repr=False)
    plain: JSONValue = field(default=None, repr=False)
    text: str = field(default="", repr=False)
    documents: tuple[Text | Document, ...] = field(default=(), repr=False)
    output_tokens_saved: int = 0
    notes: tuple[str, ...] = ()
    quotes: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    schema: JSON = field(default_factory=dict, repr=False)
    chunks: tuple[Chunk, ...] = ()
    conflicts: Mapping[str, tuple[Claim, ...]] = field(default_factory=dict)

    @property
    def usage(self) -> Usage:
        """Tokens of every attempt."""
        return self.cost.usage

    @property
    def cache_hit(self) -> bool:
        """Whether every answer came out of a ``Cache``, so that nothing was asked."""
        charges = self.cost.charges
        return bool(charges) and all(charge.cost.source == "cache" for charge in charges)

    @cached_property
    def sources(self) -> Mapping[str, tuple[Span, ...]]:
        """Spans by JSON pointer, in code points of the text that was given; of files that were
        read, with page and boxes. The driver's own where it knows them (``local/rules``), else
        found by ``ground``: what a validator changed, by what the model wrote."""
        # Rules know where they read each value.
        found = self.raw.spans
        if found is None:
            from prompture.extraction.grounding import ground

            look = partial(
                ground, text=self.text, schema=self.schema or None, quotes=self.quotes or None
            )
            value = self.value if self.plain is None else self.plain
            found = look(value)
            # A validator may have made other words of it: the document has those that were written.
            if self.plain is None and (written := _as_written(self.value, found, self.raw)):
                again = look(written[0])
                found = {**found, **{at: again[at] for at in written[1] if at in again}}
        if not any(isinstance(each, FileDocument) for each in self.documents):
            return found
        from prompture.documents.layout import located

        return located(found, self.documents)

    @cached_property
    def ungrounded(self) -> Mapping[str, Why]:
        """The leaves without a place in the text, by JSON pointer, and why. ``"inferred"``: the
        text need not print it (true and false, members of an enum, defaults, computed fields, what
        the schema marks with ``x-inferred``). ``"absent"``: it should, and does not. Null has no
        entry. Where the document is a picture, every leaf is here, for there is no text."""
        from prompture.extraction.ungrounded import ungrounded
        from prompture.schema.exact_json import to_plain

        plain = to_plain(self.value if self.plain is None else self.plain)
        return ungrounded(plain, self.sources, self.schema, typed=self.value)

    def to_html(self, *, title: str = "", name: str = "", pictures: bool = True) -> str:
        """The page of evidence, one HTML file that needs nothing else: the document with the
        places of all values marked, and the value beside it. ``name`` is the document's.
        ``pictures``: whether pages of files are shown as such. Write it as UTF-8.
        ``prompture.page.to_html`` makes one page of several results."""
        from prompture.page import to_html

        return to_html(self, title=title, names=(name,), pictures=pictures)

    def _repr_html_(self) -> str:
        from prompture.page.results import summary

        return summary(self)


def _as_written(
    value: object, found: Mapping[str, object], raw: Completion
) -> tuple[JSONValue, list[str]] | None:
    """The plain value with those leaves that have no place as the model wrote them, and the pointers
    of these; None where it wrote no others."""
    from prompture.extraction.ungrounded import leaves_of
    from prompture.schema.exact_json import read_exactly, to_plain

    plain = to_plain(value)
    lacking = [
        (path, leaf)
        for path, leaf in leaves_of(plain)
        if not isinstance(leaf, bool) and pointer(path) not in found
    ]
    if not lacking:
        return None
    try:
        answer = read_exactly(raw_text(raw))
    except (ValueError, RecursionError):  # it had to be mended
        return None
    changed = []
    for path, leaf in lacking:
        written = value_at(answer, path)
        if isinstance(written, (str, int, float, Decimal)) and not same(written, leaf):
            changed.append(pointer(path))
            if not path:
                return written, changed
            value_at(plain, path[:-1])[path[-1]] = written
    return (plain, changed) if changed else None


def value_of(found: Extraction[T]) -> T:
    """The value alone. Raises the error of the first chunk that gave nothing, as nothing else would
    show that there is less than the document holds."""
    for chunk in found.chunks:
        if (error := chunk.error) is not None:
            lost = sum(each.error is not None for each in found.chunks)
            error.bill, error.attempts = found.cost, found.attempts
            error.add_note(
                f"{lost} of {len(found.chunks)} chunks of the document gave nothing; extract_result"
                " gives the value of the others"
            )
            if isinstance(error, ExtractionError):
                error.value = found.plain
            raise error
    return found.value


def with_rest(
    error: E, completion: Completion, *, plan: Plan, source: Source[Any], plain: JSONValue = UNREAD
) -> E:
    """The error, carrying the answer, its text, and the value as far as it came: ``plain``, or
    what can be read of an answer that was cut off."""
    error.partial = completion
    if isinstance(error, ExtractionError):
        error.raw = raw_text(completion)
        error.value = _begun(error.raw, plan, source) if plain is UNREAD else with_floats(plain)
    return error


def failed(
    name: str, problems: Sequence[Problem], tries: int, completion: Completion
) -> ExtractionError:
    """What came of asking a model so often: Invalid, or Truncated where the JSON broke off."""
    shown = "; ".join(str(p) for p in problems[:5])
    more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
    times = "once" if tries == 1 else f"{tries} times"
    if problems[0].kind == UNGROUNDED:
        message = f"{name} was asked {times} and gave values that are not in the text"
        return NotGrounded(f"{message}: {shown}{more}", problems=problems)
    message = f"{name} was asked {times} and gave no valid value: {shown}{more}"
    if problems[0].kind == CUT:
        return Truncated(f"{message}; {advice(completion)}")
    return Invalid(message, problems=problems)


def cause_of(error: BaseException) -> BaseException | None:
    """What a user's validator raised, behind the exceptions of ours that wrap it."""
    cause: BaseException | None = error
    while isinstance(cause, _OURS):
        cause = cause.__cause__
    return cause


def _begun(text: str, plan: Plan, source: Source[Any]) -> JSONValue:
    """The plain value that an unfinished answer begins with, None where it begins with none."""
    # Only failures need the parser of unfinished JSON.
    from prompture.schema.partial import PartialJSONError, PartialParser
    from prompture.schema.partial_typed import PartialReader

    is_object = (
        isinstance(plan.rewrite.schema, dict) and plan.rewrite.schema.get("type") == "object"
    )
    parser = PartialParser(expect="object" if is_object else None)
    try:
        parser.feed(text)
    except PartialJSONError:
        return None
    if not parser.started:
        return None
    return PartialReader(plan.rewrite.codec, source.shape).plain(parser.snapshot())
