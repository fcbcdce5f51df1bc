"""What a call costs: the price of its usage, and what a call that failed may have cost. No I/O."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeGuard

from prompture.errors import (
    ContentFiltered,
    ContextWindowExceeded,
    DeadlineExceeded,
    PromptureError,
    ProtocolError,
    ProviderError,
    ToolArgumentsInvalid,
    TransportError,
)
from prompture.money import ZERO, Charge, Cost, Price, add_usd, format_usd
from prompture.observe import note
from prompture.types import JSON, Completion, Request, Usage
from prompture.wire.loading import UnreadableJSON, load_json

if TYPE_CHECKING:
    from prompture.catalog.models import Entry, Rates
    from prompture.drivers.provider import Provider

LOCAL = Cost(usd=ZERO, source="local", reason="the model runs on your own machine")
_APART = frozenset({"iterations", "speed", "inference_geo", "search_context_size"})
"""Fields of a raw usage that change the price beyond the tokens."""
_PER_REQUEST = frozenset({"perplexity"})
"""Providers that charge for the request itself."""
_STATES_ZERO = frozenset({"openrouter", "xai", "perplexity"})
"""Providers whose word that a call cost nothing is taken. Azure passes on a field of xAI's, 0."""
_US_FACTOR = Decimal("1.1")


class CostMixin:
    """Prices from the live models.dev catalog, then its snapshot, then the row's own table."""

    provider: Provider
    model: str

    def entry(self, model: str | None = None) -> Entry | None:
        """What the catalog knows of a model of this provider (its own one by default)."""
        return entry_of(self.provider, model or self.model)

    def price(
        self, usage: Usage, *, answered: str = "", asked: str = "", at: float | None = None
    ) -> Cost:
        """What ``usage`` costs, by the model that answered, else by the one that was asked.

        ``at`` is the moment of sending (seconds since 1970), for prices that change with it.
        """
        return price_of(self.provider, usage, answered=answered, asked=asked or self.model, at=at)


def entry_of(provider: Provider, model: str) -> Entry | None:
    """What the catalog knows of a model at a provider."""
    if not provider.catalog or not model:
        return None
    from prompture import catalog

    return catalog.find(provider.catalog, model)


def price_of(
    provider: Provider, usage: Usage, *, answered: str, asked: str, at: float | None = None
) -> Cost:
    """What a call costs at a provider; see ``CostMixin.price``."""
    if provider.local:
        return LOCAL
    if provider.billed:
        usage = provider.billed(usage)
    # A gateway's 0 may only mean that it does not know.
    if usage.stated_cost == 0 and provider.catalog not in _STATES_ZERO:
        usage = replace(usage, stated_cost=None)
    raw = usage.raw
    entry = _priced_entry(provider, answered, asked)
    # Fees, modes and nested calls are rare: most calls go past them.
    if usage.searches or not _APART.isdisjoint(raw) or provider.catalog in _PER_REQUEST:
        return _with_extras(provider, usage, entry, answered=answered or asked, at=at)
    return _plain(provider, usage, entry, model=answered or asked, at=at)


def at_least(cost: Cost) -> Cost:
    """The price of what is only known in part: unknown, with the known part as the reason."""
    if not cost.usd or cost.source == "provider":
        return cost
    reason = f"the answer was cut off before its last usage; at least ${format_usd(cost.usd)}"
    return replace(cost, usd=None, reason=reason)


def _priced_entry(provider: Provider, answered: str, asked: str) -> Entry | None:
    """The entry of the model that answered; that of the one asked for only where it is the same
    under another name, or where its price is the user's own."""
    found = entry_of(provider, answered)
    if found is not None and found.rates is not None:
        return found
    other = entry_of(provider, asked)
    if other is None or other.rates is None or not answered or answered == asked:
        return other or found
    from prompture.catalog.lookup import is_same_model

    # A router may have answered with a dearer model: its price is not that of the one asked for.
    return other if other.source == "user" or is_same_model(asked, answered) else found


def _plain(
    provider: Provider, usage: Usage, entry: Entry | None, *, model: str, at: float | None
) -> Cost:
    from prompture.catalog.cost import cost_of

    if entry is None:
        return cost_of(usage, None, model=f"{provider.name}/{model}")
    rates = entry.rates
    # Most rates do not change with time, and need no date.
    if at is None or rates is None or not (rates.windows or rates.later):
        return cost_of(usage, entry)
    return cost_of(usage, entry, when=datetime.fromtimestamp(at, UTC))


