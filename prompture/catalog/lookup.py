"""Find a model in the catalogue under any of its names, with the price of its place; else the names like it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from urllib.parse import unquote

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
    bare = bare_bedrock(model)
    place = place_of(bare)
    if place is None:
        return found
    if "aws-us-gov" in model:
        place = "us-gov"
    plain = bare.removeprefix(f"{place}.") if place else bare
    forms = bedrock_forms(f"global.{plain}")
    worldwide = next((e for e in (_exact(sources, provider, f) for f in forms) if e), None)
    return priced_at(place, found, worldwide)


def _listed(sources: Iterable[CatalogSource], provider: str, model: str) -> Entry | None:
    for owner, name in candidates(provider, model):
        entry = _exact(sources, owner, name)
        if entry is not None:
            return entry if provider not in LOCAL else _local(entry)
    # After all exact names: an undated id may be listed with a price of its own.
    dated = _dated(sources, provider, model)
    if dated is not None:
        return dated
    if provider == "openrouter" and model.endswith(":free"):
        base = listed(sources, provider, model.removesuffix(":free"))
        return None if base is None else replace(base, id=model, rates=FREE)
    if provider in LOCAL and not model.endswith("-cloud"):
        return _local(Entry(provider=provider, id=model, name=model))
    return None


def _exact(sources: Iterable[CatalogSource], provider: str, model: str) -> Entry | None:
    entries = (source.get(provider, model) for source in sources)
    return next((entry for entry in entries if entry is not None), None)


def _dated(sources: Iterable[CatalogSource], provider: str, model: str) -> Entry | None:
    """An undated name or ``-latest``, where all dated ones cost the same: the newest of them."""
    for source in sources:
        entries = [source.get(provider, i) for i in newest_of(model, list(source.models(provider)))]
        known = [entry for entry in entries if entry is not None]
        # Where they differ, nobody knows which one answers, and so what it costs.
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


# The same model under other names: dated ids, and what providers hang around them. Every step is a
# rule of one provider's naming; nothing is matched by similarity, since a near name (gpt-4 and
# gpt-4o) has another price.

LOCAL = frozenset({"local", "ollama", "lmstudio"})
"""Providers whose models run on the caller's own machine: a call costs nothing."""
SAME_PRICE = {"azure": ("openai",), "google-vertex": ("google-vertex-anthropic", "google")}
"""Where a model's exact id may be looked up next: the same model, sold at the same list price."""
HF_PROVIDERS = {
    "together": "togetherai",
    "fireworks-ai": "fireworks-ai",
    "cerebras": "cerebras",
    "groq": "groq",
    "novita": "novita-ai",
    "nebius": "nebius",
    "deepinfra": "deepinfra",
    "cohere": "cohere",
    "zai-org": "zai",
    "scaleway": "scaleway",
    "ovhcloud": "ovhcloud",
}
"""Hugging Face's router passes the rates of these through (``org/name:provider``)."""
RENAMED = {
    ("openai", "gpt-3.5-turbo-0125"): "gpt-3.5-turbo",
    ("openai", "gpt-4-0613"): "gpt-4",
}
"""Ids with month and day alone, which ``_DATE`` takes for no date: they may be a build."""

_DATE = re.compile(
    r"(?:-(?:20\d\d-?[01]\d-?[0-3]\d)|@20\d{6}|@default"
    r"|(?<=-preview)-(?:[01]\d-[0-3]\d|[01]\d-20\d\d))$"
)
_STABLE = re.compile(r"-00\d$")
_REGION = re.compile(r"^(?:us|eu|apac|ap|global|jp|au|ca|sa|me|af|us-gov)\.(?=[a-z0-9-]+\.)")
_BEDROCK_VERSION = re.compile(r"-v\d+(?::\d+)?(?::\d+k)?$|(?<=:\d):\d+k$")
_LATEST = re.compile(r"[-:]latest$")
_ZAI_HOST = re.compile(r"-(?:jd|ali)$")
"""Z.ai's answers may name whose machines the model ran on."""
_ROUTING = re.compile(r":(?:nitro|floor|exacto)$")


