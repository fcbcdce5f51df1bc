"""Read a text into a value of a JSON Schema, and the places that it was read from.

The reader walks the schema: the fields of an object compete for the labels of a text, nested objects are read
in their section, lists as tables, repeated blocks or separated values. Families are asked before the core.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import localcontext
from importlib.util import find_spec
from typing import Any

from prompture.errors import MissingExtra, UnsupportedError
from prompture.json_values import escape
from prompture.rules import sections, tables, unlabelled
from prompture.rules.concepts import all_concepts
from prompture.rules.families import DocumentFamily, Row, find_families
from prompture.rules.fields import (
    MAX_NESTING,
    MAX_SECTIONS,
    SchemaField,
    SchemaFields,
    json_types,
    resolve,
)
from prompture.rules.label_pairs import find_pairs
from prompture.rules.labelled import Index, choose, index_pairs, labelled, settle_claims
from prompture.rules.page import FieldCandidate, Page, TextRange, read_page
from prompture.rules.render import conforms
from prompture.types import EXACT, Span

MOST_CHARS = 2_000_000
MOST_LINES = 200_000
"""What is read in well under a minute and within a few hundred megabytes, whatever stands there."""

Places = tuple[Span, ...]
Spans = dict[str, Places]
# The property tables of the objects around, by id: a schema that meets itself is cut there.
Path = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What the rules read: a JSON value, and by JSON pointer (RFC 6901) the spans of every value that is not null."""

    value: Any
    spans: Mapping[str, tuple[Span, ...]] = dataclasses.field(default_factory=dict)


def extract(
    schema: Mapping[str, Any],
    text: str,
    *,
    today: date | None = None,
    region: str | None = None,
    families: Iterable[str] | None = None,
) -> Found:
    """Fill a JSON Schema from a text.

    A value that the text does not state, or states in two ways, is null (a property that is not required is left
    out). `region` is an ISO 3166 code ("US", "DE") for what the text leaves open: the order of 03/04/2024 and the
    country of telephone numbers. `today` only decides the century of a year of two digits. `families` names the
    kinds of documents to know about (`prompture.rules.families`): all that are installed, unless given.
    Raises UnsupportedError for a text of more than MOST_CHARS characters or MOST_LINES lines, MissingExtra when the
    packages of the extra "local" are not installed, and ConfigurationError for a family that does not exist.
    """
    _require_local()
    _require_short(text)
    asked = find_families(families)
    with localcontext(EXACT):  # the caller's own may round, or raise
        reader = Reader.of(schema, read_page(text, today=today, region=region), asked)
        value, spans = reader.read()
    return Found(value, spans)


def _require_short(text: str) -> None:
    lines = text.count("\n")
    if len(text) > MOST_CHARS or lines > MOST_LINES:
        error = UnsupportedError(
            f"local/rules reads texts of at most {MOST_CHARS:,} characters and {MOST_LINES:,} lines, and this one has "
            f"{len(text):,} and {lines:,}; extract from its parts one by one"
        )
        error.too_long = True
        raise error


def _require_local() -> None:
    """Refuse at once, not at the first document that needs the part that is missing."""
    for module, package in _PACKAGES:
        # find_spec looks on disk, so what was found is remembered; what was not may be installed
        # yet.
        if module in _FOUND:
            continue
        if find_spec(module) is None:
            raise MissingExtra(extra="local", package=package)
        _FOUND.add(module)


