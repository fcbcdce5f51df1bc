"""Whether a JSON Schema is one: its size, the shapes of its keywords, patterns, references."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from prompture.errors import SchemaError
from prompture.json_values import Segment, referenced, segments_of
from prompture.schema.document import survey, wrong
from prompture.schema.metaschema import LISTS, MAPS, ONE, REFERENCES, SINCE, misspelt, rules_of
from prompture.schema.patterns import WEIGHT_LIMIT, BadPattern, backtracks, matcher, weight
from prompture.schema.problems import kind_in_words

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
    with a ``$schema``, by their ``id()``. ``misspelt`` says which unknown keyword is most likely
    a known one, for those who wrote the schema themselves.
    """

    draft: int
    declaring: frozenset[int]
    misspelt: str = ""


def understand(schema: dict[str, Any]) -> Understood:
    """Check the schema.

    A schema that names no draft is read as 2020-12, or where it is none of those, as an older
    one: ``items`` with an array of schemas, or a boolean ``exclusiveMinimum``, is common. Raises
    SchemaError, which says what is wrong, where, and what to do.
    """
    scoped = survey(schema).has_inner_names
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
        self._slip = ""
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
        return Understood(self._draft, frozenset(self._declaring), self._slip)

    def _check(self, here: Subschema) -> None:
        for keyword, value in here.node.items():
            self.ignores |= SINCE.get(keyword, 0) > self._draft and keyword != "$defs"
            rule = self._rules.get(keyword)
            fault = rule(value) if rule else ""
            if fault:
                raise wrong((*here.path, keyword), fault)
            if rule is None and not self._slip and (meant := misspelt(keyword)):
                fault = f"is no keyword and says nothing; {meant!r} is meant"
                self._slip = str(wrong((*here.path, keyword), fault))
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


# References and loops

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
        own = root.get(_id_word(draft), "")
        self._own = own.removesuffix("#") if isinstance(own, str) else ""

    @classmethod
    def of(cls, root: dict[str, Any], draft: int, *, scoped: bool) -> Scope:
        return cls(root, draft, _resolver(root, draft) if scoped else None)

    def within(self, node: dict[str, Any]) -> Scope:
        """The scope of a subschema of this one."""
        own = node.get(_id_word(self._draft))
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


def _id_word(draft: int) -> str:
    return "id" if draft == 4 else "$id"


def _resolver(root: dict[str, Any], draft: int) -> Any:
    # The library takes an identifier for text. One that is none is refused with the root itself.
    if not isinstance(root.get(word := _id_word(draft), ""), str):
        root = {name: value for name, value in root.items() if name != word}
    return registry().resolver_with_root(_specification(draft).create_resource(root))


def registry() -> Any:
    """The metaschemas of JSON Schema, and nothing that would be fetched."""
    from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]

    return REGISTRY
