"""References: kept as definitions, gone round a few times, or written out, as the dialect has it."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator

from prompture.errors import SchemaError
from prompture.json_values import JSONObject, JSONValue
from prompture.schema.document import REFERENCES, Resolver, is_bare_ref
from prompture.schema.rewriting.alternatives import Conj
from prompture.schema.rewriting.codec import Deferred
from prompture.schema.rewriting.compilation import Compilation, Node, Spot

_OBJECT = frozenset({"object"})


_CIRCLE = "a $ref leads to nothing but itself"


class Definitions:
    """The definitions of one compilation. They are compiled from a queue, so that chains of them do not nest."""

    def __init__(self, c: Compilation) -> None:
        self._c = c
        self._resolver = c.resolver
        self._graph = RefGraph(c.root, c.resolver) if c.found.refs else None
        self._names = DefinitionNames()
        self._known: dict[tuple[JSONValue, ...], tuple[str, Deferred, frozenset[str]]] = {}
        self._queue: deque[tuple[str, Conj, Spot, Deferred]] = deque()
        self.root: JSONValue = c.root
        self.root_key: tuple[int, ...] = ()
        self.root_codec = Deferred()

    def start(self, spot: Spot) -> tuple[JSONValue, Spot]:
        """The root, bare references followed: a definition cannot be the root everywhere."""
        root: JSONValue = self._c.root
        if isinstance(root, dict) and is_bare_ref(root):
            root = self._target(root)
            cycle = self._graph.cycle_of.get(id(root), 0) if self._graph else 0
            spot = Spot(spot.at("$ref").pointer, cycle=cycle)
        self.root, self.root_key = root, (id(root),)
        return root, spot

    def referred(self, schema: JSONObject, spot: Spot) -> Node:
        """What a reference becomes."""
        c = self._c
        target = self._target(schema)
        if isinstance(target, bool):
            return c.node((target,), spot)
        cycle = self._graph.cycle_of.get(id(target), 0) if self._graph else 0
        level = 0
        # Only cycles are counted: a reference that leads out of its cycle starts again at 0.
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
        # Without a hint it is a schema inside itself, so the definition would be recursive.
        if not c.dialect.refs or (hint == "" and not c.dialect.recursion):
            return c.text(conj, spot, why=f"{c.dialect.name} cannot go round in circles")
        # The same schema is another definition at another level of a cycle, or at another depth where depth is capped.
        key = (tuple(map(id, conj)), spot.level, spot.depth if c.cap is not None else 0)
        # OpenAI and Moonshot take "#"; a definition equal to the root would double the schema.
        if key[0] == self.root_key and self._root_is_record():
            return Node({"$ref": "#"}, self.root_codec, _OBJECT, label="root")
        known = self._known.get(key)
        if known is None:
            name = self._names.take(hint, conj)
            kinds: frozenset[str] = frozenset().union(
                *(alt.kinds() for alt in c.expander.conj(conj))
            )
            known = self._known[key] = (name, Deferred(), kinds)
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
        if not self._c.dialect.self_ref or not self._c.trimming.is_none:
            return False
        alts = self._c.expander.conj((self.root,))
        return len(alts) == 1 and alts[0].shape is not None and bool(alts[0].shape.properties)

    def _target(self, schema: JSONObject) -> JSONValue:
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
        # A cycle of several schemas needs more rounds until each has been seen; few suffice for real documents.
        turns = self._c.trimming.turns
        return turns if size == 1 else min(size + 1, turns + 2)


class DefinitionNames:
    """Hands out names, each once."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}

    def take(self, hint: str, conj: Conj) -> str:
        """A name after the reference, else after the title."""
        base = hint.rstrip("/").rpartition("/")[2].lstrip("#")
        if not base:
            titles = [part.get("title") for part in conj if isinstance(part, dict)]
            base = next((title for title in titles if isinstance(title, str)), "Node")
        base = re.sub(r"[^A-Za-z0-9_.-]+", "_", base).strip("_")[:60] or "Node"
        name, count = base, self._taken.get(base, 1)
        while name in self._taken:
            count += 1
            name = f"{base}_{count}"
        self._taken[base] = count
        self._taken[name] = max(count, 1)
        return name


