"""The first look at a schema: its size, its drafts, where its ids and references are. Iterative, and bounded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from prompture.errors import SchemaError
from prompture.schema.rewriting.patterns import check_pattern

MAX_NODES = 100_000
MAX_DEPTH = 160
MAX_ENUM = 50_000
MAX_LIST = 20_000

_NAMED = frozenset(
    {"properties", "patternProperties", "$defs", "definitions", "dependencies", "dependentSchemas"}
)
_DATA = frozenset({"enum", "const", "default", "examples", "example"})
_DRAFTS = (
    ("draft-03", 4),
    ("draft-04", 4),
    ("draft-05", 4),
    ("draft-06", 6),
    ("draft-07", 7),
    ("2019-09", 2019),
)


@dataclass(slots=True)
class Survey:
    """What one walk over the raw schema found.

    Attributes:
        nodes: objects and arrays met.
        refs: every object that has a ``$ref`` string, ``$dynamicRef`` and ``$recursiveRef`` included.
        ids: (object, base) for each object below the root that changes the base URI.
        bases: base URI by ``id()`` of an object; empty where only the root has an id.
        anchors: objects by ``base#anchor``.
        draft: 4, 6, 7, 2019 or 2020, as the schema says; 2020 where it does not.
    """

    nodes: int = 0
    refs: list[dict[str, Any]] = field(default_factory=list)
    resources: dict[str, Any] = field(default_factory=dict)
    bases: dict[int, str] = field(default_factory=dict)
    anchors: dict[str, Any] = field(default_factory=dict)
    draft: int = 2020
    base: str = ""

    @property
    def alone(self) -> bool:
        """A ``$ref`` hides its siblings."""
        return self.draft <= 7


def survey(root: Any) -> Survey:
    """Walk the schema once.

    Raises:
        SchemaError: not an object or a boolean, or too large, too deep, or hostile.
    """
    if not isinstance(root, dict | bool):
        raise SchemaError(f"a JSON Schema is an object or a boolean, not {type(root).__name__}")
    found = Survey()
    if isinstance(root, bool):
        return found
    version = root.get("$schema")
    found.draft = next((n for mark, n in _DRAFTS if mark in str(version)), 2020)
    found.base = _identity(root, found.alone) or ""
    stack: list[tuple[Any, int, str, str]] = [(root, 0, found.base.partition("#")[0], "schema")]
    while stack:
        node, depth, base, role = stack.pop()
        found.nodes += 1
        if found.nodes > MAX_NODES:
            raise SchemaError(f"the schema has more than {MAX_NODES:,} objects and arrays")
        if depth > MAX_DEPTH:
            raise SchemaError(f"the schema nests deeper than {MAX_DEPTH} levels")
        if isinstance(node, list):
            stack.extend(
                (item, depth + 1, base, role) for item in node if isinstance(item, dict | list)
            )
            continue
        if role == "schema":
            base = _enter(node, base, found=found, is_root=depth == 0)
        for key, value in node.items():
            if isinstance(value, dict | list):
                stack.append((value, depth + 1, base, _role(key, role)))
    return found


def _role(key: Any, role: str) -> str:
    """How to read what stands under a key: as data, as a map of named schemas, or as a schema."""
    if not isinstance(key, str):
        raise SchemaError(f"a schema has names that are strings, not {type(key).__name__}")
    if role == "data":
        return "data"
    if role == "names":
        return "schema"
    if key in _DATA:
        return "data"
    return "names" if key in _NAMED else "schema"


def _enter(node: dict[str, Any], base: str, *, found: Survey, is_root: bool) -> str:
    unread = is_root or (found.alone and isinstance(node.get("$ref"), str))
    own = None if unread else _identity(node, found.alone)
    if own is not None and not own.startswith("#"):
        from urllib.parse import urljoin

        base = urljoin(base, own).partition("#")[0]
        found.resources[base] = node
    elif own is not None:
        found.anchors[base + own] = node
    for word in ("$anchor", "$dynamicAnchor"):
        if isinstance(anchor := node.get(word), str):
            found.anchors[f"{base}#{anchor}"] = node
    for word in ("$ref", "$dynamicRef", "$recursiveRef"):
        if isinstance(node.get(word), str):
            found.refs.append(node)
            if base != found.base.partition("#")[0]:
                found.bases[id(node)] = base
    _check_size(node)
    return base


def _identity(node: dict[str, Any], alone: bool) -> str | None:
    found = node.get("$id")
    if found is None and alone:
        found = node.get("id")
    return found if isinstance(found, str) else None


_COUNTED = ("required", "allOf", "anyOf", "oneOf", "prefixItems", "items", "properties")


def _check_size(node: dict[str, Any]) -> None:
    members = node.get("enum")
    if isinstance(members, list) and len(members) > MAX_ENUM:
        raise SchemaError(f"an enum has {len(members):,} members; the most is {MAX_ENUM:,}")
    for word in _COUNTED:
        entries = node.get(word)
        if isinstance(entries, list | dict) and len(entries) > MAX_LIST:
            raise SchemaError(f"{word} has {len(entries):,} entries; the most is {MAX_LIST:,}")
    if isinstance(pattern := node.get("pattern"), str):
        check_pattern(pattern)
    if isinstance(named := node.get("patternProperties"), dict):
        for key in named:
            check_pattern(key)
