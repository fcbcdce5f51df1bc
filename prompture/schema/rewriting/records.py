"""Codecs of objects: named properties, dicts of any keys, and tuples written as objects.

Where every property is required, one that may be left out becomes nullable and null means absent. Where null is
itself valid, or the dialect allows no more unions, it becomes a list of none or one. Undeclared keys
travel as the text of a JSON object, or beside the others where the dialect has open objects. Names that the
dialect refuses are changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from prompture.json_values import JSONObject, JSONValue, same, step
from prompture.schema.rewriting.codec import (
    ABSENT,
    MERGED,
    SAME,
    Compared,
    Key,
    Step,
    ValueCodec,
    Wrapper,
    agree,
    unfit,
)

Presence = Literal["required", "optional", "null", "either", "list"]


@dataclass(slots=True)
class Property:
    """One property: its name, the name it travels under, and how its absence is said.

    ``presence``: required; optional, where the dialect can leave it out; ``null`` means absent; ``either``:
    null stands for both, and restores as null; ``list``: a list of none or one. ``skips_null``: null is the
    default, and left out.
    """

    name: str
    wire: str
    codec: ValueCodec
    presence: Presence
    kinds: frozenset[str]
    skips_null: bool = False

    def forward(self, value: JSONValue) -> JSONValue:
        # A null here would come back as "absent", and what was refused would be valid.
        if self.presence == "null" and value is None and "null" not in self.kinds:
            return unfit(value, self.kinds, self.codec.restore)
        moved = self.codec.forward(value)
        return [moved] if self.presence == "list" else moved

    def restore(self, value: JSONValue) -> JSONValue:
        if self.presence != "list":
            return self.codec.restore(value)
        if isinstance(value, list) and len(value) == 1:
            return self.codec.restore(value[0])
        return value

    def is_absent(self, value: JSONValue) -> bool:
        return (value is None and self.presence == "null") or (
            value == [] and self.presence == "list"
        )

    def agrees(self, other: Property, seen: Compared) -> bool:
        alike = self.name == other.name and self._absence == other._absence
        return alike and agree(self.codec, other.codec, seen)

    def agrees_with_rest(self, rest: ValueCodec, seen: Compared) -> bool:
        """As :func:`.codec.agree`, with the codec of undeclared keys."""
        return self.name == self.wire and not self._absence and agree(self.codec, rest, seen)

    @property
    def _absence(self) -> str:
        return "" if self.presence in ("required", "optional") else self.presence


class RecordCodec(ValueCodec):
    """An object of named properties.

    ``rest`` is the codec of undeclared keys; they stand beside the named ones, or, where ``apart`` is
    given, all together in the field of that name, ``rest`` then being the codec of the dict of them.
    """

    __slots__ = ("apart", "by_name", "by_wire", "fields", "rest")
    written_as = dict

    def __init__(
        self, fields: list[Property], *, rest: ValueCodec = SAME, apart: str | None = None
    ) -> None:
        self.fields = fields
        self.by_name = {field.name: field for field in fields}
        self.by_wire = {field.wire: field for field in fields}
        self.rest = rest
        self.apart = apart

    def parts(self) -> Iterable[ValueCodec]:
        yield self.rest
        for field in self.fields:
            yield field.codec

    def is_plain(self) -> bool:
        return self.apart is None and all(
            field.presence in ("required", "optional") and field.name == field.wire
            for field in self.fields
        )

    def agrees(self, other: ValueCodec, seen: Compared) -> bool:
        if not isinstance(other, RecordCodec) or self.apart != other.apart:
            return False
        if not agree(self.rest, other.rest, seen):
            return False
        for wire in {**self.by_wire, **other.by_wire}:
            ours, theirs = self.by_wire.get(wire), other.by_wire.get(wire)
            if ours is not None and theirs is not None:
                if not ours.agrees(theirs, seen):
                    return False
            elif ours is not None:
                if not ours.agrees_with_rest(other.rest, seen):
                    return False
            elif theirs is not None and not theirs.agrees_with_rest(self.rest, seen):
                return False
        return True

    def forward(self, value: JSONValue) -> JSONValue:
        if not isinstance(value, dict):
            return value
        found: JSONObject = {}
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

    def restore(self, value: JSONValue) -> JSONValue:
        if not isinstance(value, dict):
            return value
        found: JSONObject = {}
        others: JSONObject = {}
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
        # A named property wins over one of the same name in the field for the rest.
        for key, item in others.items():
            found.setdefault(key, item)
        return found

    def enter(self, token: str, wire: JSONValue) -> Step:
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

    def name_of(self, key: Key) -> Key | None:
        field = self.by_wire.get(str(key))
        return field.name if field else None if key == self.apart else key

    def key_of(self, name: Key) -> Key | None:
        field = self.by_name.get(str(name))
        return field.wire if field else None if self.apart is not None else name

    def inside(self, key: Key) -> ValueCodec:
        field = self.by_wire.get(str(key))
        if field is None:
            return self.rest if self.apart is None else SAME
        return _optional_as_list(field.codec) if field.presence == "list" else field.codec

    def restore_partial(self, key: Key, value: JSONValue) -> tuple[Key | None, JSONValue]:
        if key == self.apart:
            return MERGED, self.others(value)
        field = self.by_wire.get(str(key))
        if field is None:
            return key, self.inside(key).restore(value)
        return field.name, ABSENT if field.is_absent(value) else field.restore(value)

    def others(self, item: JSONValue) -> JSONObject:
        """The keys in the field for the rest; what is unreadable keeps that field's name, and is not lost."""
        found = self.rest.restore(item)
        if isinstance(found, dict):
            return found
        return {} if found in (None, "", []) else {self.apart or "": item}


