"""What an extraction would cost, before anything is sent, with the likely length of the answer.

The length is foreseen from the schema and the length of the document: a JSON value is its keys and
signs, which the schema gives, and its values, which it does not. A date or a number has a usual
length, a string is short unless its bounds forbid it, and a list grows with the square root of the
document's tokens, as far as the document can fill it.

Measured by ``scripts/calibrate_answers.py`` on the gold values of 371 real documents in 8 sets
(invoices, receipts, contracts, resumes, papers, notices, reports, citations): the true length was
within the range for 370, and the likely one erred by 58 % at the median. Documents that are
one long list are beyond it: of citations, a quarter of the length was foreseen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from math import ceil
from typing import TYPE_CHECKING, Any, Literal, Protocol

from prompture.catalog.tokens import Count, count_request
from prompture.codecs.counting import count_request as count_at_provider
from prompture.codecs.counting import counter_of, read_count
from prompture.drivers.core import BaseDriver
from prompture.drivers.cost import CostMixin
from prompture.drivers.keys import endpoint_for
from prompture.drivers.registry import default_model, resolve
from prompture.errors import ConfigurationError, UnsupportedError
from prompture.extraction.document_turn import (
    Content,
    content,
    document_turn,
    files_read,
    has_files,
)
from prompture.extraction.inputs import Models
from prompture.extraction.model_drivers import chosen, listed, named
from prompture.extraction.strategy import Plan
from prompture.json_values import referenced
from prompture.money import short_usd
from prompture.schema.source import Source
from prompture.spend.reservation import foreseen_price
from prompture.types import JSON, JSONValue, Message, Request
from prompture.wire.deadline import within
from prompture.wire.http import Exchange
from prompture.wire.retry import send

if TYPE_CHECKING:
    from prompture.drivers.provider import Provider

_DEPTH = 12
"""Schemas nested deeper count as a text: they may refer to themselves."""
_ROOTS = 0.1
"""Likely items of a list, for each square root of the document's tokens."""
_KEY = 3.0
"""Tokens of a key's quotes and signs; its letters come on top."""
# Tokens: at least, likely, at most.
_STRINGS: Mapping[str, tuple[float, float, float]] = {
    "date": (6, 7, 8),
    "date-time": (10, 12, 18),
    "time": (4, 6, 10),
    "email": (4, 8, 20),
    "uri": (5, 15, 60),
    "uuid": (18, 22, 26),
}
_TEXT = (2.0, 8.0, 60.0)
_NUMBER = (1.0, 3.0, 8.0)
_NAMED_TYPES: Mapping[str, tuple[float, float, float]] = {
    "integer": (1.0, 2.0, 5.0),
    "number": _NUMBER,
    "boolean": (1.0, 1.0, 1.0),
    "null": (1.0, 1.0, 1.0),
}


@dataclass(frozen=True, slots=True)
class Size:
    """Tokens: at least, likely, at most (for a document of that length)."""

    low: float
    likely: float
    high: float

    def __add__(self, other: Size) -> Size:
        return Size(self.low + other.low, self.likely + other.likely, self.high + other.high)

    def times(self, low: float, likely: float, high: float) -> Size:
        return Size(self.low * low, self.likely * likely, self.high * high)


def answer_size(schema: JSONValue, document_tokens: int) -> Size:
    """Tokens of a value that satisfies the schema."""
    return _Sizer(schema, document_tokens).size(schema, 0) + Size(1, 2, 4)


