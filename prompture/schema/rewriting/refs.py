"""``$ref`` to the schema it means: pointers, ``$id``, anchors. Nothing is ever fetched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urljoin

from prompture.errors import SchemaError
from prompture.schema.pointer import segments_of, value_at
from prompture.schema.rewriting.guard import Survey

MAX_EXPANDED = 5_000_000
_NAMED = frozenset({"properties", "patternProperties", "dependencies", "dependentSchemas"})
_NOWHERE: Any = object()
_WORDS = ("$ref", "$dynamicRef", "$recursiveRef")


class Resolver:
    """The references of one schema."""

    def __init__(self, root: dict[str, Any], found: Survey) -> None:
        self._root = root
        self._found = found
        self._base = found.base.partition("#")[0]
        self._known: dict[tuple[str, str], Any] = {}

    def target(self, node: dict[str, Any], word: str = "$ref") -> Any:
        """The schema that ``node[word]`` means; True for a published meta-schema, which is left to the check.

        Raises:
            SchemaError: it points nowhere, or out of the document.
        """
        ref = node[word]
        base = self._found.bases.get(id(node), self._base)
        key = (base, ref)
        if key not in self._known:
            self._known[key] = self._find(ref, base)
        return self._known[key]

    def _find(self, ref: str, base: str) -> Any:
        if ref.startswith("#") and base == self._base:
            return self._within(self._root, ref, base=base)
        # urljoin knows no URNs: a mere fragment would lose them.
        whole = base + ref if ref.startswith("#") else urljoin(base, ref) if base else ref
        document, _, fragment = whole.partition("#")
        if document in ("", self._base):
            return self._within(self._root, "#" + fragment, base=self._base)
        if document in self._found.resources:
            return self._within(self._found.resources[document], "#" + fragment, base=document)
        if "//json-schema.org/" in document:
            return True
        raise SchemaError(
            f"$ref {ref[:120]!r} leaves the schema; remote references are not fetched: put the schema under $defs"
        )

    def _within(self, node: Any, ref: str, *, base: str) -> Any:
        fragment = unquote(ref[1:])
        if fragment and not fragment.startswith("/"):
            anchored = self._found.anchors.get(f"{base}#{fragment}")
            if anchored is None:
                raise SchemaError(f"$ref {ref[:120]!r} names no $anchor of the schema")
            return anchored
        node = value_at(node, segments_of(fragment), _NOWHERE)
        if node is _NOWHERE:
            raise SchemaError(f"$ref {ref[:120]!r} points at nothing in the schema")
        if not isinstance(node, dict | bool):
            raise SchemaError(f"$ref {ref[:120]!r} does not point at a schema")
        return node


class RefGraph:
    """Which referenced schemas lead to which: cycles, and how large it all is when written out."""

    def __init__(self, root: dict[str, Any], resolver: Resolver) -> None:
        self._resolver = resolver
        self._edges: dict[int, list[tuple[int, Any]]] = {}
        self._sizes: dict[int, int] = {}
        self.cycle_of: dict[int, int] = {}
        self.cycle_size: dict[int, int] = {}
        self._explore(root)
        self._condense(id(root))

    def _explore(self, root: Any) -> None:
        todo = [root]
        while todo:
            node = todo.pop()
            if id(node) in self._edges:
                continue
            count, targets = 0, []
            for part in _parts(node):
                count += 1
                for word in _WORDS:
                    if isinstance(part.get(word), str):
                        targets.extend(self._follow(part, word))
            self._edges[id(node)] = targets
            self._sizes[id(node)] = count
            todo.extend(target for _, target in targets if isinstance(target, dict))

    def _follow(self, part: dict[str, Any], word: str) -> list[tuple[int, Any]]:
        try:
            target = self._resolver.target(part, word)
        except SchemaError:
            return []  # told when, and if, the compiler comes to it: it may be literal data
        return [(id(target), target)]

    def _condense(self, start: int) -> None:
        """Tarjan's components, then the expanded size of each, references within a cycle counted once."""
        number: dict[int, int] = {}
        low: dict[int, int] = {}
        on_stack: dict[int, None] = {}
        totals: dict[int, int] = {}
        work: list[tuple[int, Iterator[tuple[int, Any]]]] = []

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


def _parts(node: Any) -> Iterator[dict[str, Any]]:
    """Every object in a schema but its definitions. Literal data is not told apart: a property may be ``const``."""
    stack: list[tuple[Any, bool]] = [(node, False)]
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
