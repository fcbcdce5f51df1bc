"""Schemas to alternatives: every draft's spelling, references, allOf, anyOf, oneOf, if, enum and const."""

from __future__ import annotations

from prompture.errors import SchemaError
from prompture.json_values import EVERY, JSONObject, JSONValue, family, same
from prompture.schema.document import Resolver, Survey
from prompture.schema.rewriting.alternatives import (
    ANYTHING,
    NOTHING,
    WORDS,
    Alt,
    ArrayShape,
    Conj,
    ObjectShape,
    by_kind,
    distinct,
    meet_all,
    merged,
    noted,
)
from prompture.schema.rewriting.notes import side_notes

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


class Expander:
    """Expands the schemas of one document; ``exact`` reads them by the letter (see :func:`~prompture.schema.rewriting.rewrite`)."""

    def __init__(self, resolver: Resolver, found: Survey, *, exact: bool) -> None:
        self._resolver = resolver
        self._alone = found.alone
        # By the letter, a word of a later draft is none.
        self._draft = found.draft if exact else 2020
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

    def one(self, schema: JSONValue) -> list[Alt]:
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

    def _is_conjunction(self, schema: JSONValue, fuel: int = 12) -> bool:
        """Every property that counts as evaluated is among the merged ones."""
        if fuel == 0 or not isinstance(schema, dict) or not schema.keys().isdisjoint(_BRANCHING):
            return False
        parts = list(_list(schema, "allOf"))
        if isinstance(schema.get("$ref"), str):
            parts.append(self._resolver.target(schema))
        return all(self._is_conjunction(part, fuel - 1) for part in parts)

    def _joined(self, schema: JSONObject, found: list[Alt]) -> list[Alt]:
        for word in ("$ref", "$dynamicRef", "$recursiveRef"):
            if isinstance(schema.get(word), str):
                found = meet_all(found, self._referred(schema, word))
        for part in _list(schema, "allOf"):
            found = meet_all(found, self.one(part))
        for word in ("anyOf", "oneOf"):
            if _list(schema, word):
                branches = [alt for part in schema[word] for alt in self.one(part)]
                found = meet_all(found, merged(branches))
        # With all three every value satisfies one of the branches; with less nothing can be concluded.
        if self._draft >= 7 and "if" in schema and "then" in schema and "else" in schema:
            branches = [*self.one(schema["then"]), *self.one(schema["else"])]
            found = meet_all(found, merged(branches))
        return merged(found)

    def _referred(self, schema: JSONObject, word: str) -> list[Alt]:
        target = self._resolver.target(schema, word)
        if word != "$ref":
            return [Alt("any")]  # which schema it means depends on the caller's: left to the check
        # Going round in circles adds no alternative.
        if id(target) in self._open:
            return []
        self._open.add(id(target))
        try:
            return self.one(target)
        finally:
            self._open.discard(id(target))

    def _base(self, schema: JSONObject) -> list[Alt]:
        types = self._types(schema)
        if "enum" in schema or ("const" in schema and self._draft >= 6):
            return literals(schema, types, has_const=self._draft >= 6)
        if types is None:
            return self._untyped(schema)
        return [typed(word, schema, self._draft) for word in types]

    def _types(self, schema: JSONObject) -> list[str] | None:
        stated = schema.get("type")
        if stated is None:
            return None
        words = [stated] if isinstance(stated, str) else stated
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise SchemaError(f"type is a word or a list of words, not {type(stated).__name__}")
        if "any" in words:
            return None
        for word in words:
            if word not in _TYPES:
                raise SchemaError(f"no such type: {word[:40]!r}")
        return [
            word for word in dict.fromkeys(words) if not (word == "integer" and "number" in words)
        ]

    def _untyped(self, schema: JSONObject) -> list[Alt]:
        found: list[Alt] = []
        if any(sign in schema for sign in _OBJECT_SIGNS):
            found.append(typed("object", schema, self._draft))
        if any(sign in schema for sign in _ARRAY_SIGNS):
            found.append(typed("array", schema, self._draft))
        if self._exact:
            words = words_of(schema, _ALL_WORDS)
            modern_bounds(words, self._draft)
            return [*found, Alt("any", words, but=frozenset(alt.kind for alt in found))]
        if found:
            return found
        hinted = dict.fromkeys(kind for word, kind in _HINTS if word in schema)
        # By the letter {"minLength": 1} takes any number; its author meant a string.
        if len(hinted) == 1 and schema.keys().isdisjoint(_JOINS):
            return [typed(next(iter(hinted)), schema, self._draft)]
        words = words_of(schema, _ALL_WORDS)
        modern_bounds(words, self._draft)
        return [Alt("any", words)]


def _list(schema: JSONObject, word: str) -> list[JSONValue]:
    value = schema.get(word)
    return value if isinstance(value, list) else []


def typed(word: str, schema: JSONObject, draft: int) -> Alt:
    """The alternative of one type, its words in the spelling of draft 2020-12."""
    alt = Alt(word, words_of(schema, WORDS[word]))
    if word in ("number", "integer"):
        modern_bounds(alt.words, draft)
    elif word == "object":
        alt.shape = _shape(schema)
    elif word == "array":
        alt.items = _array(schema, draft)
    return alt


def words_of(schema: JSONObject, wanted: tuple[str, ...]) -> JSONObject:
    found = {word: schema[word] for word in wanted if schema.get(word) is not None}
    for word, value in found.items():
        expected = str if word in ("pattern", "format") else int | float
        if not isinstance(value, expected):
            raise SchemaError(f"{word} takes no {type(value).__name__}")
    return found


def modern_bounds(words: JSONObject, draft: int) -> None:
    """Draft 4 said ``exclusiveMinimum: true`` beside ``minimum``."""
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        value = words.get(exclusive)
        if value is True and bound in words:
            words[exclusive] = words.pop(bound)
        elif isinstance(value, bool) or (draft < 6 and value is not None):
            del words[exclusive]


def _shape(schema: JSONObject) -> ObjectShape:
    named = schema.get("properties")
    shape = ObjectShape(
        {name: (sub,) for name, sub in named.items()} if isinstance(named, dict) else {}
    )
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


def _array(schema: JSONObject, draft: int) -> ArrayShape:
    items = schema.get("items")
    prefix = schema.get("prefixItems")
    # Before draft 2020-12 tuples were written as a list under "items".
    if isinstance(prefix, list) and draft >= 2020:
        return ArrayShape([_single(sub) for sub in prefix], _single(items), "items" in schema)
    if isinstance(items, list):
        return ArrayShape(
            [_single(sub) for sub in items],
            _single(schema.get("additionalItems")),
            "additionalItems" in schema,
        )
    return ArrayShape([], _single(items))


def _single(schema: JSONValue) -> Conj:
    return ANYTHING if schema is None or schema is True or schema == {} else (schema,)


def literals(schema: JSONObject, types: list[str] | None, *, has_const: bool) -> list[Alt]:
    values = schema.get("enum", [])
    if not isinstance(values, list):
        raise SchemaError("enum is a list of values")
    if has_const and "const" in schema:
        values = [value for value in values or [schema["const"]] if same(value, schema["const"])]
    kinds = EVERY if types is None else {family(word) for word in types}
    return [
        Alt(kind, values=members)
        for kind, members in by_kind(distinct(values)).items()
        if kind in kinds
    ]
