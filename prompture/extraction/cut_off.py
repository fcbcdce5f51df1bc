"""Answers that were cut off: the rest of a list is asked for and joined, or the answer once more with
a higher ``max_tokens``.

What comes of it is one Completion, which is read like any other. Each answer is an attempt of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from prompture import observe
from prompture.errors import BudgetExceeded, PromptureError
from prompture.extraction.answer import Rejected, refuse_what_is_broken
from prompture.extraction.document_turn import Fence
from prompture.extraction.strategy import Plan
from prompture.flows.attempts import CUT_OFF, raw_text, stop_error
from prompture.flows.run import Ask, D, Flow
from prompture.json_values import referenced, same
from prompture.schema.exact_json import Doubtful, exact_float, read_exactly, to_json
from prompture.schema.partial import PartialJSONError, PartialParser
from prompture.schema.repair import NotJSON, search
from prompture.types import JSON, Completion, JSONValue, Message, Request

MOST_RESTS = 20
"""How often the rest of one list is asked for, at most."""
MOST_REPEATED = 5
"""With so many of the known items, at most, a rest shall begin."""
RAISE = 4
"""``max_tokens`` is raised by so much, as far as the model goes."""


class Overlap:
    """Leaves out what a continued list repeats of the items that are known.

    The model is asked to begin with the last known items (``repeated``). Where it does, these are
    left out. Where it repeats others (the last few, or all), those are; where it repeats nothing,
    nothing is. ``is_open``: all that came so far may be a repetition that has not come to its end.
    """

    def __init__(self, known: Sequence[JSONValue]) -> None:
        self._known = known
        self._asked = len(known) - repeated(known)
        # Where in the known list the new one may have begun.
        self._starts: list[int] | None = None if known else []
        self._held: list[JSONValue] = []
        self._may_be_last = False
        """Whether the first item, if nothing longer fits, is the last known one again."""

    @property
    def is_open(self) -> bool:
        return bool(self._held and self._starts)

    def feed(self, item: JSONValue) -> list[int]:
        """Take the next item; how many places back each new one stands (0: this item)."""
        known, held = self._known, self._held
        if self._starts is None:
            self._starts = self._possible(item)
        elif not self._starts:
            return [0]
        else:
            place = len(held)
            self._starts = [at for at in self._starts if alike(item, known[at + place])]
        held.append(item)
        if any(at + len(held) == len(known) for at in self._starts):
            self._starts = []
            return []
        # None fits: what was held back is new after all.
        return list(range(len(held) - 1 - self._may_be_last, -1, -1)) if not self._starts else []

    def _possible(self, item: JSONValue) -> list[int]:
        found = [at for at, each in enumerate(self._known) if alike(item, each)]
        # As it was asked to: and not some place before, which is like that one.
        if self._asked in found:
            return [self._asked]
        last = len(self._known) - 1
        # The list begins anew, perhaps, with an item that is like the last.
        if self._asked < last and found[:1] == [0] and found[-1] == last:
            self._may_be_last = True
            return found[:-1]
        return found


def repeated(known: Sequence[JSONValue]) -> int:
    """How many of the last known items the rest shall begin with: the last, and more where a list
    that is given anew from its start would begin with the same."""
    for count, item in enumerate(reversed(known[-MOST_REPEATED:]), 1):
        if not alike(item, known[0]):
            return count
    return min(1, len(known))


def alike(one: JSONValue, other: JSONValue) -> bool:
    """Whether a model means the same by both: it leaves out a null, or a blank, when it repeats."""
    return same(one, other) or same(_bare(one), _bare(other))


def _bare(value: JSONValue) -> JSONValue:
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, list):
        return [_bare(each) for each in value]
    if isinstance(value, dict):
        return {key: _bare(each) for key, each in value.items() if each is not None}
    return value


def joined(known: Sequence[JSONValue], more: Sequence[JSONValue]) -> list[JSONValue] | None:
    """Two parts of one list, without what the second repeats of the first; None where it repeats
    some other part of the first and ends: nobody knows what was meant."""
    overlap, whole = Overlap(known), list(known)
    for at, item in enumerate(more):
        whole += [more[at - back] for back in overlap.feed(item)]
    return None if overlap.is_open else whole


@dataclass(frozen=True, slots=True)
class Begun:
    """The beginning of a list: its complete items, and the complete fields that stand before it.
    ``path`` is where the list stands in the answer: () or one key."""

    path: tuple[str, ...]
    items: list[JSONValue]
    fields: dict[str, JSONValue]

    def with_rest(self, rest: Begun) -> Begun | None:
        """Both parts as one, None where they do not fit together. A field that both have is the
        first's: the second was asked for the list alone."""
        items = joined(self.items, rest.items)
        if items is None:
            return None
        return Begun(self.path, items, {**rest.fields, **self.fields})

    def text(self, *, order: Sequence[str] = ()) -> str:
        """It as JSON."""
        if not self.path:
            return to_json(self.items)
        keys = dict.fromkeys([*order, *self.fields, *self.path])
        whole = {**self.fields, self.path[0]: self.items}
        return to_json({key: whole[key] for key in keys if key in whole})


