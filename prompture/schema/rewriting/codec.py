"""How values travel: ``forward`` into the rewritten schema, ``restore`` back.

Both are total: a value that does not fit is passed on as it is, so that the check against the original schema can
report what is wrong with it, and where.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import ClassVar, Literal

from prompture.json_values import KINDS, JSONObject, JSONValue, kind_of, step
from prompture.schema.exact_json import refuse_deep, unlike_refused

Step = tuple[tuple[str, ...], "ValueCodec", JSONValue]
"""Keys into the rewritten value, the codec of what stands there, and that."""

Key = str | int
"""A key of an object, or the index of an item."""

ABSENT: JSONValue = object()
"""There is no value, which is not the same as null."""

MERGED = "\0merged"
"""Takes the place of the key of an entry that holds several properties of the restored object."""

Compared = set[tuple[int, int]]
"""Pairs of codecs that are being compared, by their ``id()``."""

_SAMPLES: JSONObject = {
    "object": {"unfit": True},
    "array": ["unfit"],
    "string": "(unfit)",
    "number": -1,
    "boolean": True,
    "null": None,
}


class ValueCodec:
    """The codec of a place where the value is the same on both sides.

    Attributes:
        partial: what can be restored of a container that is not complete. ``"open"``: the restored container has
            the same entries; ``"wrapper"``: it is one entry of this one; ``"pairs"``: this is a list of
            {key, value} for an object; ``"opaque"``: nothing before the container is complete.
        written_as: what the container is in the rewritten value; None where it is of either kind.
    """

    __slots__ = ()
    partial: ClassVar[Literal["open", "wrapper", "pairs", "opaque"]] = "open"
    written_as: ClassVar[type | None] = None

    def forward(self, value: JSONValue) -> JSONValue:
        return value

    def restore(self, value: JSONValue) -> JSONValue:
        return value

    def parts(self) -> Iterable[ValueCodec]:
        """The codecs of what lies within."""
        return ()

    def is_plain(self) -> bool:
        """It changes nothing by itself; what lies within may."""
        return True

    def agrees(self, other: ValueCodec, seen: Compared) -> bool:
        """As :func:`agree`, of two different codecs of one type; ``seen`` are the pairs being compared."""
        return False

    def opened(self, wire: JSONValue) -> Step:
        """What wraps the value in the rewritten ``wire``, the codec below that, and the value there."""
        return (), self, wire

    def enter(self, token: str, wire: JSONValue) -> Step:
        """Where the part ``token`` of the original stands in ``wire``, its codec, and the value there."""
        return (token,), SAME, step(wire, token)

    # containers of an answer that is not complete

    def begun(self, node: JSONValue) -> ValueCodec:
        """The codec of the container ``node``, which may grow, as far as it is certain by now."""
        if self.written_as is not None and not isinstance(node, self.written_as):
            return SAME  # passed on as it is, for the check to refuse
        return SAME if is_same(self) else self

    def name_of(self, key: Key) -> Key | None:
        """The key, in the restored container, of the entry ``key``; None where it has none."""
        return key

    def key_of(self, name: Key) -> Key | None:
        """The inverse of ``name_of``."""
        return name

    def inside(self, key: Key) -> ValueCodec:
        """The codec of the entry ``key``."""
        return SAME

    def restore_partial(self, key: Key, value: JSONValue) -> tuple[Key | None, JSONValue]:
        """The key and the restored value of a complete entry of a container that is not complete.

        The key is None where the restored container does not have the entry, the value ABSENT where it stands
        for a property that is not there. MERGED and a dict stand for several properties kept in one field.
        """
        name = self.name_of(key)
        return (None, ABSENT) if name is None else (name, self.inside(key).restore(value))


SAME = ValueCodec()


class Deferred(ValueCodec):
    """The codec of a definition that is not compiled yet; a reference to it once it is."""

    __slots__ = ("target",)
    partial = "opaque"

    def __init__(self) -> None:
        self.target: ValueCodec = SAME

    def forward(self, value: JSONValue) -> JSONValue:
        return self.target.forward(value)

    def restore(self, value: JSONValue) -> JSONValue:
        return self.target.restore(value)

    def parts(self) -> Iterable[ValueCodec]:
        return (self.target,)

    def opened(self, wire: JSONValue) -> Step:
        return self.target.opened(wire)

    def begun(self, node: JSONValue) -> ValueCodec:
        return self.target.begun(node)


class JSONText(ValueCodec):
    """JSONValue value as a string holding JSON. Text that is no JSON is taken as a string that lacks its quotes."""

    __slots__ = ()
    partial = "opaque"

    def forward(self, value: JSONValue) -> JSONValue:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def restore(self, value: JSONValue) -> JSONValue:
        return read_json(value) if isinstance(value, str) else value

    def is_plain(self) -> bool:
        return False

    def agrees(self, other: ValueCodec, seen: Compared) -> bool:
        return True

    def enter(self, token: str, wire: JSONValue) -> Step:
        return (), self, wire  # inside a text there are no pointers


TEXT = JSONText()


def read_json(text: str) -> JSONValue:
    """The value of a JSON text, or the text itself where it is none."""
    try:
        value = json.loads(text, parse_constant=_no_constant, object_pairs_hook=unlike_refused)
        refuse_deep(value, text)
    except (ValueError, RecursionError):
        return text
    return value


def _no_constant(word: str) -> JSONValue:
    raise ValueError(f"{word} is not JSON")


def is_identity(codec: ValueCodec, seen: set[int] | None = None) -> bool:
    """Nothing under this codec changes a value."""
    seen = set() if seen is None else seen
    todo = [codec]
    while todo:
        part = todo.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if not part.is_plain():
            return False
        todo.extend(part.parts())
    return True


@lru_cache(maxsize=1024)
def is_same(codec: ValueCodec) -> bool:
    """As :func:`is_identity`, remembered: for every look at a growing answer."""
    return is_identity(codec)


def agree(a: ValueCodec, b: ValueCodec, seen: Compared | None = None) -> bool:
    """Both restore any value that both could be given to the same."""
    seen = set() if seen is None else seen
    while isinstance(a, Deferred):
        a = a.target
    while isinstance(b, Deferred):
        b = b.target
    # A pair that is being compared agrees, unless something else in it does not.
    if a is b or (id(a), id(b)) in seen:
        return True
    # Recursive schemas give recursive codecs.
    seen.add((id(a), id(b)))
    if is_identity(a) and is_identity(b):
        return True
    return type(a) is type(b) and a.agrees(b, seen)


def unfit(
    value: JSONValue, kinds: frozenset[str], restore: Callable[[JSONValue], JSONValue]
) -> JSONValue:
    """A stand-in for a value that the original refuses: it restores to something that the original refuses too.

    ``kinds`` are those that the original takes. Needed where carrying the value as it is would make it valid:
    an explicit null in a field that may only be left out, a list where an open dict belongs.
    """
    # The restored sample must itself be invalid, or an invalid value would come back valid.
    for kind in KINDS:
        if kind not in kinds:
            sample = _SAMPLES[kind]
            if kind_of(restored := restore(sample)) == kind and restored == sample:
                return sample
    return value


class Wrapper(ValueCodec):
    """A container around one entry, which is the value; ``entry`` is its key."""

    __slots__ = ("entry", "inner")
    partial = "wrapper"

    def __init__(self, inner: ValueCodec, entry: Key) -> None:
        self.inner = inner
        self.entry = entry

    def parts(self) -> Iterable[ValueCodec]:
        return (self.inner,)

    def is_plain(self) -> bool:
        return False

    def name_of(self, key: Key) -> Key | None:
        return key if key == self.entry else None

    def inside(self, key: Key) -> ValueCodec:
        return self.inner


class RootWrapper(Wrapper):
    """The value under one name."""

    __slots__ = ("name",)

    def __init__(self, inner: ValueCodec, name: str) -> None:
        super().__init__(inner, name)
        self.name = name

    def forward(self, value: JSONValue) -> JSONValue:
        return {self.name: self.inner.forward(value)}

    def restore(self, value: JSONValue) -> JSONValue:
        """A model that forgot the wrapping is understood."""
        if isinstance(value, dict) and value.keys() == {self.name}:
            return self.inner.restore(value[self.name])
        return self.inner.restore(value)

    def begun(self, node: JSONValue) -> ValueCodec:
        if node and not (isinstance(node, dict) and self.name in node):
            return self.inner.begun(node)  # a model that forgot the wrapping is understood
        return self

    def opened(self, wire: JSONValue) -> Step:
        if not isinstance(wire, dict) or self.name not in wire:
            return self.inner.opened(wire)
        tokens, codec, inner = self.inner.opened(wire[self.name])
        return (self.name, *tokens), codec, inner


class NullAsList(ValueCodec):
    """Null is the empty list."""

    __slots__ = ("inner",)
    partial = "opaque"

    def __init__(self, inner: ValueCodec) -> None:
        self.inner = inner

    def parts(self) -> Iterable[ValueCodec]:
        return (self.inner,)

    def is_plain(self) -> bool:
        return False

    def agrees(self, other: ValueCodec, seen: Compared) -> bool:
        return isinstance(other, NullAsList) and agree(self.inner, other.inner, seen)

    def forward(self, value: JSONValue) -> JSONValue:
        return [] if value is None else [self.inner.forward(value)]

    def restore(self, value: JSONValue) -> JSONValue:
        """A list of several is carried as it is; a bare value is understood."""
        if not isinstance(value, list):
            return None if value is None else self.inner.restore(value)
        if len(value) > 1:
            return value
        return self.inner.restore(value[0]) if value else None

    def opened(self, wire: JSONValue) -> Step:
        if not isinstance(wire, list) or len(wire) != 1:
            return (), self, wire
        tokens, codec, inner = self.inner.opened(wire[0])
        return ("0", *tokens), codec, inner


class ListCodec(ValueCodec):
    """A list: the first few items by position, then the rest."""

    __slots__ = ("item", "prefix")
    written_as = list

    def __init__(self, item: ValueCodec, prefix: tuple[ValueCodec, ...] = ()) -> None:
        self.item = item
        self.prefix = prefix

    def parts(self) -> Iterable[ValueCodec]:
        return (self.item, *self.prefix)

    def agrees(self, other: ValueCodec, seen: Compared) -> bool:
        if not isinstance(other, ListCodec) or len(self.prefix) != len(other.prefix):
            return False
        return all(agree(x, y, seen) for x, y in zip(self.parts(), other.parts(), strict=True))

    def forward(self, value: JSONValue) -> JSONValue:
        if not isinstance(value, list):
            return value
        if not self.prefix:
            forward = self.item.forward
            return [forward(item) for item in value]
        return [self._at(i).forward(item) for i, item in enumerate(value)]

    def restore(self, value: JSONValue) -> JSONValue:
        if not isinstance(value, list):
            return value
        if not self.prefix:
            restore = self.item.restore
            return [restore(item) for item in value]
        return [self._at(i).restore(item) for i, item in enumerate(value)]

    def enter(self, token: str, wire: JSONValue) -> Step:
        position = int(token) if token.isdigit() else 0
        return (token,), self._at(position), step(wire, token)

    def inside(self, key: Key) -> ValueCodec:
        return self._at(int(key))

    def _at(self, position: int) -> ValueCodec:
        return self.prefix[position] if position < len(self.prefix) else self.item


def list_codec(item: ValueCodec, prefix: tuple[ValueCodec, ...] = ()) -> ValueCodec:
    """The codec of a list, or :data:`SAME` where it has nothing to do."""
    return (
        SAME if item is SAME and all(codec is SAME for codec in prefix) else ListCodec(item, prefix)
    )
