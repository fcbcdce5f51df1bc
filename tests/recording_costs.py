"""What every recorded call costs by the drivers, beside independent figures, and why they differ.

The usage is the codecs', the price the drivers' own. The independent figures are fractions over
the catalogue's raw JSON and genai-prices fed with the same rates. ``scripts/cost_table.py``
prints the counts that stand in docs/costs.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from prompture.catalog import Entry, Rates
from prompture.drivers import registry
from prompture.drivers.cost import entry_of
from prompture.money import Cost
from prompture.types import Completion, Usage
from tests import playback
from tests.catalog.test_recorded_costs import by_genai_prices, by_hand, raw_catalogue
from tests.recordings import cases

TOLERANCE = Fraction(1, 10**9)
EXTRAS = ("web_search", "request", "nested_")
"""Buckets that neither of the independent figures has."""


@dataclass(frozen=True, slots=True)
class PricedCall:
    """One recorded call. ``entry`` is None where the catalogue has no price."""

    name: str
    provider: str
    usage: Usage
    cost: Cost
    entry: Entry | None


def priced_calls() -> Iterator[PricedCall]:
    """Every recorded good answer that a driver speaks."""
    for case in cases():
        for number, exchange in enumerate(case.interactions):
            speech = playback.speech_of(case.provider, exchange)
            if speech is None or exchange.response.status >= 400:
                continue
            found = playback._sync(case.provider, speech, exchange.response).completion
            if found is not None and found.cost is not None:
                name = f"{case} [{number}]"
                yield _priced(name, case.provider, speech.model, found, found.cost)


def _priced(name: str, provider: str, asked: str, found: Completion, cost: Cost) -> PricedCall:
    row = registry.find(provider)
    usage = row.billed(found.usage) if row.billed else found.usage
    entries = (entry_of(row, model) for model in (found.model, asked))
    entry = next((e for e in entries if e is not None and e.rates is not None), None)
    return PricedCall(name, row.name, usage, cost, entry)


def independent(one: PricedCall) -> Fraction:
    """The price by fractions, in dollars."""
    assert one.entry is not None and one.entry.rates is not None
    raw = raw_catalogue().get(one.entry.provider, {}).get("models", {}).get(one.entry.id)
    listed = raw["cost"] if raw and one.entry.source == "snapshot" else as_listed(one.entry.rates)
    return by_hand(one.usage, listed, claude="claude" in one.entry.id)


def as_listed(rates: Rates) -> dict[str, Any]:
    """Rates in the shape of the raw catalogue, for those that it does not have."""
    names = ("input", "output", "cache_read", "cache_write", "reasoning", "input_audio")
    amounts = {n: getattr(rates, n) for n in (*names, "output_audio")}
    found: dict[str, Any] = {n: Fraction(a) for n, a in amounts.items() if a is not None}
    tiers = [{"tier": {"size": t.above}, **as_listed(t.rates)} for t in rates.tiers]
    return {**found, **({"tiers": tiers} if tiers else {})}


def peer(one: PricedCall) -> Fraction | None:
    """``by_genai_prices`` of the call."""
    assert one.entry is not None and one.entry.rates is not None
    return by_genai_prices(one.entry.rates, one.usage)


def verdict(one: PricedCall) -> str:
    """Equal, or the reason of the difference; ``"UNEXPLAINED ..."`` where there is none."""
    cost, entry = one.cost, one.entry
    if cost.source == "local" or (entry is not None and entry.rates and entry.rates.free):
        return "free: runs locally, or listed at 0" if not cost.usd else "UNEXPLAINED price"
    if cost.computed is None:
        return _unknown(cost)
    assert entry is not None
    rest, reasons = Fraction(cost.computed), []
    for line in cost.lines:
        if line.bucket.startswith(EXTRAS):
            rest -= Fraction(line.usd)
            reasons.append(_extra(line.bucket))
    expected, factor = independent(one), _factor(one)
    if factor is not None:
        reasons.append(factor)
        standard = sum((Fraction(line.usd) for line in cost.lines), Fraction(0))
        if standard != Fraction(cost.computed) or not all(
            line.rule for line in cost.lines if line.quantity and line.usd
        ):
            return f"UNEXPLAINED {factor}"
    elif abs(rest - expected) > TOLERANCE:
        return f"UNEXPLAINED {float(rest)} is not {float(expected)}"
    theirs = peer(one)
    if theirs is None and not reasons:
        return "equal to the fractions; genai-prices lacks a bucket of it"
    if theirs is not None and factor is None and abs(rest - theirs) > TOLERANCE:
        return f"UNEXPLAINED genai-prices says {float(theirs)}, not {float(rest)}"
    if cost.usd is None:
        return _unknown(cost)
    return f"equal but for: {', '.join(dict.fromkeys(reasons))}" if reasons else "equal to both"


def _unknown(cost: Cost) -> str:
    for words, reason in _UNKNOWN.items():
        if words in cost.reason:
            return f"unknown, and said so: {reason}"
    return f"UNEXPLAINED reason {cost.reason!r}"


_UNKNOWN: Mapping[str, str] = {
    "no price is known": "the catalogue has no price",
    "reported no usage": "no usage was reported",
    "service tier": "no price of the service tier",
    "subscription": "a subscription, not a price",
    "web search": "a fee for web searches that no answer states",
    "cannot be": "a usage of zeros",
    "charges for the request": "a fee for the request that this answer does not state",
}


def _extra(bucket: str) -> str:
    if bucket.startswith("nested_"):
        return "calls of a compaction or an advisor, listed beside the totals"
    return {"web_search": "fee for web searches", "request": "fee for the request"}[bucket]


def _factor(one: PricedCall) -> str | None:
    """What multiplies the rates, where something does."""
    rules = {line.rule for line in one.cost.lines}
    if any("(AWS" in rule for rule in rules):
        return "Bedrock outside its global inference"
    if any("(DeepSeek" in rule for rule in rules):
        return "DeepSeek's rates since August 2026"
    tier = (one.usage.service_tier or "").lower()
    if one.usage.raw.get("speed") == "fast":
        return "fast mode"
    if one.usage.raw.get("inference_geo") == "us":
        return "inference in the US"
    known = ("batch", "flex", "priority", "on_demand_flex", "on_demand_priority")
    if tier in known and any(tier in line.rule or line.rule for line in one.cost.lines):
        return "service tier"
    return None


def stated_verdict(one: PricedCall) -> str:
    """Whether our own figure reproduces the one that the provider stated, to 1 %."""
    stated, ours = one.usage.stated_cost, one.cost.computed
    assert stated is not None
    if ours is None:
        return _unknown(one.cost).removeprefix("unknown, and said so: ")
    if stated == ours or (stated and abs(ours / stated - 1) <= Decimal("0.01")):
        return "reproduced to 1 %"
    if one.provider == "perplexity" and abs(ours - stated) <= Decimal("0.001"):
        return "the provider rounds to a thousandth of a dollar"
    if one.provider == "azure" and not stated:
        return "Azure passes on a field of xAI's that says 0; it is not taken"
    if one.provider == "openrouter" and one.usage.raw.get("is_byok"):
        return "paid at the upstream with a key of one's own"
    if one.provider == "openrouter":
        return "the router chose an upstream, or a day, with another price than the catalogue's"
    return f"UNEXPLAINED {ours} is not {stated}"