def list_path(schema: JSONValue) -> tuple[str, ...] | None:
    """Where the list stands that an answer of this schema is, or whose one list it holds."""
    if not isinstance(schema, Mapping):
        return None
    if _is_list(schema, schema):
        return ()
    properties = _resolved(schema, schema).get("properties")
    if not isinstance(properties, Mapping):
        return None
    lists = [name for name, each in properties.items() if _is_list(each, schema)]
    return (lists[0],) if len(lists) == 1 else None


def _is_list(at: JSONValue, root: JSON) -> bool:
    found = _resolved(at, root)
    return found.get("type") == "array" and "prefixItems" not in found


def _resolved(at: JSONValue, root: JSON) -> JSON:
    """The schema behind references, and the one branch of "this or null"."""
    for _ in range(20):  # they may go round in a circle
        if not isinstance(at, Mapping):
            return {}
        branches = [b for b in at.get("anyOf", ()) if b != {"type": "null"}]
        if isinstance(at.get("$ref"), str):
            at = referenced(root, at["$ref"])
        elif len(branches) == 1 and "properties" not in at:
            at = branches[0]
        else:
            return at
    return {}


def whole_list(value: JSONValue, path: tuple[str, ...]) -> Begun | None:
    """A list that came whole: in its place, or by itself."""
    if isinstance(value, list):
        return Begun(path, value, {})
    if path and isinstance(value, dict) and isinstance(value.get(path[0]), list):
        fields = {key: each for key, each in value.items() if key not in path}
        return Begun(path, value[path[0]], fields)
    return None


def begun(text: str, path: tuple[str, ...], *, is_object: bool) -> Begun | None:
    """What is complete of a list whose JSON may end anywhere; None where nothing of it can be read."""
    # With every digit: what is joined of them is the answer.
    parser = PartialParser(expect="object" if is_object else None, real=exact_float)
    try:
        parser.feed(text)
    except (PartialJSONError, Doubtful):
        return None
    if not parser.started:
        return None
    snapshot = parser.snapshot()
    root = snapshot.root
    items = snapshot.get(path, None)
    if not isinstance(items, list) or not isinstance(root, dict if path else list):
        return None
    complete = [each for at, each in enumerate(items) if snapshot.is_complete((*path, at))]
    fields = {
        key: value
        for key, value in (root.items() if isinstance(root, dict) else ())
        if key not in path and snapshot.is_complete((key,))
    }
    return Begun(path, complete, fields)


class Resuming:
    """What becomes of the cut answers of one question."""

    def __init__(self, plan: Plan, request: Request, driver: Any) -> None:
        self._plan, self._driver = plan, driver
        self._request = request
        self._fence = Fence(*request.messages)
        self._path = None if plan.quotes else list_path(plan.rewrite.schema)
        self._known: Begun | None = None
        self._rests = 0
        self._before = 0
        """Items that were known when the last rest was asked for."""
        self._was_raised = False

    @property
    def items(self) -> Sequence[JSONValue]:
        """The items that are known; the answer to the next request goes on behind them."""
        return self._known.items if self._known else ()

    def take(self, completion: Completion) -> Completion:
        """An answer, as the whole that it makes with those before it."""
        if self._known is None or self._path is None:
            return completion
        is_cut, rest = self._rest(completion)
        found = rest and self._known.with_rest(rest)
        self._known = found or self._known
        schema: Any = self._plan.rewrite.schema
        order = _resolved(schema, schema).get("properties", ())
        text = self._known.text(order=tuple(order))
        whole = replace(completion, text=text, tool_calls=(), native=None)
        # What cannot be read to its end, or not be joined, is by itself only a part.
        return replace(whole, stop_reason="length") if is_cut or not found else whole

    def _rest(self, completion: Completion) -> tuple[bool, Begun | None]:
        """Whether the rest ends in its middle, whatever the provider states; and what there is of it."""
        if completion.stop_reason in CUT_OFF:
            return True, self._begun(completion)
        if self._path is None or len(completion.tool_calls) > 1:
            return False, None
        try:
            found = search(self._text(completion))
            candidates = [one for one in found.candidates if not one.cut]
            if any(one.cut and not one.stray for one in found.candidates):
                return True, self._begun(completion)
            if candidates:
                refuse_what_is_broken(found, candidates)
        except NotJSON as exc:
            return True, self._begun(completion) if exc.truncated else None
        except Rejected:
            return False, None
        lists = [each for one in candidates if (each := whole_list(one.value, self._path))]
        first = lists[0] if lists else None
        differ = any(not same(first.items, other.items) for other in lists[1:]) if first else False
        return False, None if differ else first

    def _begun(self, completion: Completion) -> Begun | None:
        if self._path is None or len(completion.tool_calls) > 1:
            return None
        return begun(self._text(completion), self._path, is_object=bool(self._path))

    def _text(self, completion: Completion) -> str:
        # A model that has copied the tags around an item may not do so where it repeats it.
        return self._fence.taken_off(raw_text(completion))

    def next_request(self, completion: Completion, *, given_out: int | None) -> Request | None:
        """What to ask after an answer that was cut off; None where nothing is left to be tried.

        ``given_out`` is how many items a stream has yielded, which must be those that are known;
        None: there is no such stream.
        """
        if self._known is None:
            self._known = self._begun(completion)
        if self.items and given_out in (None, len(self.items)):
            # Where the rest itself brought nothing new, another would not either.
            if len(self.items) <= self._before or self._rests >= MOST_RESTS:
                return None
            self._rests += 1
            self._before = len(self.items)
            return self._for_rest()
        self._known = None
        if given_out or self._rests or self._was_raised:
            return None
        self._was_raised = True
        return self._raised(completion)

    def _for_rest(self) -> Request:
        assert self._known is not None
        known = self._known
        turns = (
            Message(role="assistant", content=known.text()),
            Message(role="user", content=_words(known.items)),
        )
        return replace(self._request, messages=(*self._request.messages, *turns))

    def _raised(self, completion: Completion) -> Request | None:
        """The same request with more tokens, as far as the model and the budget go."""
        # A budget that had no more will have less now; a full context holds no longer answer.
        if completion.stop_reason != "length" or completion.lowered_to is not None:
            return None
        had = self._request.max_tokens or completion.usage.output_tokens
        entry = self._driver.entry(self._request.model)
        most = entry.limits.output if entry is not None else None
        wanted = min(had * RAISE, most or had * RAISE)
        if wanted <= had:
            return None
        self._request = replace(self._request, max_tokens=wanted)
        return self._request


