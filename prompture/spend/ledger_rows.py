"""One row of the ledger: a call as figures and names, without its text."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from prompture.money import COUNTS, TOKEN_COUNTS, Charge, Price, Usage, format_usd

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
    "more_usage": "TEXT NOT NULL",
    "seconds": "DOUBLE PRECISION NOT NULL",
    "request_id": "VARCHAR(200)",
    "note": "VARCHAR(200) NOT NULL",
    "labels": "TEXT NOT NULL",
    "repriced_usd": "VARCHAR(60)",
    "repriced_source": "VARCHAR(20)",
    "repriced_as_of": "VARCHAR(40)",
    "repriced_at": "VARCHAR(32)",
}
"""``at`` is the UTC time at which the call ended; amounts are decimal text; ``buckets``
(see ``buckets_of``), ``more_usage`` (what the columns lack) and ``labels`` are JSON. No name is a
reserved word of the databases that SQLAlchemy reaches."""
TABLE = f"CREATE TABLE IF NOT EXISTS calls ({', '.join(f'{n} {t}' for n, t in COLUMNS.items())})"
LOSSES = "CREATE TABLE IF NOT EXISTS losses (id VARCHAR(64) PRIMARY KEY, calls BIGINT NOT NULL)"
WRITTEN = tuple(name for name in COLUMNS if not name.startswith("repriced"))
"""The columns that a call fills."""
_DUMP = json.JSONEncoder(separators=(",", ":")).encode
_MORE = tuple(name for name in COUNTS if name not in TOKEN_COUNTS)
_RAW = ("speed", "inference_geo", "search_context_size", "iterations", "billed_units")
"""Parts of a provider's usage that a price depends on; counts and names only."""


def line_of(charge: Charge, labels: str) -> str:
    """A call as a line of the journal: fields with tabs between them. ``labels`` is JSON.

    It is made while the call waits, so nothing is done here that can be done later.
    """
    cost, usage = charge.cost, charge.usage
    return "\t".join(
        (
            repr(time.time()),
            clean(charge.provider),
            clean(charge.model),
            clean(charge.status),
            "" if cost.usd is None else f"{cost.usd:f}",
            "" if cost.computed is None else f"{cost.computed:f}",
            f"{cost.saving:f}",
            clean(cost.source),
            clean(cost.as_of),
            clean(cost.reason),
            str(usage.input_tokens),
            str(usage.output_tokens),
            str(usage.cache_read_tokens),
            str(usage.cache_write_tokens),
            str(usage.reasoning_tokens),
            "1" if usage.reported else "0",
            _DUMP([(bucket, n, str(p.rate), p.per, p.rule) for bucket, n, p in cost.counted]),
            _DUMP(_more(usage)),
            f"{charge.seconds:.6f}",
            clean(charge.request_id or ""),
            clean(charge.note),
            labels,
        )
    )


def row_of(line: str) -> tuple[Any, ...] | None:
    """Read a line of the journal: a row in the order of ``WRITTEN``; None where it is torn."""
    fields = line.split("\t")
    if len(fields) != len(WRITTEN):
        return None
    try:
        return tuple(read(text) for read, text in zip(_READERS, fields, strict=True))
    except (ValueError, OverflowError, OSError):
        return None


def _moment(text: str) -> str:
    return datetime.fromtimestamp(float(text), UTC).isoformat(timespec="milliseconds")


def _count(text: str) -> int:
    """A whole number that fits BIGINT."""
    return max(-_LARGEST, min(int(text), _LARGEST))


def _seconds(text: str) -> float:
    seconds = float(text)
    return seconds if math.isfinite(seconds) else 0.0


def _money(text: str) -> str | None:
    """Dollars as text. Raises ValueError where it is too long: cut off it would be another."""
    if len(text) > _AMOUNT_CHARS:
        raise ValueError("an amount that is too long")
    return text or None


def _up_to(most: int) -> Callable[[str], str]:
    return lambda text: text[:most]


def _reader(name: str, kind: str) -> Callable[[str], Any]:
    """The reader of a column's text, which makes it fit the column in every database.

    SQLite takes any length and size; others refuse the row.
    """
    if name == "at":
        return _moment
    if name.endswith("usd"):
        return _money
    if kind.startswith(("BIGINT", "INTEGER")):
        return _count
    if kind.startswith("DOUBLE"):
        return _seconds
    width = re.search(r"VARCHAR\((\d+)\)", kind)
    cut = _up_to(int(width[1]) if width else _LONGEST)
    return cut if "NOT NULL" in kind or "KEY" in kind else lambda text: cut(text) or None


_LARGEST = 2**63 - 1
_AMOUNT_CHARS = 60
_LONGEST = 100_000
_READERS = tuple(_reader(name, COLUMNS[name]) for name in WRITTEN)


def labels_of(values: Mapping[str, str]) -> str:
    """Labels as the JSON of a row."""
    return json.dumps(values, sort_keys=True)


def buckets_of(text: str) -> list[dict[str, Any]]:
    """The buckets of a row: name, quantity, rate for so many (``per``), dollars and rule."""
    return [
        {
            "bucket": name,
            "quantity": quantity,
            "rate": rate,
            "per": per,
            "usd": format_usd(Price(Decimal(rate), rule, per).of(quantity)),
            "rule": rule,
        }
        for name, quantity, rate, per, rule in json.loads(text)
    ]


def usage_of(row: Mapping[str, Any]) -> Usage:
    """The usage that a row holds, as far as its price depends on it."""
    more = json.loads(row["more_usage"])
    stated = more.pop("stated_cost", None)
    return Usage(
        **{name: row[name] for name in TOKEN_COUNTS},
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
    if usage.problem:
        found["problem"] = usage.problem
    if raw := usage.raw:
        kept = {name: raw[name] for name in _RAW if name in raw}
        if kept:
            found["raw"] = kept
    return found


def clean(text: str) -> str:
    """A text without tabs, line breaks, control characters and half surrogate pairs.

    A tab would end a field of the journal, a break a line; some databases refuse the others.
    """
    if text.isprintable():
        return text
    plain = text.encode("utf-8", "replace").decode()
    return "".join(c if c.isprintable() else " " for c in " ".join(plain.split()))
