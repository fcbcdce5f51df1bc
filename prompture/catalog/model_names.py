"""The same model under other names: dated ids, and what providers hang around them.

Every step is a rule of one provider's naming; nothing is matched by similarity, since a near
name (gpt-4 and gpt-4o) has another price.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

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
    bare = _bare(provider, model)
    yield provider, model
    if bare != model:
        yield provider, bare
    yield from _elsewhere(provider, bare)
    for shorter in _shorter(provider, bare):
        yield provider, shorter
    for other in SAME_PRICE.get(provider, ()):
        for shorter in _shorter(other, bare):
            yield other, shorter


def newest_of(model: str, ids: list[str]) -> list[str]:
    """The ids that are this model with a date, newest first: what ``-latest`` stands for."""
    base = _LATEST.sub("", model)
    dated = [i for i in ids if i.startswith(base) and _DATE.fullmatch(i[len(base) :])]
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


def _bare(provider: str, model: str) -> str:
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
