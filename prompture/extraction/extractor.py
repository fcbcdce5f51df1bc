"""Extractor: a schema and a model, configured once; and the functions that make one a call."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic, TypeVar, Unpack, cast, overload

from pydantic import TypeAdapter

from prompture.drivers.core import BaseDriver
from prompture.drivers.meter import Meter, metering
from prompture.errors import ConfigurationError, SchemaError
from prompture.extraction.estimating import Estimating
from prompture.extraction.flow import cascade
from prompture.extraction.inputs import content, notes_of
from prompture.extraction.models import makers
from prompture.extraction.options import Content, Models, Options, Strategy, checked, spelled
from prompture.extraction.preflight import check_fits
from prompture.extraction.prompts import document_turn
from prompture.extraction.result import Extraction
from prompture.extraction.strategy import Plan, plan
from prompture.extraction.streaming import Streaming
from prompture.flows.base import Flow
from prompture.flows.run import arun, run
from prompture.given import half_made, hide_keys
from prompture.schema.source import Source, source
from prompture.types import Request
from prompture.wire.deadline import is_over, within

T = TypeVar("T")
PLANS_KEPT = 128


class Extractor(Streaming[T], Estimating, Generic[T]):
    """Extracts one schema, as often as you like. Threads and tasks may share one.

    Arguments:
        schema: a Pydantic model, dataclass, TypedDict, ``list[T]``, Literal, Enum, union,
            scalar, TypeAdapter, or a JSON Schema (a dict; the value is then plain JSON).
        model: ``"provider/model"``, a driver, ``"cheapest"`` (or a wish such as
            ``"cheapest?json_schema&context>=200k&provider=openai,google"``: the cheapest listed
            model that has it, of those whose key is set), or a sequence of these, tried in
            order. None:
            ``PROMPTURE_MODEL``, else the first provider whose key is set, else ``local/rules``.
        instructions: words of yours, added to what the model is told.
        examples: pairs of text and value, or dicts ``{"text": ..., "value": ...}``.
        strategy: ``"auto"``, ``"json_schema"``, ``"tool"``, ``"json_object"`` or ``"prompt"``.
        max_retries: how often an invalid answer is asked for again.
        budget: a ``Budget`` (or any Meter) that watches the calls, or an amount of US dollars
            that all calls of this Extractor together may cost.
        temperature, max_tokens, reasoning: sent only where given.
        timeout: seconds to connect and between bytes.
        deadline: seconds for the whole call over HTTP: models, tries, waits, bytes. What is under
            way then ends with a TransportError, and nothing more is asked.
        cache: ask the provider to cache the prompt's stable part (True, ``"5m"``, ``"1h"``).
        extra: passed to the wire as it stands.
        context: what Pydantic validators see as ``info.context`` (a JSON Schema has none).

    Raises SchemaError, UnknownModel, MissingKey and other ConfigurationErrors. Options are
    checked here. A pickled Extractor has the schema and the options; a driver goes along as far
    as it can be pickled itself.
    """

    if TYPE_CHECKING:  # what T is, to a type checker

        @overload
        def __init__(self, schema: type[T], **options: Unpack[Options]) -> None: ...
        @overload
        def __init__(self, schema: TypeAdapter[T], **options: Unpack[Options]) -> None: ...
        @overload
        def __init__(self: Extractor[Any], schema: Any, **options: Unpack[Options]) -> None: ...

    @spelled(Options)
    def __init__(self, schema: Any, **options: Unpack[Options]) -> None:
        given = checked(options)
        if schema is False:
            raise SchemaError("the schema False takes no value at all: give a type")
        self.source: Source[T] = source(schema)
        self.model: Models = given["model"]
        self.instructions: str = given["instructions"]
        self.examples: tuple[tuple[Any, Any], ...] = given["examples"]
        self.strategy: Strategy = given["strategy"]
        self.max_retries: int = given["max_retries"]
        self.budget = _budget(given["budget"])
        self.deadline: float | None = given["deadline"]
        self.context = given["context"]
        self._base = Request(model="", messages=(), **given["request"])
        self._schema = schema
        self._reads: Source[T] = self.source.bound(self.context)
        self._plans: dict[BaseDriver, Plan] = {}

    def extract(self, text: Content) -> T:
        """The validated value. Raises ExtractionError (Refused, Truncated, Invalid),
        ProviderError, TransportError, BudgetExceeded; each carries the bill so far."""
        return self.extract_result(text).value

    async def aextract(self, text: Content) -> T:
        """``extract``, awaited."""
        return (await self.aextract_result(text)).value

    def extract_result(self, text: Content) -> Extraction[T]:
        """The value with its bill, attempts and sources."""
        with self._metered():
            return run(self._flow(text, asynchronous=False))

    async def aextract_result(self, text: Content) -> Extraction[T]:
        """``extract_result``, awaited."""
        with self._metered():
            return await arun(self._flow(text, asynchronous=True))

    def plan_for(self, driver: BaseDriver) -> Plan:
        """How this driver will be asked: strategy, rewritten schema, prompt. Made once."""
        found = self._plans.get(driver)
        if found is None:
            found = self._plans[driver] = self._shared_plan(driver)
        return found

    def _flow(self, text: Any, *, asynchronous: bool, **rules: Any) -> Flow[Any, Extraction[T]]:
        read = content(text)
        document = document_turn(read)
        return cascade(
            self._reads,
            makers(self.model, asynchronous=asynchronous, document=document),
            self.plan_for,
            document,
            check=check_fits,
            max_retries=self.max_retries,
            notes=notes_of(text) if read is not text else (),
            **{"is_over": is_over, **rules},
        )

    def __getstate__(self) -> dict[str, Any]:
        """What it was made of; the rest is made again."""
        made = ("source", "_reads", "_plans", "_of_items")
        return {name: value for name, value in self.__dict__.items() if name not in made}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, source=source(state["_schema"]), _plans={})
        self._reads = self.source.bound(self.context)

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self.budget is not None:
            try:
                pickle.dumps(self.budget, protocol)
            except Exception as exc:  # a meter of the caller's own may raise anything
                raise ConfigurationError(
                    "an Extractor with a budget that cannot be pickled stays in its process: make"
                    " the other one with a budget of its own"
                ) from exc
        return super().__reduce_ex__(protocol)

    def __copy__(self) -> Extractor[T]:
        other: Extractor[T] = object.__new__(type(self))
        other.__setstate__(self.__getstate__())
        return other

    def __deepcopy__(self, memo: dict[int, Any]) -> Extractor[T]:
        # A budget is one limit, however many Extractors spend from it.
        memo[id(self._schema)], memo[id(self.budget)] = self._schema, self.budget
        other: Extractor[T] = object.__new__(type(self))
        other.__setstate__(deepcopy(self.__getstate__(), memo))
        return other

    def _metered(self) -> AbstractContextManager[None]:
        if self.deadline is not None:
            return self._bounded()
        return self._watched()

    def _watched(self) -> AbstractContextManager[None]:
        return metering(self.budget) if self.budget is not None else nullcontext()

    @contextmanager
    def _bounded(self) -> Iterator[None]:
        with within(self.deadline), self._watched():
            yield

    def _shared_plan(self, driver: BaseDriver) -> Plan:
        """Plans without settings of the call's own are kept with the driver, for ``extract``."""
        if self.examples or self._base.extra:
            return self._plan(driver)
        base = self._base
        key = (
            self.source,
            self.strategy,
            self.instructions,
            base.temperature,
            base.max_tokens,
            base.reasoning,
            base.timeout,
            base.cache,
        )
        found: Plan | None = driver.plans.get(key)
        if found is None:
            if len(driver.plans) >= PLANS_KEPT:
                driver.plans.clear()
            found = driver.plans[key] = self._plan(driver)
        return found

    def _plan(self, driver: BaseDriver) -> Plan:
        return plan(
            self.source,
            driver,
            strategy=self.strategy,
            instructions=self.instructions,
            examples=self.examples,
            base=self._base,
        )

    @half_made
    def __repr__(self) -> str:
        return f"Extractor({self.source.name}, model={self.model!r})"


