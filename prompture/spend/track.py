"""``track()``: what the calls of a block cost and used."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from prompture.drivers.meter import ChargeRecorder
from prompture.money import Bill
from prompture.spend.scope import ScopedMeter

if TYPE_CHECKING:
    from prompture.types import Usage


class Totals(ChargeRecorder, ScopedMeter):
    """The calls that were made while it was open, so far."""

    @property
    def bill(self) -> Bill:
        """Every call with its price, failed ones included."""
        return Bill(tuple(self.charges))

    @property
    def cost(self) -> Decimal | None:
        """US dollars; None where the price of any call is unknown (``bill.unknown`` says why,
        ``bill.known`` what the others cost)."""
        return self.bill.total

    @property
    def usage(self) -> Usage:
        """Tokens of all calls."""
        return self.bill.usage

    @property
    def calls(self) -> int:
        """How many calls were made, retried tries included."""
        return len(self.charges)

    def __str__(self) -> str:
        return str(self.bill)

    def __repr__(self) -> str:
        return f"<track: {self.bill}>"


def track() -> Totals:
    """Totals of the calls made inside a ``with`` block::

        with track() as spent:
            extract(Receipt, text)
        print(spent.cost, spent.calls, spent.usage.total_tokens)

    Blocks nest. Tasks started inside are seen, and threads of ``asyncio.to_thread``; other
    threads see only what is given them by ``prompture.bind``.
    """
    return Totals()
