"""extract_stream and extract_items: what is ready, while the model still writes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, Unpack, overload

from pydantic import TypeAdapter

from prompture.compat import cached_property
from prompture.extraction.options import (
    Content,
    ItemsOptions,
    StreamOptions,
    refuse_unknown,
    spelled,
)
from prompture.flows.base import Flow

if TYPE_CHECKING:
    from prompture.drivers.meter import Meter
    from prompture.extraction.items import AsyncItemStream, Items, ItemStream, OnError
    from prompture.extraction.live import RunningBill
    from prompture.extraction.partial import AsyncPartialStream, PartialStream
    from prompture.schema.source import Source

T = TypeVar("T")


class Streaming(Generic[T]):
    """The streaming half of an Extractor."""

    if TYPE_CHECKING:
        source: Source[T]
        _reads: Source[T]
        budget: Meter | None
        deadline: float | None
        examples: tuple[tuple[str, Any], ...]

        def _flow(self, text: Any, *, asynchronous: bool, **rules: Any) -> Flow[Any, Any]: ...

    def extract_stream(
        self,
        text: Content,
        *,
        min_interval: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> PartialStream[T]:
        """Snapshots of the value while it is written, at most one in ``min_interval`` seconds;
        the last has the ``result``. Raises what ``extract`` raises, on the way."""
        from prompture.extraction.partial import PartialStream, Snapshots

        audience = Snapshots(
            self._reads,
            budget=self.budget,
            deadline=self.deadline,
            interval=min_interval,
            clock=clock,
        )
        return PartialStream(audience, self._snapshots_flow(text, asynchronous=False))

    def aextract_stream(
        self,
        text: Content,
        *,
        min_interval: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> AsyncPartialStream[T]:
        """``extract_stream``, to be iterated with ``async for``."""
        from prompture.extraction.partial import AsyncPartialStream, Snapshots

        audience = Snapshots(
            self._reads,
            budget=self.budget,
            deadline=self.deadline,
            interval=min_interval,
            clock=clock,
        )
        return AsyncPartialStream(audience, self._snapshots_flow(text, asynchronous=True))

    def extract_items(self, text: Content, *, on_error: OnError = "raise") -> ItemStream[T]:
        """Every value of the schema that the text holds, each as soon as it is complete.

        ``on_error`` says what becomes of an item that is not valid: ``"raise"`` ends it all with
        Invalid, ``"skip"`` leaves it out, ``"collect"`` hands it out with its problems. Raises
        what ``extract`` raises; Truncated, when the list was cut off, after its whole items.
        """
        from prompture.extraction.items import ItemStream

        return ItemStream(self._items(on_error), self._items_flow(text, asynchronous=False))

    def aextract_items(self, text: Content, *, on_error: OnError = "raise") -> AsyncItemStream[T]:
        """``extract_items``, to be iterated with ``async for``."""
        from prompture.extraction.items import AsyncItemStream

        return AsyncItemStream(self._items(on_error), self._items_flow(text, asynchronous=True))

    def _snapshots_flow(
        self, text: Any, *, asynchronous: bool
    ) -> Callable[[RunningBill], Flow[Any, Any]]:
        return lambda running: self._flow(
            text, asynchronous=asynchronous, log=running.log, is_over=running.is_over
        )

    def _items(self, on_error: OnError) -> Items[T]:
        from prompture.extraction.items import Items

        return Items(
            self._of_items.source,
            self._reads,
            on_error=on_error,
            budget=self.budget,
            deadline=self.deadline,
        )

    def _items_flow(self, text: Any, *, asynchronous: bool) -> Callable[[Items[T]], Flow[Any, Any]]:
        return lambda items: self._of_items._flow(
            text,
            asynchronous=asynchronous,
            log=items.running.log,
            is_over=items.running.is_over,
            ask=items.ask,
            is_settled=items.is_settled,
        )

    @cached_property
    def _of_items(self) -> Any:
        """The same extractor, for a list of what this one extracts."""
        from prompture.extraction.envelope import KEY, envelope_of

        other: Any = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.source = other._reads = envelope_of(self.source)
        other.examples = tuple((given, {KEY: _several(held)}) for given, held in self.examples)
        other._plans = {}
        return other


def _several(held: Any) -> Any:
    """The values of an example of items; one alone is one of them."""
    return held if isinstance(held, (list, tuple)) else [held]


def _parts(options: Any, *names: str) -> tuple[dict[str, Any], Any]:
    """The options of the iteration, and the Extractor's class."""
    from prompture.extraction.extractor import extractor_of

    refuse_unknown(options, names)
    return {name: options.pop(name) for name in names if name in options}, extractor_of


