"""Snapshots of a value that a model is still writing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, Never, TypeVar, cast

from prompture import given
from prompture.extraction.inputs import Content, files_read, has_files
from prompture.extraction.result import Extraction
from prompture.extraction.strategy import Plan
from prompture.flows.run import Ask, Flow, Generates, GeneratesAsync, HasModel, LaterFlow
from prompture.flows.stream import AsyncLive, Listener, Live, RunningBill, astream, stream
from prompture.json_values import pointer, segments_of, value_at
from prompture.schema.exact_json import with_floats
from prompture.schema.partial import PartialJSONError, PartialParser, Path, Snapshot
from prompture.schema.partial_typed import PartialReader
from prompture.schema.problems import Problem, validator_problem
from prompture.schema.source import Source
from prompture.types import Completion, Delta, JSONValue
from prompture.wire.deadline import in_thread

T = TypeVar("T")
_ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class _Fixed:
    """What a Partial that was copied shows."""

    plain: JSONValue
    open_path: str | None
    final: tuple[str, ...]


class Partial(Generic[T]):
    """The value as far as it has come. Taking one is cheap; looking into it costs what is new.

    It stays as it is while the answer grows. Parts of it are shared with the others of its
    answer, so do not change them. ``attempt`` counts the answers from 1: when one fails and the
    model is asked again, the value starts anew. The last of all has the ``result``.
    """

    # There may be one for each token.
    __slots__ = ("_fixed", "_read", "_snapshot", "_view", "attempt", "result")

    def __init__(
        self,
        snapshot: Snapshot | None,
        view: PartialReader | None,
        attempt: int,
        result: Extraction[T] | None = None,
    ) -> None:
        self._snapshot = snapshot
        self._view = view
        self._read: tuple[Any, tuple[Problem, ...]] | None = None
        self._fixed: _Fixed | None = None
        self.attempt = attempt
        self.result = result

    @property
    def value(self) -> T:
        """The typed value: every field is None until it has come (a TypedDict has no such key).

        Complete parts are validated, by their validators too; text that is still growing is
        shown where text is wanted. A part that is wrong, or of which it is not certain yet what
        it will be, is None. None altogether before the value begins.
        """
        return cast(T, self._look()[0])

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the parts that are complete."""
        return self._look()[1]

    @property
    def plain(self) -> JSONValue:
        """The same as plain JSON, in the shape of the schema; what is missing is not there."""
        if self._fixed is not None:
            return self._fixed.plain
        if self._snapshot is not None and self._view is not None:
            return self._view.plain(self._snapshot)
        return _plain_of(self.result) if self.result else None

    @property
    def is_last(self) -> bool:
        """Whether this is the end: the whole value, validated."""
        return self.result is not None

    @property
    def open_path(self) -> str | None:
        """The JSON pointer of the innermost object, list or text that is growing."""
        if self._fixed is not None:
            return self._fixed.open_path
        snapshot = self._snapshot
        if self.result or snapshot is None or self._view is None:
            return None
        path = snapshot.open_path
        names = None if path is None else self._view.names(path, snapshot.root)
        return None if names is None else pointer(names)

    @property
    def final(self) -> tuple[str, ...]:
        """JSON pointers of the largest parts that will not change; "" is the whole."""
        if self.result:
            return ("",)
        if self._fixed is not None:
            return self._fixed.final
        if self._snapshot is None or self._view is None:
            return ()
        root = self._snapshot.root
        found = (self._view.names(path, root) for path in self._snapshot.completed())
        return tuple(dict.fromkeys(pointer(names) for names in found if names is not None))

    def is_final(self, where: str) -> bool:
        """Whether the value at a JSON pointer is there and will not change in this answer."""
        if self.result:
            return value_at(self.plain, _segments(where), _ABSENT) is not _ABSENT
        if self._fixed is not None:
            is_inside = any(where == f or where.startswith(f"{f}/") for f in self._fixed.final)
            return is_inside and value_at(self.plain, _segments(where), _ABSENT) is not _ABSENT
        if self._snapshot is None or self._view is None:
            return False
        path = self._view.keys(_segments(where), self._snapshot.root)
        if path is None:
            # A part that can only be restored as a whole.
            parents = (where[:i] for i, mark in enumerate(where) if mark == "/" and i)
            there = self.get(where, _ABSENT) is not _ABSENT
            return there and any(self.is_final(parent) for parent in parents)
        return self._snapshot.is_complete(path)

    def get(self, where: str, default: JSONValue = None) -> JSONValue:
        """The plain JSON at a JSON pointer, ``default`` where there is none yet."""
        found = value_at(self.plain, _segments(where), _ABSENT)
        return default if found is _ABSENT else found

    def _look(self) -> tuple[Any, tuple[Problem, ...]]:
        if self._read is None:
            if self.result is not None:
                self._read = self.result.value, ()
            elif self._snapshot is None or self._view is None:
                self._read = None, ()
            else:
                self._read = _read_value(self._view, self._snapshot)
        return self._read

    def __reduce__(self) -> tuple[Any, ...]:
        """What it shows now: the parser, which reads more of the answer, stays in this process."""
        fixed = None if self.result else _Fixed(self.plain, self.open_path, self.final)
        return _restored, (self._look(), fixed, self.attempt, self.result)

    def _repr_html_(self) -> str:
        if self.result is not None:
            return self.result._repr_html_()
        from prompture.page.results import growing

        return growing(self.plain, self.is_final, self.open_path)

    def __repr__(self) -> str:
        state = "last" if self.is_last else f"open at {self.open_path!r}"
        return f"Partial({state}, attempt={self.attempt})"