class _Sizer:
    def __init__(self, root: JSONValue, document_tokens: int) -> None:
        self._root = root
        self._tokens = document_tokens

    def size(self, schema: JSONValue, depth: int) -> Size:
        schema = self._resolved(schema)
        if not isinstance(schema, Mapping) or depth > _DEPTH:
            return Size(*_TEXT)
        if "const" in schema:
            return _literal(schema["const"])
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            return _widest([_literal(v) for v in schema["enum"]])
        for word in ("anyOf", "oneOf"):
            if isinstance(schema.get(word), list) and schema[word]:
                return _widest([self.size(s, depth + 1) for s in schema[word]])
        if isinstance(schema.get("allOf"), list) and schema["allOf"] and "properties" not in schema:
            return self.size(schema["allOf"][0], depth + 1)
        return self._typed(schema, depth)

    def _typed(self, schema: JSON, depth: int) -> Size:
        kind = schema.get("type")
        if isinstance(kind, list):
            return _widest([self._typed({**schema, "type": k}, depth) for k in kind])
        if kind == "object" or "properties" in schema:
            return self._object(schema, depth)
        if kind == "array" or "items" in schema or "prefixItems" in schema:
            return self._array(schema, depth)
        if isinstance(kind, str) and kind in _NAMED_TYPES:
            return Size(*_NAMED_TYPES[kind])
        return self._string(schema)

    def _object(self, schema: JSON, depth: int) -> Size:
        total = Size(2, 2, 3)
        required = schema.get("required") or ()
        properties = schema.get("properties") or {}
        for name, inner in properties.items():
            one = self.size(inner, depth + 1)
            key = _KEY + len(name) / 5
            low = key + one.low if name in required else 0.0
            total += Size(low, key + one.likely, key + one.high)
        extra = schema.get("additionalProperties")
        if isinstance(extra, Mapping) or (extra is not False and not properties):
            pair = self.size(extra if isinstance(extra, Mapping) else {}, depth + 1)
            total += (pair + Size(_KEY, _KEY + 2, _KEY + 4)).times(0, *self._items(pair, {}))
        return total

    def _array(self, schema: JSON, depth: int) -> Size:
        fixed = schema.get("prefixItems")
        if isinstance(fixed, list):
            return sum((self.size(s, depth + 1) for s in fixed), Size(2, 2, 2))
        one = self.size(schema.get("items") or {}, depth + 1)
        low = schema.get("minItems") or 0
        return Size(1, 2, 3) + (one + Size(1, 1, 1)).times(low, *self._items(one, schema))

    def _items(self, one: Size, schema: JSON) -> tuple[float, float]:
        """Likely and greatest number of items."""
        least, most = schema.get("minItems") or 0, schema.get("maxItems") or float("inf")
        likely = max(1.0, min(_ROOTS * self._tokens**0.5, self._tokens / (2 * one.likely)))
        filled = max(2.0, self._tokens / max(4.0, one.likely / 3))
        return max(least, min(likely, most)), max(least, min(filled, most))

    def _string(self, schema: JSON) -> Size:
        found = _STRINGS.get(str(schema.get("format")))
        low, likely, high = found or _TEXT
        longest = schema.get("maxLength")
        if isinstance(longest, int):
            high = min(high, longest / 2 + 2) if found else longest / 3 + 2
            likely = min(likely, high)
        shortest = schema.get("minLength")
        if isinstance(shortest, int):
            low = max(low, shortest / 6)
            likely, high = max(low, likely), max(low, high)
        return Size(low, likely, high)

    def _resolved(self, schema: JSONValue) -> JSONValue:
        seen = 0
        while isinstance(schema, Mapping) and isinstance(schema.get("$ref"), str) and seen < 20:
            seen += 1
            schema = referenced(self._root, schema["$ref"])
        return schema


def _literal(value: JSONValue) -> Size:
    tokens = max(1.0, len(str(value)) / 4) + (2 if isinstance(value, str) else 0)
    return Size(tokens, tokens, tokens)


def _widest(sizes: list[Size]) -> Size:
    """Of alternatives, null is not the likely one."""
    return Size(min(s.low for s in sizes), max(s.likely for s in sizes), max(s.high for s in sizes))


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
    ones before failed.
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

    def __str__(self) -> str:
        tokens = f"about {self.input.tokens:,} tokens in, {self.output.tokens:,} out"
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

    def planner(self, document: Message) -> Callable[[Any], Plan]: ...


@dataclass(frozen=True, slots=True)
class _Question:
    """What one model would be asked. ``document`` are the tokens of the document in it."""

    driver: Any
    plan: Plan
    request: Request
    document: int


def foresee(extractor: Planned, text: Content, *, count: Counting) -> Estimate:
    """The Estimate of an Extractor; the provider is asked where ``count`` is "provider"."""
    found = []
    with within(extractor.deadline):
        for question in _questions(extractor, text, asynchronous=False, count=count):
            counting = _count_exchange(question.driver, question.request)
            tokens = question.driver._run(counting) if count == "provider" else None
            found.append(_estimate(extractor, question, tokens))
    return replace(found[0], others=tuple(found[1:]))


async def aforesee(extractor: Planned, text: Content, *, count: Counting) -> Estimate:
    """``foresee``, awaited."""
    found = []
    if has_files(text):
        text = await asyncio.to_thread(files_read, text)
    with within(extractor.deadline):
        for question in _questions(extractor, text, asynchronous=True, count=count):
            counting = _count_exchange(question.driver, question.request)
            tokens = await question.driver._run(counting) if count == "provider" else None
            found.append(_estimate(extractor, question, tokens))
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
        plan = planned(driver)
        request = plan.request(document)
        # The list lengths follow from the document alone, not from the prompt around it.
        bare = replace(request, messages=(document,), tools=(), schema=None)
        tokens = count_request(bare, exact=False).tokens
        found.append(_Question(driver, plan, request, tokens))
    return found


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
