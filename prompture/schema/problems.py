"""What is wrong with a value, and where: problems with RFC 6901 JSON pointers."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Sequence

from prompture.copying import PicklableError
from prompture.traces import Problem as Problem

PROBLEM_LIMIT = 50
"""At most this many problems are reported for one value."""

EXCERPT_LENGTH = 60


class InvalidValue(PicklableError, ValueError):
    """A value does not satisfy its schema; ``problems`` says where and why.

    ``total`` counts every problem found, of which ``problems`` holds the first 50.
    """

    def __init__(self, problems: Iterable[Problem], total: int | None = None) -> None:
        self.problems = tuple(problems)
        self.total = len(self.problems) if total is None else total
        super().__init__(_summary(self.problems, self.total))

    @property
    def not_json(self) -> bool:
        """Whether the text was no JSON at all, so that a repair is worth trying."""
        return any(problem.kind == "json_invalid" for problem in self.problems)

    def __reduce__(self) -> tuple[type[InvalidValue], tuple[tuple[Problem, ...], int]]:
        return type(self), (self.problems, self.total)


def excerpt(value: object) -> str:
    """A repr of at most 60 characters, made without printing the whole of a large value."""
    return _cut(_EXCERPTS.repr(value), EXCERPT_LENGTH)


def kind_in_words(value: object) -> str:
    """What a JSON value is, in the words of JSON Schema, with its article: ``"a string"``."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, int):
        return "an integer"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    return "a number"


def _summary(problems: Sequence[Problem], total: int) -> str:
    shown = "; ".join(str(problem) for problem in problems[:3])
    return shown if total <= 3 else f"{shown}; and {total - 3} more"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _excerpts() -> reprlib.Repr:
    short = reprlib.Repr()
    short.maxlevel, short.maxdict, short.maxlist = 3, 4, 4
    short.maxstring = short.maxlong = short.maxother = EXCERPT_LENGTH
    return short


_EXCERPTS = _excerpts()


def words_of(error: BaseException) -> str:
    """An exception's message; one of a user's own may fail to give any."""
    try:
        return str(error)
    except Exception as exc:  # a user's __str__ may raise anything
        return f"(its message cannot be read: {type(exc).__name__})"