@overload
def extract_stream(
    schema: type[T], text: Content, **options: Unpack[StreamOptions]
) -> PartialStream[T]: ...
@overload
def extract_stream(
    schema: TypeAdapter[T], text: Content, **options: Unpack[StreamOptions]
) -> PartialStream[T]: ...
@overload
def extract_stream(
    schema: Any, text: Content, **options: Unpack[StreamOptions]
) -> PartialStream[Any]: ...
@spelled(StreamOptions)
def extract_stream(
    schema: Any, text: Content, **options: Unpack[StreamOptions]
) -> PartialStream[Any]:
    """Snapshots of the value while the model writes it; the last has the ``result``.

        for partial in extract_stream(Receipt, text):
            show(partial.value.company)

    Options: see Extractor, and ``min_interval`` (seconds between snapshots).
    """
    own, extractor_of = _parts(options, "min_interval")
    found: PartialStream[Any] = extractor_of(schema, options).extract_stream(text, **own)
    return found


@overload
def aextract_stream(
    schema: type[T], text: Content, **options: Unpack[StreamOptions]
) -> AsyncPartialStream[T]: ...
@overload
def aextract_stream(
    schema: TypeAdapter[T], text: Content, **options: Unpack[StreamOptions]
) -> AsyncPartialStream[T]: ...
@overload
def aextract_stream(
    schema: Any, text: Content, **options: Unpack[StreamOptions]
) -> AsyncPartialStream[Any]: ...
@spelled(StreamOptions)
def aextract_stream(
    schema: Any, text: Content, **options: Unpack[StreamOptions]
) -> AsyncPartialStream[Any]:
    """``extract_stream``, to be iterated with ``async for``."""
    own, extractor_of = _parts(options, "min_interval")
    found: AsyncPartialStream[Any] = extractor_of(schema, options).aextract_stream(text, **own)
    return found


@overload
def extract_items(
    schema: type[T], text: Content, **options: Unpack[ItemsOptions]
) -> ItemStream[T]: ...
@overload
def extract_items(
    schema: TypeAdapter[T], text: Content, **options: Unpack[ItemsOptions]
) -> ItemStream[T]: ...
@overload
def extract_items(
    schema: Any, text: Content, **options: Unpack[ItemsOptions]
) -> ItemStream[Any]: ...
@spelled(ItemsOptions)
def extract_items(schema: Any, text: Content, **options: Unpack[ItemsOptions]) -> ItemStream[Any]:
    """Every value of the schema that ``text`` holds, each as soon as it is complete.

        for item in extract_items(Line, text):
            store(item.value)

    Options: see Extractor, and ``on_error``: ``"raise"``, ``"skip"`` or ``"collect"``.
    """
    own, extractor_of = _parts(options, "on_error")
    found: ItemStream[Any] = extractor_of(schema, options).extract_items(text, **own)
    return found


@overload
def aextract_items(
    schema: type[T], text: Content, **options: Unpack[ItemsOptions]
) -> AsyncItemStream[T]: ...
@overload
def aextract_items(
    schema: TypeAdapter[T], text: Content, **options: Unpack[ItemsOptions]
) -> AsyncItemStream[T]: ...
@overload
def aextract_items(
    schema: Any, text: Content, **options: Unpack[ItemsOptions]
) -> AsyncItemStream[Any]: ...
@spelled(ItemsOptions)
def aextract_items(
    schema: Any, text: Content, **options: Unpack[ItemsOptions]
) -> AsyncItemStream[Any]:
    """``extract_items``, to be iterated with ``async for``."""
    own, extractor_of = _parts(options, "on_error")
    found: AsyncItemStream[Any] = extractor_of(schema, options).aextract_items(text, **own)
    return found
