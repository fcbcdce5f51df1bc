"""What comes of an extraction: the value, and everything about how it came to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from prompture.compat import cached_property
from prompture.money import Bill
from prompture.schema.rewriting.change import Change
from prompture.traces import Attempt as Attempt
from prompture.types import Completion, Span, Usage

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Extraction(Generic[T]):
    """A validated value with its history.

    ``cost`` is the bill of every attempt, failed ones included. ``sources`` maps JSON pointers
    of the value to the places in the text that say it (made when first asked for). ``changes``
    is what the schema's rewriting altered for the provider. ``raw`` is the last Completion.
    ``output_tokens_saved`` is what asking for the failing parts alone saved. ``notes`` say what
    was changed in the text before it was sent.
    """

    value: T
    cost: Bill
    attempts: tuple[Attempt, ...]
    model: str
    strategy: str
    changes: tuple[Change, ...] = ()
    raw: Completion = field(repr=False)
    plain: Any = field(default=None, repr=False)
    text: str = field(default="", repr=False)
    output_tokens_saved: int = 0
    notes: tuple[str, ...] = ()

    @property
    def usage(self) -> Usage:
        """Tokens of every attempt."""
        return self.cost.usage

    @cached_property
    def sources(self) -> Mapping[str, tuple[Span, ...]]:
        """Spans by JSON pointer, in code points of the text that was given. The driver's own
        where it knows them (``local/rules``), else found by ``ground``."""
        if self.raw.spans is not None:
            return self.raw.spans
        from prompture.extraction.grounding import ground

        return ground(self.value if self.plain is None else self.plain, self.text)
