"""Rules that hold for a family of models, looked up by the model's name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Generic, TypeVar

from prompture.codecs.options import unknown_effort
from prompture.types import Request

T = TypeVar("T")


class Families(Generic[T]):
    """A table of rules. The first pattern that is found in a name gives the rules of that model;
    ``otherwise`` are those of a name that no pattern knows."""

    def __init__(self, *table: tuple[str, T], otherwise: T) -> None:
        self._table = [(re.compile(pattern), rules) for pattern, rules in table]
        self._otherwise = otherwise
        self.of = lru_cache(maxsize=256)(self._of)

    def _of(self, model: str) -> T:
        """The rules of a model."""
        return next((rules for found, rules in self._table if found.search(model)), self._otherwise)


class Efforts:
    """The efforts of reasoning that a family takes; ``renamed`` are ours that it calls otherwise."""

    def __init__(self, known: str, renamed: Mapping[str, str] | None = None) -> None:
        """``known`` are names between blanks."""
        self._known = known.split()
        self._renamed = renamed or {}

    def name(self, request: Request) -> str:
        """The request's effort as the family names it. Raises UnsupportedError for one that it
        has not."""
        effort = self._renamed.get(str(request.reasoning), str(request.reasoning))
        if effort not in self._known:
            raise unknown_effort(request, self._known, effort)
        return effort
