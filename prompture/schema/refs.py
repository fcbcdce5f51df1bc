"""References of a JSON Schema: what they name, and the loops they make. Nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prompture.errors import SchemaError
from prompture.schema.metaschema import SINCE
from prompture.schema.pointer import referenced

BRANCH_LIMIT = 20_000
"""Subschemas that one place of a value may have to be checked against."""

CHAIN_LIMIT = 100
"""Subschemas that may lead to one another without descending in the value."""

_SPECIFICATIONS = {
    4: "http://json-schema.org/draft-04/schema",
    6: "http://json-schema.org/draft-06/schema",
    7: "http://json-schema.org/draft-07/schema",
    2019: "https://json-schema.org/draft/2019-09/schema",
    2020: "https://json-schema.org/draft/2020-12/schema",
}


class Scope:
    """Where a reference starts from.

    References by pointer are followed here; only a schema with inner ``$id``s or anchors, or a
    reference to a metaschema, needs the ``referencing`` package (and so its import).
    """

    def __init__(self, root: dict[str, Any], draft: int, resolver: Any = None) -> None:
        self._root = root
        self._draft = draft
        self._resolver = resolver
        own = root.get("id" if draft == 4 else "$id", "")
        self._own = own.removesuffix("#") if isinstance(own, str) else ""

    @classmethod
    def of(cls, root: dict[str, Any], draft: int, *, scoped: bool) -> Scope:
        return cls(root, draft, _resolver(root, draft) if scoped else None)

    def within(self, node: dict[str, Any]) -> Scope:
        """The scope of a subschema of this one."""
        own = node.get("id" if self._draft == 4 else "$id")
        if self._resolver is None or not isinstance(own, str):  # another kind is refused elsewhere
            return self
        inner = self._resolver.in_subresource(_specification(self._draft).create_resource(node))
        return Scope(self._root, self._draft, inner)

    def find(self, reference: str) -> tuple[Any, Scope, str]:
        """The schema named, its scope, and what is wrong with the reference, if anything is."""
        if self._resolver is None:
            place = reference.removeprefix(self._own) if self._own else reference
            found = referenced(self._root, place)
            if found is not None:
                return found, self, ""
            if reference.startswith("#"):
                return None, self, _nowhere(reference)
        return self._looked_up(reference)

    def _looked_up(self, reference: str) -> tuple[Any, Scope, str]:
        from referencing.exceptions import Unresolvable

        resolver = self._resolver or _resolver(self._root, self._draft)
        try:
            found = resolver.lookup(reference)
        except (Unresolvable, ValueError, AttributeError, TypeError):
            # The library looks for identifiers in all that may be a schema, and stumbles over a
            # list or a number that stands there.
            return None, self, _nowhere(reference)
        return found.contents, Scope(self._root, self._draft, found.resolver), ""


def refuse_loops(root: dict[str, Any], draft: int, targets: dict[int, list[Any]]) -> None:
    """Refuse a schema that leads back to itself, or multiplies, without descending in the value.

    ``targets``: what the references of a subschema (by its ``id()``) name.
    """
    counts: dict[int, tuple[int, int]] = {}
    nodes = [root, *(node for found in targets.values() for node in found)]
    for node in _descendants(nodes):
        if id(node) in targets:
            _count(node, draft, targets, counts, set())


def _count(
    node: Any,
    draft: int,
    targets: dict[int, list[Any]],
    counts: dict[int, tuple[int, int]],
    above: set[int],
) -> tuple[int, int]:
    """How many subschemas a value is checked against on behalf of this one, and how deep."""
    if not isinstance(node, dict):
        return 1, 1
    if id(node) in counts:
        return counts[id(node)]
    if id(node) in above:
        raise SchemaError(
            "the JSON Schema refers to itself without end: a $ref leads back to its own place "
            "with no property or item in between"
        )
    above.add(id(node))
    if len(above) > CHAIN_LIMIT:
        raise _too_long()
    inner = [_count(one, draft, targets, counts, above) for one in _in_place(node, draft, targets)]
    above.remove(id(node))
    count = 1 + sum(each for each, _ in inner)
    height = 1 + max((each for _, each in inner), default=0)
    if height > CHAIN_LIMIT:
        raise _too_long()
    if count > BRANCH_LIMIT:
        raise SchemaError(
            f"the JSON Schema's references multiply: one value would be checked against more "
            f"than {BRANCH_LIMIT:,} subschemas"
        )
    counts[id(node)] = count, height
    return count, height


def _too_long() -> SchemaError:
    return SchemaError(f"the JSON Schema has a chain of more than {CHAIN_LIMIT} references")


def _in_place(node: dict[str, Any], draft: int, targets: dict[int, list[Any]]) -> Iterator[Any]:
    """Subschemas that are applied to the same value as this one."""
    referred = targets.get(id(node), [])
    yield from referred
    if referred and draft < 2019:  # what stands beside a $ref is ignored
        return
    for keyword in ("allOf", "anyOf", "oneOf"):
        yield from node.get(keyword, ())
    for keyword in ("not", "if", "then", "else"):
        if keyword in node and SINCE.get(keyword, 0) <= draft:
            yield node[keyword]
    if draft >= 2019:
        yield from node.get("dependentSchemas", {}).values()


def _descendants(nodes: list[Any]) -> Iterator[dict[str, Any]]:
    pending, seen = list(nodes), set[int]()
    while pending:
        node = pending.pop()
        if id(node) in seen:
            continue
        if isinstance(node, dict):
            seen.add(id(node))
            yield node
            pending += node.values()
        elif isinstance(node, list):
            seen.add(id(node))
            pending += node


def _nowhere(reference: str) -> str:
    if reference.startswith("#"):
        return f"points to {reference[:80]!r}, which is not in the schema"
    return (
        f"points to {reference[:80]!r}; references to elsewhere are never fetched: put that "
        "schema under $defs and point there"
    )


def _specification(draft: int) -> Any:
    from referencing.jsonschema import specification_with

    return specification_with(_SPECIFICATIONS[draft])


def _resolver(root: dict[str, Any], draft: int) -> Any:
    return registry().resolver_with_root(_specification(draft).create_resource(root))


def registry() -> Any:
    """The metaschemas of JSON Schema, and nothing that would be fetched."""
    from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]

    return REGISTRY
