"""Schemas to alternatives: every draft's spelling, references, allOf, anyOf, oneOf, if, enum and const."""

from __future__ import annotations

from typing import Any

from prompture.errors import SchemaError
from prompture.schema.rewriting.alts import NOTHING, WORDS, Alt, Conj, meet_all, noted
from prompture.schema.rewriting.asides import side_notes
from prompture.schema.rewriting.guard import Survey
from prompture.schema.rewriting.merging import merged
from prompture.schema.rewriting.refs import Resolver
from prompture.schema.rewriting.typed import literals, modern_bounds, typed, words_of

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
    """Expands the schemas of one document; ``exact`` reads them by the letter (see :func:`..rewriting.rewrite`)."""

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
                found = meet_all(found, merged(branches))
        if self._draft >= 7 and "if" in schema and "then" in schema and "else" in schema:
            branches = [*self.one(schema["then"]), *self.one(schema["else"])]
            found = meet_all(found, merged(branches))
        return merged(found)

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
            return literals(schema, types, has_const=self._draft >= 6)
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
            words = words_of(schema, _ALL_WORDS)
            modern_bounds(words, self._draft)
            return [*found, Alt("any", words, but=frozenset(alt.kind for alt in found))]
        if found:
            return found
        hinted = dict.fromkeys(kind for word, kind in _HINTS if word in schema)
        if len(hinted) == 1 and schema.keys().isdisjoint(_JOINS):
            return [typed(next(iter(hinted)), schema, self._draft)]
        words = words_of(schema, _ALL_WORDS)
        modern_bounds(words, self._draft)
        return [Alt("any", words)]


def _list(schema: dict[str, Any], word: str) -> list[Any]:
    value = schema.get(word)
    return value if isinstance(value, list) else []
