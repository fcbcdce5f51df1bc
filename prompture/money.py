"""Money as values: what a call cost, why, and the bill that adds calls up.

Amounts are ``Decimal`` US dollars or None with a reason, never a float and never a silent 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from prompture.types import Usage

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class CostLine:
    """One bucket of one call. ``rate`` is dollars per million tokens (per request for fees)."""

    bucket: str
    quantity: int
    rate: Decimal
    usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The price of one call.

    ``usd`` is None where it is unknown, and ``reason`` then says why. ``source`` is
    ``"provider"``, ``"user"``, ``"live"``, ``"snapshot"``, ``"built-in"`` or ``"local"``;
    ``as_of`` is the date (ISO) of the price. ``saving`` is what cache reads saved.
    """

    usd: Decimal | None
    reason: str = ""
    source: str = ""
    as_of: str = ""
    lines: tuple[CostLine, ...] = ()
    saving: Decimal = ZERO

    def __str__(self) -> str:
        return f"${self.usd}" if self.usd is not None else f"unknown ({self.reason})"


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


@dataclass(frozen=True, slots=True)
class Bill:
    """Every attempt that was made for one result, the failed ones included."""

    charges: tuple[Charge, ...] = field(default=())

    @property
    def total(self) -> Decimal | None:
        """US dollars, or None where the price of any charge is unknown."""
        if any(c.cost.usd is None for c in self.charges):
            return None
        return self.known

    @property
    def known(self) -> Decimal:
        """US dollars of the charges whose price is known."""
        return sum((c.cost.usd for c in self.charges if c.cost.usd is not None), ZERO)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Why each charge without a price has none."""
        return tuple(c.cost.reason for c in self.charges if c.cost.usd is None)

    @property
    def saving(self) -> Decimal:
        """US dollars that cache reads saved."""
        return sum((c.cost.saving for c in self.charges), ZERO)

    @property
    def usage(self) -> Usage:
        return sum((c.usage for c in self.charges), Usage())

    def __add__(self, other: Bill) -> Bill:
        return Bill(self.charges + other.charges)

    def __str__(self) -> str:
        calls = f"{len(self.charges)} call{'s' * (len(self.charges) != 1)}"
        tokens = f"{self.usage.input_tokens} in, {self.usage.output_tokens} out"
        if self.total is not None:
            return f"${format_usd(self.total)} ({calls}, {tokens})"
        least = f"at least ${format_usd(self.known)}" if self.known else "unknown"
        return f"{least} ({calls}, {tokens}; {'; '.join(sorted(set(self.unknown)))})"


def format_usd(amount: Decimal) -> str:
    """Dollars without exponent or trailing zeros, but at least cents: ``0.000123``, ``0.00``."""
    text = f"{amount.normalize():f}"
    whole, _, cents = text.partition(".")
    return f"{whole}.{cents:0<2}"


def bill_of(charges: Iterable[Charge]) -> Bill:
    """A bill of the given charges."""
    return Bill(tuple(charges))
