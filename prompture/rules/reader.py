"""Walks a schema and fills it: fields of an object together, nested objects in their section, lists by kind."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prompture.rules import amounts, blocks, lists, sources, tables
from prompture.rules.candidates import Index, index_pairs, labelled
from prompture.rules.choose import choose, settle_claims
from prompture.rules.citations import is_reference, read_references
from prompture.rules.fields import Field, make_field, read_fields
from prompture.rules.page import Candidate, Page, Scope
from prompture.rules.pairs import find_pairs
from prompture.rules.render import conforms
from prompture.rules.schemas import json_types, resolve
from prompture.types import Span

MAX_NESTING = 8

MAX_SECTIONS = 1000

Places = tuple[Span, ...]
Spans = dict[str, Places]
# The property tables of the objects around, by id: a schema that meets itself is cut there.
Path = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Reader:
    """A schema and a page, with the page's labels indexed for the words of the schema."""

    root: Mapping[str, Any]
    page: Page
    index: Index

    @classmethod
    def of(cls, schema: Mapping[str, Any], page: Page) -> "Reader":
        """Index the page for every field the schema holds, however deep."""
        wanted: set[str] = set()
        for name in all_fields(schema):
            wanted.update(name.phrases)
            if name.concept in amounts.SUMS:
                wanted.update(amounts.witnesses())
        wanted.discard("")
        page.memo["wanted"] = frozenset(wanted)
        return cls(schema, page, index_pairs(find_pairs(page.layout, wanted)))

    def read(self) -> tuple[Any, Spans]:
        """The value of the whole schema."""
        schema, _ = resolve(self.root, self.root)
        scope = Scope(0, len(self.page.text))
        types = json_types(schema)
        if "object" in types:
            value, spans = self.object(schema, "", scope)
            return value, spans
        title = str(schema.get("title") or "value")
        name = make_field(title, schema, self.root, required=True, items=False, party=None)
        if "array" in types:
            return self.array(name, "", scope)
        return self.scalar(name, "", scope)

    def fields(self, schema: Mapping[str, Any], *, party: str | None, items: bool) -> list[Field]:
        """The fields of a schema, understood once; the memo holds the schema so that its id stays its own."""
        key = ("fields", id(schema), party, items)
        memo = self.page.memo
        if key not in memo:
            memo[key] = (schema, read_fields(schema, self.root, party=party, items=items))
        fields: list[Field] = memo[key][1]
        return fields

    def scalar(self, name: Field, pointer: str, scope: Scope) -> tuple[Any, Spans]:
        """One value on its own."""
        best = choose(self.candidates(name, scope))
        return (None, {}) if best is None else (best.value, {pointer: best.spans})

    def candidates(self, name: Field, scope: Scope) -> list[Candidate]:
        """All that a scope offers for a field: what stands by its labels, and what its kind or meaning finds."""
        found = list(labelled(name, self.index, self.page, scope))
        weighed = sources.weigh(name, self.page, scope, found, self.index)
        return [one for one in weighed if conforms(name, one.value)]

    def object(
        self,
        schema: Mapping[str, Any],
        pointer: str,
        scope: Scope,
        *,
        path: Path = (),
        party: str | None = None,
        items: bool = False,
        taken: frozenset[Places] = frozenset(),
    ) -> tuple[dict[str, Any], Spans]:
        """An object: its plain fields compete for labels, its objects and lists follow.

        `taken` are places that belong to the object around.
        """
        fields = self.fields(schema, party=party, items=items)
        inside = (*path, id(schema.get("properties")))
        best = self._plain(fields, scope, taken)
        used = taken | {candidate.spans for candidate in best.values() if candidate is not None}
        value: dict[str, Any] = {}
        spans: Spans = {}
        for name in fields:
            at = f"{pointer}/{escape(name.name)}"
            chosen = best.get(name.name)
            found: Any = None
            where: Spans = {}
            if name.kind == "object":
                found, where = self.section(name, at, scope, path=inside, taken=used)
            elif name.kind == "array":
                found, where = self.array(name, at, scope, path=inside)
            elif chosen is not None:
                found, where = chosen.value, {at: chosen.spans}
            if found is not None or name.required:
                value[name.name] = found
                spans.update(where)
        return value, spans

    def _plain(
        self, fields: list[Field], scope: Scope, taken: frozenset[Places]
    ) -> dict[str, Candidate | None]:
        plain = [name for name in fields if name.kind not in {"object", "array"}]
        free = {
            name.name: [one for one in self.candidates(name, scope) if one.spans not in taken]
            for name in plain
        }
        return {name: choose(found) for name, found in settle_claims(free).items()}

    def section(
        self, name: Field, pointer: str, scope: Scope, *, path: Path, taken: frozenset[Places]
    ) -> tuple[Any, Spans]:
        """A nested object: a party, or what stands under the heading of its name, or among all.

        Read among all, it may not take the places that the object around it has `taken`. A schema that holds
        itself is read once: a text does not print trees in a way that labels tell.
        """
        if not self._enters(name.schema, path):
            return None, {}
        if name.party and name.role == "name":
            value, spans = self.object(name.schema, pointer, scope, path=path, party=name.party)
            return self._filled(name, value, spans)
        under = blocks.section_scope(name, self.page, scope)
        value, spans = self.object(
            name.schema, pointer, under or scope, path=path, taken=frozenset() if under else taken
        )
        return self._filled(name, value, spans)

    def _enters(self, schema: Mapping[str, Any], path: Path) -> bool:
        """Whether a nested schema may be read: it is no part of itself, and the schema is not endless."""
        table = schema.get("properties")
        if table is None or id(table) in path or len(path) > MAX_NESTING:
            return False
        entered: set[Path] = self.page.memo.setdefault("entered", set())
        entered.add((*path, id(table)))
        return len(entered) <= MAX_SECTIONS

    def _filled(self, name: Field, value: dict[str, Any], spans: Spans) -> tuple[Any, Spans]:
        """An object in which nothing was found is null where that is allowed or the object may be absent."""
        if spans or not (name.nullable or not name.required):
            return value, spans
        return None, {}

    def array(
        self, name: Field, pointer: str, scope: Scope, *, path: Path = ()
    ) -> tuple[Any, Spans]:
        """A list: rows of a table, repeated blocks, references, or strings of a kind."""
        item, _ = resolve(name.schema.get("items") or {}, self.root)
        if "object" in json_types(item) and "properties" in item:
            if id(item["properties"]) in path or len(path) > MAX_NESTING:
                return self._empty(name), {}
            return self._objects(name, item, pointer, scope, path)
        single = make_field(name.name, {**item, "description": name.schema.get("description") or item.get("description", "")},
                            self.root, required=True, items=False, party=None)  # fmt: skip
        found = lists.read_list(single, self.page, scope, self.index)
        if not found:
            return self._empty(name), {}
        spans = {f"{pointer}/{number}": candidate.spans for number, candidate in enumerate(found)}
        return [candidate.value for candidate in found], spans

    def _empty(self, name: Field) -> Any:
        """Nothing found: an empty list would claim that the text states none."""
        return None if name.nullable or not name.required else []

    def _objects(
        self, name: Field, item: Mapping[str, Any], pointer: str, scope: Scope, path: Path
    ) -> tuple[Any, Spans]:
        fields = read_fields(item, self.root, items=True)
        if is_reference(name, fields):
            rows = read_references(fields, self.page, scope)
        else:
            rows = tables.read_rows(fields, self.page, scope)
        if rows:
            return _rows(rows, fields, pointer)
        values: list[Any] = []
        spans: Spans = {}
        for part in self._parts(fields, scope, item):
            at = f"{pointer}/{len(values)}"
            value, where = self._in_part(item, at, part, scope, path)
            if where:
                values.append(value)
                spans.update(where)
        if len(values) == 1 and not scope.start and len(spans) < 2:
            return self._empty(name), {}
        return (values, spans) if values else (self._empty(name), {})

    def _parts(self, fields: list[Field], scope: Scope, item: Mapping[str, Any]) -> Iterator[Scope]:
        inner = [*fields, *all_fields(item, self.root)]
        yield from blocks.repeated(inner, self.page, scope, self.index)

    def _in_part(
        self, item: Mapping[str, Any], at: str, part: Scope, scope: Scope, path: Path
    ) -> tuple[Any, Spans]:
        """One block of a list. What no block states is read from before the first block: it holds for all."""
        value, spans = self.object(item, at, part, path=path)
        if not spans:
            return value, spans
        head = Scope(0, scope.start) if scope.start else Scope(0, part.start)
        for name in self.fields(item, party=None, items=False):
            if value.get(name.name) is None and name.kind == "date":
                found, where = self.scalar(name, f"{at}/{escape(name.name)}", head)
                if found is not None:
                    value[name.name] = found
                    spans.update(where)
        return value, spans


