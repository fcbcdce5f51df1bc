"""Prices of the caller's own: in code, in the file PROMPTURE_PRICES names, in the config file.

The table is the same everywhere, a name to its rates in dollars per million tokens::

    [pricing."openai/gpt-5-mini"]
    input = 0.25
    output = 2
    cache_read = 0.025
    modes = { batch = 0.5, priority = { input = 0.45, output = 3.6 } }
    tiers = [{ above = 200_000, input = 0.5, output = 4 }]
    later = [{ since = 2027-01-01, input = 0.2, output = 1.6 }]

``"my-gateway/*"`` prices every model of a provider. A mode is a factor or rates of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from prompture.catalog.lookup import candidates
from prompture.catalog.models import RATE_NAMES, Rates, Tier
from prompture.catalog.price_rules import times, with_rules
from prompture.catalog.sources import dollars
from prompture.errors import ConfigurationError, UnknownOption
from prompture.provider_names import catalog_key
from prompture.wire.loading import load_json

_FIELDS = tuple(f.name for f in fields(Rates) if f.name not in ("plans", "rules", "windows"))


@dataclass(frozen=True, slots=True)
class Overrides:
    """The caller's rates by (provider, model); the model ``"*"`` means all of a provider's."""

    table: Mapping[tuple[str, str], Rates] = field(default_factory=dict)

    def find(self, provider: str, model: str) -> Rates | None:
        """The caller's rates for a model, however its id is decorated."""
        if not self.table:
            return None
        # The surest form of the id first; a price for all of the provider's models last.
        for key in (*candidates(provider, model), (provider, "*")):
            if key in self.table:
                return self.table[key]
        return None

    def joined(self, others: Overrides) -> Overrides:
        """Both; the others win."""
        return Overrides({**self.table, **others.table})

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.table)

    @staticmethod
    def as_of(rates: Rates) -> str:
        """ISO date from which the rates hold, ``""`` where the caller stated none."""
        return rates.since.isoformat() if rates.since else ""

    @classmethod
    def from_table(cls, table: Mapping[str, Any], *, where: str = "pricing") -> Overrides:
        """Overrides of a parsed table. Raises ConfigurationError that names the faulty field."""
        if not isinstance(table, Mapping):
            raise ConfigurationError(f"{where}: expected a table of model names to rates")
        return cls(dict(_named(name, stated, where) for name, stated in table.items()))

    @classmethod
    def from_file(cls, path: Path) -> Overrides:
        """Overrides of a TOML or JSON file, with or without a ``pricing`` table around them."""
        import tomllib

        try:
            text = path.read_text("utf-8-sig")
            if path.suffix.lower() == ".json":
                data = load_json(text, number=Decimal)
            else:
                data = tomllib.loads(text, parse_float=Decimal)
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigurationError(f"the price file {path} cannot be read: {error}") from error
        table = data.get("pricing", data) if isinstance(data, dict) else data
        return cls.from_table(table, where=str(path))

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Overrides:
        """Overrides of the file that PROMPTURE_PRICES names, if it names one."""
        path = environ.get("PROMPTURE_PRICES", "")
        return cls.from_file(Path(path).expanduser()) if path else cls()


def _named(name: str, stated: Any, where: str) -> tuple[tuple[str, str], Rates]:
    given, slash, model = name.partition("/")
    if not slash or not model:
        raise ConfigurationError(f'{where}: "{name}" is not of the form "provider/model"')
    provider = catalog_key(given)
    rates = rates_of(stated, where=f'{where}."{name}"')
    return (provider, model), with_rules(rates, provider=provider, model=model)


def rates_of(stated: Any, *, where: str, base: Rates | None = None) -> Rates:
    """Rates of a parsed table; what it leaves out is taken from ``base`` where there is one."""
    if not isinstance(stated, Mapping):
        raise ConfigurationError(f"{where}: expected a table with input and output")
    strange = [key for key in stated if key not in _FIELDS]
    if strange:
        raise UnknownOption(f"{where}: unknown {', '.join(strange)}; known: {', '.join(_FIELDS)}")
    found: dict[str, Any] = {
        name: _amount(stated[name], f"{where}.{name}") for name in RATE_NAMES if name in stated
    }
    if base is None and not {"input", "output"} <= found.keys():
        raise ConfigurationError(f"{where}: needs both input and output (dollars per million)")
    # Without tiers and modes: what a tier leaves out is the flat rate, not another tier's.
    flat = replace(base, tiers=(), modes={}, later=(), **found) if base else Rates(**found)
    lives = {
        life: _amount(amount, f"{where}.cache_writes.{life}")
        for life, amount in _table(stated.get("cache_writes"), f"{where}.cache_writes").items()
    }
    flat = replace(flat, cache_writes=lives, since=_date(stated.get("since"), f"{where}.since"))
    modes = _table(stated.get("modes"), f"{where}.modes").items()
    full = replace(flat, tiers=_tiers(stated.get("tiers", ()), flat, where))
    return replace(
        full,
        modes={name: _mode(mode, full, f"{where}.modes.{name}") for name, mode in modes},
        later=_later(stated.get("later", ()), flat, where),
    )


def _amount(value: Any, where: str) -> Decimal:
    amount = dollars(value)
    if amount is None:
        raise ConfigurationError(f"{where}: {value!r} is not an amount of dollars")
    return amount


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{where}: expected a table")
    return value


def _listed(value: Any, where: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(v, Mapping) for v in value):
        raise ConfigurationError(f"{where}: expected a list of tables")
    return list(value)


def _date(value: Any, where: str) -> date | None:
    # TOML has dates and times; a datetime is a date, too.
    if value is None or (isinstance(value, date) and not hasattr(value, "hour")):
        return value
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        raise ConfigurationError(f"{where}: {value!r} is not a date (YYYY-MM-DD)") from None


def _tiers(value: Any, flat: Rates, where: str) -> tuple[Tier, ...]:
    tiers = []
    for stated in _listed(value, f"{where}.tiers"):
        above = stated.get("above")
        if not isinstance(above, int) or isinstance(above, bool) or above <= 0:
            raise ConfigurationError(f"{where}.tiers: each needs above, a number of tokens")
        rest = {key: amount for key, amount in stated.items() if key != "above"}
        tiers.append(Tier(above, rates_of(rest, where=f"{where}.tiers", base=flat)))
    return tuple(sorted(tiers, key=lambda t: t.above))


def _mode(value: Any, full: Rates, where: str) -> Rates:
    if isinstance(value, Mapping):
        return rates_of(value, where=where, base=full)
    return times(full, _amount(value, where), rule=f"{value} x the standard rate (yours)")


def _later(value: Any, flat: Rates, where: str) -> tuple[Rates, ...]:
    dated = [
        rates_of(v, where=f"{where}.later", base=flat) for v in _listed(value, f"{where}.later")
    ]
    if any(rates.since is None for rates in dated):
        raise ConfigurationError(f"{where}.later: each needs since, a date")
    return tuple(dated)
