"""Rewrite: enum and const of kinds that the dialect has no enum for, as strings that stand for the values."""

from __future__ import annotations

import json
from typing import Any

from prompture.schema.rewriting.codec import Codec, unfit
from prompture.schema.rewriting.kinds import kind_of, same


class Labels(Codec):
    """Each value stands under a string: the compact JSON of it."""

    __slots__ = ("_kinds", "_table")

    def __init__(self, values: list[Any]) -> None:
        self._table = {label_of(value): value for value in values}
        self._kinds = frozenset(kind_of(value) for value in values)

    def labels(self) -> list[str]:
        return list(self._table)

    def is_plain(self) -> bool:
        return False

    def forward(self, value: Any) -> Any:
        label = label_of(value)
        if label in self._table:
            return label
        for label, known in self._table.items():
            if same(known, value):
                return label
        return unfit(value, self._kinds, self.restore) if isinstance(value, str) else value

    def restore(self, value: Any) -> Any:
        """The value, made anew: it may be an object, which the caller may change."""
        return json.loads(value) if isinstance(value, str) and value in self._table else value


def label_of(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
