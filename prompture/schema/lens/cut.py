"""What a schema gives up to stay within the limits of a dialect."""

from __future__ import annotations

from dataclasses import dataclass


class Crowded(Exception):
    """Cycles of references, written out, take too much room: go round them less often."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What is given up.

    Attributes:
        depth: objects and arrays further in than this become text.
        texts: the schemas, known by the id() of their parts, that become text.
        fields: the root names at most so many properties; the others go into the field for the rest.
        turns: how often a cycle of references is gone round where a dialect has no recursion.
        limit: the limit it is for, in words.
    """

    depth: int | None = None
    texts: frozenset[tuple[int, ...]] = frozenset()
    fields: int | None = None
    turns: int = 3
    limit: str = ""

    @property
    def is_none(self) -> bool:
        return self.depth is None and self.fields is None and not self.texts