KEY, VALUE = "key", "value"
_OBJECT = frozenset({"object"})


class DictAsPairs(ValueCodec):
    """A dict of any keys."""

    __slots__ = ("value",)
    partial = "pairs"
    written_as = list

    def __init__(self, value: ValueCodec) -> None:
        self.value = value

    def parts(self) -> Iterable[ValueCodec]:
        return (self.value,)

    def is_plain(self) -> bool:
        return False

    def agrees(self, other: ValueCodec, seen: Compared) -> bool:
        return isinstance(other, DictAsPairs) and agree(self.value, other.value, seen)

    def forward(self, value: JSONValue) -> JSONValue:
        if isinstance(value, dict):
            return [{KEY: key, VALUE: self.value.forward(item)} for key, item in value.items()]
        return unfit(value, _OBJECT, self.restore) if isinstance(value, list) else value

    def restore(self, value: JSONValue) -> JSONValue:
        """The dict; a list that is no list of pairs, or says two things of one key, is carried as it is."""
        if not isinstance(value, list):
            return value
        found: JSONObject = {}
        for pair in value:
            if not _is_pair(pair):
                return value
            item = self.value.restore(pair[VALUE])
            # Which of two unlike values is meant is not ours to choose: the check refuses a list where an object belongs.
            if pair[KEY] in found and not same(found[pair[KEY]], item):
                return value
            found[pair[KEY]] = item
        return found

    def enter(self, token: str, wire: JSONValue) -> Step:
        for i, pair in enumerate(wire if isinstance(wire, list) else ()):
            if _is_pair(pair) and pair[KEY] == token:
                return (str(i), VALUE), self.value, pair[VALUE]
        return (), self.value, None

    def inside(self, key: Key) -> ValueCodec:
        return _pair(self.value)

    def restore_partial(self, key: Key, value: JSONValue) -> tuple[Key | None, JSONValue]:
        name = name_of_pair(value)
        if name is None:
            return None, ABSENT
        return name, self.value.restore(value[VALUE]) if VALUE in value else ABSENT


