"""Schemas to alternatives: every draft's spelling, references, allOf, anyOf, oneOf, if, enum and const."""

from __future__ import annotations

from typing import Any

from prompture.errors import SchemaError
from prompture.schema.lens.alts import (
    ANYTHING,
    NOTHING,
    WORDS,
    Alt,
    Conj,
    Rows,
    Shape,
    by_kind,
    meet_all,
    noted,
)
from prompture.schema.lens.guard import Survey
from prompture.schema.lens.kinds import EVERY, family, same
from prompture.schema.lens.refs import Resolver

SCALARS = frozenset({"string", "number", "integer", "boolean", "null"})
_TYPES = frozenset({*SCALARS, "object", "array"})
_ALL_WORDS = tuple(dict.fromkeys(word for words in WORDS.values() for word in words))
_OBJECT_SIGNS = ("properties", "required", "patternProperties", "additionalProperties")
_ARRAY_SIGNS = ("items", "prefixItems")
_JOINS = ("$ref", "$dynamicRef", "$recursiveRef", "allOf", "anyOf", "oneOf", "if")
_HINTS: tuple[tuple[str, str], ...] = (
    ("minLength", "string"),
    ("maxLength", "string"),
    ("pattern", "string"),
    ("format", "string"),
    ("minimum", "number"),
    ("maximum", "number"),
    ("multipleOf", "number"),
)
_BRANCHING = frozenset(
    {"anyOf", "oneOf", "if", "not", "dependentSchemas", "dependencies", "$dynamicRef"}
)
_MAX_STEPS = 60_000
_MOST_MERGED = 300


class Expander:
    """Expands the schemas of one document; ``exact`` reads them by the letter (see :func:`..strict.rewrite`)."""

    def __init__(self, resolver: Resolver, found: Survey, *, exact: bool) -> None:
        self._resolver = resolver
        self._alone = found.alone
        self._draft = (
            found.draft if exact else 2020
        )  # a word of a later draft is none, by the letter
        self._exact = exact
        self._open: set[int] = set()
        self._steps = 0

    def conj(self, conj: Conj) -> list[Alt]:
        """The alternatives of schemas that hold together."""
        if len(conj) == 1:
            return self.one(conj[0])
        found = [Alt("any")]
        for part in conj:
            found = meet_all(found, self.one(part))
        return found

    def one(self, schema: Any) -> list[Alt]:
        """The alternatives of one schema."""
        if schema is False:
            return []
        if schema is True or not schema:
            return [Alt("any")]
        if not isinstance(schema, dict):
            raise SchemaError(f"a schema is an object or a boolean, not {type(schema).__name__}")
        self._steps += 1
        if self._steps > _MAX_STEPS:
            raise SchemaError(
                "the alternatives of the schema (allOf, anyOf, oneOf, $ref) multiply beyond measure"
            )
        if self._alone and isinstance(schema.get("$ref"), str):
            return self._referred(schema, "$ref")
        found = self._base(schema)
        if found and not schema.keys().isdisjoint(_JOINS):
            found = self._joined(schema, found)
        closes = self._draft >= 2019 and schema.get("unevaluatedProperties") is False
        if closes and self._is_conjunction(schema):
            for alt in found:
                if alt.shape is not None and alt.shape.rest is None:
                    alt.shape.rest = NOTHING
        notes = side_notes(schema)
        return [noted(alt, notes) for alt in found] if notes else found

    def _is_conjunction(self, schema: Any, fuel: int = 12) -> bool:
        """Every property that counts as evaluated is among the merged ones."""
        if fuel == 0 or not isinstance(schema, dict) or not schema.keys().isdisjoint(_BRANCHING):
            return False
        parts = list(_list(schema, "allOf"))
        if isinstance(schema.get("$ref"), str):
            parts.append(self._resolver.target(schema))
        return all(self._is_conjunction(part, fuel - 1) for part in parts)

    def _joined(self, schema: dict[str, Any], found: list[Alt]) -> list[Alt]:
        for word in ("$ref", "$dynamicRef", "$recursiveRef"):
            if isinstance(schema.get(word), str):
                found = meet_all(found, self._referred(schema, word))
        for part in _list(schema, "allOf"):
            found = meet_all(found, self.one(part))
        for word in ("anyOf", "oneOf"):
            if _list(schema, word):
                branches = [alt for part in schema[word] for alt in self.one(part)]
                found = meet_all(found, _merged(branches))
        if self._draft >= 7 and "if" in schema and "then" in schema and "else" in schema:
            branches = [*self.one(schema["then"]), *self.one(schema["else"])]
            found = meet_all(found, _merged(branches))
        return _merged(found)

    def _referred(self, schema: dict[str, Any], word: str) -> list[Alt]:
        target = self._resolver.target(schema, word)
        if word != "$ref":
            return [Alt("any")]  # which schema it means depends on the caller's: left to the check
        if id(target) in self._open:
            return []
        self._open.add(id(target))
        try:
            return self.one(target)
        finally:
            self._open.discard(id(target))

    def _base(self, schema: dict[str, Any]) -> list[Alt]:
        types = self._types(schema)
        if "enum" in schema or ("const" in schema and self._draft >= 6):
            return _literals(schema, types, has_const=self._draft >= 6)
        if types is None:
            return self._untyped(schema)
        return [typed(word, schema, self._draft) for word in types]

    def _types(self, schema: dict[str, Any]) -> list[str] | None:
        said = schema.get("type")
        if said is None:
            return None
        words = [said] if isinstance(said, str) else said
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise SchemaError(f"type is a word or a list of words, not {type(said).__name__}")
        if "any" in words:
            return None
        for word in words:
            if word not in _TYPES:
                raise SchemaError(f"no such type: {word[:40]!r}")
        return [
            word for word in dict.fromkeys(words) if not (word == "integer" and "number" in words)
        ]

    def _untyped(self, schema: dict[str, Any]) -> list[Alt]:
        found: list[Alt] = []
        if any(sign in schema for sign in _OBJECT_SIGNS):
            found.append(typed("object", schema, self._draft))
        if any(sign in schema for sign in _ARRAY_SIGNS):
            found.append(typed("array", schema, self._draft))
        if self._exact:
            words = _words(schema, _ALL_WORDS)
            _modern_bounds(words, self._draft)
            return [*found, Alt("any", words, but=frozenset(alt.kind for alt in found))]
        if found:
            return found
        hinted = dict.fromkeys(kind for word, kind in _HINTS if word in schema)
        if len(hinted) == 1 and schema.keys().isdisjoint(_JOINS):
            return [typed(next(iter(hinted)), schema, self._draft)]
        words = _words(schema, _ALL_WORDS)
        _modern_bounds(words, self._draft)
        return [Alt("any", words)]


