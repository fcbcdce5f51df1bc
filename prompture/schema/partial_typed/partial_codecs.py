"""Restore the entries of containers that are not finished, by the codecs of the rewriting."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from prompture.json_values import kind_of
from prompture.schema.partial_typed.shapes import ABSENT, Branched, Shape
from prompture.schema.rewriting.codec import (
    SAME,
    Deferred,
    ListCodec,
    RootWrapper,
    ValueCodec,
    is_identity,
)
from prompture.schema.rewriting.records import (
    KEY,
    DictAsPairs,
    DictCodec,
    RecordCodec,
    TupleAsObject,
)
from prompture.schema.rewriting.records import VALUE as PAIRED
from prompture.schema.rewriting.unions import VALUE, TaggedCodec, UnionCodec

MERGED = "\0merged"
"""Takes the place of the key of an entry that holds several properties of the restored object."""
_MAPPED = (RecordCodec, ListCodec, DictCodec)
_OF_OBJECTS = (RecordCodec, DictCodec, TaggedCodec, TupleAsObject)


class ContainerCodec:
    """The codec and shape of a container that has begun, as far as they are certain.

    ``kind`` is ``"open"`` where the restored container has the same entries, ``"wrapper"`` where
    it is one entry of this one, ``"pairs"`` where this is a list of {key, value} for an object,
    and ``"opaque"`` where nothing can be restored before the container is finished.
    ``certain`` is False where more of the container may show another codec or shape.
    """

    __slots__ = ("certain", "codec", "kind", "shape")

    def __init__(self, codec: ValueCodec, shape: Shape, node: object) -> None:
        self.codec = codec = _certain(codec, node)
        self.certain = True
        self.shape = shape
        if isinstance(codec, _WRAPPER_CODECS):
            self.kind = "wrapper"
            self.certain = bool(node)
        elif isinstance(codec, DictAsPairs) and isinstance(node, list):
            self.kind = "pairs"
            self.shape = shape.settle({})
        elif codec is SAME or isinstance(codec, _MAPPED):
            self.kind = "open"
            self.shape = shape.settle(node)
            self.certain = not isinstance(self.shape, Branched)
        else:
            self.kind = "opaque"
            self.certain = False

    def name_of(self, key: str | int) -> str | int | None:
        """The key in the restored container of a key of the answer; None where it has none."""
        codec = self.codec
        if isinstance(codec, RecordCodec):
            field = codec.by_wire.get(str(key))
            return field.name if field else None if key == codec.apart else key
        if self.kind == "wrapper":
            return key if key == _core_of(codec) else None
        return key

    def entry(self, key: str | int, value: object) -> tuple[str | int | None, object]:
        """The key and the restored value of a finished entry.

        The key is None where the restored container does not have the entry, the value ABSENT
        where it stands for a property that is not there. MERGED and a dict stand for several
        properties that are kept in one field."""
        if self.kind == "pairs":
            name = name_of_pair(value)
            return (None, ABSENT) if name is None else (name, self._value_of(value))
        codec = self.codec
        if isinstance(codec, RecordCodec) and key == codec.apart:
            return MERGED, codec.others(value)
        restored = self.name_of(key)
        return restored, ABSENT if restored is None else self._finished(key, value)

    def _value_of(self, pair: Any) -> object:
        codec = self.codec
        assert isinstance(codec, DictAsPairs)
        return codec.value.restore(pair[PAIRED]) if PAIRED in pair else ABSENT

    def key_of(self, name: str | int) -> str | int | None:
        """The inverse of ``name_of``."""
        codec = self.codec
        if isinstance(codec, RecordCodec):
            field = codec.by_name.get(str(name))
            return field.wire if field else None if codec.apart is not None else name
        return name

    def inside(self, key: str | int) -> tuple[ValueCodec, Shape]:
        """Codec and shape of what stands under a key of the answer."""
        codec, shape = self.codec, self.shape
        if self.kind == "wrapper":
            return _content(codec), shape
        if isinstance(codec, DictAsPairs):
            return _pair(codec.value), shape.inside("")
        if isinstance(codec, RecordCodec):
            field = codec.by_wire.get(str(key))
            if field is None:
                return (codec.rest if codec.apart is None else SAME), shape.inside(key)
            inner = _optional_as_list(field.codec) if field.presence == "list" else field.codec
            return inner, shape.inside(field.name)
        if isinstance(codec, ListCodec):
            item = codec.prefix[int(key)] if int(key) < len(codec.prefix) else codec.item
            return item, shape.inside(key)
        if isinstance(codec, DictCodec):
            return codec.value, shape.inside(key)
        return SAME, shape.inside(key)

    def _finished(self, key: str | int, value: object) -> object:
        codec = self.codec
        if isinstance(codec, RecordCodec):
            field = codec.by_wire.get(str(key))
            if field is not None:
                return ABSENT if field.is_absent(value) else field.restore(value)
        return self.inside(key)[0].restore(value)


class _OptionalAsList(ValueCodec):
    """An optional property encoded as ``[]`` (absent) or ``[value]``."""

    __slots__ = ("inner",)

    def __init__(self, inner: ValueCodec) -> None:
        self.inner = inner

    def is_plain(self) -> bool:
        return False


class _Pair(_OptionalAsList):
    """A {key, value} of a dict."""

    __slots__ = ()


_WRAPPER_CODECS = (RootWrapper, TaggedCodec, _OptionalAsList)
_OF_LISTS = (ListCodec, DictAsPairs)


@lru_cache(maxsize=1024)
def _optional_as_list(codec: ValueCodec) -> ValueCodec:
    return _OptionalAsList(codec)


@lru_cache(maxsize=1024)
def _pair(codec: ValueCodec) -> ValueCodec:
    return _Pair(codec)


def name_of_pair(pair: object) -> str | None:
    """The key of a {key, value}, None where it has none."""
    name = pair.get(KEY) if isinstance(pair, dict) else None
    return name if isinstance(name, str) else None


def growing(codec: ValueCodec, shape: Shape, text: str) -> object:
    """The value of an unfinished string; ABSENT where only the whole string can be restored."""
    return shape.growing(text) if _is_same(codec) else ABSENT


def _content(codec: ValueCodec) -> ValueCodec:
    inner: ValueCodec = codec.inner  # type: ignore[attr-defined]
    return inner


def _core_of(codec: ValueCodec) -> str | int:
    """The key of a wrapper's one entry that counts."""
    if isinstance(codec, RootWrapper):
        return codec.name
    if isinstance(codec, _Pair):
        return PAIRED
    return VALUE if isinstance(codec, TaggedCodec) else 0


