"""``track()``: what the calls of a block cost and used."""

from __future__ import annotations

from decimal import Decimal
from threading import Lock
from typing import TYPE_CHECKING

from prompture.forks import renewed_at_fork
from prompture.money import Bill, Charge
from prompture.spend.base import Block

if TYPE_CHECKING:
    from prompture.drivers.core import BaseDriver
    from prompture.types import Request, Usage


class Totals(Block):
    """The calls that were made while it was open, so far."""

    def __init__(self) -> None:
        self._charges: list[Charge] = []
        self._renew()
        renewed_at_fork(self, "_renew")

    def _renew(self) -> None:
        self._lock = Lock()

    def before(self, request: Request, driver: BaseDriver) -> tuple[Request, object]:
        """Let every call pass."""
        return request, None

    def after(self, token: object, charge: Charge) -> None:
        """Note a call."""
        with self._lock:
            self._charges.append(charge)

    def again(self, token: object, charge: Charge) -> None:
        """Note a failed try."""
        self.after(token, charge)

    @property
    def bill(self) -> Bill:
        """Every call with its price, failed ones included."""
        with self._lock:
            return Bill(tuple(self._charges))

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
        return len(self._charges)

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
