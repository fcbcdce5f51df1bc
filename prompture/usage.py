"""The tokens of a call, and the exact arithmetic of their price."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


COUNTS = tuple(f.name for f in fields(Usage) if f.type == "int")
"""Every count of a Usage: what adds up as it is."""
