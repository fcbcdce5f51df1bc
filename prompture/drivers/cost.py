"""CostMixin: how a driver prices its calls. Shared by both colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompture.money import ZERO, Cost
from prompture.types import Usage

if TYPE_CHECKING:
    from prompture.catalog.models import Entry
    from prompture.drivers.provider import Provider

LOCAL = Cost(usd=ZERO, source="local", reason="the model runs on your own machine")


class CostMixin:
    """Prices from the live models.dev catalog, then its snapshot, then the row's own table."""

    provider: Provider
    model: str

    def entry(self, model: str | None = None) -> Entry | None:
        """What the catalog knows of a model of this provider (its own one by default)."""
        if not self.provider.catalog:
            return None
        from prompture import catalog

        return catalog.find(self.provider.catalog, model or self.model)

    def price(self, usage: Usage, *, answered: str = "", asked: str = "") -> Cost:
        """What ``usage`` costs, by the model that answered, else by the one that was asked."""
        if self.provider.local:
            return LOCAL
        from prompture import catalog

        if self.provider.billed:
            usage = self.provider.billed(usage)
        asked = asked or self.model
        for model in (answered, asked):
            found = self.entry(model) if model else None
            if found is not None and found.rates is not None:
                return catalog.cost_of(usage, found)
        return catalog.cost_of(usage, None, model=f"{self.provider.name}/{answered or asked}")
