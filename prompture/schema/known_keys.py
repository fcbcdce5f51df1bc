"""Which keys may stand where in a value, by Pydantic's core schema or by a JSON Schema."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import pydantic

from prompture.json_values import Segment, referenced
from prompture.schema.core_schemas import Core
from prompture.types import JSON

KeyPath: TypeAlias = tuple[Segment, ...]
"""Where an alias finds its value: a key, or a way into an object or a list under one."""


@dataclass(slots=True)
class AllowedKeys:
    """What may stand somewhere, as far as keys go.

    ``fields`` are the named ones of every object that may stand there, None where no object of
    named fields may. ``open``: any key is right there; ``rest`` is the place under those.
    """

    fields: dict[str, Later] | None = None
    open: bool = False
    rest: Later | None = None
    items: Later | None = None
    spellings: list[tuple[KeyPath, ...]] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    _deep: list[tuple[str, AllowedKeys]] | None = None

    @property
    def deep(self) -> list[tuple[str, AllowedKeys]]:
        """The fields under which there may be keys in turn."""
        if self._deep is None:
            made = [(key, later()) for key, later in (self.fields or {}).items()]
            self._deep = [(k, p) for k, p in made if p.fields is not None or p.items or p.rest]
        return self._deep


Later: TypeAlias = Callable[[], AllowedKeys]
ANY = AllowedKeys(open=True)


def _any() -> AllowedKeys:
    return ANY


def _joined(places: list[Later]) -> Later:
    """The place where any of several may stand."""
    made: list[AllowedKeys] = []

    def join() -> AllowedKeys:
        if not made:
            made.append(AllowedKeys())
            _join(made[0], [one() for one in places])
        return made[0]

    return join


def _join(whole: AllowedKeys, parts: list[AllowedKeys]) -> None:
    for name in ("rest", "items"):
        inner = [each for part in parts if (each := getattr(part, name)) is not None]
        setattr(whole, name, _joined(inner) if len(inner) > 1 else next(iter(inner), None))
    by_name: dict[str, list[Later]] = {}
    for part in parts:
        for key, later in (part.fields or {}).items():
            by_name.setdefault(key, []).append(later)
    if any(part.fields is not None for part in parts):
        whole.fields = {
            key: _joined(inner) if len(inner) > 1 else inner[0] for key, inner in by_name.items()
        }
    whole.open = any(part.open for part in parts)
    # What is one field of one branch may be two fields of another.
    if len(parts) == 1:
        whole.spellings, whole.numbers = parts[0].spellings, parts[0].numbers


# Pydantic's core schemas

_WRAPPERS = {
    "nullable": "schema",
    "default": "schema",
    "function-after": "schema",
    "lax-or-strict": "lax_schema",
    "json-or-python": "json_schema",
    "model-field": "schema",
}
_LISTS = frozenset({"list", "set", "frozenset", "generator"})


def keys_of_core(core: Core) -> Later:
    return _CoreReader().later(core, None)


class _CoreReader:
    def __init__(self) -> None:
        self._definitions: dict[str, Core] = {}
        self._made: dict[int, AllowedKeys] = {}

    def later(self, core: Core | None, config: object) -> Later:
        if core is None:
            return _any

        def make() -> AllowedKeys:
            # One place for each schema, also where it is part of itself.
            if id(core) not in self._made:
                place = self._made[id(core)] = AllowedKeys()
                _join(place, [self._read(core, config)])
            return self._made[id(core)]

        return make

    def _read(self, core: Core, config: object) -> AllowedKeys:
        while True:
            kind = core["type"]
            if kind == "definitions":
                self._definitions |= {each["ref"]: each for each in core["definitions"]}
                core = core["schema"]
            elif kind == "definition-ref":
                core = self._definitions[core["schema_ref"]]
            elif kind in _WRAPPERS:
                core = core[_WRAPPERS[kind]]
            else:
                break
        if kind == "model":
            config = core.get("config") or {}
            return self._read(core["schema"], config)
        if kind == "dataclass":
            return self._read(core["schema"], core.get("config") or config)
        if kind in ("model-fields", "dataclass-args", "typed-dict"):
            return self._object(core, core.get("config") or config or {})
        if kind in _LISTS:
            return AllowedKeys(items=self.later(core.get("items_schema"), config))
        if kind == "tuple":
            return AllowedKeys(items=_joined([self.later(c, config) for c in core["items_schema"]]))
        if kind == "dict":
            return AllowedKeys(open=True, rest=self.later(core.get("values_schema"), config))
        if kind in ("union", "tagged-union"):
            return self._union(core["choices"], config)
        # A function may make anything of its input, so any key may be right; a scalar has none.
        return ANY if kind.startswith("function-") or kind in _UNKNOWN else AllowedKeys()

    def _union(self, choices: Any, config: Any) -> AllowedKeys:
        held = choices.values() if isinstance(choices, Mapping) else choices
        cores = [one[0] if isinstance(one, tuple) else one for one in held]
        whole = AllowedKeys()
        _join(whole, [self._read(c, config) for c in cores if isinstance(c, Mapping)])
        return whole

    def _object(self, core: Core, config: Any) -> AllowedKeys:
        held = core["fields"]
        named = held.items() if isinstance(held, Mapping) else [(f["name"], f) for f in held]
        fields: dict[str, Later] = {}
        ways: list[tuple[KeyPath, ...]] = []
        for name, each in named:
            inner = self.later(each["schema"], config)
            ways.append(tuple(dict.fromkeys([*_aliases(each.get("validation_alias")), (name,)])))
            fields |= {str(path[0]): inner for path in reversed(ways[-1])}
        extra = core.get("extra_behavior") or config.get("extra_fields_behavior")
        if extra == "allow":
            rest = self.later(core.get("extras_schema"), config)
            kept = AllowedKeys(fields=fields, open=True, rest=rest)
            if _KEEPS_SPELLINGS:  # the other spelling is a key of its own, and nothing is lost
                return kept
            return replace(kept, spellings=_own_spellings(ways))
        numbers = {str(path[0]): at for at, paths in enumerate(ways) for path in paths}
        if any(len(path) > 1 for paths in ways for path in paths):
            numbers = {}
        return AllowedKeys(fields=fields, spellings=_own_spellings(ways), numbers=numbers)


_KEEPS_SPELLINGS = tuple(map(int, pydantic.VERSION.split(".")[:2])) >= (2, 14)
"""Before, a model that keeps unknown keys lost a second spelling of a known one, when read from JSON."""
_UNKNOWN = frozenset({"any", "call", "arguments", "arguments-v3", "custom-error", "chain", "json"})


def _aliases(alias: Any) -> Iterator[KeyPath]:
    """The places that an alias (a name, a path, or several paths) names, first choice first."""
    if isinstance(alias, str):
        yield (alias,)
    elif alias:
        paths = alias if isinstance(alias[0], list) else [alias]
        yield from (tuple(path) for path in paths if path and isinstance(path[0], str))


def _own_spellings(ways: list[tuple[KeyPath, ...]]) -> list[tuple[KeyPath, ...]]:
    """Of each field with several spellings those that are no other field's."""
    # Two fields that swap names (a for b, b for a) have no second spelling each.
    counts = Counter(path for paths in ways for path in paths)
    own = [tuple(path for path in paths if counts[path] == 1) for paths in ways]
    return [paths for paths in own if len(paths) > 1]


