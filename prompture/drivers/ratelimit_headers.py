"""Rate limits, out of response headers. Providers agree on a few spellings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from prompture.codecs.faults import duration
from prompture.types import RateLimits

_FIELDS = {
    name.format(what=what, field=field): (rank, f"{what}_{field}")
    for rank, name in enumerate(
        (
            "x-ratelimit-{field}-{what}",
            "anthropic-ratelimit-{what}-{field}",
            "modelscope-ratelimit-{what}-{field}",
        )
    )
    for what in ("requests", "tokens")
    for field in ("limit", "remaining", "reset")
}
"""A header's name to its place among the spellings of a field, of which the first wins."""


def rate_limits(headers: Mapping[str, str]) -> RateLimits | None:
    """What the headers say, their names in lower case; None where they say nothing."""
    ranks: dict[str, int] = {}
    found: dict[str, Any] = {}
    for name, text in headers.items():
        if (known := _FIELDS.get(name)) is not None:
            rank, key = known
            if rank <= ranks.get(key, rank):
                ranks[key] = rank
                found[key] = _seconds(text, headers) if key.endswith("reset") else _count(text)
    return RateLimits(**found) if found else None


def _count(text: str) -> int | None:
    if text.isdecimal() and len(text) < 18:
        return int(text)
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        return None


def _seconds(text: str, headers: Mapping[str, str]) -> float | None:
    if (wait := duration(text)) is not None and "T" not in text:
        return wait
    # Anthropic gives a time; the response's own Date header says what time it was.
    try:
        then = datetime.fromisoformat(text.replace("Z", "+00:00"))
        from email.utils import parsedate_to_datetime

        return max(0.0, (then - parsedate_to_datetime(headers["date"])).total_seconds())
    except (ValueError, KeyError, TypeError):
        return None
