"""Places of an answer: how each is restored, and what it is to become."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from prompture.schema.partial_typed.shapes import ABSENT, Branched, Shape
from prompture.schema.rewriting.choice import VALUE, Choice, Tagged
from prompture.schema.rewriting.codec import SAME, Codec, Later, is_identity
from prompture.schema.rewriting.kinds import kind_of
from prompture.schema.rewriting.pairs import KEY, Pairs, Values
from prompture.schema.rewriting.pairs import VALUE as PAIRED
from prompture.schema.rewriting.record import Record
from prompture.schema.rewriting.rows import List, Tuple
from prompture.schema.rewriting.wrap import Wrap

MERGED = "\0merged"
"""Stands for the name of an entry that is a dict of entries, those which nobody named."""
_MAPPED = (Record, List, Values)
_OF_OBJECTS = (Record, Values, Tagged, Tuple)


class ContainerCodec:
    """A container that has begun: its codec and shape, as far as they are certain.

    ``kind`` is ``"open"`` where the container keeps its entries, ``"wrapper"`` where it stands only
    around the one that counts, ``"pairs"`` where it is a list of {key, value} for a dict,
    ``"opaque"`` where only the whole of it can be restored.
    ``certain`` is False where more of the container may tell more of the place.
    """

    __slots__ = ("certain", "codec", "kind", "shape")

    def __init__(self, codec: Codec, shape: Shape, node: Any) -> None:
        self.codec = codec = _certain(codec, node)
        self.certain = True
        self.shape = shape
        if isinstance(codec, _WRAPPER_CODECS):
            self.kind = "wrapper"
            self.certain = bool(node)
        elif isinstance(codec, Pairs) and isinstance(node, list):
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
        if isinstance(codec, Record):
            field = codec.by_wire.get(str(key))
            return field.name if field else None if key == codec.apart else key
        if self.kind == "wrapper":
            return key if key == _core_of(codec) else None
        return key

    def entry(self, key: str | int, value: Any) -> tuple[str | int | None, Any]:
        """A finished entry: its name, None if it has none, and its restored value, ABSENT if
        it says that there is nothing. Or MERGED and entries."""
        if self.kind == "pairs":
            said = name_of_pair(value)
            return (None, ABSENT) if said is None else (said, self._value_of(value))
        codec = self.codec
        if isinstance(codec, Record) and key == codec.apart:
            return MERGED, codec.others(value)
        name = self.name_of(key)
        return name, ABSENT if name is None else self._finished(key, value)

    def _value_of(self, pair: Any) -> Any:
        codec = self.codec
        assert isinstance(codec, Pairs)
        return codec.value.restore(pair[PAIRED]) if PAIRED in pair else ABSENT

    def key_of(self, name: str | int) -> str | int | None:
        """The inverse of ``name_of``."""
        codec = self.codec
        if isinstance(codec, Record):
            field = codec.by_name.get(str(name))
            return field.wire if field else None if codec.apart is not None else name
        return name

    def inside(self, key: str | int) -> tuple[Codec, Shape]:
        """Codec and shape of what stands under a key of the answer."""
        codec, shape = self.codec, self.shape
        if self.kind == "wrapper":
            return _content(codec), shape
        if isinstance(codec, Pairs):
            return _pair(codec.value), shape.inside("")
        if isinstance(codec, Record):
            field = codec.by_wire.get(str(key))
            if field is None:
                return (codec.rest if codec.apart is None else SAME), shape.inside(key)
            inner = _optional_as_list(field.codec) if field.presence == "list" else field.codec
            return inner, shape.inside(field.name)
        if isinstance(codec, List):
            item = codec.prefix[int(key)] if int(key) < len(codec.prefix) else codec.item
            return item, shape.inside(key)
        if isinstance(codec, Values):
            return codec.value, shape.inside(key)
        return SAME, shape.inside(key)

    def _finished(self, key: str | int, value: Any) -> Any:
        codec = self.codec
        if isinstance(codec, Record):
            field = codec.by_wire.get(str(key))
            if field is not None:
                return ABSENT if field.is_absent(value) else field.restore(value)
        return self.inside(key)[0].restore(value)


class _OptionalAsList(Codec):
    """A list of none or one, which says whether a property is there."""

    __slots__ = ("inner",)

    def __init__(self, inner: Codec) -> None:
        self.inner = inner

    def is_plain(self) -> bool:
        return False


class _Pair(_OptionalAsList):
    """A {key, value} of a dict."""

    __slots__ = ()


_WRAPPER_CODECS = (Wrap, Tagged, _OptionalAsList)
_OF_LISTS = (List, Pairs)


@lru_cache(maxsize=1024)
def _optional_as_list(codec: Codec) -> Codec:
    return _OptionalAsList(codec)


@lru_cache(maxsize=1024)
def _pair(codec: Codec) -> Codec:
    return _Pair(codec)


def name_of_pair(pair: Any) -> str | None:
    """The key of a {key, value}, None where it has none."""
    name = pair.get(KEY) if isinstance(pair, dict) else None
    return name if isinstance(name, str) else None


def growing(codec: Codec, shape: Shape, text: str) -> Any:
    """A string that is not complete, as far as it can be shown."""
    return shape.growing(text) if _is_same(codec) else ABSENT


def _content(codec: Codec) -> Codec:
    inner: Codec = codec.inner  # type: ignore[attr-defined]
    return inner


def _core_of(codec: Codec) -> str | int:
    """The key of a wrapper's one entry that counts."""
    if isinstance(codec, Wrap):
        return codec.name
    if isinstance(codec, _Pair):
        return PAIRED
    return VALUE if isinstance(codec, Tagged) else 0


def _certain(codec: Codec, node: Any) -> Codec:
    """The codec of a container that has begun: a union's branch, where it is certain by now."""
    while True:
        if isinstance(codec, Later):
            codec = codec.target
        elif isinstance(codec, Choice):
            found = _branch(codec, node)
            if found is None:
                return codec
            codec = found
        elif (
            isinstance(codec, Wrap) and node and not (isinstance(node, dict) and codec.name in node)
        ):
            codec = codec.inner  # a model that forgot the wrapping is understood
        elif isinstance(codec, _OF_OBJECTS if isinstance(node, list) else _OF_LISTS):
            return SAME  # carried as it is, for the check to refuse
        else:
            return SAME if _is_same(codec) else codec


@lru_cache(maxsize=1024)
def _is_same(codec: Codec) -> bool:
    return is_identity(codec)


def _branch(codec: Choice, node: Any) -> Codec | None:
    kind = kind_of(node)
    fit = [b.codec for b in codec.branches if kind in codec.wire.kinds(b.schema)]
    if len(fit) == 1:
        return fit[0]
    label = node.get("kind") if isinstance(node, dict) else None
    tagged = [c for c in fit if isinstance(c, Tagged) and c.label == label]
    return tagged[0] if len(tagged) == 1 else None
