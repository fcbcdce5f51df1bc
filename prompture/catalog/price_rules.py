"""Pricing rules that models.dev does not have: cache writes by life time, tiers, hours, fees.

Facts, with where they were read: the providers' pricing pages as condensed in the project's wire
digest ("5m 1.25x, 1h 2x", "batches 50% price", "off-peak windows halve price by UTC hour and
weekday") and the per-model rates in litellm 1.109.1's price map (November 2026). A factor is
only applied to a rate of the catalogue, never to another model's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date, time
from decimal import Decimal
from typing import Any

from prompture.catalog.models import RATE_NAMES, Entry, Rates, Tier, Window
from prompture.money import EXACT, Price
from prompture.types import Usage

HALF = Decimal("0.5")

BATCH: Mapping[str, Decimal] = {
    "openai": HALF,
    "azure": HALF,
    "anthropic": HALF,
    "google": HALF,
    "google-vertex": HALF,
    "google-vertex-anthropic": HALF,
    "amazon-bedrock": HALF,
    "mistral": HALF,
    "xai": Decimal("0.8"),
}
FLEX: Mapping[str, Decimal] = {
    "openai": HALF,
    "azure": HALF,
    "google": HALF,
    "google-vertex": HALF,
}
PRIORITY: Mapping[str, Mapping[str, Decimal]] = {
    "openai": {
        "gpt-4o": Decimal("1.7"),
        "gpt-4o-2024-05-13": Decimal("1.75"),
        "gpt-4o-2024-08-06": Decimal("1.7"),
        "gpt-4o-2024-11-20": Decimal("1.7"),
        "gpt-4.1": Decimal("1.75"),
        "gpt-4.1-mini": Decimal("1.75"),
        "gpt-4.1-nano": Decimal(2),
        "gpt-5": Decimal(2),
        "gpt-5-mini": Decimal("1.8"),
        "gpt-5.1": Decimal(2),
        "gpt-5.2": Decimal(2),
        "gpt-5.3-codex": Decimal(2),
        "gpt-5.4": Decimal(2),
        "gpt-5.4-mini": Decimal(2),
        "gpt-5.5": Decimal("2.5"),
        "o3": Decimal("1.75"),
    },
    "google": {"gemini-*": Decimal("1.8")},
    "google-vertex": {"gemini-*": Decimal("1.8")},
}
FULL_PRICE_READS = ("gemini-2.5", "gemini-3-", "gemini-3.1-pro")
"""Gemini models whose cache reads cost the same in batch and flex as otherwise."""

_WORKDAYS = frozenset(range(1, 6))
_DEEPSEEK_HOURS = (
    (_WORKDAYS, time(0), time(1)),
    (_WORKDAYS, time(4), time(6)),
    (_WORKDAYS, time(10), time(0)),
    (frozenset({6, 7}), time(0), time(0)),
)
OFF_PEAK: Mapping[tuple[str, str], Rates] = {
    ("deepseek", "deepseek-v4-flash"): Rates(
        input=Decimal("0.15"), output=Decimal("0.6"), cache_read=Decimal("0.003")
    ),
    ("deepseek", "deepseek-v4-pro"): Rates(
        input=Decimal("0.66"), output=Decimal("1.98"), cache_read=Decimal("0.022")
    ),
}
"""DeepSeek halves its rates off-peak. These count where the catalogue's own input rate is their
double, and from ``DEEPSEEK_SINCE`` on where its record is older than that: an answer of before is
priced as it was."""
DEEPSEEK_SINCE = date(2026, 8, 17)
"""The day of DeepSeek's present rates (genai-prices 0.2.3)."""
UNPRICED: Mapping[str, tuple[str, ...]] = {
    "groq": ("groq/compound", "groq/compound-mini", "compound-beta", "compound-beta-mini"),
}
"""Models that records list at 0 and their provider charges for without stating a price: Groq bills
the models and tools that a compound system uses, and no answer lists them apart."""

_MULTIPLE = "{factor} x the standard rate ({mode})"


