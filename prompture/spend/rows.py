"""One row of the ledger: a call as figures and names, without its text."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from prompture.money import Charge, format_usd
from prompture.types import Usage

COLUMNS: Mapping[str, str] = {
    "id": "VARCHAR(64) PRIMARY KEY",
    "at": "VARCHAR(32) NOT NULL",
    "provider": "VARCHAR(100) NOT NULL",
    "model": "VARCHAR(300) NOT NULL",
    "status": "VARCHAR(20) NOT NULL",
    "usd": "VARCHAR(60)",
    "computed_usd": "VARCHAR(60)",
    "saving_usd": "VARCHAR(60)",
    "source": "VARCHAR(20) NOT NULL",
    "as_of": "VARCHAR(40) NOT NULL",
    "reason": "TEXT NOT NULL",
    "input_tokens": "BIGINT NOT NULL",
    "output_tokens": "BIGINT NOT NULL",
    "cache_read_tokens": "BIGINT NOT NULL",
    "cache_write_tokens": "BIGINT NOT NULL",
    "reasoning_tokens": "BIGINT NOT NULL",
    "reported": "INTEGER NOT NULL",
    "buckets": "TEXT NOT NULL",
    "usage": "TEXT NOT NULL",
    "seconds": "DOUBLE PRECISION NOT NULL",
    "request_id": "VARCHAR(200)",
    "note": "VARCHAR(200) NOT NULL",
    "labels": "TEXT NOT NULL",
    "repriced_usd": "VARCHAR(60)",
    "repriced_source": "VARCHAR(20)",
    "repriced_as_of": "VARCHAR(40)",
    "repriced_at": "VARCHAR(32)",
}
"""``at`` is the UTC time at which the call ended; amounts are decimal text; ``buckets``,
``usage`` (what the columns lack) and ``labels`` are JSON."""
TABLE = f"CREATE TABLE IF NOT EXISTS calls ({', '.join(f'{n} {t}' for n, t in COLUMNS.items())})"
LOSSES = "CREATE TABLE IF NOT EXISTS losses (id VARCHAR(64) PRIMARY KEY, calls BIGINT NOT NULL)"
_COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)
_MORE = (
    "input_audio_tokens",
    "output_audio_tokens",
    "input_image_tokens",
    "output_image_tokens",
    "requests",
    "searches",
)
_RAW = ("speed", "inference_geo", "search_context_size", "iterations", "billed_units")
"""Parts of a provider's usage that a price depends on; counts and names only."""


def line_of(charge: Charge, labels: Mapping[str, str]) -> str:
    """A row for the journal; made while the call waits, so as little as possible is done."""
    cost, usage = charge.cost, charge.usage
    return json.dumps(
        (
            time.time(),
            charge.provider,
            charge.model,
            charge.status,
            None if cost.usd is None else str(cost.usd),
            None if cost.computed is None else str(cost.computed),
            str(cost.saving),
            cost.source,
            cost.as_of,
            cost.reason,
            [getattr(usage, name) for name in _COUNTS],
            usage.reported,
            [(bucket, n, str(p.rate), p.per, p.rule) for bucket, n, p in cost.counted],
            _more(usage),
            charge.seconds,
            charge.request_id,
            charge.note,
            labels,
        )
    )


def row_of(line: str) -> dict[str, Any] | None:
    """The row that a line of the journal says, None where the line is torn."""
    key, _, text = line.partition(" ")
    try:
        (
            at, provider, model, status, usd, computed, saving, source, as_of, reason,
            counts, reported, buckets, more, seconds, request_id, note, labels,
        ) = json.loads(text)  # fmt: skip
        row = {
            "id": key,
            "at": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
            "provider": provider,
            "model": model[:300],
            "status": status,
            "usd": _plain(usd),
            "computed_usd": _plain(computed),
            "saving_usd": _plain(saving),
            "source": source,
            "as_of": as_of,
            "reason": reason,
            **dict(zip(_COUNTS, counts, strict=True)),
            "reported": int(reported),
            "buckets": json.dumps([_bucket(*b) for b in buckets], ensure_ascii=False),
            "usage": json.dumps(more),
            "seconds": round(seconds, 6),
            "request_id": request_id,
            "note": note[:200],
            "labels": json.dumps(labels, ensure_ascii=False, sort_keys=True),
        }
    except (ValueError, TypeError, ArithmeticError, KeyError):
        return None
    return row


def usage_of(row: Mapping[str, Any]) -> Usage:
    """The usage that a row holds, as far as its price depends on it."""
    more = json.loads(row["usage"])
    stated = more.pop("stated_cost", None)
    return Usage(
        **{name: row[name] for name in _COUNTS},
        **more,
        stated_cost=None if stated is None else Decimal(stated),
        reported=bool(row["reported"]),
    )


def _more(usage: Usage) -> dict[str, Any]:
    found: dict[str, Any] = {n: v for n in _MORE if (v := getattr(usage, n))}
    if usage.cache_writes:
        found["cache_writes"] = dict(usage.cache_writes)
    if usage.service_tier is not None:
        found["service_tier"] = usage.service_tier
    if usage.stated_cost is not None:
        found["stated_cost"] = str(usage.stated_cost)
    if raw := usage.raw:
        kept = {name: raw[name] for name in _RAW if name in raw}
        if kept:
            found["raw"] = kept
    return found


def _bucket(name: str, quantity: int, rate: str, per: int, rule: str) -> dict[str, Any]:
    usd = Decimal(rate) * quantity / per
    found = {"bucket": name, "quantity": quantity, "rate": rate, "usd": format_usd(usd)}
    return {**found, "rule": rule} if rule else found


def _plain(amount: str | None) -> str | None:
    return None if amount is None else format_usd(Decimal(amount))
