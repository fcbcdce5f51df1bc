"""`PartialParser`: a live value out of JSON that is still being written, and its snapshots."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from prompture.json_values import DEPTH_LIMIT
from prompture.types import JSONValue

from . import grammar
from .machine import Container, Expect, Machine, PartialJSONError, Path, Replaced, closed

MAX_CHARS = 64 * 1024 * 1024


_ABSENT: JSONValue = object()


class Snapshot:
    """What a parser had read when `snapshot()` was called; later text never changes it.

    Taking one costs the depth of the open path, however large the value: containers only ever
    gain entries, so their sizes at that moment pin them down. `value` copies the containers that
    were open, when first looked at; whatever was complete is shared between all snapshots and the
    parser, so treat it as read-only. Look at it in the thread that feeds the parser.
    """

    __slots__ = ("_cache", "_keys", "_length", "_mark", "_parts", "_replaced", "_sizes", "_stack")

    def __init__(
        self,
        stack: tuple[Container, ...],
        keys: Path,
        parts: list[str] | None,
        length: int,
        replaced: Replaced,
    ) -> None:
        """``stack`` holds the open containers below a list of the root alone, ``keys`` the place
        of each in the one before, and of the open string. ``parts`` are that string's, ``length``
        characters in all; None where none is open."""
        self._stack = stack
        # Containers only gain entries at their end, so their sizes now are enough to find what was
        # there; what a duplicate key replaced later is in ``replaced`` behind ``_mark``.
        self._sizes = [*map(len, stack)]
        self._keys = keys
        self._parts = parts
        self._length = length
        self._replaced = replaced
        self._mark = len(replaced)
        self._cache: JSONValue = _ABSENT

    @property
    def started(self) -> bool:
        """Whether any part of the value was seen; until then `value` is None."""
        return self._sizes[0] > 0

    @property
    def complete(self) -> bool:
        """Whether the whole value is final."""
        return self.started and len(self._stack) == 1 and self._parts is None

    @property
    def open_path(self) -> Path | None:
        """The path of the innermost unfinished container or string; None when there is none."""
        if self._parts is None and len(self._stack) == 1:
            return None
        return self._keys[1:]

    @property
    def value(self) -> JSONValue:
        """Plain JSON. Numbers, literals and keys that were cut are absent; strings are as grown."""
        if self._cache is _ABSENT:
            self._cache = self._copy_from(0)[0] if self.started else None
        return self._cache

    def get(self, path: Path, default: object = None) -> JSONValue:
        """The value at `path`, without copying open containers that are not part of it."""
        level, rest = self._leave_open_path((0, *path))
        if not rest:
            return self._copy_from(level) if self._open_at(level) else self._grown()
        if not self._open_at(level):
            return default
        node = self._stack[level]
        if not _has(node, rest[0]) or not self._held(level, rest[0]):
            return default
        value = self._before(node, rest[0])
        for key in rest[1:]:
            if not _has(value, key):
                return default
            value = value[key]
        return value

    def size(self, path: Path) -> int | None:
        """The length of the list, object or string at `path`, without copying it; else None."""
        level, rest = self._leave_open_path((0, *path))
        if not rest:
            return self._sizes[level] if self._open_at(level) else self._length
        found = self.get(path)
        return len(found) if isinstance(found, (str, list, dict)) else None

    def levels(self) -> list[tuple[Container, int]]:
        """The open containers from the root inwards, and how many entries each had; of a value
        that is complete, the root alone.

        They are the live ones, which may hold more by now; but a copy where an entry of one has
        been replaced since.
        """
        found = [*zip(self._stack[1:], self._sizes[1:], strict=True)]
        if not found and self.complete and isinstance(root := self.root, (dict, list)):
            return [(root, len(root))]
        if self._mark == len(self._replaced):
            return found
        changed = {id(holder) for holder, _, _ in self._replaced[self._mark :]}
        return [(self._as_it_was(n, s) if id(n) in changed else n, s) for n, s in found]

    def _as_it_was(self, node: Container, size: int) -> Container:
        copy = _first(node, size)
        self._restore(copy, node)
        return copy

    @property
    def root(self) -> JSONValue:
        """The live value, which goes on growing; None before it begins."""
        return self._stack[0][0] if self.started else None  # type: ignore[index]

    @property
    def grown(self) -> str | None:
        """The text so far of the string that is open; None where none is."""
        return None if self._parts is None else self._grown()

    def is_complete(self, path: Path) -> bool:
        """Whether a value stands at `path` and is final (duplicate keys aside)."""
        opened = self.open_path
        if opened is not None and opened[: len(path)] == path:
            return False
        return self.get(path, _ABSENT) is not _ABSENT

    def completed(self) -> Iterator[Path]:
        """The paths of the largest complete parts; all that lies under one is complete too."""
        if self.complete:
            yield ()
            return
        for level in range(1, len(self._stack)):
            node, opened = self._stack[level], self._open_key(level)
            keys: Iterable[str | int] = range(len(node)) if isinstance(node, list) else node
            for key in islice(keys, self._sizes[level]):
                if key != opened:
                    yield (*self._keys[1:level], key)

    def _open_at(self, level: int) -> bool:
        return level < len(self._stack)

    def _open_key(self, level: int) -> str | int | None:
        """The key in the container at `level` under which something is unfinished."""
        return self._keys[level] if level < len(self._keys) else None

    def _leave_open_path(self, path: Path) -> tuple[int, Path]:
        """How deep `path` follows the open path, and the keys that are left from there."""
        level = 0
        while level < len(path) and level < len(self._keys) and path[level] == self._keys[level]:
            level += 1
        return level, path[level:]

    def _grown(self) -> str:
        return "".join(self._parts or ())[: self._length]

    def _copy_from(self, level: int) -> JSONValue:
        """The container at `level` as it was, with copies of all that was open inside."""
        child: JSONValue = _ABSENT if self._parts is None else self._grown()
        for depth in range(len(self._stack) - 1, level - 1, -1):
            node = self._stack[depth]
            copy = _first(node, self._sizes[depth])
            if self._mark < len(self._replaced):
                self._restore(copy, node)
            if child is not _ABSENT:
                copy[self._keys[depth]] = child  # type: ignore[index]
            child = copy
        return child

    def _restore(self, copy: Container, node: Container) -> None:
        """Undo in the copy of `node` what duplicate keys have replaced since."""
        for holder, key, old in reversed(self._replaced[self._mark :]):
            if holder is node and key in copy:
                copy[key] = old  # type: ignore[index]

    def _held(self, level: int, key: str | int) -> bool:
        """Whether the container at `level` had `key` at that time, given that it has it now."""
        node, size = self._stack[level], self._sizes[level]
        if isinstance(node, list):
            return int(key) < size
        return len(node) == size or any(key == known for known in islice(node, size))

    def _before(self, node: Container, key: str | int) -> JSONValue:
        for holder, changed, old in self._replaced[self._mark :]:
            if holder is node and changed == key:
                return old
        return node[key]  # type: ignore[index]


def _first(node: Container, size: int) -> Container:
    if isinstance(node, list):
        return node[:size]
    return node.copy() if len(node) == size else dict(islice(node.items(), size))


def _has(node: object, key: str | int) -> bool:
    if isinstance(node, list):
        return isinstance(key, int) and 0 <= key < len(node)
    return isinstance(node, dict) and key in node


class BaseParser:
    """A machine that text is fed to. A subclass has ``feed`` and what it returns."""

    __slots__ = ("_machine",)

    def __init__(
        self,
        *,
        max_depth: int,
        max_chars: int,
        tolerate: bool,
        expect: Expect | None,
        real: Callable[[str], JSONValue] = float,
    ) -> None:
        self._machine = Machine(
            grammar.before if tolerate else grammar.root,
            grammar.ended,
            max_depth=max_depth,
            max_chars=max_chars,
            tolerate=tolerate,
            expect=expect,
            real=real,
        )

    @property
    def value(self) -> JSONValue:
        """The live value, the very object that grows: O(1), or the length of a growing string.

        None before the JSON begins. Do not change it; `snapshot()` gives one that stays.
        """
        return self._machine.root

    @property
    def started(self) -> bool:
        """Whether the JSON has begun, or is prose all that came."""
        return bool(self._machine.holder)

    @property
    def complete(self) -> bool:
        """Whether the value is final. What follows it is skipped, or an error when strict."""
        machine = self._machine
        return machine.end is not None or machine.state is grammar.ended

    @property
    def error(self) -> PartialJSONError | None:
        """Why parsing stopped, if it did. It is raised by the next call that reads."""
        return self._machine.error

    @property
    def span(self) -> tuple[int | None, int | None]:
        """Where the JSON begins and ends in all that was fed, in characters."""
        machine = self._machine
        if machine.state is grammar.ended:
            return machine.start, machine.base
        return machine.start, machine.end

    def snapshot(self) -> Snapshot:
        """The value at this moment, which later text does not change. It costs the depth of the open path."""
        machine = self._machine
        parts = machine.parts
        keys = (*machine.keys,) if parts is None else (*machine.keys, machine.key)
        return Snapshot((*machine.stack,), keys, parts, machine.length, machine.replaced)

    def close(self) -> JSONValue:
        """End the text and return the value.

        Raises PartialJSONError when it stopped being JSON, or is `incomplete`; `value` then
        still answers with what came.
        """
        machine = self._machine
        if machine.state is not closed:
            machine.error = machine.error or grammar.finish(machine, self._missing())
            machine.state = closed
        if machine.error is not None:
            raise machine.error
        return machine.root

    def _missing(self) -> str:
        """What would close things that the machine does not know to be open."""
        return ""


class PartialParser(BaseParser):
    """Builds a value from JSON text cut anywhere, at a cost proportional to the new text.

    A cut number, literal, key or escape is not shown until it is whole; strings are shown as they
    grow. Numbers are read as `json.loads` reads them; NaN and Infinity are refused; the last of
    duplicate keys wins.

    `tolerate` skips prose, fences and `<think>` blocks before the JSON, which must then be an
    object or an array, and anything behind it; without it the text must be JSON alone. `expect`
    is which of the two is wanted, so that "[1]" in prose is not taken for an object's place.
    `max_depth` counts containers; `max_chars` all characters fed. `real` makes the numbers that are
    no integers.
    """

    __slots__ = ()

    def __init__(
        self,
        *,
        max_depth: int = DEPTH_LIMIT,
        max_chars: int = MAX_CHARS,
        tolerate: bool = True,
        expect: Expect | None = None,
        real: Callable[[str], JSONValue] = float,
    ) -> None:
        super().__init__(
            max_depth=max_depth,
            max_chars=max_chars,
            tolerate=tolerate,
            expect=expect,
            real=real,
        )

    def feed(self, text: str) -> None:
        """Read more text. Raises PartialJSONError where it is not JSON, and on every later call."""
        machine = self._machine
        machine.run(text)
        if machine.error is not None:
            raise machine.error
