"""From a Completion to a value: find the JSON, undo the rewriting, check it.

An answer that is JSON as it stands and has no key but the schema's is validated, and that is all.
Any other is read for every value that it may hold, and the schema judges these.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from prompture.copying import PicklableError
from prompture.extraction.envelope import inner_values, is_wrapping
from prompture.extraction.strategy import Plan
from prompture.json_values import pointer, same
from prompture.schema.candidates import DOUBTFUL, Candidate, FoundValues
from prompture.schema.exact_json import is_plain, to_json
from prompture.schema.key_check import in_own_shape, keys_of
from prompture.schema.problems import InvalidValue, Problem
from prompture.schema.repair import NotJSON, choice, read_exactly, search
from prompture.schema.source import Source
from prompture.types import Completion, JSONValue, ToolCall

SEVERAL = "several_values"
"""Kind of the problem of an answer that holds values which fit the schema and differ."""
# Each costs a validation or two, and prose may hold thousands of brackets.
_CANDIDATES = 40
"""Values of one answer that the schema is asked about, at most."""


class Rejected(PicklableError, Exception):
    """An answer that does not satisfy the schema. ``plain`` is the JSON it gave, in the
    schema's own shape, or UNREAD where there was none. ``shown`` are the problems with the
    places they have in the answer itself, as the model wrote it."""

    def __init__(
        self, problems: Sequence[Problem], plain: JSONValue, shown: Sequence[Problem] | None = None
    ) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)
        self.plain = plain
        self.shown = self.problems if shown is None else tuple(shown)


UNREAD = object()
"""In the place of a JSON value that could not be read: None is one that could."""
CUT = "truncated"
"""Kind of the problem of an answer whose JSON ends in the middle."""


@dataclass(frozen=True, slots=True)
class ParsedAnswer:
    """A value, with the plain JSON it was made of (None: not parsed apart from the value)."""

    value: Any
    plain: JSONValue
    repairs: tuple[str, ...] = ()
    ignored: int = 0
    """Keys of the answer that the schema does not know."""
    quotes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What the model quoted from the document, by pointer."""
    written: JSONValue = UNREAD
    """The JSON that the value was made of, in the schema's shape; UNREAD where it was not parsed."""


def read(source: Source[Any], plan: Plan, completion: Completion) -> ParsedAnswer:
    """The validated value of an answer. Raises Rejected with what is wrong and where."""
    text = answer_text(source, completion)
    if text is None:
        raise _unreadable(_nothing(plan), "missing")
    if len(completion.tool_calls) > 1 and (problem := unlike_calls(source, completion)):
        raise Rejected([problem], UNREAD)
    # Measured shortcut: nearly every good answer is JSON as it stands, and is parsed only once.
    if plan.rewrite.identity and source.typed:
        try:
            value = source.validate_json(text)
            if is_plain(text, value):
                return ParsedAnswer(value, None)
        except InvalidValue:
            pass  # the slow way finds what is wrong with it, or finds it in a wrapping
    return read_text(source, plan, text)


def read_text(source: Source[Any], plan: Plan, text: str) -> ParsedAnswer:
    """The one value of a text that fits the schema. Raises Rejected."""
    try:
        found = search(text)
    except NotJSON as exc:
        raise _not_json(exc) from exc
    judge = _Judge(source, plan)
    # Nothing else in the text could be meant, so its own faults are reported.
    if found.is_one:
        if reading := judge.tried(found.candidates[0]):
            return _with(found, reading)
        raise judge.refusal(found)
    for pool in _pools(found):
        fits = [reading for one in pool if (reading := judge.tried(one))]
        if fits:
            refuse_what_is_broken(found, pool)
            return _with(found, judge.one_of(fits))
    raise judge.refusal(found)


def _with(found: FoundValues, reading: ParsedAnswer) -> ParsedAnswer:
    if not found.stripped:
        return reading
    return replace(reading, repairs=(*found.stripped, *reading.repairs))


def _pools(found: FoundValues) -> list[list[Candidate]]:
    """Candidates by rank: those in a fence of another language come last, and are looked at only
    where nothing else fits."""
    whole = [one for one in found.candidates if not one.cut][:_CANDIDATES]
    return [[c for c in whole if not c.example], [c for c in whole if c.example]]


def refuse_what_is_broken(found: FoundValues, pool: Sequence[Candidate]) -> None:
    """Refuse a value beside which stands a longer one, cut off or not to be read: the answer."""
    if any(one.cut and not (one.example or one.stray) for one in found.candidates):
        raise _cut()
    # A short value that fits may be a quotation beside the answer, which broke.
    longest = max(one.length for one in pool)
    if any(reached - start > longest for start, reached in found.broken):
        raise _not_json(NotJSON(f"the text is almost JSON, but {found.refusals[0]}"))


