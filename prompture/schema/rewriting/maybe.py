"""Rewrite: a nullable value as a list of none or one, where the dialect has no more unions to give."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prompture.schema.rewriting.codec import Codec, Step


class Maybe(Codec):
    """Null is the empty list."""

    __slots__ = ("inner",)

    def __init__(self, inner: Codec) -> None:
        self.inner = inner

    def parts(self) -> Iterable[Codec]:
        return (self.inner,)

    def is_plain(self) -> bool:
        return False

    def forward(self, value: Any) -> Any:
        return [] if value is None else [self.inner.forward(value)]

    def restore(self, value: Any) -> Any:
        """A list of several is carried as it is; a bare value is understood."""
        if not isinstance(value, list):
            return None if value is None else self.inner.restore(value)
        if len(value) > 1:
            return value
        return self.inner.restore(value[0]) if value else None

    def opened(self, wire: Any) -> Step:
        if not isinstance(wire, list) or len(wire) != 1:
            return (), self, wire
        tokens, codec, inner = self.inner.opened(wire[0])
        return ("0", *tokens), codec, inner