def _words(items: Sequence[JSONValue]) -> str:
    number = f"{len(items)} complete item{'s' * (len(items) != 1)}"
    last, them = f"the last of them was:\n{to_json(items[-1])}", "that item"
    if (count := repeated(items)) > 1:
        last = f"the last {count} of them were:\n{to_json(items[-count:])}"
        them = f"these {count} items"
    return (
        f"Your answer was cut off. It had {number}, and {last}\n"
        f"Go on, in the same form: a list that begins with {them} again, then holds all that"
        " follows in the document, and nothing that stands before."
    )


def ended_whole(completion: Completion, plan: Plan, read: Callable[[Completion], object]) -> bool:
    """Whether an answer that met its limit had come to its end: one JSON object, valid, with
    nothing behind it but blanks (with which some models fill the rest of their limit).

    Of other values nobody knows: a list may have been left short, a number may lack digits, and
    the arguments of a call may have been closed by the provider.
    """
    text = completion.text.strip()
    if completion.stop_reason != "length" or completion.tool_calls or not text.startswith("{"):
        return False
    if not plan.quotes and list_path(plan.rewrite.schema) is not None:
        return False
    try:
        read_exactly(text)
        read(completion)
    except (ValueError, RecursionError, Rejected):
        return False
    return True


def whole_answer(
    ask: Ask[D],
    completion: Completion,
    note: Callable[..., None],
    rested: Callable[..., PromptureError],
    *,
    given_out: Callable[[], int | None],
) -> Flow[D, Completion]:
    """The whole of an answer that was cut off, or the answer as far as it came.

    ``note`` records an answer that another follows; the last one is the caller's to record.
    ``rested`` puts what came onto an error.
    """
    name = f"{ask.driver.provider.name}/{ask.request.model}"
    resuming = Resuming(ask.plan, ask.request, ask.driver)
    while completion.stop_reason in CUT_OFF and not completion.refusal:
        request = resuming.next_request(completion, given_out=given_out())
        if request is None:
            break
        error = stop_error(completion, name=name, max_tokens=ask.request.max_tokens)
        note(completion, status="truncated", error=str(error))
        is_rest = len(resuming.items)
        observe.note(
            "resumed" if is_rest else "truncated",
            "%(model)s: the answer was cut off; "
            + ("the rest is asked for" if is_rest else "it is asked for with more tokens"),
            model=name,
            tokens=completion.usage.output_tokens,
        )
        known, is_part = tuple(resuming.items), ask.part or bool(is_rest)
        try:
            more = yield replace(ask, request=request, part=is_part, known=known)
        except BudgetExceeded as exc:
            assert error is not None
            # Not enough is left for the rest: what came is given, as with any other cut answer.
            raise rested(error, completion) from exc
        except PromptureError as exc:
            # What came was paid for, whatever became of the rest, of which some may have come, too.
            if exc.partial is None:
                rested(exc, completion)
            elif is_rest:
                rested(exc, resuming.take(replace(exc.partial, stop_reason="length")))
            raise
        completion = resuming.take(more)
    return completion