def _with_extras(
    provider: Provider, usage: Usage, entry: Entry | None, *, answered: str, at: float | None
) -> Cost:
    """What usual calls have none of: fees, modes and places that cost more, calls within.

    Anthropic's rules: ``speed`` "fast" has rates of its own; ``inference_geo`` "us" costs 1.1
    times the usual; ``iterations`` are calls of a compaction or an advisor, billed on top.
    """
    raw = usage.raw
    spoken = replace(usage, service_tier="fast") if raw.get("speed") == "fast" else usage
    if raw.get("inference_geo") == "us" and entry is not None and entry.rates is not None:
        entry = replace(entry, rates=_in_us(entry.rates))
    cost = _plain(provider, spoken, entry, model=answered, at=at)
    if entry is None or entry.rates is None or entry.rates.free:
        return cost
    cost = _with_fees(cost, usage, provider.catalog, entry)
    return _with_nested(cost, provider, usage, answered=answered, at=at)


def _in_us(rates: Rates) -> Rates:
    from prompture.catalog.price_rules import times

    found: Rates | None = rates.plans.get("us")
    if found is None:
        modes = {n: times(r, _US_FACTOR, rule=_US_RULE) for n, r in rates.modes.items()}
        found = replace(times(rates, _US_FACTOR, rule=_US_RULE), modes=modes)
        # Kept with the rates, as their plans are: they are scaled once.
        rates.plans["us"] = found
    return found


_US_RULE = "1.1 x for inference in the US (Anthropic)"


def _with_fees(cost: Cost, usage: Usage, provider: str, entry: Entry) -> Cost:
    from prompture.catalog.price_rules import fees_of

    fees = fees_of(usage, provider, entry)
    return _unknown(cost, fees) if isinstance(fees, str) else _with_lines(cost, fees)


def _with_nested(
    cost: Cost, provider: Provider, usage: Usage, *, answered: str, at: float | None
) -> Cost:
    if "iterations" not in usage.raw:
        return cost
    from prompture.codecs.anthropic_answer import nested_usage

    for model, inner in nested_usage(usage.raw):
        name = model or answered
        own = _plain(provider, inner, _priced_entry(provider, name, ""), model=name, at=at)
        if own.usd is None:
            return _unknown(cost, own.reason)
        note = f"a call of {name} within this one"
        lines = [
            (f"nested_{bucket}", n, replace(price, rule=f"{note}; {price.rule}".rstrip("; ")))
            for bucket, n, price in own.counted
        ]
        cost = _with_lines(cost, lines)
    return cost


def _with_lines(cost: Cost, lines: list[tuple[str, int, Price]]) -> Cost:
    if not lines or cost.computed is None:
        return cost
    more = [price.of(quantity) for _, quantity, price in lines]
    computed = add_usd([cost.computed, *more])
    usd = cost.usd if cost.source == "provider" or cost.usd is None else computed
    return replace(cost, usd=usd, computed=computed, counted=(*cost.counted, *lines))


def _unknown(cost: Cost, reason: str) -> Cost:
    """The price with a part that nobody knows; one that the provider stated stands."""
    if cost.source == "provider":
        return replace(cost, reason=cost.reason or f"our own figure lacks a part: {reason}")
    return replace(cost, usd=None, reason=reason)


def charge_of(completion: Completion, provider: str, *, status: str = "ok") -> Charge:
    """The line that a finished call puts on the bill."""
    return Charge(
        provider=provider,
        model=completion.model,
        usage=completion.usage,
        cost=completion.cost or Cost(usd=None, reason="the driver put no price on it"),
        status=status,
        request_id=completion.request_id,
        seconds=completion.seconds,
    )


# Calls that failed.

_UNBILLED = Cost(usd=ZERO, reason="not billed: the provider refused it")
_UNSENT = Cost(usd=ZERO, reason="not billed: nothing was sent")
_UNREADABLE = Cost(usd=None, reason="the answer could not be read; it may have been billed")
UNANSWERED = Cost(usd=None, reason="no answer arrived; the provider may have billed it")
_BEGUN = Cost(usd=None, reason="it failed after it had begun, and states no usage")
_TIMED_OUT = Cost(usd=None, reason="a gateway gave up waiting; the model may have gone on")
_WRITTEN = Cost(usd=None, reason="what the model wrote was refused; it may have been billed")
_TIMEOUTS = frozenset({408, 499, 504, 522, 524, 598, 599})
"""Statuses by which a server or a gateway says that it did not wait any longer: what stands behind
it may have answered, and billed."""
_CHARGES_REFUSALS = frozenset({"azure"})
"""Providers that bill what was read before it was refused, by their own words: Azure's page on
costs names "a 400 error due to a content filter or input limit, or a 408 error due to a timeout"."""


