"""Where a model runs changes its price: AWS Bedrock's geographic and in-region inference.

Facts, with where they were read: AWS's user guide ("Global cross-Region inference ... approximately
10% savings on input and output token pricing compared to geographic cross-Region inference"),
genai-prices and litellm's price map, which agree on 1.1 times for Claude 4.5 and later and disagree
(1.1 or 1.2) on AWS GovCloud. models.dev repeats the global price for most places, and has 1.1 or
other factors for some; so the price is always made of the global one.
"""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

from prompture.catalog.models import Entry, Rates
from prompture.catalog.rules import times

GEOGRAPHIC = Decimal("1.1")
_RULE = "1.1 x the global price (AWS: inference kept in a region or a geography)"
_CLAUDE = re.compile(
    r"^(?:(?P<place>[a-z-]+)\.)?anthropic\.claude-[a-z]+-(?P<version>\d+(?:-\d)?)(?!\d)"
)
_SINCE = (4, 5)


def place_of(model: str) -> str | None:
    """Where a Bedrock model id runs: ``"global"``, ``"us"``, ..., ``""`` for one region. None where
    the price does not depend on it."""
    found = _CLAUDE.match(model)
    if found is None or tuple(map(int, found["version"].split("-"))) < _SINCE:
        return None
    return found["place"] or ""


def priced_at(place: str, entry: Entry, worldwide: Entry | None) -> Entry:
    """The entry with the price of a place; ``worldwide`` is the same model, global."""
    base = worldwide if worldwide is not None and worldwide.rates is not None else entry
    if place == "global" or base.rates is None:
        return entry
    if place == "us-gov":
        return replace(entry, rates=None, unpriced="the sources disagree on AWS GovCloud's price")
    return replace(entry, rates=_raised(base.rates), source=base.source, as_of=base.as_of)


def _raised(rates: Rates) -> Rates:
    modes = {name: times(mode, GEOGRAPHIC, rule=_RULE) for name, mode in rates.modes.items()}
    return replace(times(rates, GEOGRAPHIC, rule=_RULE), modes=modes)
