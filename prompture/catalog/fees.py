"""Fees beside the tokens: web searches, and Perplexity's price of a request.

Facts, with where they were read: Anthropic's web search "about $10 per 1,000" (the project's
wire digest); OpenAI's $10 per 1,000 for reasoning models, while others pay $10 or $25 by the
tool's version; Perplexity's request fees by search context size (its recorded answers state
0.005 for Sonar and Sonar Reasoning, 0.006 for Sonar Pro, all low); xAI's $5 per 1,000 (its recorded
answers state $0.005 for each of ``web_search_calls`` beyond their tokens). Where a provider charges for searches and no
fee is known here, the price of the call is unknown, not lower.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from prompture.catalog.models import Entry
from prompture.money import Price
from prompture.types import Usage

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

    ``provider`` is the models.dev key.
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
        return "Perplexity charges for the request itself, and the answer does not tell how much"
    rule = f"request fee, {size} search context (Perplexity)"
    return [("request", 1, Price(Decimal(fees[size]), rule, _THOUSAND))]