def with_rules(rates: Rates, *, provider: str, model: str, as_of: str = "") -> Rates:
    """The catalogue's rates of a model with what its provider's rules add. ``as_of`` is the date of
    the rates, where they are the catalogue's: what the provider has changed since is added."""
    if as_of and as_of < DEEPSEEK_SINCE.isoformat() and (quiet := OFF_PEAK.get((provider, model))):
        peak = times(quiet, Decimal(2), rule="peak hours (DeepSeek, since 2026-08-17)")
        rates = replace(rates, later=(*rates.later, replace(peak, since=DEEPSEEK_SINCE)))
    base = _with_cache_lives(rates, provider=provider, model=model)
    modes = {n: _with_cache_lives(r, provider=provider, model=model) for n, r in base.modes.items()}
    modes |= {
        name: times(
            base, factor, keep=_kept(model, name), rule=_MULTIPLE.format(factor=factor, mode=name)
        )
        for name, factor in _factors(provider, model).items()
        # What the catalogue states of a mode wins over our factor.
        if name not in modes
    }
    later = tuple(with_rules(r, provider=provider, model=model) for r in base.later)
    windows = _windows(base, provider=provider, model=model)
    return replace(base, modes=modes, later=later, windows=windows)


def times(rates: Rates, factor: Decimal, *, keep: Collection[str] = (), rule: str = "") -> Rates:
    """The same rates multiplied, tiers and cache writes too; those named in ``keep`` stay."""

    def scaled(amount: Decimal | None, name: str) -> Decimal | None:
        return amount if amount is None or name in keep else EXACT.multiply(amount, factor)

    amounts: dict[str, Any] = {
        # The fee of a request is no rate of tokens, and stays.
        n: scaled(getattr(rates, n), n)
        for n in RATE_NAMES
        if n != "request"
    }
    return replace(
        rates,
        **amounts,
        cache_writes={t: EXACT.multiply(r, factor) for t, r in rates.cache_writes.items()},
        tiers=tuple(
            Tier(t.above, times(t.rates, factor, keep=keep, rule=rule)) for t in rates.tiers
        ),
        modes={},
        windows=(),
        later=(),
        rules={name: rule for name in RATE_NAMES if name not in keep},
    )


def _with_cache_lives(rates: Rates, *, provider: str, model: str) -> Rates:
    lives, rules = _cache_lives(rates, provider=provider, model=model)
    tiers = tuple(
        Tier(t.above, _with_cache_lives(t.rates, provider=provider, model=model))
        for t in rates.tiers
    )
    # Writes of a life time that no answer states are those of five minutes, the default.
    write = rates.cache_write if rates.cache_write is not None else lives.get("5m")
    return replace(
        rates,
        tiers=tiers,
        cache_write=write,
        cache_writes={**lives, **rates.cache_writes},
        rules={**rules, **rates.rules},
    )


def _cache_lives(
    rates: Rates, *, provider: str, model: str
) -> tuple[dict[str, Decimal], dict[str, str]]:
    """Cache-write rates by time to live, and the rule behind those that are derived."""
    write = rates.cache_write
    if "claude" in model:
        five = write if write is not None else EXACT.multiply(rates.input, Decimal("1.25"))
        rules = {"cache_write_1h": "2 x input (Anthropic)"}
        if write is None:
            rules["cache_write"] = rules["cache_write_5m"] = "1.25 x input (Anthropic)"
        return {"5m": five, "1h": EXACT.multiply(rates.input, Decimal(2))}, rules
    if write is not None and provider in ("openai", "azure"):
        half_day = EXACT.multiply(rates.input, Decimal("2.5"))
        return {"30m": write, "12h": half_day}, {"cache_write_12h": "2.5 x input (OpenAI)"}
    if write is not None and provider.startswith("moonshotai"):
        hour = EXACT.multiply(rates.input, Decimal(2))
        return {"5m": write, "1h": hour}, {"cache_write_1h": "2 x input (Moonshot)"}
    return {}, {}