def _list(schema: dict[str, Any], word: str) -> list[Any]:
    value = schema.get(word)
    return value if isinstance(value, list) else []


def typed(word: str, schema: dict[str, Any], draft: int) -> Alt:
    """The alternative of one type, its words in the spelling of draft 2020-12."""
    alt = Alt(word, _words(schema, WORDS[word]))
    if word in ("number", "integer"):
        _modern_bounds(alt.words, draft)
    elif word == "object":
        alt.shape = _shape(schema)
    elif word == "array":
        alt.rows = _rows(schema, draft)
    return alt


def _words(schema: dict[str, Any], wanted: tuple[str, ...]) -> dict[str, Any]:
    found = {word: schema[word] for word in wanted if schema.get(word) is not None}
    for word, value in found.items():
        expected = str if word in ("pattern", "format") else int | float
        if not isinstance(value, expected):
            raise SchemaError(f"{word} takes no {type(value).__name__}")
    return found


def _modern_bounds(words: dict[str, Any], draft: int) -> None:
    """Draft 4 said ``exclusiveMinimum: true`` beside ``minimum``."""
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        value = words.get(exclusive)
        if value is True and bound in words:
            words[exclusive] = words.pop(bound)
        elif isinstance(value, bool) or (draft < 6 and value is not None):
            del words[exclusive]


def _shape(schema: dict[str, Any]) -> Shape:
    named = schema.get("properties")
    shape = Shape({name: (sub,) for name, sub in named.items()} if isinstance(named, dict) else {})
    patterns = schema.get("patternProperties")
    if isinstance(patterns, dict):
        shape.patterns = [(pattern, (sub,)) for pattern, sub in patterns.items()]
    if "additionalProperties" in schema:
        rest = schema["additionalProperties"]
        shape.rest = ANYTHING if rest is True or rest == {} else (rest,)
    required = schema.get("required")
    if isinstance(required, list):
        shape.required = tuple(dict.fromkeys(name for name in required if isinstance(name, str)))
    if isinstance(names := schema.get("propertyNames"), dict):
        shape.names = (names,)
    return shape


def _rows(schema: dict[str, Any], draft: int) -> Rows:
    items = schema.get("items")
    prefix = schema.get("prefixItems")
    if isinstance(prefix, list) and draft >= 2020:
        return Rows([_single(sub) for sub in prefix], _single(items), "items" in schema)
    if isinstance(items, list):
        return Rows(
            [_single(sub) for sub in items],
            _single(schema.get("additionalItems")),
            "additionalItems" in schema,
        )
    return Rows([], _single(items))


def _single(schema: Any) -> Conj:
    return ANYTHING if schema is None or schema is True or schema == {} else (schema,)


