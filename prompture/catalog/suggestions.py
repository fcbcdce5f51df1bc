"""Listed names that resemble a mistyped one: for "did you mean", never for prices."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from prompture.provider_names import catalog_key

if TYPE_CHECKING:
    from prompture.catalog.store import Catalog

MAIN = (
    "openai",
    "anthropic",
    "google",
    "groq",
    "xai",
    "mistral",
    "deepseek",
    "cohere",
    "moonshotai",
    "zai",
    "openrouter",
    "alibaba",
    "perplexity",
    "minimax",
    "cerebras",
    "togetherai",
    "fireworks-ai",
    "huggingface",
    "amazon-bedrock",
    "azure",
    "google-vertex",
    "cloudflare-workers-ai",
    "modelscope",
)
"""The models.dev keys of providers that there are drivers for, the most used first."""
_LONGEST = 200


def near_names(catalog: Catalog, name: str, *, count: int) -> list[str]:
    """Close matches of ``provider/model``; of a bare model, or one of an unknown provider, the
    close matches at the main providers."""
    given, slash, model = name[:_LONGEST].partition("/")
    provider = catalog_key(given)
    listed = set(catalog.providers())
    if slash and provider in listed:
        return [f"{provider}/{m}" for m in _close(model, catalog.ids(provider), count)]
    likely = _close(provider, sorted(listed), 1) if slash else []
    wanted = model or given
    found = [
        f"{key}/{match}"
        for key in (*likely, *(p for p in MAIN if p in listed))
        for match in _close(wanted, catalog.ids(key), 1)
    ]
    return list(dict.fromkeys(found))[:count]


def _close(name: str, among: list[str], count: int) -> list[str]:
    lower = {known.lower(): known for known in among}
    return [lower[match] for match in get_close_matches(name.lower(), lower, n=count, cutoff=0.5)]
