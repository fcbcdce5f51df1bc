"""The price of a call: usage times rates, bucket by bucket, exact to the last digit.

The arithmetic is on whole numbers (a rate is scaled to an integer once, in a ``RatePlan``), so that
no decimal context can round it, and a usual call costs a few microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeAlias

from prompture.catalog.models import Entry, Rates
from prompture.money import EXACT, PER_MILLION, ZERO, Cost, Price, format_usd
from prompture.types import Usage

Counted: TypeAlias = tuple[tuple[str, int, Price], ...]
TIER_NAMES = {
    "batches": "batch",
    "fast": "priority",
    "on_demand_priority": "priority",
    "on_demand_flex": "flex",
    "provisioned_throughput": "provisioned",
}
"""What providers' answers call a tier, in our words; Vertex names it as traffic type."""
PRICED_APART = frozenset({"batch", "flex", "priority", "ultrafast", "scale", "provisioned"})
"""Tiers that never cost the standard price. Any other name (default, on_demand) means standard."""


def cost_of(
    usage: Usage,
    priced: Entry | Rates | None,
    *,
    when: datetime | None = None,
    model: str = "",
) -> Cost:
    """What the call cost.

    A price that the provider stated wins; ours is then kept in ``Cost.computed``. ``when`` is
    the moment of the call (now, if not given), for rates that change with hour or date; a
    naive one is UTC. ``model`` names the model in the reason where ``priced`` cannot.

    Usage that could not be read, or not wholly, gives no price; what is known of it is then in
    ``computed`` and the reason, as the least that the call cost.

    Rules, where the catalogue has no rate: cache reads and writes cost as much as plain input,
    reasoning as much as output, audio and images as much as text. Cache reads and writes come
    out of ``input_tokens``, reasoning out of ``output_tokens``.
    """
    if isinstance(priced, Entry):
        rates, source, as_of = priced.rates, priced.source, priced.as_of
    else:
        rates, source, as_of = priced, "user" if priced is not None else "", ""
    stated = usage.stated_cost
    if rates is None:
        why = f": {priced.unpriced}" if isinstance(priced, Entry) and priced.unpriced else ""
        return _without_rates(stated, reason=f"no price is known for {_name(priced, model)}{why}")
    tier = usage.service_tier
    # Most calls: no tier, and rates that do not depend on the moment or the length.
    if tier is None and not (rates.tiers or rates.windows or rates.later):
        plan = rates.plans.get("flat") or _plan(rates)
    else:
        chosen = _choose(rates, usage, when)
        if isinstance(chosen, str):
            return _without_rates(stated, reason=f"{chosen} of {_name(priced, model)}")
        plan = chosen
    reason = ""
    if plan.charges and (usage.problem or not usage.reported):
        reason = f"{_name(priced, model)}: {usage.problem or 'the provider reported no usage'}"
        # Nothing is known of it, or the provider's own price stands: there is no least amount to
        # state.
        if not usage.total_tokens or stated is not None:
            return _without_rates(stated, reason=reason)
    total, saving, counted = plan.count(usage)
    usd = EXACT.scaleb(Decimal(total), plan.scale)
    if reason:
        least = f"{reason}; at least ${format_usd(usd)}"
        return Cost(usd=None, reason=least, computed=usd, counted=counted)
    return Cost(
        usd=usd if stated is None else stated,
        source=source if stated is None else "provider",
        as_of=as_of,
        saving=EXACT.scaleb(Decimal(saving), plan.scale) if saving else ZERO,
        computed=usd,
        counted=counted,
    )


@dataclass(frozen=True, slots=True)
class Unit:
    """One bucket's rate: as a whole number of 10**scale dollars per token, and to show."""

    whole: int
    price: Price


@dataclass(frozen=True, slots=True)
class RatePlan:
    """Flat rates, ready to be counted with. ``scale`` is the power of ten of a whole unit.

    None stands for "no rate of its own". ``charges`` is False where everything is free.
    """

    scale: int
    charges: bool
    input: Unit
    output: Unit
    cache_read: Unit
    cache_write: Unit
    cache_writes: dict[str, Unit]
    reasoning: Unit | None
    input_audio: Unit | None
    output_audio: Unit | None
    input_image: Unit | None
    output_image: Unit | None
    request: Unit | None
    extras: bool

    def count(self, usage: Usage) -> tuple[int, int, Counted]:
        """Total and saving in whole units, and the buckets that add up to the total."""
        fresh, answered = usage.input_tokens, usage.output_tokens
        read, written = usage.cache_read_tokens, usage.cache_write_tokens
        plain = self.input.whole
        total = saving = 0
        counted: list[tuple[str, int, Price]] = []
        if read:
            total = read * self.cache_read.whole
            saving = read * plain - total
            counted.append(("cache_read", read, self.cache_read.price))
        if written:
            for bucket, quantity, unit in self._writes(usage):
                total += quantity * unit.whole
                saving += quantity * (plain - unit.whole)
                counted.append((bucket, quantity, unit.price))
        if read or written:
            # Never below 0, whatever an answer states of its cache.
            fresh = max(0, fresh - read - written)
        if self.extras:
            parts, fresh, answered = self._apart(usage, fresh)
            total += sum([quantity * unit.whole for _, quantity, unit in parts])
            counted += [(bucket, quantity, unit.price) for bucket, quantity, unit in parts]
        total += fresh * plain + answered * self.output.whole
        first = ("input", fresh, self.input.price)
        return total, saving, (first, *counted, ("output", answered, self.output.price))

    def _writes(self, usage: Usage) -> list[tuple[str, int, Unit]]:
        """Cache writes by time to live, then those that the provider did not split."""
        left = usage.cache_write_tokens
        found: list[tuple[str, int, Unit]] = []
        for life, stated in usage.cache_writes.items():
            quantity = min(stated, left)
            if quantity > 0:
                unit = self.cache_writes.get(life, self.cache_write)
                found.append((f"cache_write_{life}", quantity, unit))
                left -= quantity
        if left > 0:
            found.append(("cache_write", left, self.cache_write))
        return found

    def _apart(self, usage: Usage, fresh: int) -> tuple[list[tuple[str, int, Unit]], int, int]:
        """What has a rate of its own, and the plain input and output that are left."""
        answered = usage.output_tokens
        found: list[tuple[str, int, Unit]] = []

        def part(name: str, quantity: int, unit: Unit | None) -> int:
            if unit is None or quantity <= 0:
                return 0
            found.append((name, quantity, unit))
            return quantity

        fresh -= part("input_audio", min(usage.input_audio_tokens, fresh), self.input_audio)
        fresh -= part("input_image", min(usage.input_image_tokens, fresh), self.input_image)
        answered -= part("reasoning", min(usage.reasoning_tokens, answered), self.reasoning)
        spoken = min(usage.output_audio_tokens, answered)
        answered -= part("output_audio", spoken, self.output_audio)
        drawn = min(usage.output_image_tokens, answered)
        answered -= part("output_image", drawn, self.output_image)
        part("request", max(1, usage.requests), self.request)
        return found, fresh, answered