def _certain(codec: ValueCodec, node: object) -> ValueCodec:
    """The codec of a container that has begun: a union's branch, where it is certain by now."""
    while True:
        if isinstance(codec, Deferred):
            codec = codec.target
        elif isinstance(codec, UnionCodec):
            found = _branch(codec, node)
            if found is None:
                return codec
            codec = found
        elif (
            isinstance(codec, RootWrapper)
            and node
            and not (isinstance(node, dict) and codec.name in node)
        ):
            codec = codec.inner  # a model that forgot the wrapping is understood
        elif isinstance(codec, _OF_OBJECTS if isinstance(node, list) else _OF_LISTS):
            return SAME  # carried as it is, for the check to refuse
        else:
            return SAME if _is_same(codec) else codec


@lru_cache(maxsize=1024)
def _is_same(codec: ValueCodec) -> bool:
    return is_identity(codec)


def _branch(codec: UnionCodec, node: object) -> ValueCodec | None:
    kind = kind_of(node)
    fit = [b.codec for b in codec.branches if kind in codec.wire.kinds(b.schema)]
    if len(fit) == 1:
        return fit[0]
    label = node.get("kind") if isinstance(node, dict) else None
    tagged = [c for c in fit if isinstance(c, TaggedCodec) and c.label == label]
    return tagged[0] if len(tagged) == 1 else None
