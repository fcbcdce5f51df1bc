"""References: kept as definitions, gone round a few times, or written out, as the dialect has it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from prompture.errors import SchemaError
from prompture.schema.rewriting.alts import Conj
from prompture.schema.rewriting.codec import Later
from prompture.schema.rewriting.names import Names
from prompture.schema.rewriting.node import Node, Spot
from prompture.schema.rewriting.refs import RefGraph, Resolver
from prompture.schema.rewriting.words import is_bare_ref

if TYPE_CHECKING:
    from prompture.schema.rewriting.compiler import Compiler

_OBJECT = frozenset({"object"})
_CIRCLE = "a $ref leads to nothing but itself"


class Definitions:
    """The definitions of one compilation. They are compiled from a queue, so that chains of them do not nest."""

    def __init__(self, c: Compiler, resolver: Resolver, *, has_refs: bool) -> None:
        self._c = c
        self._resolver = resolver
        self._graph = RefGraph(c.root, resolver) if has_refs else None
        self._names = Names()
        self._known: dict[tuple[Any, ...], tuple[str, Later, frozenset[str]]] = {}
        self._queue: deque[tuple[str, Conj, Spot, Later]] = deque()
        self.root: Any = c.root
        self.root_key: tuple[int, ...] = ()
        self.root_codec = Later()

    def start(self, spot: Spot) -> tuple[Any, Spot]:
        """The root, bare references followed: a definition cannot be the root everywhere."""
        root: Any = self._c.root
        if isinstance(root, dict) and is_bare_ref(root):
            root = self._target(root)
            cycle = self._graph.cycle_of.get(id(root), 0) if self._graph else 0
            spot = Spot(spot.at("$ref").pointer, cycle=cycle)
        self.root, self.root_key = root, (id(root),)
        return root, spot

    def referred(self, schema: dict[str, Any], spot: Spot) -> Node:
        """What a reference becomes."""
        c = self._c
        target = self._target(schema)
        if isinstance(target, bool):
            return c.node((target,), spot)
        cycle = self._graph.cycle_of.get(id(target), 0) if self._graph else 0
        level = 0
        if cycle and not c.dialect.recursion:
            level = spot.level + 1 if spot.cycle == cycle else 0
            if level > self._turns(cycle):
                return c.text((target,), spot, why=f"{c.dialect.name} has no recursion")
        c.spent += 1
        within = Spot(spot.pointer, spot.depth, cycle, level)
        if c.dialect.refs:
            return self.define((target,), within, hint=schema["$ref"])
        if c.is_full():
            why = f"{c.dialect.name} has no references and the whole would be too large"
            return c.text((target,), within, why=why)
        return c.node((target,), within)

    def define(self, conj: Conj, spot: Spot, hint: str = "") -> Node:
        """A reference to a definition, compiled later if it is new."""
        c = self._c
        if not c.dialect.refs or (hint == "" and not c.dialect.recursion):
            return c.text(conj, spot, why=f"{c.dialect.name} cannot go round in circles")
        key = (tuple(map(id, conj)), spot.level, spot.depth if c.cap is not None else 0)
        if key[0] == self.root_key and self._root_is_record():
            return Node({"$ref": "#"}, self.root_codec, _OBJECT, label="root")
        known = self._known.get(key)
        if known is None:
            name = self._names.take(hint, conj)
            kinds: frozenset[str] = frozenset().union(
                *(alt.kinds() for alt in c.expander.conj(conj))
            )
            known = self._known[key] = (name, Later(), kinds)
            c.defs[name] = {}
            self._queue.append((name, conj, spot, known[1]))
        name, later, kinds = known
        return Node({"$ref": f"#/$defs/{name}"}, later, kinds, null="null" in kinds, label=name)

    def drain(self) -> None:
        """Compile what is queued, and what that queues."""
        while self._queue:
            name, conj, spot, later = self._queue.popleft()
            found = self._c.node(conj, spot)
            self._c.defs[name] = found.schema
            later.target = found.codec

    def _root_is_record(self) -> bool:
        """The root stays the object that it is, so that it can be referred to."""
        if not self._c.dialect.self_ref or not self._c.cut.is_none:
            return False
        alts = self._c.expander.conj((self.root,))
        return len(alts) == 1 and alts[0].shape is not None and bool(alts[0].shape.properties)

    def _target(self, schema: dict[str, Any]) -> Any:
        """What a reference means, references to references followed."""
        seen: set[int] = set()
        target = self._resolver.target(schema)
        while isinstance(target, dict) and is_bare_ref(target):
            if id(target) in seen:
                raise SchemaError(_CIRCLE)
            seen.add(id(target))
            target = self._resolver.target(target)
        return target

    def _turns(self, cycle: int) -> int:
        size = self._graph.cycle_size.get(cycle, 1) if self._graph else 1
        turns = self._c.cut.turns
        return turns if size == 1 else min(size + 1, turns + 2)
