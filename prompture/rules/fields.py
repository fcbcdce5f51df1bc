"""A JSON Schema as fields to fill: references followed, null taken out, each name understood."""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prompture.json_values import referenced
from prompture.rules import data
from prompture.rules.concepts import (
    Concept,
    Concepts,
    concept_labels,
    normalise,
    party_role,
    split_party,
)
from prompture.rules.forms import unit_wanted

MAX_DEPTH = 12  # references and unions inside one another
MAX_NESTING = 8
MAX_SECTIONS = 1000
"""A schema nested deeper, or with more objects inside objects, is read no further: it may be endless."""


def resolve(schema: Any, root: Mapping[str, Any], depth: int = 0) -> tuple[Mapping[str, Any], bool]:
    """Follow references and take "null" out: the schema of the value, and whether null is allowed."""
    # Nothing is known of it then: any text, or none, will do.
    if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
        return {}, True
    reference = schema.get("$ref")
    if isinstance(reference, str):
        target, nullable = resolve(referenced(root, reference, {}), root, depth + 1)
        return {**target, **{k: v for k, v in schema.items() if k != "$ref"}}, nullable
    for keyword in ("anyOf", "oneOf"):
        choices = schema.get(keyword)
        if isinstance(choices, list) and choices:
            return _union(schema, keyword, root, depth)
    parts = schema.get("allOf")
    if isinstance(parts, list) and parts:
        return _merged(schema, root, depth)
    types = schema.get("type")
    if isinstance(types, list):
        kept = [name for name in types if name != "null"]
        return {**schema, "type": kept[0] if len(kept) == 1 else kept}, "null" in types
    return schema, types == "null"


def _union(
    schema: Mapping[str, Any], keyword: str, root: Mapping[str, Any], depth: int
) -> tuple[Mapping[str, Any], bool]:
    outer = {k: v for k, v in schema.items() if k != keyword}
    resolved = [resolve(choice, root, depth + 1) for choice in schema[keyword]]
    nullable = any(null for _, null in resolved)
    real = [choice for choice, _ in resolved if choice.get("type") != "null"]
    if not real:
        return outer, True
    names = [choice.get("type") for choice in real]
    if len(real) > 1 and all(
        isinstance(name, str) and name not in {"object", "array"} for name in names
    ):
        merged: dict[str, Any] = {}
        # Reversed, so that the keywords of the first choice win.
        for choice in reversed(real):
            merged.update(choice)
        return {**merged, "type": names, **outer}, nullable
    return {**real[0], **outer}, nullable


def _merged(
    schema: Mapping[str, Any], root: Mapping[str, Any], depth: int
) -> tuple[Mapping[str, Any], bool]:
    merged: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    required: list[str] = []
    outer = {k: v for k, v in schema.items() if k != "allOf"}
    for part in [*schema["allOf"], outer]:
        inner, _ = resolve(part, root, depth + 1)
        merged.update(inner)
        if isinstance(inner.get("properties"), Mapping):
            properties.update(inner["properties"])
        if isinstance(inner.get("required"), list):
            required.extend(inner["required"])
    if properties:
        merged["properties"], merged["required"] = properties, required
    return merged, False


def json_types(schema: Mapping[str, Any]) -> frozenset[str]:
    """The JSON types a resolved schema names, or those its keywords and constants imply."""
    named = schema.get("type")
    if isinstance(named, str):
        return frozenset({named})
    if isinstance(named, list):
        return frozenset(name for name in named if isinstance(name, str))
    if "properties" in schema:
        return frozenset({"object"})
    if "items" in schema or "prefixItems" in schema:
        return frozenset({"array"})
    return frozenset({"string"})


_GENERIC = frozenset(data.words("labels", "generic"))
_CLAUSE = re.compile(r"[^.,;:(\n]{1,80}")
_AS_PRINTED = re.compile(
    r"\s+(?:as (?:it is )?(?:printed|written|stated|shown)|if (?:any|stated|given))\b.*",
    re.IGNORECASE,
)
# "weight_kg" is printed as "Weight".
_UNIT = re.compile(rf"(?: in)? (?:{'|'.join(data.words('labels', 'name_units'))})$")