MAX_EXPANDED = 5_000_000


_NAMED = frozenset({"properties", "patternProperties", "dependencies", "dependentSchemas"})


class RefGraph:
    """Which referenced schemas lead to which: cycles, and how large it all is when written out."""

    def __init__(self, root: JSONObject, resolver: Resolver) -> None:
        self._resolver = resolver
        self._edges: dict[int, list[tuple[int, JSONValue]]] = {}
        self._sizes: dict[int, int] = {}
        self.cycle_of: dict[int, int] = {}
        self.cycle_size: dict[int, int] = {}
        self._explore(root)
        self._condense(id(root))

    def _explore(self, root: JSONValue) -> None:
        todo = [root]
        while todo:
            node = todo.pop()
            if id(node) in self._edges:
                continue
            count, targets = 0, []
            for part in _parts(node):
                count += 1
                for word in REFERENCES:
                    if isinstance(part.get(word), str):
                        targets.extend(self._follow(part, word))
            self._edges[id(node)] = targets
            self._sizes[id(node)] = count
            todo.extend(target for _, target in targets if isinstance(target, dict))

    def _follow(self, part: JSONObject, word: str) -> list[tuple[int, JSONValue]]:
        try:
            target = self._resolver.target(part, word)
        except SchemaError:
            return []  # reported when the compiler comes to it, if ever: it may be literal data
        return [(id(target), target)]

    def _condense(self, start: int) -> None:
        """Tarjan's components, then the expanded size of each, references within a cycle counted once."""
        number: dict[int, int] = {}
        low: dict[int, int] = {}
        on_stack: dict[int, None] = {}
        totals: dict[int, int] = {}
        work: list[tuple[int, Iterator[tuple[int, JSONValue]]]] = []

        def push(node: int) -> None:
            number[node] = low[node] = len(number)
            on_stack[node] = None
            work.append((node, iter(self._edges.get(node, []))))

        push(start)
        while work:
            node, edges = work[-1]
            for target, _ in edges:
                if target not in number:
                    push(target)
                    break
                if target in on_stack:
                    low[node] = min(low[node], number[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == number[node]:
                    self._close(node, on_stack, totals=totals)

    def _close(self, node: int, on_stack: dict[int, None], *, totals: dict[int, int]) -> None:
        members: list[int] = []
        while True:
            member, _ = on_stack.popitem()
            members.append(member)
            if member == node:
                break
        inside = set(members)
        total = 0
        for member in members:
            total += self._sizes.get(member, 1)
            total += sum(
                totals.get(t, 1) for t, _ in self._edges.get(member, []) if t not in inside
            )
        if total > MAX_EXPANDED:
            raise SchemaError(
                f"the references of the schema multiply to more than {MAX_EXPANDED:,} parts when written out"
            )
        cyclic = len(members) > 1 or any(t == node for t, _ in self._edges.get(node, []))
        for member in members:
            totals[member] = total
            if cyclic:
                self.cycle_of[member] = node
        self.cycle_size[node] = len(members)


def _parts(node: JSONValue) -> Iterator[JSONObject]:
    """Every object in a schema but its definitions. Literal data is not told apart: a property may be ``const``."""
    stack: list[tuple[JSONValue, bool]] = [(node, False)]
    while stack:
        part, names = stack.pop()
        if isinstance(part, list):
            stack.extend((item, False) for item in part if isinstance(item, dict | list))
            continue
        if not names:
            yield part
        for key, value in part.items():
            if isinstance(value, dict | list) and (names or key not in ("$defs", "definitions")):
                stack.append((value, not names and key in _NAMED and isinstance(value, dict)))
