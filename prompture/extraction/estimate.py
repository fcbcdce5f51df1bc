"""What an extraction would cost, before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from math import ceil
from typing import TYPE_CHECKING, Any, Literal, Unpack

from prompture.catalog.tokens import Count, count_request
from prompture.codecs.counting import count_request as count_at_provider
from prompture.codecs.counting import counter_of, read_count
from prompture.drivers.core import BaseDriver
from prompture.drivers.cost import CostMixin
from prompture.drivers.registry import default_model, resolve
from prompture.errors import ConfigurationError, UnsupportedError
from prompture.extraction.inputs import content
from prompture.extraction.models import chosen, listed, named
from prompture.extraction.options import Content, EstimateOptions, refuse_unknown, spelled
from prompture.extraction.prompts import document_turn
from prompture.extraction.sizes import answer_size
from prompture.money import Cost, short_usd
from prompture.types import Request, Usage
from prompture.wire.http import Exchange
from prompture.wire.retry import send

if TYPE_CHECKING:
    from prompture.drivers.provider import Provider
    from prompture.extraction.extractor import Extractor

Counting = Literal["local", "provider"]
THINKING = (0, 100, 4000)
"""Tokens that a reasoning model adds: of 477 recorded answers with reasoning, the median had 101,
nine in ten less than 450, and the longest 3,444. Hard questions may take more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Tokens and US dollars of one answer of one model, re-asking not included.

    ``low``, ``likely`` and ``high`` are None where the price is unknown; ``reason`` says why.
    ``input`` says how it was counted. ``output`` is a guess from the schema's size and the
    document's length (see ``extraction.sizes``), with the model's reasoning, and never past
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


@spelled(EstimateOptions)
def estimate(schema: Any, text: Content, **options: Unpack[EstimateOptions]) -> Estimate:
    """What extracting ``schema`` from ``text`` would cost; nothing is sent and no key is needed.

    ``options`` are those of ``extract``. ``count="provider"`` asks the provider to count the
    input, which sends it there (Anthropic, Google, OpenAI and Cohere can; that is free, but
    needs the key).
    """
    from prompture.extraction.extractor import extractor_of

    refuse_unknown(options, ("count",))
    count = options.pop("count", "local")
    return extractor_of(schema, options).estimate(text, count=count)


@spelled(EstimateOptions)
async def aestimate(schema: Any, text: Content, **options: Unpack[EstimateOptions]) -> Estimate:
    """``estimate``, awaited."""
    from prompture.extraction.extractor import extractor_of

    refuse_unknown(options, ("count",))
    count = options.pop("count", "local")
    return await extractor_of(schema, options).aestimate(text, count=count)


def foresee(extractor: Extractor[Any], text: Any, *, count: Counting) -> Estimate:
    """The Estimate of an Extractor; the provider is asked where ``count`` says so."""
    found = []
    for driver, request, size in _asked(extractor, text, asynchronous=False, count=count):
        told = driver._run(_count_exchange(driver, request)) if count == "provider" else None
        found.append(_estimate(extractor, driver, request, size, told))
    return replace(found[0], others=tuple(found[1:]))


async def aforesee(extractor: Extractor[Any], text: Any, *, count: Counting) -> Estimate:
    """``foresee``, awaited."""
    found = []
    for driver, request, size in _asked(extractor, text, asynchronous=True, count=count):
        asked = count == "provider"
        told = await driver._run(_count_exchange(driver, request)) if asked else None
        found.append(_estimate(extractor, driver, request, size, told))
    return replace(found[0], others=tuple(found[1:]))


def _asked(
    extractor: Extractor[Any], text: Any, *, asynchronous: bool, count: Counting
) -> list[tuple[Any, Request, int]]:
    """Each model's driver, the request it would get, and the tokens of the document in it."""
    if count not in ("local", "provider"):
        raise ConfigurationError(f'count must be "local" or "provider", not {count!r}')
    document = document_turn(content(text))
    found = []
    for model in _models(extractor.model):
        driver: Any
        if count == "provider":
            driver = chosen(model, asynchronous=asynchronous, document=document)()
        else:
            driver = _offline(named(model, document)) if isinstance(model, str) else model
        request = extractor.plan_for(driver).request(document)
        request = replace(request, model=request.model or driver.model)
        bare = replace(request, messages=(document,), tools=(), schema=None)
        found.append((driver, request, count_request(bare, exact=False).tokens))
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
        name: "-" for name, default in row.options.items() if default is None
    }
    base_url = "https://nowhere.invalid" if "{" in row.base_url else None
    return _class_of(row)(rest, api_key="-", base_url=base_url, **settings)


def _estimate(
    extractor: Extractor[Any], driver: Any, request: Request, document: int, told: int | None
) -> Estimate:
    counted = count_request(request) if told is None else _told(told)
    output = _output(extractor, driver, request, document)
    ends = [
        _cost(driver, request, *pair)
        for pair in zip(
            (counted.low, counted.tokens, counted.high),
            (output.low, output.tokens, output.high),
            strict=True,
        )
    ]
    known = all(cost.usd is not None for cost in ends)
    low, likely, high = (cost.usd if known else None for cost in ends)
    unknown = next((cost for cost in ends if cost.usd is None), None)
    return Estimate(
        model=f"{driver.provider.name}/{request.model}",
        strategy=extractor.plan_for(driver).strategy,
        input=counted,
        output=output,
        low=low,
        likely=likely,
        high=high,
        reason=unknown.reason if unknown else "",
        source=ends[1].source,
        as_of=ends[1].as_of,
    )


def _told(tokens: int) -> Count:
    return Count(tokens, tokens, tokens, exact=True, method="counted by the provider")


def _output(extractor: Extractor[Any], driver: Any, request: Request, document: int) -> Count:
    size = answer_size(extractor.source.json_schema, document)
    entry = driver.entry(request.model)
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


def _cost(driver: Any, request: Request, tokens: int, answer: int) -> Cost:
    tier = request.extra.get("service_tier")
    raw: Mapping[str, Any] = {
        name: request.extra[name] for name in ("speed", "inference_geo") if name in request.extra
    }
    if driver.provider.catalog == "perplexity":
        raw = {"search_context_size": "low"}  # unless it is asked for otherwise
    usage = Usage(
        input_tokens=tokens,
        output_tokens=answer,
        requests=1,
        service_tier=tier if isinstance(tier, str) else None,
        reported=True,
        raw=raw,
    )
    cost: Cost = driver.price(usage, asked=request.model)
    return cost


def _count_exchange(driver: Any, request: Request) -> Exchange[int]:
    """Ask the provider how many tokens the request is. Raises UnsupportedError."""
    row, endpoint = driver.provider, driver.endpoint
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
