"""Snapshots of an unfinished answer, restored and typed in the shape of its schema.

What is finished is restored and validated once and kept; what is open is put around it anew for
each look. So a look costs what is open and what is new, however long the answer is.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from prompture.json_values import escape, pointer
from prompture.schema.partial import Container, Path, Snapshot
from prompture.schema.partial_typed.shapes import PLAIN, ContainerCodec, Shape, growing
from prompture.schema.problems import InvalidValue, Problem
from prompture.schema.rewriting.codec import ABSENT, MERGED, ValueCodec
from prompture.schema.rewriting.records import name_of_pair

_COUNTED = sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
"""Whether the references to a list are counted exactly, at all times."""


class _OpenContainer:
    """The finished entries of one container that is still open, each read once.

    ``names`` are their keys in the restored container, in order, and ``found`` their values. A
    name is None where the restored container does not have the entry; a value is ABSENT where
    the entry stands for a property that is not there. ``ready`` are those of an object by name.
    ``lists`` are the lists that were given out last, ``list_sizes`` the finished items in each.
    """

    __slots__ = (
        "codec",
        "found",
        "list_sizes",
        "listed",
        "lists",
        "names",
        "node",
        "open_inside",
        "open_key",
        "place",
        "problems",
        "ready",
        "shape",
    )

    def __init__(
        self, node: Container, codec: ValueCodec, shape: Shape, place: ContainerCodec
    ) -> None:
        self.node = node
        self.codec = codec
        self.shape = shape
        self.place = place
        self.listed = isinstance(node, list) and place.kind != "pairs"
        self.names: list[str | int | None] = []
        self.found: list[object] = []
        self.ready: dict[str | int, object] = {}
        self.problems: list[tuple[int, Problem]] = []
        self.lists: list[list[object]] = []
        self.list_sizes: list[int] = []
        self.open_key: str | int | None = None
        self.open_inside: tuple[ValueCodec, Shape] = (codec, shape)

    def opened(self, key: str | int) -> tuple[ValueCodec, Shape]:
        """Codec and shape of the entry that is open, which stays so for many looks."""
        if key != self.open_key:
            self.open_key = key
            self.open_inside = self.place.inside(key)
        return self.open_inside

    def upto(self, size: int) -> None:
        """Read what was finished since, up to ``size`` entries in all."""
        seen, node = len(self.found), self.node
        if size <= seen:
            return
        if isinstance(node, list):
            for index in range(seen, size):
                self._read(index, node[index])
            return
        # A dict has no slices. From its end, for what comes before was read already and may be much.
        later = len(node) - size
        for key in reversed([*islice(reversed(node), later, len(node) - seen)]):
            self._read(key, node[key])

    def _read(self, key: str | int, value: object) -> None:
        place = self.place
        name, found = place.codec.restore_partial(key, value)
        if name is MERGED and isinstance(found, dict):
            for each, inner in found.items():
                self.ready.setdefault(each, inner)
        elif name is not None and found is not ABSENT:
            shape = place.inside(key)[1]
            if shape is not PLAIN:
                found = self._whole(shape, name, found)
            if not self.listed:
                self.ready[name] = found
        self.names.append(name)
        self.found.append(found)

    def _whole(self, shape: Shape, name: str | int, value: object) -> object:
        try:
            return shape.whole(value, self._siblings)
        except InvalidValue as error:
            at, prefix = len(self.found), f"/{escape(name)}"
            self.problems += [
                (at, Problem(prefix + p.pointer, p.message, p.kind, p.value))
                for p in error.problems
            ]
            return None

    def _siblings(self) -> dict[str, object]:
        wrong = {self.names[at] for at, _ in self.problems}
        return {str(name): v for name, v in self.ready.items() if name not in wrong}

    def copy(self, size: int) -> list[object] | dict[str | int, object]:
        """A container of the first ``size`` finished entries."""
        if self.listed:
            return self._list(size)
        if size >= len(self.found):
            return self.ready.copy()
        parts: dict[str | int, object] = {}
        merged: dict[str | int, object] = {}
        for name, value in zip(self.names[:size], self.found, strict=False):
            if name is MERGED and isinstance(value, dict):
                merged |= value
            elif name is not None and value is not ABSENT:
                parts[name] = value
        return {**merged, **parts} if merged else parts

    def _list(self, size: int) -> list[object]:
        """A list of the first ``size`` finished items, to which the caller may append.

        It is a new one, or one given out before that nobody has any longer, made longer: looking
        at every delta would otherwise copy the whole list each time, the square of its length.
        Two lists alternate, because the caller's loop still holds the previous one.
        """
        for at, known in enumerate(self.list_sizes):
            if size >= known and _is_unreachable(self.lists, at):
                again = self.lists[at]
                again[known:] = self.found[known:size]
                self.list_sizes[at] = size
                return again
        made = self.found[:size]
        self.lists, self.list_sizes = [*self.lists[-1:], made], [*self.list_sizes[-1:], size]
        return made

    def lone(self, size: int) -> object:
        """The finished value inside a wrapper of one entry; ABSENT while it is not finished."""
        pairs = zip(self.names[:size], self.found, strict=False)
        return next((v for name, v in pairs if name is not None), ABSENT)


def _is_unreachable(lists: list[list[object]], at: int) -> bool:
    """Whether ``lists[at]`` is held by ``lists`` alone, so that no caller can see it change.

    CPython does the same with the tuples that ``zip`` and ``enumerate`` give out. A new list is
    counted here and now, in the same line of the same frame, so that nothing is assumed about how
    many references a call itself takes. A debugger that keeps what it sees keeps both: it makes a
    list look held that is not, never the other way round. Where references are not counted at
    all times (no CPython, or one without its global lock), every list is a new one.
    """
    if not _COUNTED:
        return False
    new: list[list[object]] = [[]]
    ours, theirs = sys.getrefcount(new[0]), sys.getrefcount(lists[at])
    return theirs <= ours


class _Assembler:
    """Builds the value of each snapshot of one answer, from finished parts that are kept."""

    def __init__(self, codec: ValueCodec, shape: Shape) -> None:
        self._codec = codec
        self._shape = shape
        self._containers: list[_OpenContainer] = []

    def value(self, snapshot: Snapshot) -> tuple[object, list[Problem]]:
        """The value, None where there is none yet, and what is wrong with its finished parts."""
        levels = snapshot.levels()
        if not levels:
            return self._rootless(snapshot)
        keys = snapshot.open_path or ()
        codec, shape = self._codec, self._shape
        open_levels: list[tuple[_OpenContainer, int]] = []
        child: object = ABSENT
        depth, containers = -1, self._containers
        for depth, (node, size) in enumerate(levels):
            kept = containers[depth] if depth < len(containers) else None
            if kept is not None and kept.node is node and kept.place.certain:
                container = kept
            else:
                container = self._container(depth, node, codec, shape)
            place = container.place
            if place.kind == "opaque":
                restored = place.codec.restore(snapshot.get(keys[:depth]))
                child = restored if place.shape is PLAIN else ABSENT
                break
            if depth < len(keys):
                size -= 1
                codec, shape = container.opened(keys[depth])
            if size > len(container.found):
                container.upto(size)
            open_levels.append((container, size))
        else:
            grown = snapshot.grown
            if grown is not None:
                child = growing(codec, shape, grown)
        del self._containers[depth + 1 :]
        # A list, not a generator: this runs for each delta, and nearly always finds none.
        wrong = any([container.problems for container, _ in open_levels])
        problems = [*_problems(open_levels, keys)] if wrong else []
        return _assemble(open_levels, keys, child), problems

    def _rootless(self, snapshot: Snapshot) -> tuple[object, list[Problem]]:
        """The value of a snapshot whose root is no object or list."""
        if snapshot.grown is not None:
            shown = growing(self._codec, self._shape, snapshot.grown)
            return (None if shown is ABSENT else shown), []
        if not snapshot.complete:
            return None, []
        restored = self._codec.restore(snapshot.value)
        try:
            return self._shape.whole(restored, dict), []
        except InvalidValue as error:
            return None, list(error.problems)

    def _container(
        self, depth: int, node: Container, codec: ValueCodec, shape: Shape
    ) -> _OpenContainer:
        """What is kept of this container, made anew where it is another one than before."""
        place = None
        if depth < len(self._containers):
            kept = self._containers[depth]
            if kept.node is node and kept.codec is codec and kept.shape is shape:
                if kept.place.certain:
                    return kept
                place = ContainerCodec(codec, shape, node)
                if place.shape is kept.place.shape and place.codec is kept.place.codec:
                    return kept
            del self._containers[depth:]
        made = _OpenContainer(node, codec, shape, place or ContainerCodec(codec, shape, node))
        self._containers.append(made)
        return made


def _assemble(levels: list[tuple[_OpenContainer, int]], keys: Path, child: object) -> object:
    """The value, from the innermost open container outwards."""
    for depth in range(len(levels) - 1, -1, -1):
        container, size = levels[depth]
        if container.place.kind == "wrapper":
            # What stands beside the wrapped value is no part of it.
            is_value = depth < len(keys) and container.place.codec.name_of(keys[depth]) is not None
            child = child if is_value and child is not ABSENT else container.lone(size)
            continue
        parts = container.copy(size)
        if child is not ABSENT and depth < len(keys):
            if isinstance(parts, list):
                parts.append(child)
            elif (name := _name(container, keys[depth])) is not None:
                parts[name] = child
        child = container.place.shape.begun(parts)
    return None if child is ABSENT else child


def _name(container: _OpenContainer, key: str | int) -> str | int | None:
    """The name of an entry that is open."""
    if container.place.kind == "pairs":
        return name_of_pair(container.node[key])  # type: ignore[index]
    return container.place.codec.name_of(key)


def _problems(levels: list[tuple[_OpenContainer, int]], keys: Path) -> Iterator[Problem]:
    for depth, (container, size) in enumerate(levels):
        if container.problems:
            opened = zip(levels[:depth], keys, strict=False)
            names = [
                _name(outer, key) for (outer, _), key in opened if outer.place.kind != "wrapper"
            ]
            where = pointer(tuple(name for name in names if name is not None))
            for at, problem in container.problems:
                if at < size:
                    place = where + problem.pointer
                    yield Problem(place, problem.message, problem.kind, problem.value)


class PartialReader:
    """Reads the snapshots of one answer: restored (``plain``) and typed (``value``).

    A value that was returned never changes later. Threads may not share a reader.
    """

    def __init__(self, codec: ValueCodec, shape: Shape) -> None:
        self._codec = codec
        self._plain = _Assembler(codec, PLAIN)
        self._typed = self._plain if shape is PLAIN else _Assembler(codec, shape)

    def plain(self, snapshot: Snapshot) -> object:
        """The JSON so far, in the shape of the original schema; do not change it."""
        if snapshot.complete:
            return self._codec.restore(snapshot.value)
        return self._plain.value(snapshot)[0]

    def value(self, snapshot: Snapshot) -> tuple[object, list[Problem]]:
        """The typed value so far, and what is wrong with its finished parts."""
        return self._typed.value(snapshot)

    def names(self, path: Path, root: object) -> Path | None:
        """A path of the answer as one of the restored value; None where it leads beside that."""
        names: Path = ()
        for place, key, node in self._walk(path, root, forward=True):
            name = name_of_pair(node[key]) if place.kind == "pairs" else place.codec.name_of(key)
            if place.kind == "wrapper" and name is None:
                return None
            if place.kind != "wrapper" and name is not None:
                names = (*names, name)
        return names

    def keys(self, names: Path, root: object) -> Path | None:
        """The inverse of ``names``; None where the answer has no place of its own for it."""
        keys: Path = ()
        count = 0
        for place, key, _ in self._walk(names, root, forward=False):
            if key is None:
                return None
            keys = (*keys, key)
            count += place.kind != "wrapper"
        return keys if count == len(names) else None

    def _walk(
        self, path: Path, root: object, *, forward: bool
    ) -> Iterator[tuple[ContainerCodec, Any, Any]]:
        """Each place on a path of the answer (or, backwards, of the restored value), with the
        key of the answer there, and the container."""
        codec, shape, node = self._codec, PLAIN, root
        left = list(path)
        while left or not forward:
            if not isinstance(node, (dict, list)):
                return
            place = ContainerCodec(codec, shape, node)
            wrapper = place.kind == "wrapper"
            if place.kind == "opaque" or (not left and not wrapper):
                return
            key: Any
            if forward:
                key = left.pop(0)
            elif wrapper:
                key = next((k for k in _keys_of(node) if place.codec.name_of(k) is not None), None)
            elif place.kind == "pairs":
                wanted = left.pop(0)
                key = next((i for i, p in enumerate(node) if name_of_pair(p) == wanted), None)
            else:
                key = _as_key(place.codec.key_of(left.pop(0)), node)
            yield place, key, node
            if key is None:
                return
            codec, shape = place.inside(key)
            node = _at(node, key)


def _keys_of(node: Container) -> Iterable[str | int]:
    return node if isinstance(node, dict) else range(len(node))


def _as_key(key: Any, node: Any) -> object:
    """A segment of a pointer as a key of this container."""
    if isinstance(node, dict):
        return key if key is None else str(key)
    return int(key) if str(key).isdigit() else None


def _at(node: Any, key: Any) -> object:
    if isinstance(node, dict):
        return node.get(key)
    return node[key] if isinstance(key, int) and key < len(node) else None
