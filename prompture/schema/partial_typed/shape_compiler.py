"""Shapes out of Pydantic's core schemas.

Parts that are not understood are shown as plain JSON until they are complete.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from prompture.schema.core_schemas import Core, nodes_of
from prompture.schema.partial_typed.shapes import (
    PLAIN,
    Branched,
    Keyed,
    Listed,
    Member,
    Named,
    PartValidator,
    Rooted,
    Shape,
    Siblings,
    Typed,
    dataclass_of,
    model_builder,
)
from prompture.schema.strictness import GUARD, fields_of_own_init, is_guard

_WRAPPERS = {
    "nullable": "schema",
    "default": "schema",
    "function-before": "schema",
    "function-after": "schema",
    "function-wrap": "schema",
    "lax-or-strict": "lax_schema",
    "json-or-python": "json_schema",
}
_OBJECTS = frozenset({"model", "dataclass", "typed-dict", "dict"})
_LISTS = frozenset({"list", "tuple", "set", "frozenset"})


def shape_of(
    core: Any, *, config: Any = None, by_name: bool | None = None, context: Any = None
) -> Shape:
    """The shape that a core schema (``TypeAdapter.core_schema``) describes.

    ``by_name``: whether fields may go by their names beside their aliases (Pydantic's switch).
    ``context`` is what validators see.
    """
    return _Compiler(by_name, context).shape(core, config)


class _Compiler:
    """Walks a core schema as far as values lead it; definitions are looked up on the way."""

    def __init__(self, by_name: bool | None, context: object) -> None:
        self._by_name = by_name
        self._context = context
        self._defs: dict[str, Any] = {}
        self._known: dict[str, Shape] = {}

    def shape(self, core: Core, config: object) -> Shape:
        """``config`` is that of the nearest model around, which its fields obey."""
        core = self._collect(core)
        if core["type"] == "definition-ref":
            ref = core["schema_ref"]
            if ref not in self._known:
                self._known[ref] = self.shape(self._defs[ref], config)
            return self._known[ref]
        inner = self._bare(core)
        reader = self._reader(core, config)
        make = _MAKERS.get(inner["type"])
        return make(self, inner, config, reader) if make else _leaf(inner, reader)

    def later(self, core: Core, config: object) -> Callable[[], Shape]:
        """The shape, compiled when first needed: schemas may contain themselves."""
        return cache(lambda: self.shape(core, config))

    def _collect(self, core: Core) -> Core:
        while core["type"] == "definitions":
            self._defs |= {each["ref"]: each for each in core["definitions"]}
            core = core["schema"]
        return core

    def _bare(self, core: Core) -> Core:
        """Without what is only looked at once the value is complete."""
        while True:
            core = self._collect(core)
            if core["type"] == "definition-ref":
                core = self._defs[core["schema_ref"]]
            elif is_guard(core):
                core = core["choices"][GUARD]
            elif fields := fields_of_own_init(core):
                core = fields
            elif core["type"] in _WRAPPERS:
                core = core[_WRAPPERS[core["type"]]]
            else:
                return core

    def _reader(self, core: Core, config: object) -> PartValidator:
        return PartValidator(lambda: self._closed(core), config, self._by_name, self._context)

    def _closed(self, core: Core) -> object:
        """The schema with the definitions that it may refer to."""
        if not self._defs or not _refers(core):
            return core
        if self._defs.get(core.get("ref", "")) is core:  # which it may refer to as well
            core = {"type": "definition-ref", "schema_ref": core["ref"]}
        return {"type": "definitions", "schema": core, "definitions": [*self._defs.values()]}

    def model(self, core: Core, config: object, reader: PartValidator) -> Shape:
        cls, config = core["cls"], core.get("config")
        inner = self._bare(core["schema"])
        if core.get("root_model"):
            held = self.shape(core["schema"], config)
            build = model_builder(cls, ["root"])
            return Rooted(reader, held, lambda root: build({"root": root}, {}))
        if inner["type"] != "model-fields":
            return _leaf(inner, reader)
        names = list(inner["fields"])
        fields: dict[str, tuple[str, Shape]] = {}
        owner = self._reader(inner, config)
        for name, field in inner["fields"].items():
            shape: Shape = _Later(self.later(field["schema"], config))
            if _looks_around(field["schema"]):
                own = self._reader(field["schema"], config)
                shape = Member(own, shape, owner, name, fields)
            _enter(fields, name, field, shape)
        return Named(reader, fields, model_builder(cls, names))

    def dataclass(self, core: Core, config: object, reader: PartValidator) -> Shape:
        cls, config = core["cls"], core.get("config") or config
        inner = self._bare(core["schema"])
        if inner["type"] != "dataclass-args":
            return _leaf(inner, reader)
        fields: dict[str, tuple[str, Shape]] = {}
        for field in inner["fields"]:
            _enter(fields, field["name"], field, _Later(self.later(field["schema"], config)))
        kept = [f["name"] for f in inner["fields"] if not f.get("init_only")]
        return Named(reader, fields, lambda values, _: dataclass_of(cls, kept, values))

    def typed_dict(self, core: Core, config: object, reader: PartValidator) -> Shape:
        config = core.get("config") or config
        fields: dict[str, tuple[str, Shape]] = {}
        for name, field in core["fields"].items():
            _enter(fields, name, field, _Later(self.later(field["schema"], config)))
        return Named(reader, fields, lambda values, extra: {**values, **extra})

    def listed(self, core: Core, config: object, reader: PartValidator) -> Shape:
        items = core.get("items_schema")
        return Listed(reader, self.later(items, config) if items else lambda: PLAIN)

    def keyed(self, core: Core, config: object, reader: PartValidator) -> Shape:
        values = core.get("values_schema")
        return Keyed(reader, self.later(values, config) if values else lambda: PLAIN)

    def union(self, core: Core, config: object, reader: PartValidator) -> Shape:
        branches = [c[0] if isinstance(c, tuple) else c for c in core["choices"]]
        kinds = [self._bare(branch)["type"] for branch in branches]

        def pick(node: object) -> Shape | None:
            wanted = _OBJECTS if isinstance(node, dict) else _LISTS
            fit = [b for b, kind in zip(branches, kinds, strict=True) if kind in wanted]
            return self.shape(fit[0], config) if len(fit) == 1 else None

        return Branched(reader, pick, words="str" in kinds)

    def tagged(self, core: Core, config: object, reader: PartValidator) -> Shape:
        key, choices = core["discriminator"], core["choices"]

        def pick(node: object) -> Shape | None:
            tag = node.get(key) if isinstance(key, str) and isinstance(node, dict) else None
            found = choices.get(tag) if isinstance(tag, (str, int)) else None
            return self.shape(found, config) if isinstance(found, Mapping) else None

        return Branched(reader, pick, words=False)


class _Later(Shape):
    """A shape that is compiled when a value gets there."""

    __slots__ = ("_made",)

    def __init__(self, made: Callable[[], Shape]) -> None:
        self._made = made

    def settle(self, node: object) -> Shape:
        return self._made().settle(node)

    def inside(self, key: str | int) -> Shape:
        return self._made().inside(key)

    def whole(self, value: object, siblings: Siblings) -> object:
        return self._made().whole(value, siblings)

    def begun(self, parts: object) -> object:
        return self._made().begun(parts)

    def growing(self, text: str) -> object:
        return self._made().growing(text)


_MAKERS: dict[str, Callable[[_Compiler, Core, Any, PartValidator], Shape]] = {
    "model": _Compiler.model,
    "dataclass": _Compiler.dataclass,
    "typed-dict": _Compiler.typed_dict,
    "list": _Compiler.listed,
    "dict": _Compiler.keyed,
    "union": _Compiler.union,
    "tagged-union": _Compiler.tagged,
}


def _leaf(inner: Core, reader: PartValidator) -> Shape:
    return PLAIN if inner["type"] == "any" else Typed(reader, words=inner["type"] == "str")


def _enter(fields: dict[str, tuple[str, Shape]], name: str, field: Core, shape: Shape) -> None:
    """Put a field under every key that the JSON may have it under."""
    alias = field.get("validation_alias")
    paths = alias if isinstance(alias, list) and alias and isinstance(alias[0], list) else [alias]
    for path in paths:
        key = path[0] if isinstance(path, list) and len(path) == 1 else path
        if isinstance(key, str):
            fields[key] = (name, shape)
    fields.setdefault(name, (name, shape))


def _refers(core: Core) -> bool:
    return any(node.get("type") == "definition-ref" for node in nodes_of(core))


def _looks_around(core: Core) -> bool:
    """Whether it has a validator that gets the values of the fields before its own."""
    functions = (node.get("function") for node in nodes_of(core))
    return any(isinstance(one, Mapping) and one["type"] == "with-info" for one in functions)