def _literals(schema: dict[str, Any], types: list[str] | None, *, has_const: bool) -> list[Alt]:
    values = schema.get("enum", [])
    if not isinstance(values, list):
        raise SchemaError("enum is a list of values")
    if has_const and "const" in schema:
        values = [value for value in values or [schema["const"]] if same(value, schema["const"])]
    kinds = EVERY if types is None else {family(word) for word in types}
    return [
        Alt(kind, values=members)
        for kind, members in by_kind(_distinct(values)).items()
        if kind in kinds
    ]


def _distinct(values: list[Any]) -> list[Any]:
    seen: dict[Any, None] = {}
    kept = []
    for value in values:
        try:
            key = (type(value) is bool, value)
            if key in seen:
                continue
            seen[key] = None
        except TypeError:
            pass  # lists and objects are kept as they are
        kept.append(value)
    return kept


def _merged(alts: list[Alt]) -> list[Alt]:
    """Literals of one kind in one list; objects that differ in ``required`` alone in one; scalars once."""
    if len(alts) > _MOST_MERGED:
        return alts
    found: list[Alt] = []
    for alt in alts:
        for i, other in enumerate(found):
            both = _merge(other, alt)
            if both is not None:
                found[i] = both
                break
        else:
            found.append(alt)
    return found


def _merge(a: Alt, b: Alt) -> Alt | None:
    if a.kind != b.kind:
        return None
    if a.values is not None and b.values is not None:
        return Alt(a.kind, values=_distinct([*a.values, *b.values]), notes=_shared_notes(a, b))
    if a.values is not None or b.values is not None:
        return None
    if a.kind == "object" and a.shape and b.shape:
        if not _alike(a.shape, b.shape):
            return None
        common = tuple(name for name in a.shape.required if name in b.shape.required)
        merged = Shape(a.shape.properties, a.shape.patterns, a.shape.rest, common, a.shape.names)
        options = [
            " and ".join(x.required) for x in (a.shape, b.shape) if set(x.required) - set(common)
        ]
        extra = (f"present together: {' or '.join(options)}",) if len(options) > 1 else ()
        return Alt("object", _common(a, b), shape=merged, notes=_shared_notes(a, b) + extra)
    if a.words == b.words and _rows_ids(a) == _rows_ids(b) and a.but == b.but:
        return a
    return None


def _alike(a: Shape, b: Shape) -> bool:
    """The same schemas, not merely equal ones: ``1`` and ``true`` are equal in Python."""
    return _identity(a) == _identity(b)


def _identity(shape: Shape) -> tuple[Any, ...]:
    rest = None if shape.rest is None else _ids(shape.rest)
    return (
        [(name, _ids(conj)) for name, conj in shape.properties.items()],
        [(pattern, _ids(conj)) for pattern, conj in shape.patterns],
        rest,
        _ids(shape.names),
    )


def _ids(conj: Conj) -> tuple[int, ...]:
    return tuple(id(part) for part in conj)


def _rows_ids(alt: Alt) -> Any:
    return alt.rows and ([_ids(conj) for conj in alt.rows.prefix], _ids(alt.rows.rest))


def _common(a: Alt, b: Alt) -> dict[str, Any]:
    return {word: value for word, value in a.words.items() if b.words.get(word) == value}


def _shared_notes(a: Alt, b: Alt) -> tuple[str, ...]:
    return tuple(note for note in a.notes if note in b.notes)


_ASIDE = frozenset(
    {"not", "if", "dependentRequired", "dependentSchemas", "dependencies", "contains"}
    | {"minContains", "maxContains", "unevaluatedItems", "unevaluatedProperties"}
)


def side_notes(schema: dict[str, Any]) -> tuple[str, ...]:
    """What no dialect is told but in words."""
    if schema.keys().isdisjoint(_ASIDE):
        return ()
    if "not" in schema and schema["not"] not in (False, {"not": {}}):
        return (f"not: {_brief(schema['not'])}", *_conditions(schema))
    return _conditions(schema)


def _conditions(schema: dict[str, Any]) -> tuple[str, ...]:
    found = []
    if "if" in schema:
        condition = _brief(schema["if"])
        found += [
            f"if {condition} {word} {_brief(schema[word])}"
            for word in ("then", "else")
            if word in schema
        ]
    for word in ("dependentRequired", "dependentSchemas", "dependencies"):
        needs = schema.get(word)
        if isinstance(needs, dict):
            found.extend(f"with {name} also {_need(need)}" for name, need in needs.items())
    counts = ("contains", "minContains", "maxContains", "unevaluatedItems", "unevaluatedProperties")
    found += [f"{word}: {_brief(schema[word])}" for word in counts if word in schema]
    return tuple(found)


def _need(need: Any) -> str:
    names = need.get("required") if isinstance(need, dict) and need.keys() == {"required"} else need
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        return " and ".join(names) or "nothing"
    return _brief(need)


def _brief(value: Any, most: int = 160) -> str:
    import json

    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if len(text) <= most else text[: most - 1] + "…"
