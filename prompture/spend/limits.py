"""Limits as users write them."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from prompture.errors import ConfigurationError

Amount: TypeAlias = "Decimal | str | int | float"


def dollars_of(amount: Amount) -> Decimal:
    """US dollars; a float counts as the decimal it prints as."""
    try:
        usd = Decimal(str(amount).strip().removeprefix("$"))
    except InvalidOperation:
        usd = Decimal("NaN")
    if isinstance(amount, bool) or not usd.is_finite() or usd < 0:
        raise ConfigurationError(f"{amount!r} is not an amount of dollars")
    return usd


def count_of(limit: int | None, name: str) -> int | None:
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise ConfigurationError(f"{name} must be a whole number, 0 or more, not {limit!r}")
    return limit
