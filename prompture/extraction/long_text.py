"""A text that is too long for one question: which part of a document's turn is cut, how long the
chunks may be, where they are cut, and for what schema they are asked."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from prompture.catalog.models import ModelLimits
from prompture.documents.layout import BETWEEN
from prompture.documents.passages import Passage, passages
from prompture.drivers.core import BaseDriver
from prompture.errors import PromptureError, UnsupportedError
from prompture.extraction.chunks import LEAST_TOKENS, TOKENS, Chunks
from prompture.extraction.document_turn import DocumentTurn, document_turn
from prompture.extraction.model_drivers import makers
from prompture.extraction.strategy import Plan, answer_tokens
from prompture.schema.source import Source
from prompture.types import (
    JSON,
    Document,
    File,
    FileDocument,
    Image,
    JSONValue,
    Message,
    Part,
    Text,
)

PART_OF_LONGER = (
    "The document is one part of a longer one; headings and the first row of a table may be repeated"
    " from above. Give only what this part itself states, and null (or nothing) for all that it does"
    " not: other parts may state it."
)
_UNKNOWN_WINDOW = 16_384
"""Tokens that a model is taken to read where nothing is known of it but that the whole was too long."""
MOST_HALVINGS = 3
"""How often a chunk that is too long after all, or its answer, is cut in two."""
_UNSURE = 0.7
"""A count that is estimated may be a third too low."""


class ReadsChunks(Protocol):
    """What is asked of an Extractor."""

    @property
    def source(self) -> Source[Any]: ...
    @property
    def model(self) -> Any: ...
    @property
    def long(self) -> Any: ...
    @property
    def max_retries(self) -> int: ...
    @property
    def on_truncation(self) -> str: ...
    @property
    def _reads(self) -> Source[Any]: ...
    @property
    def _of_chunks(self) -> Any: ...
    @property
    def _wishes(self) -> Any: ...
    def plan_for(self, driver: BaseDriver) -> Plan: ...
    def planner(self, document: Message) -> Callable[[BaseDriver], Plan]: ...


class LongText:
    """The text of a document's turn that is cut: all of it, but for words of the caller's beside a
    Document, which go along with each part.

    ``text`` is what is cut, ``pages`` are (number, start, end) of its pages. ``whole_at`` gives the
    place in the text of the turn, in which spans are counted.
    """

    def __init__(self, turn: DocumentTurn) -> None:
        self.turn = turn
        given: tuple[Part, ...] = (Text(turn.given),) if isinstance(turn.given, str) else turn.given
        if any(isinstance(part, (Image, File)) for part in given):
            raise UnsupportedError(
                "a document with pictures, or files that the provider reads, is not read in chunks:"
                " give its text, extract from its parts one by one, or leave long= out, which asks"
                " for all at once"
            )
        has_documents = any(isinstance(part, Document) for part in given)
        self._words: list[Part] = []
        self._cut: list[Text | Document] = []
        self._starts: list[int] = []
        self._whole_starts: list[int] = []
        self.pages: list[tuple[int, int, int]] = []
        at = whole = 0
        for part in given:
            assert isinstance(part, (Text, Document))
            if has_documents and isinstance(part, Text):
                self._words.append(part)
            else:
                self._cut.append(part)
                self._starts.append(at)
                self._whole_starts.append(whole)
                pages = part.pages if isinstance(part, FileDocument) else ()
                self.pages += [(p.number, at + p.start, at + p.end) for p in pages]
                at += len(part.text) + BETWEEN
            whole += len(part.text) + BETWEEN
        self.text = "\n\n".join(part.text for part in self._cut)

    def whole_at(self, at: int) -> int:
        """The place in the text of the turn."""
        index = max(0, bisect_right(self._starts, at) - 1)
        return at - self._starts[index] + self._whole_starts[index]

    def turn_of(self, passage: Passage) -> DocumentTurn:
        """The turn of one passage."""
        text = passage.text_of(self.text)
        name = getattr(self._cut[0], "name", "") if len(self._cut) == 1 else ""
        if not self._words and not name:
            return document_turn(text)
        found = document_turn((*self._words, Document(text, name)))
        # Spans are counted in the passage alone.
        return replace(found, given=text)

    def pages_of(self, passage: Passage) -> tuple[int, ...]:
        """The numbers of the pages that a passage holds a part of."""
        start, end = passage.start, passage.end
        return tuple(n for n, begin, stop in self.pages if begin < end and stop > start)


def drivers_of(model: Any, document: Message, *, asynchronous: bool) -> list[BaseDriver]:
    """The drivers that can be made: the others fail when they are asked."""
    found = []
    for make in makers(model, asynchronous=asynchronous, document=document):
        try:
            found.append(make())
        except PromptureError:
            continue
    return found


def most_tokens(
    extractor: ReadsChunks, drivers: Sequence[BaseDriver], *, is_long: bool
) -> int | None:
    """Tokens of a document that all the models can read and answer; None where that is unknown.
    ``is_long``: the whole was too long for them."""
    from prompture.catalog.tokens import count_request

    found: list[int] = []
    for driver in drivers:
        if driver.runs_here and not is_long:
            continue
        try:
            plan = extractor._of_chunks.plan_for(driver)
        except PromptureError:
            continue
        request = plan.request(document_turn("-"))
        entry = driver.entry(request.model)
        limits = entry.limits if entry else ModelLimits()
        known = [limit for limit in (limits.context, limits.input) if limit]
        if not known and not is_long:
            continue
        window = min(known, default=_UNKNOWN_WINDOW)
        answer = answer_tokens(request.max_tokens, limits.output, window)
        wrapping = count_request(request, exact=False).high
        found.append(max(LEAST_TOKENS, int((window - answer - wrapping) * _UNSURE)))
    return min(found, default=None)


def cut(
    extractor: ReadsChunks,
    document: LongText,
    options: Chunks,
    drivers: Sequence[BaseDriver],
    *,
    is_long: bool,
) -> list[tuple[int, Passage]]:
    """The passages of a document, each with the number of its pass."""
    from prompture.catalog.tokens import count

    name = drivers[0].model if drivers else ""
    most = most_tokens(extractor, drivers, is_long=is_long)

    def counted(text: str) -> float:
        return count(text, name, exact=False).tokens

    if is_long:  # whatever we know of the model, it is less than this
        most = min(most or TOKENS, int(counted(document.text) * 0.6))
    tokens, overlap = options.sizes(most)

    cutting = partial(
        passages,
        document.text,
        tokens=tokens,
        overlap=overlap,
        count=counted,
        pages=[start for _, start, _ in document.pages],
    )
    found = [(1, each) for each in cutting()]
    for number in range(2, options.passes + 1):
        # Seams, and the middles of chunks, stand at other places.
        first = max(LEAST_TOKENS, tokens * (number - 1) // options.passes)
        found += [(number, each) for each in cutting(first=first)]
    # White space holds nothing, and is paid for.
    return [(number, each) for number, each in found if not each.is_blank(document.text)]


def halves(text: str, passage: Passage) -> list[Passage]:
    """A passage that was too long after all, as two; none where it is too short for that."""
    length = passage.end - passage.start
    if length < 2 * LEAST_TOKENS:
        return []
    inside = text[passage.start : passage.end]
    # By characters: it is not known how the model counts.
    found = passages(inside, tokens=length * 11 // 20, overlap=length // 20, count=len)
    return [
        replace(passage, start=passage.start + each.start, end=passage.start + each.end)
        for each in found
        if not each.is_blank(inside)
    ]


def chunk_turns(
    extractor: ReadsChunks, turn: DocumentTurn, drivers: Sequence[BaseDriver], *, is_long: bool
) -> list[DocumentTurn]:
    """The turns of a document's chunks; none where it is no longer than one, or cannot be cut."""
    try:
        document = LongText(turn)
    except UnsupportedError:
        return []
    options = extractor.long if isinstance(extractor.long, Chunks) else Chunks()
    found = cut(extractor, document, options, drivers, is_long=is_long)
    return [document.turn_of(each) for _, each in found] if len(found) > 1 else []


