"""One compilation: what it works on, what it collects, and the nodes that it is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace

from prompture.json_values import EVERY, JSONObject, JSONValue
from prompture.json_values import pointer as written
from prompture.schema.document import Resolver, Survey
from prompture.schema.rewriting.alternatives import Conj
from prompture.schema.rewriting.codec import TEXT, ValueCodec
from prompture.schema.rewriting.conform import Wire
from prompture.schema.rewriting.dialects import Allowance, Dialect
from prompture.schema.rewriting.expand import Expander
from prompture.schema.rewriting.notes import Change, SchemaOutlines

_NESTING = 30
_CHANGES = 5_000


@dataclass(slots=True)
class Branch:
    """One alternative of a union: its rewritten schema (changed in place when tagged) and its codec."""

    schema: JSONObject
    codec: ValueCodec
    label: str
    kinds: frozenset[str]


@dataclass(slots=True)
class Node:
    """A rewritten schema and its codec.

    Attributes:
        kinds: the kinds of value that the *original* takes here.
        null: null may stand here in the *rewritten* value.
        label: a short name, for a tag.
        branches: of a union, so that a union around it can take them over.
    """

    schema: JSONObject
    codec: ValueCodec
    kinds: frozenset[str]
    null: bool = False
    label: str = "value"
    branches: list[Branch] | None = None


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in the schema: its pointer, how many objects and arrays stand around it, and how often the
    reference cycle it is in has been gone round."""

    pointer: str = ""
    depth: int = 0
    cycle: int = 0
    level: int = 0

    def at(self, *tokens: str) -> Spot:
        return Spot(self.pointer + _pointer(tokens), self.depth, self.cycle, self.level)

    def inside(self, *tokens: str) -> Spot:
        """One object or array further in."""
        return Spot(self.pointer + _pointer(tokens), self.depth + 1, self.cycle, self.level)


def _pointer(tokens: tuple[str, ...]) -> str:
    pointer = "/" + "/".join(tokens) if tokens else ""
    # Escaping is rare and this is called for every place: the plain join is tried first.
    if "~" in pointer or pointer.count("/") != len(tokens):
        return written(tokens)
    return pointer


class TooLarge(Exception):
    """Cycles of references, written out, become too large: see :meth:`Trimming.less_written_out`."""


@dataclass(frozen=True, slots=True)
class Trimming:
    """What is given up.

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

    def less_written_out(self, dialect: Dialect) -> Trimming | None:
        """Fewer turns round cycles, or fewer levels of what is written out level by level; None at the least."""
        if self.turns > 0 and not dialect.recursion:
            return replace(self, turns=0 if self.turns == 1 else 1)
        if self.depth is not None and self.depth > 2:
            return replace(self, depth=max(2, self.depth * 2 // 3))
        return None

    @property
    def is_none(self) -> bool:
        return self.depth is None and self.fields is None and not self.texts


class Compilation(ABC):
    """The state of one compilation, and what the rewrites of each kind ask for."""

    def __init__(
        self,
        root: JSONValue,
        found: Survey,
        dialect: Dialect,
        *,
        exact: bool,
        trimming: Trimming | None = None,
    ) -> None:
        self.root = root
        self.dialect = dialect
        self.exact = exact
        self.trimming = trimming or Trimming()
        self.cap = self.trimming.depth
        self.properties = 0
        self.spent = 0
        self.result: JSONObject = {}
        self.changes: list[Change] = []
        self.defs: JSONObject = {}
        self.wire = Wire(self.defs, prefix="#/$defs/", closed=dialect.closed != "open")
        self.unsettled: list[tuple[ValueCodec, Spot, Callable[[], list[str]]]] = []
        self.sizes: dict[tuple[int, ...], int] = {}
        self.allowance = Allowance(dialect)
        self.outlines = SchemaOutlines()
        self.resolver = Resolver(root if isinstance(root, dict) else {}, found)
        self.expander = Expander(self.resolver, found, exact=exact)
        self.found = found
        self.inside: list[tuple[int, ...]] = []
        self._kept: list[JSONValue] = []
        self._most_written_out = 1_000 + found.nodes

    def change(self, spot: Spot, rewrite: str, reason: str, *, unenforced: bool = False) -> None:
        # A hostile schema may give rise to millions; nobody reads more than the first.
        if len(self.changes) < _CHANGES:
            self.changes.append(Change(spot.pointer, rewrite, reason, unenforced))

    def keep(self, schema: JSONValue) -> JSONValue:
        """A schema made here, kept alive: schemas are known by their id()."""
        self._kept.append(schema)
        return schema

    def closing(self, *, is_open: bool = False) -> JSONObject:
        """``additionalProperties: false`` where the dialect says so."""
        if is_open or self.dialect.closed == "nature":
            return {}
        return {"additionalProperties": False}

    def ordered(self, schema: JSONObject) -> JSONObject:
        # Gemini sorts keys alphabetically unless an order is given, and the order of fields matters to a model
        # (reasoning before the answer).
        if self.dialect.name.startswith("gemini") and len(schema["properties"]) > 1:
            schema["propertyOrdering"] = list(schema["properties"])
        return schema

    def is_full(self) -> bool:
        """More is written out, or nests deeper, than a schema of this size should need."""
        if len(self.inside) > _NESTING:
            return True
        # Without references a small schema may write out exponentially; what is beyond a multiple of its own size
        # is cut, first by going round cycles less often.
        if self.spent <= self._most_written_out:
            return False
        if self.trimming.less_written_out(self.dialect) is not None:
            raise TooLarge
        return True

    @abstractmethod
    def node(self, conj: Conj, spot: Spot) -> Node:
        """What schemas that hold together become."""

    def text(
        self, conj: Conj, spot: Spot, *, why: str | None, kinds: frozenset[str] = EVERY
    ) -> Node:
        """A string holding JSON."""
        note = "any JSON value, as JSON text"
        if conj:
            note = f"JSON text of a value of this JSON Schema: {self.outlines.of(conj)}"
        reason = (
            "any value becomes JSON text" if why is None else f"becomes JSON text, because {why}"
        )
        self.change(spot, "text", reason, unenforced=True)
        schema: JSONObject = {"type": "string", "description": note}
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