# JSON Schemas

_APPLIED = ("allOf", "anyOf", "oneOf")
_ALSO_APPLIED = ("if", "then", "else")
_REFS_FOLLOWED = 50


def keys_of_json_schema(root: object) -> Later:
    # By identity, and filled after it was entered: a schema may contain itself.
    made: dict[int, AllowedKeys] = {}

    def later(schema: object) -> Later:
        def make() -> AllowedKeys:
            if id(schema) not in made:
                place = made[id(schema)] = AllowedKeys()
                _join(place, [_read(each, later) for each in _together(schema, root)] or [ANY])
            return made[id(schema)]

        return make

    return later(root)


def _together(schema: object, root: object) -> Iterator[JSON]:
    """The schemas that say something of one place: this one, what it refers to, its branches."""
    pending, seen = [schema], set[int]()
    while pending and len(seen) < _REFS_FOLLOWED:
        node = pending.pop()
        if not isinstance(node, Mapping) or id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node.get("$ref"), str):
            pending.append(referenced(root, node["$ref"]))
        for word in _APPLIED:
            pending += node.get(word) or ()
        pending += [node[word] for word in _ALSO_APPLIED if word in node]
        dependent = node.get("dependentSchemas")
        pending += dependent.values() if isinstance(dependent, Mapping) else ()


def _read(schema: JSON, later: Callable[[Any], Later]) -> AllowedKeys:
    place = AllowedKeys()
    named = schema.get("properties")
    others = schema.get("additionalProperties", schema.get("unevaluatedProperties"))
    if isinstance(named, Mapping):
        place.fields = {str(key): later(inner) for key, inner in named.items()}
    patterns = schema.get("patternProperties")
    kept = [others] if isinstance(others, Mapping) or others is True else []
    kept += list(patterns.values()) if isinstance(patterns, Mapping) else []
    if kept:
        place.open = True
        place.rest = _joined([later(each) for each in kept])
    items = [schema["items"]] if isinstance(schema.get("items"), Mapping) else []
    rows = schema.get("prefixItems", schema.get("items"))
    items += rows if isinstance(rows, list) else []
    if items:
        place.items = _joined([later(each) for each in items])
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    restricting = _OF_OBJECTS & schema.keys()
    is_empty = kind is None and not schema.keys() - _ANNOTATIONS
    if is_empty or ("object" in kinds and not restricting and place.fields is None):
        place.open = True
    return place


_OF_OBJECTS = frozenset({"properties", "$ref", "allOf", "anyOf", "oneOf", "if", "dependentSchemas"})
_ANNOTATIONS = frozenset({"title", "description", "default", "examples", "deprecated", "$comment"})
