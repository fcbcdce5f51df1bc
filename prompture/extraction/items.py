"""The items of a list, each yielded the moment it is complete."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, get_args

from prompture import given
from prompture.errors import ConfigurationError, Invalid, NotGrounded, PromptureError
from prompture.extraction.answer import (
    CUT,
    SEVERAL,
    UNREAD,
    ParsedAnswer,
    Rejected,
    answer_text,
    read_text,
    unlike_calls,
)
from prompture.extraction.cut_off import Overlap
from prompture.extraction.document_turn import Fence
from prompture.extraction.envelope import KEY, ItemReader, item_reader
from prompture.extraction.flow import Question
from prompture.extraction.inputs import Content
from prompture.extraction.partial import json_pieces
from prompture.extraction.result import cause_of
from prompture.extraction.strategy import Plan
from prompture.flows.attempts import stop_error
from prompture.flows.run import Ask, Flow, Generates, GeneratesAsync, HasModel, LaterFlow
from prompture.flows.stream import AsyncLive, Listener, Live, RunningBill, astream, stream
from prompture.json_values import same
from prompture.money import Bill
from prompture.schema.candidates import DOUBTFUL, Candidate, FoundValues
from prompture.schema.exact_json import to_json
from prompture.schema.key_check import keys_of, validated
from prompture.schema.partial import ItemScanner, PartialJSONError
from prompture.schema.problems import PROBLEM_LIMIT, UNGROUNDED, InvalidValue, Problem
from prompture.schema.repair import NotJSON, choice, read_exactly, search
from prompture.schema.source import Source
from prompture.types import JSON, Completion, Delta, JSONValue

if TYPE_CHECKING:
    from prompture.extraction.evidence import WantedEvidence

T = TypeVar("T")
OnError = Literal["raise", "skip", "collect"]
# How an object, or a list of texts, begins.
_VALUE = re.compile(r"[\[{]\s*\"")
_BRACKET = re.compile(r"[\[{]")


@dataclass(frozen=True, slots=True)
class Item(Generic[T]):
    """One item. ``index`` counts from 0 in the answer's list.

    ``problems`` are what is wrong with it, with pointers from the item itself; ``value`` is then
    None (only under ``on_error="collect"``). ``raw`` is its JSON text as the model wrote it.
    """

    index: int
    value: T
    problems: tuple[Problem, ...] = ()
    raw: str = field(default="", repr=False)


class _ItemListener(Generic[T]):
    """Reads the items of one answer as it comes. What the scanner cannot read is repaired at the
    end."""

    def __init__(self, audience: Items[T], ask: Ask[Any]) -> None:
        plan: Plan = ask.plan
        self._audience = audience
        self._fence = Fence(*ask.request.messages)
        self._known = known = ask.known
        self._overlap = Overlap(known) if known else None
        self._raws: list[str] = []
        self._plan = plan
        self._how = self._bare_reader(item_reader(audience.one, plan.rewrite))
        self._piece = json_pieces(audience.source.name)
        self._begin()

    def _begin(self) -> None:
        self._scanner = ItemScanner(self._how.path if self._how else (), expect="object")
        self._over = self._how is None
        self._lead: list[str] | None = []

    def hear(self, delta: Delta) -> Iterable[Item[T]]:
        text, anew = self._piece(delta)
        # The text before a tool call was prose. An item that is out cannot be taken back, though.
        if anew and not self._audience.count:
            self._begin()
        if not text or self._over:
            return ()
        try:
            found = self._scanner.feed(text)
        except PartialJSONError:
            self._over = True
            return ()
        if self._lead is not None and self._begins_late(self._lead, text):
            self._over = True
            return ()
        return self._items(found) if found else ()

    def _begins_late(self, lead: list[str], text: str) -> bool:
        """Whether a broken value stands before the one that is scanned, which may then be a part
        of it: the whole is read at the end."""
        lead.append(text)
        start = self._scanner.span[0]
        if start is None:
            return False
        self._lead = None
        return bool(_VALUE.search("".join(lead)[:start]))

    def _items(self, found: Sequence[tuple[int, str]]) -> Iterable[Item[T]]:
        assert self._how is not None
        if self._overlap is not None:
            found = self._fresh(found, self._overlap)
        return self._audience.read_items(found, self._how)

    def _fresh(self, found: Sequence[tuple[int, str]], overlap: Overlap) -> list[tuple[int, str]]:
        """The items of a list that goes on, without those that are out, counted on from them."""
        fresh = []
        for _, raw in found:
            self._raws.append(raw)
            fresh += [self._raws[-1 - back] for back in overlap.feed(self._exactly(raw))]
        return list(enumerate(fresh, self._audience.count))

    def _exactly(self, raw: str) -> JSONValue:
        return read_exactly(self._fence.taken_off(raw))

    def _bare_reader(self, how: ItemReader | None) -> ItemReader | None:
        """A reader of values that the model may have copied with the document's own tags."""
        if how is None:
            return None
        bare = self._fence.taken_off
        return ItemReader(
            how.path, lambda raw: how.read(bare(raw)), lambda raw: how.written(bare(raw))
        )

    def end(self, completion: Completion) -> Iterable[Item[T]]:
        """What the scanner did not get, out of the repaired whole."""
        audience = self._audience
        audience.wrong = ()
        completion = self._fence.taken_off_all(completion)
        # The flow raises that error itself, with the name of the model.
        if stop_error(completion, name="", max_tokens=None):
            return ()
        scanner = self._scanner
        is_open = self._overlap is not None and self._overlap.is_open
        whole = not self._over and scanner.complete and scanner.found and not is_open
        if whole and len(completion.tool_calls) < 2:
            audience.wrong = self._others(completion)
            return ()
        try:
            if problem := unlike_calls(audience.source, completion):
                raise InvalidValue([problem])
            if self._known:  # where it goes on cannot be seen in what has to be mended
                raise InvalidValue([Problem("", "must go on as one list", CUT)])
            items = self._repaired(answer_text(audience.source, completion))
        except InvalidValue as exc:
            audience.wrong = exc.problems
            return ()
        how = ItemReader((), lambda raw: validated(audience.one, raw))
        rest = [(i, to_json(items[i])) for i in range(audience.count, len(items))]
        return audience.read_items(rest, how)

    def _others(self, completion: Completion) -> tuple[Problem, ...]:
        """The problem of an answer that holds another list than the one that was read as it came."""
        start, end = self._scanner.span
        text = answer_text(self._audience.source, completion) or ""
        if start is None or not _BRACKET.search(text[:start] + text[end:]):
            return ()
        source, plan = self._audience.source, self._plan
        try:
            found = read_text(source, plan, text).value
            same = found == read_text(source, plan, text[start:end]).value
        except Rejected as exc:
            return tuple(p for p in exc.problems if p.kind == SEVERAL)
        return () if same else (Problem("", "must be one list: the answer holds two", SEVERAL),)

    def _repaired(self, text: str | None) -> list[JSONValue]:
        """The list in a text that is not JSON alone. Raises InvalidValue."""
        if text is None:
            raise InvalidValue([Problem("", "must be JSON; the answer was empty", "missing")])
        try:
            found = search(text)
            if any(one.cut and not one.example for one in found.candidates):
                raise InvalidValue([Problem("", "must be whole: the JSON is cut off", CUT)])
            if not found.candidates:
                choice(found)  # raises NotJSON with the reason
        except NotJSON as exc:
            kind = CUT if exc.truncated else "json_invalid"
            raise InvalidValue([Problem("", f"must be JSON: {exc}", kind)]) from exc
        lists = list(self._lists(found))
        if not lists:
            raise InvalidValue([Problem(f"/{KEY}", "must be a list", "type")])
        if len(lists) == 1:
            return lists[0]
        fitting = [(each, value) for each in lists if (value := self._fitting(each)) is not None]
        if fitting:
            lists = [each for each, _ in fitting]
            differ = any(value != fitting[0][1] for _, value in fitting[1:])
        else:
            differ = any(not same(lists[0], other) for other in lists[1:])
        if differ:
            message = "must be one list: the answer holds several that differ"
            raise InvalidValue([Problem("", message, SEVERAL)])
        return lists[0]

    def _lists(self, found: FoundValues) -> Iterator[list[JSONValue]]:
        own = [one for one in found.candidates if not one.example] or found.candidates
        for one in own:
            value = one.value if isinstance(one.value, list) else self._restored(one.value)
            if isinstance(value, dict):
                value = value[KEY] if KEY in value else self._wrapped(value)
            if isinstance(value, list) and not self._is_doubtful(one, value):
                yield value

    def _wrapped(self, value: JSON) -> JSONValue:
        """What stands under the only key; None where that is a field of the items: then this is
        one item, and no wrapping of a list."""
        ((key, only),) = value.items() if len(value) == 1 else (("", None),)
        return None if keys_of(self._audience.one).knows(key) else only

    def _is_doubtful(self, one: Candidate, items: list[JSONValue]) -> bool:
        """Whether a slip was mended, and a key that nobody knows shows that it was not that."""
        if DOUBTFUL.isdisjoint(one.repairs):
            return False
        return bool(keys_of(self._audience.source).compare({KEY: items}).ignored)

    def _fitting(self, items: list[JSONValue]) -> JSONValue:
        """The typed list; None where the items do not fit the schema."""
        try:
            return self._audience.source.validate({KEY: items})
        except InvalidValue:
            return None

    def _restored(self, value: JSONValue) -> JSONValue:
        return self._plan.rewrite.restore(value)