# The schema of a chunk.

_OF_THE_WHOLE = frozenset(
    (
        "required",
        "minItems",
        "minProperties",
        "minContains",
        "contains",
        "uniqueItems",
        "dependentRequired",
        "dependencies",
        "default",
        "discriminator",
        "if",
        "then",
        "else",
        "not",
        "dependentSchemas",
        "unevaluatedProperties",
        "unevaluatedItems",
    )
)
"""Keywords that only the whole can satisfy."""
_BESIDE = ("title", "description", "examples", "deprecated")
"""What is written about a property stays beside its union with null, as Pydantic has it."""
_MAPS = ("$defs", "definitions")
_NULL = {"type": "null"}
_ROOTS = {"properties", "items", "additionalProperties", "$ref"}
_KINDS = ("object", "array")


def relaxed(schema: JSON) -> dict[str, Any]:
    """The schema for a part, which need not hold what the whole must: nothing is required, null
    stands for what is not there, and lists may be short. Kinds, formats, patterns and bounds of the
    single values stay. The schema itself is left as it is."""
    found = _relaxed(schema)
    assert isinstance(found, dict)
    # A part without it gives an empty object or list; of anything else there would be no way to
    # give nothing.
    if _ROOTS & found.keys() or found.get("type") in _KINDS:
        return found
    # References point from the root: what they point to stays there.
    kept = {word: found.pop(word) for word in _MAPS if word in found}
    return {**_or_null(found), **kept}


