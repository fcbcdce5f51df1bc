"""Rate limits, out of response headers. Providers agree on a few spellings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from prompture.codecs.faults import duration
from prompture.types import RateLimits

_NAMES = {
    f"{what}_{field}": (
        f"x-ratelimit-{field}-{what}",
        f"anthropic-ratelimit-{what}-{field}",
        f"modelscope-ratelimit-{what}-{field}",
    )
    for what in ("requests", "tokens")
    for field in ("limit", "remaining", "reset")
}
_PREFIXES = ("x-ratelimit", "anthropic-ratelimit", "modelscope-ratelimit")


def rate_limits(headers: Mapping[str, str]) -> RateLimits | None:
    """What the headers say, or None where they say nothing."""
    if not any(name.startswith(_PREFIXES) for name in headers):
        return None
    found = {key: _first(headers, names) for key, names in _NAMES.items()}
    if all(value is None for value in found.values()):
        return None
    return RateLimits(
        requests_limit=_count(found["requests_limit"]),
        requests_remaining=_count(found["requests_remaining"]),
        requests_reset=_seconds(found["requests_reset"], headers),
        tokens_limit=_count(found["tokens_limit"]),
        tokens_remaining=_count(found["tokens_remaining"]),
        tokens_reset=_seconds(found["tokens_reset"], headers),
    )


def _first(headers: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    for name in names:
        if (value := headers.get(name)) is not None:
            return value
    return None


def _count(text: str | None) -> int | None:
    try:
        return int(float(text)) if text is not None else None
    except (ValueError, OverflowError):
        return None


def _seconds(text: str | None, headers: Mapping[str, str]) -> float | None:
    if text is None:
        return None
    if (wait := duration(text)) is not None and "T" not in text:
        return wait
    # Anthropic gives a time; the response's own Date header says what time it was.
    try:
        then = datetime.fromisoformat(text.replace("Z", "+00:00"))
        from email.utils import parsedate_to_datetime

        return max(0.0, (then - parsedate_to_datetime(headers["date"])).total_seconds())
    except (ValueError, KeyError, TypeError):
        return None
