"""What an extraction would cost, before anything is sent, with the likely length of the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from math import ceil
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from prompture.catalog.tokens import Count, count_request
from prompture.codecs.counting import count_request as count_at_provider
from prompture.codecs.counting import counter_of, read_count
from prompture.drivers.core import BaseDriver
from prompture.drivers.cost import CostMixin
from prompture.drivers.keys import endpoint_for
from prompture.drivers.registry import default_model, resolve
from prompture.errors import ConfigurationError, PromptureError, UnsupportedError
from prompture.extraction.answer_size import answer_size as answer_size
from prompture.extraction.document_turn import document_turn
from prompture.extraction.inputs import Content, Models, content, files_read, has_files, is_text
from prompture.extraction.model_drivers import chosen, listed, named
from prompture.extraction.strategy import Plan
from prompture.money import short_usd
from prompture.schema.source import Source
from prompture.spend.reservation import foreseen_price
from prompture.types import Message, Request
from prompture.wire.deadline import in_thread, within
from prompture.wire.http import Exchange
from prompture.wire.retry import send

if TYPE_CHECKING:
    from prompture.drivers.provider import Provider

Counting = Literal["local", "provider"]
THINKING = (0, 100, 4000)
"""Tokens that a reasoning model adds: of 477 recorded answers with reasoning, the median had 101,
nine in ten less than 450, and the longest 3,444. Hard questions may take more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Tokens and US dollars of one answer of one model, re-asking not included.

    ``low``, ``likely`` and ``high`` are None where the price is unknown; ``reason`` says why.
    ``input`` says how it was counted. ``output`` is a guess from the schema's size and the
    document's length (see ``answer_size``), with the model's reasoning, and never past
    ``max_tokens``. ``others`` are the later models of a cascade, which are asked only where the
    ones before failed. ``chunks`` is in how many parts a long document is read: all figures are
    those of all parts together.
    """

    model: str
    strategy: str
    input: Count
    output: Count
    low: Decimal | None
    likely: Decimal | None
    high: Decimal | None
    reason: str = ""
    source: str = ""
    as_of: str = ""
    others: tuple[Estimate, ...] = ()
    chunks: int = 1

    def __str__(self) -> str:
        tokens = f"about {self.input.tokens:,} tokens in, {self.output.tokens:,} out"
        if self.chunks > 1:
            tokens += f", in {self.chunks} chunks"
        if self.low is None or self.likely is None or self.high is None:
            return f"{self.model}: price unknown ({self.reason}); {tokens}"
        spread = f"${short_usd(self.low)} to ${short_usd(self.high)}"
        return f"{self.model}: about ${short_usd(self.likely)} ({spread}); {tokens}"


class Planned(Protocol):
    """What is foreseen: an Extractor."""

    @property
    def source(self) -> Source[Any]: ...

    @property
    def model(self) -> Models: ...

    @property
    def deadline(self) -> float | None: ...

    @property
    def long(self) -> Any: ...

    @property
    def _of_chunks(self) -> Any: ...

    def planner(self, document: Message) -> Callable[[Any], Plan]: ...


@dataclass(frozen=True, slots=True)
class _Question:
    """What one model would be asked. ``document`` are the tokens of the document in it, ``parts``
    the questions for the chunks of a long one."""

    driver: Any
    plan: Plan
    request: Request
    document: int
    parts: tuple[_Question, ...] = ()


def foresee(extractor: Planned, text: Content, *, count: Counting) -> Estimate:
    """The Estimate of an Extractor; the provider is asked where ``count`` is "provider"."""
    found = []
    with within(extractor.deadline):
        for question in _questions(extractor, text, asynchronous=False, count=count):
            parts = []
            for part in question.parts or (question,):
                counting = _count_exchange(part.driver, part.request)
                tokens = part.driver._run(counting) if count == "provider" else None
                parts.append(_estimate(extractor, part, tokens))
            found.append(_together(parts))
    return replace(found[0], others=tuple(found[1:]))


async def aforesee(extractor: Planned, text: Content, *, count: Counting) -> Estimate:
    """``foresee``, awaited."""
    found = []
    with within(extractor.deadline):
        if has_files(text):
            text = await in_thread(files_read, text)
        for question in _questions(extractor, text, asynchronous=True, count=count):
            parts = []
            for part in question.parts or (question,):
                counting = _count_exchange(part.driver, part.request)
                tokens = await part.driver._run(counting) if count == "provider" else None
                parts.append(_estimate(extractor, part, tokens))
            found.append(_together(parts))
    return replace(found[0], others=tuple(found[1:]))


def _questions(
    extractor: Planned, text: Content, *, asynchronous: bool, count: Counting
) -> list[_Question]:
    """What each model of the cascade would be asked."""
    if count not in ("local", "provider"):
        raise ConfigurationError(f'count must be "local" or "provider", not {count!r}')
    document = document_turn(content(files_read(text)))
    found, planned = [], extractor.planner(document)
    for model in _models(extractor.model):
        driver: Any
        if count == "provider":
            driver = chosen(model, asynchronous=asynchronous, document=document)()
        else:
            driver = _offline(named(model, document)) if isinstance(model, str) else model
        question = _question(driver, planned(driver), document)
        if turns := _chunks(extractor, question, document):
            of_chunks = extractor._of_chunks
            parts = tuple(
                _question(driver, of_chunks.planner(turn)(driver), turn) for turn in turns
            )
            question = replace(question, parts=parts)
        found.append(question)
    return found


def _question(driver: Any, plan: Plan, document: Message) -> _Question:
    request = plan.request(document)
    # The list lengths follow from the document alone, not from the prompt around it.
    bare = replace(request, messages=(document,), tools=(), schema=None)
    return _Question(driver, plan, request, count_request(bare, exact=False).tokens)


def _chunks(extractor: Planned, question: _Question, document: Any) -> Sequence[Message]:
    """The turns of a long document's chunks; none where it is read at once."""
    is_long = False
    if extractor.long == "auto":
        try:
            question.plan.check_fits(question.request, with_answer=is_text(document.given))
        except PromptureError as exc:
            is_long = exc.too_long
        if not is_long:
            return ()
    elif extractor.long is None:
        return ()
    from prompture.extraction.long_text import chunk_turns

    return chunk_turns(cast(Any, extractor), document, [question.driver], is_long=is_long)


