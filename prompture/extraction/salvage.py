"""What is left of an answer that gave no valid value, for the error that says so."""

from __future__ import annotations

from typing import Any, TypeVar

from prompture.errors import ExtractionError, PromptureError
from prompture.extraction.answer import UNREAD, Rejected
from prompture.extraction.strategy import Plan
from prompture.flows.attempts import raw_text
from prompture.schema.check import InvalidValue
from prompture.schema.exact import with_floats
from prompture.schema.repair import NotJSON
from prompture.schema.source import Source
from prompture.types import Completion

E = TypeVar("E", bound=PromptureError)
_OURS = (Rejected, InvalidValue, NotJSON)


def with_rest(
    error: E, completion: Completion, *, plan: Plan, source: Source[Any], plain: Any = UNREAD
) -> E:
    """The error, carrying the answer, its text, and the value as far as it came: ``plain``, or
    what can be read of an answer that was cut off."""
    error.partial = completion
    if isinstance(error, ExtractionError):
        error.raw = raw_text(completion)
        error.value = _begun(error.raw, plan, source) if plain is UNREAD else with_floats(plain)
    return error


def cause_of(error: BaseException) -> BaseException | None:
    """What a user's validator raised, behind the exceptions of ours that tell of it."""
    cause: BaseException | None = error
    while isinstance(cause, _OURS):
        cause = cause.__cause__
    return cause


def _begun(text: str, plan: Plan, source: Source[Any]) -> Any:
    """The plain value that an unfinished answer begins with, None where it begins with none."""
    from prompture.schema.partial import PartialJSONError, PartialParser
    from prompture.schema.partial_typed import PartialReader

    is_object = (
        isinstance(plan.rewrite.schema, dict) and plan.rewrite.schema.get("type") == "object"
    )
    parser = PartialParser(expect="object" if is_object else None)
    try:
        parser.feed(text)
    except PartialJSONError:
        return None
    if not parser.started:
        return None
    return PartialReader(plan.rewrite.codec, source.shape).plain(parser.snapshot())
