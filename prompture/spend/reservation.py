"""The most that a call can cost, before it is sent: what a budget reserves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_UP, Decimal
from math import ceil
from typing import Any

from prompture.catalog.tokens import count_request
from prompture.drivers.core import BaseDriver
from prompture.money import EXACT, ZERO, Cost
from prompture.types import Document, Image, Request, Text, Usage

MARGIN = 1.15
"""On the high estimate of the input, which one text in ten passes."""
DENSE = 0.05
"""Of text with less white space than this, each byte counts as a token, which none can pass."""
UNLIMITED = 32_768
"""Output tokens that are reserved (and set as the limit) where nobody states one."""
_MANY = 1_000_000
"""Output tokens for which a price is asked: enough that the rate of one is exact."""
_FINE = Decimal("1e-9")
_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict")
_NESTED_LIMITS = (
    ("generationConfig", "maxOutputTokens"),
    ("inferenceConfig", "maxTokens"),
    ("options", "num_predict"),
)


@dataclass(frozen=True, slots=True)
class WorstCase:
    """The dearest way in which a call can be billed.

    Attributes:
        input_tokens: a ceiling of the input (see ``MARGIN`` and ``DENSE``).
        usd: US dollars for that input and for fees.
        rate: US dollars for each token of output.
        output_tokens: the limit that holds for the answer; None where there is none.
        fixed: that limit stands in ``extra``, so it cannot be lowered.
        answers: how many answers are asked for at once.
        bound: tokens that no input can pass: one for each byte.
    """

    input_tokens: int
    usd: Decimal
    rate: Decimal
    output_tokens: int | None
    fixed: bool = False
    answers: int = 1
    bound: int = 0

    @property
    def free(self) -> bool:
        """Whether the call costs nothing whatever its length."""
        return not self.usd and not self.rate

    def with_input(self, times: Decimal) -> WorstCase:
        """The same call with ``times`` as much input, rounded up."""
        tokens = int(EXACT.multiply(Decimal(self.input_tokens), times)) + 1
        usd = EXACT.multiply(self.usd, times).quantize(_FINE, ROUND_UP, EXACT)
        return replace(self, input_tokens=tokens, usd=usd)


def worst_case_of(request: Request, driver: BaseDriver) -> WorstCase | None:
    """The worst case of a call; None where the price of the model is not known.

    All of the input may be written to the cache, all of the output may be reasoning: the dearest
    of these prices is taken.
    Searches that a provider makes on its own side cannot be foreseen, and are not in it.
    """
    tokens = _input_ceiling(request)

    def usd(output: int, **parts: Any) -> Decimal | None:
        return foreseen_price(request, driver, tokens, output, search_context="high", **parts).usd

    # Asked of the same function that prices the answer, so that no rule is known here alone.
    inputs = [usd(0, **kind) for kind in _kinds(request, tokens)]
    outputs = [usd(_MANY, reasoning_tokens=part) for part in (0, _MANY)]
    if None in inputs or None in outputs:
        return None
    known = [amount for amount in inputs if amount is not None]
    dearest = max(amount for amount in outputs if amount is not None)
    fixed = _fixed_limit(request.extra)
    answers = _answers(request.extra)
    # Of two prices, since the price of no output holds the input and the fees.
    rate = EXACT.divide(EXACT.subtract(dearest, known[0]), Decimal(_MANY))
    return WorstCase(
        tokens,
        max(known),
        max(ZERO, EXACT.multiply(rate, Decimal(answers))),
        fixed or _limit(request, driver),
        fixed=fixed is not None,
        answers=answers,
        bound=max(tokens, _bytes(request)),
    )


def unpriced(request: Request, driver: BaseDriver) -> WorstCase:
    """The worst case in tokens alone, at no price."""
    fixed = _fixed_limit(request.extra)
    return WorstCase(
        _input_ceiling(request),
        ZERO,
        ZERO,
        fixed or _limit(request, driver),
        fixed=fixed is not None,
        answers=_answers(request.extra),
        bound=_bytes(request),
    )


def _limit(request: Request, driver: BaseDriver) -> int | None:
    if request.max_tokens is not None:
        return request.max_tokens
    entry = driver.entry(request.model or driver.model)
    return entry.limits.output if entry else None


def _kinds(request: Request, tokens: int) -> Iterator[dict[str, Any]]:
    """The plain input first, then the ways in which it may cost more."""
    yield {}
    yield {"cache_write_tokens": tokens}
    # ``extra`` may ask for a cache in the provider's own words.
    if request.prompt_cache or request.extra:
        lives = (request.prompt_cache,) if isinstance(request.prompt_cache, str) else ("5m", "1h")
        for life in lives:
            yield {"cache_write_tokens": tokens, "cache_writes": {life: tokens}}
    if any(isinstance(p, Image) for m in request.messages for p in m.parts):
        yield {"input_image_tokens": tokens}


def foreseen_price(
    request: Request,
    driver: BaseDriver,
    tokens: int,
    output: int,
    *,
    search_context: str,
    **parts: Any,
) -> Cost:
    """The price of a call that has not been made: ``tokens`` of input and ``output`` tokens.

    ``parts`` are other fields of its Usage. ``search_context`` is the size that Perplexity would
    charge for: its answers state it, requests need not.
    """
    extra = request.extra
    tier = extra.get("service_tier")
    raw = {name: extra[name] for name in ("speed", "inference_geo") if name in extra}
    if driver.provider.catalog == "perplexity":
        raw["search_context_size"] = search_context
    usage = Usage(
        input_tokens=tokens,
        output_tokens=output,
        requests=1,
        service_tier=tier if isinstance(tier, str) else None,
        reported=True,
        raw=raw,
        **parts,
    )
    return driver.price(usage, asked=request.model or driver.model)


def _input_ceiling(request: Request) -> int:
    counted = count_request(request, exact=False)
    estimate = ceil(counted.high * MARGIN) + 16
    dense = sum(_size(text) for text in _texts(request) if _is_dense(text))
    return estimate + dense


def _texts(request: Request) -> Iterator[str]:
    for message in request.messages:
        yield message.reasoning
        yield from (call.raw_arguments or str(call.arguments) for call in message.calls)
        if isinstance(message.content, str):
            yield message.content
        else:
            yield from (p.text for p in message.content if isinstance(p, (Text, Document)))


def _bytes(request: Request) -> int:
    extras = [request.schema, *((t.name, t.description, t.parameters) for t in request.tools)]
    written = sum(len(json.dumps(part, default=str)) for part in extras if part)
    return written + sum(map(_size, _texts(request))) + 200


def _size(text: str) -> int:
    """Bytes of UTF-8. Half a surrogate pair counts too; no codec sends it as it is."""
    return len(text.encode("utf-8", "surrogatepass"))


def _is_dense(text: str) -> bool:
    """Whether a text is no prose (base64, minified code, scripts without spaces).

    No estimate of its tokens is sure. Up to 200 characters are too few to judge, and to matter.
    """
    sample = text if len(text) <= 20_000 else text[:: len(text) // 20_000]
    gaps = sum(map(sample.count, (" ", "\n", "\t")))
    return len(sample) > 200 and gaps < DENSE * len(sample)


def _fixed_limit(extra: Mapping[str, Any]) -> int | None:
    """A limit that ``extra`` puts on the wire, over the request's own."""
    found = [extra.get(name) for name in _LIMITS]
    for outer, name in _NESTED_LIMITS:
        inner = extra.get(outer)
        found.append(inner.get(name) if isinstance(inner, Mapping) else None)
    # Of several the largest: which one the provider obeys is its own affair.
    stated = [n for n in found if isinstance(n, int) and not isinstance(n, bool)]
    return max(stated, default=None)