def _relaxed(at: JSONValue) -> JSONValue:
    if isinstance(at, list):
        return [_relaxed(each) for each in at]
    if not isinstance(at, Mapping):
        return at
    found: dict[str, Any] = {}
    tags = _tags(at)
    for word, value in at.items():
        if word in _OF_THE_WHOLE:
            continue
        if word == "properties" and isinstance(value, Mapping):
            found[word] = {
                name: inner if name in tags else _or_null(_relaxed(inner))
                for name, inner in value.items()
            }
        elif word in (*_MAPS, "patternProperties") and isinstance(value, Mapping):
            found[word] = {name: _relaxed(inner) for name, inner in value.items()}
        # What was one of several by its required keys may now be more than one.
        elif word == "oneOf" and isinstance(value, list):
            found["anyOf"] = [_relaxed(each) for each in value]
        elif word in ("items", "prefixItems", "additionalProperties", "anyOf", "allOf"):
            found[word] = _relaxed(value)
        else:
            found[word] = value
    if tags:
        found["required"] = [name for name in at.get("required", ()) if name in tags]
    return found


def _tags(at: JSON) -> frozenset[str]:
    """The properties by which a branch of a union is known."""
    properties = at.get("properties")
    if not isinstance(properties, Mapping):
        return frozenset()
    required = at.get("required", ())
    return frozenset(
        name
        for name, inner in properties.items()
        if name in required and isinstance(inner, Mapping) and "const" in inner
    )


def _or_null(at: JSONValue) -> Any:
    if not isinstance(at, Mapping) or _may_be_null(at):
        return at
    beside = {word: at[word] for word in _BESIDE if word in at}
    return {"anyOf": [{k: v for k, v in at.items() if k not in beside}, _NULL], **beside}


def _may_be_null(at: JSON) -> bool:
    kind = at.get("type")
    if kind == "null" or (isinstance(kind, list) and "null" in kind):
        return True
    branches = at.get("anyOf")
    if not isinstance(branches, list):
        return False
    return any(isinstance(branch, Mapping) and _may_be_null(branch) for branch in branches)
