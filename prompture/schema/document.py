"""One JSON Schema document: its size, its draft, and what its references mean. Nothing is ever fetched.

``survey`` is the one walk over a schema that nobody has checked yet. It does not recurse, and refuses what is
too large before anything else is done with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urljoin

from prompture.errors import SchemaError
from prompture.json_values import JSONObject, JSONValue, Segment, pointer, segments_of, value_at

NODE_LIMIT = 100_000
"""Objects and arrays of a schema."""
DEPTH_LIMIT = 200
"""Objects and arrays inside one another."""
ENUM_LIMIT = 50_000
"""Members of one enum."""
LIST_LIMIT = 50_000
"""Entries of ``properties``, ``required``, ``anyOf`` and the like."""

REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
ASSERTIONS = frozenset(
    [
        "type",
        "enum",
        "const",
        "$ref",
        "$dynamicRef",
        "$recursiveRef",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
        "if",
        "dependencies",
        "dependentRequired",
        "dependentSchemas",
        "properties",
        "patternProperties",
        "required",
        "additionalProperties",
        "propertyNames",
        "minProperties",
        "maxProperties",
        "items",
        "prefixItems",
        "additionalItems",
        "contains",
        "minContains",
        "maxContains",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minLength",
        "maxLength",
        "pattern",
        "format",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "unevaluatedProperties",
        "unevaluatedItems",
    ]
)
"""Keywords that say something about values."""
JOINS = frozenset({*REFERENCES, "allOf", "anyOf", "oneOf", "if", "not", "enum", "const"})
"""Keywords that may say it of values of any type."""

_OF_NAMES = frozenset(
    {"properties", "patternProperties", "$defs", "definitions", "dependencies", "dependentSchemas"}
)
_OF_DATA = frozenset({"enum", "const", "default", "examples", "example"})
_COUNTED = ("required", "allOf", "anyOf", "oneOf", "prefixItems", "items", "properties")
_DRAFTS = (
    ("draft-03", 4),
    ("draft-04", 4),
    ("draft-05", 4),
    ("draft-06", 6),
    ("draft-07", 7),
    ("2019-09", 2019),
)
_ANCHORS = ("$anchor", "$dynamicAnchor")
_OWN_NAMES = frozenset({"id", "$id", *_ANCHORS})
_NOWHERE: JSONValue = object()
_Place = tuple[Any, ...]
"""``(place around, key)``, or ``()`` for the root: a path that costs nothing until an error needs it."""


def is_bare_ref(schema: JSONObject) -> bool:
    """A ``$ref`` and nothing beside it but titles and the like."""
    return (schema.keys() & ASSERTIONS) == {"$ref"}


@dataclass(slots=True)
class Survey:
    """What one walk over a raw schema found.

    Attributes:
        nodes: objects and arrays met.
        refs: every object that has a ``$ref`` string, ``$dynamicRef`` and ``$recursiveRef`` included.
        resources: objects below the root that have an identifier of their own, by their URI.
        bases: base URI by ``id()`` of an object with a reference, where it is not that of the root.
        anchors: objects by ``base#anchor``.
        patterns: the regular expressions of ``pattern`` and ``patternProperties``.
        draft: 4, 6, 7, 2019 or 2020, as the schema says; 2020 where it does not.
        base: the identifier of the root.
        has_inner_names: a reference may go by an ``$id`` or an anchor below the root, and not by pointer alone.
    """

    nodes: int = 0
    refs: list[JSONObject] = field(default_factory=list)
    resources: JSONObject = field(default_factory=dict)
    bases: dict[int, str] = field(default_factory=dict)
    anchors: JSONObject = field(default_factory=dict)
    patterns: list[str] = field(default_factory=list)
    draft: int = 2020
    base: str = ""
    has_inner_names: bool = False

    @property
    def alone(self) -> bool:
        """A ``$ref`` hides its siblings."""
        return self.draft <= 7

    @property
    def document(self) -> str:
        """The base URI of the root."""
        return self.base.partition("#")[0]


def survey(root: JSONValue) -> Survey:
    """Walk the schema once.

    Raises:
        SchemaError: not an object or a boolean, or too large, or too deep.
    """
    if not isinstance(root, dict | bool):
        raise SchemaError(f"a JSON Schema is an object or a boolean, not {type(root).__name__}")
    found = Survey()
    if isinstance(root, bool):
        return found
    version = str(root.get("$schema"))
    found.draft = next((n for mark, n in _DRAFTS if mark in version), 2020)
    found.base = _identity(root, found) or ""
    stack: list[tuple[JSONValue, int, str, str, _Place]] = [(root, 0, found.document, "schema", ())]
    while stack:
        node, depth, base, role, place = stack.pop()
        found.nodes += 1
        if found.nodes > NODE_LIMIT:
            raise SchemaError(
                f"the JSON Schema has more than {NODE_LIMIT:,} objects and arrays; extract into a part of it"
            )
        if depth > DEPTH_LIMIT:
            raise SchemaError(f"the JSON Schema is nested more than {DEPTH_LIMIT} deep")
        if isinstance(node, list):
            stack.extend(
                (item, depth + 1, base, role, (place, at))
                for at, item in enumerate(node)
                if isinstance(item, dict | list)
            )
            continue
        if not found.has_inner_names and not _OWN_NAMES.isdisjoint(node):
            # The root's identifier is no inner name; its anchors are.
            names = _OWN_NAMES if depth else _ANCHORS
            found.has_inner_names = any(isinstance(node.get(word), str) for word in names)
        if role == "schema":
            base = _enter(node, base, found, is_root=depth == 0)
            _refuse_large(node, place)
        for key, value in node.items():
            if isinstance(value, dict | list):
                stack.append((value, depth + 1, base, role_of(key, role), (place, key)))
    return found


def role_of(key: JSONValue, role: str) -> str:
    """How to read what stands under a key: as data, as a map of named schemas, or as a schema."""
    if not isinstance(key, str):
        raise SchemaError(f"a schema has names that are strings, not {type(key).__name__}")
    if role == "data":
        return "data"
    if role == "names":
        return "schema"
    if key in _OF_DATA:
        return "data"
    return "names" if key in _OF_NAMES else "schema"


def _enter(node: JSONObject, base: str, found: Survey, *, is_root: bool) -> str:
    """Note the identifiers, references and patterns of one schema; the base URI inside it."""
    # Up to draft 7 a $ref hides its siblings, an $id among them.
    unread = is_root or (found.alone and isinstance(node.get("$ref"), str))
    own = None if unread else _identity(node, found)
    if own is not None and not own.startswith("#"):
        base = urljoin(base, own).partition("#")[0]
        found.resources[base] = node
    elif own is not None:
        found.anchors[base + own] = node
    for word in _ANCHORS:
        if isinstance(anchor := node.get(word), str):
            found.anchors[f"{base}#{anchor}"] = node
    for word in REFERENCES:
        if isinstance(node.get(word), str):
            found.refs.append(node)
            if base != found.document:
                found.bases[id(node)] = base
    if isinstance(pattern := node.get("pattern"), str):
        found.patterns.append(pattern)
    if isinstance(named := node.get("patternProperties"), dict):
        found.patterns += named
    return base


def _identity(node: JSONObject, found: Survey) -> str | None:
    own = node.get("$id")
    if own is None and found.alone:
        own = node.get("id")
    return own if isinstance(own, str) else None


def _refuse_large(node: JSONObject, place: _Place) -> None:
    members = node.get("enum")
    if isinstance(members, list) and len(members) > ENUM_LIMIT:
        raise wrong(
            (*_path(place), "enum"),
            f"has {len(members):,} members, more than {ENUM_LIMIT:,}; use a string, and look the "
            "value up afterwards",
        )
    for word in _COUNTED:
        entries = node.get(word)
        if isinstance(entries, list | dict) and len(entries) > LIST_LIMIT:
            raise wrong(
                (*_path(place), word),
                f"has {len(entries):,} entries, more than {LIST_LIMIT:,}; extract into a part of it",
            )


def _path(place: _Place) -> tuple[Segment, ...]:
    """The keys from the root to a place."""
    found: list[Segment] = []
    while place:
        place, key = place
        found.append(key)
    return tuple(reversed(found))


def wrong(path: Iterable[Segment], fault: str) -> SchemaError:
    """The error for one place of a schema; ``fault`` begins with a verb."""
    return SchemaError(f"the JSON Schema is wrong at {pointer(path) or '(root)'}: it {fault}")


class Resolver:
    """The references of one schema: by pointer, ``$id`` and anchor."""

    def __init__(self, root: JSONObject, found: Survey) -> None:
        self._root = root
        self._found = found
        self._base = found.document
        self._known: dict[tuple[str, str], JSONValue] = {}

    def target(self, node: JSONObject, word: str = "$ref") -> JSONValue:
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

    def _find(self, ref: str, base: str) -> JSONValue:
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

    def _within(self, node: JSONValue, ref: str, *, base: str) -> JSONValue:
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