def note_deadline(error: DeadlineExceeded, provider: str, request: Request) -> None:
    """Report a call that its deadline has ended."""
    note(
        "deadline",
        "%(provider)s/%(model)s: ended after %(seconds).2f s by the deadline of %(limit)g s",
        provider=provider,
        model=getattr(request, "model", ""),
        seconds=error.elapsed,
        limit=error.deadline,
    )


def note_charge(charge: Charge) -> None:
    """Report what became of a call, at DEBUG."""
    usd = charge.cost.usd
    note(
        "call",
        "%(provider)s/%(model)s: %(why)s in %(seconds).2f s, %(input_tokens)d tokens in and "
        "%(output_tokens)d out, %(usd)s",
        level=logging.DEBUG,
        provider=charge.provider,
        model=charge.model,
        why=charge.note or charge.status,
        seconds=charge.seconds,
        input_tokens=charge.usage.input_tokens,
        output_tokens=charge.usage.output_tokens,
        usd="price unknown" if usd is None else f"${format_usd(usd)}",
    )


def cost_of_failure(error: PromptureError, provider: Provider) -> Cost:
    """What a failed try costs that states no usage: nothing where the provider refused it before
    the model began, else nobody knows."""
    if isinstance(error, TransportError):
        return _UNSENT if error.unsent else UNANSWERED
    if isinstance(error, ProtocolError):
        return _UNREADABLE
    if not isinstance(error, ProviderError):
        return _UNBILLED
    # Before the rule of 4xx below, which would make a 408 free.
    if error.status in _TIMEOUTS:
        return _TIMED_OUT
    # ``failed_generation`` is Groq's: what the model wrote, and the server could not read.
    if isinstance(error, ToolArgumentsInvalid) or "failed_generation" in error.details:
        return _WRITTEN
    late = isinstance(error, (ContentFiltered, ContextWindowExceeded))
    if late and provider.catalog in _CHARGES_REFUSALS:
        return _BEGUN
    return _UNBILLED if error.status is not None and error.status >= 300 else _BEGUN


_LONG = 100
"""Characters that no model writes in 0 tokens. A shorter text of none is believed: price lists are
tried out with such."""


def believed(completion: Completion) -> Usage:
    """The usage, unless its zeros cannot be: a call of 0 tokens, or a long answer of none. Then it
    is unknown, with what is left of it as the least. Where the provider states a price, its
    counts are its own affair."""
    usage = completion.usage
    if not usage.reported or usage.stated_cost or usage.output_tokens:
        return usage
    if usage.input_tokens and len(completion.text) + len(completion.reasoning) <= _LONG:
        return usage
    which = "output" if usage.input_tokens else "input and of output"
    problem = f"the provider's usage says 0 tokens of {which}, which cannot be"
    return replace(usage, reported=False, problem=problem)


_MAY_COUNT = re.compile(rb'"(?:usage|usageMetadata|\w*eval_count)"')


def stated_usage(body: bytes, read: Callable[[JSON], Usage]) -> tuple[Usage | None, str]:
    """The usage that the body of an error states, beside the error or in it, and the model."""
    if not _MAY_COUNT.search(body):
        return None, ""
    try:
        whole = load_json(body)
    except UnreadableJSON:
        return None, ""
    for source in _sources(whole):
        usage = read(source)
        if usage.reported or usage.problem or usage.stated_cost is not None:
            return usage, str(whole.get("model") or "") if isinstance(whole, Mapping) else ""
    return None, ""


def _sources(body: Any) -> Iterator[JSON]:
    """Where an error may state its usage."""
    # Gemini wraps the error of a stream in a list.
    if isinstance(body, list):
        body = body[0] if body else None
    if not isinstance(body, Mapping):
        return
    yield body
    choices = body.get("choices")
    inner = [
        body.get("error"),
        body.get("response"),
        *(choices if isinstance(choices, list) else ()),
    ]
    yield from (one for one in inner if isinstance(one, Mapping))


def costs_something(partial: Completion | None) -> TypeGuard[Completion]:
    """Whether what has come of an answer is billed: words of it, or a usage."""
    if partial is None:
        return False
    usage = partial.usage
    counted = usage.reported or usage.problem or usage.stated_cost is not None
    return bool(counted or partial.text or partial.reasoning or partial.tool_calls)