def flat_rates(rates: Rates, usage: Usage, *, when: datetime | None = None) -> Rates | str:
    """The rates that hold for this very call, or what is unknown about them.

    In this order: the date, the service tier, the hour, the length of the input.
    """
    if rates.later or rates.windows:
        moment = _aware(when)
        rates = _in_force(rates, moment)
    tier = (usage.service_tier or "").lower()
    # The catalogue's own name first: it may list a mode that we would call otherwise.
    tier = tier if tier in rates.modes else TIER_NAMES.get(tier, tier)
    if tier in rates.modes:
        rates = rates.modes[tier]
    elif tier in PRICED_APART and not rates.free:
        return f'the catalogue has no price for service tier "{tier}"'
    if rates.windows:
        rates = next((w.rates for w in rates.windows if w.holds(moment)), rates)
    # Tiers are sorted: the last one that is passed holds.
    long = [t.rates for t in rates.tiers if usage.input_tokens > t.above]
    return long[-1] if long else rates


def _choose(rates: Rates, usage: Usage, when: datetime | None) -> RatePlan | str:
    chosen = flat_rates(rates, usage, when=when)
    if isinstance(chosen, str):
        return chosen
    return chosen.plans.get("flat") or _plan(chosen)


def _in_force(rates: Rates, moment: datetime) -> Rates:
    day = moment.date()
    begun = [r for r in rates.later if r.since is not None and r.since <= day]
    return max(begun, key=lambda r: r.since or day, default=rates)


def _aware(when: datetime | None) -> datetime:
    if when is None:
        return datetime.now(UTC)
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def _plan(rates: Rates) -> RatePlan:
    """Compile rates, ignoring tiers, modes and hours, and keep the result with them."""
    stated = [rates.input, rates.output, *rates.cache_writes.values(), rates.request]
    optional = [rates.cache_read, rates.cache_write, *_apart(rates).values()]
    stated += [amount for amount in optional if amount is not None]
    # The finest digit of any rate, and six more for "per million tokens": with this scale every
    # price of one token is a whole number.
    finest = min(_exponent(amount) for amount in stated)
    scale = min(finest, 0) - 6

    def unit(name: str, amount: Decimal, *, per: int = PER_MILLION, rule: str = "") -> Unit:
        power = 6 if per == PER_MILLION else 0
        whole = int(EXACT.scaleb(amount, -scale - power))
        return Unit(whole, Price(amount, rates.rules.get(name, rule), per))

    def cached(name: str, amount: Decimal | None) -> Unit:
        if amount is not None:
            return unit(name, amount)
        return unit(name, rates.input, rule="no rate of its own in the catalogue: as plain input")

    parts = {n: unit(n, amount) for n, amount in _apart(rates).items() if amount is not None}
    plan = RatePlan(
        scale=scale,
        charges=any(stated),
        input=unit("input", rates.input),
        output=unit("output", rates.output),
        cache_read=cached("cache_read", rates.cache_read),
        cache_write=cached("cache_write", rates.cache_write),
        cache_writes={t: unit(f"cache_write_{t}", r) for t, r in rates.cache_writes.items()},
        reasoning=parts.get("reasoning"),
        input_audio=parts.get("input_audio"),
        output_audio=parts.get("output_audio"),
        input_image=parts.get("input_image"),
        output_image=parts.get("output_image"),
        request=unit("request", rates.request, per=1) if rates.request else None,
        extras=bool(parts or rates.request),
    )
    # Two threads may both make it: they are equal, and this is one step.
    rates.plans["flat"] = plan
    return plan


def _apart(rates: Rates) -> dict[str, Decimal | None]:
    names = ("reasoning", "input_audio", "output_audio", "input_image", "output_image")
    return {name: getattr(rates, name) for name in names}


def _exponent(amount: Decimal) -> int:
    exponent = amount.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


def _without_rates(stated: Decimal | None, *, reason: str) -> Cost:
    if stated is not None:
        return Cost(usd=stated, source="provider", reason=reason)
    return Cost(usd=None, reason=reason)


def _name(priced: Entry | Rates | None, model: str) -> str:
    return priced.key if isinstance(priced, Entry) else model or "this model"