class _Judge:
    """Asks the schema about the values of one answer."""

    def __init__(self, source: Source[Any], plan: Plan) -> None:
        self._source = source
        self._plan = plan
        self._keys = keys_of(source)
        # By id, for JSON has no hash; the candidates live as long as the judge.
        self._refusals: dict[int, Rejected] = {}

    def tried(self, one: Candidate) -> ParsedAnswer | None:
        """The value of a candidate, or of what it wraps, if it fits."""
        try:
            return self._read(one)
        except Rejected as refusal:
            self._refusals[id(one)] = refusal
            return None

    def _read(self, one: Candidate) -> ParsedAnswer:
        answer = one.value
        wraps = is_wrapping(answer, self._keys)
        try:
            if not wraps:
                return self._value(answer, one.text, one.repairs)
            problem = Problem("", "must be the value itself, not a call or a schema", "wrapped")
            refusal = Rejected([problem], UNREAD)
        except Rejected as exc:
            refusal = exc
        # Where nothing inside fits either, the refusal of the whole stands: its places are those
        # that the model wrote.
        for inner in inner_values(answer, self._keys):
            try:
                return self._value(inner, None, (*one.repairs, "a wrapping around it"))
            except Rejected:
                continue
        raise refusal

    def _value(self, answer: JSONValue, text: str | None, repairs: tuple[str, ...]) -> ParsedAnswer:
        rewrite = self._plan.rewrite
        plain = answer if rewrite.identity else rewrite.restore(answer)
        try:
            # From the text, which has every digit, where there is one.
            if rewrite.identity and text is not None:
                value = self._source.validate_json(text)
            else:
                value = self._source.validate(plain)
            keys = self._keys.check(plain, value)
        except InvalidValue as exc:
            there = rewrite.forward_pointer
            shown = [replace(p, pointer=there(p.pointer, answer)) for p in exc.problems]
            raise Rejected(
                exc.problems, plain, exc.problems if rewrite.identity else shown
            ) from exc
        # A mended slip may have made the key: then the text meant something else.
        if keys.ignored and not DOUBTFUL.isdisjoint(repairs):
            message = "must be JSON: it is almost, and a key in it is not one of the schema's"
            raise Rejected([Problem(pointer(keys.ignored[0]), message, "json_invalid")], plain)
        if keys.ignored and self._source.typed:  # they are nowhere in the value
            plain = in_own_shape(self._source, plain)
        kept = None if rewrite.identity else plain
        notes, ignored = (*repairs, *keys.notes()), len(keys.ignored)
        return ParsedAnswer(value, kept, notes, ignored, written=plain)

    def one_of(self, fits: Sequence[ParsedAnswer]) -> ParsedAnswer:
        """The value, where all that fit are equal."""
        # The candidate that the schema knows best; the others may be parts of a quoted schema.
        fewest = min(each.ignored for each in fits)
        least = [each for each in fits if each.ignored == fewest]
        first = least[0]
        if any(not _equal(first, other) for other in least[1:]):
            message = "must be one value: the answer holds several that fit and differ"
            raise Rejected([Problem("", message, SEVERAL)], UNREAD)
        return first

    def refusal(self, found: FoundValues) -> Rejected:
        """What is wrong with an answer of which nothing fits."""
        if any(one.cut and not one.example for one in found.candidates):
            return _cut()
        try:
            # The model is shown the faults of the value that it most likely meant.
            chosen = choice(found)
        except NotJSON as exc:
            return _not_json(exc)
        if chosen.cut:
            return _cut()
        return self._refusals.get(id(chosen)) or next(reversed(self._refusals.values()))


def _equal(one: ParsedAnswer, other: ParsedAnswer) -> bool:
    return bool(one.value == other.value)


def _not_json(exc: NotJSON) -> Rejected:
    return _cut() if exc.truncated else _unreadable(f"must be JSON: {exc}", "json_invalid")


def _cut() -> Rejected:
    return _unreadable("must be whole: the JSON is cut off", CUT)


def _unreadable(message: str, kind: str) -> Rejected:
    return Rejected([Problem("", message, kind)], UNREAD)


def _nothing(plan: Plan) -> str:
    if plan.strategy == "tool":
        return "must be given by calling the function; there was no call and no JSON"
    return "must be JSON; the answer was empty"


def answer_text(source: Source[Any], completion: Completion) -> str | None:
    """The text that should be JSON: a tool call's arguments, those of several calls that gave
    parts of one list joined, or the answer itself."""
    if not completion.tool_calls:
        return completion.text if completion.text.strip() else None
    calls = _calls(source, completion)
    return _joined(calls) or _arguments(calls[0])


def unlike_calls(source: Source[Any], completion: Completion) -> Problem | None:
    """The problem of an answer that gives several values, each by a call of its own."""
    calls = _calls(source, completion)
    if len(calls) < 2 or _joined(calls) is not None:
        return None
    message = f"must be one value: the function was called {len(calls)} times with unlike arguments"
    return Problem("", f"{message}; call it once", SEVERAL)


def _calls(source: Source[Any], completion: Completion) -> list[ToolCall]:
    """The calls that give a value: those of the tool, or one of a tool that nobody offered."""
    named = [call for call in completion.tool_calls if call.name == source.name]
    return named or list(completion.tool_calls)


def _arguments(call: ToolCall) -> str | None:
    if call.raw_arguments and call.raw_arguments.strip() != "null":
        return call.raw_arguments
    return json.dumps(call.arguments) if call.arguments is not None else None


def _joined(calls: Sequence[ToolCall]) -> str | None:
    """The arguments of several calls as one text: of equal ones the first, of lists in an
    envelope the whole list. None where they are neither."""
    if len(calls) == 1:
        return _arguments(calls[0])
    try:
        values = [read_exactly(_arguments(call) or "null") for call in calls]
    except (ValueError, RecursionError):
        return None
    first = values[0]
    if all(same(first, each) for each in values[1:]):
        return _arguments(calls[0])
    if not all(isinstance(each, dict) and len(each) == 1 for each in values):
        return None
    key = next(iter(first))
    if not all(isinstance(each.get(key), list) for each in values):
        return None
    return to_json({key: [item for each in values for item in each[key]]})
