"""Limits as users write them, and the error of one that is reached."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from prompture import given
from prompture.errors import BudgetExceeded, ConfigurationError
from prompture.money import EXACT, format_usd
from prompture.spend.account import Account

Amount: TypeAlias = "Decimal | str | int | float"


def dollars_of(amount: Amount, name: str = "usd") -> Decimal:
    """US dollars; a float counts as the decimal it prints as."""
    try:
        usd = Decimal(str(amount).strip().removeprefix("$"))
    except (InvalidOperation, ValueError):  # a ValueError: an int of too many digits
        usd = Decimal("NaN")
    if (
        not isinstance(amount, (Decimal, str, int, float))
        or isinstance(amount, bool)
        or not usd.is_finite()
        or usd < 0
    ):
        raise ConfigurationError(f"{name}: {given.shown(amount)} is not an amount of dollars")
    return usd


def count_of(limit: int | None, name: str) -> int | None:
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise ConfigurationError(f"{name} must be a whole number, 0 or more, not {limit!r}")
    return limit


def refusal(
    account: Account,
    asked: Decimal | None,
    why: str,
    *,
    usd: Decimal | None,
    tokens: int | None,
    calls: int | None,
) -> BudgetExceeded:
    """The error of a budget with these limits: what is gone, and what was asked (None: nobody
    can tell). ``why`` ends before the amount asked."""
    spent = EXACT.add(account.spent, account.reserved)
    limits = [f"${format_usd(usd)}"] if usd is not None else []
    limits += [f"{tokens} tokens"] if tokens is not None else []
    limits += [f"{calls} calls"] if calls is not None else []
    amount = "" if asked is None else f" ${format_usd(asked)}"
    return BudgetExceeded(
        f"budget of {', '.join(limits)}: ${format_usd(spent)},"
        f" {account.tokens + account.reserved_tokens} tokens and"
        f" {account.calls + len(account.holds)} calls are spent or reserved; {why}{amount}",
        spent=spent,
        asked=asked,
        limit=usd,
    )
