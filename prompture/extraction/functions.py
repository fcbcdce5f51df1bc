"""``extract`` and its kin: an Extractor for one call.

Written by scripts/write_functions.py. Change that file, not this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload

from pydantic import TypeAdapter

from prompture.extraction.extractor import Extractor
from prompture.extraction.inputs import (
    Content,
    EstimateOptions,
    ItemsOptions,
    Options,
    Schema,
    StreamOptions,
    refuse_unknown,
    spelled,
)
from prompture.extraction.result import Extraction

if TYPE_CHECKING:
    from prompture.extraction.estimate import Estimate
    from prompture.extraction.items import AsyncItemStream, ItemStream
    from prompture.extraction.partial import AsyncPartialStream, PartialStream

T = TypeVar("T")


def _extractor(schema: Schema, options: Any) -> Extractor[Any]:
    """An Extractor of a function's options. Raises UnknownOption."""
    return Extractor(schema, **_taken(options))


def _taken(options: dict[str, Any]) -> dict[str, Any]:
    # Out of the caller's frame, too, which a traceback may show: one may be a key.
    taken = dict(options)
    options.clear()
    return taken


def _own(options: Any, name: str) -> dict[str, Any]:
    """The option that the method takes itself, out of ``options``. Raises UnknownOption."""
    refuse_unknown(options, (name,))
    return {name: options.pop(name)} if name in options else {}


@overload
def extract(schema: type[T], text: Content, **options: Unpack[Options]) -> T: ...
@overload
def extract(schema: TypeAdapter[T], text: Content, **options: Unpack[Options]) -> T: ...
@overload
def extract(schema: Schema, text: Content, **options: Unpack[Options]) -> Any: ...
@spelled(Options)
def extract(schema: Schema, text: Content, **options: Unpack[Options]) -> Any:
    """The value that ``text`` holds for ``schema``, validated.

    ``text`` is a string or a sequence of parts. Options, and what is raised: see Extractor.
    """
    return _extractor(schema, options).extract(text)


@overload
async def aextract(schema: type[T], text: Content, **options: Unpack[Options]) -> T: ...
@overload
async def aextract(schema: TypeAdapter[T], text: Content, **options: Unpack[Options]) -> T: ...
@overload
async def aextract(schema: Schema, text: Content, **options: Unpack[Options]) -> Any: ...
@spelled(Options)
async def aextract(schema: Schema, text: Content, **options: Unpack[Options]) -> Any:
    """``extract``, awaited."""
    return await _extractor(schema, options).aextract(text)


@overload
def extract_result(schema: type[T], text: Content, **options: Unpack[Options]) -> Extraction[T]: ...
@overload
def extract_result(
    schema: TypeAdapter[T], text: Content, **options: Unpack[Options]
) -> Extraction[T]: ...
@overload
def extract_result(
    schema: Schema, text: Content, **options: Unpack[Options]
) -> Extraction[Any]: ...
@spelled(Options)
def extract_result(schema: Schema, text: Content, **options: Unpack[Options]) -> Extraction[Any]:
    """The value with its bill, attempts, sources and changes. Options: see Extractor."""
    return _extractor(schema, options).extract_result(text)


@overload
async def aextract_result(
    schema: type[T], text: Content, **options: Unpack[Options]
) -> Extraction[T]: ...
@overload
async def aextract_result(
    schema: TypeAdapter[T], text: Content, **options: Unpack[Options]
) -> Extraction[T]: ...
@overload
async def aextract_result(
    schema: Schema, text: Content, **options: Unpack[Options]
) -> Extraction[Any]: ...
@spelled(Options)
async def aextract_result(
    schema: Schema, text: Content, **options: Unpack[Options]
) -> Extraction[Any]:
    """``extract_result``, awaited."""
    return await _extractor(schema, options).aextract_result(text)


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
    schema: Schema, text: Content, **options: Unpack[StreamOptions]
) -> PartialStream[Any]: ...
@spelled(StreamOptions)
def extract_stream(
    schema: Schema, text: Content, **options: Unpack[StreamOptions]
) -> PartialStream[Any]:
    """Snapshots of the value while the model writes it; the last has the ``result``.

        for partial in extract_stream(Receipt, text):
            show(partial.value.company)

    Options: see Extractor, and ``min_interval`` (seconds between snapshots).
    """
    own = _own(options, "min_interval")
    return _extractor(schema, options).extract_stream(text, **own)


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
    schema: Schema, text: Content, **options: Unpack[StreamOptions]
) -> AsyncPartialStream[Any]: ...
@spelled(StreamOptions)
def aextract_stream(
    schema: Schema, text: Content, **options: Unpack[StreamOptions]
) -> AsyncPartialStream[Any]:
    """``extract_stream``, to be iterated with ``async for``."""
    own = _own(options, "min_interval")
    return _extractor(schema, options).aextract_stream(text, **own)


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
    schema: Schema, text: Content, **options: Unpack[ItemsOptions]
) -> ItemStream[Any]: ...
@spelled(ItemsOptions)
def extract_items(
    schema: Schema, text: Content, **options: Unpack[ItemsOptions]
) -> ItemStream[Any]:
    """Every value of the schema that ``text`` holds, each as soon as it is complete.

        for item in extract_items(Line, text):
            store(item.value)

    Options: see Extractor, and ``on_error``: ``"raise"``, ``"skip"`` or ``"collect"``.
    """
    own = _own(options, "on_error")
    return _extractor(schema, options).extract_items(text, **own)


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
    schema: Schema, text: Content, **options: Unpack[ItemsOptions]
) -> AsyncItemStream[Any]: ...
@spelled(ItemsOptions)
def aextract_items(
    schema: Schema, text: Content, **options: Unpack[ItemsOptions]
) -> AsyncItemStream[Any]:
    """``extract_items``, to be iterated with ``async for``."""
    own = _own(options, "on_error")
    return _extractor(schema, options).aextract_items(text, **own)


@spelled(EstimateOptions)
def estimate(schema: Schema, text: Content, **options: Unpack[EstimateOptions]) -> Estimate:
    """What extracting ``schema`` from ``text`` would cost; nothing is sent and no key is needed.

    ``options`` are those of ``extract``. ``count="provider"`` asks the provider to count the
    input, which sends it there (Anthropic, Google, OpenAI and Cohere can; that is free, but
    needs the key).
    """
    own = _own(options, "count")
    return _extractor(schema, options).estimate(text, **own)


@spelled(EstimateOptions)
async def aestimate(schema: Schema, text: Content, **options: Unpack[EstimateOptions]) -> Estimate:
    """``estimate``, awaited."""
    own = _own(options, "count")
    return await _extractor(schema, options).aestimate(text, **own)