@dataclass(frozen=True, slots=True)
class SchemaField:
    """One property of an object schema. `types` are its JSON types without "null".

    `party` and `role` are set for a part of the seller or the buyer ("seller", "postcode"); `concept` names the
    concept that the field means, if any; `kind` is the parser of its values (`parsers.read`); `unit` is what a
    number is counted in, where the field says so ("weight_kg").
    """

    name: str
    schema: Mapping[str, Any]
    types: frozenset[str]
    nullable: bool
    required: bool
    kind: str
    concept: str | None = None
    party: str | None = None
    role: str | None = None
    phrases: Mapping[str, float] = dataclasses.field(default_factory=dict)
    unit: str | None = None

    @property
    def hint(self) -> str:
        """The description and the examples, in lower case."""
        return f"{self.schema.get('description') or ''} {self.schema.get('examples') or ''}".lower()

    @property
    def as_printed(self) -> bool:
        """Whether the description asks for a name or a number in full, as it is printed."""
        return "printed" in self.hint or "full" in self.hint

    @property
    def choices(self) -> list[Any]:
        """The values that an enumeration allows."""
        if "const" in self.schema:
            return [self.schema["const"]]
        listed = self.schema.get("enum")
        return [value for value in listed if value is not None] if isinstance(listed, list) else []


@dataclass(frozen=True, slots=True)
class SchemaFields:
    """The fields of a schema. `root` is what its references point into; `concepts` give its names a meaning."""

    root: Mapping[str, Any]
    concepts: Concepts
    # By the id of a schema, which is kept beside so that the id stays its own.
    memo: dict[object, tuple[object, list[SchemaField]]] = dataclasses.field(default_factory=dict)

    def of(
        self, schema: Mapping[str, Any], *, party: str | None = None, items: bool = False
    ) -> list[SchemaField]:
        """The fields of a resolved object schema, in order. `party` is the side that the object is;
        `items`: the object is one item of a list."""
        key = (id(schema), party, items)
        if key not in self.memo:
            self.memo[key] = (schema, list(self._read(schema, party, items)))
        return self.memo[key][1]

    def _read(
        self, schema: Mapping[str, Any], party: str | None, items: bool
    ) -> Iterator[SchemaField]:
        properties = schema.get("properties")
        if not isinstance(properties, Mapping):
            return
        required = schema.get("required")
        needed = required if isinstance(required, list) else []
        for name, part in properties.items():
            yield self.one(str(name), part, required=str(name) in needed, party=party, items=items)

    def one(
        self,
        name: str,
        schema: object,
        *,
        required: bool = True,
        party: str | None = None,
        items: bool = False,
    ) -> SchemaField:
        """Understand one property."""
        inner, nullable = resolve(schema, self.root)
        types = json_types(inner)
        own = own_phrases(name, inner)
        # The description is left out here: "Name of the buyer's bank" is not the buyer.
        side, role = (party, party_role(own)) if party else split_party(own[:2])
        concept = None if side and role else self._concept(own, items)
        phrases = dict.fromkeys(own, 1.0)
        if concept is not None:
            labels = self.concepts.labels(concept.name)
            generic = normalise(name) in _GENERIC and not items
            # A field called "date" must not take every label "date" at full weight.
            phrases = dict(labels) if generic else {**labels, **phrases}
        if side and role in _ROLE_CONCEPTS:
            phrases = {**concept_labels(_ROLE_CONCEPTS[role]), **phrases}
        return SchemaField(
            name=name,
            schema=inner,
            types=types,
            nullable=nullable,
            required=required,
            kind=field_kind(inner, types, own, concept, role),
            concept=concept.name if concept else None,
            party=side if role else None,
            role=role,
            phrases=phrases,
            unit=unit_wanted(name, str(inner.get("description") or ""))
            if types & {"number", "integer"}
            else None,
        )

    def _concept(self, own: list[str], items: bool) -> Concept | None:
        """Of a vague name ("date") the description decides first."""
        vague = bool(own) and own[0] in _GENERIC
        return self.concepts.find(own[::-1] if vague or not own else own, items=items)

    def all(self, schema: object) -> list[SchemaField]:
        """Every field of a schema, however deep, each part of the schema once."""
        return list(self._deep(schema, items=False, depth=0, met={}))

    def _deep(
        self, schema: object, *, items: bool, depth: int, met: dict[tuple[int, bool], object]
    ) -> Iterator[SchemaField]:
        resolved, _ = resolve(schema, self.root)
        inner = resolved.get("items")
        if "array" in json_types(resolved) and isinstance(inner, Mapping):
            if depth <= MAX_NESTING:  # a list may be one of itself
                yield from self._deep(inner, items=True, depth=depth + 1, met=met)
            return
        key = (id(resolved.get("properties")), items)
        if key in met or depth > MAX_NESTING or len(met) > MAX_SECTIONS:
            return
        met[key] = resolved  # kept, so that its id stays its own
        for field in self.of(resolved, items=items):
            yield field
            if field.kind in {"object", "array"}:
                yield from self._deep(field.schema, items=items, depth=depth + 1, met=met)


