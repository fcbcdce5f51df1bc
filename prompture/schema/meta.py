"""Whether a JSON Schema is one: its size, the shapes of its keywords, patterns, references."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from prompture.errors import SchemaError
from prompture.schema.check import kind_in_words
from prompture.schema.metaschema import LISTS, MAPS, ONE, REFERENCES, SINCE, rules_of
from prompture.schema.patterns import WEIGHT_LIMIT, BadPattern, backtracks, matcher, weight
from prompture.schema.pointer import Segment, pointer, segments_of
from prompture.schema.refs import Scope, refuse_loops

NODE_LIMIT = 100_000
ENUM_LIMIT = 10_000
DEPTH_LIMIT = 200

Path = tuple[Segment, ...]

_DRAFTS = {
    "json-schema.org/draft-04/schema": 4,
    "json-schema.org/draft-06/schema": 6,
    "json-schema.org/draft-07/schema": 7,
    "json-schema.org/draft/2019-09/schema": 2019,
    "json-schema.org/draft/2020-12/schema": 2020,
}


@dataclass(frozen=True, slots=True)
class Subschema:
    path: Path
    node: dict[str, Any]
    scope: Scope


@dataclass(frozen=True, slots=True)
class Understood:
    """A JSON Schema that is one.

    ``draft`` is the one it is read as: 4, 6, 7, 2019 or 2020. ``declaring`` are its subschemas
    with a ``$schema``, by their ``id()``.
    """

    draft: int
    declaring: frozenset[int]


def understand(schema: dict[str, Any]) -> Understood:
    """Check the schema.

    A schema that names no draft is read as 2020-12, or where it is none of those, as an older
    one: ``items`` with an array of schemas, or a boolean ``exclusiveMinimum``, is common. Raises
    SchemaError, which says what is wrong, where, and what to do.
    """
    scoped = _within_limits(schema)
    refusal: SchemaError | None = None
    for draft in _candidates(schema):
        reading = _Reading(schema, draft, scoped=scoped)
        try:
            understood = reading.run()
        except SchemaError as error:
            refusal = refusal or error
        else:
            # An older draft that would ignore a keyword of the schema is not what it means.
            if not (refusal and reading.ignores):
                return understood
    assert refusal is not None
    raise refusal


def _candidates(schema: dict[str, Any]) -> tuple[int, ...]:
    named = schema.get("$schema", "")
    if not isinstance(named, str):
        raise wrong(("$schema",), f"must be a string, not {kind_in_words(named)}")
    if "json-schema.org/draft-03/" in named:
        raise wrong(("$schema",), "is draft 3, which is not supported; use draft 4 or later")
    draft = _DRAFTS.get(named.partition("://")[2].removesuffix("#"))
    return (draft,) if draft else (2020, 7, 4)


def _within_limits(schema: dict[str, Any]) -> bool:
    """Refuse what is too large before anything is done with it.

    True where references may go by an inner ``$id`` or an anchor, and not by pointer alone.
    """
    scoped = False
    count = 0
    pending: list[tuple[Any, int]] = [(schema, 0)]
    while pending:
        node, depth = pending.pop()
        count += 1 + len(node)
        if count > NODE_LIMIT:
            raise _too_large(schema)
        if depth > DEPTH_LIMIT:
            raise SchemaError(f"the JSON Schema is nested more than {DEPTH_LIMIT} deep")
        inner = node.values() if isinstance(node, dict) else node
        if isinstance(node, dict) and not _NAMED.isdisjoint(node):
            scoped |= depth > 0 and any(isinstance(node.get(key), str) for key in _NAMED)
        pending += [(one, depth + 1) for one in inner if isinstance(one, (dict, list))]
    return scoped


_NAMED = frozenset({"id", "$id", "$anchor", "$dynamicAnchor"})


def _too_large(schema: dict[str, Any]) -> SchemaError:
    """The error, which names an enum where one is to blame."""
    pending: list[tuple[Path, Any]] = [((), schema)]
    for _ in range(NODE_LIMIT):
        if not pending:
            break
        path, node = pending.pop()
        if path[-1:] == ("enum",) and isinstance(node, list) and len(node) > ENUM_LIMIT:
            return _large_enum(path, node)
        inner = node.items() if isinstance(node, dict) else enumerate(node[:ENUM_LIMIT])
        pending += [((*path, key), one) for key, one in inner if isinstance(one, (dict, list))]
    return SchemaError(
        f"the JSON Schema has more than {NODE_LIMIT:,} members; extract into a part of it"
    )


def _large_enum(path: Path, members: list[Any]) -> SchemaError:
    return wrong(
        path,
        f"has {len(members):,} members, more than {ENUM_LIMIT:,}; use a string, and look the "
        "value up afterwards",
    )


def wrong(path: Path, fault: str) -> SchemaError:
    return SchemaError(f"the JSON Schema is wrong at {pointer(path) or '(root)'}: it {fault}")


class _Reading:
    """One pass over every subschema as one draft, those that only a reference reaches included."""

    def __init__(self, schema: dict[str, Any], draft: int, *, scoped: bool) -> None:
        self._draft = draft
        self._rules = rules_of(draft)
        self._seen: set[int] = set()
        self._targets: dict[int, list[Any]] = {}
        self._weight = 0
        self._patterns: list[Path] = []
        self._declaring: list[int] = []
        self._unevaluated = False
        self.ignores = False
        """Whether a keyword means nothing in this draft."""
        self._root = schema
        self._scope = Scope.of(schema, draft, scoped=scoped)

    def run(self) -> Understood:
        pending: list[tuple[Path, Any, Scope]] = [((), self._root, self._scope)]
        while pending:
            path, node, scope = pending.pop()
            if isinstance(node, bool) or id(node) in self._seen:
                continue
            if not isinstance(node, dict):
                raise wrong(path, f"must be a schema, not {kind_in_words(node)}")
            self._seen.add(id(node))
            here = Subschema(path, node, scope.within(node))
            self._check(here)
            pending += [(p, one, here.scope) for p, one in self._children(here)]
            pending += self._referred(here)
        self._refuse_backtracking()
        refuse_loops(self._root, self._draft, self._targets)
        return Understood(self._draft, frozenset(self._declaring))

    def _check(self, here: Subschema) -> None:
        for keyword, value in here.node.items():
            self.ignores |= SINCE.get(keyword, 0) > self._draft and keyword != "$defs"
            rule = self._rules.get(keyword)
            fault = rule(value) if rule else ""
            if fault:
                raise wrong((*here.path, keyword), fault)
        enum = here.node.get("enum")
        if isinstance(enum, list) and len(enum) > ENUM_LIMIT:
            raise _large_enum((*here.path, "enum"), enum)
        self._check_patterns(here)
        if "$schema" in here.node:
            self._declaring.append(id(here.node))
        self._unevaluated |= "unevaluatedProperties" in here.node

    def _check_patterns(self, here: Subschema) -> None:
        if "pattern" in here.node:
            self._check_pattern((*here.path, "pattern"), here.node["pattern"])
        for pattern in here.node.get("patternProperties", ()):
            path = (*here.path, "patternProperties", pattern)
            self._check_pattern(path, pattern)
            self._patterns.append(path)

    def _check_pattern(self, path: Path, pattern: str) -> None:
        self._weight += weight(pattern)
        try:
            if self._weight > WEIGHT_LIMIT:
                raise BadPattern("with it, the schema's patterns are too large")
            matcher(pattern)
        except BadPattern as error:
            raise wrong(path, f"is a pattern that cannot be used: {error}") from None

    def _refuse_backtracking(self) -> None:
        """``jsonschema`` runs the patterns beside ``unevaluatedProperties`` with ``re``."""
        for path in self._patterns if self._unevaluated else ():
            if backtracks(str(path[-1])):
                raise wrong(
                    path,
                    "has nested repeats, which may take exponential time in a schema with "
                    "unevaluatedProperties",
                )

    def _children(self, here: Subschema) -> Iterator[tuple[Path, Any]]:
        for keyword, value in here.node.items():
            at = (*here.path, keyword)
            if SINCE.get(keyword, 0) > self._draft:
                continue
            if keyword in MAPS:
                yield from (((*at, name), one) for name, one in value.items())
            elif keyword == "dependencies":
                yield from (((*at, n), one) for n, one in value.items() if isinstance(one, dict))
            elif keyword in LISTS or (keyword == "items" and isinstance(value, list)):
                yield from (((*at, index), one) for index, one in enumerate(value))
            elif keyword in ONE or keyword == "items":
                yield at, value

    def _referred(self, here: Subschema) -> Iterator[tuple[Path, Any, Scope]]:
        for keyword in REFERENCES:
            reference = here.node.get(keyword)
            if reference is None or SINCE.get(keyword, 0) > self._draft:
                continue
            found, scope, fault = here.scope.find(reference)
            if fault:
                raise wrong((*here.path, keyword), fault)
            self._targets.setdefault(id(here.node), []).append(found)
            yield self._path_of(reference) or (*here.path, keyword), found, scope

    def _path_of(self, reference: str) -> Path:
        """Where a plain pointer leads, for messages; empty for other references."""
        return segments_of(reference) if reference.startswith("#/") else ()
