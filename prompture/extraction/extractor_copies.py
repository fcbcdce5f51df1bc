"""How an Extractor is copied and pickled: by what it was made of."""

from __future__ import annotations

from copy import deepcopy
from operator import index
from typing import Any, Self, SupportsIndex

from prompture.errors import ConfigurationError
from prompture.schema.source import Source, source


class Copies:
    """The copying of a class that has these attributes; plans and readers are made again."""

    source: Source[Any]
    budget: Any
    context: Any
    _schema: Any
    _reads: Source[Any]

    def __getstate__(self) -> dict[str, Any]:
        """What it was made of; the rest is made again."""
        made = ("source", "_reads", "_plans", "_of_items")
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
