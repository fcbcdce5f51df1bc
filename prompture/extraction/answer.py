"""From a Completion to a value: find the JSON, undo the rewriting, check it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from prompture.extraction.strategy import Plan
from prompture.schema.check import InvalidValue, Problem
from prompture.schema.repair import NotJSON, parse, read_exactly
from prompture.schema.source import Source
from prompture.types import Completion


class Rejected(Exception):
    """An answer that does not satisfy the schema. ``plain`` is the JSON it gave, in the
    schema's own shape, or UNREAD where there was none. ``shown`` are the problems with the
    places they have in the answer itself, as the model wrote it."""

    def __init__(
        self, problems: Sequence[Problem], plain: Any, shown: Sequence[Problem] | None = None
    ) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)
        self.plain = plain
        self.shown = self.problems if shown is None else tuple(shown)


UNREAD = object()
CUT = "truncated"
"""Kind of the problem of an answer whose JSON ends in the middle."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A value, with the plain JSON it was made of (None: not parsed apart from the value)."""

    value: Any
    plain: Any
    repairs: tuple[str, ...] = ()


def read(source: Source[Any], plan: Plan, completion: Completion) -> Reading:
    """The validated value of an answer. Raises Rejected with what is wrong and where."""
    text = answer_text(source, completion)
    if text is None:
        raise _unreadable(_nothing(plan), "missing")
    if plan.rewrite.identity:
        try:
            return Reading(source.validate_json(text), None)
        except InvalidValue as exc:
            if not exc.not_json:
                raise Rejected(exc.problems, read_exactly(text)) from exc
    try:
        parsed = parse(text)
    except NotJSON as exc:
        if exc.truncated:
            raise _unreadable("must be whole: the JSON is cut off", CUT) from exc
        raise _unreadable(f"must be JSON: {exc}", "json_invalid") from exc
    answer = read_exactly(parsed.text)
    try:
        if plan.rewrite.identity:
            return Reading(source.validate_json(parsed.text), None, parsed.repairs)
    except InvalidValue as exc:
        raise Rejected(exc.problems, answer) from exc
    plain = plan.rewrite.restore(answer)
    try:
        return Reading(source.validate(plain), plain, parsed.repairs)
    except InvalidValue as exc:
        there = plan.rewrite.forward_pointer
        shown = [replace(p, pointer=there(p.pointer, answer)) for p in exc.problems]
        raise Rejected(exc.problems, plain, shown) from exc


def _unreadable(message: str, kind: str) -> Rejected:
    return Rejected([Problem("", message, kind)], UNREAD)


def _nothing(plan: Plan) -> str:
    if plan.strategy == "tool":
        return "must be given by calling the function; there was no call and no JSON"
    return "must be JSON; the answer was empty"


def answer_text(source: Source[Any], completion: Completion) -> str | None:
    """The text that should be JSON: a tool call's arguments, or the answer itself."""
    for call in completion.tool_calls:
        if call.name == source.name or len(completion.tool_calls) == 1:
            if call.raw_arguments:
                return call.raw_arguments
            return json.dumps(call.arguments) if call.arguments is not None else None
    return completion.text if completion.text.strip() else None
