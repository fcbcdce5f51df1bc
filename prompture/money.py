"""Tokens and money as values: the usage of a call, its price and why, the bill that adds calls up.

Amounts are ``Decimal`` US dollars or None with a reason, never a float and never a silent 0.
Sums are exact whatever the caller's decimal context is set to.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from decimal import (
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
)
from typing import Any

from prompture.markup import columns, paragraphs, table

ZERO = Decimal(0)
PER_MILLION = 1_000_000
_CENT = Decimal("0.01")
EXACT = Context(
    prec=100,
    rounding=ROUND_HALF_EVEN,
    Emin=-999_999,
    Emax=999_999,
    capitals=1,
    clamp=0,
    flags=[],
    traps=[InvalidOperation, DivisionByZero, Overflow],
)
"""Wide enough for any sum of dollars here, and independent of the caller's decimal context and of
decimal.DefaultContext: neither may round a bill, or raise in its middle."""
TOKEN_COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)
"""The counts of a Usage that bills show and the ledger has columns for."""


def add_usd(amounts: Iterable[Decimal]) -> Decimal:
    """Exact sum, whatever precision the caller's decimal context has."""
    total = Decimal(0)
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one call, or of several added up. Names follow OpenTelemetry's GenAI conventions.

    ``input_tokens`` includes cache reads and writes, ``output_tokens`` includes reasoning, and
    the audio and image counts are parts of those too. ``cache_writes`` splits
    ``cache_write_tokens`` by time to live (``{"5m": 10}``), as far as the provider does.
    ``reported`` is False where the provider stated no usage, or one that cannot be read whole:
    zeros then mean unknown. ``problem`` says what is wrong with what it stated, ``""`` if nothing
    is; the price is then unknown.
    ``searches`` counts web searches that the provider made, for which it may charge apart.
    ``stated_cost`` is the price in US dollars that the provider itself put on the call.
    ``raw`` is the provider's own usage object.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_writes: Mapping[str, int] = field(default_factory=dict)
    reasoning_tokens: int = 0
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0
    input_image_tokens: int = 0
    output_image_tokens: int = 0
    requests: int = 0
    searches: int = 0
    service_tier: str | None = None
    stated_cost: Decimal | None = None
    reported: bool = False
    problem: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def total_tokens(self) -> int:
        """Input and output; cache and reasoning tokens are parts of these."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        """Sum of two usages; ``reported`` if either is, ``raw`` and the tier are dropped."""
        sums = {name: getattr(self, name) + getattr(other, name) for name in COUNTS}
        ttls = {*self.cache_writes, *other.cache_writes}
        writes = {t: self.cache_writes.get(t, 0) + other.cache_writes.get(t, 0) for t in ttls}
        stated = [u.stated_cost for u in (self, other) if u.stated_cost is not None]
        return Usage(
            **sums,
            cache_writes=writes,
            stated_cost=add_usd(stated) if stated else None,
            reported=self.reported or other.reported,
        )


# By their types, which are texts here, so that no new count is left out of a sum.
COUNTS = tuple(f.name for f in fields(Usage) if f.type == "int")
"""Every count of a Usage: what adds up as it is."""


@dataclass(frozen=True, slots=True)
class Price:
    """What one unit of a bucket costs: ``rate`` dollars for ``per`` units, and by which rule."""

    rate: Decimal
    rule: str = ""
    per: int = PER_MILLION

    def of(self, quantity: int) -> Decimal:
        """US dollars for so many units; exact as long as ``per`` is a power of ten."""
        return EXACT.divide(EXACT.multiply(self.rate, Decimal(quantity)), Decimal(self.per))


@dataclass(frozen=True, slots=True)
class CostLine:
    """One bucket of one call. ``rate`` is dollars per million tokens (per request for fees).

    ``rule`` says where the rate came from when it is not simply the catalogue's.
    """

    bucket: str
    quantity: int
    rate: Decimal
    usd: Decimal
    rule: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The price of one call.

    ``usd`` is None where it is unknown, and ``reason`` then says why. ``source`` is
    ``"provider"`` (which stated it), ``"user"``, ``"live"``, ``"snapshot"``, ``"built-in"`` or
    ``"local"``, ``"cache"`` (an answer of before), ``""`` where it has no price or was not billed;
    ``as_of`` is the date (ISO) of the price. ``computed`` is our own figure, kept beside the
    one that the provider stated. ``saving`` is what the prompt cache saved: reads below the
    input rate, less what writes cost above it; a first call may have a negative one. An answer
    out of a ``Cache`` saved the price of asking, None where that is unknown.
    ``counted`` is what ``lines`` is made of: bucket, quantity, price.
    """

    usd: Decimal | None
    reason: str = ""
    source: str = ""
    as_of: str = ""
    saving: Decimal | None = ZERO
    computed: Decimal | None = None
    counted: tuple[tuple[str, int, Price], ...] = field(default=(), repr=False)

    @property
    def lines(self) -> tuple[CostLine, ...]:
        """The computed figure by bucket; the lines add up to ``computed``."""
        return tuple(
            CostLine(bucket, quantity, price.rate, price.of(quantity), price.rule)
            for bucket, quantity, price in self.counted
        )

    def as_dict(self) -> dict[str, object]:
        """For JSON: amounts are decimal strings, None where unknown."""
        return {
            "usd": _text(self.usd),
            "computed_usd": _text(self.computed),
            "saving_usd": _text(self.saving),
            "source": self.source,
            "as_of": self.as_of,
            "reason": self.reason,
            "lines": [_line_dict(line) for line in self.lines],
        }

    def __str__(self) -> str:
        return f"${format_usd(self.usd)}" if self.usd is not None else f"unknown ({self.reason})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One attempt on a bill. ``status`` is ``"ok"``, ``"invalid"``, ``"refused"``,
    ``"truncated"``, ``"error"`` or ``"cancelled"``; ``seconds`` is wall time."""

    provider: str
    model: str
    usage: Usage
    cost: Cost
    status: str = "ok"
    request_id: str | None = None
    seconds: float = 0.0
    note: str = ""

    def as_dict(self) -> dict[str, object]:
        """For JSON; holds no text of the call."""
        return {
            "provider": self.provider,
            "model": self.model,
            "status": self.status,
            "request_id": self.request_id,
            "seconds": round(self.seconds, 6),
            "note": self.note,
            "usage": _usage_dict(self.usage),
            "cost": self.cost.as_dict(),
        }


@dataclass(frozen=True, slots=True)
class BillLine:
    """One bucket of one attempt. ``attempt`` counts from 1; ``usd`` None is an unknown price."""

    attempt: int
    charge: Charge
    bucket: str
    quantity: int
    rate: Decimal | None
    usd: Decimal | None
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Bill:
    """Every attempt that was made for one result, the failed ones included."""

    charges: tuple[Charge, ...] = field(default=())

    @property
    def total(self) -> Decimal | None:
        """US dollars, or None where the price of any charge is unknown."""
        # One unknown price makes the sum unknown, never smaller.
        return None if any(c.cost.usd is None for c in self.charges) else self.known

    @property
    def known(self) -> Decimal:
        """US dollars of the charges whose price is known."""
        return add_usd(c.cost.usd for c in self.charges if c.cost.usd is not None)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Why each charge without a price has none."""
        return tuple(c.cost.reason for c in self.charges if c.cost.usd is None)

    @property
    def saving(self) -> Decimal | None:
        """US dollars that caches saved (``Cost.saving``); None where that is unknown of a charge."""
        found = [c.cost.saving for c in self.charges if c.cost.saving is not None]
        return add_usd(found) if len(found) == len(self.charges) else None

    @property
    def usage(self) -> Usage:
        """Tokens of all attempts."""
        return sum((c.usage for c in self.charges), Usage())

    @property
    def lines(self) -> tuple[BillLine, ...]:
        """Every bucket of every attempt.

        An attempt whose price the provider stated has one more line, ``"stated by provider"``,
        with the difference from the computed figure, so that the lines add up to ``total``. One
        that cost nothing for another reason than its rates has a line that says so, and one of
        which only the amount is known has the line ``"whole call"``.
        """
        return tuple(
            line
            for number, charge in enumerate(self.charges, 1)
            for line in _charge_lines(number, charge)
        )

    def __add__(self, other: Bill) -> Bill:
        return Bill(self.charges + other.charges)

    def __bool__(self) -> bool:
        return bool(self.charges)

    def as_dict(self) -> dict[str, object]:
        """For JSON: amounts are decimal strings, None where unknown; no text, no keys."""
        return {
            "total_usd": _text(self.total),
            "known_usd": _text(self.known),
            "saving_usd": _text(self.saving),
            "unknown": sorted(set(self.unknown)),
            "usage": _usage_dict(self.usage),
            "charges": [c.as_dict() for c in self.charges],
        }

    def to_json(self, *, indent: int | None = None) -> str:
        """The bill as JSON text."""
        return json.dumps(self.as_dict(), indent=indent, ensure_ascii=False)

    def table(self) -> str:
        """The bill as plain text in columns, a line per attempt and bucket, the total last."""
        return "\n".join([*columns((_HEADINGS, *self._rows()), _RIGHT), *self._remarks()])

    def _repr_html_(self) -> str:
        return table(_HEADINGS, self._rows(), right=_RIGHT) + paragraphs(self._remarks())

    def _rows(self) -> list[tuple[str, ...]]:
        total = f"${format_usd(self.total)}" if self.total is not None else "unknown"
        return [*(_row(line) for line in self.lines), ("", "", "", "total", "", "", total, "")]

    def _remarks(self) -> list[str]:
        text = []
        saved = [(c.cost.saving, c.cost.source == "cache") for c in self.charges]
        kept = add_usd(amount for amount, is_hit in saved if is_hit and amount)
        if kept or self.saving is None:
            least = "an unknown amount, at least " if self.saving is None else ""
            text.append(f"answers from the cache saved {least}${format_usd(kept)}")
        if prompt := add_usd(amount for amount, is_hit in saved if amount and not is_hit):
            text.append(f"prompt cache saved ${format_usd(prompt)}")
        return [*text, *(f"unknown: {reason}" for reason in sorted(set(self.unknown)))]

    def __str__(self) -> str:
        kept = sum(c.cost.source == "cache" for c in self.charges)
        made, hits = len(self.charges) - kept, f", {kept} from the cache" * bool(kept)
        calls = f"{made} call{'s' * (made != 1)}{hits}"
        tokens = f"{self.usage.input_tokens} in, {self.usage.output_tokens} out"
        if self.total is not None:
            return f"${format_usd(self.total)} ({calls}, {tokens})"
        least = f"at least ${format_usd(self.known)}" if self.known else "unknown"
        reasons = "; ".join(" ".join(reason.split()) for reason in sorted(set(self.unknown)))
        return f"{least} ({calls}, {tokens}; {reasons})"


