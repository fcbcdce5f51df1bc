"""``extract_items`` of a long document: chunk after chunk, without what the overlaps repeat."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from prompture.documents.passages import Passage
from prompture.errors import BudgetExceeded, DeadlineExceeded, PromptureError, UnsupportedError
from prompture.extraction.chunks import Chunks
from prompture.extraction.document_turn import document_turn
from prompture.extraction.flow import AnswerReader
from prompture.extraction.grounding import ground
from prompture.extraction.inputs import Content, content, files_read
from prompture.extraction.long_rest import HOPELESS, asked_as_usual, wanted
from prompture.extraction.long_text import (
    MOST_HALVINGS,
    PART_OF_LONGER,
    LongText,
    cut,
    drivers_of,
    halves,
)
from prompture.extraction.merge_rows import folded, steps_of
from prompture.flows.run import Flow
from prompture.flows.stream import RunningBill
from prompture.json_values import value_at
from prompture.schema.exact_json import read_exactly, with_floats
from prompture.schema.source import Source
from prompture.traces import Problem
from prompture.types import JSONValue


class ItemReading(AnswerReader, Protocol):
    """The reader of the items, an ``Items``."""

    running: RunningBill
    count: int
    wrong: tuple[Problem, ...]
    kept: Callable[[Any], Any] | None
    wants: Any
    one: Source[Any]

    @property
    def has_stopped(self) -> bool: ...


class Repeats:
    """The items of one chunk after the other: which of them were given before.

    With the fields of a key, an item is known by these wherever it stands; else by its place: one
    that is equal to one of the chunk before, and stands in the overlap of the two, is the same.
    """

    def __init__(self, text: str, names: Sequence[str] | None) -> None:
        self._text, self._names = text, names
        self._keys: set[str] = set()
        self._before: Counter[str] = Counter()
        self._now: Counter[str] = Counter()
        self._left: dict[str, int] = {}
        self._chunk = self._overlap = ""
        self._count = 0

    def kept(self, item: Any) -> Any:
        """The item, counted in the whole; None for one that was given before."""
        try:
            value = read_exactly(item.raw)
        except (ValueError, RecursionError):  # it had to be mended, or could not be
            value = item.raw
        if not self.is_new(value):
            return None
        self._count += 1
        return replace(item, index=self._count - 1)

    def begin(self, passage: Passage, end: int) -> None:
        """A chunk begins; the one before it ended at ``end``."""
        self._before, self._now, self._left = self._now, Counter(), {}
        self._chunk = passage.text_of(self._text)
        shared = replace(passage, end=min(end, passage.end))
        self._overlap = shared.text_of(self._text) if end > passage.start else ""

    def withdraw(self) -> None:
        """The chunk gave nothing, and its parts follow."""
        self._now = self._before

    def is_new(self, value: JSONValue) -> bool:
        """Whether an item was not given before; it has been now."""
        if self._names is not None:
            parts = [value_at(value, steps_of(name)) for name in self._names] or [value]
            if any(part is not None for part in parts):
                key = "\n".join(map(folded, parts))
                is_new = key not in self._keys
                self._keys.add(key)
                return is_new
        key = folded(value)
        self._now[key] += 1
        given = self._before[key]
        if not given:
            return True
        if key not in self._left:
            self._left[key] = min(given, self._places(value, given))
        self._left[key] -= 1
        return self._left[key] < 0

    def _places(self, value: JSONValue, most: int) -> int:
        """How often a value stands in the overlap, so far as it stands in the chunk; once where it
        stands in no text at all."""
        plain = with_floats(value)
        leaves = ground(plain, self._chunk)
        if not leaves:
            return 1
        found = ground([plain] * most, self._overlap) if self._overlap else {}
        if any(f"/0{where}" not in found for where in leaves):
            return 0
        starts = (
            {
                spans[0].start
                for at, spans in found.items()
                if at.split("/", 2)[2:] == where.split("/", 1)[1:]
            }
            for where in leaves
        )
        return max(map(len, starts))


def items_in_chunks(
    extractor: Any,
    text: Content,
    items: ItemReading,
    *,
    asynchronous: bool,
    refused: PromptureError | None = None,
) -> Flow[Any, None]:
    """The flow: chunk after chunk, in the order of the text.

    The items of a chunk that fails in its middle are given all the same, and so are those of the
    chunks behind it; then its error is raised.
    """
    document, found, reads = _prepared(extractor, text, asynchronous=asynchronous, refused=refused)
    names = extractor.long.identity.get("") if isinstance(extractor.long, Chunks) else None
    repeats = Repeats(document.text, names)
    items.kept = repeats.kept
    log = items.running.log
    error: PromptureError | None = None
    end = 0
    waiting = deque((passage, 0) for passage in found)
    while waiting:
        passage, halvings = waiting.popleft()
        repeats.begin(passage, end)
        items.count, items.wrong = 0, ()
        before, end = end, passage.end
        turn = document.turn_of(passage)
        items.wants = wanted(reads, items.one, turn)
        try:
            yield from asked_as_usual(
                extractor,
                items,
                reads.planner(turn),
                turn,
                log,
                asynchronous=asynchronous,
                running=items.running,
                wants=items.wants,
            )
        except (BudgetExceeded, DeadlineExceeded, *HOPELESS):
            raise
        except PromptureError as exc:
            # An item that the caller does not want ends it all.
            if items.has_stopped:
                raise
            parts = halves(document.text, passage) if exc.too_long and not items.count else []
            if len(parts) > 1 and halvings < MOST_HALVINGS:
                waiting.extendleft((each, halvings + 1) for each in reversed(parts))
                end = before
                repeats.withdraw()
            else:
                error = error or exc
    if error is not None:
        raise log.attach(error)


def _prepared(
    extractor: Any, text: Content, *, asynchronous: bool, refused: PromptureError | None
) -> tuple[LongText, list[Passage], Any]:
    """The document, its passages, and the extractor that asks for the items of each."""
    turn = document_turn(content(files_read(text)))
    try:
        document = LongText(turn)
    except UnsupportedError as exc:
        raise (refused or exc) from None
    options = extractor.long if isinstance(extractor.long, Chunks) else Chunks()
    drivers = drivers_of(extractor.model, turn, asynchronous=asynchronous)
    whole = extractor._of_items
    found = cut(whole, document, options, drivers, is_long=refused is not None)
    reads = whole
    if len(found) > 1:
        reads = whole._for(whole.source)
        reads.instructions = f"{whole.instructions}\n\n{PART_OF_LONGER}".strip()
    return document, [passage for _, passage in found], reads
