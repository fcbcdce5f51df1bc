"""What a schema gives up to stay within the limits of a dialect."""

from __future__ import annotations

from dataclasses import dataclass, replace

from prompture.schema.rewriting.dialects import Dialect


class Crowded(Exception):
    """Cycles of references, written out, take too much room: see :meth:`Cut.less_written_out`."""


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

    def less_written_out(self, dialect: Dialect) -> Cut | None:
        """Fewer turns round cycles, or fewer levels of what is written out level by level; None at the least."""
        if self.turns > 0 and not dialect.recursion:
            return replace(self, turns=0 if self.turns == 1 else 1)
        if self.depth is not None and self.depth > 2:
            return replace(self, depth=max(2, self.depth * 2 // 3))
        return None

    @property
    def is_none(self) -> bool:
        return self.depth is None and self.fields is None and not self.texts
