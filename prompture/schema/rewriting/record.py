"""Rewrite: named properties.

Where every property is required, one that may be left out becomes nullable and null means absent. Where null is
itself valid, or the dialect has no more unions to give, it becomes a list of none or one. Keys that nobody named
travel as the text of a JSON object, or beside the others where the dialect has open objects. Names that the
dialect refuses are changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from prompture.schema.pointer import step
from prompture.schema.rewriting.codec import SAME, Codec, Step, unfit

Presence = Literal["required", "optional", "null", "either", "list"]


@dataclass(slots=True)
class Field:
    """One property: its name, the name it travels under, and how its absence is said.

    ``presence``: required; optional, where the dialect can leave it out; ``null`` means absent; ``either``:
    null stands for both, and restores as null; ``list``: a list of none or one. ``skips_null``: null is the
    default, and left out.
    """

    name: str
    wire: str
    codec: Codec
    presence: Presence
    kinds: frozenset[str]
    skips_null: bool = False

    def forward(self, value: Any) -> Any:
        if self.presence == "null" and value is None and "null" not in self.kinds:
            return unfit(value, self.kinds, self.codec.restore)
        moved = self.codec.forward(value)
        return [moved] if self.presence == "list" else moved

    def restore(self, value: Any) -> Any:
        if self.presence != "list":
            return self.codec.restore(value)
        if isinstance(value, list) and len(value) == 1:
            return self.codec.restore(value[0])
        return value

    def is_absent(self, value: Any) -> bool:
        return (value is None and self.presence == "null") or (
            value == [] and self.presence == "list"
        )


class Record(Codec):
    """An object of named properties.

    ``rest`` is the codec of keys that nobody named; they stand beside the named ones, or, where ``apart`` is
    given, all together in the field of that name, ``rest`` then being the codec of the dict of them.
    """

    __slots__ = ("apart", "by_name", "by_wire", "fields", "rest")

    def __init__(
        self, fields: list[Field], *, rest: Codec = SAME, apart: str | None = None
    ) -> None:
        self.fields = fields
        self.by_name = {field.name: field for field in fields}
        self.by_wire = {field.wire: field for field in fields}
        self.rest = rest
        self.apart = apart

    def parts(self) -> Iterable[Codec]:
        yield self.rest
        for field in self.fields:
            yield field.codec

    def is_plain(self) -> bool:
        return self.apart is None and all(
            field.presence in ("required", "optional") and field.name == field.wire
            for field in self.fields
        )

    def forward(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        found: dict[str, Any] = {}
        for field in self.fields:
            if field.name in value and not (field.skips_null and value[field.name] is None):
                found[field.wire] = field.forward(value[field.name])
            elif field.presence in ("null", "either"):
                found[field.wire] = None
            elif field.presence == "list":
                found[field.wire] = []
        rest = {key: value[key] for key in value if key not in self.by_name}
        if self.apart is not None:
            found[self.apart] = self.rest.forward(rest)
            return found
        for key, item in rest.items():
            free = key
            while free in found or free in self.by_wire:
                free += "_"  # a changed name of another field: not to be taken for it
            found[free] = self.rest.forward(item)
        return found

    def restore(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        found: dict[str, Any] = {}
        others: dict[str, Any] = {}
        by_wire = self.by_wire
        for key, item in value.items():
            field = by_wire.get(key)
            if field is not None:
                if not field.is_absent(item):
                    found[field.name] = field.restore(item)
            elif key == self.apart:
                others.update(self.others(item))
            else:
                others[key] = self.rest.restore(item) if self.apart is None else item
        for key, item in others.items():
            found.setdefault(key, item)
        return found

    def enter(self, token: str, wire: Any) -> Step:
        field = self.by_name.get(token)
        if field is not None:
            inner = step(wire, field.wire)
            if field.presence == "list" and isinstance(inner, list):
                return (field.wire, "0"), field.codec, step(inner, "0")
            return (field.wire,), field.codec, inner
        if self.apart is None:
            return (token,), self.rest, step(wire, token)
        tokens, codec, inner = self.rest.enter(token, step(wire, self.apart))
        return (self.apart, *tokens), codec, inner

    def others(self, item: Any) -> dict[str, Any]:
        """The keys in the field for the rest; what is unreadable keeps that field's name, and is not lost."""
        found = self.rest.restore(item)
        if isinstance(found, dict):
            return found
        return {} if found in (None, "", []) else {self.apart or "": item}
