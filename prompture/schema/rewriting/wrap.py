"""Rewrite: a root that is no object, put into one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prompture.schema.rewriting.codec import Codec, Step


class Wrap(Codec):
    """The value under one name."""

    __slots__ = ("inner", "name")

    def __init__(self, inner: Codec, name: str) -> None:
        self.inner = inner
        self.name = name

    def parts(self) -> Iterable[Codec]:
        return (self.inner,)

    def is_plain(self) -> bool:
        return False

    def forward(self, value: Any) -> Any:
        return {self.name: self.inner.forward(value)}

    def restore(self, value: Any) -> Any:
        """A model that forgot the wrapping is understood."""
        if isinstance(value, dict) and value.keys() == {self.name}:
            return self.inner.restore(value[self.name])
        return self.inner.restore(value)

    def opened(self, wire: Any) -> Step:
        if not isinstance(wire, dict) or self.name not in wire:
            return self.inner.opened(wire)
        tokens, codec, inner = self.inner.opened(wire[self.name])
        return (self.name, *tokens), codec, inner
