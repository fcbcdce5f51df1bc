"""Rewrite: an open dict as a list of {key, value}, for the dialects whose objects are closed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prompture.schema.pointer import step
from prompture.schema.rewriting.codec import Codec, Step, unfit
from prompture.schema.rewriting.kinds import same

KEY, VALUE = "key", "value"
_OBJECT = frozenset({"object"})


class Pairs(Codec):
    """A dict of any keys."""

    __slots__ = ("value",)

    def __init__(self, value: Codec) -> None:
        self.value = value

    def parts(self) -> Iterable[Codec]:
        return (self.value,)

    def is_plain(self) -> bool:
        return False

    def forward(self, value: Any) -> Any:
        if isinstance(value, dict):
            return [{KEY: key, VALUE: self.value.forward(item)} for key, item in value.items()]
        return unfit(value, _OBJECT, self.restore) if isinstance(value, list) else value

    def restore(self, value: Any) -> Any:
        """The dict; a list that is no list of pairs, or says two things of one key, is carried as it is."""
        if not isinstance(value, list):
            return value
        found: dict[str, Any] = {}
        for pair in value:
            if not _is_pair(pair):
                return value
            item = self.value.restore(pair[VALUE])
            if pair[KEY] in found and not same(found[pair[KEY]], item):
                return value
            found[pair[KEY]] = item
        return found

    def enter(self, token: str, wire: Any) -> Step:
        for i, pair in enumerate(wire if isinstance(wire, list) else ()):
            if _is_pair(pair) and pair[KEY] == token:
                return (str(i), VALUE), self.value, pair[VALUE]
        return (), self.value, None


class Values(Codec):
    """A dict of any keys where the dialect has them, its values rewritten."""

    __slots__ = ("value",)

    def __init__(self, value: Codec) -> None:
        self.value = value

    def parts(self) -> Iterable[Codec]:
        return (self.value,)

    def forward(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {key: self.value.forward(item) for key, item in value.items()}

    def restore(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {key: self.value.restore(item) for key, item in value.items()}

    def enter(self, token: str, wire: Any) -> Step:
        return (token,), self.value, step(wire, token)


def _is_pair(pair: Any) -> bool:
    return isinstance(pair, dict) and isinstance(pair.get(KEY), str) and VALUE in pair
