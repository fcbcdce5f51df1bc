"""What compiling one place gives, and where that place is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prompture.schema.pointer import pointer as written
from prompture.schema.rewriting.choice import Branch
from prompture.schema.rewriting.codec import Codec


@dataclass(slots=True)
class Node:
    """A rewritten schema and its codec.

    Attributes:
        kinds: the kinds of value that the *original* takes here.
        null: null may stand here in the *rewritten* value.
        label: a short name, for a tag.
        branches: of a union, so that a union around it can take them over.
    """

    schema: dict[str, Any]
    codec: Codec
    kinds: frozenset[str]
    null: bool = False
    label: str = "value"
    branches: list[Branch] | None = None


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in the schema: its pointer, how many objects and arrays stand around it, and how often the
    reference cycle it is in has been gone round."""

    pointer: str = ""
    depth: int = 0
    cycle: int = 0
    level: int = 0

    def at(self, *tokens: str) -> Spot:
        return Spot(self.pointer + _pointer(tokens), self.depth, self.cycle, self.level)

    def inside(self, *tokens: str) -> Spot:
        """One object or array further in."""
        return Spot(self.pointer + _pointer(tokens), self.depth + 1, self.cycle, self.level)


def _pointer(tokens: tuple[str, ...]) -> str:
    pointer = "/" + "/".join(tokens) if tokens else ""
    if "~" in pointer or pointer.count("/") != len(tokens):
        return written(tokens)
    return pointer
