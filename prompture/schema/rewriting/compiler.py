"""One schema for one dialect: walks the alternatives, and asks one module for each kind of value."""

from __future__ import annotations

from prompture.errors import SchemaError
from prompture.json_values import JSONObject, JSONValue
from prompture.schema.document import ASSERTIONS, JOINS, Survey, is_bare_ref
from prompture.schema.rewriting.alternatives import ANYTHING, Alt, Conj
from prompture.schema.rewriting.codec import SAME, RootWrapper, ValueCodec
from prompture.schema.rewriting.compilation import Compilation, Node, Spot, Trimming
from prompture.schema.rewriting.containers import array, obj
from prompture.schema.rewriting.definitions import Definitions
from prompture.schema.rewriting.dialects import Dialect
from prompture.schema.rewriting.expand import SCALARS, typed
from prompture.schema.rewriting.notes import annotate, in_words
from prompture.schema.rewriting.scalars import literal, scalar
from prompture.schema.rewriting.unions import choose

_UNIONS = (frozenset({"anyOf"}), frozenset({"oneOf"}))
_ALL = frozenset({"allOf"})
_NODES = 60_000


class Compiler(Compilation):
    """Compiles one schema for one dialect."""

    def __init__(
        self,
        root: JSONValue,
        found: Survey,
        dialect: Dialect,
        *,
        exact: bool,
        trimming: Trimming | None = None,
    ) -> None:
        super().__init__(root, found, dialect, exact=exact, trimming=trimming)
        self.definitions = Definitions(self)
        self._draft = found.draft if exact else 2020

    def compile(self) -> tuple[JSONObject, ValueCodec]:
        """The rewritten root and its codec."""
        # The order matters: definitions are compiled from a queue after the root, and branches of unions can only
        # be distinguished once everything that they refer to is compiled.
        root, spot = self.definitions.start(Spot())
        node = self.node((root,), spot)
        self.definitions.root_codec.target = node.codec
        self.wire.root = node.schema
        # References to the root ("#") go to the schema before it is wrapped.
        if self._needs_wrap(node.schema):
            node = self._wrapped(node, spot)
        self.definitions.drain()
        for _, within, settle in self.unsettled:
            for label in settle():
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

    def _needs_wrap(self, schema: JSONObject) -> bool:
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
        return Node(schema, RootWrapper(node.codec, name), node.kinds)

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
        if key in self.trimming.texts:
            return self._described(
                self.text(conj, spot, why=f"{self.dialect.name} {self.trimming.limit}"), conj
            )
        # A schema inside itself, or one too many levels of Python: a definition, which the queue compiles later.
        if conj and (key in self.inside or self.is_full()):
            return self._described(self.definitions.define(conj, spot), conj)
        alts = self.expander.conj(conj)
        if not alts:
            return self.never(spot)
        for note in dict.fromkeys(note for alt in alts for note in alt.notes):
            self.change(
                spot, "constraint", f'"{note}" is only said in the description', unenforced=True
            )
        before = self.properties
        self.inside.append(key)
        nodes = [self.alternative(alt, spot, conj) for alt in alts]
        self.inside.pop()
        # How much each part costs, for fit_limits to choose what becomes text.
        if self.properties > before:
            self.sizes[key] = self.sizes.get(key, 0) + self.properties - before
        return self._described(choose(self, nodes, spot, conj), conj)

    def _direct(self, schema: JSONObject, spot: Spot) -> Node | None:
        """Short cuts: a scalar, a bare reference, a bare union, one allOf."""
        kind = schema.get("type")
        if isinstance(kind, str) and kind in SCALARS and schema.keys().isdisjoint(JOINS):
            return scalar(self, typed(kind, schema, self._draft), spot)
        if "$ref" in schema:
            if not self.found.alone and not is_bare_ref(schema):
                return None
            return self.definitions.referred(schema, spot)
        words = schema.keys() & ASSERTIONS
        if words in _UNIONS:
            return self._union(schema, next(iter(words)), spot)
        if words == _ALL and len(schema["allOf"]) == 1:
            return self.node((schema["allOf"][0],), spot.at("allOf", "0"))
        return None

    def _union(self, schema: JSONObject, word: str, spot: Spot) -> Node | None:
        branches = schema[word]
        if not isinstance(branches, list) or not branches:
            return None
        if all(isinstance(part, dict) and _is_literal(part) for part in branches):
            return None  # the alternatives merge into one enum
        # Branch by branch, not by alternatives: so titles, descriptions and references of branches are kept.
        nodes = [self.node((part,), spot.at(word, str(i))) for i, part in enumerate(branches)]
        # With a discriminator the branches exclude one another anyway.
        if word == "oneOf":
            text = "one of several becomes any of several"
            self.change(spot, "oneOf", text, unenforced="discriminator" not in schema)
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
        for text in notes[: len(alt.words)]:
            self.change(
                spot, "constraint", f'"{text}" is only said in the description', unenforced=True
            )
        if self.dialect.any:
            schema: JSONObject = {}
            annotate(schema, None, notes)
            return Node(schema, SAME, kinds, null="null" in kinds, label="any")
        node = self.text(ANYTHING, spot, why=None, kinds=kinds)
        annotate(node.schema, None, notes)
        return node

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
        # OpenAI and Anthropic refuse keywords beside a $ref; a union or allOf of one takes them.
        if "$ref" in schema and self.dialect.ref_note != "beside":
            node.schema = schema = {self.dialect.ref_note: [schema]}
        # The same schema described twice, by a reference and by what it refers to.
        if schema.get("description", "").startswith(description):
            return node
        annotate(schema, description, [])
        return node


def _is_literal(schema: JSONObject) -> bool:
    """An enum or const, and nothing that joins other schemas."""
    return ("const" in schema or "enum" in schema) and (schema.keys() & JOINS) <= {"enum", "const"}
