"""Models, their limits, features and prices, and what a call costs.

``find("openai/gpt-5-mini")`` answers from models.dev (live, at most a day old), else from the
packaged snapshot of it, else from built-in tables, and never waits for the network.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from prompture import given
from prompture.catalog.cost import cost_of
from prompture.catalog.models import FREE, Entry, ModelFeatures, ModelLimits, Rates, Tier, Window
from prompture.catalog.overrides import Overrides
from prompture.catalog.store import Catalog, Status
from prompture.catalog.synced import ModelSync
from prompture.compat import renamed
from prompture.provider_names import catalog_key as canonical

if TYPE_CHECKING:
    from prompture.catalog.needs import Needs
    from prompture.types import ModelInfo, Usage

    Features, Limits = ModelFeatures, ModelLimits  # old names, see __getattr__

__all__ = [
    "FREE",
    "Catalog",
    "Entry",
    "ModelFeatures",
    "ModelLimits",
    "ModelSync",
    "Overrides",
    "Rates",
    "Status",
    "Tier",
    "Window",
    "canonical",
    "cheapest",
    "clear_prices",
    "cost_of",
    "entries",
    "find",
    "load_prices",
    "near",
    "providers",
    "refresh",
    "reset",
    "search",
    "set_price",
    "status",
    "sync",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        return renamed(__name__, name, {"Features": "ModelFeatures", "Limits": "ModelLimits"})


_catalog = Catalog()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _catalog.renew_locks())


def find(name: str, model: str | None = None) -> Entry | None:
    """The entry of ``"provider/model"`` (or ``provider, model``), None where it is not listed.

    The provider is a models.dev key or a usual alias. Dated ids, Bedrock regions, ``models/``
    and the like are understood by each provider's own rules; no other model's entry is ever
    given. Models of local providers cost 0 (source ``"local"``).
    """
    return _catalog.find(name, model)


def entries(provider: str | None = None) -> Iterator[Entry]:
    """Every listed model, or every model of one provider."""
    return _catalog.entries(provider)


def providers() -> list[str]:
    """Keys of the listed providers, sorted."""
    return _catalog.providers()


def search(query: str, *, provider: str | None = None) -> list[Entry]:
    """Entries whose ``provider/id`` or name has every word of the query, in either case."""
    words = (given.words(query, "query", empty=True) or "").lower().split()

    def holds(entry: Entry) -> bool:
        text = f"{entry.key} {entry.name}".lower()
        return all(word in text for word in words)

    return sorted(filter(holds, entries(provider)), key=lambda e: (e.provider, e.id))


def near(name: str, *, count: int = 3) -> list[str]:
    """Listed ``provider/model`` names that look like this one, for error messages."""
    from prompture.catalog.lookup import near_names

    return near_names(name, _catalog.providers(), _catalog.ids, count=count)


def cheapest(
    needs: Needs | str = "cheapest",
    *,
    among: Iterable[str | Entry] | None = None,
    usage: Usage | None = None,
) -> list[Entry]:
    """Models that have what is needed, cheapest first for a typical call (or ``usage``).

    ``needs`` may be a wish, ``"cheapest?json_schema&context>=200k&provider=openai,google"``.
    ``among`` are entries, ``"provider/model"`` names or providers; by default the providers that
    there are drivers for. Models of unknown price are left out.
    """
    from prompture.catalog.needs import TYPICAL, Needs, cheapest_of, parse_needs
    from prompture.types import Usage

    wanted = parse_needs(needs) if isinstance(needs, str) else needs
    if not isinstance(wanted, Needs):
        raise given.wrong("needs", "a wish such as 'cheapest?json_schema'", needs)
    if usage is not None and not isinstance(usage, Usage):
        raise given.wrong("usage", "a prompture.Usage", usage)
    return cheapest_of(entries, find, wanted, among=among, usage=usage or TYPICAL)


def set_price(
    name: str,
    *,
    input: Decimal | str | int | float,
    output: Decimal | str | int | float,
    since: date | None = None,
    **rates: Any,
) -> None:
    """Your own price of ``"provider/model"``, in dollars per million tokens.

    ``rates`` are the other fields of ``Rates`` (``cache_read=``, ``modes={"batch": 0.5}``, ...).
    It also holds for dated ids of the model. A float counts as the decimal it prints as.
    """
    stated = {"input": input, "output": output, "since": since, **rates}
    _catalog.override(Overrides.from_table({name: stated}, where="set_price"))


def load_prices(table: Mapping[str, Any], *, where: str = "pricing") -> None:
    """Your own prices out of a parsed table, such as ``[pricing]`` of the config file.

    Raises ConfigurationError that names the faulty field; ``where`` is how to call the table.
    """
    _catalog.override(Overrides.from_table(table, where=where))


def clear_prices() -> None:
    """Forget every price of your own."""
    _catalog.clear_overrides()


def refresh() -> bool:
    """Fetch models.dev now (two seconds at most); whether that worked. ``status()`` says why not."""
    return _catalog.refresh()


def sync(
    provider: str, models: Sequence[ModelInfo], *, free: bool = False, keep: bool = True
) -> ModelSync:
    """Hold a provider's own list of models against the catalog: new, gone, unpriced.

    ``keep`` puts it into the file of ``PROMPTURE_MODELS`` (else one in the folder for your data), so
    that its models are known from then on, here and in other processes. See
    ``driver.sync_models()``, which fetches the list.
    """
    return _catalog.sync(provider, models, free=free, keep=bool(given.flag(keep, "keep")))


def status() -> Status:
    """Which source is in use, of which date, and the last error."""
    return _catalog.status()


def reset() -> None:
    """Start afresh: the environment is read again at the next look-up."""
    global _catalog
    _catalog = Catalog()