def candidates(provider: str, model: str) -> Iterator[tuple[str, str]]:
    """(provider, id) pairs under which the model may be listed, surest first."""
    if model.startswith("ft:") or ":ft-" in model:
        return  # a fine-tuned model has a price of its own, which no catalogue lists
    bare = bare_id(provider, model)
    yield provider, model
    if bare != model:
        yield provider, bare
    yield from _elsewhere(provider, bare)
    for shorter in _shorter(provider, bare):
        yield provider, shorter
    for other in SAME_PRICE.get(provider, ()):
        # Last of all: an undated entry of another provider is the least sure.
        for shorter in _shorter(other, bare):
            yield other, shorter


def newest_of(model: str, ids: list[str]) -> list[str]:
    """The ids that are this model with a date, newest first: what ``-latest`` stands for."""
    base = _LATEST.sub("", model)
    dated = [i for i in ids if i.startswith(base) and _DATE.fullmatch(i[len(base) :])]
    # By the digits alone: 20250101 and 2025-01-01 are dates of one kind.
    return sorted(dated, key=lambda i: re.sub(r"\D", "", i[len(base) :]), reverse=True)


def is_same_model(asked: str, answered: str) -> bool:
    """Whether an answer's model is the one that was asked for.

    A path, upper case, a date or a build may be added or missing, and the words may stand in
    another order (as in OpenRouter's answers). ``-latest`` is never the same: it may be any
    model, and the answer's name says which.
    """
    plain, other = _words(asked), _words(answered)
    return bool(plain) and plain == other and "latest" not in plain


_BUILD = re.compile(r"-(?:v\d+(?::\d+)?|0\d\d|[01]\d[0-3]\d)$|:(?:free|\d+)$")


def _words(model: str) -> list[str]:
    name = _ROUTING.sub("", model.rstrip("/").rpartition("/")[2].lower())
    # A build may stand before a date or after it.
    name = _BUILD.sub("", _DATE.sub("", _BUILD.sub("", name)))
    return sorted(filter(None, re.split(r"[-_.:@ ]", name)))


def bare_id(provider: str, model: str) -> str:
    """The id without the path, region or encoding around it."""
    if provider in ("google", "google-vertex"):
        return model.rpartition("models/")[2]
    if provider == "amazon-bedrock":
        return bare_bedrock(model)
    if provider == "fireworks-ai" and "/" not in model:
        return f"accounts/fireworks/models/{model}"
    if provider == "azure" and model.startswith("gpt-35-"):
        return model.replace("gpt-35-", "gpt-3.5-", 1)  # Azure's names have no dot
    if provider == "cloudflare-workers-ai" and not model.startswith("@"):
        return f"@cf/{model}"
    return model


def bare_bedrock(model: str) -> str:
    """The id without the ARN and the encoding around it."""
    plain = unquote(model)
    # The id of an application profile names no model.
    if plain.startswith("arn:") and ":application-inference-profile/" not in plain:
        return plain.rpartition("/")[2]
    return plain


def _elsewhere(provider: str, model: str) -> Iterator[tuple[str, str]]:
    for other in SAME_PRICE.get(provider, ()):
        yield other, model
    name, colon, host = model.rpartition(":")
    if provider == "huggingface" and colon:
        if host in HF_PROVIDERS:
            yield HF_PROVIDERS[host], name
            yield HF_PROVIDERS[host], name.rpartition("/")[2]
        yield provider, name
    if provider == "ollama" and model.endswith("-cloud"):
        yield "ollama-cloud", model.removesuffix("-cloud")


def _shorter(provider: str, model: str) -> Iterator[str]:
    """The id with less and less decoration; each step keeps it the same model."""
    if (provider, model) in RENAMED:
        yield RENAMED[provider, model]
    if provider == "amazon-bedrock":
        yield from bedrock_forms(model)
        return
    if provider == "openrouter" and _ROUTING.search(model):
        model = _ROUTING.sub("", model)
        yield model
    if provider == "zai" and _ZAI_HOST.search(model):
        yield _ZAI_HOST.sub("", model)
    for suffix in (_DATE, _LATEST, _STABLE if provider.startswith("google") else None):
        if suffix is not None and suffix.search(model):
            yield suffix.sub("", model)


def bedrock_forms(model: str) -> Iterator[str]:
    for name in (model, _REGION.sub("", model)):
        base = _BEDROCK_VERSION.sub("", name)
        yield from (name, base, f"{base}-v1:0", f"{base}-v1")


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