class DictCodec(ValueCodec):
    """A dict of any keys where the dialect has them, its values rewritten."""

    __slots__ = ("value",)
    written_as = dict

    def __init__(self, value: ValueCodec) -> None:
        self.value = value

    def parts(self) -> Iterable[ValueCodec]:
        return (self.value,)

    def agrees(self, other: ValueCodec, seen: Compared) -> bool:
        return isinstance(other, DictCodec) and agree(self.value, other.value, seen)

    def forward(self, value: JSONValue) -> JSONValue:
        if not isinstance(value, dict):
            return value
        return {key: self.value.forward(item) for key, item in value.items()}

    def restore(self, value: JSONValue) -> JSONValue:
        if not isinstance(value, dict):
            return value
        return {key: self.value.restore(item) for key, item in value.items()}

    def enter(self, token: str, wire: JSONValue) -> Step:
        return (token,), self.value, step(wire, token)

    def inside(self, key: Key) -> ValueCodec:
        return self.value


def name_of_pair(pair: JSONValue) -> str | None:
    """The key of a {key, value}, which may not be complete; None where it has none."""
    name = pair.get(KEY) if isinstance(pair, dict) else None
    return name if isinstance(name, str) else None


# One codec for each: a growing container is known again by its codec.
@lru_cache(maxsize=1024)
def _optional_as_list(codec: ValueCodec) -> ValueCodec:
    """Of an optional property encoded as ``[]`` (absent) or ``[value]``."""
    return Wrapper(codec, 0)


@lru_cache(maxsize=1024)
def _pair(codec: ValueCodec) -> ValueCodec:
    """Of a {key, value}."""
    return Wrapper(codec, VALUE)


def _is_pair(pair: JSONValue) -> bool:
    return isinstance(pair, dict) and isinstance(pair.get(KEY), str) and VALUE in pair


_ARRAY = frozenset({"array"})


class TupleAsObject(ValueCodec):
    """A list as an object: ``names`` by position, and under ``rest`` the items after them."""

    __slots__ = ("names", "record", "rest")
    partial = "opaque"
    written_as = dict

    def __init__(
        self, record: RecordCodec, names: tuple[str, ...], *, rest: str | None = None
    ) -> None:
        self.record = record
        self.names = names
        self.rest = rest

    def parts(self) -> Iterable[ValueCodec]:
        return (self.record,)

    def is_plain(self) -> bool:
        return False

    def agrees(self, other: ValueCodec, seen: Compared) -> bool:
        if not isinstance(other, TupleAsObject):
            return False
        alike = self.names == other.names and self.rest == other.rest
        return alike and agree(self.record, other.record, seen)

    def forward(self, value: JSONValue) -> JSONValue:
        if not isinstance(value, list):
            return unfit(value, _ARRAY, self.restore) if isinstance(value, dict) else value
        more = value[len(self.names) :]
        if more and self.rest is None:
            return value  # too long, which the check reports
        named: JSONObject = dict(zip(self.names, value, strict=False))
        if self.rest is not None:
            named[self.rest] = more
        return self.record.forward(named)

    def restore(self, value: JSONValue) -> JSONValue:
        """The list; a gap before a later item is null, for items keep their places."""
        # An object with other keys is no tuple; the check reports it.
        known = self.record.by_wire.keys() | {self.record.apart}
        if not isinstance(value, dict) or not value.keys() <= known:
            return value
        named = self.record.restore(value)
        last = max((i for i, name in enumerate(self.names) if name in named), default=-1)
        more = named.get(self.rest) if self.rest is not None else None
        if isinstance(more, list) and more:
            last = len(self.names) - 1
        found = [named.get(name) for name in self.names[: last + 1]]
        return found + more if isinstance(more, list) else found

    def enter(self, token: str, wire: JSONValue) -> Step:
        position = int(token) if token.isdigit() else 0
        if position < len(self.names):
            return self.record.enter(self.names[position], wire)
        tokens, codec, inner = self.record.enter(self.rest or token, wire)
        more, codec, inner = codec.enter(str(position - len(self.names)), inner)
        return (*tokens, *more), codec, inner