def _read_value(view: PartialReader, snapshot: Snapshot) -> tuple[Any, tuple[Problem, ...]]:
    try:
        value, problems = view.value(snapshot)
    except MemoryError:
        raise
    except Exception as exc:  # making an unfinished value calls the user's class, too
        return None, validator_problem(exc).problems
    return value, tuple(problems)


def _restored(shown: Any, fixed: _Fixed | None, attempt: int, result: Any) -> Partial[Any]:
    made: Partial[Any] = Partial(None, None, attempt, result)
    made._read, made._fixed = shown, fixed
    return made


def _plain_of(result: Extraction[T]) -> JSONValue:
    if result.plain is not None:
        return with_floats(result.plain)
    from prompture.schema.exact_json import to_plain

    return to_plain(result.value)


def _segments(where: str) -> Path:
    if where and not where.startswith("/"):
        raise ValueError('a JSON pointer is "" or begins with "/" ("/items/0/name")')
    return segments_of(where)


def json_pieces(name: str) -> Callable[[Delta], tuple[str, bool]]:
    """A function that takes the wanted JSON out of each delta, and whether it begins anew.

    That is the answer's text, until a tool is called: then it is the arguments of the call of
    ``name``, or of the first call.
    """
    chosen: int | None = None

    def piece(delta: Delta) -> tuple[str, bool]:
        nonlocal chosen
        index = delta.tool_index
        if index is None:
            return (delta.text if chosen is None else ""), False
        # A later call of the right name wins over a first call of another.
        if delta.tool_name and index != chosen and (chosen is None or delta.tool_name == name):
            chosen = index
            return delta.tool_arguments, True
        return (delta.tool_arguments if index == chosen else ""), False

    return piece


