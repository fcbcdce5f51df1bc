"""Lists, their items rewritten; and the rewrite of tuples: positions as named properties."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prompture.schema.pointer import step
from prompture.schema.rewriting.codec import SAME, Codec, Step, unfit
from prompture.schema.rewriting.record import Record

_ARRAY = frozenset({"array"})


class List(Codec):
    """A list: the first few items by position, then the rest."""

    __slots__ = ("item", "prefix")

    def __init__(self, item: Codec, prefix: tuple[Codec, ...] = ()) -> None:
        self.item = item
        self.prefix = prefix

    def parts(self) -> Iterable[Codec]:
        return (self.item, *self.prefix)

    def forward(self, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        if not self.prefix:
            forward = self.item.forward
            return [forward(item) for item in value]
        return [self._at(i).forward(item) for i, item in enumerate(value)]

    def restore(self, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        if not self.prefix:
            restore = self.item.restore
            return [restore(item) for item in value]
        return [self._at(i).restore(item) for i, item in enumerate(value)]

    def enter(self, token: str, wire: Any) -> Step:
        position = int(token) if token.isdigit() else 0
        return (token,), self._at(position), step(wire, token)

    def _at(self, position: int) -> Codec:
        return self.prefix[position] if position < len(self.prefix) else self.item


class Tuple(Codec):
    """A list as an object: ``names`` by position, and under ``rest`` the items after them."""

    __slots__ = ("names", "record", "rest")

    def __init__(self, record: Record, names: tuple[str, ...], *, rest: str | None = None) -> None:
        self.record = record
        self.names = names
        self.rest = rest

    def parts(self) -> Iterable[Codec]:
        return (self.record,)

    def is_plain(self) -> bool:
        return False

    def forward(self, value: Any) -> Any:
        if not isinstance(value, list):
            return unfit(value, _ARRAY, self.restore) if isinstance(value, dict) else value
        more = value[len(self.names) :]
        if more and self.rest is None:
            return value  # too long, which the check says
        named: dict[str, Any] = dict(zip(self.names, value, strict=False))
        if self.rest is not None:
            named[self.rest] = more
        return self.record.forward(named)

    def restore(self, value: Any) -> Any:
        """The list; a gap before a later item is null, for items keep their places."""
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

    def enter(self, token: str, wire: Any) -> Step:
        position = int(token) if token.isdigit() else 0
        if position < len(self.names):
            return self.record.enter(self.names[position], wire)
        tokens, codec, inner = self.record.enter(self.rest or token, wire)
        more, codec, inner = codec.enter(str(position - len(self.names)), inner)
        return (*tokens, *more), codec, inner


def list_codec(item: Codec, prefix: tuple[Codec, ...] = ()) -> Codec:
    """The codec of a list, or :data:`SAME` where it has nothing to do."""
    return SAME if item is SAME and all(codec is SAME for codec in prefix) else List(item, prefix)
