"""What a call wants besides its value: examples to show, quotations, values that must stand in the
text."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from prompture.errors import ConfigurationError
from prompture.extraction.envelope import in_items
from prompture.extraction.evidence import Required, WantedEvidence, required_of
from prompture.extraction.examples import Pool, given_examples
from prompture.extraction.inputs import Example
from prompture.extraction.strategy import Plan
from prompture.schema.source import Source
from prompture.types import Message


def _check_grounded(example: Example, source: Source[Any], required: Required) -> None:
    """Raise ConfigurationError for an example that would teach what is refused."""
    values = example.value if example.is_list else [example.value]
    for value in values if example.text.strip() else ():
        turn = Message(role="user", content=example.content)
        if missing := WantedEvidence(source, turn, required=required).of_item(value):
            raise ConfigurationError(
                f"{example.place} has no place in its own text for {missing[0].pointer or 'the value'},"
                " which require_grounding asks for: it would teach the model to invent"
            )


class Wishes:
    """The options ``examples``, ``require_grounding`` and ``quotes`` of an Extractor, checked.

    ``source`` is what it extracts. Raises ConfigurationError.
    """

    def __init__(self, options: Mapping[str, Any], source: Source[Any]) -> None:
        self.examples: Sequence[Example]
        self.pool: Pool | None
        self.examples, self.pool = given_examples(options["examples"], source)
        self.required = required_of(options["require_grounding"], source.json_schema)
        self.quotes: bool = options["quotes"]
        if self.required is not None:
            self._check_examples(source, self.required)

    def _check_examples(self, source: Source[Any], required: Required) -> None:
        for each in self.examples:
            _check_grounded(each, source, required)
        # There may be many, and each call of ``extract`` comes here.
        if self.pool is not None and required not in self.pool.grounded_for:
            for each in self.pool.examples:
                _check_grounded(each, source, required)
            self.pool.grounded_for.add(required)

    def planner(self, plan_for: Callable[[Any], Plan], document: Message) -> Callable[[Any], Plan]:
        """``plan_for``, with the examples that are chosen for a document."""
        if self.pool is None:
            return plan_for
        chosen = self.pool.chosen(document.text)
        return lambda driver: plan_for(driver).showing(chosen)

    def evidence(self, source: Source[Any], document: Message) -> WantedEvidence | None:
        """What is looked for in a document. Raises ConfigurationError where it has no text."""
        shown = self.examples
        if self.pool is not None:
            shown = (*shown, *self.pool.chosen(document.text))
        if not (shown or self.required or self.quotes):
            return None
        return WantedEvidence(
            source, document, required=self.required, quotes=self.quotes, examples=shown
        )

    def of_items(self) -> Wishes:
        """The same for a list of what is wanted. Raises ConfigurationError."""
        if self.quotes:
            raise ConfigurationError(
                "quotes=True: the items are given out before a model has quoted anything; leave it"
                " out, or extract the whole list with extract_result"
            )
        other = copy.copy(self)
        other.examples = [in_items(each) for each in self.examples]
        other.pool = self.pool and self.pool.mapped(in_items)
        return other
