"""What a dialect counts while it is handed out: first come, first served, in the order of the schema."""

from __future__ import annotations

import json
from typing import Any

from prompture.schema.rewriting.dialects import Dialect


class Budget:
    """What is left of a dialect's limits; the limits of the whole are measured afterwards."""

    def __init__(self, dialect: Dialect) -> None:
        limits = dialect.limits
        self._limits = limits
        self._all_required = dialect.all_required
        self._optionals = limits.optionals
        self._unions = limits.unions
        self._enums = limits.enum_values
        self._chars = limits.chars and limits.chars // 2  # the other half is for names

    def optionals(self, names: list[str]) -> set[str]:
        """Of properties that may be left out, those that the dialect can leave out."""
        if self._all_required:
            return set()
        if self._optionals is None:
            return set(names)
        granted = names[: max(self._optionals, 0)]
        self._optionals -= len(granted)
        return set(granted)

    def union(self) -> bool:
        """Whether there is room for one more union."""
        if self._unions is None:
            return True
        self._unions -= 1
        return self._unions >= 0

    def refund_union(self) -> None:
        if self._unions is not None:
            self._unions += 1

    def enum(self, values: list[Any]) -> bool:
        """Whether there is room for an enum of these values."""
        limits = self._limits
        size = sum(len(value if isinstance(value, str) else json.dumps(value)) for value in values)
        is_long = limits.long_enum is not None and len(values) > limits.long_enum
        if is_long and size > (limits.long_enum_chars or 0):
            return False
        if self._enums is not None and self._enums < len(values):
            return False
        if self._chars is not None and self._chars < size:
            return False
        self._enums = None if self._enums is None else self._enums - len(values)
        self._chars = None if self._chars is None else self._chars - size
        return True
