"""Find a model in the catalogue under any of its names, with the price of its place; else the names like it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal

from prompture.catalog import model_names
from prompture.catalog.models import FREE, Entry, Rates
from prompture.catalog.price_rules import times
from prompture.catalog.sources import CatalogSource
from prompture.provider_names import catalog_key

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
"""Characters of a name that are compared; difflib takes time with their square."""


def listed(sources: Iterable[CatalogSource], provider: str, model: str) -> Entry | None:
    """The entry of a model, from the first source that has it; ``provider`` is a models.dev key."""
    found = _listed(sources, provider, model)
    if found is None or provider != "amazon-bedrock":
        return found
    bare = model_names.bare_bedrock(model)
    place = place_of(bare)
    if place is None:
        return found
    if "aws-us-gov" in model:
        place = "us-gov"
    plain = bare.removeprefix(f"{place}.") if place else bare
    forms = model_names.bedrock_forms(f"global.{plain}")
    worldwide = next((e for e in (_exact(sources, provider, f) for f in forms) if e), None)
    return priced_at(place, found, worldwide)


def _listed(sources: Iterable[CatalogSource], provider: str, model: str) -> Entry | None:
    for owner, name in model_names.candidates(provider, model):
        entry = _exact(sources, owner, name)
        if entry is not None:
            return entry if provider not in model_names.LOCAL else _local(entry)
    # After all exact names: an undated id may be listed with a price of its own.
    dated = _dated(sources, provider, model)
    if dated is not None:
        return dated
    if provider == "openrouter" and model.endswith(":free"):
        base = listed(sources, provider, model.removesuffix(":free"))
        return None if base is None else replace(base, id=model, rates=FREE)
    if provider in model_names.LOCAL and not model.endswith("-cloud"):
        return _local(Entry(provider=provider, id=model, name=model))
    return None


def _exact(sources: Iterable[CatalogSource], provider: str, model: str) -> Entry | None:
    entries = (source.get(provider, model) for source in sources)
    return next((entry for entry in entries if entry is not None), None)


def _dated(sources: Iterable[CatalogSource], provider: str, model: str) -> Entry | None:
    """An undated name or ``-latest``, where all dated ones cost the same: the newest of them."""
    for source in sources:
        entries = [
            source.get(provider, i)
            for i in model_names.newest_of(model, list(source.models(provider)))
        ]
        known = [entry for entry in entries if entry is not None]
        if known and all(entry.rates == known[0].rates for entry in known):
            return known[0]
    return None


def _local(entry: Entry) -> Entry:
    if entry.provider == "ollama-cloud":  # runs on Ollama's machines, and is billed
        return entry
    return replace(entry, rates=FREE, source="local")


# Where a model runs changes its price on AWS Bedrock (geographic and in-region inference). Where
# this was read: AWS's user guide ("Global cross-Region inference ... approximately 10% savings on
# input and output token pricing compared to geographic cross-Region inference"), genai-prices and
# litellm's price map, which agree on 1.1 times for Claude 4.5 and later and disagree (1.1 or 1.2)
# on AWS GovCloud. models.dev repeats the global price for most places, and has 1.1 or other
# factors for some; so the price is always made of the global one.

GEOGRAPHIC = Decimal("1.1")
_RULE = "1.1 x the global price (AWS: inference kept in a region or a geography)"
_CLAUDE = re.compile(
    r"^(?:(?P<place>[a-z-]+)\.)?anthropic\.claude-[a-z]+-(?P<version>\d+(?:-\d)?)(?!\d)"
)
_SINCE = (4, 5)


def place_of(model: str) -> str | None:
    """Where a Bedrock model id runs: ``"global"``, ``"us"``, ..., ``""`` for one region.

    None where the price does not depend on it.
    """
    found = _CLAUDE.match(model)
    if found is None or tuple(map(int, found["version"].split("-"))) < _SINCE:
        return None
    return found["place"] or ""


def priced_at(place: str, entry: Entry, worldwide: Entry | None) -> Entry:
    """The entry with the price of a place; ``worldwide`` is the same model, global."""
    base = worldwide if worldwide is not None and worldwide.rates is not None else entry
    if place == "global" or base.rates is None:
        return entry
    if place == "us-gov":
        return replace(entry, rates=None, unpriced="the sources disagree on AWS GovCloud's price")
    return replace(entry, rates=_raised(base.rates), source=base.source, as_of=base.as_of)


def _raised(rates: Rates) -> Rates:
    modes = {name: times(mode, GEOGRAPHIC, rule=_RULE) for name, mode in rates.modes.items()}
    return replace(times(rates, GEOGRAPHIC, rule=_RULE), modes=modes)


# Names that resemble a mistyped one: for "did you mean", never for prices.


def near_names(
    name: str, providers: Iterable[str], ids: Callable[[str], list[str]], *, count: int
) -> list[str]:
    """Close matches of ``provider/model``; of a bare model, or one of an unknown provider, the
    close matches at the main providers. ``ids`` gives the listed models of a provider."""
    given, slash, model = name[:_LONGEST].partition("/")
    provider = catalog_key(given)
    keys = set(providers)
    if slash and provider in keys:
        return [f"{provider}/{m}" for m in _close(model, ids(provider), count)]
    likely = _close(provider, sorted(keys), 1) if slash else []
    wanted = model or given
    found = [
        f"{key}/{match}"
        for key in (*likely, *(p for p in MAIN if p in keys))
        for match in _close(wanted, ids(key), 1)
    ]
    return list(dict.fromkeys(found))[:count]


def _close(name: str, among: list[str], count: int) -> list[str]:
    from difflib import get_close_matches  # only for names that are not listed

    lower = {known.lower(): known for known in among}
    return [lower[match] for match in get_close_matches(name.lower(), lower, n=count, cutoff=0.5)]
