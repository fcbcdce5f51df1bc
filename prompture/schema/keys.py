"""The keys that a schema knows, so that an answer made of others is told from an empty one.

Where every field may be left out, ``{"Person": {...}}`` satisfies the schema, and nothing of it
is read. An object that has keys, none of which is known where it stands, is no answer.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from prompture.schema.check import InvalidValue, Problem
from prompture.schema.cores import Core
from prompture.schema.exact import Doubtful, Strict, is_plain
from prompture.schema.pointer import Segment, pointer, referenced
from prompture.schema.source import Source

FOREIGN = "foreign_keys"
"""Kind of the problem of an object that has no key of the schema's."""
LISTED = 5
"""Ignored keys that are named, at most."""


@dataclass(slots=True)
class Place:
    """What may stand somewhere, as far as keys go.

    ``fields`` are the named ones of every object that may stand there, None where no object of
    named fields may. ``open``: any key is right there; ``rest`` is the place under those.
    """

    fields: dict[str, Later] | None = None
    open: bool = False
    rest: Later | None = None
    items: Later | None = None
    _deep: list[tuple[str, Place]] | None = None

    @property
    def deep(self) -> list[tuple[str, Place]]:
        """The fields under which there may be keys in turn."""
        if self._deep is None:
            made = [(key, later()) for key, later in (self.fields or {}).items()]
            self._deep = [(k, p) for k, p in made if p.fields is not None or p.items or p.rest]
        return self._deep


Later: TypeAlias = Callable[[], Place]
Path: TypeAlias = tuple[Segment, ...]
_ANY = Place(open=True)


def _any() -> Place:
    return _ANY


@dataclass(slots=True)
class Keys:
    """What an answer's keys say: ``foreign`` is the path to the first object that has only
    unknown ones, ``misnamed`` that to the first key which is a missing field's in another
    spelling, and that field, ``ignored`` are the paths of the others that are unknown."""

    foreign: Path | None = None
    misnamed: tuple[Path, str] | None = None
    ignored: list[Path] = field(default_factory=list)

    def notes(self) -> tuple[str, ...]:
        """What to note on the attempt: names of keys, none of their values."""
        if not self.ignored:
            return ()
        shown = ", ".join(pointer(path)[:80] for path in islice(self.ignored, LISTED))
        more = len(self.ignored) - LISTED
        return (f"unknown keys: {shown}{f' and {more} more' if more > 0 else ''}",)


class Vocabulary:
    """The keys of one schema."""

    def __init__(self, source: Source[Any]) -> None:
        checker: Any = source._checker
        self._root: Later
        if hasattr(checker, "place"):
            self._root = checker.place
        elif hasattr(checker, "core"):
            self._root = _place_of_core(checker.core)
        else:
            self._root = _place_of_schema(source.json_schema)

    @cached_property
    def root(self) -> Place:
        return self._root()

    def look(self, plain: Any) -> Keys:
        """The keys of a JSON value, compared with the schema's."""
        found = Keys()
        _look(plain, self.root, (), found)
        return found

    def hold(self, plain: Any, value: Any) -> Keys:
        """What the keys of an answer say that was validated to ``value``. Raises InvalidValue
        where the answer is none: an object in it has keys, and all of them are foreign, or one
        is a missing field's, spelt otherwise."""
        found = self.look(plain)
        foreign = found.foreign
        if foreign is None and plain and isinstance(plain, dict) and _has_no_field(value):
            foreign = ()
        if foreign is not None:
            said = "must have keys of the schema; all of its keys are others"
            raise InvalidValue([Problem(pointer(foreign), said, FOREIGN)])
        if found.misnamed is not None:
            path, meant = found.misnamed
            said = f"is no key of the schema; the field is called {meant!r}"
            raise InvalidValue([Problem(pointer(path), said, FOREIGN)])
        return found

    def knows(self, key: str) -> bool:
        """Whether the root has a field of that name, or takes any key; or, where it is a list,
        an item has one."""
        place = self.root
        item = place.items() if place.items is not None else None
        return (
            place.open or key in (place.fields or ()) or bool(item and key in (item.fields or ()))
        )

    @property
    def takes_lists(self) -> bool:
        """Whether the value may be a list."""
        return self.root.items is not None


_known: WeakKeyDictionary[Source[Any], Vocabulary] = WeakKeyDictionary()


def vocabulary(source: Source[Any]) -> Vocabulary:
    """The keys of a schema, made when first needed."""
    found = _known.get(source)
    if found is None:
        found = _known[source] = Vocabulary(source)
    return found


def held_to_keys(source: Source[Any], plain: Any, value: Any) -> Keys:
    """``Vocabulary.hold`` of the source's keys."""
    return vocabulary(source).hold(plain, value)


def _has_no_field(value: Any) -> bool:
    """Whether a model was made of nothing."""
    given = getattr(value, "__pydantic_fields_set__", None)
    return given is not None and not given and not getattr(value, "__pydantic_extra__", None)


def validated(source: Source[Any], text: str) -> Any:
    """``source.validate_json``, and the rules of keys and numbers on top. Raises InvalidValue."""
    value = source.validate_json(text)
    if not (source.typed and is_plain(text, value)):
        try:
            held_to_keys(source, Strict().decode(text), value)
        except Doubtful as doubt:
            raise InvalidValue(
                [Problem("", f"is no answer: {doubt.reason}", "json_doubtful")]
            ) from None
    return value


def _look(value: Any, place: Place, path: Path, found: Keys) -> None:
    if isinstance(value, list):
        if place.items is not None:
            inner = place.items()
            for index, each in enumerate(value):
                if isinstance(each, (dict, list)):
                    _look(each, inner, (*path, index), found)
    elif isinstance(value, dict):
        _look_into(value, place, path, found)


