"""Reading a models.dev record: limits, features and rates out of untrusted JSON.

Figures arrive as strings or ints (the JSON is parsed with ``parse_float=str``), so that
0.1 dollars stay 0.1. Whatever is not of the expected type counts as not stated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from prompture.catalog.models import Entry, ModelFeatures, ModelLimits, Rates, Tier
from prompture.catalog.price_rules import UNPRICED, with_rules

_FINEST = -15
_DEAREST = Decimal(10) ** 9


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