def own_phrases(name: str, schema: Mapping[str, Any]) -> list[str]:
    """What the schema itself calls the field: name, title, and a short description, in normal form."""
    # In this order: ``split_party`` and ``field_kind`` trust the name most.
    found = [normalise(name)]
    title = schema.get("title")
    if isinstance(title, str):
        found.append(normalise(title))
    bare = _UNIT.sub("", found[0])
    if bare:
        found.append(bare)
    clause = _clause(schema)
    if clause and len(clause.split()) <= 4:
        found.append(clause)
    return list(dict.fromkeys(phrase for phrase in found if phrase))


def _clause(schema: Mapping[str, Any]) -> str:
    description = schema.get("description")
    match = _CLAUSE.match(description.strip()) if isinstance(description, str) else None
    return normalise(_AS_PRINTED.sub("", match.group())) if match else ""


_FORMATS = {
    "date": "date",
    "date-time": "datetime",
    "time": "time",
    "email": "email",
    "idn-email": "email",
    "uri": "uri",
    "url": "uri",
    "iri": "uri",
    "uuid": "uuid",
    "duration": "duration",
    "phone": "phone",
}
_ROLE_KINDS = {
    "vat_id": "vat_id",
    "phone": "phone",
    "email": "email",
    "tax_number": "identifier",
    "postcode": "postcode",
}
_ROLE_CONCEPTS = {
    "phone": "phone",
    "email": "email",
    "tax_number": "gst_number",
    "address": "address",
}
_LAST_WORDS = {
    "date": "date",
    "datum": "date",
    "number": "identifier",
    "id": "identifier",
    "code": "identifier",
    "reference": "identifier",
    "ref": "identifier",
    "email": "email",
    "mail": "email",
    "phone": "phone",
    "url": "uri",
    "website": "uri",
    "link": "uri",
    "amount": "money",
    "price": "money",
    "cost": "money",
    "fee": "money",
    "total": "money",
    "deposit": "money",
    "salary": "money",
    "rent": "money",
    "fare": "money",
    "revenue": "money",
    "income": "money",
    "budget": "money",
    "iban": "iban",
    "time": "time",
}


def field_kind(
    schema: Mapping[str, Any],
    types: frozenset[str],
    own: list[str],
    concept: Concept | None,
    role: str | None,
) -> str:
    """The parser for a field's values."""
    for structure in ("object", "array", "boolean"):
        if structure in types and not types & {"string", "number", "integer"}:
            return structure
    if isinstance(schema.get("enum"), list) or "const" in schema:
        return "enum"
    named = _FORMATS.get(str(schema.get("format")))
    if named:
        return named
    # A number that may be a string is what Pydantic makes of Decimal.
    if "string" not in types or "number" in types:
        known = concept.kind if concept else _LAST_WORDS.get(own[0].split()[-1] if own else "", "")
        return (
            known
            if known in {"money", "percent"}
            else "integer"
            if types == {"integer"}
            else "number"
        )
    return _text_kind(schema, own, concept, role)


def _text_kind(
    schema: Mapping[str, Any], own: list[str], concept: Concept | None, role: str | None
) -> str:
    if role:
        return _ROLE_KINDS.get(role, "address" if role == "address" else "text")
    description = str(schema.get("description") or "").lower()
    # Without a format, descriptions are how most schemas ask for a date.
    iso = "yyyy-mm" in description or "iso 8601" in description
    if concept:
        # A "day" is printed as "Monday", too.
        return "text" if own[:1] == ["day"] and not iso else concept.kind
    if iso:
        return "date"
    last = own[0].split()[-1] if own else ""
    return _LAST_WORDS.get(last, "text")