class Items(Generic[T]):
    """The audience of ``extract_items``, and the reader of its flow.

    ``source`` is the envelope's, ``one`` that of an item. A model is asked again only as long as
    no item has been yielded.
    """

    def __init__(
        self,
        source: Source[Any],
        one: Source[T],
        running: RunningBill,
        *,
        on_error: OnError,
    ) -> None:
        if on_error not in get_args(OnError):
            raise ConfigurationError(given.unknown("on_error", on_error, get_args(OnError)))
        self.source = source
        self.one = one
        self.running = running
        self.count = 0
        self.wrong: tuple[Problem, ...] = ()
        """What is wrong with the answer as a whole."""
        self.problems: list[Problem] = []
        """What is wrong with items, whatever became of them."""
        self.wants: WantedEvidence | None = None
        """What must stand in the text, of each item."""
        self.kept: Callable[[Item[Any]], Item[Any] | None] | None = None
        """Of a document in chunks: an item with its place in the whole, None for one that was
        given before."""
        self._on_error = on_error
        self._stopped: Invalid | None = None

    def listen(self, ask: Ask[HasModel]) -> Listener[Item[T]]:
        self.running.open(ask)
        return _ItemListener(self, ask)

    def metered(self) -> AbstractContextManager[None]:
        return self.running.metered()

    def result(self, value: object) -> Iterable[Item[T]]:
        return ()

    def read_items(self, found: Sequence[tuple[int, str]], how: ItemReader) -> Iterable[Item[T]]:
        """The items, each validated when the caller asks for it. Raises Invalid for a bad one under
        ``on_error="raise"``."""
        read = how.read
        for index, raw in found:
            self.count = index + 1  # before it is read: a bad item is settled, too
            try:
                item = Item(index, read(raw), (), raw)
                wants = self.wants
                if wants and (missing := wants.of_item(item.value, partial(how.written, raw))):
                    raise InvalidValue(missing)
            except InvalidValue as exc:
                bad = self._bad_item(index, raw, exc)
                if bad is not None:
                    yield bad
                continue
            if self.kept is None:
                yield item
            elif (kept := self.kept(item)) is not None:
                yield kept

    def _bad_item(self, index: int, raw: str, error: InvalidValue) -> Item[Any] | None:
        placed = [
            Problem(f"/{index}{p.pointer}", p.message, p.kind, p.value) for p in error.problems
        ]
        self.problems += placed[: PROBLEM_LIMIT - len(self.problems)]
        if self._on_error == "skip":
            return None
        if self._on_error == "collect":
            bad: Item[Any] = Item(index, None, error.problems, raw)
            return bad if self.kept is None else self.kept(bad)
        shown = "; ".join(str(p) for p in placed[:3])
        if placed[0].kind == UNGROUNDED:
            message = f"item {index} has values that are not in the text: {shown}"
            self._stopped = NotGrounded(message, problems=placed)
        else:
            self._stopped = Invalid(f"item {index} is not valid: {shown}", problems=placed)
        self._stopped.raw = raw
        raise self._stopped from cause_of(error)

    @property
    def has_stopped(self) -> bool:
        """Whether an item that is not valid has ended it all."""
        return self._stopped is not None

    def is_settled(self) -> bool:
        """Whether a failure is final: items are out that another answer would repeat."""
        return self.count > 0 or self._stopped is not None

    def read(self, question: Question, completion: Completion) -> ParsedAnswer:
        """Nothing more: the items were read while they came. Raises Rejected where the answer as
        a whole is no list."""
        if self.wrong:
            raise Rejected(self.wrong, UNREAD)
        return ParsedAnswer(None, None)

    def interrupted(self, error: PromptureError) -> None:
        """The bill of what this reader raised itself, in the middle of a call."""
        if error is self._stopped:
            error.bill = Bill(tuple(self.running.recorder.charges))


