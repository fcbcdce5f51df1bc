"""One schema for one dialect: walks the alternatives, keeps the definitions, and asks one module a rewrite."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from typing import Any

from prompture.errors import SchemaError
from prompture.schema.lens.alts import ANYTHING, Alt, Conj
from prompture.schema.lens.arrays import array
from prompture.schema.lens.change import Change
from prompture.schema.lens.choice import Choice
from prompture.schema.lens.codec import SAME, TEXT, Codec, Later
from prompture.schema.lens.conform import Wire
from prompture.schema.lens.dialects import Dialect
from prompture.schema.lens.expand import SCALARS, Expander, typed
from prompture.schema.lens.guard import Survey
from prompture.schema.lens.kinds import EVERY
from prompture.schema.lens.leaves import literal, scalar
from prompture.schema.lens.names import Names
from prompture.schema.lens.node import Node, Spot
from prompture.schema.lens.notes import annotate, in_words
from prompture.schema.lens.objects import obj
from prompture.schema.lens.refs import RefGraph, Resolver
from prompture.schema.lens.unions import choose

ASSERTIONS = frozenset(
    [
        "type",
        "enum",
        "const",
        "$ref",
        "$dynamicRef",
        "$recursiveRef",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
        "if",
        "dependencies",
        "dependentRequired",
        "dependentSchemas",
        "properties",
        "patternProperties",
        "additionalProperties",
        "required",
        "propertyNames",
        "minProperties",
        "maxProperties",
        "items",
        "prefixItems",
        "additionalItems",
        "contains",
        "minContains",
        "maxContains",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minLength",
        "maxLength",
        "pattern",
        "format",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "unevaluatedProperties",
        "unevaluatedItems",
    ]
)
_REF = frozenset({"$ref"})
_UNIONS = (frozenset({"anyOf"}), frozenset({"oneOf"}))
_ALL = frozenset({"allOf"})
_JOINS = frozenset({"$ref", "$dynamicRef", "$recursiveRef", "allOf", "anyOf", "oneOf", "if", "not"})
_NESTING = 30
_SKETCH = 1_000
_INK = 60_000
_CHANGES = 5_000
_NODES = 60_000
_CIRCLE = "a $ref leads to nothing but itself"
_OBJECT = frozenset({"object"})


class Crowded(Exception):
    """Cycles of references, written out, take too much room: go round them less often."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What a schema gives up to stay within the limits.

    Attributes:
        depth: objects and arrays further in than this become text.
        texts: the schemas, known by the id() of their parts, that become text.
        fields: the root names at most so many properties; the others go into the field for the rest.
        turns: how often a cycle of references is gone round where a dialect has no recursion.
        limit: the limit it is for, in words.
    """

    depth: int | None = None
    texts: frozenset[tuple[int, ...]] = frozenset()
    fields: int | None = None
    turns: int = 3
    limit: str = ""


class Compiler:
    """The state of one compilation."""

    def __init__(
        self,
        root: Any,
        found: Survey,
        dialect: Dialect,
        *,
        exact: bool,
        cut: Cut | None = None,
    ) -> None:
        self.root = root
        self.dialect = dialect
        self.exact = exact
        self.cut = cut or Cut()
        self.cap = self.cut.depth
        self.properties = 0
        self.root_key: tuple[int, ...] = ()
        self._root_schema: Any = root
        self._root_codec = Later()
        self.result: dict[str, Any] = {}
        self.changes: list[Change] = []
        self.defs: dict[str, Any] = {}
        self.wire = Wire(self.defs, prefix="#/$defs/", closed=dialect.closed != "open")
        self.pending: list[tuple[Choice, Spot]] = []
        self.sizes: dict[tuple[int, ...], int] = {}
        self._resolver = Resolver(root if isinstance(root, dict) else {}, found)
        self._expander = Expander(self._resolver, found, exact=exact)
        self._alone = found.alone
        self._draft = found.draft if exact else 2020
        self._graph = RefGraph(root, self._resolver) if found.refs else None
        self._names = Names()
        self._later: dict[tuple[Any, ...], tuple[str, Later, frozenset[str]]] = {}
        self._queue: deque[tuple[str, Conj, Spot, Later]] = deque()
        self._inside: list[tuple[int, ...]] = []
        self._kept: list[Any] = []
        self.spent = 0
        self.room = 3_000 + 2 * found.nodes
        self._ink = _INK
        self._sketches: dict[tuple[int, ...], str] = {}
        limits = dialect.limits
        self._optionals = limits.optionals
        self._unions = limits.unions
        self._enums = limits.enum_values
        self._chars = limits.chars and limits.chars // 2

    # budgets and small things that the rewrites ask for

    def change(self, spot: Spot, rewrite: str, reason: str, *, unenforced: bool = False) -> None:
        if len(self.changes) < _CHANGES:
            self.changes.append(Change(spot.pointer, rewrite, reason, unenforced))

    def keep(self, schema: Any) -> Any:
        """A schema made here, kept alive: schemas are known by their id()."""
        self._kept.append(schema)
        return schema

    def closing(self, *, is_open: bool = False) -> dict[str, Any]:
        """``additionalProperties: false`` where the dialect says so."""
        if is_open or self.dialect.closed == "nature":
            return {}
        return {"additionalProperties": False}

    def ordered(self, schema: dict[str, Any]) -> dict[str, Any]:
        if self.dialect.name.startswith("gemini") and len(schema["properties"]) > 1:
            schema["propertyOrdering"] = list(schema["properties"])
        return schema

    def afford_optionals(self, names: list[str]) -> set[str]:
        """Of properties that may be left out, those that the dialect can leave out."""
        if self.dialect.all_required:
            return set()
        if self._optionals is None:
            return set(names)
        granted = names[: max(self._optionals, 0)]
        self._optionals -= len(granted)
        return set(granted)

    def afford_union(self) -> bool:
        if self._unions is None:
            return True
        self._unions -= 1
        return self._unions >= 0

    def refund_union(self) -> None:
        if self._unions is not None:
            self._unions += 1

    def afford_enum(self, values: list[Any]) -> bool:
        limits = self.dialect.limits
        size = sum(len(value if isinstance(value, str) else json.dumps(value)) for value in values)
        if (
            limits.long_enum is not None
            and len(values) > limits.long_enum
            and size > (limits.long_enum_chars or 0)
        ):
            return False
        if self._enums is not None and self._enums < len(values):
            return False
        if self._chars is not None and self._chars < size:
            return False
        self._enums = None if self._enums is None else self._enums - len(values)
        self._chars = None if self._chars is None else self._chars - size
        return True

    def sketch(self, named: dict[str, Conj]) -> str:
        """Properties that are described, not typed."""
        return "among them " + _sketch(
            ({"properties": {n: conj[0] if conj else True for n, conj in named.items()}},)
        )

    # nodes

    def compile(self) -> tuple[dict[str, Any], Codec]:
        """The rewritten root and its codec."""
        spot = Spot()
        node = self._root_node(spot)
        self._root_codec.target = node.codec
        self.wire.root = node.schema
        if self._needs_wrap(node.schema):
            node = self._wrapped(node, spot)
        while self._queue:
            name, conj, within, later = self._queue.popleft()
            found = self.node(conj, within)
            self.defs[name] = found.schema
            later.target = found.codec
        for choice, within in self.pending:
            for label in choice.settle(const=self.dialect.const, closing=self.closing()):
                self.change(
                    within,
                    "tag",
                    f"a branch is put under the tag {label!r}, for its values look like another's",
                )
        schema = node.schema
        if self.defs:
            schema = {**schema, "$defs": self.defs}
        self.result = schema
        return schema, node.codec

    def _root_is_record(self) -> bool:
        """The root stays the object that it is, so that it can be referred to."""
        if not self.dialect.self_ref or self.cut != Cut(turns=self.cut.turns):
            return False
        alts = self._expander.conj((self._root_schema,))
        return len(alts) == 1 and alts[0].shape is not None and bool(alts[0].shape.properties)

    def _root_node(self, spot: Spot) -> Node:
        """The root, a bare reference followed: a definition cannot be the root everywhere."""
        root, seen = self.root, set()
        while isinstance(root, dict) and self._is_only(root, _REF):
            if id(root) in seen:
                raise SchemaError(_CIRCLE)
            seen.add(id(root))
            target = self._resolver.target(root)
            spot = spot.at("$ref")
            if (
                self._graph
                and isinstance(target, dict)
                and (cycle := self._graph.cycle_of.get(id(target)))
            ):
                spot = Spot(spot.pointer, cycle=cycle)
            root = target
        self.root_key, self._root_schema = (id(root),), root
        return self.node((root,), spot)

    def _needs_wrap(self, schema: dict[str, Any]) -> bool:
        if self.dialect.some_required and not schema.get("required"):
            return True
        return self.dialect.root_object and (schema.get("type") != "object" or "nullable" in schema)

    def _wrapped(self, node: Node, spot: Spot) -> Node:
        from prompture.schema.lens.wrap import Wrap

        name = "items" if node.schema.get("type") == "array" else "value"
        self.change(
            spot,
            "root",
            f"the whole is put under {name!r}: the root must be an object in {self.dialect.name}",
        )
        schema = {
            "type": "object",
            "properties": {name: node.schema},
            "required": [name],
            **self.closing(),
        }
        return Node(schema, Wrap(node.codec, name), node.kinds)

    def node(self, conj: Conj, spot: Spot) -> Node:
        """What schemas that hold together become."""
        self.spent += 1
        if self.spent > _NODES:
            raise SchemaError(f"the schema is larger than {_NODES:,} parts in {self.dialect.name}")
        conj = tuple(part for part in conj if part is not True and part != {})
        if len(conj) == 1 and isinstance(conj[0], dict):
            found = self._direct(conj[0], spot)
            if found is not None:
                return self._described(found, conj)
        key = tuple(map(id, conj))
        if key in self.cut.texts:
            return self._described(
                self.text(conj, spot, why=f"{self.dialect.name} {self.cut.limit}"), conj
            )
        if conj and (key in self._inside or len(self._inside) > _NESTING or self._is_crowded()):
            return self._described(self._define(conj, spot), conj)
        alts = self._expander.conj(conj)
        if not alts:
            return self.never(spot)
        for note in dict.fromkeys(note for alt in alts for note in alt.notes):
            self.change(
                spot, "constraint", f'"{note}" is only said in the description', unenforced=True
            )
        before = self.properties
        self._inside.append(key)
        nodes = [self.alternative(alt, spot, conj) for alt in alts]
        self._inside.pop()
        if self.properties > before:
            self.sizes[key] = self.sizes.get(key, 0) + self.properties - before
        return self._described(choose(self, nodes, spot), conj)

    def _direct(self, schema: dict[str, Any], spot: Spot) -> Node | None:
        """Short cuts: a scalar, a bare reference, a bare union, one allOf."""
        kind = schema.get("type")
        if (
            isinstance(kind, str)
            and kind in SCALARS
            and "enum" not in schema
            and "const" not in schema
            and self._is_leaf(schema)
        ):
            return scalar(self, typed(kind, schema, self._draft), spot)
        if "$ref" in schema:
            return (
                self._referred(schema, spot) if self._is_only(schema, _REF) or self._alone else None
            )
        words = schema.keys() & ASSERTIONS
        if words in _UNIONS:
            return self._union(schema, next(iter(words)), spot)
        if words == _ALL and len(schema["allOf"]) == 1:
            return self.node((schema["allOf"][0],), spot.at("allOf", "0"))
        return None

    def _is_leaf(self, schema: dict[str, Any]) -> bool:
        return schema.keys().isdisjoint(_JOINS)

    def _is_only(self, schema: dict[str, Any], words: frozenset[str]) -> bool:
        return (schema.keys() & ASSERTIONS) == words

    def _union(self, schema: dict[str, Any], word: str, spot: Spot) -> Node | None:
        branches = schema[word]
        if not isinstance(branches, list) or not branches:
            return None
        if all(
            isinstance(part, dict) and ("const" in part or "enum" in part) and self._is_leaf(part)
            for part in branches
        ):
            return None  # the alternatives merge into one enum
        nodes = [self.node((part,), spot.at(word, str(i))) for i, part in enumerate(branches)]
        if word == "oneOf":
            said = "one of several becomes any of several"
            self.change(spot, "oneOf", said, unenforced="discriminator" not in schema)
        return choose(self, [node for node in nodes if node.kinds], spot)

    def alternative(self, alt: Alt, spot: Spot, conj: Conj = ANYTHING) -> Node:
        """What values of one kind become."""
        if alt.values is not None:
            return literal(self, alt, spot)
        if alt.kind in SCALARS:
            return scalar(self, alt, spot)
        if alt.kind == "any":
            return self._any(alt, spot)
        if self.cap is not None and spot.depth >= self.cap:
            why = f"{self.dialect.name} nests no deeper than {self.cap} levels"
            return self.text(conj, spot, why=why, kinds=alt.kinds())
        return obj(self, alt, spot) if alt.kind == "object" else array(self, alt, spot)

    def _any(self, alt: Alt, spot: Spot) -> Node:
        kinds = alt.kinds()
        notes = [in_words(word, value) for word, value in alt.words.items()] + list(alt.notes)
        for said in notes[: len(alt.words)]:
            self.change(
                spot, "constraint", f'"{said}" is only said in the description', unenforced=True
            )
        if self.dialect.any:
            schema: dict[str, Any] = {}
            annotate(schema, None, notes)
            return Node(schema, SAME, kinds, null="null" in kinds, label="any")
        node = self.text(ANYTHING, spot, why=None, kinds=kinds)
        annotate(node.schema, None, notes)
        return node

    def text(
        self, conj: Conj, spot: Spot, *, why: str | None, kinds: frozenset[str] = EVERY
    ) -> Node:
        """A string holding JSON."""
        note = "any JSON value, as JSON text"
        if conj:
            sketch = self._sketched(conj)
            note = f"JSON text of a value of this JSON Schema: {sketch}"
        reason = (
            "any value becomes JSON text" if why is None else f"becomes JSON text, because {why}"
        )
        self.change(spot, "text", reason, unenforced=True)
        schema: dict[str, Any] = {"type": "string", "description": note}
        return Node(schema, TEXT, kinds, label="json")

    def _sketched(self, conj: Conj) -> str:
        """The schema in short, in full only for the first few."""
        key = tuple(map(id, conj))
        known = self._sketches.get(key)
        if known is None:
            known = self._sketches[key] = _sketch(conj)
        most = _SKETCH if self._ink > 0 else 80
        self._ink -= len(known)
        return known if len(known) <= most else known[: most - 1] + "…"

    def text_of(self, nodes: list[Node], spot: Spot, *, why: str) -> Node:
        """A union as a string holding JSON."""
        kinds: frozenset[str] = frozenset().union(*(node.kinds for node in nodes))
        self.change(spot, "text", f"becomes JSON text, because {why}", unenforced=True)
        note = " or ".join(list(dict.fromkeys(node.label for node in nodes))[:20])
        return Node(
            {"type": "string", "description": f"JSON text of: {note}"}, TEXT, kinds, label="json"
        )

    def never(self, spot: Spot) -> Node:
        """Nothing is valid here; the answer says so by failing the check."""
        self.change(spot, "never", "no value is valid here", unenforced=True)
        return Node(
            {"type": "string", "description": "no value is valid here"},
            TEXT,
            frozenset(),
            label="never",
        )

    def _described(self, node: Node, conj: Conj) -> Node:
        """Title and description of the original on the rewritten schema."""
        title = description = None
        for part in conj:
            if isinstance(part, dict):
                title = title or part.get("title")
                description = description or part.get("description")
        if not isinstance(description, str):
            description = None
        schema = node.schema
        if (
            isinstance(title, str)
            and title
            and self.dialect.title
            and "title" not in schema
            and "$ref" not in schema
        ):
            schema["title"] = title
            node.label = title[:40]
        if description is None:
            return node
        if "$ref" in schema and self.dialect.ref_note != "beside":
            node.schema = schema = {self.dialect.ref_note: [schema]}
        if schema.get("description", "").startswith(description):
            return node
        annotate(schema, description, [])
        return node

    # definitions

    def _referred(self, schema: dict[str, Any], spot: Spot) -> Node:
        target = self._target(schema)
        if isinstance(target, bool):
            return self.node((target,), spot)
        conj = (target,)
        cycle = self._graph.cycle_of.get(id(target), 0) if self._graph else 0
        level = 0
        if cycle and not self.dialect.recursion:
            level = spot.level + 1 if spot.cycle == cycle else 0
            if level > self._turns(cycle):
                return self.text(conj, spot, why=f"{self.dialect.name} has no recursion")
        self.spent += 1
        within = Spot(spot.pointer, spot.depth, cycle, level)
        if not self.dialect.refs:
            return self._inline(conj, within)
        return self._define(conj, within, hint=schema["$ref"])

    def _target(self, schema: dict[str, Any]) -> Any:
        """What a reference means, references to references followed."""
        seen: set[int] = set()
        target = self._resolver.target(schema)
        while isinstance(target, dict) and self._is_only(target, _REF):
            if id(target) in seen:
                raise SchemaError(_CIRCLE)
            seen.add(id(target))
            target = self._resolver.target(target)
        return target

    def _turns(self, cycle: int) -> int:
        size = self._graph.cycle_size.get(cycle, 1) if self._graph else 1
        return self.cut.turns if size == 1 else min(size + 1, self.cut.turns + 2)

    def _is_crowded(self) -> bool:
        """More is written out than a schema of this size should need."""
        if self.spent <= self.room:
            return False
        if self.cut.turns > 0 and not self.dialect.recursion:
            raise Crowded
        return True

    def _inline(self, conj: Conj, spot: Spot) -> Node:
        if len(self._inside) > _NESTING or self._is_crowded():
            return self.text(
                conj,
                spot,
                why=f"{self.dialect.name} has no references and the whole would be too large",
            )
        return self.node(conj, spot)

    def _define(self, conj: Conj, spot: Spot, hint: str = "") -> Node:
        """A reference to a definition, compiled later if it is new."""
        if not self.dialect.refs or (hint == "" and not self.dialect.recursion):
            return self.text(conj, spot, why=f"{self.dialect.name} cannot go round in circles")
        key = (tuple(map(id, conj)), spot.level, spot.depth if self.cap is not None else 0)
        if key[0] == self.root_key and self._root_is_record():
            return Node({"$ref": "#"}, self._root_codec, _OBJECT, label="root")
        known = self._later.get(key)
        if known is None:
            name = self._names.take(hint, conj)
            kinds: frozenset[str] = frozenset().union(
                *(alt.kinds() for alt in self._expander.conj(conj))
            )
            known = self._later[key] = (name, Later(), kinds)
            self.defs[name] = {}
            self._queue.append((name, conj, spot, known[1]))
        name, later, kinds = known
        return Node({"$ref": f"#/$defs/{name}"}, later, kinds, null="null" in kinds, label=name)


def _sketch(conj: Conj) -> str:
    """The schema itself, shortened, for the model to follow."""
    whole = conj[0] if len(conj) == 1 else {"allOf": list(conj)}
    text = json.dumps(_bare(whole), ensure_ascii=False, separators=(",", ":"))
    return text if len(text) <= _SKETCH else text[: _SKETCH - 1] + "…"


def _bare(schema: Any, depth: int = 6) -> Any:
    if isinstance(schema, dict):
        if depth == 0:
            return {"…": "…"}
        return {
            key: _bare(value, depth - 1)
            for key, value in schema.items()
            if key not in ("$schema", "$id", "$comment", "examples", "definitions", "$defs")
        }
    if isinstance(schema, list):
        return [_bare(item, depth - 1) for item in schema[:40]]
    return schema
