"""One schema for one dialect: walks the alternatives, keeps the definitions, and asks one module a rewrite."""

from __future__ import annotations

from typing import Any

from prompture.errors import SchemaError
from prompture.schema.rewriting.alts import ANYTHING, Alt, Conj
from prompture.schema.rewriting.arrays import array
from prompture.schema.rewriting.budget import Budget
from prompture.schema.rewriting.change import Change
from prompture.schema.rewriting.choice import Choice
from prompture.schema.rewriting.codec import SAME, TEXT, Codec
from prompture.schema.rewriting.conform import Wire
from prompture.schema.rewriting.cut import Crowded, Cut
from prompture.schema.rewriting.definitions import Definitions
from prompture.schema.rewriting.dialects import Dialect
from prompture.schema.rewriting.expand import SCALARS, Expander
from prompture.schema.rewriting.guard import Survey
from prompture.schema.rewriting.kinds import EVERY
from prompture.schema.rewriting.leaves import literal, scalar
from prompture.schema.rewriting.node import Node, Spot
from prompture.schema.rewriting.notes import annotate, in_words
from prompture.schema.rewriting.objects import obj
from prompture.schema.rewriting.refs import Resolver
from prompture.schema.rewriting.sketches import Sketches
from prompture.schema.rewriting.typed import typed
from prompture.schema.rewriting.unions import choose
from prompture.schema.rewriting.words import ASSERTIONS, JOINS, is_bare_ref
from prompture.schema.rewriting.wrap import Wrap

_UNIONS = (frozenset({"anyOf"}), frozenset({"oneOf"}))
_ALL = frozenset({"allOf"})
_NESTING = 30
_CHANGES = 5_000
_NODES = 60_000


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
        self.spent = 0
        self.result: dict[str, Any] = {}
        self.changes: list[Change] = []
        self.defs: dict[str, Any] = {}
        self.wire = Wire(self.defs, prefix="#/$defs/", closed=dialect.closed != "open")
        self.pending: list[tuple[Choice, Spot]] = []
        self.sizes: dict[tuple[int, ...], int] = {}
        self.budget = Budget(dialect)
        self.sketches = Sketches()
        resolver = Resolver(root if isinstance(root, dict) else {}, found)
        self.expander = Expander(resolver, found, exact=exact)
        self.definitions = Definitions(self, resolver, has_refs=bool(found.refs))
        self._alone = found.alone
        self._draft = found.draft if exact else 2020
        self._inside: list[tuple[int, ...]] = []
        self._kept: list[Any] = []
        self._room = 1_000 + found.nodes

    # what the rewrites ask for

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

    def is_full(self) -> bool:
        """More is written out, or nests deeper, than a schema of this size should need."""
        if len(self._inside) > _NESTING:
            return True
        if self.spent <= self._room:
            return False
        if self.cut.less_written_out(self.dialect) is not None:
            raise Crowded
        return True

    # nodes

    def compile(self) -> tuple[dict[str, Any], Codec]:
        """The rewritten root and its codec."""
        root, spot = self.definitions.start(Spot())
        node = self.node((root,), spot)
        self.definitions.root_codec.target = node.codec
        self.wire.root = node.schema
        if self._needs_wrap(node.schema):
            node = self._wrapped(node, spot)
        self.definitions.drain()
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

    def _needs_wrap(self, schema: dict[str, Any]) -> bool:
        if self.dialect.some_required and not schema.get("required"):
            return True
        return self.dialect.root_object and (schema.get("type") != "object" or "nullable" in schema)

    def _wrapped(self, node: Node, spot: Spot) -> Node:
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
        if conj and (key in self._inside or self.is_full()):
            return self._described(self.definitions.define(conj, spot), conj)
        alts = self.expander.conj(conj)
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
        return self._described(choose(self, nodes, spot, conj), conj)

    def _direct(self, schema: dict[str, Any], spot: Spot) -> Node | None:
        """Short cuts: a scalar, a bare reference, a bare union, one allOf."""
        kind = schema.get("type")
        if isinstance(kind, str) and kind in SCALARS and schema.keys().isdisjoint(JOINS):
            return scalar(self, typed(kind, schema, self._draft), spot)
        if "$ref" in schema:
            if not self._alone and not is_bare_ref(schema):
                return None
            return self.definitions.referred(schema, spot)
        words = schema.keys() & ASSERTIONS
        if words in _UNIONS:
            return self._union(schema, next(iter(words)), spot)
        if words == _ALL and len(schema["allOf"]) == 1:
            return self.node((schema["allOf"][0],), spot.at("allOf", "0"))
        return None

    def _union(self, schema: dict[str, Any], word: str, spot: Spot) -> Node | None:
        branches = schema[word]
        if not isinstance(branches, list) or not branches:
            return None
        if all(isinstance(part, dict) and _is_literal(part) for part in branches):
            return None  # the alternatives merge into one enum
        nodes = [self.node((part,), spot.at(word, str(i))) for i, part in enumerate(branches)]
        if word == "oneOf":
            said = "one of several becomes any of several"
            self.change(spot, "oneOf", said, unenforced="discriminator" not in schema)
        return choose(self, [node for node in nodes if node.kinds], spot, (schema,))

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
            note = f"JSON text of a value of this JSON Schema: {self.sketches.of(conj)}"
        reason = (
            "any value becomes JSON text" if why is None else f"becomes JSON text, because {why}"
        )
        self.change(spot, "text", reason, unenforced=True)
        schema: dict[str, Any] = {"type": "string", "description": note}
        return Node(schema, TEXT, kinds, label="json")

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


def _is_literal(schema: dict[str, Any]) -> bool:
    """An enum or const, and nothing that joins other schemas."""
    return ("const" in schema or "enum" in schema) and (schema.keys() & JOINS) <= {"enum", "const"}