def items_flow(
    extractor: Any, text: Content, items: Items[Any], *, asynchronous: bool
) -> Flow[Any, Any]:
    """The flow of ``extract_items``: of the whole document, or of its chunks. Raises
    UnsupportedError for several passes."""
    if extractor.long is not None and extractor.long != "auto":
        extractor.long.check_passes()
    flow = _at_once_or_in_chunks(extractor, text, items, asynchronous=asynchronous)
    scope = items.running.scope
    return flow if scope is None else scope.followed(flow)


def _at_once_or_in_chunks(
    extractor: Any, text: Content, items: Items[Any], *, asynchronous: bool
) -> Flow[Any, Any]:
    refused: PromptureError | None = None
    if extractor.long is None or extractor.long == "auto":
        try:
            return (
                yield from extractor._of_items._flow(
                    text, asynchronous=asynchronous, reader=items, running=items.running
                )
            )
        except PromptureError as exc:
            if extractor.long is None or not exc.too_long or items.count:
                raise
            refused = exc
    from prompture.extraction.long_items import items_in_chunks

    return (
        yield from items_in_chunks(
            extractor, text, items, asynchronous=asynchronous, refused=refused
        )
    )


class ItemStream(Live[Item[T]]):
    """Items as they come. Leaving it is explained at Live."""

    def __init__(self, flow: Flow[Generates, object], audience: Items[T]) -> None:
        super().__init__(stream(flow, audience), audience.running)


class AsyncItemStream(AsyncLive[Item[T]]):
    """ItemStream in the async colour."""

    def __init__(self, flow: LaterFlow[GeneratesAsync, object], audience: Items[T]) -> None:
        super().__init__(astream(flow, audience), audience.running)