def _look_into(value: dict[str, Any], place: Place, path: Path, found: Keys) -> None:
    fields = place.fields
    if fields is not None:
        for key, inner in place.deep:
            each = value.get(key)
            if isinstance(each, (dict, list)):
                _look(each, inner, (*path, key), found)
        if value.keys() <= fields.keys():
            return
    known = fields or {}
    others = [key for key in value if key not in known]
    if place.open:
        inner = place.rest() if place.rest is not None else _ANY
        for key in others:
            _look(value[key], inner, (*path, key), found)
    elif fields:
        if len(others) == len(value) and found.foreign is None:
            found.foreign = path
        elif others and found.misnamed is None:
            found.misnamed = _misnamed(others, fields, value, path)
        found.ignored += [(*path, key) for key in others]


def _misnamed(
    others: list[str], fields: Mapping[str, Later], value: Mapping[str, Any], path: Path
) -> tuple[Path, str] | None:
    """``firstName`` where ``first_name`` is missing: what it says would be lost."""
    missing = {_letters(key): key for key in fields if key not in value}
    present = {_letters(key) for key in fields if key in value}
    for key in others:
        meant = missing.get(_letters(key))
        if meant is not None and _letters(key) not in present and value[key] is not None:
            return (*path, key), meant
    return None


def _letters(key: str) -> str:
    """What is left of a name without case, blanks and marks; all of it, where that is nothing."""
    folded = unicodedata.normalize("NFKC", key).casefold()
    return "".join(filter(str.isalnum, folded)) or key


def _joined(places: list[Later]) -> Later:
    """The place where any of several may stand."""
    made: list[Place] = []

    def join() -> Place:
        if not made:
            made.append(Place())
            _join(made[0], [one() for one in places])
        return made[0]

    return join


def _join(whole: Place, parts: list[Place]) -> None:
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


def _place_of_core(core: Core) -> Later:
    return _CoreReader().later(core, None)


class _CoreReader:
    def __init__(self) -> None:
        self._definitions: dict[str, Core] = {}
        self._made: dict[int, Place] = {}

    def later(self, core: Core | None, config: Any) -> Later:
        if core is None:
            return _any

        def make() -> Place:
            # One place for each schema, also where it is part of itself.
            if id(core) not in self._made:
                place = self._made[id(core)] = Place()
                _join(place, [self._read(core, config)])
            return self._made[id(core)]

        return make

    def _read(self, core: Core, config: Any) -> Place:
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
            return Place(items=self.later(core.get("items_schema"), config))
        if kind == "tuple":
            return Place(items=_joined([self.later(c, config) for c in core["items_schema"]]))
        if kind == "dict":
            return Place(open=True, rest=self.later(core.get("values_schema"), config))
        if kind in ("union", "tagged-union"):
            return self._union(core["choices"], config)
        # What a function makes of its input is not known; a scalar has no keys.
        return _ANY if kind.startswith("function-") or kind in _UNKNOWN else Place()

    def _union(self, choices: Any, config: Any) -> Place:
        held = choices.values() if isinstance(choices, Mapping) else choices
        cores = [one[0] if isinstance(one, tuple) else one for one in held]
        whole = Place()
        _join(whole, [self._read(c, config) for c in cores if isinstance(c, Mapping)])
        return whole

    def _object(self, core: Core, config: Any) -> Place:
        held = core["fields"]
        named = held.items() if isinstance(held, Mapping) else [(f["name"], f) for f in held]
        fields: dict[str, Later] = {}
        for name, each in named:
            inner = self.later(each["schema"], config)
            for key in (name, *_aliases(each.get("validation_alias"))):
                fields[key] = inner
        extra = core.get("extra_behavior") or config.get("extra_fields_behavior")
        rest = self.later(core.get("extras_schema"), config) if extra == "allow" else None
        return Place(fields=fields, open=extra == "allow", rest=rest)


_UNKNOWN = frozenset({"any", "call", "arguments", "arguments-v3", "custom-error", "chain", "json"})


def _aliases(alias: Any) -> Iterator[str]:
    """The keys that an alias (a name, a path, or several paths) begins with."""
    if isinstance(alias, str):
        yield alias
    elif alias:
        paths = alias if isinstance(alias[0], list) else [alias]
        yield from (path[0] for path in paths if path and isinstance(path[0], str))


# JSON Schemas

_APPLIED = ("allOf", "anyOf", "oneOf")
_ALSO_APPLIED = ("if", "then", "else")
_REFS_FOLLOWED = 50


def _place_of_schema(root: Any) -> Later:
    made: dict[int, Place] = {}

    def later(schema: Any) -> Later:
        def make() -> Place:
            if id(schema) not in made:
                place = made[id(schema)] = Place()
                _join(place, [_read(each, later) for each in _together(schema, root)] or [_ANY])
            return made[id(schema)]

        return make

    return later(root)


def _together(schema: Any, root: Any) -> Iterator[Mapping[str, Any]]:
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


def _read(schema: Mapping[str, Any], later: Callable[[Any], Later]) -> Place:
    place = Place()
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
    says = _SAYS_OF_OBJECTS & schema.keys()
    says_nothing = kind is None and not schema.keys() - _SILENT
    if says_nothing or ("object" in kinds and not says and place.fields is None):
        place.open = True
    return place


_SAYS_OF_OBJECTS = frozenset(
    {"properties", "$ref", "allOf", "anyOf", "oneOf", "if", "dependentSchemas"}
)
_SILENT = frozenset({"title", "description", "default", "examples", "deprecated", "$comment"})
