"""How an Extractor is copied and pickled: by what it was made of. And those that are made of it for
other schemas: a list of what it extracts, a part of that."""

from __future__ import annotations

from copy import deepcopy
from operator import index
from typing import Any, Self, SupportsIndex

from prompture.compat import cached_property
from prompture.errors import ConfigurationError
from prompture.schema.source import Source, source


class Copies:
    """The copying of a class that has these attributes; plans and readers are made again."""

    source: Source[Any]
    budget: Any
    context: Any
    _schema: Any
    _reads: Source[Any]
    _plans: dict[Any, Any]
    _wishes: Any
    instructions: str

    def __getstate__(self) -> dict[str, Any]:
        """What it was made of; the rest is made again."""
        made = ("source", "_reads", "_plans", "_of_items", "_of_chunks")
        return {name: value for name, value in self.__dict__.items() if name not in made}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, source=source(state["_schema"]), _plans={})
        self._reads = self.source.bound(self.context)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        if self.budget is not None:
            try:
                import pickle

                pickle.dumps(self.budget, index(protocol))
            except Exception as exc:  # a meter of the caller's own may raise anything
                raise ConfigurationError(
                    "an Extractor with a budget that cannot be pickled stays in its process: make"
                    " the other one with a budget of its own"
                ) from exc
        return super().__reduce_ex__(protocol)

    def __copy__(self) -> Self:
        other: Self = object.__new__(type(self))
        other.__setstate__(self.__getstate__())
        return other

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        # A budget is one limit, however many Extractors spend from it.
        memo[id(self._schema)], memo[id(self.budget)] = self._schema, self.budget
        other: Self = object.__new__(type(self))
        other.__setstate__(deepcopy(self.__getstate__(), memo))
        return other

    @cached_property
    def _of_chunks(self) -> Self:
        """The same extractor, for a part of a long document."""
        from prompture.extraction.long_text import PART_OF_LONGER, relaxed

        other = self._for(source(relaxed(self.source.json_schema)))
        other.instructions = f"{self.instructions}\n\n{PART_OF_LONGER}".strip()
        return other

    @cached_property
    def _of_items(self) -> Self:
        """The same extractor, for a list of what this one extracts."""
        from prompture.extraction.envelope import envelope_of

        other = self._for(envelope_of(self.source))
        other._wishes = self._wishes and self._wishes.of_items()
        return other

    def _for(self, other_source: Source[Any]) -> Self:
        # Not by __init__: the options are checked already, and an envelope is no schema.
        other: Self = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.source = other._reads = other_source
        other._plans = {}
        return other
