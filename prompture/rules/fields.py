"""A JSON Schema seen as fields to fill: references followed, null taken out, each name understood."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from prompture.rules.labels import normalise
from prompture.rules.schemas import json_types, resolve
from prompture.rules.vocabulary import BUYER, CONCEPTS, PARTY_ROLES, SELLER, Concept

_GENERIC = frozenset(
    {
        "description",
        "text",
        "date",
        "number",
        "name",
        "value",
        "id",
        "title",
        "content",
        "details",
        "summary",
        "type",
    }
)
_CLAUSE = re.compile(r"[^.,;:(\n]{1,80}")
_AS_PRINTED = re.compile(
    r"\s+(?:as (?:it is )?(?:printed|written|stated|shown)|if (?:any|stated|given))\b.*",
    re.IGNORECASE,
)
# "weight_kg" is printed as "Weight".
_UNIT = re.compile(
    r"(?: in)? (?:kg|lbs?|oz|cm|mm|km|miles|percent|pct|eur|usd|gbp|minutes|mins|hours|hrs?|days|seconds|secs?|years|months|celsius)$"
)
_ITEM_CONCEPTS = (
    *(
        "quantity",
        "unit_price",
        "line_total",
        "item_description",
        "item_code",
        "unit",
        "tax_rate",
        "tax_total",
    ),
    *("discount", "position", "date", "currency"),
)
# A "number" outside a list is a number of the document, not the position of an item.
_ITEMS_ONLY = frozenset({"item_description", "position"})


@dataclass(frozen=True, slots=True)
class Field:
    """One property of an object schema. `types` are its JSON types without "null".

    `party` and `role` are set for a part of the seller or the buyer ("seller", "postcode"); `concept` names the
    row of the vocabulary that the field means, if any; `kind` says which parser reads its values.
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
    phrases: Mapping[str, float] = field(default_factory=dict)

    @property
    def hint(self) -> str:
        """The description and the examples, in lower case."""
        return f"{self.schema.get('description') or ''} {self.schema.get('examples') or ''}".lower()


def read_fields(
    schema: Mapping[str, Any],
    root: Mapping[str, Any],
    *,
    party: str | None = None,
    items: bool = False,
) -> list[Field]:
    """The fields of a resolved object schema, in order. `items`: the object is one row of a list."""
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return []
    required = schema.get("required")
    needed = (
        frozenset(name for name in required if isinstance(name, str))
        if isinstance(required, list)
        else frozenset()
    )
    return [
        make_field(str(name), part, root, required=str(name) in needed, party=party, items=items)
        for name, part in properties.items()
    ]


def make_field(
    name: str, part: Any, root: Mapping[str, Any], *, required: bool, party: str | None, items: bool
) -> Field:
    """Understand one property. `party` is the side whose object holds it."""
    schema, nullable = resolve(part, root)
    types = json_types(schema)
    own = own_phrases(name, schema)
    side, role = (party, _role(own)) if party else split_party(own)
    concept = None if side and role else find_concept(own, schema, items=items)
    phrases = {**(concept_labels(concept.name) if concept else {}), **dict.fromkeys(own, 1.0)}
    if concept is not None and normalise(name) in _GENERIC and not items:
        phrases = concept_labels(concept.name)
    if side and role in _ROLE_CONCEPTS:
        phrases = {**concept_labels(_ROLE_CONCEPTS[role]), **phrases}
    kind = field_kind(schema, types, own, concept, role)
    return Field(
        name, schema, types, nullable, required, kind,
        concept=concept.name if concept else None, party=side if role else None, role=role, phrases=phrases,
    )  # fmt: skip


def own_phrases(name: str, schema: Mapping[str, Any]) -> list[str]:
    """What the schema itself calls the field: name, title, and a short description, in normal form."""
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


def find_concept(own: list[str], schema: Mapping[str, Any], *, items: bool) -> Concept | None:
    """The vocabulary row that a field means. A vague name ("date") gives way to what the description says."""
    tries = own if own and own[0] not in _GENERIC else own[::-1]
    for phrase in tries:
        for concept in _by_name().get(phrase, ()):
            if items and concept.name in _ITEM_CONCEPTS:
                return concept
    for phrase in tries:
        for concept in _by_name().get(phrase, ()):
            if items or concept.name not in _ITEMS_ONLY:
                return concept
    return None


@lru_cache(maxsize=1)
def _by_name() -> dict[str, tuple[Concept, ...]]:
    table: dict[str, tuple[Concept, ...]] = {}
    for concept in CONCEPTS:
        for name in dict.fromkeys(normalise(name) for name in (*concept.names, concept.name)):
            table[name] = (*table.get(name, ()), concept)
    return table


@lru_cache(maxsize=256)
def _labels_of(name: str) -> tuple[tuple[str, float], ...]:
    concept = next(concept for concept in CONCEPTS if concept.name == name)
    weights: dict[str, float] = {}
    for rank, group in enumerate(concept.labels):
        for phrase in group:
            weights.setdefault(normalise(phrase), round(0.98 - 0.05 * rank, 3))
    return tuple(weights.items())


def concept_labels(name: str) -> dict[str, float]:
    """The labels of a concept in normal form, with their weights."""
    return dict(_labels_of(name))


@lru_cache(maxsize=1)
def side_words() -> tuple[tuple[str, str], ...]:
    """The words for each side in normal form, longest first: ("bill to name", "buyer")."""
    pairs = [(normalise(word), "seller") for word in SELLER] + [
        (normalise(word), "buyer") for word in BUYER
    ]
    return tuple(sorted(pairs, key=lambda pair: -len(pair[0])))


def split_party(own: list[str]) -> tuple[str | None, str | None]:
    """Read "vendor_city" as ("seller", "city"), "company" as ("seller", "name"); (None, None) otherwise."""
    for phrase in own[:2]:
        for word, side in side_words():
            if phrase == word:
                return side, "name"
            if phrase.startswith(word + " "):
                role = _role([phrase[len(word) + 1 :]])
                if role:
                    return side, role
    return None, None


@lru_cache(maxsize=1)
def _roles() -> dict[str, str]:
    return {normalise(word): role for role, words in PARTY_ROLES.items() for word in words}


def _role(own: list[str]) -> str | None:
    return next((_roles()[phrase] for phrase in own if phrase in _roles()), None)


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
    if "string" not in types or "number" in types:
        known = concept.kind if concept else ""
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
    if concept:
        return concept.kind
    description = str(schema.get("description") or "").lower()
    if "yyyy-mm-dd" in description or "iso 8601" in description:
        return "date"
    last = own[0].split()[-1] if own else ""
    return _LAST_WORDS.get(last, "text")