def _budget(given: Meter | Decimal | str | float | None) -> Meter | None:
    if given is None:
        return None
    from prompture.spend.budget import budget_of

    return budget_of(given)


def extractor_of(schema: Any, options: Mapping[str, Any]) -> Extractor[Any]:
    """An Extractor of a function's options. Raises UnknownOption."""
    hide_keys(cast(dict[str, Any], options))  # the very dict of the caller's frame
    return Extractor(schema, **options)


@overload
def extract(schema: type[T], text: Content, **options: Unpack[Options]) -> T: ...
@overload
def extract(schema: TypeAdapter[T], text: Content, **options: Unpack[Options]) -> T: ...
@overload
def extract(schema: Any, text: Content, **options: Unpack[Options]) -> Any: ...
@spelled(Options)
def extract(schema: Any, text: Content, **options: Unpack[Options]) -> Any:
    """The value that ``text`` holds for ``schema``, validated.

    ``text`` is a string or a sequence of parts. Options, and what is raised: see Extractor.
    """
    return extractor_of(schema, options).extract(text)


@overload
async def aextract(schema: type[T], text: Content, **options: Unpack[Options]) -> T: ...
@overload
async def aextract(schema: TypeAdapter[T], text: Content, **options: Unpack[Options]) -> T: ...
@overload
async def aextract(schema: Any, text: Content, **options: Unpack[Options]) -> Any: ...
@spelled(Options)
async def aextract(schema: Any, text: Content, **options: Unpack[Options]) -> Any:
    """``extract``, awaited."""
    return await extractor_of(schema, options).aextract(text)


@overload
def extract_result(schema: type[T], text: Content, **options: Unpack[Options]) -> Extraction[T]: ...
@overload
def extract_result(
    schema: TypeAdapter[T], text: Content, **options: Unpack[Options]
) -> Extraction[T]: ...
@overload
def extract_result(schema: Any, text: Content, **options: Unpack[Options]) -> Extraction[Any]: ...
@spelled(Options)
def extract_result(schema: Any, text: Content, **options: Unpack[Options]) -> Extraction[Any]:
    """The value with its bill, attempts, sources and changes. Options: see Extractor."""
    return extractor_of(schema, options).extract_result(text)


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
    schema: Any, text: Content, **options: Unpack[Options]
) -> Extraction[Any]: ...
@spelled(Options)
async def aextract_result(
    schema: Any, text: Content, **options: Unpack[Options]
) -> Extraction[Any]:
    """``extract_result``, awaited."""
    return await extractor_of(schema, options).aextract_result(text)