def format_usd(amount: Decimal) -> str:
    """Dollars without exponent or trailing zeros, but at least cents: ``0.000123``, ``0.00``."""
    # ``f`` without a precision writes every digit: nothing is rounded.
    whole, _, cents = f"{amount:f}".partition(".")
    return f"{whole}.{cents.rstrip('0'):0<2}"


def short_usd(amount: Decimal) -> str:
    """Dollars for a glance, where they are an estimate or stand in a chart: cents, or two
    digits of what is less than a dollar."""
    # Rounded here: formatting rounds as the caller's decimal context says.
    if not amount or amount.copy_abs() >= 1:
        return f"{amount.quantize(_CENT, context=EXACT):,f}"
    digits = min(amount.adjusted() - 1, -2)
    return format_usd(amount.quantize(Decimal((0, (1,), digits)), context=EXACT))


_HEADINGS = ("attempt", "model", "status", "bucket", "quantity", "rate $", "usd $", "rule")
# The columns of figures.
_RIGHT = frozenset({0, 4, 5, 6})


def _charge_lines(number: int, charge: Charge) -> Iterator[BillLine]:
    cost = charge.cost
    for part in cost.lines:
        yield BillLine(number, charge, part.bucket, part.quantity, part.rate, part.usd, part.rule)
    if cost.usd is None:
        yield BillLine(number, charge, "unknown", 0, None, None, cost.reason)
    elif cost.source == "provider":
        # So that the lines add up to what the provider bills.
        difference = EXACT.subtract(cost.usd, add_usd(line.usd for line in cost.lines))
        rule = f"the provider states ${format_usd(cost.usd)}"
        yield BillLine(number, charge, "stated by provider", 0, None, difference, rule)
    elif not cost.counted:
        # A charge out of a saved conversation has its amount and no lines.
        free = "from the cache" if cost.source == "cache" else "free"
        bucket = "whole call" if cost.usd else free if cost.source else "not billed"
        yield BillLine(number, charge, bucket, 0, None, cost.usd, cost.reason)


def _line_dict(line: CostLine) -> dict[str, object]:
    return {
        "bucket": line.bucket,
        "quantity": line.quantity,
        "rate": _text(line.rate),
        "usd": _text(line.usd),
        "rule": line.rule,
    }


def _usage_dict(usage: Usage) -> dict[str, object]:
    return {**{name: getattr(usage, name) for name in TOKEN_COUNTS}, "reported": usage.reported}


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else format_usd(amount)


def _row(line: BillLine) -> tuple[str, ...]:
    return (
        str(line.attempt),
        f"{line.charge.provider}/{line.charge.model}",
        line.charge.status,
        line.bucket,
        str(line.quantity),
        _text(line.rate) or "",
        _text(line.usd) or "unknown",
        " ".join(line.rule.split()),
    )