def _answers(extra: Mapping[str, Any]) -> int:
    config = extra.get("generationConfig")
    inner = config.get("candidateCount") if isinstance(config, Mapping) else None
    stated = [n for n in (extra.get("n"), inner) if isinstance(n, int) and n > 0]
    return max(stated, default=1)


@dataclass(slots=True)
class ObservedOutput:
    """What the calls of one model have shown, for the reservations of the next ones.

    ``excess`` is how far its input passed the ceiling at most (1: never). ``shortest`` is its
    shortest answer in tokens; a lower max_tokens would pay for an answer that is cut off.
    """

    excess: Decimal = Decimal(1)
    shortest: int | None = None

    def corrected(self, worst: WorstCase, *, alone: bool) -> WorstCase:
        """The worst case by what is known of the model.

        ``alone``: no other call is in flight. Of several first calls at once all but one count
        each byte as a token, since an error of the ceiling would be made by each of them.
        """
        if self.shortest is None and not alone and worst.input_tokens:
            dense = EXACT.divide(Decimal(worst.bound), Decimal(worst.input_tokens))
            return worst.with_input(max(self.excess, dense))
        return worst if self.excess == 1 else worst.with_input(self.excess)

    def learn(self, usage: Usage, ceiling: int) -> None:
        """Note what a call used whose input was reserved as ``ceiling`` tokens."""
        if ceiling and usage.input_tokens > EXACT.multiply(Decimal(ceiling), self.excess):
            self.excess = EXACT.divide(Decimal(usage.input_tokens), Decimal(ceiling))
        if self.shortest is None or usage.output_tokens < self.shortest:
            self.shortest = usage.output_tokens
