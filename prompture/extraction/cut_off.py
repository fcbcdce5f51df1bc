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
from prompture.extraction.strategy import Plan
from prompture.flows.attempts import CUT_OFF, raw_text, stop_error
from prompture.flows.run import Ask, D, Flow
from prompture.json_values import referenced, same
from prompture.schema.exact_json import to_json
from prompture.schema.partial import PartialJSONError, PartialParser
from prompture.types import JSON, Completion, JSONValue, Message, Request

MOST_RESTS = 20
"""How often the rest of one list is asked for, at most."""
RAISE = 4
"""``max_tokens`` is raised by so much, as far as the model goes."""


class Overlap:
    """Leaves out what a continued list repeats of the items that are known.

    The model is asked to begin with the last known item. Where it does, that one is left out.
    Where it repeats more (the last few, or all), these are; where it repeats nothing, nothing is.
    """

    def __init__(self, known: Sequence[JSONValue]) -> None:
        self._known = known
        self._starts: list[int] | None = None if known else []
        """Where in the known list the new one may have begun."""
        self._held: list[JSONValue] = []

    def feed(self, item: JSONValue) -> list[int]:
        """Take the next item; how many places back each new one stands (0: this item)."""
        known, held = self._known, self._held
        if self._starts is None:
            if same(item, known[-1]):
                self._starts = []
                return []
            self._starts = [at for at, each in enumerate(known) if same(item, each)]
        elif not self._starts:
            return [0]
        else:
            place = len(held)
            self._starts = [at for at in self._starts if same(item, known[at + place])]
        held.append(item)
        if any(at + len(held) == len(known) for at in self._starts):
            self._starts = []
            return []
        # None fits: what was held back is new after all.
        return list(range(len(held) - 1, -1, -1)) if not self._starts else []


def joined(known: Sequence[JSONValue], more: Sequence[JSONValue]) -> list[JSONValue]:
    """Two parts of one list, without what the second repeats of the first."""
    overlap, whole = Overlap(known), list(known)
    for at, item in enumerate(more):
        whole += [more[at - back] for back in overlap.feed(item)]
    return whole


@dataclass(frozen=True, slots=True)
class Begun:
    """The beginning of a list: its complete items, and the complete fields that stand before it.
    ``path`` is where the list stands in the answer: () or one key."""

    path: tuple[str, ...]
    items: list[JSONValue]
    fields: dict[str, JSONValue]

    def with_rest(self, rest: Begun) -> Begun:
        """Both parts as one. A field that both have is the first's: the second was asked for the
        list alone."""
        fields = {**rest.fields, **self.fields}
        return Begun(self.path, joined(self.items, rest.items), fields)

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


def begun(text: str, path: tuple[str, ...], *, is_object: bool) -> Begun | None:
    """What is complete of a list whose JSON may end anywhere; None where nothing of it can be read."""
    parser = PartialParser(expect="object" if is_object else None)
    try:
        parser.feed(text)
    except PartialJSONError:
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
        self._path = list_path(plan.rewrite.schema)
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
        rest = self._begun(completion)
        if rest is None:  # no list, and by itself only a part: it counts as cut off, too
            text = self._known.text()
            return replace(completion, text=text, tool_calls=(), native=None, stop_reason="length")
        self._known = self._known.with_rest(rest)
        schema: Any = self._plan.rewrite.schema
        order = _resolved(schema, schema).get("properties", ())
        text = self._known.text(order=tuple(order))
        return replace(completion, text=text, tool_calls=(), native=None)

    def _begun(self, completion: Completion) -> Begun | None:
        if self._path is None or len(completion.tool_calls) > 1:
            return None
        return begun(raw_text(completion), self._path, is_object=bool(self._path))

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
            Message(role="user", content=_words(len(known.items), known.items[-1])),
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


def _words(count: int, last: JSONValue) -> str:
    number = f"{count} complete item{'s' * (count != 1)}"
    return (
        f"Your answer was cut off. It had {number}, and the last of them was:\n{to_json(last)}\n"
        "Go on, in the same form: a list that begins with that item again, and then holds all that"
        " follow it in the document, and none of those before it."
    )


def whole_answer(
    ask: Ask[D],
    plan: Plan,
    completion: Completion,
    note: Callable[..., None],
    rested: Callable[..., PromptureError],
    *,
    name: str,
    given_out: Callable[[], int | None],
) -> Flow[D, Completion]:
    """The whole of an answer that was cut off, or the answer as far as it came.

    ``note`` records an answer that another follows; the last one is the caller's to record.
    ``rested`` puts what came onto an error.
    """
    resuming = Resuming(plan, ask.request, ask.driver)
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
        completion = resuming.take(more)
    return completion
