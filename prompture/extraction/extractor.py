"""Extractor: a schema and a model, configured once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, Unpack, overload

from pydantic import TypeAdapter

from prompture import observe
from prompture.drivers.core import BaseDriver
from prompture.drivers.meter import Meter, metering
from prompture.errors import PromptureError, SchemaError, UnsupportedError
from prompture.extraction.cascade import cascade, check_evidence
from prompture.extraction.document_turn import document_turn
from prompture.extraction.extractor_copies import Copies
from prompture.extraction.flow import ValueReader
from prompture.extraction.inputs import (
    PLAN_KEY,
    Content,
    Models,
    Options,
    Schema,
    Strategy,
    checked,
    content,
    files_read,
    has_files,
    is_text,
    notes_of,
    spelled,
)
from prompture.extraction.model_drivers import Cascade, check_key, makers
from prompture.extraction.result import Extraction, value_of
from prompture.extraction.strategy import Plan, plan
from prompture.flows.attempts import AttemptLog
from prompture.flows.run import Flow, arun, run
from prompture.given import half_made
from prompture.observe import WorkSpan
from prompture.schema.source import Source, source
from prompture.types import Message, Request
from prompture.wire.deadline import in_thread, is_over, within

if TYPE_CHECKING:
    from prompture.extraction.chunks import Chunks
    from prompture.extraction.estimate import Counting, Estimate
    from prompture.extraction.evidence import Wishes
    from prompture.extraction.items import AsyncItemStream, Items, ItemStream, OnError
    from prompture.extraction.partial import AsyncPartialStream, PartialStream, Snapshots
    from prompture.flows.stream import RunningBill

T = TypeVar("T")
_NO_OPTIONS = Request(model="", messages=())
# Of one driver. A program that makes schemas without end must not fill the memory with plans.
PLANS_KEPT = 128


class Extractor(Copies, Generic[T]):
    """Extracts one schema, as often as you like. Threads and tasks may share one.

    Arguments:
        schema: a Pydantic model, dataclass, TypedDict, ``list[T]``, Literal, Enum, union,
            scalar, TypeAdapter, or a JSON Schema (a dict; the value is then plain JSON).
        model: ``"provider/model"``, a driver, ``"cheapest"`` (or a wish such as
            ``"cheapest?json_schema&context>=200k&provider=openai,google"``: the cheapest listed
            model that has it, of those whose key is set), or a sequence of these, tried in
            order, or a ``Cascade``, which says when the next one's turn is. None:
            ``PROMPTURE_MODEL``, else the first provider whose key is set, else ``local/rules``.
        instructions: words of yours, added to the system turn.
        examples: pairs of text and value, or dicts ``{"text": ..., "value": ...}``; the path of a
            file with one such dict a line (JSONL); or ``Examples``, of which those most like the
            document are shown. Their values are checked here.
        strategy: ``"auto"``, ``"json_schema"``, ``"tool"``, ``"json_object"`` or ``"prompt"``.
        max_retries: how often an invalid answer is asked for again.
        on_truncation: what becomes of an answer that was cut off. ``"resume"``: the rest of a
            list is asked for, else the answer once more with a higher ``max_tokens`` (four times,
            as far as the model and the budget go). ``"raise"``: Truncated, with what came.
        long: what becomes of a document that is longer than the model can read. ``"auto"``: it is
            read in chunks, whose values are merged. ``Chunks(...)``: every document is that has
            more than ``tokens``. None: it is refused.
        budget: a ``Budget`` (or any Meter) that watches the calls, or an amount of US dollars
            that all calls of this Extractor together may cost.
        temperature, max_tokens, reasoning: sent only where given.
        timeout: seconds to connect and between bytes.
        deadline: seconds for the whole call: models, tries, waits, bytes. What is under way then
            ends with DeadlineExceeded, and nothing more is asked.
        hedge: a share such as 0.95: a call that is slower than that share of recent ones is sent
            a second time, and the first good answer taken. Both are on the bill. Not for streams.
        prompt_cache: ask the provider to cache the prompt's stable part (True, ``"5m"``, ``"1h"``).
        cache: a ``Cache`` that keeps answers and gives them again, for nothing; None: that of the
            driver, False: none.
        extra: passed to the wire as it stands.
        priority: ``"bulk"``: where calls must wait, others go before these.
        api_key: a key (of a tenant) in the place of the driver's, or a dict with one for each
            provider. A pickle of the Extractor is then a secret.
        context: what Pydantic validators see as ``info.context`` (a JSON Schema has none).
        require_grounding: True, or JSON pointers such as ``"/items/*/price"``. A string or number
            there that the text does not hold is asked for again, as an invalid one is; at the end
            it is NotGrounded.
        quotes: the model quotes the document beside the value, which helps to choose between
            the places of a value. It makes the answer longer.

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
        def __init__(self: Extractor[Any], schema: Schema, **options: Unpack[Options]) -> None: ...

    @spelled(Options)
    def __init__(self, schema: Schema, **options: Unpack[Options]) -> None:
        given = checked(options)
        # A traceback may show this frame.
        options.pop("api_key", None)
        check_key(given["model"], given["request"].get("api_key"))
        if schema is False:
            raise SchemaError("the schema False takes no value at all: give a type")
        self.source: Source[T] = source(schema)
        # Not of tools, whose schemas are others' (MCP): who wrote it is here to mend it.
        if slip := getattr(self.source._checker, "misspelt", ""):
            raise SchemaError(slip)
        self.model: Models = given["model"]
        check_evidence(self.model, self.source.json_schema)
        self.long: Literal["auto"] | Chunks | None = given["long"]
        if self.long is not None and self.long != "auto":
            self.long.check(self.source.json_schema)
        self.instructions: str = given["instructions"]
        self.strategy: Strategy = given["strategy"]
        self.max_retries: int = given["max_retries"]
        self.on_truncation: str = given["on_truncation"]
        self.budget = _budget(given["budget"])
        self.deadline: float | None = given["deadline"]
        self.context = given["context"]
        asked = given["request"]
        self._base = Request(model="", messages=(), **asked) if asked else _NO_OPTIONS
        self._schema = schema
        # Plans are kept by the source without a context, which all Extractors of a schema share.
        self._reads: Source[T] = self.source.bound(self.context)
        self._wishes: Wishes | None = None
        if given["examples"] != () or given["require_grounding"] is not False or given["quotes"]:
            from prompture.extraction.evidence import Wishes

            self._wishes = Wishes(given, self._reads)
        self._plans: dict[BaseDriver, Plan] = {}

    def extract(self, text: Content) -> T:
        """The validated value. Raises ExtractionError (Refused, Truncated, Invalid),
        ProviderError, TransportError, BudgetExceeded; each carries the bill so far."""
        return value_of(self.extract_result(text))

    async def aextract(self, text: Content) -> T:
        """``extract``, awaited."""
        return value_of(await self.aextract_result(text))

    def extract_result(self, text: Content) -> Extraction[T]:
        """The value with its bill, attempts and sources."""
        scope = self._scope()
        refused = None
        with self._metered(scope):
            if self.long is None or self.long == "auto":
                try:
                    return run(self._flow(text, asynchronous=False, scope=scope))
                except PromptureError as exc:
                    if self.long is None or not exc.too_long:
                        raise
                    refused = exc
            from prompture.extraction.long_flow import in_chunks
            from prompture.flows.several import run_several

            return run_several(in_chunks(self, text, refused, scope, asynchronous=False))

    async def aextract_result(self, text: Content) -> Extraction[T]:
        """``extract_result``, awaited."""
        scope = self._scope()
        refused = None
        with self._metered(scope):
            if type(text) is not str and has_files(text):
                text = await in_thread(files_read, text)
            if self.long is None or self.long == "auto":
                try:
                    return await arun(self._flow(text, asynchronous=True, scope=scope))
                except PromptureError as exc:
                    if self.long is None or not exc.too_long:
                        raise
                    refused = exc
            from prompture.extraction.long_flow import in_chunks
            from prompture.flows.several import arun_several

            return await arun_several(in_chunks(self, text, refused, scope, asynchronous=True))

    def extract_stream(
        self,
        text: Content,
        *,
        min_interval: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> PartialStream[T]:
        """Snapshots of the value while it is written, at most one in ``min_interval`` seconds;
        the last has the ``result``. Raises what ``extract`` raises, on the way."""
        from prompture.extraction.partial import PartialStream, read_within

        audience = self._snapshots(min_interval, clock)
        text = read_within(text, audience.running)
        flow = self._flow(text, asynchronous=False, running=audience.running)
        return PartialStream(flow, audience)

    def aextract_stream(
        self,
        text: Content,
        *,
        min_interval: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> AsyncPartialStream[T]:
        """``extract_stream``, to be iterated with ``async for``."""
        from prompture.extraction.partial import AsyncPartialStream, flow_of

        audience = self._snapshots(min_interval, clock)
        make = partial(self._flow, asynchronous=True, running=audience.running)
        return AsyncPartialStream(flow_of(text, make, audience.running), audience)

    def extract_items(self, text: Content, *, on_error: OnError = "raise") -> ItemStream[T]:
        """Every value of the schema that the text holds, each as soon as it is complete.

        ``on_error`` says what becomes of an item that is not valid: ``"raise"`` ends it all with
        Invalid, ``"skip"`` leaves it out, ``"collect"`` yields it with its problems. Raises
        what ``extract`` raises; Truncated, when the list was cut off, after its whole items.
        """
        from prompture.extraction.items import ItemStream, items_flow
        from prompture.extraction.partial import read_within

        items = self._items(on_error)
        text = read_within(text, items.running)
        return ItemStream(items_flow(self, text, items, asynchronous=False), items)

    def aextract_items(self, text: Content, *, on_error: OnError = "raise") -> AsyncItemStream[T]:
        """``extract_items``, to be iterated with ``async for``."""
        from prompture.extraction.items import AsyncItemStream, items_flow
        from prompture.extraction.partial import flow_of

        items = self._items(on_error)
        make = partial(items_flow, self, items=items, asynchronous=True)
        return AsyncItemStream(flow_of(text, make, items.running), items)

    def estimate(self, text: Content, *, count: Counting = "local") -> Estimate:
        """What ``extract(text)`` would cost. See ``prompture.estimate``."""
        from prompture.extraction.estimate import foresee

        return foresee(self, text, count=count)

    async def aestimate(self, text: Content, *, count: Counting = "local") -> Estimate:
        """``estimate``, awaited."""
        from prompture.extraction.estimate import aforesee

        return await aforesee(self, text, count=count)

    def plan_for(self, driver: BaseDriver) -> Plan:
        """How this driver will be asked: strategy, rewritten schema, prompt. Made once."""
        found = self._plans.get(driver)
        if found is None:
            found = self._plans[driver] = self._shared_plan(driver)
        return found

    def planner(self, document: Message) -> Callable[[BaseDriver], Plan]:
        """``plan_for``, with the examples that are chosen for a document."""
        wishes = self._wishes
        return self.plan_for if wishes is None else wishes.planner(self.plan_for, document)

    def _flow(
        self,
        text: Content,
        *,
        asynchronous: bool,
        reader: Items[Any] | None = None,
        running: RunningBill | None = None,
        scope: WorkSpan | None = None,
    ) -> Flow[Any, Extraction[T]]:
        read = content(text := files_read(text))
        document = document_turn(read)
        log = running.log if running else AttemptLog()
        log.resumes = self.on_truncation == "resume"
        # Where it can be cut, a document must leave the answer its part of the window.
        may_be_cut = running is None or reader is not None
        log.leaves_answer = self.long == "auto" and may_be_cut and is_text(read)
        if read is not text:
            log.notes = notes_of(text)
        wants = None
        if self._wishes is not None:
            wants = self._wishes.evidence(reader.one if reader else self._reads, document)
            if reader is not None:
                reader.wants = wants
        flow = cascade(
            reader or ValueReader(self._reads),
            makers(self.model, asynchronous=asynchronous, document=document),
            self.planner(document),
            document,
            max_retries=self.max_retries,
            log=log,
            # A stream is left between its pieces, and its time goes on: no context holds it then.
            is_over=running.is_over if running else is_over,
            has_given=running.gave if running else None,
            policy=self.model if isinstance(self.model, Cascade) else None,
            wants=wants,
        )
        # Items are followed where their flow is made.
        scope = running.scope if running and reader is None else scope
        return flow if scope is None else scope.followed(flow)

    def _snapshots(self, interval: float, clock: Callable[[], float]) -> Snapshots[T]:
        from prompture.extraction.partial import Snapshots
        from prompture.flows.stream import RunningBill

        if self.long is not None and self.long != "auto":
            raise UnsupportedError(
                "a stream of one value is not read in chunks: use extract_result or extract_items,"
                " or leave long= out"
            )
        running = RunningBill(self.budget, self.deadline, self._scope())
        return Snapshots(self._reads, running, interval=interval, clock=clock)

    def _items(self, on_error: OnError) -> Items[T]:
        from prompture.extraction.items import Items
        from prompture.flows.stream import RunningBill

        running = RunningBill(self.budget, self.deadline, self._scope())
        return Items(self._of_items.source, self._reads, running, on_error=on_error)

    def _scope(self) -> WorkSpan | None:
        """The span of one extraction, where traces are on."""
        tracing = observe.current
        return None if tracing is None else tracing.extraction(self.source.name)

    def _metered(self, scope: WorkSpan | None) -> AbstractContextManager[None]:
        if self.deadline is not None or scope is not None:
            return self._bounded(scope)
        return metering(self.budget) if self.budget is not None else nullcontext()

    @contextmanager
    def _bounded(self, scope: WorkSpan | None) -> Iterator[None]:
        with (
            scope.whole() if scope is not None else nullcontext(),
            within(self.deadline),
            metering(self.budget) if self.budget is not None else nullcontext(),
        ):
            yield

    def _shared_plan(self, driver: BaseDriver) -> Plan:
        """Plans without settings of the call's own are kept with the driver, for ``extract``."""
        base = self._base
        # The first two may hold what has no hash (wishes: examples); a tenant's key must never be another's.
        if self._wishes is not None or base.extra or base.api_key is not None:
            return self._plan(driver)
        key = (self.source, self.strategy, self.instructions, *PLAN_KEY(base))
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
            examples=self._wishes.examples if self._wishes else (),
            quotes=self._wishes is not None and self._wishes.quotes,
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