def _factors(provider: str, model: str) -> dict[str, Decimal]:
    named = PRIORITY.get(provider, {})
    family = model.partition("-")[0] + "-*"
    factors = {
        "batch": BATCH.get(provider),
        "flex": FLEX.get(provider),
        "priority": named.get(model, named.get(family)),
    }
    return {name: factor for name, factor in factors.items() if factor is not None}


def _kept(model: str, mode: str) -> tuple[str, ...]:
    if mode == "priority":  # a surcharge on all of it
        return ()
    return ("cache_read",) if model.startswith(FULL_PRICE_READS) else ()


def _windows(rates: Rates, *, provider: str, model: str) -> tuple[Window, ...]:
    quiet = OFF_PEAK.get((provider, model))
    if quiet is None or rates.input != EXACT.multiply(quiet.input, Decimal(2)):
        return rates.windows
    ruled = replace(quiet, rules={name: "off-peak hours (DeepSeek)" for name in RATE_NAMES})
    return tuple(
        Window(weekdays=days, start=start, end=end, rates=ruled)
        for days, start, end in _DEEPSEEK_HOURS
    )


# Fees beside the tokens: web searches, and Perplexity's price of a request. Where they were read:
# Anthropic's web search "about $10 per 1,000" (the project's wire digest); OpenAI's $10 per 1,000
# for reasoning models, while others pay $10 or $25 by the tool's version; Perplexity's request fees
# by search context size (its recorded answers state 0.005 for Sonar and Sonar Reasoning, 0.006 for
# Sonar Pro, all low); xAI's $5 per 1,000 (its recorded answers state $0.005 for each of
# ``web_search_calls`` beyond their tokens).

_THOUSAND = 1000
SEARCH = {
    "anthropic": Price(Decimal(10), "web search, $10 per 1,000 (Anthropic)", _THOUSAND),
    "google-vertex-anthropic": Price(Decimal(10), "web search, $10 per 1,000", _THOUSAND),
    "openai": Price(Decimal(10), "web search, $10 per 1,000 (OpenAI)", _THOUSAND),
    "azure": Price(Decimal(10), "web search, $10 per 1,000 (OpenAI)", _THOUSAND),
    "xai": Price(Decimal(5), "web or X search, $5 per 1,000 (xAI)", _THOUSAND),
}
"""Dollars per 1,000 web searches, by models.dev key."""
FREE_SEARCH = frozenset({"groq", "zai", "moonshotai", "openrouter"})
"""Providers whose answers may list searches that cost nothing apart, or that state the price."""
_PERPLEXITY: Mapping[str, Mapping[str, str]] = {
    "sonar": {"low": "5", "medium": "8", "high": "12"},
    "sonar-pro": {"low": "6", "medium": "10", "high": "14"},
    "sonar-reasoning": {"low": "5", "medium": "8", "high": "12"},
    "sonar-reasoning-pro": {"low": "6", "medium": "10", "high": "14"},
}

Fee = tuple[str, int, Price]


def fees_of(usage: Usage, provider: str, entry: Entry | None) -> list[Fee] | str:
    """Fees as (bucket, quantity, price), or why they are unknown.

    ``provider`` is the models.dev key. Where a provider charges for searches and no fee is known
    here, the price of the call is unknown, not lower.
    """
    if provider == "perplexity":
        return _perplexity(usage, entry)
    if not usage.searches or provider in FREE_SEARCH:
        return []
    price = SEARCH.get(provider)
    if price is None:
        return f"no fee is known for {provider}'s web searches, and {usage.searches} were made"
    if provider in ("openai", "azure") and not (entry and entry.features.reasoning):
        return "OpenAI's web search costs $10 or $25 per 1,000 by version, which no answer states"
    return [("web_search", usage.searches, price)]


def _perplexity(usage: Usage, entry: Entry | None) -> list[Fee] | str:
    size = usage.raw.get("search_context_size")
    fees = _PERPLEXITY.get(entry.id if entry else "")
    if fees is None or not isinstance(size, str) or size not in fees:
        return "Perplexity charges for the request itself, and the answer does not state how much"
    rule = f"request fee, {size} search context (Perplexity)"
    return [("request", 1, Price(Decimal(fees[size]), rule, _THOUSAND))]