class _PartialListener(Generic[T]):
    """Parses one answer as it comes. What is no JSON is left to the reading of the whole."""

    def __init__(
        self, source: Source[T], plan: Plan, attempt: int, due: Callable[[], bool]
    ) -> None:
        self._piece = json_pieces(source.name)
        self._expects_object = _is_object(plan.rewrite.schema)
        self._view = PartialReader(plan.rewrite.codec, source.shape)
        self._attempt = attempt
        self._due = due
        self._begin()

    def _begin(self) -> None:
        self.parser = PartialParser(expect="object" if self._expects_object else None)
        self._over = False

    def hear(self, delta: Delta) -> Iterable[Partial[T]]:
        text, anew = self._piece(delta)
        if anew:
            self._begin()
        if not text or self._over:
            return ()
        parser = self.parser
        try:
            parser.feed(text)
        except PartialJSONError:
            self._over = True  # the reading of the whole mends it, or refuses it
            return ()
        if not parser.started:
            return ()
        # What follows the value is prose, or another value: that is for the reading of the whole.
        self._over = parser.complete
        return (self._partial(),) if self._due() else ()

    def end(self, completion: Completion) -> Iterable[Partial[T]]:
        return ()

    def _partial(self) -> Partial[T]:
        return Partial(self.parser.snapshot(), self._view, self._attempt)


class _NoSnapshots:
    """Listens to an answer that corrects only parts of the value: it is no snapshot of it."""

    def hear(self, delta: Delta) -> Iterable[Never]:
        return ()

    def end(self, completion: Completion) -> Iterable[Never]:
        return ()


def _is_object(schema: JSONValue) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "object"


class Snapshots(Generic[T]):
    """The audience of ``extract_stream``. ``interval`` is the least number of seconds between
    two snapshots; the last one always comes."""

    def __init__(
        self,
        source: Source[T],
        running: RunningBill,
        *,
        interval: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.running = running
        self.last: Extraction[T] | None = None
        self._source = source
        self._interval = given.number(interval, "min_interval", least=0) or 0.0
        self._clock = clock
        self._next = float("-inf")
        self._attempt = 0

    def listen(self, ask: Ask[HasModel]) -> Listener[Partial[T]]:
        self.running.open(ask)
        self._attempt += 1
        if ask.part:
            return _NoSnapshots()
        return _PartialListener(self._source, ask.plan, self._attempt, self._is_due)

    def metered(self) -> AbstractContextManager[None]:
        return self.running.metered()

    def result(self, value: Extraction[T]) -> Iterable[Partial[T]]:
        self.last = value
        return (Partial(None, None, self._attempt, value),)

    def _is_due(self) -> bool:
        """Whether a snapshot is taken now."""
        if self._interval:
            now = self._clock()
            if now < self._next:
                return False
            self._next = now + self._interval
        self.running.has_given = True
        return True


class PartialStream(Live[Partial[T]]):
    """Snapshots as they come, the last with the ``result``. Leaving it is explained at Live."""

    def __init__(self, flow: Flow[Generates, Extraction[T]], audience: Snapshots[T]) -> None:
        super().__init__(stream(flow, audience), audience.running)
        self._audience = audience

    @property
    def result(self) -> Extraction[T] | None:
        """The validated value with its history, once it is there."""
        return self._audience.last


class AsyncPartialStream(AsyncLive[Partial[T]]):
    """PartialStream in the async colour."""

    def __init__(
        self, flow: LaterFlow[GeneratesAsync, Extraction[T]], audience: Snapshots[T]
    ) -> None:
        super().__init__(astream(flow, audience), audience.running)
        self._audience = audience

    @property
    def result(self) -> Extraction[T] | None:
        """The validated value with its history, once it is there."""
        return self._audience.last


# Files are read before the first call, within the stream's deadline: in a thread, if awaited.


def read_within(text: Content, running: RunningBill) -> Any:
    """The text with its files read."""
    if type(text) is str or not has_files(text):
        return text
    with running.reading():
        return files_read(text)


def flow_of(
    text: Content, make: Callable[[Any], Flow[Any, T]], running: RunningBill
) -> LaterFlow[Any, T]:
    """The flow for a text; where files are to be read first, an awaitable's maker of it."""
    if type(text) is str or not has_files(text):
        return make(text)

    async def later() -> Flow[Any, T]:
        return make(await in_thread(read_within, text, running))

    return later