def _rows(
    rows: list[dict[str, Candidate]], fields: list[Field], pointer: str
) -> tuple[list[Any], Spans]:
    values: list[Any] = []
    spans: Spans = {}
    for number, row in enumerate(rows):
        value: dict[str, Any] = {}
        for name in fields:
            found = row.get(name.name)
            if found is not None and (conforms(name, found.value) or isinstance(found.value, list)):
                value[name.name] = found.value
                at = f"{pointer}/{number}/{escape(name.name)}"
                leaves = (
                    [f"{at}/{place}" for place in range(len(found.value))]
                    if isinstance(found.value, list)
                    else [at]
                )
                spans.update(dict.fromkeys(leaves, found.spans))
            elif name.required:
                value[name.name] = [] if name.kind == "array" and not name.nullable else None
        values.append(value)
    return values, spans


def escape(name: str) -> str:
    """A property name as one step of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def all_fields(
    schema: Mapping[str, Any],
    root: Mapping[str, Any] | None = None,
    *,
    items: bool = False,
    depth: int = 0,
    seen: dict[tuple[int, bool], Any] | None = None,
) -> Iterator[Field]:
    """Every field of a schema, however deep, each part of the schema once (`seen` keeps the parts, so ids stay theirs)."""
    base = schema if root is None else root
    met = {} if seen is None else seen
    resolved, _ = resolve(schema, base)
    if "array" in json_types(resolved) and isinstance(resolved.get("items"), Mapping):
        yield from all_fields(resolved["items"], base, items=True, depth=depth, seen=met)
        return
    key = (id(resolved.get("properties")), items)
    if key in met or depth > MAX_NESTING or len(met) > MAX_SECTIONS:
        return
    met[key] = resolved
    for name in read_fields(resolved, base, items=items):
        yield name
        if name.kind in {"object", "array"}:
            yield from all_fields(name.schema, base, items=items, depth=depth + 1, seen=met)
