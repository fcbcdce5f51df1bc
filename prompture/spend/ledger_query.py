"""Read the ledger: totals by model, day or label, and new prices for old calls."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from prompture import given
from prompture.drivers import registry
from prompture.drivers.cost import price_of
from prompture.errors import ConfigurationError, UnknownModel
from prompture.money import ZERO, Cost, add_usd, format_usd
from prompture.spend.database import Database, is_url
from prompture.spend.journal import COLUMNS, clean, usage_of
from prompture.spend.ledger import (
    default_place,
    flush_open,
    journals_of,
    ledger_errors,
    log,
    opened,
    take_over,
)
from prompture.wire.loading import load_json

BY = ("provider", "model", "day", "status")
_PAGE = 20_000
_SINCE = re.compile(r"(\d{1,6})\s*([mhdw])")
_SPANS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """The calls of one group.

    ``usd`` adds up the known prices, ``unknown`` counts the calls without one. ``repriced_usd``
    is the same with the prices that ``reprice`` corrected, None where it corrected none. ``saving``
    is what caches saved, as far as that is known.
    ``failed`` counts calls without an answer; ``seconds`` is wall time.
    """

    key: str
    calls: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    usd: Decimal = ZERO
    unknown: int = 0
    saving: Decimal = ZERO
    repriced_usd: Decimal | None = None
    seconds: float = 0.0

    def __add__(self, other: Sum) -> Sum:
        both = [self.repriced_usd, other.repriced_usd]
        repriced = None
        if any(amount is not None for amount in both):
            repriced = add_usd((_effective(self), _effective(other)))
        return Sum(
            key=self.key,
            calls=self.calls + other.calls,
            failed=self.failed + other.failed,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cache_read_tokens=self.cache_read_tokens + other.cache_read_tokens,
            usd=add_usd((self.usd, other.usd)),
            unknown=self.unknown + other.unknown,
            saving=add_usd((self.saving, other.saving)),
            repriced_usd=repriced,
            seconds=self.seconds + other.seconds,
        )


@dataclass(frozen=True, slots=True)
class Repriced:
    """What ``reprice`` did: calls looked at, prices corrected, and both totals of those."""

    calls: int
    corrected: int
    before: Decimal
    after: Decimal


class LedgerReader:
    """Reads a ledger, with what this process has noted, and what killed ones left in journals.

    Raises ConfigurationError where there is none.
    """

    def __init__(self, where: str | os.PathLike[str] | None = None) -> None:
        place = where if where is not None else default_place()
        if not is_url(place) and not Path(place).expanduser().is_file():
            raise ConfigurationError(
                f"there is no ledger {str(place)!r}; calls are noted once PROMPTURE_LEDGER names"
                f" a path, or prompture.ledger(path) was called"
            )
        self._place = place
        self._database: Database = opened(place)
        try:
            take_over(self._database, *journals_of(place))
        except Exception as exc:  # a ledger that cannot be written can be read all the same
            log.warning("rows in journals of the ledger wait on: %s", type(exc).__name__)

    def rows(
        self, *, since: datetime | None = None, columns: Iterable[str] = COLUMNS
    ) -> Iterator[dict[str, Any]]:
        """The calls as dicts of columns (see ``journal.COLUMNS``), oldest first."""
        flush_open(self._place)
        wanted = list(dict.fromkeys(("at", "id", *columns)))
        sql = (
            f"SELECT {', '.join(wanted)} FROM calls"  # noqa: S608 - names of our own columns
            f" WHERE at > :at OR (at = :at AND id > :id) ORDER BY at, id LIMIT {_PAGE}"
        )
        # Page by page from the last row on: one long read would hold up writers, and OFFSET
        # reads all rows before it again.
        at, key = since.astimezone(UTC).isoformat(timespec="milliseconds") if since else "", ""
        while True:
            with ledger_errors(self._place, "read"):
                page = self._database.read(sql, {"at": at, "id": key})
            yield from (dict(zip(wanted, row, strict=True)) for row in page)
            if len(page) < _PAGE:
                return
            at, key = page[-1][0], page[-1][1]

    def sums(self, by: str = "model", *, since: datetime | None = None) -> list[Sum]:
        """Totals by ``"provider"``, ``"model"``, ``"day"`` (UTC), ``"status"`` or
        ``"label:NAME"``: dearest first, days in their order. Raises ConfigurationError."""
        if by not in BY and not (isinstance(by, str) and re.fullmatch("label:.+", by, re.DOTALL)):
            raise ConfigurationError(
                f"by must be {', '.join(BY)} or label:NAME, not {given.shown(by)}"
            )
        found: dict[str, Sum] = {}
        for row in self.rows(since=since, columns=_SUMMED):
            one = _sum_of(row, _key(row, by))
            found[one.key] = found[one.key] + one if one.key in found else one
        if by == "day":
            return sorted(found.values(), key=lambda s: s.key)
        return sorted(found.values(), key=lambda s: (_effective(s).copy_negate(), s.key))

    @property
    def lost(self) -> int:
        """Calls that their processes could not note."""
        with ledger_errors(self._place, "read"):
            found = self._database.read("SELECT COALESCE(SUM(calls), 0) FROM losses", {})
        return int(found[0][0])

    def reprice(self, *, since: datetime | None = None) -> Repriced:
        """Price the calls again by the present catalogue, with your own prices in it.

        The first figure stays (``usd``, ``source``, ``as_of``); where the new one differs it is
        put beside it (``repriced_usd``, ``repriced_source``, ``repriced_as_of``). Prices that
        the provider stated stand, and calls that were cut off stay unknown.
        """
        calls, corrected, before, after = 0, 0, ZERO, ZERO
        changes = []
        for row in self.rows(since=since):
            calls += 1
            cost = _price_now(row)
            old = row["repriced_usd"] if row["repriced_usd"] is not None else row["usd"]
            if cost is None or cost.usd is None or (old and Decimal(old) == cost.usd):
                continue
            corrected += 1
            before = add_usd((before, Decimal(row["usd"] or 0)))
            after = add_usd((after, cost.usd))
            changes.append(_correction(row["id"], cost))
        with ledger_errors(self._place), self._database.transaction() as execute:
            for change in changes:
                execute(_CORRECT, change)
        return Repriced(calls, corrected, before, after)

    def close(self) -> None:
        """Close the database."""
        self._database.close()


def since_of(text: str, *, now: datetime | None = None) -> datetime:
    """The moment that ``"7d"``, ``"24h"``, ``"2w"``, ``"90m"`` or an ISO date names.

    Raises ConfigurationError.
    """
    found = _SINCE.fullmatch(text.strip().lower())
    with contextlib.suppress(ValueError, OverflowError):  # no such date, or before the year 1
        if found:
            span = timedelta(**{_SPANS[found[2]]: int(found[1])})
            return (now or datetime.now(UTC)) - span
        moment = datetime.fromisoformat(text.strip())
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    raise ConfigurationError(f"{text!r} is no time; write 7d, 24h, 2w, 90m or 2027-01-31")


_SUMMED = (
    "provider",
    "model",
    "status",
    "usd",
    "saving_usd",
    "repriced_usd",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "seconds",
    "labels",
)
_CORRECT = (
    "UPDATE calls SET repriced_usd = :usd, repriced_source = :source, repriced_as_of = :as_of,"
    " repriced_at = :at WHERE id = :id"
)


def _key(row: Mapping[str, Any], by: str) -> str:
    if by == "day":
        return str(row["at"])[:10]
    if by == "model":
        return f"{row['provider']}/{row['model']}"
    if by.startswith("label:"):
        return clean(_label(row["labels"], by.removeprefix("label:")))
    return str(row[by])


def _label(labels: str, name: str) -> str:
    try:
        return str(load_json(labels).get(name, ""))
    except (ValueError, AttributeError):
        return ""  # a row that somebody edited


def _sum_of(row: Mapping[str, Any], key: str) -> Sum:
    usd, repriced = row["usd"], row["repriced_usd"]
    return Sum(
        key=key,
        calls=1,
        failed=int(row["status"] not in ("ok", "cancelled")),
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        cache_read_tokens=row["cache_read_tokens"],
        usd=Decimal(usd) if usd is not None else ZERO,
        unknown=int(usd is None),
        saving=Decimal(row["saving_usd"] or 0),
        repriced_usd=None if repriced is None else Decimal(repriced),
        seconds=row["seconds"],
    )


def _effective(total: Sum) -> Decimal:
    return total.usd if total.repriced_usd is None else total.repriced_usd


def _price_now(row: Mapping[str, Any]) -> Cost | None:
    """The price by the present catalogue; None for what has no price of ours."""
    if row["status"] in ("error", "cancelled") or not row["reported"]:
        return None
    try:
        provider = registry.find(row["provider"])
    except UnknownModel:
        return None
    at = datetime.fromisoformat(row["at"]).timestamp() - row["seconds"]
    return price_of(provider, usage_of(row), answered=row["model"], asked=row["model"], at=at)


def _correction(key: str, cost: Cost) -> dict[str, Any]:
    return {
        "id": key,
        "usd": format_usd(cost.usd if cost.usd is not None else ZERO),
        "source": cost.source,
        "as_of": cost.as_of,
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