_FOUND: set[str] = set()
_PACKAGES = (
    ("rapidfuzz", "rapidfuzz"),
    ("dateparser", "dateparser"),
    ("price_parser", "price-parser"),
    ("email_validator", "email-validator"),
    ("phonenumbers", "phonenumbers"),
)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads one page into one schema. `index` holds the page's labels that the schema asks for."""

    fields: SchemaFields
    page: Page
    index: Index
    families: tuple[DocumentFamily, ...]
    entered: set[Path] = dataclasses.field(default_factory=set)

    @classmethod
    def of(
        cls, schema: Mapping[str, Any], page: Page, families: tuple[DocumentFamily, ...] = ()
    ) -> "Reader":
        """Index the page for every field the schema holds, however deep."""
        further = tuple(concept for family in families for concept in family.concepts)
        fields = SchemaFields(schema, all_concepts(further))
        wanted: set[str] = set()
        for field in fields.all(schema):
            wanted.update(field.phrases, *(family.labels(field) for family in families))
        # A name of signs alone has no normal form, and no label.
        wanted.discard("")
        index = index_pairs(find_pairs(page.layout, wanted), frozenset(wanted))
        return cls(fields, page, index, families)

    def read(self) -> tuple[Any, Spans]:
        """The value of the whole schema."""
        schema, _ = resolve(self.fields.root, self.fields.root)
        scope = TextRange(0, len(self.page.text))
        types = json_types(schema)
        if "object" in types:
            return self.object(schema, "", scope)
        field = self.fields.one(str(schema.get("title") or "value"), schema)
        if "array" in types:
            return self.array(field, "", scope)
        return self.scalar(field, "", scope)

    def scalar(self, field: SchemaField, pointer: str, scope: TextRange) -> tuple[Any, Spans]:
        """One value on its own."""
        best = choose(self.candidates(field, scope))
        return (None, {}) if best is None else (best.value, {pointer: best.spans})

    def candidates(self, field: SchemaField, scope: TextRange) -> list[FieldCandidate]:
        """All that a scope offers for a field: what stands by its labels, and what its kind or meaning finds."""
        found = list(labelled(field, self.index, self.page, scope))
        weighed = self._weighed(field, scope, found)
        # Last, for families and labels alike: what breaks the schema never competes, nor what goes over cells of CSV.
        return [one for one in weighed if conforms(field, one.value) and self._is_printed(one)]

    def _is_printed(self, one: FieldCandidate) -> bool:
        if self.page.text is self.page.printed:
            return True
        places = [slice(span.start, span.end) for span in one.spans]
        return all(self.page.text[place] == self.page.printed[place] for place in places)

    def _weighed(
        self, field: SchemaField, scope: TextRange, found: list[FieldCandidate]
    ) -> list[FieldCandidate]:
        # Passages come first: no family knows where one ends.
        if field.kind == "longtext":
            return sections.read_long(field, self.page, scope, self.index) or found
        for family in self.families:
            answer = family.candidates(field, self.page, scope, found, self.index)
            if answer is not None:
                return answer
        return unlabelled.weigh(field, self.page, scope, found)

    def object(
        self,
        schema: Mapping[str, Any],
        pointer: str,
        scope: TextRange,
        *,
        path: Path = (),
        party: str | None = None,
        items: bool = False,
        taken: frozenset[Places] = frozenset(),
    ) -> tuple[dict[str, Any], Spans]:
        """An object: its plain fields compete for labels, its objects and lists follow.

        `taken` are places that belong to the object around.
        """
        fields = self.fields.of(schema, party=party, items=items)
        inside = (*path, id(schema.get("properties")))
        best = self._plain(fields, scope, taken)
        # What the object itself took is not offered to the objects in it: a shop's name is not also its owner's.
        used = taken | {candidate.spans for candidate in best.values() if candidate is not None}
        value: dict[str, Any] = {}
        spans: Spans = {}
        for field in fields:
            at = f"{pointer}/{escape(field.name)}"
            chosen = best.get(field.name)
            found: Any = None
            where: Spans = {}
            if field.kind == "object":
                found, where = self.section(field, at, scope, path=inside, taken=used)
            elif field.kind == "array":
                found, where = self.array(field, at, scope, path=inside)
            elif chosen is not None:
                found, where = chosen.value, {at: chosen.spans}
            # A required property is null rather than missing: the schema's own check then names it.
            if found is not None or field.required:
                value[field.name] = found
                spans.update(where)
        return value, spans

    def _plain(
        self, fields: list[SchemaField], scope: TextRange, taken: frozenset[Places]
    ) -> dict[str, FieldCandidate | None]:
        plain = [field for field in fields if field.kind not in {"object", "array"}]
        free = {
            field.name: [one for one in self.candidates(field, scope) if one.spans not in taken]
            for field in plain
        }
        return {name: choose(found) for name, found in settle_claims(free).items()}

    def section(
        self,
        field: SchemaField,
        pointer: str,
        scope: TextRange,
        *,
        path: Path,
        taken: frozenset[Places],
    ) -> tuple[Any, Spans]:
        """A nested object: a party, or what stands under the heading of its name, or among all.

        Read among all, it may not take the places that the object around it has `taken`. A schema that holds
        itself is read once: labels do not show how a printed tree nests.
        """
        if not self._enters(field.schema, path):
            return None, {}
        side = next((side for family in self.families if (side := family.side(field))), None)
        if side is not None:
            value, spans = self.object(field.schema, pointer, scope, path=path, party=side)
            return self._filled(field, value, spans)
        under = sections.section_scope(field, self.page, scope)
        value, spans = self.object(
            field.schema, pointer, under or scope, path=path, taken=frozenset() if under else taken
        )
        return self._filled(field, value, spans)

    def _enters(self, schema: Mapping[str, Any], path: Path) -> bool:
        """Whether a nested schema may be read: it is no part of itself, and the schema is not endless."""
        table = schema.get("properties")
        if table is None or id(table) in path or len(path) > MAX_NESTING:
            return False
        self.entered.add((*path, id(table)))
        # By paths, not by tables: two objects that share a definition are two sections.
        return len(self.entered) <= MAX_SECTIONS

    def _filled(self, field: SchemaField, value: dict[str, Any], spans: Spans) -> tuple[Any, Spans]:
        """An object in which nothing was found is null where that is allowed or the object may be absent."""
        if spans or not (field.nullable or not field.required):
            return value, spans
        return None, {}

    def array(
        self, field: SchemaField, pointer: str, scope: TextRange, *, path: Path = ()
    ) -> tuple[Any, Spans]:
        """A list: rows of a table, repeated blocks, references, or strings of a kind."""
        item, _ = resolve(field.schema.get("items") or {}, self.fields.root)
        if "object" in json_types(item) and "properties" in item:
            if id(item["properties"]) in path or len(path) > MAX_NESTING:
                return self._empty(field), {}
            return self._objects(field, item, pointer, scope, path)
        described = field.schema.get("description") or item.get("description", "")
        single = self.fields.one(field.name, {**item, "description": described})
        found = self._listed(single, scope)
        if not found:
            return self._empty(field), {}
        spans = {f"{pointer}/{number}": candidate.spans for number, candidate in enumerate(found)}
        return [candidate.value for candidate in found], spans

    def _listed(self, single: SchemaField, scope: TextRange) -> list[FieldCandidate]:
        for family in self.families:
            answer = family.values(single, self.page, scope)
            if answer is not None:
                return [one for one in answer if self._is_printed(one)]
        found = sections.read_list(single, self.page, scope, self.index) or tables.read_column(
            single, self.page, scope
        )
        return [one for one in found if self._is_printed(one)]

    def _empty(self, field: SchemaField) -> Any:
        """Nothing found: an empty list would claim that the text states none."""
        return None if field.nullable or not field.required else []

    def _objects(
        self,
        field: SchemaField,
        item: Mapping[str, Any],
        pointer: str,
        scope: TextRange,
        path: Path,
    ) -> tuple[Any, Spans]:
        fields = self.fields.of(item, items=True)
        rows = self._rows(field, fields, scope)
        if rows:
            return _written(rows, fields, pointer)
        values: list[Any] = []
        spans: Spans = {}
        inner = [*fields, *self.fields.all(item)]
        for part in sections.repeated(inner, self.page, scope, self.index):
            at = f"{pointer}/{len(values)}"
            value, where = self._in_part(item, at, part, scope, path)
            if where:
                values.append(value)
                spans.update(where)
        # One block with one value is any label of the document, not a list.
        if len(values) == 1 and not scope.start and len(spans) < 2:
            return self._empty(field), {}
        return (values, spans) if values else (self._empty(field), {})

    def _rows(
        self, field: SchemaField, fields: list[SchemaField], scope: TextRange
    ) -> Sequence[Row]:
        for family in self.families:
            answer = family.rows(field, fields, self.page, scope)
            if answer is not None:
                return answer
        return tables.read_rows(fields, self.page, scope)

    def _in_part(
        self, item: Mapping[str, Any], at: str, part: TextRange, scope: TextRange, path: Path
    ) -> tuple[Any, Spans]:
        """One block of a list. What no block states is read from before the first block: it holds for all."""
        value, spans = self.object(item, at, part, path=path)
        # Nothing of its own: the block is no item, and a date alone would make it one.
        if not spans:
            return value, spans
        # Only dates: the head of a notice dates all its entries, but its other values are its own.
        head = TextRange(0, scope.start) if scope.start else TextRange(0, part.start)
        for field in self.fields.of(item):
            if value.get(field.name) is None and field.kind == "date":
                found, where = self.scalar(field, f"{at}/{escape(field.name)}", head)
                if found is not None:
                    value[field.name] = found
                    spans.update(where)
        return value, spans


def _written(
    rows: Sequence[Row], fields: list[SchemaField], pointer: str
) -> tuple[list[Any], Spans]:
    values: list[Any] = []
    spans: Spans = {}
    for number, row in enumerate(rows):
        value: dict[str, Any] = {}
        for field in fields:
            found = row.get(field.name)
            if found is not None and (
                conforms(field, found.value) or isinstance(found.value, list)
            ):
                value[field.name] = found.value
                at = f"{pointer}/{number}/{escape(field.name)}"
                leaves = (
                    [f"{at}/{place}" for place in range(len(found.value))]
                    if isinstance(found.value, list)
                    else [at]
                )
                spans.update(dict.fromkeys(leaves, found.spans))
            elif field.required:
                value[field.name] = [] if field.kind == "array" and not field.nullable else None
        values.append(value)
    return values, spans