def _together(parts: Sequence[Estimate]) -> Estimate:
    """One estimate of those of all chunks."""
    first, *others = parts
    for each in others:
        known = None not in (first.low, each.low)
        first = replace(
            first,
            input=first.input + each.input,
            output=first.output + each.output,
            low=first.low + each.low if known else None,  # type: ignore[operator]
            likely=first.likely + each.likely if known else None,  # type: ignore[operator]
            high=first.high + each.high if known else None,  # type: ignore[operator]
            reason=first.reason or each.reason,
            chunks=first.chunks + 1,
        )
    return first


def _models(model: Any) -> list[Any]:
    return [default_model()] if model is None else list(listed(model))


class _Offline(CostMixin, BaseDriver):
    """A driver that cannot send: it knows the model's features and prices, and needs no key."""


@cache
def _class_of(provider: Provider) -> type[_Offline]:
    return type("_Offline", (_Offline,), {"provider": provider})


def _offline(model: str) -> BaseDriver:
    row, rest = resolve(model)
    settings: dict[str, Any] = {
        # Settings that have no default (a region, a project) change no price.
        name: "-"
        for name, default in row.options.items()
        if default is None
    }
    # A URL with holes cannot be made, and nothing is sent to it.
    base_url = "https://nowhere.invalid" if "{" in row.base_url else None
    return _class_of(row)(rest, api_key="-", base_url=base_url, **settings)


def _estimate(extractor: Planned, question: _Question, counted: int | None) -> Estimate:
    """``counted`` are the tokens of the input, where the provider has counted them."""
    driver, request = question.driver, question.request
    tokens = count_request(request) if counted is None else _by_provider(counted)
    output = _output(extractor.source, question)
    costs = [
        foreseen_price(request, driver, *pair, search_context="low")
        for pair in zip(
            (tokens.low, tokens.tokens, tokens.high),
            (output.low, output.tokens, output.high),
            strict=True,
        )
    ]
    # Three prices or none: a range with an end that is unknown says nothing.
    known = all(cost.usd is not None for cost in costs)
    low, likely, high = (cost.usd if known else None for cost in costs)
    unknown = next((cost for cost in costs if cost.usd is None), None)
    return Estimate(
        model=f"{driver.provider.name}/{request.model}",
        strategy=question.plan.strategy,
        input=tokens,
        output=output,
        low=low,
        likely=likely,
        high=high,
        reason=unknown.reason if unknown else "",
        source=costs[1].source,
        as_of=costs[1].as_of,
    )


def _by_provider(tokens: int) -> Count:
    return Count(tokens, tokens, tokens, exact=True, method="counted by the provider")


def _output(source: Source[Any], question: _Question) -> Count:
    request = question.request
    size = answer_size(source.json_schema, question.document)
    # Of the same gold values, each quoted: 3.1 times at the median, 8.8 for one in twenty.
    size = size.times(1, 3, 9) if question.plan.quotes else size
    entry = question.driver.entry(request.model)
    thinks = bool(entry and entry.features.reasoning) and request.reasoning not in ("none", 0)
    low, likely, high = THINKING if thinks else (0, 0, 0)
    if isinstance(request.reasoning, int):
        high = max(high, request.reasoning)
    limits = (request.max_tokens, entry.limits.output if entry else None)
    most = min((n for n in limits if n is not None), default=None)

    def within(tokens: float) -> int:
        return ceil(tokens) if most is None else min(ceil(tokens), most)

    return Count(
        within(size.likely + likely),
        within(size.low + low),
        within(size.high + high),
        exact=False,
        method="from the schema's size" + (", with reasoning" if thinks else ""),
    )


def _count_exchange(driver: Any, request: Request) -> Exchange[int]:
    """Ask the provider how many tokens the request is. Raises UnsupportedError."""
    row, endpoint = driver.provider, endpoint_for(driver, request.api_key) or driver.endpoint
    counter = counter_of(row.name)
    if counter is None:
        raise UnsupportedError(f"{row.name} has no endpoint that counts tokens; count='local' does")
    codec = row.codecs[counter.codec] if counter.codec else row.codec_of(request)
    http = replace(
        count_at_provider(counter, codec, request, endpoint),
        timeout=request.timeout or driver.timeout,
    )
    response = yield from send(http, lambda got: codec.read_error(got, endpoint), driver.retry)
    return read_count(counter, response)
